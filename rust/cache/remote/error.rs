//! What can go wrong on the way to a Redis and back.

use crate::cache::{NotANumber, VALUE_BYTES_MAX};

/// Why an operation gave no result. No password is ever in it.
///
/// What was not carried out for certain, because the connection had died before it was used, or because it only reads, has
/// been tried once more on a fresh connection before anybody sees this. What may have been carried out is never sent
/// again: [`Error::may_have_run`] says so, and whoever called decides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The DSN can't be followed.
    #[error("the cache's DSN is wrong: {0}")]
    InvalidDsn(String),
    /// There is no connection to a server: it isn't there, its name isn't known, its certificate isn't trusted.
    #[error("no connection to the cache at {server}: {reason}")]
    CannotConnect {
        /// Which server.
        server: String,
        /// In the system's words.
        reason: String,
    },
    /// The server doesn't know the user or the password, or wants one.
    #[error("the cache at {server} refuses the login: {message}")]
    LoginRefused {
        /// Which server.
        server: String,
        /// In the server's words.
        message: String,
    },
    /// The server took longer than `timeout_ms`.
    #[error("the cache at {server} took longer than {timeout_ms} ms{}", unknown(*.may_have_run))]
    Timeout {
        /// Which server.
        server: String,
        /// `timeout_ms` of the DSN, or `connect_timeout_ms`.
        timeout_ms: u64,
        /// Whether something was changed there, nobody knows.
        may_have_run: bool,
    },
    /// The connection broke after the operation had been sent.
    #[error("the connection to the cache at {server} broke: {reason}{}", unknown(*.may_have_run))]
    Lost {
        /// Which server.
        server: String,
        /// In the system's words.
        reason: String,
        /// Whether something was changed there, nobody knows.
        may_have_run: bool,
    },
    /// All connections were in use for as long as `timeout_ms`.
    #[error("all {connections_max} connections to the cache were in use for {timeout_ms} ms (connections_max)")]
    NoneFree {
        /// `connections_max` of the DSN.
        connections_max: usize,
        /// `timeout_ms` of the DSN.
        timeout_ms: u64,
    },
    /// The server says no.
    #[error("the cache refuses: {code} {message}")]
    Refused {
        /// The first word of its error: `NOPERM`, `LOADING`, `CLUSTERDOWN`, `ERR`.
        code: String,
        /// The rest of it.
        message: String,
    },
    /// What is there is a list, a set, a hash, a stream: not a value of the cache's.
    #[error("the key holds something else than a value (WRONGTYPE)")]
    WrongType,
    /// The server has reached its `maxmemory` and evicts nothing for this.
    #[error("the cache is full: {0}")]
    Full(
        /// In the server's words.
        String,
    ),
    /// The value is no number, or the sum has no place. The value stays.
    #[error(transparent)]
    Number(#[from] NotANumber),
    /// A key or a value is longer than any server takes.
    #[error("{bytes} bytes are more than a key or a value may have ({VALUE_BYTES_MAX})")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// The key begins as those do under which locks and counters are kept, with `\0lyger`.
    #[error("a key can't begin with \\0lyger: those are the locks' and counters'")]
    ReservedKey,
    /// Keys of several hash slots can't be changed together.
    #[error(
        "the keys lie in several hash slots of the cluster; give them one hash tag, as in {{user:1}}:name and {{user:1}}:age"
    )]
    SeveralSlots,
    /// Others changed the same key at each of many attempts. Nothing was changed.
    #[error("others kept changing the key, {attempts} times in a row")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// The server says what isn't an answer to the question: it is too old, or no Redis.
    #[error("the cache's answer can't be followed (is it a Redis 7.0, a Valkey 7.2 or newer?): {0}")]
    Strange(String),
}

impl Error {
    /// Whether the operation may have been carried out all the same: it had been sent, and no answer came. `false` says that
    /// nothing was changed, but for [`Remote::set_many`](super::Remote::set_many),
    /// [`Remote::delete_many`](super::Remote::delete_many) and [`Remote::clear`](super::Remote::clear), which may have done a part.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        matches!(self, Self::Timeout { may_have_run: true, .. } | Self::Lost { may_have_run: true, .. })
    }

    pub(super) fn of_server(error: &redis::ServerError) -> Self {
        let message = error.details().unwrap_or_default();
        let about = |what: &str| message.contains(what);
        match error.code() {
            "WRONGTYPE" => Self::WrongType,
            "OOM" => Self::Full(message.to_owned()),
            "ERR" if about("not an integer") => NotANumber::Integer.into(),
            "ERR" if about("not a valid float") => NotANumber::Float.into(),
            "ERR" if about("would overflow") => NotANumber::Overflow.into(),
            "ERR" if about("NaN or Infinity") => NotANumber::NotFinite.into(),
            code => Self::Refused { code: code.to_owned(), message: message.to_owned() },
        }
    }
}

fn unknown(may_have_run: bool) -> &'static str {
    if may_have_run { "; whether it was carried out is unknown" } else { "" }
}
