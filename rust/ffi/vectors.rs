//! The kernels of vectors, by the name that the seed describes.

use super::error::Failure;
use super::panic;
use super::slice::{NUMBERS_MAX, apart, numbers, numbers_mut};
use super::status::Status;
use crate::kernels::vectors::{Metric, Rows, score};

/// Writes the cosine of the query and each candidate to `scores`: candidate `i` is the `query_len` floats from
/// `candidates[i * query_len]` on.
///
/// A cosine is `dot / (norm * norm)`, cut to -1 and 1, each operation rounded to float in an order that is the same on every
/// machine. It is 0 where a vector has the norm 0, and the NaN 0x7fc00000 where either holds a NaN, or infinities that give one.
/// Never -0. With `query_len` 0 all are 0.
///
/// Squares have to be floats: a vector of length 2^64 (1.8e19) or more gives 0, or NaN where the dot is infinite too; one whose
/// elements all are below about 2^-63 (1.1e-19) loses digits, the more the smaller they are, and gives 0 from 2^-75 (2.6e-23)
/// down. Multiply such a vector by a power of two before, which changes no true cosine, or divide it by its length in doubles.
///
/// On an error no score is written, and `lyger_last_error` says which: `NULL_POINTER`, `TOO_LONG` (more than 2^32 - 1 candidates,
/// floats of the query, or floats of all candidates; the query's also without candidates), `INVALID_ARGUMENT` (an array isn't
/// aligned, or scores overlap what is read), `INVALID_CONFIG` (`LYGER_KERNELS`). Any thread, any process.
///
/// # Safety
/// `query` must be readable for `query_len` floats, `candidates` for `query_len * num_candidates`, and `scores` writable for
/// `num_candidates`; nobody changes them during the call. What has no elements may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engram_vector_similarity(
    query: *const f32,
    candidates: *const f32,
    scores: *mut f32,
    query_len: usize,
    num_candidates: usize,
) {
    panic::value((), || {
        let elements =
            query_len.checked_mul(num_candidates).filter(|elements| *elements <= NUMBERS_MAX).ok_or_else(|| {
                let message =
                    format!("{num_candidates} candidates of {query_len} floats are more than {NUMBERS_MAX} floats");
                Failure::new(Status::TooLong, message)
            })?;
        apart(("scores", scores, num_candidates), ("query", query, query_len))?;
        apart(("scores", scores, num_candidates), ("candidates", candidates, elements))?;
        // SAFETY: the caller's promise, passed on; what is written overlaps neither of the others.
        let (query, candidates, scores) = unsafe {
            (
                numbers("query", query, query_len)?,
                numbers("candidates", candidates, elements)?,
                numbers_mut("scores", scores, num_candidates)?,
            )
        };
        let rows = Rows::new(candidates, query_len, query_len, num_candidates)?;
        Ok(score(Metric::Cosine, query, &rows, scores)?)
    });
}
