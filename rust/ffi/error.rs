//! What went wrong, and the last error of each thread.
//!
//! Every exported function but `lyger_last_error` sets the calling thread's last error: to what failed, or to
//! `OK` when it succeeded. So a function that returns nothing (`lyger_cache_set`) can be checked too. Another
//! thread's calls never change it, and a thread that made none sees `OK`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::c_char;

use serde_json::{Value, json};

use super::slice::Output;
use super::status::Status;
use crate::{cache, db, handles, kernels, runtime, vector};

/// A failed call: its status and what a developer needs to find the cause.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    status: Status,
    message: Cow<'static, str>,
    // Boxed, because every body of an export returns a Failure in its Result.
    detail: Option<Box<Detail>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Detail {
    // The database's own code, five characters.
    sqlstate: Option<String>,
    // The offending id, length, key or position, where one value is to blame.
    value: Value,
}

impl Failure {
    pub(super) fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), detail: None }
    }

    pub(super) fn with_value(mut self, value: impl Into<Value>) -> Self {
        self.detail.get_or_insert_default().value = value.into();
        self
    }

    pub(super) fn with_sqlstate(mut self, sqlstate: Option<impl Into<String>>) -> Self {
        self.detail.get_or_insert_default().sqlstate = sqlstate.map(Into::into);
        self
    }

    pub(super) fn status(&self) -> Status {
        self.status
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    fn to_json(&self) -> String {
        json!({
            "status": self.status as i32,
            "name": self.status.name(),
            "message": self.message,
            "sqlstate": self.detail.as_ref().and_then(|detail| detail.sqlstate.as_deref()),
            "value": self.detail.as_ref().map(|detail| &detail.value),
        })
        .to_string()
    }
}

impl From<runtime::WrongProcess> for Failure {
    fn from(error: runtime::WrongProcess) -> Self {
        Self::new(Status::WrongProcess, error.to_string()).with_value(error.started)
    }
}

impl From<runtime::Error> for Failure {
    fn from(error: runtime::Error) -> Self {
        match error {
            runtime::Error::WrongProcess(error) => error.into(),
            runtime::Error::Nested => Self::new(Status::InvalidArgument, error.to_string()),
            runtime::Error::Start(_) => Self::new(Status::ConnectionFailed, error.to_string()),
        }
    }
}

impl From<handles::Error> for Failure {
    fn from(error: handles::Error) -> Self {
        let message = error.to_string();
        match error {
            handles::Error::Forged { id, .. }
            | handles::Error::OtherKind { id, .. }
            | handles::Error::Stale { id, .. } => Self::new(Status::InvalidHandle, message).with_value(id),
            handles::Error::Full { .. } => Self::new(Status::HandlesExhausted, message),
        }
    }
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Self {
        use db::Error;
        let status = match error {
            Error::InvalidDsn { .. } => Status::InvalidDsn,
            Error::Connect { .. } => Status::ConnectionFailed,
            Error::PoolExhausted { .. } => Status::PoolExhausted,
            Error::Query { .. } => Status::QueryFailed,
            Error::Timeout { .. } => Status::Timeout,
            Error::ResultTooLarge { .. } => Status::ResultTooLarge,
            Error::UnsupportedType { .. } => Status::UnsupportedType,
            Error::InvalidParams { .. } => Status::InvalidParams,
        };
        let failure = Self::new(status, error.to_string()).with_sqlstate(error.sqlstate());
        match error {
            Error::UnsupportedType { column, .. } => failure.with_value(column),
            Error::InvalidParams { position: Some(position), .. } => failure.with_value(position),
            _ => failure,
        }
    }
}

// What is wrong with columns would be a bug of the rooms below: no export hands any to a kernel.
impl From<kernels::Error> for Failure {
    fn from(error: kernels::Error) -> Self {
        use kernels::Error;
        let message = error.to_string();
        match error {
            Error::Length { what, .. } | Error::Setting { what, .. } => {
                Self::new(Status::InvalidArgument, message).with_value(what)
            }
            _ => Self::new(Status::InvalidConfig, message).with_value("LYGER_KERNELS"),
        }
    }
}

impl From<cache::Full> for Failure {
    fn from(error: cache::Full) -> Self {
        let failure = Self::new(Status::CacheValueTooLarge, error.to_string());
        match error {
            cache::Full::Entry { bytes, .. } | cache::Full::Record { bytes, .. } => failure.with_value(bytes),
            cache::Full::Kept { .. } => failure,
        }
    }
}

impl From<cache::NotANumber> for Failure {
    fn from(error: cache::NotANumber) -> Self {
        match error {
            cache::NotANumber::Full(full) => full.into(),
            error => Self::new(Status::NotANumber, error.to_string()),
        }
    }
}

impl From<cache::remote::Error> for Failure {
    fn from(error: cache::remote::Error) -> Self {
        use cache::remote::Error;
        let status = match error {
            Error::Number(number) => return number.into(),
            Error::InvalidDsn(_) => Status::InvalidDsn,
            Error::CannotConnect { .. } | Error::LoginRefused { .. } | Error::Lost { .. } => Status::ConnectionFailed,
            Error::Timeout { .. } => Status::Timeout,
            Error::NoneFree { .. } => Status::PoolExhausted,
            Error::Full(_) | Error::TooLong { .. } => Status::CacheValueTooLarge,
            Error::ReservedKey => Status::InvalidArgument,
            Error::Refused { .. }
            | Error::WrongType
            | Error::SeveralSlots
            | Error::Contended { .. }
            | Error::Strange(_) => Status::CacheFailed,
        };
        Self::new(status, error.to_string())
    }
}

impl From<vector::Error> for Failure {
    fn from(error: vector::Error) -> Self {
        use vector::{Error, Of};
        let message = error.to_string();
        let of = |of: &Of| match of {
            Of::Query => Value::Null,
            Of::Id(id) => (*id).into(),
        };
        match error {
            Error::Dimension { dimension, .. } => Self::new(Status::InvalidArgument, message).with_value(dimension),
            Error::Elements { of: whose, .. } | Error::NotFinite { of: whose, .. } => {
                Self::new(Status::InvalidVector, message).with_value(of(&whose))
            }
            Error::Unreadable { id, .. } => Self::new(Status::InvalidVector, message).with_value(id),
            Error::Packed { what, .. } => Self::new(Status::InvalidVector, message).with_value(what),
            Error::Row { row, .. } => Self::new(Status::InvalidVector, message).with_value(row),
            Error::Unknown { id } => Self::new(Status::NotFound, message).with_value(id),
            Error::TooLarge { bytes, .. } | Error::Memory { bytes } => {
                Self::new(Status::IndexTooLarge, message).with_value(bytes)
            }
            Error::Columns { .. } => Self::new(Status::UnsupportedType, message),
            Error::File { path, .. } => Self::new(Status::IndexFileFailed, message).with_value(path),
            Error::Damaged { path, .. } => Self::new(Status::IndexDamaged, message).with_value(path),
            Error::Kernels(error) => error.into(),
        }
    }
}

thread_local! {
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

// `try_with`: a call that comes while the thread is being torn down has nowhere to leave its error.
pub(super) fn remember(outcome: Option<Failure>) {
    let _ = LAST.try_with(|last| last.replace(outcome));
}

pub(super) fn last() -> Option<Failure> {
    LAST.try_with(|last| last.borrow().clone()).ok().flatten()
}

/// Describes the calling thread's last error as JSON:
/// `{"status":22,"name":"QUERY_FAILED","message":"…","sqlstate":"42P01","value":null}`.
///
/// `sqlstate` is the database's code or null; `value` is the id, length, key or position that was wrong, or null. After
/// a successful call, and before the first, it is `{"status":0,"name":"OK","message":"","sqlstate":null,"value":null}`.
///
/// Writes the JSON to `buf` when `cap` bytes hold it, without a NUL, and its length to `*needed` always.
/// It doesn't change the last error, whatever it returns.
///
/// Errors: `NULL_POINTER` (`needed`, or `buf` while `cap` isn't 0), `BUFFER_TOO_SMALL`. Any thread, any process.
///
/// # Safety
/// `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_last_error(buf: *mut c_char, cap: usize, needed: *mut usize) -> Status {
    super::panic::without_trace(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        let text = last().map_or_else(|| Failure::new(Status::Ok, "").to_json(), |failure| failure.to_json());
        output.fill(text.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_described_with_its_name_code_and_value() {
        let failure =
            Failure::new(Status::QueryFailed, "no such table: \"x\"").with_sqlstate(Some("42P01")).with_value(3);
        assert_eq!(
            failure.to_json(),
            r#"{"status":22,"name":"QUERY_FAILED","message":"no such table: \"x\"","sqlstate":"42P01","value":3}"#
        );
    }

    #[test]
    fn threads_dont_see_each_others_errors() {
        remember(Some(Failure::new(Status::TooLong, "mine")));
        assert_eq!(std::thread::spawn(last).join().unwrap(), None);
        assert_eq!(last().map(|failure| failure.status()), Some(Status::TooLong));
    }
}
