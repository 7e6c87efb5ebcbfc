//! PostgreSQL's arrays as JSON: `{1,NULL,3}` becomes `[1,null,3]`, and arrays of several dimensions nest.
//!
//! Numbers, booleans and JSON texts stay what they are; every other element is a string, in the form that a column of its
//! type has. Lower bounds other than 1 (`[0:1]={5,6}`) have no place in JSON and are left out.

use super::decode;
use super::types::Scalar;
use crate::db::temporal::Day;
use crate::json::encode::{append_base64, append_text};
use crate::json::forms::Forms;

/// MAXDIM in the server's source.
const DIMENSIONS_MAX: usize = 6;

/// Writes an array that came in binary, as `array_send` writes it; `None` when it isn't one.
pub(super) fn write_binary(
    out: &mut Vec<u8>,
    cell: &[u8],
    element: Scalar,
    forms: Forms,
    scratch: &mut Vec<u8>,
) -> Option<()> {
    let mut rest = cell;
    let count = usize::try_from(i32::from_be_bytes(take(&mut rest)?)).ok().filter(|&count| count <= DIMENSIONS_MAX)?;
    // Whether there are nulls, and the type of the elements.
    take::<8>(&mut rest)?;
    let mut lens = [0; DIMENSIONS_MAX];
    for len in &mut lens[..count] {
        *len = usize::try_from(i32::from_be_bytes(take(&mut rest)?)).ok()?;
        // The lower bound.
        take::<4>(&mut rest)?;
    }
    if count == 0 || lens[..count].contains(&0) {
        out.extend_from_slice(b"[]");
        return rest.is_empty().then_some(());
    }
    // Each element has a length of four bytes: a count beyond that is a lie.
    let elements = lens[..count].iter().try_fold(1_usize, |product, &len| product.checked_mul(len))?;
    if elements > rest.len() / 4 {
        return None;
    }
    let mut write = |out: &mut Vec<u8>| {
        let len = i32::from_be_bytes(take(&mut rest)?);
        if len == -1 {
            out.extend_from_slice(b"null");
            return Some(());
        }
        let (cell, tail) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        rest = tail;
        write_element(out, cell, element, forms, scratch)
    };
    nest(out, &lens[..count], &mut write)?;
    rest.is_empty().then_some(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn nest(out: &mut Vec<u8>, lens: &[usize], write: &mut impl FnMut(&mut Vec<u8>) -> Option<()>) -> Option<()> {
    let Some((&len, inner)) = lens.split_first() else { return write(out) };
    for index in 0..len {
        out.push(if index == 0 { b'[' } else { b',' });
        nest(out, inner, write)?;
    }
    out.push(b']');
    Some(())
}

fn write_element(out: &mut Vec<u8>, cell: &[u8], element: Scalar, forms: Forms, scratch: &mut Vec<u8>) -> Option<()> {
    match element {
        Scalar::Bool => out.extend_from_slice(if *cell.first()? != 0 { b"true" } else { b"false" }),
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 | Scalar::UInt4 => {
            out.extend_from_slice(itoa::Buffer::new().format(decode::integer(element, cell)?).as_bytes());
        }
        Scalar::UInt8 => {
            let value = u64::from_be_bytes(cell.try_into().ok()?);
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        }
        Scalar::Float4 => append_float(out, f32::from_be_bytes(cell.try_into().ok()?), f32::is_finite),
        Scalar::Float8 => append_float(out, f64::from_be_bytes(cell.try_into().ok()?), f64::is_finite),
        Scalar::Bytea => append_base64(out, cell),
        Scalar::Text => append_text(out, cell),
        Scalar::Json => out.extend_from_slice(cell),
        // Arrays of these come as text.
        Scalar::Vector | Scalar::Halfvec => return None,
        Scalar::Jsonb => match cell {
            // The version of the format; there is only this one.
            [1, json @ ..] => out.extend_from_slice(json),
            _ => return None,
        },
        Scalar::Numeric if forms.decimals_as_numbers => {
            scratch.clear();
            decode::write_ascii(scratch, element, cell, forms, &mut Day::default())?;
            let is_finite = scratch.last().is_some_and(u8::is_ascii_digit);
            out.extend_from_slice(if is_finite { scratch } else { b"null" });
        }
        Scalar::Numeric | Scalar::Uuid | Scalar::Date | Scalar::Time | Scalar::Timestamp | Scalar::Timestamptz => {
            out.push(b'"');
            decode::write_ascii(out, element, cell, forms, &mut Day::default())?;
            out.push(b'"');
        }
    }
    Some(())
}

fn append_float<F: zmij::Float + Copy>(out: &mut Vec<u8>, value: F, is_finite: impl Fn(F) -> bool) {
    if is_finite(value) {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Writes an array that came as the server's text, as `array_out` writes it; `None` when it isn't one.
pub(super) fn write_text(out: &mut Vec<u8>, cell: &[u8], delimiter: u8, scratch: &mut Vec<u8>) -> Option<()> {
    let mut rest = cell;
    if rest.first() == Some(&b'[') {
        // The bounds end at the first `=`: what follows them is the array itself.
        rest = &rest[memchr::memchr(b'=', rest)? + 1..];
    }
    let mut depth = 0;
    loop {
        match rest {
            [b'{', tail @ ..] => {
                depth += 1;
                if depth > DIMENSIONS_MAX {
                    return None;
                }
                out.push(b'[');
                rest = tail;
                // Only a whole array can be empty.
                if let ([b'}'], 1) = (rest, depth) {
                    out.push(b']');
                    return Some(());
                }
                continue;
            }
            _ if depth == 0 => return None,
            [b'"', ..] => {
                scratch.clear();
                rest = unquote(scratch, &rest[1..])?;
                append_text(out, scratch);
            }
            _ => {
                let end = rest.iter().position(|&byte| byte == delimiter || byte == b'}')?;
                let (element, tail) = rest.split_at(end);
                rest = tail;
                match element {
                    b"" => return None,
                    b"NULL" => out.extend_from_slice(b"null"),
                    element => append_text(out, element),
                }
            }
        }
        while let [b'}', tail @ ..] = rest {
            depth = if depth == 0 { return None } else { depth - 1 };
            out.push(b']');
            rest = tail;
        }
        match rest {
            [] if depth == 0 => return Some(()),
            [byte, tail @ ..] if *byte == delimiter && depth > 0 => {
                out.push(b',');
                rest = tail;
            }
            _ => return None,
        }
    }
}

/// The text of a quoted element, and what follows its closing quote.
fn unquote<'a>(text: &mut Vec<u8>, mut rest: &'a [u8]) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', byte, tail @ ..] | [byte, tail @ ..] => {
                text.push(*byte);
                rest = tail;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(array: &str) -> Option<String> {
        let mut out = Vec::new();
        write_text(&mut out, array.as_bytes(), b',', &mut Vec::new())?;
        Some(String::from_utf8(out).unwrap())
    }

    fn binary(array: &[u8], element: Scalar) -> Option<String> {
        let mut out = Vec::new();
        write_binary(&mut out, array, element, Forms::default(), &mut Vec::new())?;
        Some(String::from_utf8(out).unwrap())
    }

    /// Two rows of two: 1, NULL, 3, 4.
    fn matrix() -> Vec<u8> {
        let numbers = [2, 1, 23, 2, 1, 2, 1, 4, 1, -1, 4, 3, 4, 4_i32];
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    #[test]
    fn arrays_in_text_become_json() {
        for (array, json) in [
            ("{}", "[]"),
            ("{a}", r#"["a"]"#),
            ("{1,NULL,\"NULL\"}", r#"["1",null,"NULL"]"#),
            (r#"{"a\"b\\c","",{}"#, ""),
            (r#"{"a\"b\\c","","{x,y}"}"#, r#"["a\"b\\c","","{x,y}"]"#),
            ("{{a,b},{c,d}}", r#"[["a","b"],["c","d"]]"#),
            ("[0:1]={a,b}", r#"["a","b"]"#),
            ("[0:0][3:4]={{a,b}}", r#"[["a","b"]]"#),
            ("", ""),
            ("a", ""),
            ("{a", ""),
            ("{a}}", ""),
            ("{a}b", ""),
            ("{a,}", ""),
            (r#"{"a}"#, ""),
        ] {
            assert_eq!(text(array).unwrap_or_default(), json, "{array}");
        }
        let mut boxes = Vec::new();
        write_text(&mut boxes, b"{(1,1),(0,0);(2,2),(1,1)}", b';', &mut Vec::new()).unwrap();
        assert_eq!(boxes, br#"["(1,1),(0,0)","(2,2),(1,1)"]"#);
    }

    #[test]
    fn arrays_in_binary_become_json() {
        assert_eq!(binary(&matrix(), Scalar::Int4).unwrap(), "[[1,null],[3,4]]");
        assert_eq!(binary(&[0; 12], Scalar::Int4).unwrap(), "[]");
        for end in 0..matrix().len() {
            assert_eq!(binary(&matrix()[..end], Scalar::Int4), None, "cut at {end}");
        }
        let lie: Vec<u8> = [1, 0, 23, i32::MAX, 1].iter().flat_map(|number| number.to_be_bytes()).collect();
        assert_eq!(binary(&lie, Scalar::Int4), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let (mut out, mut scratch) = (Vec::new(), Vec::new());
            let _ = write_text(&mut out, &bytes, b',', &mut scratch);
            for element in [Scalar::Bool, Scalar::Int8, Scalar::Numeric, Scalar::Text, Scalar::Jsonb, Scalar::Date] {
                let _ = write_binary(&mut out, &bytes, element, Forms { decimals_as_numbers: true, times_as_sql: true, ..Forms::default() }, &mut scratch);
            }
        }

        #[test]
        fn what_array_out_quotes_comes_back(elements in proptest::collection::vec(".*", 1..5)) {
            let quoted: Vec<String> =
                elements.iter().map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))).collect();
            let json = text(&format!("{{{}}}", quoted.join(","))).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), elements);
        }
    }
}
