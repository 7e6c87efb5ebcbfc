//! Bound values reach all three databases as they are.

use crate::databases::{all, postgres, text};
use lyger::db::{Error, Param};

const HOSTILE: [&str; 22] = [
    "",
    " ",
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    "'; DROP TABLE hostile; --",
    "1' OR '1'='1",
    "?",
    "$1",
    ":name",
    "%s%n",
    "-- comment",
    "/* comment */",
    "$$dollar$$",
    "line\r\nbreak\ttab",
    "ü 🦀 \u{202e}rtl",
    "\u{feff}bom",
    "\u{1}\u{1f}\u{7f}",
    "null",
];

#[test]
fn hostile_strings_come_back_unchanged() {
    for (name, db) in all() {
        db.create("hostile", "id INTEGER, v VARCHAR(200)");
        for (id, hostile) in HOSTILE.iter().enumerate() {
            db.query("INSERT INTO hostile (id, v) VALUES (?, ?)", &[Param::Int(id as i64), text(hostile)]);
        }
        let json = db.json("SELECT v FROM hostile ORDER BY id", &[]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        for (row, hostile) in rows.iter().zip(HOSTILE) {
            assert_eq!(row["v"], hostile, "{name}");
        }
        assert_eq!(rows.len(), HOSTILE.len(), "{name}");
        for hostile in HOSTILE {
            let found = db.query("SELECT id FROM hostile WHERE v = ?", &[text(hostile)]);
            assert!(found.table.rows() >= 1, "{name}: {hostile:?} is found by itself");
        }
    }
}

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
