//! Memory that fades: strengths that decay with their age.
//!
//! What always holds: the functions here have checked everything that a kernel relies on before it starts, nothing
//! allocates, and every result that isn't a number is the NaN `0x7fc00000`, so that all variants agree in every bit.

mod decay;

use super::{Error, Variant, variant};

/// The kernels of this room, by one implementation. They need its level and what their types' comments say.
pub(super) struct Table {
    /// Strengths and as many ages, and minus the inverse of the half-life.
    pub(super) apply_decay: unsafe fn(&mut [f32], &[f32], f64),
}

/// The Rust kernels, compiled for what the attribute names.
macro_rules! table {
    ($(#[$level:meta])? $constant:ident) => {
        pub(super) const $constant: Table = {
            /// # Safety
            /// The CPU has the level.
            $(#[$level])?
            unsafe fn apply_decay(strengths: &mut [f32], ages: &[f32], rate: f64) {
                decay::apply(strengths, ages, rate);
            }
            Table { apply_decay }
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
/// The result is within 0.55 units in the last place of the true product, also where it is subnormal, and the same in
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
        // The inverse of every float above 0 is a normal double, and so are its products with all floats but 0.
        let rate = -1.0 / f64::from(half_life_seconds);
        // SAFETY: a Variant exists only for a CPU of its level; there are as many ages as strengths.
        unsafe { (self.graph().apply_decay)(strengths, ages_seconds, rate) };
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
}
