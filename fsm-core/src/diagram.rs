//! A test that keeps the diagram in a Markdown file up to date.
//!
//! The diagram is the text between two comments in the file; the rest of the file is never changed:
//!
//! ```text
//! <!-- fsm:Server -->
//! <!-- /fsm -->
//! ```
//!
//! [`diagram!`](crate::diagram!) generates the test. [`check`] is the same comparison as a function.

use alloc::{format, string::String};
use core::{error::Error, fmt};

use crate::{__private::diff, graph::Graph};

/// Generates a test that compares the diagram in one or more Markdown files with the declaration.
///
/// Paths are relative to the folder of the crate's `Cargo.toml`. The test has the name of the machine, so use one `diagram!`
/// for each machine and list all its files.
///
/// ```
/// # use fsm_core::StateMachine;
/// # #[derive(StateMachine)]
/// # #[fsm(initial = On)]
/// # enum Server { #[state(end)] On }
/// #[cfg(test)]
/// fsm_core::diagram!(Server in "../README.md", "../docs/guide.md");
/// # fn main() {}
/// ```
///
/// Each file contains `<!-- fsm:Server -->` and, below it, `<!-- /fsm -->`; the diagram goes between the two. The test fails
/// with a diff if the diagram differs from the declaration. `FSM_UPDATE=1 cargo test` writes the diagram, both initially and
/// after a change of the declaration.
///
/// Write `diagram!` beside the enum or in a module of tests, not in a function: a test in a function would never run.
#[macro_export]
macro_rules! diagram {
    ($machine:ident in $($path:literal),+ $(,)?) => {
        // `self::` finds the import only where this is outside of functions.
        #[allow(unused_imports)]
        use $crate::diagram::__place::*;
        const _: () = self::write_diagram_outside_of_the_function;
        #[test]
        #[deny(unnameable_test_items)]
        #[allow(non_snake_case)]
        #[inline]
        fn $machine() -> ::core::result::Result<(), $crate::diagram::DiagramError> {
            $({
                let path = ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", $path);
                let failed = |what, error: ::std::io::Error| $crate::diagram::DiagramError::new(path, what, &error);
                let text = ::std::fs::read_to_string(path).map_err(|error| failed("cannot be read", error))?;
                let drift = $crate::diagram::check(&text, $machine::GRAPH)
                    .map_err(|error| $crate::diagram::DiagramError::new(path, "has no place for the diagram", &error))?;
                if let ::core::option::Option::Some(drift) = drift {
                    if ::std::env::var_os("FSM_UPDATE").is_some_and(|update| update == "1") {
                        ::std::fs::write(path, drift.updated()).map_err(|error| failed("cannot be written", error))?;
                    } else {
                        return ::core::result::Result::Err($crate::diagram::DiagramError::new(path, "is out of date", &drift));
                    }
                }
            })+
            ::core::result::Result::Ok(())
        }
    };
}

/// What [`diagram!`](crate::diagram!) imports, to find out whether it is in a function. The name is part of rustc's error.
#[doc(hidden)]
pub mod __place {
    #[allow(non_upper_case_globals)]
    pub const write_diagram_outside_of_the_function: () = ();
}

/// Compares the diagram of `graph` in a Markdown text with the declaration; `None` if they agree.
///
/// # Errors
/// If the opening or the closing comment is missing.
#[inline]
pub fn check(markdown: &str, graph: &Graph) -> Result<Option<Drift>, MissingBlockError> {
    let open = format!("<!-- fsm:{} -->", graph.machine);
    let missing = || MissingBlockError { open: open.clone() };
    let start = markdown.find(&open).ok_or_else(missing)? + open.len();
    let end = start + markdown[start..].find("<!-- /fsm -->").ok_or_else(missing)?;
    let newline = if markdown.contains("\r\n") { "\r\n" } else { "\n" };
    let found = &markdown[start..end];
    let declared = format!("\n```mermaid\n{}```\n", graph.mermaid()).replace('\n', newline);
    if found == declared {
        return Ok(None);
    }
    let updated = format!("{}{declared}{}", &markdown[..start], &markdown[end..]);
    Ok(Some(Drift { diff: diff(found, &declared), updated }))
}

/// The difference between a text and the declaration, displayed as a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    diff: String,
    updated: String,
}

impl Drift {
    /// The whole text with the diagram updated.
    #[must_use]
    #[inline]
    pub fn updated(&self) -> &str {
        &self.updated
    }
}

impl fmt::Display for Drift {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`-` is in the file, `+` is declared; run with `FSM_UPDATE=1` to update the file\n\n{}", self.diff)
    }
}

/// A text has no place for the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingBlockError {
    open: String,
}

impl fmt::Display for MissingBlockError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "add `{}` and, below it, `<!-- /fsm -->` where the diagram belongs", self.open)
    }
}

impl Error for MissingBlockError {}

/// The reason a [`diagram!`](crate::diagram!) test failed.
///
/// `Debug` prints the whole message, because a failing test shows `Debug`.
pub struct DiagramError(String);

impl DiagramError {
    #[doc(hidden)]
    #[inline]
    pub fn new(path: &str, what: &str, error: &dyn fmt::Display) -> Self {
        Self(format!("{path} {what}: {error}"))
    }
}

impl fmt::Debug for DiagramError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for DiagramError {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for DiagramError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const GRAPH: Graph = Graph::new("Door");

    #[test]
    fn a_current_diagram_passes() {
        let text = "# Door\n<!-- fsm:Door -->\n```mermaid\nstateDiagram-v2\n```\n<!-- /fsm -->\n";
        assert_eq!(check(text, &GRAPH), Ok(None));
    }

    #[test]
    fn an_outdated_diagram_is_shown_as_a_diff_and_replaced() {
        let text = "# Door\r\n<!-- fsm:Door -->\r\n```mermaid\r\nstateDiagram-v2\r\n    A --> B\r\n```\r\n<!-- /fsm -->\r\nend";
        let drift = check(text, &GRAPH).unwrap().unwrap();
        let expected = "`-` is in the file, `+` is declared; run with `FSM_UPDATE=1` to update the file\n\n  ```mermaid\n  stateDiagram-v2\n-     A --> B\n  ```";
        assert_eq!(drift.to_string(), expected);
        assert_eq!(drift.updated(), text.replace("    A --> B\r\n", ""));
    }

    #[test]
    fn a_file_without_the_comments_is_an_error() {
        let expected = "add `<!-- fsm:Door -->` and, below it, `<!-- /fsm -->` where the diagram belongs";
        assert_eq!(check("# Door", &GRAPH).unwrap_err().to_string(), expected);
        assert_eq!(check("<!-- fsm:Door -->", &GRAPH).unwrap_err().to_string(), expected);
    }
}
