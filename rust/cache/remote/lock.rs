//! Locks with fencing tokens: see [`Table::lock`](crate::cache::Table::lock).
//!
//! A lock is its last token, and it is held as long as that has more than a day to live. Given back it isn't removed: it lives
//! for one more day, so that the next token can be higher than the last, whatever the clock says. One name for both, so
//! a lock can be taken while a cluster hands its slot on. A server that is full takes no transactions, so a lock isn't given back
//! then: its time runs out.
//!
//! A token is the server's time in microseconds, and more than the last one. The lock is watched before the time is asked for, so
//! whoever gets it asked after the one before had it. Where the last token was evicted, the time has gone on.

use redis::{Cmd, Value};

use super::answer::{self, Expires};
use super::connection::{Failure, Order};
use super::keys::{self, Beside};
use super::value::{command, set, ttl};
use super::{Error, Remote};
use crate::cache::Expiry;

/// How long the last token is kept: clocks are set back by seconds, and by hours at worst, where somebody has mistaken the zone.
/// The same for every version of the engine that shares a server.
const TOKEN_MS: u64 = 86_400_000;

/// What is asked for before a lock is taken.
pub(super) fn look(lock: &[u8]) -> [Cmd; 2] {
    [command("GET", &[lock]), command("PTTL", &[lock])]
}

/// The last token, and whether it still has the lock.
#[derive(Clone, Copy)]
pub(super) struct Last {
    token: u64,
    holds: bool,
}

impl Last {
    /// What [`look`] shows.
    pub(super) fn read(token: &Value, left: &Value) -> Result<Option<Self>, Failure> {
        let holds = match answer::expires(left)? {
            Expires::Missing => false,
            Expires::Never => true,
            Expires::At(left_ms) => left_ms > TOKEN_MS,
        };
        Ok(answer::digits(token)?.map(|token| Self { token, holds }))
    }

    /// Whose the lock is.
    pub(super) fn holder(last: Option<Self>) -> Option<u64> {
        last.filter(|last| last.holds).map(|last| last.token)
    }

    /// The token after it.
    pub(super) fn next(last: Option<Self>, time: Value) -> Result<u64, Failure> {
        let [seconds, micros] = answer::each(answer::list(time)?)?;
        match (answer::digits(&seconds)?, answer::digits(&micros)?) {
            (Some(seconds), Some(micros)) => {
                let now = seconds.saturating_mul(1_000_000).saturating_add(micros);
                Ok(now.max(last.map_or(0, |last| last.token.saturating_add(1))))
            }
            _ => Err(Failure::Broken(answer::strange(None))),
        }
    }
}

/// Takes a lock.
pub(super) fn take(lock: &[u8], token: u64, ttl_ms: u64) -> Order {
    let expiry = Expiry::After(ttl(ttl_ms).saturating_add(TOKEN_MS));
    Order::write([set(lock, token.to_string().as_bytes(), expiry)]).together()
}

fn keep(lock: &[u8], ttl_ms: u64) -> Cmd {
    let mut keep = command("PEXPIRE", &[lock]);
    keep.arg(ttl(ttl_ms.saturating_add(TOKEN_MS)));
    keep
}

/// Gives one back.
pub(super) fn give_back(lock: &[u8]) -> Cmd {
    keep(lock, 0)
}

impl Remote {
    /// Takes the lock of a name for some time, and gives its fencing token, which is higher than every one before; `None` when
    /// somebody has it.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Contended`], and why there is no answer: with [`Error::may_have_run`] the lock may be taken until its
    /// time is over.
    pub fn lock(&self, name: &[u8], ttl_ms: u64) -> Result<Option<u64>, Error> {
        let lock = keys::beside(self.prefix(), Beside::Lock, name)?;
        let [token, left] = look(&lock);
        let look = Order::watch(&[&lock], [token, left, redis::cmd("TIME")]);
        self.at(&lock, |connection| {
            let [token, left, time] = answer::each(connection.ask(&look)?)?;
            let last = Last::read(&token, &left)?;
            if Last::holder(last).is_some() {
                return Ok(None);
            }
            let token = Last::next(last, time)?;
            connection.ask(&take(&lock, token, ttl_ms)).map(|_| Some(token))
        })
    }

    /// Gives a lock back; false when it isn't the token's any more.
    ///
    /// # Errors
    /// [`Error::Full`], whereupon its time runs out; [`Error::Contended`], and why there is no answer.
    pub fn unlock(&self, name: &[u8], token: u64) -> Result<bool, Error> {
        let lock = keys::beside(self.prefix(), Beside::Lock, name)?;
        self.if_held(&lock, token, Order::write([give_back(&lock)]))
    }

    /// Keeps a lock for some more time from now on; false when it isn't the token's any more.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Contended`], and why there is no answer.
    pub fn extend_lock(&self, name: &[u8], token: u64, ttl_ms: u64) -> Result<bool, Error> {
        let lock = keys::beside(self.prefix(), Beside::Lock, name)?;
        self.if_held(&lock, token, Order::write([keep(&lock, ttl_ms.max(1))]))
    }

    /// Who has a lock: its token.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn lock_holder(&self, name: &[u8]) -> Result<Option<u64>, Error> {
        let lock = keys::beside(self.prefix(), Beside::Lock, name)?;
        let look = Order::at_once(&lock, look(&lock));
        self.at(&lock, |connection| {
            let [token, left] = answer::each(connection.ask(&look)?)?;
            Last::read(&token, &left).map(Last::holder)
        })
    }

    /// Does something while a lock is the token's; whether it was.
    pub(super) fn if_held(&self, lock: &[u8], token: u64, then: Order) -> Result<bool, Error> {
        let look = Order::watch(&[lock], look(lock));
        let then = then.together();
        self.at(lock, |connection| {
            let [last, left] = answer::each(connection.ask(&look)?)?;
            if Last::holder(Last::read(&last, &left)?) != Some(token) {
                return Ok(false);
            }
            connection.ask(&then).map(|_| true)
        })
    }
}
