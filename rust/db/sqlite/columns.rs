//! SQLite's rows to typed columns.
//!
//! In SQLite the value has the type, not the column. A column takes the kind of its first value; a value of another
//! kind turns it into a mixed one. The declared type refines what SQLite has no storage class for: booleans, dates
//! and JSON.

use super::super::Error;
use crate::json::forms::Forms;
use crate::json::spare::Spare;
use crate::json::table::{Cell, Column, Data, Name, Table};
use crate::prepared::{Run, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// What a statement says of its columns, read once for all its runs.
#[derive(Debug)]
pub(super) struct Headings {
    each: Vec<Heading>,
    spare: Spare,
}

#[derive(Debug)]
struct Heading {
    name: Name,
    /// Where dates with a time are to be RFC 3339's, and where they are to stay as they are.
    rules: [Rule; 2],
}

/// The columns of a result while its rows come in.
pub(super) struct Columns {
    headings: Arc<Headings>,
    times_as_sql: bool,
    /// Empty until their first value, which decides their kind, whatever it was before.
    columns: Vec<Column>,
    rows: usize,
}

/// One of them, and the row that comes next.
struct Growing<'a> {
    column: &'a mut Column,
    rule: Rule,
    row: usize,
}

/// What the declared type adds to the storage class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Plain,
    Bool,
    Date,
    Json,
}

impl Columns {
    /// The columns of a statement that has made its first step.
    pub(super) fn of(run: &mut Run<'_, Headings>, forms: Forms) -> Self {
        let headings = run.keep(|columns| {
            let heading = |(name, declared): (Cow<'_, str>, Cow<'_, str>)| Heading {
                name: (&*name).into(),
                rules: [false, true].map(|times_as_sql| Rule::of(&declared, times_as_sql)),
            };
            Headings { each: columns.map(heading).collect(), spare: Spare::default() }
        });
        // Mixed ones have no buffers of their own, and are replaced by the first value.
        let new = || headings.each.iter().map(|heading| Column::mixed(heading.name.clone())).collect();
        let columns = headings.spare.take().unwrap_or_else(new);
        Self { headings, times_as_sql: forms.times_as_sql, columns, rows: 0 }
    }

    /// Appends the row that is there and tells how many bytes it adds to the result.
    pub(super) fn push_row(&mut self, run: &Run<'_, Headings>) -> Result<usize, Error> {
        let (mut bytes, row) = (0, self.rows);
        for (index, (column, heading)) in self.columns.iter_mut().zip(&self.headings.each).enumerate() {
            let rule = heading.rules[usize::from(self.times_as_sql)];
            bytes += Growing { column, rule, row }.push(run.value(index))?;
        }
        self.rows += 1;
        Ok(bytes)
    }

    /// The last of the rows.
    pub(super) fn into_table(mut self) -> Table {
        self.finish();
        Table::of(self.columns, Some(self.headings.spare.clone()))
    }

    /// The rows that have come since the last time.
    pub(super) fn take_table(&mut self) -> Table {
        self.finish();
        self.rows = 0;
        Table::new(self.columns.iter_mut().map(Column::take).collect())
    }

    /// Columns of nothing but nulls are text.
    fn finish(&mut self) {
        for column in self.columns.iter_mut().filter(|column| column.is_empty()) {
            if !matches!(column.data(), Data::Text(_)) {
                *column = Column::text(column.label().clone());
            }
            (0..self.rows).for_each(|_| column.push_null());
        }
    }
}

impl Rule {
    fn of(declared: &str, times_as_sql: bool) -> Self {
        let declared = declared.trim();
        let word = declared.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        if word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("BOOL")) {
            Self::Bool
        } else if ["DATE", "DATETIME", "TIMESTAMP"].iter().any(|date| word.eq_ignore_ascii_case(date)) {
            if times_as_sql { Self::Plain } else { Self::Date }
        } else if word.eq_ignore_ascii_case("JSON") {
            Self::Json
        } else {
            Self::Plain
        }
    }
}

enum Decoded<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a [u8]),
    /// A date with its time, and the fraction of its second.
    Moment([u8; 19], &'a [u8]),
    Json(Cow<'a, [u8]>),
    Bytes(&'a [u8]),
}

impl Growing<'_> {
    /// Appends a value and tells its bytes.
    #[inline]
    fn push(self, value: Value<'_>) -> Result<usize, Error> {
        // Nearly all values are of the column's kind and stay what they are: a third less for 1,000 rows.
        let Self { column, rule, row } = self;
        let bytes = match (column.data_mut(), value, rule) {
            (Data::Int64(values), Value::Int(value), Rule::Plain) if values.len() == row => {
                values.push(value);
                8
            }
            (Data::Float64(values), Value::Float(value), Rule::Plain) if values.len() == row => {
                values.push(value);
                8
            }
            (Data::Text(cells), Value::Text(text), Rule::Plain) if cells.len() == row => {
                cells.push(text);
                text.len() + 4
            }
            (Data::Bool(values), Value::Int(value @ (0 | 1)), Rule::Bool) if values.len() == row => {
                values.push(u8::from(value == 1));
                1
            }
            _ => return Self { column, rule, row }.push_any(value),
        };
        column.note_value();
        Ok(bytes)
    }

    fn push_any(self, value: Value<'_>) -> Result<usize, Error> {
        let decoded = match (value, self.rule) {
            (Value::Null, _) => {
                if !self.column.is_empty() {
                    self.column.push_null();
                }
                return Ok(4);
            }
            (value, Rule::Json) => Decoded::Json(self.json(value)?),
            (Value::Int(value @ (0 | 1)), Rule::Bool) => Decoded::Bool(value == 1),
            (Value::Int(value), _) => Decoded::Int(value),
            (Value::Float(value), _) => Decoded::Float(value),
            (Value::Text(text), Rule::Date) => with_t(text),
            (Value::Text(text), _) => Decoded::Text(text),
            (Value::Blob(bytes), _) => Decoded::Bytes(bytes),
        };
        let bytes = decoded.byte_len();
        if self.column.is_empty() {
            if !decoded.is_of_kind(self.column.data()) {
                *self.column = decoded.new_column(self.column.label().clone());
            }
            (0..self.row).for_each(|_| self.column.push_null());
        }
        decoded.push_to(self.column);
        Ok(bytes)
    }

    // A JSON column holds one JSON text per cell, also where SQLite's affinity turned the text `5` into an integer.
    fn json<'a>(&self, value: Value<'a>) -> Result<Cow<'a, [u8]>, Error> {
        let invalid = |what: String| Error::UnsupportedType {
            column: self.column.name().to_owned(),
            database_type: "JSON".to_owned(),
            hint: format!("it holds {what}; store valid JSON or cast the column to TEXT"),
        };
        match value {
            Value::Text(text) => match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
                Ok(_) => Ok(Cow::Borrowed(text)),
                Err(error) => Err(invalid(format!("invalid JSON ({error})"))),
            },
            Value::Int(value) => Ok(Cow::Owned(value.to_string().into_bytes())),
            Value::Float(value) if value.is_finite() => {
                Ok(Cow::Owned(zmij::Buffer::new().format_finite(value).as_bytes().to_vec()))
            }
            Value::Float(value) => Err(invalid(format!("{value}"))),
            Value::Blob(_) => Err(invalid("a BLOB".to_owned())),
            Value::Null => unreachable!("nulls are handled before"),
        }
    }
}

impl Decoded<'_> {
    fn new_column(&self, name: Name) -> Column {
        match self {
            Self::Bool(_) => Column::bool(name),
            Self::Int(_) => Column::int64(name),
            Self::Float(_) => Column::float64(name),
            Self::Text(_) | Self::Moment(..) => Column::text(name),
            Self::Json(_) => Column::json(name),
            Self::Bytes(_) => Column::bytes(name),
        }
    }

    fn is_of_kind(&self, data: &Data) -> bool {
        matches!(
            (self, data),
            (Self::Bool(_), Data::Bool(_))
                | (Self::Int(_), Data::Int64(_))
                | (Self::Float(_), Data::Float64(_))
                | (Self::Text(_) | Self::Moment(..), Data::Text(_))
                | (Self::Json(_), Data::Json(_))
                | (Self::Bytes(_), Data::Bytes(_))
        )
    }

    #[inline]
    fn push_to(self, column: &mut Column) {
        match (self, column.data()) {
            (Self::Bool(value), Data::Bool(_)) => column.push_bool(value),
            (Self::Int(value), Data::Int64(_)) => column.push_i64(value),
            (Self::Float(value), Data::Float64(_)) => column.push_f64(value),
            (Self::Text(text), Data::Text(_)) => column.push_bytes(text),
            (Self::Moment(head, []), Data::Text(_)) => column.push_bytes(&head),
            (Self::Moment(head, fraction), Data::Text(_)) => column.push_bytes(&[&head, fraction].concat()),
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
            Self::Text(text) => Cell::Text(text.to_vec()),
            Self::Moment(head, fraction) => Cell::Text([&head, fraction].concat()),
            // A column is JSON from its declaration on, so it never meets another kind.
            Self::Json(text) => Cell::Text(text.into_owned()),
            Self::Bytes(bytes) => Cell::Bytes(bytes.to_vec()),
        }
    }

    fn byte_len(&self) -> usize {
        match self {
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Float(_) => 8,
            Self::Text(bytes) | Self::Bytes(bytes) => bytes.len() + 4,
            Self::Moment(head, fraction) => head.len() + fraction.len() + 4,
            Self::Json(text) => text.len() + 4,
        }
    }
}

/// `2024-01-02 03:04:05` and `2024-01-02 03:04:05.678` with RFC 3339's `T`; any other text as it is.
fn with_t(text: &[u8]) -> Decoded<'_> {
    let fraction_fits = |fraction: &[u8]| match fraction {
        [] => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    match text.split_first_chunk::<19>() {
        Some((head, fraction)) if is_moment(head) && fraction_fits(fraction) => {
            let mut head = *head;
            head[10] = b'T';
            Decoded::Moment(head, fraction)
        }
        _ => Decoded::Text(text),
    }
}

/// Whether these are digits and signs in their places. Eight at once: to look at one after the other took as long as SQLite
/// does for the value.
fn is_moment(text: &[u8; 19]) -> bool {
    // A digit is a zero with some of the lowest four bits, up to 9, and a sign is itself: what is added lifts everything
    // else to the highest bit of its byte. A byte that carries into the next one has that bit itself.
    const HEAD: [u64; 2] =
        [u64::from_le_bytes(*b"0000-00-"), u64::from_le_bytes([118, 118, 118, 118, 127, 118, 118, 127])];
    const MIDDLE: [u64; 2] =
        [u64::from_le_bytes(*b"00 00:00"), u64::from_le_bytes([118, 118, 127, 118, 118, 127, 118, 118])];
    const TAIL: [u64; 2] =
        [u64::from_le_bytes(*b"00:00:00"), u64::from_le_bytes([118, 118, 127, 118, 118, 127, 118, 118])];
    let misfits = |eight: Option<&[u8; 8]>, [pattern, lift]: [u64; 2]| {
        let other = eight.map_or(u64::MAX, |eight| u64::from_le_bytes(*eight)) ^ pattern;
        (other | other.wrapping_add(lift)) & (0x80 * (u64::MAX / 0xff))
    };
    let head = misfits(text.first_chunk(), HEAD);
    head | misfits(text[8..].first_chunk(), MIDDLE) | misfits(text.last_chunk(), TAIL) == 0
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
            ("2024-01-02T03:04:05", "2024-01-02T03:04:05"),
            ("2024-01-02 03:04:0:", "2024-01-02 03:04:0:"),
            ("2024-01-02 03:04:0/", "2024-01-02 03:04:0/"),
            ("today", "today"),
            ("", ""),
        ] {
            let Cell::Text(text) = with_t(stored.as_bytes()).into_cell() else { panic!("{stored} is no text") };
            assert_eq!(text, shown.as_bytes());
        }
    }

    #[test]
    fn a_byte_out_of_its_place_is_seen_wherever_it_is() {
        let moment = b"2199-99-00 05:50:49";
        assert!(is_moment(moment));
        for at in 0..moment.len() {
            for byte in 0..=255 {
                let mut text = *moment;
                text[at] = byte;
                let fits = if moment[at].is_ascii_digit() { byte.is_ascii_digit() } else { byte == moment[at] };
                assert_eq!(is_moment(&text), fits, "{byte} at {at}");
            }
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
            assert_eq!(Rule::of(declared, false), rule, "{declared}");
            assert_eq!(Rule::of(declared, true) == Rule::Plain, matches!(rule, Rule::Plain | Rule::Date));
        }
    }
}
