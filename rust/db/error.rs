//! What can go wrong between a SQL text and its rows.
//!
//! One enum for the room; the C ABI gives each kind its number and PHP its exception class. What always holds:
//! the database's own words reach the developer, and no text here ever holds a password, because a [`super::Dsn`]
//! only prints itself redacted.

use serde::{Deserialize, Serialize};

/// Why a query gave no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Error {
    /// The text is no DSN that this engine understands.
    #[error("invalid DSN: {reason}")]
    InvalidDsn {
        /// What is wrong with it and what to write instead; never the DSN itself.
        reason: String,
    },
    /// No connection could be made, or the one in use was lost.
    #[error("{dsn}: {message}")]
    Connect {
        /// The redacted DSN.
        dsn: String,
        /// The server's or the operating system's own words.
        message: String,
        /// The server's SQLSTATE, or `08001` (not connected) or `08006` (lost).
        sqlstate: Option<String>,
    },
    /// Every connection was in use for the whole acquire timeout.
    #[error(
        "{dsn}: all {connections_max} connections were busy for {waited_ms} ms \
         (db.connections_max, db.acquire_timeout_ms){}",
        held_by(holders)
    )]
    PoolExhausted {
        /// The redacted DSN.
        dsn: String,
        /// How many connections the DSN may have.
        connections_max: u32,
        /// How long the query waited, in milliseconds.
        waited_ms: u64,
        /// What some of the connections are at: the start of a statement and since when.
        holders: Vec<String>,
    },
    /// The database refused the statement.
    #[error("{message}")]
    Query {
        /// The database's own words.
        message: String,
        /// The five characters of the SQLSTATE, where the database gave one.
        sqlstate: Option<String>,
    },
    /// The statement ran longer than allowed and was stopped.
    #[error(
        "the statement ran longer than {statement_timeout_ms} ms (timeout() of the call, or db.statement_timeout_ms)"
    )]
    Timeout {
        /// The limit, in milliseconds.
        statement_timeout_ms: u64,
    },
    /// The result holds more bytes than allowed; reading stopped there.
    #[error("the result holds more than {result_bytes_max} bytes (db.result_bytes_max)")]
    ResultTooLarge {
        /// The limit, in bytes.
        result_bytes_max: u64,
    },
    /// A column's type has no form in the result yet.
    #[error("column \"{column}\" has the type {database_type}, which is not supported: {hint}")]
    UnsupportedType {
        /// The column's name in the result.
        column: String,
        /// The type as the database names it.
        database_type: String,
        /// What to write instead.
        hint: String,
    },
    /// The parameters don't fit the statement.
    #[error("{}{message}", position.map(|position| format!("parameter {position}: ")).unwrap_or_default())]
    InvalidParams {
        /// Which one, counted from 1; absent when their number or their encoding is wrong.
        position: Option<usize>,
        /// What is wrong and what to write.
        message: String,
    },
}

fn held_by(holders: &[String]) -> String {
    if holders.is_empty() { String::new() } else { format!("; in use: {}", holders.join("; ")) }
}

impl Error {
    /// The SQLSTATE, where there is one: the database's, or the standard's for what the engine noticed itself.
    ///
    /// ```
    /// let error = lyger::db::Error::Timeout { statement_timeout_ms: 30_000 };
    /// assert_eq!(error.sqlstate(), Some("57014"));
    /// ```
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Connect { sqlstate, .. } | Self::Query { sqlstate, .. } => sqlstate.as_deref(),
            Self::Timeout { .. } => Some("57014"),
            Self::PoolExhausted { .. } => Some("08001"),
            Self::InvalidParams { .. } => Some("07001"),
            Self::ResultTooLarge { .. } => Some("54000"),
            Self::UnsupportedType { .. } => Some("0A000"),
            Self::InvalidDsn { .. } => None,
        }
    }

    pub(super) fn dsn(reason: impl Into<String>) -> Self {
        Self::InvalidDsn { reason: reason.into() }
    }

    /// A parameter of a DSN that nothing is known of.
    pub(super) fn unknown_parameter(name: &str, known: &[&str]) -> Self {
        let name: String = name.chars().take(40).collect();
        let nearest = known.iter().min_by_key(|known| distance(&name, known)).copied().unwrap_or_default();
        Self::dsn(format!("unknown parameter {name:?}; the nearest that is known is {nearest}"))
    }

    pub(super) fn params(message: impl Into<String>) -> Self {
        Self::InvalidParams { position: None, message: message.into() }
    }

    /// About one parameter, as the statement or the caller calls it: `:name`.
    pub(super) fn named_param(name: &str, message: impl std::fmt::Display) -> Self {
        Self::params(format!("parameter {name}: {message}"))
    }

    pub(super) fn param_count(expected: usize, given: usize) -> Self {
        let s = if expected == 1 { "" } else { "s" };
        Self::params(format!("the statement has {expected} placeholder{s}, {given} given"))
    }

    pub(super) fn param(position: usize, message: impl Into<String>) -> Self {
        Self::InvalidParams { position: Some(position), message: message.into() }
    }
}

/// How many letters have to change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let next = (row[j] + 1).min(row[j + 1] + 1).min(diagonal + usize::from(x != y));
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[row.len() - 1]
}
