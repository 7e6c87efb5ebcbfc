//! What a worker asks of the databases: its front has the connections. Calls that are waited for, and calls under way.

use std::time::{Duration, Instant};

use super::wire::{Ask, CallParts};
use super::worker::{State, Worker};
use crate::db::{self, Dsn, Rows};
use crate::json::forms::Forms;
use crate::json::table::Table;
use crate::lane::{CALLS_MAX, Id, NoReply, Woken, Worker as _};

/// A statement for the front's connections.
#[derive(Default, Clone, Copy)]
pub struct SqlOrder<'a> {
    /// What to ask.
    pub sql: &'a str,
    /// Bound values in the packed form of `db::params`.
    pub params: &'a [u8],
    /// As [`db::Statement::timeout_ms`]; 0 for no wish.
    pub timeout_ms: u32,
    /// As [`db::Statement::retries`].
    pub retries: u8,
    /// As [`db::Statement::forms`].
    pub forms: Forms,
}

impl std::fmt::Debug for SqlOrder<'_> {
    // Not the values, which hold anything.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SqlOrder").field("sql", &self.sql).finish_non_exhaustive()
    }
}

/// A stream of rows that the front reads for this worker.
#[derive(Debug, Clone)]
pub struct RemoteStream {
    request: u64,
    strand: u64,
    stream: u64,
    dsn: Dsn,
}

/// A call that is under way.
#[derive(Debug, Clone)]
pub struct RemoteCall {
    /// Names it in [`Worker::news`].
    pub number: u64,
    dsn: Dsn,
}

/// Why a query of a worker's gave no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// What the front says, or that it has gone.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// The front has a bug, caught.
    #[error("the front failed over the query, its log says where")]
    Failed,
    /// It was not sent.
    #[error("{CALLS_MAX} statements of this worker are under way, and it may have no more")]
    TooMany,
}

impl Worker {
    /// Runs one statement on the front's connections, for the request that runs now, and waits for its rows; a second thread
    /// waits its turn. The parameters are in the packed form of `db::params`.
    ///
    /// # Errors
    /// Those of [`db::Database::query`]; [`db::Error::Connect`] when the front dies: 08001 when the statement never left,
    /// 08006 when nobody knows whether it was carried out.
    pub fn query(&self, dsn: &Dsn, order: &SqlOrder<'_>) -> Result<Rows, QueryError> {
        let reply = self.ask(Ask::Run, dsn, order, 0)?;
        Ok(db::outcome::unpack(&reply).ok_or(QueryError::Failed)??)
    }

    /// Where the transaction of the request that runs now stands, by its number ([`db::Transaction`]).
    ///
    /// # Errors
    /// As [`Worker::query`].
    pub fn transaction(&self, dsn: &Dsn) -> Result<u64, QueryError> {
        let reply = self.ask(Ask::State, dsn, &SqlOrder::default(), 0)?;
        Ok(db::outcome::unpack(&reply).ok_or(QueryError::Failed)??.affected)
    }

    /// As [`Worker::query`], for a statement whose rows are read chunk by chunk. Gives the stream's name and the first chunk.
    ///
    /// # Errors
    /// As [`Worker::query`].
    pub fn open_stream(&self, dsn: &Dsn, order: &SqlOrder<'_>) -> Result<(RemoteStream, Option<Table>), QueryError> {
        let stream = self.name_stream(dsn);
        let reply = self.ask(Ask::Open, dsn, order, stream.stream)?;
        Ok((stream, Self::chunk_in(&reply)?))
    }

    /// The next chunk; `None` behind the last, where the stream has ended.
    ///
    /// # Errors
    /// As [`Worker::query`].
    pub fn next_chunk(&self, stream: &RemoteStream) -> Result<Option<Table>, QueryError> {
        let mut state = self.state();
        let reply = state.call(&stream.dsn, stream.parts(Ask::Next))?;
        Self::chunk_in(&reply)
    }

    /// Ends a stream before its end.
    ///
    /// # Errors
    /// As [`Worker::query`].
    pub fn close_stream(&self, stream: &RemoteStream) -> Result<(), QueryError> {
        self.state().call(&stream.dsn, stream.parts(Ask::Close)).map(drop)
    }

    /// The same without waiting for the front's word.
    ///
    /// # Errors
    /// When it can't be sent.
    pub fn begin_close(&self, stream: &RemoteStream) -> Result<(), QueryError> {
        let mut state = self.state();
        let mut fixed = CallParts::room();
        let told = state.end.tell(&stream.parts(Ask::Close).write(&mut fixed));
        told.map_err(|no_reply| unanswered(&stream.dsn, no_reply))
    }

    /// Has the front put back what statements beside any request have left: those of the application's boot. A front that is
    /// gone has put it back. What a strand has left is put back in any case, and nobody waits for it.
    pub fn end_statements(&self) {
        let mut state = self.state();
        let (request, strand) = (state.request(), state.strand);
        let parts = CallParts { ask: Ask::End, request, strand, ..CallParts::default() };
        let mut fixed = CallParts::room();
        let parts = parts.write(&mut fixed);
        if strand != 0 {
            let _ = state.end.tell(&parts);
        } else if request == 0 && std::mem::take(&mut state.has_asked_beside) {
            let _ = state.end.call(&parts);
        }
    }

    /// Which of the request's clients asks from now on; 0 for the first.
    pub fn enter_strand(&self, strand: u64) {
        self.state().strand = strand;
    }

    /// The client that asks: its request, 0 beside requests, and its strand.
    pub fn client(&self) -> (u64, u64) {
        let state = self.state();
        (state.request(), state.strand)
    }

    /// As [`Worker::query`], without waiting: [`Worker::rows_of`] gives the rows.
    ///
    /// # Errors
    /// When it can't be sent.
    pub fn begin_query(&self, dsn: &Dsn, order: &SqlOrder<'_>) -> Result<RemoteCall, QueryError> {
        self.begin(Ask::Run, dsn, order, 0)
    }

    /// As [`Worker::open_stream`], without waiting: [`Worker::chunk_of`] gives the first chunk.
    ///
    /// # Errors
    /// When it can't be sent.
    pub fn begin_stream(&self, dsn: &Dsn, order: &SqlOrder<'_>) -> Result<(RemoteStream, RemoteCall), QueryError> {
        let stream = self.name_stream(dsn);
        let call = self.begin(Ask::Open, dsn, order, stream.stream)?;
        Ok((stream, call))
    }

    /// As [`Worker::next_chunk`], without waiting.
    ///
    /// # Errors
    /// When it can't be sent.
    pub fn begin_chunk(&self, stream: &RemoteStream) -> Result<RemoteCall, QueryError> {
        let number = self.state().begin_call(&stream.dsn, stream.parts(Ask::Next))?;
        Ok(RemoteCall { number, dsn: stream.dsn.clone() })
    }

    /// The calls that have ended since this was asked, after waiting for one or until a signal comes.
    pub fn news(&self, timeout: Duration) -> Vec<u64> {
        let until = Instant::now() + timeout;
        loop {
            let vigil = {
                let mut state = self.state();
                if state.end.hear() {
                    return state.end.news();
                }
                state.end.vigil()
            };
            let now = Instant::now();
            if now >= until || self.lane.wait_for_reply(vigil, until - now) == Woken::Interrupted {
                return Vec::new();
            }
        }
    }

    /// What a call of [`Worker::begin_query`] gave, once; `None` while it is under way.
    ///
    /// # Errors
    /// As [`Worker::query`].
    pub fn rows_of(&self, call: &RemoteCall) -> Option<Result<Rows, QueryError>> {
        let reply = self.reply_to(call)?;
        Some(reply.and_then(|reply| Ok(db::outcome::unpack(&reply).ok_or(QueryError::Failed)??)))
    }

    /// The same of a stream's call.
    ///
    /// # Errors
    /// As [`Worker::query`].
    pub fn chunk_of(&self, call: &RemoteCall) -> Option<Result<Option<Table>, QueryError>> {
        let reply = self.reply_to(call)?;
        Some(reply.and_then(|reply| Self::chunk_in(&reply)))
    }

    /// Has the front stop a call, whose reply nobody wants any more.
    pub fn cancel(&self, call: &RemoteCall) {
        let mut state = self.state();
        state.end.forget_call(call.number);
        let parts = CallParts { ask: Ask::Cancel, stream: call.number, ..CallParts::default() };
        let mut fixed = CallParts::room();
        let _ = state.end.tell(&parts.write(&mut fixed)); // a front that is gone has stopped it
    }

    fn reply_to(&self, call: &RemoteCall) -> Option<Result<Vec<u8>, QueryError>> {
        self.state().end.take_reply(call.number).map(|reply| checked(&call.dsn, reply))
    }

    fn chunk_in(reply: &[u8]) -> Result<Option<Table>, QueryError> {
        Ok(db::outcome::unpack_chunk(reply).ok_or(QueryError::Failed)??)
    }

    fn name_stream(&self, dsn: &Dsn) -> RemoteStream {
        let mut state = self.state();
        state.streams += 1;
        RemoteStream { request: state.request(), strand: state.strand, stream: state.streams, dsn: dsn.clone() }
    }

    fn ask(&self, ask: Ask, dsn: &Dsn, order: &SqlOrder<'_>, stream: u64) -> Result<Vec<u8>, QueryError> {
        let mut state = self.state();
        let parts = state.parts(ask, dsn, order, stream);
        state.call(dsn, parts)
    }

    fn begin(&self, ask: Ask, dsn: &Dsn, order: &SqlOrder<'_>, stream: u64) -> Result<RemoteCall, QueryError> {
        let mut state = self.state();
        let parts = state.parts(ask, dsn, order, stream);
        Ok(RemoteCall { number: state.begin_call(dsn, parts)?, dsn: dsn.clone() })
    }
}

impl State {
    /// The name of the request that runs now; 0 beside requests.
    fn request(&self) -> u64 {
        self.current.map_or(0, Id::number)
    }

    fn parts<'a>(&mut self, ask: Ask, dsn: &'a Dsn, order: &SqlOrder<'a>, stream: u64) -> CallParts<'a> {
        let &SqlOrder { sql, params, timeout_ms, retries, forms } = order;
        let (request, strand, dsn) = (self.request(), self.strand, dsn.key());
        self.has_asked_beside |= request == 0;
        CallParts { ask, request, strand, stream, timeout_ms, retries, forms, dsn, sql, params }
    }

    fn call(&mut self, dsn: &Dsn, parts: CallParts<'_>) -> Result<Vec<u8>, QueryError> {
        let mut fixed = CallParts::room();
        checked(dsn, self.end.call(&parts.write(&mut fixed)))
    }

    fn begin_call(&mut self, dsn: &Dsn, parts: CallParts<'_>) -> Result<u64, QueryError> {
        let mut fixed = CallParts::room();
        self.end.begin_call(&parts.write(&mut fixed)).map_err(|no_reply| unanswered(dsn, no_reply))
    }
}

impl RemoteStream {
    fn parts(&self, ask: Ask) -> CallParts<'_> {
        let &Self { request, strand, stream, .. } = self;
        CallParts { ask, request, strand, stream, ..CallParts::default() }
    }
}

fn checked(dsn: &Dsn, reply: Result<Vec<u8>, NoReply>) -> Result<Vec<u8>, QueryError> {
    match reply {
        Ok(reply) if reply.is_empty() => Err(QueryError::Failed),
        Ok(reply) => Ok(reply),
        Err(no_reply) => Err(unanswered(dsn, no_reply)),
    }
}

fn unanswered(dsn: &Dsn, no_reply: NoReply) -> QueryError {
    let sqlstate = match no_reply {
        NoReply::NotSent => "08001",
        NoReply::Lost => "08006",
        NoReply::TooMany => return QueryError::TooMany,
    };
    let (dsn, message) = (dsn.to_string(), format!("the server's process with the connections: {no_reply}"));
    db::Error::Connect { dsn, message, sqlstate: Some(sqlstate.to_owned()) }.into()
}
