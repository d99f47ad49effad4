//! The serving process: a small HTTP/1.1 server for one folder, which outlives the manager.

use crate::{
    cli::Serve,
    health::{self, Health},
    lock::ServerLock,
};
use anyhow::Context as _;
use std::{
    io,
    net::Ipv4Addr,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};

/// The time within which a request has to complete, response included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum length of a request's head.
const MAX_HEAD: usize = 8 * 1024;

/// Serves until SIGTERM. Holds the lock until the process exits.
pub(crate) async fn run(serve: Serve) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut lock = ServerLock::inherited().context("standard input is not a lock file of a server")?;
    let root = serve.root.canonicalize().with_context(|| format!("opening the folder {}", serve.root.display()))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, serve.port))
        .await
        .with_context(|| format!("listening on port {}", serve.port))?;
    lock.write_port(listener.local_addr()?.port())?;
    let site = Arc::new(Site { id: serve.id, root });
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(handle(stream, Arc::clone(&site)))),
                Err(error) => {
                    // Most likely out of file descriptors, which other connections free when they end.
                    eprintln!("accepting a connection: {error}");
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

/// The folder of a server.
struct Site {
    id: String,
    root: PathBuf,
}

/// Handles one connection with one request. Errors of the connection are ignored.
async fn handle(mut stream: TcpStream, site: Arc<Site>) {
    let _ = timeout(TIMEOUT, async {
        let head = read_head(&mut stream).await?;
        let (reply, with_body) = site.reply(&head).await;
        reply.send(&mut stream, with_body).await
    })
    .await;
}

async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < MAX_HEAD {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

struct Reply {
    status: &'static str,
    kind: &'static str,
    body: Body,
}

enum Body {
    Text(String),
    File(File, u64),
}

impl Reply {
    fn text(status: &'static str, text: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: Body::Text(format!("{text}\n")) }
    }

    async fn send(self, stream: &mut TcpStream, with_body: bool) -> io::Result<()> {
        let length = match &self.body {
            Body::Text(text) => text.len() as u64,
            Body::File(_, length) => *length,
        };
        let allow = if self.status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        let Self { status, kind, .. } = self;
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        match self.body {
            _ if !with_body => {}
            Body::Text(text) => stream.write_all(text.as_bytes()).await?,
            Body::File(file, length) => {
                tokio::io::copy(&mut file.take(length), stream).await?;
            }
        }
        stream.shutdown().await
    }
}

impl Site {
    // Written by hand: one kind of request, one per connection, does not justify a web framework.
    async fn reply(&self, head: &str) -> (Reply, bool) {
        let mut line = head.lines().next().unwrap_or_default().split(' ');
        let (method, target, version) = (line.next(), line.next(), line.next());
        let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) = (method, target, version, line.next())
        else {
            return (Reply::text("400 Bad Request", "not an HTTP/1.1 request"), true);
        };
        if !matches!(method, "GET" | "HEAD") {
            return (Reply::text("405 Method Not Allowed", "only GET and HEAD are supported"), true);
        }
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let reply = if path == health::PATH { self.health() } else { self.file(path).await };
        (reply, method == "GET")
    }

    fn health(&self) -> Reply {
        let health = Health { id: self.id.clone(), pid: std::process::id(), root: self.root.clone() };
        match serde_json::to_string(&health) {
            Ok(json) => Reply { status: "200 OK", kind: "application/json", body: Body::Text(format!("{json}\n")) },
            Err(error) => Reply::text("500 Internal Server Error", &error.to_string()),
        }
    }

    async fn file(&self, path: &str) -> Reply {
        let opened = match relative(path) {
            Some(path) => self.open(&path).await,
            None => Err(io::ErrorKind::NotFound.into()),
        };
        match opened {
            Ok((path, file, length)) => {
                Reply { status: "200 OK", kind: content_type(&path), body: Body::File(file, length) }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Reply::text("403 Forbidden", "forbidden"),
            Err(_) => Reply::text("404 Not Found", "not found"),
        }
    }

    /// Opens a file below the root. A symbolic link that leads out of the root is not found.
    async fn open(&self, path: &Path) -> io::Result<(PathBuf, File, u64)> {
        let mut path = tokio::fs::canonicalize(self.root.join(path)).await?;
        if tokio::fs::metadata(&path).await?.is_dir() {
            path = tokio::fs::canonicalize(path.join("index.html")).await?;
        }
        if !path.starts_with(&self.root) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = File::open(&path).await?;
        let metadata = file.metadata().await?;
        if metadata.is_file() { Ok((path, file, metadata.len())) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

/// The path of a request relative to the root, or `None` if it leads out of the root.
fn relative(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(decode(path.strip_prefix('/')?)?);
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)).then_some(path)
}

/// Decodes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                // `from_str_radix` accepts a sign, such as `+5`.
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok().filter(|byte| *byte != 0)?
            }
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The response of a site with `index.html`, `a b.txt`, `sub/index.html` and a symbolic link out of the root.
    async fn get(request: &str) -> (&'static str, String) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("sub")).expect("folders");
        for (file, text) in
            [("root/index.html", "home"), ("root/a b.txt", "a b"), ("root/sub/index.html", "sub"), ("secret", "s")]
        {
            std::fs::write(folder.path().join(file), text).expect("a file");
        }
        std::os::unix::fs::symlink(folder.path().join("secret"), root.join("link")).expect("a link");
        let site = Site { id: "a".into(), root: root.canonicalize().expect("a path") };
        let (reply, with_body) = site.reply(request).await;
        let body = match reply.body {
            Body::Text(text) => text,
            Body::File(mut file, length) => {
                let mut text = String::new();
                file.read_to_string(&mut text).await.expect("a body");
                assert_eq!(text.len() as u64, length);
                text
            }
        };
        (reply.status, if with_body { body } else { String::new() })
    }

    #[tokio::test]
    async fn files_under_the_root_are_served() {
        assert_eq!(get("GET / HTTP/1.1\r\n\r\n").await, ("200 OK", "home".into()));
        assert_eq!(get("GET /index.html?x=1 HTTP/1.1\r\n\r\n").await, ("200 OK", "home".into()));
        assert_eq!(get("GET /a%20b.txt HTTP/1.0\r\n\r\n").await, ("200 OK", "a b".into()));
        assert_eq!(get("GET /sub/ HTTP/1.1\r\n\r\n").await, ("200 OK", "sub".into()));
        assert_eq!(get("HEAD / HTTP/1.1\r\n\r\n").await, ("200 OK", String::new()));
    }

    #[tokio::test]
    async fn other_paths_are_not_found() {
        for path in [
            "/none",
            "/../secret",
            "/%2e%2e/secret",
            "/sub/../../secret",
            "/link",
            "//etc/passwd",
            "/%00",
            "/%zz",
            "/%+5",
        ] {
            assert_eq!(get(&format!("GET {path} HTTP/1.1\r\n\r\n")).await.0, "404 Not Found", "{path}");
        }
        assert_eq!(get("POST / HTTP/1.1\r\n\r\n").await.0, "405 Method Not Allowed");
        for line in ["", "GET /", "GET / HTTP/2", "GET / b HTTP/1.1"] {
            assert_eq!(get(&format!("{line}\r\n\r\n")).await.0, "400 Bad Request", "{line}");
        }
    }

    #[tokio::test]
    async fn health_names_the_server_and_its_pid() {
        let (status, body) = get("GET /health HTTP/1.1\r\n\r\n").await;
        let health: Health = serde_json::from_str(&body).expect("it is JSON");
        assert_eq!((status, health.id.as_str(), health.pid), ("200 OK", "a", std::process::id()));
    }
}
