//! Locks with fencing tokens. A holder that was held up past its time doesn't know it; whoever guards what the lock is for
//! compares tokens, and refuses one that is lower than the last it saw.

use crate::cache::kept::Kind;
use crate::cache::{Full, Kept, Slot, Table};

/// Whose token a slot of a lock begins with.
pub(super) fn holder(slot: &Slot<'_>) -> Option<u64> {
    Some(u64::from_le_bytes(*slot.old()?.bytes().first_chunk()?))
}

impl Table {
    /// Takes the lock of a name for some time, and gives its fencing token; `None` when somebody has it.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// let first = table.lock(b"import", 1_000, 0)?.unwrap();
    /// assert_eq!(table.lock(b"import", 1_000, 999)?, None);
    /// let second = table.lock(b"import", 1_000, 1_000)?.unwrap();
    /// assert!(second > first);
    /// assert!(!table.unlock(b"import", first, 1_500));
    /// assert!(table.unlock(b"import", second, 1_500));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`], when the share of locks is.
    pub fn lock(&self, name: &[u8], ttl_ms: u64, now: u64) -> Result<Option<u64>, Full> {
        self.region(Kind::Lock).lock(name, ttl_ms, now)
    }

    /// Gives a lock back; false when it isn't the token's any more.
    pub fn unlock(&self, name: &[u8], token: u64, now: u64) -> bool {
        self.region(Kind::Lock).unlock(name, token, now)
    }

    /// Keeps a lock for some more time from now on; false when it isn't the token's any more.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// let token = table.lock(b"import", 1_000, 0)?.unwrap();
    /// assert!(table.extend_lock(b"import", token, 1_000, 900)?);
    /// assert_eq!(table.lock(b"import", 1_000, 1_500)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Full`], when the share of locks is.
    pub fn extend_lock(&self, name: &[u8], token: u64, ttl_ms: u64, now: u64) -> Result<bool, Full> {
        self.region(Kind::Lock).update(name, now, |slot| {
            if holder(slot) != Some(token) {
                return Ok(false);
            }
            slot.set_expiry(Some(now.saturating_add(ttl_ms)))
        })
    }

    /// Who has a lock: its token.
    #[must_use]
    pub fn lock_holder(&self, name: &[u8], now: u64) -> Option<u64> {
        let mut token = Vec::new();
        self.region(Kind::Lock).get(name, now, &mut token)?;
        Some(u64::from_le_bytes(token.try_into().ok()?))
    }
}

impl Kept<'_> {
    /// See [`Table::lock`].
    pub(super) fn lock(&self, name: &[u8], ttl_ms: u64, now: u64) -> Result<Option<u64>, Full> {
        self.update(name, now, |slot| {
            if slot.old().is_some() {
                return Ok(None);
            }
            // Not before nobody else can: whoever gets the lock later has the higher one.
            let token = self.table.token();
            slot.put(&[&token.to_le_bytes()], Some(now.saturating_add(ttl_ms)))?;
            Ok(Some(token))
        })
    }

    /// See [`Table::unlock`].
    pub(super) fn unlock(&self, name: &[u8], token: u64, now: u64) -> bool {
        self.update(name, now, |slot| holder(slot) == Some(token) && slot.remove())
    }

    /// A lock that says whose it is, and that the dead have lost.
    pub(super) fn lock_of_process(&self, name: &[u8], ttl_ms: u64, now: u64) -> Result<Option<u64>, Full> {
        self.update(name, now, |slot| {
            if slot.old().is_some_and(|old| is_alive(old.bytes().as_ref())) {
                return Ok(None);
            }
            let (token, pid) = (self.table.token(), std::process::id());
            slot.put(&[&token.to_le_bytes(), &pid.to_le_bytes()], Some(now.saturating_add(ttl_ms)))?;
            Ok(Some(token))
        })
    }
}

/// Whether the process lives that has a lock. Another one may have got a dead one's number: then the lock's time is waited for.
fn is_alive(lock: &[u8]) -> bool {
    let Some(pid) = lock.last_chunk().filter(|_| lock.len() == 12) else { return true };
    // SAFETY: asks whether a process is there, and sends it nothing.
    let code = unsafe { libc::kill(i32::from_le_bytes(*pid), 0) };
    code == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}
