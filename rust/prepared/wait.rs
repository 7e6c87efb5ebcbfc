//! How long a statement waits for the lock of another connection.
//!
//! `SQLite`'s own handler knows one limit, `PRAGMA busy_timeout`, and no statement's. Where a [`Link`](super::Link) is told of
//! the statement's, this one holds instead, and whichever ends sooner. To install it sets `SQLite`'s limit to 0, and the PRAGMA
//! installs `SQLite`'s again: so what speaks of the PRAGMA runs with `SQLite`'s handler, and ours takes the limit over from it.

use rusqlite::{Connection, ffi};
use std::ffi::{c_int, c_void};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Milliseconds between two looks at the lock, as in `SQLite`: most locks are short, and who waits for long is in no hurry.
const PAUSES_MS: [u64; 12] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100];

/// The name of `SQLite`'s limit.
const PRAGMA: &str = "busy_timeout";

/// The two limits of a connection.
pub(super) struct Wait {
    /// Of one lock: what the PRAGMA said last.
    lock_ms: AtomicU64,
    /// How much of its own time the statement has left.
    left: Box<dyn Fn() -> Duration + Send + Sync>,
    /// Of the waiting that is going on. A Mutex only because SQLite's handler may change its thread.
    began: Mutex<Instant>,
}

impl Wait {
    pub(super) fn new(left: Box<dyn Fn() -> Duration + Send + Sync>) -> Arc<Self> {
        Arc::new(Self { lock_ms: AtomicU64::new(0), left, began: Mutex::new(Instant::now()) })
    }

    /// Whether a statement may read or set `SQLite`'s limit.
    pub(super) fn is_named_in(sql: &str) -> bool {
        sql.as_bytes().windows(PRAGMA.len()).any(|word| word.eq_ignore_ascii_case(PRAGMA.as_bytes()))
    }

    /// Has `SQLite` wait by itself.
    pub(super) fn hand_over(&self, connection: &Connection) {
        let ms = c_int::try_from(self.lock_ms.load(Ordering::Relaxed)).unwrap_or(c_int::MAX);
        // SAFETY: the connection is open, and this thread's.
        unsafe { ffi::sqlite3_busy_timeout(connection.handle(), ms) };
    }

    /// Waits in `SQLite`'s place, with the limit that it has.
    ///
    /// # Safety
    /// It must be there for as long as the connection is open.
    pub(super) unsafe fn take_over(&self, connection: &Connection) {
        let Ok(ms) = connection.pragma_query_value(None, PRAGMA, |row| row.get::<_, i64>(0)) else {
            return; // without memory for that: then it stays SQLite's
        };
        self.lock_ms.store(u64::try_from(ms).unwrap_or_default(), Ordering::Relaxed);
        let this = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: the connection is open, and this thread's; the handler only reads, and the caller keeps it.
        unsafe { ffi::sqlite3_busy_handler(connection.handle(), Some(goes_on), this) };
    }

    /// Waits a little; false when it has been long enough. `count` is how often it has waited for this lock.
    fn pause(&self, count: usize) -> bool {
        let waited = {
            let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
            if count == 0 {
                *began = Instant::now();
            }
            began.elapsed()
        };
        let lock = Duration::from_millis(self.lock_ms.load(Ordering::Relaxed));
        let left = lock.saturating_sub(waited).min((self.left)());
        if left.is_zero() {
            return false;
        }
        sleep(left.min(Duration::from_millis(PAUSES_MS[count.min(PAUSES_MS.len() - 1)])));
        true
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("lock_ms", &self.lock_ms).finish_non_exhaustive()
    }
}

extern "C" fn goes_on(wait: *mut c_void, count: c_int) -> c_int {
    // SAFETY: it was installed with a Wait, which is there for as long as the connection.
    let wait = unsafe { &*wait.cast::<Wait>() };
    c_int::from(wait.pause(usize::try_from(count).unwrap_or_default()))
}
