//! INCRBYFLOAT's numbers: x86's long double with its 64 bits of mantissa, so that sums have the digits that Redis gives them.
//! Plain doubles show their error (`5.1 + 0.1` would be `5.19999999999999929`), and decimals would lack it where Redis has it.
//!
//! Every step is exact in integers and rounded once, to nearest, ties to even, as the processor does.

use num_bigint::BigUint;

/// Digits after the point in Redis's `%.17Lf`.
const DECIMALS: u32 = 17;
/// Above 2^this it is infinity.
const EXPONENT_MAX: i64 = 16_384;
/// The last bit of the smallest number (a denormal) is worth 2^this.
const EXPONENT_MIN: i64 = -16_445;
/// Redis reads at most so many characters.
const TEXT_BYTES_MAX: usize = 5 * 1024;

/// A finite number: `mantissa * 2^exponent`, the mantissa of at most 64 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LongDouble {
    negative: bool,
    mantissa: u64,
    exponent: i64,
}

/// What [`LongDouble::parse`] and [`LongDouble::add`] give beside numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Number {
    Finite(LongDouble),
    Infinite { negative: bool },
}

impl Number {
    /// The sum, where it is a finite number.
    pub(crate) fn add(&self, other: &Self) -> Option<LongDouble> {
        match (self, other) {
            (Self::Finite(one), Self::Finite(other)) => one.add(other),
            _ => None,
        }
    }

    /// As strtold() reads it, all of it: decimal or hexadecimal, `inf`, a sign, an exponent. `None` for what is no number, or is too
    /// large or too small for one.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
            return Some(Self::Infinite { negative });
        }
        let (radix, text) = match text {
            [b'0', b'x' | b'X', rest @ ..] => (16, rest),
            rest => (10, rest),
        };
        let (digits, scale) = digits(text, radix)?;
        let digits = BigUint::parse_bytes(&digits, radix)?;
        let (up, down) = match (radix, scale) {
            (10, 0..) => (digits * BigUint::from(10_u8).pow(scale as u32), BigUint::from(1_u8)),
            (10, _) => (digits, BigUint::from(10_u8).pow(scale.unsigned_abs() as u32)),
            (_, 0..) => (digits << scale as u64, BigUint::from(1_u8)),
            _ => (digits, BigUint::from(1_u8) << scale.unsigned_abs()),
        };
        let nothing = up == BigUint::ZERO;
        let number = LongDouble::rounded(negative, &up, &down)?;
        (nothing || number.mantissa != 0).then_some(Self::Finite(number))
    }
}

/// The digits of a number without its point, and by what power (of ten, or of two) they are to be multiplied.
fn digits(text: &[u8], radix: u32) -> Option<(Vec<u8>, i64)> {
    let marks: &[u8] = if radix == 16 { b"pP" } else { b"eE" };
    let end = text.iter().position(|byte| marks.contains(byte)).unwrap_or(text.len());
    let exponent = match text.get(end + 1..) {
        None => 0,
        Some(exponent) => {
            let exponent = std::str::from_utf8(exponent).ok()?;
            let written = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if written.is_empty() || !written.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            // Beyond that every number is infinite or nothing; below 10^-5000 and 5000 digits it may still be one.
            let size = written.parse::<i64>().unwrap_or(i64::MAX).min(50_000);
            if exponent.starts_with('-') { -size } else { size }
        }
    };
    let (whole, fraction) = match text[..end].iter().position(|byte| *byte == b'.') {
        Some(point) => (&text[..point], &text[point + 1..end]),
        None => (&text[..end], &b""[..]),
    };
    let all = [whole, fraction].concat();
    let step = if radix == 16 { 4 } else { 1 };
    let sound = !all.is_empty() && all.iter().all(|byte| (*byte as char).is_digit(radix));
    sound.then(|| (all, exponent - step * fraction.len() as i64))
}

impl LongDouble {
    pub(crate) const ZERO: Self = Self { negative: false, mantissa: 0, exponent: 0 };

    /// `up / down`, rounded; `None` when it is too large.
    fn rounded(negative: bool, up: &BigUint, down: &BigUint) -> Option<Self> {
        if *up == BigUint::ZERO {
            return Some(Self { negative, ..Self::ZERO });
        }
        // The quotient gets 65 or 66 bits, so that its mantissa of 64 and what to round by are there.
        let exponent = (up.bits() as i64 - down.bits() as i64 - 65).max(EXPONENT_MIN - 2);
        let (up, down) = if exponent < 0 {
            (up << exponent.unsigned_abs(), down.clone())
        } else {
            (up.clone(), down << exponent as u64)
        };
        let quotient = &up / &down;
        let rest = &up % &down != BigUint::ZERO;
        let quotient = u128::try_from(quotient).expect("66 bits");
        Self::fitted(negative, quotient, rest, exponent)
    }

    /// A mantissa of up to 128 bits, and whether something is left below it, rounded to 64.
    fn fitted(negative: bool, mantissa: u128, rest: bool, exponent: i64) -> Option<Self> {
        let surplus = (128 - i64::from(mantissa.leading_zeros()) - 64).max(EXPONENT_MIN - exponent);
        let (mut kept, exponent) = if surplus <= 0 {
            (mantissa, exponent)
        } else if surplus > 127 {
            (0, exponent + surplus)
        } else {
            let (kept, lost) = (mantissa >> surplus, mantissa & ((1 << surplus) - 1));
            let half = 1_u128 << (surplus - 1);
            let up = lost > half || lost == half && (rest || kept & 1 == 1);
            (kept + u128::from(up), exponent + surplus)
        };
        let mut exponent = exponent;
        if kept > u128::from(u64::MAX) {
            kept >>= 1;
            exponent += 1;
        }
        let bits = 128 - i64::from(kept.leading_zeros());
        (kept == 0 || bits + exponent <= EXPONENT_MAX).then_some(Self { negative, mantissa: kept as u64, exponent })
    }

    /// The sum, rounded; `None` when it is too large.
    fn add(&self, other: &Self) -> Option<Self> {
        if self.mantissa == 0 || other.mantissa == 0 {
            let sum = if self.mantissa == 0 { other } else { self };
            return Some(Self {
                negative: sum.negative && (sum.mantissa != 0 || self.negative == other.negative),
                ..sum.clone()
            });
        }
        let low = self.exponent.min(other.exponent);
        let whole = |number: &Self| BigUint::from(number.mantissa) << (number.exponent - low) as u64;
        let (one, two) = (whole(self), whole(other));
        let (negative, sum) = match (self.negative == other.negative, one >= two) {
            (true, _) => (self.negative, one + two),
            (false, true) => (self.negative, one - two),
            (false, false) => (other.negative, two - one),
        };
        if sum == BigUint::ZERO {
            return Some(Self::ZERO);
        }
        let (up, down) = if low >= 0 {
            (sum << low as u64, BigUint::from(1_u8))
        } else {
            (sum, BigUint::from(1_u8) << low.unsigned_abs())
        };
        Self::rounded(negative, &up, &down)
    }
}

/// `%.17Lf` without the zeros at its end.
impl std::fmt::Display for LongDouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scaled = BigUint::from(self.mantissa) * BigUint::from(10_u8).pow(DECIMALS);
        let scaled = if self.exponent >= 0 {
            scaled << self.exponent as u64
        } else {
            let shift = self.exponent.unsigned_abs();
            let kept = &scaled >> shift;
            let lost = &scaled - (&kept << shift);
            let half = BigUint::from(1_u8) << (shift - 1);
            let up = lost > half || lost == half && kept.bit(0);
            kept + BigUint::from(u8::from(up))
        };
        let mut digits = scaled.to_string();
        if digits.len() <= DECIMALS as usize {
            digits.insert_str(0, &"0".repeat(DECIMALS as usize + 1 - digits.len()));
        }
        let (whole, fraction) = digits.split_at(digits.len() - DECIMALS as usize);
        let fraction = fraction.trim_end_matches('0');
        if self.negative && (whole != "0" || !fraction.is_empty()) {
            f.write_str("-")?;
        }
        f.write_str(whole)?;
        if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(one: &str, two: &str) -> Option<String> {
        Number::parse(one.as_bytes())?.add(&Number::parse(two.as_bytes())?).map(|sum| sum.to_string())
    }

    #[test]
    fn sums_have_the_digits_that_redis_gives_them() {
        // Each was asked of redis-server 7.0.15 on x86-64.
        for (one, two, expected) in [
            ("5.1", "0.1", "5.2"),
            ("3", "1.1", "4.1"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("1", "-1.1", "-0.1"),
            ("-1", "1", "0"),
            ("1e-20", "0", "0"),
            ("-1e-20", "0", "0"),
            ("0x10", "0x1p-1", "16.5"),
            ("17179869184", "1.5", "17179869185.5"),
            ("1e30", "1", "1000000000000000000024696061952"),
            ("0.3", "1e10", "10000000000.29999999981373549"),
        ] {
            assert_eq!(sum(one, two).as_deref(), Some(expected), "{one} + {two}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "", "a", "1a", " 1", "1 ", "nan", "-nan", "1e", "1e+", ".", "0x", "1_0", "1e5000", "1e-5000", "--1",
            "1.1.1",
        ] {
            assert!(Number::parse(text.as_bytes()).is_none(), "{text}");
        }
        for text in ["1.", ".5", "+5", "1e+3", "0X1.8P1", "1E3", "00", "1e4932", "-0"] {
            assert!(matches!(Number::parse(text.as_bytes()), Some(Number::Finite(_))), "{text}");
        }
        assert_eq!(Number::parse(b"-Infinity"), Some(Number::Infinite { negative: true }));
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("1e4932", "1e4932"), None);
    }
}
