//! The forms that the values of some types have, where a statement may choose.

/// What a statement has chosen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Forms {
    /// Decimals become numbers instead of strings of digits.
    pub decimals_as_numbers: bool,
    /// Dates with a time have the database's own form instead of RFC 3339's.
    pub times_as_sql: bool,
    /// Vectors of pgvector become bytes, floats of 4 bytes in little-endian order, instead of JSON.
    pub vectors_packed: bool,
}

impl Forms {
    /// As one byte of a message between processes.
    #[must_use]
    pub fn bits(self) -> u8 {
        u8::from(self.decimals_as_numbers) | u8::from(self.times_as_sql) << 1 | u8::from(self.vectors_packed) << 2
    }

    /// From [`bits()`](Self::bits).
    #[must_use]
    pub fn of_bits(bits: u8) -> Self {
        Self { decimals_as_numbers: bits & 1 != 0, times_as_sql: bits & 2 != 0, vectors_packed: bits & 4 != 0 }
    }
}
