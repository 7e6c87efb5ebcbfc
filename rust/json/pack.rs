//! A table as one run of bytes, for another process of the same version of this file, and back.
//!
//! ```text
//!   columns (u32), rows (u64), then for each column
//!     length of its name (u32), name, kind (u8), whether it has nulls (u8), the bitmap if so (a bit for each row)
//!     numbers:            one after the other, booleans a byte each
//!     text, bytes, ...:   the ends of the cells (u32 each), then all cells
//!     mixed:              for each cell a tag byte, then nothing, 8 bytes, or a length (u32) and bytes
//! ```
//! Numbers are the machine's own. What is read is checked as far as memory and the column's shape depend on it, and every
//! length before anything is allocated for it; whether a cell of JSON is JSON is the writer's word.

use super::table::{Cell, Column, Data, Name, Nulls, Strings, Table};

/// The bytes are no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no packed table")]
pub struct Broken;

impl Table {
    /// Appends the table's packed form.
    ///
    /// ```
    /// use lyger::json::table::{Column, Table};
    /// let mut id = Column::int64("id");
    /// id.push_i64(1);
    /// id.push_null();
    /// let table = Table::new(vec![id]);
    /// let mut packed = Vec::new();
    /// table.pack(&mut packed);
    /// assert_eq!(Table::unpack(&packed), Ok(table));
    /// ```
    pub fn pack(&self, out: &mut Vec<u8>) {
        out.reserve(64 * (1 + self.columns().len()) + self.byte_len() + self.byte_len() / 8);
        out.extend_from_slice(&(self.columns().len() as u32).to_ne_bytes());
        out.extend_from_slice(&(self.rows() as u64).to_ne_bytes());
        for column in self.columns() {
            out.extend_from_slice(&(column.name().len() as u32).to_ne_bytes());
            out.extend_from_slice(column.name().as_bytes());
            out.push(kind(column.data()));
            let validity = column.nulls().validity();
            out.push(validity.is_some().into());
            out.extend_from_slice(validity.unwrap_or_default());
            match column.data() {
                Data::Int64(values) => values.iter().for_each(|value| out.extend_from_slice(&value.to_ne_bytes())),
                Data::UInt64(values) => values.iter().for_each(|value| out.extend_from_slice(&value.to_ne_bytes())),
                Data::Float64(values) => values.iter().for_each(|value| out.extend_from_slice(&value.to_ne_bytes())),
                Data::Float32(values) => values.iter().for_each(|value| out.extend_from_slice(&value.to_ne_bytes())),
                Data::Bool(values) => out.extend_from_slice(values),
                Data::Text(cells)
                | Data::Ascii(cells)
                | Data::Json(cells)
                | Data::Number(cells)
                | Data::Bytes(cells) => {
                    cells.offsets()[1..].iter().for_each(|end| out.extend_from_slice(&end.to_ne_bytes()));
                    out.extend_from_slice(&cells.padded_bytes()[..cells.len_bytes()]);
                }
                Data::Mixed(cells) => cells.iter().for_each(|cell| pack_cell(cell, out)),
            }
        }
    }

    /// Reads what [`Table::pack`] wrote, all of it.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn unpack(packed: &[u8]) -> Result<Self, Broken> {
        let mut input = Input(packed);
        let columns = input.u32()? as usize;
        let rows = usize::try_from(u64::from_ne_bytes(input.take()?)).map_err(|_| Broken)?;
        // Each column takes six bytes at least, and without columns there is nowhere for rows to be.
        if columns > input.0.len() / 6 || (columns == 0 && rows > 0) {
            return Err(Broken);
        }
        let columns = (0..columns).map(|_| unpack_column(&mut input, rows)).collect::<Result<_, _>>()?;
        if input.0.is_empty() { Ok(Self::new(columns)) } else { Err(Broken) }
    }
}

const fn kind(data: &Data) -> u8 {
    match data {
        Data::Int64(_) => 0,
        Data::UInt64(_) => 1,
        Data::Float64(_) => 2,
        Data::Float32(_) => 3,
        Data::Bool(_) => 4,
        Data::Text(_) => 5,
        Data::Ascii(_) => 6,
        Data::Json(_) => 7,
        Data::Bytes(_) => 8,
        Data::Mixed(_) => 9,
        Data::Number(_) => 10,
    }
}

fn unpack_column(input: &mut Input<'_>, rows: usize) -> Result<Column, Broken> {
    let name_len = input.u32()? as usize;
    let name = Name::from(std::str::from_utf8(input.bytes(name_len)?).map_err(|_| Broken)?);
    let [kind, has_nulls] = input.take()?;
    let nulls = match has_nulls {
        0 => Nulls::default(),
        1 => Nulls::from_validity(input.bytes(rows.div_ceil(8))?, rows).ok_or(Broken)?,
        _ => return Err(Broken),
    };
    let data = match kind {
        0 => Data::Int64(input.numbers(rows, i64::from_ne_bytes)?),
        1 => Data::UInt64(input.numbers(rows, u64::from_ne_bytes)?),
        2 => Data::Float64(input.numbers(rows, f64::from_ne_bytes)?),
        3 => Data::Float32(input.numbers(rows, f32::from_ne_bytes)?),
        4 => {
            let values = input.bytes(rows)?;
            if values.iter().any(|&value| value > 1) {
                return Err(Broken);
            }
            Data::Bool(values.to_vec())
        }
        5 => Data::Text(input.strings(rows)?),
        6 => {
            let cells = input.strings(rows)?;
            // The kernel quotes and copies them.
            let needs_no_escape = |&byte: &u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
            if !cells.padded_bytes().iter().all(needs_no_escape) {
                return Err(Broken);
            }
            Data::Ascii(cells)
        }
        7 => Data::Json(input.strings(rows)?),
        8 => Data::Bytes(input.strings(rows)?),
        9 => {
            // Each cell takes its tag at least.
            if rows > input.0.len() {
                return Err(Broken);
            }
            let cells = (0..rows).map(|_| unpack_cell(input)).collect::<Result<Vec<_>, _>>()?;
            if cells.iter().enumerate().any(|(row, cell)| (*cell == Cell::Null) != nulls.is_null(row)) {
                return Err(Broken);
            }
            Data::Mixed(cells)
        }
        10 => {
            let cells = input.strings(rows)?;
            // PHP's serialize format has them bare: no cell may end its own place there.
            if !cells.padded_bytes().iter().all(|byte| b"0123456789+-.eENaIfinty".contains(byte)) {
                return Err(Broken);
            }
            Data::Number(cells)
        }
        _ => return Err(Broken),
    };
    Ok(Column::from_parts(name, data, nulls))
}

fn pack_cell(cell: &Cell, out: &mut Vec<u8>) {
    let tagged = |out: &mut Vec<u8>, tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(bytes);
    };
    match cell {
        Cell::Null => out.push(0),
        Cell::Bool(value) => out.push(1 + u8::from(*value)),
        Cell::Int(value) => tagged(out, 3, &value.to_ne_bytes()),
        Cell::Float(value) => tagged(out, 4, &value.to_ne_bytes()),
        Cell::Text(text) => {
            tagged(out, 5, &(text.len() as u32).to_ne_bytes());
            out.extend_from_slice(text);
        }
        Cell::Bytes(bytes) => {
            tagged(out, 6, &(bytes.len() as u32).to_ne_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

fn unpack_cell(input: &mut Input<'_>) -> Result<Cell, Broken> {
    let [tag] = input.take()?;
    Ok(match tag {
        0 => Cell::Null,
        1 => Cell::Bool(false),
        2 => Cell::Bool(true),
        3 => Cell::Int(i64::from_ne_bytes(input.take()?)),
        4 => Cell::Float(f64::from_ne_bytes(input.take()?)),
        5 | 6 => {
            let len = input.u32()? as usize;
            let bytes = input.bytes(len)?.to_vec();
            if tag == 6 { Cell::Bytes(bytes) } else { Cell::Text(bytes) }
        }
        _ => return Err(Broken),
    })
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Broken)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u32(&mut self) -> Result<u32, Broken> {
        self.take().map(u32::from_ne_bytes)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Broken> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Broken)?;
        self.0 = rest;
        Ok(head)
    }

    fn numbers<T, const N: usize>(&mut self, rows: usize, read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Broken> {
        let bytes = self.bytes(rows.checked_mul(N).ok_or(Broken)?)?;
        Ok(bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect())
    }

    fn strings(&mut self, rows: usize) -> Result<Strings, Broken> {
        let ends = self.numbers(rows, u32::from_ne_bytes)?;
        let bytes = self.bytes(ends.last().map_or(0, |&end| end as usize))?;
        Strings::from_ends(ends, bytes).ok_or(Broken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(table: &Table) -> Vec<u8> {
        let mut packed = Vec::new();
        table.pack(&mut packed);
        packed
    }

    /// Bit for bit, where `PartialEq` has NaN differ from itself.
    fn is_same(one: &Table, other: &Table) -> bool {
        packed(one) == packed(other) && one.rows() == other.rows() && format!("{one:?}") == format!("{other:?}")
    }

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            Just(Cell::Null),
            any::<bool>().prop_map(Cell::Bool),
            any::<i64>().prop_map(Cell::Int),
            any::<f64>().prop_map(Cell::Float),
            any::<Vec<u8>>().prop_map(Cell::Text),
            any::<Vec<u8>>().prop_map(Cell::Bytes),
        ]
    }

    /// A column of any kind with this many rows.
    fn column(rows: usize) -> impl Strategy<Value = Column> {
        let cells = prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..20), cell()), rows);
        (".{0,8}", 0..11_u8, 0..3_u64, cells).prop_map(|(name, kind, nulls, cells)| {
            let mut column = match kind {
                0 => Column::int64(name),
                1 => Column::uint64(name),
                2 => Column::float64(name),
                3 => Column::float32(name),
                4 => Column::bool(name),
                5 => Column::text(name),
                6 => Column::ascii(name),
                7 => Column::json(name),
                8 => Column::bytes(name),
                10 => Column::number(name),
                _ => Column::mixed(name),
            };
            for (number, bytes, cell) in cells {
                match kind {
                    _ if number % 4 < nulls => column.push_null(),
                    0 => column.push_i64(number as i64),
                    1 => column.push_u64(number),
                    2 => column.push_f64(f64::from_bits(number)),
                    3 => column.push_f32(f32::from_bits(number as u32)),
                    4 => column.push_bool(number % 2 == 0),
                    6 => column.push_bytes(number.to_string().as_bytes()),
                    7 => column.push_bytes(format!("[{number}]").as_bytes()),
                    9 => column.push_cell(cell),
                    10 if number % 5 == 0 => column.push_bytes(b"-Infinity"),
                    10 => column.push_bytes(format!("{number}.50").as_bytes()),
                    _ => column.push_bytes(&bytes),
                }
            }
            column
        })
    }

    fn table() -> impl Strategy<Value = Table> {
        (0..40_usize).prop_flat_map(|rows| prop::collection::vec(column(rows), 0..6)).prop_map(Table::new)
    }

    proptest! {
        #[test]
        fn every_table_comes_back_as_it_was(table in table()) {
            let back = Table::unpack(&packed(&table)).unwrap();
            prop_assert!(is_same(&table, &back));
            prop_assert_eq!(crate::json::encode::to_vec(&table), crate::json::encode::to_vec(&back));
            prop_assert_eq!(crate::json::serialize::to_vec(&table), crate::json::serialize::to_vec(&back));
        }

        #[test]
        fn a_table_that_is_cut_lengthened_or_changed_is_refused_or_whole(
            table in table(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = packed(&table);
            let at = at.index(bytes.len());
            prop_assert_eq!(Table::unpack(&bytes[..at]), Err(Broken));
            bytes.push(0);
            prop_assert_eq!(Table::unpack(&bytes), Err(Broken));
            bytes.pop();
            bytes[at] ^= byte;
            if let Ok(table) = Table::unpack(&bytes) {
                drop(crate::json::encode::to_vec(&table)); // memory holds, whatever it says
                drop(crate::json::serialize::to_vec(&table));
            }
        }

        #[test]
        fn noise_is_refused_or_whole(noise in any::<Vec<u8>>()) {
            if let Ok(table) = Table::unpack(&noise) {
                drop(crate::json::encode::to_vec(&table));
            }
        }
    }

    #[test]
    fn lengths_that_lie_choose_no_allocation() {
        let mut one = Column::mixed("m");
        one.push_cell(Cell::Int(1));
        let good = packed(&Table::new(vec![one]));
        for (at, bytes) in [(0, &[0xff; 4][..]), (4, &[0xff; 8]), (12, &[0xff; 4])] {
            let mut bad = good.clone();
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(Table::unpack(&bad), Err(Broken));
        }
        assert_eq!(Table::unpack(&[]), Err(Broken));
        assert_eq!(Table::unpack(&[0; 12]), Ok(Table::default()));
        assert_eq!(Table::unpack(&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]), Err(Broken), "rows without columns");
    }
}
