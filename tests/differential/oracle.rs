//! What the text must be, said as plainly as possible and with other people's code: the standard library and
//! `serde_json`.

use serde_json::Value;

use lyger::kernels::Form;

use crate::tables::{TestTable, TestValues};

/// The whole text, a row and a value at a time.
pub(crate) fn encode(table: &TestTable) -> Vec<u8> {
    let rows = (0..table.rows).map(|row| {
        let members = table.columns.iter().map(|column| {
            let is_valid = column.valid.as_ref().is_none_or(|valid| valid[row]);
            let value = if is_valid { value(&column.values, row) } else { "null".to_owned() };
            match table.form {
                Form::Arrays => value,
                _ => format!("{}:{value}", serde_json::to_string(&column.name).unwrap()),
            }
        });
        let members = members.collect::<Vec<_>>().join(",");
        match table.form {
            Form::Objects => format!("{{{members}}}"),
            Form::Arrays => format!("[{members}]"),
            Form::Lines => format!("{{{members}}}\n"),
        }
    });
    let rows: Vec<String> = rows.collect();
    let text = if table.form == Form::Lines { rows.concat() } else { format!("[{}]", rows.join(",")) };
    text.into_bytes()
}

pub(crate) fn value(values: &TestValues, row: usize) -> String {
    match values {
        TestValues::Int64(values) => values[row].to_string(),
        TestValues::UInt64(values) => values[row].to_string(),
        TestValues::Float64(values) if !values[row].is_finite() => "null".to_owned(),
        TestValues::Float32(values) if !values[row].is_finite() => "null".to_owned(),
        // -5 and 15, and below -6 and 12: the layout of zmij, which rust/kernels uses.
        TestValues::Float64(values) => {
            let text = layout(&shortest(&values[row]), -5, 15);
            assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(values[row].to_bits()), "the oracle itself is wrong");
            text
        }
        TestValues::Float32(values) => {
            let text = layout(&shortest(&values[row]), -6, 12);
            assert_eq!(text.parse::<f32>().map(f32::to_bits), Ok(values[row].to_bits()), "the oracle itself is wrong");
            text
        }
        TestValues::Bool(values) => (values[row] != 0).to_string(),
        TestValues::Text(cells) => serde_json::to_string(&String::from_utf8_lossy(&cells[row])).unwrap(),
        TestValues::Ascii(cells) => format!("\"{}\"", str::from_utf8(&cells[row]).unwrap()),
        TestValues::Json(cells) => str::from_utf8(&cells[row]).unwrap().to_owned(),
        TestValues::Bytes(cells) => format!("\"{}\"", base64(&cells[row])),
    }
}

/// The shortest digits as Rust prints them, `-1.25e-3`, but of two that are equally near the even one, as zmij has it.
fn shortest<F: std::fmt::LowerExp + std::str::FromStr + PartialEq>(value: &F) -> String {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap();
    // All digits of a tie: a five where the shortest digits end, and zeros.
    let exact = format!("{value:.30e}");
    let last_is_odd = mantissa.as_bytes().last().is_some_and(|digit| digit % 2 == 1);
    let len = mantissa.len();
    if last_is_odd && len > 2 && exact[len..].starts_with("5000000000000") {
        // Rust went up, from an even digit.
        let (kept, last) = mantissa.split_at(len - 1);
        let even = format!("{kept}{}e{exponent}", last.parse::<u8>().unwrap() - 1);
        // Below a power of two the even one may be another number's.
        if even.parse::<F>().is_ok_and(|read| read == *value) {
            return even;
        }
    }
    text
}

/// `-1.25e-3`, which is how Rust prints the shortest digits, in the layout of JSON.
fn layout(scientific: &str, plain_min: i32, plain_max: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if !(plain_min..=plain_max).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}e{exponent:+}");
    }
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    let whole = exponent as usize + 1;
    let padded = format!("{digits:0<whole$}");
    let (integer, decimals) = padded.split_at(whole);
    format!("{sign}{integer}.{}", if decimals.is_empty() { "0" } else { decimals })
}

/// Six bits at a time.
fn base64(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let mut text: String = bits
        .chunks(6)
        .map(|sextet| sextet.iter().fold(0, |value, bit| value << 1 | bit) << (6 - sextet.len()))
        .map(|value| match value {
            0..26 => (b'A' + value) as char,
            26..52 => (b'a' + value - 26) as char,
            52..62 => (b'0' + value - 52) as char,
            62 => '+',
            _ => '/',
        })
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Reads an encoded table back and compares it value by value. A second witness, since the text above and the kernels
/// could be wrong in the same way.
pub(crate) fn reads_back(table: &TestTable, json: &[u8]) -> Result<(), String> {
    let parsed: Value = serde_json::from_slice(&as_list(table, json)).map_err(|error| format!("no JSON: {error}"))?;
    is_table(table, &parsed)
}

/// A text as it is, or of lines a list.
pub(crate) fn as_list(table: &TestTable, json: &[u8]) -> Vec<u8> {
    if table.form != Form::Lines {
        return json.to_vec();
    }
    let lines: Vec<&[u8]> = json.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
    [b"[", lines.join(&b","[..]).as_slice(), b"]"].concat()
}

/// Whether somebody has read the table out of its text.
pub(crate) fn is_table(table: &TestTable, parsed: &Value) -> Result<(), String> {
    let rows = parsed.as_array().ok_or("no array")?;
    if rows.len() != table.rows {
        return Err(format!("{} rows instead of {}", rows.len(), table.rows));
    }
    for (position, column) in table.columns.iter().enumerate() {
        // A later member of the same name hides this one from the parser.
        if table.form != Form::Arrays && table.columns[position + 1..].iter().any(|later| later.name == column.name) {
            continue;
        }
        for (row, object) in rows.iter().enumerate() {
            let found = if table.form == Form::Arrays { &object[position] } else { &object[&column.name] };
            let is_valid = column.valid.as_ref().is_none_or(|valid| valid[row]);
            if !is_valid {
                if !found.is_null() {
                    return Err(format!("row {row}: null became {found}"));
                }
            } else if !is_value(&column.values, row, found) {
                return Err(format!("row {row} of {:?} became {found}", column.name));
            }
        }
    }
    Ok(())
}

fn is_value(values: &TestValues, row: usize, found: &Value) -> bool {
    match values {
        TestValues::Int64(values) => found.as_i64() == Some(values[row]),
        TestValues::UInt64(values) => found.as_u64() == Some(values[row]),
        TestValues::Float64(values) if values[row].is_finite() => found.as_f64().is_some_and(|v| near(v, values[row])),
        TestValues::Float32(values) if values[row].is_finite() => {
            found.as_f64().is_some_and(|v| v as f32 == values[row])
        }
        TestValues::Float64(_) | TestValues::Float32(_) => found.is_null(),
        TestValues::Bool(values) => found.as_bool() == Some(values[row] != 0),
        TestValues::Text(cells) => found.as_str() == Some(&*String::from_utf8_lossy(&cells[row])),
        TestValues::Ascii(cells) => found.as_str().map(str::as_bytes) == Some(&cells[row]),
        TestValues::Json(cells) => serde_json::from_slice::<Value>(&cells[row]).is_ok_and(|value| value == *found),
        TestValues::Bytes(cells) => found.as_str() == Some(&base64(&cells[row])),
    }
}

/// `serde_json` reads floats to the last bit only with a feature that the engine doesn't use. That they are exact is
/// shown by `value` above, which reads them with the standard library.
fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= expected.abs() * 1e-14
}
