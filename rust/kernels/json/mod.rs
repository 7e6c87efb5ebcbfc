//! `json_encode_table` in Rust: the row loop, written once and compiled for each level of instructions.
//!
//! `zig/kernels/json.zig` is its twin; `tests/differential` compares their bytes.

mod base64;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod block;
mod digits;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use std::mem::MaybeUninit;

use super::plan::{Plan, Planned, SLACK};
use super::{PADDING, Progress, Values};

/// How one level of instructions treats the variable-length parts.
pub(super) trait Copier {
    /// Copies `len` bytes. May read `PADDING` bytes behind the source and write [`SLACK`] bytes behind the copy.
    ///
    /// # Safety
    /// Both sides are that long.
    unsafe fn copy(from: *const u8, len: usize, to: *mut u8);

    /// Writes `len` bytes of text, escaped but without quotes, and returns the end. At most 6 bytes per byte; reads
    /// and writes as far behind as [`Copier::copy`].
    ///
    /// # Safety
    /// Both sides are that long.
    unsafe fn escape(from: *const u8, len: usize, to: *mut u8) -> *mut u8;

    /// Writes `len` bytes as base64, four characters for each three bytes begun, and returns their end; reads and writes as far behind
    /// as [`Copier::copy`].
    ///
    /// # Safety
    /// Both sides are that long.
    #[inline(always)]
    unsafe fn base64(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { base64::encode(std::slice::from_raw_parts(from, len), to) }
    }
}

/// Encodes rows from `first_row` on.
///
/// # Safety
/// `first_row` is at most the plan's rows, `out` is writable for `capacity` bytes, and the CPU has what `C` needs.
#[inline(always)]
unsafe fn encode<C: Copier>(plan: &Plan, first_row: usize, out: *mut u8, capacity: usize) -> Progress {
    if plan.rows == 0 {
        if !plan.form.is_list() {
            return Progress::default();
        }
        if capacity < 2 {
            return Progress { rows: 0, bytes: 0, needed: plan.capacity_needed(0) };
        }
        // SAFETY: two bytes fit.
        unsafe { out.cast::<[u8; 2]>().write(*b"[]") };
        return Progress { rows: 0, bytes: 2, needed: 0 };
    }
    let is_list = plan.form.is_list();
    let close = plan.form.close();
    let mut at = out;
    let mut row = first_row;
    while row < plan.rows {
        // SAFETY: at is out or what a row returned, which is inside of out.
        let used = unsafe { at.offset_from_unsigned(out) };
        let end = fitting(plan, row, capacity - used);
        if end == row {
            break;
        }
        while row < end {
            // SAFETY: row is below the plan's rows; its longest text, those of the rows behind it and SLACK fit behind at.
            at = unsafe { encode_row::<C>(plan, close, row, at) };
            row += 1;
        }
    }
    if is_list && row > first_row {
        // SAFETY: something is written, and the bound of every row has room for the bracket behind it.
        unsafe {
            if first_row == 0 {
                out.write(b'[');
            }
            if row == plan.rows {
                at = put(at, b"]");
            }
        }
    }
    // SAFETY: as above.
    let bytes = unsafe { at.offset_from_unsigned(out) };
    Progress { rows: row - first_row, bytes, needed: plan.capacity_needed(row) }
}

/// Rows of which it is asked at once whether they fit.
const ROWS_PER_GROUP: usize = 32;

/// The row up to which rows surely fit a capacity: a whole group of them where it does, else one or none. Were each row
/// asked by itself, a tenth of the time would go to that.
#[inline(always)]
fn fitting(plan: &Plan, row: usize, capacity: usize) -> usize {
    let group = ROWS_PER_GROUP.min(plan.rows - row);
    if plan.bytes_max(row, row + group) + SLACK <= capacity {
        row + group
    } else if plan.bytes_max(row, row + 1) + SLACK <= capacity {
        row + 1
    } else {
        row
    }
}

/// # Safety
/// `row` is below the plan's rows; `at` is writable for the row's longest text plus [`SLACK`].
#[inline(always)]
unsafe fn encode_row<C: Copier>(plan: &Plan, close: ([u8; 2], usize), row: usize, mut at: *mut u8) -> *mut u8 {
    // SAFETY: the plan says that every column and bitmap holds this row; the caller that all of it fits.
    unsafe {
        if plan.columns.is_empty() {
            at = put(at, plan.form.open());
        }
        for column in &plan.columns {
            C::copy(plan.keys.as_ptr().add(column.key_start), column.key_len, at);
            at = at.add(column.key_len);
            at = if is_valid(column.validity, row) { encode_value::<C>(column, row, at) } else { put(at, b"null") };
        }
        at.cast::<[u8; 2]>().write_unaligned(close.0);
        at.add(close.1)
    }
}

/// # Safety
/// The bitmap has a bit for the row.
#[inline(always)]
unsafe fn is_valid(validity: Option<&[u8]>, row: usize) -> bool {
    // SAFETY: the caller says so.
    validity.is_none_or(|bits| unsafe { bits.get_unchecked(row / 8) } & (1 << (row % 8)) != 0)
}

/// # Safety
/// As [`encode_row`].
#[inline(always)]
unsafe fn encode_value<C: Copier>(column: &Planned, row: usize, at: *mut u8) -> *mut u8 {
    // SAFETY: the plan says that the column holds this row, and the caller that its longest text fits.
    unsafe {
        match column.values {
            Values::Int64(values) => digits::signed(at, *values.get_unchecked(row)),
            Values::UInt64(values) => digits::unsigned(at, *values.get_unchecked(row)),
            Values::Float64(values) => {
                let value = *values.get_unchecked(row);
                match digits::price(at, value) {
                    Some(end) => end,
                    None => float(value, value.is_finite(), at),
                }
            }
            Values::Float32(values) => {
                let value = *values.get_unchecked(row);
                float(value, value.is_finite(), at)
            }
            Values::Bool(values) => {
                // One store of eight bytes, of which the length says how many count.
                let is_true = *values.get_unchecked(row) != 0;
                put(at, if is_true { b"true    " } else { b"false   " }).sub(if is_true { 4 } else { 3 })
            }
            Values::Text(cells) => {
                let (from, len) = cell(&cells, row);
                let at = put(at, b"\"");
                put(C::escape(from, len, at), b"\"")
            }
            Values::Ascii(cells) => {
                let (from, len) = cell(&cells, row);
                let at = put(at, b"\"");
                C::copy(from, len, at);
                put(at.add(len), b"\"")
            }
            Values::Json(cells) => {
                let (from, len) = cell(&cells, row);
                C::copy(from, len, at);
                at.add(len)
            }
            Values::Bytes(cells) => {
                let (from, len) = cell(&cells, row);
                let at = put(at, b"\"");
                put(C::base64(from, len, at), b"\"")
            }
        }
    }
}

/// # Safety
/// The cells hold the row.
#[inline(always)]
unsafe fn cell(cells: &super::Cells, row: usize) -> (*const u8, usize) {
    // SAFETY: the caller says that the row exists, Cells that its offsets are inside of its bytes.
    unsafe {
        let start = *cells.offsets().get_unchecked(row) as usize;
        let end = *cells.offsets().get_unchecked(row + 1) as usize;
        (cells.bytes().as_ptr().add(start), end - start)
    }
}

/// # Safety
/// 24 bytes fit.
#[inline(always)]
unsafe fn float<F: zmij::Float>(value: F, is_finite: bool, at: *mut u8) -> *mut u8 {
    // SAFETY: zmij's longest text, that of -2.2250738585072014e-308, has 24 bytes.
    unsafe { if is_finite { put(at, zmij::Buffer::new().format_finite(value).as_bytes()) } else { put(at, b"null") } }
}

/// Writes bytes and returns their end.
///
/// # Safety
/// They fit.
#[inline(always)]
unsafe fn put(at: *mut u8, bytes: &[u8]) -> *mut u8 {
    // SAFETY: the caller says that they fit, and what is borrowed can't overlap what is written.
    unsafe {
        at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        at.add(bytes.len())
    }
}

/// # Safety
/// As [`encode`].
pub(super) unsafe fn encode_portable(plan: &Plan, first_row: usize, out: *mut u8, capacity: usize) -> Progress {
    // SAFETY: the caller's.
    unsafe { encode::<portable::Portable>(plan, first_row, out, capacity) }
}

/// # Safety
/// As [`encode`], on a CPU with x86-64-v2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt,sse3,ssse3,sse4.1,sse4.2")]
pub(super) unsafe fn encode_v2(plan: &Plan, first_row: usize, out: *mut u8, capacity: usize) -> Progress {
    // SAFETY: the caller's.
    unsafe { encode::<block::Blocks<x86_64::Sse>>(plan, first_row, out, capacity) }
}

/// # Safety
/// As [`encode`], on a CPU with x86-64-v3.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) unsafe fn encode_v3(plan: &Plan, first_row: usize, out: *mut u8, capacity: usize) -> Progress {
    // SAFETY: the caller's.
    unsafe { encode::<block::Blocks<x86_64::Avx2>>(plan, first_row, out, capacity) }
}

/// # Safety
/// As [`encode`], on a CPU with x86-64-v4.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn encode_v4(plan: &Plan, first_row: usize, out: *mut u8, capacity: usize) -> Progress {
    // SAFETY: the caller's.
    unsafe { encode::<block::Blocks<x86_64::Avx512>>(plan, first_row, out, capacity) }
}

/// # Safety
/// As [`encode`], on a CPU with NEON.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
pub(super) unsafe fn encode_neon(plan: &Plan, first_row: usize, out: *mut u8, capacity: usize) -> Progress {
    // SAFETY: the caller's.
    unsafe { encode::<block::Blocks<neon::Neon>>(plan, first_row, out, capacity) }
}

/// Appends one quoted and escaped string, for what isn't a column: names, cells of mixed kinds.
pub(crate) fn append_text(out: &mut Vec<u8>, text: &[u8]) {
    append(out, 6 * text.len() + 2, |at| {
        // SAFETY: append made room for two quotes and 6 bytes per byte.
        unsafe { put(portable::escape(text, put(at, b"\"")), b"\"") }
    });
}

/// What every CPU of this architecture can.
#[cfg(target_arch = "x86_64")]
type Least = block::Blocks<x86_64::Sse>;
#[cfg(target_arch = "aarch64")]
type Least = block::Blocks<neon::Neon>;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type Least = portable::Portable;

/// As [`append_text`], for the first `len` bytes of `padded`, a cell where it lies: its [`PADDING`] lets it be read a block at a
/// time, which takes a row's texts a fifth of the instructions.
///
/// # Panics
/// When there is no padding behind them.
pub(crate) fn append_cell(out: &mut Vec<u8>, padded: &[u8], len: usize) {
    assert!(padded.len() >= len + PADDING, "a cell without padding");
    append(out, 6 * len + 2 + SLACK, |at| {
        // SAFETY: PADDING bytes are readable behind the text; append made room for two quotes, 6 bytes per byte, and SLACK. Every
        // CPU of this architecture has what `Least` needs.
        unsafe { put(Least::escape(padded.as_ptr(), len, put(at, b"\"")), b"\"") }
    });
}

/// Appends bytes as quoted base64.
pub(crate) fn append_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    append(out, bytes.len().div_ceil(3) * 4 + 2, |at| {
        // SAFETY: append made room for two quotes and 4 bytes for each three.
        unsafe { put(base64::encode(bytes, put(at, b"\"")), b"\"") }
    });
}

/// Appends a double, or `null` for what JSON can't say.
pub(crate) fn append_float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

fn append(out: &mut Vec<u8>, bytes_max: usize, write: impl FnOnce(*mut u8) -> *mut u8) {
    out.reserve(bytes_max);
    let spare: &mut [MaybeUninit<u8>] = out.spare_capacity_mut();
    let start = spare.as_mut_ptr().cast::<u8>();
    let end = write(start);
    // SAFETY: both writers return the end of what they wrote, from start on and within bytes_max.
    unsafe {
        let written = end.offset_from_unsigned(start);
        debug_assert!(written <= bytes_max);
        out.set_len(out.len() + written);
    }
}
