//! [`F16`] widened by the CPU, for the levels that can. What it gives is what [`F16::to_f32`] computes, except for the bits of a
//! NaN, of which no score shows any.

use super::F16;
use super::lanes::{LANES, Lane, Lanes};

/// By AVX-512 F.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct By512(F16);

/// By F16C.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct By256(F16);

/// By NEON.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct By128(F16);

macro_rules! lanes {
    ($type:ident, $at_once:literal, |$from:ident, $to:ident| $widen:expr) => {
        impl Lane for $type {
            #[inline(always)]
            fn widen(self) -> f32 {
                self.0.to_f32()
            }

            #[inline(always)]
            unsafe fn load(from: *const Self) -> Lanes {
                let mut lanes = [0.0; LANES];
                for at in (0..LANES).step_by($at_once) {
                    // SAFETY: the caller's, and only functions compiled for this level load by it; both ends are inside of LANES.
                    unsafe {
                        let ($from, $to) = (from.add(at), lanes.as_mut_ptr().add(at));
                        $widen;
                    }
                }
                lanes
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    _mm_loadu_si128, _mm256_cvtph_ps, _mm256_loadu_si256, _mm256_storeu_ps, _mm512_cvtph_ps, _mm512_storeu_ps,
};

#[cfg(target_arch = "x86_64")]
lanes!(By512, 16, |from, to| _mm512_storeu_ps(to, _mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))));

#[cfg(target_arch = "x86_64")]
lanes!(By256, 8, |from, to| _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm_loadu_si128(from.cast()))));

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::{vcvt_f32_f16, vld1_u16, vreinterpret_f16_u16, vst1q_f32};

#[cfg(target_arch = "aarch64")]
lanes!(By128, 4, |from, to| vst1q_f32(to, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from.cast())))));
