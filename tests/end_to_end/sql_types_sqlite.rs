//! SQLite's dynamic types: the value has the type, the declaration refines it.

use crate::databases::{sqlite, text};
use lyger::db::{Error, Param};

#[test]
fn each_storage_class_has_its_json_form() {
    let db = sqlite();
    assert_eq!(
        db.json(
            "SELECT 9223372036854775807 AS i, 0.1 AS r, 9e999 AS inf, 'a \"b\" ü' AS t, x'00ff' AS b, NULL AS n",
            &[]
        ),
        r#"[{"i":9223372036854775807,"r":0.1,"inf":null,"t":"a \"b\" ü","b":"AP8=","n":null}]"#
    );
    assert_eq!(
        db.serialized("SELECT 1 AS i, 0.5 AS r, 9e999 AS inf, x'00ff' AS b, NULL AS n", &[]),
        b"a:1:{i:0;a:5:{s:1:\"i\";i:1;s:1:\"r\";d:0.5;s:3:\"inf\";d:INF;s:1:\"b\";s:2:\"\0\xff\";s:1:\"n\";N;}}"
    );
}

#[test]
fn booleans_dates_and_json_are_known_by_their_declaration() {
    let db = sqlite();
    db.create("declared", "b BOOLEAN, d DATE, t DATETIME, s TIMESTAMP, j JSON, p DECIMAL(10,2), plain TEXT");
    db.query(
        "INSERT INTO declared VALUES (1, '2024-01-02', '2024-01-02 03:04:05', '2024-01-02 03:04:05.678', \
         '{\"a\":[1]}', 9.5, '2024-01-02 03:04:05')",
        &[],
    );
    db.query("INSERT INTO declared VALUES (0, 'soon', 1704164645, NULL, '7', 10, NULL)", &[]);
    assert_eq!(
        db.json("SELECT * FROM declared", &[]),
        concat!(
            r#"[{"b":true,"d":"2024-01-02","t":"2024-01-02T03:04:05","s":"2024-01-02T03:04:05.678","#,
            r#""j":{"a":[1]},"p":9.5,"plain":"2024-01-02 03:04:05"},"#,
            r#"{"b":false,"d":"soon","t":1704164645,"s":null,"j":7,"p":10,"plain":null}]"#
        )
    );
}

#[test]
fn values_of_different_classes_in_one_column_keep_their_own() {
    let db = sqlite();
    db.create("classes", "v, b BOOL");
    for (v, b) in [
        (Param::Null, Param::Null),
        (Param::Int(1), Param::Int(1)),
        (text("x"), Param::Int(2)),
        (Param::Float(0.5), text("yes")),
        (Param::Bytes(vec![255]), Param::Null),
        (Param::Null, Param::Int(0)),
    ] {
        db.query("INSERT INTO classes VALUES (?, ?)", &[v, b]);
    }
    assert_eq!(
        db.json("SELECT * FROM classes", &[]),
        concat!(
            r#"[{"v":null,"b":null},{"v":1,"b":true},{"v":"x","b":2},{"v":0.5,"b":"yes"},"#,
            r#"{"v":"/w==","b":null},{"v":null,"b":false}]"#
        )
    );
    assert_eq!(
        db.serialized("SELECT v FROM classes WHERE v IS NOT NULL", &[]),
        b"a:4:{i:0;a:1:{s:1:\"v\";i:1;}i:1;a:1:{s:1:\"v\";s:1:\"x\";}i:2;a:1:{s:1:\"v\";d:0.5;}i:3;a:1:{s:1:\"v\";s:1:\"\xff\";}}"
    );
}

#[test]
fn json_that_is_none_is_an_error_that_names_its_column() {
    let db = sqlite();
    db.create("bad_json", "j JSON");
    db.query("INSERT INTO bad_json VALUES ('{\"ok\":1}'), ('{oops')", &[]);
    let error = db.error("SELECT j AS doc FROM bad_json", &[]);
    let Error::UnsupportedType { column, hint, .. } = &error else { panic!("{error}") };
    assert_eq!(column, "doc");
    assert!(hint.contains("invalid JSON"), "{hint}");
    assert!(db.try_query("SELECT CAST(j AS TEXT) AS doc FROM bad_json", &[]).is_ok());
}

#[test]
fn a_column_added_behind_a_prepared_statement_is_seen() {
    let db = sqlite();
    db.create("grows", "a INTEGER");
    assert_eq!(db.json("SELECT * FROM grows", &[]), "[]");
    db.query("INSERT INTO grows VALUES (1)", &[]);
    assert_eq!(db.json("SELECT * FROM grows", &[]), r#"[{"a":1}]"#);
    db.query("ALTER TABLE grows ADD COLUMN b TEXT DEFAULT 'x'", &[]);
    assert_eq!(db.json("SELECT * FROM grows", &[]), r#"[{"a":1,"b":"x"}]"#);
    db.query("DELETE FROM grows", &[]);
    db.query("ALTER TABLE grows ADD COLUMN c TEXT", &[]);
    assert_eq!(db.query("SELECT * FROM grows", &[]).table.columns().len(), 3, "also when there is no row");
}

#[test]
fn a_statement_reports_only_its_own_changes_and_id() {
    let db = sqlite();
    let create = db.query("CREATE TABLE log (id INTEGER PRIMARY KEY, name TEXT)", &[]);
    assert_eq!((create.affected, create.last_insert_id), (0, None));
    let insert = db.query("INSERT INTO log (name) VALUES ('a'), ('b')", &[]);
    assert_eq!((insert.affected, insert.last_insert_id), (2, Some(2)));
    let update = db.query("UPDATE log SET name = 'c'", &[]);
    assert_eq!((update.affected, update.last_insert_id), (2, None));
    let select = db.query("SELECT * FROM log", &[]);
    assert_eq!((select.affected, select.last_insert_id), (0, None));
    let returning = db.query("INSERT INTO log (name) VALUES ('d') RETURNING id", &[]);
    assert_eq!((returning.affected, returning.last_insert_id, returning.table.rows()), (1, Some(3), 1));
    assert_eq!(db.query("CREATE TABLE other (x)", &[]).affected, 0);
}

#[test]
fn native_placeholders_pass_through() {
    let db = sqlite();
    assert_eq!(db.json("SELECT ?2 AS b, ?1 AS a", &[Param::Int(1), Param::Int(2)]), r#"[{"b":2,"a":1}]"#);
    assert_eq!(db.json("SELECT :a AS a, @b AS b", &[Param::Int(1), Param::Int(2)]), r#"[{"a":1,"b":2}]"#);
}

#[test]
fn foreign_keys_are_enforced() {
    let db = sqlite();
    db.create("parents", "id INTEGER PRIMARY KEY");
    db.create("children", "parent INTEGER REFERENCES parents(id)");
    assert_eq!(db.error("INSERT INTO children VALUES (1)", &[]).sqlstate(), Some("23000"));
}

#[test]
fn an_empty_statement_and_a_second_one_are_errors() {
    let db = sqlite();
    for sql in ["SELECT 1; SELECT 2", "", "  ", "-- nothing"] {
        assert!(matches!(db.error(sql, &[]), Error::Query { .. }), "{sql:?}");
    }
    assert_eq!(db.json("SELECT 1 AS a;", &[]), r#"[{"a":1}]"#);
}
