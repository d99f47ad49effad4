//! The example `shop` as a process, and requests to it.
#![allow(dead_code, reason = "each test uses a part")]

use serde_json::Value;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) struct Shop {
    pub(crate) process: Child,
    pub(crate) output: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Shop {
    pub(crate) fn start(file: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_shop"))
            .args([file.to_str().unwrap(), "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, output, address }
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        try_send(&self.address, method, path, headers, body).unwrap()
    }

    /// The status and the body of the response.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
        try_request(&self.address, method, path, headers, body).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.request("GET", path, "", "")
    }

    /// Reads order `id` until it is in `state`.
    pub(crate) fn wait_for(&self, id: &str, state: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let (_, order) = self.get(&format!("/orders/{id}"));
            if order["state"] == state {
                return;
            }
            assert!(Instant::now() < end, "order {id} is not {state}: {order}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn post(&self, path: &str, headers: &str) -> (u16, Value) {
        self.request("POST", path, headers, "")
    }

    pub(crate) fn terminate(&self) {
        let id = i32::try_from(self.process.id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), rustix::process::Signal::TERM)
            .unwrap();
    }
}

fn try_send(address: &str, method: &str, path: &str, headers: &str, body: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )?;
    Ok(stream)
}

/// `None` without a whole response, as from a process that is killed.
pub(crate) fn try_request(address: &str, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, Value)> {
    let mut response = String::new();
    try_send(address, method, path, headers, body).ok()?.read_to_string(&mut response).ok()?;
    let (head, body) = response.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) const BOOK: &str = r#"{"item":"book","cents":1250}"#;
