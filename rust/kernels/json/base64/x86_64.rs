//! Base64 in the registers of x86-64-v2, v3 and v4, by the arithmetic of Muła and Lemire ("Faster Base64 Encoding and Decoding Using AVX2
//! Instructions", 2018). What doesn't fill a register is encoded as if zeros followed, so that short cells need no table of characters.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::super::block::low_bits;

/// A register of characters.
///
/// # Safety
/// All methods need the CPU to have the implementing type's level, 64 readable bytes and 64 writable ones.
#[allow(clippy::missing_safety_doc)]
pub(in super::super) trait Characters {
    /// Bytes that become a register of them.
    const BYTES: usize;
    /// Writes those of [`Characters::BYTES`] bytes.
    unsafe fn write(from: *const u8, to: *mut u8);
    /// The same as if there were zeros behind the first `count`, which are fewer.
    unsafe fn write_some(from: *const u8, count: usize, to: *mut u8);
}

/// Writes four characters for each three bytes begun, and returns their end.
///
/// # Safety
/// They fit; 64 bytes behind both sides are readable and writable, and the CPU has what `C` needs.
#[inline(always)]
pub(in super::super) unsafe fn encode_blocks<C: Characters>(from: *const u8, len: usize, to: *mut u8) -> *mut u8 {
    let whole = len - len % C::BYTES;
    let left = len - whole;
    // SAFETY: the caller's.
    unsafe {
        let mut done = 0;
        while done < whole {
            C::write(from.add(done), to.add(done / 3 * 4));
            done += C::BYTES;
        }
        let end = to.add(len.div_ceil(3) * 4);
        if left > 0 {
            C::write_some(from.add(whole), left, to.add(whole / 3 * 4));
            if !left.is_multiple_of(3) {
                end.sub(1).write(b'=');
            }
            if left % 3 == 1 {
                end.sub(2).write(b'=');
            }
        }
        end
    }
}

/// Where the second, the first, the third and again the second byte of each three are.
const PLACES: [u8; 16] = [1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10];

/// From the first sextet of a range to its character: small letters, ten digits, plus, slash, capitals.
const DISTANCES: [u8; 16] = {
    let mut distances = [b'0'.wrapping_sub(52); 16];
    distances[0] = b'a' - 26;
    distances[11] = b'+'.wrapping_sub(62);
    distances[12] = b'/'.wrapping_sub(63);
    distances[CAPITALS as usize] = b'A';
    distances
};

/// The last of the ranges.
const CAPITALS: u8 = 13;

/// Neither a closure nor an iterator, for the reason that block.rs has.
macro_rules! characters {
    (
        $type:ident: $bytes:literal, $vector:ident, $lanes:literal, $load:ident, $load_some:ident, $store:ident, $and:ident, $or:ident,
        $shift_right:ident, $shift_left:ident, $subs:ident, $shuffle:ident, $add:ident, $capitals:ident
    ) => {
        pub(in super::super) struct $type;

        impl $type {
            /// The characters of the first 12 bytes of each 16.
            ///
            /// # Safety
            /// The CPU has the level.
            #[inline(always)]
            unsafe fn of(bytes: $vector) -> $vector {
                // SAFETY: the caller's; a vector has as many bits as its lanes, of which all are numbers.
                unsafe {
                    let triples = $shuffle(bytes, transmute::<[[u8; 16]; $lanes], $vector>([PLACES; $lanes]));
                    // Of each two bytes six bits go to the lower one: by products, which shift each lane as far as it needs.
                    let first_and_third = transmute::<[u32; 4 * $lanes], $vector>([0x0fc0_fc00; 4 * $lanes]);
                    let right = transmute::<[u32; 4 * $lanes], $vector>([0x0400_0040; 4 * $lanes]);
                    let second_and_fourth = transmute::<[u32; 4 * $lanes], $vector>([0x003f_03f0; 4 * $lanes]);
                    let left = transmute::<[u32; 4 * $lanes], $vector>([0x0100_0010; 4 * $lanes]);
                    let sextets = $or(
                        $shift_right($and(triples, first_and_third), right),
                        $shift_left($and(triples, second_and_fourth), left),
                    );
                    let ranges = $subs(sextets, transmute::<[u8; 16 * $lanes], $vector>([51; 16 * $lanes]));
                    let distances = transmute::<[[u8; 16]; $lanes], $vector>([DISTANCES; $lanes]);
                    $add(sextets, $shuffle(distances, $capitals(sextets, ranges)))
                }
            }
        }

        impl Characters for $type {
            const BYTES: usize = $bytes;

            #[inline(always)]
            unsafe fn write(from: *const u8, to: *mut u8) {
                // SAFETY: the caller's.
                unsafe { $store(to.cast(), Self::of($load(from))) };
            }

            #[inline(always)]
            unsafe fn write_some(from: *const u8, count: usize, to: *mut u8) {
                // SAFETY: the caller's.
                unsafe { $store(to.cast(), Self::of($load_some(from, count))) };
            }
        }
    };
}

characters!(
    By128: 12, __m128i, 1, load_128, load_some_128, _mm_storeu_si128, _mm_and_si128, _mm_or_si128,
    _mm_mulhi_epu16, _mm_mullo_epi16, _mm_subs_epu8, _mm_shuffle_epi8, _mm_add_epi8, capitals_128
);
characters!(
    By256: 24, __m256i, 2, load_256, load_some_256, _mm256_storeu_si256, _mm256_and_si256, _mm256_or_si256,
    _mm256_mulhi_epu16, _mm256_mullo_epi16, _mm256_subs_epu8, _mm256_shuffle_epi8, _mm256_add_epi8, capitals_256
);
characters!(
    By512: 48, __m512i, 4, load_512, load_some_512, _mm512_storeu_si512, _mm512_and_si512, _mm512_or_si512,
    _mm512_mulhi_epu16, _mm512_mullo_epi16, _mm512_subs_epu8, _mm512_shuffle_epi8, _mm512_add_epi8, capitals_512
);

/// As long as the bytes of two lanes, then zeros.
static COUNTED: [u8; 56] = {
    let mut counted = [0; 56];
    let mut at = 0;
    while at < 28 {
        counted[at] = 0xff;
        at += 1;
    }
    counted
};

/// # Safety
/// 16 bytes are readable.
#[inline(always)]
unsafe fn load_128(from: *const u8) -> __m128i {
    // SAFETY: the caller's.
    unsafe { _mm_loadu_si128(from.cast()) }
}

/// # Safety
/// 16 bytes are readable; `count` is at most 28.
#[inline(always)]
unsafe fn load_some_128(from: *const u8, count: usize) -> __m128i {
    // SAFETY: the caller's; from there on at least 28 bytes are in the table.
    unsafe { _mm_and_si128(load_128(from), load_128(COUNTED.as_ptr().add(28 - count))) }
}

/// # Safety
/// 28 bytes are readable, and the CPU has AVX2.
#[inline(always)]
unsafe fn load_256(from: *const u8) -> __m256i {
    // SAFETY: the caller's.
    unsafe { _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(load_128(from)), load_128(from.add(12))) }
}

/// # Safety
/// As [`load_256`]; `count` is at most 28.
#[inline(always)]
unsafe fn load_some_256(from: *const u8, count: usize) -> __m256i {
    // SAFETY: the caller's; from there on at least 28 bytes are in the table.
    unsafe { _mm256_and_si256(load_256(from), load_256(COUNTED.as_ptr().add(28 - count))) }
}

/// # Safety
/// 64 bytes are readable, and the CPU has AVX-512.
#[inline(always)]
unsafe fn load_512(from: *const u8) -> __m512i {
    // SAFETY: the caller's.
    unsafe { in_lanes(_mm512_loadu_si512(from.cast())) }
}

/// # Safety
/// `count` bytes are readable, and the CPU has AVX-512 BW.
#[inline(always)]
unsafe fn load_some_512(from: *const u8, count: usize) -> __m512i {
    // SAFETY: the caller's.
    unsafe { in_lanes(_mm512_maskz_loadu_epi8(low_bits(count), from.cast())) }
}

/// Twelve bytes to each lane.
///
/// # Safety
/// The CPU has AVX-512.
#[inline(always)]
unsafe fn in_lanes(bytes: __m512i) -> __m512i {
    // SAFETY: the caller's.
    unsafe { _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12), bytes) }
}

/// The ranges, with that of capitals for the first sextets.
///
/// # Safety
/// Every x86-64 has what it needs.
#[inline(always)]
unsafe fn capitals_128(sextets: __m128i, ranges: __m128i) -> __m128i {
    // SAFETY: the caller's.
    unsafe {
        let are_capital = _mm_cmpgt_epi8(_mm_set1_epi8(26), sextets);
        _mm_or_si128(ranges, _mm_and_si128(are_capital, _mm_set1_epi8(CAPITALS.cast_signed())))
    }
}

/// # Safety
/// The CPU has AVX2.
#[inline(always)]
unsafe fn capitals_256(sextets: __m256i, ranges: __m256i) -> __m256i {
    // SAFETY: the caller's.
    unsafe {
        let are_capital = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), sextets);
        _mm256_or_si256(ranges, _mm256_and_si256(are_capital, _mm256_set1_epi8(CAPITALS.cast_signed())))
    }
}

/// # Safety
/// The CPU has AVX-512 BW.
#[inline(always)]
unsafe fn capitals_512(sextets: __m512i, ranges: __m512i) -> __m512i {
    // SAFETY: the caller's.
    unsafe {
        let are_capital = _mm512_cmplt_epi8_mask(sextets, _mm512_set1_epi8(26));
        _mm512_mask_mov_epi8(ranges, are_capital, _mm512_set1_epi8(CAPITALS.cast_signed()))
    }
}
