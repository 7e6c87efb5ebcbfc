//! MySQL and MariaDB over sqlx's concrete connection.
//!
//! The session means what it would mean under PDO: sqlx's own changes of `sql_mode` are undone. Two remain, because
//! sqlx asks for them when it connects: an UPDATE counts the rows that it found (CLIENT_FOUND_ROWS), and several
//! statements in one text are refused by preparing every statement. `time_zone` is UTC, so that a TIMESTAMP can be printed
//! with its zone.

mod decode;
mod null;

use super::connection::{Canceller, Connection as Conversation, Done, Failure, State, Work};
use super::flow::Flow;
use super::limits::Limits;
use super::socket::{self, Socket};
use super::{Error, Param};
use crate::json::table::Table;
use decode::Decoder;
use futures_util::TryStreamExt;
use null::Null;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlDatabaseError};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Connection, Either, Executor, Row, SqlSafeStr, Statement};
use std::convert::Infallible;
use std::time::Duration;

/// Statements that a connection may have prepared before it is replaced.
///
/// sqlx 0.9.0 leaves Nagle's algorithm on (its issue #4335), so the packet that closes a statement, which has no
/// answer, makes the next one wait 40 ms for the server's delayed acknowledgement. A new connection every 250 distinct
/// statements costs less than that. 250 also keeps 64 processes within the server's `max_prepared_stmt_count`.
const STATEMENTS_MAX: usize = 250;

/// ER_UNSUPPORTED_PS: a statement that can't be prepared.
const NOT_PREPARABLE: u16 = 1295;

/// One connection to MySQL or MariaDB.
pub(super) struct MySqlSession {
    connection: MySqlConnection,
    socket: Socket,
    options: Box<MySqlConnectOptions>,
    /// The server's name of the connection.
    id: u64,
    server_connections_max: u32,
    limit_ms: u64,
    /// Whether the server's own limit for a statement is set. It would count the time that a stream's reader takes, so it is
    /// lifted for streams, and stays as it is until a statement of the other kind comes.
    has_limit: bool,
}

impl Conversation for MySqlSession {
    type Options = Box<MySqlConnectOptions>;
    type Canceller = KillQuery;
    type Portal = Infallible;

    async fn connect(options: &Self::Options, limits: &Limits) -> Result<Self, Failure> {
        // Room for one more than ever comes, so that the driver never closes a statement by itself.
        let options = Box::new(options.as_ref().clone().statement_cache_capacity(STATEMENTS_MAX + 1));
        let port = options.get_socket().is_none().then(|| options.get_port());
        let (connected, socket) = socket::connecting(options.connect(), port).await;
        let mut connection = connected?;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(session_settings(limits)))).await?;
        let asked = sqlx::raw_sql("SELECT CONNECTION_ID(), @@max_connections").fetch_one(&mut connection).await?;
        let number = |at| asked.try_get_unchecked::<String, _>(at).ok().and_then(|text| text.parse::<u64>().ok());
        let (id, max) = (number(0).unwrap_or_default(), number(1).unwrap_or_default());
        let server_connections_max = u32::try_from(max).unwrap_or(u32::MAX);
        let (limit_ms, has_limit) = (limits.statement_timeout_ms, true);
        Ok(Self { connection, socket, options, id, server_connections_max, limit_ms, has_limit })
    }

    async fn run(&mut self, work: Work<'_>, flow: &mut Flow) -> Result<Done, Failure> {
        let has_limit = !flow.is_stream();
        if self.has_limit != has_limit && self.limit_ms > 0 {
            let limit_ms = if has_limit { self.limit_ms } else { 0 };
            self.connection.execute(sqlx::raw_sql(AssertSqlSafe(time_limit(limit_ms)))).await?;
            self.has_limit = has_limit;
        }
        match self.attempt(work, flow).await {
            Err(Attempt::Database(error)) if work.params.is_empty() && number(&error) == Some(NOT_PREPARABLE) => {
                self.unprepared(work.sql, flow).await
            }
            Err(Attempt::Database(error)) => Err(error.into()),
            Err(Attempt::Other(failure)) => Err(failure),
            Ok(done) => Ok(done),
        }
    }

    /// A connection of MySQL does nothing else before the last row.
    async fn open(&mut self, _: Work<'_>, _: &mut Flow) -> Result<Option<Infallible>, Failure> {
        Ok(None)
    }

    async fn fetch(&mut self, portal: &mut Infallible, _: &mut Flow) -> Result<(), Failure> {
        match *portal {}
    }

    fn has_rest(portal: &Infallible) -> bool {
        match *portal {}
    }

    fn state(&self) -> State {
        // The protocol says it and sqlx knows it, but doesn't tell.
        State::Unknown
    }

    fn canceller(&self) -> KillQuery {
        KillQuery { options: self.options.clone(), id: self.id }
    }

    /// There is a command for it, which sqlx doesn't have: the connection is closed, and the server cleans up some time later.
    /// What others may wait for is let go of before.
    async fn reset(&mut self) -> Result<(), Failure> {
        self.connection.execute(sqlx::raw_sql("ROLLBACK; UNLOCK TABLES; DO RELEASE_ALL_LOCKS()")).await?;
        Err(Failure::Strange("a connection can't be reset".to_owned()))
    }

    async fn roll_back(&mut self) -> Result<(), Failure> {
        self.connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
        Ok(())
    }

    fn server_connections_max(&self) -> Option<u32> {
        Some(self.server_connections_max).filter(|max| *max > 0)
    }

    fn is_worn(&self) -> bool {
        self.connection.cached_statements_size() >= STATEMENTS_MAX
    }

    fn is_quiet(&self) -> Option<bool> {
        self.socket.is_quiet()
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        // An error is the last packet of its answer.
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        Ok(self.connection.ping().await?)
    }

    async fn close(self) {
        let _ = self.connection.close().await; // whether the goodbye arrives makes no difference
    }
}

/// `KILL QUERY` over another connection, which needs a place of its own on the server for that moment.
pub(super) struct KillQuery {
    options: Box<MySqlConnectOptions>,
    id: u64,
}

impl Canceller for KillQuery {
    async fn cancel(self, limit: Duration) {
        let kill = async {
            let mut connection = self.options.connect().await?;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(format!("KILL QUERY {}", self.id)))).await?;
            connection.close().await
        };
        let _ = tokio::time::timeout(limit, kill).await; // best effort, as it is meant
    }
}

/// What is sent after connecting.
fn session_settings(limits: &Limits) -> String {
    format!("{}, sql_mode = @@GLOBAL.sql_mode, NAMES utf8mb4", time_limit(limits.statement_timeout_ms))
}

/// Sets the server's own limit, 0 for none. The server's comments pick the variable that it has: `/*M! */` is read by MariaDB
/// only, `/*!80000 */` by MySQL 8 and later only (MariaDB skips 50700 to 99999); the zone is there for those with neither.
fn time_limit(limit_ms: u64) -> String {
    let (seconds, millis) = (limit_ms as f64 / 1000.0, limit_ms.min(u32::MAX.into()));
    format!(
        "SET time_zone = '+00:00' /*M! , max_statement_time = {seconds} */ /*!80000 , max_execution_time = {millis} */"
    )
}

enum Attempt {
    Database(sqlx::Error),
    Other(Failure),
}

impl From<sqlx::Error> for Attempt {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl MySqlSession {
    async fn attempt(&mut self, work: Work<'_>, flow: &mut Flow) -> Result<Done, Attempt> {
        let sql = AssertSqlSafe(work.sql.to_owned()).into_sql_str();
        let statement = (&mut self.connection).prepare(sql).await?;
        let expected = match statement.parameters() {
            Some(Either::Right(count)) => count,
            _ => 0,
        };
        // sqlx would count as well, but only after it noted that an answer is to come.
        if expected != work.params.len() {
            return Err(Failure::Refused(Error::param_count(expected, work.params.len())).into());
        }
        let null = match work.params.contains(&Param::Null) {
            true => Some(Null::learn(&mut self.connection).await?),
            false => None,
        };
        let arguments = arguments(work.params, null.as_ref()).map_err(Failure::Refused)?;
        let mut decoder: Option<Decoder> = None;
        let (mut affected, mut last_insert_id, mut has_ended) = (0, 0, false);
        let mut answers = (&mut self.connection).fetch_many(statement.query_with(arguments));
        while let Some(answer) = answers.try_next().await? {
            match answer {
                // Only a procedure can give two results in one answer; a second one must not be read by the first one's names.
                Either::Right(_) if has_ended => {
                    let message = "the procedure gave several results, and a statement has one".to_owned();
                    return Err(Failure::Cut(Error::Query { message, sqlstate: Some("0A000".to_owned()) }).into());
                }
                Either::Right(row) => {
                    flow.heard();
                    // The types are those of this execution: before it, the types of the parameters were unknown.
                    let decoder = match &mut decoder {
                        Some(decoder) => decoder,
                        None => {
                            let decoder_of = Decoder::new(Row::columns(&row), work.forms);
                            decoder.insert(decoder_of.map_err(Failure::Cut)?)
                        }
                    };
                    let bytes = decoder.push_row(&row).map_err(Failure::Cut)?;
                    if flow.take(bytes).map_err(Failure::Cut)? {
                        flow.emit(decoder.take_table()).await?;
                    }
                }
                Either::Left(done) => {
                    affected += done.rows_affected();
                    last_insert_id = last_insert_id.max(done.last_insert_id());
                    has_ended = decoder.is_some();
                }
            }
        }
        drop(answers);
        let mut decoder = match decoder {
            Some(decoder) => decoder,
            None => Decoder::new(statement.columns(), work.forms).map_err(Failure::Refused)?,
        };
        flow.emit(decoder.take_table()).await?;
        if flow.is_large() {
            self.connection.shrink_buffers();
        }
        let last_insert_id = i64::try_from(last_insert_id).ok().filter(|id| *id != 0);
        Ok(Done { affected, last_insert_id })
    }

    /// For the few statements that the server doesn't prepare (CREATE TRIGGER in MySQL). It has just read this text as
    /// one statement, so the text protocol runs no second one.
    async fn unprepared(&mut self, sql: &str, flow: &mut Flow) -> Result<Done, Failure> {
        let mut affected = 0;
        let mut answers = (&mut self.connection).fetch_many(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())));
        while let Some(answer) = answers.try_next().await? {
            match answer {
                Either::Left(done) => affected += done.rows_affected(),
                Either::Right(_) => {
                    let message = "the server can't prepare this statement, and its rows can't be read otherwise";
                    let error = Error::Query { message: message.to_owned(), sqlstate: Some("0A000".to_owned()) };
                    return Err(Failure::Cut(error));
                }
            }
        }
        drop(answers);
        flow.emit(Table::default()).await?;
        Ok(Done { affected, last_insert_id: None })
    }
}

fn number(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// `null` is there where one of the parameters is NULL.
fn arguments(params: &[Param], null: Option<&Null>) -> Result<MySqlArguments, Error> {
    let mut arguments = MySqlArguments::default();
    for (position, param) in (1..).zip(params) {
        let added = match param {
            Param::Null => arguments.add(null.cloned()),
            Param::Bool(value) => arguments.add(*value),
            Param::Int(value) => arguments.add(*value),
            // MySQL would store NULL or 0 for them, which nobody asked for.
            Param::Float(value) if !value.is_finite() => {
                return Err(Error::param(position, format!("MySQL has no {value}")));
            }
            Param::Float(value) => arguments.add(*value),
            Param::Text(value) => arguments.add(value.as_str()),
            Param::Bytes(value) => arguments.add(value.as_slice()),
        };
        added.map_err(|error| Error::param(position, format!("it can't be sent: {error}")))?;
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_limit_is_set_in_the_unit_of_each_server() {
        let limits = Limits { statement_timeout_ms: 1500, ..Limits::default() };
        let settings = session_settings(&limits);
        assert!(settings.contains("max_statement_time = 1.5 "), "{settings}");
        assert!(settings.contains("max_execution_time = 1500 "), "{settings}");
    }
}
