//! What a client's statements leave on a connection is the client's alone, and gone with it.

use crate::databases::{Fixture, all, mysql_dsn, postgres_dsn};
use lyger::db::{Client, Error, Given, Limits, Statement, Transaction};
use std::time::Duration;

fn with_connections(dsn: &str, connections_max: u32) -> Fixture {
    Fixture::new(dsn, Limits { connections_max, acquire_timeout_ms: 300, ..Limits::default() })
}

fn servers(connections_max: u32) -> [(&'static str, Fixture, &'static str); 2] {
    [
        ("postgres", with_connections(&postgres_dsn(), connections_max), "SELECT pg_backend_pid() AS n"),
        ("mysql", with_connections(&mysql_dsn(), connections_max), "SELECT CONNECTION_ID() AS n"),
    ]
}

/// The first cell as an integer, as some client sees it.
fn number(db: &Fixture, client: &Client, sql: &str) -> i64 {
    let rows = db.block_on(db.ask(client, sql, &[])).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let rows: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(&rows.to_json()).unwrap();
    let cell = rows[0].values().next().unwrap();
    cell.as_i64().unwrap_or_else(|| cell.as_str().unwrap().parse().unwrap())
}

fn run(db: &Fixture, client: &Client, sql: &str) {
    db.block_on(db.ask(client, sql, &[])).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[test]
fn a_transaction_has_one_connection_and_nobody_sees_it_before_its_end() {
    for (name, db, id) in servers(3) {
        let table = format!("clients_seen_{name}");
        db.create(&table, "n INTEGER");
        let (writer, reader) = (Client::default(), Client::default());
        let count = format!("SELECT count(*) FROM {table}");
        run(&db, &writer, "BEGIN");
        let connection = number(&db, &writer, id);
        for n in 0..5 {
            run(&db, &writer, &format!("INSERT INTO {table} VALUES ({n})"));
            assert_eq!(number(&db, &writer, id), connection, "{name}");
            assert_ne!(number(&db, &reader, id), connection, "{name}");
            assert_eq!((number(&db, &writer, &count), number(&db, &reader, &count)), (n + 1, 0), "{name}");
        }
        assert_eq!(db.block_on(writer.transaction(&db.dsn)), Transaction::Open, "{name}");
        assert!(!reader.keeps(&db.dsn), "{name}");
        run(&db, &writer, "COMMIT");
        assert!(!writer.keeps(&db.dsn), "{name}");
        assert_eq!(number(&db, &reader, &count), 5, "{name}");
    }
}

#[test]
fn a_transaction_that_was_left_open_is_rolled_back_before_its_connection_is_used_again() {
    for (name, db, id) in servers(1) {
        let table = format!("clients_open_{name}");
        db.create(&table, "n INTEGER");
        for failed in [false, true] {
            let client = Client::default();
            run(&db, &client, "START TRANSACTION");
            run(&db, &client, &format!("INSERT INTO {table} VALUES (1)"));
            if failed {
                db.block_on(db.ask(&client, "SELECT * FROM no_such_table", &[])).unwrap_err();
                assert!(client.keeps(&db.dsn), "{name}");
            }
            db.block_on(client.end());
            assert_eq!(number(&db, &Client::default(), &format!("SELECT count(*) FROM {table}")), 0, "{name}");
        }
        let before = number(&db, &db.client, id);
        let client = Client::default();
        run(&db, &client, "BEGIN");
        db.block_on(client.end());
        assert_eq!(number(&db, &db.client, id), before, "{name}: a rollback is enough");
    }
}

#[test]
fn what_a_client_sets_is_its_own_and_gone_with_it() {
    let cases = [
        (
            &[
                "SET TIME ZONE 'Asia/Tokyo'",
                "CREATE TEMP TABLE leaking (n int)",
                "SELECT pg_advisory_lock(77)",
                "PREPARE p AS SELECT 1",
            ][..],
            "SELECT count(*) FROM pg_class WHERE relname = 'leaking' AND pg_table_is_visible(oid)",
            "SELECT (current_setting('TimeZone') <> 'UTC')::int + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77) + (SELECT count(*) FROM pg_prepared_statements WHERE name = 'p')",
            3,
        ),
        (
            &[
                "SET time_zone = '+09:00'",
                "CREATE TEMPORARY TABLE leaking (n int)",
                "SELECT GET_LOCK('clients', 1)",
                "SET @leaking = 1",
            ][..],
            "SELECT count(*) FROM (SELECT 1) AS one WHERE @leaking = 1",
            "SELECT (@@time_zone <> '+00:00') + (IS_USED_LOCK('clients') IS NOT NULL)",
            2,
        ),
    ];
    for ((name, db, id), (changes, own, left, expected)) in servers(2).into_iter().zip(cases) {
        let client = Client::default();
        for sql in changes {
            run(&db, &client, sql);
        }
        let connection = number(&db, &client, id);
        assert_eq!((number(&db, &client, own), number(&db, &client, left)), (1, expected), "{name}");
        let other = Client::default();
        assert_ne!(number(&db, &other, id), connection, "{name}");
        db.block_on(client.end());
        for _ in 0..2 {
            assert_eq!((number(&db, &other, own), number(&db, &other, left)), (0, 0), "{name}");
        }
        // One that nobody ends is closed.
        let client = Client::default();
        run(&db, &client, changes[0]);
        drop(client);
        assert_eq!(number(&db, &other, left), 0, "{name}");
    }
}

#[test]
fn who_waits_in_vain_is_told_who_has_the_connections() {
    for (name, db, _) in servers(2) {
        let (one, other) = (Client::default(), Client::default());
        run(&db, &one, "BEGIN");
        let sleep = if name == "postgres" { "SELECT pg_sleep(5), 'busy'" } else { "SELECT SLEEP(5), 'busy'" };
        let error = db.block_on(async {
            let sleeper = db.ask(&other, sleep, &[]);
            let waiter = async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                db.ask(&Client::default(), "SELECT 1", &[]).await.unwrap_err()
            };
            tokio::select! {
                slept = sleeper => panic!("{slept:?}"),
                error = waiter => error,
            }
        });
        let Error::PoolExhausted { holders, .. } = &error else { panic!("{name}: {error:?}") };
        assert_eq!(holders.len(), 2, "{name}: {error}");
        let text = error.to_string();
        assert!(text.contains("kept since BEGIN (") && text.contains("'busy' (running for "), "{name}: {text}");
    }
}

#[test]
fn a_transaction_whose_connection_breaks_is_lost_and_nothing_runs_in_its_place() {
    for (name, db, id) in servers(3) {
        let table = format!("clients_lost_{name}");
        db.create(&table, "n INTEGER");
        let client = Client::default();
        run(&db, &client, "BEGIN");
        assert_eq!(db.block_on(client.transaction(&db.dsn)), Transaction::Open, "{name}");
        let connection = number(&db, &client, id);
        run(&db, &client, &format!("INSERT INTO {table} VALUES (1)"));
        let kill = if name == "postgres" { "SELECT pg_terminate_backend" } else { "KILL " };
        run(&db, &db.client, &format!("{kill}({connection})"));
        std::thread::sleep(Duration::from_millis(300)); // so that the server has hung up; it fails either way
        for _ in 0..3 {
            let insert = format!("INSERT INTO {table} VALUES (2)");
            let error = db.block_on(db.ask(&client, &insert, &[])).unwrap_err();
            assert!(matches!(error, Error::Connect { .. }), "{name}: {error:?}");
        }
        assert_eq!(db.block_on(client.transaction(&db.dsn)), Transaction::None, "{name}: it is gone");
        run(&db, &client, "ROLLBACK");
        assert_eq!(number(&db, &client, &format!("SELECT count(*) FROM {table}")), 0, "{name}");
    }
}

#[test]
fn sqlite_keeps_a_transaction_and_a_setting_for_its_client() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let db = Fixture::new(&format!("sqlite:{}", file.path().display()), Limits::default());
    db.create("kept", "n INTEGER");
    let client = Client::default();
    run(&db, &client, "BEGIN");
    run(&db, &client, "INSERT INTO kept VALUES (1)");
    assert_eq!(db.block_on(client.transaction(&db.dsn)), Transaction::Open);
    assert_eq!(number(&db, &db.client, "SELECT count(*) FROM kept"), 0);
    db.block_on(client.end());
    assert_eq!(number(&db, &db.client, "SELECT count(*) FROM kept"), 0);
    run(&db, &client, "PRAGMA foreign_keys = OFF");
    run(&db, &client, "CREATE TEMP TABLE leaking (n INTEGER)");
    assert_eq!(number(&db, &client, "SELECT count(*) FROM sqlite_temp_schema"), 1);
    db.block_on(client.end());
    let left = "SELECT (SELECT count(*) FROM sqlite_temp_schema) + (SELECT foreign_keys = 0 FROM pragma_foreign_keys)";
    assert_eq!(number(&db, &client, left), 0);
}

#[test]
fn a_stream_gives_all_rows_in_bounded_chunks_and_can_be_left() {
    for (name, db) in all() {
        let sql = match name {
            "postgres" => "SELECT n, repeat('x', 100) AS t FROM generate_series(1, 50000) AS n",
            "mysql" => "SELECT seq AS n, repeat('x', 100) AS t FROM seq_1_to_50000",
            _ => {
                "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 50000) SELECT n, printf('%.*c', 100, 'x') AS t FROM s"
            }
        };
        let statement = || Statement::new(sql, Given::default());
        db.block_on(async {
            let (mut rows, mut chunks) = (0, 0);
            let mut cursor = db.database.stream(&db.client, &db.dsn, statement()).await.unwrap();
            while let Some(table) = cursor.next().await.unwrap() {
                assert!(table.byte_len() < 1 << 20, "{name}");
                rows += table.rows();
                chunks += 1;
            }
            assert_eq!(rows, 50_000, "{name}");
            assert!(chunks > 10, "{name}: {chunks}");
            let mut cursor = db.database.stream(&db.client, &db.dsn, statement()).await.unwrap();
            assert!(cursor.next().await.unwrap().is_some(), "{name}");
            drop(cursor);
            let broken = Statement::new("SELECT * FROM no_such_table", Given::default());
            let mut cursor = db.database.stream(&db.client, &db.dsn, broken).await.unwrap();
            assert!(matches!(cursor.next().await, Err(Error::Query { .. })), "{name}");
        });
        assert_eq!(db.json("SELECT 1 AS n", &[]), r#"[{"n":1}]"#, "{name}");
    }
}

#[test]
fn a_statement_that_nobody_awaits_is_stopped_on_its_server() {
    for (name, db, _) in servers(2) {
        let sleep = if name == "postgres" { "SELECT pg_sleep(60) /* left */" } else { "SELECT SLEEP(60) /* left */" };
        let running = match name {
            "postgres" => {
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60) /* left%' AND state = 'active' AND pid <> pg_backend_pid()"
            }
            _ => {
                "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(60) /* left%' AND id <> CONNECTION_ID()"
            }
        };
        db.block_on(async {
            let left = Client::default();
            let _ = tokio::time::timeout(Duration::from_millis(300), db.ask(&left, sleep, &[])).await.unwrap_err();
            let gone = async {
                loop {
                    let rows = db.ask(&db.client, running, &[]).await.unwrap();
                    if rows.to_json().ends_with(b":0}]") {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap_or_else(|_| panic!("{name}: it runs on"));
        });
    }
}

#[test]
fn a_statement_that_is_given_up_is_missed_by_no_other_where_only_perhaps_something_was_left() {
    for (name, dsn, sleep) in
        [("postgres", postgres_dsn(), "SELECT pg_sleep(60)"), ("mysql", mysql_dsn(), "SELECT SLEEP(60)")]
    {
        let (db, client) = (with_connections(&format!("{dsn}?reset=always"), 2), Client::default());
        assert_eq!(number(&db, &client, "SELECT 1 AS n"), 1);
        db.block_on(async {
            let query = db.ask(&client, sleep, &[]);
            assert!(tokio::time::timeout(Duration::from_millis(100), query).await.is_err());
        });
        assert_eq!(number(&db, &client, "SELECT 1 AS n"), 1, "{name}");
        assert!(client.keeps(&db.dsn), "{name}");
        // A transaction is another matter: what follows must not run as if it had never been.
        run(&db, &client, "BEGIN");
        db.block_on(async {
            let query = db.ask(&client, sleep, &[]);
            assert!(tokio::time::timeout(Duration::from_millis(100), query).await.is_err());
        });
        let error = db.block_on(db.ask(&client, "SELECT 1 AS n", &[])).unwrap_err();
        assert_eq!(error.sqlstate(), Some("08003"), "{name}: {error}");
        run(&db, &client, "ROLLBACK");
        assert_eq!(number(&db, &client, "SELECT 1 AS n"), 1, "{name}");
        db.block_on(client.end());
    }
}
