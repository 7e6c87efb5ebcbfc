//! Single flight: of all that miss a value at once, one makes it and the others wait for it.

use super::lock::holder;
use crate::cache::kept::Kind;
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

/// The token of who makes a value without a lock has this bit, and below it the time until which he may land. Tokens of locks are
/// microseconds, so none has it, and it is positive where numbers have a sign.
const UNLOCKED: u64 = 1 << 62;

impl Table {
    /// Appends a value to `into` if it is there. If not, the first one to ask is to make it, within `patience_ms`; after that
    /// somebody else is, and at once when its process has died.
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
    /// Where there is no room for one more maker's lock, whoever asks is to make it, and nobody waits for anybody.
    ///
    /// # Errors
    /// [`Full`], for a key that is too long.
    pub fn take_off(&self, key: &[u8], patience_ms: u64, now: u64, into: &mut Vec<u8>) -> Result<Flight, Full> {
        if let Some(found) = self.get(key, now, into) {
            return Ok(Flight::Landed(found));
        }
        let token = match self.region(Kind::Flight).lock_of_process(key, patience_ms, now) {
            Ok(Some(token)) => token,
            Ok(None) => return Ok(Flight::Others),
            Err(Full::Kept { .. }) => {
                return Ok(Flight::Yours { token: UNLOCKED | now.saturating_add(patience_ms).min(UNLOCKED - 1) });
            }
            Err(too_long) => return Err(too_long),
        };
        // Somebody may have landed between the look and the lock.
        if let Some(found) = self.get(key, now, into) {
            self.abandon(key, token, now);
            return Ok(Flight::Landed(found));
        }
        Ok(Flight::Yours { token })
    }

    /// Puts the value that was made, unless somebody has put another one meanwhile. False when it took too long and somebody else
    /// is making it: then theirs will be there.
    ///
    /// # Errors
    /// [`Full`]; whoever asks next is to make it.
    pub fn land(&self, key: &[u8], token: u64, value: &[u8], expires_at: Option<u64>, now: u64) -> Result<bool, Full> {
        // Whoever was held up finds the lock gone or another's, and nobody lands between that look and the put.
        self.region(Kind::Flight).update_both(key, now, |lock, slot| {
            let unlocked = token & UNLOCKED != 0;
            let in_time = if unlocked { now < token & !UNLOCKED } else { holder(lock) == Some(token) };
            if !in_time {
                return Ok(false);
            }
            // What somebody has put meanwhile may know more than what was made from what there was.
            let put = if slot.old().is_none() { slot.put(&[value], expires_at) } else { Ok(()) };
            if !unlocked {
                lock.remove();
            }
            put.map(|()| true)
        })
    }

    /// Lets somebody else make the value.
    pub fn abandon(&self, key: &[u8], token: u64, now: u64) {
        self.region(Kind::Flight).unlock(key, token, now);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_lands_overwrites_nothing_that_was_put_meanwhile() {
        let table = Table::in_process(1 << 20).unwrap();
        let mut value = Vec::new();
        let Flight::Yours { token } = table.take_off(b"k", 1000, 0, &mut value).unwrap() else { panic!() };
        table.update(b"k", 0, |slot| slot.put(&[b"newer"], None)).unwrap();
        assert!(table.land(b"k", token, b"older", None, 0).unwrap());
        assert!(table.get(b"k", 0, &mut value).is_some() && value == b"newer");
        // And the flight is over.
        table.delete(b"k", 0);
        assert!(matches!(table.take_off(b"k", 1000, 0, &mut value).unwrap(), Flight::Yours { .. }));
    }

    #[test]
    fn where_no_makers_lock_has_room_each_makes_the_value_and_the_first_one_stays() {
        let table = Table::in_process(1 << 20).unwrap();
        let mut none = Vec::new();
        let full = (0_u32..).find(|n| table.region(Kind::Flight).lock(&n.to_le_bytes(), 1000, 0).is_err()).unwrap();
        let key = full.to_le_bytes();
        let [first, second, late] = [(); 3].map(|()| match table.take_off(&key, 1000, 0, &mut none).unwrap() {
            Flight::Yours { token } => token,
            other => panic!("{other:?}"),
        });
        assert!(!table.land(&key, late, b"late", None, 1000).unwrap(), "somebody else may have made another since");
        assert!(table.land(&key, first, b"first", None, 999).unwrap());
        assert!(table.land(&key, second, b"second", None, 999).unwrap());
        let mut value = Vec::new();
        assert!(matches!(table.take_off(&key, 1000, 999, &mut value).unwrap(), Flight::Landed(_)));
        assert_eq!(value, b"first");
        // Nobody else's lock is taken away by it.
        let other = 0_u32.to_le_bytes();
        table.abandon(&other, first, 0);
        assert!(table.land(&other, first, b"other", None, 0).unwrap());
        table.delete(&other, 0);
        assert_eq!(table.take_off(&other, 1000, 0, &mut none).unwrap(), Flight::Others);
    }

    #[test]
    fn who_lands_too_late_overwrites_nobody() {
        let table = Table::in_process(1 << 20).unwrap();
        let mut none = Vec::new();
        let Flight::Yours { token: late } = table.take_off(b"k", 1000, 0, &mut none).unwrap() else { panic!() };
        std::thread::scope(|scope| {
            let (locked, is_locked) = mpsc::channel();
            let (done, is_done) = mpsc::channel::<()>();
            let table = &table;
            scope.spawn(move || {
                let mut batch = table.batch(&[b"k"]);
                locked.send(()).unwrap();
                is_done.recv().unwrap();
                // As the other maker does.
                batch.update(b"k", 2000, |slot| slot.put(&[b"newer"], None)).unwrap();
            });
            is_locked.recv().unwrap();
            let landing = scope.spawn(move || table.land(b"k", late, b"older", None, 0).unwrap());
            // Until it waits for the key.
            std::thread::sleep(Duration::from_millis(200));
            let other = table.region(Kind::Flight).lock(b"k", 1000, 2000).unwrap().expect("its time is over");
            done.send(()).unwrap();
            assert!(!landing.join().unwrap());
            assert!(table.region(Kind::Flight).unlock(b"k", other, 2000));
        });
        let mut value = Vec::new();
        assert!(table.get(b"k", 2000, &mut value).is_some() && value == b"newer");
    }
}
