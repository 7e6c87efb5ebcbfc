//! What a column's type means, and how its values lie in a row.

use super::packet::Field;
use crate::db::Error;
use crate::db::temporal::Form;
use crate::json::forms::Forms;
use crate::json::table::{Column, Name};

/// Types of columns and of values, by their numbers in the protocol.
pub(super) mod number {
    pub(in crate::db::mysql) const DECIMAL: u8 = 0;
    pub(in crate::db::mysql) const TINY: u8 = 1;
    pub(in crate::db::mysql) const SHORT: u8 = 2;
    pub(in crate::db::mysql) const LONG: u8 = 3;
    pub(in crate::db::mysql) const FLOAT: u8 = 4;
    pub(in crate::db::mysql) const DOUBLE: u8 = 5;
    pub(in crate::db::mysql) const NULL: u8 = 6;
    pub(in crate::db::mysql) const TIMESTAMP: u8 = 7;
    pub(in crate::db::mysql) const LONGLONG: u8 = 8;
    pub(in crate::db::mysql) const INT24: u8 = 9;
    pub(in crate::db::mysql) const DATE: u8 = 10;
    pub(in crate::db::mysql) const TIME: u8 = 11;
    pub(in crate::db::mysql) const DATETIME: u8 = 12;
    pub(in crate::db::mysql) const YEAR: u8 = 13;
    pub(in crate::db::mysql) const VARCHAR: u8 = 15;
    pub(in crate::db::mysql) const BIT: u8 = 16;
    pub(in crate::db::mysql) const JSON: u8 = 245;
    pub(in crate::db::mysql) const NEWDECIMAL: u8 = 246;
    pub(in crate::db::mysql) const ENUM: u8 = 247;
    pub(in crate::db::mysql) const SET: u8 = 248;
    pub(in crate::db::mysql) const TINY_BLOB: u8 = 249;
    pub(in crate::db::mysql) const BLOB: u8 = 252;
    pub(in crate::db::mysql) const VAR_STRING: u8 = 253;
    pub(in crate::db::mysql) const STRING: u8 = 254;
    pub(in crate::db::mysql) const GEOMETRY: u8 = 255;
}

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
            number::TINY if is_unsigned => Self::UInt8,
            number::TINY => Self::Int8,
            number::SHORT | number::YEAR if is_unsigned => Self::UInt16,
            number::SHORT | number::YEAR => Self::Int16,
            // MEDIUMINT comes in four bytes.
            number::LONG | number::INT24 if is_unsigned => Self::UInt32,
            number::LONG | number::INT24 => Self::Int32,
            number::LONGLONG if is_unsigned => Self::UInt64,
            number::LONGLONG => Self::Int64,
            number::FLOAT => Self::Float,
            number::DOUBLE => Self::Double,
            number::DECIMAL | number::NEWDECIMAL if forms.decimals_as_numbers => Self::Number,
            number::DECIMAL | number::NEWDECIMAL => Self::Decimal,
            number::NULL => Self::Null,
            number::DATE => Self::Date,
            number::TIME => Self::Time,
            number::TIMESTAMP | number::DATETIME if forms.times_as_sql => Self::Datetime(Form::Sql),
            number::TIMESTAMP => Self::Datetime(Form::Moment),
            number::DATETIME => Self::Datetime(Form::Local),
            number::BIT => Self::Bit,
            number::JSON => Self::Json,
            number::ENUM | number::SET => Self::Text,
            number::VARCHAR | number::TINY_BLOB..=number::STRING if field.collation == BINARY => Self::Bytes,
            number::VARCHAR | number::TINY_BLOB..=number::STRING => Self::Text,
            // The server's own form of a geometry: four bytes of SRID, then the WKB of OpenGIS.
            number::GEOMETRY => Self::Bytes,
            other => {
                let name = field.name.text();
                let hint = format!("write CAST(`{name}` AS CHAR) in the SELECT list");
                let database_type = format!("number {other} of the protocol");
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
