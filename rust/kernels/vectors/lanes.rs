//! The arithmetic of the vector kernels, written once and compiled for each level of instructions ([`super::levels`]).
//!
//! What always holds, so that every variant gives the same bits: 32 lanes of f32. A block is 32 elements in a row, one
//! a lane; blocks are added in ascending order, each product rounded before it is added. What is left behind the last
//! whole block, `t` elements, goes to the last `t` lanes, as if the block began with zeros. The lanes are joined by
//! halving (`l` with `l + 16`, then `l + 8`, ...). `zig/kernels/vectors.zig` is the same, line by line.
//!
//! No multiplication is fused with its addition. A CPU without FMA hardware would take a library call for each, pure PHP
//! couldn't give the same bits, and reading the candidates takes longer than either.
//!
//! The tail is at the end of the lanes because then it is read as the last 32 elements of the row, those that have been
//! counted already masked out: nothing is copied, and nothing behind the row is read.

use super::{Batch, Bf16, COSINE, DOT, F16, L2, NORM};

/// How many elements are summed side by side.
pub(super) const LANES: usize = 32;

/// One element a lane, or one sum.
pub(super) type Lanes = [f32; LANES];

/// What every result becomes that is not a number: hardware differs in the sign it gives.
pub(super) const NAN: u32 = 0x7fc0_0000;

/// What becomes lanes.
pub(super) trait Lane: Copy {
    /// The element's value, exactly; a NaN may become another one.
    fn widen(self) -> f32;

    /// As many elements as there are lanes.
    ///
    /// # Safety
    /// They are readable.
    #[inline(always)]
    unsafe fn load(from: *const Self) -> Lanes {
        // SAFETY: the caller's; an array is as aligned as its elements.
        let block = unsafe { from.cast::<[Self; LANES]>().read() };
        let mut lanes = [0.0; LANES];
        for (lane, element) in lanes.iter_mut().zip(block) {
            *lane = element.widen();
        }
        lanes
    }
}

impl Lane for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
}

impl Lane for F16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self.to_f32()
    }
}

impl Lane for Bf16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self.to_f32()
    }
}

/// Scores all candidates of a batch, `ROWS` side by side, or `PAIRED` where each needs two sums.
///
/// # Safety
/// The batch is as [`Batch`] says, and `scores` is writable for its `count`.
#[inline(always)]
pub(super) unsafe fn score<E: Lane, const ROWS: usize, const PAIRED: usize>(batch: &Batch<E>, scores: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        match batch.metric {
            DOT => all::<E, DOT, false, ROWS>(batch, scores),
            L2 => all::<E, L2, false, ROWS>(batch, scores),
            NORM => all::<E, NORM, false, ROWS>(batch, scores),
            _ if batch.norms.is_null() => all::<E, COSINE, true, PAIRED>(batch, scores),
            _ => all::<E, COSINE, false, ROWS>(batch, scores),
        }
    }
}

/// # Safety
/// As [`score`].
#[inline(always)]
unsafe fn all<E: Lane, const METRIC: u32, const SQUARES: bool, const ROWS: usize>(batch: &Batch<E>, scores: *mut f32) {
    let mut row = 0;
    let ahead = ahead(batch);
    // SAFETY: the rows of each group are below the batch's count.
    unsafe {
        while row + ROWS <= batch.count {
            group::<E, METRIC, SQUARES, ROWS>(batch, row, ahead, scores);
            row += ROWS;
        }
        while row < batch.count {
            group::<E, METRIC, SQUARES, 1>(batch, row, ahead, scores);
            row += 1;
        }
    }
}

/// Bytes that come from memory together.
pub(super) const LINE: usize = 64;

/// How many bytes before it is needed a candidate's element is asked for; 0 where what lies there isn't wanted.
///
/// The CPU looks ahead by itself, but not beyond a page of 4 KB, and rows end where they end. Of 512, 1,024 and so on up to 8,192 bytes
/// this was the best distance in memory: a quarter less time than without, and the limit of reading alone. In a cache it costs nothing.
#[inline(always)]
pub(super) fn ahead<E>(batch: &Batch<E>) -> usize {
    const AHEAD: usize = 4096;
    let gap = (batch.stride - batch.dim).saturating_mul(size_of::<E>());
    if batch.count > 1 && gap < LINE { AHEAD } else { 0 }
}

/// Asks for what lies `ahead` bytes behind. Only where it has been measured.
#[inline(always)]
pub(super) fn ask<E>(from: *const E, ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint that every x86-64 has, and that does nothing where there is no memory.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.wrapping_byte_add(ahead).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, ahead);
}

/// Scores `ROWS` candidates from `first` on.
///
/// # Safety
/// As [`score`], and the batch has these rows.
#[inline(always)]
unsafe fn group<E: Lane, const METRIC: u32, const SQUARES: bool, const ROWS: usize>(
    batch: &Batch<E>,
    first: usize,
    ahead: usize,
    scores: *mut f32,
) {
    let mut sums = [[0.0; LANES]; ROWS];
    let mut squares = [[0.0; LANES]; ROWS];
    let tail = batch.dim % LANES;
    let whole = batch.dim - tail;
    // SAFETY: every block of LANES elements ends at dim at the latest, in the query and in rows of the batch; a shorter
    // tail is read element by element. As many scores are written as there are rows.
    unsafe {
        let rows = batch.rows.add(first * batch.stride);
        let mut at = 0;
        while at < whole {
            let query = E::load(batch.query.add(at));
            for row in 0..ROWS {
                let candidate = rows.add(row * batch.stride + at);
                for line in (0..size_of::<[E; LANES]>()).step_by(LINE) {
                    ask(candidate, ahead + line);
                }
                let candidate = E::load(candidate);
                add::<METRIC, SQUARES>(&mut sums[row], &mut squares[row], &query, &candidate);
            }
            at += LANES;
        }
        if tail > 0 {
            let query = last(batch.query, batch.dim, tail);
            for row in 0..ROWS {
                let candidate = last(rows.add(row * batch.stride), batch.dim, tail);
                add::<METRIC, SQUARES>(&mut sums[row], &mut squares[row], &query, &candidate);
            }
        }
        for row in 0..ROWS {
            let sum = join(&mut sums[row]);
            let score = match METRIC {
                DOT => sum,
                COSINE => {
                    let norm = if SQUARES { join(&mut squares[row]).sqrt() } else { *batch.norms.add(first + row) };
                    cosine(sum, batch.query_norm, norm)
                }
                _ => sum.sqrt(),
            };
            scores.add(first + row).write(canonical(score, in_register(NAN)));
        }
    }
}

/// One NaN for all, [`in_register`]. Asked of the bits: LLVM takes `if x.is_nan() { NAN } else { x }` for x where that is a square root.
///
/// The constant stays in a register. LLVM would load it under a mask that is nearly always zero (`vmovss nan(%rip), %xmm0 {%k1}`); and as
/// long as nothing else has touched its page, a CPU may take 200 ns to find that nothing is wanted of it: seven times a candidate of 768 floats.
#[inline(always)]
fn canonical(value: f32, nan: u32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits(if bits & 0x7fff_ffff > 0x7f80_0000 { nan } else { bits })
}

/// The same number, whose value the compiler doesn't know.
#[inline(always)]
fn in_register(mut number: u32) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("/* {0:e} */", inout(reg) number, options(pure, nomem, nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = &mut number;
    number
}

/// The last `tail` of `dim` elements in the last lanes, behind zeros.
///
/// # Safety
/// `dim` elements are readable, of which the tail is a part.
#[inline(always)]
unsafe fn last<E: Lane>(from: *const E, dim: usize, tail: usize) -> Lanes {
    let counted = LANES - tail;
    // SAFETY: the caller's.
    unsafe {
        if dim >= LANES {
            let mut lanes = E::load(from.add(dim - LANES));
            for (lane, value) in lanes.iter_mut().enumerate() {
                *value = if lane < counted { 0.0 } else { *value };
            }
            lanes
        } else {
            let mut lanes = [0.0; LANES];
            for element in 0..tail {
                lanes[counted + element] = (*from.add(element)).widen();
            }
            lanes
        }
    }
}

#[inline(always)]
fn add<const METRIC: u32, const SQUARES: bool>(
    sums: &mut Lanes,
    squares: &mut Lanes,
    query: &Lanes,
    candidate: &Lanes,
) {
    for lane in 0..LANES {
        let (a, b) = match METRIC {
            NORM => (candidate[lane], candidate[lane]),
            L2 => (query[lane] - candidate[lane], query[lane] - candidate[lane]),
            _ => (query[lane], candidate[lane]),
        };
        sums[lane] += a * b;
    }
    if SQUARES {
        for lane in 0..LANES {
            squares[lane] += candidate[lane] * candidate[lane];
        }
    }
}

#[inline(always)]
fn join(sums: &mut Lanes) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// A norm of 0 makes it 0, unless something isn't a number. Never -0, which a quotient too small for an f32 would be.
#[inline(always)]
fn cosine(dot: f32, query_norm: f32, norm: f32) -> f32 {
    if (query_norm == 0.0 || norm == 0.0) && !dot.is_nan() {
        return 0.0;
    }
    let cosine = dot / (query_norm * norm);
    // Written so that NaN stays.
    if cosine > 1.0 {
        1.0
    } else if cosine < -1.0 {
        -1.0
    } else {
        cosine + 0.0
    }
}

/// Divides a vector by its norm, unless that is 0.
///
/// # Safety
/// `dim` elements are readable and writable.
#[inline(always)]
pub(super) unsafe fn normalize(vector: *mut f32, dim: usize) {
    // SAFETY: the caller's.
    unsafe {
        let norm = norm(vector.cast_const(), dim);
        if norm == 0.0 {
            return;
        }
        let nan = in_register(NAN);
        for at in 0..dim {
            let value = *vector.add(at) / norm;
            vector.add(at).write(canonical(value, nan));
        }
    }
}

/// The norm of one vector, as [`group`] has it, but for which NaN. [`last`] in here, LLVM took the lanes for 16 pairs of numbers, and the norm
/// for longer than the division.
///
/// # Safety
/// `dim` elements are readable.
#[inline(always)]
unsafe fn norm(vector: *const f32, dim: usize) -> f32 {
    let mut sums = [0.0; LANES];
    let mut none = [0.0; LANES];
    let tail = dim % LANES;
    let whole = dim - tail;
    let mut at = 0;
    while at < whole {
        // SAFETY: a whole block is left.
        let block = unsafe { f32::load(vector.add(at)) };
        add::<NORM, false>(&mut sums, &mut none, &block, &block);
        at += LANES;
    }
    if tail > 0 {
        let mut block = [0.0; LANES];
        // SAFETY: so many elements are left, and as many lanes.
        unsafe { block.as_mut_ptr().add(LANES - tail).copy_from_nonoverlapping(vector.add(whole), tail) };
        add::<NORM, false>(&mut sums, &mut none, &block, &block);
    }
    join(&mut sums).sqrt()
}
