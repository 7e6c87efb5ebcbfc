//! Single flight: see [`Table::take_off`](crate::cache::Table::take_off).

use super::answer;
use super::connection::Order;
use super::keys::{self, Beside};
use super::lock::Last;
use super::value::{command, found, get_found, set};
use super::{Error, Remote, lock};
use crate::cache::{Expiry, Flight};

impl Remote {
    /// Appends a value to `into` if it is there. If not, the first one to ask, of all machines, is to make it, within `patience_ms`;
    /// after that somebody else is.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::WrongType`], [`Error::Contended`], and why there is no answer.
    pub fn take_off(&self, key: &[u8], patience_ms: u64, into: &mut Vec<u8>) -> Result<Flight, Error> {
        let name = self.name(key)?;
        let flight = keys::beside(self.prefix(), Beside::Flight, key)?;
        let [token, left] = lock::look(&flight);
        let (get, expires) = (command("GET", &[&name]), command("PEXPIRETIME", &[&name]));
        let look = Order::watch(&[&name, &flight], [get, expires, token, left, redis::cmd("TIME")]);
        self.at(&name, |connection| {
            if let Some(found) = get_found(connection, &name, into)? {
                return Ok(Flight::Landed(found));
            }
            let [value, expires, token, left, time] = answer::each(connection.ask(&look)?)?;
            // Somebody may have landed between the two looks.
            if let Some(found) = found(value, &expires, into)? {
                return Ok(Flight::Landed(found));
            }
            let last = Last::read(&token, &left)?;
            if Last::holder(last).is_some() {
                return Ok(Flight::Others);
            }
            let token = Last::next(last, time)?;
            connection.ask(&lock::take(&flight, token, patience_ms))?;
            Ok(Flight::Yours { token })
        })
    }

    /// Puts the value that was made, unless somebody has put another one meanwhile. False when it took too long and somebody else
    /// is making it: then theirs will be there.
    ///
    /// # Errors
    /// [`Error::Full`], whereupon somebody else makes it when the time is over; [`Error::TooLong`], whereupon whoever asks next does;
    /// [`Error::Contended`], and why there is no answer.
    pub fn land(&self, key: &[u8], token: u64, value: &[u8], expiry: Expiry) -> Result<bool, Error> {
        let name = self.name(key)?;
        let flight = keys::beside(self.prefix(), Beside::Flight, key)?;
        if let Err(too_long) = keys::fits(value) {
            self.abandon(key, token)?;
            return Err(too_long);
        }
        let mut put = set(&name, value, expiry);
        put.arg("NX");
        self.if_held(&flight, token, Order::write([put, lock::give_back(&flight)]))
    }

    /// Lets somebody else make the value.
    ///
    /// # Errors
    /// [`Error::Full`], and why there is no answer; somebody else makes it when the time is over.
    pub fn abandon(&self, key: &[u8], token: u64) -> Result<(), Error> {
        let flight = keys::beside(self.prefix(), Beside::Flight, key)?;
        self.if_held(&flight, token, Order::write([lock::give_back(&flight)])).map(drop)
    }
}
