//! Rows in memory: segments of a few MiB, so that an index grows without copying what it has, and gives memory back.
//!
//! What always holds: row `r` is in segment `r >> shift`; all segments before the last used one are full; each row begins at a
//! multiple of 64 bytes, a cache line and the widest register, and zeros fill it up to the next; a norm is what the kernels
//! compute of its row.

use super::Error;
use crate::kernels::vectors::{self, Rows};

/// Floats in 64 bytes.
const LINE: usize = 16;

/// Floats of a full segment, unless one row is larger: 4 MiB, from which on its memory lies in huge pages, and what a small
/// index may have too much. Tests have few, and many segments.
const SEGMENT_FLOATS: usize = if cfg!(test) { 1 << 9 } else { 1 << 20 };

/// Some rows, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Segment {
    // Its capacity is never exceeded, so that it stays where it is and `start` stays aligned.
    floats: Vec<f32>,
    start: usize,
    ids: Vec<i64>,
    norms: Vec<f32>,
}

impl Segment {
    /// Room for so many rows.
    fn with_room(rows: usize, stride: usize) -> Result<Self, Error> {
        let mut segment = Self::default();
        let floats = rows.checked_mul(stride).and_then(|floats| floats.checked_add(LINE)).unwrap_or(usize::MAX);
        let memory = |_| Error::Memory { bytes: (floats as u64).saturating_mul(4) };
        segment.floats.try_reserve_exact(floats).map_err(memory)?;
        segment.ids.try_reserve_exact(rows).map_err(memory)?;
        segment.norms.try_reserve_exact(rows).map_err(memory)?;
        // At most LINE - 1; where an address can't be had, rows are right as well, and slower.
        segment.start = segment.floats.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE - 1);
        segment.floats.resize(segment.start, 0.0);
        Ok(segment)
    }

    fn room(&self, stride: usize) -> usize {
        // The allocator may have given more than was asked for.
        self.ids.capacity().min(self.norms.capacity()).min((self.floats.capacity() - self.start) / stride)
    }

    fn push(&mut self, stride: usize, id: i64) {
        self.floats.resize(self.floats.len() + stride, 0.0);
        self.ids.push(id);
        self.norms.push(0.0);
    }

    fn memory_bytes(&self) -> u64 {
        4 * (self.floats.capacity() + self.norms.capacity()) as u64 + 8 * self.ids.capacity() as u64
    }
}

/// All rows of an index.
#[derive(Debug)]
pub(super) struct Store {
    dimension: usize,
    stride: usize,
    shift: u32,
    count: usize,
    segments: Vec<Segment>,
}

impl Store {
    /// Without rows; `dimension` is at least 1 and far below `usize::MAX`.
    pub(super) fn new(dimension: usize) -> Self {
        let stride = dimension.next_multiple_of(LINE);
        let shift = (SEGMENT_FLOATS / stride).max(1).ilog2();
        Self { dimension, stride, shift, count: 0, segments: Vec::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    /// Rows of a full segment, a power of two.
    pub(super) fn segment_rows(&self) -> usize {
        1 << self.shift
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.segments.iter().map(Segment::memory_bytes).sum()
    }

    /// What it will take when there is room for so many rows more.
    pub(super) fn bytes_with(&self, more: usize) -> u64 {
        let rows = self.count.saturating_add(more);
        let bytes = |rows: usize| {
            (rows as u64).saturating_mul(4 * (self.stride as u64 + 1) + 8).saturating_add(4 * LINE as u64)
        };
        let there = self
            .segments
            .iter()
            .enumerate()
            .map(|(at, segment)| self.rows_anew(at, rows).map_or_else(|| segment.memory_bytes(), bytes));
        let new = rows.div_ceil(self.segment_rows()).saturating_sub(self.segments.len()) as u64;
        let new_bytes = match (new, self.segments.is_empty()) {
            (0, _) => 0,
            (_, false) => bytes(self.segment_rows()).saturating_mul(new),
            (_, true) => bytes(self.segment_rows())
                .saturating_mul(new - 1)
                .saturating_add(bytes(self.rows_anew(0, rows).unwrap_or(0))),
        };
        there.fold(new_bytes, u64::saturating_add)
    }

    /// For how many rows a segment has to be made, or made anew, so that there is room for `rows` rows in all.
    fn rows_anew(&self, at: usize, rows: usize) -> Option<usize> {
        let full = self.segment_rows();
        let wanted = rows.saturating_sub(at.saturating_mul(full)).min(full);
        match self.segments.get(at) {
            Some(segment) if segment.room(self.stride) >= wanted => None,
            // The last one grows by doubling, until it is full.
            Some(segment) => Some(wanted.max(2 * segment.ids.len()).min(full)),
            // Behind a full one, rows come in numbers.
            None => Some(if at > 0 { full } else { wanted }),
        }
    }

    /// Room for so many rows more; without it the rows stay as they are.
    pub(super) fn reserve(&mut self, more: usize) -> Result<(), Error> {
        let rows = self.count.checked_add(more).ok_or(Error::Memory { bytes: u64::MAX })?;
        let segments = rows.div_ceil(self.segment_rows());
        let there = self.segments.len();
        let list = self.segments.try_reserve(segments.saturating_sub(there));
        list.map_err(|_| Error::Memory { bytes: self.bytes_with(more) })?;
        let outcome = (self.count / self.segment_rows()..segments).try_for_each(|at| self.make_room(at, rows));
        if outcome.is_err() {
            self.segments.truncate(there);
        }
        outcome
    }

    fn make_room(&mut self, at: usize, rows: usize) -> Result<(), Error> {
        let Some(rows) = self.rows_anew(at, rows) else { return Ok(()) };
        let mut larger = Segment::with_room(rows, self.stride)?;
        match self.segments.get_mut(at) {
            Some(segment) => {
                larger.floats.extend_from_slice(&segment.floats[segment.start..]);
                larger.ids.extend_from_slice(&segment.ids);
                larger.norms.extend_from_slice(&segment.norms);
                *segment = larger;
            }
            None => self.segments.push(larger),
        }
        Ok(())
    }

    /// Appends a row of zeros, for which there is room, and gives its number.
    pub(super) fn push(&mut self, id: i64) -> usize {
        let row = self.count;
        self.segments[row >> self.shift].push(self.stride, id);
        self.count += 1;
        row
    }

    fn locate(&self, row: usize) -> (usize, usize) {
        (row >> self.shift, row & (self.segment_rows() - 1))
    }

    pub(super) fn row(&self, row: usize) -> &[f32] {
        let (segment, at) = self.locate(row);
        let Segment { floats, start, .. } = &self.segments[segment];
        &floats[start + at * self.stride..][..self.dimension]
    }

    /// Puts a vector into a row.
    pub(super) fn write(&mut self, row: usize, write: impl FnOnce(&mut [f32])) -> Result<(), Error> {
        let (segment, at) = self.locate(row);
        let (dimension, stride) = (self.dimension, self.stride);
        let Segment { floats, start, norms, .. } = &mut self.segments[segment];
        let place = &mut floats[*start + at * stride..][..dimension];
        write(place);
        Ok(vectors::norms(&Rows::new(place, dimension, dimension, 1)?, &mut norms[at..=at])?)
    }

    /// Takes a row out, and puts the last one into its place; gives the id of that one, if it was another.
    pub(super) fn remove(&mut self, row: usize) -> Option<i64> {
        let last = self.count - 1;
        let (from, to) = (self.locate(last), self.locate(row));
        let moved = (row != last).then(|| self.move_row(from, to));
        let segment = &mut self.segments[from.0];
        segment.floats.truncate(segment.start + from.1 * self.stride);
        segment.ids.truncate(from.1);
        segment.norms.truncate(from.1);
        self.count = last;
        // One empty segment stays, so that removing and adding at its edge doesn't allocate each time.
        self.segments.truncate((last >> self.shift) + 1);
        moved
    }

    fn move_row(&mut self, from: (usize, usize), to: (usize, usize)) -> i64 {
        let stride = self.stride;
        let (before, rest) = self.segments.split_at_mut(from.0);
        let source = &mut rest[0];
        let place = |segment: &Segment, at: usize| segment.start + at * stride;
        let first = place(source, from.1);
        if from.0 == to.0 {
            let target = place(source, to.1);
            source.floats.copy_within(first..first + stride, target);
            source.norms[to.1] = source.norms[from.1];
            source.ids[to.1] = source.ids[from.1];
        } else {
            let target = &mut before[to.0];
            let at = place(target, to.1);
            target.floats[at..at + stride].copy_from_slice(&source.floats[first..first + stride]);
            target.norms[to.1] = source.norms[from.1];
            target.ids[to.1] = source.ids[from.1];
        }
        source.ids[from.1]
    }

    /// The rows from one up to, not including, another, with their ids: all in one segment.
    pub(super) fn rows(&self, first: usize, behind: usize) -> Result<(Rows<'_, f32>, &[i64]), Error> {
        let (segment, at) = self.locate(first);
        let to = at + (behind - first);
        let Segment { floats, start, ids, norms } = &self.segments[segment];
        let rows = Rows::new(&floats[start + at * self.stride..], self.dimension, self.stride, to - at)?;
        Ok((rows.with_norms(&norms[at..to])?, &ids[at..to]))
    }
}
