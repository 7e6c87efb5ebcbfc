//! MySQL and MariaDB over their own protocol.
//!
//! The session means what it would mean under PDO, but that an UPDATE counts the rows that it found, changed or not, that a
//! text is one statement, and that `time_zone` is UTC, so that a TIMESTAMP can be printed with its zone. A statement that is
//! prepared already costs one write and one answer; its rows are read from the buffer of the socket straight into typed columns.
//!
//! What always holds: after each statement its answer has been read to the end, and the server has said whether a transaction
//! is open, or the connection is not used again.
//!
//! | file | holds |
//! |---|---|
//! | `options` | what a DSN says |
//! | `login`, `auth` | from a socket to a session |
//! | `stream`, `packet` | the bytes, and what they say |
//! | `execute`, `statements` | one statement: prepared, executed, answered |
//! | `types`, `decode`, `encode` | values |
//! | `kill` | stopping a statement from outside |

mod auth;
mod code;
mod decode;
mod encode;
mod execute;
mod kill;
mod login;
mod options;
mod packet;
mod statements;
mod stream;
mod types;

pub(super) use kill::Canceller;
pub(super) use options::Options;

use super::connection::{Connection, Done, Failure, State, Work};
use super::flow::Flow;
use super::leaves::{self, Leaves};
use super::limits::Limits;
use super::{Dialect, tokens};
use bytes::BufMut;
use execute::is_plain;
use kill::Target;
use login::Login;
use packet::{Refusal, Status, command, strange};
use statements::Statements;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;
use stream::Stream;

/// ER_UNSUPPORTED_PS: a statement that can't be prepared.
const NOT_PREPARABLE: u16 = 1295;

/// ER_NEED_REPREPARE and ER_UNKNOWN_STMT_HANDLER: what was prepared is of no use any more. Nothing was executed then.
const STALE: [u16; 2] = [1615, 1243];

/// One connection to MySQL or MariaDB.
pub(super) struct MySqlSession {
    stream: Stream,
    /// What both sides can.
    capabilities: u64,
    /// What the server said last.
    status: Status,
    /// Something has happened since that may have changed it.
    is_unsure: bool,
    /// `SET TRANSACTION` waits for the next transaction, of which the status says nothing.
    awaits_transaction: bool,
    statements: Statements,
    /// Numbers that the server still keeps for statements that nobody asks for any more.
    dropped: Vec<u32>,
    /// The number of a statement that is prepared for once.
    once: Option<u32>,
    /// The statement was not only prepared.
    has_executed: bool,
    /// Whether the server says what has changed in the session, also by a function or a trigger.
    is_tracked: bool,
    /// Whether it has said so behind the last statement.
    is_changed: bool,
    /// It was refused after it had begun, behind which the server says nothing.
    is_suspect: bool,
    roles: Roles,
    canceller: Canceller,
    server_connections_max: u32,
    /// How long a statement may be, and so its values.
    packet_bytes_max: u64,
    limit_ms: u64,
    /// Whether the server's own limit for a statement is set. It would count the time that a stream's reader takes, so it is
    /// lifted for streams, and stays as it is until a statement of the other kind comes.
    has_limit: bool,
}

/// What a session may do besides what its user may.
enum Roles {
    Unknown,
    /// MySQL can set it back by itself.
    Default,
    /// MariaDB: one, or none.
    Was(Option<String>),
}

/// How a statement ended, when the connection is as good as before: the server's refusal is one of the answers.
type Outcome<T> = Result<T, Refusal>;

impl Connection for MySqlSession {
    type Options = Arc<Options>;
    type Canceller = Canceller;
    type Portal = Infallible;

    async fn connect(options: &Self::Options, limits: &Limits) -> Result<Self, Failure> {
        let mut connection = Self::new(options, login::connect(options).await?, limits);
        connection.introduce().await?;
        Ok(connection)
    }

    async fn run(&mut self, work: Work<'_>, flow: &mut Flow) -> Result<Done, Failure> {
        self.stream.sent = false;
        let has_limit = !flow.is_stream();
        if self.has_limit != has_limit && self.limit_ms > 0 {
            Box::pin(self.turn_limit(has_limit)).await?;
        }
        (self.has_executed, self.is_changed, self.is_suspect) = (false, false, false);
        let known = self.statements.get(work.sql);
        let was_known = known.is_some();
        let mut outcome = self.attempt(work, known, flow).await;
        self.dropped.extend(self.once.take());
        match &outcome {
            Ok(Err(refusal)) if STALE.contains(&refusal.number) && was_known => {
                self.dropped.extend(self.statements.forget(work.sql));
                // In a transaction the error is the truth, as for any statement that is refused.
                if !self.status.is_in_transaction() {
                    self.stream.sent = false;
                    outcome = Box::pin(self.attempt(work, None, flow)).await;
                    self.dropped.extend(self.once.take());
                }
            }
            Ok(Err(refusal)) if refusal.number == NOT_PREPARABLE && work.params.is_empty() => {
                outcome = Box::pin(self.unprepared(work.sql, flow)).await;
            }
            _ => {}
        }
        if flow.is_large() {
            self.stream.shrink();
        }
        let outcome = outcome?;
        self.note(work.sql, outcome.is_ok());
        Ok(outcome?)
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

    fn wait_until(&mut self, until: Option<Instant>) {
        self.stream.wait_until(until);
    }

    fn state(&self) -> State {
        match self.status.is_in_transaction() {
            _ if self.is_unsure => State::Unknown,
            true => State::InTransaction,
            false if self.awaits_transaction => State::Awaiting,
            false => State::Idle,
        }
    }

    fn is_changed(&self) -> bool {
        self.is_changed || !self.status.is_autocommit()
    }

    fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    async fn may_be_left_unseen(&mut self) -> Result<bool, Failure> {
        self.looks_for_code().await
    }

    fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    async fn reset(&mut self, _: bool) -> Result<(), Failure> {
        match self.command(command::RESET_CONNECTION, "").await {
            Ok(Ok(())) => {}
            // A server that doesn't know it cleans up some time after the connection is closed. What others may wait for is let
            // go of before.
            Ok(Err(_)) | Err(Failure::Server(_)) => {
                for sql in ["ROLLBACK", "UNLOCK TABLES", "DO RELEASE_ALL_LOCKS()"] {
                    let _ = self.simple(sql).await?; // it may not know that function either
                }
                return Err(strange("a connection can't be reset"));
            }
            Err(failure) => return Err(failure),
        }
        self.statements.clear();
        self.dropped.clear();
        self.clear();
        self.go_home().await?;
        self.go_back_to_role().await?;
        self.set_up().await
    }

    async fn roll_back(&mut self) -> Result<(), Failure> {
        self.simple("ROLLBACK").await??;
        self.clear();
        Ok(())
    }

    fn server_connections_max(&self) -> Option<u32> {
        Some(self.server_connections_max).filter(|max| *max > 0)
    }

    fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    async fn settle(&mut self) -> Result<(), Failure> {
        // An error is the last packet of its answer, but doesn't say where the transaction stands.
        if self.is_unsure {
            self.ping().await?;
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        self.command(command::PING, "").await??;
        self.is_unsure = false;
        Ok(())
    }

    async fn close(mut self) {
        self.ask(|out| out.put_u8(command::QUIT));
        // Whether the goodbye arrives makes no difference.
        let _ = self.stream.flush().await;
    }
}

impl MySqlSession {
    fn new(options: &Arc<Options>, login: Login, limits: &Limits) -> Self {
        let Login { mut stream, address, capabilities, status } = login;
        // A column's offsets are 32 bits wide.
        stream.row_bytes_max = usize::try_from(limits.result_bytes_max.min(u32::MAX.into())).unwrap_or(usize::MAX);
        let target = Target { options: Arc::clone(options), address, id: 0 };
        Self {
            stream,
            capabilities,
            status,
            is_unsure: false,
            awaits_transaction: false,
            statements: Statements::default(),
            dropped: Vec::new(),
            once: None,
            has_executed: false,
            is_tracked: capabilities & packet::capability::SESSION_TRACK != 0,
            is_changed: false,
            is_suspect: false,
            roles: Roles::Unknown,
            canceller: Canceller(Arc::new(target)),
            server_connections_max: 0,
            packet_bytes_max: u64::MAX,
            limit_ms: limits.statement_timeout_ms,
            has_limit: true,
        }
    }

    /// Asks a new connection who it is.
    async fn introduce(&mut self) -> Result<(), Failure> {
        self.set_up().await?;
        // The number in the greeting has 32 bits, and a proxy's is its own.
        let is_mysql = self.has(packet::capability::MYSQL);
        let role = if is_mysql { "" } else { ", CURRENT_ROLE()" };
        let sql = format!("SELECT CONNECTION_ID(), @@max_connections, @@max_allowed_packet{role}");
        let rows = self.simple(&sql).await??;
        let number = |at: usize| rows.first()?.get(at)?.as_ref()?.parse::<u64>().ok();
        let id = number(0).ok_or_else(|| strange("a connection without a number"))?;
        self.server_connections_max = u32::try_from(number(1).unwrap_or_default()).unwrap_or(u32::MAX);
        self.packet_bytes_max = number(2).unwrap_or(u64::MAX);
        self.roles = match rows.first().and_then(|row| row.get(3)) {
            _ if is_mysql => Roles::Default,
            Some(role) => Roles::Was(role.clone()),
            None => Roles::Unknown,
        };
        let Target { options, address, .. } = &*self.canceller.0;
        let target = Target { options: Arc::clone(options), address: address.clone(), id };
        self.canceller = Canceller(Arc::new(target));
        Ok(())
    }

    /// Sets what the session means, in a new one or one that was reset.
    async fn set_up(&mut self) -> Result<(), Failure> {
        let mut outcome = self.simple(&session_settings(self.limit_ms, self.is_tracked)).await?;
        if self.is_tracked && outcome.is_err() {
            // Something stands between us and a server that could.
            self.is_tracked = false;
            outcome = self.simple(&session_settings(self.limit_ms, false)).await?;
        }
        outcome?;
        self.has_limit = true;
        Ok(())
    }

    /// Back to the DSN's database, where a reset leaves another.
    async fn go_home(&mut self) -> Result<(), Failure> {
        let options = Arc::clone(&self.canceller.0.options);
        if let Some(database) = &options.database {
            self.command(command::INIT_DB, database).await??;
            return Ok(());
        }
        // Nothing leads back to none.
        match self.simple("SELECT DATABASE()").await??.first().map(Vec::as_slice) {
            Some([None]) => Ok(()),
            _ => Err(strange("it has a database now, and had none")),
        }
    }

    /// Back to the role of the login, which a reset leaves as it is: `SET ROLE` would be everybody's.
    async fn go_back_to_role(&mut self) -> Result<(), Failure> {
        match &self.roles {
            Roles::Unknown => {}
            // Refused by a server that knows no roles.
            Roles::Default => drop(self.simple("SET ROLE DEFAULT").await?),
            Roles::Was(None) => drop(self.simple("SET ROLE NONE").await??),
            Roles::Was(Some(role)) => {
                let sql = format!("SET ROLE `{}`", role.replace('`', "``"));
                self.simple(&sql).await??;
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        (self.is_unsure, self.awaits_transaction) = (false, false);
        (self.is_changed, self.is_suspect) = (false, false);
    }

    async fn turn_limit(&mut self, has_limit: bool) -> Result<(), Failure> {
        self.simple(&time_limit(if has_limit { self.limit_ms } else { 0 })).await??;
        self.has_limit = has_limit;
        Ok(())
    }

    /// What a statement means for the next transaction, and what is known behind its refusal.
    fn note(&mut self, sql: &str, is_done: bool) {
        let leaves = if is_plain(sql) { Leaves::Nothing } else { leaves::of(Dialect::MySql, sql) };
        if leaves == Leaves::Session {
            // The server runs a statement in the database, and by the rules, in which it was prepared: USE, SET sql_mode.
            self.dropped.extend(self.statements.forget_all());
        }
        if !is_done {
            self.note_refusal(sql);
        } else if self.status.is_in_transaction() {
            (self.is_unsure, self.awaits_transaction) = (false, false);
        } else {
            self.is_unsure = false;
            let word = tokens::first_keyword(sql);
            if word.eq_ignore_ascii_case("SET") && leaves == Leaves::Transaction {
                self.awaits_transaction = true;
            } else if ["COMMIT", "ROLLBACK"].iter().any(|end| word.eq_ignore_ascii_case(end)) {
                self.awaits_transaction = false;
            }
        }
    }
}

/// What is sent after connecting.
fn session_settings(limit_ms: u64, is_tracked: bool) -> String {
    let tracking = if is_tracked { ", session_track_state_change = 1" } else { "" };
    format!("{}, sql_mode = @@GLOBAL.sql_mode{tracking}, NAMES utf8mb4", time_limit(limit_ms))
}

/// Sets the server's own limit, 0 for none. The server's comments pick the variable that it has: `/*M! */` is read by MariaDB
/// only, `/*!80000 */` by MySQL 8 and later only (MariaDB skips 50700 to 99999); the zone is there for those with neither.
fn time_limit(limit_ms: u64) -> String {
    let (seconds, millis) = (limit_ms as f64 / 1000.0, limit_ms.min(u32::MAX.into()));
    format!(
        "SET time_zone = '+00:00' /*M! , max_statement_time = {seconds} */ /*!80000 , max_execution_time = {millis} */"
    )
}

#[cfg(all(test, unix))]
mod conversation_tests;

#[cfg(all(test, unix))]
mod login_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_limit_is_set_in_the_unit_of_each_server() {
        let settings = session_settings(1500, false);
        assert!(settings.contains("max_statement_time = 1.5 "), "{settings}");
        assert!(settings.contains("max_execution_time = 1500 "), "{settings}");
    }
}
