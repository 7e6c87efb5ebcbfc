//! Segments: how a shard takes them from the pool and gives them back, its two logs made of them, and room in a log.

use std::cell::Cell;

use super::layout::{Queue, SEGMENT_BYTES, SPARE_PER_SHARD};
use super::map::Map;
use super::sync::{Ordering, fence};

/// Which log, and what else a segment may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What is new.
    Small,
    /// What was used while it was new, or came back soon after it had gone.
    Main,
    /// A part of one long value.
    Chain,
}

impl Kind {
    pub(super) fn of(map: &Map, segment: u32) -> Self {
        match map.segment(segment).queue.get() {
            0 => Self::Small,
            1 => Self::Main,
            _ => Self::Chain,
        }
    }
}

/// A shard's segments. Whoever has it has the shard's lock.
#[derive(Clone, Copy)]
pub(super) struct Segments<'a> {
    pub(super) map: &'a Map,
    pub(super) shard: u32,
    /// How many were given back, for who wants to know whether an eviction freed one.
    pub(super) freed: &'a Cell<u32>,
}

impl<'a> Segments<'a> {
    pub(super) fn queue(&self, kind: Kind) -> &'a Queue {
        let head = self.map.head(self.shard);
        match kind {
            Kind::Small => &head.small,
            Kind::Main => &head.main,
            Kind::Chain => unreachable!("a chain is in no queue"),
        }
    }

    /// Takes a free segment. The last ones are for who moves entries, and so will give a segment back.
    pub(super) fn claim(&self, kind: Kind, moves: bool) -> Option<u32> {
        let (header, geometry) = (self.map.header(), &self.map.geometry);
        let spare = if moves { 0 } else { u64::from(geometry.shards) * SPARE_PER_SHARD };
        if header.pool.free.load(Ordering::Relaxed) <= spare {
            return None;
        }
        let begin = header.pool.rover.load(Ordering::Relaxed);
        for step in 0..geometry.segments {
            let number = (begin + step) % geometry.segments;
            let segment = self.map.segment(number);
            let is_free = segment.owner.load(Ordering::Relaxed) == 0;
            let (free, ours) = (0, self.shard + 1);
            if is_free && segment.owner.compare_exchange(free, ours, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                // What is written here is read, by who was still reading what the last owner had, after that one's number.
                fence(Ordering::Release);
                header.pool.rover.store((number + 1) % geometry.segments, Ordering::Relaxed);
                let less = |count: u64| count.checked_sub(1);
                let _ = header.pool.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
                for number in [&segment.next, &segment.before, &segment.used, &segment.live, &segment.sum] {
                    number.set(0);
                }
                segment.queue.set(kind as u32);
                return Some(number);
            }
        }
        // The count was wrong, after a death.
        header.recount.store(1, Ordering::Relaxed);
        None
    }

    /// Gives a segment back, which is in no list any more.
    pub(super) fn release(&self, number: u32) {
        let pool = &self.map.header().pool;
        self.map.segment(number).owner.store(0, Ordering::Release);
        pool.free.fetch_add(1, Ordering::Relaxed);
        // What has memory already is used first.
        pool.rover.store(number, Ordering::Relaxed);
        self.freed.set(self.freed.get() + 1);
    }

    fn push(&self, kind: Kind, number: u32) {
        let queue = self.queue(kind);
        let newest = queue.newest.get();
        self.map.segment(number).before.set(newest);
        if newest == 0 {
            queue.oldest.set(number + 1);
            queue.swept.set(0);
        } else {
            self.map.segment(newest - 1).next.set(number + 1);
        }
        queue.newest.set(number + 1);
    }

    fn unlink(&self, kind: Kind, number: u32) {
        let queue = self.queue(kind);
        let (before, next) = (self.map.segment(number).before.get(), self.map.segment(number).next.get());
        match before {
            0 => {
                queue.oldest.set(next);
                queue.swept.set(0);
            }
            before => self.map.segment(before - 1).next.set(next),
        }
        match next {
            0 => queue.newest.set(before),
            next => self.map.segment(next - 1).before.set(before),
        }
    }

    /// Room at a log's end, if there is memory for it.
    pub(super) fn append(&self, kind: Kind, bytes: usize, moves: bool) -> Option<usize> {
        debug_assert!(bytes <= SEGMENT_BYTES);
        let queue = self.queue(kind);
        let number = match queue.newest.get() {
            0 => None,
            newest => Some(newest - 1),
        };
        let open = number.filter(|&number| self.map.segment(number).used.get() as usize + bytes <= SEGMENT_BYTES);
        let number = match open {
            Some(number) => number,
            None => {
                let number = self.claim(kind, moves)?;
                self.push(kind, number);
                number
            }
        };
        let segment = self.map.segment(number);
        let at = self.map.segment_at(number) + segment.used.get() as usize;
        segment.used.add(bytes as u32);
        Some(at)
    }

    /// Counts an entry as one of the index.
    pub(super) fn enliven(&self, at: usize, bytes: usize) {
        self.map.segment(self.map.segment_of(at)).live.add(bytes as u32);
    }

    /// Counts an entry as gone, and gives back a segment that has no other.
    pub(super) fn deaden(&self, at: usize, bytes: usize) {
        let number = self.map.segment_of(at);
        let segment = self.map.segment(number);
        segment.live.subtract(bytes as u32);
        if segment.live.get() == 0 {
            self.vacate(number);
        }
    }

    /// Gives back a segment of a log that has no entries; the last one, which is still filled, begins anew.
    pub(super) fn vacate(&self, number: u32) {
        let (segment, kind) = (self.map.segment(number), Kind::of(self.map, number));
        let queue = self.queue(kind);
        if queue.newest.get() == number + 1 {
            segment.used.set(0);
            if queue.oldest.get() == number + 1 {
                queue.swept.set(0);
            }
        } else {
            self.unlink(kind, number);
            self.release(number);
        }
    }

    /// The one of the closed segments that has the least alive, if it is mostly dead.
    pub(super) fn dirtiest(&self) -> Option<u32> {
        let mut least = None;
        for kind in [Kind::Small, Kind::Main] {
            let mut next = self.queue(kind).oldest.get();
            while next != 0 {
                let segment = self.map.segment(next - 1);
                let (number, live) = (next - 1, segment.live.get());
                next = segment.next.get();
                if next != 0 && live as usize <= SEGMENT_BYTES / 2 && least.is_none_or(|(_, least)| live < least) {
                    least = Some((number, live));
                }
            }
        }
        least.map(|(number, _)| number)
    }

    /// Has nothing in its logs.
    pub(super) fn forget_queues(&self) {
        let head = self.map.head(self.shard);
        for queue in [&head.small, &head.main] {
            for number in [&queue.oldest, &queue.newest, &queue.swept] {
                number.set(0);
            }
            queue.bytes.set(0);
        }
    }

    /// Gives back everything that is the shard's, whatever state it is in.
    pub(super) fn release_all(&self) {
        for number in 0..self.map.geometry.segments {
            if self.map.segment(number).owner.load(Ordering::Relaxed) == self.shard + 1 {
                self.release(number);
            }
        }
    }
}
