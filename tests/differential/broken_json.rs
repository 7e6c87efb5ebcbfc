//! As [`crate::broken`], for what of JSON is no text: integers, booleans, singles, base64 and lines.

use lyger::kernels::{Form, Values, Variant};
use proptest::test_runner::TestError;

use crate::broken::{UNTIL_SEEN, portable};
use crate::json::{Encode, compare};
use crate::tables::table;

/// A part of a right output, and what a wrong kernel writes in its place, for a column that it is wrong about.
type Wrong = fn(Form, Values) -> Option<(String, String)>;

fn is_seen(what: &str, wrong: Wrong) {
    let right = Variant::by_name("rust").unwrap();
    let broken: Encode = Box::new(move |form, columns, rows, first_row, out| {
        let progress = right.json_encode_table(form, columns, rows, first_row, out)?;
        let out = &mut out[..progress.bytes];
        for (part, other) in columns.iter().filter_map(|column| wrong(form, column.values)) {
            assert_eq!(part.len(), other.len());
            if let Some(at) = out.windows(part.len()).position(|window| window == part.as_bytes()) {
                out[at..at + part.len()].copy_from_slice(other.as_bytes());
            }
        }
        Ok(progress)
    });
    match compare(&[portable(), ("broken", broken)], UNTIL_SEEN, table()) {
        Err(TestError::Fail(reason, _)) => assert!(reason.message().contains("broken"), "{what}: {reason}"),
        other => panic!("{what} went unseen: {other:?}"),
    }
}

/// The digits of an integer, and them with a wrong one at this place, counted from the end.
fn digit_wrong(digits: &str, place: usize) -> Option<(String, String)> {
    let at = digits.len().checked_sub(1 + place)?;
    let wrong = if digits.as_bytes()[at] == b'7' { "1" } else { "7" };
    Some((digits.to_owned(), [&digits[..at], wrong, &digits[at + 1..]].concat()))
}

#[test]
fn integers_with_a_wrong_digit_are_seen() {
    is_seen("a last digit of 19", |_, values| match values {
        Values::Int64(values) => {
            digit_wrong(&values.iter().find(|value| value.unsigned_abs() >= 1_000_000_000_000_000_000)?.to_string(), 0)
        }
        _ => None,
    });
    is_seen("the digits of two words, where they meet", |_, values| match values {
        Values::Int64(values) => digit_wrong(&values.iter().find(|value| **value >= 100_000_000)?.to_string(), 8),
        _ => None,
    });
    is_seen("the sign of one digit", |_, values| match values {
        Values::Int64(values) => values
            .iter()
            .find(|value| (-9..0).contains(*value))
            .map(|value| (value.to_string(), value.to_string().replace('-', "0"))),
        _ => None,
    });
    is_seen("the first of 20 digits", |_, values| match values {
        Values::UInt64(values) => {
            digit_wrong(&values.iter().find(|value| **value >= 10_000_000_000_000_000_000)?.to_string(), 19)
        }
        _ => None,
    });
}

#[test]
fn booleans_that_are_no_ones_and_singles_taken_for_doubles_are_seen() {
    is_seen("a truth that isn't 1", |_, values| match values {
        Values::Bool(values) if values.contains(&2) => Some(("true".to_owned(), "fals".to_owned())),
        _ => None,
    });
    is_seen("a single with a double's digits", |_, values| match values {
        Values::Float32(values) => {
            let is_long = |value: &&f32| value.to_string() != f64::from(**value).to_string();
            let single = values.iter().filter(|value| (1e-3..1e6).contains(*value)).find(is_long)?;
            let text = single.to_string();
            Some((text.clone(), f64::from(*single).to_string().chars().take(text.len()).collect()))
        }
        _ => None,
    });
}

#[test]
fn base64_of_another_alphabet_or_without_padding_is_seen() {
    fn of_bytes(values: Values, part: &str, other: &str) -> Option<(String, String)> {
        matches!(values, Values::Bytes(_)).then(|| (part.to_owned(), other.to_owned()))
    }
    let wrong: [(&str, Wrong); 3] = [
        ("a slash of base64 as in addresses", |_, values| of_bytes(values, "/", "_")),
        ("one byte's padding", |_, values| of_bytes(values, "==\"", "A=\"")),
        ("two bytes' padding", |_, values| of_bytes(values, "=\"", "A\"")),
    ];
    for (what, wrong) in wrong {
        is_seen(what, wrong);
    }
}

#[test]
fn lines_that_are_parted_or_ended_otherwise_are_seen() {
    is_seen("a comma between lines", |form, _| (form == Form::Lines).then(|| ("}\n{".to_owned(), "},{".to_owned())));
    is_seen("a line without an end", |form, _| (form == Form::Lines).then(|| ("\n".to_owned(), " ".to_owned())));
    is_seen("an array for an object", |form, _| (form == Form::Arrays).then(|| ("],[".to_owned(), "}{,".to_owned())));
}
