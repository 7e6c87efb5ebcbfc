//! Blocks in the registers of aarch64.

use std::arch::aarch64::*;

use super::block::Block;

/// Four NEON registers.
#[derive(Clone, Copy)]
pub(super) struct Neon([uint8x16_t; 4]);

/// Which bit of its byte of the mask stands for a lane.
const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

impl Neon {
    /// A bit for each byte of four registers, whose bytes are 0 or 255. NEON has no such instruction: of each byte its
    /// own bit is kept, and neighbours are added until eight of them are one byte.
    ///
    /// # Safety
    /// The CPU has NEON.
    #[inline(always)]
    unsafe fn mask(registers: [uint8x16_t; 4]) -> u64 {
        // SAFETY: the caller's; BITS is a register long.
        unsafe {
            let bits = vld1q_u8(BITS.as_ptr());
            let [a, b, c, d] = registers.map(|bytes| vandq_u8(bytes, bits));
            let sums = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
            vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
        }
    }
}

impl Block for Neon {
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's.
        Self([0, 16, 32, 48].map(|offset| unsafe { vld1q_u8(from.add(offset)) }))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        for (n, register) in self.0.into_iter().enumerate() {
            // SAFETY: the caller's.
            unsafe { vst1q_u8(to.add(16 * n), register) };
        }
    }

    #[inline(always)]
    unsafe fn below(self, limit: u8) -> u64 {
        // SAFETY: the caller's.
        unsafe {
            let limit = vdupq_n_u8(limit);
            Self::mask(self.0.map(|bytes| vcltq_u8(bytes, limit)))
        }
    }

    #[inline(always)]
    unsafe fn equal(self, byte: u8) -> u64 {
        // SAFETY: the caller's.
        unsafe {
            let byte = vdupq_n_u8(byte);
            Self::mask(self.0.map(|bytes| vceqq_u8(bytes, byte)))
        }
    }

    #[inline(always)]
    unsafe fn high(self) -> u64 {
        // SAFETY: the caller's.
        unsafe { Self::mask(self.0.map(|bytes| vcltzq_s8(vreinterpretq_s8_u8(bytes)))) }
    }
}
