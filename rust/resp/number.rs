//! Numbers as Redis reads and writes them: integers without anything around them, in one form only.

/// What INCR takes: no sign but a leading minus, no leading zero, nothing around it, 64 bits.
#[inline]
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // 19 digits can be more than 64 bits hold, 20 always are.
    match digits {
        [b'0'] => return (!negative).then_some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    if negative {
        (value <= i64::MIN.unsigned_abs()).then(|| (value as i64).wrapping_neg())
    } else {
        i64::try_from(value).ok()
    }
}

/// A cursor of SCAN, as C's strtoul reads it: with a sign, and nothing at all is 0.
pub(crate) fn cursor(text: &[u8]) -> Option<u64> {
    // To C a text ends at a NUL.
    let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let size: u64 = std::str::from_utf8(digits).ok().filter(|_| all_digits)?.parse().ok()?;
    Some(if negative { size.wrapping_neg() } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_in_one_form_only() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("-1", -1),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("1000000000000000000", 1_000_000_000_000_000_000),
        ] {
            assert_eq!(integer(text.as_bytes()), Some(value), "{text}");
        }
        let wrong =
            ["", "-", "-0", "00", "01", "+1", " 1", "1 ", "1a", "a", "9223372036854775808", "-9223372036854775809"];
        for text in wrong.into_iter().chain(["99999999999999999999", "18446744073709551617", "1.0", "1/", "1:"]) {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn cursors_are_read_as_redis_reads_them() {
        for (text, cursor) in [
            ("", 0),
            ("0", 0),
            ("+7", 7),
            ("-1", u64::MAX),
            ("18446744073709551615", u64::MAX),
            ("007", 7),
            ("7\0x", 7),
        ] {
            assert_eq!(super::cursor(text.as_bytes()), Some(cursor), "{text}");
        }
        for text in ["-", "x", "1x", " 1", "18446744073709551616", "1.5", "--1"] {
            assert_eq!(super::cursor(text.as_bytes()), None, "{text}");
        }
    }
}
