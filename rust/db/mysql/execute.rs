//! One statement on its connection: prepared where it isn't yet, executed, and answered to the end.

use super::decode::Decoder;
use super::packet::{Body, Ended, Field, Refusal, answer, capability, command, length, strange};
use super::statements::{Fields, Prepared};
use super::stream::Kind;
use super::{MySqlSession, Outcome, encode};
use crate::db::Error;
use crate::db::connection::{Done, Failure, Work};
use crate::db::flow::Flow;
use crate::json::forms::Forms;
use crate::json::table::Table;
use bytes::{BufMut, BytesMut};
use std::sync::Arc;

/// More columns than any server has: 4,096 in a table, and as many in a SELECT.
const COLUMNS_MAX: u64 = 0xffff;

/// What an answer begins with.
enum First {
    Ended(Ended),
    /// Rows of so many columns follow, which are these, where the server has sent them.
    Rows(u64, Option<Arc<Fields>>),
}

impl MySqlSession {
    /// Runs a statement once, prepared now where it isn't `known`; its rows go into `flow`.
    pub(super) async fn attempt(
        &mut self,
        work: Work<'_>,
        known: Option<Prepared>,
        flow: &mut Flow,
    ) -> Result<Outcome<Done>, Failure> {
        encode::fits(1 + work.sql.len(), self.packet_bytes_max).map_err(Failure::Refused)?;
        let prepared = match known {
            Some(prepared) => prepared,
            None => match Box::pin(self.prepare(work.sql)).await? {
                Ok(prepared) => prepared,
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        if prepared.parameters != work.params.len() {
            return Err(Failure::Refused(Error::param_count(prepared.parameters, work.params.len())));
        }
        encode::check(work.params, self.packet_bytes_max).map_err(Failure::Refused)?;
        self.ask(|out| encode::execute(out, prepared.id, work.params));
        self.stream.flush().await?;
        // A server that didn't get the whole of it has not executed it.
        self.stream.sent = true;
        self.has_executed = true;
        self.answer(work, prepared, flow).await
    }

    /// Puts a command into the output, behind those that let go of statements: they have no answer.
    pub(super) fn ask(&mut self, write: impl FnOnce(&mut BytesMut)) {
        for id in self.dropped.drain(..) {
            self.stream.command(|out| {
                out.put_u8(command::STMT_CLOSE);
                out.put_u32_le(id);
            });
        }
        self.stream.command(write);
    }

    /// Has the server parse a statement, and say what goes in and what comes out.
    async fn prepare(&mut self, sql: &str) -> Result<Outcome<Prepared>, Failure> {
        self.ask(|out| {
            out.put_u8(command::STMT_PREPARE);
            out.put_slice(sql.as_bytes());
        });
        self.stream.flush().await?;
        let packet = self.stream.next(Kind::Other).await?;
        let mut body = Body(self.stream.body(packet));
        if body.0.first() == Some(&answer::ERR) {
            let refusal = Refusal::read(body.0)?;
            self.stream.consume(packet);
            return refused(refusal);
        }
        if body.u8()? != answer::OK {
            return Err(strange("a statement is neither prepared nor refused"));
        }
        let (id, columns, parameters) = (body.u32()?, body.u16()?, body.u16()?);
        self.stream.consume(packet);
        // What the server says about parameters it doesn't know before they are bound.
        self.fields(parameters.into()).await?;
        let fields = Arc::new(self.fields(columns.into()).await?.into());
        let prepared = Prepared { id, parameters: parameters.into(), fields };
        match self.statements.insert(sql, prepared.clone()) {
            Some(own) if own == id => self.once = Some(id),
            Some(evicted) => self.dropped.push(evicted),
            None => {}
        }
        Ok(Ok(prepared))
    }

    /// Reads so many columns.
    async fn fields(&mut self, count: u64) -> Result<Vec<Field>, Failure> {
        let mut fields = Vec::new();
        for _ in 0..count {
            let packet = self.stream.next(Kind::Other).await?;
            fields.push(Field::read(self.stream.body(packet))?);
            self.stream.consume(packet);
        }
        if count > 0 && !self.has(capability::DEPRECATE_EOF) {
            let packet = self.stream.next(Kind::Other).await?;
            self.stream.consume(packet);
        }
        Ok(fields)
    }

    /// Reads the answer to an execution, to its end.
    async fn answer(&mut self, work: Work<'_>, prepared: Prepared, flow: &mut Flow) -> Result<Outcome<Done>, Failure> {
        let mut done = Sum::default();
        let mut decoder: Option<Decoder> = None;
        let mut has_further_rows = false;
        loop {
            let ended = match self.first().await? {
                Err(refusal) => return refused(refusal),
                Ok(First::Ended(ended)) => ended,
                Ok(First::Rows(..)) if decoder.is_some() => match self.skip(flow).await? {
                    Ok((ended, has_rows)) => {
                        has_further_rows |= has_rows;
                        ended
                    }
                    Err(refusal) => return refused(refusal),
                },
                Ok(First::Rows(count, sent)) => {
                    if let Some(sent) = &sent {
                        self.statements.update(work.sql, sent);
                    }
                    let fields = sent.as_ref().unwrap_or(&prepared.fields);
                    if fields.each.len() as u64 != count {
                        return Err(strange("the columns of a result are missing"));
                    }
                    let decoder = decoder.insert(decoder_of(fields, work.forms)?);
                    match self.rows(decoder, flow).await? {
                        Ok(ended) => ended,
                        Err(refusal) => return refused(refusal),
                    }
                }
            };
            done.add(ended);
            self.is_changed |= ended.changes_session;
            if !ended.status.has_more() {
                break;
            }
        }
        if has_further_rows {
            return Ok(Err(Refusal::unsupported("the procedure gave several results, and a statement has one")));
        }
        flow.finish(decoder.map_or_else(|| Table::new(Vec::new()), Decoder::into_table)).await?;
        Ok(Ok(done.into()))
    }

    /// Reads what an answer begins with.
    async fn first(&mut self) -> Result<Outcome<First>, Failure> {
        let packet = self.stream.next(Kind::Other).await?;
        let mut body = Body(self.stream.body(packet));
        let outcome = match body.0.first() {
            Some(&answer::OK) => Ok(First::Ended(Ended::read(body.0)?)),
            Some(&answer::ERR) => Err(Refusal::read(body.0)?),
            // Never asked for: the server may not read our files.
            Some(&answer::LOCAL_INFILE) => return Err(strange("it asks for a file")),
            _ => {
                let count = body.number()?;
                if count > COLUMNS_MAX {
                    return Err(strange("a result has more columns than there can be"));
                }
                let are_sent = !self.has(capability::CACHE_METADATA) || body.u8()? != 0;
                self.stream.consume(packet);
                let fields = if are_sent { Some(Arc::new(self.fields(count).await?.into())) } else { None };
                return Ok(Ok(First::Rows(count, fields)));
            }
        };
        if let Ok(First::Ended(ended)) = &outcome {
            self.status = ended.status;
        }
        self.stream.consume(packet);
        Ok(outcome)
    }

    /// Reads the rows of a result.
    async fn rows(&mut self, decoder: &mut Decoder, flow: &mut Flow) -> Result<Outcome<Ended>, Failure> {
        loop {
            while let Some(packet) = self.stream.ready(Kind::Row)? {
                let body = self.stream.body(packet);
                if body.first() != Some(&answer::OK) {
                    let outcome = end_of_rows(body, self.capabilities)?;
                    self.stream.consume(packet);
                    return Ok(outcome.inspect(|ended| self.status = ended.status));
                }
                let bytes = decoder.push_row(body)?;
                self.stream.consume(packet);
                if flow.take(bytes).map_err(Failure::Cut)? {
                    flow.emit(decoder.take_table()).await?;
                }
            }
            self.stream.fill().await?;
            flow.heard();
        }
    }

    /// Reads rows away that can't be read by the names and types that are known: those of a procedure's further results, and
    /// those that come as text. Whether there were any.
    async fn skip(&mut self, flow: &mut Flow) -> Result<Outcome<(Ended, bool)>, Failure> {
        let mut has_rows = false;
        loop {
            let packet = self.stream.next(Kind::Row).await?;
            let body = self.stream.body(packet);
            // A row of text begins with a value's length, which these aren't, unless it has more than 16 MiB.
            if matches!(body.first(), Some(&(answer::END | answer::ERR))) {
                let outcome = end_of_rows(body, self.capabilities)?;
                self.stream.consume(packet);
                return Ok(outcome.inspect(|ended| self.status = ended.status).map(|ended| (ended, has_rows)));
            }
            has_rows = true;
            self.stream.consume(packet);
            flow.heard();
        }
    }

    /// For the few statements that the server doesn't prepare (CREATE TRIGGER in MySQL). It takes this text as one statement:
    /// several in one were not asked for at the login.
    pub(super) async fn unprepared(&mut self, sql: &str, flow: &mut Flow) -> Result<Outcome<Done>, Failure> {
        self.query(sql);
        self.stream.flush().await?;
        self.stream.sent = true;
        self.has_executed = true;
        let (mut done, mut gives_rows) = (Sum::default(), false);
        loop {
            let ended = match self.first().await? {
                Err(refusal) => return refused(refusal),
                Ok(First::Ended(ended)) => ended,
                Ok(First::Rows(..)) => match self.skip(flow).await? {
                    Ok((ended, _)) => {
                        gives_rows = true;
                        ended
                    }
                    Err(refusal) => return refused(refusal),
                },
            };
            done.add(ended);
            self.is_changed |= ended.changes_session;
            if !ended.status.has_more() {
                break;
            }
        }
        if gives_rows {
            let message = "the server can't prepare this statement, and its rows can't be read otherwise";
            return Ok(Err(Refusal::unsupported(message)));
        }
        flow.finish(Table::default()).await?;
        Ok(Ok(Done { last_insert_id: None, ..done.into() }))
    }

    /// Runs a statement of the engine's own, without parameters; the rows as texts, NULL as none.
    pub(super) async fn simple(&mut self, sql: &str) -> Result<Outcome<Vec<Vec<Option<String>>>>, Failure> {
        self.query(sql);
        self.stream.flush().await?;
        let (mut rows, mut columns) = (Vec::new(), 0);
        match self.first().await? {
            Err(refusal) => return refused(refusal),
            Ok(First::Ended(_)) => return Ok(Ok(rows)),
            Ok(First::Rows(count, _)) => columns += count,
        }
        loop {
            let packet = self.stream.next(Kind::Other).await?;
            let mut body = Body(self.stream.body(packet));
            // A row's first value is never so long.
            if matches!(body.0.first(), Some(&(answer::END | answer::ERR))) {
                let outcome = end_of_rows(body.0, self.capabilities)?;
                self.stream.consume(packet);
                self.status = outcome.as_ref().map_or(self.status, |ended| ended.status);
                return Ok(outcome.map(|_| rows));
            }
            let mut row = Vec::new();
            for _ in 0..columns {
                row.push(match body.0.split_first() {
                    Some((&length::NULL, rest)) => {
                        body.0 = rest;
                        None
                    }
                    _ => Some(String::from_utf8_lossy(body.value()?).into_owned()),
                });
            }
            rows.push(row);
            self.stream.consume(packet);
        }
    }

    /// Sends a command that is answered by OK alone.
    pub(super) async fn command(&mut self, command: u8, argument: &str) -> Result<Outcome<()>, Failure> {
        self.ask(|out| {
            out.put_u8(command);
            out.put_slice(argument.as_bytes());
        });
        self.stream.flush().await?;
        match self.first().await? {
            Ok(First::Ended(_)) => Ok(Ok(())),
            Ok(First::Rows(..)) => Err(strange("a command has rows")),
            Err(refusal) => refused(refusal),
        }
    }

    fn query(&mut self, sql: &str) {
        self.ask(|out| {
            out.put_u8(command::QUERY);
            out.put_slice(sql.as_bytes());
        });
    }

    pub(super) fn has(&self, capability: u64) -> bool {
        self.capabilities & capability != 0
    }
}

/// What stands behind the last row, or instead of it.
fn end_of_rows(body: &[u8], capabilities: u64) -> Result<Outcome<Ended>, Failure> {
    match body.first() {
        Some(&answer::END) => Ended::read_end(body, capabilities).map(Ok),
        Some(&answer::ERR) => Refusal::read(body).map(Err),
        _ => Err(strange("a row is none")),
    }
}

/// The server's refusal; as a failure when the server hangs up behind it.
fn refused<T>(refusal: Refusal) -> Result<Outcome<T>, Failure> {
    if refusal.survives() { Ok(Err(refusal)) } else { Err(refusal.into()) }
}

fn decoder_of(fields: &Arc<Fields>, forms: Forms) -> Result<Decoder, Failure> {
    Decoder::new(fields, forms).map_err(Failure::Cut)
}

/// What the parts of an answer did.
#[derive(Default)]
struct Sum {
    affected: u64,
    last_insert_id: u64,
}

impl Sum {
    fn add(&mut self, ended: Ended) {
        self.affected = self.affected.saturating_add(ended.affected);
        self.last_insert_id = self.last_insert_id.max(ended.last_insert_id);
    }
}

impl From<Sum> for Done {
    fn from(sum: Sum) -> Self {
        let last_insert_id = (sum.last_insert_id != 0).then(|| sum.last_insert_id.into());
        Self { affected: sum.affected, last_insert_id }
    }
}

// The status of an answer that was refused is not told.
impl MySqlSession {
    /// What is known of transactions behind a refusal, or nothing: what the server has done before it refused, it doesn't say,
    /// nor what has changed in the session.
    pub(super) fn note_refusal(&mut self, sql: &str) {
        let was = self.status;
        let can_not_begin = was.is_autocommit() && !was.is_in_transaction() && is_plain(sql);
        self.is_unsure = self.has_executed && !can_not_begin;
        // A refusal says nothing of it, and neither does what is asked next.
        self.is_suspect |= self.has_executed && self.is_tracked;
    }
}

/// Statements that open no transaction that stays, where none is open: those of data alone, each of which is one.
pub(super) fn is_plain(sql: &str) -> bool {
    let word = crate::db::tokens::first_keyword(sql);
    ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"].iter().any(|plain| word.eq_ignore_ascii_case(plain))
}
