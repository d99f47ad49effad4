//! Records the statements that SQLite runs on files in a folder.

use rusqlite::ffi;
use std::{
    collections::BTreeSet,
    ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    ptr,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

/// The recorded folders, and the statements of each.
static HEARD: Mutex<Vec<(PathBuf, BTreeSet<String>)>> = Mutex::new(Vec::new());

fn recorded() -> MutexGuard<'static, Vec<(PathBuf, BTreeSet<String>)>> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records the statements of every connection opened from now on to a file in `folder`.
///
/// # Panics
/// If SQLite refuses the extension, or the folder does not exist.
pub fn listen(folder: &Path) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function has the signature that SQLite calls it with, and lives as long as the program.
        let answer = unsafe { ffi::sqlite3_auto_extension(Some(opened)) };
        assert_eq!(answer, ffi::SQLITE_OK, "SQLite accepts the extension");
    });
    let folder = folder.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    recorded().push((folder, BTreeSet::new()));
}

/// The text of each statement run on files in `folder` since, without duplicates.
///
/// # Panics
/// If the folder does not exist.
#[must_use]
pub fn statements(folder: &Path) -> BTreeSet<String> {
    let folder = folder.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    recorded()
        .iter()
        .find(|(observed, _)| *observed == folder)
        .map(|(_, recorded)| recorded.clone())
        .unwrap_or_default()
}

/// The index of the recorded folder that holds the connection's file.
fn place(connection: *mut ffi::sqlite3) -> Option<usize> {
    // SAFETY: SQLite passes an open connection, whose file name lives as long as it is open.
    let file = unsafe {
        let name = ffi::sqlite3_db_filename(connection, c"main".as_ptr());
        if name.is_null() {
            return None;
        }
        Path::new(OsStr::from_bytes(CStr::from_ptr(name).to_bytes())).to_owned()
    };
    recorded().iter().position(|(folder, _)| file.starts_with(folder))
}

unsafe extern "C" fn opened(
    connection: *mut ffi::sqlite3,
    _error: *mut *mut c_char,
    _api: *const ffi::sqlite3_api_routines,
) -> c_int {
    let Some(place) = place(connection) else { return ffi::SQLITE_OK };
    // SAFETY: the connection is open, and `run` has the signature of a trace; its context is a number and no pointer.
    unsafe {
        ffi::sqlite3_trace_v2(
            connection,
            ffi::SQLITE_TRACE_STMT as c_uint,
            Some(run),
            ptr::without_provenance_mut::<c_void>(place),
        )
    }
}

unsafe extern "C" fn run(_event: c_uint, place: *mut c_void, statement: *mut c_void, _text: *mut c_void) -> c_int {
    // SAFETY: for this event SQLite passes the statement that begins; its text lives as long as the statement.
    let text = unsafe { ffi::sqlite3_sql(statement.cast()) };
    if !text.is_null() {
        // SAFETY: it is a text that ends with a NUL.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        if let Some((_, recorded)) = recorded().get_mut(place.addr()) {
            recorded.insert(text);
        }
    }
    0
}
