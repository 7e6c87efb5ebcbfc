//! A statement of a transaction whose rows come in parts, while other statements run on the same connection: a named portal,
//! executed with a limit of rows.
//!
//! Each part ends with Sync, which ends the transaction only where none was begun; so the server counts the time of each
//! part by itself, and the connection is ready for others between two of them.
//!
//! What always holds: a portal that its transaction's end has closed is never asked for rows, because that would fail the
//! transaction that has begun since.

use super::decode::Decoder;
use super::execute::{Answered, unsendable};
use super::message::Status;
use super::statements::Prepared;
use super::{Outcome, PgSession, encode};
use crate::db::connection::{Failure, Work};
use crate::db::flow::Flow;
use crate::db::parts;
use crate::json::forms::Forms;
use postgres_protocol::message::frontend;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of the first part: nothing is known about them yet, and most readers want the first ones soon.
const FIRST_ROWS: usize = 64;

/// Rows of one part at most, however short those before were: rows of up to 128 KiB then stay within
/// `db.result_bytes_max` whatever comes, and a round trip for 512 rows is little beside them.
const ROWS_MAX: usize = 512;

/// How many bytes a part should have, as a stream's chunk.
const PART_BYTES: usize = 256 * 1024;

/// A statement that is open on the server.
pub(in crate::db) struct Portal {
    name: String,
    prepared: Arc<Prepared>,
    forms: Forms,
    /// The number of the transaction that it lives in.
    transaction: u64,
    /// How many doubts there were when it was last known to be there.
    doubts: u64,
    rows_next: usize,
    pub(super) has_rest: bool,
    left: Names,
}

/// Portals that nobody reads any more.
type Names = Arc<Mutex<Vec<String>>>;

/// What a connection knows of its portals.
#[derive(Default)]
pub(super) struct Portals {
    named: u64,
    /// Counts the ends of transactions: they close every portal.
    transaction: u64,
    /// Counts the statements that may have closed some: `ROLLBACK TO`, `CLOSE`.
    doubts: u64,
    left: Names,
}

impl Portals {
    /// Takes note of a statement's command tag.
    pub(super) fn note_tag(&mut self, tag: &[u8]) {
        if tag.starts_with(b"COMMIT") {
            self.transaction += 1; // also where AND CHAIN begins another
        }
        if tag.starts_with(b"ROLLBACK") || tag.starts_with(b"CLOSE") {
            self.doubts += 1;
        }
    }

    /// Takes note of where the transaction stands.
    pub(super) fn note_status(&mut self, status: Status) {
        if status == Status::Idle {
            self.transaction += 1;
        }
    }

    /// Whether rows of one may still be asked for.
    pub(super) fn are_read(&self) -> bool {
        Arc::strong_count(&self.left) > 1
    }

    /// The names of those that can be closed.
    pub(super) fn take_left(&self) -> Vec<String> {
        std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        if self.has_rest {
            // Closed in the write of the next statement, or with the transaction.
            self.left.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut self.name));
        }
    }
}

impl PgSession {
    /// Opens a portal, and reads its first rows.
    pub(super) async fn open_portal(&mut self, work: Work<'_>, flow: &mut Flow) -> Result<Outcome<Portal>, Failure> {
        let prepared = match self.prepared(work.sql, true).await? {
            Ok(prepared) => prepared,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.portals.named += 1;
        let name = format!("lyger_portal_{}", self.portals.named);
        let values = encode::values(&prepared.parameters, work.params).map_err(Failure::Refused)?;
        let formats = prepared.fields.iter().map(|(_, of_type)| of_type.format(work.forms));
        self.close_left()?;
        let output = &mut self.stream.output;
        if let Err(error) = encode::bind(&name, &prepared.name, &values, formats, output) {
            output.clear();
            return Err(Failure::Refused(error));
        }
        let mut portal = Portal {
            name,
            prepared,
            forms: work.forms,
            transaction: self.portals.transaction,
            doubts: self.portals.doubts,
            rows_next: FIRST_ROWS,
            has_rest: true,
            left: Arc::clone(&self.portals.left),
        };
        Ok(self.next_part(&mut portal, true, flow).await?.map(|()| portal))
    }

    /// Reads a portal's next rows.
    pub(super) async fn fetch_part(&mut self, portal: &mut Portal, flow: &mut Flow) -> Result<Outcome<()>, Failure> {
        if portal.transaction == self.portals.transaction && portal.doubts != self.portals.doubts {
            let sql = format!("SELECT 1 FROM pg_cursors WHERE name = '{}'", portal.name);
            match self.simple(&sql).await? {
                Ok(rows) if rows.is_empty() => portal.transaction = u64::MAX,
                Ok(_) => portal.doubts = self.portals.doubts,
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        if portal.transaction != self.portals.transaction {
            portal.has_rest = false;
            return Err(Failure::Refused(parts::gone()));
        }
        self.close_left()?;
        self.next_part(portal, false, flow).await
    }

    async fn next_part(
        &mut self,
        portal: &mut Portal,
        is_bound: bool,
        flow: &mut Flow,
    ) -> Result<Outcome<()>, Failure> {
        let rows = i32::try_from(portal.rows_next).unwrap_or(i32::MAX);
        frontend::execute(&portal.name, rows, &mut self.stream.output).map_err(unsendable)?;
        frontend::sync(&mut self.stream.output);
        self.stream.flush().await?;
        self.stream.sent = true;
        let mut decoder = Decoder::new(&portal.prepared, portal.forms);
        let answered = match self.answer(is_bound.then_some(&*portal.prepared), &mut decoder, flow).await? {
            Ok(answered) => answered,
            Err(refusal) => {
                portal.has_rest = false; // it went with its transaction
                return Ok(Err(refusal));
            }
        };
        let Answered { is_suspended, .. } = answered;
        portal.has_rest = is_suspended;
        let row_bytes = (flow.taken() / portal.rows_next).max(1);
        portal.rows_next = (PART_BYTES / row_bytes).clamp(1, ROWS_MAX.min(portal.rows_next * 4));
        flow.emit(decoder.take_table()).await?;
        self.stream.shrink();
        Ok(Ok(()))
    }

    /// Has the server close the portals that nobody reads any more, in the write that follows.
    pub(super) fn close_left(&mut self) -> Result<(), Failure> {
        for name in self.portals.take_left() {
            frontend::close(b'P', &name, &mut self.stream.output).map_err(unsendable)?;
        }
        Ok(())
    }
}
