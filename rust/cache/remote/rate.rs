//! Counters of rate limits: see [`Table::count_rate`](crate::cache::Table::count_rate).

use std::time::{SystemTime, UNIX_EPOCH};

use redis::Value;

use super::answer::{self, Expires};
use super::connection::{Failure, Order};
use super::keys::{self, Beside};
use super::value::{command, set, ttl};
use super::{Error, Remote};
use crate::cache::{Expiry, Rate};

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// What is left of a window is asked for, and not its end: that would be by the server's clock, and is compared with this machine's.
fn read(count: u64, left: &Value) -> Result<Rate, Failure> {
    match answer::expires(left)? {
        Expires::At(left_ms) => Ok(Rate { count, ends_at: now_ms() + left_ms }),
        Expires::Missing | Expires::Never => Err(Failure::Told(Error::Strange("a counter without an end".to_owned()))),
    }
}

impl Remote {
    /// Counts one more time in a window that begins with the first. The limit is the caller's to compare with.
    ///
    /// # Errors
    /// [`Error::Full`], and why there is no answer.
    pub fn count_rate(&self, name: &[u8], window_ms: u64) -> Result<Rate, Error> {
        let counter = keys::beside(self.prefix(), Beside::Rate, name)?;
        let mut begin = set(&counter, b"0", Expiry::After(ttl(window_ms)));
        begin.arg("NX");
        // Together: the server's clock stands still meanwhile, so the counter can't expire in between.
        let order = Order::write([begin, command("INCR", &[&counter]), command("PTTL", &[&counter])]).together();
        self.at(&counter, |connection| {
            let [_, count, left] = answer::each(connection.ask(&order)?)?;
            read(answer::count(&count)?, &left)
        })
    }

    /// What a counter says, without counting; `None` when no window is open.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn rate(&self, name: &[u8]) -> Result<Option<Rate>, Error> {
        let counter = keys::beside(self.prefix(), Beside::Rate, name)?;
        let order = Order::at_once(&counter, [command("GET", &[&counter]), command("PTTL", &[&counter])]);
        self.at(&counter, |connection| {
            let [count, left] = answer::each(connection.ask(&order)?)?;
            answer::digits(&count)?.map(|count| read(count, &left)).transpose()
        })
    }

    /// Begins a counter's window anew.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn reset_rate(&self, name: &[u8]) -> Result<bool, Error> {
        let counter = keys::beside(self.prefix(), Beside::Rate, name)?;
        self.write(&counter, command("DEL", &[&counter]), |gone| answer::done(&gone))
    }
}
