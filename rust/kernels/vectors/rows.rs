//! The candidates of a search, borrowed and checked.

use super::super::Error;

/// Candidates in memory: `count` rows of `dim` elements, the first ones `stride` elements apart.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, E> {
    elements: &'a [E],
    dim: usize,
    stride: usize,
    count: usize,
    norms: Option<&'a [f32]>,
}

impl<'a, E> Rows<'a, E> {
    /// Row `i` is `elements[i * stride..][..dim]`; what lies between and behind the rows is not looked at.
    ///
    /// ```
    /// use lyger::kernels::vectors::Rows;
    /// assert!(Rows::new(&[1.0_f32, 2.0, 0.0, 3.0, 4.0], 2, 3, 2).is_ok());
    /// assert!(Rows::new(&[1.0_f32, 2.0, 0.0, 3.0], 2, 3, 2).is_err());
    /// ```
    ///
    /// # Errors
    /// When `stride` is below `dim`, or `elements` ends before the last row does.
    pub fn new(elements: &'a [E], dim: usize, stride: usize, count: usize) -> Result<Self, Error> {
        let needed = match count.checked_sub(1) {
            None => Some(0),
            Some(last) => last.checked_mul(stride).and_then(|start| start.checked_add(dim)),
        };
        if stride < dim || needed.is_none_or(|needed| needed > elements.len()) {
            return Err(Error::Rows { elements: elements.len(), dim, stride, count });
        }
        Ok(Self { elements, dim, stride, count, norms: None })
    }

    /// The same with the rows' norms, so that cosines needn't compute them. They must be what [`super::norms`] gives:
    /// that isn't checked, and cosines by other norms are others.
    ///
    /// # Errors
    /// When there are more or fewer norms than rows.
    pub fn with_norms(self, norms: &'a [f32]) -> Result<Self, Error> {
        if norms.len() == self.count {
            Ok(Self { norms: Some(norms), ..self })
        } else {
            Err(Error::Scores { len: norms.len(), rows: self.count })
        }
    }

    /// Elements of a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// One of the rows.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [E] {
        assert!(row < self.count, "row {row} of {}", self.count);
        &self.elements[row * self.stride..][..self.dim]
    }

    /// At most `count` rows from `first` on.
    ///
    /// # Panics
    /// When `first` is behind the last row.
    pub(super) fn part(&self, first: usize, count: usize) -> Self {
        assert!(first <= self.count, "row {first} of {}", self.count);
        let count = count.min(self.count - first);
        // Without a row its start may be behind the elements.
        let elements = if count == 0 { &[] } else { &self.elements[first * self.stride..] };
        Self { elements, count, norms: self.norms.map(|norms| &norms[first..first + count]), ..*self }
    }

    pub(super) fn first(&self) -> Option<&'a [E]> {
        (self.count > 0).then(|| self.row(0))
    }

    pub(super) fn elements(&self) -> *const E {
        self.elements.as_ptr()
    }

    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    pub(super) fn norms(&self) -> *const f32 {
        self.norms.map_or(std::ptr::null(), <[f32]>::as_ptr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_reach_behind_their_elements_are_refused() {
        let elements = [0.0_f32; 10];
        assert!(Rows::new(&elements, 5, 5, 2).is_ok());
        assert!(Rows::new(&elements, 4, 6, 2).is_ok());
        for (dim, stride, count) in [(5, 4, 1), (5, 6, 2), (5, 5, 3), (0, usize::MAX, 3), (2, usize::MAX - 1, 2)] {
            assert!(Rows::new(&elements, dim, stride, count).is_err(), "{dim} {stride} {count}");
        }
        assert!(Rows::new(&elements[..0], usize::MAX, usize::MAX, 0).is_ok());
    }

    #[test]
    fn as_many_norms_as_rows_are_wanted() {
        let rows = Rows::new(&[0.0_f32; 10], 5, 5, 2).unwrap();
        assert!(rows.with_norms(&[0.0; 2]).is_ok());
        assert!(rows.with_norms(&[0.0; 1]).is_err() && rows.with_norms(&[0.0; 3]).is_err());
    }
}
