//! The modules that only tools and tests call have `#[inline]` functions alone. rustc generates code for such a function only in the
//! crates that call it, so the pictures do not cost a crate that only declares a machine.

use std::{fs, path::Path};

const MODULES: [&str; 13] = [
    "arrows",
    "convergence",
    "diagram",
    "diff",
    "dot",
    "explain",
    "graphs",
    "json",
    "mermaid",
    "path",
    "scxml",
    "table",
    "xstate",
];

#[test]
fn functions_of_pictures_are_inline() {
    let missing: Vec<_> = MODULES.iter().flat_map(|module| not_inline(module)).collect();
    assert!(missing.is_empty(), "without `#[inline]`, each program compiles these functions:\n{}", missing.join("\n"));
}

/// The functions outside of the module's tests that have no `#[inline]` in the line before.
fn not_inline(module: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/{module}.rs"));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::trim_start).collect();
    let functions = lines.windows(2).filter(|pair| is_function(pair[1]));
    assert!(functions.clone().count() > 0, "no function found in {}", path.display());
    functions.filter(|pair| pair[0] != "#[inline]").map(|pair| format!("{module}: {}", pair[1])).collect()
}

fn is_function(line: &str) -> bool {
    ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "const fn ", "pub const fn ", "pub(crate) const fn "]
        .iter()
        .any(|start| line.starts_with(start))
}
