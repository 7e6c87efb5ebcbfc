//! Vectors of bits: in how many two of them differ.
//!
//! Counts are exact in every order, so the kernel states none. `zig/kernels/vectors/bytes.zig` is its twin.

use super::best::{Best, Ranked};
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

/// Counts the bits in which the query and each candidate differ.
///
/// # Safety
/// The batch is as [`Batch`] says, its rows are of at most [`DIM_MAX`] bytes, and `distances` is writable for its `count`.
#[inline(always)]
pub(super) unsafe fn count(batch: &Batch<u8>, distances: *mut u32) {
    // SAFETY: the query and each row below the count have dim bytes, and there is a distance for each.
    unsafe {
        let query = std::slice::from_raw_parts(batch.query, batch.dim);
        for row in 0..batch.count {
            let candidate = std::slice::from_raw_parts(batch.rows.add(row * batch.stride), batch.dim);
            distances.add(row).write(differing(query, candidate));
        }
    }
}

#[inline(always)]
fn differing(query: &[u8], candidate: &[u8]) -> u32 {
    let ((query, query_rest), (candidate, candidate_rest)) = (query.as_chunks::<8>(), candidate.as_chunks::<8>());
    let words = query.iter().zip(candidate).map(|(q, c)| u64::from_ne_bytes(*q) ^ u64::from_ne_bytes(*c));
    let rest = query_rest.iter().zip(candidate_rest).map(|(q, c)| (q ^ c).count_ones());
    words.map(u64::count_ones).sum::<u32>() + rest.sum::<u32>()
}

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
                best.offer(distances, |distance| distance, |at| Some(first + at));
            }
        }
        let nearest = best.into_sorted();
        Ok(nearest.into_iter().map(|Ranked { rank, name }| Near { index: name, distance: rank }).collect())
    }
}
