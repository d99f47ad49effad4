//! Owns the renewal of this process's lease: a thread of its own, which renews only while the executor answers.
//!
//! Were it a task, one worker that blocks its thread could hold it up, and the lease would be lost with everybody's work;
//! were it a thread that renews whatever happens, a process whose executor stands still would keep its work for ever. It also tells of
//! what takes too long: whatever else hangs, it does not.

use super::timeline::Tenure;
use crate::{
    clock::Clock,
    engine::{
        Engine,
        background::HealthRegistry,
        store_health::{Calls, Patience, SLOW, StoreCall, Word},
    },
    panics,
    store::{Lease, Renewal, StoreError},
};
use std::{io, sync::Arc, thread::JoinHandle, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};
use tokio_util::sync::CancellationToken;

/// Among the parts of a runtime.
pub(in crate::controller) const WATCHDOG: &str = "watchdog";

/// Renews the lease until it is dropped.
pub(crate) struct Watchdog {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    /// When the last renewal that was answered was asked for, on the monotonic clock.
    renewed: watch::Receiver<Duration>,
}

impl Watchdog {
    /// Takes the lease that `renewal` describes, and keeps it.
    ///
    /// # Errors
    /// The store's, when it cannot be taken; [`StoreError::Failed`] when no thread can be started.
    pub(crate) async fn start(engine: Arc<Engine>, renewal: Renewal) -> Result<Self, StoreError> {
        let asked = engine.clock.elapsed();
        renew(&engine, &renewal).await?;
        let (told, renewed) = watch::channel(asked);
        let stop = CancellationToken::new();
        let failed = |e: io::Error| StoreError::Failed {
            store: "this store".to_owned(),
            cause: format!("the thread that keeps the lease could not be started: {e}"),
        };
        // Its own executor: timers of the one that it watches stand still when that does.
        let own = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let (watched, stopped) = (Handle::current(), stop.clone());
        // Counted from here: the thread may be late.
        let first = engine.clock.sleep(Tenure::interval(renewal.ttl));
        let thread = std::thread::Builder::new()
            .name("fsm-watchdog".into())
            .spawn(move || {
                own.block_on(async {
                    tokio::select! {
                        biased;
                        () = stopped.cancelled() => {}
                        () = async {
                            first.await;
                            keep_on(&engine, &renewal, &watched, &told).await;
                        } => {}
                    }
                });
            })
            .map_err(failed)?;
        Ok(Self { stop, thread: Some(thread), renewed })
    }

    pub(crate) fn renewed(&self) -> watch::Receiver<Duration> {
        self.renewed.clone()
    }

    /// Ends the thread, and waits until it has ended. Cancel safe: dropped half-way, it ends all the same.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // It is at most one store call away from its end. A panic in it has printed itself.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Begins again after a panic, of a store's code, say. Never returns by itself.
async fn keep_on(engine: &Engine, renewal: &Renewal, watched: &Handle, told: &watch::Sender<Duration>) {
    loop {
        engine.health.runs(WATCHDOG);
        let both = async {
            tokio::join!(keep(engine, renewal, watched, told), look_on(&engine.clock, &engine.calls, &engine.health))
        };
        if let Err(panic) = panics::caught(both).await {
            engine.health.failed(WATCHDOG, format!("panicked: {}", panics::text(&*panic)));
            engine.clock.sleep(Tenure::interval(renewal.ttl)).await;
        }
    }
}

/// Renews now and at every interval. Never returns by itself.
async fn keep(engine: &Engine, renewal: &Renewal, watched: &Handle, told: &watch::Sender<Duration>) {
    let interval = Tenure::interval(renewal.ttl);
    let mut lost = false;
    loop {
        let (answer, mut answered) = oneshot::channel();
        // It comes from outside the executor, so that any of its threads can take it.
        watched.spawn(async move {
            let _ = answer.send(());
        });
        if engine.clock.timeout(interval, &mut answered).await.is_none() {
            tracing::error!(
                owner = %renewal.owner,
                "the executor has not answered for {interval:?}: something blocks its threads, and the lease is not \
                 renewed; blocking work belongs in `spawn_blocking`"
            );
            // An executor that has ended answers never, and the watchdog is stopped with it.
            let _ = answered.await;
        }
        let asked = engine.clock.elapsed();
        let answer = renew(engine, renewal).await;
        // A lock is waited for in the store, and may be free before the lease has run out.
        let pause = if matches!(answer, Err(StoreError::Busy { .. })) { interval / 20 } else { interval };
        match answer {
            Ok(_) => {
                if std::mem::take(&mut lost) {
                    engine.health.untroubled(WATCHDOG);
                    tracing::info!(owner = %renewal.owner, "the lease is renewed again");
                }
                // The controller may be gone already.
                let _ = told.send(asked);
            }
            Err(error) if !lost => {
                lost = true;
                tracing::error!(owner = %renewal.owner, %error, "the lease cannot be renewed; trying again");
                engine.health.troubled(WATCHDOG, format!("the lease cannot be renewed: {error}"));
            }
            Err(_) => {}
        }
        engine.clock.sleep(pause).await;
    }
}

async fn renew(engine: &Engine, renewal: &Renewal) -> Result<Vec<Lease>, StoreError> {
    engine.asked("renew", engine.store.renew(vec![renewal.clone()], engine.clock.now())).await
}

/// Tells of what takes too long: a call that the store does not answer, a part that does not come round. Never returns by itself.
async fn look_on(clock: &Clock, open: &Calls, health: &HealthRegistry) {
    let (mut calls, mut rounds) = (Patience::default(), Patience::default());
    loop {
        clock.sleep(SLOW / 2).await;
        tell_of_calls(&mut calls, &open.read(clock.elapsed()));
        tell_of_rounds(&mut rounds, health.longest_round());
    }
}

fn tell_of_calls(patience: &mut Patience, open: &[StoreCall]) {
    let (call, age) = open.first().map_or(("", Duration::ZERO), |first| (first.call, first.age));
    match patience.ends(age) {
        Some(Word::Slow) => tracing::warn!(
            call,
            ?age,
            calls = open.len(),
            "the store does not answer: what was asked waits for it, and `Runtime::status` shows for how long"
        ),
        Some(Word::Over) => tracing::info!("the store answers again"),
        None => {}
    }
}

fn tell_of_rounds(patience: &mut Patience, longest: Option<(&'static str, Duration)>) {
    let (part, age) = longest.unwrap_or_default();
    match patience.ends(age) {
        Some(Word::Slow) => tracing::error!(
            part,
            ?age,
            "a part of the runtime does not come round: something that it calls blocks its thread, such as a layer of `tracing`, a \
             recorder of `metrics`, or the store's own code"
        ),
        Some(Word::Over) => tracing::info!("all parts of the runtime come round again"),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::ManualClock, supervisor::log_tests::Lines};
    use std::{future::ready, time::SystemTime};

    #[tokio::test]
    async fn an_unanswered_call_is_reported_repeatedly() {
        let lines = Lines::default();
        // With one subscriber alone, `tracing` asks that of whichever thread meets an event first, and remembers its answer for
        // all: other tests' threads have none.
        let _another = tracing::Dispatch::new(Lines::default());
        let _logged = tracing::subscriber::set_default(lines.clone());
        let manual = ManualClock::new(SystemTime::UNIX_EPOCH);
        let (clock, calls) = (manual.clock(), Calls::default());
        let health = HealthRegistry::new(clock.clone());
        let mut looking = Box::pin(look_on(&clock, &calls, &health));
        let mut hangs = Box::pin(calls.until("due", clock.elapsed(), std::future::pending::<()>()));
        let mut said = Vec::new();
        for second in 0..=45_u64 {
            // Everything that can go on does, before time does.
            tokio::select! { biased; () = &mut looking => {}, () = &mut hangs => {}, () = ready(()) => {} }
            said.extend(lines.take().into_iter().map(|line| (second, line)));
            manual.advance(Duration::from_secs(1));
        }
        let seconds: Vec<u64> = said.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [10, 20, 40], "{said:?}");
        let line = "WARN message=the store does not answer: what was asked waits for it, and `Runtime::status` shows for how long \
                    call=\"due\" age=10s calls=1";
        assert_eq!(said[0].1, line);
    }
}
