//! CSV, read again by a plain reader of RFC 4180: the names, each value's text, and NULL apart from an empty text.

use lyger::json::body::whole;
use lyger::json::escapes::Escapes;
use lyger::json::shape::Shape;
use lyger::json::table::{Column, Table};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError, TestRunner};

use crate::broken::until_seen;
use crate::tables::{TestColumn, TestTable, TestValues, numbers, table};
use crate::{CASES, oracle, runner};

/// A field: `None` where there is nothing, not even quotes.
type Field = Option<Vec<u8>>;

/// A writer under test.
type Write = fn(&TestTable) -> Vec<u8>;

/// The records, or what is no CSV.
fn read(text: &[u8]) -> Result<Vec<Vec<Field>>, String> {
    let (mut records, mut record) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < text.len() {
        let mut field = Vec::new();
        let is_quoted = text[at] == b'"';
        if is_quoted {
            at += 1;
            loop {
                match &text[at..] {
                    [b'"', b'"', ..] => at += 1,
                    [b'"', ..] => break,
                    [_, ..] => {}
                    [] => return Err("quotes without an end".to_owned()),
                }
                field.push(text[at]);
                at += 1;
            }
            at += 1;
        } else {
            let len = text[at..].iter().position(|byte| b",\r\n\"".contains(byte)).unwrap_or(text.len() - at);
            field.extend_from_slice(&text[at..at + len]);
            at += len;
        }
        record.push((is_quoted || !field.is_empty()).then_some(field));
        match &text[at..] {
            [b',', ..] => at += 1,
            [b'\r', b'\n', ..] => {
                at += 2;
                records.push(std::mem::take(&mut record));
            }
            rest => return Err(format!("a field is followed by {}", rest[..rest.len().min(9)].escape_ascii())),
        }
    }
    if record.is_empty() { Ok(records) } else { Err("a line without an end".to_owned()) }
}

fn write(table: &TestTable) -> Vec<u8> {
    let columns = table.columns.iter().enumerate().map(|(place, column)| built(place, column, table.rows)).collect();
    whole(&Shape::Csv, Escapes::default(), &Table::new(columns), table.rows as u64).unwrap()
}

/// No two columns have one name, for then they would be one column.
fn name(place: usize, column: &TestColumn) -> String {
    format!("{}{place}", column.name)
}

fn built(place: usize, column: &TestColumn, rows: usize) -> Column {
    let name = name(place, column);
    let mut built = match &column.values {
        TestValues::Int64(_) => Column::int64(name),
        TestValues::UInt64(_) => Column::uint64(name),
        TestValues::Float64(_) => Column::float64(name),
        TestValues::Float32(_) => Column::float32(name),
        TestValues::Bool(_) => Column::bool(name),
        TestValues::Text(_) => Column::text(name),
        TestValues::Ascii(_) => Column::ascii(name),
        TestValues::Json(_) => Column::json(name),
        TestValues::Bytes(_) => Column::bytes(name),
    };
    for row in 0..rows {
        match &column.values {
            _ if column.valid.as_ref().is_some_and(|valid| !valid[row]) => built.push_null(),
            TestValues::Int64(values) => built.push_i64(values[row]),
            TestValues::UInt64(values) => built.push_u64(values[row]),
            TestValues::Float64(values) => built.push_f64(values[row]),
            TestValues::Float32(values) => built.push_f32(values[row]),
            TestValues::Bool(values) => built.push_bool(values[row] != 0),
            TestValues::Text(cells) | TestValues::Ascii(cells) | TestValues::Json(cells) | TestValues::Bytes(cells) => {
                built.push_bytes(&cells[row]);
            }
        }
    }
    built
}

fn expected(column: &TestColumn, row: usize) -> Field {
    if column.valid.as_ref().is_some_and(|valid| !valid[row]) {
        return None;
    }
    let text = oracle::value(&column.values, row);
    match &column.values {
        TestValues::Float64(_) | TestValues::Float32(_) if text == "null" => None,
        TestValues::Text(cells) => Some(String::from_utf8_lossy(&cells[row]).into_owned().into_bytes()),
        TestValues::Ascii(cells) | TestValues::Json(cells) => Some(cells[row].clone()),
        TestValues::Bytes(_) => Some(text.trim_matches('"').as_bytes().to_vec()),
        _ => Some(text.into_bytes()),
    }
}

fn compare(
    write: Write,
    mut runner: TestRunner,
    tables: impl Strategy<Value = TestTable>,
) -> Result<(), TestError<TestTable>> {
    runner.run(&tables, |table| {
        let text = write(&table);
        let found = read(&text).map_err(|error| TestCaseError::fail(format!("{error}: {}", text.escape_ascii())))?;
        let names = table.columns.iter().enumerate().map(|(place, column)| Some(name(place, column).into_bytes()));
        let mut records: Vec<Vec<Field>> = vec![names.collect()];
        records.extend((0..table.rows).map(|row| table.columns.iter().map(|column| expected(column, row)).collect()));
        prop_assert_eq!(found, records, "{}", text.escape_ascii());
        Ok(())
    })
}

#[test]
fn csv_is_read_again_as_it_was() {
    compare(write, runner(CASES / 2), table()).unwrap();
    compare(write, runner(CASES / 2), numbers()).unwrap();
}

#[test]
fn writers_that_are_wrong_as_such_writers_get_wrong_are_seen() {
    let wrong: [(&str, Write); 4] = [
        ("quotes that aren't doubled", |table| replaced(table, "\"\"", "\"")),
        ("an empty text as NULL", |table| replaced(table, ",\"\"\r\n", ",\r\n")),
        ("a line break that is changed", |table| replaced(table, "\r", "")),
        ("a comma without quotes", |table| replaced(table, "\"[1,2.50", "[1,2.50")),
    ];
    for (what, write) in wrong {
        assert!(matches!(compare(write, until_seen(), table()), Err(TestError::Fail(..))), "{what} went unseen");
    }
}

fn replaced(table: &TestTable, what: &str, by: &str) -> Vec<u8> {
    String::from_utf8(write(table)).unwrap().replace(what, by).into_bytes()
}
