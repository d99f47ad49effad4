//! The fixture of a test: a configuration file, a data folder, and commands that use them. Dropping it kills the processes
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

/// The timeout of each wait.
const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) struct Fixture {
    folder: tempfile::TempDir,
}

/// The output and exit status of a command.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Fixture {
    /// Creates a fixture with these servers. Each serves a page with its id.
    pub(crate) fn with(ids: &[&str]) -> Self {
        let fixture = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let entries: Vec<_> = ids.iter().map(|id| fixture.entry(id, 0)).collect();
        fixture.write(&entries.concat());
        fixture
    }

    /// Creates a server's folder, and returns its entry for the configuration file.
    pub(crate) fn entry(&self, id: &str, port: u16) -> String {
        let root = self.path(id);
        fs::create_dir_all(&root).expect("a folder to serve");
        fs::write(root.join("index.html"), format!("page of {id}")).expect("a page");
        format!("[[server]]\nid = \"{id}\"\nport = {port}\nroot = \"{id}\"\n")
    }

    /// Writes the configuration file.
    pub(crate) fn write(&self, text: &str) {
        fs::write(self.path("servers.toml"), text).expect("a configuration file");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_servers"));
        command.args(args).arg("--file").arg(self.path("servers.toml")).arg("--data").arg(self.path("data"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed, with a variable of its environment.
    pub(crate) fn ok_with(&self, args: &[&str], name: &str, value: &str) -> String {
        let output = self.command(args).env(name, value).output().expect("the program runs");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "servers {args:?}: {}\n{stdout}{stderr}", output.status);
        stdout.into_owned()
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.start(args).ended()
    }

    /// Runs a command that must succeed, and returns its output.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert!(ended.status.success(), "servers {args:?}: {}\n{}{}", ended.status, ended.stdout, ended.stderr);
        ended.stdout
    }

    /// Runs a command that must fail with exit code 1, and returns its error output.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.status.code(), Some(1), "servers {args:?}: {}{}", ended.stdout, ended.stderr);
        ended.stderr
    }

    /// Starts a command. Its output goes to files.
    pub(crate) fn start(&self, args: &[&str]) -> Started {
        let output = tempfile::tempdir_in(self.folder.path()).expect("a folder for the output").keep();
        let (stdout, stderr) = (output.join("stdout"), output.join("stderr"));
        let file = |path| File::create(path).expect("a file for the output");
        let child = self.command(args).stdout(file(&stdout)).stderr(file(&stderr)).spawn();
        Started { child: child.expect("the program starts"), args: format!("{args:?}"), stdout, stderr }
    }

    /// Starts a manager, and waits until it is ready.
    pub(crate) fn manage(&self) -> Started {
        let mut manager = self.start(&["manage"]);
        manager.wait_for_output("managing the servers of");
        manager
    }

    /// The pid and port in a server's lock file, if it is held.
    pub(crate) fn alive(&self, id: &str) -> Option<(i32, u16)> {
        process_info(&self.path("data/run").join(format!("{id}.lock"))).and_then(|(pid, port)| Some((pid, port?)))
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

    /// The pids of the processes that serve an id of this fixture, from `/proc`.
    pub(crate) fn serving(&self, id: &str) -> Vec<i32> {
        let (root, mut pids) = (self.path(id), Vec::new());
        for process in fs::read_dir("/proc").expect("/proc").flatten() {
            let Ok(pid) = process.file_name().to_string_lossy().parse() else {
                continue;
            };
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let args: Vec<_> = line.split(|byte| *byte == 0).collect();
            if args.get(1) == Some(&b"serve".as_slice()) && args.contains(&root.as_os_str().as_encoded_bytes()) {
                pids.push(pid);
            }
        }
        pids
    }

    /// Opens the store's file for SQL queries.
    pub(crate) fn store(&self) -> Connection {
        Connection::open_with_flags(self.path("data/servers.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let locks = fs::read_dir(self.path("data/run")).into_iter().flatten().flatten();
        for (pid, _) in locks.filter_map(|lock| process_info(&lock.path())) {
            kill(pid, Signal::KILL);
        }
    }
}

/// The pid, and the port if it is known, in a lock file that is held.
fn process_info(lock: &Path) -> Option<(i32, Option<u16>)> {
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
    args: String,
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
        wait_for(&format!("`{text}` from servers {}", self.args), || {
            let found = read(&self.stdout).contains(text);
            assert!(found || !self.has_ended(), "servers {} ended: {}", self.args, read(&self.stderr));
            found.then_some(())
        });
    }

    /// Waits for the command to end.
    pub(crate) fn ended(mut self) -> Ended {
        let until = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                let (stdout, stderr) = (read(&self.stdout), read(&self.stderr));
                assert!(!stderr.contains("panicked"), "servers {}: {stderr}", self.args);
                return Ended { status, stdout, stderr };
            }
            let (stdout, stderr) = (&self.stdout, &self.stderr);
            assert!(Instant::now() < until, "servers {} timed out: {}{}", self.args, read(stdout), read(stderr));
            sleep(Duration::from_millis(5));
        }
    }

    /// Kills the command with SIGKILL, and waits for its end.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
        let ended = self.ended();
        assert!(
            ended.status.success() || ended.status.signal() == Some(9),
            "it ended before the kill: {}",
            ended.stderr
        );
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

/// Calls `poll` until it returns a value.
pub(crate) fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < until, "timed out waiting for {what}");
        sleep(Duration::from_millis(10));
    }
}

/// The response of a server, head and body.
pub(crate) fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a request");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    response
}
