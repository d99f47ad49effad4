//! Doc comments of generated items, and the notes of their compile errors.

use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    diagram::has_diagram,
    each::{each, indices},
    model::{Machine, Origin, Transition, plain},
    normalize::Cx,
    suggest, text,
};

/// The module's docs: the enum's own, a diagram for rustdoc only (editors would show its source), and the table of transitions.
pub(super) fn module(cx: &Cx<'_>) -> TokenStream {
    let machine = cx.machine;
    let name = machine.name();
    let mut about = format!("The state machine `{name}`.\n");
    if !machine.doc.is_empty() {
        let _ = write!(about, "\n{}\n", machine.doc);
    }
    let diagram = has_diagram(machine).then(|| {
        // The attribute is beside the module.
        let ((core, _), source) = (cx.libraries_at(0), &machine.source);
        quote!(#[cfg_attr(doc, doc = #core::__private::__diagram! { #source }, doc = "")])
    });
    let table = table(machine);
    // The examples in the user's text are tests of the enum alone.
    quote!(#[cfg_attr(not(doctest), doc = #about)] #[doc = ""] #diagram #[doc = #table])
}

/// The transitions as a Markdown table.
fn table(machine: &Machine) -> String {
    let mut table = String::from("| from | event | to |\n| --- | --- | --- |\n");
    for transition in &machine.transitions {
        let state = &machine.states[transition.from];
        let mut event = format!("`{}`", machine.events[transition.event].name);
        if transition.guard.is_some() {
            event.push_str(", guarded");
        }
        if !transition.is_for_callers() {
            event.push_str(", by worker only");
        }
        if machine.leads_back(transition) {
            event.push_str(", undo");
        }
        if state.timer(transition.event).is_some() {
            event.push_str(", also by a timer");
        }
        for wait in state.waits.iter().filter(|wait| wait.fires.event == transition.event) {
            let _ = write!(event, ", when `{}`", wait.text(&machine.name()));
        }
        if !transition.rewinds.is_empty() {
            let timers = transition.rewinds.iter().map(|timer| &machine.events[*timer].name);
            let _ = write!(event, ", rewinds {}", suggest::list(timers));
        }
        match transition.overrides {
            Some(Origin::Group(group)) => {
                let _ = write!(event, ", overrides `{}`", plain(&machine.groups[group].ident));
            }
            Some(Origin::Enum | Origin::State) => event.push_str(", overrides the enum"),
            None => {}
        }
        let to = if transition.internal { "stays".to_owned() } else { to(machine, transition).join(" or ") };
        let (from, event, to) = (cell(&format!("`{}`", state.name)), cell(&event), cell(&to));
        let _ = writeln!(table, "| {from} | {event} | {to} |");
    }
    table
}

/// Escapes what would end a cell or a row.
fn cell(names: &str) -> String {
    names.replace('|', "\\|").replace(char::is_control, " ")
}

/// The docs of an event: its transitions.
pub(super) fn event(machine: &Machine, event: usize) -> String {
    let mut ways: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for transition in machine.transitions.iter().filter(|transition| transition.event == event) {
        let (from, to) = (format!("`{}`", machine.states[transition.from].name), to(machine, transition));
        match ways.iter_mut().find(|(_, other)| *other == to) {
            Some((sources, _)) => sources.push(from),
            None => ways.push((vec![from], to)),
        }
    }
    let ways = each(&ways, &|(from, to)| format!("{} → {}", from.join(", "), to.join(" or ")));
    format!("`{}`: {}.", machine.events[event].name, ways.join("; "))
}

/// The docs of a transition: `` `Creating` → `Running` ``.
pub(super) fn transition(machine: &Machine, transition: &Transition) -> String {
    if transition.internal {
        return format!("Stays in `{}`.", machine.states[transition.from].name);
    }
    format!("`{}` → {}.", machine.states[transition.from].name, to(machine, transition).join(" or "))
}

fn to(machine: &Machine, transition: &Transition) -> Vec<String> {
    if let Some(history) = transition.history {
        return vec![format!("the state of `{}` that was left", plain(&machine.groups[history.group].ident))];
    }
    each(&transition.to, &|to| format!("`{}`", machine.states[*to].name))
}

/// All transitions, for the note of an illegal one.
pub(super) fn note(machine: &Machine) -> String {
    const SHOWN: usize = 40;
    let rows = each(&machine.transitions, &|transition| {
        let to = if let Some(history) = transition.history {
            format!("history({})", plain(&machine.groups[history.group].ident))
        } else {
            let to = each(&transition.to, &|to| machine.states[*to].name.as_str());
            to.join(" | ")
        };
        let by = if transition.is_for_callers() { "" } else { " (by worker)" };
        let to = format!("{to}{by}");
        (&machine.states[transition.from].name, &machine.events[transition.event].name, to)
    });
    let width = |name: &dyn Fn(usize) -> usize| (0..rows.len().min(SHOWN)).map(name).max().unwrap_or_default();
    let from_width = width(&|row| rows[row].0.chars().count());
    let event_width = width(&|row| rows[row].1.chars().count());
    let mut out = format!("the transitions of `{}` are:", machine.name());
    for (from, event, to) in rows.iter().take(SHOWN) {
        let dashes = "-".repeat(event_width - event.chars().count());
        let _ = write!(out, "\n  {from:from_width$} --{event}--{dashes}> {to}");
    }
    if rows.len() > SHOWN {
        let _ = write!(out, "\n  and {} more, see the documentation of `{}`", rows.len() - SHOWN, machine.module);
    }
    escaped(&out)
}

/// Why callers cannot fire an event that is `by = worker`, for the note of an error.
pub(super) fn by_worker(machine: &Machine) -> String {
    let events = indices(machine.events.len(), &|event| {
        machine.transitions.iter().any(|transition| transition.event == event && !transition.is_for_callers())
    });
    let names = each(&events, &|event| machine.events[*event].name.as_str());
    escaped(&format!(
        "{} {} `by = worker`: a worker ends with the event, `task.fire(event)`, or a timer fires it; an operator moves an instance \
         with `machines.move_to`",
        suggest::list(&names),
        if names.len() == 1 { "is" } else { "are" }
    ))
}

/// What callers can fire by id, for the label of an error.
pub(super) fn callers_events(machine: &Machine) -> String {
    let module = plain(&machine.module);
    let events = indices(machine.events.len(), &|event| machine.callers_fire(event));
    let mut types = each(&events, &|event| format!("{module}::event::{}", plain(&machine.events[*event].ty)));
    types.push(format!("{module}::Event"));
    escaped(&format!("expected {}", suggest::join(types, "or")))
}

/// The docs of `AnyRecord::accepts`.
pub(super) fn accepts_of_record(machine: &Machine) -> &'static str {
    if machine.restricts_callers() {
        "The events that callers can fire in its state, so not those with `by = worker`. A guard can still refuse one."
    } else {
        "The events that its state declares. A guard can still refuse one."
    }
}

/// What an instance begins with, for the label of an error: the structs of the initial states, or their pairs with `context`.
pub(super) fn initial_label(cx: &Cx<'_>, context: Option<&TokenStream>) -> String {
    let types = each(&cx.initial_states(), &|state| {
        let ty = format!("{}::{}", plain(&cx.machine.module), plain(&cx.machine.states[*state].ty));
        match context {
            None => ty,
            Some(context) => format!("({ty}, {})", text::of(context)),
        }
    });
    escaped(&format!("expected {}", suggest::join(types, "or")))
}

/// The initial states, for the note of an error about another one.
pub(super) fn initial_note(machine: &Machine) -> String {
    let (name, initial) = (machine.name(), indices(machine.states.len(), &|state| machine.states[state].initial));
    let names = each(&initial, &|state| &machine.states[*state].name);
    let are = if names.len() == 1 { "state" } else { "states" };
    let is = if names.len() == 1 { "is" } else { "are" };
    escaped(&format!(
        "the initial {are} of `{name}` {is} {}; a state is written as its struct in the module `{}`, not as a value of the enum",
        suggest::list(names),
        plain(&machine.module)
    ))
}

/// Braces are escaped, since rustc reads them as placeholders.
fn escaped(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_a_cell_of_the_table() {
        assert_eq!(cell("`A|B` or `C\nD`"), "`A\\|B` or `C D`");
    }
}
