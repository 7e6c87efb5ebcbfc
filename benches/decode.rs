//! What a client does with 1,000 rows of PostgreSQL once they are there: the bytes of the wire to columns and to JSON, beside
//! maps of values and `serde_json`, as the seed does it. `make bench-sql` runs it and takes the lines of
//! `target/bench/decode.json` among its own.

#[path = "support/shop.rs"]
mod shop;
mod support;

use std::hint::black_box;
use std::time::Duration;

use lyger::db::postgres_rows;
use lyger::json::{encode, serialize};
use serde_json::{Map, Value};
use shop::ROWS;
use support::{Case, Metric, alternate, compare, repeated, report};

/// Wall time of one run of a pair.
const SAMPLE: Duration = Duration::from_millis(60);

/// What decoding and encoding may take, in microseconds of CPU.
const MARK_US: f64 = 60.0;

/// The shop's columns with the oids of their types: int8, text, float8, text, bool, timestamptz.
const COLUMNS: [(&str, u32); 6] =
    [("id", 20), ("name", 25), ("price", 701), ("description", 25), ("active", 16), ("created_at", 1184)];

/// Microseconds from PostgreSQL's epoch, 2000-01-01, to 2024-01-01.
const EPOCH_MICROS: i64 = 757_382_400_000_000;

fn main() -> std::io::Result<()> {
    let wire = wire();
    let decode = || postgres_rows(&COLUMNS, black_box(&wire)).expect("rows");
    // Both must have said the same before it counts who said it faster.
    let parsed: Value = serde_json::from_slice(&encode::to_vec(&decode())).expect("JSON");
    assert_eq!(parsed, Value::Array(maps(&wire)), "other rows");

    let name = format!("decode and encode alone, {ROWS} rows");
    let case = Case { name: &name, unit: "us", placement: "one thread, no server", metric: Metric::Cpu, bytes: None };
    let mut to_json = || drop(black_box(encode::to_vec(&decode())));
    let mut as_the_seed = || drop(black_box(serde_json::to_vec(&maps(black_box(&wire)))));
    let mut run = repeated(SAMPLE, &mut to_json);
    let mut comparisons =
        vec![alternate(case, ("columns", &mut run), ("serde_json, maps", &mut repeated(SAMPLE, &mut as_the_seed)))];
    let pairs: Vec<(f64, f64)> = (0..support::PAIRS).map(|_| (run(), MARK_US)).collect();
    drop(run);
    comparisons.push(compare(case, "columns", "mark", &pairs));

    let name = format!("decode alone, {ROWS} rows");
    let case = Case { name: &name, ..case };
    let mut to_columns = || drop(black_box(decode()));
    let mut to_maps = || drop(black_box(maps(black_box(&wire))));
    comparisons.push(alternate(
        case,
        ("columns", &mut repeated(SAMPLE, &mut to_columns)),
        ("serde_json, maps", &mut repeated(SAMPLE, &mut to_maps)),
    ));

    let name = format!("encode alone, {ROWS} rows");
    let case = Case { name: &name, ..case };
    let table = decode();
    let mut json = || drop(black_box(encode::to_vec(black_box(&table))));
    let mut serialized = || drop(black_box(serialize::to_vec(black_box(&table))));
    comparisons.push(alternate(
        case,
        ("JSON", &mut repeated(SAMPLE, &mut json)),
        ("PHP's serialize()", &mut repeated(SAMPLE, &mut serialized)),
    ));
    report("decode", &comparisons)
}

/// The products as PostgreSQL sends them, in binary.
fn wire() -> Vec<u8> {
    let table = shop::table(&shop::products());
    let mut wire = Vec::new();
    for (row, product) in shop::maps(&table).iter().enumerate() {
        let cells: [Vec<u8>; 6] = [
            product["id"].as_i64().expect("an integer").to_be_bytes().to_vec(),
            product["name"].as_str().expect("text").into(),
            product["price"].as_f64().expect("a float").to_be_bytes().to_vec(),
            product["description"].as_str().expect("text").into(),
            vec![product["active"].as_bool().expect("a boolean").into()],
            (EPOCH_MICROS + row as i64 * 60_000_000).to_be_bytes().to_vec(),
        ];
        let bytes: usize = cells.iter().map(|cell| 4 + cell.len()).sum();
        wire.push(b'D');
        wire.extend_from_slice(&(6 + bytes as u32).to_be_bytes());
        wire.extend_from_slice(&(cells.len() as u16).to_be_bytes());
        for cell in cells {
            wire.extend_from_slice(&(cell.len() as u32).to_be_bytes());
            wire.extend_from_slice(&cell);
        }
    }
    wire
}

/// The rows as the seed has them: a map with its own names for each.
fn maps(mut wire: &[u8]) -> Vec<Value> {
    fn take<'a>(bytes: &mut &'a [u8], len: usize) -> &'a [u8] {
        let (head, rest) = bytes.split_at(len);
        *bytes = rest;
        head
    }
    let mut rows = Vec::new();
    while !wire.is_empty() {
        take(&mut wire, 7); // the kind, the length, the number of cells
        let mut row = Map::new();
        for (name, oid) in COLUMNS {
            let len = u32::from_be_bytes(take(&mut wire, 4).try_into().expect("4 bytes")) as usize;
            let cell = take(&mut wire, len);
            let eight = || cell.try_into().expect("8 bytes");
            let value = match oid {
                20 => Value::from(i64::from_be_bytes(eight())),
                701 => Value::from(f64::from_be_bytes(eight())),
                16 => Value::from(cell[0] != 0),
                1184 => Value::from(date(i64::from_be_bytes(eight()))),
                _ => Value::from(String::from_utf8_lossy(cell)),
            };
            row.insert(name.to_owned(), value);
        }
        rows.push(Value::Object(row));
    }
    rows
}

/// A moment of January 2024, which is all that there is here.
fn date(micros: i64) -> String {
    let minutes = (micros - EPOCH_MICROS) / 60_000_000;
    format!("2024-01-{:02}T{:02}:{:02}:00Z", 1 + minutes / 1440, minutes / 60 % 24, minutes % 60)
}
