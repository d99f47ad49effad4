//! A hint that the log was written: inotify, where there is one. A thread of its own waits for it.
//!
//! It is a hint and not the truth: the write comes before the commit that it belongs to can be seen, the system may have no more
//! watches, and other systems than Linux are not asked. [`Pace`](super::pace::Pace) looks for the truth.

#[cfg(target_os = "linux")]
pub(super) use linux::FileWatch;
#[cfg(not(target_os = "linux"))]
pub(super) use none::FileWatch;

#[cfg(target_os = "linux")]
mod linux {
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use std::{
        fs::File,
        io::{self, Read},
        path::Path,
        sync::Arc,
        thread::JoinHandle,
        time::Duration,
    };

    /// Hints come no more often: while the log is written all the time, by this process too, each would wake two threads.
    const PAUSE: Duration = Duration::from_millis(5);
    /// Bytes of an event on a file: watch, mask, cookie, and the length of a name, which there is none of.
    const EVENT: usize = 16;
    /// In the mask of the last event of a watch that was removed.
    const IGNORED: u32 = 0x8000;

    /// Calls back until it is dropped.
    pub(in super::super) struct FileWatch {
        inotify: Arc<File>,
        watch: i32,
        thread: Option<JoinHandle<()>>,
    }

    impl FileWatch {
        /// Calls `written` soon after `file` was written.
        pub(in super::super) fn start(file: &Path, written: impl Fn() + Send + 'static) -> io::Result<Self> {
            let inotify = inotify::init(CreateFlags::CLOEXEC)?;
            let watch = inotify::add_watch(&inotify, file, WatchFlags::MODIFY)?;
            let inotify = Arc::new(File::from(inotify));
            let read = inotify.clone();
            let thread = std::thread::Builder::new().name("fsm-watch".into()).spawn(move || {
                let mut events = [0; 64 * EVENT];
                while let Ok(length) = (&*read).read(&mut events) {
                    let over = |event: &[u8]| mask(event) & IGNORED != 0;
                    if events[..length].chunks_exact(EVENT).any(over) {
                        return;
                    }
                    written();
                    std::thread::sleep(PAUSE);
                }
            })?;
            Ok(Self { inotify, watch, thread: Some(thread) })
        }
    }

    fn mask(event: &[u8]) -> u32 {
        event.get(4..8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes)
    }

    impl Drop for FileWatch {
        fn drop(&mut self) {
            // The removal is an event, at which the thread ends. Where the file is gone, the watch is too, and the thread has ended.
            let _ = inotify::remove_watch(&self.inotify, self.watch);
            if let Some(thread) = self.thread.take()
                && thread.join().is_err()
            {
                tracing::error!("the thread that watches the log panicked");
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::sync::mpsc;

        #[test]
        fn a_write_is_hinted_until_the_watch_is_dropped() {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("log");
            std::fs::write(&file, "").unwrap();
            let (hint, hints) = mpsc::channel();
            let watch = FileWatch::start(&file, move || hint.send(()).unwrap()).unwrap();
            std::fs::write(&file, "a").unwrap();
            hints.recv_timeout(Duration::from_secs(20)).unwrap();
            drop(watch);
            while hints.try_recv().is_ok() {}
            assert_eq!(hints.try_recv(), Err(mpsc::TryRecvError::Disconnected), "the thread has ended");
        }

        #[test]
        fn a_file_that_is_deleted_ends_the_watch() {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("log");
            std::fs::write(&file, "").unwrap();
            let watch = FileWatch::start(&file, || {}).unwrap();
            std::fs::remove_file(&file).unwrap();
            drop(watch);
            assert!(FileWatch::start(&file, || {}).is_err(), "there is nothing to watch");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    use std::{io, path::Path};

    /// There is none on this system.
    pub(in super::super) struct FileWatch(std::convert::Infallible);

    impl FileWatch {
        pub(in super::super) fn start(_: &Path, _: impl Fn() + Send + 'static) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
