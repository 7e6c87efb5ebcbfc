//! Sessions: a visitor's data under an id, until it hasn't been used for some time. Whoever has one open has its lock, so that the
//! requests of one visitor change it one after the other, and what somebody writes who has lost the lock is refused.
//!
//! The lock is freed at once when its process dies, and by its time when somebody lives on and hangs.

use super::lock::holder;
use crate::cache::kept::Kind;
use crate::cache::{Found, Full, Table};

impl Table {
    /// Opens a session for some time, whether it is there or not, and gives the token to write it with; `None` when somebody else has
    /// it open.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// let token = table.open_session(b"4b1d", 60_000, 0)?.unwrap();
    /// assert_eq!(table.open_session(b"4b1d", 60_000, 1)?, None);
    /// assert!(table.write_session(b"4b1d", Some(token), b"user=7", 1_440_000, 2)?);
    /// assert!(table.close_session(b"4b1d", token, 3));
    /// table.clear();
    ///
    /// let mut data = Vec::new();
    /// assert!(table.read_session(b"4b1d", 4, &mut data).is_some());
    /// assert_eq!(data, b"user=7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`], when the share of locks is.
    pub fn open_session(&self, id: &[u8], ttl_ms: u64, now: u64) -> Result<Option<u64>, Full> {
        self.region(Kind::Opened).lock_of_process(id, ttl_ms, now)
    }

    /// Lets others open a session; false when it wasn't the token's any more.
    pub fn close_session(&self, id: &[u8], token: u64, now: u64) -> bool {
        self.region(Kind::Opened).unlock(id, token, now)
    }

    /// Appends a session's data to `into`. Takes no lock.
    pub fn read_session(&self, id: &[u8], now: u64, into: &mut Vec<u8>) -> Option<Found> {
        self.region(Kind::Session).get(id, now, into)
    }

    /// Puts a session's data, at most 60 KiB, for `ttl_ms` from now on. With a token it does so only while that has the session open:
    /// false says that somebody else may have changed it since, and nothing was written. Without a token the last one to write wins.
    ///
    /// # Errors
    /// [`Full`], when the share of sessions is or the data is too long; what was there stays.
    pub fn write_session(
        &self,
        id: &[u8],
        token: Option<u64>,
        data: &[u8],
        ttl_ms: u64,
        now: u64,
    ) -> Result<bool, Full> {
        let ends_at = Some(now.saturating_add(ttl_ms));
        let Some(token) = token else {
            return self.region(Kind::Session).update(id, now, |slot| slot.put(&[data], ends_at)).map(|()| true);
        };
        // Both at once: nobody opens the session between the look and the put.
        self.region(Kind::Opened).update_with(Kind::Session, id, now, |lock, slot| {
            if holder(lock) != Some(token) {
                return Ok(false);
            }
            slot.put(&[data], ends_at).map(|()| true)
        })
    }

    /// Keeps a session for `ttl_ms` from now on; false when there is none.
    ///
    /// # Errors
    /// [`Full`], when the share of sessions is.
    pub fn touch_session(&self, id: &[u8], ttl_ms: u64, now: u64) -> Result<bool, Full> {
        self.region(Kind::Session).update(id, now, |slot| slot.set_expiry(Some(now.saturating_add(ttl_ms))))
    }

    /// Removes a session; whether there was one. Who has it open has lost it, so that nobody brings back what a logout has ended.
    pub fn destroy_session(&self, id: &[u8], now: u64) -> bool {
        self.region(Kind::Opened).update_with(Kind::Session, id, now, |lock, slot| {
            lock.remove();
            slot.remove()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn data(table: &Table, id: &[u8], now: u64) -> Option<Vec<u8>> {
        let mut data = Vec::new();
        table.read_session(id, now, &mut data).map(|_| data)
    }

    #[test]
    fn who_has_lost_a_session_writes_nothing_over_it() {
        let table = Table::in_process(1 << 20).unwrap();
        let late = table.open_session(b"s", 1000, 0).unwrap().unwrap();
        assert!(table.write_session(b"s", Some(late), b"first", HOUR, 999).unwrap());
        let next = table.open_session(b"s", 1000, 1000).unwrap().expect("its time is over");
        assert!(next > late);
        assert!(!table.write_session(b"s", Some(late), b"late", HOUR, 1001).unwrap());
        assert!(!table.close_session(b"s", late, 1001));
        assert!(table.write_session(b"s", Some(next), b"next", HOUR, 1002).unwrap());
        assert!(table.close_session(b"s", next, 1003));
        assert!(!table.write_session(b"s", Some(next), b"closed", HOUR, 1004).unwrap());
        assert_eq!(data(&table, b"s", 1005).as_deref(), Some(&b"next"[..]));
        // Who asks for no lock is given none.
        assert!(table.write_session(b"s", None, b"anyhow", HOUR, 1006).unwrap());
        assert_eq!(data(&table, b"s", 1007).as_deref(), Some(&b"anyhow"[..]));
    }

    #[test]
    fn what_was_destroyed_is_brought_back_by_nobody_who_had_it_open() {
        let table = Table::in_process(1 << 20).unwrap();
        let late = table.open_session(b"s", 1000, 0).unwrap().unwrap();
        table.write_session(b"s", Some(late), b"user=7", HOUR, 0).unwrap();
        let next = table.open_session(b"s", 1000, 1000).unwrap().expect("its time is over");
        assert!(table.destroy_session(b"s", 1001), "also by who has lost it");
        assert!(!table.write_session(b"s", Some(next), b"user=7", HOUR, 1002).unwrap());
        assert!(!table.close_session(b"s", next, 1002));
        assert_eq!(data(&table, b"s", 1003), None);
        assert!(table.open_session(b"s", 1000, 1003).unwrap().is_some(), "it is free");
    }

    #[test]
    fn a_session_goes_when_it_was_unused_for_its_time() {
        let table = Table::in_process(1 << 20).unwrap();
        table.write_session(b"s", None, b"", 1000, 0).unwrap();
        assert_eq!(data(&table, b"s", 999), Some(Vec::new()), "an empty one is there");
        assert!(table.touch_session(b"s", 1000, 999).unwrap());
        assert_eq!(data(&table, b"s", 1998), Some(Vec::new()));
        assert_eq!(data(&table, b"s", 1999), None);
        assert!(!table.touch_session(b"s", 1000, 1999).unwrap());
        table.write_session(b"s", None, b"again", 1000, 2000).unwrap();
        assert!(table.destroy_session(b"s", 2001) && !table.destroy_session(b"s", 2001));
        assert_eq!(data(&table, b"s", 2001), None);
    }

    #[test]
    fn sessions_that_fill_their_share_leave_room_for_all_else_and_are_opened_still() {
        let table = Table::in_process(1 << 20).unwrap();
        let write = |n: u32, now: u64| table.write_session(&n.to_le_bytes(), None, &[7; 1000], HOUR, now);
        let full = (0..).find_map(|n| write(n, 0).err()).unwrap();
        assert!(full.to_string().contains("no more sessions have room"), "{full}");
        for n in 0..40_000 {
            let _ = write(n, 0);
        }
        let share = table.stats().sessions;
        assert!(share.bytes <= share.bytes_max && share.bytes_max - share.bytes < 16 * 1024, "{share:?}");
        let there: Vec<u32> = (0..40_000_u32).filter(|n| data(&table, &n.to_le_bytes(), 1).is_some()).collect();
        assert!(there.len() > 5_500, "{}", there.len());
        for n in there.iter().take(1000) {
            let id = n.to_le_bytes();
            assert!(table.lock(&id, 1000, 0).unwrap().is_some());
            assert_eq!(table.count_rate(&id, 1000, 0).unwrap().count, 1);
            let token = table.open_session(&id, 1000, 1).unwrap().expect("nobody has it");
            assert!(table.write_session(&id, Some(token), &[8; 1000], HOUR, 1).unwrap());
            assert!(table.touch_session(&id, HOUR, 1).unwrap() && table.close_session(&id, token, 1));
        }
        for n in 0..50_000_u32 {
            let _ = table.count_rate(&n.to_le_bytes(), 1000, 0);
        }
        table.clear();
        assert!(there.iter().all(|n| data(&table, &n.to_le_bytes(), 1).is_some()), "none of them has gone");
        // Their time frees them.
        assert!((0..1000).all(|n| write(100_000 + n, HOUR + 1).unwrap()));
        table.audit();
    }

    #[test]
    fn a_session_has_at_most_60_kib_and_any_bytes() {
        let table = Table::in_process(1 << 20).unwrap();
        let (id, longest) = (b"\0\xff", vec![0_u8; 60 << 10]);
        assert!(table.write_session(id, None, &longest, HOUR, 0).unwrap());
        let too_long = vec![0_u8; (60 << 10) + 1];
        assert!(matches!(
            table.write_session(id, None, &too_long, HOUR, 0),
            Err(Full::Record { bytes_max: 61_440, .. })
        ));
        assert_eq!(data(&table, id, 1), Some(longest));
    }
}
