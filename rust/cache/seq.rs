//! A sequence number: how a reader without a lock learns that somebody wrote meanwhile.
//!
//! It is odd while its shard is written. A reader notes an even number, reads whatever there is, and believes it only if the
//! number is still the same. `tests/loom` runs this very file in every order that the memory model allows.

use super::sync::{AtomicU64, Ordering, fence};

/// The number. All zeros is a beginning.
#[repr(transparent)]
#[derive(Default)]
pub(super) struct Sequence(AtomicU64);

impl Sequence {
    /// What a reader notes; `None` while somebody writes.
    #[inline(always)]
    pub(super) fn note(&self) -> Option<u64> {
        let number = self.0.load(Ordering::Acquire);
        number.is_multiple_of(2).then_some(number)
    }

    /// Whether nobody has written since.
    #[inline(always)]
    pub(super) fn is_still(&self, noted: u64) -> bool {
        // What was read before stays before.
        fence(Ordering::Acquire);
        self.0.load(Ordering::Relaxed) == noted
    }

    /// Whether it is odd: somebody writes, or died of it.
    #[inline(always)]
    pub(super) fn is_odd(&self) -> bool {
        !self.0.load(Ordering::Relaxed).is_multiple_of(2)
    }

    /// Where the number is, for who reads it alone.
    pub(super) fn address(&self) -> *const u64 {
        std::ptr::from_ref(self).cast()
    }

    /// Before the first word is written, by whoever has the lock. It may be odd already: a dead writer's.
    #[inline(always)]
    pub(super) fn begin(&self) {
        self.0.store(self.0.load(Ordering::Relaxed) | 1, Ordering::Relaxed);
        // No word is written before this is seen.
        fence(Ordering::Release);
    }

    /// After the last word.
    #[inline(always)]
    pub(super) fn end(&self) {
        let number = self.0.load(Ordering::Relaxed);
        debug_assert!(!number.is_multiple_of(2));
        self.0.store(number + 1, Ordering::Release);
    }
}
