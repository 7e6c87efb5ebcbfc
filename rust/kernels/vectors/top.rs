//! The best of many candidates, selected while they are scored.
//!
//! Scores are computed into a small buffer, [`BLOCK`] at a time, and looked at while they are in the cache; there is no
//! array of all scores. The selection is the same for all variants: it compares numbers, so there are no bits to differ in.

use std::collections::TryReserveError;

use super::super::{Error, Variant};
use super::best::{Best, Order, Ranked};
use super::lanes::NAN;
use super::{Element, Match, Metric, Rows};

/// How many candidates are scored before their scores are looked at: few enough that these stay in the nearest cache, many enough that a
/// call per block costs nothing, and that little of a search is done before it knows what is among the best.
pub(super) const BLOCK: usize = 1024;

/// The `k` best so far of candidates that come in parts.
///
/// The best are those with the highest dot or cosine, or the lowest distance. Of equal scores the lower index
/// is better; what isn't a number is worse than all numbers.
///
/// ```
/// use lyger::kernels::vectors::{Metric, Rows, TopK};
/// let mut best = TopK::new(Metric::L2, 1);
/// best.scan(&[1.0_f32], &Rows::new(&[5.0, 2.0], 1, 1, 2)?, 0)?;
/// best.scan(&[1.0_f32], &Rows::new(&[1.5, 7.0], 1, 1, 2)?, 2)?;
/// assert_eq!(best.into_matches()[0].index, 2);
/// # Ok::<(), lyger::kernels::Error>(())
/// ```
///
/// Candidates may have names of their own instead of an index, which then decide between equal scores:
/// [`TopK::of_named`].
#[derive(Debug, Clone)]
pub struct TopK<N = usize> {
    metric: Metric,
    best: Best<N>,
}

impl TopK {
    /// Nothing yet of at most `k`.
    #[must_use]
    pub fn new(metric: Metric, k: usize) -> Self {
        Self { metric, best: Best::new(k) }
    }

    /// Scores rows, of which the first has the index `first_index`, and keeps the best.
    ///
    /// # Errors
    /// When the query has another number of elements than the rows, or `LYGER_KERNELS` asks for what this build or this CPU
    /// lacks.
    ///
    /// # Panics
    /// When an index exceeds `usize::MAX`.
    pub fn scan<E: Element>(&mut self, query: &[E], rows: &Rows<E>, first_index: usize) -> Result<(), Error> {
        self.scan_with(super::super::variant::active()?, query, rows, first_index)
    }

    pub(super) fn scan_with<E: Element>(
        &mut self,
        variant: Variant,
        query: &[E],
        rows: &Rows<E>,
        first_index: usize,
    ) -> Result<(), Error> {
        let query = super::Query::new(variant, self.metric, query, rows)?;
        if self.best.wants_none() {
            return Ok(());
        }
        self.best.reserve(rows.count());
        let mut scores = [0.0; BLOCK];
        for first in (0..rows.count()).step_by(BLOCK) {
            let part = rows.part(first, BLOCK);
            let scores = &mut scores[..part.count()];
            query.score(&part, scores);
            let first_index = first_index.checked_add(first).expect("an index");
            self.offer(scores, |at| Some(first_index + at));
        }
        Ok(())
    }

    /// The best, the very best first.
    #[must_use]
    pub fn into_matches(self) -> Vec<Match> {
        self.into_named().map(|(index, score)| Match { index, score }).collect()
    }
}

impl<N: Copy + Ord> TopK<N> {
    /// Nothing yet of at most `k` among at most `candidates` that have names. No name comes twice.
    ///
    /// ```
    /// use lyger::kernels::vectors::{Metric, Rows, TopK};
    /// let mut best = TopK::of_named(Metric::Dot, 2, 3)?;
    /// let rows = Rows::new(&[5.0, 5.0, 5.0], 1, 1, 3)?;
    /// best.scan_named(&[1.0_f32], [(rows, |at: usize| ["c", "a", "b"][at])])?;
    /// assert_eq!(best.into_named().collect::<Vec<_>>(), [("a", 5.0), ("b", 5.0)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there isn't memory for as many.
    pub fn of_named(metric: Metric, k: usize, candidates: usize) -> Result<Self, TryReserveError> {
        let mut best = Best::new(k);
        best.try_reserve(candidates)?;
        Ok(Self { metric, best })
    }

    /// Scores rows that come in parts, each with what names its rows, counted from 0, and keeps the best. The query is prepared once
    /// for all of them.
    ///
    /// # Errors
    /// As [`TopK::scan`].
    ///
    /// # Panics
    /// When a part has another dimension than the first.
    pub fn scan_named<'a, E: Element + 'a, F: Fn(usize) -> N>(
        &mut self,
        query: &[E],
        parts: impl IntoIterator<Item = (Rows<'a, E>, F)>,
    ) -> Result<(), Error> {
        self.scan_parts(query, parts, |best, scores, first, name| best.offer(scores, |at| Some(name(first + at))))
    }

    /// The same where not all rows have names; what has none isn't kept.
    ///
    /// # Errors
    /// As [`TopK::scan`].
    ///
    /// # Panics
    /// As [`TopK::scan_named`].
    pub fn scan_some<'a, E: Element + 'a, F: Fn(usize) -> Option<N>>(
        &mut self,
        query: &[E],
        parts: impl IntoIterator<Item = (Rows<'a, E>, F)>,
    ) -> Result<(), Error> {
        self.scan_parts(query, parts, |best, scores, first, name| {
            for (at, score) in scores.iter_mut().enumerate() {
                *score = if name(first + at).is_some() { *score } else { f32::NAN };
            }
            best.offer(scores, |at| name(first + at));
        })
    }

    fn scan_parts<'a, E: Element + 'a, F>(
        &mut self,
        query: &[E],
        parts: impl IntoIterator<Item = (Rows<'a, E>, F)>,
        offer: impl Fn(&mut Self, &mut [f32], usize, &F),
    ) -> Result<(), Error> {
        let mut parts = parts.into_iter().peekable();
        let Some((rows, _)) = parts.peek() else { return Ok(()) };
        let query = super::Query::new(super::super::variant::active()?, self.metric, query, rows)?;
        if self.best.wants_none() {
            return Ok(());
        }
        let mut scores = [0.0; BLOCK];
        for (rows, name) in parts {
            for first in (0..rows.count()).step_by(BLOCK) {
                let part = rows.part(first, BLOCK);
                let scores = &mut scores[..part.count()];
                query.score(&part, scores);
                offer(self, scores, first, &name);
            }
        }
        Ok(())
    }

    fn offer(&mut self, scores: &[f32], name: impl Fn(usize) -> Option<N>) {
        match self.metric {
            Metric::Dot | Metric::Cosine => self.best.offer::<Highest>(scores, name),
            Metric::L2 => self.best.offer::<Lowest>(scores, name),
        }
    }

    /// Takes what another selection by the same metric has found among candidates with other indices.
    ///
    /// # Panics
    /// When the metrics differ.
    pub fn merge(&mut self, other: Self) {
        assert_eq!(self.metric, other.metric, "scores of two metrics can't be compared");
        self.best.merge(other.best);
    }

    /// The names of the best and their scores, the very best first.
    pub fn into_named(self) -> impl ExactSizeIterator<Item = (N, f32)> {
        let score = match self.metric {
            Metric::Dot | Metric::Cosine => Highest::score,
            Metric::L2 => Lowest::score,
        };
        let sorted = self.best.into_sorted().into_iter();
        sorted.map(move |Ranked { rank, name }| (name, score(rank)))
    }
}

/// Dots and cosines. No kernel gives -0, which would have another rank than 0.
struct Highest;

impl Order for Highest {
    type Score = f32;
    const WORST: f32 = f32::NEG_INFINITY;

    #[inline(always)]
    fn is_better(one: f32, other: f32) -> bool {
        one > other
    }

    #[inline(always)]
    fn rank(score: f32) -> u32 {
        if score.is_nan() { NAN_RANK } else { !ascending(score) }
    }

    #[inline(always)]
    fn score(rank: u32) -> f32 {
        if rank == NAN_RANK { f32::from_bits(NAN) } else { of_ascending(!rank) }
    }
}

/// Distances.
struct Lowest;

impl Order for Lowest {
    type Score = f32;
    const WORST: f32 = f32::INFINITY;

    #[inline(always)]
    fn is_better(one: f32, other: f32) -> bool {
        one < other
    }

    #[inline(always)]
    fn rank(score: f32) -> u32 {
        if score.is_nan() { NAN_RANK } else { ascending(score) }
    }

    #[inline(always)]
    fn score(rank: u32) -> f32 {
        if rank == NAN_RANK { f32::from_bits(NAN) } else { of_ascending(rank) }
    }
}

/// Behind that of every number.
const NAN_RANK: u32 = u32::MAX;

/// An integer that compares with others as its float does: all bits of negative ones flipped, the sign of others.
#[inline(always)]
fn ascending(float: f32) -> u32 {
    let bits = float.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The float of such an integer.
#[inline(always)]
fn of_ascending(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCENDING: [f32; 9] = [f32::INFINITY, f32::MAX, 1.0, 1e-45, 0.0, -1e-45, -1.0, f32::MIN, f32::NEG_INFINITY];

    #[test]
    fn ranks_ascend_from_the_best_score_to_what_is_no_number() {
        assert!(DESCENDING.is_sorted_by_key(|&score| Highest::rank(score)));
        assert!(Highest::rank(DESCENDING[8]) < Highest::rank(f32::NAN));
        assert!(DESCENDING.iter().rev().is_sorted_by_key(|&score| Lowest::rank(score)));
        assert!(Lowest::rank(DESCENDING[0]) < Lowest::rank(-f32::NAN));
    }

    #[test]
    fn a_rank_gives_its_score_back() {
        for score in DESCENDING {
            assert_eq!(Highest::score(Highest::rank(score)).to_bits(), score.to_bits());
            assert_eq!(Lowest::score(Lowest::rank(score)).to_bits(), score.to_bits());
        }
        assert_eq!(Highest::score(Highest::rank(-f32::NAN)).to_bits(), NAN);
        assert_eq!(Lowest::score(Lowest::rank(-f32::NAN)).to_bits(), NAN);
    }

    #[test]
    fn nothing_is_kept_of_nothing_wanted() {
        let mut best = TopK::new(Metric::Dot, 0);
        best.scan(&[1.0_f32], &Rows::new(&[5.0, 2.0], 1, 1, 2).unwrap(), 0).unwrap();
        assert!(best.into_matches().is_empty());
    }

    #[test]
    fn what_has_no_name_keeps_nothing_out() {
        // The better half has none.
        let numbers: Vec<f32> = (0..3000_i16).map(f32::from).collect();
        let rows = Rows::new(&numbers, 1, 1, numbers.len()).unwrap();
        for k in [1, 10, 32, 100, 2000] {
            let mut best = TopK::of_named(Metric::Dot, k, numbers.len()).unwrap();
            best.scan_some(&[1.0_f32], [(rows, |at: usize| (at < 1500).then_some(at))]).unwrap();
            let wanted: Vec<_> = (0..1500).rev().take(k).map(|at| (at, numbers[at])).collect();
            assert_eq!(best.into_named().collect::<Vec<_>>(), wanted);
        }
    }

    #[test]
    fn parts_merged_are_the_whole() {
        let numbers: Vec<f32> = (0..1000_i16).map(|i| f32::from(i * 31 % 101)).collect();
        let rows = Rows::new(&numbers, 1, 1, numbers.len()).unwrap();
        let mut whole = TopK::new(Metric::Dot, 60);
        whole.scan(&[1.0_f32], &rows, 0).unwrap();
        let mut merged = TopK::new(Metric::Dot, 60);
        for (first, count) in [(700, 300), (0, 300), (300, 400)] {
            let mut part = TopK::new(Metric::Dot, 60);
            part.scan(&[1.0_f32], &rows.part(first, count), first).unwrap();
            merged.merge(part);
        }
        assert_eq!(merged.into_matches(), whole.into_matches());
    }
}
