//! Blocks in the registers of aarch64.

use std::arch::aarch64::*;

use super::block::{Block, STRIDE_BYTES, escape_strides};

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
    unsafe fn mask([a, b, c, d]: [uint8x16_t; 4]) -> u64 {
        // SAFETY: the caller's; BITS is a register long.
        unsafe {
            let bits = vld1q_u8(BITS.as_ptr());
            let (ab, cd) =
                (vpaddq_u8(vandq_u8(a, bits), vandq_u8(b, bits)), vpaddq_u8(vandq_u8(c, bits), vandq_u8(d, bits)));
            let sums = vpaddq_u8(ab, cd);
            vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
        }
    }

    /// # Safety
    /// As [`Neon::mask`].
    #[inline(always)]
    unsafe fn specials(bytes: uint8x16_t) -> uint8x16_t {
        // SAFETY: the caller's.
        unsafe {
            // With its sign, what isn't ASCII is below the space as well.
            let below = vcltq_s8(vreinterpretq_s8_u8(bytes), vdupq_n_s8(0x20));
            let equal = vorrq_u8(vceqq_u8(bytes, vdupq_n_u8(b'"')), vceqq_u8(bytes, vdupq_n_u8(b'\\')));
            vorrq_u8(equal, below)
        }
    }
}

impl Block for Neon {
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's.
        unsafe { Self([vld1q_u8(from), vld1q_u8(from.add(16)), vld1q_u8(from.add(32)), vld1q_u8(from.add(48))]) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        let [a, b, c, d] = self.0;
        // SAFETY: the caller's.
        unsafe {
            vst1q_u8(to, a);
            vst1q_u8(to.add(16), b);
            vst1q_u8(to.add(32), c);
            vst1q_u8(to.add(48), d);
        }
    }

    #[inline(always)]
    unsafe fn below(self, limit: u8) -> u64 {
        let [a, b, c, d] = self.0;
        // SAFETY: the caller's.
        unsafe {
            let limit = vdupq_n_u8(limit);
            Self::mask([vcltq_u8(a, limit), vcltq_u8(b, limit), vcltq_u8(c, limit), vcltq_u8(d, limit)])
        }
    }

    #[inline(always)]
    unsafe fn equal(self, byte: u8) -> u64 {
        let [a, b, c, d] = self.0;
        // SAFETY: the caller's.
        unsafe {
            let byte = vdupq_n_u8(byte);
            Self::mask([vceqq_u8(a, byte), vceqq_u8(b, byte), vceqq_u8(c, byte), vceqq_u8(d, byte)])
        }
    }

    #[inline(always)]
    unsafe fn high(self) -> u64 {
        // SAFETY: the caller's.
        unsafe { !self.below(0x80) }
    }

    #[inline(always)]
    unsafe fn special(self) -> u64 {
        let [a, b, c, d] = self.0;
        // SAFETY: the caller's.
        unsafe { Self::mask([Self::specials(a), Self::specials(b), Self::specials(c), Self::specials(d)]) }
    }

    #[inline(always)]
    unsafe fn copy_plain(from: *const u8, to: *mut u8) -> bool {
        // SAFETY: the caller's.
        unsafe {
            let quote = vdupq_n_u8(b'"');
            let backslash = vdupq_n_u8(b'\\');
            // Zero where a byte is one of the two.
            let mut nearest = vdupq_n_u8(0xff);
            // With its sign, what isn't ASCII is below the space as well.
            let mut lowest = vdupq_n_s8(0x7f);
            let mut at = 0;
            while at < STRIDE_BYTES {
                let bytes = vld1q_u8(from.add(at));
                vst1q_u8(to.add(at), bytes);
                nearest = vminq_u8(nearest, vminq_u8(veorq_u8(bytes, quote), veorq_u8(bytes, backslash)));
                lowest = vminq_s8(lowest, vreinterpretq_s8_u8(bytes));
                at += 16;
            }
            vminvq_u8(nearest) != 0 && vminvq_s8(lowest) >= 0x20
        }
    }

    #[target_feature(enable = "neon")]
    #[inline(never)]
    unsafe fn escape_long(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { escape_strides::<Self>(from, len, to) }
    }
}
