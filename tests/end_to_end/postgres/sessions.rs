//! One connection over several statements: what stays prepared, what is stopped, what is put back.

use super::login;
use super::routines::database;
use crate::databases::{Fixture, json, json_of, postgres, postgres_dsn, text, with_connections};
use lyger::db::{Client, Error, Forms, Limits, Param, Statement};
use std::time::{Duration, Instant};

const PID: &str = "SELECT pg_backend_pid() AS n";

fn one_connection() -> Fixture {
    Fixture::new(&postgres_dsn(), Limits { connections_max: 1, ..Limits::default() })
}

/// Waits until no statement with a mark in its text runs on the server.
fn await_end(db: &Fixture, mark: &str) {
    let sql = format!(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%{mark}%'"
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    while db.json(&sql, &[]) != r#"[{"n":0}]"# {
        assert!(Instant::now() < deadline, "{mark} still runs");
    }
}

#[test]
fn a_statement_that_nobody_awaits_any_more_is_stopped_on_the_server_over_every_kind_of_socket() {
    let server = login::server();
    let folder = server.sockets().display().to_string();
    for (mark, dsn) in [
        ("plain", format!("postgres://lyger@127.0.0.1:{}/postgres?sslmode=disable", server.port)),
        ("tls", format!("postgres://lyger@127.0.0.1:{}/postgres?sslmode=require", server.port)),
        ("unix", format!("postgres://lyger@/postgres?host={folder}&port={}", server.port)),
    ] {
        let db = Fixture::new(&dsn, Limits::default());
        let sql = format!("SELECT pg_sleep(60) AS {mark}");
        let began = format!(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%60) AS {mark}'"
        );
        let other = Client::default();
        db.block_on(async {
            let running = async { while json_of(&db.ask(&other, &began, &[]).await.unwrap()) == r#"[{"n":0}]"# {} };
            tokio::select! {
                outcome = db.ask(&db.client, &sql, &[]) => panic!("{outcome:?}"),
                _ = running => {}
            }
        });
        await_end(&db, &format!("60) AS {mark}"));
    }
}

#[test]
fn a_statement_with_a_limit_of_its_own_is_stopped_and_its_connection_goes_on() {
    let (db, watcher) = (one_connection(), postgres());
    let before = db.json(PID, &[]);
    let began = Instant::now();
    let slow = Statement { timeout_ms: Some(200), ..Statement::new("SELECT pg_sleep(60) AS limited", &[][..]) };
    let error = db.block_on(db.database.query(&db.client, &db.dsn, slow)).unwrap_err();
    assert_eq!(error, Error::Timeout { statement_timeout_ms: 200 });
    assert!(began.elapsed() >= Duration::from_millis(200) && began.elapsed() < Duration::from_secs(10));
    await_end(&watcher, "60) AS limited");
    assert_eq!(db.json(PID, &[]), before);
}

#[test]
fn a_changed_table_is_the_truth_within_a_transaction_and_no_error_outside() {
    // Nobody else changes a schema there, nor creates code that may, which would have statements prepared anew.
    let dsn = database("sessions_changed");
    let (db, other) = (with_connections(&dsn, 1), with_connections(&dsn, 1));
    db.create("changed_within", "a int");
    db.query("INSERT INTO changed_within VALUES (1)", &[]);
    let all = "SELECT * FROM changed_within";
    let before = db.json(PID, &[]);
    assert_eq!(db.json(all, &[]), r#"[{"a":1}]"#);
    // Unseen, as if by another process: the statement's own tag is SELECT.
    other.query(
        "CREATE OR REPLACE FUNCTION change_within() RETURNS void LANGUAGE plpgsql AS \
         $$ BEGIN ALTER TABLE changed_within ADD COLUMN b text DEFAULT 'x'; END $$",
        &[],
    );
    assert_eq!(db.json(all, &[]), r#"[{"a":1}]"#);
    db.query("BEGIN", &[]);
    other.query("SELECT change_within()", &[]);
    let error = db.error(all, &[]);
    assert_eq!(error.sqlstate(), Some("40001"), "as whoever repeats transactions understands it: {error}");
    assert!(error.to_string().contains("must not change result type"), "{error}");
    assert_eq!(db.error("SELECT 1", &[]).sqlstate(), Some("25P02"), "the transaction has failed");
    db.query("ROLLBACK", &[]);
    assert_eq!(db.json(all, &[]), r#"[{"a":1,"b":"x"}]"#);
    other.query("ALTER TABLE changed_within ALTER COLUMN a TYPE text", &[]);
    assert_eq!(db.json(all, &[]), r#"[{"a":"1","b":"x"}]"#);
    other.query("ALTER TABLE changed_within RENAME COLUMN a TO c", &[]);
    assert_eq!(db.json(all, &[]), r#"[{"c":"1","b":"x"}]"#);
    assert_eq!(db.json(PID, &[]), before);
}

#[test]
fn a_value_bound_behind_a_change_of_its_column_is_the_value_that_is_stored() {
    // Each text would be another value by way of the type before.
    for (number, (before, after, value, stored)) in [
        ("int", "text", "007", r#""007""#),
        ("date", "timestamp", "2024-01-02 03:04:05", r#""2024-01-02T03:04:05""#),
        ("real", "double precision", "0.1234567890123", "0.1234567890123"),
        ("int", "bigint", "5000000000", "5000000000"),
    ]
    .into_iter()
    .enumerate()
    {
        let (db, other) = (postgres(), postgres());
        let table = format!("changed_value_{number}");
        let sql = format!("INSERT INTO {table} VALUES (?)");
        // Changed by another connection of this process, by its own, and in a transaction that is rolled back.
        db.create(&table, &format!("a {before}"));
        db.query(&sql, &[Param::Null]);
        other.query(&format!("ALTER TABLE {table} ALTER COLUMN a TYPE {after} USING a::text::{after}"), &[]);
        db.query(&sql, &[text(value)]);
        assert_eq!(
            db.json(&format!("SELECT a FROM {table} WHERE a IS NOT NULL"), &[]),
            format!(r#"[{{"a":{stored}}}]"#)
        );
        db.create(&table, &format!("a {before}"));
        db.query(&sql, &[Param::Null]);
        db.query("BEGIN", &[]);
        db.query(&format!("ALTER TABLE {table} ALTER COLUMN a TYPE {after} USING a::text::{after}"), &[]);
        db.query(&sql, &[text(value)]);
        assert_eq!(
            db.json(&format!("SELECT a FROM {table} WHERE a IS NOT NULL"), &[]),
            format!(r#"[{{"a":{stored}}}]"#)
        );
        db.query("ROLLBACK", &[]);
        db.query(&sql, &[Param::Null]);
        assert_eq!(db.json(&format!("SELECT count(*) AS n FROM {table}"), &[]), r#"[{"n":2}]"#);
    }
}

#[test]
fn a_temporary_table_and_a_search_path_that_hide_another_table_are_seen_by_prepared_statements() {
    for (name, hide) in [
        ("hidden_temporary", "CREATE TEMPORARY TABLE hidden_temporary (a text)"),
        ("hidden_path", "SET search_path TO hiding, public"),
    ] {
        let db = one_connection();
        db.create(name, "a int");
        db.query("CREATE SCHEMA IF NOT EXISTS hiding", &[]);
        db.query("DROP TABLE IF EXISTS hiding.hidden_path", &[]);
        db.query("CREATE TABLE hiding.hidden_path (a text)", &[]);
        let insert = format!("INSERT INTO {name} VALUES (?)");
        db.query(&insert, &[text("7")]);
        db.query(hide, &[]);
        // As an int it would be stored without its zeros.
        db.query(&insert, &[text("007")]);
        assert_eq!(db.json(&format!("SELECT a FROM {name}"), &[]), r#"[{"a":"007"}]"#);
    }
}

#[test]
fn a_parameter_whose_type_has_changed_is_bound_as_the_new_one() {
    let (db, other) = (one_connection(), postgres());
    db.create("changed_parameter", "a int");
    let insert = "INSERT INTO changed_parameter VALUES (?)";
    assert_eq!(db.query(insert, &[text("1")]).affected, 1);
    other.query("ALTER TABLE changed_parameter ALTER COLUMN a TYPE text", &[]);
    assert_eq!(db.query(insert, &[text("2")]).affected, 1);
    assert_eq!(db.json("SELECT a FROM changed_parameter ORDER BY a", &[]), r#"[{"a":"1"},{"a":"2"}]"#);
}

#[test]
fn a_connection_is_put_back_to_what_it_was_with_its_statements_prepared_anew() {
    let db = one_connection();
    let settings = "SELECT current_setting('TimeZone') z, current_setting('IntervalStyle') i, current_setting('DateStyle') d, \
                    current_setting('statement_timeout') t, '1 day'::interval v, ?::int4 n";
    let ask = |client: &Client, sql: &str| {
        db.block_on(db.ask(client, sql, &[]))
            .map(|rows| json_of(&rows))
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    };
    let settings = settings.replace("?::int4", "7");
    let (before, pid) = (ask(&db.client, &settings), ask(&db.client, PID));
    let client = Client::default();
    for sql in [
        "SET TimeZone = 'Asia/Tokyo'",
        "SET IntervalStyle = iso_8601",
        "SET DateStyle = German",
        "SET statement_timeout = 12345",
        "PREPARE mine AS SELECT 1",
        "CREATE TEMP TABLE put_back (n int)",
        "SELECT pg_advisory_lock(77)",
        "BEGIN",
    ] {
        ask(&client, sql);
    }
    assert_ne!(ask(&client, &settings), before);
    db.block_on(client.end());
    assert_eq!((ask(&db.client, &settings), ask(&db.client, PID)), (before, pid));
    assert_eq!(ask(&db.client, "SELECT count(*) AS n FROM pg_prepared_statements WHERE name = 'mine'"), r#"[{"n":0}]"#);
    assert_eq!(ask(&db.client, "SELECT to_regclass('put_back') IS NULL AS gone"), r#"[{"gone":true}]"#);
}

#[test]
fn a_refused_copy_keeps_its_connection() {
    let db = one_connection();
    db.create("copied_kept", "n int");
    let before = db.json(PID, &[]);
    for sql in [
        "COPY copied_kept FROM STDIN",
        "COPY copied_kept TO STDOUT",
        "COPY (SELECT n FROM generate_series(1, 100000) n) TO STDOUT (FORMAT BINARY)",
    ] {
        assert_eq!(db.error(sql, &[]).sqlstate(), Some("0A000"), "{sql}");
        assert_eq!(db.json(PID, &[]), before, "{sql}");
    }
    assert_eq!(db.error("COPY no_such_table FROM STDIN", &[]).sqlstate(), Some("42P01"));
}

#[test]
fn a_result_of_any_size_is_streamed_in_little_memory() {
    let db = Fixture::new(&postgres_dsn(), Limits { result_bytes_max: 1 << 20, ..Limits::default() });
    let sql = "SELECT n, repeat('x', 100) AS t FROM generate_series(1, 200000) n";
    assert!(matches!(db.error(sql, &[]), Error::ResultTooLarge { .. }));
    db.block_on(async {
        let mut cursor = db.database.stream(&db.client, &db.dsn, Statement::new(sql, &[][..])).await.unwrap();
        let mut rows = 0;
        while let Some(table) = cursor.next().await.unwrap() {
            assert!(table.byte_len() <= 1 << 20, "{} bytes", table.byte_len());
            rows += table.rows();
        }
        assert_eq!(rows, 200_000);
    });
}

#[test]
fn decimals_as_numbers_are_numbers_in_arrays_too() {
    let db = postgres();
    let sql = "SELECT 1.50::numeric a, 'NaN'::numeric b, '{12345678901234567890.10,Infinity,NULL}'::numeric[] c";
    let numbers =
        Statement { forms: Forms { decimals_as_numbers: true, ..Forms::default() }, ..Statement::new(sql, &[][..]) };
    let rows = db.block_on(db.database.query(&db.client, &db.dsn, numbers)).unwrap();
    assert_eq!(json_of(&rows), r#"[{"a":1.50,"b":null,"c":[12345678901234567890.10,null,null]}]"#);
    assert_eq!(db.json(sql, &[]), r#"[{"a":"1.50","b":"NaN","c":["12345678901234567890.10","Infinity",null]}]"#);
}

#[test]
fn a_transaction_keeps_a_bounded_number_of_statements_on_the_server_too() {
    let (db, client) = (one_connection(), Client::default());
    json(&db, &client, "BEGIN");
    let many = Statement::new("SELECT n FROM generate_series(1, 2000) n", &[][..]);
    let mut cursor = db.block_on(db.database.stream(&client, &db.dsn, many)).unwrap();
    let mut rows = db.block_on(cursor.next()).unwrap().unwrap().rows();
    let run_some = |from: usize| {
        for n in from..from + 400 {
            json(&db, &client, &format!("SELECT {n} AS n"));
        }
    };
    run_some(0);
    while let Some(table) = db.block_on(cursor.next()).unwrap() {
        rows += table.rows();
    }
    assert_eq!(rows, 2000, "rows that are still read have their statement");
    drop(cursor);
    run_some(400);
    let kept = json(&db, &client, "SELECT count(*) <= 257 AS few FROM pg_prepared_statements");
    assert_eq!(kept, r#"[{"few":true}]"#);
    db.block_on(client.end());
}
