//! Blocks in the registers of x86-64-v2, v3 and v4.

use std::arch::x86_64::*;

use super::base64::x86_64::{self as base64, By128, By256, By512};
use super::block::{Block, STRIDE_BYTES, escape_strides};

/// Four SSE registers.
#[derive(Clone, Copy)]
pub(super) struct Sse([__m128i; 4]);

impl Sse {
    /// The highest bits of the bytes of four registers.
    ///
    /// # Safety
    /// The CPU has SSE2, as every x86-64 does.
    #[inline(always)]
    unsafe fn mask([a, b, c, d]: [__m128i; 4]) -> u64 {
        // SAFETY: the caller's.
        unsafe { Self::bits(a) | Self::bits(b) << 16 | Self::bits(c) << 32 | Self::bits(d) << 48 }
    }

    /// # Safety
    /// As [`Sse::mask`].
    #[inline(always)]
    unsafe fn bits(bytes: __m128i) -> u64 {
        // SAFETY: the caller's.
        u64::from(unsafe { _mm_movemask_epi8(bytes) }.cast_unsigned())
    }

    /// # Safety
    /// As [`Sse::mask`].
    #[inline(always)]
    unsafe fn at_most(bytes: __m128i, last: __m128i) -> __m128i {
        // SAFETY: the caller's.
        unsafe { _mm_cmpeq_epi8(_mm_max_epu8(bytes, last), last) }
    }

    /// # Safety
    /// As [`Sse::mask`].
    #[inline(always)]
    unsafe fn specials(bytes: __m128i) -> __m128i {
        // SAFETY: the caller's.
        unsafe {
            // With its sign, what isn't ASCII is below the space as well.
            let below = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
            let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"'.cast_signed()));
            let backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\'.cast_signed()));
            _mm_or_si128(_mm_or_si128(quotes, backslashes), below)
        }
    }
}

impl Block for Sse {
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's.
        unsafe {
            Self([
                _mm_loadu_si128(from.cast()),
                _mm_loadu_si128(from.add(16).cast()),
                _mm_loadu_si128(from.add(32).cast()),
                _mm_loadu_si128(from.add(48).cast()),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        let [a, b, c, d] = self.0;
        // SAFETY: the caller's.
        unsafe {
            _mm_storeu_si128(to.cast(), a);
            _mm_storeu_si128(to.add(16).cast(), b);
            _mm_storeu_si128(to.add(32).cast(), c);
            _mm_storeu_si128(to.add(48).cast(), d);
        }
    }

    #[inline(always)]
    unsafe fn below(self, limit: u8) -> u64 {
        let [a, b, c, d] = self.0;
        // SAFETY: the caller's.
        unsafe {
            // As with AVX2 below.
            let last = _mm_set1_epi8(limit.wrapping_sub(1).cast_signed());
            Self::mask([Self::at_most(a, last), Self::at_most(b, last), Self::at_most(c, last), Self::at_most(d, last)])
        }
    }

    #[inline(always)]
    unsafe fn equal(self, byte: u8) -> u64 {
        let [a, b, c, d] = self.0;
        // SAFETY: the caller's.
        unsafe {
            let byte = _mm_set1_epi8(byte.cast_signed());
            Self::mask([
                _mm_cmpeq_epi8(a, byte),
                _mm_cmpeq_epi8(b, byte),
                _mm_cmpeq_epi8(c, byte),
                _mm_cmpeq_epi8(d, byte),
            ])
        }
    }

    #[inline(always)]
    unsafe fn high(self) -> u64 {
        // SAFETY: the caller's.
        unsafe { Self::mask(self.0) }
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
            // The wider registers' minimum of signed bytes is an instruction that the least of these CPUs lack.
            let mut special = _mm_setzero_si128();
            let mut at = 0;
            while at < STRIDE_BYTES {
                let bytes = _mm_loadu_si128(from.add(at).cast());
                _mm_storeu_si128(to.add(at).cast(), bytes);
                special = _mm_or_si128(special, Self::specials(bytes));
                at += 16;
            }
            _mm_movemask_epi8(special) == 0
        }
    }

    #[inline(never)]
    unsafe fn escape_long(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { escape_strides::<Self>(from, len, to) }
    }

    #[inline(always)]
    unsafe fn base64(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { base64::encode_blocks::<By128>(from, len, to) }
    }
}

/// Two AVX2 registers.
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256i, __m256i);

impl Avx2 {
    /// # Safety
    /// The CPU has AVX2.
    #[inline(always)]
    unsafe fn mask(low: __m256i, high: __m256i) -> u64 {
        // SAFETY: the caller's.
        unsafe {
            let low = _mm256_movemask_epi8(low).cast_unsigned();
            let high = _mm256_movemask_epi8(high).cast_unsigned();
            u64::from(high) << 32 | u64::from(low)
        }
    }

    /// # Safety
    /// As [`Avx2::mask`].
    #[inline(always)]
    unsafe fn specials(bytes: __m256i) -> __m256i {
        // SAFETY: the caller's.
        unsafe {
            // With its sign, what isn't ASCII is below the space as well.
            let below = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), bytes);
            let quotes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"'.cast_signed()));
            let backslashes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\'.cast_signed()));
            _mm256_or_si256(_mm256_or_si256(quotes, backslashes), below)
        }
    }
}

impl Block for Avx2 {
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's.
        unsafe { Self(_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's.
        unsafe {
            _mm256_storeu_si256(to.cast(), self.0);
            _mm256_storeu_si256(to.add(32).cast(), self.1);
        }
    }

    #[inline(always)]
    unsafe fn below(self, limit: u8) -> u64 {
        // SAFETY: the caller's.
        unsafe {
            // AVX2 compares signed bytes only; the unsigned maximum of both is the limit just when the byte is at most it.
            let last = _mm256_set1_epi8(limit.wrapping_sub(1).cast_signed());
            let (low, high) = (_mm256_max_epu8(self.0, last), _mm256_max_epu8(self.1, last));
            Self::mask(_mm256_cmpeq_epi8(low, last), _mm256_cmpeq_epi8(high, last))
        }
    }

    #[inline(always)]
    unsafe fn equal(self, byte: u8) -> u64 {
        // SAFETY: the caller's.
        unsafe {
            let byte = _mm256_set1_epi8(byte.cast_signed());
            Self::mask(_mm256_cmpeq_epi8(self.0, byte), _mm256_cmpeq_epi8(self.1, byte))
        }
    }

    #[inline(always)]
    unsafe fn high(self) -> u64 {
        // SAFETY: the caller's.
        unsafe { Self::mask(self.0, self.1) }
    }

    #[inline(always)]
    unsafe fn special(self) -> u64 {
        // SAFETY: the caller's.
        unsafe { Self::mask(Self::specials(self.0), Self::specials(self.1)) }
    }

    #[inline(always)]
    unsafe fn copy_plain(from: *const u8, to: *mut u8) -> bool {
        // SAFETY: the caller's.
        unsafe {
            let quote = _mm256_set1_epi8(b'"'.cast_signed());
            let backslash = _mm256_set1_epi8(b'\\'.cast_signed());
            // Zero where a byte is one of the two.
            let mut nearest = _mm256_set1_epi8(-1);
            // With its sign, what isn't ASCII is below the space as well.
            let mut lowest = _mm256_set1_epi8(0x7f);
            let mut at = 0;
            while at < STRIDE_BYTES {
                let bytes = _mm256_loadu_si256(from.add(at).cast());
                _mm256_storeu_si256(to.add(at).cast(), bytes);
                let nearer = _mm256_min_epu8(_mm256_xor_si256(bytes, quote), _mm256_xor_si256(bytes, backslash));
                nearest = _mm256_min_epu8(nearest, nearer);
                lowest = _mm256_min_epi8(lowest, bytes);
                at += 32;
            }
            let is_one_of_two = _mm256_cmpeq_epi8(nearest, _mm256_setzero_si256());
            let is_below = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), lowest);
            _mm256_movemask_epi8(_mm256_or_si256(is_one_of_two, is_below)) == 0
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    #[inline(never)]
    unsafe fn escape_long(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { escape_strides::<Self>(from, len, to) }
    }

    #[inline(always)]
    unsafe fn base64(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { base64::encode_blocks::<By256>(from, len, to) }
    }
}

/// One AVX-512 register.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512i);

impl Block for Avx512 {
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's.
        unsafe { Self(_mm512_loadu_si512(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's.
        unsafe { _mm512_storeu_si512(to.cast(), self.0) };
    }

    #[inline(always)]
    unsafe fn below(self, limit: u8) -> u64 {
        // SAFETY: the caller's.
        unsafe { _mm512_cmplt_epu8_mask(self.0, _mm512_set1_epi8(limit.cast_signed())) }
    }

    #[inline(always)]
    unsafe fn equal(self, byte: u8) -> u64 {
        // SAFETY: the caller's.
        unsafe { _mm512_cmpeq_epi8_mask(self.0, _mm512_set1_epi8(byte.cast_signed())) }
    }

    #[inline(always)]
    unsafe fn high(self) -> u64 {
        // SAFETY: the caller's.
        unsafe { _mm512_movepi8_mask(self.0) }
    }

    #[inline(always)]
    unsafe fn special(self) -> u64 {
        // SAFETY: the caller's.
        unsafe {
            // With its sign, what isn't ASCII is below the space as well.
            let below = _mm512_cmplt_epi8_mask(self.0, _mm512_set1_epi8(0x20));
            below | self.equal(b'"') | self.equal(b'\\')
        }
    }

    #[inline(always)]
    unsafe fn copy_plain(from: *const u8, to: *mut u8) -> bool {
        // SAFETY: the caller's.
        unsafe {
            let quote = _mm512_set1_epi8(b'"'.cast_signed());
            let backslash = _mm512_set1_epi8(b'\\'.cast_signed());
            // Zero where a byte is one of the two.
            let mut nearest = _mm512_set1_epi8(-1);
            // With its sign, what isn't ASCII is below the space as well.
            let mut lowest = _mm512_set1_epi8(0x7f);
            let mut at = 0;
            while at < STRIDE_BYTES {
                let bytes = _mm512_loadu_si512(from.add(at).cast());
                _mm512_storeu_si512(to.add(at).cast(), bytes);
                let nearer = _mm512_min_epu8(_mm512_xor_si512(bytes, quote), _mm512_xor_si512(bytes, backslash));
                nearest = _mm512_min_epu8(nearest, nearer);
                lowest = _mm512_min_epi8(lowest, bytes);
                at += 64;
            }
            let is_one_of_two = _mm512_testn_epi8_mask(nearest, nearest);
            (is_one_of_two | _mm512_cmplt_epi8_mask(lowest, _mm512_set1_epi8(0x20))) == 0
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    #[inline(never)]
    unsafe fn escape_long(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { escape_strides::<Self>(from, len, to) }
    }

    #[inline(always)]
    unsafe fn base64(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { base64::encode_blocks::<By512>(from, len, to) }
    }
}
