//! SQLite's rows to typed columns.
//!
//! In SQLite the value has the type, not the column. A column takes the kind of its first value; a value of another
//! kind turns it into a mixed one. The declared type refines what SQLite has no storage class for: booleans, dates
//! and JSON.

use super::super::Error;
use crate::json::forms::Forms;
use crate::json::table::{Cell, Column, Data, Table};
use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};
use std::borrow::Cow;

/// The columns of a result while its rows come in.
pub(super) struct Columns(Vec<Growing>);

struct Growing {
    name: String,
    rule: Rule,
    column: Option<Column>,
    // Rows before the first value, which decides the column's kind.
    leading_nulls: usize,
}

/// What the declared type adds to the storage class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Plain,
    Bool,
    Date,
    Json,
}

enum Decoded<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, [u8]>),
    Json(Cow<'a, [u8]>),
    Bytes(&'a [u8]),
}

impl Columns {
    pub(super) fn of(statement: &Statement<'_>, forms: Forms) -> Self {
        let rule = |declared: &str| match Rule::of(declared) {
            Rule::Date if forms.times_as_sql => Rule::Plain,
            rule => rule,
        };
        let growing = |column: &rusqlite::Column<'_>| Growing {
            name: column.name().to_owned(),
            rule: column.decl_type().map_or(Rule::Plain, rule),
            column: None,
            leading_nulls: 0,
        };
        Self(statement.columns().iter().map(growing).collect())
    }

    /// Appends a row and tells how many bytes it adds to the result.
    pub(super) fn push_row(&mut self, row: &Row<'_>) -> Result<usize, Error> {
        let mut bytes = 0;
        for (index, column) in self.0.iter_mut().enumerate() {
            let value = row.get_ref(index).map_err(|error| Error::Query {
                message: format!("column \"{}\": {error}", column.name),
                sqlstate: Some("HY000".to_owned()),
            })?;
            bytes += column.push(value)?;
        }
        Ok(bytes)
    }

    /// The rows that have come since the last time.
    pub(super) fn take_table(&mut self) -> Table {
        Table::new(self.0.iter_mut().map(Growing::take_column).collect())
    }
}

impl Rule {
    fn of(declared: &str) -> Self {
        let declared = declared.trim();
        let word = declared.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        if word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("BOOL")) {
            Self::Bool
        } else if ["DATE", "DATETIME", "TIMESTAMP"].iter().any(|date| word.eq_ignore_ascii_case(date)) {
            Self::Date
        } else if word.eq_ignore_ascii_case("JSON") {
            Self::Json
        } else {
            Self::Plain
        }
    }
}

impl Growing {
    fn push(&mut self, value: ValueRef<'_>) -> Result<usize, Error> {
        let decoded = match (value, self.rule) {
            (ValueRef::Null, _) => {
                match &mut self.column {
                    Some(column) => column.push_null(),
                    None => self.leading_nulls += 1,
                }
                return Ok(4);
            }
            (value, Rule::Json) => Decoded::Json(self.json(value)?),
            (ValueRef::Integer(value @ (0 | 1)), Rule::Bool) => Decoded::Bool(value == 1),
            (ValueRef::Integer(value), _) => Decoded::Int(value),
            (ValueRef::Real(value), _) => Decoded::Float(value),
            (ValueRef::Text(text), Rule::Date) => Decoded::Text(with_t(text)),
            (ValueRef::Text(text), _) => Decoded::Text(Cow::Borrowed(text)),
            (ValueRef::Blob(bytes), _) => Decoded::Bytes(bytes),
        };
        let bytes = decoded.byte_len();
        let column = self.column.get_or_insert_with(|| {
            let mut column = decoded.new_column(self.name.clone());
            (0..self.leading_nulls).for_each(|_| column.push_null());
            column
        });
        decoded.push_to(column);
        Ok(bytes)
    }

    // A JSON column holds one JSON text per cell, also where SQLite's affinity turned the text `5` into an integer.
    fn json<'a>(&self, value: ValueRef<'a>) -> Result<Cow<'a, [u8]>, Error> {
        let name = self.name.as_str();
        let invalid = |what: String| Error::UnsupportedType {
            column: name.to_owned(),
            database_type: "JSON".to_owned(),
            hint: format!("it holds {what}; store valid JSON or cast the column to TEXT"),
        };
        match value {
            ValueRef::Text(text) => match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
                Ok(_) => Ok(Cow::Borrowed(text)),
                Err(error) => Err(invalid(format!("invalid JSON ({error})"))),
            },
            ValueRef::Integer(value) => Ok(Cow::Owned(value.to_string().into_bytes())),
            ValueRef::Real(value) if value.is_finite() => {
                Ok(Cow::Owned(zmij::Buffer::new().format_finite(value).as_bytes().to_vec()))
            }
            ValueRef::Real(value) => Err(invalid(format!("{value}"))),
            ValueRef::Blob(_) => Err(invalid("a BLOB".to_owned())),
            ValueRef::Null => unreachable!("nulls are handled before"),
        }
    }

    fn take_column(&mut self) -> Column {
        let leading_nulls = std::mem::take(&mut self.leading_nulls);
        self.column.take().unwrap_or_else(|| {
            let mut column = Column::text(self.name.clone());
            (0..leading_nulls).for_each(|_| column.push_null());
            column
        })
    }
}

impl Decoded<'_> {
    fn new_column(&self, name: String) -> Column {
        match self {
            Self::Bool(_) => Column::bool(name),
            Self::Int(_) => Column::int64(name),
            Self::Float(_) => Column::float64(name),
            Self::Text(_) => Column::text(name),
            Self::Json(_) => Column::json(name),
            Self::Bytes(_) => Column::bytes(name),
        }
    }

    fn push_to(self, column: &mut Column) {
        match (self, column.data()) {
            (Self::Bool(value), Data::Bool(_)) => column.push_bool(value),
            (Self::Int(value), Data::Int64(_)) => column.push_i64(value),
            (Self::Float(value), Data::Float64(_)) => column.push_f64(value),
            (Self::Text(text), Data::Text(_)) => column.push_bytes(&text),
            (Self::Json(text), Data::Json(_)) => column.push_bytes(&text),
            (Self::Bytes(bytes), Data::Bytes(_)) => column.push_bytes(bytes),
            (value, _) => {
                column.make_mixed();
                column.push_cell(value.into_cell());
            }
        }
    }

    fn into_cell(self) -> Cell {
        match self {
            Self::Bool(value) => Cell::Bool(value),
            Self::Int(value) => Cell::Int(value),
            Self::Float(value) => Cell::Float(value),
            // A column is JSON from its declaration on, so it never meets another kind.
            Self::Text(text) | Self::Json(text) => Cell::Text(text.into_owned()),
            Self::Bytes(bytes) => Cell::Bytes(bytes.to_vec()),
        }
    }

    fn byte_len(&self) -> usize {
        match self {
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Float(_) => 8,
            Self::Text(bytes) | Self::Json(bytes) => bytes.len() + 4,
            Self::Bytes(bytes) => bytes.len() + 4,
        }
    }
}

/// `2024-01-02 03:04:05` and `2024-01-02 03:04:05.678` with RFC 3339's `T`; any other text as it is.
fn with_t(text: &[u8]) -> Cow<'_, [u8]> {
    const PATTERN: &[u8; 19] = b"0000-00-00 00:00:00";
    let digits_fit =
        |text: &[u8]| text.iter().zip(PATTERN).all(|(b, p)| if *p == b'0' { b.is_ascii_digit() } else { b == p });
    let fraction_fits = |fraction: &[u8]| match fraction {
        [] => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    match text.split_at_checked(PATTERN.len()) {
        Some((head, fraction)) if digits_fit(head) && fraction_fits(fraction) => {
            let mut text = text.to_vec();
            text[10] = b'T';
            Cow::Owned(text)
        }
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_date_and_time_gets_a_t() {
        for (stored, shown) in [
            ("2024-01-02 03:04:05", "2024-01-02T03:04:05"),
            ("2024-01-02 03:04:05.678", "2024-01-02T03:04:05.678"),
            ("2024-01-02", "2024-01-02"),
            ("2024-01-02 03:04", "2024-01-02 03:04"),
            ("2024-01-02 03:04:05.", "2024-01-02 03:04:05."),
            ("2024-01-02 03:04:05 UTC", "2024-01-02 03:04:05 UTC"),
            ("today", "today"),
            ("", ""),
        ] {
            assert_eq!(with_t(stored.as_bytes()), shown.as_bytes());
        }
    }

    #[test]
    fn the_declared_type_decides_the_rule() {
        for (declared, rule) in [
            ("BOOLEAN", Rule::Bool),
            ("bool", Rule::Bool),
            ("TIMESTAMP", Rule::Date),
            ("datetime", Rule::Date),
            ("DATETIME(6)", Rule::Date),
            ("Date", Rule::Date),
            ("DATELINE", Rule::Plain),
            ("json", Rule::Json),
            ("TEXT", Rule::Plain),
            ("", Rule::Plain),
            ("ÄÖÜ", Rule::Plain),
        ] {
            assert_eq!(Rule::of(declared), rule, "{declared}");
        }
    }
}
