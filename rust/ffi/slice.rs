//! What comes in as pointer and length, and what goes out through pointers: checked once, here.
//!
//! The rules, for every function:
//! - null with length 0 is the empty string; null with a length above 0 is `NULL_POINTER`;
//! - a length above the documented maximum is `TOO_LONG`, whatever the pointer;
//! - text must be UTF-8, and may contain NUL bytes; a C string of a seed's function ends at its first;
//! - an output buffer is written only when all of it fits; `*needed` is always set, to 0 on other errors;
//! - outputs need no alignment.
//!
//! A pointer that isn't null is believed: one that points nowhere, or a length that reaches past what the caller
//! owns, is out of promise, as with every C function.

use std::ffi::{CStr, c_char};
use std::ptr::NonNull;

use super::error::Failure;
use super::status::Status;

/// DSNs: long enough for every option a driver knows.
pub(super) const DSN_BYTES_MAX: usize = 4096;
/// One statement: `MariaDB` takes 16 MiB by default too.
pub(super) const SQL_BYTES_MAX: usize = 16 << 20;
/// The packed parameters of one statement: an upload bound as bytes, at most.
pub(super) const PARAMS_BYTES_MAX: usize = 64 << 20;
/// Keys of the cache: a key is a name, not a document.
pub(super) const KEY_BYTES_MAX: usize = 64 << 10;
/// Names of headers in look-ups.
pub(super) const NAME_BYTES_MAX: usize = 64 << 10;
/// The headers of a response: far above what browsers and proxies take.
pub(super) const HEADERS_BYTES_MAX: usize = 1 << 20;
/// The body of a response; what is larger wants to be streamed.
pub(super) const BODY_BYTES_MAX: usize = 1 << 30;
/// Configuration in JSON.
pub(super) const CONFIG_BYTES_MAX: usize = 1 << 20;
/// Arrays of numbers: what 32 bits count, as a graph's offsets do.
pub(super) const NUMBERS_MAX: usize = u32::MAX as usize;
/// Packed vectors and ids: as many numbers, of which the largest have 8 bytes.
pub(super) const PACKED_BYTES_MAX: usize = NUMBERS_MAX * 8;
/// Names of files: PATH_MAX of Linux.
pub(super) const PATH_BYTES_MAX: usize = 4096;
/// Values of the cache over C strings, where the length has to be found first.
pub(super) const VALUE_BYTES_MAX: usize = 1 << 30;

/// The bytes that a pointer and a length name. `what` is the argument's name in messages.
///
/// # Safety
/// If it isn't null, `ptr` must be readable for `len` bytes, which nobody changes during `'a`.
pub(super) unsafe fn bytes<'a>(
    what: &'static str,
    ptr: *const c_char,
    len: usize,
    bytes_max: usize,
) -> Result<&'a [u8], Failure> {
    if len > bytes_max {
        let message = format!("{what} has {len} bytes and may have {bytes_max}");
        return Err(Failure::new(Status::TooLong, message).with_value(len));
    }
    match (ptr.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(null(what)),
        // SAFETY: not null, and readable for `len` bytes by the caller's promise; bytes_max is far below isize::MAX.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(ptr.cast(), len) }),
    }
}

/// As [`text`], for one SQL statement: with a NUL byte it would end there for SQLite and PostgreSQL, and run in part.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn sql<'a>(ptr: *const c_char, len: usize) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise, passed on.
    let sql = unsafe { text("sql", ptr, len, SQL_BYTES_MAX) }?;
    match sql.find('\0') {
        Some(at) => {
            let message = format!("sql has a NUL byte at {at}: bind values instead of writing them into the text");
            Err(Failure::new(Status::InvalidArgument, message).with_value(at))
        }
        None => Ok(sql),
    }
}

/// What arrays may hold: every pattern of its bits is a value.
pub(super) trait Number {}
impl Number for f32 {}
impl Number for u32 {}

/// The numbers that a pointer and a count name.
///
/// # Safety
/// If it isn't null, `ptr` must be readable for `count` numbers, which nobody changes during `'a`.
pub(super) unsafe fn numbers<'a, T: Number>(
    what: &'static str,
    ptr: *const T,
    count: usize,
) -> Result<&'a [T], Failure> {
    if check_numbers(what, ptr, count)? {
        // SAFETY: not null, aligned, and readable by the caller's promise; NUMBERS_MAX of them are fewer bytes than isize::MAX.
        Ok(unsafe { std::slice::from_raw_parts(ptr, count) })
    } else {
        Ok(&[])
    }
}

/// As [`numbers`], to be written.
///
/// # Safety
/// If it isn't null, `ptr` must be readable and writable for `count` numbers, to which nobody has access during `'a` but through
/// the slice.
pub(super) unsafe fn numbers_mut<'a, T: Number>(
    what: &'static str,
    ptr: *mut T,
    count: usize,
) -> Result<&'a mut [T], Failure> {
    if check_numbers(what, ptr, count)? {
        // SAFETY: as in `numbers`, and nobody else's by the caller's promise.
        Ok(unsafe { std::slice::from_raw_parts_mut(ptr, count) })
    } else {
        Ok(&mut [])
    }
}

/// Whether there are any.
fn check_numbers<T: Number>(what: &'static str, ptr: *const T, count: usize) -> Result<bool, Failure> {
    if count > NUMBERS_MAX {
        let message = format!("{what} has {count} numbers and may have {NUMBERS_MAX}");
        return Err(Failure::new(Status::TooLong, message).with_value(count));
    }
    if count == 0 {
        return Ok(false);
    }
    if ptr.is_null() {
        return Err(null(what));
    }
    if !ptr.is_aligned() {
        let message = format!("{what} doesn't start at a multiple of {} bytes", align_of::<T>());
        return Err(Failure::new(Status::InvalidArgument, message).with_value(what));
    }
    Ok(true)
}

/// Refuses, beside what [`numbers`] refuses, an array that is written and shares a byte with one that is read, or written too.
pub(super) fn apart<T: Number, U: Number>(
    written: (&'static str, *const T, usize),
    other: (&'static str, *const U, usize),
) -> Result<(), Failure> {
    if !check_numbers(written.0, written.1, written.2)? || !check_numbers(other.0, other.1, other.2)? {
        return Ok(());
    }
    let (start, other_start) = (written.1.addr(), other.1.addr());
    let end = start.saturating_add(written.2 * size_of::<T>());
    let other_end = other_start.saturating_add(other.2 * size_of::<U>());
    if start < other_end && other_start < end {
        let message = format!("{} overlaps {}", written.0, other.0);
        return Err(Failure::new(Status::InvalidArgument, message).with_value(written.0));
    }
    Ok(())
}

/// As [`bytes`], and UTF-8.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn text<'a>(
    what: &'static str,
    ptr: *const c_char,
    len: usize,
    bytes_max: usize,
) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise, passed on.
    utf8(what, unsafe { bytes(what, ptr, len, bytes_max) }?)
}

/// The bytes of a C string without its NUL.
///
/// # Safety
/// If it isn't null, `ptr` must be readable up to a NUL or for `bytes_max + 1` bytes, unchanged during `'a`.
pub(super) unsafe fn c_bytes<'a>(
    what: &'static str,
    ptr: *const c_char,
    bytes_max: usize,
) -> Result<&'a [u8], Failure> {
    if ptr.is_null() {
        return Err(null(what));
    }
    // SAFETY: readable up to its NUL, or for as many bytes as strnlen looks at.
    let len = unsafe { libc::strnlen(ptr, bytes_max + 1) };
    if len > bytes_max {
        return Err(Failure::new(Status::TooLong, format!("{what} has more than the {bytes_max} bytes it may have")));
    }
    // SAFETY: strnlen found a NUL at `len`.
    Ok(unsafe { CStr::from_ptr(ptr) }.to_bytes())
}

/// As [`c_bytes`], and UTF-8.
///
/// # Safety
/// As [`c_bytes`].
pub(super) unsafe fn c_text<'a>(what: &'static str, ptr: *const c_char, bytes_max: usize) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise, passed on.
    utf8(what, unsafe { c_bytes(what, ptr, bytes_max) }?)
}

fn utf8<'a>(what: &'static str, bytes: &'a [u8]) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes).map_err(|error| {
        let message = format!("{what} isn't UTF-8 at byte {}", error.valid_up_to());
        Failure::new(Status::InvalidUtf8, message).with_value(error.valid_up_to())
    })
}

pub(super) fn null(what: &'static str) -> Failure {
    Failure::new(Status::NullPointer, format!("{what} is null")).with_value(what)
}

/// A place of the caller's for one value: checked when it is taken, written when the call has succeeded.
#[derive(Debug)]
pub(super) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    /// If it isn't null, `ptr` must be writable for one `T` until the export returns.
    pub(super) unsafe fn new(what: &'static str, ptr: *mut T) -> Result<Self, Failure> {
        NonNull::new(ptr).map(Self).ok_or_else(|| null(what))
    }

    pub(super) fn set(&mut self, value: T) {
        // SAFETY: writable by the promise given to `new`; unaligned, because C and PHP may pack their structs.
        unsafe { self.0.write_unaligned(value) }
    }
}

/// A buffer of the caller's and the place for the length it needs.
#[derive(Debug)]
pub(super) struct Output {
    buf: *mut u8,
    cap: usize,
    needed: Out<usize>,
}

impl Output {
    /// Sets `*needed` to 0 until it is known.
    ///
    /// # Safety
    /// `needed`, if not null, must be writable for one `size_t`, and `buf`, if not null, for `cap` bytes, until
    /// the export returns.
    pub(super) unsafe fn new(buf: *mut c_char, cap: usize, needed: *mut usize) -> Result<Self, Failure> {
        // SAFETY: the caller's promise, passed on.
        let mut needed = unsafe { Out::new("needed", needed) }?;
        needed.set(0);
        if buf.is_null() && cap > 0 {
            return Err(null("buf"));
        }
        if isize::try_from(cap).is_err() {
            return Err(Failure::new(Status::TooLong, "no buffer has that many bytes").with_value(cap));
        }
        Ok(Self { buf: buf.cast(), cap, needed })
    }

    /// Whether the caller passed a buffer that shares bytes with an input.
    pub(super) fn overlaps(&self, input: &[u8]) -> bool {
        let (buf, input_at) = (self.buf as usize, input.as_ptr() as usize);
        buf < input_at + input.len() && input_at < buf + self.cap
    }

    /// The buffer itself, for what is written in place.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.buf.is_null() {
            return &mut [];
        }
        // SAFETY: not null, and `cap` bytes are writable by the promise given to `new`, which looked at isize::MAX.
        unsafe { std::slice::from_raw_parts_mut(self.buf, self.cap) }
    }

    /// Sets `*needed` to what was written to [`Output::room`].
    pub(super) fn wrote(&mut self, len: usize) {
        self.needed.set(len);
    }

    /// Writes all of `bytes` or, when they don't fit, nothing.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.reserve(bytes.len())?;
        if !bytes.is_empty() {
            // SAFETY: `cap` bytes are writable by the promise given to `new`, and `reserve` has compared. `copy`, because
            // the caller may pass a buffer that overlaps an input that `bytes` borrows.
            unsafe { std::ptr::copy(bytes.as_ptr(), self.buf, bytes.len()) }
        }
        Ok(())
    }

    /// Sets `*needed`, and fails when the buffer is smaller.
    pub(super) fn reserve(&mut self, len: usize) -> Result<(), Failure> {
        self.needed.set(len);
        if len > self.cap {
            // No text is formatted: asking for the length first is how callers size their buffers.
            return Err(Failure::new(Status::BufferTooSmall, "the buffer is smaller than needed").with_value(len));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> Status {
        outcome.unwrap_err().status()
    }

    #[test]
    fn null_is_empty_only_with_length_zero() {
        // SAFETY: null is what is tested; the other pointer is of a literal of that length.
        unsafe {
            assert_eq!(bytes("key", std::ptr::null(), 0, 10).unwrap(), b"");
            assert_eq!(status_of(bytes("key", std::ptr::null(), 1, 10)), Status::NullPointer);
            assert_eq!(bytes("key", b"a\0b".as_ptr().cast(), 2, 10).unwrap(), b"a\0");
        }
    }

    #[test]
    fn lengths_above_the_maximum_are_refused_before_the_memory_is_touched() {
        let nowhere = std::ptr::without_provenance(16);
        // SAFETY: never read: the length is refused.
        unsafe {
            assert_eq!(status_of(bytes("key", nowhere, 11, 10)), Status::TooLong);
            assert_eq!(status_of(bytes("key", nowhere, usize::MAX, 10)), Status::TooLong);
        }
    }

    #[test]
    fn numbers_are_counted_and_aligned() {
        let floats = [1.0_f32, 2.0];
        let nowhere = std::ptr::without_provenance::<f32>(16);
        // SAFETY: two floats are ours; the others are refused, and never read.
        unsafe {
            assert_eq!(numbers("ages", floats.as_ptr(), 2).unwrap(), floats);
            assert!(numbers::<f32>("ages", std::ptr::null(), 0).unwrap().is_empty());
            assert!(numbers("ages", nowhere.byte_add(1), 0).unwrap().is_empty());
            assert_eq!(status_of(numbers::<f32>("ages", std::ptr::null(), 1)), Status::NullPointer);
            assert_eq!(status_of(numbers("ages", nowhere, NUMBERS_MAX + 1)), Status::TooLong);
            assert_eq!(status_of(numbers("ages", nowhere.byte_add(2), 1)), Status::InvalidArgument);
        }
    }

    #[test]
    fn arrays_that_share_a_byte_are_not_apart() {
        let at = |start: usize, len: usize| ("array", std::ptr::without_provenance::<f32>(start), len);
        for (one, other) in [(at(16, 4), at(32, 4)), (at(16, 4), at(8, 2)), (at(16, 0), at(16, 4))] {
            assert!(apart(one, other).is_ok() && apart(other, one).is_ok(), "{one:?} and {other:?}");
        }
        for (one, other) in
            [(at(16, 4), at(28, 4)), (at(16, 4), at(16, 4)), (at(16, 4), at(20, 1)), (at(16, 1000), at(64, 1))]
        {
            assert!(apart(one, other).is_err() && apart(other, one).is_err(), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn c_strings_are_measured_within_their_maximum() {
        // SAFETY: literals with a NUL.
        unsafe {
            assert_eq!(c_bytes("dsn", c"1234".as_ptr(), 4).unwrap(), b"1234");
            assert_eq!(status_of(c_bytes("dsn", c"12345".as_ptr(), 4)), Status::TooLong);
            assert_eq!(status_of(c_text("dsn", c"ab\xff".as_ptr(), 4)), Status::InvalidUtf8);
            assert_eq!(status_of(c_text("dsn", std::ptr::null(), 4)), Status::NullPointer);
        }
    }

    #[test]
    fn a_buffer_that_is_too_small_is_left_alone_and_told_what_is_needed() {
        let mut buf = [0x55_u8; 4];
        let mut needed = 99_usize;
        // SAFETY: four bytes and one usize are ours.
        let mut output = unsafe { Output::new(buf.as_mut_ptr().cast(), 4, &raw mut needed) }.unwrap();
        assert_eq!(status_of(output.fill(b"12345")), Status::BufferTooSmall);
        assert!(output.fill(b"1234").is_ok());
        assert_eq!((buf, needed), (*b"1234", 4));
        let mut small = [0x55_u8; 4];
        // SAFETY: as above.
        let mut output = unsafe { Output::new(small.as_mut_ptr().cast(), 4, &raw mut needed) }.unwrap();
        assert!(output.fill(b"12345").is_err());
        assert_eq!((small, needed), ([0x55; 4], 5));
    }

    #[test]
    fn unaligned_outputs_are_written() {
        let mut place = [0_u8; 16];
        // SAFETY: eight bytes from the second on are ours.
        let mut out = unsafe { Out::new("out", place.as_mut_ptr().add(1).cast::<u64>()) }.unwrap();
        out.set(u64::MAX);
        assert_eq!(place[1..9], [0xff; 8]);
    }
}
