//! Inline commands: a line of words, as a person types it into a bare connection.
//!
//! Words may be quoted: within "..." a backslash escapes (`\n`, `\r`, `\t`, `\b`, `\a`, `\xff`, and any other byte as itself), within '...' only
//! `\'` does. A closing quote ends its word, so a blank must follow.

use super::args::Span;

/// Splits a line; `None` where its quotes don't match. The words are put one after the other into `words`.
pub(crate) fn split(line: &[u8], words: &mut Vec<u8>, spans: &mut Vec<Span>) -> Option<()> {
    // A line of C: what follows a NUL is not seen.
    let line = &line[..memchr::memchr(0, line).unwrap_or(line.len())];
    let mut at = 0;
    loop {
        at += line[at..].iter().take_while(|byte| is_space(**byte)).count();
        if at == line.len() {
            return Some(());
        }
        let start = words.len();
        at = word(line, at, words)?;
        spans.push(Span::new(start, words.len()));
    }
}

/// C's isspace().
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn word(line: &[u8], mut at: usize, words: &mut Vec<u8>) -> Option<usize> {
    while let Some(&byte) = line.get(at) {
        at += 1;
        match byte {
            b'"' => return closed(line, double_quoted(line, at, words)?),
            b'\'' => return closed(line, single_quoted(line, at, words)?),
            byte if is_space(byte) => break,
            byte => words.push(byte),
        }
    }
    Some(at)
}

/// What follows a closing quote is a blank or the end.
fn closed(line: &[u8], at: usize) -> Option<usize> {
    line.get(at).is_none_or(|byte| is_space(*byte)).then_some(at)
}

fn double_quoted(line: &[u8], mut at: usize, words: &mut Vec<u8>) -> Option<usize> {
    loop {
        match line[at..] {
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                words.push(hex(high) << 4 | hex(low));
                at += 4;
            }
            [b'\\', escaped, ..] => {
                words.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                at += 2;
            }
            [b'"', ..] => return Some(at + 1),
            [byte, ..] => {
                words.push(byte);
                at += 1;
            }
            [] => return None,
        }
    }
}

fn single_quoted(line: &[u8], mut at: usize, words: &mut Vec<u8>) -> Option<usize> {
    loop {
        match line[at..] {
            [b'\\', b'\'', ..] => {
                words.push(b'\'');
                at += 2;
            }
            [b'\'', ..] => return Some(at + 1),
            [byte, ..] => {
                words.push(byte);
                at += 1;
            }
            [] => return None,
        }
    }
}

fn hex(digit: u8) -> u8 {
    (digit as char).to_digit(16).unwrap_or_default() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        split(line, &mut bytes, &mut spans)?;
        Some(spans.iter().map(|span| bytes[span.start as usize..span.end as usize].to_vec()).collect())
    }

    #[test]
    fn words_are_split_at_blanks_and_joined_by_quotes() {
        assert_eq!(words(b"  set \t key  value ").unwrap(), [&b"set"[..], b"key", b"value"]);
        assert_eq!(words(br#"set "a b" 'c d'"#).unwrap(), [&b"set"[..], b"a b", b"c d"]);
        assert_eq!(words(br#"set "" ''"#).unwrap(), [&b"set"[..], b"", b""]);
        assert_eq!(words(b"").unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(words(b"get a\0b").unwrap(), [&b"get"[..], b"a"]);
    }

    #[test]
    fn escapes_are_those_of_redis() {
        assert_eq!(words(br#""\x41\n\r\t\b\a\"\\\q\xZZ""#).unwrap(), [b"A\n\r\t\x08\x07\"\\qxZZ"]);
        assert_eq!(words(br"'it\'s \n'").unwrap(), [br"it's \n"]);
        assert_eq!(words(br#"ab"c d""#).unwrap(), [b"abc d"]);
    }

    #[test]
    fn quotes_that_dont_match_are_an_error() {
        for line in [&br#"set "a"#[..], br"set 'a", br#"set "a"b"#, br"set 'a'b", br#"set "a\""#] {
            assert_eq!(words(line), None, "{}", line.escape_ascii());
        }
    }
}
