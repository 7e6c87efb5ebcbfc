//! Text alone: escaping beside who does nothing else, and what libraries for UTF-8 and base64 alone would take.

use std::hint::black_box;

use lyger::kernels::{self, Cells, ColumnView, Form, PADDING, Values};

use crate::beside_peer;
use crate::support::{Case, Comparison, Metric};

/// Of the long texts; in the second cache.
const BYTES: usize = 65_536;

/// A cell after another, as the kernel reads them.
struct Column {
    offsets: Vec<u32>,
    bytes: Vec<u8>,
}

impl Column {
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
        let column = Column::new(&[text.clone().into_bytes()]);
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
    }
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
        let column = Column::new(&[text.clone().into_bytes()]);
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
        let column = Column::new(&cells);
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
    }
    comparisons
}
