//! Vectors of what isn't f32: floats of 16 bits, i8, and bits. The same bits in every variant and in plain loops, which widen by the
//! definition of each type.

use std::fmt::Debug;

use lyger::kernels::Variant;
use lyger::kernels::vectors::{Bf16, Element, F16, Metric, Rows};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError};

use crate::best::plain_top_k;
use crate::broken::UNTIL_SEEN;
use crate::vectors::{Kind, METRICS, Random, Recipe, plain_norm, plain_score, recipe};
use crate::{CASES, runner};

/// A type of elements with a plain loop for it.
pub(crate) trait Plain: Element + Debug {
    const ZERO: Self;

    fn element(random: &mut Random, kind: Kind) -> Self;

    fn score(metric: Metric, query: &[Self], candidate: &[Self]) -> f32;

    fn norm(vector: &[Self]) -> f32;
}

/// The number that an f16 is, by its definition.
fn number(bits: u16) -> f32 {
    let (exponent, digits) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff));
    let magnitude = match (exponent, bits & 0x3ff) {
        (0, _) => digits * f32::powi(2.0, -24),
        (31, 0) => f32::INFINITY,
        (31, _) => f32::NAN,
        _ => (1024.0 + digits) * f32::powi(2.0, exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// Bits of 16, of which `ordinary` are those of a number between -1 and 1, and `largest` those of the largest.
fn half(random: &mut Random, kind: Kind, ordinary: fn(f32) -> u16, infinity: u16) -> u16 {
    let (bits, number) = (random.next(), random.element(Kind::Ordinary));
    let any = bits as u16;
    let odd = [infinity | 1, 0xffff, infinity, infinity | 0x8000, 0x8000, 1, infinity - 1, 0x8001];
    match kind {
        Kind::Ordinary => ordinary(number),
        Kind::Any => any,
        Kind::Odd if bits.is_multiple_of(97) => odd[(bits >> 16) as usize % odd.len()],
        Kind::Odd => ordinary(number),
        Kind::Finite if any & infinity == infinity => 0x8000,
        Kind::Finite => any,
    }
}

impl Plain for F16 {
    const ZERO: Self = Self(0);

    fn element(random: &mut Random, kind: Kind) -> Self {
        Self(half(random, kind, |number| Self::from_f32(number).0, 0x7c00))
    }

    fn score(metric: Metric, query: &[Self], candidate: &[Self]) -> f32 {
        let widened = |vector: &[Self]| -> Vec<f32> { vector.iter().map(|element| number(element.0)).collect() };
        plain_score(metric, &widened(query), &widened(candidate))
    }

    fn norm(vector: &[Self]) -> f32 {
        plain_norm(&vector.iter().map(|element| number(element.0)).collect::<Vec<_>>())
    }
}

impl Plain for Bf16 {
    const ZERO: Self = Self(0);

    fn element(random: &mut Random, kind: Kind) -> Self {
        Self(half(random, kind, |number| Self::from_f32(number).0, 0x7f80))
    }

    fn score(metric: Metric, query: &[Self], candidate: &[Self]) -> f32 {
        let widened = |vector: &[Self]| -> Vec<f32> { vector.iter().map(|element| upper(element.0)).collect() };
        plain_score(metric, &widened(query), &widened(candidate))
    }

    fn norm(vector: &[Self]) -> f32 {
        plain_norm(&vector.iter().map(|element| upper(element.0)).collect::<Vec<_>>())
    }
}

fn upper(bits: u16) -> f32 {
    f32::from_le_bytes([0, 0, bits as u8, (bits >> 8) as u8])
}

impl Plain for i8 {
    const ZERO: Self = 0;

    fn element(random: &mut Random, kind: Kind) -> Self {
        let bits = random.next();
        match kind {
            Kind::Ordinary => bits as Self,
            Kind::Any => bits as Self >> (bits >> 8 & 7),
            Kind::Odd if bits.is_multiple_of(31) => Self::MIN,
            Kind::Odd => 0,
            Kind::Finite if bits & 256 == 0 => Self::MAX,
            Kind::Finite => Self::MIN,
        }
    }

    fn score(metric: Metric, query: &[Self], candidate: &[Self]) -> f32 {
        let wide = |vector: &[Self]| -> Vec<i64> { vector.iter().map(|element| i64::from(*element)).collect() };
        let (q, c) = (wide(query), wide(candidate));
        let sum = |a: &[i64], b: &[i64]| -> i64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        match metric {
            Metric::Dot => sum(&q, &c) as f32,
            Metric::L2 => {
                let differences: Vec<i64> = q.iter().zip(&c).map(|(q, c)| q - c).collect();
                (sum(&differences, &differences) as f64).sqrt() as f32
            }
            Metric::Cosine if sum(&q, &q) == 0 || sum(&c, &c) == 0 => 0.0,
            Metric::Cosine => (sum(&q, &c) as f64 / (sum(&q, &q) as f64 * sum(&c, &c) as f64).sqrt()) as f32,
        }
    }

    fn norm(vector: &[Self]) -> f32 {
        Self::score(Metric::L2, vector, &vec![0; vector.len()])
    }
}

/// A query, what holds its candidates, and the elements from one to the next.
fn vectors<E: Clone>(recipe: &Recipe, zero: E, mut element: impl FnMut(&mut Random) -> E) -> (Vec<E>, Vec<E>, usize) {
    let mut random = Random(recipe.seed);
    let query: Vec<E> = (0..recipe.dim).map(|_| element(&mut random)).collect();
    let mut elements = Vec::new();
    for _ in 0..recipe.count {
        match random.next() % 16 {
            0 => elements.extend(std::iter::repeat_n(zero.clone(), recipe.dim)),
            1..3 => elements.extend_from_slice(&query),
            _ => elements.extend((0..recipe.dim).map(|_| element(&mut random))),
        }
        elements.extend((0..recipe.gap).map(|_| element(&mut random)));
    }
    (query, elements, recipe.dim + recipe.gap)
}

/// A kernel under test.
pub(crate) type Score<E> = Box<dyn Fn(Metric, &[E], &Rows<E>, &mut [f32])>;

fn kernels<E: Element + 'static>() -> Vec<(&'static str, Score<E>)> {
    let kernel = |variant: Variant| -> Score<E> {
        Box::new(move |metric, query, rows, scores| variant.vector_scores(metric, query, rows, scores).unwrap())
    };
    Variant::available().map(|variant| (variant.name(), kernel(variant))).collect()
}

/// Runs `cases` through all kernels. `Err` holds the smallest on which one differs from the plain loop.
pub(crate) fn compare<E: Plain>(kernels: &[(&'static str, Score<E>)], cases: u32) -> Result<(), TestError<Recipe>> {
    runner(cases).run(&recipe(), |recipe| {
        let (query, elements, stride) = vectors(&recipe, E::ZERO, |random| E::element(random, recipe.kind));
        let rows = Rows::new(&elements, recipe.dim, stride, recipe.count).unwrap();
        for metric in METRICS {
            let plain: Vec<f32> = (0..recipe.count).map(|row| E::score(metric, &query, rows.row(row))).collect();
            for (name, score) in kernels {
                let mut scores = vec![7.0; recipe.count];
                score(metric, &query, &rows, &mut scores);
                same(name, metric, &scores, &plain)?;
            }
        }
        Ok(())
    })
}

fn same(name: &str, what: impl Debug, found: &[f32], plain: &[f32]) -> Result<(), TestCaseError> {
    for (row, (found, plain)) in found.iter().zip(plain).enumerate() {
        let equal = found.to_bits() == plain.to_bits();
        prop_assert!(equal, "{} gives {:e} for the {:?} of row {}, a plain loop {:e}", name, found, what, row, plain);
    }
    Ok(())
}

/// Norms, cosines by given norms, and the best of all.
fn rest<E: Plain>() {
    let many = prop_oneof![30 => Just(0_usize), 1 => 11_usize..400];
    let metric = prop::sample::select(METRICS.as_slice());
    runner(CASES)
        .run(&(recipe(), many, 0_usize..20, metric), |(recipe, many, k, metric)| {
            // Many of few elements, so that scores are equal and more than one block is selected from.
            let recipe = if many > 0 { Recipe { dim: recipe.dim % 3, count: many, ..recipe } } else { recipe };
            let (query, elements, stride) = vectors(&recipe, E::ZERO, |random| E::element(random, recipe.kind));
            let rows = Rows::new(&elements, recipe.dim, stride, recipe.count).unwrap();
            let of_all = |plain: &dyn Fn(&[E]) -> f32| (0..recipe.count).map(|row| plain(rows.row(row))).collect();
            let plain_norms: Vec<f32> = of_all(&E::norm);
            let plain: Vec<f32> = of_all(&|row| E::score(metric, &query, row));
            let best = plain_top_k(metric, &plain, k);
            for variant in Variant::available() {
                let mut norms = vec![7.0; recipe.count];
                variant.vector_norms(&rows, &mut norms).unwrap();
                same(variant.name(), "norm", &norms, &plain_norms)?;
                let rows = rows.with_norms(&norms).unwrap();
                let mut scores = vec![7.0; recipe.count];
                variant.vector_scores(metric, &query, &rows, &mut scores).unwrap();
                same(variant.name(), metric, &scores, &plain)?;
                let found = variant.vector_top_k(metric, &query, &rows, k).unwrap();
                let found: Vec<_> = found.into_iter().map(|found| (found.index, found.score.to_bits())).collect();
                prop_assert_eq!(&found, &best, "{:?}", variant);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn f16_score_with_the_bits_of_a_plain_loop() {
    compare(&kernels::<F16>(), CASES).unwrap();
    rest::<F16>();
}

#[test]
fn bf16_score_with_the_bits_of_a_plain_loop() {
    compare(&kernels::<Bf16>(), CASES).unwrap();
    rest::<Bf16>();
}

#[test]
fn i8_score_with_the_bits_of_exact_integers() {
    compare(&kernels::<i8>(), CASES).unwrap();
    rest::<i8>();
}

/// In how many bits two vectors differ, a bit at a time.
pub(crate) fn plain_distance(a: &[u8], b: &[u8]) -> u32 {
    let differs = |bit: usize| (a[bit / 8] >> (bit % 8) & 1) != (b[bit / 8] >> (bit % 8) & 1);
    (0..8 * a.len()).map(|bit| u32::from(differs(bit))).sum()
}

type Distances = Box<dyn Fn(&[u8], &Rows<u8>, &mut [u32])>;

fn compare_distances(kernels: &[(&'static str, Distances)], cases: u32) -> Result<(), TestError<Recipe>> {
    runner(cases).run(&recipe(), |recipe| {
        let (query, elements, stride) = vectors(&recipe, 0, |random| match recipe.kind {
            Kind::Finite => 0xff * (random.next() & 1) as u8,
            Kind::Odd => u8::from(random.next().is_multiple_of(97)) << 7,
            _ => random.next() as u8,
        });
        let rows = Rows::new(&elements, recipe.dim, stride, recipe.count).unwrap();
        let plain: Vec<u32> = (0..recipe.count).map(|row| plain_distance(&query, rows.row(row))).collect();
        for (name, count) in kernels {
            let mut distances = vec![7; recipe.count];
            count(&query, &rows, &mut distances);
            prop_assert_eq!(&distances, &plain, "{}", name);
        }
        Ok(())
    })
}

#[test]
fn differing_bits_are_those_counted_one_by_one() {
    let kernel = |variant: Variant| -> Distances {
        Box::new(move |query, rows, distances| variant.vector_hamming(query, rows, distances).unwrap())
    };
    let kernels: Vec<_> = Variant::available().map(|variant| (variant.name(), kernel(variant))).collect();
    compare_distances(&kernels, CASES).unwrap();
}

#[test]
fn long_vectors_overflow_nothing() {
    // Behind 2^31 the sum of these in any i32, and behind 2^16 bits that of a byte or a word.
    const DIM: usize = 300_001;
    let (low, high) = (vec![i8::MIN; DIM], vec![i8::MAX; DIM]);
    for variant in Variant::available() {
        for (query, candidate) in [(&low, &high), (&low, &low), (&high, &high)] {
            let rows = Rows::new(candidate, DIM, DIM, 1).unwrap();
            for metric in METRICS {
                let mut score = [0.0];
                variant.vector_scores(metric, query, &rows, &mut score).unwrap();
                same(variant.name(), metric, &score, &[i8::score(metric, query, candidate)]).unwrap();
            }
        }
        let (zeros, ones) = ([0; DIM], [0xff; DIM]);
        let mut distance = [0];
        variant.vector_hamming(&zeros, &Rows::new(&ones, DIM, DIM, 1).unwrap(), &mut distance).unwrap();
        assert_eq!(distance, [8 * DIM as u32], "{variant:?}");
    }
}

#[test]
fn odd_inputs_of_other_types_give_what_is_stated() {
    const NAN_BITS: u32 = 0x7fc0_0000;
    fn score<E: Element>(variant: Variant, metric: Metric, query: &[E], candidate: &[E]) -> f32 {
        let mut found = [7.0];
        let rows = Rows::new(candidate, query.len(), query.len(), 1).unwrap();
        variant.vector_scores(metric, query, &rows, &mut found).unwrap();
        found[0]
    }
    for variant in Variant::available() {
        for metric in METRICS {
            // Zeros of both signs have no direction, and are as far from another as that is long.
            for zero in [0, 0x8000] {
                let far = if metric == Metric::L2 { 2.0_f32.sqrt().to_bits() } else { 0 };
                let one = F16(0x3c00);
                assert_eq!(score(variant, metric, &[F16(zero); 2], &[one; 2]).to_bits(), far, "{variant:?} {metric:?}");
                assert_eq!(score(variant, metric, &[one; 2], &[F16(zero); 2]).to_bits(), far, "{variant:?} {metric:?}");
                assert_eq!(score(variant, metric, &[F16(zero)], &[F16(0x8000)]).to_bits(), 0, "{variant:?} {metric:?}");
                let one = Bf16(0x3f80);
                assert_eq!(
                    score(variant, metric, &[Bf16(zero); 2], &[one; 2]).to_bits(),
                    far,
                    "{variant:?} {metric:?}"
                );
                assert_eq!(
                    score(variant, metric, &[one; 2], &[Bf16(zero); 2]).to_bits(),
                    far,
                    "{variant:?} {metric:?}"
                );
                assert_eq!(
                    score(variant, metric, &[Bf16(zero)], &[Bf16(0x8000)]).to_bits(),
                    0,
                    "{variant:?} {metric:?}"
                );
            }
            // Quiet and signalling, of both signs.
            for nan in [0x7e00, 0xfe00, 0x7c01, 0xffff] {
                let found = score(variant, metric, &[F16(nan)], &[F16(0)]);
                assert_eq!(found.to_bits(), NAN_BITS, "{variant:?} {metric:?}");
            }
            for nan in [0x7fc0, 0xffc0, 0x7f81, 0xffff] {
                let found = score(variant, metric, &[Bf16(0)], &[Bf16(nan)]);
                assert_eq!(found.to_bits(), NAN_BITS, "{variant:?} {metric:?}");
            }
            assert_eq!(score::<F16>(variant, metric, &[], &[]).to_bits(), 0);
            assert_eq!(score::<i8>(variant, metric, &[], &[]).to_bits(), 0);
        }
        let (one, infinity) = (F16(0x3c00), F16(0x7c00));
        assert_eq!(score(variant, Metric::Dot, &[one], &[F16(1)]), f32::powi(2.0, -24), "subnormal");
        assert_eq!(score(variant, Metric::Dot, &[one], &[F16(0xfc00)]), f32::NEG_INFINITY);
        let (one, infinity_b) = (Bf16(0x3f80), Bf16(0x7f80));
        assert_eq!(score(variant, Metric::Dot, &[one], &[Bf16(1)]), f32::from_bits(1 << 16), "subnormal");
        assert_eq!(score(variant, Metric::Dot, &[one], &[Bf16(0xff80)]), f32::NEG_INFINITY);
        assert_eq!(score(variant, Metric::L2, &[infinity_b], &[infinity_b]).to_bits(), NAN_BITS);
        assert_eq!(score(variant, Metric::Cosine, &[one], &[Bf16(1)]).to_bits(), 0, "its square is 0");
        assert_eq!(score(variant, Metric::L2, &[infinity], &[infinity]).to_bits(), NAN_BITS);
        assert_eq!(score(variant, Metric::Cosine, &[F16(1)], &[F16(0x7bff)]), 1.0, "no square is 0 or infinite");
        assert_eq!(score(variant, Metric::Cosine, &[0_i8, 0], &[1, 2]).to_bits(), 0);
        assert_eq!(score(variant, Metric::Cosine, &[1_i8, 0], &[0, -2]).to_bits(), 0);
        assert_eq!(score(variant, Metric::Cosine, &[-128_i8, 127, 3], &[-128, 127, 3]), 1.0, "not cut");
        assert_eq!(score(variant, Metric::L2, &[-128_i8], &[127]), 255.0);
    }
}

#[test]
fn bits_of_other_lengths_are_refused() {
    let variant = Variant::by_name("rust").unwrap();
    let rows = Rows::new(&[0_u8; 6], 3, 3, 2).unwrap();
    let mut distances = [7; 2];
    assert!(variant.vector_hamming(&[0; 2], &rows, &mut distances).is_err());
    assert!(variant.vector_hamming(&[0; 3], &rows, &mut distances[..1]).is_err());
    assert!(variant.vector_hamming_top_k(&[0; 4], &rows, 1).is_err());
    assert_eq!(distances, [7; 2]);
}

/// Scores that `spoil` makes of the right ones must be seen.
fn is_seen<E: Plain + 'static>(spoil: impl Fn(Metric, &[E], &[E], f32) -> f32 + 'static) {
    let broken: Score<E> = Box::new(move |metric, query, rows, scores| {
        for (row, score) in scores.iter_mut().enumerate() {
            *score = spoil(metric, query, rows.row(row), E::score(metric, query, rows.row(row)));
        }
    });
    let found = compare(&[("broken", broken)], UNTIL_SEEN);
    assert!(matches!(found, Err(TestError::Fail(..))), "a broken kernel went unseen");
}

#[test]
fn subnormal_f16_taken_for_zeros_are_seen() {
    let flush = |vector: &[F16]| -> Vec<F16> {
        vector.iter().map(|element| if element.0 & 0x7c00 == 0 { F16(0) } else { *element }).collect()
    };
    is_seen::<F16>(move |metric, query, candidate, _| F16::score(metric, &flush(query), &flush(candidate)));
}

#[test]
fn an_f16_taken_for_a_bf16_is_seen_and_the_nan_of_hardware_too() {
    is_seen::<F16>(|metric, query, candidate, _| {
        let other = |vector: &[F16]| -> Vec<Bf16> { vector.iter().map(|element| Bf16(element.0)).collect() };
        Bf16::score(metric, &other(query), &other(candidate))
    });
    is_seen::<F16>(|_, _, _, score| if score.is_nan() { -score } else { score });
    is_seen::<Bf16>(|_, _, _, score| if score.is_nan() { -score } else { score });
}

#[test]
fn a_bf16_taken_for_an_f16_is_seen_and_one_whose_last_bit_or_small_numbers_are_lost() {
    let among = |change: fn(u16) -> u16| {
        move |vector: &[Bf16]| -> Vec<Bf16> { vector.iter().map(|element| Bf16(change(element.0))).collect() }
    };
    is_seen::<Bf16>(|metric, query, candidate, _| {
        let other = |vector: &[Bf16]| -> Vec<F16> { vector.iter().map(|element| F16(element.0)).collect() };
        F16::score(metric, &other(query), &other(candidate))
    });
    let cut = among(|bits| bits & !1);
    is_seen::<Bf16>(move |metric, query, candidate, _| Bf16::score(metric, &cut(query), &cut(candidate)));
    let flush = among(|bits| if bits & 0x7f80 == 0 { 0 } else { bits });
    is_seen::<Bf16>(move |metric, query, candidate, _| Bf16::score(metric, &flush(query), &flush(candidate)));
}

#[test]
fn i8_pairs_that_saturate_and_cosines_by_rounded_norms_are_seen() {
    is_seen::<i8>(|metric, query, candidate, score| match metric {
        // What vpmaddubsw does.
        Metric::Dot => {
            let product = |(q, c): (&i8, &i8)| i32::from(*q) * i32::from(*c);
            let products: Vec<i32> = query.iter().zip(candidate).map(product).collect();
            products.chunks(2).map(|pair| pair.iter().sum::<i32>().clamp(-32_768, 32_767)).sum::<i32>() as f32
        }
        _ => score,
    });
    is_seen::<i8>(|metric, query, candidate, score| match metric {
        Metric::Cosine if score != 0.0 => {
            i8::score(Metric::Dot, query, candidate) / (i8::norm(query) * i8::norm(candidate))
        }
        _ => score,
    });
}

#[test]
fn bits_of_the_last_byte_that_do_not_count_are_seen() {
    let broken: Distances = Box::new(|query, rows, distances| {
        for (row, distance) in distances.iter_mut().enumerate() {
            let whole = query.len() - query.len() % 8;
            *distance = plain_distance(&query[..whole], &rows.row(row)[..whole]);
        }
    });
    let found = compare_distances(&[("broken", broken)], UNTIL_SEEN);
    assert!(matches!(found, Err(TestError::Fail(_, Recipe { dim: 1.., .. }))), "{found:?}");
}
