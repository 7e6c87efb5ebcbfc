//! Several connections to one file of SQLite: what one of them changes under the prepared statements of another.

use crate::databases::{Fixture, text};
use lyger::db::{Error, Limits, Param, Statement};
use std::sync::mpsc;
use std::time::{Duration, Instant};
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

/// How a statement of the other connection ends while this one has the lock, and after how long.
fn wait_for(db: &Fixture, timeout_ms: Option<u32>) -> (Error, Duration) {
    let mut statement = Statement::new("INSERT INTO log VALUES ('second')", Vec::new());
    statement.timeout_ms = timeout_ms;
    let began = Instant::now();
    let error = db.block_on(db.database.query(&db.client, &db.dsn, statement)).expect_err("somebody has the lock");
    (error, began.elapsed())
}

fn is_busy(error: &Error) -> bool {
    matches!(error, Error::Query { message, .. } if message.contains("database is locked"))
}

#[test]
fn waiting_for_a_lock_ends_with_the_limit_of_the_statement() {
    let (_folder, one, other) = two();
    one.create("log", "line TEXT");
    one.query("BEGIN IMMEDIATE", &[]);
    let (error, took) = wait_for(&other, Some(300));
    assert_eq!(error, Error::Timeout { statement_timeout_ms: 300 });
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(3000), "{took:?}");
    // The lock's own limit is another error, and only as long as nothing else is said.
    let (error, took) = wait_for(&other, None);
    assert!(is_busy(&error), "{error}");
    assert!(took >= Duration::from_millis(5000) && took < Duration::from_secs(20), "{took:?}");
    one.query("COMMIT", &[]);
    other.query("INSERT INTO log VALUES ('third')", &[]);
    assert_eq!(one.json("SELECT line FROM log", &[]), r#"[{"line":"third"}]"#);
}

#[test]
fn the_sooner_of_a_locks_limit_and_the_statements_counts() {
    let (_folder, one, other) = two();
    one.create("log", "line TEXT");
    one.query("BEGIN IMMEDIATE", &[]);
    assert_eq!(other.json("PRAGMA busy_timeout", &[]), r#"[{"timeout":5000}]"#);
    assert_eq!(other.json("SELECT timeout FROM pragma_busy_timeout", &[]), r#"[{"timeout":5000}]"#);
    // The third is known already.
    for lock_ms in [200, 400, 200] {
        other.query(&format!("PRAGMA busy_timeout = {lock_ms}"), &[]);
        assert_eq!(other.json("PRAGMA busy_timeout", &[]), format!(r#"[{{"timeout":{lock_ms}}}]"#));
        for timeout_ms in [None, Some(20_000)] {
            let (error, took) = wait_for(&other, timeout_ms);
            assert!(is_busy(&error), "{error}");
            assert!(took >= Duration::from_millis(lock_ms) && took < Duration::from_millis(4000), "{took:?}");
        }
        let (error, took) = wait_for(&other, Some(100));
        assert_eq!(error, Error::Timeout { statement_timeout_ms: 100 });
        assert!(took >= Duration::from_millis(100), "{took:?}");
    }
    assert!(other.error("PRAGMA busy_timeout = 1; nonsense", &[]).sqlstate().is_some());
    other.query("PRAGMA busy_timeout = 9000", &[]);
    let (error, took) = wait_for(&other, Some(100));
    assert_eq!(error, Error::Timeout { statement_timeout_ms: 100 });
    assert!(took < Duration::from_millis(6000), "{took:?}");
    other.query("PRAGMA busy_timeout = 0", &[]);
    let (error, took) = wait_for(&other, Some(4000));
    assert!(is_busy(&error) && took < Duration::from_millis(3000), "{error} {took:?}");
}
