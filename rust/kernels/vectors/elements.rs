//! Floats of 16 bits, as bits: the language has no stable type for either kind.

/// A float of 16 bits as IEEE 754 has it (binary16): numbers up to 65,504 with 11 digits of base 2.
///
/// ```
/// use lyger::kernels::vectors::{F16, dot};
/// let vector = [1.5_f32, -2.0].map(F16::from_f32);
/// assert_eq!(vector[0], F16(0x3e00));
/// assert_eq!(dot(&vector, &vector), Ok(6.25));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct F16(
    /// Its bits, by which it is compared: a NaN is equal to itself, and 0 isn't -0.
    pub u16,
);

/// The upper half of an f32 (bfloat16): the same range with 8 digits of base 2.
///
/// ```
/// use lyger::kernels::vectors::{Bf16, l2};
/// let (a, b) = ([3.0_f32].map(Bf16::from_f32), [-1.0_f32].map(Bf16::from_f32));
/// assert_eq!(a[0], Bf16(0x4040));
/// assert_eq!(l2(&a, &b), Ok(4.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Bf16(
    /// Its bits, by which it is compared: a NaN is equal to itself, and 0 isn't -0.
    pub u16,
);

impl F16 {
    /// The nearest one, of two as near the even one. From 65,520 on it is infinite; every NaN becomes 0x7e00.
    #[must_use]
    pub fn from_f32(value: f32) -> Self {
        let sign = (value.to_bits() >> 16 & 0x8000) as u16;
        let magnitude = value.to_bits() & 0x7fff_ffff;
        Self(match magnitude {
            0x7f80_0001.. => 0x7e00,
            0x477f_f000.. => sign | 0x7c00,
            // From 2^-14 on: the exponent counts from 15 instead of 127, and 13 digits are rounded away.
            0x3880_0000.. => sign | ((magnitude - (112 << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13) as u16,
            // One half has the last digit of a subnormal f16, 2^-24, so the addition rounds to it.
            _ => sign | (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5_f32.to_bits()) as u16,
        })
    }

    /// The same number. A NaN stays one.
    #[must_use]
    #[inline(always)]
    pub fn to_f32(self) -> f32 {
        let shifted = u32::from(self.0 & 0x7fff) << 13;
        let exponent = shifted & 0x0f80_0000;
        // Both sides of each choice, so that many are widened at once.
        let normal = shifted + (112 << 23);
        let infinite = shifted | 0x7f80_0000;
        // A subnormal's digits below those of 2^-14, which is taken away again.
        let subnormal = (f32::from_bits(shifted | 113 << 23) - f32::from_bits(113 << 23)).to_bits();
        let magnitude = match exponent {
            0 => subnormal,
            0x0f80_0000 => infinite,
            _ => normal,
        };
        f32::from_bits(magnitude | u32::from(self.0 & 0x8000) << 16)
    }
}

impl Bf16 {
    /// The nearest one, of two as near the even one; infinite behind the largest. Every NaN becomes 0x7fc0.
    #[must_use]
    pub fn from_f32(value: f32) -> Self {
        let bits = value.to_bits();
        if value.is_nan() {
            return Self(0x7fc0);
        }
        Self(((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16)
    }

    /// The same number. A NaN stays one.
    #[must_use]
    #[inline(always)]
    pub fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the bits of an f16 stand for, by its definition.
    fn defined(bits: u16) -> f64 {
        let (sign, exponent, digits) = (bits >> 15, i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
        let magnitude = match exponent {
            0 => digits * f64::powi(2.0, -24),
            31 if digits == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1024.0 + digits) * f64::powi(2.0, exponent - 25),
        };
        if sign == 1 { -magnitude } else { magnitude }
    }

    #[test]
    fn each_f16_is_the_number_of_its_definition_and_comes_back() {
        for bits in 0..=u16::MAX {
            let (found, defined) = (F16(bits).to_f32(), defined(bits));
            if defined.is_nan() {
                assert!(found.is_nan() && F16::from_f32(found) == F16(0x7e00), "{bits:x}");
            } else {
                assert_eq!(f64::from(found).to_bits(), defined.to_bits(), "{bits:x}");
                assert_eq!(F16::from_f32(found), F16(bits));
            }
        }
    }

    #[test]
    fn what_lies_between_two_goes_to_the_nearer_and_the_middle_to_the_even_one() {
        for bits in 0..0x7bff_u16 {
            let (low, high) = (F16(bits).to_f32(), F16(bits + 1).to_f32());
            // Exact: both have few digits.
            let middle = f32::midpoint(low, high);
            assert_eq!(F16::from_f32(middle), F16(bits + (bits & 1)), "{bits:x}");
            assert_eq!(F16::from_f32(middle.next_down()), F16(bits), "{bits:x}");
            assert_eq!(F16::from_f32(-middle.next_up()), F16(0x8000 | (bits + 1)), "{bits:x}");
        }
        for bits in 0..0x7f7f_u16 {
            let (low, middle) = (u32::from(bits) << 16, u32::from(bits) << 16 | 0x8000);
            assert_eq!(Bf16::from_f32(f32::from_bits(low)), Bf16(bits));
            assert_eq!(Bf16::from_f32(f32::from_bits(middle)), Bf16(bits + (bits & 1)));
            assert_eq!(Bf16::from_f32(f32::from_bits(middle - 1)), Bf16(bits));
            assert_eq!(Bf16::from_f32(-f32::from_bits(middle + 1)), Bf16(0x8000 | (bits + 1)));
        }
    }

    #[test]
    fn what_is_too_large_is_infinite_and_no_number_stays_none() {
        assert_eq!(F16::from_f32(65_519.996), F16(0x7bff));
        assert_eq!(F16::from_f32(65_520.0), F16(0x7c00));
        assert_eq!(F16::from_f32(f32::NEG_INFINITY), F16(0xfc00));
        assert_eq!(F16::from_f32(-f32::NAN), F16(0x7e00));
        assert_eq!(Bf16::from_f32(f32::MAX), Bf16(0x7f80));
        assert_eq!(Bf16::from_f32(f32::from_bits(0xff80_0001)), Bf16(0x7fc0));
        assert!(Bf16(0xff81).to_f32().is_nan());
    }
}
