//! The table of transitions: checking each row, and the message for those that fail.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use crate::{error::ApplyError, machine::StateMachine, reason::Reason};

/// Applies each event to its machine and compares the result; panics with a list of all rows that differ.
///
/// A row looks like an arm of a `match`. Its right side is a pattern for the resulting machine, or the expected error:
///
/// | right side | meaning |
/// | --- | --- |
/// | a pattern, optionally with `if` | the transition is made, and the resulting machine matches |
/// | `rejected` | the state does not declare the event |
/// | `refused "reason"` | a guard refuses it, with this reason |
///
/// If the machine has a context, it is the third element on the left: `(machine, event, context)`.
///
/// ```
/// use fsm_core::{StateMachine, assert_transitions};
/// use door::event::{Lock, Open};
///
/// #[derive(StateMachine, Debug)]
/// #[fsm(initial = Closed)]
/// enum Door {
///     #[on(open => Open)]
///     #[on(lock { code: u16 } => Locked, guard = four_digits)]
///     Closed,
///     #[on(close => Closed)]
///     Open,
///     #[on(unlock => Closed)]
///     Locked { code: u16 },
/// }
///
/// fn four_digits(_: &door::Closed, lock: &door::event::Lock) -> Result<(), &'static str> {
///     if lock.code > 999 { Ok(()) } else { Err("a code has four digits") }
/// }
///
/// # fn main() {
/// assert_transitions! {
///     (Door::Closed, Open) => Door::Open,
///     (Door::Closed, Lock { code: 1234 }) => Door::Locked { code } if code == 1234,
///     (Door::Closed, Lock { code: 12 }) => refused "a code has four digits",
///     (Door::Open, Lock { code: 1234 }) => rejected,
/// }
/// # }
/// ```
///
/// The message names each failed row and the actual result. It contains states and events, but no data:
///
/// ```should_panic
/// # use fsm_core::{StateMachine, assert_transitions};
/// # #[derive(StateMachine)]
/// # #[fsm(initial = Closed)]
/// # enum Door { #[on(open => Open)] Closed, #[on(close => Closed)] Open }
/// # use door::event::{Close, Open};
/// # fn main() {
/// assert_transitions! {
///     (Door::Closed, Open) => Door::Open,
///     (Door::Open, Close) => Door::Open,
///     (Door::Open, Open) => Door::Closed,
/// }
/// // 2 of 3 transitions of `Door` differ from the table:
/// //   row 2: `close` in `Open` => Door::Open: leads to `Closed`
/// //   row 3: `open` in `Open` => Door::Closed: `open` is not accepted in state `Open` of `Door`, which accepts `close`
/// # }
/// ```
#[macro_export]
macro_rules! assert_transitions {
    (@rows $rows:ident;) => {};
    (@rows $rows:ident; $case:tt => rejected $(, $($rest:tt)*)?) => {
        $rows.rejected($crate::assert_transitions!(@case $case));
        $crate::assert_transitions!(@rows $rows; $($($rest)*)?);
    };
    (@rows $rows:ident; $case:tt => refused $reason:literal $(, $($rest:tt)*)?) => {
        $rows.refused($crate::assert_transitions!(@case $case), $reason);
        $crate::assert_transitions!(@rows $rows; $($($rest)*)?);
    };
    (@rows $rows:ident; $case:tt => $next:pat $(if $holds:expr)? $(, $($rest:tt)*)?) => {
        $rows.leads_to($crate::assert_transitions!(@case $case), ::core::stringify!($next $(if $holds)?), |machine| {
            ::core::matches!(machine, $next $(if $holds)?)
        });
        $crate::assert_transitions!(@rows $rows; $($($rest)*)?);
    };
    (@case ($machine:expr, $event:expr $(,)?)) => {
        ($machine, $event, ())
    };
    (@case ($machine:expr, $event:expr, $context:expr $(,)?)) => {
        ($machine, $event, $context)
    };
    (@$part:ident $($wrong:tt)*) => {
        ::core::compile_error!(
            "expected `(machine, event) => pattern`, `(machine, event) => rejected` or `(machine, event) => refused \"reason\"`; \
             write `(machine, event, context)` if the machine has a context"
        )
    };
    ($($table:tt)+) => {{
        let mut rows = $crate::testing::Rows::default();
        $crate::assert_transitions!(@rows rows; $($table)+);
        if let ::core::option::Option::Some(failure) = rows.failure() {
            ::core::panic!("{failure}");
        }
    }};
}

/// The result of a table: the machine, the number of rows, and the messages of those that failed.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct Rows {
    machine: &'static str,
    count: usize,
    wrong: Vec<String>,
}

impl Rows {
    pub fn leads_to<M: StateMachine>(
        &mut self,
        case: (M, impl Into<M::Event>, M::Context),
        expected: &str,
        matches: impl FnOnce(M) -> bool,
    ) {
        self.row(case, expected, |outcome| match outcome {
            Ok(machine) => {
                let state = machine.state();
                (!matches(machine)).then(|| format!("leads to `{state}`"))
            }
            Err(error) => Some(error.to_string()),
        });
    }

    pub fn rejected<M: StateMachine>(&mut self, case: (M, impl Into<M::Event>, M::Context)) {
        self.row(case, "rejected", |outcome| match outcome {
            Ok(machine) => Some(format!("leads to `{}`", machine.state())),
            Err(ApplyError { reason, .. }) => {
                reason.map(|reason| format!("declared, but refused by its guard: {reason}"))
            }
        });
    }

    pub fn refused<M: StateMachine>(&mut self, case: (M, impl Into<M::Event>, M::Context), expected: &str) {
        self.row(case, &format!("refused {expected:?}"), |outcome| match outcome {
            Ok(machine) => Some(format!("leads to `{}`", machine.state())),
            Err(error) if error.reason.as_ref().map(Reason::as_str) == Some(expected) => None,
            Err(error) => Some(error.to_string()),
        });
    }

    fn row<M: StateMachine>(
        &mut self,
        (machine, event, mut context): (M, impl Into<M::Event>, M::Context),
        expected: &str,
        differs: impl FnOnce(Result<M, ApplyError<M>>) -> Option<String>,
    ) {
        let event = event.into();
        let (state, kind) = (machine.state(), M::kind_of(&event));
        self.machine = M::GRAPH.machine;
        self.count += 1;
        if let Some(what) = differs(machine.apply(event, &mut context)) {
            self.wrong.push(format!("row {}: `{kind}` in `{state}` => {expected}: {what}", self.count));
        }
    }

    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let Self { machine, count, wrong } = self;
        if wrong.is_empty() {
            return None;
        }
        let differ = if wrong.len() == 1 { "differs" } else { "differ" };
        let summary = format!("{} of {count} transitions of `{machine}` {differ} from the table", wrong.len());
        Some(format!("{summary}:\n  {}", wrong.join("\n  ")))
    }
}
