//! Rows for PHP: few of them in its `serialize()` format, many by columns, of which PHP makes lists in C.
//!
//! 1,000 rows of 6 columns take `unserialize()` four million instructions, and writing their digits, lengths and keys took
//! the engine half as many again; lists of columns, and rows of those, take PHP three million, and the engine next to none.
//!
//! ```text
//! "c", u32 columns, for each the u32 length of its name and the name;
//! then blocks of up to 1,024 rows: u32 rows, and for each column its kind (u8), how many nulls (u32), how many bytes of
//! cells (u32), the keys of the nulls (u32 each), the cells
//!   kind "i" integers, i64 each: unpack() makes a list of them that begins with 1, and so do the keys of the nulls
//!   kind "d" doubles, the same
//!   kind "b" booleans: the keys of those that are false (u32 each), the first of all being 0
//!   kind "t" strings with a NUL byte between each two of them: explode() makes a list that begins with 0
//!   kind "s" what serialize::write_cells writes, nulls included
//! ```
//!
//! Numbers are little-endian. Names are those of [`members`]: none is there twice. Blocks keep what PHP holds at a time small,
//! and a column may be of another kind in each.

use super::encode::members;
use super::serialize;
use super::table::{Column, Data, Table};
use std::ops::Range;

/// Fewer rows cost PHP more by columns, for which it makes several calls each, than by `unserialize()`.
const ROWS_MIN: usize = 32;

/// Lists of columns and rows are there at the same time: of so many rows they are some 100 KiB a column.
pub(super) const BLOCK_ROWS: usize = 1024;

/// All rows: see [`slice_to_vec`].
#[must_use]
pub fn to_vec(table: &Table) -> Vec<u8> {
    slice_to_vec(table, 0, table.rows())
}

/// At most `count` rows from row `from` on, as a list that is numbered from 0; none behind the last row.
///
/// ```
/// use lyger::json::{rows, table::{Column, Table}};
/// let mut id = Column::int64("id");
/// id.push_i64(7);
/// assert_eq!(rows::to_vec(&Table::new(vec![id])), br#"a:1:{i:0;a:1:{s:2:"id";i:7;}}"#);
/// ```
#[must_use]
pub fn slice_to_vec(table: &Table, from: usize, count: usize) -> Vec<u8> {
    let from = from.min(table.rows());
    let count = count.min(table.rows() - from);
    if count < ROWS_MIN {
        return serialize::slice_to_vec(table, from, count);
    }
    let columns = members(table.columns());
    let names: usize = columns.iter().map(|column| column.name().len() + 4).sum();
    let cells = columns.iter().map(|column| column.byte_len()).sum::<usize>() / table.rows() * count;
    let mut out = Vec::with_capacity(names + cells + count * columns.len() + 1024);
    out.push(b'c');
    write_u32(&mut out, columns.len());
    for column in &columns {
        write_u32(&mut out, column.name().len());
        out.extend_from_slice(column.name().as_bytes());
    }
    for begin in (from..from + count).step_by(BLOCK_ROWS) {
        let rows = begin..(begin + BLOCK_ROWS).min(from + count);
        write_u32(&mut out, rows.len());
        for column in &columns {
            write_block(&mut out, column, rows.clone());
        }
    }
    out
}

fn write_block(out: &mut Vec<u8>, column: &Column, rows: Range<usize>) {
    match column.data() {
        Data::Int64(values) => write_numbers(out, b'i', column, rows, |row| values[row].to_le_bytes()),
        Data::Float64(values) => write_numbers(out, b'd', column, rows, |row| values[row].to_le_bytes()),
        Data::Bool(values) => write_column(out, b'b', &nulls(column, &rows, 0), |out| {
            for (key, _) in values[rows].iter().enumerate().filter(|(_, value)| **value == 0) {
                write_u32(out, key);
            }
        }),
        Data::Text(cells) | Data::Ascii(cells) | Data::Json(cells) | Data::Bytes(cells)
            if memchr::memchr(0, cells.of_rows(rows.clone())).is_none() =>
        {
            write_column(out, b't', &nulls(column, &rows, 0), |out| {
                for row in rows {
                    serialize::write_bytes_of(out, cells, row);
                    out.push(0);
                }
                out.pop(); // there is none behind the last
            });
        }
        _ => write_column(out, b's', &[], |out| serialize::write_cells(out, column, rows)),
    }
}

fn write_numbers(out: &mut Vec<u8>, kind: u8, column: &Column, rows: Range<usize>, cell: impl Fn(usize) -> [u8; 8]) {
    write_column(out, kind, &nulls(column, &rows, 1), |out| {
        let at = out.len();
        out.resize(at + rows.len() * 8, 0);
        for (room, row) in out[at..].as_chunks_mut().0.iter_mut().zip(rows) {
            *room = cell(row);
        }
    });
}

/// The keys of the nulls in a list that begins with `first`.
fn nulls(column: &Column, rows: &Range<usize>, first: usize) -> Vec<usize> {
    if column.nulls().count() == 0 {
        return Vec::new();
    }
    rows.clone().filter(|row| column.nulls().is_null(*row)).map(|row| row - rows.start + first).collect()
}

fn write_column(out: &mut Vec<u8>, kind: u8, nulls: &[usize], write_cells: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    write_u32(out, nulls.len());
    let length = out.len();
    write_u32(out, 0);
    for key in nulls {
        write_u32(out, *key);
    }
    let begin = out.len();
    write_cells(out);
    let bytes = (out.len() - begin) as u32;
    out[length..length + 4].copy_from_slice(&bytes.to_le_bytes());
}

// Counts and lengths of a result, which db.result_bytes_max keeps below 4 GiB.
fn write_u32(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&(number as u32).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::table::Cell;

    fn int(name: &str, values: impl IntoIterator<Item = Option<i64>>) -> Column {
        let mut column = Column::int64(name);
        for value in values {
            match value {
                Some(value) => column.push_i64(value),
                None => column.push_null(),
            }
        }
        column
    }

    /// What a column is written as, behind the names.
    fn block(column: Column) -> Vec<u8> {
        let name = column.name().len();
        to_vec(&Table::new(vec![column])).split_off(1 + 4 + 4 + name + 4)
    }

    #[test]
    fn few_rows_are_serialized_and_many_are_columns() {
        let table = Table::new(vec![int("n", (0..40).map(Some))]);
        assert!(slice_to_vec(&table, 0, ROWS_MIN - 1).starts_with(b"a:31:{"));
        assert!(slice_to_vec(&table, 0, ROWS_MIN).starts_with(b"c\x01\0\0\0\x01\0\0\0n\x20\0\0\0i"));
        assert!(slice_to_vec(&table, 20, 40).starts_with(b"a:20:{"));
        assert_eq!(slice_to_vec(&table, 41, 40), b"a:0:{}");
        assert_eq!(to_vec(&Table::default()), b"a:0:{}");
    }

    #[test]
    fn numbers_are_eight_bytes_each_and_their_nulls_are_counted_from_1() {
        let values = (0..32).map(|n| (n != 2).then_some(n - 1));
        let written = block(int("n", values));
        assert_eq!(written[..13], *b"i\x01\0\0\0\0\x01\0\0\x03\0\0\0");
        assert_eq!(written[13..29], *b"\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0");
        assert_eq!(written.len(), 13 + 32 * 8);
    }

    #[test]
    fn booleans_are_the_keys_of_those_that_are_false() {
        let mut column = Column::bool("b");
        (0..32).for_each(|n| if n == 3 { column.push_null() } else { column.push_bool(n != 9) });
        assert_eq!(block(column), b"b\x01\0\0\0\x08\0\0\0\x03\0\0\0\x03\0\0\0\x09\0\0\0");
    }

    #[test]
    fn strings_are_parted_by_nul_bytes_unless_one_has_such_a_byte() {
        let texts = |middle: Option<&[u8]>| {
            let mut column = Column::text("t");
            (0..31).for_each(|_| column.push_bytes(b"x"));
            match middle {
                Some(middle) => column.push_bytes(middle),
                None => column.push_null(),
            }
            block(column)
        };
        let long = [b'y'; 40];
        assert_eq!(texts(Some(&long)), [b"t\0\0\0\0\x66\0\0\0", b"x\0".repeat(31).as_slice(), &long].concat());
        let none = [b"t\x01\0\0\0\x3e\0\0\0\x1f\0\0\0".as_slice(), &b"x\0".repeat(31)].concat();
        assert_eq!(texts(None), none);
        assert!(texts(Some(b"a\0b")).ends_with(b"i:31;s:3:\"a\0b\";}"));
    }

    #[test]
    fn blocks_follow_each_other_and_other_kinds_are_serialized() {
        let mut mixed = Column::mixed("m");
        (0..BLOCK_ROWS + 1).for_each(|_| mixed.push_cell(Cell::Float(1.5)));
        let table = Table::new(vec![mixed, int("n", (0..=BLOCK_ROWS as i64).map(Some))]);
        let written = to_vec(&table);
        let last = b"\x01\0\0\0s\0\0\0\0\x10\0\0\0a:1:{i:0;d:1.5;}i\0\0\0\0\x08\0\0\0\0\x04\0\0\0\0\0\0";
        assert!(written.ends_with(last), "{:?}", &written[written.len() - last.len()..]);
    }
}
