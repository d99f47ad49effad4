//! A proxy between a store and its server, which loses what a test says.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
};

/// Forwards connections to a server.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    /// The next connections that send COMMIT are cut after the server has it, and before its answer.
    commits: AtomicU32,
    /// How many were.
    cut: AtomicU32,
    /// Whether nothing is forwarded any more.
    off: tokio::sync::watch::Sender<bool>,
}

impl Proxy {
    /// A proxy on a free port of the loopback interface to `port`.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let own = listener.local_addr().expect("it is bound").port();
        let faults = Arc::new(Faults::default());
        tokio::spawn(accept(listener, SocketAddr::from(([127, 0, 0, 1], port)), faults.clone()));
        Self { port: own, faults }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the next connection that sends COMMIT: the server gets it, and its answer is lost.
    pub fn cut_next_commit(&self) {
        self.faults.commits.fetch_add(1, Ordering::SeqCst);
    }

    /// Cuts all connections, and makes no more.
    pub fn cut_off(&self) {
        self.faults.off.send_replace(true);
    }

    /// How many connections were cut.
    pub fn cut(&self) -> u32 {
        self.faults.cut.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, faults: Arc<Faults>) {
    while let Ok((client, _)) = listener.accept().await {
        let faults = faults.clone();
        tokio::spawn(async move {
            let mut off = faults.off.subscribe();
            let forwarded = async {
                if let Ok(server) = TcpStream::connect(server).await {
                    forward(client, server, &faults).await;
                }
            };
            tokio::select! {
                biased;
                _ = off.wait_for(|off| *off) => {}
                () = forwarded => {}
            }
        });
    }
}

/// Forwards in both directions until one side closes, or a fault cuts the connection.
async fn forward(client: TcpStream, server: TcpStream, faults: &Faults) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
            let sent = &bytes[..length];
            let cut = sent.windows(7).any(|window| window == b"COMMIT\0") && take(&faults.commits);
            if to_server.write_all(sent).await.is_err() {
                return;
            }
            if cut {
                faults.cut.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
    };
    let down = async { copy(&mut from_server, &mut to_client).await };
    tokio::select! {
        biased;
        () = up => {}
        () = down => {}
    }
    // The server goes on with what it has; the client gets nothing more.
    drop(to_client);
    let mut rest = vec![0; 1 << 10];
    while let Ok(1..) = from_server.read(&mut rest).await {}
}

async fn copy(from: &mut OwnedReadHalf, to: &mut tokio::net::tcp::OwnedWriteHalf) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

fn take(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
