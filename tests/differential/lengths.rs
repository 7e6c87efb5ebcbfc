//! Vectors so long that the square of their length is no float, and so short that squares lose digits: the limits that
//! docs/vectors.md and lyger.h state, in every variant.

use lyger::kernels::Variant;
use lyger::kernels::vectors::{Metric, Rows};
use proptest::prelude::*;

use crate::{CASES, runner};

/// 2^64, from which on the square of a length is infinite.
const LONG: f32 = 1.8446744e19;
/// 2^-63: its square is the smallest float with all digits.
const SHORT: f32 = 1.084_202_2e-19;
/// 2^-75, the largest whose square is 0.
const NOTHING: f32 = 2.646_978e-23;

fn in_all(metric: Metric, query: &[f32], candidate: &[f32]) -> f32 {
    let scores: Vec<f32> = Variant::available()
        .map(|variant| {
            let mut found = [7.0];
            let rows = Rows::new(candidate, query.len(), query.len(), 1).unwrap();
            variant.vector_scores(metric, query, &rows, &mut found).unwrap();
            found[0]
        })
        .collect();
    assert!(scores.iter().all(|score| score.to_bits() == scores[0].to_bits()), "{scores:?}");
    scores[0]
}

#[test]
fn a_cosine_with_a_vector_of_length_2_to_the_64_is_0_or_nan() {
    assert_eq!(LONG.log2(), 64.0);
    assert_eq!(in_all(Metric::Cosine, &[1.0], &[LONG.next_down()]), 1.0);
    assert_eq!(in_all(Metric::Cosine, &[1.0], &[LONG]), 0.0);
    assert_eq!(in_all(Metric::Cosine, &[LONG], &[1.0]), 0.0);
    // It is the length that counts, not an element.
    assert_eq!(in_all(Metric::Cosine, &[1.0; 4], &[LONG / 2.0; 4]), 0.0);
    assert!(in_all(Metric::Cosine, &[1.0; 3], &[LONG / 2.0; 3]) > 0.999_999);
    assert!(in_all(Metric::Cosine, &[LONG], &[LONG]).is_nan());
    assert_eq!(in_all(Metric::L2, &[0.0], &[LONG.next_down()]), LONG.next_down());
    assert_eq!(in_all(Metric::L2, &[0.0], &[LONG]), f32::INFINITY);
}

#[test]
fn a_cosine_with_elements_below_2_to_the_minus_63_loses_digits_and_ends_at_0() {
    assert_eq!([SHORT.log2(), NOTHING.log2()], [-63.0, -75.0]);
    assert_eq!(in_all(Metric::Cosine, &[1.0], &[NOTHING]), 0.0);
    assert!((in_all(Metric::Cosine, &[1.0], &[NOTHING.next_up()]) - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6);
    assert_eq!(in_all(Metric::L2, &[0.0], &[NOTHING]), 0.0);
    let cosine = |candidate: [f32; 2]| in_all(Metric::Cosine, &[1.0, 1.0], &candidate);
    assert!((cosine([3e-23, 1e-23]) - 0.755_58).abs() < 1e-5);
    assert!((cosine([1e-21, 3e-22]) - 0.880_39).abs() < 1e-5);
    let scaled = |element: f32| element * 2_f32.powi(70);
    assert!((cosine([3e-23, 1e-23].map(scaled)) - 0.894_427_2).abs() < 1e-6);
    assert!((cosine([1e-21, 3e-22].map(scaled)) - 0.880_471).abs() < 1e-6);
}

/// So scaling by powers of two, which the page advises, changes nothing where nothing is lost.
#[test]
fn between_these_limits_a_cosine_keeps_its_bits_whatever_the_scale() {
    let element = (any::<bool>(), 1.0_f32..2.0).prop_map(|(is_negative, x)| if is_negative { -x } else { x });
    let vectors = (prop::collection::vec((element.clone(), element), 1..100), -63..60_i32);
    runner(CASES)
        .run(&vectors, |(pairs, exponent)| {
            let (query, candidate): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            // 2^59 times 2 times the root of 99 is below 2^64.
            let scaled: Vec<f32> = candidate.iter().map(|element| element * 2_f32.powi(exponent)).collect();
            let (plain, scaled) = (in_all(Metric::Cosine, &query, &candidate), in_all(Metric::Cosine, &query, &scaled));
            prop_assert_eq!(plain.to_bits(), scaled.to_bits(), "2^{}", exponent);
            Ok(())
        })
        .unwrap();
}

#[test]
fn normalizing_a_vector_with_nan_makes_all_of_it_the_same_nan() {
    for variant in Variant::available() {
        for nan in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001)] {
            let mut vector = [1.0, nan, 0.0, f32::INFINITY];
            variant.vector_normalize(&mut vector);
            assert_eq!(vector.map(f32::to_bits), [0x7fc0_0000; 4], "{variant:?}");
        }
        let mut long = [LONG, 1.0];
        variant.vector_normalize(&mut long);
        assert_eq!(long, [0.0, 0.0], "{variant:?}");
        let mut short = [NOTHING, NOTHING];
        variant.vector_normalize(&mut short);
        assert_eq!(short, [NOTHING, NOTHING], "{variant:?}");
    }
}
