//! What a network does to a connection: cut at any byte, slow, silent, gone and back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::databases::{Fixture, mysql, mysql_dsn, postgres, postgres_dsn};
use crate::proxy::{Plan, Proxy};
use lyger::db::{Client, Error, Given, Limits, Statement};

/// A database behind a proxy, and one with a connection of its own.
struct Stage {
    name: &'static str,
    proxy: Proxy,
    db: Fixture,
    direct: Fixture,
}

/// Each server twice: waited for in the reactor, and in the socket.
fn stages(limits: Limits) -> Vec<Stage> {
    [false, true].into_iter().flat_map(|is_alone| stages_of(limits, is_alone)).collect()
}

fn stages_of(limits: Limits, is_alone: bool) -> [Stage; 2] {
    [("postgres", postgres_dsn(), postgres()), ("mysql", mysql_dsn(), mysql())].map(|(name, dsn, direct)| {
        let (start, rest) = dsn.rsplit_once('@').unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        let server: SocketAddr = address.replace("localhost", "127.0.0.1").parse().unwrap();
        let proxy = Proxy::before(server);
        let mut db = Fixture::new(&format!("{start}@127.0.0.1:{}/{path}", proxy.port), limits);
        db.is_alone = is_alone;
        Stage { name, proxy, db, direct }
    })
}

fn quick() -> Limits {
    Limits { acquire_timeout_ms: 3_000, statement_timeout_ms: 10_000, connections_max: 2, ..Limits::default() }
}

/// Whether it is a failure of the connection, with its SQLSTATE.
fn is_lost(error: &Error) -> bool {
    matches!(error, Error::Connect { sqlstate: Some(state), .. } if state.starts_with("08"))
}

#[test]
fn a_connection_cut_at_any_byte_gives_an_error_with_its_sqlstate_and_the_next_statement_another_one() {
    for Stage { name, proxy, db, .. } in stages(quick()) {
        let sql = "SELECT 'some text' AS t, 42 AS n";
        let expected = db.json(sql, &[]);
        db.database.close();
        for cut_up in [false, true] {
            let mut survived = 0;
            for after in 0.. {
                let (up, down) = if cut_up { (Some(after), None) } else { (None, Some(after)) };
                proxy.plan(Plan { cut_up_after: up, cut_down_after: down, ..Plan::default() });
                match db.try_query(sql, &[]) {
                    Ok(rows) => {
                        assert_eq!(String::from_utf8(rows.to_json()).unwrap(), expected, "{name} {after}");
                        survived += 1;
                    }
                    Err(error) => {
                        assert!(is_lost(&error), "{name}, cut at {after}: {error:?}");
                        assert_eq!(survived, 0, "{name}, cut at {after}: {error:?}");
                    }
                }
                proxy.plan(Plan::default());
                db.database.close();
                // Beyond what the whole conversation takes.
                if survived == 20 {
                    assert!(after > 100, "{name}: cut at {after}, and nothing was missing");
                    break;
                }
            }
        }
        assert_eq!(db.json(sql, &[]), expected);
    }
}

#[test]
fn a_statement_is_sent_again_only_where_the_call_allows_it() {
    for Stage { name, proxy, db, direct } in stages(quick()) {
        let table = format!("network_sent_{name}");
        direct.create(&table, "n INTEGER");
        let insert = format!("INSERT INTO {table} VALUES (1)");
        let slow = if name == "postgres" { "SELECT 1 AS n FROM pg_sleep(0.4)" } else { "SELECT SLEEP(0.4) + 1 AS n" };
        for retries in [0, 1] {
            let outcome = db.block_on(async {
                let client = Client::default();
                let is_alone = db.is_alone;
                let statement = Statement { retries, is_alone, ..Statement::new(slow, Given::default()) };
                let cutting = async {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    proxy.cut();
                };
                tokio::join!(db.database.query(&client, &db.dsn, statement), cutting).0
            });
            match retries {
                0 => assert!(is_lost(&outcome.unwrap_err()), "{name}"),
                _ => assert_eq!(outcome.unwrap().to_json(), br#"[{"n":1}]"#, "{name}"),
            }
        }
        // One that was found dead before the statement left costs no error, and is carried out once.
        for _ in 0..5 {
            db.query("SELECT 1 AS n", &[]);
            proxy.cut();
            db.query(&insert, &[]);
        }
        assert_eq!(direct.json(&format!("SELECT count(*) AS n FROM {table}"), &[]), r#"[{"n":5}]"#, "{name}");
    }
}

#[test]
fn a_connection_that_trickles_gives_every_byte() {
    for Stage { name, proxy, db, .. } in stages(quick()) {
        let sql = "SELECT 'some text, long enough for some reads' AS t, 42 AS n";
        let expected = db.json(sql, &[]);
        db.database.close();
        proxy.plan(Plan { trickles: true, delay: Duration::from_micros(200), ..Plan::default() });
        assert_eq!(db.json(sql, &[]), expected, "{name}");
        assert_eq!(db.json(sql, &[]), expected, "{name}");
    }
}

#[test]
fn a_server_that_falls_silent_is_not_waited_for_beyond_the_limits() {
    let limits = Limits { acquire_timeout_ms: 500, statement_timeout_ms: 500, ..quick() };
    for Stage { name, proxy, db, .. } in stages(limits) {
        proxy.plan(Plan { silent_after: Some(0), ..Plan::default() });
        let began = Instant::now();
        assert!(is_lost(&db.error("SELECT 1 AS n", &[])), "{name}");
        proxy.plan(Plan { silent_after: Some(10_000), ..Plan::default() });
        let error = db.error("SELECT repeat('x', 100000) AS t", &[]);
        assert!(matches!(error, Error::Timeout { .. }), "{name}: {error:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
        proxy.plan(Plan::default());
        assert_eq!(db.json("SELECT 1 AS n", &[]), r#"[{"n":1}]"#, "{name}");
    }
}

#[test]
fn a_server_that_comes_back_is_used_at_once() {
    for Stage { name, proxy, db, .. } in stages(quick()) {
        assert_eq!(db.json("SELECT 1 AS n", &[]), r#"[{"n":1}]"#);
        proxy.go();
        for _ in 0..5 {
            assert!(is_lost(&db.error("SELECT 1 AS n", &[])), "{name}");
        }
        proxy.come_back();
        let back = Instant::now();
        assert_eq!(db.json("SELECT 1 AS n", &[]), r#"[{"n":1}]"#, "{name}: the first statement");
        assert!(back.elapsed() < Duration::from_secs(5), "{name}: {:?}", back.elapsed());
    }
}

#[test]
fn a_statement_whose_own_time_is_over_is_stopped_on_its_server_and_keeps_its_connection() {
    for Stage { name, db, direct, .. } in stages(Limits { connections_max: 1, ..quick() }) {
        let (sleep, id, running) = match name {
            "postgres" => (
                "SELECT pg_sleep(60) /* own time */",
                "SELECT pg_backend_pid() AS n",
                "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60) /* own time%' AND state = 'active'",
            ),
            _ => (
                "SELECT SLEEP(60) /* own time */",
                "SELECT CONNECTION_ID() AS n",
                "SELECT count(*) AS n FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(60) /* own time%'",
            ),
        };
        let connection = db.json(id, &[]);
        let is_alone = db.is_alone;
        let statement = Statement { timeout_ms: Some(600), is_alone, ..Statement::new(sleep, Given::default()) };
        let outcome = db.block_on(db.database.query(&db.client, &db.dsn, statement));
        // MySQL's SLEEP() says 1 when it is interrupted, and no error.
        match name {
            "postgres" => assert!(matches!(outcome, Err(Error::Timeout { statement_timeout_ms: 600 })), "{outcome:?}"),
            _ => assert!(outcome.is_ok() || matches!(outcome, Err(Error::Timeout { .. })), "{outcome:?}"),
        }
        assert_eq!(direct.json(running, &[]), r#"[{"n":0}]"#, "{name}");
        assert_eq!(db.json(id, &[]), connection, "{name}");
    }
}

#[test]
fn what_was_to_stop_a_statement_stops_no_other_however_late_it_comes() {
    for Stage { name, proxy, db, .. } in stages(Limits { connections_max: 1, ..quick() }) {
        // So slow that it is on its way when it is given up: PostgreSQL takes one message for it, MySQL the last of some.
        let (slow, next, delay_ms) = match name {
            "postgres" => ("SELECT 1 AS n FROM pg_sleep(1.25)", "SELECT 1 AS n FROM pg_sleep(1)", 1_300),
            _ => ("SELECT SLEEP(1.25) + 1 AS n", "SELECT SLEEP(1) + 1 AS n", 310),
        };
        db.query("SELECT 1 AS n", &[]);
        proxy.plan(Plan { delay: Duration::from_millis(delay_ms), ..Plan::default() });
        let statement = Statement { timeout_ms: Some(100), ..Statement::new(slow, Given::default()) };
        // Whether it has ended before it was to be stopped is no matter here.
        let _ = db.block_on(db.database.query(&db.client, &db.dsn, statement));
        proxy.plan(Plan::default());
        assert_eq!(db.json(next, &[]), r#"[{"n":1}]"#, "{name}");
    }
}
