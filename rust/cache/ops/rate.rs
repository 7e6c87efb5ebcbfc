//! Counters of rate limits: how often something happened within a window of time, which begins with the first time.

use crate::cache::kept::Kind;
use crate::cache::{Full, Table};

/// What a counter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How often it happened in this window, this time included.
    pub count: u64,
    /// When the window ends, in milliseconds since 1970.
    pub ends_at: u64,
}

impl Table {
    /// Counts one more time. The limit is the caller's to compare with.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// let counts = [0, 10, 999, 1_000].map(|now| table.count_rate(b"login:ada", 1_000, now).unwrap().count);
    /// assert_eq!(counts, [1, 2, 3, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`], when the share of counters of rates is.
    pub fn count_rate(&self, name: &[u8], window_ms: u64, now: u64) -> Result<Rate, Full> {
        self.region(Kind::Rate).update(name, now, |slot| {
            let old = slot.old().and_then(|old| {
                let count = u64::from_le_bytes(old.bytes().as_ref().try_into().ok()?);
                Some((count, old.expires_at()?))
            });
            let (count, ends_at) = old.unwrap_or((0, now.saturating_add(window_ms)));
            let rate = Rate { count: count + 1, ends_at };
            slot.put(&[&rate.count.to_le_bytes()], Some(ends_at))?;
            Ok(rate)
        })
    }

    /// What a counter says, without counting; `None` where no window is under way.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// let counted = table.count_rate(b"login:ada", 1_000, 0)?;
    /// assert_eq!(table.rate(b"login:ada", 999), Some(counted));
    /// assert_eq!(table.rate(b"login:ada", 1_000), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn rate(&self, name: &[u8], now: u64) -> Option<Rate> {
        let mut count = Vec::new();
        let found = self.region(Kind::Rate).get(name, now, &mut count)?;
        Some(Rate { count: u64::from_le_bytes(count.try_into().ok()?), ends_at: found.expires_at? })
    }

    /// Begins a counter's window anew.
    pub fn reset_rate(&self, name: &[u8], now: u64) -> bool {
        self.region(Kind::Rate).update(name, now, |slot| slot.remove())
    }
}
