//! How a pool asks its database what code it keeps: once for all who need the answer, and at nobody's cost.

use super::names::undisturbed;
use super::routines::{PID, database};
use crate::databases::{Fixture, json, json_once, postgres_dsn, with_connections};
use lyger::db::{Client, Database, Limits, Statement};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than a look that nobody holds up takes, and shorter than one may.
const SOON: Duration = Duration::from_secs(4);

/// A database whose code can't be looked at as long as this client keeps its lock.
struct Closed {
    db: Fixture,
    client: Client,
    name: &'static str,
}

impl Closed {
    fn new(name: &'static str) -> (Self, String) {
        let dsn = database(name);
        let (db, client) = (with_connections(&format!("{dsn}?reset=told"), 1), Client::default());
        for sql in ["BEGIN", "LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE"] {
            json(&db, &client, sql);
        }
        (Self { db, client, name }, dsn)
    }

    /// How many look, and how many others are connected.
    fn looking(&self, watcher: &Fixture) -> (u64, u64) {
        let counts = json_once(
            watcher,
            &format!(
                "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock') AS looking, count(*) - 1 AS others \
                 FROM pg_stat_activity WHERE datname = '{}'",
                self.name
            ),
        );
        let rows: Vec<serde_json::Value> = serde_json::from_str(&counts).unwrap();
        let count = |name: &str| rows[0][name].as_u64().unwrap();
        (count("looking"), count("others") - count("looking"))
    }

    fn open(&self) {
        self.db.block_on(self.client.end());
    }
}

/// Lets the runtime run until it is so.
fn until(db: &Fixture, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it takes too long");
        db.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    }
}

/// Gives requests of one statement each, over one pool: its rows, and whether its connection was kept for the request.
fn asker(db: &Fixture) -> impl Fn(&'static str) -> Asked {
    let limits = Limits { connections_max: 4, ..Limits::default() };
    let (database, dsn) = (Arc::new(Database::new(limits)), db.dsn.clone());
    move |sql| {
        let (database, dsn) = (Arc::clone(&database), dsn.clone());
        Box::pin(async move {
            let client = Client::default();
            let rows = database.query(&client, &dsn, Statement::new(sql, &[][..])).await.unwrap();
            let keeps = client.keeps(&dsn);
            client.end().await;
            (rows.to_json(), keeps)
        })
    }
}

type Asked = Pin<Box<dyn Future<Output = (Vec<u8>, bool)> + Send>>;

fn watcher() -> Fixture {
    with_connections(&format!("{}?reset=told", postgres_dsn()), 1)
}

#[test]
fn one_connection_looks_and_the_others_wait_for_its_answer() {
    let (closed, dsn) = Closed::new("looks_once");
    let (db, watcher) = (with_connections(&dsn, 4), watcher());
    let ask = asker(&db);
    let asking: Vec<_> = (0..4).map(|_| db.spawn(ask("SELECT 1 AS n"))).collect();
    until(&db, || closed.looking(&watcher) == (1, 3));
    closed.open();
    let began = Instant::now();
    for asked in asking {
        assert!(!db.block_on(asked).unwrap().1, "there is no code");
    }
    assert!(began.elapsed() < SOON);
}

#[test]
fn nobody_waits_for_the_look_of_a_stream_that_is_not_read() {
    let (closed, dsn) = Closed::new("looks_in_streams");
    let (db, watcher) = (with_connections(&dsn, 2), watcher());
    let (reader, other) = (Client::default(), Client::default());
    let statement = Statement::new("SELECT 1 AS n", &[][..]);
    let mut stream = db.block_on(db.database.stream(&reader, &db.dsn, statement)).unwrap();
    // What has been begun is not read any more.
    while closed.looking(&watcher).0 == 0 {
        let soon = async { tokio::time::timeout(Duration::from_millis(20), stream.next()).await };
        assert!(db.block_on(soon).is_err());
    }
    closed.open();
    let began = Instant::now();
    json(&db, &other, "SELECT 1 AS n");
    assert!(began.elapsed() < SOON && !other.keeps(&db.dsn), "{:?}", began.elapsed());
    assert_eq!(db.block_on(stream.next()).unwrap().unwrap().rows(), 1);
}

#[test]
fn a_look_that_breaks_its_connection_costs_no_other_one() {
    let (closed, dsn) = Closed::new("looks_in_vain");
    let (db, watcher) = (with_connections(&dsn, 1), watcher());
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'looks_in_vain' AND wait_event_type = 'Lock'";
    // Behind the first statement, and before one that leaves something.
    for (sql, keeps) in [(PID, false), ("BEGIN", true)] {
        let ask = asker(&db);
        let first = db.spawn(ask(sql));
        until(&db, || closed.looking(&watcher).0 == 1);
        json_once(&watcher, end);
        let (gone, kept) = db.block_on(first).unwrap();
        assert_eq!(kept, keeps, "{sql}: it has its answer");
        let began = Instant::now();
        let (pid, kept) = db.block_on(ask(PID));
        assert!(kept && pid != gone, "{sql}: nobody knows what is left on the next connection");
        assert_eq!(db.block_on(ask(PID)), (pid, true), "{sql}: which is reset, and not closed");
        assert!(began.elapsed() < SOON, "{sql}: nobody tries again so soon: {:?}", began.elapsed());
    }
    closed.open();
}

#[test]
fn a_database_that_refuses_the_look_may_have_any_code() {
    let dsn = database("looks_refused");
    let maker = with_connections(&dsn, 1);
    for sql in [
        "DROP ROLE IF EXISTS looks_refused",
        "CREATE ROLE looks_refused LOGIN PASSWORD 'looks'",
        "REVOKE SELECT ON pg_catalog.pg_policy FROM PUBLIC",
    ] {
        json_once(&maker, sql);
    }
    let (_, server) = dsn.rsplit_once('@').unwrap();
    let db = with_connections(&format!("postgres://looks_refused:looks@{server}"), 1);
    let (pid, client) = (json_once(&db, PID), Client::default());
    assert_eq!(json(&db, &client, PID), pid, "the connection is as good as before");
    assert!(client.keeps(&db.dsn));
    db.block_on(client.end());
}

#[test]
fn a_transaction_that_has_made_something_costs_the_others_one_look_and_not_one_for_each_of_its_statements() {
    let dsn = database("looks_in_transactions");
    undisturbed("an answer that holds for a second", || {
        let (db, closer) = (with_connections(&dsn, 2), with_connections(&format!("{dsn}?reset=told"), 1));
        let (maker, other, closing) = (Client::default(), Client::default(), Client::default());
        for sql in ["BEGIN", "CREATE TABLE made (n int)"] {
            json(&db, &maker, sql);
        }
        let before = Instant::now();
        let pid = json(&db, &other, PID);
        assert!(!other.keeps(&db.dsn), "there is no code");
        json(&db, &maker, "INSERT INTO made VALUES (1)");
        for sql in ["BEGIN", "LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE"] {
            json(&closer, &closing, sql);
        }
        let holds = before.elapsed() < Duration::from_millis(900);
        // Whoever looks now, looks in vain, and gives the connection up.
        json(&db, &other, "SELECT 1");
        closer.block_on(closing.end());
        let has_looked = json(&db, &other, PID) != pid;
        assert!(!holds || !has_looked, "an answer was asked for again");
        db.block_on(maker.end());
        db.block_on(other.end());
        holds
    });
}
