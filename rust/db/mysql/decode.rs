//! MySQL's binary rows to typed columns.
//!
//! The forms are those of the manual's "Binary Protocol Value". sqlx decodes typed values only and treats a zero date
//! as NULL; here the bytes are read, and a zero date is the text that PDO shows.

use super::super::Error;
use super::super::temporal::{self, Form};
use crate::json::forms::Forms;
use crate::json::table::{Column, Table};
use sqlx::mysql::{MySql, MySqlColumn, MySqlRow, MySqlTypeInfo};
use sqlx::{Column as _, Decode, Row, Type, TypeInfo, ValueRef};

/// How a column's bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    // The width is in the bytes.
    Signed,
    Unsigned,
    Float,
    Double,
    Decimal,
    // The digits of a decimal as a number.
    Number,
    // Up to 64 bits as a number, whose first byte is the highest.
    Bit,
    Text,
    Bytes,
    Json,
    Date,
    Time,
    Datetime(Form),
    Null,
}

/// The columns of a result while its rows come in.
pub(super) struct Decoder {
    columns: Vec<(Kind, Column)>,
    // For texts that are put together cell by cell.
    scratch: Vec<u8>,
}

impl Decoder {
    /// Columns for a result; decimals, dates and times in the forms that were asked for.
    pub(super) fn new(columns: &[MySqlColumn], forms: Forms) -> Result<Self, Error> {
        let columns = columns.iter().map(|column| {
            let type_info = column.type_info();
            let kind = match Kind::of(type_info).ok_or_else(|| unsupported(column))? {
                Kind::Decimal if forms.decimals_as_numbers => Kind::Number,
                Kind::Datetime(_) if forms.times_as_sql => Kind::Datetime(Form::Sql),
                kind => kind,
            };
            Ok((kind, kind.new_column(type_info, column.name())))
        });
        Ok(Self { columns: columns.collect::<Result<_, Error>>()?, scratch: Vec::new() })
    }

    /// Appends a row and tells how many bytes it adds to the result.
    pub(super) fn push_row(&mut self, row: &MySqlRow) -> Result<usize, Error> {
        let mut bytes = 0;
        for (index, (kind, column)) in self.columns.iter_mut().enumerate() {
            let value = row.try_get_raw(index).map_err(|error| broken(column, &error.to_string()))?;
            let is_date = matches!(kind, Kind::Date | Kind::Datetime(_));
            // sqlx says null also for a zero date, whose bytes are still there; asking for the bytes of a real null
            // makes an error object, so it is left to dates.
            let cell = match value.is_null() {
                true if !is_date => None,
                _ => <&[u8] as Decode<MySql>>::decode(value).ok(),
            };
            match cell {
                Some(cell) => {
                    bytes += cell.len() + 4;
                    let pushed = kind.push(column, cell, &mut self.scratch);
                    pushed.ok_or_else(|| broken(column, "its bytes are not of its type"))?;
                }
                None => {
                    bytes += 4;
                    column.push_null();
                }
            }
        }
        Ok(bytes)
    }

    /// The rows that have come since the last time.
    pub(super) fn take_table(&mut self) -> Table {
        Table::new(self.columns.iter_mut().map(|(_, column)| column.take()).collect())
    }
}

fn unsupported(column: &MySqlColumn) -> Error {
    let (name, database_type) = (column.name(), column.type_info().name());
    let hint = format!("write CAST(`{name}` AS CHAR) in the SELECT list");
    Error::UnsupportedType { column: name.to_owned(), database_type: database_type.to_owned(), hint }
}

fn broken(column: &Column, what: &str) -> Error {
    Error::Query { message: format!("column \"{}\": {what}", column.name()), sqlstate: Some("08P01".to_owned()) }
}

impl Kind {
    fn of(type_info: &MySqlTypeInfo) -> Option<Self> {
        Some(match type_info.name() {
            // What sqlx calls BOOLEAN is any TINYINT(1), which can hold 2: an integer, as in PDO.
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "YEAR" | "TINYINT UNSIGNED"
            | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED" | "BIGINT UNSIGNED" => {
                if is_unsigned(type_info) { Self::Unsigned } else { Self::Signed }
            }
            "FLOAT" => Self::Float,
            "DOUBLE" => Self::Double,
            "DECIMAL" => Self::Decimal,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "DATETIME" => Self::Datetime(Form::Local),
            "TIMESTAMP" => Self::Datetime(Form::Moment),
            "JSON" => Self::Json,
            "NULL" => Self::Null,
            "ENUM" | "SET" => Self::Text,
            "BIT" => Self::Bit,
            // The server's own form: four bytes of SRID, then the WKB of OpenGIS.
            "GEOMETRY" => Self::Bytes,
            // Strings and blobs: what tells them apart is the collation, not the BINARY flag, which utf8mb4_bin has too.
            _ if <str as Type<MySql>>::compatible(type_info) => Self::Text,
            _ if <[u8] as Type<MySql>>::compatible(type_info) => Self::Bytes,
            _ => return None,
        })
    }

    fn new_column(self, type_info: &MySqlTypeInfo, name: &str) -> Column {
        match self {
            Self::Unsigned if type_info.name() == "BIGINT UNSIGNED" => Column::uint64(name),
            Self::Bit => Column::uint64(name),
            Self::Number => Column::number(name),
            Self::Signed | Self::Unsigned => Column::int64(name),
            Self::Float => Column::float32(name),
            Self::Double => Column::float64(name),
            Self::Text | Self::Null => Column::text(name),
            Self::Bytes => Column::bytes(name),
            Self::Json => Column::json(name),
            Self::Decimal | Self::Date | Self::Time | Self::Datetime(_) => Column::ascii(name),
        }
    }

    /// Reads one cell; `None` when the bytes don't have the type's form.
    fn push(self, column: &mut Column, cell: &[u8], scratch: &mut Vec<u8>) -> Option<()> {
        scratch.clear();
        match self {
            Self::Signed => column.push_i64(match *cell {
                [a] => i8::from_le_bytes([a]).into(),
                [a, b] => i16::from_le_bytes([a, b]).into(),
                [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
                _ => i64::from_le_bytes(cell.try_into().ok()?),
            }),
            Self::Unsigned => match *cell {
                [a] => column.push_i64(a.into()),
                [a, b] => column.push_i64(u16::from_le_bytes([a, b]).into()),
                [a, b, c, d] => column.push_i64(u32::from_le_bytes([a, b, c, d]).into()),
                _ => column.push_u64(u64::from_le_bytes(cell.try_into().ok()?)),
            },
            Self::Float => column.push_f32(f32::from_le_bytes(cell.try_into().ok()?)),
            Self::Double => column.push_f64(f64::from_le_bytes(cell.try_into().ok()?)),
            Self::Decimal | Self::Text | Self::Bytes | Self::Json => column.push_bytes(cell),
            Self::Number => column.push_bytes(without_leading_zeros(cell)),
            Self::Bit => {
                let mut bytes = [0; 8];
                bytes.get_mut(8_usize.checked_sub(cell.len())?..)?.copy_from_slice(cell);
                column.push_u64(u64::from_be_bytes(bytes));
            }
            Self::Date => {
                let (year, month, day) = date(cell.get(1..)?)?;
                temporal::write_date(scratch, year.into(), month.into(), day.into());
                column.push_bytes(scratch);
            }
            Self::Datetime(form) => {
                let parts = cell.get(1..)?;
                temporal::write_parts(scratch, date(parts)?, time(parts.get(4..).unwrap_or_default())?, form);
                column.push_bytes(scratch);
            }
            Self::Time => {
                write_duration(scratch, cell.get(1..)?)?;
                column.push_bytes(scratch);
            }
            // A column of this type has no values.
            Self::Null => return None,
        }
        Some(())
    }
}

fn is_unsigned(type_info: &MySqlTypeInfo) -> bool {
    <u64 as Type<MySql>>::compatible(type_info)
}

/// JSON has no `007.50`, which is what a column with ZEROFILL sends.
fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    match digits.get(zeros) {
        Some(b'1'..=b'9') => &digits[zeros..],
        // One of them is the zero itself.
        _ => &digits[zeros.saturating_sub(1)..],
    }
}

/// Trailing zeros are left out on the wire: nothing at all is the zero date.
fn date(parts: &[u8]) -> Option<(u16, u8, u8)> {
    match *parts {
        [] => Some((0, 0, 0)),
        [low, high, month, day, ..] => Some((u16::from_le_bytes([low, high]), month, day)),
        _ => None,
    }
}

fn time(parts: &[u8]) -> Option<(u8, u8, u8, u32)> {
    match *parts {
        [] => Some((0, 0, 0, 0)),
        [hours, minutes, seconds] => Some((hours, minutes, seconds, 0)),
        [hours, minutes, seconds, a, b, c, d] => Some((hours, minutes, seconds, u32::from_le_bytes([a, b, c, d]))),
        _ => None,
    }
}

/// A TIME is a duration from -838:59:59 to 838:59:59: a sign, days, then a time of day.
fn write_duration(out: &mut Vec<u8>, parts: &[u8]) -> Option<()> {
    let (negative, days, rest) = match *parts {
        [] => (false, 0, [].as_slice()),
        [sign, a, b, c, d, ref rest @ ..] => (sign != 0, u32::from_le_bytes([a, b, c, d]), rest),
        _ => return None,
    };
    let (hours, minutes, seconds, micros) = time(rest)?;
    if negative {
        out.push(b'-');
    }
    temporal::write_clock(out, days * 24 + u32::from(hours), minutes.into(), seconds.into(), micros);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duration(parts: &[u8]) -> String {
        let mut out = Vec::new();
        write_duration(&mut out, parts).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn durations_count_their_days_as_hours() {
        assert_eq!(duration(&[]), "00:00:00");
        assert_eq!(duration(&[0, 0, 0, 0, 0, 3, 4, 5]), "03:04:05");
        assert_eq!(duration(&[1, 34, 0, 0, 0, 22, 59, 59]), "-838:59:59");
        assert_eq!(duration(&[0, 0, 0, 0, 0, 3, 4, 5, 0x20, 0xa1, 7, 0]), "03:04:05.5");
        assert!(write_duration(&mut Vec::new(), &[0, 0]).is_none());
    }

    #[test]
    fn digits_are_a_json_number_whatever_zeros_stand_before_them() {
        for (sent, number) in [
            ("007.50", "7.50"),
            ("000.50", "0.50"),
            ("0000", "0"),
            ("0", "0"),
            ("-0.50", "-0.50"),
            ("100", "100"),
            ("", ""),
        ] {
            assert_eq!(without_leading_zeros(sent.as_bytes()), number.as_bytes(), "{sent}");
        }
    }

    #[test]
    fn parts_left_out_on_the_wire_are_zeros() {
        assert_eq!(date(&[]), Some((0, 0, 0)));
        assert_eq!(date(&[0xe8, 7, 2, 29]), Some((2024, 2, 29)));
        assert_eq!(date(&[1]), None);
        assert_eq!((time(&[]), time(&[1, 2])), (Some((0, 0, 0, 0)), None));
    }
}
