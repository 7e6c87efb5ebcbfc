//! `heavy_computation`: the same bits in every variant, and as near to the truth as promised.

use lyger::kernels::{LANES, Variant};
use proptest::prelude::*;
use proptest::test_runner::TestError;

use crate::reference::{Double, sine, sqrt, sums};
use crate::{CASES, runner};

/// A kernel under test.
pub(crate) type Sum = Box<dyn Fn(u64) -> f64>;

/// The variants that this machine can run, by name.
pub(crate) fn kernels() -> Vec<(&'static str, Sum)> {
    let kernel = |variant: Variant| -> Sum { Box::new(move |iterations| variant.heavy_computation(iterations)) };
    Variant::available().map(|variant| (variant.name(), kernel(variant))).collect()
}

/// Runs `cases` numbers of iterations through all kernels. `Err` holds the smallest on which one differs.
pub(crate) fn compare(kernels: &[(&'static str, Sum)], cases: u32) -> Result<(), TestError<u64>> {
    let iterations = prop_oneof![8 => 0_u64..200, 1 => 200_u64..2000];
    runner(cases).run(&iterations, |iterations| {
        let first = (kernels[0].1)(iterations);
        for (name, sum) in &kernels[1..] {
            let other = sum(iterations);
            prop_assert_eq!(
                other.to_bits(),
                first.to_bits(),
                "{} gives {:e}, {} {:e}",
                name,
                other,
                kernels[0].0,
                first
            );
        }
        Ok(())
    })
}

#[test]
fn all_kernels_sum_to_the_same_bits() {
    compare(&kernels(), CASES).unwrap();
}

/// The difference of a kernel's sine from the true one, in units of the last place of the true one.
fn error_ulps(i: u64, found: f64) -> f64 {
    let truth = sine(i);
    let unit = f64::from_bits((truth.high.abs().to_bits() >> 52 << 52) + 1)
        - f64::from_bits(truth.high.abs().to_bits() >> 52 << 52);
    ((truth - Double::from(found)).high / unit).abs()
}

/// Compares the sines of one block of lanes between all variants, and with the truth. Returns the largest error.
fn check_sines(first: u64) -> Result<f64, TestCaseError> {
    let variants: Vec<Variant> = Variant::available().collect();
    let sines = variants[0].sines(first);
    for variant in &variants[1..] {
        prop_assert_eq!(variant.sines(first).map(f64::to_bits), sines.map(f64::to_bits), "{:?}", variant);
    }
    let mut worst = 0.0_f64;
    for (i, found) in (first..).zip(sines) {
        if i == 0 {
            prop_assert_eq!(found, 0.0);
            continue;
        }
        let error = error_ulps(i, found);
        prop_assert!(error <= 2.0, "the sine of {} is {} ulp off", i, error);
        worst = worst.max(error);
    }
    Ok(worst)
}

#[test]
fn every_sine_is_within_two_ulp_up_to_two_to_the_53() {
    // Of every size alike.
    let block = (any::<u64>(), 11_u32..59).prop_map(|(bits, shift)| (bits >> shift) & !(LANES as u64 - 1));
    let last = (1_u64 << 53) - LANES as u64;
    runner(CASES).run(&block, |first| check_sines(first.min(last)).map(|_| ())).unwrap();
}

/// Numerators of the fractions nearest to pi: integers that are as near to a multiple of pi as integers get, where
/// the reduction loses most.
const NEAR_MULTIPLES_OF_PI: [u64; 29] = [
    3,
    22,
    333,
    355,
    103_993,
    104_348,
    208_341,
    312_689,
    833_719,
    1_146_408,
    4_272_943,
    5_419_351,
    80_143_857,
    165_707_065,
    245_850_922,
    411_557_987,
    1_068_966_896,
    2_549_491_779,
    6_167_950_454,
    14_885_392_687,
    21_053_343_141,
    1_783_366_216_531,
    3_587_785_776_203,
    5_371_151_992_734,
    8_958_937_768_937,
    139_755_218_526_789,
    428_224_593_349_304,
    5_706_674_932_067_741,
    6_134_899_525_417_045,
];

#[test]
fn sines_next_to_zero_and_at_the_borders_are_within_two_ulp() {
    const SMALL: u64 = 1 << 26;
    let mut worst = 0.0_f64;
    let borders = [0, SMALL - 32, SMALL, (1 << 52) - 32, 1 << 52, (1 << 53) - 64];
    let multiples = NEAR_MULTIPLES_OF_PI.iter().flat_map(|&near| (1..40).map(move |times| near * times));
    for i in multiples.filter(|&i| i < 1 << 53).chain(borders) {
        worst = worst.max(check_sines(i & !(LANES as u64 - 1)).unwrap());
    }
    // What the comment in heavy.rs says; a change that costs accuracy should be seen before it costs the promise.
    assert!(worst < 1.7, "{worst} ulp");
}

#[test]
fn the_sum_is_within_four_epsilons_of_the_sum_of_its_terms() {
    let variant = Variant::by_name("auto").unwrap();
    let mut truth = Double::from(0.0);
    let mut magnitude = 0.0;
    let mut worst = 0.0_f64;
    for i in 0..60_000_u64 {
        let term = sqrt(i) * sine(i);
        truth = truth + term;
        magnitude += term.high.abs();
        let iterations = i + 1;
        if iterations < 300 || iterations % 1009 == 0 {
            let error = (truth - Double::from(variant.heavy_computation(iterations))).high.abs();
            assert!(error <= 4.0 * f64::EPSILON * magnitude, "{iterations} iterations are {error:e} off");
            if magnitude > 0.0 {
                worst = worst.max(error / (f64::EPSILON * magnitude));
            }
        }
    }
    assert!(worst > 0.0, "nothing was compared");
}

#[test]
fn the_sum_keeps_its_bound_past_ten_million_terms() {
    // Past the border of the two reductions tests/fuzz asks the same: that takes an optimized build.
    const COUNTS: [u64; 2] = [10_000_001, 10_499_987];
    let variant = Variant::by_name("auto").unwrap();
    for (count, (truth, magnitude)) in COUNTS.into_iter().zip(sums(&COUNTS)) {
        let error = (truth - Double::from(variant.heavy_computation(count))).high.abs();
        assert!(error <= 4.0 * f64::EPSILON * magnitude, "{count} iterations are {error:e} off");
    }
}

#[cfg(feature = "zig-kernels")]
#[test]
fn sums_agree_past_the_border_of_the_two_reductions() {
    // 2^26 terms take these Zig kernels 30 ms; the Rust ones, unoptimized as they are in a test, half a minute, and
    // those without fused operations too: all of them are held to it by tests/fuzz, once for each run.
    let fast: Vec<Variant> = Variant::available().filter(|variant| variant.name().starts_with("zig-v")).collect();
    assert!(fast.len() > 1, "nothing is compared");
    for iterations in [(1 << 26) - 5, (1 << 26) + 1, (1 << 26) + 999] {
        let sums: Vec<u64> = fast.iter().map(|variant| variant.heavy_computation(iterations).to_bits()).collect();
        assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "{fast:?}: {sums:x?}");
    }
}
