//! Owns a controller from its first turn to its end: the loop runs under a supervisor, and ends when it is told to, or has failed too
//! often.

use super::{
    event_loop::{OTHERS, Run, SCAN},
    lease::watchdog::{WATCHDOG, Watchdog},
    shutdown::{HowStopped, Shutdown, StoppedWorker},
    workers::status::Board,
};
use crate::{
    engine::{Engine, background::part},
    panics,
    store::{Renewal, Scope},
    supervisor::{Context, Restarts, Supervisor, SupervisorError},
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::{Mutex, oneshot};
use tokio_util::sync::CancellationToken;

/// The loop, among the parts of a runtime.
pub(super) const LOOP: &str = "controller";
/// At once, because nobody keeps workers to their time and to the lease meanwhile. One that falls again and again goes on if it falls at
/// each scan, and gives up if it falls at each step: another process does the work then, or the next one that is started.
const RESTARTS: Restarts = Restarts::Intensity { max: 5, window: Duration::from_secs(10) };

/// What a controller holds beside its loop, and gives up at its end.
pub(super) struct Life {
    pub(super) engine: Arc<Engine>,
    pub(super) me: Renewal,
    pub(super) scope: Scope,
    pub(super) board: Arc<Board>,
    /// Told by the handle, or by its drop.
    pub(super) stop: CancellationToken,
    pub(super) deadline: oneshot::Receiver<Duration>,
    /// Why there is no work any more, where nobody stopped it.
    pub(super) failed: Arc<OnceLock<String>>,
    pub(super) watchdog: Watchdog,
    /// Shows others that this process is alive.
    pub(super) presence: Box<dyn Send + Sync>,
}

impl Life {
    /// Has the loop run until it is to stop, or has failed too often; then ends what runs.
    pub(super) async fn live(self, run: Run) -> Shutdown {
        let run = Arc::new(Mutex::new(run));
        let gave_up = self.keep_running(run.clone()).await;
        if let Err(error) = &gave_up {
            let _ = self.failed.set(error.to_string());
            self.engine.health.gave_up(LOOP);
        }
        let deadline = match &gave_up {
            // Dropped without a word, it has no time at all.
            Ok(()) => self.deadline.await.unwrap_or_default(),
            Err(_) => Duration::ZERO,
        };
        // Foreign code hears of it (`tracing`), whose panic takes the stop not with it.
        let _ = panics::caught(async {
            if let Err(error) = &gave_up {
                tracing::error!(%error, "the controller has failed too often: its work ends, and is left to others");
            }
        })
        .await;
        let ended = panics::caught(async move { run.lock().await.stop(deadline).await });
        // What cannot even be stopped is aborted as it is dropped, and may go on where it blocks its thread.
        let report = ended.await.unwrap_or_else(|panic| {
            let why = format!("stopping the work panicked: {}", panics::text(&*panic));
            let _ = self.failed.set(why);
            let workers = self.board.read(&self.engine.clock).into_iter().filter(|worker| worker.last_beat.is_some());
            let cut =
                workers.map(|worker| StoppedWorker { key: worker.key, state: worker.state, how: HowStopped::Leaked });
            Shutdown { cut: cut.collect(), failed: None }
        });
        // Not before: who waits until there is nothing to do is answered when all is given back.
        self.engine.notifier.detach();
        self.watchdog.stop().await;
        self.engine.health.end(&[LOOP, SCAN, OTHERS, WATCHDOG]);
        let leaked = |cut: &StoppedWorker| cut.how == HowStopped::Leaked;
        // Both tell foreign code as well (`metrics`, `tracing`): its panic takes neither the rest nor the report with it.
        let posts = async { self.board.keep(|key| report.cut.iter().any(|cut| leaked(cut) && cut.key == *key)) };
        let _ = panics::caught(posts).await;
        let ttl = self.me.ttl;
        let leaving = panics::caught(leave(&self.engine, self.me, self.presence, report.cut.iter().any(leaked)));
        // A store that does not answer is waited for no longer than the lease lasts anyway.
        let _ = self.engine.clock.timeout(ttl, leaving).await;
        Shutdown { failed: self.failed.get().cloned(), ..report }
    }

    async fn keep_running(&self, run: Arc<Mutex<Run>>) -> Result<(), SupervisorError> {
        let (scope, halt) = (self.scope.clone(), CancellationToken::new());
        let halted = halt.clone();
        let turns = move |context: Context| {
            let (run, scope, halt) = (run.clone(), scope.clone(), halted.clone());
            async move {
                let mut run = run.lock().await;
                if context.run() > 1 {
                    run.recover();
                }
                run.turn_until(halt, scope).await;
            }
        };
        let turns = part(&self.engine.health, LOOP, turns).shutdown_without_end();
        let builder = Supervisor::builder().clock(self.engine.clock.clone()).restarts(RESTARTS);
        let Ok(supervisor) = builder.child(turns).start().await else { return Err(SupervisorError::Gone) };
        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(()),
            ended = supervisor.ended() => ended,
        };
        halt.cancel();
        supervisor.shutdown(Duration::MAX).await;
        ended
    }
}

/// Gives the lease back, unless somebody `still_runs`.
async fn leave(engine: &Engine, me: Renewal, presence: Box<dyn Send + Sync>, still_runs: bool) {
    let clock = engine.clock.clone();
    if still_runs {
        // Who does keeps its claim until the lease lapses: this process is not gone.
        tokio::spawn(async move {
            clock.sleep(me.ttl).await;
            drop(presence);
        });
        return;
    }
    // Before others can see that this process is gone: they would tell of it as of one that was killed.
    let ended = engine.asked("end_leases", engine.store.end_leases(vec![me.owner.clone()], clock.now())).await;
    drop(presence);
    match ended {
        // Nothing shows it now, and what did is tidied away: at the next end of a lease at the latest, if not here.
        Ok(()) => drop(engine.asked("end_leases", engine.store.end_leases(Vec::new(), clock.now())).await),
        Err(error) => tracing::warn!(owner = %me.owner, %error, "the lease could not be ended; it lapses by itself"),
    }
}
