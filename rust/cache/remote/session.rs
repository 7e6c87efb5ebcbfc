//! Sessions: see [`Table::open_session`](crate::cache::Table::open_session).
//!
//! Whoever has one open has a key beside it, with a token that nobody else has and the time that he has it for. Unlike a lock's, the
//! token isn't kept after that: who writes compares it with what is there at that moment, so the next one needn't be the larger, and
//! a day of visitors would be a day of tokens. A server knows nothing of who has died: what he had open is free when its time is over.

use std::hash::{BuildHasher, RandomState};

use redis::{Cmd, Value};

use super::answer;
use super::connection::Order;
use super::keys::{self, Beside};
use super::value::{command, get_found, set, ttl};
use super::{Error, Remote};
use crate::cache::{Expiry, Found};

/// One that nobody has: 53 bits, so that PHP and JSON have it exactly, by the system's random numbers. Never 0.
fn token() -> u64 {
    (RandomState::new().hash_one(std::process::id()) >> 11).max(1)
}

fn lasting(ttl_ms: u64) -> Expiry {
    Expiry::After(ttl(ttl_ms))
}

impl Remote {
    fn session(&self, id: &[u8]) -> Result<Vec<u8>, Error> {
        keys::beside(self.prefix(), Beside::Session, id)
    }

    fn opened(&self, id: &[u8]) -> Result<Vec<u8>, Error> {
        keys::beside(self.prefix(), Beside::Opened, id)
    }

    /// Opens a session for some time, whether it is there or not, and gives the token to write it with; `None` when somebody else has
    /// it open.
    ///
    /// # Errors
    /// [`Error::Full`], and why there is no answer: with [`Error::may_have_run`] it may be open until the time is over.
    pub fn open_session(&self, id: &[u8], ttl_ms: u64) -> Result<Option<u64>, Error> {
        let (lock, token) = (self.opened(id)?, token());
        let mut take = set(&lock, token.to_string().as_bytes(), lasting(ttl_ms));
        take.arg("NX");
        self.write(&lock, take, |said| Ok((said != Value::Nil).then_some(token)))
    }

    /// Lets others open a session; false when it wasn't the token's any more.
    ///
    /// # Errors
    /// [`Error::Full`], whereupon its time runs out; [`Error::Contended`], and why there is no answer.
    pub fn close_session(&self, id: &[u8], token: u64) -> Result<bool, Error> {
        let lock = self.opened(id)?;
        self.if_open(&lock, token, command("DEL", &[&lock]))
    }

    /// Appends a session's data to `into`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn read_session(&self, id: &[u8], into: &mut Vec<u8>) -> Result<Option<Found>, Error> {
        let name = self.session(id)?;
        self.at(&name, |connection| get_found(connection, &name, into))
    }

    /// Puts a session's data for `ttl_ms` from now on. With a token it does so only while that has the session open; without one the
    /// last one to write wins.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::TooLong`], [`Error::Contended`], and why there is no answer.
    pub fn write_session(&self, id: &[u8], token: Option<u64>, data: &[u8], ttl_ms: u64) -> Result<bool, Error> {
        keys::fits(data)?;
        let name = self.session(id)?;
        let put = set(&name, data, lasting(ttl_ms));
        match token {
            Some(token) => self.if_open(&self.opened(id)?, token, put),
            None => self.write(&name, put, |_| Ok(true)),
        }
    }

    /// Keeps a session for `ttl_ms` from now on; false when there is none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn touch_session(&self, id: &[u8], ttl_ms: u64) -> Result<bool, Error> {
        let name = self.session(id)?;
        let mut keep = command("PEXPIRE", &[&name]);
        keep.arg(ttl(ttl_ms));
        self.write(&name, keep, |there| answer::done(&there))
    }

    /// Removes a session; whether there was one. Who has it open has lost it, so that nobody brings back what a logout has ended.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn destroy_session(&self, id: &[u8]) -> Result<bool, Error> {
        let (name, lock) = (self.session(id)?, self.opened(id)?);
        // In this order: what is written by the token that is gone comes to nothing.
        let order = Order::write([command("DEL", &[&lock]), command("DEL", &[&name])]);
        self.at(&name, |connection| {
            let [_, gone] = answer::each(connection.ask(&order)?)?;
            answer::done(&gone)
        })
    }

    /// Does something while a token has a session open; whether it had.
    fn if_open(&self, lock: &[u8], token: u64, then: Cmd) -> Result<bool, Error> {
        let look = Order::watch(&[lock], [command("GET", &[lock])]);
        let then = Order::write([then]).together();
        self.at(lock, |connection| {
            let holder = answer::only(connection.ask(&look)?)?;
            if answer::digits(&holder)? != Some(token) {
                return Ok(false);
            }
            connection.ask(&then).map(|_| true)
        })
    }
}
