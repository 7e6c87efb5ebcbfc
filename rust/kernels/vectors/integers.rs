//! The vector kernel of i8. Sums of integers are exact in every order, so it states none: each level of instructions widens, multiplies
//! and adds in its own way ([`Sums`]). `zig/kernels/vectors/bytes.zig` is its twin.
//!
//! What is made of the sums is rounded twice at most, to f64 by each operation and to f32 at the end: IEEE 754 says the same to all.

use super::{Batch, COSINE, DOT, L2, NORM};

/// Elements whose sum surely fits an i32: a squared difference is 255^2 at most.
const CHUNK: usize = 1 << 15;

const _: () = assert!(255 * 255 * CHUNK <= i32::MAX as usize);

/// Scores all candidates of a batch. Norms aren't looked at: the exact squares cost little more than reading the elements.
///
/// # Safety
/// The batch is as [`Batch`] says, and `scores` is writable for its `count`.
#[inline(always)]
pub(super) unsafe fn score<S: Sums>(batch: &Batch<i8>, scores: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        match batch.metric {
            DOT => all::<S, DOT>(batch, scores),
            L2 => all::<S, L2>(batch, scores),
            NORM => all::<S, NORM>(batch, scores),
            _ => all::<S, COSINE>(batch, scores),
        }
    }
}

/// # Safety
/// As [`score`].
#[inline(always)]
unsafe fn all<S: Sums, const METRIC: u32>(batch: &Batch<i8>, scores: *mut f32) {
    // SAFETY: the query and each row below the count have dim elements, and there is a score for each.
    unsafe {
        let query_squares = if METRIC == COSINE { sums::<S, NORM>(batch.query, batch.query, batch.dim).0 } else { 0 };
        for row in 0..batch.count {
            let candidate = batch.rows.add(row * batch.stride);
            let (sum, squares) = sums::<S, METRIC>(batch.query, candidate, batch.dim);
            scores.add(row).write(match METRIC {
                DOT => sum as f32,
                COSINE => cosine(sum, query_squares, squares),
                _ => (sum as f64).sqrt() as f32,
            });
        }
    }
}

/// What the metric sums, and for cosines the candidate's squares.
///
/// # Safety
/// Both have `dim` elements, and the CPU has what `S` needs.
#[inline(always)]
unsafe fn sums<S: Sums, const METRIC: u32>(query: *const i8, candidate: *const i8, dim: usize) -> (i64, i64) {
    let (mut sum, mut squares) = (0, 0);
    let mut from = 0;
    while from < dim {
        let len = CHUNK.min(dim - from);
        let whole = len - len % S::AT_ONCE;
        // SAFETY: the caller's; from and len are at most dim together.
        unsafe {
            let (query, candidate) = (query.add(from), candidate.add(from));
            let (whole_sum, whole_squares) = S::sums::<METRIC>(query, candidate, whole);
            let (rest_sum, rest_squares) = plain::<METRIC>(query.add(whole), candidate.add(whole), len - whole);
            sum += i64::from(whole_sum) + i64::from(rest_sum);
            squares += i64::from(whole_squares) + i64::from(rest_squares);
        }
        from += len;
    }
    (sum, squares)
}

/// # Safety
/// Both have `len` elements.
#[inline(always)]
unsafe fn plain<const METRIC: u32>(query: *const i8, candidate: *const i8, len: usize) -> (i32, i32) {
    let (mut sum, mut squares) = (0, 0);
    for at in 0..len {
        // SAFETY: the caller's.
        let (q, c) = unsafe { (i32::from(*query.add(at)), i32::from(*candidate.add(at))) };
        sum += match METRIC {
            NORM => c * c,
            L2 => (q - c) * (q - c),
            _ => q * c,
        };
        if METRIC == COSINE {
            squares += c * c;
        }
    }
    (sum, squares)
}

/// How a level of instructions sums.
pub(super) trait Sums {
    /// Elements that are multiplied in one go.
    const AT_ONCE: usize;

    /// What the metric sums over at most [`CHUNK`] elements, a multiple of [`Sums::AT_ONCE`], and for cosines the candidate's squares.
    ///
    /// # Safety
    /// Both have `len` elements, and the CPU has what the level needs.
    unsafe fn sums<const METRIC: u32>(query: *const i8, candidate: *const i8, len: usize) -> (i32, i32);
}

/// As the compiler likes.
pub(super) struct Plain;

impl Sums for Plain {
    const AT_ONCE: usize = 1;

    #[inline(always)]
    unsafe fn sums<const METRIC: u32>(query: *const i8, candidate: *const i8, len: usize) -> (i32, i32) {
        // SAFETY: the caller's.
        unsafe { plain::<METRIC>(query, candidate, len) }
    }
}

/// By the instruction of x86 that multiplies and adds the products to their neighbours. The compiler doesn't find it in every loop, and a
/// loop without it took twice the time. No closure and no iterator, which would be compiled for the baseline: where one isn't inlined, every
/// intrinsic in it is a call.
#[cfg(target_arch = "x86_64")]
macro_rules! pairs {
    ($type:ident: $at_once:literal, $vector:ident, $load:ident, $widen:ident, $sub:ident, $pairs:ident, $add:ident) => {
        pub(super) struct $type;

        impl Sums for $type {
            const AT_ONCE: usize = $at_once;

            #[inline(always)]
            unsafe fn sums<const METRIC: u32>(query: *const i8, candidate: *const i8, len: usize) -> (i32, i32) {
                use std::arch::x86_64::{$add, $load, $pairs, $sub, $vector, $widen};
                type Lanes = [i32; $at_once / 2];
                // SAFETY: the caller's; each load is below len, and a vector has as many bits as its lanes, of which all are numbers.
                unsafe {
                    let mut sum: $vector = std::mem::transmute::<Lanes, $vector>([0; $at_once / 2]);
                    let mut squares = sum;
                    let mut at = 0;
                    while at < len {
                        let q = $widen($load(query.add(at).cast()));
                        let c = $widen($load(candidate.add(at).cast()));
                        sum = $add(
                            sum,
                            match METRIC {
                                NORM => $pairs(c, c),
                                L2 => $pairs($sub(q, c), $sub(q, c)),
                                _ => $pairs(q, c),
                            },
                        );
                        if METRIC == COSINE {
                            squares = $add(squares, $pairs(c, c));
                        }
                        at += $at_once;
                    }
                    let sum = std::mem::transmute::<$vector, Lanes>(sum);
                    let squares = std::mem::transmute::<$vector, Lanes>(squares);
                    (total(sum), total(squares))
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
pairs!(By128: 8, __m128i, _mm_loadl_epi64, _mm_cvtepi8_epi16, _mm_sub_epi16, _mm_madd_epi16, _mm_add_epi32);
#[cfg(target_arch = "x86_64")]
pairs!(By256: 16, __m256i, _mm_loadu_si128, _mm256_cvtepi8_epi16, _mm256_sub_epi16, _mm256_madd_epi16, _mm256_add_epi32);
#[cfg(target_arch = "x86_64")]
pairs!(By512: 32, __m512i, _mm256_loadu_si256, _mm512_cvtepi8_epi16, _mm512_sub_epi16, _mm512_madd_epi16, _mm512_add_epi32);

/// The sum of all lanes, a power of two.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn total<const N: usize>(mut lanes: [i32; N]) -> i32 {
    let mut width = N / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// A zero vector makes it 0. Never beyond 1: the root is within an f64's rounding of the true one, far less than one of an f32.
#[inline(always)]
fn cosine(dot: i64, query_squares: i64, squares: i64) -> f32 {
    if query_squares == 0 || squares == 0 {
        return 0.0;
    }
    (dot as f64 / (query_squares as f64 * squares as f64).sqrt()) as f32
}
