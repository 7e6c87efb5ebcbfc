//! Numbers, kept as the decimal text that Redis clients see.

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

    /// Adds to a float, which is 0 if there is none, and gives the sum. The expiry stays. The text is the shortest that reads
    /// as the same double, without an exponent.
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
        self.update(key, now, |slot| {
            let read = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<f64>().ok().filter(|old| !old.is_nan());
            let old = slot.old().map_or(Some(0.0), |old| read(&old.bytes())).ok_or(NotANumber::Float)?;
            let sum = old + by;
            if !sum.is_finite() {
                return Err(NotANumber::NotFinite);
            }
            replace(slot, &sum.to_string())?;
            Ok(sum)
        })
    }
}
