//! Vectors of f32: the same bits in every variant and in a plain loop that follows the stated order, within the stated error
//! of the truth, and what odd inputs give.

use lyger::kernels::Variant;
use lyger::kernels::vectors::{Metric, Rows, dot};
use proptest::prelude::*;
use proptest::test_runner::TestError;

use crate::{CASES, runner};

/// A kernel under test.
pub(crate) type Score = Box<dyn Fn(Metric, &[f32], &Rows<f32>, &mut [f32])>;

pub(crate) const METRICS: [Metric; 3] = [Metric::Dot, Metric::Cosine, Metric::L2];

/// The variants that this machine can run, by name.
pub(crate) fn kernels() -> Vec<(&'static str, Score)> {
    let kernel = |variant: Variant| -> Score {
        Box::new(move |metric, query, rows, scores| variant.vector_scores(metric, query, rows, scores).unwrap())
    };
    Variant::available().map(|variant| (variant.name(), kernel(variant))).collect()
}

/// What the elements of a case are like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Between -1 and 1, as models give them.
    Ordinary,
    /// Of every size, with subnormal ones, 0 and -0, but finite.
    Finite,
    /// Any bits at all, NaN and infinities among them.
    Any,
    /// Mostly ordinary, with something odd here and there.
    Odd,
}

/// How a case is made; small numbers are small cases.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) dim: usize,
    pub(crate) count: usize,
    /// Elements between two rows, which nobody may look at.
    pub(crate) gap: usize,
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
}

pub(crate) fn recipe() -> impl Strategy<Value = Recipe> {
    let dim = prop_oneof![
        60 => 0_usize..70,
        10 => prop::sample::select(vec![95_usize, 96, 97, 127, 128, 129, 300]),
        1 => prop::sample::select(vec![768_usize, 1536]),
    ];
    let kind = prop::sample::select(vec![Kind::Ordinary, Kind::Finite, Kind::Any, Kind::Odd]);
    (dim, 0_usize..10, 0_usize..4, kind, any::<u64>()).prop_map(|(dim, count, gap, kind, seed)| Recipe {
        dim,
        count,
        gap,
        kind,
        seed,
    })
}

/// A query and its candidates.
pub(crate) struct Vectors {
    pub(crate) query: Vec<f32>,
    elements: Vec<f32>,
    stride: usize,
    pub(crate) count: usize,
}

impl Vectors {
    pub(crate) fn rows(&self) -> Rows<'_, f32> {
        Rows::new(&self.elements, self.query.len(), self.stride, self.count).unwrap()
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.elements[row * self.stride..][..self.query.len()]
    }
}

/// Numbers that look random (Vigna's splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn element(&mut self, kind: Kind) -> f32 {
        let bits = self.next();
        let ordinary = (bits >> 40) as f32 / (1 << 23) as f32 - 1.0;
        let any = f32::from_bits(bits as u32);
        let odd = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-45, f32::MAX, f32::MIN];
        match kind {
            Kind::Ordinary => ordinary,
            Kind::Any => any,
            Kind::Odd if bits.is_multiple_of(97) => odd[(bits >> 8) as usize % odd.len()],
            Kind::Odd => ordinary,
            Kind::Finite if !any.is_finite() => -0.0,
            Kind::Finite => any,
        }
    }
}

impl Recipe {
    pub(crate) fn make(&self) -> Vectors {
        let mut random = Random(self.seed);
        let query: Vec<f32> = (0..self.dim).map(|_| random.element(self.kind)).collect();
        let mut elements = Vec::new();
        for _ in 0..self.count {
            // Some are zero, and some parallel to the query, whose cosine may come out above 1.
            match random.next() % 16 {
                0 => elements.extend(query.iter().map(|_| 0.0)),
                1..4 => elements.extend_from_slice(&query),
                4 => elements.extend(query.iter().map(|element| -3.0 * element)),
                5 => elements.extend(query.iter().map(|element| element * 1e-23)),
                _ => elements.extend((0..self.dim).map(|_| random.element(self.kind))),
            }
            elements.extend(std::iter::repeat_n(f32::NAN, self.gap));
        }
        Vectors { query, elements, stride: self.dim + self.gap, count: self.count }
    }
}

/// The sum of `terms` in the order that all variants have.
fn sum(terms: impl ExactSizeIterator<Item = f32>) -> f32 {
    let (dim, tail) = (terms.len(), terms.len() % 32);
    let mut lanes = [0.0_f32; 32];
    for (i, term) in terms.enumerate() {
        let lane = if i < dim - tail { i % 32 } else { 32 - (dim - i) };
        lanes[lane] += term;
    }
    for half in [16, 8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
    }
    lanes[0]
}

// Asked of the bits: optimized, `is_nan()` would leave the NaN of a square root as it is.
pub(crate) fn canonical(score: f32) -> f32 {
    if score.to_bits() & 0x7fff_ffff > 0x7f80_0000 { f32::from_bits(0x7fc0_0000) } else { score }
}

/// The norm, by a plain loop.
pub(crate) fn plain_norm(vector: &[f32]) -> f32 {
    canonical(sum(vector.iter().map(|x| x * x)).sqrt())
}

/// The score, by a plain loop.
pub(crate) fn plain_score(metric: Metric, query: &[f32], candidate: &[f32]) -> f32 {
    let pairs = query.iter().zip(candidate);
    let dot = sum(pairs.clone().map(|(q, c)| q * c));
    canonical(match metric {
        Metric::Dot => dot,
        Metric::L2 => sum(pairs.map(|(q, c)| (q - c) * (q - c))).sqrt(),
        Metric::Cosine => match (plain_norm(query), plain_norm(candidate)) {
            (q, c) if (q == 0.0 || c == 0.0) && !dot.is_nan() => 0.0,
            // Adding 0 makes -0 a 0.
            (q, c) => (dot / (q * c)).clamp(-1.0, 1.0) + 0.0,
        },
    })
}

/// Runs `cases` through all kernels. `Err` holds the smallest on which one differs from the plain loop.
pub(crate) fn compare(kernels: &[(&'static str, Score)], cases: u32) -> Result<(), TestError<Recipe>> {
    runner(cases).run(&recipe(), |recipe| {
        let vectors = recipe.make();
        for metric in METRICS {
            let plain: Vec<f32> =
                (0..vectors.count).map(|row| plain_score(metric, &vectors.query, vectors.row(row))).collect();
            for (name, score) in kernels {
                let mut scores = vec![7.0; vectors.count];
                score(metric, &vectors.query, &vectors.rows(), &mut scores);
                for (row, (found, plain)) in scores.iter().zip(&plain).enumerate() {
                    prop_assert_eq!(
                        found.to_bits(),
                        plain.to_bits(),
                        "{} gives {:e} for the {:?} of row {}, a plain loop {:e}",
                        name,
                        found,
                        metric,
                        row,
                        plain
                    );
                }
            }
        }
        Ok(())
    })
}

#[test]
fn all_kernels_score_with_the_bits_of_a_plain_loop() {
    compare(&kernels(), CASES).unwrap();
}

#[test]
fn sums_are_within_the_stated_error() {
    let mut worst = 0.0_f64;
    for seed in 0..2_000 {
        let dim = 1 + seed as usize * 31 % 1537;
        let vectors = Recipe { dim, count: 1, gap: 0, kind: Kind::Ordinary, seed }.make();
        let (query, candidate) = (&vectors.query, vectors.row(0));
        let products = query.iter().zip(candidate).map(|(q, c)| f64::from(*q) * f64::from(*c));
        let magnitude: f64 = products.clone().map(f64::abs).sum();
        let error = (f64::from(dot(query, candidate).unwrap()) - products.sum::<f64>()).abs();
        let roundings = dim.div_ceil(32) as f64 + 6.0;
        assert!(error <= roundings * f64::from(f32::EPSILON) / 2.0 * magnitude, "{error:e} of {dim} elements");
        worst = worst.max(error);
    }
    assert!(worst > 0.0, "nothing was compared");
}

#[test]
fn odd_inputs_give_what_is_stated() {
    const NAN_BITS: u32 = 0x7fc0_0000;
    for variant in Variant::available() {
        let score = |metric, query: &[f32], candidate: &[f32]| {
            let mut found = [7.0];
            let rows = Rows::new(candidate, query.len(), query.len(), 1).unwrap();
            variant.vector_scores(metric, query, &rows, &mut found).unwrap();
            found[0].to_bits()
        };
        for metric in METRICS {
            assert_eq!(score(metric, &[], &[]), 0, "{variant:?}");
            for nan in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001)] {
                assert_eq!(score(metric, &[1.0, nan], &[0.0, 0.0]), NAN_BITS, "{variant:?}");
                assert_eq!(score(metric, &[0.0, 0.0], &[1.0, nan]), NAN_BITS, "{variant:?}");
            }
        }
        let infinity = f32::INFINITY;
        assert_eq!(score(Metric::Dot, &[infinity], &[0.0]), NAN_BITS);
        assert_eq!(score(Metric::Dot, &[infinity], &[-2.0]), f32::NEG_INFINITY.to_bits());
        assert_eq!(score(Metric::Dot, &[-0.0], &[1.0]), 0);
        assert_eq!(score(Metric::L2, &[infinity], &[infinity]), NAN_BITS);
        assert_eq!(score(Metric::L2, &[infinity], &[1.0]), infinity.to_bits());
        assert_eq!(score(Metric::Cosine, &[0.0, -0.0], &[1.0, 2.0]), 0);
        assert_eq!(score(Metric::Cosine, &[1.0], &[1e-30]), 0, "its square is 0");
        assert_eq!(score(Metric::Cosine, &[1.0], &[1e20]), 0, "its norm is infinite");
        assert_eq!(score(Metric::Cosine, &[1e20], &[1e20]), NAN_BITS, "so is the dot");
        assert_eq!(score(Metric::Cosine, &[1.0, 0.0], &[-1e-30, 1e18]), 0, "-1e-30 / 1e18 would be -0");
        let mut vector = [infinity, 1.0, -1.0];
        variant.vector_normalize(&mut vector);
        assert_eq!(vector.map(f32::to_bits), [NAN_BITS, 0, (-0.0_f32).to_bits()]);
    }
}

#[test]
fn vectors_of_other_lengths_are_refused() {
    let rows = Rows::new(&[0.0_f32; 6], 3, 3, 2).unwrap();
    let variant = Variant::by_name("rust").unwrap();
    let mut scores = [7.0; 2];
    for len in [0, 2, 4] {
        assert!(variant.vector_scores(Metric::Dot, &[0.0; 4][..len], &rows, &mut scores).is_err());
        assert!(variant.vector_top_k(Metric::Dot, &[0.0; 4][..len], &rows, 1).is_err());
    }
    assert!(variant.vector_scores(Metric::Dot, &[0.0; 3], &rows, &mut scores[..1]).is_err());
    assert!(variant.vector_norms(&rows, &mut [0.0; 3]).is_err());
    assert!(dot(&[0.0_f32; 2], &[0.0; 3]).is_err());
    assert_eq!(scores, [7.0; 2]);
}
