//! The registry of the live processes of each service.

use super::{
    Coordination, CoordinationError,
    entry::{Entry, NewEntry},
    error::{check_name, check_text, check_ttl},
};
use crate::{
    codec::{from_json, to_json},
    store::{Ephemeral, MAX_TEXT_BYTES},
    sync::Mutex,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

const KIND: &str = "service";
/// The number of entries of one read.
const PAGE: usize = 500;
/// The default length of a registration's lease.
const TTL: Duration = Duration::from_secs(15);
/// How often a watch reads the registry if there is no notification.
const POLL: Duration = Duration::from_secs(1);
/// The shortest time between two reads of a watch.
const PAUSE: Duration = Duration::from_millis(10);
/// The pause between two attempts to register again.
const AGAIN: Duration = Duration::from_secs(1);

/// The services of all processes of a store. Returned by [`Runtime::registry`](crate::Runtime::registry).
///
/// A process registers the endpoint of a service. The registration has a lease. It is removed when the process deregisters it or shuts down.
/// After a crash it expires within 15 s by default ([`Service::ttl`]).
///
#[cfg_attr(feature = "sqlite", doc = "```")]
#[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use fsm_runtime::{coordination::{Picker, Service}, prelude::*};
///
/// let runtime = Runtime::builder(Sqlite::in_memory()?).start().await?;
/// let registry = runtime.registry();
/// let registration = registry.register(Service::new("thumbnails", "http://10.0.0.7:8080")).await?;
///
/// let picker = Picker::in_turn();
/// let instances = registry.discover("thumbnails").await?;
/// let instance = picker.pick(&instances).expect("one is registered");
/// assert_eq!(instance.endpoint, "http://10.0.0.7:8080");
///
/// registration.deregister().await?;
/// assert!(registry.discover("thumbnails").await?.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Registry(pub(crate) Arc<Coordination>);

/// A service to register.
#[derive(Clone, Debug)]
#[must_use = "pass it to `Registry::register`"]
pub struct Service {
    name: String,
    endpoint: String,
    meta: serde_json::Value,
    ttl: Duration,
}

impl Service {
    /// Creates a service that can be reached at `endpoint`, such as a URL or an address with a port.
    pub fn new(name: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self { name: name.into(), endpoint: endpoint.into(), meta: serde_json::Value::Null, ttl: TTL }
    }

    /// Sets further data about the instance for its callers, such as a version or a zone.
    pub fn meta(mut self, meta: serde_json::Value) -> Self {
        self.meta = meta;
        self
    }

    /// Sets the length of the registration's lease: 15 s by default. If the process ends, the registration expires within this time.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }
}

/// A registered instance of a service.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServiceInstance {
    /// The id of the registration. Each registration has a new id.
    pub id: String,
    /// The name of the service.
    pub name: String,
    /// The endpoint at which the instance can be reached.
    pub endpoint: String,
    /// Further data about the instance.
    pub meta: serde_json::Value,
    /// A description of the process, for people.
    pub holder: String,
    /// When the instance was registered.
    pub since: SystemTime,
}

/// A change of the instances of a service.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServiceChange {
    /// An instance was registered.
    Added(ServiceInstance),
    /// The `meta` of an instance has changed.
    Changed(ServiceInstance),
    /// An instance was removed, or its lease has expired.
    Removed(ServiceInstance),
}

/// The value of an instance's entry in the store.
#[derive(Serialize, Deserialize)]
struct Stored {
    endpoint: String,
    meta: serde_json::Value,
}

impl ServiceInstance {
    /// The instance of an entry; `None` if the value cannot be read, such as one that a newer release has written.
    fn of(entry: Ephemeral) -> Option<Self> {
        let Stored { endpoint, meta } = from_json(entry.value.as_deref()?).ok()?;
        let Ephemeral { id, name, holder, since, .. } = entry;
        Some(Self { id, name, endpoint, meta, holder, since })
    }
}

impl Registry {
    /// Registers an instance of a service until the registration is dropped or the runtime shuts down. If the lease is lost, the instance is
    /// registered again, with a new id.
    ///
    /// # Errors
    /// [`CoordinationError`].
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing is registered, or the registration is removed or expires.
    pub async fn register(&self, service: Service) -> Result<Registration, CoordinationError> {
        let Service { name, endpoint, meta, ttl } = service;
        check_name("name", &name)?;
        check_text("endpoint", &endpoint)?;
        check_ttl("ttl", ttl)?;
        let value = stored(&endpoint, &meta)?;
        let shared = Arc::new(Shared { registry: self.clone(), name, endpoint, ttl, value: Mutex::new(value) });
        let registered = self.0.registrations.clone().read_owned().await;
        let entry = shared.enter().await?;
        let (commands, receiver) = mpsc::channel(1);
        let kept = shared.clone().keep(entry, receiver);
        let task = tokio::spawn(async move {
            let result = kept.await;
            drop(registered);
            result
        });
        Ok(Registration { shared, commands, task: Some(task) })
    }

    /// Returns the live instances of a service, the oldest registration first.
    ///
    /// # Errors
    /// [`CoordinationError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn discover(&self, name: &str) -> Result<Vec<ServiceInstance>, CoordinationError> {
        check_name("name", name)?;
        Ok(self.live(name).await?.0)
    }

    /// Watches the instances of a service. The first changes are the [additions](ServiceChange::Added) of the instances that are live now.
    ///
    /// # Errors
    /// [`CoordinationError`].
    pub fn watch(&self, name: impl Into<String>) -> Result<ServiceWatch, CoordinationError> {
        let name = name.into();
        check_name("name", &name)?;
        let changes = self.0.entries()?.entry_changes();
        Ok(ServiceWatch {
            registry: self.clone(),
            name,
            known: BTreeMap::new(),
            pending: VecDeque::new(),
            changes,
            looked: None,
        })
    }

    /// The live instances, and the time at which the first of their leases expires.
    async fn live(&self, name: &str) -> Result<(Vec<ServiceInstance>, Option<SystemTime>), CoordinationError> {
        let engine = &self.0.engine;
        let entries = self.0.entries()?;
        let (mut all, mut lapses) = (Vec::new(), None::<SystemTime>);
        let mut after = None;
        loop {
            let page = entries.entries(KIND, Some(name.to_owned()), after, PAGE, engine.now());
            let page = engine.asked("entries", page).await?;
            after = page.last().filter(|_| page.len() == PAGE).map(|last| (last.name.clone(), last.sequence));
            lapses = page.iter().map(|entry| entry.until).chain(lapses).min();
            all.extend(page.into_iter().filter_map(ServiceInstance::of));
            if after.is_none() {
                return Ok((all, lapses));
            }
        }
    }
}

fn stored(endpoint: &str, meta: &serde_json::Value) -> Result<String, CoordinationError> {
    let stored = Stored { endpoint: endpoint.to_owned(), meta: meta.clone() };
    let invalid = |why| CoordinationError::Invalid { argument: "meta", why };
    let value = to_json(&stored).map_err(|_| invalid("is not valid JSON"))?;
    if value.len() > MAX_TEXT_BYTES { Err(invalid("is longer than 64 KiB")) } else { Ok(value) }
}

/// The registration of an instance. Dropping it removes the registration without waiting; [`deregister`](Self::deregister) waits for the
/// removal.
#[must_use = "the registration is removed when this is dropped"]
pub struct Registration {
    shared: Arc<Shared>,
    /// Dropped to remove the registration.
    commands: mpsc::Sender<()>,
    task: Option<JoinHandle<Result<(), CoordinationError>>>,
}

struct Shared {
    registry: Registry,
    name: String,
    endpoint: String,
    ttl: Duration,
    /// The value to store.
    value: Mutex<String>,
}

impl Shared {
    async fn enter(&self) -> Result<Entry, CoordinationError> {
        let value = Some(self.value.lock().clone());
        let new = NewEntry { kind: KIND, name: self.name.clone(), value, ttl: self.ttl };
        Entry::enter(&self.registry.0, new).await
    }

    /// Stores the current value. If that fails, the lease is given up, and the instance is registered again.
    async fn update(&self, entry: &Entry) {
        let value = self.value.lock().clone();
        if let Err(error) = entry.set_value(value).await {
            tracing::warn!(service = self.name, %error, "a registration could not be updated; it is made again");
            entry.lease.give_up();
        }
    }

    /// Stores changes of the value, and registers again after a lost lease, until the sender of `commands` is dropped.
    async fn keep(
        self: Arc<Self>,
        mut entry: Entry,
        mut commands: mpsc::Receiver<()>,
    ) -> Result<(), CoordinationError> {
        let engine = &self.registry.0.engine;
        loop {
            let lost = entry.lease.lost();
            tokio::select! {
                command = commands.recv() => {
                    if command.is_none() {
                        return entry.remove().await;
                    }
                    self.update(&entry).await;
                }
                () = engine.closing.cancelled() => return entry.remove().await,
                () = lost => {
                    tracing::warn!(service = self.name, "a registration was lost; registering again");
                    entry = loop {
                        tokio::select! {
                            () = engine.closing.cancelled() => return Ok(()),
                            () = closed(&mut commands) => return Ok(()),
                            entered = self.enter() => match entered {
                                Ok(entry) => break entry,
                                Err(error) => tracing::debug!(service = self.name, %error, "a registration failed; it is tried again"),
                            },
                        }
                        tokio::select! {
                            () = engine.closing.cancelled() => return Ok(()),
                            () = closed(&mut commands) => return Ok(()),
                            () = engine.clock.sleep(AGAIN) => {}
                        }
                    };
                    // The value may have changed after the entry was added, and `closed` has consumed the command.
                    self.update(&entry).await;
                }
            }
        }
    }
}

/// Completes when the sender is dropped. Consumes commands: the current value is stored after the registration.
async fn closed(commands: &mut mpsc::Receiver<()>) {
    while commands.recv().await.is_some() {}
}

impl Registration {
    /// Changes the `meta` of the instance. Returns before the change is stored.
    ///
    /// # Errors
    /// [`CoordinationError::Invalid`] if the endpoint and `meta` are longer than 64 KiB together.
    pub fn update(&self, meta: &serde_json::Value) -> Result<(), CoordinationError> {
        *self.shared.value.lock() = stored(&self.shared.endpoint, meta)?;
        // A full channel already has a command, which stores the current value.
        let _ = self.commands.try_send(());
        Ok(())
    }

    /// Removes the registration, and waits until it is removed.
    ///
    /// # Errors
    /// [`CoordinationError::Store`]. The registration then expires.
    ///
    /// # Cancel safety
    /// If the future is dropped, the removal continues.
    pub async fn deregister(mut self) -> Result<(), CoordinationError> {
        let task = self.task.take();
        drop(self);
        match task {
            Some(task) => task.await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }
}

/// The changes of the instances of a service. Returned by [`Registry::watch`].
///
/// A watch compares the live instances with those that it has returned, so it always reaches the current state. An instance that is added
/// and removed between two reads is not returned, and several changes of one instance can be returned as one.
pub struct ServiceWatch {
    registry: Registry,
    name: String,
    /// The instances of the last read, by id.
    known: BTreeMap<String, ServiceInstance>,
    pending: VecDeque<ServiceChange>,
    changes: watch::Receiver<()>,
    /// The time at which the last read began, and the time at which the first of the leases that it returned expires.
    looked: Option<(Duration, Option<SystemTime>)>,
}

impl ServiceWatch {
    /// Returns the next change; `None` once the runtime shuts down.
    ///
    /// # Errors
    /// [`CoordinationError`]. The watch can be used afterwards.
    ///
    /// # Cancel safety
    /// If the future is dropped, no change is lost.
    pub async fn next(&mut self) -> Result<Option<ServiceChange>, CoordinationError> {
        let engine = self.registry.0.engine.clone();
        loop {
            if let Some(change) = self.pending.pop_front() {
                return Ok(Some(change));
            }
            if let Some((looked, lapses)) = self.looked {
                let left = lapses.map(|at| at.duration_since(engine.now()).unwrap_or_default());
                let poll = left.unwrap_or(POLL).clamp(PAUSE, POLL);
                let changed = async {
                    tokio::select! {
                        _ = self.changes.changed() => {}
                        () = engine.clock.sleep(poll) => {}
                    }
                    engine.clock.sleep(PAUSE.saturating_sub(engine.clock.elapsed().saturating_sub(looked))).await;
                };
                tokio::select! {
                    biased;
                    () = engine.closing.cancelled() => return Ok(None),
                    () = changed => {}
                }
            }
            self.changes.mark_unchanged();
            let looking = engine.clock.elapsed();
            // Set before the read, so that the next read waits even if this one fails.
            self.looked = Some((looking, None));
            let (live, lapses) = self.registry.live(&self.name).await?;
            self.looked = Some((looking, lapses));
            self.compare(live);
        }
    }

    fn compare(&mut self, live: Vec<ServiceInstance>) {
        let mut gone = std::mem::take(&mut self.known);
        let mut added = Vec::new();
        for instance in live {
            match gone.remove(&instance.id) {
                None => added.push(ServiceChange::Added(instance.clone())),
                Some(before) if before != instance => added.push(ServiceChange::Changed(instance.clone())),
                Some(_) => {}
            }
            self.known.insert(instance.id.clone(), instance);
        }
        self.pending.extend(gone.into_values().map(ServiceChange::Removed));
        self.pending.extend(added);
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registry")
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { name, endpoint, .. } = &*self.shared;
        f.debug_struct("Registration").field("name", name).field("endpoint", endpoint).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServiceWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceWatch").field("name", &self.name).finish_non_exhaustive()
    }
}
