//! `json_encode_table`: the same bytes and the same progress, whatever the capacity.

use lyger::kernels::{ColumnView, Error, Form, Progress, Variant};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError};

use crate::tables::{FORMS, TestColumn, TestTable, TestValues, numbers, table};
use crate::{CASES, oracle, runner};

/// A kernel under test.
pub(crate) type Encode = Box<dyn Fn(Form, &[ColumnView], usize, usize, &mut [u8]) -> Result<Progress, Error>>;

/// The variants that this machine can run, by name.
pub(crate) fn kernels() -> Vec<(&'static str, Encode)> {
    let kernel = |variant: Variant| -> Encode {
        Box::new(move |form, columns, rows, first_row, out| {
            variant.json_encode_table(form, columns, rows, first_row, out)
        })
    };
    Variant::available().map(|variant| (variant.name(), kernel(variant))).collect()
}

/// Runs `cases` tables through all kernels. `Err` holds the smallest table on which one differs.
pub(crate) fn compare(
    kernels: &[(&'static str, Encode)],
    cases: u32,
    tables: impl Strategy<Value = TestTable>,
) -> Result<(), TestError<(TestTable, usize, u8)>> {
    // What stands behind the strings must not matter: nothing, an escape, the start and the rest of a character.
    let padding = prop::sample::select(vec![0, b'"', 0xe2, 0x82]);
    runner(cases).run(&(tables, 0_usize..4000, padding), |(table, capacity, padding)| {
        let lent = table.lend(padding);
        let views = lent.views();
        let expected = oracle::encode(&table);
        let mut first: Option<(Vec<u8>, Vec<Progress>)> = None;
        for (name, encode) in kernels {
            let whole = in_one_call(encode, table.form, &views, table.rows)?;
            prop_assert_eq!(text(&whole), text(&expected), "{} differs from the oracle", name);
            let pieces = in_pieces(encode, table.form, &views, table.rows, capacity)?;
            prop_assert_eq!(text(&pieces.0), text(&expected), "{} differs in pieces of {}", name, capacity);
            let reference = first.get_or_insert_with(|| pieces.clone());
            prop_assert_eq!(&pieces.1, &reference.1, "{} stops elsewhere than {}", name, kernels[0].0);
        }
        let steps = first.map(|(_, steps)| steps).unwrap_or_default();
        stop_at_the_same_byte(kernels, &table, &views, &steps, capacity)?;
        oracle::reads_back(&table, &expected).map_err(TestCaseError::fail)
    })
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Asks for the capacity, then encodes all rows.
pub(crate) fn in_one_call(
    encode: &Encode,
    form: Form,
    views: &[ColumnView],
    rows: usize,
) -> Result<Vec<u8>, TestCaseError> {
    let needed = call(encode, form, views, rows, 0, 0)?.1.needed;
    let (bytes, progress) = call(encode, form, views, rows, 0, needed)?;
    prop_assert_eq!(progress, Progress { rows, bytes: bytes.len(), needed: 0 });
    Ok(bytes)
}

/// Encodes with the given capacity again and again; when no row fits, once with the needed one.
fn in_pieces(
    encode: &Encode,
    form: Form,
    views: &[ColumnView],
    rows: usize,
    capacity: usize,
) -> Result<(Vec<u8>, Vec<Progress>), TestCaseError> {
    let mut text = Vec::new();
    let mut steps: Vec<Progress> = Vec::new();
    let mut row = 0;
    loop {
        let stuck = steps.last().filter(|step| step.rows == 0).map(|step| step.needed);
        let (bytes, progress) = call(encode, form, views, rows, row, stuck.unwrap_or(capacity))?;
        prop_assert!(stuck.is_none() || progress.needed == 0, "the capacity asked for doesn't suffice");
        text.extend_from_slice(&bytes);
        steps.push(progress);
        row += progress.rows;
        if progress.needed == 0 {
            return Ok((text, steps));
        }
    }
}

/// Whether one more row fits, or the end behind the last, is decided by a byte, which a capacity out of a hat seldom hits:
/// the first kernel tells where it is, at the stop that `choice` names, and all must go on there and not a byte before.
fn stop_at_the_same_byte(
    kernels: &[(&'static str, Encode)],
    table: &TestTable,
    views: &[ColumnView],
    steps: &[Progress],
    choice: usize,
) -> Result<(), TestCaseError> {
    let stops: Vec<usize> = (0..steps.len()).filter(|&step| steps[step].needed > 0).collect();
    let Some(&stop) = stops.get(choice % stops.len().max(1)) else { return Ok(()) };
    let first_row = steps[..stop].iter().map(|step| step.rows).sum();
    let goes_on = |(_, encode): &(&str, Encode), capacity: usize| {
        call(encode, table.form, views, table.rows, first_row, capacity)
            .map(|(_, progress)| progress.needed == 0 || progress.rows > steps[stop].rows)
    };
    let (mut stops_at, mut goes_on_at) = (steps[stop].bytes, steps[stop].bytes + steps[stop].needed);
    while goes_on_at - stops_at > 1 {
        let middle = stops_at.midpoint(goes_on_at);
        *(if goes_on(&kernels[0], middle)? { &mut goes_on_at } else { &mut stops_at }) = middle;
    }
    for kernel in kernels {
        prop_assert!(goes_on(kernel, goes_on_at)?, "{} stops with {} bytes", kernel.0, goes_on_at);
        prop_assert!(!goes_on(kernel, stops_at)?, "{} goes on with {} bytes", kernel.0, stops_at);
    }
    Ok(())
}

/// One call, into memory between canaries.
fn call(
    encode: &Encode,
    form: Form,
    views: &[ColumnView],
    rows: usize,
    first_row: usize,
    capacity: usize,
) -> Result<(Vec<u8>, Progress), TestCaseError> {
    const CANARY: [u8; 64] = [0xa5; 64];
    let mut out = vec![0xa5; CANARY.len() + capacity + CANARY.len()];
    let progress = encode(form, views, rows, first_row, &mut out[CANARY.len()..CANARY.len() + capacity])
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(out.starts_with(&CANARY) && out.ends_with(&CANARY), "written outside of the buffer");
    prop_assert!(progress.bytes <= capacity);
    Ok((out[CANARY.len()..CANARY.len() + progress.bytes].to_vec(), progress))
}

#[test]
fn all_kernels_encode_any_table_to_the_same_bytes() {
    compare(&kernels(), CASES, table()).unwrap();
}

#[test]
fn all_kernels_print_any_number_the_same() {
    compare(&kernels(), CASES, numbers()).unwrap();
}

#[test]
fn numbers_that_a_parser_takes_for_their_neighbours_are_the_same() {
    // serde_json reads the first as 7.6809537999998e-311, unless it is told to be exact.
    let values = TestValues::Float64(vec![7.680_953_8e-311, 5e-324, 2.225_073_858_507_201e-308]);
    let column = TestColumn { name: "n".to_owned(), values, valid: None };
    compare(&kernels(), 10, Just(TestTable { form: Form::Objects, rows: 3, columns: vec![column] })).unwrap();
}

/// Numbers of a column may be written ahead of their rows, some rows and some columns at a time: here are more of both, and the edges of what
/// is written so stand in every place.
#[test]
fn numbers_of_many_columns_and_rows_are_the_same() {
    const ROWS: usize = 70;
    let (integers, doubles) = (edges_of_integers(), edges_of_doubles());
    let columns = (0..40).map(|column| {
        // The columns' lengths have no common divisor with that of a group of rows, and each starts elsewhere.
        let place = move |row: usize| row * (1 + column % 3) + column * 5;
        let values = match column % 4 {
            0 => TestValues::Int64((0..ROWS).map(|row| integers[place(row) % integers.len()]).collect()),
            1 => {
                TestValues::UInt64((0..ROWS).map(|row| integers[place(row) % integers.len()].cast_unsigned()).collect())
            }
            2 => TestValues::Float64((0..ROWS).map(|row| doubles[place(row) % doubles.len()]).collect()),
            _ => TestValues::Bool((0..ROWS).map(|row| (row % 2) as u8).collect()),
        };
        let valid = (column % 5 == 0).then(|| (0..ROWS).map(|row| row % 3 != column % 3).collect());
        TestColumn { name: format!("n{column}"), values, valid }
    });
    let columns: Vec<TestColumn> = columns.collect();
    for form in FORMS {
        let table = TestTable { form, rows: ROWS, columns: columns.clone() };
        // Capacities for a row at a time, some groups, and all.
        for capacity in [0, 2_000, 20_000, 80_000] {
            let lent = table.lend(0);
            for (name, encode) in kernels() {
                let (found, _) = in_pieces(&encode, form, &lent.views(), ROWS, capacity).unwrap();
                assert_eq!(text(&found), text(&oracle::encode(&table)), "{name} in pieces of {capacity}");
            }
        }
    }
}

/// Where numbers get another digit, and far from there.
fn edges_of_integers() -> Vec<i64> {
    let powers = (0..19).map(|exponent| 10_i64.pow(exponent));
    let near = powers.flat_map(|power| [power - 1, power, power + 1, power * 7 / 2]);
    near.flat_map(|value| [value, -value]).chain([i64::MIN, i64::MAX]).collect()
}

fn edges_of_doubles() -> Vec<f64> {
    let mut values: Vec<f64> = edges_of_integers().iter().map(|&value| value as f64 / 100.0).collect();
    values.extend([
        0.1,
        0.001,
        12.345,
        f64::from_bits(12.34_f64.to_bits() + 1),
        5e-324,
        f64::MAX,
        f64::INFINITY,
        f64::NAN,
    ]);
    values.iter().flat_map(|&value| [value, -value]).collect()
}

/// Every kind of leading byte before every kind of other, so that each sequence crosses the end of the first register
/// at each of its bytes. Random texts hardly ever have a rare sequence in this place.
fn sequences_where_registers_meet() -> Vec<Vec<u8>> {
    let mut cells = Vec::new();
    for lead in [0x41, 0x80, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5] {
        for second in [0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2] {
            for rest in [[0x80, 0x80], [0xbf, 0x41], [0x41, 0x80], [0xe0, 0xa0]] {
                for before in 60..=64 {
                    let mut cell = vec![b'x'; before];
                    cell.extend_from_slice(&[lead, second]);
                    cell.extend_from_slice(&rest);
                    cells.push(cell.clone());
                    cell.truncate(before + 2);
                    cells.push(cell);
                }
            }
        }
    }
    cells
}

#[test]
fn characters_and_broken_ones_are_told_apart_where_registers_meet() {
    let cells = sequences_where_registers_meet();
    let column = TestColumn { name: "t".to_owned(), values: TestValues::Text(cells.clone()), valid: None };
    let table = TestTable { form: Form::Objects, rows: cells.len(), columns: vec![column] };
    let expected = oracle::encode(&table);
    // A continuation byte as padding, which nobody may take for the rest of a character.
    let lent = table.lend(0x80);
    for (name, encode) in kernels() {
        let found = in_one_call(&encode, table.form, &lent.views(), table.rows).unwrap();
        if found != expected {
            let lines = |bytes: &[u8]| -> Vec<String> { text(bytes).split("},{").map(str::to_owned).collect() };
            let (found, expected) = (lines(&found), lines(&expected));
            let wrong = (0..cells.len()).find(|&row| found.get(row) != expected.get(row));
            panic!("{name}: {:?}", wrong.map(|row| (text(&cells[row]), &found[row], &expected[row])));
        }
    }
}

#[test]
fn a_table_without_columns_has_empty_rows() {
    for (name, encode) in kernels() {
        for (form, rows, none) in
            [(Form::Objects, "[{},{},{}]", "[]"), (Form::Arrays, "[[],[],[]]", "[]"), (Form::Lines, "{}\n{}\n{}\n", "")]
        {
            let bytes = in_one_call(&encode, form, &[], 3).unwrap();
            assert_eq!(bytes, rows.as_bytes(), "{name}");
            let steps = in_pieces(&encode, form, &[], 3, 69).unwrap().1.len();
            assert_eq!(steps, 3, "{name}: room for one row at a time");
            assert_eq!(in_one_call(&encode, form, &[], 0).unwrap(), none.as_bytes(), "{name}");
        }
    }
}

#[test]
fn columns_that_break_their_promise_are_refused() {
    use lyger::kernels::{Cells, Values};
    let bytes = [0; 70];
    assert_eq!(Cells::new(&[], &bytes).unwrap_err(), Error::Offsets);
    assert_eq!(Cells::new(&[0, 3, 2], &bytes).unwrap_err(), Error::Offsets);
    assert_eq!(Cells::new(&[0, 7], &bytes).unwrap_err(), Error::Padding);
    assert!(Cells::new(&[0, 6], &bytes).is_ok());
    let column = |validity| ColumnView { key: b"\"n\":", values: Values::Int64(&[1, 2]), validity };
    for (_, encode) in kernels() {
        let mut out = [0; 400];
        let columns = [column(None)];
        assert!(matches!(
            encode(Form::Objects, &columns, 3, 0, &mut out),
            Err(Error::ColumnLength { column: 0, values: 2, rows: 3 })
        ));
        assert!(matches!(
            encode(Form::Arrays, &columns, 2, 3, &mut out),
            Err(Error::FirstRow { first_row: 3, rows: 2 })
        ));
        assert!(matches!(encode(Form::Lines, &[column(Some(&[]))], 2, 0, &mut out), Err(Error::Validity { .. })));
        assert_eq!(encode(Form::Objects, &columns, 2, 2, &mut out), Ok(Progress::default()));
    }
}
