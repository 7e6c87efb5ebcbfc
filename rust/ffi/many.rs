//! Several keys of a cache in one call, and the cache as a whole. `store` says which cache, and what holds for all of its functions.
//!
//! Keys and values come and go packed: each is its length, 4 bytes of a little-endian number, and then its bytes. A value that
//! isn't there has the length 2^32 - 1 and no bytes.

use std::ffi::c_char;

use serde_json::json;

use super::error::Failure;
use super::slice::{BODY_BYTES_MAX, KEY_BYTES_MAX, Out, Output, bytes};
use super::status::Status;
use super::store::{deliver, expiry};
use super::{panic, stores};

/// What all keys and values of a call may have: some of the largest values, as with a response's body.
const MANY_BYTES_MAX: usize = BODY_BYTES_MAX;
/// A value that isn't there.
const ABSENT: u32 = u32::MAX;
/// As many keys as one call of `lyger_store_scan` tells of, about: its buffer is the caller's to bound.
const SCAN_KEYS_MAX: u64 = 1 << 20;

fn pack(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    into.extend_from_slice(bytes);
}

/// What was packed.
///
/// # Safety
/// As [`bytes`].
unsafe fn unpack<'a>(what: &'static str, ptr: *const c_char, len: usize) -> Result<Vec<&'a [u8]>, Failure> {
    // SAFETY: the caller's promise, passed on.
    let mut rest = unsafe { bytes(what, ptr, len, MANY_BYTES_MAX) }?;
    let mut items = Vec::new();
    while !rest.is_empty() {
        let item = rest.split_first_chunk::<4>().and_then(|(length, after)| {
            rest = after;
            rest.split_off(..u32::from_le_bytes(*length) as usize)
        });
        items.push(item.ok_or_else(|| {
            Failure::new(Status::InvalidArgument, format!("{what} ends amid its item {}", items.len())).with_value(what)
        })?);
    }
    Ok(items)
}

/// # Safety
/// As [`bytes`].
unsafe fn unpack_keys<'a>(ptr: *const c_char, len: usize) -> Result<Vec<&'a [u8]>, Failure> {
    // SAFETY: the caller's promise, passed on.
    let keys = unsafe { unpack("keys", ptr, len) }?;
    keys.iter().try_for_each(|key| check_key(key)).map(|()| keys)
}

fn check_key(key: &[u8]) -> Result<(), Failure> {
    if key.len() > KEY_BYTES_MAX {
        let message = format!("key has {} bytes and may have {KEY_BYTES_MAX}", key.len());
        return Err(Failure::new(Status::TooLong, message).with_value(key.len()));
    }
    Ok(())
}

/// The values under packed keys, packed in their order, to `buf`: all of the same moment.
///
/// Errors: `BUFFER_TOO_SMALL` (see `lyger_store_output`), `INVALID_ARGUMENT` (`keys` ends amid one), `INVALID_HANDLE`, `NULL_POINTER`,
/// `TOO_LONG` (a key above 64 KiB, all above 1 GiB), `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `keys` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_get_many(
    store: u64,
    keys: *const c_char,
    keys_len: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut output, keys) = unsafe { (Output::new(buf, cap, needed)?, unpack_keys(keys, keys_len)?) };
        let mut packed = Vec::new();
        for value in stores::with(store, |store| store.get_many(&keys))? {
            match value {
                Some(value) => pack(&mut packed, &value),
                None => packed.extend_from_slice(&ABSENT.to_le_bytes()),
            }
        }
        deliver(&mut output, packed)
    })
}

/// Keeps values under keys, packed by turns, and with an `if_missing` that isn't 0 only if none of these keys is there (MSETNX);
/// `*stored` says whether that was so. Nobody sees a part of them, but for a cluster's keys in several slots.
///
/// Errors: `CACHE_VALUE_TOO_LARGE` (the pairs before the one that has no room are stored), `INVALID_ARGUMENT` (`pairs` ends amid one, an
/// unknown expiry), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG` (a key above 64 KiB, all above 1 GiB), `WRONG_PROCESS`.
/// Any thread.
///
/// # Safety
/// `pairs` must be null with length 0 or readable for its length; `stored` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_set_many(
    store: u64,
    pairs: *const c_char,
    pairs_len: usize,
    if_missing: u8,
    expiry: u32,
    ms: u64,
    stored: *mut u8,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut stored, items) = unsafe { (Out::new("stored", stored)?, unpack("pairs", pairs, pairs_len)?) };
        let expiry = self::expiry(expiry, ms)?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(Failure::new(Status::InvalidArgument, "pairs ends with a key").with_value("pairs"));
        };
        let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|&[key, value]| (key, value)).collect();
        pairs.iter().try_for_each(|(key, _)| check_key(key))?;
        let done = stores::with(store, |store| match if_missing {
            0 => store.set_many(&pairs, expiry).map(|()| true),
            _ => store.set_many_if_missing(&pairs, expiry),
        });
        stored.set(u8::from(done?));
        Ok(())
    })
}

/// Forgets packed keys, and sets `*removed` to how many of them were there.
///
/// Errors: `INVALID_ARGUMENT` (`keys` ends amid one), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG` (a key above 64 KiB, all above 1 GiB),
/// `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `keys` must be null with length 0 or readable for its length; `removed` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_delete_many(
    store: u64,
    keys: *const c_char,
    keys_len: usize,
    removed: *mut u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut removed, keys) = unsafe { (Out::new("removed", removed)?, unpack_keys(keys, keys_len)?) };
        removed.set(stores::with(store, |store| store.delete_many(&keys))?);
        Ok(())
    })
}

/// Tells some keys, packed, to `buf`: about `count`, and sets `*next` to the cursor to go on with. A scan begins with cursor 0 and has
/// ended when `*next` is 0. Every key that is there from its beginning to its end is told, perhaps twice.
///
/// Errors: `BUFFER_TOO_SMALL` (`*next` is right, and `lyger_store_output` has the keys), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`,
/// `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `buf` must be writable for `cap` bytes, `needed` for one `size_t`; `next` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_scan(
    store: u64,
    cursor: u64,
    count: u64,
    next: *mut u64,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (mut next, mut output) = unsafe { (Out::new("next", next)?, Output::new(buf, cap, needed)?) };
        let mut packed = Vec::new();
        let count = count.clamp(1, SCAN_KEYS_MAX) as usize;
        next.set(stores::with(store, |store| store.scan(cursor, count, |key| pack(&mut packed, key)))?);
        deliver(&mut output, packed)
    })
}

/// Sets `*keys` to how many keys there are, with those that have expired and that nobody has met since.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `keys` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_size(store: u64, keys: *mut u64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut keys = unsafe { Out::new("keys", keys) }?;
        keys.set(stores::with(store, |store| store.len())?);
        Ok(())
    })
}

/// Forgets every key. Locks, counters, tokens and sessions stay.
///
/// Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_store_clear(store: u64) -> Status {
    panic::status(|| stores::with(store, |store| store.clear()))
}

/// What there is and what has happened, as a JSON object of numbers, to `buf`: `keys`, `keys_expiring`, `bytes`, `bytes_max`,
/// `memory_bytes`, `hits`, `misses`, `evictions`, `expirations`, `recoveries`, and how full the shares are that nothing is evicted
/// from: `rate_bytes`, `lock_bytes`, `flight_bytes` (makers' locks), `session_bytes`, each with its `_max`. Of a cache that was opened
/// only `keys`, as its server counts them.
///
/// Errors: `BUFFER_TOO_SMALL`, `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `buf` must be writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_stats(store: u64, buf: *mut c_char, cap: usize, needed: *mut usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        let stats = stores::with(store, |store| store.stats())?;
        let stats = match stats {
            Err(keys) => json!({ "keys": keys }),
            Ok(stats) => stats.to_json(),
        };
        deliver(&mut output, stats.to_string().into_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(packed: &[u8]) -> Result<Vec<&[u8]>, Status> {
        // SAFETY: a slice's own pointer and length.
        unsafe { unpack("keys", packed.as_ptr().cast(), packed.len()) }.map_err(|failure| failure.status())
    }

    #[test]
    fn what_ends_amid_an_item_is_refused() {
        let mut packed = Vec::new();
        pack(&mut packed, b"");
        pack(&mut packed, b"ab");
        assert_eq!(read(&packed), Ok(vec![&b""[..], b"ab"]));
        for end in [1, 3, 5, 9] {
            assert_eq!(read(&packed[..end]), Err(Status::InvalidArgument), "{end} bytes");
        }
        assert_eq!(read(&[0xff; 8]), Err(Status::InvalidArgument));
    }
}
