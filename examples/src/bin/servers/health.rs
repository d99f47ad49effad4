//! Owns the health check: what a serving process answers on `/health`, and how it is asked.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::{net::Ipv4Addr, path::PathBuf, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Where a serving process answers for its health.
pub(crate) const PATH: &str = "/health";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest answer that is read.
const LONGEST: u64 = 16 * 1024;

/// Who answers, and what it serves.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Health {
    pub(crate) id: String,
    pub(crate) pid: u32,
    pub(crate) root: PathBuf,
}

/// Asks the process on a port of this machine.
pub(crate) async fn ask(port: u16) -> anyhow::Result<Health> {
    timeout(PATIENCE, exchange(port)).await.with_context(|| format!("port {port} gave no answer in {PATIENCE:?}"))?
}

async fn exchange(port: u16) -> anyhow::Result<Health> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.with_context(|| format!("port {port}"))?;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    parse(&answer).with_context(|| format!("port {port}"))
}

// By hand, because one GET to ourselves does not pay for a client crate.
fn parse(answer: &[u8]) -> anyhow::Result<Health> {
    let text = str::from_utf8(answer).context("the answer is not text")?;
    let (head, body) = text.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let mut status = head.split(' ');
    if !status.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        bail!("the answer is not HTTP/1");
    }
    if status.next() != Some("200") {
        bail!("it answers: {}", head.lines().next().unwrap_or_default());
    }
    serde_json::from_str(body).context("this is not one of our servers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_response_is_parsed() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n{\"id\":\"a\",\"pid\":7,\"root\":\"/srv\"}\n";
        assert_eq!(parse(answer).expect("it is right"), Health { id: "a".into(), pid: 7, root: "/srv".into() });
    }

    #[test]
    fn other_responses_are_errors() {
        let wrong = |answer: &[u8]| format!("{:#}", parse(answer).expect_err("it is wrong"));
        assert_eq!(wrong(b""), "the answer is not HTTP");
        assert_eq!(wrong(b"SSH-2.0\r\n\r\n"), "the answer is not HTTP/1");
        assert_eq!(wrong(b"HTTP/1.1 404 Not Found\r\n\r\n"), "it answers: HTTP/1.1 404 Not Found");
        assert!(wrong(b"HTTP/1.1 200 OK\r\n\r\n<html>").starts_with("this is not one of our servers: "));
    }

    #[tokio::test]
    async fn a_closed_port_is_an_error() {
        // Bound, so that nobody else gets it, but not listening.
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let port = socket.local_addr().expect("its address").port();
        let error = ask(port).await.expect_err("nobody listens");
        assert!(format!("{error:#}").starts_with(&format!("port {port}: ")), "{error:#}");
    }
}
