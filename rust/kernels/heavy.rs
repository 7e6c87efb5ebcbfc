//! `heavy_computation`: the sum of `sqrt(i) * sin(i)`.
//!
//! What always holds, so that every variant gives the same bits: 32 accumulators, of which number `l` sums the
//! indices that are `l` modulo 32, in ascending order; every multiplication that is added to something is a fused
//! multiply-add; accumulators are joined by halving (`l` with `l + 16`, then `l + 8`, ...). `zig/kernels/heavy.zig` is
//! the same, line by line. Without FMA hardware the fused operations are library calls: equal bits, 20 times the time.
//!
//! A sine is reduced to `r = i - k * pi`, `|r| <= pi / 2`, with `k` found by adding 2^52, whose last bit then is the
//! sign of the result. `pi` comes in three doubles. `i - k * PI_1` is exact, for it is a multiple of 2^-51 below 4.
//! Below [`SMALL`] two of the three parts suffice: what the third would add is below 2^-56 of any `r` there. From
//! there on up to 2^53 (where `r` gets as small as 2^-54) the rest is carried in a second double. The error of a
//! sine is below 1.7 units in the last place, most of it from `r * z` near the peaks; the largest that
//! tests/differential has met is 1.33 below [`SMALL`] and 1.65 above.

/// How many terms are summed side by side: four AVX-512 registers, which hide the latency of a multiply-add.
pub const LANES: usize = 32;

/// Larger indices aren't exact doubles.
pub(super) const ITERATIONS_MAX: u64 = 1 << 53;

/// From this index on the reduction carries two doubles.
const SMALL: u64 = 1 << 26;

const PI_1: f64 = f64::from_bits(0x4009_21fb_5444_2d18);
const PI_2: f64 = f64::from_bits(0x3ca1_a626_3314_5c07);
const PI_3: f64 = f64::from_bits(0xb92f_1976_b7ed_8fbc);
const INVERSE_PI: f64 = f64::from_bits(0x3fd4_5f30_6dc9_c883);
/// Added to a double in `0..2^52` it leaves the nearest integer in the low bits.
const ROUND: f64 = (1_u64 << 52) as f64;
/// The same for small doubles of either sign.
const ROUND_SIGNED: f64 = (3_u64 << 51) as f64;

/// `sin(r) / r = 1 + z * (S_1 + z * (S_2 + ...))` with `z = r * r`, minimax over `|r| <= pi / 2 + 2^-20`, relative
/// error below 2^-61. Found by Remez's exchange, one coefficient after the other rounded to a double.
const S: [f64; 8] = [
    f64::from_bits(0xbfc5_5555_5555_5555),
    f64::from_bits(0x3f81_1111_1111_10c8),
    f64::from_bits(0xbf2a_01a0_1a01_4d92),
    f64::from_bits(0x3ec7_1de3_a52a_29b4),
    f64::from_bits(0xbe5a_e645_4d5b_a068),
    f64::from_bits(0x3de6_123c_d6ef_9551),
    f64::from_bits(0xbd6a_e43a_44ea_d716),
    f64::from_bits(0x3ce8_8367_43f6_89ab),
];

/// `S_1 + z * (S_2 + ...)`.
#[inline(always)]
fn polynomial(z: f64) -> f64 {
    let mut p = S[7];
    p = p.mul_add(z, S[6]);
    p = p.mul_add(z, S[5]);
    p = p.mul_add(z, S[4]);
    p = p.mul_add(z, S[3]);
    p = p.mul_add(z, S[2]);
    p = p.mul_add(z, S[1]);
    p.mul_add(z, S[0])
}

/// Negates `value` when the last bit of `k`, an integer plus [`ROUND`], is set.
#[inline(always)]
fn negate_odd(value: f64, k: f64) -> f64 {
    f64::from_bits(value.to_bits() ^ (k.to_bits() << 63))
}

/// The sine of an integer below [`SMALL`].
#[inline(always)]
fn sine_small(x: f64) -> f64 {
    let rounded = x.mul_add(INVERSE_PI, ROUND);
    let k = rounded - ROUND;
    let r = (-k).mul_add(PI_2, (-k).mul_add(PI_1, x));
    let z = r * r;
    let sine = (r * z).mul_add(polynomial(z), r);
    negate_odd(sine, rounded)
}

/// The sine of an integer up to 2^53.
#[inline(always)]
fn sine_wide(x: f64) -> f64 {
    // The product with 1 / pi is off by up to 0.2, so the first k may be one beside the nearest.
    let guess = x.mul_add(INVERSE_PI, ROUND) - ROUND;
    let rest = (-guess).mul_add(PI_2, (-guess).mul_add(PI_1, x));
    let step = rest.mul_add(INVERSE_PI, ROUND_SIGNED) - ROUND_SIGNED;
    let k = guess + step;
    let rounded = k + ROUND;
    // i - k * pi = t - (p + p_low) - k * PI_3, and high + low is t - p without error (Knuth's two-sum).
    let t = (-k).mul_add(PI_1, x);
    let p = k * PI_2;
    let p_low = k.mul_add(PI_2, -p);
    let high = t - p;
    let back = high - t;
    let low = (t - (high - back)) - (p + back);
    let low = (-k).mul_add(PI_3, low - p_low);
    // high may have cancelled down to the size of low, so this sum needs all six operations too.
    let r = high + low;
    let back = r - high;
    let r_low = (high - (r - back)) + (low - back);
    let z = r * r;
    // sin(r + r_low) = sin(r) + r_low * cos(r), and 1 - z / 2 is cosine enough for a number below an ulp.
    let correction = r_low * z.mul_add(-0.5, 1.0);
    let sine = r + (r * z).mul_add(polynomial(z), correction);
    negate_odd(sine, rounded)
}

/// The sines of the indices `first..first + LANES`; `first` is a multiple of [`LANES`], so all of them are on one
/// side of [`SMALL`].
#[inline(always)]
fn sines(first: u64, out: &mut [f64; LANES]) {
    let base = first as f64;
    if first < SMALL {
        for (lane, sine) in out.iter_mut().enumerate() {
            *sine = sine_small(base + lane as f64);
        }
    } else {
        for (lane, sine) in out.iter_mut().enumerate() {
            *sine = sine_wide(base + lane as f64);
        }
    }
}

#[inline(always)]
fn sum(iterations: u64) -> f64 {
    let whole = iterations - iterations % LANES as u64;
    let small = whole.min(SMALL);
    let mut sums = [0.0_f64; LANES];
    let mut first = 0;
    while first < small {
        let base = first as f64;
        for (lane, sum) in sums.iter_mut().enumerate() {
            let x = base + lane as f64;
            *sum = x.sqrt().mul_add(sine_small(x), *sum);
        }
        first += LANES as u64;
    }
    while first < whole {
        let base = first as f64;
        for (lane, sum) in sums.iter_mut().enumerate() {
            let x = base + lane as f64;
            *sum = x.sqrt().mul_add(sine_wide(x), *sum);
        }
        first += LANES as u64;
    }
    if whole < iterations {
        let mut last = [0.0; LANES];
        sines(whole, &mut last);
        let left = (iterations - whole) as usize;
        for (lane, (sum, sine)) in sums.iter_mut().zip(last).take(left).enumerate() {
            *sum = (whole as f64 + lane as f64).sqrt().mul_add(sine, *sum);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// # Safety
/// None; unsafe only to have the type of its siblings.
pub(super) unsafe fn sum_portable(iterations: u64) -> f64 {
    sum(iterations)
}

/// # Safety
/// None; unsafe only to have the type of its siblings.
pub(super) unsafe fn sines_portable(first: u64, out: &mut [f64; LANES]) {
    sines(first, out);
}

/// # Safety
/// The CPU has x86-64-v2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt,sse3,ssse3,sse4.1,sse4.2")]
pub(super) unsafe fn sum_v2(iterations: u64) -> f64 {
    sum(iterations)
}

/// # Safety
/// The CPU has x86-64-v2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt,sse3,ssse3,sse4.1,sse4.2")]
pub(super) unsafe fn sines_v2(first: u64, out: &mut [f64; LANES]) {
    sines(first, out);
}

/// # Safety
/// The CPU has x86-64-v3.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,fma")]
pub(super) unsafe fn sum_v3(iterations: u64) -> f64 {
    sum(iterations)
}

/// # Safety
/// The CPU has x86-64-v3.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,fma")]
pub(super) unsafe fn sines_v3(first: u64, out: &mut [f64; LANES]) {
    sines(first, out);
}

/// # Safety
/// The CPU has x86-64-v4.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn sum_v4(iterations: u64) -> f64 {
    sum(iterations)
}

/// # Safety
/// The CPU has x86-64-v4.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn sines_v4(first: u64, out: &mut [f64; LANES]) {
    sines(first, out);
}

/// # Safety
/// The CPU has NEON.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
pub(super) unsafe fn sum_neon(iterations: u64) -> f64 {
    sum(iterations)
}

/// # Safety
/// The CPU has NEON.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
pub(super) unsafe fn sines_neon(first: u64, out: &mut [f64; LANES]) {
    sines(first, out);
}

#[cfg(test)]
mod tests {
    use super::super::Variant;
    use super::*;

    #[test]
    fn the_first_terms_are_those_of_the_definition() {
        for variant in Variant::available() {
            assert_eq!(variant.heavy_computation(0).to_bits(), 0);
            assert_eq!(variant.heavy_computation(1).to_bits(), 0);
            let naive: f64 = (0..1000).map(|i| f64::from(i).sqrt() * f64::from(i).sin()).sum();
            assert!((variant.heavy_computation(1000) - naive).abs() < 1e-10, "{variant:?}");
        }
    }

    #[test]
    fn more_iterations_than_exact_indices_are_not_a_number() {
        assert!(Variant::by_name("rust").unwrap().heavy_computation(ITERATIONS_MAX + 1).is_nan());
    }
}
