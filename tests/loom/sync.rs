//! Loom's atomics in the place of the engine's, and bytes whose every touch is checked.

use loom::cell::UnsafeCell;
pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// As `rust/lane/sync.rs` has it; two sides that touch one byte at the same time make the model fail.
pub(super) struct Shelf<const N: usize>([UnsafeCell<u8>; N]);

impl<const N: usize> Default for Shelf<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| UnsafeCell::new(0)))
    }
}

impl<const N: usize> Shelf<N> {
    pub(super) unsafe fn put(&self, at: usize, source: &[u8]) {
        for (cell, &byte) in self.0[at..].iter().zip(source) {
            // SAFETY: loom fails if anybody else touches the cell meanwhile.
            cell.with_mut(|place| unsafe { *place = byte });
        }
    }

    pub(super) unsafe fn take(&self, at: usize, count: usize, target: &mut Vec<u8>) {
        for cell in &self.0[at..at + count] {
            // SAFETY: the same.
            target.push(cell.with(|place| unsafe { *place }));
        }
    }
}
