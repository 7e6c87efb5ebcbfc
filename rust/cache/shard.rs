//! A locked shard: finding, adding and removing entries, and repairing what a dead owner left.

use std::cell::Cell;

use super::chain;
use super::entry::{self, Entry, NEVER};
use super::index::{Index, Position, Spot};
use super::layout::{BUCKET_SLOTS, BUCKETS_MIN, Head, VERSIONS};
use super::lock::{Busy, Found};
use super::map::Map;
use super::segments::{Kind, Segments};
use super::sync::Ordering;

thread_local! {
    /// How many shards this thread has locked: who has one must not wait for another.
    static LOCKED: Cell<u32> = const { Cell::new(0) };
}

/// Above so many tenths of its slots an index grows, by a quarter.
const LOAD_TENTHS: u64 = 8;

/// The lock of a shard, and what can be done while one has it.
pub(super) struct Shard<'a> {
    pub(super) map: &'a Map,
    pub(super) number: u32,
    pub(super) head: &'a Head,
    /// Whether the sequence is odd: from the first change until the lock is given back, so that nobody without the lock
    /// sees some of the changes and not the others.
    writing: Cell<bool>,
    freed: Cell<u32>,
    /// How often entries may have moved or gone, so that a position is to be looked up anew.
    changes: Cell<u32>,
}

impl<'a> Shard<'a> {
    /// Waits for the lock.
    ///
    /// # Panics
    /// When this thread has one already: it would wait for itself sooner or later.
    pub(super) fn lock(map: &'a Map, number: u32) -> Self {
        assert_eq!(LOCKED.get(), 0, "within a batch or an update only its own methods may be called");
        Self::lock_next(map, number)
    }

    /// The same for one more, with a higher number than those that the thread has.
    pub(super) fn lock_next(map: &'a Map, number: u32) -> Self {
        let head = map.head(number);
        let found = head.lock.lock();
        Self::locked(map, number, head, found)
    }

    /// Takes the lock if nobody has it.
    pub(super) fn try_lock(map: &'a Map, number: u32) -> Result<Self, Busy> {
        let head = map.head(number);
        let found = head.lock.try_lock()?;
        Ok(Self::locked(map, number, head, found))
    }

    fn locked(map: &'a Map, number: u32, head: &'a Head, found: Found) -> Self {
        LOCKED.set(LOCKED.get() + 1);
        let shard = Self { map, number, head, writing: Cell::new(false), freed: Cell::new(0), changes: Cell::new(0) };
        if found == Found::Orphaned {
            // An even number says that nothing was half done.
            if head.sequence.note().is_none() {
                shard.begin();
                shard.repair();
                head.recoveries.add(1);
            }
            head.lock.repaired();
        }
        shard
    }

    /// Before any change.
    #[inline]
    pub(super) fn begin(&self) {
        if !self.writing.replace(true) {
            self.head.sequence.begin();
        }
    }

    fn repair(&self) {
        if self.is_kept() {
            self.reread();
            return;
        }
        // What the dead one had counted, and what it hadn't.
        self.map.header().recount.store(1, Ordering::Relaxed);
        self.wipe();
        self.touch_all();
    }

    /// Forgets everything, whatever state it is in.
    pub(super) fn wipe(&self) {
        self.begin();
        let index = Index::of(self.map, self.number);
        index.clear();
        self.head.buckets.set(BUCKETS_MIN);
        let bytes = self.head.small.bytes.get() + self.head.main.bytes.get();
        let pool = &self.map.header().pool;
        let less = |sum: u64| Some(sum.saturating_sub(bytes));
        let _ = pool.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        self.segments().release_all();
        for word in [&self.head.count, &self.head.expiring, &self.head.sweep] {
            word.set(0);
        }
    }

    /// Says to who watches any key that it changed.
    pub(super) fn touch_all(&self) {
        self.map.header().clears.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn index(&self) -> Index<'a> {
        Index::of(self.map, self.number)
    }

    pub(super) fn segments(&self) -> Segments<'_> {
        Segments { map: self.map, shard: self.number, freed: &self.freed }
    }

    /// How many segments were given back since the lock was taken.
    pub(super) fn freed(&self) -> u32 {
        self.freed.get()
    }

    pub(super) fn change(&self) {
        self.changes.set(self.changes.get() + 1);
    }

    /// Another number than before says that a position may not be where it was.
    pub(super) fn changes(&self) -> u32 {
        self.changes.get()
    }

    pub(super) fn entry(&self, place: u32) -> Entry<'a> {
        Entry::at_place(self.map, place)
    }

    pub(super) fn spot(&self, hash: u64) -> Spot {
        spot(self.map, hash)
    }

    /// The entry of a key, expired or not.
    pub(super) fn find(&self, key: &[u8], hash: u64) -> Option<Position> {
        self.index().find(self.spot(hash), |place| {
            let entry = self.entry(place);
            entry.has_key(entry.word(), key)
        })
    }

    /// Where the entry at this place is in the index.
    pub(super) fn position_of(&self, hash: u64, place: u32) -> Option<Position> {
        self.index().find(self.spot(hash), |found| found == place)
    }

    /// Keys and values of the shard.
    pub(super) fn bytes(&self) -> u64 {
        self.head.small.bytes.get() + self.head.main.bytes.get()
    }

    /// Says to who watches the key that it changed.
    pub(super) fn touch(&self, hash: u64) {
        if self.map.header().watchers.load(Ordering::Relaxed) > 0 {
            self.map.number(self.map.geometry.versions_at, version(hash)).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts what an entry weighs, as much more or less as it does now.
    pub(super) fn weigh(&self, kind: Kind, before: u64, now: u64) {
        let queue = self.segments().queue(kind);
        queue.bytes.set((queue.bytes.get() + now).saturating_sub(before));
        let bytes = &self.map.header().pool.bytes;
        if now >= before {
            bytes.fetch_add(now - before, Ordering::Relaxed);
        } else {
            let less = |sum: u64| Some(sum.saturating_sub(before - now));
            let _ = bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Takes an entry out of the index, and gives back what only it had.
    pub(super) fn remove(&self, position: Position, hash: u64) {
        if self.is_kept() {
            self.remove_kept(position, hash);
            return;
        }
        let chain = self.take_out(position, hash);
        chain::release(&self.segments(), chain);
    }

    /// The same, but for its chain, which is the caller's. 0 is none.
    pub(super) fn take_out(&self, position: Position, hash: u64) -> u32 {
        self.begin();
        self.index().remove(self.spot(hash), position);
        self.head.count.subtract(1);
        self.touch(hash);
        self.unlink(self.entry(position.place))
    }

    /// Counts an entry's bytes as dead, when nothing in the index leads to it any more. Returns its chain: the entry's segment
    /// may be another's from now on.
    pub(super) fn unlink(&self, entry: Entry<'_>) -> u32 {
        let word = entry.word();
        let chain = if word.is_chained() { entry.chain(word) } else { 0 };
        let kind = Kind::of(self.map, self.map.segment_of(entry.at));
        if entry.expiry(word) != NEVER {
            self.head.expiring.subtract(1);
        }
        self.weigh(kind, weight(word), 0);
        entry.kill(word);
        self.segments().deaden(entry.at, word.units() << self.map.geometry.unit_shift);
        chain
    }

    /// Makes sure that the index has room for one more, if it may.
    pub(super) fn widen(&self) -> bool {
        let index = self.index();
        let slots = u64::from(index.buckets) * BUCKET_SLOTS as u64;
        self.head.count.get() * 10 < slots * LOAD_TENTHS || self.grow() || self.head.count.get() < slots
    }

    /// Puts an entry into the index, which grows if it must.
    pub(super) fn insert(&self, hash: u64, place: u32) -> bool {
        loop {
            if self.index().insert(self.spot(hash), place, 0).is_some() {
                self.head.count.add(1);
                return true;
            }
            if !self.grow() {
                return false;
            }
        }
    }

    /// Gives the index a quarter more buckets; whether it may have them.
    fn grow(&self) -> bool {
        self.change();
        let old = self.index();
        let (_, buckets_max) = self.map.geometry.index(self.number);
        let entries: Vec<(u64, u32, u32)> = old
            .all()
            .map(|position| {
                let entry = self.entry(position.place);
                (entry::hash(self.map, entry.key(entry.word())), position.place, old.used(position))
            })
            .collect();
        let mut buckets = old.buckets;
        loop {
            if buckets == buckets_max {
                return buckets > old.buckets;
            }
            buckets = (buckets + buckets / 4 + 1).min(buckets_max);
            self.begin();
            self.index().clear();
            self.head.buckets.set(buckets);
            let index = self.index();
            if entries.iter().all(|&(hash, place, used)| index.insert(self.spot(hash), place, used).is_some()) {
                return true;
            }
        }
    }
}

impl Drop for Shard<'_> {
    fn drop(&mut self) {
        if self.writing.get() {
            self.head.sequence.end();
        }
        LOCKED.set(LOCKED.get() - 1);
        // SAFETY: this thread has the lock, and a shard is never sent to another one, for it has cells.
        unsafe { self.head.lock.unlock() };
    }
}

/// What the index needs of a hash.
#[inline(always)]
pub(super) fn spot(map: &Map, hash: u64) -> Spot {
    Spot { within: map.geometry.within(hash), tag: hash as u8 }
}

/// Which of the versions a key has.
pub(super) fn version(hash: u64) -> usize {
    (hash >> 8) as usize % VERSIONS
}

/// What an entry counts for, against the limit.
pub(super) fn weight(word: entry::Word) -> u64 {
    (word.key_len() + word.value_len()) as u64
}
