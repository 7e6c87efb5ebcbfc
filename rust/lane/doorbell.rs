//! How a worker sleeps until its front has something, and wakes for signals too.
//!
//! Not a `std::sync::Condvar`: that one sleeps on after a signal, and PHP's own signal handlers run only once the
//! blocking call has returned.

use super::sync::{AtomicU32, Ordering, fence};
use std::time::Duration;

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

/// A flag that says "asleep", and the place to sleep on.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Doorbell {
    word: AtomicU32,
}

impl Doorbell {
    /// Sleeps until [`Doorbell::ring`], a signal, or the timeout, unless `ready` already holds.
    ///
    /// `ready` is asked after the flag is up: whoever makes it true and then rings can't be missed. A signal that
    /// arrives in the instant before the sleep begins is noticed only when the sleep ends, so use a bounded timeout.
    pub fn sleep(&self, reach: Reach, timeout: Duration, ready: impl Fn() -> bool) -> Woken {
        // SeqCst here and in ring(): the flag and what `ready` reads must not pass each other.
        self.word.store(ASLEEP, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let woken = if ready() { Woken::Rung } else { wait(&self.word, ASLEEP, reach, timeout) };
        self.word.store(AWAKE, Ordering::SeqCst);
        woken
    }

    /// Wakes the sleeper, if there is one: no system call when everybody is awake.
    pub fn ring(&self, reach: Reach) {
        fence(Ordering::SeqCst);
        if self.word.load(Ordering::Relaxed) == ASLEEP && self.word.swap(AWAKE, Ordering::SeqCst) == ASLEEP {
            wake(&self.word, reach);
        }
    }
}

#[cfg(target_os = "linux")]
fn operation(operation: libc::c_int, reach: Reach) -> libc::c_int {
    match reach {
        Reach::Process => operation | libc::FUTEX_PRIVATE_FLAG,
        Reach::Machine => operation,
    }
}

#[cfg(target_os = "linux")]
fn wait(word: &AtomicU32, expected: u32, reach: Reach, timeout: Duration) -> Woken {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // With a timeout FUTEX_WAIT always ends in EINTR once a handler has run; without one SA_RESTART would sleep on.
    // SAFETY: both pointers outlive the call; the kernel only reads them.
    let result = unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), operation(libc::FUTEX_WAIT, reach), expected, &timeout)
    };
    if result == 0 {
        return Woken::Rung;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ETIMEDOUT) => Woken::TimedOut,
        Some(libc::EINTR) => Woken::Interrupted,
        _ => Woken::Rung, // EAGAIN: rung before the sleep began
    }
}

#[cfg(target_os = "linux")]
fn wake(word: &AtomicU32, reach: Reach) {
    // SAFETY: the word outlives the call; waking an address nobody sleeps on is harmless.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation(libc::FUTEX_WAKE, reach), 1) };
}

/// Without futexes: look again every millisecond. `poll` on nothing is a sleep that a signal ends.
#[cfg(not(target_os = "linux"))]
fn wait(word: &AtomicU32, expected: u32, _reach: Reach, timeout: Duration) -> Woken {
    let until = std::time::Instant::now() + timeout;
    while word.load(Ordering::SeqCst) == expected {
        if std::time::Instant::now() >= until {
            return Woken::TimedOut;
        }
        // SAFETY: no descriptors are passed.
        if unsafe { libc::poll(std::ptr::null_mut(), 0, 1) } < 0 {
            return Woken::Interrupted;
        }
    }
    Woken::Rung
}

#[cfg(not(target_os = "linux"))]
fn wake(_word: &AtomicU32, _reach: Reach) {}

#[cfg(test)]
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
