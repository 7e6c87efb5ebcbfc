//! The words of a statement, as its database would read them: what stands in quotes and comments is none.
//!
//! This reads all three dialects, and only as far as one needs to know what a statement is and where its placeholders
//! are. In MySQL the inside of `/*! ... */` and `/*M! ... */` is part of the statement. The rules: PostgreSQL's manual, section 4.1, with
//! `standard_conforming_strings` on; MySQL's, chapter "Language Structure", in its default mode (a backslash escapes, `"` is a
//! string's); SQLite's tokenizer. Text that never ends (an open quote) reaches to the end: the server words that error
//! best.

use super::Dialect;

/// One token that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or a name without quotes.
    Word(&'a str),
    /// A string, a number or a name in quotes.
    Other,
    /// Any other character.
    Mark(u8),
}

impl Token<'_> {
    pub(super) fn is(self, word: &str) -> bool {
        matches!(self, Token::Word(found) if found.eq_ignore_ascii_case(word))
    }
}

/// The tokens of a statement, from first to last.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    dialect: Dialect,
    sql: &'a str,
    // Where the last token begins, and where it ends.
    start: usize,
    at: usize,
    // Whether this is inside a comment that MySQL executes: only there does `*/` end something.
    in_code: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(dialect: Dialect, sql: &'a str) -> Self {
        Self { dialect, sql, start: 0, at: 0, in_code: false }
    }

    /// Where the last token begins, in bytes.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Where the last token ends.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    /// Takes everything before `at`, which lies behind the last token and between two characters.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    /// A statement without what may stand behind it: semicolons, comments and white space.
    pub(super) fn trimmed(dialect: Dialect, sql: &'a str) -> &'a str {
        let (mut words, mut end) = (Self::new(dialect, sql), 0);
        while let Some(token) = words.next() {
            if token != Token::Mark(b';') {
                end = words.at;
            }
        }
        &sql[..end]
    }

    /// The next token if it is a word; else nothing is taken.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let mut ahead = self.clone();
        let Some(Token::Word(word)) = ahead.next() else { return None };
        *self = ahead;
        Some(word)
    }

    /// Takes the next token if it is one of these words.
    pub(super) fn eat(&mut self, words: &[&str]) -> bool {
        let mut ahead = self.clone();
        let takes = ahead.word().is_some_and(|found| words.iter().any(|word| found.eq_ignore_ascii_case(word)));
        if takes {
            *self = ahead;
        }
        takes
    }

    /// Takes the next token if it is this character.
    pub(super) fn mark(&mut self, mark: u8) -> bool {
        let mut ahead = self.clone();
        let takes = ahead.next() == Some(Token::Mark(mark));
        if takes {
            *self = ahead;
        }
        takes
    }

    fn rest(&self) -> &'a [u8] {
        &self.sql.as_bytes()[self.at..]
    }

    fn is_mysql(&self) -> bool {
        self.dialect == Dialect::MySql
    }

    /// Moves behind white space and comments.
    fn skip_blank(&mut self) {
        loop {
            self.at += self.rest().iter().take_while(|b| is_blank(**b)).count();
            let rest = self.rest();
            // Most tokens begin with something else, and each has been here.
            if !matches!(rest, [b'-' | b'/' | b'*' | b'#' | 0xef, ..]) {
                return;
            }
            self.in_code |= matches!(rest, [b'/', b'*', b'!', ..] | [b'/', b'*', b'M', b'!', ..]) && self.is_mysql();
            self.at += match rest {
                // The mark that editors put before UTF-8: SQLite reads past it.
                [0xef, 0xbb, 0xbf, ..] if self.at == 0 && self.dialect == Dialect::Sqlite => 3,
                [b'#', ..] if self.is_mysql() => line(rest),
                // MySQL wants a blank behind it: `1--1` is a sum.
                [b'-', b'-', next, ..] if self.is_mysql() && !(next.is_ascii_control() || *next == b' ') => return,
                [b'-', b'-', ..] if self.dialect == Dialect::Postgres => {
                    rest.iter().position(|byte| b"\r\n".contains(byte)).map_or(rest.len(), |at| at + 1)
                }
                [b'-', b'-', ..] => line(rest),
                [b'/', b'*', b'!', ..] if self.is_mysql() => 3 + digits(&rest[3..]),
                [b'/', b'*', b'M', b'!', ..] if self.is_mysql() => 4 + digits(&rest[4..]),
                [b'*', b'/', ..] if self.in_code => {
                    self.in_code = false;
                    2
                }
                [b'/', b'*', ..] => comment(rest, self.dialect == Dialect::Postgres),
                _ => return,
            };
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blank();
        let rest = self.rest();
        let start = self.at;
        self.start = start;
        let (len, token) = match *rest.first()? {
            b'\'' => (quoted(rest, self.is_mysql()), Token::Other),
            b'"' => (quoted(rest, self.is_mysql()), Token::Other),
            b'`' => (quoted(rest, false), Token::Other),
            b'[' if self.dialect == Dialect::Sqlite => (through(rest, b"]"), Token::Other),
            b'$' if self.dialect == Dialect::Postgres => match dollar_tag(rest) {
                Some(tag) => (tag.len() + through(&rest[tag.len()..], tag), Token::Other),
                None => (1, Token::Mark(b'$')),
            },
            b if b.is_ascii_digit() => (name(rest), Token::Other),
            b if is_name(b) => {
                let len = name(rest);
                let escapes = self.dialect == Dialect::Postgres && rest[..len].eq_ignore_ascii_case(b"e");
                if escapes && rest.get(len) == Some(&b'\'') {
                    (len + escaped(&rest[len..]), Token::Other)
                } else {
                    // A name ends before an ASCII character or at the end, so never within a character.
                    (len, Token::Word(&self.sql[start..start + len]))
                }
            }
            b => (1, Token::Mark(b)),
        };
        self.at += len;
        Some(token)
    }
}

const NAME: u8 = 1;
const DOLLAR: u8 = 2;

/// What each byte is in a name: a look-up takes a third of the time that the comparisons do.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_' || byte >= 0x80 {
            kinds[byte] = NAME;
        }
        byte += 1;
    }
    kinds[b'$' as usize] = DOLLAR;
    kinds
};

/// Whether a character is one of names.
pub(super) fn is_name(b: u8) -> bool {
    KINDS[usize::from(b)] == NAME
}

fn name(rest: &[u8]) -> usize {
    rest.iter().take_while(|b| KINDS[usize::from(**b)] != 0).count()
}

fn digits(rest: &[u8]) -> usize {
    rest.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// What the databases take for white space: a vertical tab, too.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn line(rest: &[u8]) -> usize {
    through(rest, b"\n")
}

// Past the first `end`, or to the end of the text.
fn through(rest: &[u8], end: &[u8]) -> usize {
    rest.windows(end.len()).position(|window| window == end).map_or(rest.len(), |at| at + end.len())
}

fn comment(rest: &[u8], nests: bool) -> usize {
    let (mut at, mut depth) = (2, 1_usize);
    while depth > 0 && at < rest.len() {
        match &rest[at..rest.len().min(at + 2)] {
            b"*/" => (at, depth) = (at + 2, depth - 1),
            b"/*" if nests => (at, depth) = (at + 2, depth + 1),
            _ => at += 1,
        }
    }
    at
}

// A doubled quote ends one string and starts the next, which comes to the same.
fn quoted(rest: &[u8], backslash_escapes: bool) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b if b == rest[0] => return at + 1,
            b'\\' if backslash_escapes => at += 2,
            _ => at += 1,
        }
    }
    rest.len()
}

// A string with escapes that goes on behind a doubled quote or a line break has them there, too.
fn escaped(rest: &[u8]) -> usize {
    let mut len = quoted(rest, true);
    while let Some(gap) = gap_of_string(&rest[len..]) {
        len += gap + quoted(&rest[len + gap..], true);
    }
    len
}

// White space and `--` comments with a line break, and behind them a quote.
fn gap_of_string(rest: &[u8]) -> Option<usize> {
    let (mut at, mut breaks) = (0, false);
    loop {
        match rest.get(at)? {
            b'\'' => return (breaks || at == 0).then_some(at),
            b'-' if rest.get(at + 1) == Some(&b'-') => at += rest[at..].iter().position(|b| b"\r\n".contains(b))?,
            b if is_blank(*b) => {
                breaks |= b"\r\n".contains(b);
                at += 1;
            }
            _ => return None,
        }
    }
}

// `$$` or `$tag$`.
fn dollar_tag(rest: &[u8]) -> Option<&[u8]> {
    let len = rest[1..].iter().take_while(|b| is_name(**b)).count();
    let is_tag = rest.get(1 + len) == Some(&b'$') && !rest[1].is_ascii_digit();
    is_tag.then(|| &rest[..len + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(dialect: Dialect, sql: &str) -> Vec<&str> {
        let word = |token| if let Token::Word(word) = token { Some(word) } else { None };
        Words::new(dialect, sql).filter_map(word).collect()
    }

    #[test]
    fn each_dialect_has_its_own_quotes_and_comments() {
        use Dialect::{MySql, Postgres, Sqlite};
        for (dialect, sql, expected) in [
            (Postgres, "/* a /* b */ c */ d -- e\nf", vec!["d", "f"]),
            (MySql, "/* a /* b */ c # d\n-- e\nf", vec!["c", "f"]),
            (MySql, "/*!50000 a */ /*M! b */ /*+ c */ 1--d", vec!["a", "b", "d"]),
            (MySql, "2*/* a ' */3 b /*! c */* d", vec!["b", "c", "d"]),
            (Postgres, "E'a' -- it's\n '\\' b' c 'd' 'e\\' f", vec!["c", "f"]),
            (Postgres, "E'it''s \\' a' b", vec!["b"]),
            (Postgres, "E'a'\n'\\' b' c E'a' '\\' d", vec!["c", "d"]),
            (Postgres, r"'\' a '\'", vec!["a"]),
            (MySql, r"'\' a' b", vec!["b"]),
            (Postgres, r"E'\' a' b $$ c $$ $x$ d $$ $x$ $1 e", vec!["b", "e"]),
            (Sqlite, "[a] `b` \"c\" d", vec!["d"]),
            (MySql, "`a``b` \"c\\\"d\" e", vec!["e"]),
            (Postgres, "\"a\"\"b\" 1e5 ü$x", vec!["ü$x"]),
        ] {
            assert_eq!(words(dialect, sql), expected, "{sql}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_or_is_read_for_ever(sql in "[ -~äß\n?$'\"/*!`\\[\\]\\\\-]{0,60}") {
            for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
                proptest::prop_assert!(Words::new(dialect, &sql).count() <= sql.len());
            }
        }
    }
}
