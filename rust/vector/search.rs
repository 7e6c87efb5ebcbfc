//! The vectors that are most alike to a query.
//!
//! Rows are scored in pieces, which threads take one after the other; each keeps its own best, and these are merged. Names are
//! ids, which differ, so the best are the same whoever scored what.

use std::iter;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Builder};

use super::index::{Found, check_finite, unpack_floats, unpack_ids};
use super::{Error, Index, Metric, Of};
use crate::kernels::vectors::TopK;
use crate::runtime;

/// Floats of a piece, unless one row is larger: 1 MiB, which takes long enough that taking the next costs nothing, and is little
/// enough that threads end at the same time. Tests have few, and many pieces.
const PIECE_FLOATS: usize = if cfg!(test) { 1 << 7 } else { 1 << 18 };

/// Floats for which a thread is worth its start: 2 MiB take 120 us and more, a thread's start and end 26, and waking another core
/// may take twice that.
const THREAD_FLOATS: usize = if cfg!(test) { 1 << 6 } else { 1 << 19 };

/// A search, and what its threads share.
struct Search<'a> {
    index: &'a Index,
    query: &'a [f32],
    k: usize,
    metric: Metric,
    /// The rows that may be found, ascending.
    chosen: Option<Vec<usize>>,
    piece_rows: usize,
    next_piece: AtomicUsize,
}

impl Index {
    /// The `k` vectors most alike to a query, the best first: the highest dots and cosines, the lowest distances; of equal scores
    /// the lower id. `among` holds the ids that may be found; those that have no vector are passed over.
    ///
    /// # Errors
    /// When the query has another number of elements, or one that isn't finite.
    pub fn search(&self, query: &[f32], k: usize, metric: Metric, among: Option<&[i64]>) -> Result<Vec<Found>, Error> {
        self.find(query, k, metric, among.map(|ids| ids.iter().copied()))
    }

    /// The same of a packed query and packed ids.
    ///
    /// # Errors
    /// As [`Index::search`], and when a number isn't whole.
    pub fn search_packed(
        &self,
        query: &[u8],
        k: usize,
        metric: Metric,
        among: Option<&[u8]>,
    ) -> Result<Vec<Found>, Error> {
        self.check_packed_len("query", query)?;
        self.check_query(query.len() / 4)?;
        let among = among.map(|ids| unpack_ids("among", ids)).transpose()?;
        let query: Vec<f32> = unpack_floats(query).collect();
        self.find(&query, k, metric, among)
    }

    fn check_query(&self, elements: usize) -> Result<(), Error> {
        let dimension = self.dimension();
        if elements == dimension {
            return Ok(());
        }
        Err(Error::Elements { of: Of::Query, elements, dimension })
    }

    fn find(
        &self,
        query: &[f32],
        k: usize,
        metric: Metric,
        among: Option<impl ExactSizeIterator<Item = i64>>,
    ) -> Result<Vec<Found>, Error> {
        self.check_query(query.len())?;
        check_finite(Of::Query, query)?;
        let chosen = among.map(|ids| self.rows_of(ids)).transpose()?;
        let candidates = chosen.as_ref().map_or(self.count(), Vec::len);
        let threads = match candidates.saturating_mul(self.dimension()) / THREAD_FLOATS {
            0 | 1 => 1,
            worth => worth.min(threads(self.limits.threads)),
        };
        let search = Search {
            index: self,
            query,
            k: k.min(candidates),
            metric,
            chosen,
            // Powers of two both, so that a piece is within a segment.
            piece_rows: (1 << (PIECE_FLOATS / self.dimension()).max(1).ilog2()).min(self.store.segment_rows()),
            next_piece: AtomicUsize::new(0),
        };
        let best = if threads == 1 { search.scan()? } else { search.scan_by(threads)? };
        let named = best.into_named();
        let mut found = Vec::new();
        let memory = |_| Error::Memory { bytes: 16 * named.len() as u64 };
        found.try_reserve_exact(named.len()).map_err(memory)?;
        found.extend(named.map(|(id, score)| Found { id, score }));
        Ok(found)
    }

    /// The rows of some ids, ascending, each once.
    fn rows_of(&self, ids: impl ExactSizeIterator<Item = i64>) -> Result<Vec<usize>, Error> {
        let mut rows = Vec::new();
        let memory = |_| Error::Memory { bytes: 8 * ids.len() as u64 };
        rows.try_reserve_exact(ids.len()).map_err(memory)?;
        rows.extend(ids.filter_map(|id| self.row_of(id)));
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }
}

/// How many threads a search may use. Asked for once: the answer takes reading files of the system's.
fn threads(wanted: usize) -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    match wanted {
        0 => *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from)),
        wanted => wanted,
    }
}

impl Search<'_> {
    fn scan_by(&self, threads: usize) -> Result<TopK<i64>, Error> {
        thread::scope(|scope| {
            let start = || {
                let start = |_| Builder::new().name("lyger-search".to_owned()).spawn_scoped(scope, || self.scan()).ok();
                // Who can't be started leaves its pieces to the others.
                (1..threads).map_while(start).collect::<Vec<_>>()
            };
            let others = runtime::without_signals(start);
            let mut best = self.scan()?;
            for other in others {
                best.merge(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(best)
        })
    }

    /// The best of the pieces that nobody else takes.
    fn scan(&self) -> Result<TopK<i64>, Error> {
        let memory = |_| Error::Memory { bytes: 16 * self.k as u64 };
        let count = self.index.count();
        let candidates = self.chosen.as_ref().map_or(count, Vec::len);
        let mut best = TopK::of_named(self.metric, self.k, candidates).map_err(memory)?;
        loop {
            let first = self.next_piece.fetch_add(1, Ordering::Relaxed).saturating_mul(self.piece_rows);
            if first >= count {
                return Ok(best);
            }
            let behind = (first + self.piece_rows).min(count);
            match &self.chosen {
                None => {
                    let (rows, ids) = self.index.store.rows(first, behind)?;
                    best.scan_named(self.query, iter::once((rows, |at: usize| ids[at])))?;
                }
                Some(chosen) => {
                    let from = chosen.partition_point(|row| *row < first);
                    let to = from + chosen[from..].partition_point(|row| *row < behind);
                    self.scan_some(&mut best, &chosen[from..to], first, behind)?;
                }
            }
        }
    }

    /// Scores the chosen rows between two: where they are many, with those that lie between them.
    fn scan_some(&self, best: &mut TopK<i64>, chosen: &[usize], first: usize, behind: usize) -> Result<(), Error> {
        let store = &self.index.store;
        if chosen.len() >= (behind - first) / 2 {
            let mut is_chosen = vec![false; behind - first];
            for row in chosen {
                is_chosen[row - first] = true;
            }
            let (rows, ids) = store.rows(first, behind)?;
            return Ok(best.scan_some(self.query, iter::once((rows, |at: usize| is_chosen[at].then(|| ids[at]))))?);
        }
        let mut runs = Vec::new();
        for run in chosen.chunk_by(|row, next| row + 1 == *next) {
            runs.push(store.rows(run[0], run[0] + run.len())?);
        }
        best.scan_named(self.query, runs.iter().map(|(rows, ids)| (*rows, |at: usize| ids[at])))?;
        Ok(())
    }
}
