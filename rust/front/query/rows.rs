//! Answers of rows: a worker left a statement to the front, which runs it, encodes what comes and sends it, while the
//! worker is free.
//!
//! Up to a megabyte the answer is made first and has a length. Past that it goes out as it is made, in chunks (to HTTP/1.0,
//! which knows none, up to the connection's end): the next slice is encoded when the client has taken those before, so a
//! client that is slow holds some slices, its connection to the database and nobody else.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::super::dispatch::Tab;
use super::super::exchange::{Query, Request};
use super::desk::Leaving;
use super::reply::{self, Content, Draft};
use super::slices::{Failure, Outlet, Slices};
use super::{Front, body, conditional, refusal};
use crate::db;
use crate::handles::Kind;
use crate::json::body::Misshapen;
use crate::json::shape::Shape;

/// Up to this an answer is whole before its first byte leaves: it has a Content-Length, may have an ETag, and whatever
/// fails can still be said with a status.
const WHOLE_BYTES_MAX: usize = 1 << 20;

const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");

/// What an answer of rows has to know of its request.
pub(in crate::front) struct Asked {
    /// The id as PHP and the log know it.
    id: u64,
    /// GET or HEAD: the methods that know of ETags.
    is_safe: bool,
    if_none_match: Option<Vec<u8>>,
}

impl Asked {
    pub(in crate::front) fn of(number: u64, request: &Request) -> Self {
        let if_none_match = request.head.header(IF_NONE_MATCH.as_str().as_bytes());
        Self { id: Kind::Request.id_of(number), is_safe: request.may_be_repeated(), if_none_match }
    }
}

/// Answers a request with a query's rows. Where the request's statements have left a transaction, or settings, this one
/// runs there, and then they end.
pub(in crate::front) async fn answer(front: &Rc<Front>, asked: Asked, mut query: Query, tab: Option<Tab>) -> Draft {
    let (status, headers) = (query.status, std::mem::take(&mut query.headers));
    let (shape, has_etag) = (query.options.shape.clone(), query.options.etag);
    let outlet = Outlet::default();
    let work = AssertUnwindSafe(body::write(Rc::clone(front), query, Leaving::of(tab), outlet.clone())).catch_unwind();
    let work = async move { work.await.unwrap_or(Err(Failure::Panicked)) };
    let mut slices = Slices::new(asked.id, outlet, work);
    let made = tokio::time::timeout(request_timeout(front), slices.make(WHOLE_BYTES_MAX)).await;
    let mut draft = match made.unwrap_or(Err(Failure::Late)) {
        Err(Failure::Misshapen(Misshapen::NoRow)) => {
            let mut draft = reply::error(404);
            reply::set_headers(draft.headers_mut(), &headers);
            draft.headers_mut().insert(CONTENT_TYPE, reply::JSON);
            return draft;
        }
        Err(failure) => return refuse(front, asked.id, &failure),
        Ok(()) if reply::is_bodyless(status) => reply::whole(""),
        Ok(()) => match slices.whole() {
            Some(body) => reply::whole(body),
            None => Draft::new(Content::Rows(Box::new(slices))),
        },
    };
    *draft.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    reply::set_headers(draft.headers_mut(), &headers);
    draft.headers_mut().entry(CONTENT_TYPE).or_insert(match shape {
        Shape::Ndjson => NDJSON,
        Shape::Csv => CSV,
        _ => reply::JSON,
    });
    if has_etag && status == 200 && asked.is_safe { tagged(draft, asked.if_none_match.as_deref()) } else { draft }
}

/// The answer with its ETag, or a 304 in its place; as it is where the body isn't whole.
fn tagged(mut draft: Draft, if_none_match: Option<&[u8]>) -> Draft {
    let Content::Whole(body) = draft.body() else { return draft };
    let tag = conditional::tag(body);
    let has_it = if_none_match.is_some_and(|list| conditional::matches(list, &tag));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        draft.headers_mut().insert(ETAG, tag);
    }
    if has_it {
        let headers: HeaderMap = std::mem::take(draft.headers_mut());
        draft = reply::whole("");
        *draft.status_mut() = StatusCode::NOT_MODIFIED;
        *draft.headers_mut() = headers;
        // What describes the body that isn't sent is the client's already (RFC 9110, 15.4.5).
        draft.headers_mut().remove(CONTENT_TYPE);
    }
    draft
}

pub(super) fn request_timeout(front: &Front) -> Duration {
    Duration::from_millis(front.config.request_timeout_ms)
}

impl Failure {
    /// The status for the client; for the log, and for a client while debugging, what happened and its SQLSTATE.
    pub(super) fn words(&self) -> (u16, String, Option<&str>) {
        use db::Error::{Connect, PoolExhausted};
        match self {
            Self::Database(error) => {
                let status = if matches!(error, Connect { .. } | PoolExhausted { .. }) { 503 } else { 500 };
                (status, error.to_string(), error.sqlstate())
            }
            Self::Misshapen(error) => (500, error.to_string(), None),
            Self::Late => (504, "no rows within request_timeout_ms".to_owned(), None),
            Self::Panicked => (500, "the engine failed, see above".to_owned(), None),
        }
    }
}

fn refuse(front: &Front, request: u64, failure: &Failure) -> Draft {
    let (status, detail, sqlstate) = failure.words();
    let sqlstate_text = sqlstate.map(|sqlstate| format!(" [{sqlstate}]")).unwrap_or_default();
    super::super::log(format_args!("request {request}: {status}{sqlstate_text}: {detail}"));
    let mut error = json!({ "status": status, "message": refusal::message(status), "request": request });
    if front.config.debug {
        error["message"] = json!(detail);
        error["sqlstate"] = json!(sqlstate);
    }
    reply::error_with_body(status, json!({ "error": error }).to_string())
}
