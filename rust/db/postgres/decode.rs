//! PostgreSQL's rows to typed columns.
//!
//! Each column's type is looked at once; then every cell is read where it lies in the connection's buffer, in binary as
//! `*_send` in the server's source writes it, or as the server's text.

use super::super::temporal::{self, Day, Form};
use super::super::{Error, decimal};
use super::array;
use super::message::{Body, Cell, Field, Header};
use super::statements::Prepared;
use super::types::{Kind, Scalar, Type};
use super::vector;
use crate::db::connection::Failure;
use crate::json::forms::Forms;
use crate::json::spare::Spare;
use crate::json::table::{Column, Data, Name, Table};
use std::sync::Arc;

/// The columns of a result while its rows come in.
pub(super) struct Decoder {
    prepared: Arc<Prepared>,
    columns: Vec<Column>,
    forms: Forms,
    scratch: Scratch,
    /// In the columns.
    rows: usize,
}

/// For texts that are put together cell by cell.
#[derive(Default)]
struct Scratch {
    element: Vec<u8>,
    day: Day,
}

impl Decoder {
    /// Columns for a statement's result; decimals, dates and times in the forms that were asked for.
    pub(super) fn new(prepared: &Arc<Prepared>, forms: Forms) -> Self {
        let column = |(field, of_type): &(Field, Type)| new_column(of_type.kind, field.name.clone(), forms);
        let new = || prepared.fields.iter().map(column).collect();
        let columns = spare(prepared, forms).and_then(Spare::take).unwrap_or_else(new);
        Self { prepared: Arc::clone(prepared), columns, forms, scratch: Default::default(), rows: 0 }
    }

    /// Appends a row and tells how many bytes it adds to the result.
    pub(super) fn push_row(&mut self, body: &[u8]) -> Result<usize, Failure> {
        let mut body = Body(body);
        if usize::from(body.u16()?) != self.columns.len() {
            return Err(super::message::strange("a row has other columns than its result"));
        }
        let bytes = body.0.len();
        if matches!(self.rows, 16 | 128) {
            self.expect_more();
        }
        self.rows += 1;
        for ((_, of_type), column) in self.prepared.fields.iter().zip(&mut self.columns) {
            match body.cell_and_rest()? {
                None => column.push_null(),
                Some(cell) => {
                    push(of_type.kind, column, cell, self.forms, &mut self.scratch).ok_or_else(|| broken(column))?
                }
            }
        }
        if body.0.is_empty() { Ok(bytes) } else { Err(super::message::strange("a row is longer than its values")) }
    }

    /// Eight times the room, twice: buffers that only double take a tenth of a thousand rows' time.
    #[cold]
    #[inline(never)]
    fn expect_more(&mut self) {
        for column in &mut self.columns {
            column.reserve_times(8);
        }
    }

    /// The last of the rows.
    pub(super) fn into_table(self) -> Table {
        Table::of(self.columns, spare(&self.prepared, self.forms).cloned())
    }

    /// The rows so far; the next ones go into columns of the same kinds.
    pub(super) fn take_table(&mut self) -> Table {
        self.rows = 0;
        Table::new(self.columns.iter_mut().map(Column::take).collect())
    }
}

/// The rows in messages of PostgreSQL, as they come behind each other, of columns with these names and types (oids). `None`
/// where they are none. For benches: whoever has a connection asks that.
#[must_use]
pub fn rows(columns: &[(&str, u32)], mut messages: &[u8]) -> Option<Table> {
    let field = |(name, oid): &(&str, u32)| Some((Field { name: (*name).into(), oid: *oid }, Type::built_in(*oid)?));
    let fields = columns.iter().map(field).collect::<Option<Vec<_>>>()?;
    let mut decoder = Decoder::new(&Arc::new(Prepared::of(fields)), Forms::default());
    while !messages.is_empty() {
        let header = Header::read(messages).ok()?.filter(|header| header.kind == b'D')?;
        let (message, rest) = messages.split_at_checked(header.len)?;
        decoder.push_row(&message[Header::BYTES..]).ok()?;
        messages = rest;
    }
    Some(decoder.into_table())
}

/// The place for the statement's columns: those of other forms are of other kinds.
fn spare(prepared: &Prepared, forms: Forms) -> Option<&Spare> {
    (forms == Forms::default()).then_some(&prepared.spare)
}

fn broken(column: &Column) -> Failure {
    let message = format!("column \"{}\": its bytes are not of its type", column.name());
    Failure::Cut(Error::Query { message, sqlstate: Some("08P01".to_owned()) })
}

fn new_column(kind: Kind, name: Name, forms: Forms) -> Column {
    let scalar = match kind {
        Kind::One(scalar) => scalar,
        Kind::Array(_) | Kind::TextArray(_) => return Column::json(name),
    };
    match scalar {
        Scalar::Bool => Column::bool(name),
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 | Scalar::UInt4 => Column::int64(name),
        Scalar::UInt8 => Column::uint64(name),
        Scalar::Float4 => Column::float32(name),
        Scalar::Float8 => Column::float64(name),
        Scalar::Text => Column::text(name),
        Scalar::Vector | Scalar::Halfvec if forms.vectors_packed => Column::bytes(name),
        Scalar::Json | Scalar::Jsonb | Scalar::Vector | Scalar::Halfvec => Column::json(name),
        Scalar::Bytea => Column::bytes(name),
        Scalar::Numeric if forms.decimals_as_numbers => Column::number(name),
        Scalar::Numeric | Scalar::Uuid | Scalar::Date | Scalar::Time | Scalar::Timestamp | Scalar::Timestamptz => {
            Column::ascii(name)
        }
    }
}

/// Reads one cell; `None` when the bytes don't have the type's form.
#[inline]
fn push(kind: Kind, column: &mut Column, cell: Cell<'_>, forms: Forms, scratch: &mut Scratch) -> Option<()> {
    let Cell { bytes: cell, rest } = cell;
    // The column first: one jump for a cell, and what its type adds is a branch that goes the same way for each of a column.
    match (column.data_mut(), kind) {
        (Data::Int64(values), Kind::One(scalar)) => values.push(integer(scalar, cell)?),
        (Data::UInt64(values), _) => values.push(u64::from_be_bytes(cell.try_into().ok()?)),
        (Data::Float32(values), _) => values.push(f32::from_be_bytes(cell.try_into().ok()?)),
        (Data::Float64(values), _) => values.push(f64::from_be_bytes(cell.try_into().ok()?)),
        (Data::Bool(values), _) => values.push(u8::from(*cell.first()? != 0)),
        (Data::Bytes(cells), Kind::One(scalar @ (Scalar::Vector | Scalar::Halfvec))) => {
            cells.push_with(|out| vector::write(out, scalar, cell))?
        }
        (Data::Text(cells) | Data::Json(cells) | Data::Bytes(cells), Kind::One(_)) => {
            cells.push_first(rest, cell.len())
        }
        (Data::Ascii(cells) | Data::Number(cells), Kind::One(scalar)) => {
            cells.push_with(|out| write_ascii(out, scalar, cell, forms, &mut scratch.day))?
        }
        (Data::Json(cells), _) => cells.push_with(|out| write_array(out, kind, cell, forms, &mut scratch.element))?,
        _ => return None,
    }
    column.note_value();
    Some(())
}

#[inline(never)]
fn write_array(out: &mut Vec<u8>, kind: Kind, cell: &[u8], forms: Forms, scratch: &mut Vec<u8>) -> Option<()> {
    match kind {
        Kind::Array(element) => array::write_binary(out, cell, element, forms, scratch),
        Kind::TextArray(delimiter) => array::write_text(out, cell, delimiter, scratch),
        Kind::One(_) => None,
    }
}

/// An integer of up to 64 bits.
pub(super) fn integer(scalar: Scalar, cell: &[u8]) -> Option<i64> {
    Some(match scalar {
        Scalar::Int2 => i16::from_be_bytes(cell.try_into().ok()?).into(),
        Scalar::Int4 => i32::from_be_bytes(cell.try_into().ok()?).into(),
        Scalar::UInt4 => u32::from_be_bytes(cell.try_into().ok()?).into(),
        _ => i64::from_be_bytes(cell.try_into().ok()?),
    })
}

/// A value whose form is plain ASCII.
pub(super) fn write_ascii(out: &mut Vec<u8>, scalar: Scalar, cell: &[u8], forms: Forms, day: &mut Day) -> Option<()> {
    match scalar {
        Scalar::Numeric => decimal::write(out, cell)?,
        Scalar::Uuid => write_uuid(out, cell.try_into().ok()?),
        Scalar::Date => temporal::write_postgres_date(out, i32::from_be_bytes(cell.try_into().ok()?)),
        Scalar::Time => {
            let micros = i64::from_be_bytes(cell.try_into().ok()?);
            temporal::write_time_of_day(out, Some(micros).filter(|micros| (0..=DAY_MICROS).contains(micros))?);
        }
        Scalar::Timestamp | Scalar::Timestamptz => {
            let form = match (scalar == Scalar::Timestamptz, forms.times_as_sql) {
                (false, false) => Form::Local,
                (true, false) => Form::Moment,
                (false, true) => Form::Sql,
                (true, true) => Form::SqlMoment,
            };
            temporal::write_postgres_timestamp(out, i64::from_be_bytes(cell.try_into().ok()?), form, day);
        }
        _ => return None,
    }
    Some(())
}

/// PostgreSQL has 24:00:00.
const DAY_MICROS: i64 = 86_400_000_000;

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OIDS: [u32; 24] = [
        16, 17, 20, 21, 23, 25, 26, 114, 700, 701, 1082, 1083, 1114, 1184, 1700, 2950, 3802, 5069, 1007, 1009, 1231,
        1041, 1020, 3807,
    ];

    fn decoder(oids: &[u32]) -> Decoder {
        let field = |&oid: &u32| (Field { name: oid.to_string().into(), oid }, Type::built_in(oid).unwrap());
        Decoder::new(&Arc::new(Prepared::of(oids.iter().map(field).collect())), Forms::default())
    }

    fn row(cells: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = (cells.len() as u16).to_be_bytes().to_vec();
        for cell in cells {
            body.extend_from_slice(&cell.map_or(-1, |cell| cell.len() as i32).to_be_bytes());
            body.extend_from_slice(cell.unwrap_or_default());
        }
        body
    }

    #[test]
    fn a_row_cut_anywhere_is_an_error_and_never_a_panic() {
        let whole = row(&[Some(&7_i32.to_be_bytes()), None, Some(b"text")]);
        let mut whole_decoder = decoder(&[23, 701, 25]);
        assert_eq!(whole_decoder.push_row(&whole).unwrap(), whole.len() - 2);
        assert_eq!(whole_decoder.take_table().rows(), 1);
        assert_eq!(whole_decoder.take_table().rows(), 0, "fresh columns of the same kinds");
        for end in 0..whole.len() {
            assert!(decoder(&[23, 701, 25]).push_row(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(decoder(&[23, 701, 25]).push_row(&[whole.as_slice(), b"x"].concat()).is_err());
        assert!(decoder(&[23, 701]).push_row(&whole).is_err());
        assert!(decoder(&[20]).push_row(&row(&[Some(b"1234")])).is_err(), "four bytes are no bigint");
    }

    #[test]
    fn texts_of_every_length_stay_whole_wherever_they_stand_in_hundreds_of_rows() {
        let text: Vec<u8> = (0..100).collect();
        let mut decoder = decoder(&[25, 1184, 25]);
        let first = |row: usize| (row % 7 != 3).then(|| &text[..row % 90]);
        let moment = |row: usize| row as i64 * 3_600_000_000 + i64::from(row.is_multiple_of(3));
        for index in 0..500 {
            let cells = [first(index), Some(&moment(index).to_be_bytes()[..]), Some(&text[..index % 50])];
            decoder.push_row(&row(&cells)).unwrap();
        }
        let table = decoder.into_table();
        let [Data::Text(one), Data::Ascii(moments), Data::Text(other)] = [0, 1, 2].map(|at| table.columns()[at].data())
        else {
            panic!("other kinds");
        };
        for index in 0..500 {
            assert_eq!(one.get(index), first(index).unwrap_or_default());
            assert_eq!(table.columns()[0].nulls().is_null(index), first(index).is_none());
            assert_eq!(other.get(index), &text[..index % 50]);
            let mut written = Vec::new();
            temporal::write_postgres_timestamp(&mut written, moment(index), Form::Moment, &mut Day::default());
            assert_eq!(moments.get(index), written);
        }
        for cells in [one, moments, other] {
            let padding = &cells.padded_bytes()[cells.offsets()[500] as usize..];
            assert!(!padding.is_empty() && padding.iter().all(|&byte| byte == 0), "{padding:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), index in 0..OIDS.len()) {
            let _ = decoder(&[OIDS[index]]).push_row(&row(&[Some(&bytes)]));
            let _ = decoder(&OIDS[index..]).push_row(&bytes);
        }
    }
}
