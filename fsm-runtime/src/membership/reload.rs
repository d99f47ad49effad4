//! Reads a list of nodes again when its file changes, and at the signal SIGHUP.

use super::{assign::Member, list::ListSource};
use crate::{clock::Clock, sync::Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often the file is read. The file is small, and a file watch would miss changes of the folders above it.
const EVERY: Duration = Duration::from_secs(1);

/// A list of nodes in a file.
pub(crate) struct ListFile {
    list: ListSource,
    me: Option<String>,
    nodes: watch::Sender<Vec<Member>>,
    /// Receives a message at each SIGHUP.
    hangups: Mutex<Option<mpsc::Receiver<()>>>,
    /// The last error. Each error is logged once.
    error: Mutex<Option<String>>,
}

impl ListFile {
    pub(super) fn new(list: ListSource, me: Option<String>, nodes: watch::Sender<Vec<Member>>) -> Self {
        Self { list, me, nodes, hangups: Mutex::new(hangups()), error: Mutex::default() }
    }

    /// Follows the file until the future is dropped.
    pub(crate) async fn follow(&self, clock: &Clock) {
        let mut hangups = self.hangups.lock().take();
        loop {
            let asked = tokio::select! {
                () = clock.sleep(EVERY) => false,
                () = next(&mut hangups) => true,
            };
            self.reload(asked).await;
        }
    }

    /// With `asked`, also logs an error that was logged before, and logs if nothing has changed.
    async fn reload(&self, asked: bool) {
        let (list, me) = (self.list.clone(), self.me.clone());
        let Ok(read) = tokio::task::spawn_blocking(move || list.read(me.as_deref())).await else { return };
        match read {
            Ok(nodes) => {
                *self.error.lock() = None;
                let names = nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
                if self.nodes.send_if_modified(|before| std::mem::replace(before, nodes.clone()) != nodes) {
                    tracing::info!(nodes = %names, "{} has changed", self.list);
                } else if asked {
                    tracing::info!(nodes = %names, "{} was read again and has not changed", self.list);
                }
            }
            Err(error) => {
                let error = error.to_string();
                let known = self.error.lock().replace(error.clone()).is_some_and(|before| before == error);
                if asked || !known {
                    tracing::warn!(%error, "the new list of nodes cannot be used; the previous one stays in use");
                }
            }
        }
    }
}

/// The next SIGHUP. Cancel safe.
async fn next(hangups: &mut Option<mpsc::Receiver<()>>) {
    match hangups {
        Some(receiver) => match receiver.recv().await {
            Some(()) => {}
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// Listens for SIGHUP, which ends the process by default. Uses its own thread and tokio runtime, because the application's runtime may lack
/// the driver for signals.
#[cfg(unix)]
fn hangups() -> Option<mpsc::Receiver<()>> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    let listen = || {
        let own = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let hangup: Signal = {
            let _entered = own.enter();
            signal(SignalKind::hangup())?
        };
        Ok::<_, std::io::Error>((own, hangup))
    };
    let (sender, receiver) = mpsc::channel(1);
    let started = listen().and_then(|(own, mut hangup)| {
        std::thread::Builder::new().name("fsm-sighup".into()).spawn(move || {
            own.block_on(async {
                loop {
                    tokio::select! {
                        Some(()) = hangup.recv() => drop(sender.try_send(())),
                        () = sender.closed() => return,
                    }
                }
            });
        })
    });
    match started {
        Ok(_thread) => Some(receiver),
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be handled; the list of nodes is reloaded only when its file changes");
            None
        }
    }
}

#[cfg(not(unix))]
fn hangups() -> Option<mpsc::Receiver<()>> {
    None
}
