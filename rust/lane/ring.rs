//! A ring of slot indexes with one producer and one consumer.

use super::sync::{AtomicU32, Ordering};

/// 128 bytes and not 64: Intel's prefetcher pulls cache lines in pairs.
#[derive(Debug)]
#[repr(C, align(128))]
struct Alone(AtomicU32);

/// Indexes on their way from one side to the other, at most `N` of them, a power of two.
///
/// Memory-safe whatever the other process writes; in order and complete as long as one side pushes and one side pops.
#[derive(Debug)]
#[repr(C)]
pub struct Ring<const N: usize> {
    head: Alone, // the next to pop, written by the consumer
    tail: Alone, // the next to push, written by the producer
    cells: [AtomicU32; N],
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self {
            head: Alone(AtomicU32::new(0)),
            tail: Alone(AtomicU32::new(0)),
            cells: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}

impl<const N: usize> Ring<N> {
    const MASK: usize = {
        assert!(N.is_power_of_two() && N <= 1 << 16, "a ring's capacity is a power of two up to 65,536");
        N - 1
    };

    /// Appends an index; `false` when the ring is full.
    pub fn push(&self, index: u32) -> bool {
        let tail = self.tail.0.load(Ordering::Relaxed);
        if tail.wrapping_sub(self.head.0.load(Ordering::Acquire)) as usize >= N {
            return false;
        }
        self.cells[tail as usize & Self::MASK].store(index, Ordering::Relaxed);
        self.tail.0.store(tail.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes the oldest index.
    pub fn pop(&self) -> Option<u32> {
        let head = self.head.0.load(Ordering::Relaxed);
        if head == self.tail.0.load(Ordering::Acquire) {
            return None;
        }
        let index = self.cells[head as usize & Self::MASK].load(Ordering::Relaxed);
        self.head.0.store(head.wrapping_add(1), Ordering::Release);
        Some(index)
    }

    /// Whether nothing waits. Either side may ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.0.load(Ordering::Acquire) == self.tail.0.load(Ordering::Acquire)
    }

    /// How many wait. Either side may ask.
    #[must_use]
    pub fn len(&self) -> usize {
        let head = self.head.0.load(Ordering::Acquire);
        self.tail.0.load(Ordering::Acquire).wrapping_sub(head) as usize
    }

    /// Empties the ring, while neither side uses it.
    pub fn reset(&self) {
        self.head.0.store(0, Ordering::Relaxed);
        self.tail.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn indexes_leave_in_the_order_they_came_across_many_turns() {
        let ring = Ring::<4>::default();
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
        let ring = Ring::<64>::default();
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
