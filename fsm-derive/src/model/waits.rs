//! What a state waits for.

use syn::{Ident, Path};

use super::{FiredEvent, plain};
use crate::{each::each, parse::Quantity};

/// The event that is fired once instances of another machine are in one of some states.
pub(crate) struct Wait {
    /// The field with the id or the ids, by its position.
    pub(crate) field: usize,
    /// The field as `waits(…)` names it.
    pub(crate) at: syn::Member,
    pub(crate) quantity: Quantity,
    pub(crate) machine: Path,
    pub(crate) states: Vec<Ident>,
    pub(crate) missing: bool,
    pub(crate) fires: FiredEvent,
}

impl Wait {
    /// The name of the awaited machine's enum; `own` is the name of the machine that waits.
    pub(crate) fn machine_name(&self, own: &str) -> String {
        let last = self.machine.segments.last().map(|segment| plain(&segment.ident)).unwrap_or_default();
        if last == "Self" { own.to_owned() } else { last }
    }

    /// The wait as text, without its event: `any(jobs): Job in Failed | missing`.
    pub(crate) fn text(&self, own: &str) -> String {
        let field = match &self.at {
            syn::Member::Named(name) => plain(name),
            syn::Member::Unnamed(index) => index.index.to_string(),
        };
        let field = match self.quantity {
            Quantity::One => field,
            Quantity::All => format!("all({field})"),
            Quantity::Any => format!("any({field})"),
            Quantity::AtLeast(count) => format!("at_least({count}, {field})"),
        };
        let mut states = each(&self.states, &plain);
        states.extend(self.missing.then(|| "missing".to_owned()));
        format!("{field}: {} in {}", self.machine_name(own), states.join(" | "))
    }
}
