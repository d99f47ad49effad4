//! Where a page of a list ended. The text names the order of the list, so that a list in another order refuses it.

use super::{Filter, Row};

/// A text that is not the end of a page of a list in this order.
#[derive(Debug)]
pub(in crate::store) struct InvalidCursor(pub(in crate::store) String);

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Order {
    /// By id.
    Id,
    /// By the time at which the rows entered their state, then by id.
    OldestFirst,
    /// The reverse of `OldestFirst`.
    NewestFirst,
}

impl Order {
    pub(in crate::store) fn of(filter: &Filter) -> Self {
        if filter.newest_first {
            Self::NewestFirst
        } else if filter.only.is_some() || filter.states.is_some() || filter.entered_before.is_some() {
            Self::OldestFirst
        } else {
            Self::Id
        }
    }

    /// The position of `row`, the last one of a page, which entered its state `micros` after 1970.
    pub(in crate::store) fn cursor(self, row: &Row, micros: i64) -> String {
        let (name, id) = (self.name(), &row.key.id);
        match self {
            Self::Id => format!("{name}/{id}"),
            Self::OldestFirst | Self::NewestFirst => format!("{name}/{micros}/{id}"),
        }
    }

    /// The id that a page by id ended at.
    pub(in crate::store) fn id(self, cursor: &str) -> Result<&str, InvalidCursor> {
        self.rest(cursor).ok_or_else(|| InvalidCursor(cursor.to_owned()))
    }

    /// The time and the id that a page by time ended at.
    pub(in crate::store) fn time_and_id(self, cursor: &str) -> Result<(i64, &str), InvalidCursor> {
        let parts = self.rest(cursor).and_then(|rest| rest.split_once('/'));
        parts.and_then(|(time, id)| Some((time.parse().ok()?, id))).ok_or_else(|| InvalidCursor(cursor.to_owned()))
    }

    fn rest(self, cursor: &str) -> Option<&str> {
        cursor.strip_prefix(self.name())?.strip_prefix('/')
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::OldestFirst => "oldest",
            Self::NewestFirst => "newest",
        }
    }
}

/// The first text, in the order of bytes, that is greater than every text with this prefix; `None` if there is none.
pub(in crate::store) fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut rest = prefix.to_owned();
    // UTF-8 sorts as code points do.
    while let Some(last) = rest.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            rest.push(next);
            return Some(rest);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_text() {
        let ends = ["ab", "a\u{10ffff}", "a\u{d7ff}", "\u{10ffff}", ""].map(end_of_prefix);
        assert_eq!(ends, [Some("ac"), Some("b"), Some("a\u{e000}"), None, None].map(|end| end.map(str::to_owned)));
    }

    #[test]
    fn a_cursor_belongs_to_its_order() {
        let row = Row::example("M", "A", 1);
        for order in [Order::Id, Order::OldestFirst, Order::NewestFirst] {
            let cursor = order.cursor(&row, 0);
            assert_eq!(Order::Id.id(&cursor).is_ok(), order == Order::Id, "{cursor}");
            for by_time in [Order::OldestFirst, Order::NewestFirst] {
                assert_eq!(by_time.time_and_id(&cursor).ok(), (order == by_time).then_some((0, "a")), "{cursor}");
            }
        }
        assert!(Order::OldestFirst.time_and_id("oldest/now/a").is_err());
    }
}
