//! Results by id: what they are, their two encodings, and how they are given back.
//!
//! A result belongs to its id until that is freed. Reading is safe from several threads at once; a call that reads while
//! another thread frees sees the whole result or `INVALID_HANDLE`.

use std::ffi::c_char;

use super::error::Failure;
use super::slice::{BODY_BYTES_MAX, NAME_BYTES_MAX, Out, Output, bytes};
use super::status::Status;
use super::{panic, strings};
use crate::db::Rows;
use crate::db::store::Store;
use crate::json::body::Misshapen;
use crate::json::keyed::KeyError;
use crate::json::shape::Options;
use crate::json::{encode, reread, serialize};
use crate::{kernels, runtime};

static RESULTS: Store = Store::new();

/// Keeps a result for the caller and gives its id.
pub(super) fn keep(rows: Rows) -> Result<u64, Failure> {
    Ok(RESULTS.insert(rows)?)
}

/// Drops every result; their ids stay stale.
pub(super) fn release() {
    RESULTS.clear();
}

/// What a result holds.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ResultInfo {
    /// How many rows the statement returned.
    pub rows: u64,
    /// How many columns it returned, also where there are no rows.
    pub columns: u64,
    /// How many rows it inserted, updated or deleted.
    pub affected: u64,
    /// How many bytes the values take in the engine.
    pub bytes: u64,
    /// The id that an INSERT generated; 0 where the database gave none. Above `INT64_MAX` (MySQL) its bits are those of an
    /// unsigned integer.
    pub last_insert_id: i64,
    /// 1 when `last_insert_id` was given, 2 when it is to be read as unsigned, else 0.
    pub has_last_insert_id: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Encodes a result as a JSON array of objects, in a string that the caller gives back to `lyger_free_string`.
///
/// The result stays. NULL on an error: `INVALID_HANDLE`, `INVALID_CONFIG` (`LYGER_KERNELS`), `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_jsonify_result(ptr: u64) -> *mut c_char {
    panic::value(std::ptr::null_mut(), || {
        runtime::not_forked()?;
        let stored = RESULTS.get(ptr)?;
        kernels::ready()?;
        strings::issue(stored.json_apart())
    })
}

/// Gives a result back; its id is stale afterwards. An id that isn't a result's does nothing, and `lyger_last_error` says
/// `INVALID_HANDLE` or `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_free_result(ptr: u64) {
    panic::value((), || free(ptr));
}

/// Sets `*out` to what a result holds.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `WRONG_PROCESS`; `*out` is written on success only. Any thread.
///
/// # Safety
/// `out` must be null or writable for one `lyger_result_info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_result_describe(result: u64, out: *mut ResultInfo) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("out", out) }?;
        runtime::not_forked()?;
        let stored = RESULTS.get(result)?;
        let Rows { table, affected, last_insert_id } = stored.rows();
        out.set(ResultInfo {
            rows: table.rows() as u64,
            columns: table.columns().len() as u64,
            affected: *affected,
            bytes: table.byte_len() as u64,
            last_insert_id: last_insert_id.unwrap_or_default() as i64,
            has_last_insert_id: last_insert_id.map_or(0, |id| if id > i64::MAX.into() { 2 } else { 1 }),
            reserved: 0,
        });
        Ok(())
    })
}

/// Writes a result as a JSON array of objects to `buf` when `cap` bytes hold it, and sets `*needed` to its length.
///
/// It is encoded at the first call and kept until the result is freed, so asking for the length first costs nothing.
///
/// Errors: `INVALID_HANDLE`, `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`, `INVALID_CONFIG` (`LYGER_KERNELS`),
/// `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_result_json(result: u64, buf: *mut c_char, cap: usize, needed: *mut usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        runtime::not_forked()?;
        let stored = RESULTS.get(result)?;
        kernels::ready()?;
        output.fill(stored.json())
    })
}

/// Writes a result's rows, which are a list of associative arrays for PHP, to `buf` when `cap` bytes hold them, and sets `*needed`
/// to their length: fewer than 32 in the format of PHP's `serialize()`, which begins with `a`; more of them by columns.
///
/// By columns they are a `c`, a u32 count of columns and for each its name (u32 length, bytes), then blocks of up to 1,024 rows: a
/// u32 count of rows, and for each column its kind, a u32 count of nulls, a u32 length of its cells, then the keys of the nulls (u32
/// each) and the cells: `i` integers (i64), `d` doubles, the keys counted from 1; `b` the keys of booleans that are false (u32), counted
/// from 0; `t` strings with a NUL byte between each two, the keys counted from
/// 0; `s` a serialized list, its nulls in it. Numbers are little-endian, and no name is there twice.
///
/// Types are kept and bytes are raw; an unsigned integer above PHP's `PHP_INT_MAX` is a string of its digits. It is encoded
/// at the first call and kept until the result is freed.
///
/// Errors: `INVALID_HANDLE`, `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_result_rows(result: u64, buf: *mut c_char, cap: usize, needed: *mut usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        runtime::not_forked()?;
        output.fill(RESULTS.get(result)?.serialized())
    })
}

/// Writes a result in a shape to `buf` when `cap` bytes hold it, and sets `*needed` to its length.
///
/// `options` (at most 64 KiB) are those of `lyger_request_respond_sql`, of which `etag` means nothing here; `total` is the number of
/// rows on all pages, for the shape `paged`. The last shape that was asked for is kept until the result is freed.
///
/// Errors: `INVALID_HANDLE`, `NOT_FOUND` (a single row that isn't there), `INVALID_ARGUMENT` (`options` that are none, a column to
/// be keyed by that isn't there or has a NULL), `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`, `TOO_LONG`, `INVALID_CONFIG`
/// (`LYGER_KERNELS`), `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `options` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_result_shaped(
    result: u64,
    options: *const c_char,
    options_len: usize,
    total: u64,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        // SAFETY: the same.
        let options = unsafe { bytes("options", options, options_len, NAME_BYTES_MAX) }?;
        runtime::not_forked()?;
        let stored = RESULTS.get(result)?;
        kernels::ready()?;
        let wrong = |error: String| Failure::new(Status::InvalidArgument, error);
        let options = Options::parse(options).map_err(|error| wrong(error.to_string()))?;
        match stored.shaped(&options.shape, options.escapes, total) {
            Ok(body) => output.fill(&body),
            Err(error @ Misshapen::NoRow) => Err(Failure::new(Status::NotFound, error.to_string())),
            Err(Misshapen::Key(error @ (KeyError::Missing(_) | KeyError::Null(_)))) => {
                let (KeyError::Missing(name) | KeyError::Null(name)) = &error;
                Err(wrong(error.to_string()).with_value(name.as_str()))
            }
        }
    })
}

/// Writes at most `count` rows of a result, from row `from` (counted from 0) on, to `buf` as `lyger_result_rows` writes all:
/// a list that is numbered from 0, and empty behind the last row. Only the last slice is kept, so a large result can be read
/// in pieces without a second copy of it.
///
/// Errors: `INVALID_HANDLE`, `BUFFER_TOO_SMALL` (nothing is written), `NULL_POINTER`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_result_slice(
    result: u64,
    from: u64,
    count: u64,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        runtime::not_forked()?;
        let (from, count) = (usize::try_from(from).unwrap_or(usize::MAX), usize::try_from(count).unwrap_or(usize::MAX));
        RESULTS.get(result)?.with_slice(from, count, |serialized| output.fill(serialized))
    })
}

/// Writes the values of one column, counted from 0, in the format of PHP's `serialize()`, a list, to `buf` when `cap` bytes
/// hold it, and sets `*needed` to its length. It is encoded at each call.
///
/// Errors: `INVALID_HANDLE`, `INVALID_ARGUMENT` (there is no such column), `BUFFER_TOO_SMALL` (nothing is written),
/// `NULL_POINTER`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_result_column(
    result: u64,
    column: u64,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        runtime::not_forked()?;
        let stored = RESULTS.get(result)?;
        let table = &stored.rows().table;
        let Some(column) = usize::try_from(column).ok().filter(|column| *column < table.columns().len()) else {
            let message = format!("the result has {} columns, and no column {column}", table.columns().len());
            return Err(Failure::new(Status::InvalidArgument, message).with_value(column.to_string()));
        };
        output.fill(&serialize::column_to_vec(table, column))
    })
}

/// Writes the JSON of rows that `lyger_result_rows` or `lyger_db_fetch` has written by columns to `buf` when `cap` bytes hold it, and
/// sets `*needed` to its length: that of the arrays which PHP makes of them, so raw bytes and texts of JSON are strings.
///
/// Errors: `NOT_FOUND` for rows of which PHP writes another JSON (fewer than 32, cells of several kinds, names that PHP takes for
/// integers, floats that need an exponent) and for bytes that aren't such rows; `BUFFER_TOO_SMALL` (what is in `buf` is of no use),
/// `NULL_POINTER`, `TOO_LONG` (above 1 GiB), `INVALID_CONFIG` (`LYGER_KERNELS`). Any thread, any process.
///
/// # Safety
/// `rows` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes and `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_rows_json(
    rows: *const c_char,
    rows_len: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        // SAFETY: the same.
        let rows = unsafe { bytes("rows", rows, rows_len, BODY_BYTES_MAX) }?;
        kernels::ready()?;
        let none = || Failure::new(Status::NotFound, "the engine has no JSON of these rows that is PHP's");
        let table = reread::table(rows).ok_or_else(none)?;
        match encode::to_slice(&table, output.room()) {
            Ok(len) => {
                output.wrote(len);
                Ok(())
            }
            Err(apart) => output.fill(&apart),
        }
    })
}

/// Gives a result back; its id is stale afterwards. Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_result_free(result: u64) -> Status {
    panic::status(|| free(result))
}

fn free(result: u64) -> Result<(), Failure> {
    runtime::not_forked()?;
    Ok(RESULTS.free(result)?)
}
