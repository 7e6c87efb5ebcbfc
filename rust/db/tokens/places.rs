//! Where the placeholders of a statement are.

use super::super::Dialect;
use super::super::words::{Token, Words, is_name};
use std::ops::Range;

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark<'a> {
    /// `?`
    Question,
    /// `??` of PostgreSQL: an operator's question mark.
    Operator,
    /// `:name`, without the colon.
    Name(&'a str),
    /// `$1` of PostgreSQL, `?1` of SQLite.
    Number(usize),
    /// `@name` and `$name` of SQLite.
    Native,
}

/// The `[NOT] IN (` before a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) start: usize,
    pub(super) negated: bool,
}

/// One placeholder.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) mark: Mark<'a>,
    /// In bytes of the statement.
    pub(super) range: Range<usize>,
    /// What stands before it, where it is the first behind `IN (`.
    pub(super) opening: Option<Opening>,
    /// Whether it could as well be a column in a slice of PostgreSQL: `a[1:n]`.
    pub(super) in_brackets: bool,
}

/// The placeholders of a statement, from first to last.
pub(super) struct Places<'a> {
    dialect: Dialect,
    sql: &'a str,
    words: Words<'a>,
    before: Before,
    brackets: usize,
}

/// What the last tokens were, as far as a list needs to know.
#[derive(Clone, Copy)]
enum Before {
    Other,
    Not(usize),
    In(Opening),
    Open(Opening),
}

impl<'a> Places<'a> {
    pub(super) fn new(dialect: Dialect, sql: &'a str) -> Self {
        Self { dialect, sql, words: Words::new(dialect, sql), before: Before::Other, brackets: 0 }
    }

    /// Where the parenthesis ends that closes directly behind the last place.
    pub(super) fn closing(&self) -> Option<usize> {
        let mut ahead = self.words.clone();
        (ahead.next() == Some(Token::Mark(b')'))).then(|| ahead.end())
    }

    // Most words are neither, and their length says so.
    fn after_word(&self, word: &str) -> Before {
        let start = self.words.start();
        match (word.len(), self.before) {
            (2, Before::Not(start)) if word.eq_ignore_ascii_case("IN") => Before::In(Opening { start, negated: true }),
            (2, _) if word.eq_ignore_ascii_case("IN") => Before::In(Opening { start, negated: false }),
            (3, _) if word.eq_ignore_ascii_case("NOT") => Before::Not(start),
            _ => Before::Other,
        }
    }

    /// What a mark begins, and where that ends; `None` is no placeholder.
    fn mark(&self, mark: u8) -> (Option<Mark<'a>>, usize) {
        use Dialect::{MySql, Postgres, Sqlite};
        let at = self.words.end();
        let rest = &self.sql.as_bytes()[at..];
        match (mark, self.dialect) {
            (b'?', Postgres) if rest.first() == Some(&b'?') => (Some(Mark::Operator), at + 1),
            (b'?', Sqlite) | (b'$', Postgres) if rest.first().is_some_and(u8::is_ascii_digit) => {
                let end = at + rest.iter().take_while(|b| b.is_ascii_digit()).count();
                // A number beyond all limits is the server's to refuse.
                (Some(Mark::Number(self.sql[at..end].parse().unwrap_or(usize::MAX))), end)
            }
            (b'?', _) => (Some(Mark::Question), at),
            // A cast, or two: `a::text`.
            (b':', _) if rest.first() == Some(&b':') => (None, at + rest.iter().take_while(|b| **b == b':').count()),
            (b':', _) => match self.name(at) {
                "" => (None, at),
                // A label of MySQL stands right before its colon.
                name if self.dialect == MySql && self.is_label(at - 1) && is_labelled(name) => (None, at),
                name => (Some(Mark::Name(name)), at + name.len()),
            },
            (b'@' | b'$', Sqlite) => match self.name(at) {
                "" => (None, at),
                name => (Some(Mark::Native), at + name.len()),
            },
            _ => (None, at),
        }
    }

    fn name(&self, at: usize) -> &'a str {
        let len = self.sql.as_bytes()[at..].iter().take_while(|b| is_name(**b)).count();
        &self.sql[at..at + len]
    }

    fn is_label(&self, colon: usize) -> bool {
        let before = colon.checked_sub(1).map(|at| self.sql.as_bytes()[at]);
        before.is_some_and(|b| is_name(b) || b == b'`')
    }
}

impl<'a> Iterator for Places<'a> {
    type Item = Place<'a>;

    fn next(&mut self) -> Option<Place<'a>> {
        loop {
            let before = self.before;
            let byte = match self.words.next()? {
                Token::Word(word) => {
                    self.before = self.after_word(word);
                    continue;
                }
                Token::Other => 0,
                Token::Mark(byte) => byte,
            };
            self.before = Before::Other;
            match (byte, before) {
                (b'(', Before::In(opening)) => self.before = Before::Open(opening),
                (b'[', _) if self.dialect == Dialect::Postgres => self.brackets += 1,
                (b']', _) => self.brackets = self.brackets.saturating_sub(1),
                (b'?' | b':' | b'$' | b'@', _) => {
                    let start = self.words.start();
                    let (mark, end) = self.mark(byte);
                    self.words.skip_to(end);
                    if let Some(mark) = mark {
                        let opening = if let Before::Open(opening) = before { Some(opening) } else { None };
                        return Some(Place { mark, range: start..end, opening, in_brackets: self.brackets > 0 });
                    }
                }
                _ => {}
            }
        }
    }
}

/// What a label of MySQL's procedures may stand before.
fn is_labelled(name: &str) -> bool {
    ["BEGIN", "LOOP", "REPEAT", "WHILE", "FOR"].iter().any(|word| name.eq_ignore_ascii_case(word))
}
