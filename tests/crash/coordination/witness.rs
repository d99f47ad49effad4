//! A file that all processes append to. As the documentation recommends for what a lock protects, it refuses a fence that is smaller than
//! the greatest one that it has seen: such lines are there, and say that they were refused.

use super::now;
use std::{
    fs::OpenOptions,
    io::{Read as _, Write as _},
    path::PathBuf,
};

#[derive(Clone, Debug)]
pub(super) struct Witness(PathBuf);

/// A line, in the order of time.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) what: String,
    /// What the fence protects.
    pub(super) name: String,
    pub(super) fence: u64,
    pub(super) pid: u32,
    pub(super) at: u64,
    pub(super) accepted: bool,
}

impl Witness {
    pub(super) fn new(file: PathBuf) -> Self {
        Self(file)
    }

    /// Writes a line. Returns whether it is accepted.
    pub(super) fn write(&self, what: &str, name: &str, fence: u64) -> bool {
        let file = OpenOptions::new().read(true).append(true).create(true).open(&self.0);
        let mut file = file.expect("the file of the witness");
        // Until it is closed.
        file.lock().expect("the file of the witness");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("text");
        let mut before = lines(&text).filter(|line| line.accepted && line.name == name);
        let accepted = before.all(|line| line.fence <= fence);
        let line = format!("{what} {name} {fence} {} {} {accepted}\n", std::process::id(), now());
        file.write_all(line.as_bytes()).expect("the file of the witness");
        accepted
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        lines(&std::fs::read_to_string(&self.0).unwrap_or_default()).collect()
    }

    /// The last line that was accepted, with the word `what`.
    pub(super) fn last(&self, what: &str) -> Option<Line> {
        self.lines().into_iter().rfind(|line| line.accepted && line.what == what)
    }
}

/// But for one that is being written.
fn lines(text: &str) -> impl Iterator<Item = Line> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, name, fence, pid, at, accepted] = words[..] else { panic!("{line}") };
        Line {
            what: what.to_owned(),
            name: name.to_owned(),
            fence: fence.parse().expect("a fence"),
            pid: pid.parse().expect("a process"),
            at: at.parse().expect("a time"),
            accepted: accepted.parse().expect("whether it was accepted"),
        }
    })
}
