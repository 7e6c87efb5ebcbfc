//! Visitors' sessions: bytes under an id, which no eviction, no `lyger_store_clear` and no death drops before their time. `store` says
//! which cache. Ids are bytes, at most 64 KiB, and none of them is a key's or a lock's.
//!
//! A request opens its session, reads it, writes or touches it, and closes it:
//!
//! ```c
//! uint64_t token;
//! lyger_session_open(0, "4b1d", 4, 60000, &token);
//! if (token != 0) {
//!     lyger_session_write(0, "4b1d", 4, token, "user=7", 6, 1440000, &written);
//!     lyger_session_close(0, "4b1d", 4, token, &held);
//! }
//! ```

use std::ffi::c_char;

use super::slice::{Out, Output};
use super::status::Status;
use super::store::{deliver, key, value};
use super::{panic, stores};

/// Opens a session for `ttl_ms`, whether it is there or not, and sets `*token` to what it is written with, or to 0 when somebody else
/// has it open: ask again a little later. It is free again by `lyger_session_close`, by its time, and, but for a cache that was
/// opened, with the death of the process.
///
/// Errors: `CACHE_VALUE_TOO_LARGE` (no room for locks), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `id` must be null with length 0 or readable for its length; `token` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_session_open(
    store: u64,
    id: *const c_char,
    id_len: usize,
    ttl_ms: u64,
    token: *mut u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut token, id) = unsafe { (Out::new("token", token)?, key(id, id_len)?) };
        token.set(stores::with(store, |store| store.open_session(id, ttl_ms))?.unwrap_or(0));
        Ok(())
    })
}

/// Lets others open a session; `*held` is 0 when it wasn't the token's any more.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `id` must be null with length 0 or readable for its length; `held` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_session_close(
    store: u64,
    id: *const c_char,
    id_len: usize,
    token: u64,
    held: *mut u8,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut held, id) = unsafe { (Out::new("held", held)?, key(id, id_len)?) };
        held.set(u8::from(stores::with(store, |store| store.close_session(id, token))?));
        Ok(())
    })
}

/// A session's data, to `buf`, whoever has it open.
///
/// Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (see `lyger_store_output`), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`.
/// Any thread.
///
/// # Safety
/// `id` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_session_read(
    store: u64,
    id: *const c_char,
    id_len: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut output, id) = unsafe { (Output::new(buf, cap, needed)?, key(id, id_len)?) };
        let data = stores::with(store, |store| store.read_session(id))?;
        deliver(&mut output, data.ok_or_else(super::cache::missing)?)
    })
}

/// Puts a session's data, at most 60 KiB (a server that was opened takes 512 MiB), for `ttl_ms` from now on. `*written` is 0, and nothing was
/// written, when the token hasn't the session open any more: somebody else may have changed it since. With a token of 0 nobody has to
/// have it open, and the last one to write wins.
///
/// Errors: `CACHE_VALUE_TOO_LARGE` (too long, or no room for sessions: what was there stays), `INVALID_HANDLE`, `NULL_POINTER`,
/// `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `id` and `data` must be null with length 0 or readable for their length; `written` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_session_write(
    store: u64,
    id: *const c_char,
    id_len: usize,
    token: u64,
    data: *const c_char,
    data_len: usize,
    ttl_ms: u64,
    written: *mut u8,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut written, id) = unsafe { (Out::new("written", written)?, key(id, id_len)?) };
        // SAFETY: the same.
        let data = unsafe { value("data", data, data_len) }?;
        let token = Some(token).filter(|&token| token != 0);
        written.set(u8::from(stores::with(store, |store| store.write_session(id, token, data, ttl_ms))?));
        Ok(())
    })
}

/// Keeps a session for `ttl_ms` from now on; `*found` is 0 when there is none.
///
/// Errors: `CACHE_VALUE_TOO_LARGE` (no room for sessions), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `id` must be null with length 0 or readable for its length; `found` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_session_touch(
    store: u64,
    id: *const c_char,
    id_len: usize,
    ttl_ms: u64,
    found: *mut u8,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut found, id) = unsafe { (Out::new("found", found)?, key(id, id_len)?) };
        found.set(u8::from(stores::with(store, |store| store.touch_session(id, ttl_ms))?));
        Ok(())
    })
}

/// Removes a session; `*found` is 0 when there was none. Who has it open has lost it: what he writes by his token is refused.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `id` must be null with length 0 or readable for its length; `found` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_session_destroy(store: u64, id: *const c_char, id_len: usize, found: *mut u8) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut found, id) = unsafe { (Out::new("found", found)?, key(id, id_len)?) };
        found.set(u8::from(stores::with(store, |store| store.destroy_session(id))?));
        Ok(())
    })
}
