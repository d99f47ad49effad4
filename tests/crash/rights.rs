//! Processes to which the operating system refuses a file, a folder, or one more open file. The error names it, and the remedy.

use fsm_runtime::{
    prelude::*,
    store::{Key, Store},
};
use rustix::process::{Resource, Rlimit, getuid, setrlimit};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
};

/// Set for the process that is refused something: the store's path.
pub(crate) const REFUSED: &str = "FSM_CRASH_REFUSED";
/// Set for one that is refused open files, and not rights.
const FILES: &str = "FSM_CRASH_FILES";
/// The user that nothing belongs to.
const NOBODY: u32 = 65_534;

/// Prints what each call answers.
pub(crate) async fn be_refused(path: &Path) {
    if std::env::var_os(FILES).is_none() {
        println!("open: {}", text(Sqlite::open(path).await.err()));
        let store = Sqlite::options().read_only(true).open(path).await;
        let read = match &store {
            Ok(store) => text(store.get(Key::new("Door", "a")).await.err()),
            Err(error) => error.to_string(),
        };
        return println!("read: {read}");
    }
    let store = Sqlite::open(path).await.expect("the store");
    // What is open stays so; no more can be opened.
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), maximum: Some(3) }).expect("a lower limit");
    println!("open: {}", text(Sqlite::open(path.with_extension("other")).await.err()));
    println!("read: {}", text(store.get(Key::new("Door", "a")).await.err()));
}

fn text<E: std::fmt::Display>(error: Option<E>) -> String {
    error.map_or_else(|| "fine".to_owned(), |error| error.to_string())
}

pub(crate) async fn a_refusal_by_the_system_names_the_remedy() -> String {
    let dir = tempfile::tempdir().expect("a folder");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("rights");
    let path = dir.path().join("doors.db");
    drop(Sqlite::open(&path).await.expect("the store"));
    let answers = |files: bool, nobody: bool| {
        let mut this = Command::new(std::env::current_exe().expect("this binary"));
        this.env(REFUSED, &path).envs(files.then_some((FILES, "")));
        if nobody {
            this.uid(NOBODY);
        }
        this.output()
            .ok()
            .filter(|output| output.status.success())
            .map(|it| String::from_utf8(it.stdout).expect("text"))
    };
    let files = answers(true, false).expect("its answers");
    for answer in files.lines() {
        assert!(answer.contains("Too many open files") && answer.contains("ulimit -n"), "{answer}");
    }
    // Root may do everything; nobody may not run this binary, perhaps.
    let is_root = getuid().is_root();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("rights");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).expect("rights");
    let rights = answers(false, is_root);
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("rights");
    let Some(rights) = rights else { return "open files alone: this binary cannot be run as another user".to_owned() };
    let (open, read) = rights.split_once('\n').expect("two answers");
    assert!(open.contains("Permission denied (os error 13); give this user the right"), "{open}");
    assert_eq!(read.trim_end(), "read: fine");
    "open files and rights".to_owned()
}
