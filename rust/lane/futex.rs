//! Sleeping on a word that another thread or process changes.
//!
//! Not a `std::sync::Condvar`: that one sleeps on after a signal, and PHP's own signal handlers run only once the
//! blocking call has returned.

use std::time::Duration;

use super::doorbell::{Reach, Woken};
use super::sync::AtomicU32;

#[cfg(target_os = "linux")]
fn operation(operation: libc::c_int, reach: Reach) -> libc::c_int {
    match reach {
        Reach::Process => operation | libc::FUTEX_PRIVATE_FLAG,
        Reach::Machine => operation,
    }
}

/// Sleeps while the word is `expected`, until somebody wakes it, a signal comes, or the time is over.
#[cfg(target_os = "linux")]
pub(super) fn wait(word: &AtomicU32, expected: u32, reach: Reach, timeout: Duration) -> Woken {
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

/// Wakes one who sleeps on the word.
#[cfg(target_os = "linux")]
pub(super) fn wake(word: &AtomicU32, reach: Reach) {
    // SAFETY: the word outlives the call; waking an address nobody sleeps on is harmless.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation(libc::FUTEX_WAKE, reach), 1) };
}

/// Without futexes: look again every millisecond. `poll` on nothing is a sleep that a signal ends.
#[cfg(not(target_os = "linux"))]
pub(super) fn wait(word: &AtomicU32, expected: u32, _reach: Reach, timeout: Duration) -> Woken {
    let until = std::time::Instant::now() + timeout;
    while word.load(super::sync::Ordering::SeqCst) == expected {
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
pub(super) fn wake(_word: &AtomicU32, _reach: Reach) {}
