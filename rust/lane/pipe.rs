//! A pipe of bytes with one writer and one reader, for what is longer than a slot.

use super::sync::{AtomicU32, Ordering, Shelf};

#[derive(Default)]
#[repr(C, align(128))]
struct Alone(AtomicU32);

/// Up to `N` bytes (a power of two) on their way.
///
/// Memory-safe whatever the other process writes: a count that can't be is cut to the capacity, and the bytes are then
/// the other side's own nonsense.
#[derive(Default)]
#[repr(C)]
pub struct Pipe<const N: usize> {
    read: Alone,    // bytes read since the reset, written by the reader
    written: Alone, // bytes written since the reset, written by the writer
    bytes: Shelf<N>,
}

// SAFETY: the bytes between the two counts belong to the reader, the others to the writer, and the counts change hands
// with release and acquire. There is one of each, because each end of a lane needs `&mut self` to use its pipe.
unsafe impl<const N: usize> Sync for Pipe<N> {}

impl<const N: usize> Pipe<N> {
    const MASK: usize = {
        assert!(N.is_power_of_two() && N <= 1 << 30, "a pipe's capacity is a power of two up to a gigabyte");
        N - 1
    };

    fn filled(&self) -> usize {
        let filled = self.written.0.load(Ordering::Acquire).wrapping_sub(self.read.0.load(Ordering::Acquire));
        (filled as usize).min(N)
    }

    /// Whether nothing is in it. Either side may ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filled() == 0
    }

    /// Whether nothing more goes in. Either side may ask.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.filled() == N
    }

    /// Writes as much of `source` as there is room for and returns how much that was.
    pub fn write(&self, source: &[u8]) -> usize {
        let count = source.len().min(N - self.filled());
        let written = self.written.0.load(Ordering::Relaxed);
        let at = written as usize & Self::MASK;
        let first = count.min(N - at);
        // SAFETY: `at` < N, first <= N - at and count - first <= at; the room between the counts is the writer's.
        unsafe {
            self.bytes.put(at, &source[..first]);
            self.bytes.put(0, &source[first..count]);
        }
        self.written.0.store(written.wrapping_add(count as u32), Ordering::Release);
        count
    }

    /// Appends at most `max` bytes to `target` and returns how many there were.
    pub fn read(&self, target: &mut Vec<u8>, max: usize) -> usize {
        let count = max.min(self.filled());
        let read = self.read.0.load(Ordering::Relaxed);
        let at = read as usize & Self::MASK;
        let first = count.min(N - at);
        target.reserve(count);
        // SAFETY: as in `write`; the bytes between the counts are the reader's.
        unsafe {
            self.bytes.take(at, first, target);
            self.bytes.take(0, count - first, target);
        }
        self.read.0.store(read.wrapping_add(count as u32), Ordering::Release);
        count
    }

    /// Empties the pipe, while neither side uses it.
    pub fn reset(&self) {
        self.read.0.store(0, Ordering::Relaxed);
        self.written.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pipe() -> Box<Pipe<16>> {
        Box::default()
    }

    #[test]
    fn bytes_leave_in_the_order_they_came_across_many_turns() {
        let pipe = pipe();
        let sent: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let (mut at, mut got) = (0, Vec::new());
        while got.len() < sent.len() {
            at += pipe.write(&sent[at..sent.len().min(at + 7)]);
            pipe.read(&mut got, 5);
        }
        assert_eq!(got, sent);
    }

    #[test]
    fn a_full_pipe_takes_nothing_and_an_empty_one_gives_nothing() {
        let pipe = pipe();
        assert_eq!(pipe.write(&[7; 20]), 16);
        assert!(pipe.is_full());
        assert_eq!(pipe.write(&[8]), 0);
        let mut got = Vec::new();
        assert_eq!(pipe.read(&mut got, 100), 16);
        assert_eq!(got, [7; 16]);
        assert!(pipe.is_empty());
        assert_eq!(pipe.read(&mut got, 1), 0);
    }

    #[test]
    fn counts_that_can_not_be_stay_inside_the_pipe() {
        let pipe = pipe();
        pipe.written.0.store(4_000_000_000, Ordering::Relaxed);
        let mut got = Vec::new();
        assert_eq!(pipe.read(&mut got, usize::MAX >> 1), 16);
        assert_eq!(pipe.write(&[1; 40]), 0);
    }
}
