//! Short writes that share a transaction, and so a sync of the disk.

use crate::store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

/// A write, and the caller that waits for it.
pub(super) trait SharedWrite: Send {
    /// Writes. What it returns is kept until the transaction is committed.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;

    /// Answers the caller after the transaction.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A write by `work`, and its answer.
pub(super) fn write<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> (Box<dyn SharedWrite>, oneshot::Receiver<Result<T, StoreError>>) {
    let (reply, answer) = oneshot::channel();
    (Box::new(Write { work: Some(work), written: None, reply }), answer)
}

struct Write<T, W> {
    work: Option<W>,
    written: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, W: FnOnce(&Connection) -> rusqlite::Result<T> + Send> SharedWrite for Write<T, W> {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.written = Some(work(connection)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { written, reply, .. } = *self;
        // Without a result there is no answer: the caller cannot know what was written. The receiver may be gone.
        let _ = match (committed, written) {
            (Ok(()), Some(written)) => reply.send(Ok(written)),
            (Ok(()), None) => return,
            (Err(error), _) => reply.send(Err(error)),
        };
    }
}
