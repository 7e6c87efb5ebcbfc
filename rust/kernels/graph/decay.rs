//! `apply_decay`: strengths that halve with every half-life.
//!
//! The kernel computes in floats, whose every operation is rounded by itself: no fused multiply-add, so that CPUs without
//! one aren't slow, and every variant has the same bits. `zig/kernels/graph/decay.zig` is the same, line by line.
//!
//! `2^(-age / h)` is `2^k * 2^r` with an integer `k` and `|r|` up to a half. Here `-r` times the half-life is
//! `d = age + k * h`, and `d` is exact: ages and half-life are scaled by a power of two that brings the half-life between
//! 1 and 2, and it is split into 15 and 9 bits, whose products with `k` have no more than a float's 24; what is left of their
//! difference is a multiple of the half-life's last bit, or of the age's, and fits. So no precision is lost however
//! many half-lives have passed. `2^r - 1` is a polynomial in `d`, whose coefficients are computed in doubles once a call.
//! Its linear term is multiplied by the strength before the rest is added, and the power of two comes last, so that a
//! subnormal result is rounded once more and not in all steps.
//!
//! In units of the result's last place there are at most 0.35 for the linear term, 0.25 for its product with the strength,
//! 0.25 and 0.5 for the two sums, 0.1 for the coefficient and less than that for each of the rest. That isn't a proof of 1.5,
//! which is promised and tested: the worst of 40 million inputs, of which many were where most errors are worst, was off by 1.42.

/// How many values are taken at a time, and looked at for odd ones.
const LANES: usize = 32;

pub(super) type Block = [f32; LANES];

/// [`odd`], compiled for a level of instructions.
pub(super) type Odd = unsafe fn(&mut Block, &Block, &Rate);

/// Added to a small float it leaves in the low bits the nearest integer plus 127, which is the exponent field of that
/// power of two.
const ROUND: f32 = ((3_u32 << 22) + 127) as f32;

/// Half-lives after which `2^k` alone would soon be subnormal: what is older is odd.
const HALVINGS_MAX: f64 = 125.0;

/// More half-lives than any strength survives: the largest is 2^128, half of the smallest 2^-150.
const HALVINGS_END: f64 = 299.0;

/// From here on a strength times `2^r` may be infinite. The bits of all that is odd are above those of the float below this:
/// negative numbers, infinities and what isn't a number as well.
const LARGE: f32 = f32::from_bits(254 << 23);

/// `2^r - 1 = r * (P_1 + r * (P_2 + ...))`, minimax in the relative error of `2^r` over `|r| <= 1/2`, by Remez's exchange:
/// off by less than 2^-28.5.
const P: [f64; 6] = [
    0.693_147_215_011_518_9,
    0.240_226_527_855_364_14,
    0.055_503_104_663_397_42,
    0.009_617_692_598_497_811,
    0.001_340_667_480_258_705,
    0.000_155_947_637_580_282_7,
];

/// `r` as nearly as its second to sixth powers can give it, by the same means: off by a tenth. As a float the linear
/// coefficient is rounded; what it lacks is made up for by the others, so that nine tenths of its error are gone.
const LINEAR: [f64; 5] = [
    -0.687_787_029_118_178_4,
    16.184_367_079_406_325,
    11.044_476_220_484_558,
    -52.075_943_808_066_62,
    -35.398_791_356_142_816,
];

/// What all results that are no numbers are, since Rust promises no payloads.
const NAN: f32 = f32::from_bits(0x7fc0_0000);

/// A half-life as the kernels take it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// The highest age that isn't odd.
    pub(crate) age_max: f32,
    /// A power of two for ages that are odd, which makes a subnormal half-life a normal one, and the age that is as good as
    /// any above it, times that.
    pub(crate) lift: f32,
    pub(crate) age_end: f32,
    /// Minus the half-life's inverse, after the lift.
    pub(crate) rate: f32,
    /// The power of two that brings the lifted half-life between 1 and 2, and that half-life's first 15 and last 9 bits.
    pub(crate) scale: f32,
    pub(crate) high: f32,
    pub(crate) low: f32,
    /// Coefficients of the scaled age's remainder.
    pub(crate) linear: f32,
    pub(crate) powers: [f32; 5],
}

impl Rate {
    /// `half_life` is above 0 and finite.
    pub(super) fn new(half_life: f32) -> Self {
        let half_life = f64::from(half_life);
        let exponent = (half_life.to_bits() >> 52) as i32 - 1023;
        let lift = if exponent < -126 { f64::from(-126 - exponent).exp2() } else { 1.0 };
        let scale = f64::from(-exponent.max(-126)).exp2();
        // Every float below is exact, but the rate and the coefficients, which are rounded once.
        let scaled = half_life * lift * scale;
        let high = f32::from_bits((scaled as f32).to_bits() & !0x1ff);
        let inverse = -1.0 / scaled;
        let linear = (P[0] * inverse) as f32;
        let lacking = P[0] + f64::from(linear) * scaled;
        let mut power = inverse;
        let powers = std::array::from_fn(|at| {
            power *= inverse;
            ((P[at + 1] + LINEAR[at] * lacking) * power) as f32
        });
        let float_max = f64::from(f32::MAX);
        Self {
            age_max: if lift == 1.0 { (HALVINGS_MAX * half_life).min(float_max) as f32 } else { 0.0 },
            lift: lift as f32,
            age_end: (HALVINGS_END * half_life * lift).min(float_max) as f32,
            rate: (inverse * scale) as f32,
            scale: scale as f32,
            high,
            low: (scaled - f64::from(high)) as f32,
            linear,
            powers,
        }
    }
}

/// The strength times `2^r`, and `k` in the low bits of a float.
#[inline(always)]
fn fraction(strength: f32, age: f32, rate: &Rate) -> (f32, f32) {
    let rounded = age * rate.rate + ROUND;
    let k = rounded - ROUND;
    let d = (age * rate.scale + k * rate.high) + k * rate.low;
    let dd = d * d;
    let [p2, p3, p4, p5, p6] = rate.powers;
    let p = (p2 + p3 * d) + dd * ((p4 + p5 * d) + dd * p6);
    (strength + (strength * (rate.linear * d) + (strength * dd) * p), rounded)
}

/// `2^k`.
#[inline(always)]
fn power(rounded: f32) -> f32 {
    f32::from_bits(rounded.to_bits() << 23)
}

/// Of a strength and an age that aren't odd.
#[inline(always)]
fn decayed(strength: f32, age: f32, rate: &Rate) -> f32 {
    let (result, rounded) = fraction(strength, age, rate);
    result * power(rounded)
}

/// Of any strength and age. Of those that aren't odd it is the same in every bit, so that a block with odd ones among them
/// can be computed by this as a whole.
#[inline(always)]
fn decayed_odd(strength: f32, age: f32, rate: &Rate) -> f32 {
    // A comparison with NaN is false, so that NaN stays.
    let lifted = if age < 0.0 { 0.0 } else { age } * rate.lift;
    let lifted = if lifted > rate.age_end { rate.age_end } else { lifted };
    let large = strength.abs() >= LARGE;
    let (mut result, mut rounded) = fraction(if large { strength * 0.5 } else { strength }, lifted, rate);
    rounded = if large { rounded + 1.0 } else { rounded };
    // In two steps, since 2^-299 is no float.
    for _ in 0..2 {
        let old = rounded < ROUND - 125.0;
        rounded = if old { rounded + 100.0 } else { rounded };
        result = if old { result * power(ROUND - 100.0) } else { result };
    }
    result *= power(rounded);
    // Of a half-life near the largest float no finite age is the end.
    result = if age == f32::INFINITY { strength * 0.0 } else { result };
    // These stay; the sums would turn -0 into 0, and an infinity into NaN.
    let known = if age.is_nan() { 1.0 } else { strength.abs() };
    result = if known == f32::INFINITY { strength } else { result };
    result = if known == 0.0 { strength } else { result };
    if result.is_nan() { NAN } else { result }
}

/// The highest bits of the four quarters' floats, each with those at the same place.
#[inline(always)]
fn highest(block: &Block, at: usize) -> u32 {
    const QUARTER: usize = LANES / 4;
    let first_half = block[at].to_bits().max(block[at + QUARTER].to_bits());
    first_half.max(block[at + 2 * QUARTER].to_bits().max(block[at + 3 * QUARTER].to_bits()))
}

/// A block with odd ones among them.
#[inline(always)]
pub(super) fn odd(block: &mut Block, ages: &Block, rate: &Rate) {
    for at in 0..LANES {
        block[at] = decayed_odd(block[at], ages[at], rate);
    }
}

/// `ages` is as long as `strengths`. Odd blocks are left to a function that isn't inlined: beside its constants those of the
/// others didn't fit the registers, and what they computed went through memory, a seventh of the time on v3.
///
/// # Safety
/// The CPU has what `odd` is compiled for.
#[inline(always)]
pub(super) unsafe fn apply(strengths: &mut [f32], ages: &[f32], rate: &Rate, odd: Odd) {
    // A copy, which no write to the strengths can change.
    let rate = *rate;
    let (age_max, strength_max) = (rate.age_max.to_bits(), LARGE.to_bits() - 1);
    let (blocks, last) = strengths.as_chunks_mut::<LANES>();
    let (blocks_ages, last_ages) = ages.as_chunks::<LANES>();
    for (block, ages) in blocks.iter_mut().zip(blocks_ages) {
        let mut is_odd = false;
        for at in 0..LANES / 4 {
            is_odd |= (highest(ages, at) > age_max) | (highest(block, at) > strength_max);
        }
        if is_odd {
            // SAFETY: the caller's.
            unsafe { odd(block, ages, &rate) };
        } else {
            // By places: were an adapter of two iterators not inlined, a call for each block would take as long as the block.
            for at in 0..LANES {
                block[at] = decayed(block[at], ages[at], &rate);
            }
        }
    }
    if !last.is_empty() {
        let (mut block, mut ages) = ([0.0; LANES], [0.0; LANES]);
        block[..last.len()].copy_from_slice(last);
        ages[..last.len()].copy_from_slice(last_ages);
        // SAFETY: the caller's.
        unsafe { odd(&mut block, &ages, &rate) };
        last.copy_from_slice(&block[..last.len()]);
    }
}
