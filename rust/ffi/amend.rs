//! What changes a value of a cache without replacing it, or reads a part of it: numbers, appended bytes, ranges, values that are
//! taken away. `store` says which cache, and what holds for all of its functions.

use std::ffi::c_char;

use super::cache::missing;
use super::slice::{Out, Output};
use super::status::Status;
use super::store::{deliver, expiry, key, value};
use super::{panic, stores};

/// Adds `by` to the integer under `key`, which is 0 if there is none, and sets `*sum`. The expiry stays.
///
/// Errors: `NOT_A_NUMBER` (the value is no integer of 64 bits, or the sum would be none), `CACHE_VALUE_TOO_LARGE`, `INVALID_HANDLE`,
/// `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`; the value before stays. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length; `sum` must be null or writable for one `int64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_increment(
    store: u64,
    key: *const c_char,
    key_len: usize,
    by: i64,
    sum: *mut i64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut sum, key) = unsafe { (Out::new("sum", sum)?, self::key(key, key_len)?) };
        sum.set(stores::with(store, |store| store.increment(key, by))?);
        Ok(())
    })
}

/// Adds `by` to the number under `key`, which is 0 if there is none, and sets `*sum`. The expiry stays. The value is then the
/// shortest decimal text that reads as the same double.
///
/// Errors: `NOT_A_NUMBER` (the value is none, or the sum isn't finite), and those of `lyger_store_increment`; the value before
/// stays. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length; `sum` must be null or writable for one `double`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_increment_float(
    store: u64,
    key: *const c_char,
    key_len: usize,
    by: f64,
    sum: *mut f64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut sum, key) = unsafe { (Out::new("sum", sum)?, self::key(key, key_len)?) };
        sum.set(stores::with(store, |store| store.increment_float(key, by))?);
        Ok(())
    })
}

/// Adds bytes at the end of the value under `key`, which is made if there is none, and sets `*len` to its length then.
///
/// Errors: those of `lyger_store_put`. Any thread.
///
/// # Safety
/// `key` and `value` must be null with length 0 or readable for their length; `len` must be null or writable for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_append(
    store: u64,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    len: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut len, key) = unsafe { (Out::new("len", len)?, self::key(key, key_len)?) };
        // SAFETY: the same.
        let value = unsafe { self::value("value", value, value_len) }?;
        len.set(stores::with(store, |store| store.append(key, value))?);
        Ok(())
    })
}

/// A part of the value under `key`, to `buf`: from byte `first` to `last`, which is part of it. Negative numbers count from the end.
/// No value is an empty one.
///
/// Errors: `BUFFER_TOO_SMALL` (see `lyger_store_output`), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_get_range(
    store: u64,
    key: *const c_char,
    key_len: usize,
    first: i64,
    last: i64,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut output, key) = unsafe { (Output::new(buf, cap, needed)?, self::key(key, key_len)?) };
        deliver(&mut output, stores::with(store, |store| store.get_range(key, first, last))?)
    })
}

/// Writes bytes at an offset of the value under `key`, with zeros in a gap, and sets `*len` to its length then. No bytes change nothing.
///
/// Errors: those of `lyger_store_put`. Any thread.
///
/// # Safety
/// `key` and `value` must be null with length 0 or readable for their length; `len` must be null or writable for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_set_range(
    store: u64,
    key: *const c_char,
    key_len: usize,
    offset: usize,
    value: *const c_char,
    value_len: usize,
    len: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut len, key) = unsafe { (Out::new("len", len)?, self::key(key, key_len)?) };
        // SAFETY: the same.
        let value = unsafe { self::value("value", value, value_len) }?;
        len.set(stores::with(store, |store| store.set_range(key, offset, value))?);
        Ok(())
    })
}

/// The value under `key`, to `buf`, which is forgotten (GETDEL).
///
/// Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (it is forgotten, and `lyger_store_output` has it), `INVALID_HANDLE`, `NULL_POINTER`,
/// `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_take(
    store: u64,
    key: *const c_char,
    key_len: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut output, key) = unsafe { (Output::new(buf, cap, needed)?, self::key(key, key_len)?) };
        let value = stores::with(store, |store| store.get_and_delete(key))?;
        deliver(&mut output, value.ok_or_else(missing)?)
    })
}

/// The value under `key`, to `buf`, whose expiry is changed (GETEX).
///
/// Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (the expiry is changed, and `lyger_store_output` has the value), and those of
/// `lyger_store_expire`. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_touch(
    store: u64,
    key: *const c_char,
    key_len: usize,
    expiry: u32,
    ms: u64,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut output, key) = unsafe { (Output::new(buf, cap, needed)?, self::key(key, key_len)?) };
        let expiry = self::expiry(expiry, ms)?;
        let value = stores::with(store, |store| store.get_and_expire(key, expiry))?;
        deliver(&mut output, value.ok_or_else(missing)?)
    })
}
