//! The transitions as a Markdown table.

use alloc::{
    format,
    string::{String, ToString as _},
};
use core::fmt;

use crate::graph::{Graph, StateKind};

/// A graph's transitions as a Markdown table, written by [`Display`](fmt::Display).
///
/// The columns are source, event, targets and notes: histories, guards, `auto`, timers, waits, work, `by = worker` and the compensation
/// sequence of a saga.
#[derive(Clone, Copy, Debug)]
#[must_use = "the text is written by `Display`"]
pub struct Table(Graph);

impl Graph {
    /// The transitions as a Markdown table.
    #[inline]
    pub const fn table(&self) -> Table {
        Table(*self)
    }
}

impl fmt::Display for Table {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| from | event | to | |\n| --- | --- | --- | --- |\n")?;
        for transition in self.0.transitions {
            let state = self.0.state(transition.from);
            write!(f, "| {} | {} | ", code(transition.from), code(transition.event))?;
            if transition.internal {
                f.write_str("stays")?;
            }
            for (i, to) in transition.to.iter().enumerate().filter(|_| !transition.internal) {
                let separator = if i == 0 { "" } else { " or " };
                write!(f, "{separator}{}", code(to))?;
            }
            f.write_str(" | ")?;
            let timer = state.and_then(|state| state.timer(transition.event));
            let work = state.is_some_and(|state| state.kind == StateKind::Work);
            let exhausted = state.and_then(|state| state.exhausted) == Some(transition.event);
            let mut separator = "";
            if let Some(history) = transition.history {
                write!(f, "{} of {}", history.kind(), code(history.group))?;
                separator = ", ";
            }
            let by_anyone = transition.by.includes_callers();
            let notes = [
                (transition.guarded, "guarded"),
                (transition.auto, "auto"),
                (exhausted, "when attempts are exhausted"),
                (work && by_anyone, "by work"),
                (!by_anyone, "by worker only"),
                (self.0.leads_back(transition), "undo"),
            ];
            for (_, note) in notes.iter().filter(|(holds, _)| *holds) {
                write!(f, "{separator}{note}")?;
                separator = ", ";
            }
            if let Some(timer) = timer {
                write!(f, "{separator}{}", cell(&timer.delay))?;
                separator = ", ";
            }
            for rewound in transition.rewinds {
                write!(f, "{separator}rewinds {}", code(rewound))?;
                separator = ", ";
            }
            for wait in self.0.waits_of(transition) {
                write!(f, "{separator}when {}", code(&format!("{wait}")))?;
                separator = ", ";
            }
            if let Some(outer) = transition.overrides {
                write!(f, "{separator}overrides {}", code(outer))?;
            }
            f.write_str(" |\n")?;
        }
        Ok(())
    }
}

/// Text that cannot end the cell.
#[inline]
fn cell(text: &impl fmt::Display) -> String {
    text.to_string().replace('|', "\\|")
}

/// A name as inline code, escaped so that it cannot end the cell or the code.
#[inline]
fn code(name: &str) -> String {
    let fence = if name.contains('`') { "``" } else { "`" };
    let mut out = String::from(fence);
    for c in name.chars() {
        match c {
            '|' => out.push_str("\\|"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push_str(fence);
    out
}
