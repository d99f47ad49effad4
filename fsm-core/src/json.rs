//! The graph as JSON, for tools without access to the code.

use core::fmt;

use crate::{
    graph::{EventInfo, FieldInfo, Graph, GroupInfo, HistoryInfo, StateInfo, TimerDelay, TimerInfo, TransitionInfo},
    saga::{SagaInfo, StepInfo},
    waits::{WaitInfo, WaitQuantity},
};

/// A graph as JSON on one line, written by [`Display`](fmt::Display).
///
/// It contains everything in a [`Graph`] under the names of its fields, with these differences:
///
/// - `format` is [`Json::FORMAT`].
/// - `fingerprint` is the [fingerprint](Graph::fingerprint) as sixteen hexadecimal digits.
/// - The `ty` of a field is named `type`.
/// - The `kind` of a state is `"rest"`, `"work"` or `"end"`.
/// - The `by` of a transition is `"anyone"` or `"worker"`.
/// - A timer has, beside its `event`, one of `after`, `{"secs": …, "nanos": …}`, `computed` and `at`, which are the code of its delay or
///   of its time.
/// - `saga` is there only if the machine has one.
/// - The `quantity` of a wait is `"one"`, `"all"`, `"any"`, or the number of instances that are enough.
///
/// Options are `null` if empty. Later versions can add keys without changing the format number; a change or removal of a key
/// increases it.
// Written by hand: a serializer would be a dependency of every crate that declares a machine.
#[derive(Clone, Copy, Debug)]
#[must_use = "the text is written by `Display`"]
pub struct Json(Graph);

impl Json {
    /// The number of the format, as in `"format":1`.
    pub const FORMAT: u32 = 1;
}

impl Graph {
    /// The graph as JSON.
    #[inline]
    pub const fn json(&self) -> Json {
        Json(*self)
    }
}

impl fmt::Display for Json {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Graph { machine, doc, version, context, states, events, transitions, groups, saga } = &self.0;
        write!(f, "{{\"format\":{},\"machine\":{}", Self::FORMAT, Text(machine))?;
        write!(f, ",\"doc\":{},\"version\":{version}", Text(doc))?;
        write!(f, ",\"fingerprint\":\"{:016x}\",\"context\":{},\"states\":", self.0.fingerprint(), Optional(*context))?;
        array(f, states, state)?;
        f.write_str(",\"events\":")?;
        array(f, events, |f, EventInfo { name, fields }| {
            write!(f, "{{\"name\":{},\"fields\":", Text(name))?;
            array(f, fields, field)?;
            f.write_str("}")
        })?;
        f.write_str(",\"transitions\":")?;
        array(
            f,
            transitions,
            |f, TransitionInfo { from, event, to, internal, history, overrides, guarded, rewinds, auto, by, doc }| {
                write!(f, "{{\"from\":{},\"event\":{},\"to\":", Text(from), Text(event))?;
                array(f, to, |f, to| write!(f, "{}", Text(to)))?;
                write!(f, ",\"internal\":{internal},\"history\":")?;
                match history {
                    None => f.write_str("null")?,
                    Some(HistoryInfo { group, deep }) => write!(f, "{{\"group\":{},\"deep\":{deep}}}", Text(group))?,
                }
                write!(f, ",\"overrides\":{}", Optional(*overrides))?;
                write!(f, ",\"guarded\":{guarded},\"rewinds\":")?;
                array(f, rewinds, |f, timer| write!(f, "{}", Text(timer)))?;
                write!(f, ",\"auto\":{auto},\"by\":{}", Text(by.as_str()))?;
                write!(f, ",\"doc\":{}}}", Text(doc))
            },
        )?;
        f.write_str(",\"groups\":")?;
        array(f, groups, |f, GroupInfo { name, parent, doc }| {
            write!(f, "{{\"name\":{},\"parent\":{},\"doc\":{}}}", Text(name), Optional(*parent), Text(doc))
        })?;
        if let Some(SagaInfo { undone, steps }) = saga {
            write!(f, ",\"saga\":{{\"undone\":{},\"steps\":", Text(undone))?;
            array(f, steps, |f, StepInfo { state, undo, uncertain }| {
                write!(f, "{{\"state\":{},\"undo\":{}", Text(state), Optional(*undo))?;
                write!(f, ",\"uncertain\":{uncertain}}}")
            })?;
            f.write_str("}")?;
        }
        f.write_str("}")
    }
}

#[inline]
fn state(f: &mut fmt::Formatter<'_>, state: &StateInfo) -> fmt::Result {
    let StateInfo { name, doc, kind, initial, remove, was, group, fields, timers, exhausted, enter, waits } = state;
    let kind = kind.as_str();
    write!(f, "{{\"name\":{},\"doc\":{},\"kind\":\"{kind}\"", Text(name), Text(doc))?;
    write!(f, ",\"initial\":{initial},\"remove\":{remove},\"was\":")?;
    array(f, was, |f, was| write!(f, "{}", Text(was)))?;
    write!(f, ",\"group\":{},\"fields\":", Optional(*group))?;
    array(f, fields, field)?;
    f.write_str(",\"timers\":")?;
    array(f, timers, timer)?;
    write!(f, ",\"exhausted\":{},\"enter\":{},\"waits\":", Optional(*exhausted), Optional(*enter))?;
    array(f, waits, wait)?;
    f.write_str("}")
}

#[inline]
fn timer(f: &mut fmt::Formatter<'_>, TimerInfo { delay, event }: &TimerInfo) -> fmt::Result {
    match delay {
        TimerDelay::After(after) => {
            let (secs, nanos) = (after.as_secs(), after.subsec_nanos());
            write!(f, "{{\"after\":{{\"secs\":{secs},\"nanos\":{nanos}}}")?;
        }
        TimerDelay::Computed(code) => write!(f, "{{\"computed\":{}", Text(code))?,
        TimerDelay::At(code) => write!(f, "{{\"at\":{}", Text(code))?,
    }
    write!(f, ",\"event\":{}}}", Text(event))
}

/// An object with everything in a [`WaitInfo`].
#[inline]
pub(crate) fn wait(f: &mut fmt::Formatter<'_>, wait: &WaitInfo) -> fmt::Result {
    let WaitInfo { field, machine, states, missing, quantity, event } = wait;
    write!(f, "{{\"field\":{},\"machine\":{},\"states\":", Text(field), Text(machine))?;
    array(f, states, |f, state| write!(f, "{}", Text(state)))?;
    write!(f, ",\"missing\":{missing},\"quantity\":")?;
    match quantity {
        WaitQuantity::One => f.write_str("\"one\"")?,
        WaitQuantity::All => f.write_str("\"all\"")?,
        WaitQuantity::Any => f.write_str("\"any\"")?,
        WaitQuantity::AtLeast(count) => write!(f, "{count}")?,
    }
    write!(f, ",\"event\":{}}}", Text(event))
}

#[inline]
fn field(f: &mut fmt::Formatter<'_>, field: &FieldInfo) -> fmt::Result {
    write!(f, "{{\"name\":{},\"type\":{}}}", Text(field.name), Text(field.ty))
}

#[inline]
pub(crate) fn array<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_str("[")?;
    for (i, one) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(",")?;
        }
        item(f, one)?;
    }
    f.write_str("]")
}

struct Optional<'a>(Option<&'a str>);

impl fmt::Display for Optional<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("null"),
            Some(text) => Text(text).fmt(f),
        }
    }
}

/// A JSON string.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        self.0.chars().try_for_each(|c| match c {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            c if u32::from(c) < 0x20 => write!(f, "\\u{:04x}", u32::from(c)),
            c => write!(f, "{c}"),
        })?;
        f.write_str("\"")
    }
}
