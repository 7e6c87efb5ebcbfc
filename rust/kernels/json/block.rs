//! Text a block of 64 bytes at a time, written once for every width of register; `zig/kernels/json/text.zig` is the
//! same.
//!
//! A block is copied first and looked at then: a mask has a bit for each byte that must be escaped, and the escapes are
//! written by walking its bits. Where a long text needs none, four blocks have one mask. UTF-8 is checked
//! only where text leaves ASCII, once for the rest of the cell; what isn't UTF-8 goes to [`portable`].
//!
//! Everything here may read 64 bytes behind its input and write 64 behind its output.
//!
//! Whatever calls an intrinsic is `#[inline(always)]` and no closure: a closure is compiled for the baseline, and what it is given to
//! (`[T; N]::map`, say) isn't always inlined. Then each of its intrinsics is a call, and all of it took five times the plainest loop's time.

use std::marker::PhantomData;

use super::{Copier, base64, portable};

/// 64 bytes in registers. A mask's lowest bit stands for the first byte.
///
/// # Safety
/// All methods need the CPU to have the implementing type's level; `load` and `store` 64 bytes of memory.
#[allow(clippy::missing_safety_doc)]
pub(super) trait Block: Copy {
    unsafe fn load(from: *const u8) -> Self;
    unsafe fn store(self, to: *mut u8);
    /// Bytes that are below a limit.
    unsafe fn below(self, limit: u8) -> u64;
    unsafe fn equal(self, byte: u8) -> u64;
    /// Bytes that aren't ASCII.
    unsafe fn high(self) -> u64;
    /// Bytes that must be escaped or aren't ASCII: one mask for both.
    unsafe fn special(self) -> u64;
    /// Copies [`STRIDE_BYTES`], and tells whether all of them are ASCII that needs no escape: one mask for them, where a block alone takes
    /// three. Half of the time of a long text.
    unsafe fn copy_plain(from: *const u8, to: *mut u8) -> bool;
    /// [`escape_strides`] in a function of its own, compiled for the level: inlined, it would take short cells their registers.
    unsafe fn escape_long(from: *const u8, len: usize, to: *mut u8) -> *mut u8;
    /// [`Copier::base64`].
    #[inline(always)]
    unsafe fn base64(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { base64::encode(std::slice::from_raw_parts(from, len), to) }
    }
}

const BYTES: usize = 64;

/// Bytes that are looked at together where nothing has to be escaped.
pub(super) const STRIDE_BYTES: usize = 4 * BYTES;

/// What a byte becomes: up to 6 bytes of text, the first one lowest, and in the highest byte how many they are. A number, because of an array of
/// bytes LLVM loads and stores the parts one by one.
static ESCAPES: [u64; 256] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut table = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = u64::from_le_bytes([b'\\', b'u', b'0', b'0', HEX[control >> 4], HEX[control & 15], 0, 6]);
        control += 1;
    }
    let short = b"\x08b\tt\nn\x0cf\rr\"\"\\\\";
    let mut pair = 0;
    while pair < short.len() {
        table[short[pair] as usize] = u64::from_le_bytes([b'\\', short[pair + 1], 0, 0, 0, 0, 0, 2]);
        pair += 2;
    }
    table
};

pub(super) struct Blocks<B>(PhantomData<B>);

impl<B: Block> Copier for Blocks<B> {
    #[inline(always)]
    unsafe fn copy(from: *const u8, len: usize, to: *mut u8) {
        // Keys and most cells are short, and a store of 64 bytes nearly always crosses a cache line, which is two.
        if len <= 16 {
            // SAFETY: both sides have 64 bytes behind len.
            unsafe { to.cast::<[u8; 16]>().write_unaligned(from.cast::<[u8; 16]>().read_unaligned()) };
            return;
        }
        if len <= 32 {
            // SAFETY: as above.
            unsafe { to.cast::<[u8; 32]>().write_unaligned(from.cast::<[u8; 32]>().read_unaligned()) };
            return;
        }
        let mut done = 0;
        loop {
            // SAFETY: done is at most len, and both sides have 64 bytes behind that.
            unsafe { B::load(from.add(done)).store(to.add(done)) };
            done += BYTES;
            if done >= len {
                return;
            }
        }
    }

    #[inline(always)]
    unsafe fn escape(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe {
            if len >= STRIDE_BYTES {
                return B::escape_long(from, len, to);
            }
            let mut cursor = Cursor::new(to);
            if !escape_blocks::<B>(from, len, &mut cursor, len) {
                return escape_lossy(from, len, cursor);
            }
            cursor.at
        }
    }

    #[inline(always)]
    unsafe fn base64(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { B::base64(from, len, to) }
    }
}

/// Where the next byte is written, how many are done, and whether the others are known to be UTF-8.
struct Cursor {
    at: *mut u8,
    done: usize,
    is_utf8: bool,
}

impl Cursor {
    fn new(at: *mut u8) -> Self {
        Self { at, done: 0, is_utf8: false }
    }
}

/// Strides where the text is plain, and blocks where it isn't; for [`Block::escape_long`], whose functions it is compiled into.
///
/// # Safety
/// As [`Copier::escape`], on a CPU with the block's level.
#[inline(always)]
pub(super) unsafe fn escape_strides<B: Block>(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
    let mut cursor = Cursor::new(to);
    // How far single blocks go before strides are tried again. Each failure makes that four times as long, so that text full of escapes
    // pays next to nothing for trying.
    let mut blocks_len = 4 * STRIDE_BYTES;
    while cursor.done < len {
        // SAFETY: a whole stride of text is left, and the output has room for each byte that is.
        while len - cursor.done >= STRIDE_BYTES && unsafe { B::copy_plain(from.add(cursor.done), cursor.at) } {
            // SAFETY: so many were written.
            cursor.at = unsafe { cursor.at.add(STRIDE_BYTES) };
            cursor.done += STRIDE_BYTES;
            blocks_len = 4 * STRIDE_BYTES;
        }
        let end = len.min(cursor.done + blocks_len);
        // SAFETY: the caller's.
        unsafe {
            if !escape_blocks::<B>(from, len, &mut cursor, end) {
                return escape_lossy(from, len, cursor);
            }
        }
        blocks_len *= 4;
    }
    cursor.at
}

/// What is left, which isn't UTF-8.
///
/// # Safety
/// As [`Copier::escape`], the cursor in it.
#[cold]
unsafe fn escape_lossy(from: *const u8, len: usize, cursor: Cursor) -> *mut u8 {
    // SAFETY: the caller's.
    unsafe { portable::escape(std::slice::from_raw_parts(from.add(cursor.done), len - cursor.done), cursor.at) }
}

/// Writes the blocks up to `end`: that of the text, or whole ones. False where what is left isn't UTF-8.
///
/// # Safety
/// As [`Copier::escape`], the cursor in it, on a CPU with the block's level.
#[inline(always)]
unsafe fn escape_blocks<B: Block>(from: *const u8, len: usize, cursor: &mut Cursor, end: usize) -> bool {
    let Cursor { mut at, mut done, mut is_utf8 } = *cursor;
    while done < end {
        // SAFETY: done is below len, and the padding makes 64 bytes readable from any byte of the cell; the output
        // has 6 bytes for each byte of input and 64 more.
        unsafe {
            let block = B::load(from.add(done));
            block.store(at);
            let counts = low_bits(len - done);
            let special = if is_utf8 { needs_escape(block) } else { block.special() };
            let mut escaped = special & counts;
            if escaped == 0 {
                at = at.add(BYTES.min(len - done));
                done += BYTES.min(len - done);
                continue;
            }
            if !is_utf8 {
                let high = block.high() & counts;
                if high != 0 && !are_two_byte_characters(block, high) {
                    // What is before ends with a whole character, so one begins here.
                    if !is_valid_utf8::<B>(from.add(done), len - done) {
                        *cursor = Cursor { at, done, is_utf8 };
                        return false;
                    }
                    is_utf8 = true;
                }
                escaped &= !high;
            }
            let mut written = 0;
            while escaped != 0 {
                let position = escaped.trailing_zeros() as usize;
                let text = ESCAPES[*from.add(done + position) as usize];
                at = at.add(position - written);
                at.cast::<u64>().write_unaligned(text.to_le());
                at = at.add((text >> 56) as usize);
                written = position + 1;
                // At most 64 bytes from the end of the cell, which is at or behind this byte.
                B::load(from.add(done + written)).store(at);
                escaped &= escaped - 1;
            }
            at = at.add(BYTES.min(len - done) - written);
            done += BYTES.min(len - done);
        }
    }
    *cursor = Cursor { at, done, is_utf8 };
    true
}

/// Bytes that must be escaped.
///
/// # Safety
/// The CPU has the block's level.
#[inline(always)]
unsafe fn needs_escape<B: Block>(block: B) -> u64 {
    // SAFETY: the caller's.
    unsafe { block.below(0x20) | block.equal(b'"') | block.equal(b'\\') }
}

/// Whether what isn't ASCII in a block are characters of two bytes, the last of which ends there: all that most languages of Europe have,
/// so that short text of theirs needs no function of its own.
///
/// # Safety
/// The CPU has the block's level.
#[inline(always)]
unsafe fn are_two_byte_characters<B: Block>(block: B, high: u64) -> bool {
    // SAFETY: the caller's.
    unsafe {
        if high & !block.below(0xe0) != 0 {
            return false;
        }
        let continuation = high & block.below(0xc0);
        // C0 and C1 would start overlong forms.
        let lead = high & !block.below(0xc2);
        (lead << 1 ^ continuation) | lead >> 63 | (high ^ lead ^ continuation) == 0
    }
}

/// The low `count` bits.
#[inline(always)]
pub(super) fn low_bits(count: usize) -> u64 {
    if count >= BYTES { u64::MAX } else { (1 << count) - 1 }
}

/// Whether text is UTF-8, by comparing where continuation bytes are with where leading bytes want them.
///
/// # Safety
/// `len` bytes and 64 more are readable, and the CPU has the block's level.
#[inline(always)]
unsafe fn is_valid_utf8<B: Block>(from: *const u8, len: usize) -> bool {
    // What the last bytes of the block before want of the first of this one.
    let mut wanted_before = 0;
    // Whether its last byte is one that says something of the next: then it is among the limits.
    let mut lead_3_before = 0;
    let (mut e0_before, mut ed_before, mut f0_before, mut f4_before) = (0, 0, 0, 0);
    let mut done = 0;
    while done < len {
        let counts = low_bits(len - done);
        // SAFETY: the caller's.
        unsafe {
            let block = B::load(from.add(done));
            done += BYTES;
            let high = block.high() & counts;
            if high == 0 {
                if wanted_before != 0 {
                    return false;
                }
                // No leading byte was last in the block before, or it would want something.
                continue;
            }
            let continuation = high & block.below(0xc0);
            let lead_2 = high & !continuation;
            let lead_3 = high & !block.below(0xe0);
            // C0 and C1 would start overlong forms.
            let overlong = lead_2 & block.below(0xc2);
            if lead_3 | lead_3_before == 0 {
                // Characters of two bytes only: all of them that most languages of Europe have. A third of the comparisons.
                if ((lead_2 << 1 | wanted_before) ^ continuation) | overlong != 0 {
                    return false;
                }
                wanted_before = lead_2 >> 63;
                continue;
            }
            let lead_4 = high & !block.below(0xf0);
            let wanted = lead_2 << 1 | lead_3 << 2 | lead_4 << 3 | wanted_before;
            // F5 and above would exceed U+10FFFF.
            let never = overlong | high & !block.below(0xf5);
            if (wanted ^ continuation) | never != 0 {
                return false;
            }
            let e0 = block.equal(0xe0) & counts;
            let ed = block.equal(0xed) & counts;
            let f0 = block.equal(0xf0) & counts;
            let f4 = block.equal(0xf4) & counts;
            let below_a0 = block.below(0xa0);
            let below_90 = block.below(0x90);
            // Overlong forms, surrogates, and again what exceeds U+10FFFF: told by the second byte.
            let wrong = (e0 << 1 | e0_before) & below_a0
                | (ed << 1 | ed_before) & !below_a0
                | (f0 << 1 | f0_before) & below_90
                | (f4 << 1 | f4_before) & !below_90;
            if wrong != 0 {
                return false;
            }
            wanted_before = lead_2 >> 63 | lead_3 >> 62 | lead_4 >> 61;
            lead_3_before = lead_3 >> 63;
            (e0_before, ed_before, f0_before, f4_before) = (e0 >> 63, ed >> 63, f0 >> 63, f4 >> 63);
        }
    }
    wanted_before == 0
}
