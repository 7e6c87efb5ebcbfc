//! What this room shares between its two sides: atomics, and bytes. `tests/loom` compiles `state`, `slot`, `ring`, `pipe`,
//! `doorbell` and `epoch` once more with loom's in their place.

use std::cell::UnsafeCell;

pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// `N` bytes that both sides reach; whose they are at a time is for atomics to say.
#[repr(transparent)]
pub(super) struct Shelf<const N: usize>(UnsafeCell<[u8; N]>);

impl<const N: usize> Default for Shelf<N> {
    fn default() -> Self {
        Self(UnsafeCell::new([0; N]))
    }
}

impl<const N: usize> Shelf<N> {
    /// Copies `source` to the bytes from `at` on.
    ///
    /// # Safety
    /// `at + source.len() <= N`, and nobody else touches these bytes meanwhile.
    pub(super) unsafe fn put(&self, at: usize, source: &[u8]) {
        debug_assert!(at + source.len() <= N);
        // SAFETY: the caller's promise; `source` is a reference to something else, because nobody has one to these bytes.
        unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), self.0.get().cast::<u8>().add(at), source.len()) };
    }

    /// Appends `count` bytes from `at` on to `target`.
    ///
    /// # Safety
    /// `at + count <= N`, and nobody writes these bytes meanwhile.
    pub(super) unsafe fn take(&self, at: usize, count: usize, target: &mut Vec<u8>) {
        debug_assert!(at + count <= N);
        target.reserve(count);
        // SAFETY: the caller's promise; `target` has room for `count` more, which the copy fills.
        unsafe {
            let end = target.as_mut_ptr().add(target.len());
            std::ptr::copy_nonoverlapping(self.0.get().cast::<u8>().add(at), end, count);
            target.set_len(target.len() + count);
        }
    }
}
