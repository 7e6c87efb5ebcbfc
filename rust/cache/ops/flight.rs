//! Single flight: of all that miss a value at once, one makes it and the others wait for it.

use crate::cache::{Found, Full, Table};

/// What somebody who wants a value has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flight {
    /// Nothing: here it is.
    Landed(Found),
    /// Make it, and then [`Table::land`], or [`Table::abandon`] if it can't be made.
    Yours {
        /// Says that it is still the same who makes it.
        token: u64,
    },
    /// Ask again: somebody is making it.
    Others,
}

/// What makers' locks are named: other than anything that PHP names a lock.
fn name_of(key: &[u8]) -> Vec<u8> {
    [b"\0flight\0", key].concat()
}

impl Table {
    /// Appends a value to `into` if it is there. If not, the first one to ask is to make it, within `patience_ms`; after that
    /// somebody else is.
    ///
    /// ```
    /// use lyger::cache::{Flight, Table};
    /// let table = Table::in_process(1 << 20)?;
    /// let mut value = Vec::new();
    /// let Flight::Yours { token } = table.take_off(b"report", 1_000, 0, &mut value)? else { panic!() };
    /// assert_eq!(table.take_off(b"report", 1_000, 0, &mut value)?, Flight::Others);
    /// assert!(table.land(b"report", token, b"42 pages", Some(60_000), 5)?);
    /// assert!(matches!(table.take_off(b"report", 1_000, 6, &mut value)?, Flight::Landed(_)));
    /// assert_eq!(value, b"42 pages");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`], when the kept region is, which has the makers' locks.
    pub fn take_off(&self, key: &[u8], patience_ms: u64, now: u64, into: &mut Vec<u8>) -> Result<Flight, Full> {
        if let Some(found) = self.get(key, now, into) {
            return Ok(Flight::Landed(found));
        }
        let Some(token) = self.lock(&name_of(key), patience_ms, now)? else { return Ok(Flight::Others) };
        // Somebody may have landed between the look and the lock.
        if let Some(found) = self.get(key, now, into) {
            self.abandon(key, token, now);
            return Ok(Flight::Landed(found));
        }
        Ok(Flight::Yours { token })
    }

    /// Puts the value that was made. False when it took too long and somebody else is making it: then theirs will be there.
    ///
    /// # Errors
    /// [`Full`]; whoever asks next is to make it.
    pub fn land(&self, key: &[u8], token: u64, value: &[u8], expires_at: Option<u64>, now: u64) -> Result<bool, Full> {
        let is_ours = self.lock_holder(&name_of(key), now) == Some(token);
        let put = if is_ours { self.update(key, now, |slot| slot.put(&[value], expires_at)) } else { Ok(()) };
        self.abandon(key, token, now);
        put.map(|()| is_ours)
    }

    /// Lets somebody else make the value.
    pub fn abandon(&self, key: &[u8], token: u64, now: u64) {
        self.unlock(&name_of(key), token, now);
    }
}
