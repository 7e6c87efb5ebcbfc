//! The vector kernels of each level of instructions.

use super::{Batch, lanes};

/// The vector kernels of one implementation.
pub(in super::super) struct Table {
    pub(in super::super) f32: Score<f32>,
    /// Divides that many elements by their norm.
    pub(in super::super) normalize: unsafe fn(*mut f32, usize),
}

/// Writes a score for each candidate of the batch.
pub(in super::super) type Score<E> = unsafe fn(&Batch<E>, *mut f32);

/// `$rows` candidates at a time, `$paired` where each needs two sums. With more than one the compiler keeps sums in memory: rust-v4
/// took twice the time with 4.
macro_rules! levels {
    ($($(#[$attribute:meta])* $table:ident: $rows:literal, $paired:literal $(, $features:literal)?;)*) => {$(
        $(#[$attribute])*
        pub(in super::super) const $table: Table = Table {
            f32: {
                $(#[target_feature(enable = $features)])?
                unsafe fn score(batch: &Batch<f32>, scores: *mut f32) {
                    // SAFETY: the caller's.
                    unsafe { lanes::score::<f32, $rows, $paired>(batch, scores) }
                }
                score
            },
            normalize: {
                $(#[target_feature(enable = $features)])?
                unsafe fn normalize(vector: *mut f32, dim: usize) {
                    // SAFETY: the caller's.
                    unsafe { lanes::normalize(vector, dim) }
                }
                normalize
            },
        };
    )*};
}

levels! {
    PORTABLE: 1, 1;
    #[cfg(target_arch = "x86_64")]
    V2: 1, 1, "popcnt,sse3,ssse3,sse4.1,sse4.2";
    #[cfg(target_arch = "x86_64")]
    V3: 1, 1, "avx2,bmi1,bmi2,fma";
    #[cfg(target_arch = "x86_64")]
    V4: 1, 1, "avx2,bmi1,bmi2,fma,avx512f,avx512bw,avx512dq,avx512vl";
    #[cfg(target_arch = "aarch64")]
    NEON: 2, 1, "neon";
}
