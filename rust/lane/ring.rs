//! A ring of slot indexes with one producer and one consumer.

use std::sync::atomic::{AtomicU32, Ordering};

/// 128 bytes and not 64: Intel's prefetcher pulls cache lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Alone(AtomicU32);

/// Indexes on their way from one side to the other.
///
/// Safe for any use; in order and complete as long as one side pushes and one side pops.
#[derive(Debug)]
pub struct Ring {
    head: Alone, // the next to pop, written by the consumer
    tail: Alone, // the next to push, written by the producer
    cells: Box<[AtomicU32]>,
}

impl Ring {
    /// A ring with room for `capacity` indexes.
    ///
    /// # Panics
    /// When `capacity` is not a power of two, which the masks need.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity.is_power_of_two() && capacity <= 1 << 16, "a ring's capacity is a power of two up to 65536");
        Self {
            head: Alone::default(),
            tail: Alone::default(),
            cells: (0..capacity).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Appends an index; `false` when the ring is full.
    pub fn push(&self, index: u32) -> bool {
        let tail = self.tail.0.load(Ordering::Relaxed);
        if tail.wrapping_sub(self.head.0.load(Ordering::Acquire)) as usize >= self.cells.len() {
            return false;
        }
        self.cells[tail as usize & (self.cells.len() - 1)].store(index, Ordering::Relaxed);
        self.tail.0.store(tail.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes the oldest index.
    pub fn pop(&self) -> Option<u32> {
        let head = self.head.0.load(Ordering::Relaxed);
        if head == self.tail.0.load(Ordering::Acquire) {
            return None;
        }
        let index = self.cells[head as usize & (self.cells.len() - 1)].load(Ordering::Relaxed);
        self.head.0.store(head.wrapping_add(1), Ordering::Release);
        Some(index)
    }

    /// Whether nothing waits. Either side may ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.0.load(Ordering::Acquire) == self.tail.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_leave_in_the_order_they_came_across_many_turns() {
        let ring = Ring::new(4);
        for round in 0..100 {
            for index in 0..4 {
                assert!(ring.push(round * 4 + index));
            }
            assert!(!ring.push(0), "a full ring took one more");
            for index in 0..4 {
                assert_eq!(ring.pop(), Some(round * 4 + index));
            }
            assert_eq!(ring.pop(), None);
            assert!(ring.is_empty());
        }
    }

    #[test]
    fn two_threads_lose_and_double_nothing() {
        const COUNT: u32 = 200_000;
        let ring = Ring::new(64);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for index in 0..COUNT {
                    while !ring.push(index) {
                        std::thread::yield_now();
                    }
                }
            });
            for expected in 0..COUNT {
                let index = loop {
                    match ring.pop() {
                        Some(index) => break index,
                        None => std::thread::yield_now(),
                    }
                };
                assert_eq!(index, expected);
            }
        });
    }
}
