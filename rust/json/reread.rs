//! Rows that PHP has got, read again from what [`rows`](super::rows) wrote for it: to answer with them as they are, by the kernel
//! instead of PHP's `json_encode()`.

use super::rows::BLOCK_ROWS;
use super::table::{Column, Data, Table};

/// From here on, and below the smallest, PHP writes floats in another form than the engine does: 1.0e+15, 1.0e-5.
const PLAIN_FLOATS: std::ops::Range<f64> = 1e-4..1e15;

/// The rows, such that their JSON is that of the arrays which PHP has made of them: bytes and texts of JSON are strings there.
///
/// `None` for what isn't the form by columns, and where PHP's JSON is another: cells of several kinds, names that are integers
/// as keys, floats that need an exponent.
///
/// ```
/// use lyger::json::{reread, rows, table::{Column, Table}};
/// let mut id = Column::int64("id");
/// (0..50).for_each(|number| id.push_i64(number));
/// let table = Table::new(vec![id]);
/// assert_eq!(reread::table(&rows::to_vec(&table)), Some(table));
/// ```
#[must_use]
pub fn table(written: &[u8]) -> Option<Table> {
    let mut input = Input(written);
    if input.byte()? != b'c' {
        return None;
    }
    let count = input.u32()?;
    let mut names = Vec::new();
    for _ in 0..count {
        let len = input.u32()?;
        let name = std::str::from_utf8(input.take(len)?).ok()?;
        if name.parse::<i64>().is_ok() {
            return None;
        }
        names.push(name);
    }
    let mut columns: Vec<Column> = Vec::new();
    while !input.0.is_empty() && !names.is_empty() {
        let rows = input.u32()?;
        if rows > BLOCK_ROWS {
            return None;
        }
        let is_first = columns.is_empty();
        for (at, name) in names.iter().enumerate() {
            let kind = input.byte()?;
            if is_first {
                columns.push(match kind {
                    b'i' => Column::int64(*name),
                    b'd' => Column::float64(*name),
                    b'b' => Column::bool(*name),
                    b't' => Column::text(*name),
                    _ => return None,
                });
            }
            read_block(&mut input, kind, &mut columns[at], rows)?;
        }
    }
    let rows = columns.first()?.len();
    columns.iter().all(|column| column.len() == rows).then(|| Table::new(columns))
}

fn read_block(input: &mut Input<'_>, kind: u8, column: &mut Column, rows: usize) -> Option<()> {
    let (nulls, len) = (input.u32()?, input.u32()?);
    let nulls = input.take(nulls.checked_mul(4)?)?.as_chunks::<4>().0;
    let mut nulls = nulls.iter().map(|key| u32::from_le_bytes(*key) as usize).peekable();
    let first = usize::from(matches!(kind, b'i' | b'd'));
    let mut is_null = |row: usize| nulls.next_if_eq(&(row + first)).is_some();
    let cells = input.take(len)?;
    match (kind, column.data()) {
        (b'i', Data::Int64(_)) if cells.len() == rows * 8 => {
            for (row, cell) in cells.as_chunks::<8>().0.iter().enumerate() {
                if is_null(row) { column.push_null() } else { column.push_i64(i64::from_le_bytes(*cell)) }
            }
        }
        (b'd', Data::Float64(_)) if cells.len() == rows * 8 => {
            for (row, cell) in cells.as_chunks::<8>().0.iter().enumerate() {
                let value = f64::from_le_bytes(*cell);
                if value.is_finite() && value != 0.0 && !PLAIN_FLOATS.contains(&value.abs()) {
                    return None;
                }
                if is_null(row) { column.push_null() } else { column.push_f64(value) }
            }
        }
        (b'b', Data::Bool(_)) => {
            let mut falses = cells.as_chunks::<4>().0.iter().map(|key| u32::from_le_bytes(*key) as usize).peekable();
            for row in 0..rows {
                let value = falses.next_if_eq(&row).is_none();
                if is_null(row) { column.push_null() } else { column.push_bool(value) }
            }
        }
        (b't', Data::Text(_)) if rows > 0 => {
            let (mut begin, mut ends) = (0, memchr::memchr_iter(0, cells).chain([cells.len()]));
            for row in 0..rows {
                let end = ends.next()?;
                if is_null(row) {
                    column.push_null()
                } else {
                    column.push_bytes(&cells[begin..end])
                }
                begin = end + 1;
            }
            if ends.next().is_some() {
                return None;
            }
        }
        _ => return None,
    }
    Some(())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn u32(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes) as usize)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{encode, rows};
    use super::*;
    use proptest::prelude::*;

    fn written(columns: Vec<Column>) -> Vec<u8> {
        rows::to_vec(&Table::new(columns))
    }

    fn column(of: impl Fn(&mut Column, i64), mut column: Column) -> Column {
        (0..2100).for_each(|row| if row % 7 == 3 { column.push_null() } else { of(&mut column, row) });
        column
    }

    fn all() -> Vec<Column> {
        vec![
            column(|column, row| column.push_i64(row), Column::int64("i")),
            column(|column, row| column.push_f64(row as f64 * 0.37), Column::float64("d")),
            column(|column, row| column.push_bool(row % 3 == 0), Column::bool("b")),
            column(|column, row| column.push_bytes(&b"\"\xff x"[..row as usize % 5]), Column::text("t")),
        ]
    }

    #[test]
    fn rows_come_back_as_they_were_and_bytes_and_json_as_text() {
        let table = Table::new(all());
        assert_eq!(super::table(&rows::to_vec(&table)), Some(table));
        let strings = |column| self::column(|column, _| column.push_bytes(b"[1]"), column);
        let text = Some(encode::to_vec(&Table::new(vec![strings(Column::text("t"))])));
        for other in [Column::json("t"), Column::bytes("t")] {
            let back = super::table(&written(vec![strings(other)]));
            assert_eq!(back.map(|table| encode::to_vec(&table)), text);
        }
    }

    #[test]
    fn what_php_writes_otherwise_is_left_to_it() {
        let int = |name: &str| column(|column, row| column.push_i64(row), Column::int64(name));
        let float = |value: f64| column(move |column, _| column.push_f64(value), Column::float64("d"));
        assert!(super::table(&written(vec![int("0")])).is_none());
        assert!(super::table(&written(vec![int("-7")])).is_none());
        for plain in [0.0, -0.0, 1e-4, -999_999_999_999_999.9, f64::NAN, f64::INFINITY] {
            assert!(super::table(&written(vec![float(plain)])).is_some(), "{plain}");
        }
        for other in [9.9e-5, -1e15, 5e-324, f64::MAX] {
            assert!(super::table(&written(vec![float(other)])).is_none(), "{other}");
        }
        let with_nul = column(|column, _| column.push_bytes(b"a\0b"), Column::text("t"));
        assert!(super::table(&written(vec![with_nul])).is_none());
        assert!(super::table(b"a:0:{}").is_none());
        assert!(super::table(b"c\0\0\0\0").is_none());
    }

    proptest! {
        #[test]
        fn what_is_cut_or_changed_is_refused_or_some_table(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = written(all());
            let at = at.index(bytes.len());
            let whole = super::table(&bytes);
            prop_assert_ne!(super::table(&bytes[..at]), whole);
            bytes[at] ^= byte;
            if let Some(table) = super::table(&bytes) {
                drop(encode::to_vec(&table));
            }
        }
    }
}
