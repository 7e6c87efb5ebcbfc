//! Memories and what connects them: strengths that decay with their age, activation that spreads along edges.
//!
//! What always holds: the functions here have checked everything that a kernel relies on before it starts, nothing
//! allocates, and every result that isn't a number is the NaN `0x7fc00000`, so that all variants agree in every bit.

mod csr;
mod decay;
mod spread;

pub use csr::Graph;
pub(super) use decay::Rate;
pub(super) use spread::Job;

use super::{Error, Variant, variant};

/// The kernels of this room, by one implementation. They need its level and what their types' comments say.
pub(super) struct Table {
    /// Strengths and as many ages, and the half-life.
    pub(super) apply_decay: unsafe fn(&mut [f32], &[f32], &Rate),
    /// A job as its comment says.
    pub(super) spread: unsafe fn(&Job),
}

/// The Rust kernels, compiled for what the attribute names.
macro_rules! table {
    ($(#[$level:meta])? $constant:ident) => {
        pub(super) const $constant: Table = {
            /// # Safety
            /// The CPU has the level.
            $(#[$level])?
            unsafe fn apply_decay(strengths: &mut [f32], ages: &[f32], rate: &Rate) {
                // SAFETY: the caller's promise, passed on.
                unsafe { decay::apply(strengths, ages, rate, odd) };
            }
            /// # Safety
            /// The CPU has the level.
            $(#[$level])?
            #[inline(never)]
            unsafe fn odd(block: &mut decay::Block, ages: &decay::Block, rate: &Rate) {
                decay::odd(block, ages, rate);
            }
            /// # Safety
            /// The CPU has the level, and the job is as its comment says.
            $(#[$level])?
            unsafe fn spread(job: &Job) {
                // SAFETY: the caller's promise, passed on.
                unsafe { spread::run(job) };
            }
            Table { apply_decay, spread }
        };
    };
}

table!(PORTABLE);
#[cfg(target_arch = "x86_64")]
table!(
    #[target_feature(enable = "popcnt,sse3,ssse3,sse4.1,sse4.2")]
    V2
);
#[cfg(target_arch = "x86_64")]
table!(
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    V3
);
#[cfg(target_arch = "x86_64")]
table!(
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
    V4
);
#[cfg(target_arch = "aarch64")]
table!(
    #[target_feature(enable = "neon")]
    NEON
);

/// Multiplies each strength by `2^(-age / half_life)`: what has lain for one half-life is half as strong.
///
/// The result is within 1.5 units in the last place of the true product, also where it is subnormal, and the same in
/// every bit whichever variant runs. An age of 0 leaves a strength as it is, and so does one below 0: a clock that was set back
/// strengthens nothing. An infinite age leaves 0 with the strength's sign. An infinite strength stays; a strength or an
/// age that isn't a number gives the NaN `0x7fc00000`.
///
/// Ages are floats, so of one year (3.2e7 s) the last bit is 2 seconds: take them from now, not from 1970.
///
/// ```
/// use lyger::kernels::graph::apply_decay;
/// let mut strengths = [1.0, 1.0, 0.5];
/// apply_decay(&mut strengths, &[0.0, 86_400.0, 172_800.0], 86_400.0)?;
/// assert_eq!(strengths, [1.0, 0.5, 0.125]);
/// # Ok::<(), lyger::kernels::Error>(())
/// ```
///
/// # Errors
/// When there are more or fewer ages than strengths, the half-life isn't above 0 and finite, or `LYGER_KERNELS` asks for what
/// this build or this CPU lacks. The strengths are then as they were.
pub fn apply_decay(strengths: &mut [f32], ages_seconds: &[f32], half_life_seconds: f32) -> Result<(), Error> {
    variant::active()?.apply_decay(strengths, ages_seconds, half_life_seconds)
}

/// What keeps activation from growing without bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalization {
    /// Nothing: with large weights activations become infinite.
    #[default]
    None,
    /// What a node sends is divided by the number of its edges, so that a node with many of them says little to each.
    Fan,
    /// After each step all activations are divided by the largest absolute value of one when that is above 1 and finite.
    Peak,
}

/// How activation spreads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spreading {
    /// How many steps are taken.
    pub steps: u32,
    /// What a node keeps of its activation from one step to the next, from 0 to 1.
    pub retention: f32,
    /// What of the activation goes over an edge, from 0 to 1: each edge takes away the rest, whatever its weight.
    pub transmission: f32,
    /// A node fires when its activation is above this, which is 0 or more.
    pub threshold: f32,
    /// For how many steps a node that has fired stays silent. It is activated meanwhile.
    pub refractory_steps: u32,
    /// What keeps activation from growing.
    pub normalization: Normalization,
}

impl Default for Spreading {
    /// Three steps; a node keeps half and passes on half, fires above 0.01 and then rests for a step.
    fn default() -> Self {
        Self {
            steps: 3,
            retention: 0.5,
            transmission: 0.5,
            threshold: 0.01,
            refractory_steps: 1,
            normalization: Normalization::None,
        }
    }
}

/// Spreads activation along the edges of a graph, in steps.
///
/// In each step every node keeps `retention` of its activation. Every node that is above the threshold and doesn't rest
/// fires: it adds `activation * transmission * weight` to the target of each of its edges, where `activation` is what it had
/// before the step (with [`Normalization::Fan`] divided by the number of its edges, after the transmission), and rests for
/// `refractory_steps`. When the call begins no node rests.
///
/// Every product and sum is rounded to a float as it comes: first what a node keeps, then what arrives, by ascending source,
/// along one source's edges in the graph's order. So the result is the same in every bit whichever variant runs. A
/// node whose activation isn't a number doesn't fire; results that aren't numbers are the NaN `0x7fc00000`.
///
/// `scratch` has at least [`Graph::scratch_len`] words, whose contents don't matter before and mean nothing after.
/// Nothing is allocated.
///
/// ```
/// use lyger::kernels::graph::{Graph, Spreading, spread_activation};
/// let graph = Graph::new(&[0, 1, 3, 3], &[1, 0, 2], &[0.5, 1.0, 0.25])?;
/// let mut activations = [1.0, 0.0, 0.0];
/// let spreading = Spreading { steps: 1, retention: 0.5, transmission: 1.0, ..Spreading::default() };
/// spread_activation(&graph, &mut activations, &spreading, &mut [0; 6])?;
/// assert_eq!(activations, [0.5, 0.5, 0.0]);
/// # Ok::<(), lyger::kernels::Error>(())
/// ```
///
/// # Errors
/// When there are more or fewer activations than nodes, the scratch is too short, retention or transmission isn't from 0 to
/// 1, the threshold isn't finite and at least 0, or `LYGER_KERNELS` asks for what this build or this CPU lacks. The activations are
/// then as they were.
pub fn spread_activation(
    graph: &Graph,
    activations: &mut [f32],
    spreading: &Spreading,
    scratch: &mut [u32],
) -> Result<(), Error> {
    variant::active()?.spread_activation(graph, activations, spreading, scratch)
}

impl Variant {
    /// [`apply_decay`] by this variant.
    ///
    /// # Errors
    /// As [`apply_decay`].
    pub fn apply_decay(self, strengths: &mut [f32], ages_seconds: &[f32], half_life_seconds: f32) -> Result<(), Error> {
        if ages_seconds.len() != strengths.len() {
            return Err(Error::Length { what: "ages", values: ages_seconds.len(), expected: strengths.len() });
        }
        if !(half_life_seconds > 0.0 && half_life_seconds.is_finite()) {
            return Err(Error::Setting { what: "the half-life", must: "be above 0 and finite" });
        }
        let rate = Rate::new(half_life_seconds);
        // SAFETY: a Variant exists only for a CPU of its level; there are as many ages as strengths.
        unsafe { (self.graph().apply_decay)(strengths, ages_seconds, &rate) };
        Ok(())
    }

    /// [`spread_activation`] by this variant.
    ///
    /// # Errors
    /// As [`spread_activation`].
    pub fn spread_activation(
        self,
        graph: &Graph,
        activations: &mut [f32],
        spreading: &Spreading,
        scratch: &mut [u32],
    ) -> Result<(), Error> {
        let nodes = graph.nodes();
        if activations.len() != nodes {
            return Err(Error::Length { what: "activations", values: activations.len(), expected: nodes });
        }
        if scratch.len() < graph.scratch_len() {
            return Err(Error::Length {
                what: "words of scratch",
                values: scratch.len(),
                expected: graph.scratch_len(),
            });
        }
        for (what, share) in [("retention", spreading.retention), ("transmission", spreading.transmission)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::Setting { what, must: "be from 0 to 1" });
            }
        }
        if !(spreading.threshold >= 0.0 && spreading.threshold.is_finite()) {
            return Err(Error::Setting { what: "the threshold", must: "be finite and at least 0" });
        }
        let job = Job {
            offsets: graph.offsets.as_ptr(),
            targets: graph.targets.as_ptr(),
            weights: graph.weights.as_ptr(),
            nodes,
            activations: activations.as_mut_ptr(),
            scratch: scratch.as_mut_ptr(),
            steps: spreading.steps,
            refractory_steps: spreading.refractory_steps,
            retention: spreading.retention,
            transmission: spreading.transmission,
            threshold: spreading.threshold,
            divides: spreading.normalization == Normalization::Fan,
            levels: spreading.normalization == Normalization::Peak,
        };
        // SAFETY: a Variant exists only for a CPU of its level; the graph is checked by its constructor and borrowed, the
        // lengths above, and activations and scratch are borrowed for us alone.
        unsafe { (self.graph().spread)(&job) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strength_halves_with_every_half_life_in_every_variant() {
        for variant in Variant::available() {
            let mut strengths = [3.0; 140];
            let ages: Vec<f32> = (0..140_u16).map(|halvings| f32::from(halvings) * 7.0).collect();
            variant.apply_decay(&mut strengths, &ages, 7.0).unwrap();
            for (halvings, strength) in strengths.into_iter().enumerate() {
                assert_eq!(strength, (3.0 * (-(halvings as f64)).exp2()) as f32, "{variant:?}, {halvings} half-lives");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_changes_nothing() {
        let mut strengths = [1.0, 2.0];
        for half_life in [0.0, -0.0, -1.0, f32::INFINITY, f32::NAN] {
            let error = apply_decay(&mut strengths, &[1.0, 1.0], half_life).unwrap_err();
            assert!(error.to_string().contains("half-life"), "{error}");
        }
        let error = apply_decay(&mut strengths, &[1.0], 1.0).unwrap_err();
        assert_eq!(error, Error::Length { what: "ages", values: 1, expected: 2 });
        assert_eq!(strengths, [1.0, 2.0]);
    }

    #[test]
    fn spreading_that_makes_no_sense_is_refused_and_changes_nothing() {
        let graph = Graph::new(&[0, 1, 2], &[1, 0], &[1.0, 1.0]).unwrap();
        let mut activations = [1.0, 2.0];
        let right = Spreading::default();
        for (wrong, part) in [
            (Spreading { retention: 1.5, ..right }, "retention"),
            (Spreading { retention: f32::NAN, ..right }, "retention"),
            (Spreading { transmission: -0.5, ..right }, "transmission"),
            (Spreading { threshold: -1.0, ..right }, "threshold"),
            (Spreading { threshold: f32::INFINITY, ..right }, "threshold"),
            (Spreading { threshold: f32::NAN, ..right }, "threshold"),
        ] {
            let error = spread_activation(&graph, &mut activations, &wrong, &mut [0; 4]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let error = spread_activation(&graph, &mut activations, &right, &mut [0; 3]).unwrap_err();
        assert_eq!(error, Error::Length { what: "words of scratch", values: 3, expected: 4 });
        let error = spread_activation(&graph, &mut activations[..1], &right, &mut [0; 4]).unwrap_err();
        assert_eq!(error, Error::Length { what: "activations", values: 1, expected: 2 });
        assert_eq!(activations, [1.0, 2.0]);
    }
}
