//! `bind`, held to the table that holds pure PHP as well, and to what always holds.

use super::*;
use Dialect::{MySql, Postgres, Sqlite};

/// Statements with their parameters, and what becomes of both.
const BINDINGS: &str = include_str!("../../../tests/support/bindings.tsv");

fn param(value: &serde_json::Value) -> Param {
    use serde_json::Value as Json;
    match value {
        Json::Null => Param::Null,
        Json::Bool(value) => Param::Bool(*value),
        Json::Number(value) => value.as_i64().map_or_else(|| Param::Float(value.as_f64().unwrap()), Param::Int),
        Json::String(value) => Param::Text(value.clone()),
        other => panic!("{other}"),
    }
}

fn value(value: &serde_json::Value) -> Value {
    match value.as_array() {
        Some(list) => Value::List(list.iter().map(param).collect()),
        None => Value::One(param(value)),
    }
}

fn given(json: &str) -> Given {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    match json.as_object() {
        Some(named) => Given::Named(named.iter().map(|(name, given)| (name.clone(), value(given))).collect()),
        None => Given::Positional(json.as_array().unwrap().iter().map(value).collect()),
    }
}

#[test]
fn statements_and_values_come_out_as_the_table_says() {
    let mut lines = 0;
    for line in BINDINGS.lines().filter(|line| !line.starts_with('#')) {
        let [dialects, sql, parameters, expected, rest] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let bytes = [("{CR}", "\r"), ("{LF}", "\n"), ("{TAB}", "\t")];
        let text = |text: &str| bytes.iter().fold(text.to_owned(), |text, (name, byte)| text.replace(name, byte));
        let sql = &text(sql);
        let expected = if expected == "=" { sql.clone() } else { text(expected) };
        for (name, dialect) in [("postgres", Postgres), ("mysql", MySql), ("sqlite", Sqlite)] {
            if dialects != "all" && !dialects.split(',').any(|wanted| wanted == name) {
                continue;
            }
            lines += 1;
            match bind(dialect, sql, given(parameters)) {
                Err(error) => {
                    assert_eq!(("error".to_owned(), rest), (expected.clone(), &*error.to_string()), "{sql}")
                }
                Ok((found, params)) => {
                    assert_eq!(found, expected, "{name}: {sql}");
                    let json: serde_json::Value = serde_json::from_str(rest).expect(rest);
                    let values: Vec<Param> = json.as_array().unwrap().iter().map(param).collect();
                    assert_eq!(params, values, "{name}: {sql}");
                }
            }
        }
    }
    assert!(lines > 100, "{lines}");
}

#[test]
fn a_statement_in_which_nothing_changes_is_not_copied() {
    for dialect in [Postgres, MySql, Sqlite] {
        let found = bind(dialect, "SELECT a FROM t WHERE b = 'x'", Given::default()).unwrap();
        assert!(matches!(found.0, Cow::Borrowed(_)));
    }
    let values = || Given::from(vec![Param::Int(1)]);
    assert!(matches!(bind(MySql, "SELECT ?", values()).unwrap().0, Cow::Borrowed(_)));
    assert!(matches!(bind(Sqlite, "SELECT ?", values()).unwrap().0, Cow::Borrowed(_)));
    assert!(matches!(bind(Postgres, "SELECT $1", values()).unwrap().0, Cow::Borrowed(_)));
}

#[test]
fn a_name_that_is_given_twice_is_refused() {
    let twice = Given::Named(vec![("a".to_owned(), Value::One(Param::Null)); 2]);
    assert_eq!(bind(MySql, "SELECT :a", twice).unwrap_err().to_string(), "parameter :a: it is given twice");
}

#[test]
fn the_databases_limits_of_parameters_hold_at_their_boundaries() {
    for (dialect, max) in [(Postgres, 65_535), (MySql, 65_535), (Sqlite, 32_766)] {
        let list = |count| Value::List(vec![Param::Null; count]);
        let ways: [&dyn Fn(usize) -> Result<_, Error>; 4] = [
            &|count| bind(dialect, "SELECT a IN (?)", Given::Positional(vec![list(count)])),
            &|count| bind(dialect, "SELECT a IN (:a)", Given::Named(vec![("a".to_owned(), list(count))])),
            &|count| {
                let named = vec![("a".to_owned(), list(count - 1)), ("b".to_owned(), list(1))];
                bind(dialect, "SELECT a IN (:a), b IN (:b)", Given::Named(named))
            },
            &|count| bind(dialect, "", Given::from(vec![Param::Null; count])),
        ];
        for way in &ways[..3] {
            assert_eq!(way(max).unwrap().1.len(), max);
        }
        for way in ways {
            let message = way(max + 1).unwrap_err().to_string();
            let (given, name) = (max + 1, name_of(dialect));
            assert_eq!(
                message,
                format!(
                    "the statement has {given} parameters, and {name} takes {max} at most: split it, or send a \
                     list as JSON"
                )
            );
        }
    }
}

// What stands before and behind the pieces is none of a dialect's quotes or names.
fn opaque(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Postgres => &["'?:a'", "\"?:a\"", "E'\\'?:a'", "$$?:a$$", "$q$ ? $$ :a$q$", "/*?/*:a*/?*/", "--?:a\n", "1::a"],
        MySql => &["'?\\':a'", "\"?\\\":a\"", "`?:a`", "/*?/*:a*/", "-- ?:a\n", "#?:a\n", "@a:=1", "l:LOOP"],
        Sqlite => &["'?:a'", "\"?:a\"", "`?:a`", "[?:a]", "/*?/*:a*/", "--?:a\n", "x'00'"],
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics(sql in "[ -~äß\n?:$'\"/*!`\\[\\]\\\\-]{0,60}", count in 0..4_usize) {
        for dialect in [Postgres, MySql, Sqlite] {
            let list = Value::List(vec![Param::Null; count]);
            let _ = bind(dialect, &sql, Given::Positional(vec![list.clone(); count]));
            let _ = bind(dialect, &sql, Given::Named(vec![("a".to_owned(), list)]));
            if let Ok((found, _)) = bind(dialect, &sql, Given::default()) {
                // Only PostgreSQL's `??` changes.
                proptest::prop_assert!(found == sql || (dialect == Postgres && sql.contains("??")));
            }
        }
    }

    #[test]
    fn quotes_and_comments_stay_and_each_value_has_its_placeholder(
        picks in proptest::collection::vec((0..9_usize, 0..3_usize), 0..12),
    ) {
        for dialect in [Postgres, MySql, Sqlite] {
            let pieces = opaque(dialect);
            let (mut sql, mut expected) = (String::new(), String::new());
            let mut values = Vec::new();
            let mut bound = 0;
            for (piece, len) in &picks {
                let Some(piece) = pieces.get(*piece) else {
                    let list = vec![Param::Int(values.len() as i64); len + 1];
                    let numbers = (bound + 1..bound + 2 + len).map(|number| match dialect {
                        Postgres => format!("${number}"),
                        _ => "?".to_owned(),
                    });
                    expected.push_str(&numbers.collect::<Vec<_>>().join(", "));
                    sql.push('?');
                    bound += len + 1;
                    values.push(Value::List(list));
                    sql.push(' ');
                    expected.push(' ');
                    continue;
                };
                for text in [&mut sql, &mut expected] {
                    text.push_str(piece);
                    text.push(' ');
                }
            }
            let (found, params) = bind(dialect, &sql, Given::Positional(values)).unwrap();
            proptest::prop_assert_eq!(found, expected);
            proptest::prop_assert_eq!(params.len(), bound);
        }
    }
}
