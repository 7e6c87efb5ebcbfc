//! What counts of a stream's time: how long the database is silent, and not how long the reader takes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When the database was last heard of.
///
/// One task reads from the database and looks at the clock; atomics only because that task may change its thread.
pub(super) struct Pace {
    epoch: Instant,
    /// Nanoseconds behind `epoch`.
    heard: AtomicU64,
    reader_is_awaited: AtomicBool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), heard: AtomicU64::new(0), reader_is_awaited: AtomicBool::new(false) }
    }

    /// Something has come, or the wait for it begins only now.
    pub(super) fn heard(&self) {
        let nanos = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.heard.store(nanos, Ordering::Relaxed);
    }

    /// The reader is waited for, which costs the database nothing; or no longer.
    pub(super) fn awaits_reader(&self, begins: bool) {
        self.reader_is_awaited.store(begins, Ordering::Relaxed);
        self.heard();
    }

    /// How much longer the database may be silent.
    pub(super) fn left(&self, limit: Duration) -> Duration {
        if self.reader_is_awaited.load(Ordering::Relaxed) {
            return limit;
        }
        let heard = Duration::from_nanos(self.heard.load(Ordering::Relaxed));
        limit.saturating_sub(self.epoch.elapsed().saturating_sub(heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_databases_silence_counts() {
        let (pace, limit) = (Pace::new(), Duration::from_millis(30));
        std::thread::sleep(limit);
        assert_eq!(pace.left(limit), Duration::ZERO);
        pace.awaits_reader(true);
        std::thread::sleep(limit);
        assert_eq!(pace.left(limit), limit);
        pace.awaits_reader(false);
        assert!(pace.left(Duration::from_secs(60)) > Duration::from_secs(30));
        std::thread::sleep(limit);
        assert_eq!(pace.left(limit), Duration::ZERO);
    }
}
