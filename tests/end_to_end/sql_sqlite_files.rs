//! Several connections to one file of SQLite: what one of them changes under the prepared statements of another.

use crate::databases::{Fixture, text};
use lyger::db::{Limits, Param};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// Two programs, as far as SQLite can tell: nothing is shared but the file.
fn two() -> (TempDir, Fixture, Fixture) {
    let folder = tempfile::tempdir().unwrap();
    let dsn = format!("sqlite:{}", folder.path().join("shared.sqlite").display());
    let (one, other) = (Fixture::new(&dsn, Limits::default()), Fixture::new(&dsn, Limits::default()));
    (folder, one, other)
}

#[test]
fn a_prepared_statement_has_the_columns_and_types_that_another_connection_gave_its_table() {
    let (_folder, one, other) = two();
    one.create("grows", "a INTEGER, b INTEGER");
    one.query("INSERT INTO grows VALUES (1, 1)", &[]);
    let by_id = "SELECT * FROM grows WHERE a >= ?";
    let json = || one.json(by_id, &[Param::Int(1)]);
    assert_eq!((json(), json()), (r#"[{"a":1,"b":1}]"#.to_owned(), r#"[{"a":1,"b":1}]"#.to_owned()));

    other.query("ALTER TABLE grows ADD COLUMN c BOOLEAN DEFAULT 1", &[]);
    assert_eq!(json(), r#"[{"a":1,"b":1,"c":true}]"#);
    other.query("ALTER TABLE grows RENAME COLUMN b TO z", &[]);
    assert_eq!(json(), r#"[{"a":1,"z":1,"c":true}]"#);
    // As many columns of the same names, of another type.
    other.query("DROP TABLE grows", &[]);
    other.query("CREATE TABLE grows (a INTEGER, z BOOLEAN, c INTEGER)", &[]);
    other.query("INSERT INTO grows VALUES (1, 1, 1)", &[]);
    assert_eq!(json(), r#"[{"a":1,"z":true,"c":1}]"#);
    other.query("ALTER TABLE grows DROP COLUMN z", &[]);
    assert_eq!(json(), r#"[{"a":1,"c":1}]"#);
    other.query("DROP TABLE grows", &[]);
    assert!(one.error(by_id, &[Param::Int(1)]).to_string().contains("no such table"));
    other.query("CREATE TABLE grows (a INTEGER)", &[]);
    assert_eq!(json(), "[]", "and an error is not for ever");
}

#[test]
fn a_statement_waits_for_the_lock_of_another_connection() {
    let (_folder, one, other) = two();
    one.create("log", "line TEXT");
    one.query("BEGIN IMMEDIATE", &[]);
    one.query("INSERT INTO log VALUES (?)", &[text("first")]);
    let (tell, told) = mpsc::channel();
    let writer = std::thread::spawn(move || {
        tell.send("begins").unwrap();
        other.query("INSERT INTO log VALUES (?)", &[text("second")]);
        tell.send("is done").unwrap();
    });
    assert_eq!(told.recv(), Ok("begins"));
    let too_early = told.recv_timeout(Duration::from_millis(200));
    assert!(too_early.is_err(), "the other one has the lock");
    one.query("COMMIT", &[]);
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok("is done"));
    writer.join().unwrap();
    assert_eq!(one.json("SELECT line FROM log", &[]), r#"[{"line":"first"},{"line":"second"}]"#);
}
