//! `json_encode_table`: tables of every kind of column, in pieces of any size. Strings end at a forbidden page behind their
//! padding, and what is written ends at one, too.

use lyger::kernels::{Cells, ColumnView, Form, PADDING, Progress, Values, Variant};

use crate::agree::{Bench, agree};
use crate::memory::{BYTES, Memory};
use crate::random::Random;

const ROWS_MAX: usize = 40;
const CELL_BYTES_MAX: usize = 300;

/// What is hard for who escapes and who checks UTF-8.
const WORDS: [&[u8]; 32] = [
    b"\"",
    b"\\",
    b"\n",
    b"\x00",
    b"\x1f",
    b"\x7f",
    b"/",
    b"<&'>",
    b"\\u0041",
    b" ",
    "é".as_bytes(),
    "ß".as_bytes(),
    "漢".as_bytes(),
    "\u{800}".as_bytes(),
    "\u{7ff}".as_bytes(),
    "\u{ffff}".as_bytes(),
    "\u{d7ff}".as_bytes(),
    "\u{e000}".as_bytes(),
    "\u{2028}".as_bytes(),
    "🦀".as_bytes(),
    "\u{10000}".as_bytes(),
    "\u{10ffff}".as_bytes(),
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf", // lone surrogates
    b"\xf4\x90\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xc0\xaf",
    b"\xe0\x9f\xbf",
    b"\xff",
    b"\x80",
    b"\xe2\x82",
    b"\xf0\x9f\xa6",
];

const TEXT: &[u8] =
    b"The quick brown fox jumps over the lazy dog, and then 0123456789 of them jump back over it once more.";

enum Column {
    Int64(Vec<i64>),
    UInt64(Vec<u64>),
    Float64(Vec<f64>),
    Float32(Vec<f32>),
    Bool(Vec<u8>),
    Cells(Kind, Vec<u32>, Vec<u8>),
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Ascii,
    Json,
    Bytes,
}

pub(crate) fn check(random: &mut Random, bench: &mut Bench) -> Result<(), String> {
    let rows = random.below_or(6, 16, ROWS_MAX);
    let columns: Vec<(Vec<u8>, Column, Option<Vec<u8>>)> = (0..random.below(4))
        .map(|_| {
            let key = format!("\"{}\":", "k".repeat(random.below_or(8, 8, 70)));
            let bits = random.once_in(2).then(|| (0..rows.div_ceil(8)).map(|_| random.next() as u8).collect());
            (key.into_bytes(), column(random, rows), bits)
        })
        .collect();
    let form = random.pick(&[Form::Objects, Form::Objects, Form::Arrays, Form::Lines]);
    let capacity = random.below_or(1200, 4, 8000);
    let [out, strings @ ..] = &mut bench.memory;
    let mut views = Vec::new();
    for ((key, column, bits), strings) in columns.iter().zip(strings) {
        views.push(ColumnView { key, values: lend(column, strings), validity: bits.as_deref() });
    }
    let text = agree(&bench.variants, |variant| in_pieces(variant, form, &views, rows, capacity, out))?;
    // Behind the text stand the steps in which it came.
    let end = text.iter().rposition(|&byte| byte == STEPS).expect("written by in_pieces");
    let Ok(text) = str::from_utf8(&text[..end]) else { return Err("all variants write what isn't UTF-8".to_owned()) };
    let documents = if form == Form::Lines { text.lines().collect() } else { vec![text] };
    if form == Form::Lines && documents.len() != rows {
        return Err(format!("all variants write {} lines of {rows} rows", documents.len()));
    }
    for document in documents {
        serde_json::from_str::<serde::de::IgnoredAny>(document)
            .map_err(|error| format!("all variants write what isn't JSON: {error}"))?;
    }
    Ok(())
}

/// Parts the text from the steps in which it was written. It is in neither.
const STEPS: u8 = 0x1e;

/// Encodes with the given capacity again and again; when no row fits, once with the needed one.
fn in_pieces(
    variant: Variant,
    form: Form,
    views: &[ColumnView],
    rows: usize,
    capacity: usize,
    out: &mut Memory,
) -> Vec<u8> {
    let (mut text, mut steps, mut row, mut room) = (Vec::new(), Vec::new(), 0, capacity);
    loop {
        let out = out.last(room);
        let progress = variant.json_encode_table(form, views, rows, row, out).expect("as many values as rows");
        let Progress { rows, bytes, needed } = progress;
        assert!(bytes <= room && (rows > 0 || needed == 0 || room == capacity), "{progress:?} in {room}");
        text.extend_from_slice(&out[..bytes]);
        steps.extend_from_slice(format!("{rows},{bytes},{needed};").as_bytes());
        row += rows;
        if needed == 0 {
            text.push(STEPS);
            text.append(&mut steps);
            return text;
        }
        room = if rows == 0 { needed } else { capacity };
    }
}

fn column(random: &mut Random, rows: usize) -> Column {
    match random.below(16) {
        0 => Column::Int64((0..rows).map(|_| random.next().cast_signed() >> random.below(64)).collect()),
        1 => Column::UInt64((0..rows).map(|_| random.next() >> random.below(64)).collect()),
        2..4 => Column::Float64((0..rows).map(|_| double(random)).collect()),
        4 => Column::Float32((0..rows).map(|_| random.float()).collect()),
        5 => Column::Bool((0..rows).map(|_| random.below(3) as u8).collect()),
        6 => cells(random, rows, Kind::Ascii),
        7 => cells(random, rows, Kind::Json),
        8 => cells(random, rows, Kind::Bytes),
        _ => cells(random, rows, Kind::Text),
    }
}

fn double(random: &mut Random) -> f64 {
    match random.below(5) {
        0 => (random.next().cast_signed() >> random.below(64)) as f64 / 100.0,
        1 => (random.next() >> random.below(64)) as f64,
        2 => f64::from(random.float()),
        3 => {
            f64::from_bits((random.next() & 0xfff0_0000_0000_0000).wrapping_add(random.below(3) as u64).wrapping_sub(1))
        }
        _ => f64::from_bits(random.next()),
    }
}

fn cells(random: &mut Random, rows: usize, kind: Kind) -> Column {
    let (mut offsets, mut bytes) = (vec![0], Vec::new());
    for _ in 0..rows {
        match kind {
            Kind::Json => bytes.extend_from_slice(
                random
                    .pick(&[
                        "{}",
                        "[1,2.50,{\"a\": null}]",
                        "\"text that is longer than one register of sixty-four bytes, surely, and quoted\"",
                    ])
                    .as_bytes(),
            ),
            // Printable, and no quotes: that is promised of it.
            Kind::Ascii => bytes.extend_from_slice(&TEXT[..random.below(TEXT.len())]),
            Kind::Text | Kind::Bytes => {
                let mut cell = TEXT[..random.below(TEXT.len())].to_vec();
                random.mutate(&mut cell, &WORDS, CELL_BYTES_MAX);
                bytes.append(&mut cell);
            }
        }
        offsets.push(bytes.len() as u32);
    }
    // Nobody may be moved by what stands behind: nothing, an escape, the start and the rest of a character.
    let padding = random.pick(&[0, b'"', 0xe2, 0x82]);
    bytes.resize(bytes.len() + PADDING, padding);
    assert!(bytes.len() < BYTES, "no room for the cells");
    Column::Cells(kind, offsets, bytes)
}

fn lend<'a>(column: &'a Column, strings: &'a mut Memory) -> Values<'a> {
    match column {
        Column::Int64(values) => Values::Int64(values),
        Column::UInt64(values) => Values::UInt64(values),
        Column::Float64(values) => Values::Float64(values),
        Column::Float32(values) => Values::Float32(values),
        Column::Bool(values) => Values::Bool(values),
        Column::Cells(kind, offsets, bytes) => {
            let cells = Cells::new(offsets, strings.hold(bytes)).expect("padded, with ascending offsets");
            match kind {
                Kind::Text => Values::Text(cells),
                Kind::Ascii => Values::Ascii(cells),
                Kind::Json => Values::Json(cells),
                Kind::Bytes => Values::Bytes(cells),
            }
        }
    }
}
