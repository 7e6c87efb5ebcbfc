//! The flags of `json_encode()`: the pass over a body against a plain loop over characters, and `serde_json`, for which
//! nothing may have changed.

use lyger::json::escapes::{
    Escapes, HEX_AMP, HEX_APOS, HEX_QUOT, HEX_TAG, UNESCAPED_LINE_TERMINATORS, UNESCAPED_SLASHES, UNESCAPED_UNICODE,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError, TestRunner};

use crate::broken::until_seen;
use crate::{CASES, runner};

const FLAGS: [u32; 7] =
    [HEX_TAG, HEX_AMP, HEX_APOS, HEX_QUOT, UNESCAPED_SLASHES, UNESCAPED_UNICODE, UNESCAPED_LINE_TERMINATORS];

/// Adds to a body what is escaped from a byte on.
type Apply = fn(u32, &mut Vec<u8>, usize);

fn pass(flags: u32, body: &mut Vec<u8>, from: usize) {
    Escapes::of_flags(flags).unwrap().apply(body, from);
}

/// What stands in a string: as it may stand there, and some of it in two bytes that belong together.
fn part(is_broken: bool) -> impl Strategy<Value = Vec<u8>> {
    let words = ["<", ">", "&", "'", "/", "\\\"", "\\\\", "\\/", "\\n", "\\u003c", "\\u00e9", "\u{2028}", "\u{2029}"];
    let characters =
        ["é", "\u{2027}", "漢", "\u{d7ff}", "\u{e000}", "\u{ffff}", "🦀", "\u{10000}", "\u{10ffff}", "\u{7f}"];
    let word = prop::sample::select([&words[..], &characters[..]].concat());
    let broken = prop::sample::select(vec![0x80, 0xa8, 0xbf, 0xc2, 0xe2, 0xed, 0xa0, 0xf0, 0x9f, 0xf4, 0xff]);
    prop_oneof![
        3 => word.prop_map(|word| word.as_bytes().to_vec()),
        1 => "[ a-z0-9:,{}\\[\\]]{0,20}".prop_map(String::into_bytes),
        1 => any::<char>().prop_map(|c| serde_json::to_string(&c).unwrap().trim_matches('"').as_bytes().to_vec())
            // Of these two the quotes are more than those around it.
            .prop_filter("a word of its own", |text| !text.is_empty() && text != b"\\"),
        u32::from(is_broken) => vec(broken, 1..5),
    ]
}

/// A list of strings and numbers, with what stands before it and is none of our business.
fn body(is_broken: bool) -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let text = vec(part(is_broken), 0..12).prop_map(|parts| [b"\"", &parts.concat()[..], b"\""].concat());
    let value = prop_oneof![4 => text, 1 => any::<i32>().prop_map(|number| number.to_string().into_bytes())];
    (vec(any::<u8>(), 0..6), vec(value, 0..5))
        .prop_map(|(before, values)| (before, [b"[", values.join(&b","[..]).as_slice(), b"]"].concat()))
}

/// The flags' documentation as a program, which looks at a character at a time.
fn plain(flags: u32, body: &[u8]) -> Vec<u8> {
    let has = |flag| flags & flag != 0;
    let mut out = Vec::new();
    let mut is_escaped = false;
    for chunk in body.utf8_chunks() {
        for character in chunk.valid().chars() {
            let code = match character {
                '"' if is_escaped && has(HEX_QUOT) => {
                    assert_eq!(out.pop(), Some(b'\\'));
                    Some("\\u0022".to_owned())
                }
                '/' if !is_escaped && !has(UNESCAPED_SLASHES) => Some("\\/".to_owned()),
                '<' if has(HEX_TAG) => Some("\\u003C".to_owned()),
                '>' if has(HEX_TAG) => Some("\\u003E".to_owned()),
                '&' if has(HEX_AMP) => Some("\\u0026".to_owned()),
                '\'' if has(HEX_APOS) => Some("\\u0027".to_owned()),
                '\u{2028}' if !has(UNESCAPED_LINE_TERMINATORS) => Some("\\u2028".to_owned()),
                '\u{2029}' if !has(UNESCAPED_LINE_TERMINATORS) => Some("\\u2029".to_owned()),
                '\u{80}'.. if !has(UNESCAPED_UNICODE) => {
                    Some(character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect())
                }
                _ => None,
            };
            out.extend_from_slice(code.unwrap_or_else(|| character.to_string()).as_bytes());
            is_escaped = character == '\\' && !is_escaped;
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(if has(UNESCAPED_UNICODE) { chunk.invalid() } else { b"\\ufffd" });
        }
    }
    out
}

/// What stood before the pass, what it is given, and which of the flags.
type Case = ((Vec<u8>, Vec<u8>), Vec<bool>);

fn compare(apply: Apply, mut runner: TestRunner, is_broken: bool) -> Result<(), TestError<Case>> {
    runner.run(&(body(is_broken), vec(any::<bool>(), FLAGS.len())), |((before, body), chosen)| {
        let flags =
            FLAGS.iter().zip(chosen).filter(|(_, is_chosen)| *is_chosen).fold(0, |flags, (flag, _)| flags | flag);
        let mut found = [before.as_slice(), &body].concat();
        apply(flags, &mut found, before.len());
        prop_assert!(found.starts_with(&before), "what stood there has changed");
        let (found, expected) = (&found[before.len()..], plain(flags, &body));
        prop_assert_eq!(found.escape_ascii().to_string(), expected.escape_ascii().to_string(), "flags {}", flags);
        if !is_broken {
            let read = |text: &[u8]| {
                let read = serde_json::from_slice::<serde_json::Value>(text);
                read.map_err(|error| TestCaseError::fail(format!("{error}: {}", text.escape_ascii())))
            };
            prop_assert_eq!(read(found)?, read(&body)?);
        }
        Ok(())
    })
}

#[test]
fn each_set_of_flags_escapes_what_a_plain_loop_escapes_and_changes_no_value() {
    compare(pass, runner(CASES), false).unwrap();
}

#[test]
fn what_a_database_says_that_is_no_utf_8_is_escaped_as_by_a_plain_loop() {
    compare(pass, runner(CASES), true).unwrap();
}

#[test]
fn passes_that_are_wrong_as_such_passes_get_wrong_are_seen() {
    let wrong: [(&str, Apply); 5] = [
        ("an escaped backslash taken for the start of an escape", |flags, body, from| {
            let text = String::from_utf8_lossy(&body[from..]).replace("\\\\\\\"", "\\\\\\u0022");
            body.splice(from.., text.into_bytes());
            pass(flags, body, from);
        }),
        ("an escaped slash escaped once more", |flags, body, from| {
            pass(flags, body, from);
            if flags & UNESCAPED_SLASHES == 0 {
                let text = String::from_utf8_lossy(&body[from..]).replace("\\/", "\\\\/");
                body.splice(from.., text.into_bytes());
            }
        }),
        ("separators left to the flag of Unicode", |flags, body, from| {
            pass(flags | (flags & UNESCAPED_UNICODE) << 3, body, from);
        }),
        ("characters without surrogates", |flags, body, from| {
            let text = String::from_utf8_lossy(&body[from..]).replace('\u{10000}', "\\u10000");
            body.splice(from.., text.into_bytes());
            pass(flags, body, from);
        }),
        ("what stands before", |flags, body, _| pass(flags, body, 0)),
    ];
    for (what, apply) in wrong {
        assert!(matches!(compare(apply, until_seen(), false), Err(TestError::Fail(..))), "{what} went unseen");
    }
}
