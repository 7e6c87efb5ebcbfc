//! One statement on its connection: prepared where it isn't yet, bound, executed, and answered to the end.

use super::decode::Decoder;
use super::message::{self, Body, Change, Field, Refusal, Status, strange};
use super::statements::Prepared;
use super::types::{self, Answer, Type};
use super::{Outcome, PgSession, Renames, encode};
use crate::db::Error;
use crate::db::connection::{Failure, Work};
use crate::db::flow::Flow;
use crate::json::spare::Spare;
use postgres_protocol::message::frontend;
use std::io;
use std::sync::Arc;

/// What COPY TO STDOUT may send before the connection is given up instead of read to the end.
const COPIED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many types of an installation a connection remembers: enums, domains and their arrays. More is no schema, but
/// something that makes and drops types.
const TYPES_MAX: usize = 1024;

/// Domains of domains of arrays of domains: nobody nests deeper.
const TYPE_DEPTH_MAX: usize = 16;

/// How a statement's execution ended.
#[derive(Default)]
pub(super) struct Answered {
    /// The number of its command tag.
    pub(super) affected: u64,
    /// It has more rows than were asked for.
    pub(super) is_suspended: bool,
}

impl PgSession {
    /// Runs a statement once; its rows go into `flow`. Gives the number of its command tag.
    pub(super) async fn attempt(&mut self, work: Work<'_>, flow: &mut Flow) -> Result<Outcome<u64>, Failure> {
        let has_limit = !flow.is_stream();
        let prepared = match self.prepared(work.sql, has_limit).await? {
            Ok(prepared) => prepared,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let values = encode::values(&prepared.parameters, work.params).map_err(Failure::Refused)?;
        let turned = self.turn_timer(has_limit)?;
        self.close_left()?;
        let formats = prepared.fields.iter().map(|(_, of_type)| of_type.format(work.forms));
        let output = &mut self.stream.output;
        if let Err(error) = encode::bind("", &prepared.name, &values, formats, output) {
            output.clear();
            self.timer.is_set ^= turned;
            return Err(Failure::Refused(error));
        }
        frontend::execute("", 0, output).map_err(unsendable)?;
        frontend::sync(output);
        self.stream.flush().await?;
        // A server that didn't get the whole of it has not executed it.
        self.stream.sent = true;
        if turned {
            self.until_ready(|_, _| Ok(())).await??;
        }

        let mut decoder = Decoder::new(&prepared, work.forms);
        let outcome = self.answer(Some(&prepared), &mut decoder, flow).await?;
        if outcome.is_ok() {
            flow.finish(decoder.into_table()).await?;
        }
        Ok(outcome.map(|answered| answered.affected))
    }

    fn note_status(&mut self, status: Status) {
        self.status = status;
        self.portals.note_status(status);
        if status != Status::Idle {
            return;
        }
        if std::mem::take(&mut self.changes_schema) {
            self.statements.schema_has_changed(); // it holds for others only now, or was rolled back
        }
        // What was changed for the transaction is as it was before.
        if std::mem::take(&mut self.renames) != Renames::No {
            self.dropped.extend(self.statements.leave_home());
        }
    }

    fn note_change(&mut self, change: Change) {
        match change {
            Change::None => {}
            Change::Perhaps if self.renames == Renames::No => {}
            Change::Perhaps => self.rename(self.renames),
            Change::OfPath => self.rename(Renames::Path),
            Change::New => {
                // Where the path of schemas begins with the one of temporary tables.
                self.is_tainted |= self.has_temporary_home || self.renames == Renames::Path;
                self.dropped.extend(self.statements.forget_all());
                self.rename(Renames::Tables);
            }
            Change::OfSchema => {
                self.changes_schema = true;
                self.statements.schema_has_changed();
                self.rename(Renames::Tables);
            }
        }
    }

    /// Names may mean something else from now on, and once more when the open transaction ends.
    pub(super) fn rename(&mut self, what: Renames) {
        self.dropped.extend(self.statements.leave_home());
        if self.status != Status::Idle {
            self.renames = self.renames.max(what);
        }
    }

    /// The statement, prepared now where it isn't yet.
    pub(super) async fn prepared(&mut self, sql: &str, has_limit: bool) -> Result<Outcome<Arc<Prepared>>, Failure> {
        match self.statements.get(sql, &mut self.dropped) {
            Some(prepared) => Ok(Ok(prepared)),
            None => Box::pin(self.prepare(sql, has_limit)).await,
        }
    }

    /// Reads the answer to Execute and Sync, and to Bind before them where that is of a statement.
    pub(super) async fn answer(
        &mut self,
        mut bound: Option<&Prepared>,
        decoder: &mut Decoder,
        flow: &mut Flow,
    ) -> Result<Outcome<Answered>, Failure> {
        let mut outcome = Ok(Answered::default());
        let has_columns = bound.is_none_or(|prepared| !prepared.fields.is_empty());
        let mut copied = None;
        loop {
            while let Some(header) = self.stream.ready()? {
                let body = self.stream.body(header);
                match header.kind {
                    b'D' => {
                        let bytes = decoder.push_row(body)?;
                        self.stream.consume(header);
                        if flow.take(bytes).map_err(Failure::Cut)? {
                            flow.emit(decoder.take_table()).await?;
                        }
                        continue;
                    }
                    b'C' => {
                        if message::drops_statements(body) {
                            self.statements.clear();
                            self.dropped.clear();
                        }
                        self.portals.note_tag(body);
                        let change = message::change(body, has_columns);
                        outcome = Ok(Answered { affected: message::affected(body)?, is_suspended: false });
                        self.note_change(change);
                    }
                    b's' => outcome = Ok(Answered { affected: 0, is_suspended: true }),
                    b'E' => {
                        let mut refusal = refusal(body)?;
                        refusal.refuses_bind = bound.is_some();
                        outcome = Err(refusal);
                    }
                    b'2' => bound = None,
                    b'Z' => {
                        self.note_status(message::status(body)?);
                        self.stream.consume(header);
                        return if copied.is_some() { Err(Failure::Refused(copy_refused())) } else { Ok(outcome) };
                    }
                    // COPY FROM STDIN: the server took the Sync for a part of it, and wants another behind the refusal.
                    b'G' => {
                        copied = Some(0);
                        frontend::copy_fail("not supported", &mut self.stream.output).map_err(unsendable)?;
                        frontend::sync(&mut self.stream.output);
                        self.stream.flush().await?;
                    }
                    b'H' => copied = Some(0),
                    b'd' => {
                        let bytes = copied.get_or_insert(0);
                        *bytes += body.len();
                        if *bytes > COPIED_BYTES_MAX {
                            return Err(Failure::Cut(copy_refused()));
                        }
                    }
                    b'S' => {
                        // Since PostgreSQL 18 the path of schemas is told, too.
                        self.reported.note(body)?;
                        self.rename(Renames::Path);
                    }
                    // CloseComplete, CopyDone, EmptyQueryResponse, notices, notifications
                    b'3' | b'c' | b'I' | b'N' | b'A' => {}
                    _ => return Err(strange("unknown message type")),
                }
                self.stream.consume(header);
            }
            self.stream.fill().await?;
            flow.heard();
        }
    }

    /// Has the server's own limit set or lifted, in the write that follows. Whether there is an answer to read.
    fn turn_timer(&mut self, is_set: bool) -> Result<bool, Failure> {
        // In a transaction a ROLLBACK would take the change back; and there nothing streams.
        if self.timer.is_set == is_set || self.timer.limit_ms == 0 || self.status != Status::Idle {
            return Ok(false);
        }
        let limit_ms = if is_set { self.timer.limit_ms } else { 0 };
        let sql = format!("SET statement_timeout = {limit_ms}");
        frontend::query(&sql, &mut self.stream.output).map_err(unsendable)?;
        self.timer.is_set = is_set;
        Ok(true)
    }

    /// Has the server parse a statement, and say what goes in and what comes out.
    async fn prepare(&mut self, sql: &str, has_limit: bool) -> Result<Outcome<Arc<Prepared>>, Failure> {
        if sql.contains('\0') {
            let message = "the statement holds a NUL byte".to_owned();
            return Err(Failure::Refused(Error::Query { message, sqlstate: Some("42601".to_owned()) }));
        }
        let turned = self.turn_timer(has_limit)?;
        let (name, evicted) = self.statements.name(sql);
        self.dropped.extend(evicted);
        let output = &mut self.stream.output;
        // Not where rows of a portal may still be asked for: it ends with its statement.
        if self.status == Status::Idle || !self.portals.are_read() {
            for dropped in self.dropped.drain(..) {
                frontend::close(b'S', &dropped, output).map_err(unsendable)?;
            }
        }
        frontend::parse(&name, sql, [], output).map_err(unsendable)?;
        frontend::describe(b'S', &name, output).map_err(unsendable)?;
        frontend::sync(output);
        self.stream.flush().await?;
        if turned {
            self.until_ready(|_, _| Ok(())).await??;
        }

        let (mut oids, mut fields) = (Vec::new(), Vec::new());
        let described = self.until_ready(|kind, body| {
            match kind {
                b't' => oids = message::parameter_types(body)?,
                b'T' => fields = message::fields(body)?,
                // ParseComplete, CloseComplete, NoData
                b'1' | b'3' | b'n' => {}
                _ => return Err(strange("unknown message type")),
            }
            Ok(())
        });
        if let Err(refusal) = described.await? {
            return Ok(Err(refusal));
        }
        let is_known = |oid: &u32| Type::built_in(*oid).is_some() || self.types.contains_key(oid);
        let asks = !oids.iter().chain(fields.iter().map(|field: &Field| &field.oid)).all(is_known);
        let mut parameters = Vec::with_capacity(oids.len());
        for oid in oids {
            parameters.push(self.type_of(oid).await?);
        }
        let mut typed: Vec<(Field, Type)> = Vec::with_capacity(fields.len());
        for field in fields {
            let of_type = self.type_of(field.oid).await?;
            typed.push((field, of_type));
        }
        // A question of the engine's own has taken the place of a statement without a name.
        if name.is_empty() && asks {
            frontend::parse("", sql, [], &mut self.stream.output).map_err(unsendable)?;
            frontend::sync(&mut self.stream.output);
            self.stream.flush().await?;
            if let Err(refusal) = self.until_ready(|_, _| Ok(())).await? {
                return Ok(Err(refusal));
            }
        }
        let prepared = Arc::new(Prepared { name, parameters, fields: typed, spare: Spare::default() });
        self.statements.insert(sql, Arc::clone(&prepared));
        Ok(Ok(prepared))
    }

    /// What a type is; the server is asked once about those of its installation.
    async fn type_of(&mut self, oid: u32) -> Result<Type, Failure> {
        let (mut asked, mut next) = (Vec::new(), oid);
        let mut base = loop {
            if let Some(known) = Type::built_in(next).or_else(|| self.types.get(&next).copied()) {
                break Some(known);
            }
            let row = match self.simple(&types::question(next)).await? {
                Ok(mut rows) => rows.pop().unwrap_or_default(),
                // A server that has no such table knows no such types either.
                Err(_) => Vec::new(),
            };
            let [name, made_of, is_array, delimiter, sent_by] = row.as_slice() else { break None };
            let made_of = made_of.parse().unwrap_or(0);
            let delimiter = delimiter.as_bytes().first().copied().unwrap_or(b',');
            asked.push((next, name.clone(), is_array == "t", delimiter, sent_by.clone()));
            next = made_of;
            if next == 0 || asked.len() == TYPE_DEPTH_MAX {
                break None;
            }
        };
        if self.types.len() > TYPES_MAX {
            self.types.clear();
        }
        for (oid, name, is_array, delimiter, sent_by) in asked.into_iter().rev() {
            let answer = Answer { name: &name, is_array, delimiter, sent_by: &sent_by };
            let found = Type::of_answer(oid, &answer, base);
            self.types.insert(oid, found);
            base = Some(found);
        }
        Ok(base.unwrap_or(Type { oid, ..Type::TEXT }))
    }

    /// Runs statements of the engine's own, without parameters; the rows as texts, NULL as an empty one.
    pub(super) async fn simple(&mut self, sql: &str) -> Result<Outcome<Vec<Vec<String>>>, Failure> {
        frontend::query(sql, &mut self.stream.output).map_err(unsendable)?;
        self.stream.flush().await?;
        let mut rows = Vec::new();
        let outcome = self.until_ready(|kind, body| {
            match kind {
                b'D' => {
                    let mut body = Body(body);
                    let count = body.u16()?;
                    let cell = |_| Ok(String::from_utf8_lossy(body.cell()?.unwrap_or_default()).into_owned());
                    rows.push((0..count).map(cell).collect::<Result<_, Failure>>()?);
                }
                b'T' | b'C' | b'I' => {}
                _ => return Err(strange("unknown message type")),
            }
            Ok(())
        });
        Ok(outcome.await?.map(|()| rows))
    }

    /// Reads up to ReadyForQuery, and shows each message that is not the server's own affair.
    pub(super) async fn until_ready(
        &mut self,
        mut each: impl FnMut(u8, &[u8]) -> Result<(), Failure>,
    ) -> Result<Outcome<()>, Failure> {
        let mut outcome = Ok(());
        loop {
            let header = self.stream.next().await?;
            let body = self.stream.body(header);
            let is_last = header.kind == b'Z';
            match header.kind {
                b'Z' => {
                    self.note_status(message::status(body)?);
                }
                b'E' => outcome = Err(refusal(body)?),
                b'S' => self.reported.note(body)?,
                b'N' | b'A' => {}
                kind => each(kind, body)?,
            }
            self.stream.consume(header);
            if is_last {
                return Ok(outcome);
            }
        }
    }
}

/// The server's refusal; as a failure when the server hangs up behind it.
fn refusal(body: &[u8]) -> Result<Refusal, Failure> {
    let refusal = Refusal::read(body)?;
    if refusal.ends_connection() { Err(refusal.into()) } else { Ok(refusal) }
}

/// COPY to or from the client is a conversation of its own, which the engine doesn't have.
fn copy_refused() -> Error {
    let message =
        "COPY ... FROM STDIN and COPY ... TO STDOUT are not supported: use INSERT and SELECT, or a server's file";
    Error::Query { message: message.to_owned(), sqlstate: Some("0A000".to_owned()) }
}

// The crate refuses what would be longer than the protocol's lengths.
pub(super) fn unsendable(_: io::Error) -> Failure {
    let message = "the statement is too long to be sent: a gigabyte is the most".to_owned();
    Failure::Cut(Error::Query { message, sqlstate: Some("54000".to_owned()) })
}
