//! The three real databases, each as a test sees it: one thread, one runtime, the engine's own connections.

use lyger::db::{Client, Database, Dsn, Error, Given, Limits, Param, Rows, Statement};
use lyger::json::{encode, serialize};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;
use std::future::Future;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// One database with its connections.
pub(crate) struct Fixture {
    pub(crate) database: Database,
    /// Who asks in `query` and its like.
    pub(crate) client: Client,
    pub(crate) dsn: Dsn,
    /// Whether statements wait in their socket, as those of a PHP process that does nothing else.
    pub(crate) is_alone: bool,
    runtime: Runtime,
}

impl Fixture {
    pub(crate) fn new(dsn: &str, limits: Limits) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::default();
        Self { database: Database::new(limits), client, dsn: Dsn::parse(dsn).unwrap(), is_alone: false, runtime }
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Goes on while something else is waited for.
    pub(crate) fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.runtime.spawn(future)
    }

    /// One statement of some client.
    pub(crate) async fn ask(&self, client: &Client, sql: &str, params: &[Param]) -> Result<Rows, Error> {
        let statement = Statement { is_alone: self.is_alone, ..Statement::new(sql, params) };
        self.database.query(client, &self.dsn, statement).await
    }

    pub(crate) fn try_query(&self, sql: &str, params: &[Param]) -> Result<Rows, Error> {
        self.block_on(self.ask(&self.client, sql, params))
    }

    pub(crate) fn query(&self, sql: &str, params: &[Param]) -> Rows {
        self.try_query(sql, params).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// With names, or lists.
    pub(crate) fn try_given(&self, sql: &str, given: Given) -> Result<Rows, Error> {
        self.block_on(self.database.query(&self.client, &self.dsn, Statement::new(sql, given)))
    }

    pub(crate) fn given(&self, sql: &str, given: Given) -> Rows {
        self.try_given(sql, given).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub(crate) fn error(&self, sql: &str, params: &[Param]) -> Error {
        match self.try_query(sql, params) {
            Ok(rows) => panic!("{sql} gave {}", json_of(&rows)),
            Err(error) => error,
        }
    }

    /// The rows as the client gets them.
    pub(crate) fn json(&self, sql: &str, params: &[Param]) -> String {
        json_of(&self.query(sql, params))
    }

    /// The rows as PHP gets them.
    pub(crate) fn serialized(&self, sql: &str, params: &[Param]) -> Vec<u8> {
        serialize::to_vec(&self.query(sql, params).table)
    }

    /// Makes a table afresh; tests run side by side, so each has names of its own.
    pub(crate) fn create(&self, table: &str, columns: &str) {
        self.query(&format!("DROP TABLE IF EXISTS {table}"), &[]);
        self.query(&format!("CREATE TABLE {table} ({columns})"), &[]);
    }
}

/// How many random values a comparison of clients takes.
const CASES: u32 = 64;

/// Tries a test with random values.
pub(crate) fn for_all<S: Strategy>(strategy: S, mut test: impl FnMut(S::Value))
where
    S::Value: std::fmt::Debug,
{
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let test = RefCell::new(&mut test);
    runner
        .run(&strategy, |value| {
            (test.borrow_mut())(value);
            Ok(())
        })
        .unwrap();
}

/// A pool of so many connections.
pub(crate) fn with_connections(dsn: &str, connections_max: u32) -> Fixture {
    Fixture::new(dsn, Limits { connections_max, acquire_timeout_ms: 2_000, ..Limits::default() })
}

/// The rows of one client's statement.
pub(crate) fn json(db: &Fixture, client: &Client, sql: &str) -> String {
    json_of(&db.block_on(db.ask(client, sql, &[])).unwrap_or_else(|error| panic!("{sql}: {error}")))
}

/// The rows of a client's only statement.
pub(crate) fn json_once(db: &Fixture, sql: &str) -> String {
    let client = Client::default();
    let json = json(db, &client, sql);
    db.block_on(client.end());
    json
}

pub(crate) fn json_of(rows: &Rows) -> String {
    String::from_utf8(encode::to_vec(&rows.table)).unwrap()
}

pub(crate) fn text(value: &str) -> Param {
    Param::Text(value.to_owned())
}

pub(crate) fn postgres_dsn() -> String {
    from_environment("LYGER_TEST_POSTGRES")
}

pub(crate) fn mysql_dsn() -> String {
    from_environment("LYGER_TEST_MYSQL")
}

pub(crate) fn postgres() -> Fixture {
    Fixture::new(&postgres_dsn(), Limits::default())
}

pub(crate) fn mysql() -> Fixture {
    Fixture::new(&mysql_dsn(), Limits::default())
}

pub(crate) fn sqlite() -> Fixture {
    Fixture::new("sqlite::memory:", Limits::default())
}

/// All three, with their names.
pub(crate) fn all() -> [(&'static str, Fixture); 3] {
    [("postgres", postgres()), ("mysql", mysql()), ("sqlite", sqlite())]
}

// A test that skips itself promises nothing: without its databases it fails.
fn from_environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `make test`, or `tests/support/with-services cargo test --test end_to_end`")
    })
}
