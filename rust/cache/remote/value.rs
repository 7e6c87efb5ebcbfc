//! Whole values and parts of them.

use redis::{Cmd, Value};

use super::answer::{self, Expires};
use super::connection::{Connection, Failure, Order};
use super::{Error, Remote, keys};
use crate::cache::{Condition, Expiry, Found, Written};

/// Half of what the server's clock can hold: it adds the time to this. 146 million years.
const TTL_MS_MAX: u64 = 1 << 62;

pub(super) fn command(name: &str, args: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(args);
    command
}

/// Milliseconds as the server takes them: not 0, which it refuses. What lives for 0 ms lives for 1.
pub(super) fn ttl(ms: u64) -> u64 {
    ms.clamp(1, TTL_MS_MAX)
}

/// A time as the server takes it. 1970 is past.
fn time(at: u64) -> u64 {
    at.clamp(1, i64::MAX as u64)
}

/// `SET` with an expiry.
pub(super) fn set(name: &[u8], value: &[u8], expiry: Expiry) -> Cmd {
    let mut set = command("SET", &[name, value]);
    match expiry {
        Expiry::Never => {}
        Expiry::At(at) => _ = set.arg("PXAT").arg(time(at)),
        // What is over at once can't be said as a duration.
        Expiry::After(0) => _ = set.arg("PXAT").arg(1),
        Expiry::After(ms) => _ = set.arg("PX").arg(ttl(ms)),
        Expiry::Keep => _ = set.arg("KEEPTTL"),
    }
    set
}

/// What GET and PEXPIRETIME say of a value, which is appended to `into`.
pub(super) fn found(value: Value, expires: &Value, into: &mut Vec<u8>) -> Result<Option<Found>, Failure> {
    let expires_at = match answer::expires(expires)? {
        Expires::Never => None,
        Expires::At(at) => Some(at),
        // It went between the two: it is over, whatever the time.
        Expires::Missing => Some(0),
    };
    let Some(value) = answer::bytes(value)? else { return Ok(None) };
    into.extend_from_slice(&value);
    Ok(Some(Found { len: value.len(), expires_at }))
}

pub(super) fn get_found(
    connection: &mut Connection,
    name: &[u8],
    into: &mut Vec<u8>,
) -> Result<Option<Found>, Failure> {
    let order = Order::read([command("GET", &[name]), command("PEXPIRETIME", &[name])]);
    let [value, expires] = answer::each(connection.ask(&order)?)?;
    found(value, &expires, into)
}

impl Remote {
    /// The name of a value on the server.
    pub(super) fn name(&self, key: &[u8]) -> Result<Vec<u8>, Error> {
        keys::value(self.prefix(), key)
    }

    /// One command for one value.
    pub(super) fn write<R>(
        &self,
        name: &[u8],
        command: Cmd,
        read: impl Fn(Value) -> Result<R, Failure>,
    ) -> Result<R, Error> {
        let order = Order::write([command]);
        self.at(name, |connection| connection.ask(&order).and_then(answer::only).and_then(&read))
    }

    /// Appends the value of a key to `into`. Its expiry is asked for right behind it: where another is put at that very moment, it
    /// is that one's.
    ///
    /// # Errors
    /// [`Error::WrongType`], and why there is no answer.
    pub fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Option<Found>, Error> {
        let name = self.name(key)?;
        self.at(&name, |connection| get_found(connection, &name, into))
    }

    /// What is known of a key's value, without copying it.
    ///
    /// # Errors
    /// [`Error::WrongType`], and why there is no answer.
    pub fn peek(&self, key: &[u8]) -> Result<Option<Found>, Error> {
        let name = self.name(key)?;
        let order = Order::at_once(&name, [command("STRLEN", &[&name]), command("PEXPIRETIME", &[&name])]);
        self.at(&name, |connection| {
            let [len, expires] = answer::each(connection.ask(&order)?)?;
            let len = answer::count(&len)? as usize;
            Ok(match answer::expires(&expires)? {
                Expires::Missing => None,
                Expires::Never => Some(Found { len, expires_at: None }),
                Expires::At(at) => Some(Found { len, expires_at: Some(at) }),
            })
        })
    }

    /// Whether there is something.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn exists(&self, key: &[u8]) -> Result<bool, Error> {
        let name = self.name(key)?;
        let order = Order::read([command("EXISTS", &[&name])]);
        self.at(&name, |connection| {
            connection.ask(&order).and_then(answer::only).and_then(|there| answer::done(&there))
        })
    }

    /// When a value goes, as [`Expiry::Never`] or [`Expiry::After`] from now on; `None` when there is none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn ttl(&self, key: &[u8]) -> Result<Option<Expiry>, Error> {
        let name = self.name(key)?;
        let order = Order::read([command("PTTL", &[&name])]);
        self.at(&name, |connection| {
            let left = connection.ask(&order).and_then(answer::only)?;
            Ok(match answer::expires(&left)? {
                Expires::Missing => None,
                Expires::Never => Some(Expiry::Never),
                Expires::At(ms) => Some(Expiry::After(ms)),
            })
        })
    }

    /// Puts a value under a condition, and gives the one before with `wants_old`.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::TooLong`], with `wants_old` [`Error::WrongType`], and why there is no answer.
    pub fn set(
        &self,
        key: &[u8],
        value: &[u8],
        condition: Condition,
        expiry: Expiry,
        wants_old: bool,
    ) -> Result<Written, Error> {
        keys::fits(value)?;
        let name = self.name(key)?;
        let mut set = set(&name, value, expiry);
        match condition {
            Condition::Always => {}
            Condition::Missing => _ = set.arg("NX"),
            Condition::Present => _ = set.arg("XX"),
        }
        if wants_old {
            set.arg("GET");
        }
        self.write(&name, set, |said| {
            if !wants_old {
                return Ok(Written { stored: said != Value::Nil, old: None });
            }
            let old = answer::bytes(said)?;
            let stored = match condition {
                Condition::Always => true,
                Condition::Missing => old.is_none(),
                Condition::Present => old.is_some(),
            };
            Ok(Written { stored, old })
        })
    }

    /// Puts `new` in place of `expected`, and of nothing else. The expiry stays.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::TooLong`], [`Error::WrongType`], [`Error::Contended`], and why there is no answer.
    pub fn compare_and_set(&self, key: &[u8], expected: &[u8], new: &[u8]) -> Result<bool, Error> {
        keys::fits(new)?;
        let name = self.name(key)?;
        let look = Order::watch(&[&name], [command("GET", &[&name])]);
        let put = Order::write([set(&name, new, Expiry::Keep)]).together();
        self.at(&name, |connection| {
            let old = connection.ask(&look).and_then(answer::only).and_then(answer::bytes)?;
            if old.as_deref() != Some(expected) {
                return Ok(false);
            }
            connection.ask(&put).map(|_| true)
        })
    }

    /// Removes a key; whether it was there.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        let name = self.name(key)?;
        self.write(&name, command("UNLINK", &[&name]), |gone| answer::done(&gone))
    }

    /// Gives a value and removes it.
    ///
    /// # Errors
    /// [`Error::WrongType`], and why there is no answer.
    pub fn get_and_delete(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let name = self.name(key)?;
        self.write(&name, command("GETDEL", &[&name]), answer::bytes)
    }

    /// Gives a value and changes when it goes.
    ///
    /// # Errors
    /// [`Error::WrongType`], and why there is no answer.
    pub fn get_and_expire(&self, key: &[u8], expiry: Expiry) -> Result<Option<Vec<u8>>, Error> {
        let name = self.name(key)?;
        let mut get = command("GETEX", &[&name]);
        match expiry {
            Expiry::Never => _ = get.arg("PERSIST"),
            Expiry::At(at) => _ = get.arg("PXAT").arg(time(at)),
            Expiry::After(0) => _ = get.arg("PXAT").arg(1),
            Expiry::After(ms) => _ = get.arg("PX").arg(ttl(ms)),
            Expiry::Keep => {}
        }
        self.write(&name, get, answer::bytes)
    }

    /// Changes when a value goes; false when there is none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn expire(&self, key: &[u8], expiry: Expiry) -> Result<bool, Error> {
        let name = self.name(key)?;
        let change = match expiry {
            Expiry::Never => {
                // Whether there was an expiry; and if there was none, whether there is a value.
                let order = Order::write([command("PERSIST", &[&name]), command("EXISTS", &[&name])]);
                return self.at(&name, |connection| {
                    let [persisted, there] = answer::each(connection.ask(&order)?)?;
                    Ok(answer::done(&persisted)? || answer::done(&there)?)
                });
            }
            Expiry::Keep => return self.exists(key),
            Expiry::At(at) => command("PEXPIREAT", &[&name]).arg(time(at)).take(),
            Expiry::After(0) => command("PEXPIREAT", &[&name]).arg(1).take(),
            Expiry::After(ms) => command("PEXPIRE", &[&name]).arg(ttl(ms)).take(),
        };
        self.write(&name, change, |there| answer::done(&there))
    }

    /// Keeps a value until it is evicted; false when there is none.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn persist(&self, key: &[u8]) -> Result<bool, Error> {
        self.expire(key, Expiry::Never)
    }

    /// Adds bytes at a value's end, and says how long it is now.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::TooLong`], [`Error::WrongType`], and why there is no answer.
    pub fn append(&self, key: &[u8], bytes: &[u8]) -> Result<usize, Error> {
        keys::fits(bytes)?;
        let name = self.name(key)?;
        self.write(&name, command("APPEND", &[&name, bytes]), |len| Ok(answer::count(&len)? as usize))
    }

    /// A part of a value; negative numbers count from its end, and `last` is part of it.
    ///
    /// # Errors
    /// [`Error::WrongType`], and why there is no answer.
    pub fn get_range(&self, key: &[u8], first: i64, last: i64) -> Result<Vec<u8>, Error> {
        let name = self.name(key)?;
        let mut get = command("GETRANGE", &[&name]);
        get.arg(first).arg(last);
        let order = Order::read([get]);
        self.at(&name, |connection| {
            let part = connection.ask(&order).and_then(answer::only).and_then(answer::bytes)?;
            Ok(part.unwrap_or_default())
        })
    }

    /// Writes bytes at an offset of a value, with zeros in between, and says how long it is now. No bytes change nothing.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::TooLong`], [`Error::WrongType`], and why there is no answer.
    pub fn set_range(&self, key: &[u8], offset: usize, bytes: &[u8]) -> Result<usize, Error> {
        let end = offset.saturating_add(bytes.len());
        if end > crate::cache::VALUE_BYTES_MAX {
            return Err(Error::TooLong { bytes: end });
        }
        let name = self.name(key)?;
        let mut set = command("SETRANGE", &[&name]);
        set.arg(offset).arg(bytes);
        self.write(&name, set, |len| Ok(answer::count(&len)? as usize))
    }
}
