//! Graphs as a kernel reads them: checked when they are made, so that no kernel has to.

use super::super::Error;

/// A directed graph in compressed sparse rows, borrowed and checked once: the edges of node `n` are those from
/// `offsets[n]` up to, not including, `offsets[n + 1]`.
#[derive(Debug, Clone, Copy)]
pub struct Graph<'a> {
    pub(super) offsets: &'a [u32],
    pub(super) targets: &'a [u32],
    pub(super) weights: &'a [f32],
}

impl<'a> Graph<'a> {
    /// Looks at every offset and every target. Weights may be any floats; those below 0 inhibit.
    ///
    /// ```
    /// use lyger::kernels::graph::Graph;
    /// // 0 to 1, 1 to 0 and 2; 2 has no edges.
    /// let graph = Graph::new(&[0, 1, 3, 3], &[1, 0, 2], &[0.5, 1.0, 0.25])?;
    /// assert_eq!(graph.nodes(), 3);
    /// # Ok::<(), lyger::kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no offset, the offsets don't ascend from 0 to the number of targets, there are more or fewer weights than
    /// targets, or a target isn't a node.
    pub fn new(offsets: &'a [u32], targets: &'a [u32], weights: &'a [f32]) -> Result<Self, Error> {
        let edges = targets.len();
        if weights.len() != edges {
            return Err(Error::Length { what: "weights", values: weights.len(), expected: edges });
        }
        let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else {
            return Err(Error::Length { what: "offsets", values: 0, expected: 1 });
        };
        // Folded without a way out, so that the compiler makes vectors of it.
        let ascending = offsets.windows(2).fold(true, |ascending, pair| ascending & (pair[0] <= pair[1]));
        if first != 0 || last as usize != edges || !ascending {
            return Err(Error::Setting { what: "the offsets", must: "ascend from 0 to the number of targets" });
        }
        let highest = targets.iter().fold(0, |highest, &target| target.max(highest));
        if edges > 0 && highest as usize >= offsets.len() - 1 {
            return Err(Error::Setting { what: "every target", must: "be a node" });
        }
        Ok(Self { offsets, targets, weights })
    }

    /// How many nodes it has.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How many words of scratch [`spread_activation`] wants.
    #[must_use]
    pub fn scratch_len(&self) -> usize {
        2 * self.nodes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_isnt_a_graph_is_refused() {
        let refused = |offsets: &[u32], targets: &[u32], weights: &[f32], part: &str| {
            let error = Graph::new(offsets, targets, weights).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(&[], &[], &[], "offsets");
        refused(&[1], &[], &[], "offsets");
        refused(&[0, 1], &[0], &[], "weights");
        refused(&[0, 1], &[0], &[1.0, 1.0], "weights");
        refused(&[0, 2], &[0], &[1.0], "offsets");
        refused(&[0, 0], &[0], &[1.0], "offsets");
        refused(&[1, 1], &[0], &[1.0], "offsets");
        refused(&[0, 2, 1], &[0], &[1.0], "offsets");
        refused(&[0, 1], &[1], &[1.0], "target");
        refused(&[0, 1, 2], &[0, u32::MAX], &[1.0, 1.0], "target");
        assert_eq!(Graph::new(&[0], &[], &[]).unwrap().nodes(), 0);
    }
}
