//! A statement and what it gave, in one call.
//!
//! `lyger_db_run`, an encoding and `lyger_result_free` are three calls, of which the boundary, the store and PHP's side cost a
//! seventh of a statement of one row.

use std::ffi::c_char;

use super::db::{self, Incoming, Raw};
use super::error::Failure;
use super::slice::{Out, Output};
use super::status::Status;
use super::{operation, panic, result};
use crate::db::Rows;
use crate::json::{encode, rows, serialize};
use crate::{kernels, runtime};

/// The forms of a statement's rows, by their numbers in the C ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Rows = 0,
    FirstRow = 1,
    FirstColumn = 2,
    Json = 3,
}

impl Form {
    const ALL: [Self; 4] = [Self::Rows, Self::FirstRow, Self::FirstColumn, Self::Json];

    fn read(number: u32) -> Result<Self, Failure> {
        Self::ALL.into_iter().find(|form| *form as u32 == number).ok_or_else(|| {
            Failure::new(Status::InvalidArgument, format!("there is no form {number}")).with_value(number.to_string())
        })
    }

    fn encode(self, Rows { table, .. }: &Rows) -> Vec<u8> {
        match self {
            Self::Rows => rows::to_vec(table),
            Self::FirstRow => serialize::slice_to_vec(table, 0, 1),
            Self::FirstColumn if table.columns().is_empty() => serialize::to_vec(table),
            Self::FirstColumn => serialize::column_to_vec(table, 0),
            Self::Json => encode::to_vec(table),
        }
    }
}

/// Runs one statement as `lyger_db_run` does and writes its rows to `buf` when `cap` bytes hold them, sets `*needed` to their
/// length, and keeps nothing: `*result` is 0. `form`: 0 is what `lyger_result_rows` writes, 1 the same of the first row alone,
/// 2 what `lyger_result_column` writes of column 0 (no columns give an empty list), 3 what `lyger_result_json` writes.
///
/// When `buf` is too small, what it holds is of no use, and the result is kept: `*result` is its id, which the caller reads by those
/// functions and gives back to `lyger_result_free`.
///
/// Errors: `BUFFER_TOO_SMALL`; as `lyger_db_run`; `INVALID_ARGUMENT` also for another `form`; `INVALID_CONFIG` also for
/// `LYGER_KERNELS`, with `form` 3. Any thread.
///
/// # Safety
/// Each input must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` null or writable
/// for one `size_t` and `result` for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_db_fetch(
    dsn: *const c_char,
    dsn_len: usize,
    sql: *const c_char,
    sql_len: usize,
    params: *const c_char,
    params_len: usize,
    flags: u32,
    timeout_ms: u32,
    form: u32,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    result: *mut u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut result = unsafe { Out::new("result", result) }?;
        result.set(0);
        // SAFETY: the same.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        let params = (params.cast(), params_len);
        // SAFETY: the same.
        let incoming =
            unsafe { Incoming::read(Raw { dsn: (dsn, dsn_len), sql: (sql, sql_len), params, flags, timeout_ms }) }?;
        let form = Form::read(form)?;
        if form == Form::Json {
            kernels::ready()?; // before anything has been done
        }
        give(db::rows(incoming)?, form, &mut output, &mut result)
    })
}

/// Writes the rows of a finished operation as `lyger_db_fetch` does those of its statement; what has no room is kept in the
/// same way. The operation's id is stale afterwards.
///
/// Errors: `BUFFER_TOO_SMALL`; as `lyger_async_result`; `INVALID_ARGUMENT` also for another `form`, and for an operation that
/// gives a stream or rows of one (its id stays valid then); `INVALID_CONFIG` also for `LYGER_KERNELS`, with `form` 3. Any thread.
///
/// # Safety
/// `buf` must be writable for `cap` bytes, `needed` null or writable for one `size_t` and `result` for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_async_fetch(
    operation: u64,
    form: u32,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    result: *mut u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut result = unsafe { Out::new("result", result) }?;
        result.set(0);
        // SAFETY: the same.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        runtime::not_forked()?;
        let form = Form::read(form)?;
        if form == Form::Json {
            kernels::ready()?; // while the operation is still there
        }
        give(operation::rows(operation)?, form, &mut output, &mut result)
    })
}

/// Writes rows in a form, or keeps them where they have no room.
fn give(rows: Rows, form: Form, output: &mut Output, result: &mut Out<u64>) -> Result<(), Failure> {
    let filled = match form {
        Form::Json => match encode::to_slice(&rows.table, output.room()) {
            Ok(len) => {
                output.wrote(len);
                Ok(())
            }
            Err(apart) => output.fill(&apart),
        },
        form => output.fill(&form.encode(&rows)),
    };
    if filled.is_err() {
        result.set(result::keep(rows)?);
    }
    filled
}
