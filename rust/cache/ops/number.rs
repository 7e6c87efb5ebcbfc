//! Numbers, kept as the decimal text that Redis clients see.

use crate::cache::long_double::{LongDouble, Number};
use crate::cache::{Full, Slot, Table};

/// Why a number wasn't changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// The value is no integer of 64 bits.
    #[error("value is not an integer or out of range")]
    Integer,
    /// The value is no number.
    #[error("value is not a valid float")]
    Float,
    /// The sum has no place in an integer of 64 bits.
    #[error("increment or decrement would overflow")]
    Overflow,
    /// The sum is not finite.
    #[error("increment would produce NaN or Infinity")]
    NotFinite,
    /// There is no room for it.
    #[error(transparent)]
    Full(#[from] Full),
}

/// An integer as Redis reads one: digits, perhaps with a minus; no plus, no spaces, no leading zeros.
fn integer(bytes: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    (itoa::Buffer::new().format(number).as_bytes() == bytes).then_some(number)
}

/// The text of the sum of two floats, of which the first is 0 if there is none: what INCRBYFLOAT says, to the last digit.
pub(crate) fn sum_of_floats(old: Option<&[u8]>, by: &[u8]) -> Result<String, NotANumber> {
    let old = old.map_or(Some(Number::Finite(LongDouble::ZERO)), Number::parse).ok_or(NotANumber::Float)?;
    let by = Number::parse(by).ok_or(NotANumber::Float)?;
    old.add(&by).map(|sum| sum.to_string()).ok_or(NotANumber::NotFinite)
}

fn replace(slot: &mut Slot<'_>, text: &str) -> Result<(), Full> {
    let expires_at = slot.old().and_then(|old| old.expires_at());
    slot.put(&[text.as_bytes()], expires_at)
}

impl Table {
    /// Adds to an integer, which is 0 if there is none, and gives the sum. The expiry stays.
    ///
    /// ```
    /// use lyger::cache::{NotANumber, Table};
    /// let table = Table::in_process(1 << 20)?;
    /// assert_eq!((table.increment(b"n", 5, 0), table.increment(b"n", -7, 0)), (Ok(5), Ok(-2)));
    /// table.append(b"n", b"x", 0)?;
    /// assert_eq!(table.increment(b"n", 1, 0), Err(NotANumber::Integer));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NotANumber`]; the value before stays.
    pub fn increment(&self, key: &[u8], by: i64, now: u64) -> Result<i64, NotANumber> {
        self.update(key, now, |slot| {
            let old = slot.old().map_or(Some(0), |old| integer(&old.bytes())).ok_or(NotANumber::Integer)?;
            let sum = old.checked_add(by).ok_or(NotANumber::Overflow)?;
            replace(slot, itoa::Buffer::new().format(sum))?;
            Ok(sum)
        })
    }

    /// Adds to a float, which is 0 if there is none, and gives the sum. The expiry stays. Numbers are read, added and written as by
    /// INCRBYFLOAT of a Redis on x86: with 64 bits of mantissa and 17 digits after the point.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// assert_eq!(table.increment_float(b"n", 10.5, 0)?, 10.5);
    /// assert_eq!(table.increment_float(b"n", 0.5, 0)?, 11.0);
    /// assert_eq!(table.get_range(b"n", 0, -1, 0), b"11");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NotANumber`]; the value before stays.
    pub fn increment_float(&self, key: &[u8], by: f64, now: u64) -> Result<f64, NotANumber> {
        if !by.is_finite() {
            return Err(NotANumber::NotFinite);
        }
        let by = by.to_string();
        self.update(key, now, |slot| {
            let text = sum_of_floats(slot.old().map(|old| old.bytes()).as_deref(), by.as_bytes())?;
            // A long double may be more than the caller's number can.
            let sum = text.parse().ok().filter(|sum: &f64| sum.is_finite()).ok_or(NotANumber::NotFinite)?;
            replace(slot, &text)?;
            Ok(sum)
        })
    }
}
