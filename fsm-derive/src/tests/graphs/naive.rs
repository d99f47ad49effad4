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
    /// The superstate, and whether its history is deep.
    pub(super) history: Option<(usize, bool)>,
    pub(super) overrides: Option<String>,
    /// The events of timers.
    pub(super) rewinds: Vec<usize>,
    pub(super) with: bool,
    pub(super) guard: bool,
    pub(super) auto: bool,
    pub(super) by: bool,
    origin: Origin,
}

/// A state, and the last visited state of each superstate.
type Place = (usize, Vec<Option<usize>>);

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
        naive.waits();
        naive.rewinds();
        naive.carried();
        naive.histories();
        naive.endless();
        naive.fired();
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
        if let Some((group, deep)) = on.history {
            if group >= self.declared.groups.len() {
                (all_known, self.complete) = (false, false);
                self.error(format!("unknown superstate `{}` in `M`", group_name(group)));
            } else {
                to = self.declared.remembered(group);
                let inner =
                    (0..self.declared.groups.len()).find(|inner| self.declared.groups[*inner].parent == Some(group));
                if let Some(inner) = inner.filter(|_| !deep) {
                    self.error(format!(
                        "`history({0})` cannot be shallow, because `{0}` contains the superstate `{1}`",
                        group_name(group),
                        group_name(inner)
                    ));
                }
                if on.with {
                    self.error("`with` cannot be combined with `history(…)`".into());
                }
            }
        }
        for target in on.to.iter().filter(|_| !on.internal && on.history.is_none()) {
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
        if on.by && !self.declared.durable {
            self.error("`by` requires a durable machine".into());
        } else if on.by && on.auto {
            self.error("`auto` conflicts with `by = worker`".into());
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
                    if on.by && !earlier.by {
                        self.error(format!("this overrides a transition on `{event}` with `by = worker`"));
                    }
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
                history: on.history,
                overrides: None,
                rewinds: if on.internal { on.rewind.clone() } else { Vec::new() },
                with: on.with,
                guard: on.guard,
                auto: on.auto,
                by: on.by,
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

    /// The other machine is not known, so only what the declaration itself has is checked.
    fn waits(&mut self) {
        for (index, state) in self.declared.states.iter().enumerate() {
            let mut waits = false;
            for wait in &state.waits {
                let (state_name, event) = (name(index), event_name(wait.event));
                if state.kind == Kind::End {
                    self.error(format!("end state `{state_name}` cannot wait"));
                    continue;
                }
                let mut seen = BTreeSet::new();
                for twice in wait.states.iter().filter(|state| !seen.insert(**state)) {
                    self.error(format!("`{}` is listed twice", name(*twice)));
                }
                let field = state.fields[wait.field];
                if !field {
                    let field = FIELDS[wait.field];
                    self.error(format!("`{state_name}` has no field `{field}` with the id to wait for"));
                }
                let accepted = self.transitions.iter().any(|on| on.from == index && on.event == wait.event);
                if !accepted && self.complete {
                    self.error(format!(
                        "`waits` of `{state_name}` fires `{event}`, which `{state_name}` does not accept"
                    ));
                }
                waits |= field && accepted;
            }
            if waits && !self.declared.durable {
                self.error("`waits` requires a durable machine".into());
            }
        }
    }

    /// What is `by = worker` needs a worker, a timer or a wait. One error for each declaration.
    fn fired(&mut self) {
        let mut reported = Vec::new();
        for Transition { from, event, origin, .. } in self.transitions.clone().iter().filter(|transition| transition.by)
        {
            let state = &self.declared.states[*from];
            let waited = state.waits.iter().any(|wait| wait.event == *event);
            // A timer or a wait with an error may be meant to fire it.
            let accepted = |event: usize| self.transitions.iter().any(|on| on.from == *from && on.event == event);
            let unknown = (state.kind == Kind::End && !state.waits.is_empty())
                || state.timers.iter().any(|timer| !accepted(*timer))
                || state.waits.iter().any(|wait| !accepted(wait.event) || !state.fields[wait.field]);
            let fired = state.kind == Kind::Work || state.timers.contains(event) || waited || unknown;
            let own = *origin == Origin::Own;
            if self.complete && self.declared.durable && !fired && (own || !reported.contains(&(*origin, *event))) {
                reported.push((*origin, *event));
                self.error(format!("`{}` is `by = worker`, but ", event_name(*event)));
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
        let mut missing = vec![[const { Vec::new() }; 3]; self.states()];
        let mut twice = missing.clone();
        let mut errors = Vec::new();
        for Transition { from, event, to, .. } in self.transitions.iter().filter(|on| !on.with && on.history.is_none())
        {
            if let [target] = to[..] {
                let (source, wanted) = (&self.declared.states[*from], &self.declared.states[target]);
                let on = format!("`{}` from `{}`", event_name(*event), name(*from));
                let whole = wanted.holds.is_some_and(|group| self.declared.remembered(group).contains(from));
                for field in (0..2).filter(|field| wanted.fields[*field] && !self.declared.events[*event][*field]) {
                    if !source.fields[field] {
                        missing[target][field].push(on.clone());
                    } else if whole {
                        twice[target][field].push(on.clone());
                    }
                }
                if wanted.holds.is_some() && !whole && source.holds.is_none() {
                    missing[target][2].push(on);
                }
                continue;
            }
            // An `#[on(…)]` of several states reports one error for each of them, at the same position.
            errors.push(format!("`{}` can lead to `{}`", event_name(*event), name(to[0])));
        }
        for (target, fields) in missing.iter().enumerate() {
            for (field, transitions) in fields.iter().enumerate().filter(|(_, transitions)| !transitions.is_empty()) {
                let field = FIELDS.get(field).unwrap_or(&"was");
                let transitions = transitions.join(", ");
                errors.push(format!("no source for field `{field}` of `{}` on {transitions}:", name(target)));
            }
        }
        for (target, fields) in twice.iter().enumerate() {
            for (field, transitions) in fields.iter().enumerate().filter(|(_, transitions)| !transitions.is_empty()) {
                let (field, target, transitions) = (FIELDS[field], name(target), transitions.join(", "));
                errors.push(format!(
                    "field `{field}` of `{target}` is also in its history field `was` on {transitions}:"
                ));
            }
        }
        self.errors.extend(errors);
    }

    /// Whether each transition to a history has one to lead to.
    fn histories(&mut self) {
        let mut errors = Vec::new();
        // The states inside the superstate, for each shared `#[on(…)]`.
        let mut inside: Vec<(Origin, usize, Vec<usize>)> = Vec::new();
        for Transition { from, event, history, origin, .. } in &self.transitions {
            let Some((group, _)) = history else { continue };
            let (state, superstate) = (name(*from), group_name(*group));
            let holds = |state: usize| self.declared.states[state].holds == Some(*group);
            let brings = |on: &Transition| {
                let left = self.declared.remembered(*group).contains(&on.from);
                on.to.contains(from) && (left || (on.from != *from && holds(on.from)))
            };
            if self.declared.groups_of(*from).contains(group) {
                let same = |(other, on, _): &(Origin, usize, Vec<usize>)| {
                    *origin != Origin::Own && (other, on) == (origin, event)
                };
                match inside.iter_mut().find(|other| same(other)) {
                    Some((.., states)) => states.push(*from),
                    None => inside.push((*origin, *event, vec![*from])),
                }
            } else if !holds(*from) {
                errors.push(format!("`{state}` does not hold the history of `{superstate}`"));
            } else if self.complete && !self.transitions.iter().any(brings) {
                errors.push(format!("no transition leads from a state of `{superstate}` to `{state}`"));
            }
        }
        errors.extend(inside.iter().map(|(.., states)| match &states[..] {
            [state] => format!("`{}` is in `", name(*state)),
            states => format!("`{}`{}", name(states[0]), if states.len() == 2 { " and " } else { ", " }),
        }));
        self.errors.extend(errors);
    }

    /// No history contains itself.
    fn endless(&mut self) {
        let groups = self.declared.groups.len();
        // Which histories a history holds, at any depth.
        let mut holds = vec![vec![false; groups]; groups];
        for (group, inner) in holds.iter_mut().enumerate() {
            inner[group] = true;
            for state in self.declared.remembered(group) {
                self.declared.states[state].holds.into_iter().for_each(|held| inner[held] = true);
            }
        }
        for middle in 0..groups {
            for outer in 0..groups {
                for inner in 0..groups {
                    holds[outer][inner] |= holds[outer][middle] && holds[middle][inner];
                }
            }
        }
        for state in 0..self.states() {
            let Some(held) = self.declared.states[state].holds else { continue };
            let is_in = |group: usize| self.declared.remembered(group).contains(&state);
            let reported = is_in(held)
                && self
                    .transitions
                    .iter()
                    .any(|on| on.from == state && on.history.is_some_and(|(group, _)| group == held));
            if !reported && (0..groups).any(|group| holds[held][group] && is_in(group)) {
                self.error("the history of `".into());
            }
        }
    }

    /// The edges, as pairs.
    fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        self.transitions.iter().flat_map(|transition| transition.to.iter().map(|to| (transition.from, *to)))
    }

    /// Whether a path leads from each state to each other, if a history could lead to each of its states.
    fn connected(&self) -> Vec<Vec<bool>> {
        let mut paths = vec![vec![false; self.states()]; self.states()];
        self.edges().for_each(|(from, to)| paths[from][to] = true);
        for middle in 0..self.states() {
            for from in 0..self.states() {
                for to in 0..self.states() {
                    paths[from][to] |= paths[from][middle] && paths[middle][to];
                }
            }
        }
        paths
    }

    /// The place of a machine of which only the state is known.
    fn unknown(&self, state: usize) -> Place {
        self.arrived(&vec![None; self.declared.groups.len()], state)
    }

    fn arrived(&self, last: &[Option<usize>], state: usize) -> Place {
        let last = last.iter().enumerate().map(|(group, last)| {
            let entered = self.declared.remembered(group).contains(&state);
            if entered { Some(state) } else { *last }
        });
        (state, last.collect())
    }

    fn next(&self, (state, last): &Place) -> BTreeSet<Place> {
        let mut next = BTreeSet::new();
        for on in self.transitions.iter().filter(|on| on.from == *state) {
            let left = on.history.and_then(|(group, _)| last[group]);
            let to = on.to.iter().filter(|to| left.is_none_or(|left| left == **to));
            next.extend(to.map(|to| self.arrived(last, *to)));
        }
        next
    }

    fn initial_places(&self) -> BTreeSet<Place> {
        (0..self.states())
            .filter(|state| self.declared.states[*state].initial)
            .map(|state| self.unknown(state))
            .collect()
    }

    /// The places that can be reached in each number of steps, each only at its smallest number.
    fn rounds(&self, from: BTreeSet<Place>, through: impl Fn(usize) -> bool) -> Vec<BTreeSet<Place>> {
        let (mut rounds, mut seen) = (Vec::new(), BTreeSet::new());
        let mut here: BTreeSet<Place> = from.into_iter().filter(|(state, _)| through(*state)).collect();
        while !here.is_empty() {
            seen.extend(here.clone());
            let next = here.iter().flat_map(|place| self.next(place));
            let next = next.filter(|place| through(place.0) && !seen.contains(place)).collect();
            rounds.push(std::mem::replace(&mut here, next));
        }
        rounds
    }

    /// The number of steps to the nearest place in each state.
    fn distances(&self, from: BTreeSet<Place>, through: impl Fn(usize) -> bool) -> Vec<Option<usize>> {
        let rounds = self.rounds(from, through);
        let nearest = |state: usize| rounds.iter().position(|places| places.iter().any(|place| place.0 == state));
        (0..self.states()).map(nearest).collect()
    }

    /// The length of the shortest path, of at least one step, from some places to each state.
    fn steps(&self, from: &BTreeSet<Place>) -> Vec<Option<usize>> {
        let next = from.iter().flat_map(|place| self.next(place)).collect();
        self.distances(next, |_| true).into_iter().map(|steps| steps.map(|steps| steps + 1)).collect()
    }

    /// The same from a state of which nothing else is known.
    pub(super) fn steps_from(&self, state: usize) -> Vec<Option<usize>> {
        self.steps(&BTreeSet::from([self.unknown(state)]))
    }

    /// The places in a state that can be reached.
    fn places_in(&self, state: usize) -> BTreeSet<Place> {
        let rounds = self.rounds(self.initial_places(), |_| true);
        rounds.into_iter().flatten().filter(|place| place.0 == state).collect()
    }

    fn graph(&mut self) {
        let has_transition = |state: usize| self.edges().any(|(from, _)| from == state);
        let ends: Vec<_> = (0..self.states()).filter(|state| self.kind(*state) == Kind::End).collect();
        let dead_ends: Vec<_> =
            (0..self.states()).filter(|state| !has_transition(*state) && !ends.contains(state)).collect();
        let mut errors = Vec::new();
        for (state, connected) in self.connected().iter().enumerate() {
            let (name, places) = (name(state), self.places_in(state));
            let reached = !places.is_empty();
            if !reached {
                errors.push(format!("state `{name}` is unreachable"));
            }
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
                    let ahead = self.steps(&places);
                    let ending = ends.iter().any(|end| ahead[*end].is_some());
                    if reached && !ends.is_empty() && !ending && !dead_ends.iter().any(|dead| connected[*dead]) {
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
        let mut places = self.places_in(first);
        if places.is_empty() {
            places.insert(self.unknown(first));
        }
        let shortest = self.steps(&places)[second];
        let broken = match property {
            0 => {
                let avoiding = self.distances(self.initial_places(), |state| state != first);
                avoiding[second].map(|steps| (format!("`{b}` is reachable without `{a}`"), Some(steps)))
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
