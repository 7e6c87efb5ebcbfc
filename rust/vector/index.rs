//! The index: vectors under their ids.

use foldhash::fast::FixedState;
use std::collections::HashMap;

use super::store::Store;
use super::{Error, Limits, Of};

/// A vector that was found, with its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Its id.
    pub id: i64,
    /// Its score.
    pub score: f32,
}

/// Vectors of one number of elements, each under its id.
///
/// ```
/// use lyger::vector::{Index, Limits, Metric};
/// let mut index = Index::new(2, Limits::default())?;
/// index.add(&[7, 8], &[1.0, 0.0, 3.0, 4.0])?;
/// let found = index.search(&[2.0, 0.0], 1, Metric::Cosine, None)?;
/// assert_eq!((found[0].id, found[0].score), (7, 1.0));
/// # Ok::<(), lyger::vector::Error>(())
/// ```
#[derive(Debug)]
pub struct Index {
    pub(super) store: Store,
    rows: HashMap<i64, usize, FixedState>,
    pub(super) limits: Limits,
}

/// Vectors one behind the other, as they come.
#[derive(Clone, Copy)]
pub(super) enum Vectors<'a> {
    Floats(&'a [f32]),
    /// Little-endian, of any alignment.
    Packed(&'a [u8]),
}

/// The floats in packed bytes, 4 each, little-endian.
pub(super) fn unpack_floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(|float| f32::from_le_bytes(float.try_into().expect("four bytes")))
}

impl Vectors<'_> {
    fn copy(self, at: usize, place: &mut [f32]) {
        let dimension = place.len();
        match self {
            Self::Floats(floats) => place.copy_from_slice(&floats[at * dimension..][..dimension]),
            Self::Packed(bytes) => {
                let bytes = &bytes[at * dimension * 4..][..dimension * 4];
                for (place, float) in place.iter_mut().zip(unpack_floats(bytes)) {
                    *place = float;
                }
            }
        }
    }

    /// The first number that isn't finite, with its place among all of them.
    fn first_not_finite(self) -> Option<(usize, f32)> {
        let find = |(_, value): &(usize, f32)| !value.is_finite();
        match self {
            Self::Floats(floats) => floats.iter().copied().enumerate().find(find),
            Self::Packed(bytes) => unpack_floats(bytes).enumerate().find(find),
        }
    }
}

/// The ids in packed bytes, 8 each, little-endian.
///
/// # Errors
/// When the last isn't whole.
pub(super) fn unpack_ids<'a>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<impl ExactSizeIterator<Item = i64> + Clone + use<'a>, Error> {
    if !bytes.len().is_multiple_of(8) {
        return Err(Error::Packed { what, len: bytes.len(), expected: "and each id has 8".to_owned() });
    }
    Ok(bytes.chunks_exact(8).map(|id| i64::from_le_bytes(id.try_into().expect("eight bytes"))))
}

/// Whether all elements of a vector are finite.
pub(super) fn check_finite(of: Of, vector: &[f32]) -> Result<(), Error> {
    match Vectors::Floats(vector).first_not_finite() {
        Some((position, value)) => Err(Error::NotFinite { of, position, value }),
        None => Ok(()),
    }
}

impl Index {
    /// An empty index of vectors with `dimension` elements.
    ///
    /// # Errors
    /// When no index may have so many, or none.
    pub fn new(dimension: usize, limits: Limits) -> Result<Self, Error> {
        if dimension == 0 || dimension > limits.dimension_max {
            return Err(Error::Dimension { dimension, dimension_max: limits.dimension_max });
        }
        Ok(Self { store: Store::new(dimension), rows: HashMap::default(), limits })
    }

    /// Elements of a vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.store.dimension()
    }

    /// How many vectors there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.store.count()
    }

    /// Bytes that are allocated for it: rows, ids, norms, and the table of ids.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.store.memory_bytes() + table_bytes(self.rows.capacity())
    }

    /// Adds vectors, one behind the other, under their ids; one whose id is there is replaced, and of several under one id the
    /// last counts. All of them are added, or on an error none.
    ///
    /// # Errors
    /// When there aren't as many vectors as ids, a number isn't finite, or the index would be too large.
    pub fn add(&mut self, ids: &[i64], vectors: &[f32]) -> Result<(), Error> {
        self.check_len(ids.len(), vectors.len(), vectors.len().saturating_mul(4))?;
        self.put(ids.iter().copied(), Vectors::Floats(vectors))
    }

    /// The same of packed ids and vectors: 8 and 4 bytes a number, little-endian.
    ///
    /// # Errors
    /// As [`Index::add`], and when a number isn't whole.
    pub fn add_packed(&mut self, ids: &[u8], vectors: &[u8]) -> Result<(), Error> {
        let ids = unpack_ids("ids", ids)?;
        self.check_packed_len("vectors", vectors)?;
        self.check_len(ids.len(), vectors.len() / 4, vectors.len())?;
        self.put(ids, Vectors::Packed(vectors))
    }

    pub(super) fn check_packed_len(&self, what: &'static str, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len().is_multiple_of(4) {
            return Ok(());
        }
        Err(Error::Packed { what, len: bytes.len(), expected: "and each element has 4".to_owned() })
    }

    fn check_len(&self, count: usize, elements: usize, len: usize) -> Result<(), Error> {
        let dimension = self.dimension();
        if count.checked_mul(dimension) == Some(elements) {
            return Ok(());
        }
        let expected =
            format!("{count} vectors of {dimension} elements have {}", 4 * count as u128 * dimension as u128);
        Err(Error::Packed { what: "vectors", len, expected })
    }

    fn put(&mut self, ids: impl Iterator<Item = i64> + Clone, vectors: Vectors<'_>) -> Result<(), Error> {
        if let Some((at, value)) = vectors.first_not_finite() {
            let (vector, position) = (at / self.dimension(), at % self.dimension());
            let of = ids.clone().nth(vector).map_or(Of::Query, Of::Id);
            return Err(Error::NotFinite { of, position, value });
        }
        crate::kernels::ready()?;
        self.reserve(ids.clone().filter(|id| !self.rows.contains_key(id)).count())?;
        for (at, id) in ids.enumerate() {
            let row = self.row_for(id);
            self.store.write(row, |place| vectors.copy(at, place))?;
        }
        Ok(())
    }

    /// The row of an id, a new one if it has none; there is room for it.
    fn row_for(&mut self, id: i64) -> usize {
        let store = &mut self.store;
        *self.rows.entry(id).or_insert_with(|| store.push(id))
    }

    /// Room for so many vectors more, or an error and all as before.
    pub(super) fn reserve(&mut self, more: usize) -> Result<(), Error> {
        if more == 0 {
            return Ok(());
        }
        let count = self.count().saturating_add(more);
        let bytes_max = self.limits.bytes_max;
        let bytes = self.store.bytes_with(more).saturating_add(table_bytes(count.max(self.rows.capacity())));
        if bytes > bytes_max {
            return Err(Error::TooLarge { bytes, bytes_max });
        }
        self.rows.try_reserve(more).map_err(|_| Error::Memory { bytes: table_bytes(count) })?;
        self.store.reserve(more)
    }

    /// Takes out the vectors of these ids and tells how many there were; ids without one are passed over.
    pub fn remove(&mut self, ids: impl IntoIterator<Item = i64>) -> usize {
        let before = self.count();
        for id in ids {
            let Some(row) = self.rows.remove(&id) else { continue };
            if let Some(moved) = self.store.remove(row) {
                self.rows.insert(moved, row);
            }
        }
        before - self.count()
    }

    /// The same of packed ids.
    ///
    /// # Errors
    /// When the last id isn't whole; then none is taken out.
    pub fn remove_packed(&mut self, ids: &[u8]) -> Result<usize, Error> {
        Ok(self.remove(unpack_ids("ids", ids)?))
    }

    /// The vector of an id.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, id: i64) -> Result<&[f32], Error> {
        self.row_of(id).map(|row| self.store.row(row)).ok_or(Error::Unknown { id })
    }

    /// Ids with their rows, in no order.
    pub(super) fn rows_by_id(&self) -> Result<Vec<(i64, usize)>, Error> {
        let mut rows = Vec::new();
        let memory = |_| Error::Memory { bytes: 16 * self.count() as u64 };
        rows.try_reserve_exact(self.count()).map_err(memory)?;
        rows.extend(self.rows.iter().map(|(&id, &row)| (id, row)));
        Ok(rows)
    }

    /// Adds a packed vector of the right length, for which there is room, whatever its numbers are.
    pub(super) fn put_packed(&mut self, id: i64, packed: &[u8]) -> Result<(), Error> {
        let row = self.row_for(id);
        self.store.write(row, |place| Vectors::Packed(packed).copy(0, place))
    }

    pub(super) fn row_of(&self, id: i64) -> Option<usize> {
        self.rows.get(&id).copied()
    }

    /// Adds all vectors of another index, as [`Index::add`] does.
    ///
    /// # Errors
    /// When this one would be too large. Then nothing is added.
    ///
    /// # Panics
    /// When the other has vectors of another length.
    pub fn absorb(&mut self, other: Self) -> Result<(), Error> {
        assert_eq!(self.dimension(), other.dimension());
        if self.count() == 0 {
            (self.store, self.rows) = (other.store, other.rows);
            return Ok(());
        }
        self.reserve(other.rows.keys().filter(|id| !self.rows.contains_key(id)).count())?;
        for (&id, &from) in &other.rows {
            let row = self.row_for(id);
            self.store.write(row, |place| place.copy_from_slice(other.store.row(from)))?;
        }
        Ok(())
    }
}

/// What a table for so many ids takes: 16 bytes an entry and one of control, a power of two of them of which 7 of 8 are used.
fn table_bytes(ids: usize) -> u64 {
    match ids {
        0 => 0,
        ids => {
            let places = (ids as u64).saturating_mul(8).div_ceil(7).checked_next_power_of_two();
            places.map_or(u64::MAX, |places| places.saturating_mul(17))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::vectors::Metric;

    fn index() -> Index {
        let mut index = Index::new(2, Limits::default()).unwrap();
        index.add(&[1, 2], &[3.0, 4.0, 5.0, 6.0]).unwrap();
        index
    }

    fn refusal(outcome: Result<impl std::fmt::Debug, Error>) -> String {
        outcome.unwrap_err().to_string()
    }

    #[test]
    fn a_dimension_is_within_its_limit() {
        for wrong in [0, 65_537, usize::MAX] {
            let message = format!("vectors have 1 to 65536 elements (vector.dimension_max), not {wrong}");
            assert_eq!(refusal(Index::new(wrong, Limits::default())), message);
        }
        assert!(Index::new(65_536, Limits::default()).is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_and_nothing_is_added() {
        let mut index = index();
        let wrong = [
            (
                index.add(&[8, 9], &[1.0, 2.0, 3.0, f32::NAN]),
                "the vector of id 9 has NaN at element 1: only finite numbers can be compared",
            ),
            (
                index.add(&[8, 9], &[1.0, f32::INFINITY, 3.0, 4.0]),
                "the vector of id 8 has inf at element 1: only finite numbers can be compared",
            ),
            (index.add(&[8, 9], &[1.0, 2.0, 3.0]), "vectors has 12 bytes, 2 vectors of 2 elements have 16"),
            (index.add(&[], &[1.0]), "vectors has 4 bytes, 0 vectors of 2 elements have 0"),
            (index.add_packed(&[0; 9], &[0; 8]), "ids has 9 bytes, and each id has 8"),
            (index.add_packed(&[0; 8], &[0; 7]), "vectors has 7 bytes, and each element has 4"),
            (index.remove_packed(&[0; 7]).map(drop), "ids has 7 bytes, and each id has 8"),
            (index.get(8).map(drop), "there is no vector of id 8 in the index"),
            (
                index.search(&[1.0], 1, Metric::Dot, None).map(drop),
                "the query has 1 elements, the index has vectors of 2",
            ),
            (
                index.search(&[1.0, f32::NAN], 1, Metric::Dot, None).map(drop),
                "the query has NaN at element 1: only finite numbers can be compared",
            ),
        ];
        for (outcome, message) in wrong {
            assert_eq!(refusal(outcome), message);
        }
        assert_eq!(
            (index.count(), index.get(1).unwrap(), index.get(2).unwrap()),
            (2, &[3.0, 4.0][..], &[5.0, 6.0][..])
        );
    }

    #[test]
    fn packed_numbers_may_lie_anywhere() {
        let mut index = index();
        let bytes = [0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0];
        index.add_packed(&bytes[1..9], &bytes[9..]).unwrap();
        assert_eq!(index.get(-2).unwrap(), [1.0, -2.0]);
        let found = index.search_packed(&bytes[9..], 1, Metric::L2, Some(&bytes[1..9])).unwrap();
        assert_eq!(found, [Found { id: -2, score: 0.0 }]);
    }

    #[test]
    fn an_index_is_as_large_as_its_limit_and_no_larger() {
        let mut index = Index::new(3, Limits { bytes_max: 20_000, ..Limits::default() }).unwrap();
        let refused = (0..1_000).find(|id| index.add(&[*id], &[1.0, 2.0, 3.0]).is_err()).unwrap();
        assert!(refused > 50, "{refused}");
        assert_eq!(index.count() as i64, refused);
        assert!(index.memory_bytes() <= 20_000, "{}", index.memory_bytes());
        // Replacing takes nothing.
        index.add(&[0], &[4.0, 5.0, 6.0]).unwrap();
        assert_eq!(index.get(0).unwrap(), [4.0, 5.0, 6.0]);
        assert!(refusal(index.add(&[-1], &[0.0; 3])).ends_with("and may take 20000 (vector.bytes_max)"));
    }

    #[test]
    fn memory_that_nobody_has_is_an_error() {
        let mut index = Index::new(65_536, Limits { bytes_max: u64::MAX, ..Limits::default() }).unwrap();
        for more in [usize::MAX, usize::MAX / 2, usize::MAX / 65_536 / 4, 1 << 50] {
            let outcome = index.reserve(more);
            assert!(matches!(outcome, Err(Error::Memory { .. } | Error::TooLarge { .. })), "{more}: {outcome:?}");
        }
        index.add(&[1], &vec![1.0; 65_536]).unwrap();
        assert_eq!(index.count(), 1);
    }

    #[test]
    fn another_index_is_taken_in_whole() {
        let mut other = Index::new(2, Limits::default()).unwrap();
        other.add(&[2, 3], &[7.0, 8.0, 9.0, 10.0]).unwrap();
        let mut empty = Index::new(2, Limits::default()).unwrap();
        let mut index = index();
        index.absorb(other).unwrap();
        assert_eq!(
            (index.count(), index.get(2).unwrap(), index.get(3).unwrap()),
            (3, &[7.0, 8.0][..], &[9.0, 10.0][..])
        );
        empty.absorb(index).unwrap();
        assert_eq!((empty.count(), empty.get(1).unwrap()), (3, &[3.0, 4.0][..]));
        let mut small = Index::new(2, Limits { bytes_max: 500, ..Limits::default() }).unwrap();
        small.add(&[1], &[0.0, 0.0]).unwrap();
        let mut large = Index::new(2, Limits::default()).unwrap();
        large.add(&(0..50).collect::<Vec<i64>>(), &[1.0; 100]).unwrap();
        assert!(matches!(small.absorb(large), Err(Error::TooLarge { .. })));
        assert_eq!((small.count(), small.get(1).unwrap()), (1, &[0.0, 0.0][..]));
    }
}
