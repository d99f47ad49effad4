//! The watchdog: renews this process's lease from a thread of its own, as long as the async runtime responds.
//!
//! As a task, it could be held up by one worker that blocks its thread, and all work would lose the lease. A thread that renews in any
//! case would let a process keep its claims though its async runtime hangs. The watchdog also logs what takes too long, because it
//! does not hang with the rest.

use super::{request::LeaseRequest, timeline::LeaseTimeline};
use crate::{
    clock::Clock,
    engine::{
        Engine,
        background::HealthRegistry,
        store_health::{OpenCalls, Report, SLOW, SlowReporter, StoreCall},
    },
    panics,
    store::StoreError,
};
use std::{io, sync::Arc, thread::JoinHandle, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};
use tokio_util::sync::CancellationToken;

/// The name of the watchdog among the background tasks.
pub(in crate::controller) const WATCHDOG: &str = "watchdog";

/// Renews the lease until it is dropped.
pub(crate) struct Watchdog {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    reports: watch::Receiver<LeaseReport>,
}

/// The last renewal that the store has answered.
#[derive(Clone, Copy, Debug)]
pub(in crate::controller) struct LeaseReport {
    /// The time of its request, on the monotonic clock.
    pub(in crate::controller) at: Duration,
    /// Whether there was no live lease to renew. The controller then takes a new one.
    pub(in crate::controller) lapsed: bool,
}

impl Watchdog {
    /// Takes the lease that `me` describes, and keeps it.
    ///
    /// # Errors
    /// The store's error when the lease cannot be acquired; [`StoreError::Failed`] when no thread can be started.
    pub(crate) async fn start(engine: Arc<Engine>, me: LeaseRequest) -> Result<Self, StoreError> {
        let at = me.take(&engine).await?;
        let (sender, reports) = watch::channel(LeaseReport { at, lapsed: false });
        let stop = CancellationToken::new();
        let failed = |e: io::Error| StoreError::Failed {
            store: "this store".to_owned(),
            cause: format!("the watchdog thread could not be started: {e}"),
        };
        // A runtime of its own: the timers of the watched one hang with it.
        let own = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let (watched, stopped) = (Handle::current(), stop.clone());
        // Counted from here: the thread may start late.
        let first = engine.clock.sleep(LeaseTimeline::interval(me.ttl));
        let thread = std::thread::Builder::new()
            .name("fsm-watchdog".into())
            .spawn(move || {
                own.block_on(async {
                    tokio::select! {
                        biased;
                        () = stopped.cancelled() => {}
                        () = async {
                            first.await;
                            run(&engine, &me, &watched, &sender).await;
                        } => {}
                    }
                });
            })
            .map_err(failed)?;
        Ok(Self { stop, thread: Some(thread), reports })
    }

    pub(crate) fn reports(&self) -> watch::Receiver<LeaseReport> {
        self.reports.clone()
    }

    /// Stops the thread, and waits for its end. Cancel safe: the thread ends in any case.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // It ends after at most one store call. A panic in it is printed by the panic hook.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Renews and watches, and restarts after a panic, such as of the store. Never returns.
async fn run(engine: &Engine, me: &LeaseRequest, watched: &Handle, reports: &watch::Sender<LeaseReport>) {
    loop {
        engine.health.runs(WATCHDOG);
        let both = async {
            tokio::join!(
                keep_lease(engine, me, watched, reports),
                report_slow(&engine.clock, &engine.calls, &engine.health)
            )
        };
        if let Err(panic) = panics::caught(both).await {
            engine.health.failed(WATCHDOG, format!("panicked: {}", panics::text(&*panic)));
            engine.clock.sleep(LeaseTimeline::interval(me.ttl)).await;
        }
    }
}

/// Renews now and at every interval. Never returns.
async fn keep_lease(engine: &Engine, me: &LeaseRequest, watched: &Handle, reports: &watch::Sender<LeaseReport>) {
    let interval = LeaseTimeline::interval(me.ttl);
    let mut lost = false;
    loop {
        let (answer, mut answered) = oneshot::channel();
        // Spawned from outside the runtime, so that any of its threads can run it.
        watched.spawn(async move {
            let _ = answer.send(());
        });
        if engine.clock.timeout(interval, &mut answered).await.is_none() {
            tracing::error!(
                owner = %me.owner(),
                "the async runtime has not responded for {interval:?}: something blocks its threads, and the lease is not \
                 renewed; move blocking code to `spawn_blocking`"
            );
            // A runtime that has ended never responds, and the watchdog is stopped with it.
            let _ = answered.await;
        }
        let requested = engine.clock.elapsed();
        let answer = me.renew(engine).await;
        // The store has waited for the lock already, and the lock may be free before the lease expires.
        let pause = if matches!(answer, Err(StoreError::Busy { .. })) { interval / 20 } else { interval };
        match answer {
            Ok(Err(_lapsed)) => {
                let _ = reports.send(LeaseReport { at: requested, lapsed: true });
            }
            Ok(Ok(at)) => {
                if std::mem::take(&mut lost) {
                    engine.health.recover(WATCHDOG);
                    tracing::info!(owner = %me.owner(), "the lease is renewed again");
                }
                // The controller may have ended.
                let _ = reports.send(LeaseReport { at, lapsed: false });
            }
            Err(error) if !lost => {
                lost = true;
                tracing::error!(owner = %me.owner(), %error, "the lease cannot be renewed; retrying");
                engine.health.degrade(WATCHDOG, format!("the lease cannot be renewed: {error}"));
            }
            Err(_) => {}
        }
        engine.clock.sleep(pause).await;
    }
}

/// Logs store calls that are not answered, and background tasks that block. Never returns.
async fn report_slow(clock: &Clock, open: &OpenCalls, health: &HealthRegistry) {
    let (mut calls, mut polls) = (SlowReporter::default(), SlowReporter::default());
    loop {
        clock.sleep(SLOW / 2).await;
        report_calls(&mut calls, &open.read(clock.elapsed()));
        report_polls(&mut polls, health.longest_poll());
    }
}

fn report_calls(reporter: &mut SlowReporter, open: &[StoreCall]) {
    let (call, age) = open.first().map_or(("", Duration::ZERO), |first| (first.call, first.age));
    match reporter.report(age) {
        Some(Report::Slow) => tracing::warn!(
            call,
            ?age,
            calls = open.len(),
            "the store does not answer; `Runtime::status` shows the open calls"
        ),
        Some(Report::Recovered) => tracing::info!("the store responds again"),
        None => {}
    }
}

fn report_polls(reporter: &mut SlowReporter, longest: Option<(&'static str, Duration)>) {
    let (task, age) = longest.unwrap_or_default();
    match reporter.report(age) {
        Some(Report::Slow) => tracing::error!(
            task,
            ?age,
            "a background task is blocked: something that it calls blocks its thread, such as a `tracing` layer, a `metrics` recorder \
             or the store"
        ),
        Some(Report::Recovered) => tracing::info!("background tasks are responsive again"),
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
        // A second subscriber: with one alone, `tracing` caches the interest of the first thread for all threads.
        let _another = tracing::Dispatch::new(Lines::default());
        let _logged = tracing::subscriber::set_default(lines.clone());
        let manual = ManualClock::new(SystemTime::UNIX_EPOCH);
        let (clock, calls) = (manual.clock(), OpenCalls::default());
        let health = HealthRegistry::new(clock.clone());
        let mut reporting = Box::pin(report_slow(&clock, &calls, &health));
        let mut hangs = Box::pin(calls.until("due", clock.elapsed(), std::future::pending::<()>()));
        let mut logged = Vec::new();
        for second in 0..=45_u64 {
            // Everything that is ready runs before time advances.
            tokio::select! { biased; () = &mut reporting => {}, () = &mut hangs => {}, () = ready(()) => {} }
            logged.extend(lines.take().into_iter().map(|line| (second, line)));
            manual.advance(Duration::from_secs(1));
        }
        let seconds: Vec<u64> = logged.iter().map(|(second, _)| *second).collect();
        assert_eq!(seconds, [10, 20, 40], "{logged:?}");
        let line = "WARN message=the store does not answer; `Runtime::status` shows the open calls \
                    call=\"due\" age=10s calls=1";
        assert_eq!(logged[0].1, line);
    }
}
