//! What a statement says before the database reads it: which word comes first, whether there is anything to run, and
//! where its placeholders are.

mod bind;
mod places;

pub(super) use bind::{bind, unlisted};

use super::Dialect;
use super::words::{Token, Words};
use places::{Mark, Places};

/// The first word of a statement, past white space, comments and opening parentheses; empty when there is none.
pub(super) fn first_keyword(sql: &str) -> &str {
    let bytes = sql.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b if b.is_ascii_whitespace() || b == b'(' || b == b';' => at += 1,
            b'#' => at = line_end(bytes, at),
            b'-' if bytes.get(at + 1) == Some(&b'-') => at = line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => at = comment_end(bytes, at),
            _ => break,
        }
    }
    let word = bytes[at..].iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'_').count();
    &sql[at..at + word]
}

/// Whether a statement has PostgreSQL's own placeholders, `$1`.
pub(super) fn has_numbers(dialect: Dialect, sql: &str) -> bool {
    dialect == Dialect::Postgres && Places::new(dialect, sql).any(|place| matches!(place.mark, Mark::Number(_)))
}

/// Whether there is nothing to run: white space, semicolons and comments alone, as this database reads them.
pub(super) fn is_blank(sql: &str, dialect: Dialect) -> bool {
    Words::new(dialect, sql).all(|token| token == Token::Mark(b';'))
}

fn line_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |len| start + len + 1)
}

// PostgreSQL's block comments nest.
fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found_behind_comments() {
        for (sql, word) in [
            ("select 1", "select"),
            ("  -- begin\n /* begin /* */ */ (Begin)", "Begin"),
            ("# x\nSTART TRANSACTION", "START"),
            (";;SELECT", "SELECT"),
            ("", ""),
            ("-- only", ""),
            ("über", ""),
            ("x'41'", "x"),
        ] {
            assert_eq!(first_keyword(sql), word, "{sql}");
        }
    }

    #[test]
    fn a_statement_of_comments_alone_is_blank_as_its_database_reads_them() {
        let all = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite];
        for sql in ["", " \n\x0b", " ; ;", "-- c\n;", "/* c */ -- d", "/* open", "/**/", "/*/ */;", "/* a /* b */"] {
            assert!(all.iter().all(|dialect| is_blank(sql, *dialect)), "{sql}");
        }
        for sql in ["SELECT 1", "/* c */ x", "-- c\nx", "#x\ny", "(", "/", "-", "ü"] {
            assert!(!all.iter().any(|dialect| is_blank(sql, *dialect)), "{sql}");
        }
        for (sql, blank) in [
            ("/* /* c */ */", [true, false, false]),
            ("/* a /* b */ BEGIN", [true, false, false]),
            ("/*! SET x = 1 */", [true, false, true]),
            ("#", [false, true, false]),
            ("--x", [true, false, true]),
            ("\u{feff} ;", [false, false, true]),
            ("/*M! SET x = 1 */", [true, false, true]),
        ] {
            assert_eq!(all.map(|dialect| is_blank(sql, dialect)), blank, "{sql}");
        }
    }
}
