//! The supervisor's task: its state, the loop over events, commands and timers, and the end.

use super::{
    builder::{Strategy, SupervisorBuilder},
    child::Child,
    child_state::{ChildEntry, Phase, Stage, Starter},
    context::ChildContext,
    descendants::Descendants,
    error::{SupervisorError, SupervisorStartError},
    handle::Command,
    report::{ForcedStop, StoppedChild, SupervisorShutdown},
    restarts::RestartHistory,
    run::{Event, What},
    sequence::Sequence,
};
use crate::clock::Clock;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::pending,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// The state of a supervisor. Only its own task accesses it. The task runs no user code, except `drop` of values that
/// removed children had captured or saved.
pub(super) struct SupervisorTask {
    pub(super) strategy: Strategy,
    pub(super) ledger: RestartHistory,
    pub(super) clock: Clock,
    /// By start order.
    pub(super) entries: BTreeMap<u64, ChildEntry>,
    pub(super) ids: HashMap<Arc<str>, u64>,
    next_key: u64,
    /// The next check of each child; at most one entry for each.
    pub(super) timers: BTreeSet<(Duration, u64)>,
    /// The ordered stop or start in progress.
    pub(super) sequence: Option<Sequence>,
    /// Whether the initial start is still in progress.
    pub(super) starting: bool,
    pub(super) ending: Option<Goal>,
    deadline: Option<Duration>,
    pub(super) forced: BTreeMap<String, ForcedStop>,
    pub(super) descendants: Arc<Descendants>,
    pub(super) tell: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
}

/// Why a supervisor ends.
#[derive(Debug)]
pub(super) enum Goal {
    Shutdown,
    StartFailed(SupervisorStartError),
    GaveUp(SupervisorError),
}

type Ready = oneshot::Sender<Result<(), SupervisorStartError>>;

impl SupervisorTask {
    pub(super) fn new(builder: SupervisorBuilder, clock: Clock, descendants: Arc<Descendants>) -> Self {
        let (tell, events) = mpsc::unbounded_channel();
        let mut tree = Self {
            strategy: builder.strategy,
            ledger: RestartHistory::new(builder.restarts),
            clock,
            entries: BTreeMap::new(),
            ids: HashMap::new(),
            next_key: 0,
            timers: BTreeSet::new(),
            sequence: Some(Sequence::start()),
            starting: true,
            ending: None,
            deadline: None,
            forced: BTreeMap::new(),
            descendants,
            tell,
            events,
        };
        for child in builder.children {
            tree.add(child, false, None);
        }
        tree
    }

    pub(super) fn add(&mut self, child: Child, added: bool, starter: Option<Starter>) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        self.ids.insert(child.id.clone(), key);
        self.entries.insert(key, ChildEntry::new(child, added, starter));
        key
    }

    /// Runs until the supervisor ends; returns the reason.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        above: Option<ChildContext>,
        ready: &mut Option<Ready>,
    ) -> (Goal, SupervisorShutdown) {
        let mut orphaned = false;
        loop {
            self.advance();
            if self.sequence.is_none() {
                if self.ending.is_some() {
                    return self.finish();
                }
                if self.starting {
                    self.starting = false;
                    announce(above.as_ref(), ready);
                }
            }
            if let Some(above) = &above {
                above.beat();
            }
            let wake = self.wake(above.as_ref());
            tokio::select! {
                Some(event) = self.events.recv() => self.on_event(event),
                command = commands.recv(), if !orphaned => if let Some(command) = command {
                    self.on_command(command);
                } else {
                    orphaned = true;
                    self.end(Goal::Shutdown, None);
                },
                () = cancelled(above.as_ref()), if self.ending.is_none() => self.end(Goal::Shutdown, None),
                () = until(&self.clock, wake) => {}
            }
            self.on_time();
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    fn on_event(&mut self, Event { key, run, what }: Event) {
        // An event of an earlier run or of a removed child.
        let Some(entry) = self.entries.get(&key).filter(|entry| entry.runs == run && entry.live.is_some()) else {
            return;
        };
        match what {
            What::Started if entry.phase == Phase::Starting => self.started(key),
            What::Started => {}
            What::Ended(ended) => self.ended(key, ended),
            What::Gone => self.gone(key),
        }
    }

    fn on_time(&mut self) {
        let now = self.now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            let late = |entry: &ChildEntry| {
                matches!(entry.phase, Phase::Leaving(Stage::Told, _) | Phase::Starting | Phase::Running)
            };
            let keys: Vec<u64> = self.entries.iter().filter(|(_, e)| late(e)).map(|(key, _)| *key).collect();
            for key in keys {
                self.abort(key);
            }
        }
        while let Some(&(due, key)) = self.timers.first()
            && due <= now
        {
            self.set_timer(key, None);
            self.on_timer(key, due);
        }
    }

    /// The time of the next timer.
    fn wake(&self, above: Option<&ChildContext>) -> Option<Duration> {
        let beat = above.and_then(|above| above.0.heartbeat).map(|within| self.now().saturating_add(within / 3));
        let pause = self.sequence.as_ref().and_then(Sequence::pause);
        let timer = self.timers.first().map(|(at, _)| *at);
        [beat, pause, timer, self.deadline].into_iter().flatten().min()
    }

    pub(super) fn set_timer(&mut self, key: u64, at: Option<Duration>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if let Some(old) = entry.timer.take() {
            self.timers.remove(&(old, key));
        }
        entry.timer = at;
        if let Some(at) = at {
            self.timers.insert((at, key));
        }
    }

    /// Starts the shutdown, or shortens its deadline. The first reason is kept.
    pub(super) fn end(&mut self, goal: Goal, deadline: Option<Duration>) {
        if self.ending.is_none() {
            self.ending = Some(goal);
            self.sequence = Some(Sequence::stop_all());
        }
        self.deadline = [self.deadline, deadline].into_iter().flatten().min();
    }

    /// Builds the report when all children have ended or leaked.
    fn finish(mut self) -> (Goal, SupervisorShutdown) {
        for entry in self.entries.values().filter(|entry| entry.live.is_some()) {
            for path in paths(entry) {
                self.forced.insert(path, ForcedStop::Leaked);
            }
        }
        let forced = std::mem::take(&mut self.forced).into_iter().map(|(id, how)| StoppedChild { id, how });
        let report = SupervisorShutdown { stopped: forced.collect() };
        for StoppedChild { id, how } in &report.stopped {
            tracing::warn!(id, ?how, "child was stopped by force");
        }
        (self.ending.take().unwrap_or(Goal::Shutdown), report)
    }
}

/// The id of a child and the paths of all tasks below it.
pub(super) fn paths(entry: &ChildEntry) -> Vec<String> {
    let mut paths = vec![entry.spec.id.to_string()];
    if let Some(descendants) = entry.live.as_ref().and_then(|live| live.run.descendants.as_ref()) {
        descendants.paths(&entry.spec.id, &mut paths);
    }
    paths
}

fn announce(above: Option<&ChildContext>, ready: &mut Option<Ready>) {
    if let Some(above) = above {
        above.started();
    }
    if let Some(ready) = ready.take() {
        // If the receiver is gone, so is the handle, which ends the supervisor.
        let _ = ready.send(Ok(()));
    }
}

async fn cancelled(above: Option<&ChildContext>) {
    match above {
        Some(above) => above.cancelled().await,
        None => pending().await,
    }
}

async fn until(clock: &Clock, wake: Option<Duration>) {
    match wake {
        Some(wake) => clock.sleep(wake.saturating_sub(clock.elapsed())).await,
        None => pending().await,
    }
}
