//! The derive macro of `fsm-core` and `fsm-runtime`, which re-export it: depend on one of those.
//!
//! [`StateMachine`](macro@StateMachine) documents all attributes.
//!
//! A declaration goes through five phases, each a pure function of the result of the one before: *parse* reads the attributes,
//! *model* resolves names, *check* examines names, data and the graph, *normalize* works out paths, types and generics, *expand*
//! prints the code. Errors of all phases are gathered and reported together.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod check;
mod diagram;
mod errors;
mod expand;
mod idents;
mod model;
mod normalize;
mod panics;
mod parse;
mod suggest;
mod text;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use syn::{DeriveInput, Ident, parse_macro_input};

use errors::Errors;
use parse::Declaration;

/// Generates a state machine from an enum: its variants are the states, its attributes declare the transitions.
///
/// ```
/// use fsm_core::StateMachine;
///
/// /// A text on its way to the reader.
/// #[derive(StateMachine, Debug, PartialEq)]
/// #[fsm(initial = Draft, derive(Debug, PartialEq))]
/// #[on(withdraw => Withdrawn)] // from every state except end states
/// pub enum Text {
///     /// Being written.
///     #[on(submit { by: String } => Review, guard = has_title)]
///     Draft { title: String },
///     /// Being read.
///     #[on(decide { score: u8 } => Published | Draft, with = decide)]
///     #[after("14d", withdraw)]
///     Review { title: String, by: String },
///     /// Out.
///     #[state(end)]
///     Published { title: String },
///     /// Taken back.
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
/// let refused = draft.submit("Ada".into()).unwrap_err(); // machine and event come back
/// assert_eq!(refused.reason.as_str(), "it has no title");
///
/// let draft = text::Machine::new(text::Draft { title: "On states".into() });
/// let review = draft.submit(refused.event.by).unwrap();
/// match review.decide(9) {
///     text::choice::ReviewDecide::Published(published) => assert_eq!(published.title, "On states"),
///     text::choice::ReviewDecide::Draft(_) => panic!("9 is enough"),
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
/// | `#[fsm(context = Type)]` | data that all states share: carried by the machine, passed to guards and to `with` |
/// | `#[fsm(durable)]` | also generate what `fsm-runtime` needs: records, tasks, workers |
/// | `#[fsm(version = N)]` | the schema version of stored rows, 1 if left out |
/// | `#[fsm(module = name)]` | the name of the generated module; by default the enum's in snake case |
/// | `#[fsm(crate = path)]` | the path of `fsm-core`, or with `durable` of `fsm-runtime`, if it is renamed or re-exported |
/// | `#[fsm(group(Active, on(suspend => Suspended)))]` | a superstate: all its members have its transitions; it is never a target itself |
/// | `#[fsm(require(before(A, B)))]` | checked at compile time: every path to `B` passes `A` |
/// | `#[fsm(require(never(A, B)))]` | there is no path from `A` to `B` |
/// | `#[fsm(require(reaches(A, B)))]` | there is a path from `A` to `B` |
/// | `#[on(event => Target, except(A, B))]` | a transition from every state except end states, `A` and `B` |
///
/// # On a variant
///
/// | attribute | meaning |
/// | --- | --- |
/// | `#[on(event => Target)]` | a transition; becomes the method `event` and the type `event::Event` |
/// | `#[on(event { field: Type } => Target)]` | with a payload, which is declared once for each event |
/// | `#[on(event => A \| B, with = path)]` | several targets: `path(state, event)` returns a generated choice of them |
/// | `#[on(event => Target, with = path)]` | `path(state, event)` builds the target |
/// | `#[on(event => Target, guard = path)]` | `path(&state, &event)` returns `Err(reason)` to refuse; the error contains the machine |
/// | `#[on(event => Target, method = name)]` | the name of the event's method, if the event's own is taken; written once for each event |
/// | `#[on(event => Target, auto)]` | the runtime may fire it on the path to a desired state |
/// | `#[after("15m", event { field: value })]` | a timer: fires the event if the machine is still in the state then; the duration is a literal, or a constant expression of type `Duration` |
/// | `#[state(work)]` | a worker does async work in this state and ends with an event (see `fsm-runtime`) |
/// | `#[state(work, exhausted = event { field: value })]` | the event to fire when the worker's attempts are used up; `error` is the last error |
/// | `#[state(work, checkpoint = Type)]` | the type of the checkpoints that the worker stores for its next attempt |
/// | `#[state(end)]` | an end state |
/// | `#[state(end, remove)]` | an end state in which a stored instance is removed |
/// | `#[state(in = Active)]` | a member of a superstate |
/// | `#[state(type = EventState)]` | the name of the generated struct, if the variant's is taken |
/// | `#[state(name = "INIT-REBOOT")]` | the name in stored rows and diagrams; by default the variant's |
/// | `#[state(was = "Old")]` | an earlier name, still accepted from stored rows; can be repeated |
///
/// With a context, guards get it as their third argument, `&Type`, a `with` as `&mut Type`, and `apply` on the enum takes it as a
/// further argument.
///
/// An `#[on(…)]` on the enum and one of a superstate take `guard`, `with` and `auto` like one on a variant; their functions are
/// called with each source state, so make them generic over it. A self-transition leaves the state and enters it again.
///
/// **Data is carried over.** A field of the target comes from the event's payload, else from the field of the same name in the
/// source state (in tuple variants: the same position). A field that neither supplies is an error at that field.
///
/// **Attributes on fields** are copied to the generated types: docs, lints, serde's, and those of other derives that are listed
/// in `derive(…)`. A variant that is configured out does not exist for a derive, so configure a transition to it out, too:
/// `#[cfg_attr(feature = "x", on(event => Target))]`.
///
/// # What is generated
///
/// For an enum `Server`, a module `server` beside it, as visible as the enum:
///
/// - `server::Creating { … }`…: a struct for each state, `server::event::Ready { … }`…: one for each event.
/// - `server::Machine<S>`: the typestate, with a method for each event on exactly the states that declare it, and the generic
///   `fire(event)`. It is created in an initial state (`new`), moved by a transition, or restored from a `Server` (`TryFrom`). It
///   derefs to the state's data; `state()` is the name of the state. With a context it is created as `new(state, context)` and
///   restored from the pair `(value, context)`; `context()` and `context_mut()` return the context.
/// - `server::Any`: an enum of `Machine<S>`, to match on after a restore.
/// - `server::Event`: an enum of all events. `server::State`, `server::EventKind`: the names.
/// - `server::choice::ReviewDecide`…: the choice of each branching transition.
/// - on `Server` itself: `apply(event)`, `can(kind)`, `why_not(kind)`, `accepts()`, `state()`, `GRAPH`, and `timer_event()` where a state has a
///   timer. An inherent method of these names beside them is an error.
/// - conversions from a name alone: `From<server::State> for Server` if no state has data,
///   `From<server::EventKind> for server::Event` if no event has a payload.
/// - with `durable`: `server::Record<S>`, `server::AnyRecord`, `server::Task<S>`, `server::Workers`. Records
///   and tasks deref to `RawRecord` and `RawTask` of `fsm-runtime`, which have what is read of an instance, and further to the state's data.
///
/// Names that begin with `__` are not part of the API. No struct of a state has one of the names above (`Machine`, `State`, `Event`,
/// `EventKind`, `Any`, `event`, `choice`, with `durable` `Record`, `AnyRecord`, `Task`, `Workers`): `#[state(type = …)]` gives it another,
/// and the variant keeps its own. No method of an event is called `new`, `fire`, `state`, `data` or `into_data`, with a context `context`,
/// `context_mut` or `into_parts`, with `durable` `with_key` or `requeue_after`: `method = …` gives it another name. An event that is called like a
/// method of `RawRecord` or `RawTask`, as `id` or `cancelled`, fires where its state declares it; `RawTask::cancelled(&task)` calls the other.
///
/// The module's page in rustdoc shows the transitions as a diagram (an inline SVG, for up to 60 states and 200 arrows) and as a table.
///
/// # What is checked
///
/// All errors of a declaration are reported at once, each at the tokens that cause it: unknown targets, exceptions and initial states
/// (with the nearest name), an event declared twice from a state, two payloads for one event, fields without a source, a branch
/// without `with`, unreachable states, states without a transition that are not end states, end states with one, states that cannot
/// reach an end state though the machine has some, `work` states without a transition, timers that fire an event that the state does
/// not declare, names that clash with each other or with generated ones, and violated properties of `require(…)`, with a path:
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
/// A use that the declaration does not allow is one error, too: for an illegal transition it names the state, the event and the
/// declared transitions.
///
/// # Limits
///
/// - An enum inside a function body is not supported: the generated module refers to it, and rustc does not find it from
///   there ("unresolved import `super`", "no `Server`"). Put it outside of the function; in a documentation test, write `fn main`
///   yourself, after the enum.
/// - `durable` excludes generics and lifetimes.
/// - Bounds that a field's type implies are inferred only for references, as in `&'a T`; write others: `T: 'a`.
/// - Field attributes that hold a path as a string, as serde's `with = "…"`, are resolved in the generated module: write the path
///   from `crate`.
#[proc_macro_derive(StateMachine, attributes(fsm, state, on, after))]
pub fn state_machine(input: TokenStream) -> TokenStream {
    derive(parse_macro_input!(input as DeriveInput)).into()
}

fn derive(input: DeriveInput) -> proc_macro2::TokenStream {
    derive_with(input, generate)
}

/// The phases after parsing; `None` where `errors` has what is wrong.
fn generate(declaration: Declaration, module: Ident, errors: &mut Errors) -> Option<proc_macro2::TokenStream> {
    if declaration.variants.is_empty() {
        return None;
    }
    let machine = model::machine(declaration, module, errors);
    check::check(&machine, errors);
    errors.is_empty().then(|| expand::expand(&normalize::Cx::new(&machine)))
}

/// Reports the errors of all phases together, beside stubs for what is not generated then. The enum is kept in any case.
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
