//! The best of many scores, selected while they come.
//!
//! What reaches a bound is put aside, and now and then the best `k` of it are kept. The bound is the worst of those, or where it is better,
//! what `k` scores of the block at hand reach for sure: at the start of a search, when nearly each candidate is among the best so far,
//! it leaves little more than `k` of a block.

use std::collections::TryReserveError;

use super::top::BLOCK;

/// Scores that are compared side by side. Of a block's scores as many are known, one in each lane, that are the best of their lane.
const LANES: usize = 32;

/// How scores are ordered.
pub(super) trait Order {
    /// What is compared.
    type Score: Copy + PartialEq;
    /// No score is worse; also what stands for none.
    const WORST: Self::Score;

    /// False where one isn't a number.
    fn is_better(one: Self::Score, other: Self::Score) -> bool;

    /// Ranks ascend from the best score to the worst, and from there to what isn't a number.
    fn rank(score: Self::Score) -> u32;

    /// The score that has a rank.
    fn score(rank: u32) -> Self::Score;
}

/// Candidates in the order of what they are worth, smaller is better: by rank, then by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ranked<N> {
    pub(super) rank: u32,
    pub(super) name: N,
}

/// The `k` best of those that were offered.
#[derive(Debug, Clone)]
pub(super) struct Best<N> {
    k: usize,
    /// They, and what has been put aside since they were selected.
    kept: Vec<Ranked<N>>,
    /// The worst of them when they were selected; none before there were `k`.
    worst: Option<Ranked<N>>,
}

impl<N: Copy + Ord> Best<N> {
    /// Nothing yet of at most `k`.
    pub(super) fn new(k: usize) -> Self {
        Self { k, kept: Vec::new(), worst: None }
    }

    /// Whether nothing is wanted.
    pub(super) fn wants_none(&self) -> bool {
        self.k == 0
    }

    /// Makes room for what that many candidates more may leave.
    pub(super) fn reserve(&mut self, candidates: usize) {
        self.kept.reserve(self.kept_max().min(candidates));
    }

    /// Makes room for what that many candidates may leave.
    ///
    /// # Errors
    /// When there isn't memory for as many.
    pub(super) fn try_reserve(&mut self, candidates: usize) -> Result<(), TryReserveError> {
        self.kept.try_reserve_exact(self.kept_max().min(candidates))
    }

    fn kept_max(&self) -> usize {
        self.settled_max().saturating_add(BLOCK)
    }

    /// How many may be kept between two blocks: each selection looks at all of them, so it waits until an eighth of them is new.
    fn settled_max(&self) -> usize {
        self.k.saturating_add(self.k / 8)
    }

    /// Takes at most [`BLOCK`] candidates by their scores, under the names that `name` gives for their places. What has no name isn't taken,
    /// and its score isn't a number. Something is wanted.
    #[inline(always)]
    pub(super) fn offer<O: Order>(&mut self, scores: &[O::Score], name: impl Fn(usize) -> Option<N>) {
        let (rows, rest) = scores.as_chunks::<LANES>();
        let mut bests = [O::WORST; LANES];
        for row in rows {
            for (best, &score) in bests.iter_mut().zip(row) {
                *best = if O::is_better(score, *best) { score } else { *best };
            }
        }
        let bound = self.bound::<O>(&bests);
        let reaches = |score| bound == O::WORST || O::is_better(score, bound) || score == bound;
        let mut look = |at: usize| {
            if reaches(scores[at])
                && let Some(name) = name(at)
            {
                self.take(Ranked { rank: O::rank(scores[at]), name });
            }
        };
        for (lane, &best) in bests.iter().enumerate() {
            if reaches(best) {
                (0..rows.len()).for_each(|row| look(row * LANES + lane));
            }
        }
        (scores.len() - rest.len()..scores.len()).for_each(look);
        if self.kept.len() > self.settled_max() || self.worst.is_none() {
            self.settle();
        }
    }

    /// What all that is still wanted reaches, where these are the best of each lane; the worst score where nothing is known.
    #[inline(always)]
    fn bound<O: Order>(&self, bests: &[O::Score; LANES]) -> O::Score {
        let bound = match self.worst.map(|worst| O::score(worst.rank)) {
            Some(worst) if O::is_better(worst, O::WORST) => worst,
            _ => O::WORST,
        };
        let better = bests.iter().filter(|&&best| O::is_better(best, bound)).count();
        if better < self.k {
            return bound;
        }
        let mut bests = *bests;
        *bests.select_nth_unstable_by_key(self.k - 1, |&best| O::rank(best)).1
    }

    /// Takes what another selection has found among candidates with other names.
    pub(super) fn merge(&mut self, other: Self) {
        for candidate in other.kept {
            self.take(candidate);
            if self.kept.len() >= self.kept_max() {
                self.settle();
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, candidate: Ranked<N>) {
        if self.worst.is_none_or(|worst| candidate < worst) {
            self.kept.push(candidate);
        }
    }

    /// Keeps the best `k` and nothing else.
    fn settle(&mut self) {
        if let Some(last) = self.k.checked_sub(1)
            && last < self.kept.len()
        {
            self.worst = Some(*self.kept.select_nth_unstable(last).1);
            self.kept.truncate(self.k);
        }
    }

    /// The best first.
    pub(super) fn into_sorted(mut self) -> Vec<Ranked<N>> {
        self.settle();
        self.kept.sort_unstable();
        self.kept
    }
}
