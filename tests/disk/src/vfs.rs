//! The table of C functions that SQLite calls. Each one finds its file, asks the disk, and calls the operating system's function.
//!
//! A file of ours is a header, followed in the same memory by the file of the operating system's VFS.

use super::{Change, Disk, Fault, Operation};
use rusqlite::ffi;
use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_void},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    ptr,
    sync::{Mutex, Once, OnceLock, PoisonError},
};

static DISKS: Mutex<Vec<Disk>> = Mutex::new(Vec::new());
static SYSTEM: OnceLock<System> = OnceLock::new();

/// The operating system's VFS.
struct System(*mut ffi::sqlite3_vfs);

// SAFETY: SQLite's own VFS is registered for the life of the process and may be called from any thread.
unsafe impl Send for System {}
// SAFETY: the same.
unsafe impl Sync for System {}

#[repr(C)]
struct Header {
    base: ffi::sqlite3_file,
    /// Owned; null for a file outside the disks of the tests.
    place: *mut Place,
}

struct Place {
    disk: Disk,
    path: PathBuf,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Registers the VFS as SQLite's default, once, and the disk.
pub(super) fn add(disk: &Disk) {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        // SAFETY: null asks for the default VFS, which lives as long as the process; ours is a copy of it with other
        // functions, and is never freed.
        unsafe {
            ffi::sqlite3_initialize();
            let system = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!system.is_null(), "SQLite has a VFS");
            let mut ours = *system;
            ours.szOsFile += c_int::try_from(size_of::<Header>()).expect("small");
            ours.zName = c"tests-disk".as_ptr();
            ours.pNext = ptr::null_mut();
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            SYSTEM.get_or_init(|| System(system));
            assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1), ffi::SQLITE_OK);
        }
    });
    DISKS.lock().unwrap_or_else(PoisonError::into_inner).push(disk.clone());
}

fn system() -> *mut ffi::sqlite3_vfs {
    SYSTEM.get().expect("set before it is registered").0
}

/// The disk that holds `path`, and the path itself.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn place(path: *const c_char) -> Option<Place> {
    if path.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller's promise.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    let disk = disks.iter().find(|disk| disk.holds(path))?.clone();
    Some(Place { disk, path: path.to_owned() })
}

/// The result code of a fault.
fn code(operation: Operation, fault: Fault) -> c_int {
    match (fault, operation) {
        (Fault::Full, _) => ffi::SQLITE_FULL,
        (_, Operation::Read) => ffi::SQLITE_IOERR_READ,
        (_, Operation::Write) => ffi::SQLITE_IOERR_WRITE,
        (_, Operation::Sync) => ffi::SQLITE_IOERR_FSYNC,
        (_, Operation::Open) => ffi::SQLITE_CANTOPEN,
    }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    mut flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives memory of `szOsFile` bytes and a name that is null or a C string; both lie in it side by side.
    unsafe {
        let header = file.cast::<Header>();
        (*header).base.pMethods = ptr::null();
        (*header).place = ptr::null_mut();
        let place = place(name);
        if let Some(Place { disk, .. }) = &place {
            match disk.refuses(Operation::Open) {
                Some(Fault::ReadOnly) => {
                    flags &= !(ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE);
                    flags |= ffi::SQLITE_OPEN_READONLY;
                }
                Some(fault) => return code(Operation::Open, fault),
                None => {}
            }
        }
        let inner = inner(file);
        (*inner).pMethods = ptr::null();
        let Some(open) = (*system()).xOpen else { return ffi::SQLITE_CANTOPEN };
        let opened = open(system(), name, inner, flags, out);
        if opened == ffi::SQLITE_OK {
            if let Some(place) = place {
                place.disk.opened(&place.path);
                (*header).place = Box::into_raw(Box::new(place));
            }
            (*header).base.pMethods = &raw const METHODS;
        }
        opened
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite gives a C string; the operating system's function gets what ours got.
    unsafe {
        let place = place(name);
        if let Some(Place { disk, path }) = &place {
            if let Some(Fault::Dead | Fault::Broken) = disk.refuses(Operation::Open) {
                return ffi::SQLITE_IOERR_DELETE;
            }
            disk.removed(path);
        }
        let Some(delete) = (*system()).xDelete else { return ffi::SQLITE_IOERR_DELETE };
        delete(system(), name, sync_folder)
    }
}

/// The operating system's file behind ours.
///
/// # Safety
/// `file` was given by SQLite for this VFS.
unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: `szOsFile` has room for both, and the header's size is a multiple of a pointer's.
    unsafe { file.cast::<Header>().add(1).cast() }
}

/// The place of the file, if it is on a disk of the tests.
///
/// # Safety
/// `file` was opened by this VFS and not closed.
unsafe fn on_disk<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Place> {
    // SAFETY: set by `open`, freed by `close`.
    unsafe { (*file.cast::<Header>()).place.as_ref() }
}

/// Calls the operating system's function of that name.
macro_rules! forward {
    ($file:ident, $method:ident $(, $argument:expr)*) => {{
        // SAFETY: `$file` was opened by this VFS, so the file behind it was opened by the operating system's; the arguments are
        // those that SQLite gave.
        unsafe {
            let inner = inner($file);
            match (*(*inner).pMethods).$method {
                Some(method) => method(inner $(, $argument)*),
                None => ffi::SQLITE_IOERR,
            }
        }
    }};
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let closed = forward!(file, xClose);
    // SAFETY: the header is ours; the file is not used after this.
    unsafe {
        let header = file.cast::<Header>();
        if !(*header).place.is_null() {
            drop(Box::from_raw((*header).place));
            (*header).place = ptr::null_mut();
        }
    }
    closed
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, at: i64) -> c_int {
    // SAFETY: SQLite calls it on an open file.
    if let Some(place) = unsafe { on_disk(file) }
        && let Some(fault) = place.disk.refuses(Operation::Read)
    {
        return code(Operation::Read, fault);
    }
    forward!(file, xRead, to, length, at)
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, at: i64) -> c_int {
    // SAFETY: SQLite calls it on an open file.
    let place = unsafe { on_disk(file) };
    let fault = place.and_then(|place| place.disk.refuses(Operation::Write));
    let done = match fault {
        Some(Fault::Full) => length / 2,
        Some(_) => 0,
        None => length,
    };
    let written = if done > 0 { forward!(file, xWrite, from, done, at) } else { ffi::SQLITE_OK };
    if written == ffi::SQLITE_OK
        && let (Some(place), Ok(at), Ok(done)) = (place, usize::try_from(at), usize::try_from(done))
    {
        // SAFETY: SQLite gives `length` bytes, and `done` is not more.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), done) };
        place.disk.changed(&place.path, Change::Write(at, bytes.to_vec()));
    }
    fault.map_or(written, |fault| code(Operation::Write, fault))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: SQLite calls it on an open file.
    let place = unsafe { on_disk(file) };
    if let Some(fault) = place.and_then(|place| place.disk.refuses(Operation::Write)) {
        return code(Operation::Write, fault);
    }
    if let (Some(place), Ok(length)) = (place, usize::try_from(length)) {
        place.disk.changed(&place.path, Change::Cut(length));
    }
    forward!(file, xTruncate, length)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite calls it on an open file.
    let place = unsafe { on_disk(file) };
    if let Some(fault) = place.and_then(|place| place.disk.refuses(Operation::Sync)) {
        return code(Operation::Sync, fault);
    }
    if let Some(place) = place {
        place.disk.synced(&place.path);
    }
    // The disk of the tests is in memory: no wait for the real one.
    if place.is_some() { ffi::SQLITE_OK } else { forward!(file, xSync, flags) }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    forward!(file, xFileSize, size)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    forward!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    forward!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    forward!(file, xCheckReservedLock, out)
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    forward!(file, xFileControl, operation, argument)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    forward!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    forward!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    forward!(file, xShmMap, region, size, extend, out)
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    forward!(file, xShmLock, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: as `forward!`, for a function that returns nothing.
    unsafe {
        let inner = inner(file);
        if let Some(barrier) = (*(*inner).pMethods).xShmBarrier {
            barrier(inner);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, remove: c_int) -> c_int {
    forward!(file, xShmUnmap, remove)
}
