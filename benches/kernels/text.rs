//! Text alone: escaping beside who does nothing else, what libraries for UTF-8 and base64 alone would take, and CSV.

use std::hint::black_box;

use lyger::json::body;
use lyger::json::escapes::Escapes;
use lyger::json::shape::Shape;
use lyger::json::table::{Column, Table};
use lyger::kernels::{self, Cells, ColumnView, Form, PADDING, Values};

use crate::support::{Case, Comparison, Metric};
use crate::{beside_peer, fallback};

/// Of the long texts; in the second cache.
const BYTES: usize = 65_536;

/// A cell after another, as the kernel reads them.
struct Packed {
    offsets: Vec<u32>,
    bytes: Vec<u8>,
}

impl Packed {
    fn new(cells: &[Vec<u8>]) -> Self {
        let (mut offsets, mut bytes) = (vec![0], Vec::new());
        for cell in cells {
            bytes.extend_from_slice(cell);
            offsets.push(bytes.len() as u32);
        }
        bytes.resize(bytes.len() + PADDING, 0);
        Self { offsets, bytes }
    }

    fn cells(&self) -> Cells<'_> {
        Cells::new(&self.offsets, &self.bytes).expect("padded, with ascending offsets")
    }
}

/// One column's cells as `[["..."],["..."]]`, into a buffer that is there.
fn encode(values: Values, rows: usize, out: &mut Vec<u8>) {
    out.clear();
    let column = ColumnView { key: b"", values, validity: None };
    let progress = kernels::json_append_table(Form::Arrays, &[column], rows, 0, out).expect("a column");
    if progress.needed > 0 {
        out.reserve(progress.needed);
        return encode(values, rows, out);
    }
    black_box(out);
}

/// A string of 64 KB, quoted and escaped into a buffer that is there.
pub(crate) fn escape() -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (name, every, marks) in [
        ("a string of 64 KB, no escapes", usize::MAX, [None, None, Some(1.4)]),
        ("a string of 64 KB, an escape in 80 bytes", 80, [None, None, Some(1.1)]),
        ("a string of 64 KB, an escape in 8 bytes", 8, [Some(1.2), None, None]),
    ] {
        let text: String =
            (1..=BYTES).map(|at| if at % every == 0 { '"' } else { (b'a' + (at % 23) as u8) as char }).collect();
        let column = Packed::new(&[text.clone().into_bytes()]);
        let (mut out, mut other) = (Vec::new(), Vec::new());
        encode(Values::Text(column.cells()), 1, &mut out);
        assert_eq!(out[2..out.len() - 2], *serde_json::to_vec(&text).expect("a string"));
        let case = Case { name, unit: "us", placement: "one thread", metric: Metric::Cpu, bytes: Some(BYTES) };
        for ((peer, write), ratio_min) in ESCAPERS.into_iter().zip(marks) {
            let mut subject = || encode(Values::Text(column.cells()), 1, &mut out);
            let mut work = || {
                other.clear();
                write(black_box(&text), &mut other);
                black_box(&mut other);
            };
            comparisons.extend(beside_peer(case, (kernels::active(), &mut subject), (peer, &mut work, ratio_min)));
        }
        comparisons.extend(by_both(case, Values::Text(column.cells()), 1));
    }
    comparisons
}

/// The Rust kernels of each level beside the Zig ones.
fn by_both(case: Case, values: Values, rows: usize) -> Vec<Comparison> {
    let active = kernels::active();
    let comparisons = fallback(case, &mut |variant| {
        let mut out = Vec::new();
        Box::new(move || {
            kernels::choose(variant.name()).expect("available");
            encode(values, rows, &mut out);
        })
    });
    kernels::choose(active).expect("available");
    comparisons
}

type Escaper = (&'static str, fn(&str, &mut Vec<u8>));

const ESCAPERS: [Escaper; 3] = [
    ("serde_json", |text, out| serde_json::to_writer(out, text).expect("a string")),
    ("sonic-rs", |text, out| sonic_rs::to_writer(out, text).expect("a string")),
    ("simd-json", |text, out| simd_json::to_writer(out, text).expect("a string")),
];

/// The kernel checks, copies and escapes in one pass; beside it what the check alone takes elsewhere.
pub(crate) fn utf8() -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (name, pattern) in [
        ("64 KB of German, checked, copied and escaped", "Für drinnen und draußen; drei Jahre Garantie auf alles. "),
        ("64 KB of Japanese, checked, copied and escaped", "吾輩は猫である。名前はまだ無い。"),
        ("64 KB of ASCII, checked, copied and escaped", "Weighs next to nothing, holds a great deal. "),
    ] {
        let text = pattern.repeat(BYTES / pattern.len());
        let column = Packed::new(&[text.clone().into_bytes()]);
        let mut out = Vec::new();
        let case = Case { name, unit: "us", placement: "one thread", metric: Metric::Cpu, bytes: Some(text.len()) };
        let bytes = text.as_bytes();
        let mut simdutf8 = || assert!(simdutf8::basic::from_utf8(black_box(bytes)).is_ok());
        let mut std = || assert!(std::str::from_utf8(black_box(bytes)).is_ok());
        let peers: [(&str, &mut dyn FnMut()); 2] =
            [("simdutf8, the check alone", &mut simdutf8), ("Rust's library, the check alone", &mut std)];
        for (peer, work) in peers {
            let mut subject = || encode(Values::Text(column.cells()), 1, &mut out);
            comparisons.extend(beside_peer(case, (kernels::active(), &mut subject), (peer, work, None)));
        }
    }
    comparisons
}

/// Bytes to base64, quoted.
pub(crate) fn base64() -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (name, cells, len) in [
        ("64 KB to base64", 1, BYTES),
        ("1,000 cells of 32 bytes to base64", 1000, 32),
        ("1,000 cells of 16 bytes to base64", 1000, 16),
    ] {
        let cell = |nth: usize| (0..len).map(|at| ((at * 31 + nth * 7) % 256) as u8).collect();
        let cells: Vec<Vec<u8>> = (0..cells).map(cell).collect();
        let column = Packed::new(&cells);
        let (mut out, mut other) = (Vec::new(), Vec::new());
        let case =
            Case { name, unit: "us", placement: "one thread", metric: Metric::Cpu, bytes: Some(cells.len() * len) };
        let mut subject = || encode(Values::Bytes(column.cells()), cells.len(), &mut out);
        let mut peer = || {
            other.clear();
            for cell in &cells {
                other.extend_from_slice(b"[\"");
                base64_simd::STANDARD.encode_append(black_box(cell.as_slice()), &mut other);
                other.extend_from_slice(b"\"],");
            }
            black_box(&mut other);
        };
        comparisons.extend(beside_peer(case, (kernels::active(), &mut subject), ("base64-simd", &mut peer, None)));
        subject();
        peer();
        assert_eq!(out.len(), other.len() + 1, "other bytes");
        comparisons.extend(by_both(case, Values::Bytes(column.cells()), cells.len()));
    }
    comparisons
}

/// Rows of texts to CSV, which plain Rust writes, beside the crate that does nothing else.
pub(crate) fn csv() -> Vec<Comparison> {
    const ROWS: usize = 1000;
    const COLUMNS: usize = 6;
    let mut comparisons = Vec::new();
    for (name, ending) in [
        ("1,000 rows of 6 texts to CSV", "great deal."),
        ("1,000 rows of 6 texts to CSV, each with quotes", "\"great\" deal."),
    ] {
        let cell = |row: usize, column: usize| format!("{row} {column} holds a {ending}");
        let texts: Vec<Vec<String>> =
            (0..ROWS).map(|row| (0..COLUMNS).map(|column| cell(row, column)).collect()).collect();
        let columns = (0..COLUMNS).map(|at| {
            let mut column = Column::text(format!("column_{at}"));
            texts.iter().for_each(|row| column.push_bytes(row[at].as_bytes()));
            column
        });
        let table = Table::new(columns.collect());
        let names: Vec<&str> = table.columns().iter().map(Column::name).collect();
        let ours = || body::whole(&Shape::Csv, Escapes::default(), black_box(&table), 0).expect("rows of it");
        let theirs = || {
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
            writer.write_record(&names).expect("in memory");
            for row in black_box(&texts) {
                writer.write_record(row).expect("in memory");
            }
            writer.into_inner().expect("in memory")
        };
        assert_eq!(ours(), theirs(), "other bytes");
        let bytes = Some(ours().len());
        let case = Case { name, unit: "us", placement: "one thread", metric: Metric::Cpu, bytes };
        let (mut subject, mut peer) = (|| drop(black_box(ours())), || drop(black_box(theirs())));
        comparisons.extend(beside_peer(case, ("plain Rust", &mut subject), ("the crate csv", &mut peer, None)));
    }
    comparisons
}
