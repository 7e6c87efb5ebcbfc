//! Locks with fencing tokens: see [`Table::lock`](crate::cache::Table::lock).
//!
//! A token is the server's time in microseconds, and more than the last one of the same name, which is kept beside the lock.
//! Both are watched before the time is asked for, so whoever gets the lock asked after the one before had it. A clock that is
//! set back, or a replica's that takes over, lets no token repeat as long as the last one is kept; and when that is evicted, the
//! time has gone on.

use redis::Value;

use super::answer;
use super::connection::{Failure, Order};
use super::keys::{self, Beside};
use super::value::{command, set, ttl};
use super::{Error, Remote};
use crate::cache::Expiry;

/// How long the last token is kept after its lock: clocks are set back by seconds, and by hours at worst, where somebody has
/// mistaken the zone.
const TOKEN_MS: u64 = 86_400_000;

/// What TIME says, in microseconds.
pub(super) fn micros(time: Value) -> Result<u64, Failure> {
    let [seconds, micros] = answer::each(answer::list(time)?)?;
    match (answer::digits(&seconds)?, answer::digits(&micros)?) {
        (Some(seconds), Some(micros)) => Ok(seconds.saturating_mul(1_000_000).saturating_add(micros)),
        _ => Err(Failure::Broken(answer::strange(None))),
    }
}

/// Takes a lock: its token, and that this is the last one.
pub(super) fn take(lock: &[u8], last: &[u8], token: u64, ttl_ms: u64) -> Order {
    let token = token.to_string();
    let keep = Expiry::After(ttl(ttl_ms).saturating_add(TOKEN_MS));
    let lock = set(lock, token.as_bytes(), Expiry::After(ttl(ttl_ms)));
    Order::write([set(last, token.as_bytes(), keep), lock]).together()
}

/// The token after the last one.
pub(super) fn next(last: &Value, time: Value) -> Result<u64, Failure> {
    let last = answer::digits(last)?;
    Ok(micros(time)?.max(last.map_or(0, |last| last.saturating_add(1))))
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
        let last = keys::beside(self.prefix(), Beside::Token, name)?;
        let look =
            Order::watch(&[&lock, &last], [command("GET", &[&lock]), command("GET", &[&last]), redis::cmd("TIME")]);
        self.at(&lock, |connection| {
            let [holder, before, time] = answer::each(connection.ask(&look)?)?;
            if answer::digits(&holder)?.is_some() {
                return Ok(None);
            }
            let token = next(&before, time)?;
            connection.ask(&take(&lock, &last, token, ttl_ms)).map(|_| Some(token))
        })
    }

    /// Gives a lock back; false when it isn't the token's any more.
    ///
    /// # Errors
    /// [`Error::Contended`], and why there is no answer.
    pub fn unlock(&self, name: &[u8], token: u64) -> Result<bool, Error> {
        self.if_held(&keys::beside(self.prefix(), Beside::Lock, name)?, token, |lock| {
            Order::write([command("DEL", &[lock])])
        })
    }

    /// Keeps a lock for some more time from now on; false when it isn't the token's any more.
    ///
    /// # Errors
    /// [`Error::Contended`], and why there is no answer.
    pub fn extend_lock(&self, name: &[u8], token: u64, ttl_ms: u64) -> Result<bool, Error> {
        let last = keys::beside(self.prefix(), Beside::Token, name)?;
        self.if_held(&keys::beside(self.prefix(), Beside::Lock, name)?, token, |lock| take(lock, &last, token, ttl_ms))
    }

    /// Who has a lock: its token.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn lock_holder(&self, name: &[u8]) -> Result<Option<u64>, Error> {
        let lock = keys::beside(self.prefix(), Beside::Lock, name)?;
        let look = Order::read([command("GET", &[&lock])]);
        self.at(&lock, |connection| answer::digits(&connection.ask(&look).and_then(answer::only)?))
    }

    /// Does something while a lock is the token's; whether it was.
    pub(super) fn if_held(&self, lock: &[u8], token: u64, then: impl Fn(&[u8]) -> Order) -> Result<bool, Error> {
        let look = Order::watch(&[lock], [command("GET", &[lock])]);
        let then = then(lock).together();
        self.at(lock, |connection| {
            let holder = answer::digits(&connection.ask(&look).and_then(answer::only)?)?;
            if holder != Some(token) {
                return Ok(false);
            }
            connection.ask(&then).map(|_| true)
        })
    }
}
