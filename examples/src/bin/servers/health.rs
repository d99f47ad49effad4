//! The health check: the response of a serving process on `/health`, and the request.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use std::{net::Ipv4Addr, path::PathBuf, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The path of the health check.
pub(crate) const PATH: &str = "/health";

/// The time within which a response has to arrive.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The maximum length of a response.
const MAX_LENGTH: u64 = 16 * 1024;

/// The response: the server, its process, and the folder that it serves.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Health {
    pub(crate) id: String,
    pub(crate) pid: u32,
    pub(crate) root: PathBuf,
}

/// Checks the process that listens on a local port.
pub(crate) async fn check(port: u16) -> anyhow::Result<Health> {
    timeout(TIMEOUT, exchange(port)).await.with_context(|| format!("port {port} did not respond within {TIMEOUT:?}"))?
}

async fn exchange(port: u16) -> anyhow::Result<Health> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.with_context(|| format!("port {port}"))?;
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.take(MAX_LENGTH).read_to_end(&mut response).await?;
    parse(&response).with_context(|| format!("port {port}"))
}

// Written by hand: one local GET does not justify an HTTP client.
fn parse(response: &[u8]) -> anyhow::Result<Health> {
    let text = str::from_utf8(response).context("the response is not text")?;
    let (head, body) = text.split_once("\r\n\r\n").context("the response is not HTTP")?;
    let mut status = head.split(' ');
    if !status.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        bail!("the response is not HTTP/1");
    }
    if status.next() != Some("200") {
        bail!("unexpected status: {}", head.lines().next().unwrap_or_default());
    }
    serde_json::from_str(body).context("the response is not a health check")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_response_is_parsed() {
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n{\"id\":\"a\",\"pid\":7,\"root\":\"/srv\"}\n";
        assert_eq!(parse(response).expect("it is valid"), Health { id: "a".into(), pid: 7, root: "/srv".into() });
    }

    #[test]
    fn other_responses_are_errors() {
        let error = |response: &[u8]| format!("{:#}", parse(response).expect_err("it is invalid"));
        assert_eq!(error(b""), "the response is not HTTP");
        assert_eq!(error(b"SSH-2.0\r\n\r\n"), "the response is not HTTP/1");
        assert_eq!(error(b"HTTP/1.1 404 Not Found\r\n\r\n"), "unexpected status: HTTP/1.1 404 Not Found");
        assert!(error(b"HTTP/1.1 200 OK\r\n\r\n<html>").starts_with("the response is not a health check: "));
    }

    #[tokio::test]
    async fn a_closed_port_is_an_error() {
        // Bound, so that no other process gets it, but not listening.
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
        let port = socket.local_addr().expect("its address").port();
        let error = check(port).await.expect_err("the port is closed");
        assert!(format!("{error:#}").starts_with(&format!("port {port}: ")), "{error:#}");
    }
}
