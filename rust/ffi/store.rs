//! One key of a cache: what Redis does with strings, for the table that all workers share as for a store that was opened.
//!
//! Every function's first argument says which cache: 0 is the process's own, or its fleet's, and others are of
//! [`lyger_store_open`](super::stores::lyger_store_open); these may also answer `CONNECTION_FAILED`, `TIMEOUT`, `POOL_EXHAUSTED` and
//! `CACHE_FAILED`, whose messages say whether the call may have been carried out.
//!
//! Keys and values are bytes. What holds for all: a key has at most 64 KiB, a value at most 512 MiB and what `cache.bytes_max`
//! allows. When a value goes is an `expiry` and its `ms`: 0 never, 1 after `ms`, 2 at `ms` since 1970, 3 when the value before
//! would have; a time that is past removes it at once. A `condition` is 0 always, 1 if nothing is there, 2 if something is.
//!
//! An output that doesn't fit its buffer may be what only one call could give, as of a value that is gone: then it waits for
//! [`lyger_store_output`].

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::c_char;
use std::mem::{self, MaybeUninit};
use std::ptr;

use super::cache::{missing, now};
use super::error::Failure;
use super::panic;
use super::slice::{KEY_BYTES_MAX, Out, Output, VALUE_BYTES_MAX, bytes, null};
use super::status::Status;
use super::stores::{self, Store};
use crate::cache::{Condition, Expiry};

/// Where values are written: a structure of the caller's, filled once for many calls of `lyger_store_find`. The engine keeps
/// neither its address nor one that it holds. One thread at a time uses it.
///
/// What a call tells of the value it found lets its caller keep a copy of it: as long as `*sequence` is `version` and the time is
/// before `expires_at`, nobody has changed that value.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Reader {
    /// `sizeof(lyger_reader)`, so that a caller who has another structure in mind gets a status.
    pub size: u64,
    /// Which cache.
    pub store: u64,
    /// Where values are written, `cap` bytes.
    pub buf: *mut c_char,
    /// Its bytes.
    pub cap: usize,
    /// Set by a call: a number that changes with every change of the value, and of others beside it; null where there is none to
    /// follow. It stays readable until the process ends, and in a forked child it is 0, which no `version` is, or goes on.
    pub sequence: *const u64,
    /// Set by a call: the number when the value was read.
    pub version: u64,
    /// Set by a call: when the value goes, in milliseconds since 1970; 0 when it stays.
    pub expires_at: u64,
    /// Taken and set to 0 by a call: how often copies have been read since the last one, which is counted as hits.
    pub hits: u64,
}

thread_local! {
    /// The last output of this thread that didn't fit its buffer.
    static LEFT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes an output, or leaves it for `lyger_store_output`.
pub(super) fn deliver(output: &mut Output, bytes: Vec<u8>) -> Result<(), Failure> {
    output.fill(&bytes).inspect_err(|_| leave(bytes))
}

fn leave(bytes: Vec<u8>) {
    // A call while the thread is being torn down leaves nothing.
    let _ = LEFT.try_with(|left| left.replace(bytes));
}

/// # Safety
/// As [`bytes`].
pub(super) unsafe fn key<'a>(key: *const c_char, key_len: usize) -> Result<&'a [u8], Failure> {
    // SAFETY: the caller's promise, passed on.
    unsafe { bytes("key", key, key_len, KEY_BYTES_MAX) }
}

/// # Safety
/// As [`bytes`].
pub(super) unsafe fn value<'a>(
    what: &'static str,
    value: *const c_char,
    value_len: usize,
) -> Result<&'a [u8], Failure> {
    // SAFETY: the caller's promise, passed on.
    unsafe { bytes(what, value, value_len, VALUE_BYTES_MAX) }
}

pub(super) fn expiry(kind: u32, ms: u64) -> Result<Expiry, Failure> {
    match kind {
        0 => Ok(Expiry::Never),
        1 => Ok(Expiry::After(ms)),
        2 => Ok(Expiry::At(ms)),
        3 => Ok(Expiry::Keep),
        _ => Err(Failure::new(Status::InvalidArgument, format!("expiry is 0 to 3, and not {kind}")).with_value(kind)),
    }
}

pub(super) fn condition(number: u32) -> Result<Condition, Failure> {
    match number {
        0 => Ok(Condition::Always),
        1 => Ok(Condition::Missing),
        2 => Ok(Condition::Present),
        _ => {
            let message = format!("condition is 0, 1 or 2, and not {number}");
            Err(Failure::new(Status::InvalidArgument, message).with_value(number))
        }
    }
}

/// What an export does that works on one key.
///
/// # Safety
/// As [`bytes`].
unsafe fn on_key<T>(
    store: u64,
    key_ptr: *const c_char,
    key_len: usize,
    body: impl FnOnce(Store<'_>, &[u8]) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // SAFETY: the caller's promise, passed on.
    let key = unsafe { key(key_ptr, key_len) }?;
    stores::with(store, |store| body(store, key))
}

/// Copies the value under `key` to the reader's buffer and returns its length: a length above `cap` wrote nothing, and
/// `lyger_store_output` has the value. This is the way for who reads often: fewer arguments, of which each costs PHP's FFI some
/// 300 instructions.
///
/// An error is its status with a minus: `-NOT_FOUND`, `-INVALID_HANDLE`, `-INVALID_ARGUMENT` (a reader of another size),
/// `-NULL_POINTER`, `-TOO_LONG` (a key above 64 KiB), `-WRONG_PROCESS`, and what a store that was opened answers; what is in the
/// buffer means nothing then. Any thread.
///
/// # Safety
/// `reader` must be null or readable and writable for a `lyger_reader`, whose `buf` is null with `cap` 0 or writable for `cap` bytes.
/// `key` must be null with length 0 or readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_find(reader: *mut Reader, key: *const c_char, key_len: usize) -> i64 {
    let mut found = 0;
    let status = panic::status(|| {
        if reader.is_null() {
            return Err(null("reader"));
        }
        // SAFETY: not null, and readable by the caller's promise for this much in any case; unaligned, as C may pack it.
        let size = unsafe { (&raw const (*reader).size).read_unaligned() };
        if size != size_of::<Reader>() as u64 {
            let message = format!("reader's size is {size} instead of {}", size_of::<Reader>());
            return Err(Failure::new(Status::InvalidArgument, message).with_value(size));
        }
        // SAFETY: the same, for all of it now.
        let mut given = unsafe { reader.read_unaligned() };
        let mut needed = 0;
        // SAFETY: the caller's promise, passed on; the other pointer is of a variable.
        let mut output = unsafe { Output::new(given.buf, given.cap, &raw mut needed) }?;
        // SAFETY: the same.
        let key = unsafe { self::key(key, key_len) }?;
        let outcome = stores::with(given.store, |store| find(store, key, &mut output, &mut given));
        // SAFETY: writable by the caller's promise.
        unsafe { reader.write_unaligned(given) };
        found = outcome? as i64;
        Ok(())
    });
    if status == Status::Ok { found } else { -i64::from(status as i32) }
}

/// Copies a value in place if it fits, and leaves it if it doesn't. Its length.
fn find(store: Store<'_>, key: &[u8], output: &mut Output, reader: &mut Reader) -> Result<usize, Failure> {
    (reader.sequence, reader.version, reader.expires_at) = (ptr::null(), 0, 0);
    let hits = mem::take(&mut reader.hits);
    let Store::Table(table) = store else {
        return find_whole(store, key, output);
    };
    table.count_hits(hits);
    // The buffer is written while the key is still compared.
    let key = if output.overlaps(key) { Cow::Owned(key.to_vec()) } else { Cow::Borrowed(key) };
    let room: *mut [u8] = output.room();
    // SAFETY: bytes that may be anything, and the table puts only bytes there; nobody else has the buffer for this call.
    let room = unsafe { &mut *(room as *mut [MaybeUninit<u8>]) };
    // Few values have an expiry, and the clock costs as much as the rest: it is asked when one has.
    let (found, lent) = table
        .lend(&key, 0, room)
        .filter(|(found, _)| found.expires_at.is_none_or(|at| now() < at))
        .ok_or_else(missing)?;
    if found.len > room.len() {
        return find_whole(store, &key, output);
    }
    if let Some(lent) = lent {
        (reader.sequence, reader.version) = (lent.sequence, lent.version);
        reader.expires_at = found.expires_at.unwrap_or(0);
    }
    Ok(found.len)
}

/// The same by way of a copy. Its length decides: another one may have been put since somebody looked.
fn find_whole(store: Store<'_>, key: &[u8], output: &mut Output) -> Result<usize, Failure> {
    let value = store.get(key)?.ok_or_else(missing)?;
    let len = value.len();
    match deliver(output, value) {
        Err(failure) if failure.status() != Status::BufferTooSmall => Err(failure),
        _ => Ok(len),
    }
}

/// Writes the calling thread's last output of a `lyger_store_`, `lyger_lock_`, `lyger_rate_` or `lyger_flight_` function that didn't
/// fit its buffer. It is gone then.
///
/// Errors: `NOT_FOUND` (there is none, or an empty one), `BUFFER_TOO_SMALL` (it stays), `NULL_POINTER`, `TOO_LONG`. Any thread, any
/// process.
///
/// # Safety
/// `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_output(buf: *mut c_char, cap: usize, needed: *mut usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        let left = LEFT.try_with(RefCell::take).unwrap_or_default();
        if left.is_empty() {
            return Err(Failure::new(Status::NotFound, "no output waits for this thread"));
        }
        deliver(&mut output, left)
    })
}

/// The value under `key`, to `buf`.
///
/// Errors: `NOT_FOUND`, `BUFFER_TOO_SMALL` (see `lyger_store_output`), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`.
/// Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_get(
    store: u64,
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
        let value = unsafe { on_key(store, key, key_len, |store, key| store.get(key)) }?;
        deliver(&mut output, value.ok_or_else(missing)?)
    })
}

/// Keeps `value` under `key`, in place of the value before, for `ttl_ms`, or with 0 until it is evicted: `lyger_store_set` with fewer
/// arguments.
///
/// Errors: `CACHE_VALUE_TOO_LARGE` (the value before stays), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `INVALID_CONFIG` (in the
/// environment), `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// Each pointer must be null with length 0, or readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_put(
    store: u64,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    ttl_ms: u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let value = unsafe { self::value("value", value, value_len) }?;
        let expiry = if ttl_ms == 0 { Expiry::Never } else { Expiry::After(ttl_ms) };
        let put = |store: Store<'_>, key: &[u8]| store.set((key, value), Condition::Always, expiry, false);
        // SAFETY: the same.
        unsafe { on_key(store, key, key_len, put) }.map(drop)
    })
}

/// Keeps `value` under `key` if the condition holds, and sets `*stored` to whether it did. With a `needed` that isn't null the value
/// before goes to `buf` as well (SET's GET): `*needed` is `SIZE_MAX` when there was none.
///
/// Errors: those of `lyger_store_put`, `INVALID_ARGUMENT` (an unknown condition or expiry), `BUFFER_TOO_SMALL` (the value is
/// stored, `*stored` is right, and `lyger_store_output` has the one before). Any thread.
///
/// # Safety
/// `key` and `value` must be null with length 0 or readable for their length, `buf` writable for `cap` bytes, `needed` null or
/// writable for one `size_t`, `stored` null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_set(
    store: u64,
    key: *const c_char,
    key_len: usize,
    value: *const c_char,
    value_len: usize,
    condition: u32,
    expiry: u32,
    ms: u64,
    stored: *mut u8,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut stored = unsafe { Out::new("stored", stored) }?;
        // SAFETY: the same.
        let output = (!needed.is_null()).then(|| unsafe { Output::new(buf, cap, needed) }).transpose()?;
        // SAFETY: the same.
        let value = unsafe { self::value("value", value, value_len) }?;
        let (condition, expiry) = (self::condition(condition)?, self::expiry(expiry, ms)?);
        let set = |store: Store<'_>, key: &[u8]| store.set((key, value), condition, expiry, output.is_some());
        // SAFETY: the same.
        let written = unsafe { on_key(store, key, key_len, set) }?;
        stored.set(u8::from(written.stored));
        match (output, written.old) {
            (Some(mut output), Some(old)) => deliver(&mut output, old),
            (Some(mut output), None) => {
                output.wrote(usize::MAX);
                Ok(())
            }
            (None, _) => Ok(()),
        }
    })
}

/// Keeps `value` in place of `expected` and of nothing else, with the expiry that is there; `*stored` says whether it did.
///
/// Errors: those of `lyger_store_put`. Any thread.
///
/// # Safety
/// Each input must be null with length 0 or readable for its length; `stored` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_compare_and_set(
    store: u64,
    key: *const c_char,
    key_len: usize,
    expected: *const c_char,
    expected_len: usize,
    value: *const c_char,
    value_len: usize,
    stored: *mut u8,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut stored = unsafe { Out::new("stored", stored) }?;
        // SAFETY: the same.
        let expected = unsafe { self::value("expected", expected, expected_len) }?;
        // SAFETY: the same.
        let value = unsafe { self::value("value", value, value_len) }?;
        // SAFETY: the same.
        let done = unsafe { on_key(store, key, key_len, |store, key| store.compare_and_set(key, expected, value)) };
        stored.set(u8::from(done?));
        Ok(())
    })
}

/// Forgets `key`; `*removed` says whether it was there.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length; `removed` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_delete(
    store: u64,
    key: *const c_char,
    key_len: usize,
    removed: *mut u8,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut removed = unsafe { Out::new("removed", removed) }?;
        // SAFETY: the same.
        let count = unsafe { on_key(store, key, key_len, |store, key| store.delete_many(&[key])) }?;
        removed.set(u8::from(count > 0));
        Ok(())
    })
}

/// Sets `*ttl_ms` to how long the value under `key` stays: -1 when it has no expiry, -2 when there is none. It doesn't count as a use.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length; `ttl_ms` must be null or writable for one `int64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_ttl(store: u64, key: *const c_char, key_len: usize, ttl_ms: *mut i64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("ttl_ms", ttl_ms) }?;
        // SAFETY: the same.
        let left = unsafe { on_key(store, key, key_len, |store, key| store.ttl_ms(key)) }?;
        out.set(match left {
            None => -2,
            Some(None) => -1,
            Some(Some(ms)) => i64::try_from(ms).unwrap_or(i64::MAX),
        });
        Ok(())
    })
}

/// Sets `*found` to whether there is a value under `key`. It doesn't count as a use.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length; `found` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_exists(store: u64, key: *const c_char, key_len: usize, found: *mut u8) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("found", found) }?;
        // SAFETY: the same.
        let found = unsafe { on_key(store, key, key_len, |store, key| store.peek(key)) }?;
        out.set(u8::from(found.is_some()));
        Ok(())
    })
}

/// Changes when the value under `key` goes (with expiry 0 it stays: PERSIST); `*found` says whether there is one.
///
/// Errors: `CACHE_VALUE_TOO_LARGE` (no room for an expiry), `INVALID_ARGUMENT`, `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`,
/// `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `key` must be null with length 0 or readable for its length; `found` must be null or writable for one `uint8_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_store_expire(
    store: u64,
    key: *const c_char,
    key_len: usize,
    expiry: u32,
    ms: u64,
    found: *mut u8,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("found", found) }?;
        let expiry = self::expiry(expiry, ms)?;
        // SAFETY: the same.
        let found = unsafe { on_key(store, key, key_len, |store, key| store.expire(key, expiry)) }?;
        out.set(u8::from(found));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_did_not_fit_waits_for_its_thread() {
        let (mut needed, mut buf) = (0, [0_u8; 4]);
        let ask = |cap: usize, buf: &mut [u8; 4], needed: &mut usize| {
            // SAFETY: `cap` is at most the buffer's length.
            unsafe { lyger_store_output(buf.as_mut_ptr().cast(), cap, needed) }
        };
        leave(b"left".to_vec());
        assert_eq!(std::thread::spawn(|| LEFT.take()).join().unwrap(), b"");
        assert_eq!((ask(3, &mut buf, &mut needed), needed), (Status::BufferTooSmall, 4));
        assert_eq!((ask(4, &mut buf, &mut needed), buf), (Status::Ok, *b"left"));
        assert_eq!(ask(4, &mut buf, &mut needed), Status::NotFound);
    }

    #[test]
    fn a_length_and_the_bytes_that_it_counts_are_of_the_same_value() {
        use std::sync::atomic::{AtomicBool, Ordering};

        let table = crate::cache::Table::in_process(1 << 20).unwrap();
        let put = |value: &[u8]| table.update(b"k", 0, |slot| slot.put(&[value], None)).unwrap();
        put(&[b's'; 10]);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    put(&[b'l'; 200]);
                    put(&[b's'; 10]);
                }
            });
            let (mut short, mut long, mut wrong) = (0, 0, None);
            while wrong.is_none() && (short + long < 300_000 || short == 0 || long == 0) {
                let (mut needed, mut buf) = (0, [0_u8; 64]);
                // SAFETY: numbers and null pointers, of which nothing is read.
                let mut reader: Reader = unsafe { mem::zeroed() };
                // SAFETY: the buffer has so many bytes, and both live throughout.
                let mut output = unsafe { Output::new(buf.as_mut_ptr().cast(), buf.len(), &raw mut needed) }.unwrap();
                match find(Store::Table(&table), b"k", &mut output, &mut reader).unwrap() {
                    10 if buf[..10] == [b's'; 10] => short += 1,
                    200 if LEFT.take() == [b'l'; 200] => long += 1,
                    len => wrong = Some((len, buf)),
                }
            }
            stop.store(true, Ordering::Relaxed);
            assert_eq!(wrong, None);
        });
    }
}
