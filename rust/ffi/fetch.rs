//! A statement and what it gave, in one call.
//!
//! `lyger_db_run`, an encoding and `lyger_result_free` are three calls, of which the boundary, the store and PHP's side cost a
//! seventh of a statement of one row.

use std::ffi::c_char;

use super::call::{Call, Caller, Texts};
use super::db;
use super::error::Failure;
use super::slice::{Out, Output};
use super::status::Status;
use super::{operation, panic, result};
use crate::db::Rows;
use crate::json::{encode, rows, serialize};
use crate::kernels;

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

/// Runs one statement as `lyger_db_run` does and writes its rows to the call's `buf` in its `form` when `cap` bytes hold them, sets
/// `needed` to their length, and keeps nothing: `id` is 0.
///
/// When `buf` is too small, what it holds is of no use, and the result is kept: `id` is its id, which the caller reads by the
/// functions that `form` names and gives back to `lyger_result_free`.
///
/// Errors: `BUFFER_TOO_SMALL`; as `lyger_db_run`; `INVALID_ARGUMENT` also for another `form`; `INVALID_CONFIG` also for
/// `LYGER_KERNELS`, with `form` 3. Any thread.
///
/// # Safety
/// As `lyger_db_run`; the call's `buf` must be writable for `cap` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_db_fetch(
    call: *mut Call,
    sql: *const c_char,
    sql_len: usize,
    params: *const c_char,
    params_len: usize,
) -> Status {
    panic::status(|| {
        let texts = Texts { sql: (sql, sql_len), params: (params, params_len) };
        // SAFETY: the caller's promise, passed on.
        let mut caller = unsafe { Caller::asking(call) }?;
        // SAFETY: the same.
        let mut output = unsafe { caller.output() }?;
        // SAFETY: the same.
        let incoming = unsafe { caller.statement(texts) }?;
        let form = Form::read(caller.form())?;
        if form == Form::Json {
            kernels::ready()?; // before anything has been done
        }
        give(db::rows(incoming)?, form, &mut output, &mut caller.id)
    })
}

/// Writes the rows of a finished operation as `lyger_db_fetch` does those of its statement, by the `form` and the `buf` that its call
/// has now; what has no room is kept in the same way. The operation's id is stale afterwards.
///
/// Errors: `BUFFER_TOO_SMALL`; as `lyger_async_result`; `INVALID_ARGUMENT` also for another `size` or `form`, and for an operation
/// that gives a stream or rows of one (its id stays valid then); `INVALID_CONFIG` also for `LYGER_KERNELS`, with `form` 3.
/// Any thread.
///
/// # Safety
/// `call` must be null or readable and writable for one `lyger_call`, and its `buf` writable for `cap` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_async_fetch(call: *mut Call, operation: u64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut caller = unsafe { Caller::new(call) }?;
        // SAFETY: the same.
        let mut output = unsafe { caller.output() }?;
        let form = Form::read(caller.form())?;
        if form == Form::Json {
            kernels::ready()?; // while the operation is still there
        }
        give(operation::rows(operation)?, form, &mut output, &mut caller.id)
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
