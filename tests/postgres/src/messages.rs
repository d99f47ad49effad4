//! The messages that a client sends to its server, as far as the proxy has to know them.

use std::collections::HashSet;

/// The code of a request for TLS, in the place of the protocol's version.
const TLS: u32 = 80_877_103;
/// A part of the store's statements that are transactions of their own.
const ALONE: &[u8] = b"decided AS (";

/// What a connection has sent.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    buffer: Vec<u8>,
    /// Whether the startup message was sent.
    started: bool,
    /// The names of prepared statements that are transactions of their own.
    alone: HashSet<Vec<u8>>,
    /// Whether such a statement was sent since the last Sync.
    is_bound: bool,
}

impl Messages {
    /// Adds `bytes`, which were sent. Returns whether a transaction of the store is complete with them: a COMMIT, or a statement that is a
    /// transaction of its own.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> bool {
        self.buffer.extend_from_slice(bytes);
        let (mut rest, mut commits) = (std::mem::take(&mut self.buffer), false);
        loop {
            let kind = usize::from(self.started);
            let Some(length) = rest.get(kind..kind + 4).and_then(|it| it.try_into().ok()).map(u32::from_be_bytes)
            else {
                break;
            };
            let end = kind + usize::try_from(length).expect("a length");
            if rest.len() < end {
                break;
            }
            let message: Vec<u8> = rest.drain(..end).collect();
            if self.started {
                commits |= self.message(message[0], &message[5..]);
            } else {
                self.started = message.get(4..8) != Some(&TLS.to_be_bytes());
            }
        }
        self.buffer = rest;
        commits
    }

    fn message(&mut self, kind: u8, body: &[u8]) -> bool {
        let mut texts = body.split(|byte| *byte == 0);
        let mut text = || texts.next().unwrap_or_default();
        match kind {
            b'Q' => return text() == b"COMMIT",
            b'P' => {
                let name = text().to_vec();
                if text().windows(ALONE.len()).any(|part| part == ALONE) {
                    self.alone.insert(name);
                } else {
                    self.alone.remove(&name);
                }
            }
            b'B' => {
                let (_portal, statement) = (text(), text());
                self.is_bound |= self.alone.contains(statement);
            }
            b'S' => return std::mem::take(&mut self.is_bound),
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &str, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [kind.as_bytes(), &length, body].concat()
    }

    #[test]
    fn commits_are_found_in_any_pieces() {
        let startup = message("", &[0, 3, 0, 0, b'u', 0]);
        let alone = [
            message("P", b"s1\0WITH decided AS (SELECT 1)\0\0\0"),
            message("S", b""),
            message("B", b"\0s1\0\0\0"),
            message("E", b"\0\0\0\0\0"),
            message("S", b""),
        ];
        let other = [message("P", b"s1\0SELECT 1\0\0\0"), message("B", b"\0s1\0\0\0"), message("S", b"")];
        let all = [startup, alone.concat(), message("Q", b"COMMIT\0"), other.concat()].concat();
        for size in [1, 7, 20, all.len()] {
            let mut messages = Messages::default();
            let found = all.chunks(size).filter(|piece| messages.add(piece)).count();
            assert_eq!(found, if size == all.len() { 1 } else { 2 }, "{size}");
            assert!(messages.buffer.is_empty());
        }
    }
}
