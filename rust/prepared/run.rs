//! A prepared statement while it runs.

use super::wait::Wait;
use super::{Statement, error};
use rusqlite::{Connection, Error, ffi};
use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::slice::from_raw_parts;
use std::sync::Arc;

/// One run of a statement; its end lets go of what is bound, and of the locks.
pub struct Run<'a, K> {
    statement: &'a mut Statement<K>,
    connection: &'a Connection,
    wait: Option<&'a Wait>,
}

/// A value as `SQLite` stores it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text: UTF-8, unless somebody has stored other bytes as text.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a, K> Run<'a, K> {
    pub(super) fn begin(statement: &'a mut Statement<K>, connection: &'a Connection, wait: Option<&'a Wait>) -> Self {
        let mut run = Self { statement, connection, wait };
        if run.statement.is_begun {
            run.end(); // the last one was forgotten, and never dropped
        }
        run.statement.is_begun = true;
        run
    }

    /// How many values are to be bound.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.statement.parameters
    }

    /// Whether it changes nothing in the database.
    #[must_use]
    pub fn is_readonly(&self) -> bool {
        self.statement.is_readonly
    }

    /// The statement's connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.connection
    }

    /// Binds a value, before the first step. Positions count from 1.
    ///
    /// # Errors
    /// There is no such position, or the value is larger than `SQLite` takes.
    pub fn bind(&mut self, position: usize, value: Value<'a>) -> Result<(), Error> {
        let position = c_int::try_from(position).unwrap_or(c_int::MAX);
        let raw = self.statement.raw.as_ptr();
        // No destructor is SQLITE_STATIC: the bytes stay where they are.
        // SAFETY: the statement is alive, and positions that it doesn't have are refused. The bytes outlive this run, whose
        // end, or the next one's beginning, unbinds them; until then nobody but this run steps the statement.
        let code = unsafe {
            match value {
                Value::Null => ffi::sqlite3_bind_null(raw, position),
                Value::Int(value) => ffi::sqlite3_bind_int64(raw, position, value),
                Value::Float(value) => ffi::sqlite3_bind_double(raw, position, value),
                Value::Text(text) => {
                    let (begin, len) = (text.as_ptr().cast::<c_char>(), text.len() as u64);
                    ffi::sqlite3_bind_text64(raw, position, begin, len, None, ffi::SQLITE_UTF8 as u8)
                }
                // With the address of nothing it would be NULL.
                Value::Blob([]) => ffi::sqlite3_bind_zeroblob(raw, position, 0),
                Value::Blob(bytes) => {
                    let (begin, len) = (bytes.as_ptr().cast::<c_void>(), bytes.len() as u64);
                    ffi::sqlite3_bind_blob64(raw, position, begin, len, None)
                }
            }
        };
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(error(self.connection, code)) }
    }

    /// Runs to the next row; false when there is none any more.
    ///
    /// # Errors
    /// What `SQLite` says.
    pub fn step(&mut self) -> Result<bool, Error> {
        // SAFETY: the statement is alive, and its connection this thread's for as long as this run lasts.
        match unsafe { ffi::sqlite3_step(self.statement.raw.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            code => Err(error(self.connection, code)),
        }
    }

    /// A value of the row that is there; NULL where there is no row or no such column.
    ///
    /// # Panics
    /// When there is no memory for the value in UTF-8.
    #[must_use]
    #[inline]
    pub fn value(&self, column: usize) -> Value<'_> {
        let column = c_int::try_from(column).unwrap_or(c_int::MAX);
        // SQLite's "unprotected" value is one that another thread might change: the connection is this thread's alone. Asked
        // for once it costs half of what the four questions about a column do.
        // SAFETY: the statement is alive, and SQLite has a NULL for columns that are not there. The value and its bytes stay
        // until the next step, which the borrow of this run keeps away; it is asked for its own kind only, which leaves it
        // as it is, or turns UTF-16 into UTF-8 the first time, before its length is asked for.
        unsafe {
            let value = ffi::sqlite3_column_value(self.statement.raw.as_ptr(), column);
            match ffi::sqlite3_value_type(value) {
                ffi::SQLITE_INTEGER => Value::Int(ffi::sqlite3_value_int64(value)),
                ffi::SQLITE_FLOAT => Value::Float(ffi::sqlite3_value_double(value)),
                ffi::SQLITE_TEXT => {
                    let text = ffi::sqlite3_value_text(value);
                    Value::Text(bytes(text, ffi::sqlite3_value_bytes(value)))
                }
                ffi::SQLITE_BLOB => {
                    let blob = ffi::sqlite3_value_blob(value).cast();
                    Value::Blob(bytes(blob, ffi::sqlite3_value_bytes(value)))
                }
                _ => Value::Null,
            }
        }
    }

    /// What is kept with the statement, made of the names and declared types of its columns when they may have changed.
    ///
    /// Not before the first step: only then has `SQLite` noticed that the schema changed since it prepared.
    pub fn keep(&mut self, make: impl FnOnce(&mut dyn Iterator<Item = (Cow<'_, str>, Cow<'_, str>)>) -> K) -> Arc<K> {
        let (raw, prepared_anew) = (self.statement.raw.as_ptr(), self.prepared_anew());
        match &self.statement.kept {
            Some((at, kept)) if *at == prepared_anew => Arc::clone(kept),
            _ => {
                // SAFETY: the statement is alive; its columns are asked for up to their number, and the names stay until it
                // is prepared anew, for which it would have to be stepped.
                let mut columns = unsafe {
                    (0..ffi::sqlite3_column_count(raw)).map(|column| {
                        let declared = ffi::sqlite3_column_decltype(raw, column);
                        (words(ffi::sqlite3_column_name(raw, column)), words(declared))
                    })
                };
                let kept = Arc::new(make(&mut columns));
                self.statement.kept = Some((prepared_anew, Arc::clone(&kept)));
                kept
            }
        }
    }

    /// How often `SQLite` has prepared it anew, because the schema had changed or what was bound made another plan better.
    #[must_use]
    pub fn prepared_anew(&self) -> c_int {
        // SAFETY: the statement is alive.
        unsafe { ffi::sqlite3_stmt_status(self.statement.raw.as_ptr(), ffi::SQLITE_STMTSTATUS_REPREPARE, 0) }
    }

    fn end(&mut self) {
        // SAFETY: the statement is alive. The result of sqlite3_reset only repeats the error of the last step.
        unsafe {
            ffi::sqlite3_reset(self.statement.raw.as_ptr());
            ffi::sqlite3_clear_bindings(self.statement.raw.as_ptr());
        }
        self.statement.is_begun = false;
        if let Some(wait) = self.wait.filter(|_| self.statement.is_of_wait) {
            // SAFETY: a Link drops it after the connection.
            unsafe { wait.take_over(self.connection) };
        }
    }
}

impl<K> Drop for Run<'_, K> {
    fn drop(&mut self) {
        self.end();
    }
}

/// # Safety
/// What is not null must be readable for `len` bytes while `'a` lasts.
unsafe fn bytes<'a>(begin: *const u8, len: c_int) -> &'a [u8] {
    match usize::try_from(len) {
        Ok(len @ 1..) => {
            assert!(!begin.is_null(), "SQLite has no memory for a value");
            // SAFETY: the caller's promise.
            unsafe { from_raw_parts(begin, len) }
        }
        _ => &[],
    }
}

/// Nothing for null.
///
/// # Safety
/// What is not null must be a C string while `'a` lasts.
unsafe fn words<'a>(words: *const c_char) -> Cow<'a, str> {
    if words.is_null() {
        return Cow::Borrowed("");
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(words) }.to_string_lossy()
}
