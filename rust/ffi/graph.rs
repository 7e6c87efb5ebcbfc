//! The kernels of graphs and memories, on arrays of the caller's.

use super::error::Failure;
use super::panic;
use super::slice::{apart, numbers, numbers_mut};
use super::status::Status;
use crate::kernels::graph;

/// Multiplies each of `count` strengths by `2^(-age / half_life)`, in place: what has lain for one half-life is half as
/// strong. Within 0.55 units in the last place of the true product, and the same bits on every machine.
///
/// An age of 0 or below leaves a strength as it is, an infinite one leaves 0 with the strength's sign. An infinite strength
/// stays. Where either isn't a number the result is the NaN 0x7fc00000. The arrays are aligned as floats are, and don't
/// overlap; `count` is at most 2^32 - 1.
///
/// Errors, after which the strengths are as they were: `INVALID_ARGUMENT` (the half-life isn't above 0 and finite, an array
/// isn't aligned, they overlap), `INVALID_CONFIG` (`LYGER_KERNELS`), `NULL_POINTER`, `TOO_LONG`. Any thread, any process.
///
/// # Safety
/// `strengths` must be readable and writable and `ages_seconds` readable for `count` floats, which no other thread
/// writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engram_apply_decay(
    strengths: *mut f32,
    ages_seconds: *const f32,
    count: usize,
    half_life_seconds: f32,
) -> Status {
    panic::status(|| {
        apart(("strengths", strengths, count), ("ages_seconds", ages_seconds, count))?;
        // SAFETY: the caller's promise, passed on; the two don't overlap.
        let (strengths, ages) =
            unsafe { (numbers_mut("strengths", strengths, count)?, numbers("ages_seconds", ages_seconds, count)?) };
        graph::apply_decay(strengths, ages, half_life_seconds).map_err(Failure::from)
    })
}
