//! SQLite's rows to typed columns.
//!
//! In SQLite the value has the type, not the column. A column takes the kind of its first value; a value of another
//! kind turns it into a mixed one. The declared type refines what SQLite has no storage class for: booleans, dates
//! and JSON.

use super::super::Error;
use crate::json::forms::Forms;
use crate::json::table::{Cell, Column, Data, Name, Table};
use crate::prepared::{Run, Value};
use std::borrow::Cow;

/// What a statement says of its columns, read once for all its runs.
pub(super) type Headings = Vec<Heading>;

#[derive(Debug)]
pub(super) struct Heading {
    name: Name,
    rule: Rule,
}

/// The columns of a result while its rows come in.
pub(super) struct Columns(Vec<Growing>);

struct Growing {
    name: Name,
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

impl Columns {
    /// The columns of a statement that has made its first step.
    pub(super) fn of(run: &mut Run<'_, Headings>, forms: Forms) -> Self {
        let headings = run.keep(|columns| {
            columns.map(|(name, declared)| Heading { name: (&*name).into(), rule: Rule::of(&declared) }).collect()
        });
        let growing = |heading: &Heading| Growing {
            name: heading.name.clone(),
            rule: if forms.times_as_sql && heading.rule == Rule::Date { Rule::Plain } else { heading.rule },
            column: None,
            leading_nulls: 0,
        };
        Self(headings.iter().map(growing).collect())
    }

    /// Appends the row that is there and tells how many bytes it adds to the result.
    pub(super) fn push_row(&mut self, run: &Run<'_, Headings>) -> Result<usize, Error> {
        let mut bytes = 0;
        for (index, column) in self.0.iter_mut().enumerate() {
            bytes += column.push(run.value(index))?;
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

impl Growing {
    /// Appends a value and tells its bytes.
    #[inline]
    fn push(&mut self, value: Value<'_>) -> Result<usize, Error> {
        // Nearly all values are of the column's kind and stay what they are: a third less for 1,000 rows.
        if let Some(column) = &mut self.column {
            let bytes = match (column.data_mut(), value, self.rule) {
                (Data::Int64(values), Value::Int(value), Rule::Plain) => {
                    values.push(value);
                    8
                }
                (Data::Float64(values), Value::Float(value), Rule::Plain) => {
                    values.push(value);
                    8
                }
                (Data::Text(cells), Value::Text(text), Rule::Plain) => {
                    cells.push(text);
                    text.len() + 4
                }
                (Data::Bool(values), Value::Int(value @ (0 | 1)), Rule::Bool) => {
                    values.push(u8::from(value == 1));
                    1
                }
                _ => return self.push_any(value),
            };
            column.note_value();
            return Ok(bytes);
        }
        self.push_any(value)
    }

    fn push_any(&mut self, value: Value<'_>) -> Result<usize, Error> {
        let decoded = match (value, self.rule) {
            (Value::Null, _) => {
                match &mut self.column {
                    Some(column) => column.push_null(),
                    None => self.leading_nulls += 1,
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
        match &mut self.column {
            Some(column) => decoded.push_to(column),
            None => {
                let column = self.column.insert(decoded.new_column(self.name.clone()));
                (0..self.leading_nulls).for_each(|_| column.push_null());
                decoded.push_to(column);
            }
        }
        Ok(bytes)
    }

    // A JSON column holds one JSON text per cell, also where SQLite's affinity turned the text `5` into an integer.
    fn json<'a>(&self, value: Value<'a>) -> Result<Cow<'a, [u8]>, Error> {
        let invalid = |what: String| Error::UnsupportedType {
            column: self.name.text().to_owned(),
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
            assert_eq!(Rule::of(declared), rule, "{declared}");
        }
    }
}
