//! Numbers, kept as decimal text.

use super::answer;
use super::connection::Failure;
use super::value::command;
use super::{Error, Remote};
use crate::cache::NotANumber;

impl Remote {
    /// Adds to an integer, which is 0 if there is none, and gives the sum. The expiry stays.
    ///
    /// # Errors
    /// [`Error::Number`], [`Error::Full`], [`Error::WrongType`], and why there is no answer.
    pub fn increment(&self, key: &[u8], by: i64) -> Result<i64, Error> {
        let name = self.name(key)?;
        let mut increment = command("INCRBY", &[&name]);
        increment.arg(by);
        self.write(&name, increment, |sum| answer::integer(&sum))
    }

    /// Adds to a float, which is 0 if there is none, and gives the sum. The expiry stays. The server adds with more digits
    /// than a double has, and its text has up to 17 of them.
    ///
    /// # Errors
    /// [`Error::Number`], [`Error::Full`], [`Error::WrongType`], and why there is no answer.
    pub fn increment_float(&self, key: &[u8], by: f64) -> Result<f64, Error> {
        if !by.is_finite() {
            return Err(NotANumber::NotFinite.into());
        }
        let name = self.name(key)?;
        // Without an exponent, and as many digits as it takes.
        let increment = command("INCRBYFLOAT", &[&name, by.to_string().as_bytes()]);
        self.write(&name, increment, |sum| {
            let text = answer::bytes(sum)?.unwrap_or_default();
            let sum = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            sum.ok_or_else(|| Failure::Broken(Error::Strange("it is no number".to_owned())))
        })
    }
}
