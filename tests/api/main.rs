//! The public API of the libraries against its listing in `docs/api`, so that a review shows every change of it.
//!
//! `FSM_UPDATE=1 cargo test -p tests --test api` rewrites the listing.
#![cfg(unix)]

use std::{collections::HashSet, env, fs, path::Path, process::Command};

/// What the line of an implementation already implies.
const IMPLIED: [&str; 8] = [
    "::fmt(&self, ",
    "::clone(&self) ->",
    "::eq(&self, other: &",
    "::cmp(&self, other: &",
    "::partial_cmp(&self, other: &",
    "::source(&self) -> core::option::Option<&(dyn core::error::Error",
    "::hash<__H: core::hash::Hasher>(",
    "core::marker::StructuralPartialEq for",
];
const CRATES: [&str; 3] = ["fsm-core", "fsm-derive", "fsm-runtime"];

/// Writes `doc/<crate>.json` below the target directory, for all features.
fn document(folder: &Path, target: &Path) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["doc", "--no-deps", "--all-features", "--target-dir"])
        .arg(target)
        .current_dir(folder.join(".."))
        .env("RUSTDOC", folder.join("api/rustdoc-json"))
        .env("RUSTDOCFLAGS", "-Zunstable-options --output-format json");
    for name in CRATES {
        cargo.args(["-p", name]);
    }
    let output = cargo.output().expect("cargo can be started");
    assert!(output.status.success(), "cargo doc:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// One item per line, grouped by path. Implementations for every type and of auto traits are left out. What a re-export
/// repeats is listed once, under its last path, which for the prelude is the root of the crate.
fn listing(json: &Path) -> String {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .include_function_parameter_names(true)
        .build()
        .unwrap_or_else(|error| panic!("{}: {error}", json.display()));
    let mut lines: Vec<_> = api.items().map(|item| format!("{item}\n")).collect();
    lines.retain(|line| !IMPLIED.iter().any(|implied| line.contains(implied)));
    let mut listed = HashSet::new();
    lines.reverse();
    lines.retain(|line| listed.insert(line.clone()));
    lines.reverse();
    lines.concat()
}

/// The lines of one listing that the other does not have.
fn only_in(one: &str, other: &str, mark: char) -> Vec<String> {
    let other: HashSet<_> = other.lines().collect();
    one.lines().filter(|line| !other.contains(line)).map(|line| format!("{mark} {line}")).collect()
}

#[test]
fn public_api_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the folder for temporary files is in the target directory");
    document(folder, target);
    let mut changes = Vec::new();
    for name in CRATES {
        let found = listing(&target.join("doc").join(format!("{}.json", name.replace('-', "_"))));
        let path = folder.join("../docs/api").join(format!("{name}.txt"));
        if env::var_os("FSM_UPDATE").is_some_and(|update| update == "1") {
            fs::write(&path, found).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            continue;
        }
        let listed = fs::read_to_string(&path).unwrap_or_default();
        if found != listed {
            changes.push(format!("docs/api/{name}.txt"));
            changes.extend(only_in(&listed, &found, '-'));
            changes.extend(only_in(&found, &listed, '+'));
        }
    }
    assert!(
        changes.is_empty(),
        "the public API differs from its listing; to accept the changes, run `FSM_UPDATE=1 cargo test -p tests --test api`\n{}",
        changes.join("\n")
    );
}
