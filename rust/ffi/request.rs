//! The worker's side of the server: PHP pulls a request, reads what it needs of it, and answers.
//!
//! A request's id is valid from `lyger_worker_next` until it is answered, and stale afterwards, also when its client
//! has gone or its time was over meanwhile. There is one worker: calls of several threads take turns, and whichever
//! takes a request may answer it.

use std::ffi::c_char;
use std::time::Duration;

use super::error::Failure;
use super::slice::{
    BODY_BYTES_MAX, DSN_BYTES_MAX, HEADERS_BYTES_MAX, NAME_BYTES_MAX, Out, Output, PARAMS_BYTES_MAX, bytes, sql, text,
};
use super::status::Status;
use super::{panic, server};
use crate::front::{AnswerError, Next, Part, ReadError, SqlAnswer, Summary, Worker};
use crate::handles::{self, Kind};

/// The sizes of a request that was taken.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct RequestHead {
    /// Names the request in every other call.
    pub id: u64,
    /// The body's length in bytes.
    pub body_len: u64,
    /// The method's length in bytes; it is at the buffer's beginning.
    pub method_len: u32,
    /// The path's length in bytes; it follows the method.
    pub path_len: u32,
    /// The query's length in bytes; it follows the path.
    pub query_len: u32,
    /// How many header lines there are.
    pub header_count: u32,
}

/// The part of a request that `lyger_request_read` reads.
// Here for the header; `front::Part` has the same numbers, as a test proves.
#[repr(u32)]
#[derive(Debug, Clone, Copy)]
pub enum RequestPart {
    /// The method, as it came: `GET`.
    Method = 1,
    /// The path, still percent-encoded.
    Path = 2,
    /// The query, still percent-encoded, without its `?`.
    Query = 3,
    /// One header by name, in any case. Several lines are joined by `, `, those of Cookie by `; `.
    Header = 4,
    /// All header lines: name, NUL, value, NUL, and so on; names in lower case.
    Headers = 5,
    /// The body.
    Body = 6,
    /// The client's IP address.
    ClientAddress = 7,
    /// The client's port in digits; `0` for a client behind a trusted proxy.
    ClientPort = 8,
    /// `http` or `https`.
    Scheme = 9,
    /// `1.1` or `1.0`.
    HttpVersion = 10,
}

fn with_worker<T>(id: u64, body: impl FnOnce(&Worker, u64) -> Result<T, Failure>) -> Result<T, Failure> {
    crate::runtime::not_forked()?;
    let number = Kind::Request.number_of(id)?;
    // Without a server there is no request, so what is wrong is the id.
    let worker = server::worker().map_err(|_| stale(id))?;
    body(&worker, number)
}

fn stale(id: u64) -> Failure {
    handles::Error::Stale { id, wanted: Kind::Request }.into()
}

fn refused(id: u64, error: AnswerError) -> Failure {
    let message = error.to_string();
    match error {
        AnswerError::Stale => stale(id),
        AnswerError::Status(status) => Failure::new(Status::InvalidArgument, message).with_value(status),
        AnswerError::HeaderName(name) | AnswerError::HeaderValue(name) => {
            Failure::new(Status::InvalidArgument, message).with_value(name)
        }
        AnswerError::UnfinishedHeaders | AnswerError::Options(_) => Failure::new(Status::InvalidArgument, message),
    }
}

/// Waits up to `timeout_ms` for the next request, takes it, and writes its method, path and query one after the other to `buf`
/// and their lengths to `*out`.
///
/// The path and the query are as the client sent them, percent-encoded; the query is without its `?`. A request whose three
/// don't fit `cap` bytes is left as the next one: `BUFFER_TOO_SMALL`, and `*needed` says how many they need. Whoever takes a
/// request answers it, with `lyger_request_respond`, `lyger_request_respond_sql` or `lyger_request_pass`.
///
/// Errors: `TIMEOUT`, `INTERRUPTED` (a signal came: run its handlers and call again), `FINISHED` (no request, but an operation has
/// finished, which `lyger_async_wait` has not told), `STOPPED` (the server has drained: leave
/// the loop), `BUFFER_TOO_SMALL`, `SERVER_NOT_RUNNING`, `NULL_POINTER`, `WRONG_PROCESS`; `*out` is written on success only.
/// Any thread.
///
/// # Safety
/// `out` must be null or writable for one `lyger_request_head`, `buf` writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_worker_next(
    timeout_ms: u32,
    out: *mut RequestHead,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        // SAFETY: the same.
        let mut out = unsafe { Out::new("out", out) }?;
        let worker = server::worker()?;
        match worker.next(Duration::from_millis(timeout_ms.into()), output.room()) {
            Next::Request(Summary { id, body_len, method_len, path_len, query_len, header_count }) => {
                output.wrote(method_len as usize + path_len as usize + query_len as usize);
                let id = Kind::Request.id_of(id);
                out.set(RequestHead { id, body_len, method_len, path_len, query_len, header_count });
                Ok(())
            }
            Next::TooSmall(needed) => output.reserve(needed),
            Next::TimedOut => Err(Failure::new(Status::Timeout, "no request came in time")),
            Next::Interrupted => Err(Failure::new(Status::Interrupted, "a signal came")),
            Next::Stopped => Err(Failure::new(Status::Stopped, "the server has drained")),
            Next::Finished => Err(Failure::new(Status::Finished, "an operation has finished")),
        }
    })
}

/// Writes a part of a request to `buf` when `cap` bytes hold it, and sets `*needed` to its length.
///
/// `part` is a `lyger_request_part`; `name` (at most 64 KiB) is the header's for `LYGER_REQUEST_PART_HEADER`, else it is ignored.
///
/// Errors: `INVALID_HANDLE`, `INVALID_ARGUMENT` (no such part), `NOT_FOUND` (no such header), `BUFFER_TOO_SMALL` (nothing is
/// written), `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `name` must be null with length 0 or readable for its length, `buf` writable for `cap` bytes, `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_request_read(
    id: u64,
    part: u32,
    name: *const c_char,
    name_len: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        // SAFETY: the same.
        let name = unsafe { bytes("name", name, name_len, NAME_BYTES_MAX) }?;
        with_worker(id, |worker, number| {
            let part = Part::from_number(part).ok_or_else(|| {
                Failure::new(Status::InvalidArgument, format!("{part} is no part of a request")).with_value(part)
            })?;
            match worker.read(number, part, name, |content| output.fill(content)) {
                Ok(filled) => filled,
                Err(ReadError::Stale) => Err(stale(id)),
                Err(error @ ReadError::NotFound) => Err(Failure::new(Status::NotFound, error.to_string())),
            }
        })
    })
}

/// Answers a request; its id is stale afterwards.
///
/// `http_status` is 200 to 599. `headers` (at most 1 MiB) is name, NUL, value, NUL, and so on; Content-Length, Transfer-Encoding and
/// Connection are the engine's and left out. `body` has at most 1 GiB. The engine copies all of it. A client that has
/// gone meanwhile is no error.
///
/// Errors: `INVALID_HANDLE` (also when it is answered already), `INVALID_ARGUMENT` (the status, or a header with a byte that HTTP
/// forbids; the request still waits for its answer), `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// Each pointer must be null with length 0 or readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_request_respond(
    id: u64,
    http_status: u16,
    headers: *const c_char,
    headers_len: usize,
    body: *const c_char,
    body_len: usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let headers = unsafe { bytes("headers", headers, headers_len, HEADERS_BYTES_MAX) }?;
        // SAFETY: the same.
        let body = unsafe { bytes("body", body, body_len, BODY_BYTES_MAX) }?;
        with_worker(id, |worker, number| {
            worker.respond(number, http_status, headers, body).map_err(|error| refused(id, error))
        })
    })
}

/// Answers a request with the rows of a statement and returns at once: the server runs it and the worker is free.
/// The id is stale afterwards.
///
/// `http_status` and `headers` are as in `lyger_request_respond`, with the shape's `content-type` unless given; `dsn`, `sql` and
/// `params` as in `lyger_db_execute`. `options` (at most 64 KiB) is empty for a JSON array of objects, or a JSON object: `shape` is
/// `list`, `keyed` (by the column `key`), `single`, `envelope`, `paged` (`page` and `per_page`), `ndjson` or `csv`; `etag` is
/// `true` for an ETag; `timeout_ms`, `retries` and `decimals` (`string` or `number`) and `times` (`rfc3339` or `sql`) say how the statement runs. A statement that fails becomes a 500 or 503 with a JSON body to the client, a single row that
/// isn't there a 404; what fails after the first megabyte has left ends the connection.
///
/// Errors: those of `lyger_request_respond`, and `INVALID_UTF8` and `INVALID_ARGUMENT` (a NUL byte in `sql`, `options` that
/// are none). Any thread.
///
/// # Safety
/// Each pointer must be null with length 0 or readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_request_respond_sql(
    id: u64,
    http_status: u16,
    headers: *const c_char,
    headers_len: usize,
    dsn: *const c_char,
    dsn_len: usize,
    sql: *const c_char,
    sql_len: usize,
    params: *const u8,
    params_len: usize,
    options: *const c_char,
    options_len: usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let answer = unsafe {
            SqlAnswer {
                status: http_status,
                headers: bytes("headers", headers, headers_len, HEADERS_BYTES_MAX)?,
                dsn: text("dsn", dsn, dsn_len, DSN_BYTES_MAX)?,
                sql: self::sql(sql, sql_len)?,
                options: bytes("options", options, options_len, NAME_BYTES_MAX)?,
                params: bytes("params", params.cast(), params_len, PARAMS_BYTES_MAX)?,
            }
        };
        with_worker(id, |worker, number| worker.respond_sql(number, answer).map_err(|error| refused(id, error)))
    })
}

/// Leaves a request to the engine, because the application has no route for it: `GET /` gets the engine's own page, everything
/// else its 404. The id is stale afterwards.
///
/// Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_request_pass(id: u64) -> Status {
    panic::status(|| with_worker(id, |worker, number| worker.pass(number).map_err(|error| refused(id, error))))
}

/// Says which of several claimed requests the worker goes on with, until the next call of this or of `lyger_worker_next`, whose
/// request runs from the start. Should the process crash, that one is to blame: the others may be tried again.
///
/// Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_request_enter(id: u64) -> Status {
    panic::status(|| with_worker(id, |worker, number| worker.enter(number).map_err(|error| refused(id, error))))
}

/// Says that a request must not be tried again: without this a fleet gives a GET or HEAD whose worker is killed by a SIGKILL
/// that isn't the server's own to another worker, once. Its client gets 502 instead. Call it before the handler runs.
///
/// Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_request_once(id: u64) -> Status {
    panic::status(|| with_worker(id, |worker, number| worker.ask_for_once(number).map_err(|error| refused(id, error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_have_the_same_numbers_on_both_sides() {
        let parts = [
            (RequestPart::Method, Part::Method),
            (RequestPart::Path, Part::Path),
            (RequestPart::Query, Part::Query),
            (RequestPart::Header, Part::Header),
            (RequestPart::Headers, Part::Headers),
            (RequestPart::Body, Part::Body),
            (RequestPart::ClientAddress, Part::ClientAddress),
            (RequestPart::ClientPort, Part::ClientPort),
            (RequestPart::Scheme, Part::Scheme),
            (RequestPart::HttpVersion, Part::Version),
        ];
        for (declared, part) in parts {
            assert_eq!(Part::from_number(declared as u32), Some(part));
        }
        assert_eq!((Part::from_number(0), Part::from_number(11)), (None, None));
    }
}
