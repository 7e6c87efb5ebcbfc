//! The vector kernels of each level of instructions.

use super::{Batch, Bf16, F16, bits, half, integers, lanes};

/// The vector kernels of one implementation.
pub(in super::super) struct Table {
    pub(in super::super) f32: Score<f32>,
    pub(in super::super) f16: Score<F16>,
    pub(in super::super) bf16: Score<Bf16>,
    pub(in super::super) i8: Score<i8>,
    /// Writes in how many bits each candidate differs from the query.
    pub(in super::super) hamming: unsafe fn(&Batch<u8>, *mut u32),
    /// Divides that many elements by their norm.
    pub(in super::super) normalize: unsafe fn(*mut f32, usize),
}

/// Writes a score for each candidate of the batch.
pub(in super::super) type Score<E> = unsafe fn(&Batch<E>, *mut f32);

/// A function compiled for a level.
macro_rules! compiled {
    ($features:tt, |$($argument:ident: $type:ty),*| $body:expr) => {{
        compiled!(@ $features unsafe fn kernel($($argument: $type),*) {
            // SAFETY: the caller's.
            unsafe { $body }
        });
        kernel
    }};
    (@ () $function:item) => { $function };
    (@ ($features:literal) $function:item) => {
        #[target_feature(enable = $features)]
        $function
    };
}

/// `$rows` candidates at a time, `$paired` where each needs two sums: with more than one the compiler keeps sums in memory, and reading from
/// several places at once is slower in memory. F16 is read as `$half`, i8 are summed by `$integers`, and bits counted by
/// `$bits`.
macro_rules! levels {
    ($($(#[$attribute:meta])* $table:ident: $rows:literal, $paired:literal, $half:ty, $integers:ty, $bits:ty, $features:tt;)*) => {$(
        $(#[$attribute])*
        pub(in super::super) const $table: Table = Table {
            f32: compiled!($features, |batch: &Batch<f32>, scores: *mut f32| {
                lanes::score::<f32, $rows, $paired>(batch, scores)
            }),
            f16: compiled!($features, |batch: &Batch<F16>, scores: *mut f32| {
                lanes::score::<$half, $rows, $paired>(&batch.read_as(), scores)
            }),
            bf16: compiled!($features, |batch: &Batch<Bf16>, scores: *mut f32| {
                lanes::score::<Bf16, $rows, $paired>(batch, scores)
            }),
            i8: compiled!($features, |batch: &Batch<i8>, scores: *mut f32| integers::score::<$integers>(batch, scores)),
            hamming: compiled!($features, |batch: &Batch<u8>, distances: *mut u32| bits::count::<$bits>(batch, distances)),
            normalize: compiled!($features, |vector: *mut f32, dim: usize| lanes::normalize(vector, dim)),
        };
    )*};
}

levels! {
    PORTABLE: 1, 1, F16, integers::Plain, bits::Plain, ();
    #[cfg(target_arch = "x86_64")]
    V2: 1, 1, F16, integers::By128, bits::Plain, ("popcnt,sse3,ssse3,sse4.1,sse4.2");
    #[cfg(target_arch = "x86_64")]
    V3: 1, 1, half::By256, integers::By256, bits::By256, ("avx2,bmi1,bmi2,f16c,fma,popcnt");
    #[cfg(target_arch = "x86_64")]
    V4: 1, 1, half::By512, integers::By512, bits::By512, ("avx2,bmi1,bmi2,f16c,fma,popcnt,avx512f,avx512bw,avx512dq,avx512vl");
    #[cfg(target_arch = "aarch64")]
    NEON: 2, 1, half::By128, integers::Plain, bits::Plain, ("neon");
}
