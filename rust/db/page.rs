//! A page of a statement's rows, and how many there are on all pages. The two are two statements: what others change in
//! between shows.

use super::params::{Given, Param, Value};
use super::words::Words;
use super::{Dialect, Error, tokens};
use crate::json::shape::Page;
use crate::json::table::{Cell, Data, Table};

/// The names of what a page adds to a statement with named parameters.
const NAMES: [&str; 2] = ["lyger_limit", "lyger_offset"];

/// The statement with LIMIT and OFFSET behind it, in its own kind of placeholders, and their values behind the others.
#[must_use]
pub fn select(dialect: Dialect, sql: &str, given: Given, page: Page) -> (String, Given) {
    // On a line of its own, past whatever comment there may be.
    let sql = Words::trimmed(dialect, sql);
    // No database knows larger ones, as `Options::parse` has seen.
    let number = |number: u64| Value::One(Param::Int(i64::try_from(number).unwrap_or(i64::MAX)));
    let numbers = [number(page.rows), number(page.offset().unwrap_or(u64::MAX))];
    match given {
        Given::Named(mut named) if !named.is_empty() => {
            named.extend(NAMES.map(str::to_owned).into_iter().zip(numbers));
            (format!("{sql}\nLIMIT :{} OFFSET :{}", NAMES[0], NAMES[1]), Given::Named(named))
        }
        Given::Named(_) => select(dialect, sql, Given::default(), page),
        Given::Positional(mut values) => {
            let count = values.len();
            values.extend(numbers);
            let limited = if tokens::has_numbers(dialect, sql) {
                format!("{sql}\nLIMIT ${} OFFSET ${}", count + 1, count + 2)
            } else {
                format!("{sql}\nLIMIT ? OFFSET ?")
            };
            (limited, Given::Positional(values))
        }
    }
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
        let select = |dialect, sql: &str, given: Given| select(dialect, sql, given, page);
        let one = || vec![Value::One(Param::Bool(true))];
        let page_of = |mut values: Vec<Value>| {
            values.extend([Value::One(Param::Int(20)), Value::One(Param::Int(40))]);
            Given::Positional(values)
        };
        for (dialect, sql, values, limited) in [
            (Dialect::MySql, "SELECT 1;", vec![], "SELECT 1\nLIMIT ? OFFSET ?"),
            (Dialect::Postgres, "SELECT ?", one(), "SELECT ?\nLIMIT ? OFFSET ?"),
            (Dialect::Postgres, "SELECT $1", one(), "SELECT $1\nLIMIT $2 OFFSET $3"),
            (Dialect::Sqlite, "SELECT ?1", one(), "SELECT ?1\nLIMIT ? OFFSET ?"),
        ] {
            let found = select(dialect, sql, Given::Positional(values.clone()));
            assert_eq!(found, (limited.to_owned(), page_of(values)));
        }
        let named =
            |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), Value::One(Param::Int(20)))).collect();
        let (sql, given) = select(Dialect::Postgres, "SELECT :a", Given::Named(named(&["a"])));
        assert_eq!(sql, "SELECT :a\nLIMIT :lyger_limit OFFSET :lyger_offset");
        let Given::Named(values) = given else { panic!("{given:?}") };
        assert_eq!(values[2], ("lyger_offset".to_owned(), Value::One(Param::Int(40))));
        assert_eq!(select(Dialect::Postgres, "SELECT 1", Given::Named(vec![])).1, page_of(vec![]));
        assert_eq!(count(Dialect::Sqlite, "SELECT 1;"), "SELECT COUNT(*) AS total FROM (\nSELECT 1\n) AS counted");
    }
}
