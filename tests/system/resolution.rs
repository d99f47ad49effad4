//! Cargo resolves `fsm-runtime` beside the current releases of other SQLite libraries: a program can link SQLite only once.

use std::{fs, process::Command};
use tempfile::TempDir;

/// What cargo chooses for a program with `fsm-runtime` and `dependencies`: its lock file.
///
/// It needs the index of the registry, as building the dependencies does.
fn resolved(dependencies: &str) -> Result<String, String> {
    let dir = TempDir::new().unwrap();
    let runtime = concat!(env!("CARGO_MANIFEST_DIR"), "/../fsm-runtime");
    let manifest = format!(
        "[package]\nname = \"program\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\nfsm-runtime = {{ path = {runtime:?} }}\n{dependencies}\n"
    );
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src/main.rs"), "fn main() {}").unwrap();
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).arg("generate-lockfile").current_dir(dir.path()).output().unwrap();
    if output.status.success() {
        Ok(fs::read_to_string(dir.path().join("Cargo.lock")).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Whichever of them a program has: what holds for all of them together holds for each.
#[test]
fn cargo_resolves_beside_other_sqlite_libraries() {
    let lock = resolved(
        "sqlx = { version = \"0.9\", features = [\"sqlite\", \"postgres\", \"runtime-tokio\"] }\n\
         sea-orm = { version = \"2\", features = [\"sqlx-sqlite\", \"sqlx-postgres\"] }\n\
         diesel = { version = \"2\", features = [\"sqlite\"] }\n",
    );
    let lock = lock.unwrap_or_else(|error| {
        panic!("cargo does not resolve (without a network, skip this test: `-- --skip cargo_resolves`):\n{error}")
    });
    for library in ["rusqlite", "sqlx-sqlite", "diesel", "sea-orm"] {
        assert!(lock.contains(&format!("name = \"{library}\"")), "{library} is not in:\n{lock}");
    }
    assert_eq!(lock.matches("name = \"libsqlite3-sys\"").count(), 1, "{lock}");
}
