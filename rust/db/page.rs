//! A page of a statement's rows, and how many there are on all pages. The two are two statements: what others change in
//! between shows.

use super::words::Words;
use super::{Dialect, Error, Param, tokens};
use crate::json::shape::Page;
use crate::json::table::{Cell, Data, Table};

/// The statement with LIMIT and OFFSET behind it, and their values behind the others.
///
/// # Errors
/// A statement that mixes `?` with `$1`.
pub fn select(dialect: Dialect, sql: &str, mut params: Vec<Param>, page: Page) -> Result<(String, Vec<Param>), Error> {
    // On a line of its own, past whatever comment there may be.
    let sql = Words::trimmed(dialect, sql);
    let by_mark = format!("{sql}\nLIMIT ? OFFSET ?");
    let count = params.len();
    let limited = match dialect {
        // Its own placeholders have numbers, and a statement can't have both kinds.
        Dialect::Postgres if tokens::to_postgres(&by_mark).is_err() => {
            format!("{sql}\nLIMIT ${} OFFSET ${}", count + 1, count + 2)
        }
        _ => by_mark,
    };
    // No database knows larger ones, as `Options::parse` has seen.
    let number = |number: u64| Param::Int(i64::try_from(number).unwrap_or(i64::MAX));
    params.push(number(page.rows));
    params.push(number(page.offset().unwrap_or(u64::MAX)));
    Ok((limited, params))
}

/// A statement that counts the rows of another; it takes the same parameters.
#[must_use]
pub fn count(dialect: Dialect, sql: &str) -> String {
    format!("SELECT COUNT(*) AS total FROM (\n{}\n) AS counted", Words::trimmed(dialect, sql))
}

/// What a statement of [`count`] gave.
///
/// # Errors
/// No such number.
pub fn total(counted: &Table) -> Result<u64, Error> {
    let number = counted.columns().first().filter(|column| column.len() == 1).and_then(|column| match column.data() {
        Data::Int64(values) => u64::try_from(values[0]).ok(),
        Data::UInt64(values) => Some(values[0]),
        Data::Mixed(cells) => match cells[0] {
            Cell::Int(value) => u64::try_from(value).ok(),
            _ => None,
        },
        _ => None,
    });
    number.ok_or_else(|| Error::Query { message: "COUNT(*) gave no number".to_owned(), sqlstate: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_statement_is_left_out_and_what_only_looks_so_stays() {
        use Dialect::{MySql, Postgres, Sqlite};
        for (dialect, sql, trimmed) in [
            (Sqlite, "SELECT 1", "SELECT 1"),
            (Sqlite, "SELECT 1 ; -- done;\n /* x */ ;\n", "SELECT 1"),
            (Sqlite, "SELECT ';--'", "SELECT ';--'"),
            (Sqlite, "SELECT [;--] ;", "SELECT [;--]"),
            (Postgres, "SELECT $$;--$$; /* a /* b */ c */", "SELECT $$;--$$"),
            (Postgres, "SELECT E'\\';--'", "SELECT E'\\';--'"),
            (MySql, "SELECT '\\';--' # end;", "SELECT '\\';--'"),
            (MySql, "SELECT `;--`, \"ü;\";;", "SELECT `;--`, \"ü;\""),
            (Sqlite, "SELECT 1; SELECT 2;", "SELECT 1; SELECT 2"),
            (Sqlite, " -- nothing", ""),
        ] {
            assert_eq!(Words::trimmed(dialect, sql), trimmed, "{sql}");
        }
    }

    #[test]
    fn a_page_is_bound_in_the_statements_own_kind_of_placeholders() {
        let page = Page { number: 3, rows: 20 };
        let select = |dialect, sql: &str, params: &[Param]| select(dialect, sql, params.to_vec(), page).unwrap();
        let bound = vec![Param::Int(20), Param::Int(40)];
        assert_eq!(select(Dialect::MySql, "SELECT 1;", &[]), ("SELECT 1\nLIMIT ? OFFSET ?".to_owned(), bound));
        let one = [Param::Bool(true)];
        assert_eq!(select(Dialect::Postgres, "SELECT ?", &one).0, "SELECT ?\nLIMIT ? OFFSET ?");
        let (sql, params) = select(Dialect::Postgres, "SELECT $1", &one);
        assert_eq!((sql.as_str(), params.len()), ("SELECT $1\nLIMIT $2 OFFSET $3", 3));
        assert_eq!(count(Dialect::Sqlite, "SELECT 1;"), "SELECT COUNT(*) AS total FROM (\nSELECT 1\n) AS counted");
    }
}
