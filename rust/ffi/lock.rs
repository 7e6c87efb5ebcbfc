//! What a cache never forgets by itself: locks with fencing tokens, counters of rates, and who is making a value (single flight).
//! `store` says which cache. Names are bytes, at most 64 KiB, and none of them is a key's.

use std::ffi::c_char;

use super::slice::{Out, Output};
use super::status::Status;
use super::store::{deliver, expiry, key, value};
use super::{panic, stores};
use crate::cache::{Flight, Rate};

/// Takes the lock of a name for `ttl_ms`, and sets `*token` to its fencing token, or to 0 when somebody has it. Of two tokens of a
/// cache the later one is the larger, so who guards what a lock is for refuses tokens below the last one it saw.
///
/// Errors: `CACHE_VALUE_TOO_LARGE` (no room for locks), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `name` must be null with length 0 or readable for its length; `token` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_lock_take(
    store: u64,
    name: *const c_char,
    name_len: usize,
    ttl_ms: u64,
    token: *mut u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut token, name) = unsafe { (Out::new("token", token)?, key(name, name_len)?) };
        token.set(stores::with(store, |store| store.lock(name, ttl_ms))?.unwrap_or(0));
        Ok(())
    })
}

/// Gives a lock back; `*held` is 0 when it wasn't the token's any more.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `name` must be null with length 0 or readable for its length; `held` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_lock_release(
    store: u64,
    name: *const c_char,
    name_len: usize,
    token: u64,
    held: *mut u8,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut held, name) = unsafe { (Out::new("held", held)?, key(name, name_len)?) };
        held.set(u8::from(stores::with(store, |store| store.unlock(name, token))?));
        Ok(())
    })
}

/// Keeps a lock for `ttl_ms` from now on; `*held` is 0 when it isn't the token's any more.
///
/// Errors: those of `lyger_lock_take`. Any thread.
///
/// # Safety
/// `name` must be null with length 0 or readable for its length; `held` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_lock_extend(
    store: u64,
    name: *const c_char,
    name_len: usize,
    token: u64,
    ttl_ms: u64,
    held: *mut u8,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut held, name) = unsafe { (Out::new("held", held)?, key(name, name_len)?) };
        held.set(u8::from(stores::with(store, |store| store.extend_lock(name, token, ttl_ms))?));
        Ok(())
    })
}

/// Sets `*token` to that of the lock's holder, 0 when nobody has it.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `name` must be null with length 0 or readable for its length; `token` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_lock_holder(
    store: u64,
    name: *const c_char,
    name_len: usize,
    token: *mut u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut token, name) = unsafe { (Out::new("token", token)?, key(name, name_len)?) };
        token.set(stores::with(store, |store| store.lock_holder(name))?.unwrap_or(0));
        Ok(())
    })
}

fn tell(rate: Option<Rate>, (count, ends_at): (&mut Out<u64>, &mut Out<u64>)) {
    let Rate { count: times, ends_at: end } = rate.unwrap_or(Rate { count: 0, ends_at: 0 });
    count.set(times);
    ends_at.set(end);
}

/// Counts one more time of what `name` names, in a window of `window_ms` that begins with the first time. Sets `*count` to how often it
/// was in this window, this time included, and `*ends_at` to the window's end in milliseconds since 1970.
///
/// Errors: `CACHE_VALUE_TOO_LARGE` (no room for counters), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `name` must be null with length 0 or readable for its length; `count` and `ends_at` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_rate_count(
    store: u64,
    name: *const c_char,
    name_len: usize,
    window_ms: u64,
    count: *mut u64,
    ends_at: *mut u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut count, mut ends_at) = unsafe { (Out::new("count", count)?, Out::new("ends_at", ends_at)?) };
        // SAFETY: the same.
        let name = unsafe { key(name, name_len) }?;
        let rate = stores::with(store, |store| store.count_rate(name, window_ms))?;
        tell(Some(rate), (&mut count, &mut ends_at));
        Ok(())
    })
}

/// What `lyger_rate_count` last said, without counting; both are 0 when no window is under way.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `name` must be null with length 0 or readable for its length; `count` and `ends_at` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_rate_read(
    store: u64,
    name: *const c_char,
    name_len: usize,
    count: *mut u64,
    ends_at: *mut u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut count, mut ends_at) = unsafe { (Out::new("count", count)?, Out::new("ends_at", ends_at)?) };
        // SAFETY: the same.
        let name = unsafe { key(name, name_len) }?;
        tell(stores::with(store, |store| store.rate(name))?, (&mut count, &mut ends_at));
        Ok(())
    })
}

/// Ends the window of a name, so that the next time is the first of another one.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `name` must be null with length 0 or readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_rate_reset(store: u64, name: *const c_char, name_len: usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let name = unsafe { key(name, name_len) }?;
        stores::with(store, |store| store.reset_rate(name)).map(drop)
    })
}

/// The value under `key`, to `buf`, with `*token` 0. When there is none, the first one to ask is to make it within `patience_ms`, and
/// then `*token` isn't 0: `lyger_flight_land` puts the value, `lyger_flight_abandon` lets another make it. To all others `NOT_FOUND`
/// with a `*token` of 0 says to ask again a little later. Where there is no room for one more maker's lock, whoever asks is to make it.
///
/// Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (see `lyger_store_output`), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`; of
/// a full server `CACHE_VALUE_TOO_LARGE`. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`; `token` must
/// be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_flight_take_off(
    store: u64,
    key: *const c_char,
    key_len: usize,
    patience_ms: u64,
    token: *mut u64,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut out, mut output) = unsafe { (Out::new("token", token)?, Output::new(buf, cap, needed)?) };
        // SAFETY: the same.
        let key = unsafe { self::key(key, key_len) }?;
        let (flight, value) = stores::with(store, |store| store.take_off(key, patience_ms))?;
        out.set(if let Flight::Yours { token } = flight { token } else { 0 });
        match flight {
            Flight::Landed(_) => deliver(&mut output, value),
            Flight::Yours { .. } | Flight::Others => Err(super::cache::missing()),
        }
    })
}

/// Puts the value that `lyger_flight_take_off` asked for. `*landed` is 0 when it took longer than `patience_ms`, so that somebody else
/// may be making it: nothing is stored then.
///
/// Errors: those of `lyger_store_put`, `INVALID_ARGUMENT` (an unknown expiry); whoever asks next is to make it. Any thread.
///
/// # Safety
/// `key` and `value` must be null with length 0 or readable for their length; `landed` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_flight_land(
    store: u64,
    key: *const c_char,
    key_len: usize,
    token: u64,
    value: *const c_char,
    value_len: usize,
    expiry: u32,
    ms: u64,
    landed: *mut u8,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut landed, key) = unsafe { (Out::new("landed", landed)?, self::key(key, key_len)?) };
        // SAFETY: the same.
        let value = unsafe { self::value("value", value, value_len) }?;
        let expiry = self::expiry(expiry, ms)?;
        landed.set(u8::from(stores::with(store, |store| store.land(key, token, value, expiry))?));
        Ok(())
    })
}

/// Lets somebody else make the value that `lyger_flight_take_off` asked for. Another's token changes nothing.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_flight_abandon(store: u64, key: *const c_char, key_len: usize, token: u64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let key = unsafe { self::key(key, key_len) }?;
        stores::with(store, |store| store.abandon(key, token))
    })
}
