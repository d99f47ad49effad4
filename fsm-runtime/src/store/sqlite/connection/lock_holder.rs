//! Which process holds the write lock of a file.

use super::store_file::{StoreFile, beside};
use std::{fs, path::Path};

/// The holder, and how to end it, as the end of a sentence; `None` if the system does not show it.
pub(super) fn of(file: &StoreFile) -> Option<String> {
    locker(file).map(described).or_else(|| alive(&beside(file, ".processes")))
}

fn described(pid: u32) -> String {
    if pid == std::process::id() {
        return "another connection of this process; its transaction has to end".to_owned();
    }
    // The name alone: arguments may hold what is secret.
    let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let command =
        if command.is_empty() { String::new() } else { format!(" (`{}`)", command.trim_end().escape_debug()) };
    // The state comes after the command, which stands in parentheses and may hold some.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let stopped = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't']));
    if stopped {
        format!("process {pid}{command}, which is stopped; `kill -CONT {pid}` continues it, `kill -KILL {pid}` ends it")
    } else {
        format!("process {pid}{command}; its transaction ends by itself, or with the process")
    }
}

/// SQLite's lock for writing: in WAL mode a byte of the `-shm` file, otherwise bytes of the database itself.
#[cfg(target_os = "linux")]
fn locker(file: &StoreFile) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    const WAL_WRITE: u64 = 120;
    const PENDING: u64 = 0x4000_0000;
    const RESERVED: u64 = PENDING + 1;
    let inode = |path: &Path| path.metadata().ok().map(|file| file.ino());
    let (log, database) = (inode(&beside(file, "-shm")), inode(file));
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let held = locks.lines().filter_map(Lock::read);
    let is_it = |lock: &Lock| {
        let holds = |byte| (lock.from..=lock.to).contains(&byte);
        Some(lock.inode) == log && holds(WAL_WRITE)
            || Some(lock.inode) == database && (holds(PENDING) || holds(RESERVED))
    };
    held.into_iter().find(is_it).map(|lock| lock.pid)
}

#[cfg(not(target_os = "linux"))]
fn locker(_: &StoreFile) -> Option<u32> {
    None
}

/// A line of `/proc/locks`.
#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq)]
struct Lock {
    pid: u32,
    inode: u64,
    from: u64,
    to: u64,
}

#[cfg(target_os = "linux")]
impl Lock {
    /// One that is held for writing; those that are waited for have an arrow.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        if words.next()? != "POSIX" || words.next()? == "->" || words.next()? != "WRITE" {
            return None;
        }
        let pid = words.next()?.parse().ok()?;
        let inode = words.next()?.rsplit(':').next()?.parse().ok()?;
        let from = words.next()?.parse().ok()?;
        let to = words.next()?;
        Some(Self { pid, inode, from, to: if to == "EOF" { u64::MAX } else { to.parse().ok()? } })
    }
}

/// The processes that show themselves beside the file, of which one may be the holder.
fn alive(folder: &Path) -> Option<String> {
    let shown = |path: &Path| {
        let file = fs::File::open(path).ok()?;
        matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)).then(|| fs::read_to_string(path).ok())?
    };
    let files = fs::read_dir(folder).ok()?.flatten();
    let mut processes: Vec<String> = files.filter_map(|file| shown(&file.path())).filter(|it| !it.is_empty()).collect();
    processes.sort();
    processes.dedup();
    if processes.is_empty() { None } else { Some(format!("one of these, perhaps: {}", processes.join(", "))) }
}

/// What a process writes into the file by which it shows itself.
pub(in crate::store::sqlite) fn shown_as() -> String {
    let command = std::env::current_exe().ok();
    let command =
        command.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().escape_debug().to_string());
    format!("process {} (`{}`)", std::process::id(), command.unwrap_or_default())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_read_as_the_system_writes_it() {
        let held = Lock::read("3: POSIX  ADVISORY  WRITE 4711 00:2f:3735 120 120");
        assert_eq!(held, Some(Lock { pid: 4711, inode: 3735, from: 120, to: 120 }));
        let all = Lock::read("3: POSIX  ADVISORY  WRITE 4711 08:01:9 0 EOF");
        assert_eq!(all.map(|lock| lock.to), Some(u64::MAX));
        for other in [
            "3: -> POSIX  ADVISORY  WRITE 4712 00:2f:3735 120 120",
            "4: POSIX  ADVISORY  READ 4711 00:2f:3735 123 123",
            "5: FLOCK  ADVISORY  WRITE 4711 00:2f:99 0 EOF",
            "",
        ] {
            assert_eq!(Lock::read(other), None, "{other}");
        }
    }
}
