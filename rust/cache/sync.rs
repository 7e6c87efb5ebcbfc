//! The atomics of the table, and plain numbers that a lock guards. `tests/loom` puts loom's in the place of the former.

pub(super) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

/// A number that only the lock's owner writes, and that anybody may read: it is whole, but may be old.
#[repr(transparent)]
pub(super) struct Word(AtomicU64);

impl Word {
    #[inline(always)]
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(super) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    #[inline(always)]
    pub(super) fn subtract(&self, less: u64) {
        self.set(self.get().wrapping_sub(less));
    }
}

/// The same with 32 bits.
#[repr(transparent)]
pub(super) struct Half(AtomicU32);

impl Half {
    #[inline(always)]
    pub(super) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(super) fn set(&self, value: u32) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(super) fn add(&self, more: u32) {
        self.set(self.get().wrapping_add(more));
    }

    #[inline(always)]
    pub(super) fn subtract(&self, less: u32) {
        self.set(self.get().wrapping_sub(less));
    }
}
