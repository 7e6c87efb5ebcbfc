//! Patterns of KEYS, SCAN, PSUBSCRIBE and CONFIG GET: `*`, `?`, `[a-z]`, `[^a]` and `\`.
//!
//! Only the last `*` is ever gone back to: what a `*` before it took doesn't matter once something after it has matched. So
//! a match takes at most pattern times text steps, where trying all ways would take exponentially many.

/// Whether a text matches a pattern as a whole.
pub(crate) fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    // Stars match nothing there in Redis; `KEYS *` and `SCAN` with it don't ask.
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut in_text) = (0, 0);
    // Where the last star stands, and how far its match reaches.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, in_text));
            at += 1;
            continue;
        }
        if in_text == text.len() && at >= pattern.len() {
            return true;
        }
        let next = text.get(in_text).and_then(|byte| one(&pattern[at.min(pattern.len())..], *byte, ignore_case));
        match (next, &mut star) {
            (Some(length), _) => {
                at += length;
                in_text += 1;
            }
            (None, Some((place, reach))) if *reach < text.len() => {
                *reach += 1;
                (at, in_text) = (*place + 1, *reach);
            }
            _ => return false,
        }
    }
}

/// Whether a byte matches the pattern's first element, and how long that is.
fn one(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<usize> {
    let fold = |byte: u8| if ignore_case { byte.to_ascii_lowercase() } else { byte };
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (matches, length) = class_of(class, fold(byte), fold);
            matches.then_some(length + 1)
        }
        [b'\\', escaped, ..] => (fold(*escaped) == fold(byte)).then_some(2),
        [literal, ..] => (fold(*literal) == fold(byte)).then_some(1),
    }
}

/// Whether a byte is in a class, and how long that is with its `]`; one that isn't closed ends with the pattern.
fn class_of(class: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match class[at..] {
            [b'\\', escaped, ..] => {
                found |= fold(escaped) == byte;
                at += 2;
            }
            [b']', ..] => return (found != negated, at + 1),
            [] => return (found != negated, at),
            [from, b'-', to, ..] => {
                let (from, to) = (fold(from), fold(to));
                found |= (from.min(to)..=from.max(to)).contains(&byte);
                at += 3;
            }
            [single, ..] => {
                found |= fold(single) == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_match_in_redis() {
        for (pattern, text) in [
            ("", ""),
            ("*", "a"),
            ("a*", "a"),
            ("a*c", "abbc"),
            ("*b*b*", "abab"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[c-a]x", "bx"),
            ("[^a]x", "bx"),
            (r"\*", "*"),
            (r"[\]]", "]"),
            ("[ab", "b"),
            ("h[^e]llo", "hallo"),
            ("**a", "bba"),
            ("a\\", "a\\"),
        ] {
            assert!(matches(pattern.as_bytes(), text.as_bytes(), false), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("*", ""),
            ("a", ""),
            ("a?", "a"),
            ("[^a]x", "ax"),
            ("a*c", "abd"),
            ("[]a]", "a"),
            ("ABC", "abc"),
            ("?", ""),
        ] {
            assert!(!matches(pattern.as_bytes(), text.as_bytes(), false), "{pattern} {text}");
        }
        assert!(matches(b"A[B-D]?", b"acx", true));
    }

    #[test]
    fn many_stars_end_soon() {
        let pattern = [b"a*".repeat(50), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &[b'a'; 5_000], false));
    }
}
