//! `apply_decay`: strengths that halve with every half-life.
//!
//! All arithmetic is of doubles, whose every operation is rounded by itself: no fused multiply-add, so that CPUs without
//! one aren't slow, and so that whatever computes in doubles gives the same bits. `zig/kernels/graph/decay.zig` is the
//! same, line by line.
//!
//! `2^x` is `2^k * 2^r` with the integer `k` nearest to `x`. `r = x - k` is exact, and `2^r` is a polynomial of degree 6,
//! off by less than 2^-28.5. The product with the strength is rounded to a float once, also where the result is
//! subnormal, so it is within 0.55 units in the last place of the true one (0.5 would be the best there is). `x` itself,
//! the age times the half-life's inverse, is off by less than 2^-51 of itself, which is nothing beside that.

/// How many values are taken at a time: they hide the latency of the polynomial.
const LANES: usize = 32;

/// More halvings than any float survives: the largest is 2^128, half of the smallest 2^-150.
const EXPONENT_MIN: f64 = -300.0;

/// Added to a small double it leaves in the low bits the nearest integer plus 1023, which is the exponent field of that
/// power of two.
const ROUND: f64 = ((3_u64 << 51) + 1023) as f64;

/// `2^r = 1 + r * (P_1 + r * (P_2 + ...))`, minimax in the relative error over `|r| <= 1/2`. Found by Remez's exchange, one
/// coefficient after the other rounded to a double.
const P: [f64; 6] = [
    f64::from_bits(0x3fe6_2e43_1173_29aa),
    f64::from_bits(0x3fce_bfbe_2c53_4a46),
    f64::from_bits(0x3fac_6ae7_2e11_bb26),
    f64::from_bits(0x3f83_b270_e6ee_2afb),
    f64::from_bits(0x3f55_f727_64d9_57b0),
    f64::from_bits(0x3f24_70b4_2202_37c3),
];

/// What all results that are no numbers are, since Rust promises no payloads.
const NAN: f32 = f32::from_bits(0x7fc0_0000);

#[inline(always)]
fn decayed(strength: f32, age: f32, rate: f64) -> f32 {
    // A comparison with NaN is false, so that NaN stays.
    let age = if age < 0.0 { 0.0 } else { age };
    let x = f64::from(age) * rate;
    let x = if x < EXPONENT_MIN { EXPONENT_MIN } else { x };
    let rounded = x + ROUND;
    let scale = f64::from_bits(rounded.to_bits() << 52);
    let r = x - (rounded - ROUND);
    let mut p = P[5];
    p = p * r + P[4];
    p = p * r + P[3];
    p = p * r + P[2];
    p = p * r + P[1];
    p = p * r + P[0];
    p = p * r + 1.0;
    let result = (f64::from(strength) * (p * scale)) as f32;
    if result.is_nan() { NAN } else { result }
}

/// `rate` is minus the half-life's inverse; `ages` is as long as `strengths`.
#[inline(always)]
pub(super) fn apply(strengths: &mut [f32], ages: &[f32], rate: f64) {
    let (blocks, last) = strengths.as_chunks_mut::<LANES>();
    let (blocks_ages, last_ages) = ages.as_chunks::<LANES>();
    for (block, ages) in blocks.iter_mut().zip(blocks_ages) {
        for (strength, &age) in block.iter_mut().zip(ages) {
            *strength = decayed(*strength, age, rate);
        }
    }
    for (strength, &age) in last.iter_mut().zip(last_ages) {
        *strength = decayed(*strength, age, rate);
    }
}
