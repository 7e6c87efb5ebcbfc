//! The cache: the seeds' functions over C strings, and their siblings that carry lengths and can say what went wrong.
//!
//! All share one table. Any thread may call them at once; a forked child of a process that used the engine gets
//! `WRONG_PROCESS`. Keys and values are bytes: NUL and invalid UTF-8 are welcome where a length is carried.

use std::ffi::c_char;
use std::sync::{PoisonError, RwLock};

use super::error::Failure;
use super::slice::{KEY_BYTES_MAX, Out, Output, VALUE_BYTES_MAX, bytes, c_bytes};
use super::status::Status;
use super::{panic, settings, strings};
use crate::cache::Cache;
use crate::runtime;

// Made at the first use, with the limit of that moment; gone after a release. The lock guards the place and not the
// table, which is safe to share by itself, so that calls only ever wait for a start or a release.
static CACHE: RwLock<Option<Cache>> = RwLock::new(None);

fn with_cache<T>(body: impl FnOnce(&Cache) -> T) -> Result<T, Failure> {
    runtime::claim()?;
    if let Some(cache) = &*CACHE.read().unwrap_or_else(PoisonError::into_inner) {
        return Ok(body(cache));
    }
    let mut place = CACHE.write().unwrap_or_else(PoisonError::into_inner);
    if place.is_none() {
        let [bytes_max] = settings::start_with([settings::Key::CacheBytesMax])?;
        *place = Some(Cache::new(bytes_max));
    }
    Ok(body(place.as_ref().expect("just made")))
}

/// Drops the table and everything in it.
pub(super) fn release() {
    *CACHE.write().unwrap_or_else(PoisonError::into_inner) = None;
}

fn missing() -> Failure {
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
        Ok(with_cache(|cache| cache.store(key, value))??)
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
        let value = with_cache(|cache| cache.fetch(key))?;
        found = value.is_some();
        strings::issue(value.as_deref().unwrap_or_default())
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
        with_cache(|cache| cache.remove(key))?;
        Ok(())
    });
}

/// Forgets every key. `lyger_last_error` says `WRONG_PROCESS` when nothing was done. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_cache_clear() {
    panic::value((), || with_cache(Cache::purge));
}

/// How many keys the cache has; 0 on an error (`WRONG_PROCESS`). Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_cache_size() -> u64 {
    panic::value(0, || with_cache(Cache::count))
}

/// Keeps `value` under `key`, in place of the value before. Both may hold any bytes, and the engine copies them.
///
/// Errors: `NULL_POINTER`, `TOO_LONG` (a key above 64 KiB, a value above 1 GiB), `CACHE_VALUE_TOO_LARGE` (key and value
/// are more than 97% of `cache.bytes_max`; the value before stays), `INVALID_CONFIG` (in the environment),
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
        Ok(with_cache(|cache| cache.store(key, value))??)
    })
}

/// Copies the value under `key` to `buf` when `cap` bytes hold it, and sets `*needed` to its length.
///
/// Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`, `TOO_LONG` (a key above 64 KiB),
/// `WRONG_PROCESS`. Any thread; another one may change the value between two calls.
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
        let value = with_cache(|cache| cache.fetch(key))?.ok_or_else(missing)?;
        output.fill(&value)
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
        if with_cache(|cache| cache.remove(key))? { Ok(()) } else { Err(missing()) }
    })
}

/// Forgets every key. Errors: `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_cache_purge() -> Status {
    panic::status(|| with_cache(Cache::purge))
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
        out.set(with_cache(Cache::count)?);
        Ok(())
    })
}
