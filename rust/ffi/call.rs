//! The structure that the functions for statements take: what stays the same from one statement to the next.
//!
//! As arguments of their own its fields cost PHP's FFI some 300 instructions each, with every statement.

use std::ffi::c_char;
use std::ptr::NonNull;

use super::db::{self, Incoming, Raw};
use super::error::Failure;
use super::slice::{Out, Output, null};
use super::status::Status;
use crate::runtime;

/// How statements are run, and what came of the last one. It is the caller's, who fills it once, changes between two calls what
/// changes, and frees it. The engine reads it anew with each call, and keeps neither its address nor one that it holds. One
/// thread at a time uses it.
///
/// Zeroes and `size`, `dsn` and `dsn_len` are enough for what writes no rows.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Call {
    /// `sizeof(lyger_call)`, so that a caller who has another structure in mind gets a status.
    pub size: u32,
    /// 1 sends the statement once more when its connection breaks under it, although it may have been carried out; 2 gives decimals
    /// as numbers, 4 dates with a time as SQL writes them.
    pub flags: u32,
    /// Stops the statement earlier than `db.statement_timeout_ms` does, in milliseconds; 0 is no wish.
    pub timeout_ms: u32,
    /// How `lyger_db_fetch` and `lyger_async_fetch` write rows: 0 is what `lyger_result_rows` writes, 1 the same of the first row
    /// alone, 2 what `lyger_result_column` writes of column 0 (no columns give an empty list), 3 what `lyger_result_json` writes.
    pub form: u32,
    /// Who asks. A statement's call enters this strand as `lyger_strand_enter` does, and the calls that follow are in it too.
    pub strand: u64,
    /// `postgres://…`, `postgresql://…`, `mysql://…`, `mariadb://…`, `sqlite:…` or a path; `dsn_len` bytes of UTF-8, at most 4,096.
    pub dsn: *const c_char,
    /// Its bytes.
    pub dsn_len: usize,
    /// Where rows are written, `cap` bytes.
    pub buf: *mut c_char,
    /// Its bytes.
    pub cap: usize,
    /// Set by what writes rows: how many bytes they have, 0 on an error.
    pub needed: usize,
    /// Set by each call: the id that it gives, 0 when it gives none.
    pub id: u64,
}

/// A statement's text and parameters, as pointers with their lengths.
#[derive(Clone, Copy)]
pub(super) struct Texts {
    pub(super) sql: (*const c_char, usize),
    pub(super) params: (*const c_char, usize),
}

/// A caller's [`Call`]: its fields as they are at the beginning, and the places of its outputs.
pub(super) struct Caller {
    at: NonNull<Call>,
    fields: Call,
    pub(super) id: Out<u64>,
}

impl Caller {
    /// Sets the id to 0.
    ///
    /// # Safety
    /// If it isn't null, `call` must be readable and writable for a [`Call`] until the export returns, or for its `size` alone
    /// when that is another's.
    pub(super) unsafe fn new(call: *mut Call) -> Result<Self, Failure> {
        let at = NonNull::new(call).ok_or_else(|| null("call"))?;
        // SAFETY: not null, and readable by the caller's promise; unaligned, because C and PHP may pack their structs.
        let size = unsafe { (&raw const (*call).size).read_unaligned() };
        if size as usize != size_of::<Call>() {
            let message = format!("call's size is {size} instead of {}", size_of::<Call>());
            return Err(Failure::new(Status::InvalidArgument, message).with_value(size.to_string()));
        }
        // SAFETY: the same, for all of it now.
        let (fields, mut id) = unsafe { (at.read_unaligned(), Out::new("id", &raw mut (*call).id)?) };
        id.set(0);
        runtime::not_forked()?;
        Ok(Self { at, fields, id })
    }

    /// As [`Caller::new`], and enters the call's strand, before anything else may fail: the caller counts on it.
    ///
    /// # Safety
    /// As [`Caller::new`].
    pub(super) unsafe fn asking(call: *mut Call) -> Result<Self, Failure> {
        // SAFETY: the caller's promise, passed on.
        let caller = unsafe { Self::new(call) }?;
        db::enter(caller.fields.strand);
        Ok(caller)
    }

    /// The caller's buffer.
    ///
    /// # Safety
    /// It must be null or writable for its length until the export returns.
    pub(super) unsafe fn output(&self) -> Result<Output, Failure> {
        // SAFETY: the place is the caller's as promised to `new`, and of the buffer the same is promised here.
        unsafe { Output::new(self.fields.buf, self.fields.cap, &raw mut (*self.at.as_ptr()).needed) }
    }

    /// The number of the form that is wanted.
    pub(super) fn form(&self) -> u32 {
        self.fields.form
    }

    /// The statement.
    ///
    /// # Safety
    /// As [`Incoming::read`], for the text, the parameters and the call's DSN.
    pub(super) unsafe fn statement<'a>(&self, Texts { sql, params }: Texts) -> Result<Incoming<'a>, Failure> {
        let Call { dsn, dsn_len, flags, timeout_ms, .. } = self.fields;
        // SAFETY: the caller's promise, passed on.
        unsafe { Incoming::read(Raw { dsn: (dsn, dsn_len), sql, params, flags, timeout_ms }) }
    }

    /// What an export does that sets the call's id to what `work` makes of the statement.
    ///
    /// # Safety
    /// As [`Caller::new`] and [`Caller::statement`].
    pub(super) unsafe fn give_id(
        call: *mut Call,
        texts: Texts,
        work: impl FnOnce(Incoming<'_>) -> Result<u64, Failure>,
    ) -> Result<(), Failure> {
        // SAFETY: the caller's promise, passed on.
        let mut caller = unsafe { Self::asking(call) }?;
        // SAFETY: the same.
        let incoming = unsafe { caller.statement(texts) }?;
        caller.id.set(work(incoming)?);
        Ok(())
    }
}
