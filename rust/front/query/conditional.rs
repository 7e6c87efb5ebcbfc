//! Entity tags: one of the bytes of a body, and whether a client has it already (RFC 9110, 8.8.3 and 13.1.2).

use xxhash_rust::xxh3::xxh3_128;

/// A strong tag of a body. The same bytes have the same tag on every machine and in every version of the engine: PHP
/// computes it as `hash('xxh128', $body)`.
pub(super) fn tag(body: &[u8]) -> String {
    format!("\"{:032x}\"", xxh3_128(body))
}

/// Whether an `If-None-Match` names the tag, by weak comparison. What is no list of tags names none.
pub(super) fn matches(if_none_match: &[u8], tag: &str) -> bool {
    let mut rest = if_none_match.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        rest = rest.trim_ascii_start();
        rest = match rest {
            [b',', rest @ ..] => rest,
            [b'W', b'/', rest @ ..] | rest => {
                let Some(end) = rest.strip_prefix(b"\"").and_then(|rest| memchr::memchr(b'"', rest)) else {
                    return false;
                };
                let (found, rest) = rest.split_at(end + 2);
                if found == tag.as_bytes() {
                    return true;
                }
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_however_it_is_written() {
        let tag = "\"abc\"";
        for list in
            ["\"abc\"", "*", " * ", "W/\"abc\"", "\"x\", \"abc\"", "\"a,b\" , W/\"abc\",", ",,\"abc\"", "\"\",\"abc\""]
        {
            assert!(matches(list.as_bytes(), tag), "{list}");
        }
        for list in ["", "abc", "\"abc", "\"x\"", "\"ab\"", "W\"abc\"", "\"x\" y \"abc\"", "**", "\"abcd\"", ","] {
            assert!(!matches(list.as_bytes(), tag), "{list}");
        }
    }

    #[test]
    fn tags_are_the_same_everywhere() {
        // From php -r "echo hash('xxh128', '[]');"
        assert_eq!(tag(b"[]"), "\"39347ff402b6c53d831154110e30ac6a\"");
    }
}
