//! PostgreSQL over sqlx's concrete connection.
//!
//! Statements are prepared without declared types, so that the server infers them from the SQL as it does under PDO;
//! bound values are then converted to what it inferred. Rows are decoded from their binary form once per result.
//! `TimeZone` is UTC, which sqlx sets when it connects.

mod decode;
mod encode;

use super::connection::{Canceller, Connection as Conversation, Done, Failure, State, Work};
use super::flow::Flow;
use super::limits::Limits;
use super::socket::{self, Socket};
use super::{Error, tokens};
use decode::Decoder;
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, Executor, SqlSafeStr, SqlStr, Statement};
use std::time::Duration;

/// One connection to PostgreSQL.
pub(super) struct PgSession {
    connection: PgConnection,
    socket: Socket,
}

impl Conversation for PgSession {
    type Options = Box<PgConnectOptions>;
    type Canceller = NoCanceller;

    async fn connect(options: &Self::Options, limits: &Limits) -> Result<Self, Failure> {
        let is_unix = options.get_socket().is_some() || options.get_host().starts_with('/');
        let (connected, socket) = socket::connecting(options.connect(), (!is_unix).then(|| options.get_port())).await;
        let mut connection = connected?;
        // Not a startup parameter, because poolers such as PgBouncer refuse those that they don't know.
        let set = format!("SET statement_timeout = {}", limits.statement_timeout_ms.min(i32::MAX as u64));
        connection.execute(sqlx::raw_sql(AssertSqlSafe(set))).await?;
        Ok(Self { connection, socket })
    }

    async fn run(&mut self, work: Work<'_>, flow: &mut Flow) -> Result<Done, Failure> {
        let (changes_rows, copies) =
            (!is_query(work.sql), tokens::first_keyword(work.sql).eq_ignore_ascii_case("COPY"));
        let sql = AssertSqlSafe(work.sql.to_owned()).into_sql_str();
        let mut result = self.attempt(sql.clone(), work, flow).await;
        if matches!(&result, Err(Attempt::Database(error)) if is_stale_statement(error)) {
            // The server refused before it executed anything. In a transaction that is the end of it, as the second try says.
            self.connection.clear_cached_statements().await?;
            result = self.attempt(sql, work, flow).await;
        }
        let mut done = match result {
            Err(Attempt::Database(sqlx::Error::Protocol(_))) if copies => return Err(Failure::Cut(copy_refused())),
            Err(Attempt::Database(error)) => return Err(error.into()),
            Err(Attempt::Other(failure)) => return Err(failure),
            Ok(done) => done,
        };
        if !changes_rows {
            done.affected = 0;
        }
        Ok(done)
    }

    fn state(&self) -> State {
        State::Unknown
    }

    fn canceller(&self) -> NoCanceller {
        NoCanceller
    }

    async fn reset(&mut self) -> Result<(), Failure> {
        self.connection.execute(sqlx::raw_sql("ROLLBACK; DISCARD ALL")).await?;
        Err(Failure::Strange("a new connection is as good".to_owned()))
    }

    async fn roll_back(&mut self) -> Result<(), Failure> {
        self.connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
        Ok(())
    }

    fn server_connections_max(&self) -> Option<u32> {
        None
    }

    fn is_quiet(&self) -> Option<bool> {
        self.socket.is_quiet()
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        // ReadyForQuery comes behind the error, and sqlx would read it with the next answer.
        Ok(self.connection.flush().await?)
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        Ok(self.connection.ping().await?)
    }

    async fn close(self) {
        let _ = self.connection.close().await; // whether the goodbye arrives makes no difference
    }
}

/// sqlx doesn't tell the key that a cancel request needs.
pub(super) struct NoCanceller;

impl Canceller for NoCanceller {
    async fn cancel(self, _limit: Duration) {}
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

impl PgSession {
    async fn attempt(&mut self, sql: SqlStr, work: Work<'_>, flow: &mut Flow) -> Result<Done, Attempt> {
        let statement = (&mut self.connection).prepare(sql).await?;
        let types = match statement.parameters() {
            Some(Either::Left(types)) => types,
            _ => &[],
        };
        let arguments = encode::arguments(types, work.params).map_err(Failure::Refused)?;
        let mut decoder = Decoder::new(statement.columns()).map_err(Failure::Refused)?;
        let mut affected = 0;
        let mut answers = (&mut self.connection).fetch_many(statement.query_with(arguments));
        while let Some(answer) = answers.try_next().await? {
            match answer {
                Either::Right(row) => {
                    let bytes = decoder.push_row(&row).map_err(Failure::Cut)?;
                    if flow.take(bytes).map_err(Failure::Cut)? {
                        flow.emit(decoder.take_table()).await?;
                    }
                }
                Either::Left(done) => affected += done.rows_affected(),
            }
        }
        drop(answers);
        flow.emit(decoder.take_table()).await?;
        if flow.is_large() {
            self.connection.shrink_buffers();
        }
        Ok(Done { affected, last_insert_id: None })
    }
}

// The command tag of a SELECT counts the rows it gave, which are not rows that it changed.
fn is_query(sql: &str) -> bool {
    let word = tokens::first_keyword(sql);
    ["SELECT", "VALUES", "TABLE", "SHOW", "EXPLAIN"].iter().any(|query| word.eq_ignore_ascii_case(query))
}

/// COPY to or from the client is a conversation of its own, about which the driver has words for its authors only.
fn copy_refused() -> Error {
    let message =
        "COPY ... FROM STDIN and COPY ... TO STDOUT are not supported: use INSERT and SELECT, or a server's file";
    Error::Query { message: message.to_owned(), sqlstate: Some("0A000".to_owned()) }
}

/// A prepared statement whose result changed its type (`SELECT *` after ALTER TABLE), or that somebody deallocated.
fn is_stale_statement(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let Some(error) = error.try_downcast_ref::<PgDatabaseError>() else { return false };
    match error.code() {
        // feature_not_supported has many causes; this function of the server has one.
        "0A000" => error.routine() == Some("RevalidateCachedQuery"),
        "26000" => true,
        _ => false,
    }
}

pub(super) fn unsupported_hint(type_name: &str) -> String {
    format!("write ?::text::{}", type_name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_that_change_rows_count_them() {
        assert!(is_query("/* x */ select 1") && is_query("(VALUES (1))"));
        assert!(!is_query("INSERT INTO t VALUES (1)") && !is_query("WITH x AS (DELETE FROM t) SELECT 1"));
    }
}
