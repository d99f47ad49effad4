//! A proxy between a store and its server, which loses what a test says.

use crate::messages::Messages;
use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};

/// Forwards connections to a server.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    /// The next connections that commit a transaction of a store are cut after the server has it, and before its answer.
    commits: AtomicU32,
    /// How many were.
    cut: AtomicU32,
    /// Whether nothing is forwarded any more.
    off: tokio::sync::watch::Sender<bool>,
    /// Whether the network drops everything.
    partitioned: AtomicBool,
    /// The number of connections that were made.
    made: AtomicU64,
    /// The open connections.
    open: Mutex<HashMap<u64, Arc<Link>>>,
}

/// A connection.
#[derive(Debug, Default)]
struct Link {
    /// Whether both sides believe that it is open, and nothing arrives any more.
    is_silent: AtomicBool,
    is_cut: Notify,
    /// The client's `application_name`.
    name: Mutex<String>,
}

impl Proxy {
    /// A proxy on a free port of the loopback interface to `port`.
    pub async fn start(port: u16) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, port).await
    }

    /// A proxy on a free port of `address`, which is this machine's.
    pub async fn start_at(address: Ipv4Addr, port: u16) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("there is a free port");
        let own = listener.local_addr().expect("it is bound").port();
        let faults = Arc::new(Faults::default());
        tokio::spawn(accept(listener, SocketAddr::from(([127, 0, 0, 1], port)), faults.clone()));
        Self { port: own, faults }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the next connection that commits a transaction of a store: the server gets it, and its answer is lost.
    pub fn cut_next_commit(&self) {
        self.cut_commits(1);
    }

    /// Cuts the next `count` connections that commit a transaction of a store.
    pub fn cut_commits(&self, count: u32) {
        self.faults.commits.fetch_add(count, Ordering::SeqCst);
    }

    /// Cuts all connections, and makes no more.
    pub fn cut_off(&self) {
        self.faults.off.send_replace(true);
    }

    /// How many connections were cut.
    pub fn cut(&self) -> u32 {
        self.faults.cut.load(Ordering::SeqCst)
    }

    /// Drops everything in both directions, of new connections, too, until [`heal`](Self::heal). No side is informed.
    pub fn partition(&self) {
        self.faults.partitioned.store(true, Ordering::SeqCst);
        self.silence("");
    }

    /// New connections work again. Those of the time before stay as they are.
    pub fn heal(&self) {
        self.silence("");
        self.faults.partitioned.store(false, Ordering::SeqCst);
    }

    /// Drops everything of the open connections whose name begins with `name`, for ever, and returns how many there are. No side is
    /// informed.
    pub fn silence(&self, name: &str) -> usize {
        let open = self.faults.open.lock().unwrap_or_else(PoisonError::into_inner);
        let named = open.values().filter(|link| link.name().starts_with(name));
        named.map(|link| link.is_silent.store(true, Ordering::SeqCst)).count()
    }

    /// Cuts the open connections whose name begins with `name`, and returns how many there are. The server goes on with what it has got,
    /// and the clients learn that the connection is gone.
    pub fn cut_open(&self, name: &str) -> usize {
        let open = self.faults.open.lock().unwrap_or_else(PoisonError::into_inner);
        let named = open.values().filter(|link| link.name().starts_with(name));
        named.map(|link| link.is_cut.notify_one()).count()
    }

    /// How many connections were made.
    pub fn made(&self) -> u64 {
        self.faults.made.load(Ordering::SeqCst)
    }
}

impl Link {
    fn name(&self) -> String {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the name from the first message.
    fn began(&self, message: &[u8]) {
        let mut words = message.split(|byte| *byte == 0);
        if words.any(|word| word == b"application_name") {
            let name = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
            *self.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
        }
    }
}

impl Faults {
    /// Whether what has come on `link` is dropped. Then the connection never works again.
    fn drops(&self, link: &Link) -> bool {
        if self.partitioned.load(Ordering::SeqCst) {
            link.is_silent.store(true, Ordering::SeqCst);
        }
        link.is_silent.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, faults: Arc<Faults>) {
    while let Ok((client, _)) = listener.accept().await {
        let faults = faults.clone();
        let number = faults.made.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let mut off = faults.off.subscribe();
            let link = Arc::new(Link::default());
            faults.open.lock().unwrap_or_else(PoisonError::into_inner).insert(number, link.clone());
            let forwarded = async {
                if let Ok(server) = TcpStream::connect(server).await {
                    forward(client, server, &faults, &link).await;
                }
            };
            tokio::select! {
                biased;
                _ = off.wait_for(|off| *off) => {}
                () = forwarded => {}
            }
            faults.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        });
    }
}

/// Forwards in both directions until one side closes, or a fault cuts the connection.
async fn forward(client: TcpStream, server: TcpStream, faults: &Faults, link: &Link) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut bytes = vec![0; 64 << 10];
        let (mut is_first, mut messages) = (true, Messages::default());
        while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
            let sent = &bytes[..length];
            if std::mem::take(&mut is_first) {
                link.began(sent);
            }
            if faults.drops(link) {
                continue;
            }
            let cut = messages.add(sent) && take(&faults.commits);
            if to_server.write_all(sent).await.is_err() {
                return;
            }
            if cut {
                faults.cut.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    };
    let down = async { copy(&mut from_server, &mut to_client, faults, link).await };
    tokio::select! {
        biased;
        () = up => {}
        () = down => {}
        () = link.is_cut.notified() => {}
    }
    // The server goes on with what it has, and then finds that the client is gone; the client gets nothing more.
    drop(to_client);
    let kept = link.is_silent.load(Ordering::SeqCst).then_some(to_server);
    let mut rest = vec![0; 1 << 10];
    while let Ok(1..) = from_server.read(&mut rest).await {}
    drop(kept);
}

async fn copy(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, faults: &Faults, link: &Link) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if !faults.drops(link) && to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

fn take(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
