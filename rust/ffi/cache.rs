//! The cache: the seeds' functions over C strings, and their siblings that carry lengths and can say what went wrong.
//!
//! All share one table. Any thread may call them at once; a forked child of a process that used the engine gets
//! `WRONG_PROCESS`. Keys and values are bytes: NUL and invalid UTF-8 are welcome where a length is carried.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::c_char;
use std::io;
use std::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::Failure;
use super::slice::{KEY_BYTES_MAX, Out, Output, VALUE_BYTES_MAX, bytes, c_bytes};
use super::status::Status;
use super::{panic, settings, strings};
use crate::cache::{BYTES_MAX_DEFAULT, Full, SnapshotError, Table, on_wiped};
use crate::runtime;

// Made at the first use, with the limit of that moment; gone after a release. The lock guards the place and not the
// table, which is safe to share by itself, so that calls only ever wait for a start or a release.
static CACHE: RwLock<Option<Table>> = RwLock::new(None);

/// In a worker of a fleet: the file of the table that all of them share.
static SHARED: OnceLock<OwnedFd> = OnceLock::new();

/// A worker could not share that table.
static ALONE: AtomicBool = AtomicBool::new(false);

pub(super) fn with_cache<T>(body: impl FnOnce(&Table) -> T) -> Result<T, Failure> {
    runtime::claim()?;
    if let Some(cache) = &*CACHE.read().unwrap_or_else(PoisonError::into_inner) {
        return Ok(body(cache));
    }
    let mut place = CACHE.write().unwrap_or_else(PoisonError::into_inner);
    if place.is_none() {
        let [bytes_max] = settings::start_with([settings::Key::CacheBytesMax])?;
        let table = open(SHARED.get(), bytes_max);
        *place = Some(table.map_err(|error| Failure::new(Status::ServerFailed, format!("the cache: {error}")))?);
    }
    Ok(body(place.as_ref().expect("just made")))
}

/// The table that others share, or one for this process alone: where there is no other, or where that one can't be had. A new
/// version of the engine may meet the old one's after a reload.
fn open(shared: Option<&OwnedFd>, bytes_max: u64) -> io::Result<Table> {
    tell_of_losses();
    let Some(file) = shared else { return Table::in_process(bytes_max) };
    match attach(file) {
        Ok(table) => {
            let theirs = table.stats().bytes_max;
            if bytes_max != theirs && bytes_max != BYTES_MAX_DEFAULT {
                say(&format!(
                    "cache.bytes_max is {bytes_max} for this worker, and {theirs} for the cache that all share"
                ));
            }
            Ok(table)
        }
        Err(error) => {
            say(&format!("this worker has a cache of its own until the fleet is started anew: {error}"));
            ALONE.store(true, Relaxed);
            Table::in_process(bytes_max)
        }
    }
}

/// From here on it is said when keys were lost with a worker that has died amid a change.
pub(super) fn tell_of_losses() {
    on_wiped(|| {
        say(
            "who was changing the cache has died amid it: the shard that it was changing is emptied, and its keys are lost",
        )
    });
}

fn say(line: &str) {
    runtime::say::say(io::stderr(), &format!("lyger: {line}\n"));
}

#[cfg(target_os = "linux")]
fn attach(file: &OwnedFd) -> io::Result<Table> {
    Table::attach(file.as_fd())
}

#[cfg(not(target_os = "linux"))]
fn attach(_file: &OwnedFd) -> io::Result<Table> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A table for the workers of a fleet, and its file.
#[cfg(target_os = "linux")]
pub(super) fn create_shared(bytes_max: u64) -> io::Result<(Table, OwnedFd)> {
    Table::shared(bytes_max)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn create_shared(_bytes_max: u64) -> io::Result<(Table, OwnedFd)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The table of this process, for who serves others with it.
pub(super) fn table() -> Result<Table, Failure> {
    with_cache(Table::clone)
}

/// The files that this process's table was loaded from: once more, and what has been deleted since would be back.
static LOADED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Loads what was saved, once, and says how much that was. Where there is no file there is nothing to load; a fleet's table is loaded
/// by its master. Where nothing could be saved there, nothing begins.
pub(super) fn load(table: &Table, path: &Path) -> Result<(), Failure> {
    Table::probe(path)?;
    let mut loaded_before = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if SHARED.get().is_some() || loaded_before.contains(path) {
        return Ok(());
    }
    if let Some(loaded) = table.load(path, now())? {
        say(&format!("the cache's snapshot {}: {loaded}", path.display()));
    }
    loaded_before.insert(path.to_owned());
    Ok(())
}

impl From<SnapshotError> for Failure {
    fn from(error: SnapshotError) -> Self {
        Self::new(Status::ServerFailed, error.to_string())
    }
}

/// Whether this process, a worker, could not share the fleet's table.
pub(super) fn is_alone() -> bool {
    ALONE.load(Relaxed)
}

/// From here on this process, a worker, uses the fleet's table.
pub(super) fn share(file: OwnedFd) {
    let _ = SHARED.set(file); // a process becomes a worker once
    release();
}

/// Drops the table: everything in it, unless others share it.
pub(super) fn release() {
    *CACHE.write().unwrap_or_else(PoisonError::into_inner) = None;
    LOADED.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Milliseconds since 1970: what expiries are counted in.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

fn put(key: &[u8], value: &[u8]) -> Result<(), Failure> {
    let done: Result<(), Full> = with_cache(|cache| cache.update(key, now(), |slot| slot.put(&[value], None)))?;
    Ok(done?)
}

pub(super) fn missing() -> Failure {
    Failure::new(Status::NotFound, "the cache has no such key")
}

/// Keeps `value` under `key`, in place of the value before.
///
/// Both are C strings: `key` of at most 64 KiB, `value` of at most 1 GiB and of what `cache.bytes_max` allows. On an error
/// nothing is stored, and `lyger_last_error` says `NULL_POINTER`, `TOO_LONG`, `CACHE_VALUE_TOO_LARGE`, `INVALID_CONFIG`
/// (in the environment) or `WRONG_PROCESS`. The engine copies both. Any thread.
///
/// # Safety
/// Each pointer must be null or readable up to its NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_cache_set(key: *const c_char, value: *const c_char) {
    panic::value((), || {
        // SAFETY: the caller's promise, passed on.
        let (key, value) = unsafe { (c_bytes("key", key, KEY_BYTES_MAX)?, c_bytes("value", value, VALUE_BYTES_MAX)?) };
        put(key, value)
    });
}

/// The value under `key`, as a string that the caller gives back to `lyger_free_string`.
///
/// `""` when there is none, and then `lyger_last_error` says `NOT_FOUND`. NULL on an error: `NULL_POINTER`, `TOO_LONG`
/// (above 64 KiB), `INVALID_ARGUMENT` (the value has a NUL byte: use `lyger_cache_fetch`), `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `key` must be null or readable up to its NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_cache_get(key: *const c_char) -> *mut c_char {
    let mut found = true;
    let value = panic::value(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise, passed on.
        let key = unsafe { c_bytes("key", key, KEY_BYTES_MAX) }?;
        let mut value = Vec::new();
        found = with_cache(|cache| cache.get(key, now(), &mut value))?.is_some();
        strings::issue(value)
    });
    if !found && !value.is_null() {
        super::error::remember(Some(missing()));
    }
    value
}

/// Forgets `key`. A key that isn't there is no error.
///
/// `lyger_last_error` says `NULL_POINTER`, `TOO_LONG` (above 64 KiB) or `WRONG_PROCESS` when nothing was done. Any thread.
///
/// # Safety
/// `key` must be null or readable up to its NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_cache_delete(key: *const c_char) {
    panic::value((), || {
        // SAFETY: the caller's promise, passed on.
        let key = unsafe { c_bytes("key", key, KEY_BYTES_MAX) }?;
        with_cache(|cache| cache.delete(key, now()))?;
        Ok(())
    });
}

/// Forgets every key. `lyger_last_error` says `WRONG_PROCESS` when nothing was done. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_cache_clear() {
    panic::value((), || with_cache(Table::clear));
}

/// How many keys the cache has; 0 on an error (`WRONG_PROCESS`). Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_cache_size() -> u64 {
    panic::value(0, || with_cache(Table::len))
}

/// Keeps `value` under `key`, in place of the value before. Both may hold any bytes, and the engine copies them.
///
/// Errors: `NULL_POINTER`, `TOO_LONG` (a key above 64 KiB, a value above 1 GiB), `CACHE_VALUE_TOO_LARGE` (key and value
/// are more than `cache.bytes_max`, or the value more than 512 MiB; the value before stays), `INVALID_CONFIG` (in the environment),
/// `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// Each pointer must be null with length 0, or readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_cache_store(
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let key = unsafe { bytes("key", key, key_len, KEY_BYTES_MAX) }?;
        // SAFETY: the same.
        let value = unsafe { bytes("value", value, value_len, VALUE_BYTES_MAX) }?;
        put(key, value)
    })
}

/// Copies the value under `key` to `buf` when `cap` bytes hold it, and sets `*needed` to its length.
///
/// Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL`, `NULL_POINTER`, `TOO_LONG` (a key above 64 KiB), `WRONG_PROCESS`. Any thread; another
/// one may change the value between two calls, and during one: after `NOT_FOUND` and `BUFFER_TOO_SMALL` what is in `buf` means
/// nothing.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_cache_fetch(
    key: *const c_char,
    key_len: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        // SAFETY: the same.
        let key = unsafe { bytes("key", key, key_len, KEY_BYTES_MAX) }?;
        // The buffer is written while the key is still compared.
        let key = if output.overlaps(key) { Cow::Owned(key.to_vec()) } else { Cow::Borrowed(key) };
        let room: *mut [u8] = output.room();
        // SAFETY: bytes that may be anything, and the table puts only bytes there; nobody else has the buffer for this call.
        let room = unsafe { &mut *(room as *mut [MaybeUninit<u8>]) };
        let found = with_cache(|cache| cache.copy(&key, now(), room))?.ok_or_else(missing)?;
        output.reserve(found.len)
    })
}

/// Forgets `key`.
///
/// Errors: `NOT_FOUND`, `NULL_POINTER`, `TOO_LONG` (above 64 KiB), `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_cache_remove(key: *const c_char, key_len: usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let key = unsafe { bytes("key", key, key_len, KEY_BYTES_MAX) }?;
        if with_cache(|cache| cache.delete(key, now()))? { Ok(()) } else { Err(missing()) }
    })
}

/// Forgets every key. Errors: `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_cache_purge() -> Status {
    panic::status(|| with_cache(Table::clear))
}

/// Sets `*out` to how many keys the cache has. Errors: `NULL_POINTER`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `out` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_cache_count(out: *mut u64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("out", out) }?;
        out.set(with_cache(Table::len)?);
        Ok(())
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_cannot_share_a_cache_has_one_of_its_own() {
        let (first, file) = Table::shared(1 << 20).unwrap();
        first.update(b"k", 0, |slot| slot.put(&[b"v"], None)).unwrap();
        assert!(open(Some(&file), 2 << 20).unwrap().peek(b"k", 0).is_some());
        // As another version of the engine leaves it.
        std::os::unix::fs::FileExt::write_all_at(&std::fs::File::from(file.try_clone().unwrap()), b"older", 0).unwrap();
        let own = open(Some(&file), 2 << 20).unwrap();
        assert!(own.peek(b"k", 0).is_none() && own.stats().bytes_max == 2 << 20);
    }
}
