//! Connections: those in use are counted, those that aren't wait here.
//!
//! What always holds: no more than `max` are open; one is used by one call at a time; one that was made in another process
//! is never used. A child that was forked drops its copies of its parent's, which says nothing to the server.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::dsn::Address;
use super::error::Error;

pub(super) struct Pool {
    state: Mutex<State>,
    freed: Condvar,
    max: usize,
    wait: Duration,
}

struct State {
    /// Whose connections these are.
    pid: u32,
    /// The last one used last.
    idle: Vec<Connection>,
    /// Idle ones and those in use.
    open: usize,
}

/// A connection in use. Dropped, it is closed.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    pid: u32,
    connection: Option<Connection>,
}

impl Pool {
    pub(super) fn new(max: usize, wait: Duration) -> Self {
        let state = State { pid: std::process::id(), idle: Vec::new(), open: 0 };
        Self { state: Mutex::new(state), freed: Condvar::new(), max, wait }
    }

    /// Poisoned or not: a panic in another thread leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to a server, a used one or what `open` makes.
    pub(super) fn lease(
        &self,
        address: &Address,
        open: impl FnOnce() -> Result<Connection, Error>,
    ) -> Result<Lease<'_>, Error> {
        let deadline = Instant::now() + self.wait;
        let pid = std::process::id();
        let mut state = self.state();
        if state.pid != pid {
            *state = State { pid, idle: Vec::new(), open: 0 };
        }
        loop {
            if let Some(at) = state.idle.iter().rposition(|connection| connection.address == *address) {
                let mut connection = state.idle.remove(at);
                if connection.is_quiet() {
                    return Ok(Lease { pool: self, pid, connection: Some(connection) });
                }
                state.open -= 1;
                continue;
            }
            if state.open < self.max {
                state.open += 1;
                break;
            }
            if !state.idle.is_empty() {
                // The one that has been idle for longest makes room for one to another node.
                state.idle.remove(0);
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let timeout_ms = self.wait.as_millis() as u64;
                return Err(Error::NoneFree { connections_max: self.max, timeout_ms });
            }
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        // Before it is there, so that one that can't be made frees its place.
        let mut lease = Lease { pool: self, pid, connection: None };
        lease.connection = Some(open()?);
        Ok(lease)
    }
}

impl Lease<'_> {
    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it has one until it is given back")
    }

    /// For the next one to use.
    pub(super) fn give_back(mut self) {
        let connection = self.connection.take();
        let mut state = self.pool.state();
        // Else this process was forked off amid a call.
        if state.pid == self.pid {
            state.idle.extend(connection);
            drop(state);
            self.pool.freed.notify_one();
        }
        std::mem::forget(self);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        if state.pid == self.pid {
            state.open -= 1;
            drop(state);
            self.pool.freed.notify_one();
        }
    }
}
