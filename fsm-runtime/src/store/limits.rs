//! The sizes of what a store keeps: values of the user's, and texts of the runtime's.

use super::{Change, Group, Note, Release, Verdict};

/// The bytes that a value may have where a store is not configured otherwise: 1 MiB.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// The bytes that an idempotency key, the name of a lock, a service or a subscriber, and the key of a call may have: stores keep them in
/// indexes, whose entries are short.
pub const MAX_KEY_BYTES: usize = 1 << 10;

/// The bytes that a text may have beside the values: notes, reasons, desired states, actors, traces.
pub const MAX_TEXT_BYTES: usize = 64 << 10;

/// Texts of errors are cut to this before they are stored, so that a worker's error never keeps its instance from being released.
const MAX_ERROR_BYTES: usize = 16 << 10;

impl Group {
    /// The [`Verdict::TooLarge`] on the first change of the group with a value of more than `max_value_bytes`, an idempotency key of more
    /// than [`MAX_KEY_BYTES`], or another text of more than [`MAX_TEXT_BYTES`]; `None` where each fits. A store asks this before it
    /// applies the group.
    #[must_use]
    pub fn too_large(&self, max_value_bytes: usize) -> Option<Verdict> {
        self.bytes_within(max_value_bytes).err()
    }

    /// The bytes of all its texts, if none of them is too large.
    pub(super) fn bytes_within(&self, max_value_bytes: usize) -> Result<usize, Verdict> {
        let mut bytes = 0_usize;
        for (change, sizes) in self.changes.iter().map(sizes).enumerate() {
            for (what, size, kind) in sizes {
                let limit = match kind {
                    Kind::Value => max_value_bytes,
                    Kind::Key => MAX_KEY_BYTES,
                    Kind::Text => MAX_TEXT_BYTES,
                };
                if size > limit {
                    return Err(Verdict::TooLarge { change, what, size, limit });
                }
                bytes = bytes.saturating_add(size);
            }
        }
        Ok(bytes)
    }
}

/// What it is, how many bytes it has, and its kind.
type Sized = (&'static str, usize, Kind);

enum Kind {
    /// A value of the user's.
    Value,
    Key,
    Text,
}

fn sizes(change: &Change) -> Vec<Sized> {
    let value = |what, text: &str| (what, text.len(), Kind::Value);
    let context = |context: &Option<String>| ("context", context.as_ref().map_or(0, String::len), Kind::Value);
    let text = |what, text: &Option<String>| (what, text.as_ref().map_or(0, String::len), Kind::Text);
    let key = |key: &Option<String>| ("idempotency key", key.as_ref().map_or(0, String::len), Kind::Key);
    let note = |note: &Option<Note>| {
        let texts = |note: &Note| {
            [
                ("note", note.text.len(), Kind::Text),
                text("actor", &note.origin.actor),
                text("trace", &note.origin.trace),
            ]
        };
        note.as_ref().map(texts)
    };
    match change {
        Change::Create(it) => vec![
            value("data", &it.into.data),
            context(&it.into.context),
            key(&it.idempotency_key),
            text("actor", &it.origin.actor),
            text("trace", &it.origin.trace),
        ],
        Change::Transition(it) => vec![
            value("data", &it.into.data),
            value("payload", &it.payload),
            context(&it.into.context),
            key(&it.idempotency_key),
            text("actor", &it.origin.actor),
            text("trace", &it.origin.trace),
        ],
        Change::Override(it) => vec![
            value("data", &it.into.data),
            context(&it.into.context),
            ("reason", it.why.len(), Kind::Text),
            text("actor", &it.origin.actor),
            text("trace", &it.origin.trace),
        ],
        Change::Rewrite(it) => vec![value("data", &it.data), context(&it.context)],
        Change::SaveCheckpoint(it) => vec![value("checkpoint", &it.checkpoint)],
        Change::Release(Release { error, parked, note: text_note, .. }) => {
            let texts = [text("error", error), text("reason", parked)];
            texts.into_iter().chain(note(text_note).into_iter().flatten()).collect()
        }
        Change::SetDesiredState(it) => {
            let texts = [text("desired state", &it.desired), text("actor", &it.desired_by)];
            texts.into_iter().chain(note(&it.note).into_iter().flatten()).collect()
        }
        Change::Hold(it) => {
            [text("reason", &it.hold)].into_iter().chain(note(&it.note).into_iter().flatten()).collect()
        }
        Change::Purge(it) => {
            vec![text("reason", &it.why), text("actor", &it.origin.actor), text("trace", &it.origin.trace)]
        }
        Change::Arm(it) => vec![("reason", it.reason.len(), Kind::Text)],
        Change::Disarm(it) => vec![("reason", it.reason.len(), Kind::Text)],
        Change::Claim(_) => Vec::new(),
    }
}

/// `text` with its end left out where it is too long to be stored.
pub(crate) fn shortened(mut text: String) -> String {
    if text.len() <= MAX_ERROR_BYTES {
        return text;
    }
    let bytes = text.len();
    text.truncate(text.floor_char_boundary(MAX_ERROR_BYTES));
    format!("{text}… ({} more bytes)", bytes - text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Key, SaveCheckpoint};
    use uuid::Uuid;

    fn checkpoint(bytes: usize) -> Change {
        Change::SaveCheckpoint(SaveCheckpoint {
            key: Key::new("Door", "a"),
            incarnation: Uuid::nil(),
            version: 1,
            fence: 1,
            checkpoint: "x".repeat(bytes),
        })
    }

    #[test]
    fn the_first_value_past_the_limit_is_named() {
        let group = Group { changes: vec![checkpoint(10), checkpoint(11)] };
        assert_eq!(group.too_large(11), None);
        let verdict = Verdict::TooLarge { change: 1, what: "checkpoint", size: 11, limit: 10 };
        assert_eq!(group.too_large(10), Some(verdict));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shortened("short".to_owned()), "short");
        let cut = shortened("ä".repeat(MAX_ERROR_BYTES));
        assert!(
            cut.len() < MAX_ERROR_BYTES + 64 && cut.ends_with(&format!("ä… ({MAX_ERROR_BYTES} more bytes)")),
            "{}",
            cut.len()
        );
    }
}
