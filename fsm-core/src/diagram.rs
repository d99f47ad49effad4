//! Keeping the diagram in a Markdown file true, by a test.
//!
//! A file holds the diagram between two comments; what stands there is replaced, the rest of the file is left alone:
//!
//! ```text
//! <!-- fsm:Server -->
//! <!-- /fsm -->
//! ```
//!
//! [`diagram!`](crate::diagram!) writes the test. [`check`] is the same for who wants to do it otherwise.

use alloc::{format, string::String};
use core::{error::Error, fmt};

use crate::{diff::diff, graph::Graph};

/// A test that holds the diagram in one or more Markdown files against the declaration.
///
/// Paths are relative to the crate's own folder (where its `Cargo.toml` is). The test is called like the machine, so one
/// machine has one `diagram!`, which can name several files.
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
/// Each file holds `<!-- fsm:Server -->` and below it `<!-- /fsm -->`, between which the diagram stands. When it is not what
/// is declared, the test fails with a diff; `FSM_UPDATE=1 cargo test` writes it, the first time and whenever it has drifted.
#[macro_export]
macro_rules! diagram {
    ($machine:ident in $($path:literal),+ $(,)?) => {
        #[test]
        #[allow(non_snake_case)]
        fn $machine() -> ::core::result::Result<(), $crate::diagram::Failure> {
            $({
                let path = ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", $path);
                let failed = |what, error: ::std::io::Error| $crate::diagram::Failure::new(path, what, &error);
                let text = ::std::fs::read_to_string(path).map_err(|error| failed("cannot be read", error))?;
                let drift = $crate::diagram::check(&text, $machine::GRAPH)
                    .map_err(|error| $crate::diagram::Failure::new(path, "cannot hold the diagram", &error))?;
                if let ::core::option::Option::Some(drift) = drift {
                    if ::std::env::var_os("FSM_UPDATE").is_some_and(|update| update == "1") {
                        ::std::fs::write(path, drift.updated()).map_err(|error| failed("cannot be written", error))?;
                    } else {
                        return ::core::result::Result::Err($crate::diagram::Failure::new(path, "has drifted", &drift));
                    }
                }
            })+
            ::core::result::Result::Ok(())
        }
    };
}

/// Compares the block for `graph` in a Markdown text with the declaration; `None` when they agree.
///
/// # Errors
/// When the text has no such block, or one that does not end.
pub fn check(markdown: &str, graph: &Graph) -> Result<Option<Drift>, NoBlock> {
    let open = format!("<!-- fsm:{} -->", graph.machine);
    let missing = || NoBlock { open: open.clone() };
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

/// The text and the declaration differ; displayed as a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    diff: String,
    updated: String,
}

impl Drift {
    /// The whole text as it should be.
    #[must_use]
    pub fn updated(&self) -> &str {
        &self.updated
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`-` is in the file, `+` is declared; FSM_UPDATE=1 rewrites it\n\n{}", self.diff)
    }
}

impl Error for Drift {}

/// The text has no place for the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoBlock {
    open: String,
}

impl fmt::Display for NoBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write `{}` and below it `<!-- /fsm -->` where the diagram belongs", self.open)
    }
}

impl Error for NoBlock {}

/// Why a `diagram!` test failed; printed in full by `Debug`, which is what a failing test shows.
pub struct Failure(String);

impl Failure {
    #[doc(hidden)]
    pub fn new(path: &str, what: &str, error: &dyn fmt::Display) -> Self {
        Self(format!("{path} {what}: {error}"))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const GRAPH: Graph = Graph {
        machine: "Door",
        doc: "",
        version: 1,
        context: None,
        states: &[],
        events: &[],
        transitions: &[],
        groups: &[],
    };

    #[test]
    fn a_true_diagram_passes() {
        let text = "# Door\n<!-- fsm:Door -->\n```mermaid\nstateDiagram-v2\n```\n<!-- /fsm -->\n";
        assert_eq!(check(text, &GRAPH), Ok(None));
    }

    #[test]
    fn a_drifted_one_is_shown_line_by_line_and_replaced_alone() {
        let text = "# Door\r\n<!-- fsm:Door -->\r\n```mermaid\r\nstateDiagram-v2\r\n    A --> B\r\n```\r\n<!-- /fsm -->\r\nend";
        let drift = check(text, &GRAPH).unwrap().unwrap();
        let expected = "`-` is in the file, `+` is declared; FSM_UPDATE=1 rewrites it\n\n  ```mermaid\n  stateDiagram-v2\n-     A --> B\n  ```";
        assert_eq!(drift.to_string(), expected);
        assert_eq!(drift.updated(), text.replace("    A --> B\r\n", ""));
    }

    #[test]
    fn a_file_without_a_place_for_it_is_told_so() {
        let expected = "write `<!-- fsm:Door -->` and below it `<!-- /fsm -->` where the diagram belongs";
        assert_eq!(check("# Door", &GRAPH).unwrap_err().to_string(), expected);
        assert_eq!(check("<!-- fsm:Door -->", &GRAPH).unwrap_err().to_string(), expected);
    }
}
