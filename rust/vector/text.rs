//! A vector as a JSON array of numbers: `[1,2.5,-3e-2]`, which is also pgvector's text.
//!
//! A number is read as a double and then rounded to a float, as PHP reads JSON and packs it.

/// Appends the elements of a JSON array.
///
/// # Errors
/// What is wrong, to be read behind "the vector of id 5".
pub(super) fn read(text: &[u8], into: &mut Vec<f32>) -> Result<(), String> {
    let mut rest = text;
    let refuse = |rest: &[u8], wanted: &str| {
        let at = text.len() - rest.len();
        format!("isn't a JSON array of numbers: {wanted} is missing at byte {at}")
    };
    skip_blanks(&mut rest);
    rest = rest.strip_prefix(b"[").ok_or_else(|| refuse(rest, "`[`"))?;
    skip_blanks(&mut rest);
    if let Some(behind) = rest.strip_prefix(b"]") {
        rest = behind;
    } else {
        loop {
            let digits = number(rest).ok_or_else(|| refuse(rest, "a number"))?;
            // What JSON allows is ASCII, and Rust reads it.
            let value: f64 =
                std::str::from_utf8(&rest[..digits]).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
            into.push(value as f32);
            rest = &rest[digits..];
            skip_blanks(&mut rest);
            match rest.split_first() {
                Some((b',', behind)) => rest = behind,
                Some((b']', behind)) => {
                    rest = behind;
                    break;
                }
                _ => return Err(refuse(rest, "`,` or `]`")),
            }
            skip_blanks(&mut rest);
        }
    }
    skip_blanks(&mut rest);
    if rest.is_empty() { Ok(()) } else { Err(refuse(rest, "its end")) }
}

fn skip_blanks(rest: &mut &[u8]) {
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    *rest = &rest[blanks..];
}

/// How many bytes the number at the beginning has, by RFC 8259.
fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    match digits(at) {
        0 => return None,
        // What follows a leading zero isn't part of it, and so refused.
        _ if text[at] == b'0' => at += 1,
        some => at += some,
    }
    if text.get(at) == Some(&b'.') {
        at += 1 + Some(digits(at + 1)).filter(|some| *some > 0)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at += Some(digits(at)).filter(|some| *some > 0)?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(text: &str) -> Result<Vec<f32>, String> {
        let mut vector = Vec::new();
        read(text.as_bytes(), &mut vector).map(|()| vector)
    }

    #[test]
    fn an_array_of_numbers_is_a_vector() {
        assert_eq!(vector("[1,2.5,-3e-2,0.1E+2,0]").unwrap(), [1.0, 2.5, -0.03, 10.0, 0.0]);
        assert_eq!(vector(" [ 1 ,\n2\t] \r").unwrap(), [1.0, 2.0]);
        assert!(vector("[]").unwrap().is_empty());
        assert_eq!(vector("[-0]").unwrap()[0].to_bits(), (-0.0_f32).to_bits());
        assert_eq!(vector("[1e39, 16777217]").unwrap(), [f32::INFINITY, 16_777_216.0]);
    }

    #[test]
    fn a_number_is_rounded_to_a_double_and_then_to_a_float() {
        // A little above the middle between 1 and the float behind it: as a double it is the middle, which goes to the even one.
        assert_eq!(vector("[1.000000059604644775390626]").unwrap(), [1.0]);
    }

    #[test]
    fn what_json_has_not_is_refused_with_its_place() {
        let all = [
            "",
            "1",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[01]",
            "[.5]",
            "[5.]",
            "[+1]",
            "[1e]",
            "[1e+]",
            "[-]",
            "[inf]",
            "[NaN]",
            "[null]",
            "[\"1\"]",
            "[[1]]",
            "[1]]",
            "[1] x",
            "{1,2}",
            "[1_0]",
            "[0x1]",
            "[\u{a0}1]",
        ];
        for text in all {
            assert!(vector(text).is_err(), "{text}");
        }
        assert_eq!(vector("[1,null]").unwrap_err(), "isn't a JSON array of numbers: a number is missing at byte 3");
    }

    #[test]
    fn numbers_are_what_serde_json_takes_for_one() {
        let parts = ["", "-", "0", "1", ".", ".5", "e", "E+", "e-", "3"];
        let mut tried = 0;
        for a in parts {
            for b in parts {
                for c in parts {
                    for d in parts {
                        let text = format!("[{a}{b}{c}{d}]");
                        let known = serde_json::from_str::<Vec<f64>>(&text).ok();
                        let known = known.map(|all| all.iter().map(|&one| one as f32).collect());
                        assert_eq!(vector(&text).ok(), known, "{text}");
                        tried += 1;
                    }
                }
            }
        }
        assert_eq!(tried, 10_000);
    }
}
