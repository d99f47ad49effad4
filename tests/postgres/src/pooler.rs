//! PgBouncer in transaction mode, where it is installed.

use super::{Server, as_user, find, free_port};
use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// What to do where there is no pooler.
const MISSING: &str =
    "no PgBouncer is installed: run `apt-get install pgbouncer`, or set `FSM_PGBOUNCER` to its program";

/// A running PgBouncer. It stops when the process ends.
#[derive(Debug)]
pub struct Pooler {
    /// Stops it when its standard input is closed.
    script: Child,
    port: u16,
}

impl Pooler {
    /// The pooler before [`Server::shared`] that the tests of this process share.
    ///
    /// # Panics
    /// Where none is installed, and where it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Pooler> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Server::shared()))
    }

    fn start(server: &Server) -> Self {
        let program = find::pooler().expect(MISSING);
        let port = free_port();
        let mut command = as_user(&["sh", "-c", include_str!("pgbouncer.sh"), "pgbouncer.sh"]);
        command.arg(program).arg(server.folder()).arg(server.port().to_string()).arg(port.to_string());
        let spawned = command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut pooler = Self { script: spawned.expect("a shell starts"), port };
        let output = pooler.script.stdout.take().expect("it is piped");
        let ready = BufReader::new(output).lines().next().is_some_and(|line| line.is_ok_and(|line| line == "ready"));
        assert!(ready, "PgBouncer does not start");
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "PgBouncer takes no connections");
            thread::sleep(Duration::from_millis(10));
        }
        pooler
    }

    /// The URL of the server's database through the pooler.
    pub fn url(&self) -> String {
        format!("postgres://fsm@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}
