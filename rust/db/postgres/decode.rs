//! PostgreSQL's binary rows to typed columns.
//!
//! Each column's type is looked at once; then every cell is read from its bytes as `*_send` in the server's source
//! writes them.

use super::super::temporal::{self, Zone};
use super::super::{Error, decimal};
use crate::json::table::{Column, Table};
use sqlx::postgres::{PgColumn, PgRow, PgTypeInfo, PgTypeKind};
use sqlx::{Column as _, Row, TypeInfo, ValueRef};

/// How a column's bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Json,
    Jsonb,
    Bytea,
    Uuid,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    // What a function without a result gives; PDO shows an empty string.
    Void,
}

/// The columns of a result while its rows come in.
pub(super) struct Decoder {
    columns: Vec<(Kind, Column)>,
    // For texts that are put together cell by cell.
    scratch: Vec<u8>,
}

impl Decoder {
    /// Looks at the types, before anything is executed.
    pub(super) fn new(columns: &[PgColumn]) -> Result<Self, Error> {
        let columns = columns.iter().map(|column| {
            let kind = Kind::of(column.type_info()).ok_or_else(|| unsupported(column))?;
            Ok((kind, kind.new_column(column.name())))
        });
        Ok(Self { columns: columns.collect::<Result<_, Error>>()?, scratch: Vec::new() })
    }

    /// Appends a row and tells how many bytes it adds to the result.
    pub(super) fn push_row(&mut self, row: &PgRow) -> Result<usize, Error> {
        let mut bytes = 0;
        for (index, (kind, column)) in self.columns.iter_mut().enumerate() {
            let value = row.try_get_raw(index).map_err(|error| broken(column, &error.to_string()))?;
            if value.is_null() {
                column.push_null();
                bytes += 4;
                continue;
            }
            let cell = value.as_bytes().map_err(|error| broken(column, &error.to_string()))?;
            bytes += cell.len() + 4;
            kind.push(column, cell, &mut self.scratch)
                .ok_or_else(|| broken(column, "its bytes are not of its type"))?;
        }
        Ok(bytes)
    }

    /// The rows that have come since the last time.
    pub(super) fn take_table(&mut self) -> Table {
        Table::new(self.columns.iter_mut().map(|(_, column)| column.take()).collect())
    }
}

fn unsupported(column: &PgColumn) -> Error {
    let name = column.type_info().name().to_lowercase();
    Error::UnsupportedType {
        column: column.name().to_owned(),
        database_type: name,
        hint: format!("write \"{}\"::text in the SELECT list", column.name()),
    }
}

fn broken(column: &Column, what: &str) -> Error {
    Error::Query { message: format!("column \"{}\": {what}", column.name()), sqlstate: Some("08P01".to_owned()) }
}

impl Kind {
    fn of(type_info: &PgTypeInfo) -> Option<Self> {
        // OIDs of built-in types never change: pg_type.dat.
        Some(match type_info.oid()?.0 {
            16 => Self::Bool,
            21 => Self::Int2,
            23 => Self::Int4,
            20 => Self::Int8,
            26 => Self::Oid,
            700 => Self::Float4,
            701 => Self::Float8,
            1700 => Self::Numeric,
            // "char", name, text, unknown, char(n), varchar
            18 | 19 | 25 | 705 | 1042 | 1043 => Self::Text,
            114 => Self::Json,
            3802 => Self::Jsonb,
            17 => Self::Bytea,
            2950 => Self::Uuid,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp,
            1184 => Self::Timestamptz,
            2278 => Self::Void,
            _ => match type_info.kind() {
                PgTypeKind::Enum(_) => Self::Text,
                PgTypeKind::Domain(base) => Self::of(base)?,
                PgTypeKind::Simple if type_info.name() == "citext" => Self::Text,
                _ => return None,
            },
        })
    }

    fn new_column(self, name: &str) -> Column {
        match self {
            Self::Bool => Column::bool(name),
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Oid => Column::int64(name),
            Self::Float4 => Column::float32(name),
            Self::Float8 => Column::float64(name),
            Self::Text => Column::text(name),
            Self::Json | Self::Jsonb => Column::json(name),
            Self::Bytea => Column::bytes(name),
            Self::Numeric | Self::Uuid | Self::Date | Self::Time | Self::Timestamp | Self::Timestamptz | Self::Void => {
                Column::ascii(name)
            }
        }
    }

    /// Reads one cell; `None` when the bytes don't have the type's form.
    fn push(self, column: &mut Column, cell: &[u8], scratch: &mut Vec<u8>) -> Option<()> {
        scratch.clear();
        match self {
            Self::Bool => column.push_bool(*cell.first()? != 0),
            Self::Int2 => column.push_i64(i16::from_be_bytes(cell.try_into().ok()?).into()),
            Self::Int4 => column.push_i64(i32::from_be_bytes(cell.try_into().ok()?).into()),
            Self::Int8 => column.push_i64(i64::from_be_bytes(cell.try_into().ok()?)),
            Self::Oid => column.push_i64(u32::from_be_bytes(cell.try_into().ok()?).into()),
            Self::Float4 => column.push_f32(f32::from_be_bytes(cell.try_into().ok()?)),
            Self::Float8 => column.push_f64(f64::from_be_bytes(cell.try_into().ok()?)),
            Self::Text | Self::Json | Self::Bytea => column.push_bytes(cell),
            Self::Jsonb => match cell {
                // The version of the format; there is only this one.
                [1, json @ ..] => column.push_bytes(json),
                _ => return None,
            },
            Self::Numeric => match decimal::write(scratch, cell) {
                Ok(()) => column.push_bytes(scratch),
                // JSON has no NaN and no infinities; the contract makes them null.
                Err(decimal::NoDigits::NotFinite) => column.push_null(),
                Err(decimal::NoDigits::Broken) => return None,
            },
            Self::Uuid => {
                write_uuid(scratch, cell.try_into().ok()?);
                column.push_bytes(scratch);
            }
            Self::Date => {
                temporal::write_postgres_date(scratch, i32::from_be_bytes(cell.try_into().ok()?));
                column.push_bytes(scratch);
            }
            Self::Time => {
                temporal::write_time_of_day(scratch, i64::from_be_bytes(cell.try_into().ok()?));
                column.push_bytes(scratch);
            }
            Self::Timestamp | Self::Timestamptz => {
                let zone = if self == Self::Timestamptz { Zone::Utc } else { Zone::None };
                temporal::write_postgres_timestamp(scratch, i64::from_be_bytes(cell.try_into().ok()?), zone);
                column.push_bytes(scratch);
            }
            Self::Void => column.push_bytes(b""),
        }
        Some(())
    }
}

fn write_uuid(out: &mut Vec<u8>, bytes: [u8; 16]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}
