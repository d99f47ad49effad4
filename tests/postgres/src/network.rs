//! The network between one process and a server, which a test cuts.

use crate::{Proxy, Server};
use std::{
    net::Ipv4Addr,
    process::{Command, Output},
    sync::atomic::{AtomicU8, Ordering},
};

/// The way of one process to the server. Where namespaces are allowed, which takes root, the process has a namespace of its own with one
/// link to the host, and the link is taken down: what either side sends waits, and arrives after the link is up again. Elsewhere a proxy
/// drops everything.
#[derive(Debug)]
pub struct Network {
    proxy: Proxy,
    namespace: Option<Namespace>,
}

/// A network namespace with a pair of interfaces. The host's has the first address.
#[derive(Debug)]
struct Namespace {
    name: String,
    host: Ipv4Addr,
}

impl Network {
    /// The network to `server`.
    pub async fn start(server: &Server) -> Self {
        match Namespace::create() {
            Ok(namespace) => {
                let proxy = Proxy::start_at(namespace.host, server.port()).await;
                Self { proxy, namespace: Some(namespace) }
            }
            Err(why) => {
                eprintln!("no network namespaces, a proxy instead: {why}");
                Self { proxy: Proxy::start(server.port()).await, namespace: None }
            }
        }
    }

    /// The URL of `server` from within.
    pub fn url(&self, server: &Server) -> String {
        let url = server.trusted_url_at(self.proxy.port());
        match &self.namespace {
            Some(namespace) => url.replace("127.0.0.1", &namespace.host.to_string()) + "?sslmode=disable",
            None => url,
        }
    }

    /// The name of the namespace that the process must be started in.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_ref().map(|namespace| &*namespace.name)
    }

    /// Nothing arrives any more, and no side is informed.
    pub fn cut(&self) {
        match &self.namespace {
            Some(namespace) => ip(&["link", "set", &namespace.interface(), "down"]).expect("the link goes down"),
            None => self.proxy.partition(),
        }
    }

    /// Ends a cut.
    pub fn heal(&self) {
        match &self.namespace {
            Some(namespace) => ip(&["link", "set", &namespace.interface(), "up"]).expect("the link comes up"),
            None => self.proxy.heal(),
        }
    }
}

impl Namespace {
    /// # Errors
    /// Where this user may not, or there is no `ip`.
    fn create() -> Result<Self, String> {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Addresses for tests of networks, four for each namespace.
        let network = [198, 18, process.to_le_bytes()[0], number.wrapping_mul(4)];
        let [a, b, c, d] = network;
        let created = Self { name: format!("fsm-{process}-{number}"), host: Ipv4Addr::new(a, b, c, d + 1) };
        let (name, host, within) = (&*created.name, created.interface(), format!("in{process}-{number}"));
        ip(&["netns", "add", name])?;
        ip(&["link", "add", &host, "type", "veth", "peer", "name", &within, "netns", name])?;
        ip(&["address", "add", &format!("{}/30", created.host), "dev", &host])?;
        ip(&["-n", name, "address", "add", &format!("{a}.{b}.{c}.{}/30", d + 2), "dev", &within])?;
        ip(&["-n", name, "link", "set", &within, "up"])?;
        ip(&["link", "set", &host, "up"])?;
        Ok(created)
    }

    /// The name of the host's interface: at most 15 characters.
    fn interface(&self) -> String {
        self.name.replace("fsm-", "to")
    }
}

impl Drop for Namespace {
    /// The interfaces go with it.
    fn drop(&mut self) {
        let _ = ip(&["netns", "delete", &self.name]);
        let _ = ip(&["link", "delete", &self.interface()]);
    }
}

/// Runs the program `ip` of `iproute2`.
fn ip(arguments: &[&str]) -> Result<(), String> {
    let said = |output: Output| String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match Command::new("ip").args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("ip {}: {}", arguments.join(" "), said(output))),
        Err(error) => Err(format!("ip: {error}")),
    }
}
