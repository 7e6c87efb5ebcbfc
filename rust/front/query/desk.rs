//! The calls of workers: statements on the front's connections, whose rows the worker waits for at the other end of its lane.
//!
//! Each request of a worker is a client of the databases ([`Client`]): what its statements leave on a connection is kept here
//! under the worker's and the request's number, until the request has been answered. Number 0 is what a worker does
//! beside its requests, while it loads its application. What a request does side by side are strands, each of them a client.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;

use super::super::dispatch::{Desk, Tab};
use super::super::station::{Errand, WorkerNumber};
use super::super::wire::{Ask, CallParts};
use super::Front;
use super::sql::{Database, PACKED_IN_PLACE_BYTES_MAX};
use crate::db::{Client, Cursor, Dialect, Dsn, Error, Given, Rows, Statement, outcome, params};
use crate::lane;
use crate::runtime::local;

/// The desk of a front's dispatch.
pub(in crate::front) fn desk(front: &Rc<Front>) -> Box<dyn Desk> {
    Box::new(SqlDesk { front: Rc::downgrade(front) })
}

struct SqlDesk {
    front: Weak<Front>,
}

impl Desk for SqlDesk {
    /// A call whose worker dies is dropped, and its statement is stopped.
    fn run(&self, worker: WorkerNumber, call: lane::Call) -> Errand {
        let front = self.front.clone();
        Box::new(Running(local::spawn(async move {
            let Some(front) = front.upgrade() else { return };
            let _away = front.joint.away();
            // A panic was reported by its hook; the worker must have its reply all the same.
            if let Some(other) = CallParts::read(&call.bytes).filter(|parts| parts.ask == Ask::Cancel) {
                front.dispatch.cancel_call(worker, other.stream);
            }
            let reply = AssertUnwindSafe(front.database.reply_to(worker, call.bytes)).catch_unwind().await;
            front.dispatch.reply(worker, call.id, reply.ok().flatten().unwrap_or_default().into());
        })))
    }

    fn leave(&self, worker: WorkerNumber, request: u64) -> Option<Tab> {
        let front = self.front.upgrade()?;
        Some(Box::new(Leaving(front.database.guests.see_off(worker, request)?)))
    }

    fn forget(&self, worker: WorkerNumber) {
        if let Some(front) = self.front.upgrade() {
            front.database.guests.0.borrow_mut().retain(|(of, ..), _| *of != worker);
        }
    }
}

struct Running(tokio::task::JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A client's name: the worker, its request, and the request's strand.
type Name = (WorkerNumber, u64, u64);

/// The clients that keep a connection or read a stream, or run a statement at the moment.
#[derive(Default)]
pub(super) struct Guests(RefCell<BTreeMap<Name, Rc<Guest>>>);

/// What a client has of the databases.
#[derive(Default)]
struct Guest {
    client: Client,
    cursors: RefCell<HashMap<u64, Rc<tokio::sync::Mutex<Cursor>>>>,
}

impl Guests {
    fn welcome(&self, name: Name) -> Rc<Guest> {
        Rc::clone(self.0.borrow_mut().entry(name).or_default())
    }

    /// Forgets a guest that has nothing left and does nothing more. The caller's hold counts as one.
    fn tidy(&self, name: Name, guest: &Rc<Guest>) {
        let is_here = Rc::strong_count(guest) == 2;
        if is_here && guest.client.is_empty() && guest.cursors.borrow().is_empty() {
            self.0.borrow_mut().remove(&name);
        }
    }

    /// All that a request was; the first is its first strand.
    fn see_off(&self, worker: WorkerNumber, request: u64) -> Option<Vec<Rc<Guest>>> {
        let mut guests = self.0.borrow_mut();
        let names: Vec<Name> =
            guests.range((worker, request, 0)..=(worker, request, u64::MAX)).map(|(name, _)| *name).collect();
        if names.is_empty() {
            return None;
        }
        let first = guests.remove(&(worker, request, 0)).unwrap_or_default();
        Some(std::iter::once(first).chain(names.iter().filter_map(|name| guests.remove(name))).collect())
    }
}

/// A request that has left its worker. Dropped, it gives back the connections that it kept. Never empty.
pub(super) struct Leaving(Vec<Rc<Guest>>);

impl Leaving {
    /// What the dispatch has passed on; without it a client that has nothing yet.
    pub(super) fn of(tab: Option<Tab>) -> Self {
        match tab.map(Box::<dyn std::any::Any>::downcast::<Self>) {
            Some(Ok(leaving)) => *leaving,
            Some(Err(_)) | None => Self(vec![Rc::default()]),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.0[0].client
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        for guest in self.0.drain(..) {
            guest.cursors.borrow_mut().clear();
            if !guest.client.is_empty() {
                local::spawn(async move { guest.client.end().await });
            }
        }
    }
}

impl Database {
    /// What a worker gets for its call; `None` when the engine failed.
    async fn reply_to(&self, worker: WorkerNumber, call: Bytes) -> Option<Vec<u8>> {
        let parts = CallParts::read(&call)?;
        let name = (worker, parts.request, parts.strand);
        let guest = self.guests.welcome(name);
        let reply = match parts.ask {
            Ask::Run => packed(self.run_for(&guest, parts).await?).await,
            Ask::Open => {
                let chunk = match self.open_for(&guest, parts).await {
                    Ok(()) => next(&guest, parts.stream).await,
                    Err(error) => Err(error),
                };
                Some(outcome::pack_chunk(chunk))
            }
            Ask::Next => Some(outcome::pack_chunk(next(&guest, parts.stream).await)),
            Ask::Close => {
                guest.cursors.borrow_mut().remove(&parts.stream);
                Some(outcome::pack_chunk(Ok(None)))
            }
            Ask::State => Some(outcome::pack(&self.state_of(&guest, parts).await)),
            Ask::End => {
                guest.client.end().await;
                Some(outcome::pack_chunk(Ok(None)))
            }
            Ask::Cancel => Some(outcome::pack_chunk(Ok(None))), // done where the calls are
        };
        self.guests.tidy(name, &guest);
        reply
    }

    async fn run_for(&self, guest: &Guest, parts: CallParts<'_>) -> Option<Result<Rows, Error>> {
        let (dsn, values) = match self.read(parts) {
            Ok(read) => read,
            Err(error) => return Some(Err(error)),
        };
        if dsn.dialect() == Dialect::Sqlite {
            // A worker runs these itself; the front's thread must not wait for a disk whoever asks.
            let (pools, sql) = (Arc::clone(&self.pools), parts.sql.to_owned());
            let work = move || pools.query_sqlite(&Client::default(), &dsn, Statement::new(&sql, values));
            return self.sqlite.run(work).await;
        }
        Some(self.pools.query(&guest.client, &dsn, statement(parts, values)).await)
    }

    async fn open_for(&self, guest: &Guest, parts: CallParts<'_>) -> Result<(), Error> {
        let (dsn, values) = self.read(parts)?;
        let cursor = self.pools.stream(&guest.client, &dsn, statement(parts, values)).await?;
        guest.cursors.borrow_mut().insert(parts.stream, Rc::new(tokio::sync::Mutex::new(cursor)));
        Ok(())
    }

    async fn state_of(&self, guest: &Guest, parts: CallParts<'_>) -> Result<Rows, Error> {
        let dsn = self.pools.dsn(parts.dsn)?;
        Ok(Rows { affected: guest.client.transaction(&dsn).await as u64, ..Rows::default() })
    }

    fn read(&self, parts: CallParts<'_>) -> Result<(Arc<Dsn>, Given), Error> {
        Ok((self.pools.dsn(parts.dsn)?, params::decode(parts.params)?))
    }
}

fn statement(parts: CallParts<'_>, values: Given) -> Statement<'_> {
    let CallParts { sql, timeout_ms, retries, forms, .. } = parts;
    Statement {
        timeout_ms: (timeout_ms > 0).then_some(timeout_ms),
        retries: retries.into(),
        forms,
        ..Statement::new(sql, values)
    }
}

/// The next chunk of a stream, which is forgotten with its last.
async fn next(guest: &Guest, stream: u64) -> Result<Option<crate::db::Table>, Error> {
    let cursor = guest.cursors.borrow().get(&stream).cloned();
    let chunk = match cursor {
        Some(cursor) => cursor.lock().await.next().await,
        None => Ok(None),
    };
    if !matches!(chunk, Ok(Some(_))) {
        guest.cursors.borrow_mut().remove(&stream);
    }
    chunk
}

async fn packed(outcome: Result<Rows, Error>) -> Option<Vec<u8>> {
    match &outcome {
        Ok(rows) if rows.table.byte_len() > PACKED_IN_PLACE_BYTES_MAX => {
            tokio::task::spawn_blocking(move || outcome::pack(&outcome)).await.ok()
        }
        outcome => Some(outcome::pack(outcome)),
    }
}
