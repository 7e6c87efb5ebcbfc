//! Sines and square roots of integers to 100 bits, by a way that shares nothing with the kernels: the argument is
//! reduced in 256-bit integers, the sine is Taylor's series in pairs of doubles.

use std::ops::{Add, Mul, Neg, Sub};

/// A number as the unevaluated sum of two doubles, the second below half a unit of the first (Dekker 1971).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Double {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

impl From<f64> for Double {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

/// The exact sum of two doubles (Knuth).
fn two_sum(a: f64, b: f64) -> Double {
    let high = a + b;
    let back = high - a;
    Double { high, low: (a - (high - back)) + (b - back) }
}

impl Add for Double {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let high = two_sum(self.high, other.high);
        let low = two_sum(self.low, other.low);
        let sum = two_sum(high.high, high.low + low.high);
        two_sum(sum.high, sum.low + low.low)
    }
}

impl Neg for Double {
    type Output = Self;
    fn neg(self) -> Self {
        Self { high: -self.high, low: -self.low }
    }
}

impl Sub for Double {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Double {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let high = self.high * other.high;
        let low = self.high.mul_add(other.high, -high);
        two_sum(high, low + (self.high * other.low + self.low * other.high))
    }
}

impl Double {
    /// Divided by a small integer, with one step of correction.
    fn over(self, divisor: f64) -> Self {
        let high = self.high / divisor;
        let rest = self - Self::from(high) * Self::from(divisor);
        two_sum(high, (rest.high + rest.low) / divisor)
    }
}

/// The square root of an integer.
pub(crate) fn sqrt(i: u64) -> Double {
    let x = i as f64;
    let root = x.sqrt();
    if root == 0.0 {
        return Double::from(0.0);
    }
    two_sum(root, (-root).mul_add(root, x) / (2.0 * root))
}

/// 64 bits before the point and 192 behind it, the lowest limb first.
type Fixed = [u64; 4];

/// The digits of pi, as the Blowfish cipher made them famous.
const PI: Fixed = [0xa409_3822_299f_31d0, 0x1319_8a2e_0370_7344, 0x243f_6a88_85a3_08d3, 3];

fn times(a: Fixed, factor: u64) -> Fixed {
    let mut carry = 0_u128;
    a.map(|limb| {
        carry += u128::from(limb) * u128::from(factor);
        let low = carry as u64;
        carry >>= 64;
        low
    })
}

/// `a - b`, or `None` below zero.
fn minus(a: Fixed, b: Fixed) -> Option<Fixed> {
    let mut borrow = false;
    let mut difference = [0; 4];
    for limb in 0..4 {
        let (value, first) = a[limb].overflowing_sub(b[limb]);
        let (value, second) = value.overflowing_sub(u64::from(borrow));
        difference[limb] = value;
        borrow = first || second;
    }
    (!borrow).then_some(difference)
}

fn to_double(a: Fixed) -> Double {
    let mut sum = Double::from(0.0);
    let mut scale = 2.0_f64.powi(-192);
    for limb in a {
        // Halves, because 64 bits don't fit a double.
        sum = Double::from((limb & 0xffff_ffff) as f64 * scale) + sum;
        sum = Double::from((limb >> 32) as f64 * scale * 4_294_967_296.0) + sum;
        scale *= 18_446_744_073_709_551_616.0;
    }
    sum
}

/// The sine of an integer up to 2^53.
pub(crate) fn sine(i: u64) -> Double {
    // The floor of i / pi, first by a guess that is off by one at most, then exactly.
    let mut k = ((i as f64 / std::f64::consts::PI) as u64).saturating_sub(1);
    let mut rest = minus([0, 0, 0, i], times(PI, k)).expect("the guess is low");
    while let Some(less) = minus(rest, PI) {
        rest = less;
        k += 1;
    }
    // sin(pi - r) = sin(r).
    let mirrored = minus(PI, rest).expect("rest is below pi");
    let r = to_double(if minus(mirrored, rest).is_some() { rest } else { mirrored });
    let square = r * r;
    let mut term = r;
    let mut sum = r;
    let mut n = 1.0;
    while term.high.abs() > sum.high.abs() * 1e-34 {
        term = -(term * square).over((n + 1.0) * (n + 2.0));
        sum = sum + term;
        n += 2.0;
    }
    if k.is_multiple_of(2) { sum } else { -sum }
}

/// The sum of `sqrt(i) * sin(i)` over so many integers from 0, and that of the absolute values, for each of these ascending
/// numbers.
///
/// sin(i + 1) = 2 cos(1) sin(i) - sin(i - 1), begun anew often enough that its error, which grows with the square of the
/// steps, stays below 1e-21.
pub(crate) fn sums(counts: &[u64]) -> Vec<(Double, f64)> {
    const TWICE_COSINE_OF_ONE: Double = Double { high: 1.0806046117362795, low: -9.521909225208834e-17 };
    const STEPS: u64 = 1 << 16;
    let (mut before, mut now) = (-sine(1), Double::from(0.0));
    let (mut sum, mut magnitude) = (Double::from(0.0), 0.0);
    let mut sums = Vec::new();
    for i in 0..counts.last().copied().unwrap_or_default() {
        if i.is_multiple_of(STEPS) && i > 0 {
            let error = (now - sine(i)).high;
            assert!(error.abs() < 1e-21, "the sines' recurrence is {error:e} off at {i}");
            (before, now) = (sine(i - 1), sine(i));
        }
        let term = sqrt(i) * now;
        sum = sum + term;
        magnitude += term.high.abs();
        (before, now) = (now, TWICE_COSINE_OF_ONE * now - before);
        if counts.contains(&(i + 1)) {
            sums.push((sum, magnitude));
        }
    }
    sums
}

#[test]
fn the_reference_knows_sines_to_27_digits() {
    // Computed with 60 digits by mpmath. The last one is as near to a multiple of pi as an integer below 2^53 gets.
    for (i, high, low) in [
        (1, 0.841_470_984_807_896_5, 1.776_845_092_935_536e-18),
        (355, -3.014_435_335_948_845e-5, 1.301_264_399_104_634_7e-21),
        (1_000_000_000_000_000, 0.858_272_793_170_235_9, -2.372_639_689_262_412e-17),
        (6_134_899_525_417_045, 9.495_905_770_584_396e-17, -3.873_995_565_755_314e-33),
    ] {
        let found = sine(i) - Double { high, low };
        assert!(found.high.abs() < high.abs() * 1e-27, "{i}: {found:?}");
    }
}
