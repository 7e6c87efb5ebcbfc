//! Text without vector instructions: the fallback of every CPU, what the others do with text that isn't UTF-8, and
//! the plainest thing to compare them with.

use super::{Copier, put};

pub(super) struct Portable;

impl Copier for Portable {
    #[inline(always)]
    unsafe fn copy(from: *const u8, len: usize, to: *mut u8) {
        // SAFETY: the caller says that both sides are that long; they are borrowed apart.
        unsafe { to.copy_from_nonoverlapping(from, len) };
    }

    #[inline(always)]
    unsafe fn escape(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { escape(std::slice::from_raw_parts(from, len), to) }
    }
}

/// What stands for a byte: nothing (0) for itself, `u` for `\u00xx`, else the letter behind the backslash.
static ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = b'u';
        control += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Writes text escaped, each maximal part that isn't UTF-8 as U+FFFD, and returns the end.
///
/// # Safety
/// Six bytes per byte of text fit.
pub(super) unsafe fn escape(text: &[u8], mut at: *mut u8) -> *mut u8 {
    // The usual case apart: this check knows ASCII by the word, the chunks below only by the byte.
    if str::from_utf8(text).is_ok() {
        // SAFETY: the caller's.
        return unsafe { escape_valid(text, at) };
    }
    for chunk in text.utf8_chunks() {
        // SAFETY: the caller says that six bytes per byte fit; U+FFFD has three for at least one.
        unsafe {
            at = escape_valid(chunk.valid().as_bytes(), at);
            if !chunk.invalid().is_empty() {
                at = put(at, "\u{fffd}".as_bytes());
            }
        }
    }
    at
}

/// # Safety
/// Six bytes per byte of text fit.
unsafe fn escape_valid(text: &[u8], mut at: *mut u8) -> *mut u8 {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut plain_from = 0;
    let mut position = 0;
    while position < text.len() {
        if let Some(word) = text[position..].first_chunk()
            && !needs_escape(*word)
        {
            position += WORD;
            continue;
        }
        // A byte of this word, or the last bytes of the text.
        let end = text.len().min(position + WORD);
        for (position, &byte) in text[..end].iter().enumerate().skip(position) {
            let letter = ESCAPES[byte as usize];
            if letter == 0 {
                continue;
            }
            // SAFETY: the caller's.
            unsafe {
                at = put(at, &text[plain_from..position]);
                at = if letter == b'u' {
                    put(at, &[b'\\', b'u', b'0', b'0', HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]])
                } else {
                    put(at, &[b'\\', letter])
                };
            }
            plain_from = position + 1;
        }
        position = end;
    }
    // SAFETY: the caller's.
    unsafe { put(at, &text[plain_from..]) }
}

const WORD: usize = 8;

/// Whether one of eight bytes must be escaped: subtracting borrows into the highest bit of a byte that is too small.
fn needs_escape(word: [u8; WORD]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    let word = u64::from_ne_bytes(word);
    let is_zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is_control | is_zero(word ^ (ONES * b'"' as u64)) | is_zero(word ^ (ONES * b'\\' as u64))) & (ONES << 7) != 0
}
