//! The derive macro of `fsm-core` and `fsm-runtime`, which re-export it: depend on one of those.
//!
//! [`StateMachine`](macro@StateMachine) documents all attributes.
//!
//! A declaration goes through five phases. Each is a pure function of the result of the previous phase: *parse* reads the
//! attributes, *model* resolves names, *check* checks names, data and the graph, *normalize* computes paths, types and
//! generics, and *expand* generates the code. Errors of all phases are collected and reported together.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod check;
mod diagram;
mod each;
mod errors;
mod expand;
mod idents;
mod model;
mod names;
mod normalize;
mod panics;
mod parse;
mod references;
mod suggest;
mod text;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, Ident, parse_macro_input};

use errors::Errors;
use parse::Declaration;

/// Generates a state machine from an enum: its variants are the states, its attributes declare the transitions.
///
/// ```
/// use fsm_core::StateMachine;
///
/// /// A text from its first draft to its publication.
/// #[derive(StateMachine, Debug, PartialEq)]
/// #[fsm(initial = Draft, derive(Debug, PartialEq))]
/// #[on(withdraw => Withdrawn)] // from every state except end states
/// pub enum Text {
///     /// Being written.
///     #[on(submit { by: String } => Review, guard = has_title)]
///     Draft { title: String },
///     /// Under review.
///     #[on(decide { score: u8 } => Published | Draft, with = decide)]
///     #[after("14d", withdraw)]
///     Review { title: String, by: String },
///     /// Published.
///     #[state(end)]
///     Published { title: String },
///     /// Withdrawn by its author.
///     #[state(end, name = "WITHDRAWN")]
///     Withdrawn,
/// }
///
/// fn has_title(draft: &text::Draft, _: &text::event::Submit) -> Result<(), &'static str> {
///     if draft.title.is_empty() { Err("it has no title") } else { Ok(()) }
/// }
///
/// fn decide(review: text::Review, event: text::event::Decide) -> text::choice::ReviewDecide {
///     let title = review.title;
///     if event.score > 5 { text::Published { title }.into() } else { text::Draft { title }.into() }
/// }
///
/// # fn main() {
/// let draft = text::Machine::new(text::Draft { title: String::new() });
/// let refused = draft.submit("Ada".into()).unwrap_err(); // contains the machine and the event
/// assert_eq!(refused.reason.as_str(), "it has no title");
///
/// let draft = text::Machine::new(text::Draft { title: "On states".into() });
/// let review = draft.submit(refused.event.by).unwrap();
/// match review.decide(9) {
///     text::choice::ReviewDecide::Published(published) => assert_eq!(published.title, "On states"),
///     text::choice::ReviewDecide::Draft(_) => panic!("the score is 9"),
/// }
/// # }
/// ```
///
/// # On the enum
///
/// | attribute | meaning |
/// | --- | --- |
/// | `#[fsm(initial = A \| B)]` | the initial states; required |
/// | `#[fsm(derive(…))]` | derives for the generated state and event types |
/// | `#[fsm(context = Type)]` | data that all states share; held by the machine, passed to guards and to `with` functions |
/// | `#[fsm(durable)]` | also generates the types that `fsm-runtime` needs: records, tasks, workers |
/// | `#[fsm(version = N)]` | the schema version of stored rows, 1 if left out |
/// | `#[fsm(module = name)]` | the name of the generated module; by default the enum's in snake case |
/// | `#[fsm(crate = path)]` | the path of `fsm-core`, or with `durable` of `fsm-runtime`, if it is renamed or re-exported |
/// | `#[fsm(group(Active, on(suspend => Suspended)))]` | a superstate: all its members have its transitions; it cannot be a target |
/// | `#[fsm(require(before(A, B)))]` | checked at compile time: every path to `B` passes `A` |
/// | `#[fsm(require(never(A, B)))]` | there is no path from `A` to `B` |
/// | `#[fsm(require(reaches(A, B)))]` | there is a path from `A` to `B` |
/// | `#[fsm(saga(undone = State))]` | a saga: its steps are undone in reverse order if a later one fails, and it ends in `State` |
/// | `#[on(event => Target, except(A, B))]` | a transition from every state except end states, `A` and `B` |
///
/// # On a variant
///
/// | attribute | meaning |
/// | --- | --- |
/// | `#[on(event => Target)]` | a transition on the event, which becomes the method `event` and the type `event::Event` |
/// | `#[on(event { field: Type } => Target)]` | an event with a payload; declare the payload once for each event |
/// | `#[on(event => A \| B, with = path)]` | several targets; `path(state, event)` returns a generated enum of them |
/// | `#[on(event => history(Active))]` | back to the state of the superstate that was left; a field of the type `module::history::Active` holds it. `history(Active, deep)` if superstates are nested in it |
/// | `#[on(event => Target, with = path)]` | `path(state, event)` builds the target |
/// | `#[on(event => Target, guard = path)]` | `path(&state, &event)` returns `Err(reason)` to refuse; the error contains the machine |
/// | `#[on(event => Target, guard = [a, b else "reason"])]` | several guards in order; `else` gives the reason of one that returns `bool`; each is a path or a closure, as a `with` is |
/// | `#[on(event => Target, method = name)]` | the name of the event's method, if its own name is taken; declare it once for each event |
/// | `#[on(event => Target, auto)]` | the runtime may fire it on the path to a desired state |
/// | `#[on(event => Target, by = worker)]` | only the worker of the state and the runtime (a timer, a wait, `exhausted`) fire it; callers cannot, by record or by id |
/// | `#[after("15m", event { field: value })]` | a timer: fires the event if the machine is still in the state after the duration, a literal or a constant expression of type `Duration` |
/// | `#[after(\|state\| …, event)]` | a timer whose delay, a `Duration` or an `Option<Duration>`, a closure computes from the data (and the context); a state can have several timers, each for an event of its own |
/// | `#[at(\|state\| …, event)]` | a timer that fires at a time, a `SystemTime` or an `Option<SystemTime>`, of a durable machine |
/// | `#[on(event => _, rewind = timer)]` | an internal transition that starts a timer of the state again; the timer's event is its name |
/// | `#[state(work)]` | a worker does async work in this state and ends with an event; see `fsm-runtime` |
/// | `#[state(work, exhausted = event { field: value })]` | the event to fire after the worker's last attempt has failed; `error` is the last error |
/// | `#[state(work, checkpoint = Type)]` | the type of the checkpoints that the worker stores for its next attempt |
/// | `#[state(waits(field: Machine in State => event))]` | fires the event once the instance whose id is in the field is in the state; `all(field)`, `any(field)`, `at_least(2, field)` for several ids; `in A \| missing`; see `fsm-runtime` |
/// | `#[state(work, undo = State)]` | a step of a saga, undone by the `work` state `State`; `undo = none` if there is nothing to undo |
/// | `#[state(work, undo = State, uncertain = undo)]` | the step itself is undone if its outcome is unknown; with `uncertain = skip` it is not |
/// | `#[on(event => undo)]` | in a saga: leads to the compensation of the last completed step; on a compensation, to that of the step before |
/// | `#[state(end)]` | an end state |
/// | `#[state(end, remove)]` | an end state in which a stored instance is removed |
/// | `#[state(in = Active)]` | a member of a superstate |
/// | `#[state(type = EventState)]` | the name of the generated struct, if the variant's name is taken |
/// | `#[state(name = "INIT-REBOOT")]` | the name in stored rows and diagrams; by default the variant's |
/// | `#[state(was = "Old")]` | an earlier name, still accepted from stored rows; can be repeated |
///
/// With a context, a guard takes `&Type` as its third argument, a `with` function takes `&mut Type`, and `apply` on the enum
/// takes `&mut Type` as a further argument.
///
/// An `#[on(…)]` on the enum or in a superstate accepts `guard`, `with`, `method`, `rewind`, `auto` and `by`, too. Its functions are
/// called with each source state, so they are generic over it. A self-transition leaves the state and enters it again.
///
/// **Data is carried over.** A field of the target is taken from the event's payload, or else from the field of the same name in
/// the source state (in tuple variants, from the same position). A field with neither source is an error.
///
/// **Attributes on fields** are copied to the generated types: docs, lints, serde attributes, and those of other derives that are
/// listed in `derive(…)`. The derive does not see variants that are removed by `#[cfg]`. Put the same condition on transitions to them:
/// `#[cfg_attr(feature = "x", on(event => Target))]`.
///
/// # What is generated
///
/// For an enum `Server`, the macro generates a module `server` next to it, with the same visibility:
///
/// - `server::Creating { … }`…: a struct for each state, `server::event::Ready { … }`…: one for each event.
/// - `server::Machine<S>`: the typestate. It has a method for each event on the states that declare it, and the generic
///   `fire(event)`. It is created in an initial state (`new`), by a transition, or from a stored `Server` (`TryFrom`). It derefs
///   to the state's data; `state()` returns the name of the state. With a context, it is created by `new(state, context)` or from
///   the pair `(value, context)`; `context()` and `context_mut()` return the context. Without a context, and without an `enter` of
///   an initial state, `new` is a `const fn`.
/// - `server::Any`: an enum of `Machine<S>`, to match on after a restore. Every machine and every choice converts into it. Keep it in
///   a `Slot` of `fsm-core` to move it in place. Its `timers()` are those of the state.
/// - `server::Event`: an enum of all events. `server::State`, `server::EventKind`: the names.
/// - `server::choice::ReviewDecide`…: for each transition with several targets, an enum of them.
/// - `server::history::Active`…: for each superstate whose history a state holds, an enum of its states except end states, with their
///   data. The transition back returns a choice.
/// - On `Server` itself: `apply(event)`, `can(kind)`, `why_not(kind)`, `accepts()`, `state()`, and `GRAPH`. `Server` cannot have other
///   inherent methods of these names.
/// - Conversions from a name: `From<server::State> for Server` if no state has data, `From<server::EventKind> for server::Event`
///   if no event has a payload.
/// - `Serialize` and `Deserialize` of `State` and `EventKind`, if `derive(…)` lists them, and always with `durable`. In JSON, an event
///   without a payload is its name, `"Ready"`, and one with a payload is `{"Ready": {…}}`.
/// - With `durable`: `server::Record<S>`, `server::AnyRecord`, `server::Task<S>`, `server::Workers`. Records and tasks deref to
///   `RawRecord` and `RawTask` of `fsm-runtime`, which have the methods that read an instance. These deref to the state's data.
///
/// The module's rustdoc page shows the transitions as a diagram (an inline SVG, for up to 60 states and 200 arrows) and as a table.
///
/// # Reserved names
///
/// Names that begin with `__` are not part of the API.
///
/// | name of | reserved | with a context, also | with `durable`, also | rename with |
/// | --- | --- | --- | --- | --- |
/// | the struct of a state | `Machine`, `State`, `Event`, `EventKind`, `Any`, `event`, `choice`; with a history, also `history` | | `Record`, `AnyRecord`, `Task`, `Workers` | `#[state(type = …)]` |
/// | the method of an event | `new`, `fire`, `state`, `data`, `into_data`, `would_accept` | `context`, `context_mut`, `into_parts` | `with_key`, `requeue_after` | `method = …` |
///
/// Both options keep the name of the variant or the event, in the enum and in stored rows.
///
/// An event can have the name of a method of `RawRecord` or `RawTask`, such as `id` or `cancelled`. On records and tasks of the
/// states that declare the event, the method then fires the event; `RawTask::cancelled(&task)` calls the other method.
///
/// # What is checked
///
/// All errors of a declaration are reported at once, each at the tokens that cause it:
///
/// - unknown targets, exceptions and initial states, with the nearest name;
/// - an event that a state declares twice, and a payload that is declared twice;
/// - fields of a target without a source;
/// - several targets without a `with` function;
/// - a history that no state holds, or that has nothing to hold;
/// - unreachable states, and states that cannot reach an end state although the machine has end states;
/// - states without transitions that are not end states, and end states with transitions;
/// - `work` states without transitions;
/// - timers whose event the state does not declare, two timers for one event, and rewound timers that the state does not have;
/// - sagas that could leave a step without undoing it, undo in another order, or lose the data that undoing needs;
/// - `by = worker` where no worker, timer or wait fires the event, and overrides that would open it to callers;
/// - names that clash with each other or with generated names;
/// - violated properties of `require(…)`, with a path:
///
/// ```compile_fail
/// # use fsm_core::StateMachine;
/// #[derive(StateMachine)]
/// #[fsm(initial = Placed, require(before(Paid, Shipped)))] // violated by the path Placed → Shipped
/// enum Order {
///     #[on(pay => Paid)]
///     #[on(trust => Shipped)]
///     Placed,
///     #[on(ship => Shipped)]
///     Paid,
///     #[state(end)]
///     Shipped,
/// }
/// # fn main() {}
/// ```
///
/// An illegal transition is a single error, which names the state, the event and the declared transitions.
///
/// # Limits
///
/// - An enum in the body of a function is not supported: the generated module refers to the enum, and rustc does not find it there
///   ("unresolved import `super`", "no `Server`"). Declare the enum outside of the function. In a documentation test, write
///   `fn main` after the enum.
/// - `durable` excludes generics and lifetimes.
/// - A bound that a field's type implies is inferred only for references, as in `&'a T`. Write other bounds, `T: 'a`, with
///   `#[allow(explicit_outlives_requirements)]` on the enum: that lint, of the group `rust_2018_idioms`, reads the enum alone.
/// - A module with `#![no_implicit_prelude]` is not supported: rustc finds `#[diagnostic]` attributes, which generated code has, only
///   through the prelude.
/// - Field attributes that contain a path as a string, such as serde's `with = "…"`, are resolved in the generated module. Write
///   the path from `crate`.
#[proc_macro_derive(StateMachine, attributes(fsm, state, on, after, at))]
pub fn state_machine(input: TokenStream) -> TokenStream {
    derive(parse_macro_input!(input as DeriveInput)).into()
}

/// The diagram of a declaration as a string literal, for the documentation of the generated module. Only rustdoc expands it.
#[doc(hidden)]
#[proc_macro]
pub fn __diagram(input: TokenStream) -> TokenStream {
    let diagram = drawn(parse_macro_input!(input as DeriveInput));
    quote!(#diagram).into()
}

/// The diagram of a declaration, or an empty text if it is too large. The derive reports its errors.
fn drawn(input: DeriveInput) -> String {
    let mut errors = Errors::default();
    let diagram = panics::caught(|| {
        let declaration = parse::declaration(input, &mut errors);
        let module = model::module(&declaration, &mut errors);
        diagram::diagram(&model::machine(declaration, module, &mut errors))
    });
    match (errors.finish(), diagram) {
        (Ok(()), Ok(Some(diagram))) => diagram,
        _ => String::new(),
    }
}

fn derive(input: DeriveInput) -> proc_macro2::TokenStream {
    derive_with(input, generate)
}

/// Runs the phases after parsing. Returns `None` if there are errors.
fn generate(declaration: Declaration, module: Ident, errors: &mut Errors) -> Option<proc_macro2::TokenStream> {
    if declaration.variants.is_empty() {
        return None;
    }
    let machine = model::machine(declaration, module, errors);
    check::check(&machine, errors);
    errors.is_empty().then(|| expand::expand(&normalize::Cx::new(&machine)))
}

/// Runs all phases. If there are errors, returns them together with stubs of the generated items. The enum itself is never lost.
fn derive_with(
    input: DeriveInput,
    generate: impl FnOnce(Declaration, Ident, &mut Errors) -> Option<proc_macro2::TokenStream>,
) -> proc_macro2::TokenStream {
    let (ident, mut errors) = (input.ident.clone(), Errors::default());
    let read = panics::caught(|| {
        let declaration = parse::declaration(input, &mut errors);
        let module = model::module(&declaration, &mut errors);
        let fallback = expand::fallback(&declaration, &module);
        (declaration, module, fallback)
    });
    let (fallback, generated) = match read {
        Ok((declaration, module, fallback)) => {
            (Some(fallback), panics::caught(|| generate(declaration, module, &mut errors)))
        }
        Err(panicked) => (None, Err(panicked)),
    };
    let generated = generated.unwrap_or_else(|panicked| {
        errors.at(&ident, panicked);
        None
    });
    match errors.finish() {
        Ok(()) => generated.unwrap_or_default(),
        Err(errors) => fallback.map_or(errors.clone(), |fallback| fallback.expand(&errors)),
    }
}
