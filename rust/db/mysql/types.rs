//! What a column's type means, and how its values lie in a row.

use super::packet::Field;
use crate::db::Error;
use crate::db::temporal::Form;
use crate::json::forms::Forms;
use crate::json::table::{Column, Name};

/// How a column's values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float,
    Double,
    Decimal,
    /// The digits of a decimal as a number.
    Number,
    /// Up to 64 bits as a number, whose first byte is the highest.
    Bit,
    Text,
    Bytes,
    Json,
    Date,
    Time,
    Datetime(Form),
    Null,
}

/// The collation of what is bytes and no text. Not the BINARY flag, which utf8mb4_bin has too.
const BINARY: u16 = 63;

const UNSIGNED: u16 = 32;

impl Kind {
    /// # Errors
    /// [`Error::UnsupportedType`].
    pub(super) fn of(field: &Field, forms: Forms) -> Result<Self, Error> {
        let is_unsigned = field.flags & UNSIGNED != 0;
        Ok(match field.of_type {
            // A TINYINT(1) can hold 2: an integer, as in PDO.
            1 if is_unsigned => Self::UInt8,
            1 => Self::Int8,
            // YEAR, too.
            2 | 13 if is_unsigned => Self::UInt16,
            2 | 13 => Self::Int16,
            // MEDIUMINT comes in four bytes.
            3 | 9 if is_unsigned => Self::UInt32,
            3 | 9 => Self::Int32,
            8 if is_unsigned => Self::UInt64,
            8 => Self::Int64,
            4 => Self::Float,
            5 => Self::Double,
            0 | 246 if forms.decimals_as_numbers => Self::Number,
            0 | 246 => Self::Decimal,
            6 => Self::Null,
            10 => Self::Date,
            11 => Self::Time,
            7 | 12 if forms.times_as_sql => Self::Datetime(Form::Sql),
            7 => Self::Datetime(Form::Moment),
            12 => Self::Datetime(Form::Local),
            16 => Self::Bit,
            245 => Self::Json,
            247 | 248 => Self::Text,
            15 | 249..=254 if field.collation == BINARY => Self::Bytes,
            15 | 249..=254 => Self::Text,
            // The server's own form of a geometry: four bytes of SRID, then the WKB of OpenGIS.
            255 => Self::Bytes,
            number => {
                let name = field.name.text();
                let hint = format!("write CAST(`{name}` AS CHAR) in the SELECT list");
                let database_type = format!("number {number} of the protocol");
                return Err(Error::UnsupportedType { column: name.to_owned(), database_type, hint });
            }
        })
    }

    pub(super) fn new_column(self, name: Name) -> Column {
        match self {
            Self::UInt64 | Self::Bit => Column::uint64(name),
            Self::Int8 | Self::UInt8 | Self::Int16 | Self::UInt16 | Self::Int32 | Self::UInt32 | Self::Int64 => {
                Column::int64(name)
            }
            Self::Number => Column::number(name),
            Self::Float => Column::float32(name),
            Self::Double => Column::float64(name),
            Self::Text | Self::Null => Column::text(name),
            Self::Bytes => Column::bytes(name),
            Self::Json => Column::json(name),
            Self::Decimal | Self::Date | Self::Time | Self::Datetime(_) => Column::ascii(name),
        }
    }
}
