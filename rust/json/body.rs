//! A body of rows in its shape, table after table and slice after slice.
//!
//! ```
//! use lyger::json::{body, escapes::Escapes, shape::Shape, table::{Column, Table}};
//! let mut id = Column::int64("id");
//! id.push_i64(7);
//! let table = Table::new(vec![id]);
//! let body = body::whole(&Shape::Envelope, Escapes::default(), &table, 0).unwrap();
//! assert_eq!(body, br#"{"data":[{"id":7}],"meta":{"count":1}}"#);
//! ```

use super::csv::Lines;
use super::escapes::Escapes;
use super::keyed::{Index, KeyError};
use super::shape::{Page, Shape};
use super::slices::Slices;
use super::table::Table;

pub use super::slices::SLICE_BYTES;

/// Why rows have no such body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misshapen {
    /// A single row is asked for, and there is none.
    #[error("there is no row")]
    NoRow,
    /// The rows can't be keyed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Writes a body of any shape but [`Shape::Keyed`], for which [`Index`] is.
#[derive(Debug)]
pub struct Encoder {
    shape: Shape,
    escapes: Escapes,
    rows: u64,
    has_begun: bool,
}

/// A table that is being written.
pub struct Pass<'a> {
    rows: Rows<'a>,
    next: usize,
}

enum Rows<'a> {
    List(Slices<'a>),
    Lines(Slices<'a>),
    Csv(Lines<'a>),
}

impl Encoder {
    /// An encoder that has written nothing. CSV has no escapes.
    #[must_use]
    pub fn new(shape: &Shape, escapes: Escapes) -> Self {
        Self { shape: shape.clone(), escapes, rows: 0, has_begun: false }
    }

    /// Begins the next table. The tables of a body have the same columns; one without rows counts for its columns.
    #[must_use]
    pub fn pass<'a>(&self, table: &'a Table) -> Pass<'a> {
        let rows = match self.shape {
            Shape::Ndjson => Rows::Lines(Slices::of_lines(table)),
            Shape::Arrays => Rows::List(Slices::of_arrays(table)),
            Shape::Csv => Rows::Csv(Lines::new(table)),
            _ => Rows::List(Slices::new(table)),
        };
        Pass { rows, next: 0 }
    }

    /// Appends about [`SLICE_BYTES`] of a table, more where `out` has the room already; false once it has no more rows that
    /// belong to the body.
    pub fn append(&mut self, pass: &mut Pass<'_>, out: &mut Vec<u8>) -> bool {
        let (first, from) = (pass.next, out.len());
        let rows = match &pass.rows {
            Rows::List(slices) => {
                self.append_list(slices, &mut pass.next, out);
                slices.rows()
            }
            Rows::Lines(slices) => {
                pass.next = slices.append(first, out);
                slices.rows()
            }
            Rows::Csv(lines) => {
                if !self.has_begun {
                    lines.append_header(out);
                }
                pass.next = lines.append(first, SLICE_BYTES, out);
                lines.rows()
            }
        };
        if self.shape != Shape::Csv {
            self.escapes.apply(out, from);
        }
        self.has_begun = true;
        self.rows += (pass.next - first) as u64;
        !self.is_full() && pass.next < rows
    }

    fn append_list(&mut self, slices: &Slices<'_>, next: &mut usize, out: &mut Vec<u8>) {
        self.begin(out);
        let comma = out.len();
        if self.is_full() || *next == slices.rows() {
            return;
        }
        if self.shape == Shape::Single {
            slices.append_one(*next, out);
            *next += 1;
        } else {
            *next = slices.append(*next, out);
        }
        if self.rows == 0 {
            // Only for the first rows of a body is the comma one too many, and then little else is there to move.
            out.remove(comma);
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.has_begun {
            self.has_begun = true;
            out.extend_from_slice(match self.shape {
                Shape::List | Shape::Arrays => b"[",
                Shape::Envelope | Shape::Paged(_) => b"{\"data\":[",
                Shape::Keyed(_) | Shape::Single | Shape::Ndjson | Shape::Csv => b"",
            });
        }
    }

    /// Whether no further row belongs to the body.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.shape == Shape::Single && self.rows > 0
    }

    /// Appends what follows the last row. `total` is the number of rows on all pages, for [`Shape::Paged`].
    ///
    /// # Errors
    /// [`Misshapen::NoRow`].
    pub fn finish(mut self, total: u64, out: &mut Vec<u8>) -> Result<(), Misshapen> {
        self.begin(out);
        let rows = self.rows;
        match self.shape {
            Shape::Single if rows == 0 => return Err(Misshapen::NoRow),
            Shape::List | Shape::Arrays => out.push(b']'),
            Shape::Envelope => out.extend_from_slice(format!("],\"meta\":{{\"count\":{rows}}}}}").as_bytes()),
            Shape::Paged(Page { number, rows: per_page }) => {
                let pages = total.div_ceil(per_page);
                let meta = format!(
                    "],\"meta\":{{\"count\":{rows},\"total\":{total},\"page\":{number},\"per_page\":{per_page},\"pages\":{pages}}}}}"
                );
                out.extend_from_slice(meta.as_bytes());
            }
            Shape::Keyed(_) | Shape::Single | Shape::Ndjson | Shape::Csv => {}
        }
        Ok(())
    }
}

impl std::fmt::Debug for Pass<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pass").field("next", &self.next).finish_non_exhaustive()
    }
}

/// A table's body at once, for who waits for it anyway. `total` is as for [`Encoder::finish`].
///
/// # Errors
/// No single row, or no keys.
pub fn whole(shape: &Shape, escapes: Escapes, table: &Table, total: u64) -> Result<Vec<u8>, Misshapen> {
    let mut out = Vec::new();
    if let Shape::Keyed(name) = shape {
        let mut index = Index::new(name);
        let mut row = 0;
        loop {
            row = index.add(0, table, row)?;
            if row == table.rows() {
                break;
            }
        }
        let mut objects = index.objects(std::slice::from_ref(table), escapes)?;
        while objects.append(&mut out) {}
        return Ok(out);
    }
    let mut encoder = Encoder::new(shape, escapes);
    let mut pass = encoder.pass(table);
    while encoder.append(&mut pass, &mut out) {}
    encoder.finish(total, &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::table::{Cell, Column};

    /// Three columns of text that needs care, a number with nulls, and cells of all kinds.
    fn table(from: i64, rows: i64) -> Table {
        let (mut id, mut text, mut mixed) = (Column::int64("id"), Column::text("t\"x"), Column::mixed("m"));
        for number in from..from + rows {
            if number % 7 == 3 {
                id.push_null()
            } else {
                id.push_i64(number)
            }
            text.push_bytes("\u{1}\u{fc},\"\n".repeat(number as usize % 50).as_bytes());
            mixed.push_cell([Cell::Null, Cell::Int(number), Cell::Text("x".into())][number as usize % 3].clone());
        }
        Table::new(vec![id, text, mixed])
    }

    fn in_tables(shape: &Shape, tables: &[Table], total: u64) -> (Vec<u8>, usize) {
        let (mut out, mut largest) = (Vec::new(), 0);
        let mut encoder = Encoder::new(shape, Escapes::default());
        for table in tables {
            let mut pass = encoder.pass(table);
            loop {
                let mut slice = Vec::new();
                let more = encoder.append(&mut pass, &mut slice);
                largest = largest.max(slice.len());
                out.extend_from_slice(&slice);
                if !more {
                    break;
                }
            }
        }
        encoder.finish(total, &mut out).unwrap();
        (out, largest)
    }

    fn text(shape: &Shape, table: &Table) -> String {
        String::from_utf8(whole(shape, Escapes::default(), table, 9).unwrap()).unwrap()
    }

    fn small() -> Table {
        let (mut id, mut name) = (Column::int64("id"), Column::text("name"));
        for (number, text) in [(1, "a,\"b\""), (2, ""), (1, "c")] {
            id.push_i64(number);
            name.push_bytes(text.as_bytes());
        }
        Table::new(vec![id, name])
    }

    #[test]
    fn every_shape_has_its_bytes() {
        let paged = Shape::Paged(Page { number: 2, rows: 4 });
        let list = r#"[{"id":1,"name":"a,\"b\""},{"id":2,"name":""},{"id":1,"name":"c"}]"#;
        assert_eq!(text(&Shape::List, &small()), list);
        assert_eq!(text(&Shape::Arrays, &small()), r#"[[1,"a,\"b\""],[2,""],[1,"c"]]"#);
        assert_eq!(text(&Shape::Envelope, &small()), format!(r#"{{"data":{list},"meta":{{"count":3}}}}"#));
        let meta = r#"{"count":3,"total":9,"page":2,"per_page":4,"pages":3}"#;
        assert_eq!(text(&paged, &small()), format!(r#"{{"data":{list},"meta":{meta}}}"#));
        assert_eq!(text(&Shape::Single, &small()), r#"{"id":1,"name":"a,\"b\""}"#);
        assert_eq!(
            text(&Shape::Ndjson, &small()),
            "{\"id\":1,\"name\":\"a,\\\"b\\\"\"}\n{\"id\":2,\"name\":\"\"}\n{\"id\":1,\"name\":\"c\"}\n"
        );
        assert_eq!(text(&Shape::Csv, &small()), "id,name\r\n1,\"a,\"\"b\"\"\"\r\n2,\"\"\r\n1,c\r\n");
        assert_eq!(
            text(&Shape::Keyed("id".into()), &small()),
            r#"{"1":{"id":1,"name":"c"},"2":{"id":2,"name":""}}"#,
            "the last row of a key at the first one's place"
        );
    }

    #[test]
    fn no_rows_are_a_body_too_except_of_a_single_one() {
        let empty = Table::new(vec![Column::int64("id")]);
        let paged = Shape::Paged(Page { number: 1, rows: 4 });
        assert_eq!(text(&Shape::List, &empty), "[]");
        assert_eq!(text(&Shape::Envelope, &empty), r#"{"data":[],"meta":{"count":0}}"#);
        assert!(text(&paged, &empty).starts_with(r#"{"data":[],"meta":{"count":0,"total":9"#));
        assert_eq!(text(&Shape::Arrays, &empty), "[]");
        assert_eq!(text(&Shape::Ndjson, &empty), "");
        assert_eq!(text(&Shape::Csv, &empty), "id\r\n");
        assert_eq!(text(&Shape::Csv, &Table::default()), "");
        assert_eq!(text(&Shape::Keyed("id".into()), &empty), "{}");
        assert_eq!(whole(&Shape::Single, Escapes::default(), &empty, 0), Err(Misshapen::NoRow));
    }

    #[test]
    fn slices_and_tables_give_the_bytes_of_the_whole() {
        let tables: Vec<Table> = (0..5).map(|nth| table(nth * 3_000, 3_000)).collect();
        let all = table(0, 15_000);
        let list = crate::json::encode::to_vec(&all);
        assert!(list.len() > 10 * SLICE_BYTES);
        for shape in [Shape::List, Shape::Arrays, Shape::Envelope, Shape::Ndjson, Shape::Csv] {
            let (body, largest) = in_tables(&shape, &tables, 0);
            assert!(largest < 2 * SLICE_BYTES, "{shape:?}: {largest}");
            assert_eq!(body, whole(&shape, Escapes::default(), &all, 0).unwrap(), "{shape:?}");
        }
        assert_eq!(in_tables(&Shape::List, &tables, 0).0, list);
        let lines = in_tables(&Shape::Ndjson, &tables, 0).0;
        let lines = String::from_utf8(lines).unwrap().trim_end().replace('\n', ",");
        assert_eq!(format!("[{lines}]").as_bytes(), list);
    }

    #[test]
    fn a_row_larger_than_a_slice_is_written_whole() {
        let mut column = Column::text("t");
        for len in [10, 3 * SLICE_BYTES, 10] {
            column.push_bytes("\u{1}".repeat(len).as_bytes());
        }
        let all = Table::new(vec![column]);
        assert_eq!(whole(&Shape::List, Escapes::default(), &all, 0).unwrap(), crate::json::encode::to_vec(&all));
        assert_eq!(text(&Shape::Ndjson, &all).lines().count(), 3);
    }

    #[test]
    fn line_breaks_between_the_tokens_of_a_databases_json_break_no_line() {
        let mut column = Column::json("j");
        column.push_bytes(b"{\"a\":\r\n [1,\n 2]}");
        assert_eq!(text(&Shape::Ndjson, &Table::new(vec![column])), "{\"j\":{\"a\":   [1,  2]}}\n");
    }

    #[test]
    fn arrays_have_all_columns_whatever_their_names() {
        let columns = ["n", "n", "m"].map(|name| {
            let mut column = Column::int64(name);
            column.push_i64(i64::from(name == "m"));
            column
        });
        let table = Table::new(columns.into());
        assert_eq!(text(&Shape::Arrays, &table), "[[0,0,1]]");
        assert_eq!(text(&Shape::List, &table), r#"[{"n":0,"m":1}]"#);
    }

    #[test]
    fn escapes_are_in_every_shape_of_json_and_in_every_slice() {
        use crate::json::escapes::HEX_QUOT;
        let escapes = Escapes::of_flags(HEX_QUOT).unwrap();
        let all = table(0, 3_000);
        for shape in
            [Shape::List, Shape::Arrays, Shape::Envelope, Shape::Single, Shape::Ndjson, Shape::Keyed("m".into())]
        {
            let Ok(plain) = whole(&shape, Escapes::default(), &all, 0) else { continue };
            let escaped = String::from_utf8(whole(&shape, escapes, &all, 0).unwrap()).unwrap();
            let wanted = String::from_utf8(plain).unwrap().replace("\\\"", "\\u0022").replace('\u{fc}', "\\u00fc");
            assert!(escaped == wanted, "{shape:?}");
        }
        assert_eq!(whole(&Shape::Csv, escapes, &all, 0), whole(&Shape::Csv, Escapes::default(), &all, 0));
    }

    #[test]
    fn csv_tells_null_from_empty_and_quotes_what_has_to_be() {
        let mut columns = vec![Column::text("a,b"), Column::float64("f"), Column::bool("b"), Column::bytes("raw")];
        for (text, float, flag) in [("x\r\ny", f64::NAN, true), ("", 1.5, false), ("=1+1", -0.0, true)] {
            columns[0].push_bytes(text.as_bytes());
            columns[1].push_f64(float);
            columns[2].push_bool(flag);
            columns[3].push_bytes(b"\xff\x00");
        }
        columns.iter_mut().for_each(Column::push_null);
        assert_eq!(
            text(&Shape::Csv, &Table::new(columns)),
            "\"a,b\",f,b,raw\r\n\"x\r\ny\",,true,/wA=\r\n\"\",1.5,false,/wA=\r\n=1+1,-0.0,true,/wA=\r\n,,,\r\n"
        );
        let mut broken = Column::text("t");
        broken.push_bytes(b"a\xffb");
        assert_eq!(text(&Shape::Csv, &Table::new(vec![broken])), "t\r\na\u{fffd}b\r\n");
    }

    #[test]
    fn keys_are_the_values_as_text_and_null_is_none() {
        let missing = whole(&Shape::Keyed("x".into()), Escapes::default(), &small(), 0);
        assert_eq!(missing, Err(Misshapen::Key(KeyError::Missing("x".into()))));
        assert_eq!(
            whole(&Shape::Keyed("id".into()), Escapes::default(), &table(0, 10), 0),
            Err(Misshapen::Key(KeyError::Null("id".into())))
        );
        let mut keys = Column::mixed("k");
        for cell in [Cell::Bool(true), Cell::Float(1.0), Cell::Text("\"".into()), Cell::Bytes(vec![255]), Cell::Int(1)]
        {
            keys.push_cell(cell);
        }
        assert_eq!(
            text(&Shape::Keyed("k".into()), &Table::new(vec![keys])),
            r#"{"true":{"k":true},"1.0":{"k":1.0},"\"":{"k":"\""},"/w==":{"k":"/w=="},"1":{"k":1}}"#
        );
    }

    #[test]
    fn many_keys_in_several_tables_keep_their_order() {
        let table = |from: i64| {
            let mut id = Column::int64("id");
            (from..from + 5_000).for_each(|number| id.push_i64(number % 8_000));
            Table::new(vec![id])
        };
        let tables = [table(0), table(5_000)];
        let mut index = Index::new("id");
        for (nth, table) in tables.iter().enumerate() {
            let mut row = 0;
            while row < table.rows() {
                row = index.add(nth, table, row).unwrap();
            }
        }
        assert!(index.byte_len() > 8_000 * 4);
        let (mut objects, mut out, mut slices) = (index.objects(&tables, Escapes::default()).unwrap(), Vec::new(), 1);
        while objects.append(&mut out) {
            slices += 1;
        }
        let wanted: Vec<String> = (0..8_000).map(|number| format!("\"{number}\":{{\"id\":{number}}}")).collect();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{{{}}}", wanted.join(",")));
        assert!(slices > 2, "{slices}");
    }
}
