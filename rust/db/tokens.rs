//! As much of SQL's lexical structure as the room needs: where `?` is a placeholder, and which word comes first.
//!
//! PostgreSQL's rules follow its manual, section 4.1 (Lexical Structure), with `standard_conforming_strings` on,
//! its default since 9.1. Text that never ends (an open quote) is passed on as it is: the server words that error best.

use super::{Dialect, Error};
use std::borrow::Cow;
use std::fmt::Write;

/// Rewrites portable `?` placeholders to PostgreSQL's `$1`, `$2`, ...; `??` becomes the operator `?`.
///
/// Quotes, comments, dollar quotes and identifiers are left alone, and so is a statement without `?`, whose `$n` stay
/// what they are.
///
/// # Errors
/// [`Error::InvalidParams`] for a statement that has both kinds of placeholders: its numbering would be a guess.
pub(super) fn to_postgres(sql: &str) -> Result<Cow<'_, str>, Error> {
    let bytes = sql.as_bytes();
    if !bytes.contains(&b'?') {
        return Ok(Cow::Borrowed(sql));
    }
    let mut rewritten = String::with_capacity(sql.len() + 16);
    let (mut at, mut copied, mut count, mut numbered) = (0, 0, 0_u32, false);
    while at < bytes.len() {
        match bytes[at] {
            b'?' => {
                rewritten.push_str(&sql[copied..at]);
                if bytes.get(at + 1) == Some(&b'?') {
                    rewritten.push('?');
                    at += 2;
                } else {
                    count += 1;
                    write!(rewritten, "${count}").expect("writing to a String");
                    at += 1;
                }
                copied = at;
            }
            b'$' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                numbered = true;
                at += 2;
            }
            _ => at = skip_token(bytes, at),
        }
    }
    if numbered && count > 0 {
        return Err(Error::params(
            "the statement mixes ? with $1; use one kind (and write ?? for an operator that has a question mark)",
        ));
    }
    rewritten.push_str(&sql[copied..]);
    Ok(Cow::Owned(rewritten))
}

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

/// Whether there is nothing to run: white space, semicolons and comments alone. PostgreSQL's comments nest; what stands
/// in /*! */ and /*M! */ is run by MySQL and MariaDB.
pub(super) fn is_blank(sql: &str, dialect: Dialect) -> bool {
    let bytes = sql.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        at = match bytes[at] {
            b if b.is_ascii_whitespace() || b == b';' || b == b'\x0b' => at + 1,
            b'-' if bytes.get(at + 1) == Some(&b'-') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => match (dialect, &bytes[at + 2..]) {
                (Dialect::Postgres, _) => comment_end(bytes, at),
                (Dialect::MySql, [b'!', ..] | [b'M', b'!', ..]) => return false,
                (_, rest) => rest.windows(2).position(|end| end == b"*/").map_or(bytes.len(), |len| at + len + 4),
            },
            _ => return false,
        };
    }
    true
}

/// Where the token that starts at `at` ends. Always moves forward, and never into the middle of a character.
fn skip_token(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        b'\'' => quote_end(bytes, at, false),
        b'"' => quote_end(bytes, at, false),
        b'-' if bytes.get(at + 1) == Some(&b'-') => line_end(bytes, at),
        b'/' if bytes.get(at + 1) == Some(&b'*') => comment_end(bytes, at),
        b'$' => dollar_quote_end(bytes, at).unwrap_or(at + 1),
        b if is_identifier_start(b) => {
            let end = at + bytes[at..].iter().take_while(|b| is_identifier_part(**b)).count();
            let escapes = end == at + 1 && matches!(b, b'e' | b'E') && bytes.get(end) == Some(&b'\'');
            if escapes { quote_end(bytes, end, true) } else { end }
        }
        _ => at + 1,
    }
}

fn is_identifier_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn is_identifier_part(b: u8) -> bool {
    is_identifier_start(b) || b.is_ascii_digit() || b == b'$'
}

// Past the closing quote; a doubled quote ends one string and starts the next, which comes to the same.
fn quote_end(bytes: &[u8], start: usize, backslash_escapes: bool) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return at + 1,
            b'\\' if backslash_escapes => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
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

// `$$ ... $$` or `$tag$ ... $tag$`.
fn dollar_quote_end(bytes: &[u8], start: usize) -> Option<usize> {
    let tag_len = bytes[start + 1..].iter().take_while(|b| is_identifier_part(**b) && **b != b'$').count();
    let open_end = start + 1 + tag_len;
    if bytes.get(open_end) != Some(&b'$') {
        return None;
    }
    let tag = &bytes[start..=open_end];
    let body = &bytes[open_end + 1..];
    let len = body.windows(tag.len()).position(|window| window == tag);
    Some(len.map_or(bytes.len(), |len| open_end + 1 + len + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_marks_become_numbers_in_order() {
        assert_eq!(
            to_postgres("SELECT * FROM t WHERE a = ? AND b IN (?,?)").unwrap(),
            "SELECT * FROM t WHERE a = $1 AND b IN ($2,$3)"
        );
        assert_eq!(to_postgres("?::text").unwrap(), "$1::text");
    }

    #[test]
    fn a_doubled_question_mark_is_the_operator() {
        assert_eq!(to_postgres("data ?? ?").unwrap(), "data ? $1");
        assert_eq!(to_postgres("data ??| ? and data ??& ?").unwrap(), "data ?| $1 and data ?& $2");
        assert_eq!(to_postgres("data ???").unwrap(), "data ?$1");
    }

    #[test]
    fn quotes_comments_and_dollar_quotes_are_left_alone() {
        for quoted in [
            "'?'",
            "'it''s ?'",
            r"'\'",
            r"E'\'?'",
            r"e'a\\'",
            "\"col?\"",
            "\"a\"\"?\"",
            "U&'?'",
            "-- ?\n",
            "/* ? /* ? */ ? */",
            "$$ ? $$",
            "$fn$ ? $$ ? $fn$",
            "$ä$ ? $ä$",
            "N'?'",
            "naïve$1",
        ] {
            let sql = format!("SELECT {quoted}, ? FROM t");
            assert_eq!(to_postgres(&sql).unwrap(), format!("SELECT {quoted}, $1 FROM t"));
        }
    }

    #[test]
    fn a_backslash_escapes_only_in_strings_with_e() {
        assert_eq!(to_postgres(r"'\' ? '?'").unwrap(), r"'\' $1 '?'");
        assert_eq!(to_postgres(r"E'\' ?' ?").unwrap(), r"E'\' ?' $1");
        assert_eq!(to_postgres(r"like'\' ?").unwrap(), r"like'\' $1", "an identifier that only ends in e");
    }

    #[test]
    fn a_dollar_in_an_identifier_opens_no_quote() {
        assert_eq!(to_postgres("a$b$ ? a$b$").unwrap(), "a$b$ $1 a$b$");
    }

    #[test]
    fn what_never_ends_is_passed_on() {
        for sql in ["'abc ?", "\"abc ?", "/* ?", "-- ?", "$x$ ?", r"E'\"] {
            assert_eq!(to_postgres(sql).unwrap(), sql);
        }
    }

    #[test]
    fn numbered_placeholders_pass_through_and_mixing_is_refused() {
        assert_eq!(to_postgres("SELECT $1, $2").unwrap(), "SELECT $1, $2");
        assert_eq!(to_postgres("data ?? $1").unwrap(), "data ? $1");
        assert!(to_postgres("SELECT $1, ?").is_err());
        assert_eq!(to_postgres("SELECT '$1', ?").unwrap(), "SELECT '$1', $1");
    }

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
        for sql in ["SELECT 1", "/* c */ x", "-- c\nx", "#", "(", "/", "-", "ü"] {
            assert!(!all.iter().any(|dialect| is_blank(sql, *dialect)), "{sql}");
        }
        for (sql, blank) in [
            ("/* /* c */ */", [true, false, false]),
            ("/* a /* b */ BEGIN", [true, false, false]),
            ("/*! SET x = 1 */", [true, false, true]),
            ("/*M! SET x = 1 */", [true, false, true]),
        ] {
            assert_eq!(all.map(|dialect| is_blank(sql, dialect)), blank, "{sql}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_text_without_question_marks_is_kept(sql in "[ -~äß\n?$'\"/*\\\\-]{0,60}") {
            let rewritten = to_postgres(&sql);
            if !sql.contains('?') {
                proptest::prop_assert_eq!(rewritten.unwrap(), sql.as_str());
            }
            let _ = (first_keyword(&sql), is_blank(&sql, Dialect::MySql));
        }
    }
}
