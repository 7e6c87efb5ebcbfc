//! The vectors that are most alike to a query.

use super::index::{Found, check_finite, unpack_ids};
use super::store::Segment;
use super::{Error, Index, Metric, Of};
use crate::kernels::vectors::TopK;

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
        let query: Vec<f32> =
            query.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect();
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
        among: Option<impl Iterator<Item = i64>>,
    ) -> Result<Vec<Found>, Error> {
        self.check_query(query.len())?;
        check_finite(Of::Query, query)?;
        let memory = |_| Error::Memory { bytes: 16 * k.min(self.count()) as u64 };
        let mut best = TopK::of_named(metric, k, self.count()).map_err(memory)?;
        let chosen = match among {
            None => None,
            Some(ids) => {
                let mut chosen = vec![false; self.count()];
                for row in ids.filter_map(|id| self.row_of(id)) {
                    chosen[row] = true;
                }
                Some(chosen)
            }
        };
        let rows = self.store.segment_rows();
        for (at, segment) in self.store.segments().iter().enumerate() {
            let name = |row: usize| {
                let is_chosen = chosen.as_ref().is_none_or(|chosen| chosen[at * rows + row]);
                is_chosen.then(|| Segment::ids(segment)[row])
            };
            best.scan_named(query, &self.store.rows(segment)?, name)?;
        }
        Ok(best.into_named().map(|(id, score)| Found { id, score }).collect())
    }
}
