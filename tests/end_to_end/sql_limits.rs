//! The bounds on time, memory and connections.

use crate::databases::{Fixture, json_of, mysql_dsn, postgres_dsn};
use lyger::db::{Error, Limits, Param, Statement};
use std::time::{Duration, Instant};

fn all(limits: Limits) -> [(&'static str, Fixture); 3] {
    [
        ("postgres", Fixture::new(&postgres_dsn(), limits)),
        ("mysql", Fixture::new(&mysql_dsn(), limits)),
        ("sqlite", Fixture::new("sqlite::memory:", limits)),
    ]
}

/// A statement that runs far longer than any test.
fn endless(name: &str) -> &'static str {
    match name {
        "postgres" => "SELECT pg_sleep(60)",
        // SLEEP() and BENCHMARK() are interrupted without an error.
        "mysql" => "SELECT count(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE a.seq * b.seq % 7 = 3",
        _ => "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    }
}

#[test]
fn a_statement_that_runs_too_long_is_stopped_and_its_connection_goes_on() {
    for (name, db) in all(Limits { statement_timeout_ms: 300, connections_max: 1, ..Limits::default() }) {
        let started = Instant::now();
        let error = db.error(endless(name), &[]);
        assert_eq!(error, Error::Timeout { statement_timeout_ms: 300 }, "{name}");
        assert_eq!(error.sqlstate(), Some("57014"));
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(5), "{name}: {took:?}");
        assert_eq!(db.json("SELECT 1 AS a", &[]), r#"[{"a":1}]"#, "{name}");
    }
}

#[test]
fn a_limit_of_zero_is_no_limit() {
    for (name, db) in all(Limits { statement_timeout_ms: 0, ..Limits::default() }) {
        assert_eq!(db.json("SELECT 1 AS a", &[]), r#"[{"a":1}]"#, "{name}");
    }
}

#[test]
fn a_result_that_grows_too_large_is_cut_while_it_is_read() {
    let limit = 100_000;
    for (name, db) in all(Limits { result_bytes_max: limit, ..Limits::default() }) {
        let many = match name {
            "postgres" => "SELECT repeat('x', 1000) AS v, generate_series(1, 1000000000)",
            "mysql" => "SELECT REPEAT('x', 1000) AS v FROM seq_1_to_1000000000",
            _ => {
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT hex(zeroblob(500)) AS v FROM n"
            }
        };
        let error = db.error(many, &[]);
        assert_eq!(error, Error::ResultTooLarge { result_bytes_max: limit }, "{name}");
        assert_eq!(db.json("SELECT 1 AS a", &[]), r#"[{"a":1}]"#, "{name} goes on");
    }
}

#[test]
fn nulls_count_towards_the_size_of_a_result() {
    for (name, db) in all(Limits { result_bytes_max: 10_000, ..Limits::default() }) {
        let many = match name {
            "postgres" => "SELECT NULL AS v FROM generate_series(1, 100000)",
            "mysql" => "SELECT NULL AS v FROM seq_1_to_100000",
            _ => "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT NULL AS v FROM n",
        };
        assert!(matches!(db.error(many, &[]), Error::ResultTooLarge { .. }), "{name}");
    }
}

#[test]
fn a_full_pool_makes_a_query_wait_and_then_fail_by_name() {
    let limits = Limits { connections_max: 1, acquire_timeout_ms: 200, ..Limits::default() };
    for (name, db) in all(limits).into_iter().take(2) {
        let sleep = if name == "postgres" { "SELECT pg_sleep(1)" } else { "SELECT SLEEP(1)" };
        let (first, second) =
            db.block_on(async { tokio::join!(db.ask(&db.client, sleep, &[]), db.ask(&db.client, "SELECT 1", &[])) });
        assert!(first.is_ok(), "{name}");
        let error = second.unwrap_err();
        assert!(matches!(error, Error::PoolExhausted { connections_max: 1, waited_ms: 200, .. }), "{name}: {error}");
        assert!(!error.to_string().contains("p@ss") && !error.to_string().contains("p%40ss"), "{error}");
        assert!(db.try_query("SELECT 1", &[]).is_ok(), "{name}: the place is free again");
    }
}

#[test]
fn queries_beside_each_other_share_the_pool() {
    let limits = Limits { connections_max: 4, ..Limits::default() };
    for (name, db) in all(limits).into_iter().take(2) {
        let id = if name == "postgres" { "pg_backend_pid()" } else { "CONNECTION_ID()" };
        let sql = format!("SELECT {id} AS id, ? + 0 AS n");
        let results = db.block_on(async {
            futures_util::future::join_all((0..40).map(|n| {
                let (db, sql) = (&db, &sql);
                async move { db.ask(&db.client, sql, &[Param::Int(n)]).await }
            }))
            .await
        });
        let mut connections = std::collections::HashSet::new();
        for (n, rows) in results.into_iter().enumerate() {
            let row: Vec<serde_json::Value> = serde_json::from_str(&json_of(&rows.unwrap())).unwrap();
            assert_eq!(row[0]["n"], n, "{name}: each answer belongs to its question");
            connections.insert(row[0]["id"].as_u64());
        }
        assert!(connections.len() <= 4, "{name}: {} connections", connections.len());
    }
}

#[test]
fn threads_share_the_connections_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let db = Fixture::new(path.to_str().unwrap(), Limits { connections_max: 2, ..Limits::default() });
    db.create("counted", "n INTEGER");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..50 {
                    let statement = Statement::new("INSERT INTO counted VALUES (?)", vec![Param::Int(n)]);
                    db.database.query_sqlite(&db.client, &db.dsn, statement).unwrap();
                }
            });
        }
    });
    assert_eq!(db.json("SELECT count(*) AS n, sum(n) AS s FROM counted", &[]), r#"[{"n":200,"s":4900}]"#);
}
