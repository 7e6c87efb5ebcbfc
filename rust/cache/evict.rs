//! Who goes when room is needed: S3-FIFO (Yang and others, SOSP 2023), over logs.
//!
//! What is new comes to the small log, which has a tenth of the bytes. At its end who was used meanwhile moves to the main
//! log, and the others go, leaving a ghost. At the end of the main log who was used comes once more to its beginning, one use
//! less; the others go. A log's end is walked entry by entry, and a segment is free when all of it has been walked.

use super::chain;
use super::entry::{self, Entry};
use super::ghost::Ghosts;
use super::index::{Position, USED_MAX};
use super::segments::Kind;
use super::shard::{Shard, weight};
use super::sync::Ordering;

/// The small log's share is one of so many parts.
const SMALL_PART: u64 = 10;
/// Uses that bring an entry from the small log to the main one.
const USED_TO_STAY: u32 = 1;
/// Rounds over other shards in search of room, all of them locked by others, before it is said that there is none.
const ROUNDS_MAX: u32 = 1000;

/// What a step at a log's end did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is nothing in the log, or what must not go is in the way.
    Nothing,
    /// It went past something: dead, or moved.
    Past,
    /// It moved the entry that must not go.
    Pinned,
    /// An entry went.
    Gone,
}

impl Shard<'_> {
    /// Makes one entry go; false when there is none.
    fn evict(&self, now: u64) -> bool {
        if self.count_loose() == 0 {
            return false;
        }
        self.begin();
        // Who was used as often as is counted comes round so often.
        let steps_max = (self.head.count.get() + 2) * u64::from(USED_MAX + 2) + 1000;
        for _ in 0..steps_max {
            match self.step(now) {
                Step::Gone => return true,
                Step::Past | Step::Pinned => {}
                Step::Nothing => return false,
            }
        }
        // More that is dead than was thought.
        true
    }

    /// Evicts until a segment is free, or nothing is left.
    fn evict_segment(&self, now: u64) -> bool {
        let freed = self.freed();
        while self.freed() == freed {
            if self.count_loose() == 0 {
                return false;
            }
            self.begin();
            if self.step(now) == Step::Nothing {
                return false;
            }
        }
        true
    }

    /// One step at the end of the log whose turn it is.
    fn step(&self, now: u64) -> Step {
        let (small, main) = (self.head.small.bytes.get(), self.head.main.bytes.get());
        let first = if main == 0 || small * SMALL_PART > small + main { Kind::Small } else { Kind::Main };
        let second = if first == Kind::Small { Kind::Main } else { Kind::Small };
        match self.step_in(first, now) {
            Step::Nothing => self.step_in(second, now),
            // It would come round for ever, if those who may go were all in the other log.
            Step::Pinned => match self.step_in(second, now) {
                Step::Nothing => Step::Pinned,
                step => step,
            },
            step => step,
        }
    }

    fn step_in(&self, kind: Kind, now: u64) -> Step {
        self.change();
        let segments = self.segments();
        let queue = segments.queue(kind);
        let Some(oldest) = queue.oldest.get().checked_sub(1) else { return Step::Nothing };
        let (segment, swept) = (self.map.segment(oldest), queue.swept.get());
        if swept >= segment.used.get() {
            if queue.newest.get() == oldest + 1 && segment.used.get() == 0 {
                return Step::Nothing;
            }
            // Whoever was alive in it has gone or moved.
            debug_assert_eq!(segment.live.get(), 0);
            segments.vacate(oldest);
            return Step::Past;
        }
        let entry = Entry::at_place(self.map, Entry::place_of(self.map, self.map.segment_at(oldest) + swept as usize));
        let word = entry.word();
        queue.swept.add((word.units() << self.map.geometry.unit_shift) as u32);
        if !word.is_live() {
            return Step::Past;
        }
        let hash = entry::hash(self.map, entry.key(word));
        let place = Entry::place_of(self.map, entry.at);
        let position = self.position_of(hash, place).expect("who is alive is in the index");
        // Even if it has expired: who has just said so may go on with it.
        if place == self.pinned() {
            if self.relocate(position, entry, word, Kind::Main) {
                return Step::Pinned;
            }
            queue.swept.set(swept);
            return Step::Nothing;
        }
        if entry.expiry(word) <= now {
            self.remove(position, hash);
            self.head.expirations.add(1);
            return Step::Gone;
        }
        let used = self.index().used(position);
        let stays = match kind {
            Kind::Small => used >= USED_TO_STAY,
            _ => used > 0,
        };
        if stays && self.relocate(position, entry, word, Kind::Main) {
            self.index().set_used(position, if kind == Kind::Small { 0 } else { used - 1 });
            return Step::Past;
        }
        if kind == Kind::Small {
            let mut ghosts = Ghosts::of(self.map, self.number);
            ghosts.remember(hash);
            self.head.ghosts.set(ghosts.count());
        }
        self.remove(position, hash);
        self.head.evictions.add(1);
        Step::Gone
    }

    /// Moves an entry to the end of a log; false when there is no room.
    fn relocate(&self, position: Position, entry: Entry<'_>, word: entry::Word, to: Kind) -> bool {
        let segments = self.segments();
        let bytes = word.units() << self.map.geometry.unit_shift;
        let Some(at) = segments.append(to, bytes, true) else { return false };
        // SAFETY: both are whole entries of this shard, and the new one's room was nobody's.
        unsafe { super::copy::copy(self.map.at(entry.at), self.map.at(at), bytes) };
        segments.enliven(at, bytes);
        self.index().replace(position, Entry::place_of(self.map, at));
        self.moved(position.place, Entry::place_of(self.map, at));
        let from = Kind::of(self.map, self.map.segment_of(entry.at));
        if from != to {
            segments.queue(from).bytes.subtract(weight(word));
            segments.queue(to).bytes.add(weight(word));
        }
        entry.kill(word);
        segments.deaden(entry.at, bytes);
        true
    }

    /// Moves what is alive in a mostly dead segment to its log's end, which frees it.
    fn clean(&self, number: u32, now: u64) -> bool {
        self.change();
        let kind = Kind::of(self.map, number);
        let (freed, used) = (self.freed(), self.map.segment(number).used.get() as usize);
        let mut at = 0;
        while at < used && self.freed() == freed {
            let entry = Entry::at_place(self.map, Entry::place_of(self.map, self.map.segment_at(number) + at));
            let word = entry.word();
            at += word.units() << self.map.geometry.unit_shift;
            if !word.is_live() {
                continue;
            }
            let hash = entry::hash(self.map, entry.key(word));
            let place = Entry::place_of(self.map, entry.at);
            let position = self.position_of(hash, place).expect("who is alive is in the index");
            if entry.expiry(word) <= now && place != self.pinned() {
                self.remove(position, hash);
                self.head.expirations.add(1);
            } else if !self.relocate(position, entry, word, kind) {
                return false;
            }
        }
        self.freed() != freed
    }

    /// Frees a segment: one that is mostly dead, or one whose entries go, of this shard or of another.
    pub(super) fn reclaim(&self, now: u64) -> bool {
        self.begin();
        if self.segments().dirtiest().is_some_and(|number| self.clean(number, now)) {
            return true;
        }
        if self.is_poor() && self.elsewhere(|shard| shard.evict_segment(now)) {
            return true;
        }
        self.evict_segment(now) || self.elsewhere(|shard| shard.evict_segment(now))
    }

    /// A chain for `wanted` bytes; see [`chain::extend`].
    pub(super) fn chain(&self, first: u32, len: usize, wanted: usize, now: u64) -> Option<u32> {
        chain::extend(&self.segments(), first, len, wanted, || self.reclaim(now))
    }

    /// Makes one entry go, of this shard or of another; false when there is none.
    pub(super) fn give_up_one(&self, now: u64) -> bool {
        (self.is_poor() && self.elsewhere(|shard| shard.evict(now)))
            || self.evict(now)
            || self.elsewhere(|shard| shard.evict(now))
    }

    /// Reserves so many bytes, for which others go.
    pub(super) fn afford(&self, bytes: u64, now: u64) -> bool {
        while !self.reserve(bytes) {
            if !self.give_up_one(now) {
                return false;
            }
        }
        true
    }

    /// Whether this shard has far less than the others, so that they should give first.
    fn is_poor(&self) -> bool {
        let pool = self.map.header().pool.bytes.load(Ordering::Relaxed);
        self.map.geometry.shards > 1 && self.bytes() * u64::from(self.map.geometry.shards) * 2 < pool
    }

    /// Has another shard give something up. No lock is waited for, so whoever has some may call this; those that the thread
    /// has itself, as parts of a batch, give as the others do.
    fn elsewhere(&self, give: impl Fn(&Shard<'_>) -> bool) -> bool {
        let (geometry, pool) = (&self.map.geometry, &self.map.header().pool);
        for _ in 0..ROUNDS_MAX {
            let mut busy = false;
            for _ in 0..geometry.shards {
                let other = pool.victim.fetch_add(1, Ordering::Relaxed) % geometry.shards;
                if other == self.number {
                    continue;
                }
                match Shard::try_lock(self.map, other) {
                    Some(shard) if give(&shard) => return true,
                    Some(_) => {}
                    None => busy = true,
                }
            }
            if !busy {
                return false;
            }
            std::thread::yield_now();
        }
        false
    }
}
