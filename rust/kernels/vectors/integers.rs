//! The vector kernel of i8, for each level of instructions. Sums of integers are exact in every order, so it states none: the compiler
//! widens, multiplies and adds pairs in whatever way the CPU is good at. `zig/kernels/vectors/bytes.zig` is its twin.
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
pub(super) unsafe fn score(batch: &Batch<i8>, scores: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        match batch.metric {
            DOT => all::<DOT>(batch, scores),
            L2 => all::<L2>(batch, scores),
            NORM => all::<NORM>(batch, scores),
            _ => all::<COSINE>(batch, scores),
        }
    }
}

/// # Safety
/// As [`score`].
#[inline(always)]
unsafe fn all<const METRIC: u32>(batch: &Batch<i8>, scores: *mut f32) {
    // SAFETY: the query and each row below the count have dim elements, and there is a score for each.
    unsafe {
        let query = std::slice::from_raw_parts(batch.query, batch.dim);
        let query_squares = if METRIC == COSINE { sums::<NORM>(query, query).0 } else { 0 };
        for row in 0..batch.count {
            let candidate = std::slice::from_raw_parts(batch.rows.add(row * batch.stride), batch.dim);
            let (sum, squares) = sums::<METRIC>(query, candidate);
            scores.add(row).write(match METRIC {
                DOT => sum as f32,
                COSINE => cosine(sum, query_squares, squares),
                _ => (sum as f64).sqrt() as f32,
            });
        }
    }
}

/// What the metric sums, and for cosines the candidate's squares.
#[inline(always)]
fn sums<const METRIC: u32>(query: &[i8], candidate: &[i8]) -> (i64, i64) {
    let (mut sum, mut squares) = (0, 0);
    for (query, candidate) in query.chunks(CHUNK).zip(candidate.chunks(CHUNK)) {
        let (mut chunk_sum, mut chunk_squares) = (0, 0);
        for (&q, &c) in query.iter().zip(candidate) {
            let (q, c) = (i32::from(q), i32::from(c));
            chunk_sum += match METRIC {
                NORM => c * c,
                L2 => (q - c) * (q - c),
                _ => q * c,
            };
            if METRIC == COSINE {
                chunk_squares += c * c;
            }
        }
        sum += i64::from(chunk_sum);
        squares += i64::from(chunk_squares);
    }
    (sum, squares)
}

/// A zero vector makes it 0. Never beyond 1: the root is within an f64's rounding of the true one, far less than one of an f32.
#[inline(always)]
fn cosine(dot: i64, query_squares: i64, squares: i64) -> f32 {
    if query_squares == 0 || squares == 0 {
        return 0.0;
    }
    (dot as f64 / (query_squares as f64 * squares as f64).sqrt()) as f32
}
