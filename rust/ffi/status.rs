//! The numbers that exported functions return. They are stable: a new one is appended, a retired one stays as a comment.

/// What became of a call. 0 is success; the text of anything else comes from `lyger_last_error`.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A pointer that must not be null is null.
    NullPointer = 1,
    /// A length is above the documented maximum.
    TooLong = 2,
    /// A text isn't UTF-8.
    InvalidUtf8 = 3,
    /// An id is forged, stale, freed before, or of another kind.
    InvalidHandle = 4,
    /// An argument has a value that makes no sense here.
    InvalidArgument = 5,
    /// The buffer is smaller than `*needed`; nothing was written to it.
    BufferTooSmall = 6,
    /// The engine was started before a fork and this is the child.
    WrongProcess = 7,
    /// The engine has a bug: it panicked, and the call was undone at the boundary.
    Panic = 8,
    /// The time given has passed.
    Timeout = 9,
    /// A signal came: run its handlers and call again.
    Interrupted = 10,
    /// The server has drained: leave the loop.
    Stopped = 11,
    /// There is no such key, header or part.
    NotFound = 12,
    /// About a million ids are live: something isn't freed.
    HandlesExhausted = 13,
    /// An operation has finished: ask `lyger_async_wait` which.
    Finished = 14,
    /// A DSN can't be read.
    InvalidDsn = 20,
    /// The database can't be reached or refused the connection.
    ConnectionFailed = 21,
    /// The database refused the statement; `sqlstate` says why.
    QueryFailed = 22,
    /// A column has a type that Lyger doesn't know; the message names both.
    UnsupportedType = 23,
    /// A result is larger than `db.result_bytes_max`.
    ResultTooLarge = 24,
    /// No connection became free within `db.acquire_timeout_ms`.
    PoolExhausted = 25,
    /// The packed parameters can't be read or don't fit the statement.
    InvalidParams = 26,
    /// Another socket listens on the address.
    AddressInUse = 30,
    /// The server runs already.
    ServerRunning = 31,
    /// No server runs.
    ServerNotRunning = 32,
    /// The request has its response.
    AlreadyAnswered = 33,
    /// A key or a value of the configuration is wrong; the message names it.
    InvalidConfig = 34,
    /// The server couldn't start or failed.
    ServerFailed = 35,
    /// An entry is larger than the cache allows.
    CacheValueTooLarge = 40,
    /// A vector has another number of elements than its index, one that isn't finite, or can't be read.
    InvalidVector = 41,
    /// A vector index would be larger than `vector.bytes_max`, or than the memory that there is.
    IndexTooLarge = 42,
    /// The system refuses something of an index's file.
    IndexFileFailed = 43,
    /// A file isn't a whole vector index: cut, changed or of another program.
    IndexDamaged = 44,
    /// A value of the cache is no number, or its sum would be none.
    NotANumber = 45,
    /// A cache that was opened refuses: its server's own words.
    CacheFailed = 46,
}

impl Status {
    /// The name in C without its prefix, as `lyger_last_error` gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::NullPointer => "NULL_POINTER",
            Self::TooLong => "TOO_LONG",
            Self::InvalidUtf8 => "INVALID_UTF8",
            Self::InvalidHandle => "INVALID_HANDLE",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::BufferTooSmall => "BUFFER_TOO_SMALL",
            Self::WrongProcess => "WRONG_PROCESS",
            Self::Panic => "PANIC",
            Self::Timeout => "TIMEOUT",
            Self::Interrupted => "INTERRUPTED",
            Self::Stopped => "STOPPED",
            Self::NotFound => "NOT_FOUND",
            Self::HandlesExhausted => "HANDLES_EXHAUSTED",
            Self::Finished => "FINISHED",
            Self::InvalidDsn => "INVALID_DSN",
            Self::ConnectionFailed => "CONNECTION_FAILED",
            Self::QueryFailed => "QUERY_FAILED",
            Self::UnsupportedType => "UNSUPPORTED_TYPE",
            Self::ResultTooLarge => "RESULT_TOO_LARGE",
            Self::PoolExhausted => "POOL_EXHAUSTED",
            Self::InvalidParams => "INVALID_PARAMS",
            Self::AddressInUse => "ADDRESS_IN_USE",
            Self::ServerRunning => "SERVER_RUNNING",
            Self::ServerNotRunning => "SERVER_NOT_RUNNING",
            Self::AlreadyAnswered => "ALREADY_ANSWERED",
            Self::InvalidConfig => "INVALID_CONFIG",
            Self::ServerFailed => "SERVER_FAILED",
            Self::CacheValueTooLarge => "CACHE_VALUE_TOO_LARGE",
            Self::InvalidVector => "INVALID_VECTOR",
            Self::IndexTooLarge => "INDEX_TOO_LARGE",
            Self::IndexFileFailed => "INDEX_FILE_FAILED",
            Self::IndexDamaged => "INDEX_DAMAGED",
            Self::NotANumber => "NOT_A_NUMBER",
            Self::CacheFailed => "CACHE_FAILED",
        }
    }
}
