//! CSV by RFC 4180: a line of names, CRLF behind each line, quotes where a comma, a quote or a line break demands them.
//!
//! NULL is nothing at all and an empty text is `""`, so that a reader can tell them apart. Other values are written as in
//! JSON, without its quotes: booleans as `true` and `false`, bytes as base64, NaN and the infinities, which JSON doesn't
//! know, as NULL. No value is changed for the sake of a spreadsheet that takes `=1+1` for a formula: data that comes from
//! strangers is for programs, or is to be imported as text.

use super::encode::members;
use super::table::{Cell, Column, Data, Table};
use crate::kernels::json::append_base64;

/// A table's columns, for lines of CSV; columns of one name are one, as in JSON.
pub(super) struct Lines<'a> {
    columns: Vec<&'a Column>,
    rows: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        Self { columns: members(table.columns()), rows: table.rows() }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The line of names; none where there is no column.
    pub(super) fn append_header(&self, out: &mut Vec<u8>) {
        for (position, column) in self.columns.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            append_field(column.name().as_bytes(), out);
        }
        if !self.columns.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends lines from `row` on until there are so many bytes, at least one line. Returns the next row.
    pub(super) fn append(&self, mut row: usize, bytes: usize, out: &mut Vec<u8>) -> usize {
        let end = out.len() + bytes;
        let mut text = Vec::new();
        while row < self.rows && out.len() < end {
            for (position, column) in self.columns.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                if let Some(text) = as_it_is(column, row) {
                    append_field(text, out);
                    continue;
                }
                text.clear();
                if append_text(column, row, &mut text) {
                    append_field(&text, out);
                }
            }
            out.extend_from_slice(b"\r\n");
            row += 1;
        }
        row
    }
}

fn append_field(text: &[u8], out: &mut Vec<u8>) {
    if is_plain(text) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    let mut rest = text;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        let (piece, behind) = rest.split_at(quote + 1);
        out.extend_from_slice(piece);
        out.push(b'"');
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Whether it needs no quotes. Each block is looked at as a whole, which the compiler does by vectors.
fn is_plain(text: &[u8]) -> bool {
    let has_special =
        |bytes: &[u8]| bytes.iter().fold(false, |found, byte| found | matches!(byte, b'"' | b',' | b'\r' | b'\n'));
    let (blocks, rest) = text.as_chunks::<16>();
    !text.is_empty() && !blocks.iter().any(|block| has_special(block)) && !has_special(rest)
}

/// The cell's own bytes, where they are what is written.
fn as_it_is(column: &Column, row: usize) -> Option<&[u8]> {
    match column.data() {
        _ if column.nulls().is_null(row) => None,
        Data::Text(cells) => std::str::from_utf8(cells.get(row)).ok().map(str::as_bytes),
        Data::Ascii(cells) => Some(cells.get(row)),
        _ => None,
    }
}

/// Appends a cell as text without quotes; false, and nothing, for what is null in JSON.
pub(super) fn append_text(column: &Column, row: usize, out: &mut Vec<u8>) -> bool {
    if column.nulls().is_null(row) {
        return false;
    }
    match column.data() {
        Data::Int64(values) => append_int(values[row], out),
        Data::UInt64(values) => append_int(values[row], out),
        Data::Float64(values) => return append_float(values[row], f64::is_finite, out),
        Data::Float32(values) => return append_float(values[row], f32::is_finite, out),
        Data::Bool(values) => out.extend_from_slice(if values[row] != 0 { b"true" } else { b"false" }),
        Data::Text(cells) => append_lossy(cells.get(row), out),
        Data::Ascii(cells) | Data::Json(cells) => out.extend_from_slice(cells.get(row)),
        // Its words end in a letter, and JSON has none of them.
        Data::Number(cells) if !cells.get(row).last().is_some_and(u8::is_ascii_digit) => return false,
        Data::Number(cells) => out.extend_from_slice(cells.get(row)),
        Data::Bytes(cells) => append_bytes(cells.get(row), out),
        Data::Mixed(cells) => match &cells[row] {
            Cell::Null => return false,
            Cell::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Cell::Int(value) => append_int(*value, out),
            Cell::Float(value) => return append_float(*value, f64::is_finite, out),
            Cell::Text(text) => append_lossy(text, out),
            Cell::Bytes(bytes) => append_bytes(bytes, out),
        },
    }
    true
}

fn append_int(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn append_float<F: zmij::Float>(value: F, is_finite: impl Fn(F) -> bool, out: &mut Vec<u8>) -> bool {
    if is_finite(value) {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        return true;
    }
    false
}

/// Each maximal part that isn't UTF-8 becomes U+FFFD, as in JSON.
fn append_lossy(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn append_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let mut quoted = Vec::new();
    append_base64(&mut quoted, bytes);
    out.extend_from_slice(&quoted[1..quoted.len() - 1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_quotes_is_seen_at_every_place() {
        for len in 1..50 {
            let plain = vec![b'a'; len];
            let mut out = Vec::new();
            append_field(&plain, &mut out);
            assert_eq!(out, plain);
            for at in 0..len {
                for special in [b'"', b',', b'\r', b'\n'] {
                    let mut text = plain.clone();
                    text[at] = special;
                    let (before, behind) = text.split_at(at);
                    let doubled: &[u8] = if special == b'"' { b"\"" } else { b"" };
                    out.clear();
                    append_field(&text, &mut out);
                    assert_eq!(out, [b"\"", before, doubled, behind, b"\""].concat());
                }
            }
        }
    }
}
