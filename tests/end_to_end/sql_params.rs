//! Bound values reach all three databases as they are. Strings: `sql_hostile`.

use crate::databases::{all, json_of, postgres, text};
use lyger::db::params::Value;
use lyger::db::{Error, Given, Param};

#[test]
fn bytes_of_every_value_come_back_unchanged() {
    let bytes: Vec<u8> = (0..=255).chain([0, 0, b'\'', b'\\']).collect();
    for (name, db) in all() {
        let blob = if name == "postgres" { "BYTEA" } else { "BLOB" };
        db.create("all_bytes", &format!("v {blob}"));
        db.query("INSERT INTO all_bytes VALUES (?)", &[Param::Bytes(bytes.clone())]);
        let serialized = db.serialized("SELECT v FROM all_bytes", &[]);
        let expected = [b"a:1:{i:0;a:1:{s:1:\"v\";s:260:\"".as_slice(), &bytes, b"\";}}"].concat();
        assert_eq!(serialized, expected, "{name}");
        let found = db.query("SELECT 1 FROM all_bytes WHERE v = ?", &[Param::Bytes(bytes.clone())]);
        assert_eq!(found.table.rows(), 1, "{name}");
        // Each byte alone, and none at all, in a list and by name.
        let each: Vec<Param> = (0..=255).map(|byte| Param::Bytes(vec![byte])).chain([Param::Bytes(vec![])]).collect();
        let rows = vec!["(?)"; each.len()].join(", ");
        db.query(&format!("INSERT INTO all_bytes VALUES {rows}"), &each);
        let found =
            db.given("SELECT v FROM all_bytes WHERE v IN (:each)", named([("each", Value::List(each.clone()))]));
        assert_eq!(found.table.rows(), each.len(), "{name}");
        for bytes in each {
            let found = db.given("SELECT 1 FROM all_bytes WHERE v = :v", named([("v", Value::One(bytes))]));
            assert_eq!(found.table.rows(), 1, "{name}");
        }
    }
}

#[test]
fn every_kind_of_value_is_stored_and_found_by_itself() {
    for (name, db) in all() {
        let (double, boolean) = if name == "postgres" { ("FLOAT8", "BOOLEAN") } else { ("DOUBLE", "BOOLEAN") };
        db.create("kinds", &format!("i BIGINT, f {double}, b {boolean}, t VARCHAR(20), n VARCHAR(20)"));
        let params = [Param::Int(i64::MIN), Param::Float(-0.1), Param::Bool(true), text("0"), Param::Null];
        db.query("INSERT INTO kinds VALUES (?, ?, ?, ?, ?)", &params);
        let truth = if name == "mysql" { "1" } else { "true" };
        let json = format!(r#"[{{"i":-9223372036854775808,"f":-0.1,"b":{truth},"t":"0","n":null}}]"#);
        let sql = "SELECT i, f, b, t, n FROM kinds WHERE i = ? AND f = ? AND b = ? AND t = ? AND n IS NULL";
        assert_eq!(db.json(sql, &params[..4]), json, "{name}");
        // A string where a number is stored, as everything is in PHP.
        assert_eq!(
            db.json("SELECT 1 AS found FROM kinds WHERE i = ?", &[text("-9223372036854775808")]),
            r#"[{"found":1}]"#
        );
    }
}

#[test]
fn the_number_of_values_must_be_that_of_the_placeholders() {
    for (name, db) in all() {
        for (sql, params) in [
            ("SELECT 1", vec![Param::Int(1)]),
            ("SELECT ?, ?", vec![Param::Int(1)]),
            ("SELECT ?, ?", vec![Param::Int(1); 3]),
            ("SELECT ?", vec![]),
        ] {
            let error = db.error(sql, &params);
            assert!(matches!(error, Error::InvalidParams { position: None, .. }), "{name}: {sql}: {error}");
            assert_eq!(error.sqlstate(), Some("07001"));
        }
        assert_eq!(db.json("SELECT ? + 1 AS n", &[Param::Int(1)]), r#"[{"n":2}]"#, "{name} goes on");
    }
}

#[test]
fn a_question_mark_in_a_quote_or_a_comment_is_no_placeholder() {
    for (name, db) in all() {
        let sql = "SELECT '?' AS q, /* ? */ ? + 0 AS n -- ?\n";
        assert_eq!(db.json(sql, &[Param::Int(1)]), r#"[{"q":"?","n":1}]"#, "{name}");
    }
}

#[test]
fn postgresql_keeps_its_own_placeholders_and_operators() {
    let db = postgres();
    assert_eq!(db.json("SELECT $2::int4 AS b, $1::int4 AS a", &[Param::Int(1), Param::Int(2)]), r#"[{"b":2,"a":1}]"#);
    assert_eq!(db.json("SELECT ?::jsonb ?? 'a' AS has", &[text(r#"{"a":1}"#)]), r#"[{"has":true}]"#);
    assert!(matches!(
        db.error("SELECT $1::int4, ?::int4", &[Param::Int(1), Param::Int(2)]),
        Error::InvalidParams { .. }
    ));
}

#[test]
fn numbers_that_a_database_cannot_store_are_refused_and_not_made_null() {
    for (name, db) in all() {
        for value in [f64::NAN, f64::INFINITY] {
            let result = db.try_query("SELECT ? AS v", &[Param::Float(value)]);
            match (name, value.is_nan()) {
                ("mysql", _) | ("sqlite", true) => {
                    assert!(matches!(result, Err(Error::InvalidParams { position: Some(1), .. })))
                }
                _ => assert!(result.is_ok(), "{name}"),
            }
        }
    }
}

fn named<const N: usize>(values: [(&str, Value); N]) -> Given {
    Given::Named(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn ints(values: impl IntoIterator<Item = i64>) -> Value {
    Value::List(values.into_iter().map(Param::Int).collect())
}

#[test]
fn a_name_stands_for_its_value_wherever_it_is_used() {
    for (name, db) in all() {
        let sql = "SELECT :b + 0 AS b, ':a' AS quoted, :a + 0 AS a, /* :c */ :b + 1 AS c -- :d";
        let given = named([("a", Value::One(Param::Int(1))), ("b", Value::One(Param::Int(20)))]);
        assert_eq!(json_of(&db.given(sql, given)), r#"[{"b":20,"quoted":":a","a":1,"c":21}]"#, "{name}");
    }
}

#[test]
fn a_list_holds_its_values_and_an_empty_one_holds_nothing() {
    for (name, db) in all() {
        db.create("listed", "id INTEGER, n INTEGER, t VARCHAR(20)");
        db.query("INSERT INTO listed VALUES (1, 1, 'a'), (2, 2, 'b'), (3, NULL, NULL)", &[]);
        let ids = |condition: &str, given: Given| {
            let found = db.given(&format!("SELECT id FROM listed WHERE {condition} ORDER BY id"), given);
            let json: serde_json::Value = serde_json::from_str(&json_of(&found)).unwrap();
            json.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        let (all, none, some) = (vec![1, 2, 3], vec![0; 0], |list| Given::Positional(vec![list]));
        assert_eq!(ids("n IN (?)", some(ints([2, 1, 7]))), [1, 2], "{name}");
        assert_eq!(ids("n NOT IN (?)", some(ints([2, 7]))), [1], "{name}: NULL is neither in nor out");
        let given = named([("n", ints([2])), ("t", Value::List(vec![text("a"), text("'")]))]);
        assert_eq!(ids("n IN (:n) OR t IN (:t) OR n IN (:n)", given), [1, 2], "{name}");
        for column in ["n", "t", "n + 1", "NULL", "(SELECT max(n) FROM listed)"] {
            assert_eq!(ids(&format!("{column} IN (?)"), some(ints([]))), none, "{name}: {column}");
            assert_eq!(ids(&format!("{column} NOT IN (?)"), some(ints([]))), all, "{name}: {column}");
            assert_eq!(ids(&format!("NOT {column} IN (:l)"), named([("l", ints([]))])), all, "{name}: {column}");
        }
        let by_value = |value| Given::Positional(vec![Value::One(value), ints([])]);
        assert_eq!(ids("? IN (?)", by_value(text("a"))), none, "{name}");
        assert_eq!(ids("? NOT IN (?)", by_value(Param::Null)), all, "{name}");
        // What stands beside it binds as it does with values.
        assert_eq!(ids("n = 1 OR 1 + n IN (?) AND n = 2", some(ints([]))), [1], "{name}");
        if name == "postgres" {
            assert_eq!(ids("false = t IN (?)", some(ints([]))), all, "{name}: a comparison of the two");
        }
    }
}

#[test]
fn as_many_parameters_as_a_database_takes_are_taken_and_one_more_is_refused_by_number() {
    for (name, db) in all() {
        let max = if name == "sqlite" { 32_766 } else { 65_535 };
        let sql = "SELECT 1 AS found WHERE 65535 IN (?)";
        let sql = if name == "mysql" { sql.replace("WHERE", "FROM DUAL WHERE") } else { sql.to_owned() };
        let list = |count: i64| Given::Positional(vec![ints(65_536 - count..65_536)]);
        assert_eq!(db.given(&sql, list(max)).table.rows(), 1, "{name}");
        let error = db.try_given(&sql, list(max + 1)).unwrap_err();
        assert!(matches!(&error, Error::InvalidParams { .. }), "{name}: {error}");
        assert!(error.to_string().contains(&format!("takes {max} at most")), "{name}: {error}");
    }
}

#[test]
fn null_is_bound_to_a_column_of_every_type() {
    let postgres = "SMALLINT, INT, BIGINT, REAL, FLOAT8, NUMERIC(9, 2), MONEY, BOOLEAN, TEXT, VARCHAR(9), CHAR(3), BYTEA, \
                    DATE, TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ, INTERVAL, UUID, JSON, JSONB, INET, CIDR, MACADDR, INT[], \
                    TEXT[], INT4RANGE, POINT, BIT(3), TSVECTOR, OID, NAME";
    let mysql = "TINYINT, SMALLINT, MEDIUMINT, INT, BIGINT UNSIGNED, FLOAT, DOUBLE, DECIMAL(9; 2), BIT(3), BOOLEAN, \
                 CHAR(3), VARCHAR(9), TEXT, BINARY(3), VARBINARY(9), BLOB, DATE, TIME, DATETIME, TIMESTAMP NULL, YEAR, \
                 ENUM('a'), SET('a'), JSON, POINT";
    let sqlite = "INTEGER, REAL, TEXT, BLOB, NUMERIC, BOOLEAN, DATE, DATETIME, JSON, ANY";
    for (name, db) in all() {
        let types = match name {
            "postgres" => postgres.replace("9, 2", "9; 2"),
            "mysql" => mysql.to_owned(),
            _ => sqlite.to_owned(),
        };
        let types: Vec<String> = types.split(", ").map(|of_type| of_type.replace(';', ",")).collect();
        let columns: Vec<String> = types.iter().zip(0..).map(|(of_type, n)| format!("c{n} {of_type}")).collect();
        db.create("nulls", &columns.join(", "));
        let places = vec!["?"; types.len()].join(", ");
        db.query(&format!("INSERT INTO nulls VALUES ({places})"), &vec![Param::Null; types.len()]);
        let names: Vec<String> = (0..types.len()).map(|n| format!(":c{n}")).collect();
        let nulls = (0..types.len()).map(|n| (format!("c{n}"), Value::One(Param::Null))).collect();
        db.given(&format!("INSERT INTO nulls VALUES ({})", names.join(", ")), Given::Named(nulls));
        let list = Given::Positional(vec![Value::List(vec![Param::Null; types.len()])]);
        db.given("INSERT INTO nulls VALUES (?)", list);
        let all_null: Vec<String> = (0..types.len()).map(|n| format!("c{n} IS NULL")).collect();
        let found = db.json(&format!("SELECT COUNT(*) AS n FROM nulls WHERE {}", all_null.join(" AND ")), &[]);
        assert_eq!(found, r#"[{"n":3}]"#, "{name}");
    }
}

#[test]
fn a_slice_of_an_array_is_no_name_unless_one_is_given() {
    let db = postgres();
    let sql = "SELECT (a[2:3])[1] AS x, a[:n] AS y, (a[1:m])[2] AS z, (a[1: :n])[1] AS n FROM (SELECT ARRAY[5, 6, 7] AS a, 2 AS m) t";
    let given = named([("n", Value::One(Param::Int(1)))]);
    assert_eq!(json_of(&db.given(sql, given)), r#"[{"x":6,"y":5,"z":6,"n":5}]"#);
}
