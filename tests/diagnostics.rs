//! The diagnostics of wrong declarations, as editors and CI read them: from cargo's JSON output, with incremental compilation.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The compile-fail cases, sorted.
fn cases() -> Vec<PathBuf> {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let folders =
        ["declare", "durable", "misuse"].map(|folder| fs::read_dir(ui.join(folder)).expect("the folder exists"));
    let files = folders.into_iter().flatten().map(|file| file.expect("the folder can be read").path());
    let mut cases: Vec<_> = files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")).collect();
    cases.sort();
    cases
}

/// The errors of one program that has each case as a module.
fn errors(cases: &[PathBuf]) -> Vec<Value> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("diagnostics");
    let dir = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let library = |name: &str| root.join(name).display().to_string();
    let manifest = format!(
        "[package]\nname = \"program\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[lib]\npath = \"lib.rs\"\n\
         [dependencies]\nfsm-core = {{ path = {:?} }}\nfsm-runtime = {{ path = {:?}, default-features = false }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n",
        library("fsm-core"),
        library("fsm-runtime"),
    );
    let mut modules = String::new();
    for (index, case) in cases.iter().enumerate() {
        let case = case.display().to_string();
        let _ = writeln!(modules, "#[path = {case:?}]\nmod case_{index};");
    }
    fs::write(dir.path().join("Cargo.toml"), manifest).expect("the manifest is written");
    fs::write(dir.path().join("lib.rs"), modules).expect("the program is written");
    // The versions of the workspace, so that nothing is downloaded.
    fs::copy(root.join("Cargo.lock"), dir.path().join("Cargo.lock")).expect("the lock file is copied");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["check", "--offline", "--message-format=json"])
        .env("CARGO_INCREMENTAL", "1")
        .env("CARGO_TARGET_DIR", target)
        .env_remove("RUSTFLAGS")
        .current_dir(dir.path())
        .output()
        .expect("cargo runs");
    let lines = String::from_utf8_lossy(&output.stdout);
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let errors: Vec<_> = messages
        .filter(|line| line["target"]["name"] == "program" && line["message"]["level"] == "error")
        .map(|line| line["message"].clone())
        .collect();
    assert!(!errors.is_empty(), "cargo reports no errors of the program:\n{}", String::from_utf8_lossy(&output.stderr));
    errors
}

#[test]
fn every_error_of_a_declaration_is_emitted_once() {
    let cases = cases();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for error in errors(&cases) {
        *seen.entry(error["rendered"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let repeated: Vec<_> =
        seen.iter().filter(|(_, times)| **times > 1).map(|(text, times)| format!("{times} × {text}")).collect();
    assert!(repeated.is_empty(), "{}", repeated.join("\n"));
    assert!(seen.len() > 150, "only {} errors of {} cases", seen.len(), cases.len());
}
