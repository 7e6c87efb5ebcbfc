//! The lowest of many ranks, selected while they come.

use std::collections::{BinaryHeap, TryReserveError};

/// Ranks that are compared with the worst one at once, before any is looked at alone.
const GLANCE: usize = 16;

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
    /// The worst of them on top.
    heap: BinaryHeap<Ranked<N>>,
}

impl<N: Copy + Ord> Best<N> {
    /// Nothing yet of at most `k`.
    pub(super) fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new() }
    }

    /// Whether nothing is wanted.
    pub(super) fn wants_none(&self) -> bool {
        self.k == 0
    }

    /// Makes room for what that many candidates more may leave.
    pub(super) fn reserve(&mut self, candidates: usize) {
        self.heap.reserve(self.k.min(candidates));
    }

    /// Makes room for what that many candidates may leave.
    ///
    /// # Errors
    /// When there isn't memory for as many.
    pub(super) fn try_reserve(&mut self, candidates: usize) -> Result<(), TryReserveError> {
        self.heap.try_reserve_exact(self.k.min(candidates))
    }

    /// Takes candidates by their scores, under the names that `name` gives for their places; what has no name isn't taken. Something
    /// is wanted.
    #[inline(always)]
    pub(super) fn offer<S: Copy>(
        &mut self,
        scores: &[S],
        rank_of: impl Fn(S) -> u32,
        name: impl Fn(usize) -> Option<N>,
    ) {
        for (part, scores) in scores.chunks(GLANCE).enumerate() {
            let mut ranks = [u32::MAX; GLANCE];
            for (rank, &score) in ranks.iter_mut().zip(scores) {
                *rank = rank_of(score);
            }
            let worst = match self.heap.peek() {
                Some(worst) if self.heap.len() == self.k => worst.rank,
                _ => u32::MAX,
            };
            // Without an early exit, so that it is a handful of vector instructions.
            if !ranks.iter().fold(false, |any, &rank| any | (rank <= worst)) {
                continue;
            }
            for (at, &rank) in ranks.iter().enumerate().take(scores.len()) {
                if let Some(name) = name(part * GLANCE + at) {
                    self.insert(Ranked { rank, name });
                }
            }
        }
    }

    /// Takes what another selection has found among candidates with other names.
    pub(super) fn merge(&mut self, other: Self) {
        for ranked in other.heap {
            self.insert(ranked);
        }
    }

    fn insert(&mut self, candidate: Ranked<N>) {
        if self.heap.len() < self.k {
            self.heap.push(candidate);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate < *worst
        {
            *worst = candidate;
        }
    }

    /// The best first.
    pub(super) fn into_sorted(self) -> Vec<Ranked<N>> {
        self.heap.into_sorted_vec()
    }
}
