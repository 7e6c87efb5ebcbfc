//! What is written is read again by parsers that share no code with each other: PHP's own, simd-json, and in every case of
//! [`crate::json`] `serde_json`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use lyger::kernels::{Form, Variant};
use proptest::strategy::{Strategy, ValueTree};

use crate::json::{Encode, in_one_call};
use crate::tables::{TestColumn, TestTable, TestValues, numbers, table};
use crate::{CASES, oracle, runner};

/// By the best variant.
fn encode(table: &TestTable) -> Vec<u8> {
    encode_by(Variant::by_name("auto").unwrap(), table)
}

fn encode_by(variant: Variant, table: &TestTable) -> Vec<u8> {
    let encode: Encode = Box::new(move |form, columns, rows, first_row, out| {
        variant.json_encode_table(form, columns, rows, first_row, out)
    });
    in_one_call(&encode, table.form, &table.lend(0).views(), table.rows).unwrap()
}

#[test]
fn simd_json_reads_every_table_as_it_was() {
    for tables in [table().boxed(), numbers().boxed()] {
        runner(CASES / 2)
            .run(&tables, |table| {
                let mut text = oracle::as_list(&table, &encode(&table));
                let parsed: serde_json::Value = simd_json::serde::from_slice(&mut text)
                    .map_err(|error| proptest::test_runner::TestCaseError::fail(error.to_string()))?;
                oracle::is_table(&table, &parsed).map_err(proptest::test_runner::TestCaseError::fail)
            })
            .unwrap();
    }
}

/// Reads texts behind their lengths, and writes of each a line with all cells: kind and bits, or bytes in hexadecimal.
const PHP: &str = r#"
$input = stream_get_contents(STDIN);
for ($at = 0; $at < strlen($input); $at += 4 + $bytes) {
    $bytes = unpack('V', $input, $at)[1];
    $rows = json_decode(substr($input, $at + 4, $bytes), true, 512, JSON_BIGINT_AS_STRING);
    echo json_last_error() === JSON_ERROR_NONE ? count($rows) . ':' : 'no JSON: ' . json_last_error_msg();
    foreach ($rows ?? [] as $row) {
        foreach ($row as $cell) {
            echo match (true) {
                $cell === null => 'n',
                is_bool($cell) => 'b' . (int) $cell,
                is_int($cell) => "i$cell",
                is_float($cell) => 'd' . bin2hex(pack('E', $cell)),
                is_string($cell) => 's' . bin2hex($cell),
                default => 'j',
            }, ' ';
        }
    }
    echo "\n";
}
"#;

/// The line that PHP has to write of a table's arrays.
fn expected(table: &TestTable) -> String {
    let mut line = String::new();
    for row in 0..table.rows {
        for column in &table.columns {
            let is_valid = column.valid.as_ref().is_none_or(|valid| valid[row]);
            cell(&mut line, column, row, is_valid);
        }
    }
    line
}

fn cell(line: &mut String, column: &TestColumn, row: usize, is_valid: bool) {
    let text = oracle::value(&column.values, row);
    let hexadecimal = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let written = match &column.values {
        _ if !is_valid || text == "null" => write!(line, "n "),
        TestValues::Int64(values) => write!(line, "i{} ", values[row]),
        TestValues::UInt64(values) if values[row] <= i64::MAX as u64 => write!(line, "i{} ", values[row]),
        // PHP has no such integers, and is asked for digits.
        TestValues::UInt64(_) => write!(line, "s{} ", hexadecimal(text.as_bytes())),
        TestValues::Float64(values) => write!(line, "d{:016x} ", values[row].to_bits()),
        TestValues::Float32(_) => write!(line, "d{:016x} ", text.parse::<f64>().unwrap().to_bits()),
        TestValues::Bool(values) => write!(line, "b{} ", u8::from(values[row] != 0)),
        TestValues::Text(cells) => write!(line, "s{} ", hexadecimal(String::from_utf8_lossy(&cells[row]).as_bytes())),
        TestValues::Ascii(cells) => write!(line, "s{} ", hexadecimal(&cells[row])),
        TestValues::Bytes(_) => write!(line, "s{} ", hexadecimal(text.trim_matches('"').as_bytes())),
        TestValues::Json(cells) if cells[row].starts_with(b"\"") => {
            write!(line, "s{} ", hexadecimal(&cells[row][1..cells[row].len() - 1]))
        }
        TestValues::Json(_) => write!(line, "j "),
    };
    written.expect("a string");
}

#[test]
fn php_reads_every_table_as_it_was() {
    let mut runner = runner(1);
    let mut tables: Vec<TestTable> = Vec::new();
    for strategy in [table().boxed(), numbers().boxed()] {
        tables.extend((0..CASES / 2).map(|_| strategy.new_tree(&mut runner).unwrap().current()));
    }
    let none = |form, rows| TestTable { form, rows, columns: Vec::new() };
    tables.extend([none(Form::Arrays, 0), none(Form::Arrays, 3), none(Form::Objects, 0), none(Form::Lines, 2)]);
    // The bytes that a generator seldom has side by side.
    let hard = |values: &[&[u8]]| TestValues::Text(values.iter().map(|cell| cell.to_vec()).collect());
    let texts = hard(&[
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf\xed",
        b"\xf0\x9f\xa6",
        b"",
        b"\x00\x1f\x7f\"\\/",
        b"\xe2\x80\xa8\xe2\x80\xa9",
    ]);
    let floats = TestValues::Float64(vec![-0.0, 5e-324, 2.225_073_858_507_201e-308, f64::MAX, 1e16, -1e-7]);
    let columns = [("t", texts), ("f", floats)];
    let columns = columns.map(|(name, values)| TestColumn { name: name.to_owned(), values, valid: None });
    tables.push(TestTable { form: Form::Arrays, rows: 6, columns: columns.into() });

    let mut documents = Vec::new();
    for (table, variant) in tables.iter().zip(Variant::available().collect::<Vec<_>>().into_iter().cycle()) {
        // Objects would hide columns that share a name; the same cells are in arrays, and objects have to be read at all.
        let cells = encode_by(variant, &TestTable { form: Form::Arrays, ..table.clone() });
        for text in [cells, oracle::as_list(table, &encode_by(variant, table))] {
            documents.extend_from_slice(&(text.len() as u32).to_le_bytes());
            documents.extend_from_slice(&text);
        }
    }
    let mut php = Command::new("php")
        .args(["-r", PHP])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tests need PHP");
    let mut input = php.stdin.take().expect("piped");
    // Beside the reading, or both would wait for each other.
    let writing = std::thread::spawn(move || input.write_all(&documents));
    let output = php.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 2 * tables.len(), "{:?}", lines.last());
    for (table, pair) in tables.iter().zip(lines.as_chunks::<2>().0) {
        assert_eq!(pair[0], format!("{}:{}", table.rows, expected(table)), "{table:?}");
        assert!(pair[1].starts_with(&format!("{}:", table.rows)), "{}: {table:?}", pair[1]);
    }
}
