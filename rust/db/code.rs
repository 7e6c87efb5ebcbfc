//! What the database's own code may leave on a session: functions, triggers and views do what no statement's text tells, and
//! the servers tell only part of it. So the database is asked now and then whether it keeps any code that may.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Another program's new function may be called unseen for so long.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// A catalog of many thousand tables takes long to look through; none is looked through less often than this.
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Looking takes at most one part in so many of the time.
const SHARE: u32 = 1000;

/// What is known of one database's code.
#[derive(Debug, Default)]
pub(super) struct Code(Mutex<Known>);

#[derive(Debug, Default, Clone, Copy)]
struct Known {
    may_leave: bool,
    /// Until when that holds; none where the database was never asked, or its code has changed since.
    until: Option<Instant>,
}

impl Code {
    /// Whether some of the code may leave something unseen; `None` where the database is to be asked.
    pub(super) fn may_leave(&self, now: Instant) -> Option<bool> {
        let known = self.lock();
        known.until.is_some_and(|until| now < until).then_some(known.may_leave)
    }

    /// Whether the database was never asked, or its code has changed since.
    pub(super) fn is_unknown(&self) -> bool {
        self.lock().until.is_none()
    }

    /// The same as `may_leave` where the database can't be asked: as it has said last, and yes where it never has, or its code has changed since.
    pub(super) fn may_have_left(&self) -> bool {
        let known = self.lock();
        known.until.is_none() || known.may_leave
    }

    /// What the database has said, and how long it took.
    pub(super) fn note(&self, may_leave: bool, took: Duration) {
        let until = Instant::now() + (took * SHARE).clamp(INTERVAL_MIN, INTERVAL_MAX);
        *self.lock() = Known { may_leave, until: Some(until) };
    }

    /// The code may have changed.
    pub(super) fn forget(&self) {
        self.lock().until = None;
    }

    // A std Mutex, because nothing awaits while holding it.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_a_thousand_times_what_it_cost_within_limits() {
        let code = Code::default();
        let soon = Instant::now() + INTERVAL_MIN / 2;
        assert_eq!(code.may_leave(soon), None, "nobody has asked");
        for (cost_ms, holds_at, is_over_at) in [(0, 0, 2), (5, 4, 7), (5_000, 58, 62)] {
            code.note(true, Duration::from_millis(cost_ms));
            let now = Instant::now();
            assert_eq!(code.may_leave(now + Duration::from_secs(holds_at)), Some(true), "{cost_ms} ms");
            assert_eq!(code.may_leave(now + Duration::from_secs(is_over_at)), None, "{cost_ms} ms");
        }
        code.note(false, Duration::ZERO);
        assert_eq!(code.may_leave(soon), Some(false));
        code.forget();
        assert_eq!(code.may_leave(soon), None);
    }
}
