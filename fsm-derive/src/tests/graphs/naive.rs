//! The reference model: the meaning of a declaration, computed with simple loops and without the derive's own code.

use std::collections::BTreeSet;

use super::declared::{Declared, FIELDS, Kind, On, event_name, group_name, name};

/// Where a transition is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Own,
    Group(usize),
    Wide,
}

#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Debug)]
pub(super) struct Transition {
    pub(super) from: usize,
    pub(super) event: usize,
    pub(super) to: Vec<usize>,
    pub(super) internal: bool,
    pub(super) overrides: Option<String>,
    /// The events of timers.
    pub(super) rewinds: Vec<usize>,
    pub(super) with: bool,
    pub(super) guard: bool,
    pub(super) auto: bool,
    origin: Origin,
}

/// The transitions, and the beginning of each expected error.
pub(super) struct Naive<'d> {
    declared: &'d Declared,
    pub(super) transitions: Vec<Transition>,
    pub(super) errors: Vec<String>,
    /// Whether all names are declared.
    complete: bool,
}

impl<'d> Naive<'d> {
    pub(super) fn of(declared: &'d Declared) -> Self {
        let mut naive = Self { declared, transitions: Vec::new(), errors: Vec::new(), complete: true };
        naive.initial();
        naive.groups();
        for (from, state) in declared.states.iter().enumerate() {
            for on in &state.ons {
                if !on.except.is_empty() {
                    naive.error("`except(…)` is not allowed on a variant".into());
                }
                naive.add(&[from], on, Origin::Own);
            }
        }
        // The deepest first: a declaration further in overrides one further out.
        for depth in (0..declared.groups.len()).rev() {
            for (group, inner) in declared.groups.iter().enumerate() {
                if naive.depth(group) == depth {
                    inner.ons.iter().for_each(|on| naive.shared(on, Origin::Group(group)));
                }
            }
        }
        declared.wide.iter().for_each(|on| naive.shared(on, Origin::Wide));
        naive.timers();
        naive.rewinds();
        naive.carried();
        let requires = naive.requires_named();
        if naive.complete {
            naive.graph();
            for require in requires {
                naive.require(require);
            }
        }
        naive
    }

    /// The number of superstates around a superstate.
    fn depth(&self, group: usize) -> usize {
        self.declared.groups[group].parent.map_or(0, |parent| self.depth(parent) + 1)
    }

    fn error(&mut self, message: String) {
        self.errors.push(message);
    }

    fn states(&self) -> usize {
        self.declared.states.len()
    }

    fn kind(&self, state: usize) -> Kind {
        self.declared.states[state].kind
    }

    fn initial(&mut self) {
        if !self.declared.states.iter().any(|state| state.initial) {
            self.complete = false;
            self.error("missing `initial`".into());
        }
    }

    /// Whether the state is declared. If not, adds an error.
    fn known(&mut self, state: usize) -> bool {
        let known = state < self.states();
        if !known {
            self.error(format!("unknown state `{}` in `M`", name(state)));
        }
        known
    }

    fn shared(&mut self, on: &On, origin: Origin) {
        let complete = self.complete;
        let member = |state: usize| match origin {
            Origin::Group(group) => self.declared.groups_of(state).contains(&group),
            Origin::Own | Origin::Wide => true,
        };
        let members = (0..self.states()).filter(|state| member(*state)).count();
        let sources: Vec<_> =
            (0..self.states()).filter(|state| member(*state) && self.kind(*state) != Kind::End).collect();
        let mut except = BTreeSet::new();
        for state in &on.except {
            if !self.known(*state) {
                self.complete = false;
                continue;
            }
            let name = name(*state);
            if self.kind(*state) == Kind::End {
                self.error(format!("`{name}` is an end state, which is excluded anyway"));
            } else if !sources.contains(state) {
                self.error(format!("`{name}` is not in this superstate"));
            } else if except.contains(state) {
                self.error(format!("`{name}` is listed twice"));
            }
            except.insert(*state);
        }
        let from: Vec<_> = sources.into_iter().filter(|state| !except.contains(state)).collect();
        self.add(&from, on, origin);
        if from.is_empty() && members > 0 && complete && self.complete {
            self.error(format!("no state accepts `{}`", event_name(on.event)));
        }
    }

    fn add(&mut self, from: &[usize], on: &On, origin: Origin) {
        let mut to: Vec<usize> = Vec::new();
        let mut all_known = true;
        for target in on.to.iter().filter(|_| !on.internal) {
            if !self.known(*target) {
                (all_known, self.complete) = (false, false);
            } else if to.contains(target) {
                self.error(format!("`{}` is listed twice", name(*target)));
            } else {
                to.push(*target);
            }
        }
        let mut rewound = BTreeSet::new();
        for timer in on.rewind.iter().filter(|_| on.internal) {
            if !rewound.insert(*timer) {
                self.error(format!("`{}` is listed twice", event_name(*timer)));
            }
        }
        if !on.internal && !on.rewind.is_empty() {
            self.error("`rewind` has no effect".into());
        }
        if on.internal && on.auto {
            self.error("`auto` has no effect".into());
        }
        for from in from.iter().filter(|_| all_known) {
            let (state, event) = (name(*from), event_name(on.event));
            let mut earlier =
                self.transitions.iter_mut().filter(|earlier| earlier.from == *from && earlier.event == on.event);
            if let Some(earlier) = earlier.next() {
                if earlier.origin != origin {
                    let outer = match origin {
                        Origin::Group(group) => group_name(group).to_string(),
                        Origin::Own | Origin::Wide => "M".to_owned(),
                    };
                    earlier.overrides = earlier.overrides.take().or(Some(outer));
                    continue;
                }
                self.error(match origin {
                    Origin::Own => format!("`{state}` declares `{event}` twice"),
                    Origin::Group(_) => format!("this superstate already declares `{event}` for `{state}`"),
                    Origin::Wide => format!("the enum already declares `{event}` for `{state}`"),
                });
                continue;
            }
            let mut to = to.clone();
            if on.back && to.contains(from) {
                self.error(format!("`Self` is `{state}` here"));
            } else if on.back || on.internal {
                to.push(*from);
            }
            self.transitions.push(Transition {
                from: *from,
                event: on.event,
                to,
                internal: on.internal,
                overrides: None,
                rewinds: if on.internal { on.rewind.clone() } else { Vec::new() },
                with: on.with,
                guard: on.guard,
                auto: on.auto,
                origin,
            });
        }
    }

    fn groups(&mut self) {
        for state in 0..self.states() {
            let group = self.declared.states[state].group;
            if let Some(unknown) = group.filter(|group| *group >= self.declared.groups.len()) {
                self.complete = false;
                self.error(format!("unknown superstate `{}` in `M`", group_name(unknown)));
            }
        }
        for group in 0..self.declared.groups.len() {
            if self.declared.members(group).is_empty() {
                self.error(format!("superstate `{}` has no states", group_name(group)));
            }
        }
    }

    fn timers(&mut self) {
        for state in 0..self.states() {
            let mut seen = BTreeSet::new();
            for event in &self.declared.states[state].timers {
                let declared =
                    self.transitions.iter().any(|transition| transition.from == state && transition.event == *event);
                let (state, event_name) = (name(state), event_name(*event));
                if declared && !seen.insert(event) {
                    self.error(format!("`{state}` has two timers that fire `{event_name}`"));
                } else if self.complete && !declared {
                    self.error(format!("the timer of `{state}` fires `{event_name}`, which `{state}` does not accept"));
                }
            }
        }
    }

    fn rewinds(&mut self) {
        for transition in self.transitions.clone() {
            let timers = &self.declared.states[transition.from].timers;
            let is_running = |timer: &usize| {
                let accepts = |on: &Transition| on.from == transition.from && on.event == *timer;
                timers.contains(timer) && self.transitions.iter().any(accepts)
            };
            let missing: Vec<_> = transition.rewinds.iter().filter(|timer| !is_running(timer)).collect();
            let messages = missing
                .into_iter()
                .filter(|_| self.complete)
                .map(|timer| format!("`{}` has no timer that fires `{}`", name(transition.from), event_name(*timer)));
            let messages: Vec<_> = messages.collect();
            self.errors.extend(messages);
        }
    }

    fn carried(&mut self) {
        let mut missing = vec![[const { Vec::new() }; 2]; self.states()];
        let mut errors = Vec::new();
        for Transition { from, event, to, .. } in self.transitions.iter().filter(|transition| !transition.with) {
            if let [target] = to[..] {
                for (field, transitions) in missing[target].iter_mut().enumerate() {
                    let wanted = self.declared.states[target].fields[field];
                    let supplied = self.declared.events[*event][field] || self.declared.states[*from].fields[field];
                    if wanted && !supplied {
                        transitions.push(format!("`{}` from `{}`", event_name(*event), name(*from)));
                    }
                }
                continue;
            }
            // An `#[on(…)]` of several states reports one error for each of them, at the same position.
            errors.push(format!("`{}` can lead to `{}`", event_name(*event), name(to[0])));
        }
        for (target, fields) in missing.iter().enumerate() {
            for (field, transitions) in fields.iter().enumerate().filter(|(_, transitions)| !transitions.is_empty()) {
                errors.push(format!(
                    "no source for field `{}` of `{}` on {}:",
                    FIELDS[field],
                    name(target),
                    transitions.join(", ")
                ));
            }
        }
        self.errors.extend(errors);
    }

    /// The edges, as pairs.
    fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        self.transitions.iter().flat_map(|transition| transition.to.iter().map(|to| (transition.from, *to)))
    }

    /// The length of the shortest path, of at least one step, between each two states through states that `through` allows.
    fn distances(&self, through: impl Fn(usize) -> bool) -> Vec<Vec<Option<usize>>> {
        let mut steps = vec![vec![None; self.states()]; self.states()];
        self.edges()
            .filter(|(from, to)| through(*from) && through(*to))
            .for_each(|(from, to)| steps[from][to] = Some(1));
        for middle in 0..self.states() {
            for from in 0..self.states() {
                for to in 0..self.states() {
                    if let (Some(first), Some(second)) = (steps[from][middle], steps[middle][to]) {
                        steps[from][to] =
                            Some(steps[from][to].map_or(first + second, |known: usize| known.min(first + second)));
                    }
                }
            }
        }
        steps
    }

    /// The length of the shortest path, of at least one step, between each two states.
    pub(super) fn steps(&self) -> Vec<Vec<Option<usize>>> {
        self.distances(|_| true)
    }

    fn graph(&mut self) {
        let steps = self.steps();
        let has_transition = |state: usize| self.edges().any(|(from, _)| from == state);
        let ends: Vec<_> = (0..self.states()).filter(|state| self.kind(*state) == Kind::End).collect();
        let dead_ends: Vec<_> =
            (0..self.states()).filter(|state| !has_transition(*state) && !ends.contains(state)).collect();
        let mut errors = Vec::new();
        for (state, ahead) in steps.iter().enumerate() {
            let name = name(state);
            let is_initial = |from: usize| self.declared.states[from].initial;
            let reached =
                is_initial(state) || (0..self.states()).any(|from| is_initial(from) && steps[from][state].is_some());
            if !reached {
                errors.push(format!("state `{name}` is unreachable"));
            }
            let leads_to = |states: &[usize]| states.iter().any(|other| ahead[*other].is_some());
            match self.kind(state) {
                Kind::End => {
                    let out = self.transitions.iter().filter(|transition| transition.from == state);
                    errors.extend(
                        out.map(|out| format!("end state `{name}` has a transition on `{}`", event_name(out.event))),
                    );
                }
                Kind::Work if dead_ends.contains(&state) => {
                    errors.push(format!("`work` state `{name}` has no transitions"));
                }
                Kind::Rest if dead_ends.contains(&state) => errors.push(format!("state `{name}` has no transitions")),
                Kind::Rest | Kind::Work => {
                    if reached && !ends.is_empty() && !leads_to(&ends) && !leads_to(&dead_ends) {
                        errors.push(format!("no end state is reachable from `{name}`"));
                    }
                }
            }
        }
        self.errors.extend(errors);
    }

    fn requires_named(&mut self) -> Vec<(usize, usize, usize)> {
        let requires = self.declared.requires.iter().copied();
        requires.filter(|(_, first, second)| self.known(*first) & self.known(*second)).collect()
    }

    fn require(&mut self, (property, first, second): (usize, usize, usize)) {
        let (a, b) = (name(first), name(second));
        let shortest = self.steps()[first][second];
        let broken = match property {
            0 => {
                let avoiding = self.distances(|state| state != first);
                let initial = |state: &usize| self.declared.states[*state].initial && *state != first;
                let lengths = (0..self.states())
                    .filter(initial)
                    .filter_map(|from| if from == second { Some(0) } else { avoiding[from][second] });
                lengths
                    .min()
                    .filter(|_| first != second)
                    .map(|steps| (format!("`{b}` is reachable without `{a}`"), Some(steps)))
            }
            1 => shortest.map(|steps| (format!("`{b}` is reachable from `{a}`"), Some(steps))),
            _ => shortest.is_none().then(|| (format!("`{b}` is not reachable from `{a}`"), None)),
        };
        if let Some((message, steps)) = broken {
            // Any of the shortest paths may be shown, so only its length is compared.
            let arrows = steps.map(|steps| format!(" | {steps} steps"));
            self.error(format!("{message}{}", arrows.unwrap_or_default()));
        }
    }
}
