//! Vectors: how alike they are, one query against many candidates, and the best of them.
//!
//! | metric | of a query `q` and a candidate `c` |
//! |---|---|
//! | dot | the sum of `q[i] * c[i]` |
//! | cosine | `dot(q, c) / (norm(q) * norm(c))`, where `norm(x)` is `sqrt(dot(x, x))`, cut to -1 and 1 |
//! | L2 | the square root of the sum of `(q[i] - c[i])^2` |
//!
//! Elements are f32, [`F16`], [`Bf16`] or i8. Vectors of bits are told apart by [`hamming`].
//!
//! The floats of 16 bits are widened, which is exact, and from there on are what f32 are. Of floats every operation is rounded to f32, in
//! one order that `lanes.rs` states, so that all variants give the same bits. The
//! error of a sum over `n` elements is at most about `n / 32 + 6` roundings of the sum of the terms' absolute values.
//!
//! Of i8 the sums are exact integers. The dot is rounded once, to f32. The L2 distance is the root of its sum as an f64, the cosine
//! `dot(q, c) / sqrt(dot(q, q) * dot(c, c))` in f64, each of its operations rounded; both are then rounded to f32. So the cosine of parallel
//! vectors is 1 or -1 without being cut, and norms that are given aren't looked at.
//!
//! # Odd inputs
//! Of i8 only the first and the last two can occur.
//! - The cosine with a vector of norm 0 is 0. That is the zero vector, and also one whose elements all are at most 2^-75, for their
//!   squares are 0.
//! - Elements below about 2^-63 have squares with fewer digits than floats have, so a cosine of vectors that are as small
//!   throughout loses digits: of [1, 1] and [3e-23, 1e-23] it is 0.756, not 0.894.
//! - The norm of a vector of length 2^64 or more is infinite: the cosine is 0, or NaN where the dot is infinite too. So is a
//!   distance from 2^64 on.
//! - Whoever has such vectors scales them by a power of two, or divides them by their norms as computed in f64.
//! - Infinities give what IEEE 754 says: `inf * 0` and `inf - inf` are NaN.
//! - NaN in either vector makes every score NaN, with the bits 0x7fc00000 whatever hardware computes it.
//! - No score is -0.
//! - Without elements (`dim` 0) every score is 0.

mod best;
mod bits;
mod elements;
mod half;
mod integers;
mod lanes;
mod levels;
mod rows;
mod top;

use super::{Error, Variant, variant};

pub use bits::{Near, hamming, hamming_distances, hamming_top_k};
pub use elements::{Bf16, F16};
#[cfg(target_arch = "aarch64")]
pub(super) use levels::NEON;
pub(super) use levels::{PORTABLE, Score, Table};
#[cfg(target_arch = "x86_64")]
pub(super) use levels::{V2, V3, V4};
pub use rows::Rows;
pub use top::TopK;

/// How alike two vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The scalar product; the more alike, the higher.
    Dot,
    /// The cosine of the angle between them, -1 to 1; the more alike, the higher.
    Cosine,
    /// The Euclidean distance; the more alike, the lower.
    L2,
}

/// A candidate that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Its row.
    pub index: usize,
    /// Its score.
    pub score: f32,
}

/// What vectors may consist of: `f32`, [`F16`], [`Bf16`] or `i8`.
pub trait Element: Copy + sealed::Kernel {}

impl<E: Copy + sealed::Kernel> Element for E {}

mod sealed {
    /// Which kernel of a variant reads such elements.
    #[allow(private_interfaces, unnameable_types, reason = "nobody outside of this room calls it")]
    pub trait Kernel: Sized {
        fn kernel(table: &'static super::Table) -> super::Score<Self>;
    }
}

macro_rules! elements {
    ($($field:ident: $element:ty),*) => {$(
        #[allow(private_interfaces, reason = "as the trait")]
        impl sealed::Kernel for $element {
            fn kernel(table: &'static Table) -> Score<Self> {
                table.$field
            }
        }
    )*};
}

elements!(f32: f32, f16: F16, bf16: Bf16, i8: i8);

// What a kernel is asked for, as `lyger_kernels.h` numbers it.
const DOT: u32 = 0;
const COSINE: u32 = 1;
const L2: u32 = 2;
/// The norm of each candidate; there is no query.
const NORM: u32 = 3;

/// What a kernel reads; `lk_vectors` of `lyger_kernels.h`. Whoever makes one has checked that the query has `dim` elements
/// (for [`NORM`] it may be any pointer to as many), that the rows are there, and that there is a norm for each unless
/// the pointer is null.
#[repr(C)]
pub(super) struct Batch<E> {
    pub(super) query: *const E,
    pub(super) rows: *const E,
    /// Null, or a norm for each row.
    pub(super) norms: *const f32,
    pub(super) dim: usize,
    pub(super) stride: usize,
    pub(super) count: usize,
    /// Used for cosines.
    pub(super) query_norm: f32,
    pub(super) metric: u32,
}

impl<E> Batch<E> {
    /// The same with elements as another type of the same size has them; what reads it says why it may.
    #[inline(always)]
    fn read_as<F>(&self) -> Batch<F> {
        const { assert!(size_of::<E>() == size_of::<F>() && align_of::<E>() == align_of::<F>()) };
        Batch {
            query: self.query.cast(),
            rows: self.rows.cast(),
            norms: self.norms,
            dim: self.dim,
            stride: self.stride,
            count: self.count,
            query_norm: self.query_norm,
            metric: self.metric,
        }
    }
}

/// A query that fits its candidates, and who scores them.
struct Query<'a, E> {
    kernel: Score<E>,
    metric: u32,
    elements: &'a [E],
    norm: f32,
}

impl<'a, E: Element> Query<'a, E> {
    fn new(variant: Variant, metric: Metric, elements: &'a [E], rows: &Rows<E>) -> Result<Self, Error> {
        if elements.len() != rows.dim() {
            return Err(Error::Dimension { query: elements.len(), rows: rows.dim() });
        }
        let kernel = E::kernel(variant.vectors());
        let metric = match metric {
            Metric::Dot => DOT,
            Metric::Cosine => COSINE,
            Metric::L2 => L2,
        };
        let mut query = Self { kernel, metric, elements, norm: 0.0 };
        if metric == COSINE {
            query.norm = query.norm();
        }
        Ok(query)
    }

    fn norm(&self) -> f32 {
        let mut norm = [0.0];
        let itself = Rows::new(self.elements, self.elements.len(), self.elements.len(), 1).expect("one row");
        Self { kernel: self.kernel, metric: NORM, elements: self.elements, norm: 0.0 }.score(&itself, &mut norm);
        norm[0]
    }

    /// # Panics
    /// When there are fewer scores than rows, or the rows have another dimension than those of `new`.
    fn score(&self, rows: &Rows<E>, scores: &mut [f32]) {
        assert!(scores.len() == rows.count() && self.elements.len() == rows.dim());
        let batch = Batch {
            query: self.elements.as_ptr(),
            rows: rows.elements(),
            norms: rows.norms(),
            dim: rows.dim(),
            stride: rows.stride(),
            count: rows.count(),
            query_norm: self.norm,
            metric: self.metric,
        };
        // SAFETY: the kernel is of a Variant, which exists only for a CPU of its level; Rows proves that its rows and norms
        // are there, and the query and the scores are as long as the assertion says.
        unsafe { (self.kernel)(&batch, scores.as_mut_ptr()) };
    }
}

/// Writes the score of each row to `scores`.
///
/// ```
/// use lyger::kernels::vectors::{Metric, Rows, score};
/// let rows = Rows::new(&[2.0_f32, 0.0, 0.0, 0.0, 3.0, 4.0], 2, 2, 3)?;
/// let mut scores = [0.0; 3];
/// score(Metric::Cosine, &[3.0, 0.0], &rows, &mut scores)?;
/// assert_eq!(scores, [1.0, 0.0, 0.6]);
/// # Ok::<(), lyger::kernels::Error>(())
/// ```
///
/// # Errors
/// When the query has another number of elements than the rows, there are more or fewer scores than rows, or
/// `LYGER_KERNELS` asks for what this build or this CPU lacks. Then no score is written.
pub fn score<E: Element>(metric: Metric, query: &[E], rows: &Rows<E>, scores: &mut [f32]) -> Result<(), Error> {
    variant::active()?.vector_scores(metric, query, rows, scores)
}

/// The `k` best rows, the very best first; all of them when there are fewer.
///
/// Best are the highest dots and cosines, and the lowest distances. Of equal scores the lower index is better; what isn't
/// a number is worse than all numbers. [`TopK`] is the same for candidates that come in parts.
///
/// ```
/// use lyger::kernels::vectors::{Metric, Rows, top_k};
/// let rows = Rows::new(&[1.0_f32, 5.0, f32::NAN, 5.0], 1, 1, 4)?;
/// let best = top_k(Metric::Dot, &[2.0], &rows, 3)?;
/// assert_eq!(best.iter().map(|found| found.index).collect::<Vec<_>>(), [1, 3, 0]);
/// assert_eq!(best[0].score, 10.0);
/// # Ok::<(), lyger::kernels::Error>(())
/// ```
///
/// # Errors
/// When the query has another number of elements than the rows, or `LYGER_KERNELS` asks for what this build or this CPU
/// lacks.
pub fn top_k<E: Element>(metric: Metric, query: &[E], rows: &Rows<E>, k: usize) -> Result<Vec<Match>, Error> {
    variant::active()?.vector_top_k(metric, query, rows, k)
}

/// Writes the norm of each row to `norms`, as cosines use it.
///
/// # Errors
/// When there are more or fewer norms than rows, or `LYGER_KERNELS` asks for what this build or this CPU lacks.
pub fn norms<E: Element>(rows: &Rows<E>, norms: &mut [f32]) -> Result<(), Error> {
    variant::active()?.vector_norms(rows, norms)
}

/// Divides a vector by its norm. One whose norm is 0 stays as it is; one whose norm is infinite becomes zeros, with NaN where
/// it is infinite itself; one with NaN becomes NaN throughout. The norm is that of cosines, with its [limits](self#odd-inputs).
///
/// For f32 alone: the elements of a unit vector are at most 1, which i8 can't tell apart and floats of 16 bits would round once
/// more. Cosines of all types divide by the norms themselves.
///
/// ```
/// let mut vector = [3.0, 0.0, 4.0];
/// lyger::kernels::vectors::normalize(&mut vector)?;
/// assert_eq!(vector, [0.6, 0.0, 0.8]);
/// # Ok::<(), lyger::kernels::Error>(())
/// ```
///
/// # Errors
/// When `LYGER_KERNELS` asks for what this build or this CPU lacks.
pub fn normalize(vector: &mut [f32]) -> Result<(), Error> {
    variant::active()?.vector_normalize(vector);
    Ok(())
}

/// The scalar product of two vectors; for many candidates [`score`] is faster.
///
/// ```
/// assert_eq!(lyger::kernels::vectors::dot(&[1.0_f32, 2.0], &[3.0, 4.0]), Ok(11.0));
/// ```
///
/// # Errors
/// When one has more elements than the other, or `LYGER_KERNELS` asks for what this build or this CPU lacks.
pub fn dot<E: Element>(a: &[E], b: &[E]) -> Result<f32, Error> {
    pair(Metric::Dot, a, b)
}

/// The cosine of the angle between two vectors.
///
/// # Errors
/// As [`dot`].
pub fn cosine<E: Element>(a: &[E], b: &[E]) -> Result<f32, Error> {
    pair(Metric::Cosine, a, b)
}

/// The Euclidean distance of two vectors.
///
/// # Errors
/// As [`dot`].
pub fn l2<E: Element>(a: &[E], b: &[E]) -> Result<f32, Error> {
    pair(Metric::L2, a, b)
}

fn pair<E: Element>(metric: Metric, a: &[E], b: &[E]) -> Result<f32, Error> {
    let mut found = [0.0];
    score(metric, a, &Rows::new(b, b.len(), b.len(), 1)?, &mut found)?;
    Ok(found[0])
}

impl Variant {
    /// [`score`] by this variant.
    ///
    /// # Errors
    /// As [`score`].
    pub fn vector_scores<E: Element>(
        self,
        metric: Metric,
        query: &[E],
        rows: &Rows<E>,
        scores: &mut [f32],
    ) -> Result<(), Error> {
        if scores.len() != rows.count() {
            return Err(Error::Scores { len: scores.len(), rows: rows.count() });
        }
        Query::new(self, metric, query, rows)?.score(rows, scores);
        Ok(())
    }

    /// [`top_k`] by this variant.
    ///
    /// # Errors
    /// As [`top_k`].
    pub fn vector_top_k<E: Element>(
        self,
        metric: Metric,
        query: &[E],
        rows: &Rows<E>,
        k: usize,
    ) -> Result<Vec<Match>, Error> {
        let mut best = TopK::new(metric, k);
        best.scan_with(self, query, rows, 0)?;
        Ok(best.into_matches())
    }

    /// [`norms`] by this variant.
    ///
    /// # Errors
    /// As [`norms`].
    pub fn vector_norms<E: Element>(self, rows: &Rows<E>, norms: &mut [f32]) -> Result<(), Error> {
        if norms.len() != rows.count() {
            return Err(Error::Scores { len: norms.len(), rows: rows.count() });
        }
        let Some(any) = rows.first() else { return Ok(()) };
        // In the query's place stands what has as many elements; nobody reads it.
        Query { kernel: E::kernel(self.vectors()), metric: NORM, elements: any, norm: 0.0 }.score(rows, norms);
        Ok(())
    }

    /// [`normalize`] by this variant.
    pub fn vector_normalize(self, vector: &mut [f32]) {
        // SAFETY: a Variant exists only for a CPU of its level; the vector is as long as it says.
        unsafe { (self.vectors().normalize)(vector.as_mut_ptr(), vector.len()) };
    }
}
