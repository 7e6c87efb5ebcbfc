//! Rows that are read in a transaction of PostgreSQL while other statements run in it.

use crate::databases::{Fixture, mysql, postgres_dsn, sqlite};
use lyger::db::{Cursor, Error, Limits, Param, Statement, Transaction};
use std::time::Duration;

/// 20 MB in rows of a kilobyte, of which 1 MB may be held.
const ROWS: usize = 20_000;
const MANY: &str = "SELECT n, repeat('x', 1000) AS x FROM generate_series(1, 20000) n";

fn postgres(limits: Limits) -> Fixture {
    Fixture::new(&postgres_dsn(), Limits { connections_max: 1, acquire_timeout_ms: 5_000, ..limits })
}

fn small() -> Fixture {
    postgres(Limits { result_bytes_max: 1 << 20, ..Limits::default() })
}

async fn run(db: &Fixture, sql: &str) {
    db.ask(&db.client, sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn open(db: &Fixture, sql: &str) -> Result<Cursor, Error> {
    db.database.stream(&db.client, &db.dsn, Statement::new(sql, &[][..])).await
}

async fn rest(cursor: &mut Cursor) -> Result<usize, Error> {
    let mut rows = 0;
    while let Some(table) = cursor.next().await? {
        rows += table.rows();
    }
    Ok(rows)
}

async fn state(db: &Fixture) -> Transaction {
    db.client.transaction(&db.dsn).await
}

fn sqlstate(outcome: Result<usize, Error>) -> String {
    outcome.expect_err("no rows are left").sqlstate().unwrap_or_default().to_owned()
}

#[test]
fn other_statements_run_in_the_transaction_while_its_rows_are_read_in_little_memory() {
    let db = small();
    db.create("portals_counted", "n INTEGER");
    db.block_on(async {
        run(&db, "BEGIN").await;
        let (mut outer, mut rows, mut parts) = (open(&db, MANY).await.unwrap(), 0, 0);
        while let Some(table) = outer.next().await.unwrap() {
            (rows, parts) = (rows + table.rows(), parts + 1);
            let insert = "INSERT INTO portals_counted VALUES (?)";
            db.ask(&db.client, insert, &[Param::Int(table.rows() as i64)]).await.unwrap();
            if parts % 20 == 0 {
                let mut inner = open(&db, "SELECT * FROM generate_series(1, 1000)").await.unwrap();
                assert_eq!(rest(&mut inner).await, Ok(1_000));
            }
        }
        assert_eq!(rows, ROWS);
        assert!(parts > 20, "{parts} parts");
        run(&db, "COMMIT").await;
    });
    let counted = db.json("SELECT sum(n)::int AS n FROM portals_counted", &[]);
    assert_eq!(counted, format!(r#"[{{"n":{ROWS}}}]"#));
}

#[test]
fn the_end_of_a_transaction_ends_its_streams_with_an_error_and_harms_no_later_one() {
    let db = small();
    for end in [&["COMMIT", "BEGIN"][..], &["ROLLBACK", "BEGIN"], &["COMMIT AND CHAIN"], &["ROLLBACK AND CHAIN"]] {
        db.block_on(async {
            run(&db, "BEGIN").await;
            let mut cursor = open(&db, MANY).await.unwrap();
            assert!(cursor.next().await.unwrap().is_some());
            for sql in end {
                run(&db, sql).await;
            }
            assert_eq!(sqlstate(rest(&mut cursor).await), "34000", "{end:?}");
            assert_eq!(state(&db).await, Transaction::Open, "{end:?}");
            drop(cursor);
            run(&db, "ROLLBACK").await;
            assert!(!db.client.keeps(&db.dsn));
        });
    }
    db.block_on(async {
        run(&db, "BEGIN").await;
        let mut cursor = open(&db, MANY).await.unwrap();
        cursor.next().await.unwrap();
        db.client.end().await;
        assert_eq!(sqlstate(rest(&mut cursor).await), "34000");
    });
}

#[test]
fn a_savepoint_takes_along_the_streams_that_began_behind_it_and_no_others() {
    let db = small();
    db.block_on(async {
        run(&db, "BEGIN").await;
        let mut before = open(&db, MANY).await.unwrap();
        run(&db, "SAVEPOINT s").await;
        let mut behind = open(&db, MANY).await.unwrap();
        db.ask(&db.client, "SELECT 1 / 0", &[]).await.unwrap_err();
        assert_eq!(open(&db, MANY).await.unwrap_err().sqlstate(), Some("25P02"));
        run(&db, "ROLLBACK TO s").await;
        assert_eq!(rest(&mut before).await, Ok(ROWS));
        behind.next().await.unwrap();
        assert_eq!(sqlstate(rest(&mut behind).await), "34000");
        assert_eq!(state(&db).await, Transaction::Open);
        run(&db, "COMMIT").await;
    });
}

#[test]
fn a_stream_that_is_left_early_is_closed_with_the_next_statement() {
    let db = small();
    db.block_on(async {
        run(&db, "BEGIN").await;
        for _ in 0..3 {
            open(&db, MANY).await.unwrap().next().await.unwrap();
        }
    });
    let cursors = "SELECT count(*)::int AS n FROM pg_cursors WHERE name LIKE 'lyger%'";
    assert_eq!(db.json(cursors, &[]), r#"[{"n":0}]"#);
    db.query("COMMIT", &[]);
}

#[test]
fn each_part_has_the_time_of_a_statement_and_the_reader_any() {
    let db = postgres(Limits { statement_timeout_ms: 500, ..Limits::default() });
    let stalls = MANY.replace("SELECT n,", "SELECT CASE WHEN n = 10000 THEN pg_sleep(60) END AS s,");
    db.block_on(async {
        run(&db, "BEGIN").await;
        let mut cursor = open(&db, MANY).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(rest(&mut cursor).await, Ok(ROWS));
        let mut cursor = open(&db, &stalls).await.unwrap();
        assert_eq!(rest(&mut cursor).await, Err(Error::Timeout { statement_timeout_ms: 500 }));
        assert_eq!(state(&db).await, Transaction::Failed);
        run(&db, "ROLLBACK").await;
    });
    assert_eq!(db.json("SELECT 1 AS a", &[]), r#"[{"a":1}]"#);
}

#[test]
fn what_a_stream_says_is_what_a_query_says() {
    let db = small();
    db.block_on(async {
        run(&db, "BEGIN").await;
        for (sql, rows) in [
            ("SELECT 1 WHERE false", 0),
            ("SELECT * FROM generate_series(1, 64)", 64),
            ("SELECT * FROM generate_series(1, 65)", 65),
            ("SELECT * FROM generate_series(1, 5000)", 5_000),
            ("CREATE TEMPORARY TABLE portals_some (n int)", 0),
            ("INSERT INTO portals_some SELECT * FROM generate_series(1, 700) RETURNING n", 700),
            ("SHOW statement_timeout", 1),
        ] {
            let mut cursor = open(&db, sql).await.unwrap();
            let first = cursor.next().await.unwrap().unwrap();
            assert_eq!(first.columns().is_empty(), sql.starts_with("CREATE"), "{sql}");
            assert_eq!(first.rows() + rest(&mut cursor).await.unwrap(), rows, "{sql}");
        }
        run(&db, "ROLLBACK").await;
    });
}

#[test]
fn other_databases_read_a_transactions_stream_whole() {
    for (name, db, sql) in [
        ("mysql", mysql(), "SELECT seq FROM seq_1_to_5000"),
        (
            "sqlite",
            sqlite(),
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 5000) SELECT n FROM n",
        ),
    ] {
        db.block_on(async {
            run(&db, "BEGIN").await;
            let mut cursor = open(&db, sql).await.unwrap();
            run(&db, "COMMIT").await;
            assert_eq!(rest(&mut cursor).await, Ok(5_000), "{name}");
        });
    }
}
