//! What of a body's text is escaped though JSON doesn't ask for it: the flags of PHP's `json_encode()`.
//!
//! The kernel writes what JSON demands, and so does everybody by default. Where more is asked for, each slice is passed
//! over once more when it is written: whatever such a byte stands in, a value, a name or a text of the database's own JSON,
//! it is in a string, for JSON has none of them elsewhere. So one pass serves every shape, and who asks for nothing pays nothing.
//!
//! ```
//! use lyger::json::escapes::{Escapes, UNESCAPED_SLASHES, UNESCAPED_UNICODE, HEX_TAG};
//! let escapes = Escapes::of_flags(HEX_TAG | UNESCAPED_SLASHES | UNESCAPED_UNICODE).unwrap();
//! let mut body = br#"[{"html":"<b>"}]"#.to_vec();
//! escapes.apply(&mut body, 0);
//! assert_eq!(body, br#"[{"html":"\u003Cb\u003E"}]"#);
//! ```

/// `<` and `>` as `\u003C` and `\u003E`.
pub const HEX_TAG: u32 = 1;
/// `&` as `\u0026`.
pub const HEX_AMP: u32 = 2;
/// `'` as `\u0027`.
pub const HEX_APOS: u32 = 4;
/// `"` as `\u0022`.
pub const HEX_QUOT: u32 = 8;
/// `/` as it is, and not as `\/`.
pub const UNESCAPED_SLASHES: u32 = 64;
/// Characters beyond ASCII as they are, and not as `\u00e9`.
pub const UNESCAPED_UNICODE: u32 = 256;
/// U+2028 and U+2029 as they are where the others are.
pub const UNESCAPED_LINE_TERMINATORS: u32 = 2048;

/// What holds of every body, and is no difference when it is asked for: `JSON_PRESERVE_ZERO_FRACTION`,
/// `JSON_INVALID_UTF8_SUBSTITUTE`, `JSON_THROW_ON_ERROR`.
const ALWAYS: u32 = 1024 | 2_097_152 | 4_194_304;

/// What bodies have when nobody asks.
const DEFAULT: u32 = UNESCAPED_SLASHES | UNESCAPED_UNICODE | UNESCAPED_LINE_TERMINATORS;

const KNOWN: u32 = HEX_TAG | HEX_AMP | HEX_APOS | HEX_QUOT | DEFAULT;

/// Flags that bodies of rows know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escapes(u32);

impl Default for Escapes {
    fn default() -> Self {
        Self(DEFAULT)
    }
}

impl Escapes {
    /// From flags as PHP's `json_encode()` takes them.
    ///
    /// # Errors
    /// Those of the flags that rows don't know.
    pub fn of_flags(flags: u32) -> Result<Self, u32> {
        match flags & !(KNOWN | ALWAYS) {
            0 => Ok(Self(flags & KNOWN)),
            unknown => Err(unknown),
        }
    }

    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// Escapes what a body has from a byte on: whole rows, or what surrounds them.
    pub fn apply(self, body: &mut Vec<u8>, from: usize) {
        if self == Self::default() {
            return;
        }
        let is_special = self.special();
        let Some(first) = body[from..].iter().position(|&byte| is_special[usize::from(byte)]) else { return };
        let text = body.split_off(from + first);
        body.reserve(text.len() + text.len() / 4);
        let mut rest = text.as_slice();
        while let Some(at) = rest.iter().position(|&byte| is_special[usize::from(byte)]) {
            body.extend_from_slice(&rest[..at]);
            rest = &rest[at + self.escape(&rest[at..], body)..];
        }
        body.extend_from_slice(rest);
    }

    /// Which bytes are looked at.
    fn special(self) -> [bool; 256] {
        let mut is_special = [false; 256];
        let mut mark =
            |bytes: &[u8], is_marked: bool| bytes.iter().for_each(|&byte| is_special[usize::from(byte)] = is_marked);
        mark(b"<>", self.has(HEX_TAG));
        mark(b"&", self.has(HEX_AMP));
        mark(b"'", self.has(HEX_APOS));
        // What follows one is no quote that ends a string, and no slash that isn't escaped.
        mark(b"\\", self.has(HEX_QUOT) || !self.has(UNESCAPED_SLASHES));
        mark(b"/", !self.has(UNESCAPED_SLASHES));
        is_special[0x80..].fill(!self.has(UNESCAPED_UNICODE));
        // Both separators begin with it.
        is_special[0xe2] |= !self.has(UNESCAPED_LINE_TERMINATORS);
        is_special
    }

    /// Writes what stands for the byte, or the character, at the start of a text. Returns how long that is.
    fn escape(self, text: &[u8], out: &mut Vec<u8>) -> usize {
        match text[0] {
            b'<' => out.extend_from_slice(b"\\u003C"),
            b'>' => out.extend_from_slice(b"\\u003E"),
            b'&' => out.extend_from_slice(b"\\u0026"),
            b'\'' => out.extend_from_slice(b"\\u0027"),
            b'/' => out.extend_from_slice(b"\\/"),
            b'\\' if text.get(1) == Some(&b'"') && self.has(HEX_QUOT) => {
                out.extend_from_slice(b"\\u0022");
                return 2;
            }
            b'\\' => {
                // With the next byte, whose meaning it changes.
                let pair = &text[..text.len().min(2)];
                out.extend_from_slice(pair);
                return pair.len();
            }
            _ => return self.escape_character(text, out),
        }
        1
    }

    fn escape_character(self, text: &[u8], out: &mut Vec<u8>) -> usize {
        let is_separator = matches!(text, [0xe2, 0x80, 0xa8 | 0xa9, ..]);
        if self.has(UNESCAPED_UNICODE) && !is_separator {
            out.push(text[0]);
            return 1;
        }
        // A character has four bytes at most; a part of one that follows is not looked at.
        let chunk = text[..text.len().min(4)].utf8_chunks().next();
        let (character, len) = match chunk.map(|chunk| (chunk.valid().chars().next(), chunk.invalid().len())) {
            Some((Some(character), _)) => (character, character.len_utf8()),
            // Only a database's JSON may hold such a thing.
            Some((None, len)) => ('\u{fffd}', len),
            None => return 1,
        };
        for unit in character.encode_utf16(&mut [0; 2]) {
            out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(flags: u32, body: &str) -> String {
        let mut out = b"<&'/\xff kept".to_vec();
        let from = out.len();
        out.extend_from_slice(body.as_bytes());
        Escapes::of_flags(flags).unwrap().apply(&mut out, from);
        assert!(out.starts_with(b"<&'/\xff kept"), "only from there on");
        String::from_utf8(out.split_off(from)).unwrap()
    }

    const BODY: &str = r#"{"a'é/b":"<&>\"/\\\"\\/é\u2028","n":-1.5}"#;

    #[test]
    fn the_default_is_the_body_as_it_is() {
        assert_eq!(escaped(DEFAULT | ALWAYS, BODY), BODY);
        assert_eq!(Escapes::of_flags(DEFAULT), Ok(Escapes::default()));
    }

    #[test]
    fn each_flag_has_its_characters() {
        let flags = |flags: u32| escaped(DEFAULT | flags, BODY);
        assert_eq!(flags(HEX_TAG), BODY.replace('<', "\\u003C").replace('>', "\\u003E"));
        assert_eq!(flags(HEX_AMP), BODY.replace('&', "\\u0026"));
        assert_eq!(flags(HEX_APOS), BODY.replace('\'', "\\u0027"));
        assert_eq!(flags(HEX_QUOT), r#"{"a'é/b":"<&>\u0022/\\\u0022\\/é\u2028","n":-1.5}"#);
        let slashes = escaped(DEFAULT & !UNESCAPED_SLASHES, BODY);
        assert_eq!(slashes, r#"{"a'é\/b":"<&>\"\/\\\"\\\/é\u2028","n":-1.5}"#);
    }

    #[test]
    fn characters_beyond_ascii_are_utf_16_units_and_separators_a_case_of_their_own() {
        let text = "\"é漢🦀\u{2028}\u{2029}\u{2027}\u{7f}\"";
        assert_eq!(escaped(0, text), "\"\\u00e9\\u6f22\\ud83e\\udd80\\u2028\\u2029\\u2027\u{7f}\"");
        // As in PHP, the separators' flag alone says nothing.
        assert_eq!(escaped(UNESCAPED_LINE_TERMINATORS, text), escaped(0, text));
        assert_eq!(escaped(UNESCAPED_UNICODE, text), "\"é漢🦀\\u2028\\u2029\u{2027}\u{7f}\"");
    }

    #[test]
    fn what_is_no_utf_8_is_a_replacement_where_characters_are_escaped() {
        let mut body = b"\"a\xff\xe2\x82\"".to_vec();
        Escapes::of_flags(0).unwrap().apply(&mut body, 0);
        assert_eq!(body, b"\"a\\ufffd\\ufffd\"");
    }

    #[test]
    fn flags_that_rows_do_not_know_are_told() {
        for flag in [16, 32, 128, 512, 1_048_576, 1 << 31] {
            assert_eq!(Escapes::of_flags(flag | HEX_TAG | ALWAYS), Err(flag));
        }
    }
}
