//! How one side sleeps until the other has something for it, without a wake-up for whoever is awake.
//!
//! Who goes to sleep says so, and only then looks whether there is something; who brings something looks after that
//! whether the other sleeps. A fence stands between the two steps on either side, so at least one of them sees the other.

use std::time::Duration;

use super::futex::{wait, wake};
use super::sync::{AtomicU32, Ordering, fence};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// Why a sleeper woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Somebody rang, or the sleeper found a reason not to sleep.
    Rung,
    /// The time was over.
    TimedOut,
    /// A signal came.
    Interrupted,
}

/// Who may ring a bell: the kernel finds sleepers of one process faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Both sides live in one process.
    Process,
    /// The bell lies in memory that processes share.
    Machine,
}

/// Whether one side sleeps, or is about to. How it sleeps, and how it is woken, is for others to know.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(super) struct Asleep(AtomicU32);

impl Asleep {
    /// From now on somebody wakes this side. It looks whether there is something to do *after* this.
    pub(super) fn begin(&self) {
        self.0.store(ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// This side is awake. It looks whether there is something to do *after* this, or before it sleeps again.
    pub(super) fn end(&self) {
        self.0.store(AWAKE, Ordering::Relaxed);
    }

    /// Whether the caller, who has brought something *before* this, has to wake this side. One caller is told so.
    #[must_use]
    pub(super) fn needs_waking(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) == ASLEEP && self.0.swap(AWAKE, Ordering::Relaxed) == ASLEEP
    }
}

/// One side's flag and the place where it sleeps.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Doorbell {
    asleep: Asleep,
}

impl Doorbell {
    /// Sleeps until [`Doorbell::ring`], a signal, or the timeout, unless `ready` already holds.
    ///
    /// `ready` is asked after the flag is up: whoever makes it true and then rings can't be missed. A signal that
    /// arrives in the instant before the sleep begins is noticed only when the sleep ends, so use a bounded timeout.
    pub fn sleep(&self, reach: Reach, timeout: Duration, ready: impl Fn() -> bool) -> Woken {
        self.asleep.begin();
        let woken = if ready() { Woken::Rung } else { wait(&self.asleep.0, ASLEEP, reach, timeout) };
        self.asleep.end();
        woken
    }

    /// Wakes the sleeper, if there is one: no system call when everybody is awake.
    pub fn ring(&self, reach: Reach) {
        if self.asleep.needs_waking() {
            wake(&self.asleep.0, reach);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    #[test]
    fn a_ring_wakes_the_sleeper() {
        let (bell, rang) = (Doorbell::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(30));
                rang.store(true, Ordering::SeqCst);
                bell.ring(Reach::Machine);
            });
            assert_eq!(
                bell.sleep(Reach::Machine, Duration::from_secs(60), || rang.load(Ordering::SeqCst)),
                Woken::Rung
            );
        });
    }

    #[test]
    fn who_is_ready_does_not_sleep() {
        let before = Instant::now();
        assert_eq!(Doorbell::default().sleep(Reach::Process, Duration::from_secs(60), || true), Woken::Rung);
        assert!(before.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn the_timeout_ends_the_sleep() {
        assert_eq!(Doorbell::default().sleep(Reach::Process, Duration::from_millis(5), || false), Woken::TimedOut);
    }
}
