//! Decay, beside the loops that a Rust program would have, and beside what the memory allows.

use std::hint::black_box;

use lyger::kernels::{self, Variant};

use super::support::{Case, Comparison, Metric, alternate, repeated};
use super::{Peer, SAMPLE};

/// The mark of issue 5.
const DECAY_RATIO_MIN: f64 = 5.0;

/// Much longer than the ages, so that strengths that decay in every run of a bench don't become subnormal.
const HALF_LIFE_SECONDS: f32 = 1e9;

/// Any numbers, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// From 0 to 1.
    fn fraction(&mut self) -> f32 {
        self.next() as f32 / (1_u32 << 31) as f32
    }
}

pub(crate) fn decay() -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (count, place) in [(16_384, "in the second cache"), (16 << 20, "in memory")] {
        let mut numbers = Numbers(1);
        let ages: Vec<f32> = (0..count).map(|_| 1e4 * numbers.fraction()).collect();
        let fresh: Vec<f32> = (0..count).map(|_| 0.5 + numbers.fraction()).collect();
        let name = format!("decay of {count} strengths, {place}");
        let case = Case { name: &name, unit: "us", placement: "one thread", metric: Metric::Cpu };
        let (mut ours, mut theirs) = (fresh.clone(), [fresh.clone(), fresh.clone(), fresh]);
        let [first, second, third] = &mut theirs;
        let mut naive = || naive(black_box(first), black_box(&ages), HALF_LIFE_SECONDS);
        let mut polynomial = || polynomial(black_box(second), black_box(&ages), HALF_LIFE_SECONDS);
        let mut traffic = || traffic(black_box(third), black_box(&ages));
        let peers: [Peer; 3] = [
            ("Rust's own loop (libm)", &mut naive, Some(DECAY_RATIO_MIN)),
            ("a polynomial, as rustc vectorizes", &mut polynomial, None),
            ("limit: a sum in place", &mut traffic, None),
        ];
        for (peer, work, ratio_min) in peers {
            for variant in Variant::available() {
                let is_active = variant.name() == kernels::active();
                let mut subject = || {
                    variant
                        .apply_decay(black_box(&mut ours), black_box(&ages), HALF_LIFE_SECONDS)
                        .expect("a half-life");
                };
                let mut comparison = alternate(
                    case,
                    (variant.name(), &mut repeated(SAMPLE, &mut subject)),
                    (peer, &mut repeated(SAMPLE, work)),
                );
                comparison.ratio_min = ratio_min.filter(|_| is_active);
                comparisons.push(comparison);
            }
        }
    }
    comparisons
}

#[inline(never)]
fn naive(strengths: &mut [f32], ages: &[f32], half_life: f32) {
    for (strength, age) in strengths.iter_mut().zip(ages) {
        *strength *= (-age / half_life).exp2();
    }
}

/// The same in floats throughout, by a polynomial that is good to 1e-6 where ages are small: the least that such a loop
/// can do, for whatever CPU the program is compiled for.
#[inline(never)]
fn polynomial(strengths: &mut [f32], ages: &[f32], half_life: f32) {
    for (strength, age) in strengths.iter_mut().zip(ages) {
        let x = (-age / half_life).max(-126.0);
        let k = (x + 12_582_912.0) - 12_582_912.0;
        let r = x - k;
        let mut p = 0.001_339_89_f32;
        p = p * r + 0.009_618_13;
        p = p * r + 0.055_503_54;
        p = p * r + 0.240_226_5;
        p = p * r + std::f32::consts::LN_2;
        p = p * r + 1.0;
        *strength *= p * f32::from_bits(((k as i32 + 127) as u32) << 23);
    }
}

/// Reads and writes what a decay reads and writes, with nothing to compute.
#[inline(never)]
fn traffic(strengths: &mut [f32], ages: &[f32]) {
    for (strength, age) in strengths.iter_mut().zip(ages) {
        *strength += age;
    }
}
