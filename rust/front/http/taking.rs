//! Whether a client still takes what is sent to it.
//!
//! A write that can be made is the usual sign. It says too little of a slow client: the kernel takes megabytes, and tells of room
//! only once about a third of that is free, for which a client of 100 KB/s needs longer than it may take nothing. So while a
//! write waits, the kernel is asked how much it still holds: what has become less, the client took.

use std::cell::Cell;
use std::io;

const NEVER: u64 = u64::MAX;

/// What is known of how a client takes what is sent to it.
pub(super) struct Taking {
    /// When the client is looked at next; [`NEVER`] while no write waits.
    look_at_ms: Cell<u64>,
    /// Until when it has to take something.
    deadline_ms: Cell<u64>,
    /// What the kernel held at the last look. `None` before the first: a write that waits shortly costs no system call.
    held_bytes: Cell<Option<usize>>,
}

/// How long a client may take nothing, and how often it is looked at meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) timeout_ms: u64,
    pub(super) look_ms: u64,
}

impl Taking {
    pub(super) const fn new() -> Self {
        Self { look_at_ms: Cell::new(NEVER), deadline_ms: Cell::new(NEVER), held_bytes: Cell::new(None) }
    }

    /// A write was made, or there is no more to write.
    pub(super) fn goes_on(&self) {
        self.look_at_ms.set(NEVER);
    }

    /// A write could not be made. The client's time begins with the first one.
    pub(super) fn waits(&self, now_ms: u64, pace: Pace) {
        if self.look_at_ms.get() == NEVER {
            self.look_at_ms.set(now_ms + pace.look_ms);
            self.deadline_ms.set(now_ms + pace.timeout_ms);
            self.held_bytes.set(None);
        }
    }

    /// When [`Taking::has_ended`] has to be asked.
    pub(super) fn look_at_ms(&self) -> u64 {
        self.look_at_ms.get()
    }

    /// Whether the client has taken nothing for too long. `held_bytes` asks the kernel.
    ///
    /// The first look only learns how much there is, and the client's time begins with it anew: who takes nothing at all is
    /// found out one look later than the timeout says.
    pub(super) fn has_ended(&self, now_ms: u64, pace: Pace, held_bytes: impl FnOnce() -> io::Result<usize>) -> bool {
        if self.look_at_ms.get() > now_ms {
            return false;
        }
        // Where the kernel can't say, made writes are the only sign.
        if let Ok(held) = held_bytes()
            && self.held_bytes.replace(Some(held)).is_none_or(|before| held < before)
        {
            self.deadline_ms.set(now_ms + pace.timeout_ms);
        }
        self.look_at_ms.set(self.deadline_ms.get().min(now_ms + pace.look_ms));
        self.deadline_ms.get() <= now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { timeout_ms: 1000, look_ms: 250 };

    /// When a client is given up whose kernel holds so much at these times, or `None` within ten seconds.
    fn end_of(held_at: impl Fn(u64) -> io::Result<usize>) -> Option<u64> {
        let taking = Taking::new();
        taking.waits(0, PACE);
        let mut now_ms = 0;
        while now_ms < 10_000 {
            now_ms = taking.look_at_ms();
            if taking.has_ended(now_ms, PACE, || held_at(now_ms)) {
                return Some(now_ms);
            }
        }
        None
    }

    #[test]
    fn who_takes_nothing_is_given_up_and_who_takes_a_byte_in_time_is_not() {
        assert_eq!(end_of(|_| Ok(5)), Some(1250));
        assert_eq!(end_of(|now_ms| Ok(1000 - now_ms as usize / 1000)), None);
        assert_eq!(end_of(|now_ms| Ok(1000 - now_ms.min(3100) as usize / 100)), Some(4250));
        assert_eq!(end_of(|_| Err(io::ErrorKind::Unsupported.into())), Some(1000));
    }

    #[test]
    fn the_kernel_is_asked_only_while_a_write_waits() {
        let taking = Taking::new();
        let asked = Cell::new(0);
        let has_ended = |now_ms| {
            taking.has_ended(now_ms, PACE, || {
                asked.set(asked.get() + 1);
                Ok(1)
            })
        };
        assert!(!has_ended(100));
        taking.waits(100, PACE);
        taking.waits(300, PACE); // asked again, it waits since the first time
        assert!(!has_ended(349));
        assert_eq!((asked.get(), taking.look_at_ms()), (0, 350));
        assert!(!has_ended(350));
        taking.goes_on();
        assert!(!has_ended(9999));
        assert_eq!((asked.get(), taking.look_at_ms()), (1, NEVER));
        taking.waits(10_000, PACE); // what was held before is nothing to compare with
        assert!(!has_ended(10_250));
        assert!(!has_ended(11_000));
        assert!(has_ended(11_250));
    }
}
