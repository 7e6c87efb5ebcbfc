//! The clock of deadlines.

/// Milliseconds of the machine's monotonic clock, the same in every process: a worker's claim is timed by it, and read
/// by the front.
pub(crate) fn now_ms() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours; this clock exists on every system that Rust's `Instant` uses it on.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}
