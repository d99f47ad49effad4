//! A stable hash of the parts of a graph that stored rows depend on.

use crate::graph::{FieldInfo, Graph, StateKind};

impl Graph {
    /// A hash of everything that a stored row depends on: the machine's name and version, the names and kinds of the
    /// states, the names of the events, the names and types of all their fields, in declaration order, and the type of the
    /// context, if there is one.
    ///
    /// Docs, guards, timers, transitions and who fires them are not included, because rows survive changes to them. A field's type counts as
    /// it is written in the declaration; a change inside that type is not detected.
    ///
    /// The algorithm is 64-bit FNV-1a over the length of each text (as eight little-endian bytes) and its bytes. It does not
    /// change between releases, so the value can be stored.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        let mut hash = Fnv::new().text(self.machine).number(self.version as u64);
        hash = hash.number(self.states.len() as u64);
        let mut i = 0;
        while i < self.states.len() {
            let state = &self.states[i];
            let kind = match state.kind {
                StateKind::Rest => 0,
                StateKind::Work => 1,
                StateKind::End => 2,
            };
            hash = hash.text(state.name).number(kind).fields(state.fields);
            i += 1;
        }
        hash = hash.number(self.events.len() as u64);
        let mut i = 0;
        while i < self.events.len() {
            hash = hash.text(self.events[i].name).fields(self.events[i].fields);
            i += 1;
        }
        if let Some(context) = self.context {
            hash = hash.text(context);
        }
        hash.0
    }
}

/// 64-bit FNV-1a: std's hashers are neither `const` nor stable between releases.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    const fn bytes(self, bytes: &[u8]) -> Self {
        let mut hash = self.0;
        let mut i = 0;
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            i += 1;
        }
        Self(hash)
    }

    const fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    const fn text(self, text: &str) -> Self {
        self.number(text.len() as u64).bytes(text.as_bytes())
    }

    const fn fields(self, fields: &[FieldInfo]) -> Self {
        let mut hash = self.number(fields.len() as u64);
        let mut i = 0;
        while i < fields.len() {
            hash = hash.text(fields[i].name).text(fields[i].ty);
            i += 1;
        }
        hash
    }
}
