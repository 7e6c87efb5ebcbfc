//! Rows that are read while the database still has the rest: whose time counts, and what a transaction sees meanwhile.

use crate::databases::{Fixture, json_of, mysql_dsn, postgres_dsn};
use lyger::db::{Cursor, Error, Limits, Param, Rows, Statement, Table};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_millis(500);

fn all(limits: Limits) -> [(&'static str, Fixture); 3] {
    let folder = std::env::temp_dir().join(format!("lyger-streams-{}.db", std::process::id()));
    [
        ("postgres", Fixture::new(&postgres_dsn(), limits)),
        ("mysql", Fixture::new(&mysql_dsn(), limits)),
        ("sqlite", Fixture::new(&format!("sqlite:{}", folder.display()), limits)),
    ]
}

fn limited() -> Limits {
    Limits { statement_timeout_ms: 500, connections_max: 1, acquire_timeout_ms: 5_000, ..Limits::default() }
}

/// Rows of a kilobyte each; `stall` comes with the one in the middle.
fn many(name: &str, rows: u32, stall: &str) -> String {
    let middle = rows / 2;
    match name {
        "postgres" => format!(
            "SELECT n, repeat('x', 1000) AS x, CASE WHEN n = {middle} THEN {stall} END AS s FROM generate_series(1, {rows}) n"
        ),
        "mysql" => format!(
            "SELECT seq AS n, REPEAT('x', 1000) AS x, IF(seq = {middle}, {stall}, NULL) AS s FROM seq_1_to_{rows}"
        ),
        _ => format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT {rows}) \
             SELECT n, hex(zeroblob(500)) AS x, CASE WHEN n = {middle} THEN {stall} END AS s FROM n"
        ),
    }
}

async fn open(db: &Fixture, sql: &str) -> Result<Cursor, Error> {
    db.database.stream(&db.client, &db.dsn, Statement::new(sql, &[][..])).await
}

/// How many rows are left, or what came instead of them.
async fn rest(cursor: &mut Cursor) -> (usize, Result<(), Error>) {
    let mut rows = 0;
    loop {
        match cursor.next().await {
            Ok(Some(table)) => rows += table.rows(),
            Ok(None) => return (rows, Ok(())),
            Err(error) => return (rows, Err(error)),
        }
    }
}

fn json(table: Table) -> String {
    json_of(&Rows { table, ..Rows::default() })
}

#[test]
fn a_reader_that_pauses_for_longer_than_a_statement_may_run_still_gets_every_row() {
    for (name, db) in all(limited()) {
        // More than the sockets on the way hold, so that the database has to wait.
        let rows = 40_000;
        db.block_on(async {
            let mut cursor = open(&db, &many(name, rows, "NULL")).await.unwrap();
            let first = cursor.next().await.unwrap().unwrap().rows();
            tokio::time::sleep(LIMIT * 3).await;
            let second = cursor.next().await.unwrap().unwrap().rows();
            tokio::time::sleep(LIMIT * 3).await;
            let (left, end) = rest(&mut cursor).await;
            assert_eq!((first + second + left, end), (rows as usize, Ok(())), "{name}");
        });
    }
}

#[test]
fn a_database_that_stalls_amid_a_stream_is_stopped() {
    for (name, db) in all(limited()) {
        let (stall, running) = match name {
            "postgres" => (
                "pg_sleep(60)::text",
                "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)::text%' \
                 AND pid <> pg_backend_pid()",
            ),
            "mysql" => (
                "SLEEP(61)",
                "SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE '%SLEEP(61)%' \
                 AND id <> CONNECTION_ID()",
            ),
            _ => (
                "(SELECT count(*) FROM (WITH RECURSIVE m(y) AS (SELECT 1 UNION ALL SELECT y + n FROM m) SELECT y FROM m))",
                "SELECT 0 AS n",
            ),
        };
        let began = Instant::now();
        db.block_on(async {
            let mut cursor = open(&db, &many(name, 2_000, stall)).await.unwrap();
            let (rows, end) = rest(&mut cursor).await;
            assert_eq!(end, Err(Error::Timeout { statement_timeout_ms: 500 }), "{name}");
            assert!(rows > 0, "{name}: what came before was handed on");
        });
        assert!((LIMIT..LIMIT * 20).contains(&began.elapsed()), "{name}: {:?}", began.elapsed());
        while db.json(running, &[]) != r#"[{"n":0}]"# {
            assert!(began.elapsed() < Duration::from_secs(20), "{name} goes on with it");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_wish_for_less_time_counts_the_databases_silence_too() {
    for (name, db) in all(Limits::default()).into_iter().take(2) {
        let stall = if name == "postgres" { "pg_sleep(60)::text" } else { "SLEEP(60)" };
        db.block_on(async {
            let sql = many(name, 40_000, stall);
            let statement = Statement { timeout_ms: Some(500), ..Statement::new(&sql, &[][..]) };
            let mut cursor = db.database.stream(&db.client, &db.dsn, statement).await.unwrap();
            assert!(cursor.next().await.unwrap().is_some(), "{name}");
            tokio::time::sleep(LIMIT * 3).await;
            let (rows, end) = rest(&mut cursor).await;
            assert_eq!(
                (rows > 10_000, end),
                (true, Err(Error::Timeout { statement_timeout_ms: 500 })),
                "{name}: {rows}"
            );
        });
    }
}

#[test]
fn the_servers_own_limit_is_lifted_for_streams_alone() {
    for (name, db) in all(limited()).into_iter().take(2) {
        let (sql, set, lifted) = match name {
            "postgres" => ("SELECT current_setting('statement_timeout') AS t", "500ms", "0"),
            _ => ("SELECT CAST(@@max_statement_time AS DECIMAL(9,1)) AS t", "0.5", "0.0"),
        };
        for _ in 0..3 {
            let (refused, nan) = ("SELECT 1 LIMIT ?", [Param::Float(f64::NAN)]);
            assert_eq!(db.json(sql, &[]), format!(r#"[{{"t":"{set}"}}]"#), "{name}");
            let streamed = db.block_on(async {
                // What is refused before it is sent changes nothing.
                let wrong = Statement::new(refused, &nan[..]);
                let mut wrong = db.database.stream(&db.client, &db.dsn, wrong).await.unwrap();
                wrong.next().await.unwrap_err();
                open(&db, sql).await.unwrap().next().await.unwrap().unwrap()
            });
            assert_eq!(json(streamed), format!(r#"[{{"t":"{lifted}"}}]"#), "{name}");
            db.error(refused, &nan);
            assert_eq!(db.json(sql, &[]), format!(r#"[{{"t":"{set}"}}]"#), "{name}");
            db.query("BEGIN", &[]);
            assert_eq!(db.json(sql, &[]), format!(r#"[{{"t":"{set}"}}]"#), "{name} in a transaction");
            db.query("ROLLBACK", &[]);
        }
    }
}
