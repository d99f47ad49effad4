//! Diagnoses why a file cannot be opened or written, with a remedy. The file itself is not opened for this, because closing it would
//! release the locks that this process holds on it.

use super::store_file::beside;
use std::{fs::File, io, path::Path};

/// The error and its remedy; `None` if the operating system reports none.
pub(super) fn of(file: &Path) -> Option<String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Err(error) = folder.metadata() {
        return Some(format!("its folder: {error}; make the folder, or give another path"));
    }
    if file.is_dir() {
        return Some("it is a folder; give the path of a file".to_owned());
    }
    // Opening takes a descriptor of this process and of the system, whatever the file.
    if let Err(error) = File::open(folder)
        && let Some(remedy) = out_of_files(&error)
    {
        return Some(format!("{error}; {remedy}"));
    }
    let parts = [file.to_owned(), beside(file, "-wal"), beside(file, "-shm"), folder.to_owned()];
    parts.iter().find_map(|part| {
        let error = not_writable(part).err().filter(|error| error.kind() != io::ErrorKind::NotFound)?;
        let of = if part == file { String::new() } else { format!("{}: ", part.display()) };
        Some(format!("{of}{error}; {}", remedy(&error)))
    })
}

fn out_of_files(error: &io::Error) -> Option<&'static str> {
    // `ErrorKind` has no stable name for these: EMFILE, ENFILE.
    match error.raw_os_error() {
        Some(24) if cfg!(unix) => Some("raise this process's limit of open files (`ulimit -n`), or close some"),
        Some(23) if cfg!(unix) => Some("the whole system has too many open files; raise its limit, or close some"),
        _ => None,
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "mount its file system for writing, or open the store for reading only with `Sqlite::options().read_only(true)`"
        }
        io::ErrorKind::PermissionDenied => {
            "give this user the right to read and write the file and its folder, or open the store for reading only with \
             `Sqlite::options().read_only(true)`"
        }
        _ => "this user must be able to read and write the file and its folder",
    }
}

#[cfg(unix)]
fn not_writable(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK)?)
}

#[cfg(not(unix))]
fn not_writable(path: &Path) -> io::Result<()> {
    if path.metadata()?.permissions().readonly() { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_own_remedy() {
        assert!(remedy(&io::ErrorKind::ReadOnlyFilesystem.into()).starts_with("mount"));
        assert!(remedy(&io::ErrorKind::PermissionDenied.into()).starts_with("give this user the right"));
        assert!(out_of_files(&io::Error::from_raw_os_error(24)).is_some_and(|remedy| remedy.contains("ulimit -n")));
        assert_eq!(out_of_files(&io::ErrorKind::PermissionDenied.into()), None);
    }

    #[test]
    fn a_missing_folder_and_a_folder_are_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(of(&dir.path().join("none/a.db")).is_some_and(|text| text.starts_with("its folder: No such file")));
        assert!(of(dir.path()).is_some_and(|text| text.starts_with("it is a folder")));
        assert_eq!(of(&dir.path().join("new.db")), None);
    }
}
