//! Whether there is a server, a pooler, and `faketime`: without one the tests are reported as ignored, unless `CI=true`, where they fail.

use std::{env, path::Path};

fn main() {
    println!("cargo::rustc-check-cfg=cfg(server)");
    println!("cargo::rustc-check-cfg=cfg(pooler)");
    println!("cargo::rustc-check-cfg=cfg(faketime)");
    println!("cargo::rerun-if-env-changed=CI");
    println!("cargo::rerun-if-env-changed=FSM_FAKETIME");
    println!("cargo::rerun-if-env-changed=FSM_PGBOUNCER");
    println!("cargo::rerun-if-env-changed=FSM_POSTGRES_BIN");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/find.rs");
    // A folder that does not exist would make every build run this again.
    if Path::new(find::PACKAGES).exists() {
        println!("cargo::rerun-if-changed={}", find::PACKAGES);
    }
    let ci = env::var("CI").is_ok_and(|ci| ci == "true");
    if find::bin().is_some() || ci {
        println!("cargo::rustc-cfg=server");
    }
    if find::pooler().is_some() || ci {
        println!("cargo::rustc-cfg=pooler");
    }
    if find::faketime().is_some() || ci {
        println!("cargo::rustc-cfg=faketime");
    }
}

#[path = "src/find.rs"]
mod find;
