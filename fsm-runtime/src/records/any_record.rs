//! A record in any state, for code that is generic over machines.

use super::{Durable, callers, record::RecordMeta};
use fsm_core::{Reason, Refusal, StateMachine, WhyNot};
use serde::Serialize;
use std::{fmt, time::SystemTime};

/// A stored instance of machine `M` in any state: the generated `AnyRecord`, for code that is generic over machines, such as one set
/// of HTTP handlers for all machines.
///
/// The derive implements it. `AnyRecord` also has all of this as inherent methods.
///
/// ```
/// use fsm_runtime::{AnyRecord as _, Durable, Machines, ReadError};
///
/// async fn show<M: Durable>(machines: &Machines<M>, id: &str) -> Result<String, ReadError> {
///     let record = machines.get(id).await?;
///     Ok(format!("{} v{} in {}, accepts {:?}", record.id(), record.version(), record.state(), record.accepts()))
/// }
/// ```
///
/// # JSON
///
/// Records are `Serialize`, typed ones too. The form is an object with these members:
///
/// | member | value |
/// | --- | --- |
/// | `id`, `version` | the instance's id and version |
/// | `state` | the name of the state |
/// | `data` | the data of the state, as its own `Serialize` writes it; `null` if it has none |
/// | `context` | the context; absent if the machine has none |
/// | `created` | when the instance was created, in milliseconds since 1970; `null` if [`created`](Self::created) is `None` |
/// | `entered` | when it entered the state, in milliseconds since 1970 |
///
/// The form contains all data. Where a client must not see some of it, mark the field with `#[serde(skip)]` only if it need not be
/// stored either; otherwise convert the record with [`into_parts`](Self::into_parts) and serialize a type of your own.
pub trait AnyRecord<M: Durable>: Serialize + fmt::Debug + Send + Sync + 'static {
    /// The instance's key, version and times.
    fn meta(&self) -> &RecordMeta<M>;

    /// The name of its state.
    fn state(&self) -> M::State;

    /// The events that callers can fire in its state: those that the state declares, without those that are `by = worker`. A guard can
    /// still refuse one.
    fn accepts(&self) -> &'static [M::EventKind];

    /// The enum's value and the context, without the record.
    fn into_parts(self) -> (M, M::Context)
    where
        Self: Sized;

    /// Asks the guard of the transition, if there is one.
    #[doc(hidden)]
    fn __guard(&self, _event: &M::Event) -> Result<(), Reason> {
        Ok(())
    }

    /// The instance's id.
    fn id(&self) -> &str {
        self.meta().id()
    }

    /// The version that the row had when it was read.
    fn version(&self) -> u64 {
        self.meta().version()
    }

    /// When the instance was created; see [`RecordMeta::created`].
    fn created(&self) -> Option<SystemTime> {
        self.meta().created()
    }

    /// When it entered its state.
    fn entered(&self) -> SystemTime {
        self.meta().entered()
    }

    /// The context, which all states share; `()` if there is none.
    fn context(&self) -> &<M as StateMachine>::Context {
        self.meta().context()
    }

    /// Whether its state declares `event` for callers.
    fn can(&self, event: M::EventKind) -> bool {
        self.accepts().contains(&event)
    }

    /// Why its state does not accept `event` from callers, and which events lead to one that does; `None` if the state declares it for
    /// callers.
    fn why_not(&self, event: M::EventKind) -> Option<WhyNot> {
        WhyNot::to_caller::<M>(self.state(), event)
    }

    /// Whether `event` would be accepted: the state declares it, and the guard accepts it with its payload. Nothing is changed or
    /// stored.
    ///
    /// # Errors
    /// If the state does not declare the event, if it is `by = worker`, or if the guard refuses it.
    fn would_accept(&self, event: &M::Event) -> Result<(), Refusal<M>> {
        let (state, kind) = (self.state(), M::kind_of(event));
        if callers::is_by_worker::<M>(state, kind) {
            return Err(Refusal::by_worker(state, kind));
        }
        if !self.can(kind) {
            return Err(Refusal::new(state, kind, None));
        }
        let refused = self.meta().engine().clock.scope(|| self.__guard(event));
        refused.map_err(|reason| Refusal::new(state, kind, Some(reason)))
    }
}
