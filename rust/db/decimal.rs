//! Exact numbers: PostgreSQL's binary `numeric` (digits in base 10,000), to and from decimal text.
//!
//! The layout is that of `numeric_send` in PostgreSQL's numeric.c: four big-endian 16-bit numbers (count of digits,
//! weight of the first one, sign, scale for display), then the digits.

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;

/// What PostgreSQL stores at most: digits before the point and behind it.
const INTEGER_DIGITS_MAX: i64 = 131_072;
const FRACTION_DIGITS_MAX: i64 = 16_383;

/// Writes a binary numeric as PostgreSQL prints it, with all the digits of its scale, or `NaN`, `Infinity`, `-Infinity`.
/// `None` for bytes that are no numeric.
pub(super) fn write(out: &mut Vec<u8>, binary: &[u8]) -> Option<()> {
    let (header, digits) = binary.split_first_chunk::<8>()?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (count, weight, sign, scale) = (word(0), word(2) as i16, word(4), word(6));
    let name: &[u8] = match sign {
        NAN => b"NaN",
        INFINITY => b"Infinity",
        NEGATIVE_INFINITY => b"-Infinity",
        _ => b"",
    };
    if !name.is_empty() {
        out.extend_from_slice(name);
        return Some(());
    }
    if digits.len() != usize::from(count) * 2 || !matches!(sign, 0 | NEGATIVE) {
        return None;
    }
    let group = |index: i32| -> u16 {
        usize::try_from(index)
            .ok()
            .and_then(|index| digits.get(index * 2..index * 2 + 2))
            .map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    if sign == NEGATIVE {
        out.push(b'-');
    }
    let weight = i32::from(weight);
    if weight < 0 {
        out.push(b'0');
    } else {
        out.extend_from_slice(itoa::Buffer::new().format(group(0)).as_bytes());
        (1..=weight).for_each(|index| out.extend_from_slice(&four(group(index))));
    }
    if scale > 0 {
        out.push(b'.');
        let end = out.len() + usize::from(scale);
        let mut index = weight + 1;
        while out.len() < end {
            out.extend_from_slice(&four(group(index)));
            index += 1;
        }
        out.truncate(end);
    }
    Some(())
}

fn four(group: u16) -> [u8; 4] {
    [1000, 100, 10, 1].map(|place| b'0' + (group / place % 10) as u8)
}

/// The binary form of a decimal text: `-12.50`, `1e3`, `.5`, `NaN`, `Infinity`. `None` for anything else.
pub(super) fn parse(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    match unsigned.to_ascii_lowercase().as_str() {
        "nan" if unsigned.len() == text.len() => return Some(special(NAN)),
        "infinity" | "inf" => return Some(special(if negative { NEGATIVE_INFINITY } else { INFINITY })),
        _ => {}
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if integer.len() + fraction.len() == 0 || !all_digits(integer) || !all_digits(fraction) {
        return None;
    }
    let digits: Vec<u8> = integer.bytes().chain(fraction.bytes()).collect();
    // Where the point stands in `digits`, and how many digits stay behind it.
    let point = integer.len() as i64 + i64::from(exponent);
    let scale = (digits.len() as i64 - point).max(0);
    let leading_zeros = digits.iter().take_while(|digit| **digit == b'0').count() as i64;
    if scale > FRACTION_DIGITS_MAX || point - leading_zeros > INTEGER_DIGITS_MAX {
        return None;
    }
    Some(binary(negative, &digits, point, scale as u16))
}

fn special(sign: u16) -> Vec<u8> {
    [0, 0, sign, 0].into_iter().flat_map(u16::to_be_bytes).collect()
}

// Groups of four, aligned to the point: the digit at `index` stands for 10^(point - 1 - index).
fn binary(negative: bool, digits: &[u8], point: i64, scale: u16) -> Vec<u8> {
    let first_group = (point - 1).div_euclid(4);
    let last_group = (point - digits.len() as i64).div_euclid(4);
    let digit = |power: i64| -> u16 {
        let index = point - 1 - power;
        usize::try_from(index).ok().and_then(|index| digits.get(index)).map_or(0, |digit| u16::from(digit - b'0'))
    };
    let mut groups: Vec<u16> = (last_group..=first_group)
        .rev()
        .map(|group| (0..4).rev().fold(0, |value, place| value * 10 + digit(group * 4 + place)))
        .collect();
    let mut weight = first_group;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight -= leading as i64;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let sign = if negative && !groups.is_empty() { NEGATIVE } else { 0 };
    [groups.len() as u16, weight as i16 as u16, sign, scale]
        .into_iter()
        .chain(groups)
        .flat_map(u16::to_be_bytes)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        let mut out = Vec::new();
        write(&mut out, &parse(text).unwrap_or_else(|| panic!("{text}"))).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn digits_come_back_exactly_with_their_scale() {
        for text in [
            "0",
            "1",
            "-1",
            "10000",
            "99999999999999999999999999999999999999",
            "0.1",
            "0.00001",
            "-12.50",
            "123456789.123456789",
            "10000.0001",
            "0.000",
            "1000000000000",
            "0.0000000000000000000000000001",
        ] {
            assert_eq!(round_trip(text), text);
        }
    }

    #[test]
    fn other_spellings_are_normalised() {
        for (text, shown) in [
            ("+5", "5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("007", "7"),
            ("-0", "0"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("12.5e1", "125"),
            (" 7 ", "7"),
            ("1e22", "10000000000000000000000"),
        ] {
            assert_eq!(round_trip(text), shown);
        }
    }

    #[test]
    fn the_binary_form_is_that_of_the_server() {
        // SELECT numeric_send(12345.678): 3 digits, weight 1, scale 3: 1, 2345, 6780.
        assert_eq!(parse("12345.678").unwrap(), [0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c]);
        assert_eq!(parse("0.00").unwrap(), [0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(parse("NaN").unwrap(), [0, 0, 0, 0, 0xc0, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", ".", "-", "e5", "1e", "1.2.3", "0x10", "1,5", "five", "-NaN", "1e999999", "--1", "1 2", "١"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn values_without_digits_have_their_names_and_broken_ones_none() {
        for text in ["NaN", "Infinity", "-Infinity"] {
            assert_eq!(round_trip(text), text);
        }
        let mut out = Vec::new();
        assert_eq!(write(&mut out, b"abc"), None);
        assert_eq!(write(&mut out, &[0, 9, 0, 0, 0, 0, 0, 0]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_decimal_comes_back(text in "-?[1-9][0-9]{0,40}\\.[0-9]{1,40}") {
            proptest::prop_assert_eq!(round_trip(&text), text);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let _ = write(&mut Vec::new(), &bytes);
        }
    }
}
