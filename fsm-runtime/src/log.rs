//! The `tracing` fields of an instance, the same in every log line.

use std::fmt::{self, Write};

/// An id as it is printed: on one line, whatever it holds.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '\'' | '"' => f.write_char(char)?,
                _ => write!(f, "{}", char.escape_debug())?,
            }
        }
        Ok(())
    }
}

/// `text` for an event with the fields of `key` and `state`, without naming them once more.
pub(crate) fn unnamed(key: &impl fmt::Display, state: &str, text: &str) -> String {
    text.replace(&key.to_string(), "the instance").replace(&format!("state `{state}`"), "this state")
}

/// Logs about an instance: `log_key!(warn, key, …)` takes what `tracing::warn!` takes after its first fields.
macro_rules! log_key {
    ($level:ident, $key:expr, $($rest:tt)+) => {{
        let key = &$key;
        tracing::$level!(machine = %key.machine, id = %$crate::log::Escaped(&key.id), $($rest)+);
    }};
}

/// Logs about a row: [`log_key`] with the row's state, version and attempt.
macro_rules! log_row {
    ($level:ident, $row:expr, $($rest:tt)+) => {{
        let row = &$row;
        tracing::$level!(
            machine = %row.key.machine, id = %$crate::log::Escaped(&row.key.id), state = %row.state, version = row.version,
            attempt = row.attempt, $($rest)+
        );
    }};
}

/// Logs about an attempt: [`log_row`] outside the span of the attempt, which has the same fields.
macro_rules! log_attempt {
    ($level:ident, $row:expr, $($rest:tt)+) => {{
        let row = &$row;
        tracing::$level!(
            parent: None,
            machine = %row.key.machine, id = %$crate::log::Escaped(&row.key.id), state = %row.state, version = row.version,
            attempt = row.attempt, $($rest)+
        );
    }};
}

pub(crate) use {log_attempt, log_key, log_row};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_does_not_name_the_instance_again() {
        let text = "the stored data of Job `a` cannot be read as state `Running` (missing field `x`)";
        assert_eq!(
            unnamed(&"Job `a`", "Running", text),
            "the stored data of the instance cannot be read as this state (missing field `x`)"
        );
    }

    #[test]
    fn an_id_is_printed_on_one_line() {
        assert_eq!(Escaped("a\nb\t\u{1b}\\\u{202e}").to_string(), "a\\nb\\t\\u{1b}\\\\\\u{202e}");
        assert_eq!(Escaped("it's 1/2 ü").to_string(), "it's 1/2 ü");
    }
}
