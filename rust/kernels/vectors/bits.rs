//! Vectors of bits: in how many two of them differ.
//!
//! Counts are exact in every order, so the kernel states none. `zig/kernels/vectors/bytes.zig` is its twin.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::best::{Best, Order, Ranked};
use super::lanes::{LINE, ahead, ask};
use super::top::BLOCK;
use super::{Batch, Error, Rows, Variant, variant};

/// A candidate that was found among vectors of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Near {
    /// Its row.
    pub index: usize,
    /// In how many bits it differs.
    pub distance: u32,
}

/// Bytes of a vector whose bits a u32 counts.
const DIM_MAX: usize = (u32::MAX / 8) as usize;

/// Counts the bits in which the query and each candidate differ. Asks ahead for rows as the kernels of floats do.
///
/// # Safety
/// The batch is as [`Batch`] says, its rows are of at most [`DIM_MAX`] bytes, `distances` is writable for its `count`, and the CPU has what
/// `C` needs.
#[inline(always)]
pub(super) unsafe fn count<C: Counts>(batch: &Batch<u8>, distances: *mut u32) {
    let ahead = ahead(batch);
    // SAFETY: the query and each row below the count have dim bytes, and there is a distance for each.
    unsafe {
        for row in 0..batch.count {
            let candidate = batch.rows.add(row * batch.stride);
            let mut line = 0;
            while line < batch.dim {
                ask(candidate, ahead + line);
                line += LINE;
            }
            distances.add(row).write(differing::<C>(batch.query, candidate, batch.dim));
        }
    }
}

/// # Safety
/// Both have `dim` bytes, and the CPU has what `C` needs.
#[inline(always)]
unsafe fn differing<C: Counts>(query: *const u8, candidate: *const u8, dim: usize) -> u32 {
    let whole = dim - dim % C::STEP;
    // SAFETY: the caller's; what is read ends at dim.
    unsafe {
        let mut count = C::count(query, candidate, whole);
        let mut at = whole;
        while at + WORD <= dim {
            count += word(query.add(at), candidate.add(at));
            at += WORD;
        }
        while at < dim {
            count += (*query.add(at) ^ *candidate.add(at)).count_ones();
            at += 1;
        }
        count
    }
}

const WORD: usize = size_of::<u64>();

/// # Safety
/// Both have eight bytes.
#[inline(always)]
unsafe fn word(query: *const u8, candidate: *const u8) -> u32 {
    // SAFETY: the caller's.
    unsafe { (query.cast::<u64>().read_unaligned() ^ candidate.cast::<u64>().read_unaligned()).count_ones() }
}

/// How a level of instructions counts.
pub(super) trait Counts {
    /// What it counts in: bytes behind the last whole step are counted by words.
    const STEP: usize;

    /// In how many bits the first `len` bytes differ, a multiple of [`Counts::STEP`].
    ///
    /// # Safety
    /// Both have `len` bytes, and the CPU has what the level needs.
    unsafe fn count(query: *const u8, candidate: *const u8, len: usize) -> u32;
}

/// As the compiler likes.
pub(super) struct Plain;

impl Counts for Plain {
    const STEP: usize = WORD;

    #[inline(always)]
    unsafe fn count(query: *const u8, candidate: *const u8, len: usize) -> u32 {
        let mut count = 0;
        let mut at = 0;
        while at < len {
            // SAFETY: the caller's.
            count += unsafe { word(query.add(at), candidate.add(at)) };
            at += WORD;
        }
        count
    }
}

/// How many bits of four are set, for each of the sixteen: what a shuffle by bytes looks up.
#[cfg(target_arch = "x86_64")]
const SET: [u8; 16] = [0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4];

/// Registers whose bits are added up before they are counted.
#[cfg(target_arch = "x86_64")]
const GROUP: usize = 4;

/// As many counts as surely fit a byte: each is of eight bits.
#[cfg(target_arch = "x86_64")]
const COUNTS: usize = u8::MAX as usize / 8;

/// Adds three bits in each place: the carry, and the sum.
///
/// # Safety
/// The CPU has AVX2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn add_bits_256(a: __m256i, b: __m256i, c: __m256i) -> (__m256i, __m256i) {
    // SAFETY: the caller's.
    unsafe {
        let either = _mm256_xor_si256(a, b);
        let carry = _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(either, c));
        (carry, _mm256_xor_si256(either, c))
    }
}

/// The same by truth tables.
///
/// # Safety
/// The CPU has AVX-512.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn add_bits_512(a: __m512i, b: __m512i, c: __m512i) -> (__m512i, __m512i) {
    // SAFETY: the caller's.
    unsafe { (_mm512_ternarylogic_epi64::<0xe8>(a, b, c), _mm512_ternarylogic_epi64::<0x96>(a, b, c)) }
}

/// By looking up both halves of each byte; of four registers one is, by the carry-save adders of Muła, Kurz and Lemire ("Faster Population
/// Counts Using AVX2 Instructions", 2018), which takes half of the instructions. Neither a closure nor an iterator, for the reason that
/// integers.rs has. What can load a part of a register needs no words behind the last whole one: 96 bytes took a fifth longer with them.
#[cfg(target_arch = "x86_64")]
macro_rules! looked_up {
    (
        $type:ident: $step:literal, $bytes:literal, $vector:ident, $load:ident, $xor:ident, $and:ident, $shift:ident, $shuffle:ident, $add:ident,
        $sad:ident, $add_wide:ident, $add_bits:ident $(, $part:ident by $mask:ty)?
    ) => {
        pub(super) struct $type;

        impl $type {
            /// How many bits of each byte are set.
            ///
            /// # Safety
            /// The CPU has what the level needs.
            #[inline(always)]
            unsafe fn set(bits: $vector) -> $vector {
                // SAFETY: the caller's; a vector has as many bits as its lanes, of which all are numbers.
                unsafe {
                    let set = std::mem::transmute::<[[u8; 16]; $bytes / 16], $vector>([SET; $bytes / 16]);
                    let half = std::mem::transmute::<[u8; $bytes], $vector>([0x0f; $bytes]);
                    $add($shuffle(set, $and(bits, half)), $shuffle(set, $and($shift::<4>(bits), half)))
                }
            }

            /// Which bits of a register differ.
            ///
            /// # Safety
            /// As [`Counts::count`], and the register is below the length.
            #[inline(always)]
            unsafe fn differing(query: *const u8, candidate: *const u8, at: usize) -> $vector {
                // SAFETY: the caller's.
                unsafe { $xor($load(query.add(at).cast()), $load(candidate.add(at).cast())) }
            }
        }

        impl Counts for $type {
            const STEP: usize = $step;

            #[inline(always)]
            unsafe fn count(query: *const u8, candidate: *const u8, len: usize) -> u32 {
                let whole = len - len % $bytes;
                // A group alone is counted as quickly by itself.
                let groups = if len < 2 * GROUP * $bytes { 0 } else { len - len % (GROUP * $bytes) };
                // SAFETY: the caller's; each load is below len, and lanes are as above.
                unsafe {
                    let zero = std::mem::transmute::<[u8; $bytes], $vector>([0; $bytes]);
                    let mut sums = zero;
                    let mut counts = zero;
                    let mut at = 0;
                    if groups > 0 {
                        let (mut ones, mut twos) = (zero, zero);
                        while at < groups {
                            let end = groups.min(at + COUNTS * GROUP * $bytes);
                            let mut fours_counts = zero;
                            while at < end {
                                let first = Self::differing(query, candidate, at);
                                let second = Self::differing(query, candidate, at + $bytes);
                                let third = Self::differing(query, candidate, at + 2 * $bytes);
                                let fourth = Self::differing(query, candidate, at + 3 * $bytes);
                                let (more, ones_so_far) = $add_bits(ones, first, second);
                                let (still_more, ones_now) = $add_bits(ones_so_far, third, fourth);
                                let (fours, twos_now) = $add_bits(twos, more, still_more);
                                (ones, twos) = (ones_now, twos_now);
                                fours_counts = $add(fours_counts, Self::set(fours));
                                at += GROUP * $bytes;
                            }
                            sums = $add_wide(sums, $sad(fours_counts, zero));
                        }
                        sums = $add_wide(sums, sums);
                        sums = $add_wide(sums, sums);
                        let twos_counts = Self::set(twos);
                        counts = $add(Self::set(ones), $add(twos_counts, twos_counts));
                    }
                    // Less than two groups, so that all counts fit.
                    while at < whole {
                        counts = $add(counts, Self::set(Self::differing(query, candidate, at)));
                        at += $bytes;
                    }
                    $(if whole < len {
                        let mask = <$mask>::MAX >> ($bytes - (len - whole));
                        let bits = $xor($part(mask, query.add(whole).cast()), $part(mask, candidate.add(whole).cast()));
                        counts = $add(counts, Self::set(bits));
                    })?
                    sums = $add_wide(sums, $sad(counts, zero));
                    let mut words = std::mem::transmute::<$vector, [u64; $bytes / 8]>(sums);
                    let mut width = words.len() / 2;
                    while width > 0 {
                        for word in 0..width {
                            words[word] += words[word + width];
                        }
                        width /= 2;
                    }
                    words[0] as u32
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
looked_up!(
    By256: 32, 32, __m256i, _mm256_loadu_si256, _mm256_xor_si256, _mm256_and_si256, _mm256_srli_epi16, _mm256_shuffle_epi8, _mm256_add_epi8,
    _mm256_sad_epu8, _mm256_add_epi64, add_bits_256
);
#[cfg(target_arch = "x86_64")]
looked_up!(
    By512: 1, 64, __m512i, _mm512_loadu_si512, _mm512_xor_si512, _mm512_and_si512, _mm512_srli_epi16, _mm512_shuffle_epi8, _mm512_add_epi8,
    _mm512_sad_epu8, _mm512_add_epi64, add_bits_512, _mm512_maskz_loadu_epi8 by u64
);

/// In how many bits two vectors differ (their Hamming distance). Bits that the last byte has to spare are 0 in both.
///
/// ```
/// assert_eq!(lyger::kernels::vectors::hamming(&[0b1100, 0xff], &[0b1010, 0xff]), Ok(2));
/// ```
///
/// # Errors
/// When one is longer than the other, they have 2^29 bytes or more, or `LYGER_KERNELS` asks for what this build or this CPU lacks.
pub fn hamming(a: &[u8], b: &[u8]) -> Result<u32, Error> {
    let mut found = [0];
    hamming_distances(a, &Rows::new(b, b.len(), b.len(), 1)?, &mut found)?;
    Ok(found[0])
}

/// Writes to `distances` in how many bits each row differs from the query.
///
/// ```
/// use lyger::kernels::vectors::{Rows, hamming_distances};
/// let rows = Rows::new(&[0x0f_u8, 0xff, 0x00], 1, 1, 3)?;
/// let mut distances = [0; 3];
/// hamming_distances(&[0x0f], &rows, &mut distances)?;
/// assert_eq!(distances, [0, 4, 4]);
/// # Ok::<(), lyger::kernels::Error>(())
/// ```
///
/// # Errors
/// When the query has another number of bytes than the rows, or 2^29 and more, there are more or fewer distances than rows, or
/// `LYGER_KERNELS` asks for what this build or this CPU lacks. Then no distance is written.
pub fn hamming_distances(query: &[u8], rows: &Rows<u8>, distances: &mut [u32]) -> Result<(), Error> {
    variant::active()?.vector_hamming(query, rows, distances)
}

/// The `k` rows that differ in the fewest bits, the nearest first, of equal distances the lower index; all rows when there are fewer.
///
/// ```
/// use lyger::kernels::vectors::{Near, Rows, hamming_top_k};
/// let rows = Rows::new(&[0x0f_u8, 0xff, 0x00], 1, 1, 3)?;
/// let nearest = hamming_top_k(&[0x1f], &rows, 2)?;
/// assert_eq!(nearest, [Near { index: 0, distance: 1 }, Near { index: 1, distance: 3 }]);
/// # Ok::<(), lyger::kernels::Error>(())
/// ```
///
/// # Errors
/// When the query has another number of bytes than the rows, or 2^29 and more, or `LYGER_KERNELS` asks for what this build or this CPU
/// lacks.
pub fn hamming_top_k(query: &[u8], rows: &Rows<u8>, k: usize) -> Result<Vec<Near>, Error> {
    variant::active()?.vector_hamming_top_k(query, rows, k)
}

/// Distances in bits, which are their own ranks.
struct Fewest;

impl Order for Fewest {
    type Score = u32;
    const WORST: u32 = u32::MAX;

    #[inline(always)]
    fn is_better(one: u32, other: u32) -> bool {
        one < other
    }

    #[inline(always)]
    fn rank(score: u32) -> u32 {
        score
    }

    #[inline(always)]
    fn score(rank: u32) -> u32 {
        rank
    }
}

/// # Errors
/// When the query doesn't fit the rows, or its bits may be too many to count.
fn check(query: &[u8], rows: &Rows<u8>) -> Result<(), Error> {
    if query.len() != rows.dim() {
        return Err(Error::Dimension { query: query.len(), rows: rows.dim() });
    }
    if query.len() > DIM_MAX {
        return Err(Error::Setting { what: "a vector of bits", must: "be shorter than 2^29 bytes" });
    }
    Ok(())
}

impl Variant {
    /// [`hamming_distances`] by this variant.
    ///
    /// # Errors
    /// As [`hamming_distances`].
    pub fn vector_hamming(self, query: &[u8], rows: &Rows<u8>, distances: &mut [u32]) -> Result<(), Error> {
        check(query, rows)?;
        if distances.len() != rows.count() {
            return Err(Error::Scores { len: distances.len(), rows: rows.count() });
        }
        let batch = Batch {
            query: query.as_ptr(),
            rows: rows.elements(),
            norms: std::ptr::null(),
            dim: rows.dim(),
            stride: rows.stride(),
            count: rows.count(),
            query_norm: 0.0,
            metric: 0,
        };
        // SAFETY: a Variant exists only for a CPU of its level; Rows proves that its rows are there, and the query and the distances
        // are as long as has been checked.
        unsafe { (self.vectors().hamming)(&batch, distances.as_mut_ptr()) };
        Ok(())
    }

    /// [`hamming_top_k`] by this variant.
    ///
    /// # Errors
    /// As [`hamming_top_k`].
    pub fn vector_hamming_top_k(self, query: &[u8], rows: &Rows<u8>, k: usize) -> Result<Vec<Near>, Error> {
        check(query, rows)?;
        let mut best = Best::new(k);
        if k > 0 {
            best.reserve(rows.count());
            let mut distances = [0; BLOCK];
            for first in (0..rows.count()).step_by(BLOCK) {
                let part = rows.part(first, BLOCK);
                let distances = &mut distances[..part.count()];
                self.vector_hamming(query, &part, distances)?;
                best.offer::<Fewest>(distances, |at| Some(first + at));
            }
        }
        let nearest = best.into_sorted();
        Ok(nearest.into_iter().map(|Ranked { rank, name }| Near { index: name, distance: rank }).collect())
    }
}
