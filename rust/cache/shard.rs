//! A locked shard: its entries, its sums, and repairing what a dead owner left.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;

use super::chain;
use super::entry::{self, Entry, NEVER};
use super::index::{Index, Position, Spot};
use super::layout::{BUCKETS_MIN, Head, VERSIONS};
use super::lock::{Busy, Found};
use super::map::Map;
use super::segments::{Kind, Segments};
use super::sync::Ordering;

thread_local! {
    /// How many shards this thread has locked: who has one must not wait for another.
    static LOCKED: Cell<u32> = const { Cell::new(0) };
}

/// Who tells people that keys were lost.
static ON_WIPED: OnceLock<fn()> = OnceLock::new();

/// Has `act` called, in the process that finds it, when a shard was emptied because its owner had died or panicked amid a change. It has to be
/// short, as others wait for the shard. The first one that is given counts.
pub fn on_wiped(act: fn()) {
    let _ = ON_WIPED.set(act);
}

/// The lock of a shard, and what can be done while one has it.
pub(super) struct Shard<'a> {
    pub(super) map: &'a Map,
    pub(super) number: u32,
    pub(super) head: &'a Head,
    freed: Cell<u32>,
    /// The place of an entry that may move but not go, as it is being changed. 0 is none.
    pinned: Cell<u32>,
    /// Whether it gives the lock back at its end: a view of one that this thread has anyhow doesn't.
    owns: bool,
    /// Whether the thread was unwinding when it took the lock: then a panic says nothing of what it did with it.
    unwinding: bool,
    /// How often entries may have moved or gone, so that a position is to be looked up anew.
    changes: Cell<u32>,
    /// Not to be sent: the thread that has the lock has to give it back.
    _here: PhantomData<*const ()>,
}

impl<'a> Shard<'a> {
    /// Waits for the lock.
    ///
    /// # Panics
    /// When this thread has one already: it would wait for itself sooner or later.
    pub(super) fn lock(map: &'a Map, number: u32) -> Self {
        assert_free();
        Self::lock_next(map, number)
    }

    /// The same for one more, with a higher number than those that the thread has.
    pub(super) fn lock_next(map: &'a Map, number: u32) -> Self {
        let head = map.head(number);
        let found = head.lock.lock();
        Self::locked(map, number, head, found)
    }

    /// Takes the lock if nobody else has it. One that this thread has, as part of a batch, is its to change, too.
    pub(super) fn try_lock(map: &'a Map, number: u32) -> Option<Self> {
        let head = map.head(number);
        match head.lock.try_lock() {
            Ok(found) => Some(Self::locked(map, number, head, found)),
            Err(Busy::ThisThread) => Some(Self::new(map, number, head, false)),
            Err(Busy::Others) => None,
        }
    }

    fn new(map: &'a Map, number: u32, head: &'a Head, owns: bool) -> Self {
        let (freed, pinned, changes) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let unwinding = std::thread::panicking();
        Self { map, number, head, freed, pinned, owns, unwinding, changes, _here: PhantomData }
    }

    fn locked(map: &'a Map, number: u32, head: &'a Head, found: Found) -> Self {
        LOCKED.with(|locked| locked.set(locked.get() + 1));
        if found == Found::Orphaned {
            // At once, for a lock that is given back without it is lost for ever. Who dies from here on leaves it orphaned
            // again, and what is half done is said by the number.
            head.lock.repaired();
        }
        let shard = Self::new(map, number, head, true);
        // An even number says that nothing was half done.
        if head.sequence.is_odd() {
            shard.begin();
            shard.repair();
            head.recoveries.add(1);
        }
        shard
    }

    /// Before any change. The sequence is odd from the first one until the lock is given back, so that nobody without the
    /// lock sees some of the changes and not the others.
    #[inline]
    pub(super) fn begin(&self) {
        self.head.sequence.begin();
    }

    /// Runs `body`, in which the entry at this position may move but not go.
    pub(super) fn pinning<R>(&self, position: Position, body: impl FnOnce() -> R) -> R {
        self.pinned.set(position.place);
        let result = body();
        self.pinned.set(0);
        result
    }

    /// The place that the pinned entry has by now; 0 when none is pinned.
    pub(super) fn pinned(&self) -> u32 {
        self.pinned.get()
    }

    /// Says that an entry is elsewhere.
    pub(super) fn moved(&self, from: u32, to: u32) {
        if self.pinned.get() == from {
            self.pinned.set(to);
        }
    }

    /// How many entries may go.
    pub(super) fn count_loose(&self) -> u64 {
        self.head.count.get() - u64::from(self.pinned.get() != 0)
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
        if let Some(act) = ON_WIPED.get() {
            act();
        }
    }

    /// Forgets everything, whatever state it is in.
    fn wipe(&self) {
        self.reset();
        self.segments().release_all();
    }

    /// The same, but for the segments, which are left to whoever gives back those of all shards.
    pub(super) fn reset(&self) {
        self.begin();
        let index = Index::of(self.map, self.number);
        index.clear();
        self.head.buckets.set(BUCKETS_MIN);
        self.give_back(self.bytes());
        self.segments().forget_queues();
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

    /// Counts what an entry of a log weighs now.
    pub(super) fn weigh(&self, kind: Kind, before: u64, now: u64) {
        let queue = self.segments().queue(kind);
        queue.bytes.set((queue.bytes.get() + now).saturating_sub(before));
    }

    /// Takes so many bytes of what all shards may have together, if they are left, before anything comes to weigh as much:
    /// that is what makes the limit one. What a dead writer took is counted anew after the recovery.
    pub(super) fn reserve(&self, bytes: u64) -> bool {
        let more = |sum: u64| sum.checked_add(bytes).filter(|&sum| sum <= self.map.geometry.bytes_max);
        self.begin();
        bytes == 0 || self.map.header().pool.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives bytes back that something weighed, or that were reserved for it.
    pub(super) fn give_back(&self, bytes: u64) {
        if bytes > 0 {
            let less = |sum: u64| Some(sum.saturating_sub(bytes));
            let _ = self.map.header().pool.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Takes an entry out of the index, and gives back what only it had.
    pub(super) fn remove(&self, position: Position, hash: u64) {
        if self.is_kept() {
            self.remove_kept(position, hash);
            return;
        }
        self.begin();
        self.index().remove(self.spot(hash), position);
        self.head.count.subtract(1);
        self.touch(hash);
        self.drop_entry(position.place);
    }

    /// Gives back what an entry has that is in no index any more.
    pub(super) fn drop_entry(&self, place: u32) {
        let entry = self.entry(place);
        let bytes = weight(entry.word());
        let chain = self.unlink(entry);
        chain::release(&self.segments(), chain);
        self.give_back(bytes);
    }

    /// Counts an entry as dead, when nothing in the index leads to it any more. Returns its chain: the entry's segment may be
    /// another's from now on.
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
}

impl Drop for Shard<'_> {
    fn drop(&mut self) {
        if !self.owns {
            return;
        }
        if self.head.sequence.is_odd() {
            if std::thread::panicking() && !self.unwinding {
                // Nobody knows what was half done: as after a death.
                self.repair();
            }
            self.head.sequence.end();
        }
        LOCKED.with(|locked| locked.set(locked.get() - 1));
        // SAFETY: this thread took the lock, for a shard can't be sent to another one.
        unsafe { self.head.lock.unlock() };
    }
}

/// Before a table's method looks at anything.
///
/// # Panics
/// When this thread has a shard: it would wait for itself sooner or later.
#[inline(always)]
pub(super) fn assert_free() {
    assert_eq!(LOCKED.get(), 0, "within a batch or an update only its own methods may be called");
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
