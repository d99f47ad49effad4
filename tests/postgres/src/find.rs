//! Finds the programs of a PostgreSQL server.

use std::{env, fs, path::PathBuf};

/// Where the packages of Debian and Ubuntu install the servers, one folder for each version.
pub(crate) const PACKAGES: &str = "/usr/lib/postgresql";

/// The folder with `initdb` and `pg_ctl`: `FSM_POSTGRES_BIN`, or that of the newest installed package, or of the path.
pub(crate) fn bin() -> Option<PathBuf> {
    if let Some(bin) = env::var_os("FSM_POSTGRES_BIN") {
        return Some(PathBuf::from(bin));
    }
    let versions = fs::read_dir(PACKAGES).into_iter().flatten().flatten();
    let mut bins: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    bins.sort();
    let in_path = || env::split_paths(&env::var_os("PATH")?).find(|folder| folder.join("initdb").exists());
    bins.pop().map(|(_, bin)| bin).or_else(in_path)
}

/// The program of PgBouncer: `FSM_PGBOUNCER`, or that of the path or of the package.
pub(crate) fn pooler() -> Option<PathBuf> {
    if let Some(program) = env::var_os("FSM_PGBOUNCER") {
        return Some(PathBuf::from(program));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("pgbouncer")).find(|program| program.exists())
}

/// The library of `faketime`: `FSM_FAKETIME`, or that of the package.
pub(crate) fn faketime() -> Option<PathBuf> {
    if let Some(library) = env::var_os("FSM_FAKETIME") {
        return Some(PathBuf::from(library));
    }
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|folder| folder.path());
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
}
