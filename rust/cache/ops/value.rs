//! Whole values and parts of them.

use crate::cache::{Full, Table};

/// When a value is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Whatever is there.
    #[default]
    Always,
    /// If nothing is there (NX).
    Missing,
    /// If something is there (XX).
    Present,
}

/// When a value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expiry {
    /// When it is evicted.
    #[default]
    Never,
    /// At this time, in milliseconds since 1970 (PXAT).
    At(u64),
    /// After so many milliseconds (PX).
    After(u64),
    /// When the value before it would have (KEEPTTL).
    Keep,
}

impl Expiry {
    /// The time that it stands for.
    #[must_use]
    pub fn at(self, now: u64, before: Option<u64>) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::At(at) => Some(at),
            Self::After(ms) => Some(now.saturating_add(ms)),
            Self::Keep => before,
        }
    }
}

/// What became of a conditional put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Whether the condition held, so that the value is there now.
    pub stored: bool,
    /// The value before, if it was asked for (GET).
    pub old: Option<Vec<u8>>,
}

impl Table {
    /// Puts a value under a condition, and gives the one before with `wants_old`.
    ///
    /// ```
    /// use lyger::cache::{Condition, Expiry, Table};
    /// let table = Table::in_process(1 << 20)?;
    /// let first = table.set(b"k", b"one", Condition::Missing, Expiry::After(50), false, 0)?;
    /// let second = table.set(b"k", b"two", Condition::Missing, Expiry::Never, true, 0)?;
    /// assert!(first.stored && !second.stored);
    /// assert_eq!(second.old.as_deref(), Some(&b"one"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`]; the value before stays.
    pub fn set(
        &self,
        key: &[u8],
        value: &[u8],
        condition: Condition,
        expiry: Expiry,
        wants_old: bool,
        now: u64,
    ) -> Result<Written, Full> {
        self.update(key, now, |slot| {
            let (there, before, old) = match slot.old() {
                Some(old) => (true, old.expires_at(), wants_old.then(|| old.bytes().into_owned())),
                None => (false, None, None),
            };
            let stored = match condition {
                Condition::Always => true,
                Condition::Missing => !there,
                Condition::Present => there,
            };
            if stored {
                slot.put(&[value], expiry.at(now, before))?;
            }
            Ok(Written { stored, old })
        })
    }

    /// Puts `new` in place of `expected`, and of nothing else.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// table.update(b"k", 0, |slot| slot.put(&[b"one"], None))?;
    /// assert!(!table.compare_and_set(b"k", b"two", b"three", 0)?);
    /// assert!(table.compare_and_set(b"k", b"one", b"two", 0)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`]; the value before stays.
    pub fn compare_and_set(&self, key: &[u8], expected: &[u8], new: &[u8], now: u64) -> Result<bool, Full> {
        self.update(key, now, |slot| {
            let Some(old) = slot.old() else { return Ok(false) };
            let expires_at = old.expires_at();
            if *old.bytes() != *expected {
                return Ok(false);
            }
            slot.put(&[new], expires_at).map(|()| true)
        })
    }

    /// Removes a key; whether it was there.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// table.update(b"k", 0, |slot| slot.put(&[b"v"], None))?;
    /// assert!(table.delete(b"k", 0) && !table.delete(b"k", 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete(&self, key: &[u8], now: u64) -> bool {
        self.update(key, now, |slot| slot.remove())
    }

    /// Gives a value and removes it.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// table.update(b"k", 0, |slot| slot.put(&[b"v"], None))?;
    /// assert_eq!(table.get_and_delete(b"k", 0).as_deref(), Some(&b"v"[..]));
    /// assert_eq!(table.get_and_delete(b"k", 0), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_and_delete(&self, key: &[u8], now: u64) -> Option<Vec<u8>> {
        self.update(key, now, |slot| {
            let value = slot.old()?.bytes().into_owned();
            slot.remove();
            Some(value)
        })
    }

    /// Gives a value and changes when it goes.
    ///
    /// ```
    /// use lyger::cache::{Expiry, Table};
    /// let table = Table::in_process(1 << 20)?;
    /// table.update(b"k", 0, |slot| slot.put(&[b"v"], None))?;
    /// assert_eq!(table.get_and_expire(b"k", Expiry::After(10), 0)?.as_deref(), Some(&b"v"[..]));
    /// assert!(table.peek(b"k", 10).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`], when there is no room for an expiry; nothing has changed then.
    pub fn get_and_expire(&self, key: &[u8], expiry: Expiry, now: u64) -> Result<Option<Vec<u8>>, Full> {
        self.update(key, now, |slot| {
            let Some(old) = slot.old() else { return Ok(None) };
            let (value, expires_at) = (old.bytes().into_owned(), expiry.at(now, old.expires_at()));
            slot.set_expiry(expires_at)?;
            Ok(Some(value))
        })
    }

    /// Changes when a value goes; false when there is none.
    ///
    /// ```
    /// use lyger::cache::{Expiry, Table};
    /// let table = Table::in_process(1 << 20)?;
    /// assert!(!table.expire(b"k", Expiry::After(10), 0)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`], when there is no room for an expiry; nothing has changed then.
    pub fn expire(&self, key: &[u8], expiry: Expiry, now: u64) -> Result<bool, Full> {
        self.update(key, now, |slot| {
            let Some(before) = slot.old().map(|old| old.expires_at()) else { return Ok(false) };
            slot.set_expiry(expiry.at(now, before))
        })
    }

    /// Adds bytes at a value's end, and says how long it is now.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// assert_eq!((table.append(b"k", b"ab", 0)?, table.append(b"k", b"c", 0)?), (2, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`]; the value before stays.
    pub fn append(&self, key: &[u8], bytes: &[u8], now: u64) -> Result<usize, Full> {
        self.update(key, now, |slot| slot.append(bytes))
    }

    /// A part of a value; negative numbers count from its end, and `last` is part of it, as with Redis.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// table.append(b"k", b"abcdef", 0)?;
    /// assert_eq!(table.get_range(b"k", 1, 2, 0), b"bc");
    /// assert_eq!(table.get_range(b"k", -2, -1, 0), b"ef");
    /// assert_eq!(table.get_range(b"k", 4, 100, 0), b"ef");
    /// assert_eq!(table.get_range(b"k", 3, 2, 0), b"");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_range(&self, key: &[u8], first: i64, last: i64, now: u64) -> Vec<u8> {
        let mut part = Vec::new();
        self.update(key, now, |slot| {
            if let Some(old) = slot.old() {
                let len = old.len() as i64;
                let from_begin = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at.min(len) };
                let end = from_begin(last).saturating_add(1).min(len);
                // Both before the begin, and the wrong way round: nothing, and not the first byte.
                if !(first < 0 && last < 0 && first > last) {
                    old.read(from_begin(first) as usize..end.max(0) as usize, &mut part);
                }
            }
        });
        part
    }

    /// Writes bytes at an offset of a value, with zeros in between, and says how long it is now. No bytes change nothing.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// assert_eq!(table.set_range(b"k", 2, b"x", 0)?, 3);
    /// assert_eq!(table.get_range(b"k", 0, -1, 0), b"\0\0x");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`]; the value before stays.
    pub fn set_range(&self, key: &[u8], offset: usize, bytes: &[u8], now: u64) -> Result<usize, Full> {
        self.update(key, now, |slot| match bytes {
            [] => Ok(slot.old().map_or(0, |old| old.len())),
            bytes => slot.write_at(offset, bytes),
        })
    }
}
