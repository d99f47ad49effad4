//! The fixture of a test: a configuration file, a data folder, and the program run on them. Dropping it ends every process
//! that it started.

use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// The limit for every wait, on a slow machine too.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// The output and exit status of a command.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// Configures these servers, each of which serves a page with its id.
    pub(crate) fn with(ids: &[&str]) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let entries: Vec<_> = ids.iter().map(|id| place.entry(id, 0)).collect();
        place.write(&entries.concat());
        place
    }

    /// Creates a server's folder, and its entry.
    pub(crate) fn entry(&self, id: &str, port: u16) -> String {
        let root = self.path(id);
        fs::create_dir_all(&root).expect("a folder to serve");
        fs::write(root.join("index.html"), format!("page of {id}")).expect("a page");
        format!("[[server]]\nid = \"{id}\"\nport = {port}\nroot = \"{id}\"\n")
    }

    /// Writes the file of servers.
    pub(crate) fn write(&self, text: &str) {
        fs::write(self.path("servers.toml"), text).expect("a file of servers");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_servers"));
        command.args(words).arg("--file").arg(self.path("servers.toml")).arg("--data").arg(self.path("data"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.start(words).ended()
    }

    /// Runs a command that must succeed, and returns its output.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let ended = self.run(words);
        assert!(ended.status.success(), "servers {words:?}: {}\n{}{}", ended.status, ended.stdout, ended.stderr);
        ended.stdout
    }

    /// Runs a command that must fail with exit code 1, and returns its error output.
    pub(crate) fn refused(&self, words: &[&str]) -> String {
        let ended = self.run(words);
        assert_eq!(ended.status.code(), Some(1), "servers {words:?}: {}{}", ended.stdout, ended.stderr);
        ended.stderr
    }

    /// Starts a command, whose output goes to files.
    pub(crate) fn start(&self, words: &[&str]) -> Started {
        let output = tempfile::tempdir_in(self.folder.path()).expect("a folder for the output").keep();
        let (stdout, stderr) = (output.join("stdout"), output.join("stderr"));
        let file = |path| File::create(path).expect("a file for the output");
        let child = self.command(words).stdout(file(&stdout)).stderr(file(&stderr)).spawn();
        Started { child: child.expect("the program starts"), words: format!("{words:?}"), stdout, stderr }
    }

    /// Starts a manager, and waits until it is ready.
    pub(crate) fn manage(&self) -> Started {
        let mut manager = self.start(&["manage"]);
        manager.wait_for_output("managing the servers of");
        manager
    }

    /// The pid and port in a server's lock file, if it is held.
    pub(crate) fn alive(&self, id: &str) -> Option<(i32, u16)> {
        claim(&self.path("data/run").join(format!("{id}.lock"))).and_then(|(pid, port)| Some((pid, port?)))
    }

    /// Waits until a server is alive with a pid other than `than`.
    pub(crate) fn alive_other(&self, id: &str, than: i32) -> (i32, u16) {
        wait_for(&format!("another process of {id}"), || self.alive(id).filter(|(pid, _)| *pid != than))
    }

    /// The line of a server in `ls`.
    pub(crate) fn ls(&self, id: &str) -> String {
        let list = self.ok(&["ls"]);
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(id));
        line.unwrap_or_else(|| panic!("{id} is not in\n{list}")).to_owned()
    }

    /// Waits until `ls` shows a server in this state.
    pub(crate) fn reaches(&self, id: &str, state: &str) -> String {
        wait_for(&format!("{id} in {state}"), || Some(self.ls(id)).filter(|line| line.contains(state)))
    }

    /// The processes of the operating system that serve an id of this fixture.
    pub(crate) fn serving(&self, id: &str) -> Vec<i32> {
        let (root, mut pids) = (self.path(id), Vec::new());
        for process in fs::read_dir("/proc").expect("/proc").flatten() {
            let Ok(pid) = process.file_name().to_string_lossy().parse() else {
                continue;
            };
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let words: Vec<_> = line.split(|byte| *byte == 0).collect();
            if words.get(1) == Some(&b"serve".as_slice()) && words.contains(&root.as_os_str().as_encoded_bytes()) {
                pids.push(pid);
            }
        }
        pids
    }

    /// The store, read by SQL alone.
    pub(crate) fn store(&self) -> Connection {
        Connection::open_with_flags(self.path("data/servers.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let locks = fs::read_dir(self.path("data/run")).into_iter().flatten().flatten();
        for (pid, _) in locks.filter_map(|lock| claim(&lock.path())) {
            kill(pid, Signal::KILL);
        }
    }
}

/// The pid, and the port if it is known, in a lock file that is held.
fn claim(lock: &Path) -> Option<(i32, Option<u16>)> {
    if lock.extension()? != "lock" {
        return None;
    }
    let mut file = File::open(lock).ok()?;
    if file.try_lock_shared().is_ok() {
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    Some((value("pid ")?.parse().ok()?, value("port ").and_then(|port| port.parse().ok())))
}

/// A running command, killed if the test ends before it.
pub(crate) struct Started {
    child: Child,
    words: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Started {
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a pid")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its status").is_some()
    }

    pub(crate) fn wait_for_output(&mut self, text: &str) {
        wait_for(&format!("`{text}` from servers {}", self.words), || {
            let found = read(&self.stdout).contains(text);
            assert!(found || !self.has_ended(), "servers {} ended: {}", self.words, read(&self.stderr));
            found.then_some(())
        });
    }

    /// Waits for the end.
    pub(crate) fn ended(mut self) -> Ended {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                let (stdout, stderr) = (read(&self.stdout), read(&self.stderr));
                assert!(!stderr.contains("panicked"), "servers {}: {stderr}", self.words);
                return Ended { status, stdout, stderr };
            }
            let (stdout, stderr) = (&self.stdout, &self.stderr);
            assert!(Instant::now() < until, "servers {} hangs: {}{}", self.words, read(stdout), read(stderr));
            sleep(Duration::from_millis(5));
        }
    }

    /// Kills it with SIGKILL, and waits for the end.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
        let ended = self.ended();
        assert!(ended.status.success() || ended.status.signal() == Some(9), "it ended by itself: {}", ended.stderr);
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the output")
}

pub(crate) fn kill(pid: i32, signal: Signal) {
    // It may have ended already.
    let _ = kill_process(Pid::from_raw(pid).expect("a pid"), signal);
}

/// Polls until there is an answer.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        sleep(Duration::from_millis(10));
    }
}

/// What a server answers, head and body.
pub(crate) fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
