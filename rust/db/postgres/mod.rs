//! PostgreSQL over sqlx's concrete connection.
//!
//! Statements are prepared without declared types, so that the server infers them from the SQL as it does under PDO;
//! bound values are then converted to what it inferred. Rows are decoded from their binary form once per result.
//! `TimeZone` is UTC, which sqlx sets when it connects.

mod decode;
mod encode;

use super::limits::Limits;
use super::pool::{Failure, Session};
use super::socket::{self, Socket};
use super::{Error, Param, Rows, tokens};
use decode::Decoder;
use futures_util::TryStreamExt;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, Executor, SqlSafeStr, SqlStr, Statement};
use std::time::Duration;

/// SQLSTATE of a statement that was cancelled, by its timeout or by hand.
const QUERY_CANCELED: &str = "57014";

/// One connection to PostgreSQL.
pub(super) struct PgSession {
    connection: PgConnection,
    socket: Socket,
}

impl Session for PgSession {
    type Options = Box<PgConnectOptions>;

    async fn connect(options: &Self::Options, limits: &Limits) -> Result<Self, sqlx::Error> {
        let is_unix = options.get_socket().is_some() || options.get_host().starts_with('/');
        let (connected, socket) = socket::connecting(options.connect(), (!is_unix).then(|| options.get_port())).await;
        let mut connection = connected?;
        // Not a startup parameter, because poolers such as PgBouncer refuse those that they don't know.
        let set = format!("SET statement_timeout = {}", limits.statement_timeout_ms.min(i32::MAX as u64));
        connection.execute(sqlx::raw_sql(AssertSqlSafe(set))).await?;
        Ok(Self { connection, socket })
    }

    async fn run(&mut self, sql: &str, params: &[Param], limits: &Limits) -> Result<Rows, Failure> {
        let (changes_rows, copies) = (!is_query(sql), tokens::first_keyword(sql).eq_ignore_ascii_case("COPY"));
        let sql = AssertSqlSafe(sql.to_owned()).into_sql_str();
        let mut result = self.attempt(sql.clone(), params, limits).await;
        if matches!(&result, Err(Failure::Database(error)) if is_stale_statement(error)) {
            // The server refused before it executed anything, and no transaction can be open here.
            self.connection.clear_cached_statements().await?;
            result = self.attempt(sql, params, limits).await;
        }
        let mut rows = match result {
            Err(Failure::Database(sqlx::Error::Protocol(_))) if copies => return Err(Failure::Cut(copy_refused())),
            result => result?,
        };
        if !changes_rows {
            rows.affected = 0;
        }
        Ok(rows)
    }

    fn timed_out(error: &dyn DatabaseError, elapsed: Duration, limit: Duration) -> bool {
        // The message that tells a timeout from pg_cancel_backend() is translated; the clock isn't.
        error.code().is_some_and(|code| code == QUERY_CANCELED) && elapsed >= limit
    }

    fn is_quiet(&self) -> Option<bool> {
        self.socket.is_quiet()
    }

    async fn settle(&mut self) -> Result<(), sqlx::Error> {
        // ReadyForQuery comes behind the error, and sqlx would read it with the next answer.
        self.connection.flush().await
    }

    async fn ping(&mut self) -> Result<(), sqlx::Error> {
        self.connection.ping().await
    }

    async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

impl PgSession {
    async fn attempt(&mut self, sql: SqlStr, params: &[Param], limits: &Limits) -> Result<Rows, Failure> {
        let statement = (&mut self.connection).prepare(sql).await?;
        let types = match statement.parameters() {
            Some(Either::Left(types)) => types,
            _ => &[],
        };
        let arguments = encode::arguments(types, params).map_err(Failure::Refused)?;
        let mut decoder = Decoder::new(statement.columns()).map_err(Failure::Refused)?;
        let mut budget = limits.result_budget();
        let mut affected = 0;
        let mut answers = (&mut self.connection).fetch_many(statement.query_with(arguments));
        while let Some(answer) = answers.try_next().await? {
            match answer {
                Either::Right(row) => {
                    let bytes = decoder.push_row(&row).map_err(Failure::Cut)?;
                    budget.take(bytes).map_err(Failure::Cut)?;
                }
                Either::Left(done) => affected += done.rows_affected(),
            }
        }
        drop(answers);
        if budget.is_large() {
            self.connection.shrink_buffers();
        }
        Ok(Rows { table: decoder.into_table(), affected, last_insert_id: None })
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
