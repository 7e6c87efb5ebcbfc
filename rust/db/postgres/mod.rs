//! PostgreSQL over its own protocol, version 3.
//!
//! Statements are prepared without declared types, so that the server infers them from the SQL as it does under PDO;
//! bound values are then converted to what it inferred. A statement that is prepared already costs one write and one
//! answer; its rows are read from the buffer of the socket straight into typed columns.
//!
//! What always holds: after each statement the server has said that it is ready, and whether a transaction is open, or the
//! connection is not used again.
//!
//! | file | holds |
//! |---|---|
//! | `options`, `environment` | what a DSN and the environment say |
//! | `login`, `end_point` | from a socket to a session |
//! | `stream`, `message` | the bytes, and what they say |
//! | `execute`, `statements` | one statement: prepared, bound, answered |
//! | `portal` | a statement whose rows come in parts |
//! | `reported` | settings whose changes the server reports |
//! | `types`, `decode`, `array`, `vector`, `encode` | values |
//! | `cancel` | stopping a statement from outside |

mod array;
mod cancel;
mod code;
mod decode;
mod encode;
mod end_point;
mod environment;
mod execute;
mod login;
mod message;
mod options;
mod portal;
mod reported;
mod statements;
mod stream;
mod types;
mod vector;

pub(super) use cancel::Canceller;
use cancel::Target;
pub use decode::rows;
pub(super) use options::Options;

use super::connection::{Connection, Done, Failure, State, Work};
use super::flow::Flow;
use super::limits::Limits;
use super::{Error, leaves, tokens};
use login::Login;
use message::{Refusal, Status};
use portal::{Portal, Portals};
use postgres_protocol::message::frontend;
use reported::Reported;
use statements::{SchemaChanges, Statements};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Instant;
use stream::Stream;
use types::Type;

/// The first version whose shortest texts of floats are exact by default.
const FIRST_WITH_SHORTEST_FLOATS: u32 = 12;

/// One connection to PostgreSQL.
pub(super) struct PgSession {
    stream: Stream,
    status: Status,
    statements: Statements,
    // Names that the server still keeps for statements that nobody asks for any more.
    dropped: Vec<String>,
    /// The transaction has changed a schema.
    changes_schema: bool,
    /// What the transaction has done to what names mean.
    renames: Renames,
    /// The path of schemas of a new connection names that of temporary tables, so that any table may be one.
    has_temporary_home: bool,
    /// A table was made that may be a temporary one.
    is_tainted: bool,
    /// Something may be on it that only its end removes.
    outlives_reset: bool,
    types: HashMap<u32, Type>,
    canceller: Canceller,
    settings: String,
    reported: Reported,
    portals: Portals,
    timer: Timer,
    connections_max: Option<u32>,
}

/// The server's own limit for a statement, `statement_timeout`. It would count the time that a stream's reader takes, so it is
/// lifted for streams, whose time the engine keeps itself. It stays as it is until a statement of the other kind comes.
struct Timer {
    limit_ms: u64,
    is_set: bool,
}

/// What may have changed what names mean.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Renames {
    #[default]
    No,
    /// Tables have come or gone.
    Tables,
    /// The path of schemas may be another one.
    Path,
}

/// How a statement ended, when the connection is as good as before: the server's refusal is one of the answers.
type Outcome<T> = Result<T, Refusal>;

impl Connection for PgSession {
    type Options = Arc<Options>;
    type Canceller = Canceller;
    type Portal = Portal;

    async fn connect(options: &Self::Options, limits: &Limits) -> Result<Self, Failure> {
        Self::begin(options, login::connect(options).await?, limits).await
    }

    async fn run(&mut self, work: Work<'_>, flow: &mut Flow) -> Result<Done, Failure> {
        self.stream.sent = false;
        let was_idle = self.status == Status::Idle;
        let mut outcome = self.attempt(work, flow).await;
        if matches!(&outcome, Ok(Err(refusal)) if refusal.is_stale_statement()) {
            self.dropped.extend(self.statements.forget(work.sql));
            // The server refused before it executed anything. In a transaction the error is the truth: it has failed now.
            if was_idle {
                self.stream.sent = false;
                outcome = Box::pin(self.attempt(work, flow)).await;
            }
        }
        self.stream.shrink();
        // Also behind a refusal of our own, which comes when a COPY has run.
        if leaves::may_rename(work.sql, work.leaves) {
            self.rename(Renames::Path);
            self.outlives_reset |= leaves::outlives_reset(work.sql);
        }
        let affected = told(outcome?)?;
        // The command tag of a SELECT counts the rows it gave, which are not rows that it changed.
        Ok(Done { affected: if is_query(work.sql) { 0 } else { affected }, last_insert_id: None })
    }

    async fn open(&mut self, work: Work<'_>, flow: &mut Flow) -> Result<Option<Portal>, Failure> {
        // Elsewhere the Sync behind the first rows would be the portal's end.
        if self.status != Status::InTransaction {
            return Ok(None);
        }
        self.stream.sent = false;
        let outcome = self.open_portal(work, flow).await?;
        if matches!(&outcome, Err(refusal) if refusal.is_stale_statement()) {
            self.dropped.extend(self.statements.forget(work.sql));
        }
        told(outcome).map(Some)
    }

    async fn fetch(&mut self, portal: &mut Portal, flow: &mut Flow) -> Result<(), Failure> {
        told(self.fetch_part(portal, flow).await?)
    }

    fn has_rest(portal: &Portal) -> bool {
        portal.has_rest
    }

    fn wait_until(&mut self, until: Option<Instant>) {
        self.stream.wait_until(until);
    }

    fn state(&self) -> State {
        match self.status {
            Status::Idle => State::Idle,
            Status::InTransaction => State::InTransaction,
            Status::Failed => State::Failed,
        }
    }

    fn is_changed(&self) -> bool {
        // Within a transaction a setting may be its own.
        self.is_tainted || self.status == Status::Idle && self.reported.is_changed()
    }

    async fn may_be_left_unseen(&mut self) -> Result<bool, Failure> {
        self.looks_for_code().await
    }

    fn doubt_names(&mut self) {
        self.dropped.extend(self.statements.doubt_names());
    }

    fn come_home(&mut self) {
        self.dropped.extend(self.statements.come_home());
    }

    fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    async fn reset(&mut self, is_only_perhaps: bool) -> Result<(), Failure> {
        self.roll_back().await?;
        if self.outlives_reset {
            return Err(message::strange("a connection can't be reset"));
        }
        if is_only_perhaps && self.cleans().await? {
            return Ok(());
        }
        // Alone in its message: two statements in one are a transaction, where it is refused.
        self.simple("DISCARD ALL").await??;
        self.statements.clear();
        self.dropped.clear();
        let settings = self.beginning();
        self.simple(&settings).await??;
        self.begin_again();
        Ok(())
    }

    async fn roll_back(&mut self) -> Result<(), Failure> {
        if self.status != Status::Idle {
            self.simple("ROLLBACK").await??;
        }
        Ok(())
    }

    fn server_connections_max(&self) -> Option<u32> {
        self.connections_max
    }

    fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        // Every answer is read up to ReadyForQuery.
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        frontend::sync(&mut self.stream.output);
        self.stream.flush().await?;
        self.until_ready(|_, _| Ok(())).await??;
        Ok(())
    }

    async fn close(mut self) {
        frontend::terminate(&mut self.stream.output);
        // Whether the goodbye arrives makes no difference.
        let _ = self.stream.flush().await;
    }
}

impl PgSession {
    /// Sets what the session means, behind the login.
    async fn begin(options: &Arc<Options>, login: Login, limits: &Limits) -> Result<Self, Failure> {
        let Login { mut stream, address, key, status, version, reported, is_encrypted } = login;
        // A column's offsets are 32 bits wide.
        stream.row_bytes_max = usize::try_from(limits.result_bytes_max.min(u32::MAX.into())).unwrap_or(usize::MAX);
        // Not parameters of the greeting, because poolers such as PgBouncer refuse those that they don't know.
        let timeout = limits.statement_timeout_ms.min(i32::MAX as u64);
        let float_digits = if version < FIRST_WITH_SHORTEST_FLOATS { 3 } else { 1 };
        let mut connection = Self {
            stream,
            status,
            statements: Statements::new(SchemaChanges::of(options.database.as_ref().unwrap_or(&options.user))),
            dropped: Vec::new(),
            changes_schema: false,
            renames: Renames::No,
            has_temporary_home: false,
            is_tainted: false,
            outlives_reset: false,
            types: HashMap::new(),
            canceller: Canceller(Arc::new(Target { options: Arc::clone(options), address, key, is_encrypted })),
            settings: format!(
                "SET statement_timeout = {timeout}; SET extra_float_digits = {float_digits}; \
                 SET IntervalStyle = postgres; SET bytea_output = hex"
            ),
            reported,
            portals: Portals::default(),
            timer: Timer { limit_ms: timeout, is_set: true },
            connections_max: None,
        };
        let sql = format!("{}; SHOW max_connections; SHOW search_path", connection.settings);
        let rows = connection.simple(&sql).await??;
        connection.reported.settle();
        let mut values = rows.iter().map(|row| row.first().map_or("", String::as_str));
        connection.connections_max = values.next().and_then(|count| count.parse().ok());
        connection.has_temporary_home = values.next().is_some_and(|path| path.contains("pg_temp"));
        Ok(connection)
    }
}

impl PgSession {
    /// What DISCARD ALL does, in one message and without forgetting the engine's statements, which would be prepared again for
    /// each request. False where there are others', which a function has prepared by EXECUTE.
    async fn cleans(&mut self) -> Result<bool, Failure> {
        let sql = format!(
            "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); \
             DISCARD TEMP; DISCARD SEQUENCES; {}; SELECT count(*) FROM pg_prepared_statements WHERE from_sql",
            self.beginning()
        );
        let rows = self.simple(&sql).await??;
        self.begin_again();
        Ok(rows.last().and_then(|row| row.first()).is_some_and(|count| count == "0"))
    }

    /// What a session begins with. RESET and DISCARD leave what random() goes on from, which whoever had the connection may have
    /// chosen.
    fn beginning(&self) -> String {
        let seed = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        format!("{}; SELECT setseed({seed})", self.settings)
    }

    fn begin_again(&mut self) {
        self.timer.is_set = true;
        self.is_tainted = false;
        self.reported.settle();
    }
}

/// What a statement gave; a refusal in words about its parameter, where that is what the server couldn't read.
fn told<T>(outcome: Outcome<T>) -> Result<T, Failure> {
    if let Err(Some((position, words))) = outcome.as_ref().map_err(Refusal::refused_parameter) {
        return Err(Failure::Refused(Error::param(position, words)));
    }
    match outcome {
        // The transaction has failed, and would succeed if it were run again: what serialization_failure says.
        Err(refusal) if refusal.is_stale_statement() => {
            let mut error = refusal.into_error();
            error
                .message
                .push_str("\nHINT: a table has changed since the transaction began: run the transaction again");
            error.sqlstate = Some("40001".to_owned());
            Err(Failure::Server(error))
        }
        outcome => Ok(outcome?),
    }
}

fn is_query(sql: &str) -> bool {
    let word = tokens::first_keyword(sql);
    ["SELECT", "VALUES", "TABLE", "SHOW", "EXPLAIN"].iter().any(|query| word.eq_ignore_ascii_case(query))
}

#[cfg(all(test, unix))]
mod conversation_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_that_change_rows_count_them() {
        assert!(is_query("/* x */ select 1") && is_query("(VALUES (1))"));
        assert!(!is_query("INSERT INTO t VALUES (1)") && !is_query("WITH x AS (DELETE FROM t) SELECT 1"));
    }
}
