//! A real PostgreSQL server for tests: started on first use, and stopped when the test process ends.
//!
//! The server has a new, empty cluster in a temporary folder, a Unix socket and a port of the loopback interface, and syncs each
//! commit. Tests of one process share it; each has a schema of its own.
//!
//! The programs are those of `FSM_POSTGRES_BIN`, or of the newest installed package.

// A test that cannot go on panics.
#![allow(clippy::missing_panics_doc, clippy::must_use_candidate)]

mod find;
mod messages;
mod network;
mod pooler;
mod proxy;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/postgres.md")]
pub struct Documentation;

pub use network::Network;
pub use pooler::Pooler;
pub use proxy::Proxy;
use std::{
    env,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// What to do where there is no server.
pub const MISSING: &str = "no PostgreSQL server is installed: run `apt-get install postgresql`, or set `FSM_POSTGRES_BIN` to the \
                           folder with `initdb` and `pg_ctl` of PostgreSQL 15 or newer";

/// A running server. It stops when the value is dropped, and when the process ends in any way.
#[derive(Debug)]
pub struct Server {
    /// Stops the server when its standard input is closed.
    script: Child,
    folder: PathBuf,
    bin: PathBuf,
    port: u16,
}

const PASSWORD: &str = "pass word/%?";

impl Server {
    /// The server that the tests of this process share.
    ///
    /// # Panics
    /// Where none is installed, and where it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server of its own, which the test may stop.
    ///
    /// # Panics
    /// As [`shared`](Self::shared).
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A standby of `primary`, which follows it asynchronously.
    ///
    /// # Panics
    /// As [`shared`](Self::shared).
    pub fn standby_of(primary: &Self) -> Self {
        Self::start_with(&["standby", &primary.port.to_string()])
    }

    /// A server whose clock the test [sets](Self::set_clock).
    ///
    /// # Panics
    /// As [`shared`](Self::shared), and without `faketime`.
    pub fn start_with_clock() -> Self {
        Self::start_with(&["clock", &faketime().to_string_lossy()])
    }

    /// Sets the clock of the server to an offset, such as `+1h`.
    pub fn set_clock(&self, offset: &str) {
        std::fs::write(self.folder.join("clock"), offset).expect("the file of the clock");
    }

    /// A server of its own with a certificate for `localhost`, signed by [`root_certificate`](Self::root_certificate).
    ///
    /// # Panics
    /// As [`shared`](Self::shared), and without the program `openssl`.
    pub fn start_with_tls() -> Self {
        Self::start_with(&["tls"])
    }

    /// The certificate that signs the server's.
    pub fn root_certificate(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    fn start_with(options: &[&str]) -> Self {
        let bin = find::bin().expect(MISSING);
        // Another process may take the port before the server does.
        (0..5).find_map(|_| Self::start_on(&bin, free_port(), options)).expect("a PostgreSQL server starts")
    }

    fn start_on(bin: &Path, port: u16, options: &[&str]) -> Option<Self> {
        let mut command = as_user(&["sh", "-c", include_str!("server.sh"), "server.sh"]);
        command.arg(bin).arg(port.to_string()).arg(PASSWORD).args(options);
        // The user of the server may not be allowed to enter the present folder.
        let spawned = command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let script = spawned.expect("a shell starts");
        let mut server = Self { script, folder: PathBuf::new(), bin: bin.to_owned(), port };
        let mut output = BufReader::new(server.script.stdout.take().expect("it is piped"));
        let mut text = String::new();
        while output.read_line(&mut text).expect("the script writes text") > 0 {
            if let Some(folder) = text.trim_end().lines().last().and_then(|line| line.strip_prefix("ready ")) {
                server.folder = folder.into();
                return Some(server);
            }
        }
        eprintln!("{}: the server did not start on port {port}:\n{text}", bin.display());
        None
    }

    /// The URL of a database over TCP, with a password.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same URL, through a proxy on `port`.
    pub fn url_at(&self, port: u16) -> String {
        let password = PASSWORD.replace('%', "%25").replace(' ', "%20").replace('/', "%2F").replace('?', "%3F");
        format!("postgres://fsm:{password}@127.0.0.1:{port}/postgres")
    }

    /// The URL through a proxy on `port`, of a role without a password: a connection costs less.
    pub fn trusted_url_at(&self, port: u16) -> String {
        format!("postgres://trusted@127.0.0.1:{port}/postgres")
    }

    /// The URL over the Unix socket, without a password.
    pub fn socket_url(&self) -> String {
        let folder = self.folder.to_string_lossy().replace('/', "%2F");
        format!("postgres://fsm@{folder}:{}/postgres", self.port)
    }

    /// The password of the user `fsm`, which must never be shown.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The folder of the Unix socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a program of the server, such as `pg_dump`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// The port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name of a schema that no other test of this server uses.
    pub fn new_schema(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        format!("fsm_{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A connection of the test's own, for statements beside the store's.
    pub async fn connect(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await.expect("the server takes connections");
        tokio::spawn(connection);
        client
    }

    /// Stops the server and starts it again. `mode` is one of `pg_ctl`: `fast`, `immediate`.
    pub fn restart(&self, mode: &str) {
        self.pg_ctl(&["-m", mode, "-w", "restart"]);
    }

    /// Stops the server.
    pub fn stop(&self, mode: &str) {
        self.pg_ctl(&["-m", mode, "-w", "stop"]);
    }

    /// Starts the server after it was stopped.
    pub fn start_again(&self) {
        self.pg_ctl(&["-w", "start"]);
    }

    /// Makes a standby take writes.
    pub fn promote(&self) {
        self.pg_ctl(&["-w", "promote"]);
    }

    /// Starts the server again, which has stopped in good order, as a standby of `primary`.
    pub fn start_as_standby_of(&self, primary: &Self) {
        let script = "touch \"$0/standby.signal\"; echo \"primary_conninfo = 'host=127.0.0.1 port=$1 user=trusted'\" >>\"$0/postgresql.auto.conf\"";
        let mut command = as_user(&["sh", "-c", script]);
        command.arg(self.folder.join("data")).arg(primary.port.to_string()).current_dir("/");
        assert!(command.status().expect("a shell runs").success(), "the server becomes a standby");
        self.start_again();
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let mut command = as_user(&[]);
        let (data, log) = (self.folder.join("data"), self.folder.join("log"));
        command.arg(self.bin.join("pg_ctl")).arg("-D").arg(data).arg("-l").arg(log).args(arguments);
        // The server keeps the descriptors of the program that starts it.
        let status = command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.expect("pg_ctl runs").success(), "pg_ctl {arguments:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

/// A command as this user, or as `postgres` where this one is root, whom the server refuses.
fn as_user(arguments: &[&str]) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let mut command = if root {
        let mut command = Command::new("runuser");
        command.args(["-u", &env::var("FSM_POSTGRES_USER").unwrap_or_else(|_| "postgres".to_owned()), "--"]);
        command
    } else {
        Command::new("env")
    };
    command.args(arguments);
    command
}

/// The library that gives a process another clock.
///
/// # Panics
/// Where it is not installed.
pub fn faketime() -> PathBuf {
    find::faketime().expect(
        "no faketime is installed: run `apt-get install faketime`, or set `FSM_FAKETIME` to `libfaketimeMT.so.1`",
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.expect("there is a free port").port()
}
