//! Going through all keys, bit by bit, while they change; and through those that have expired.
//!
//! A cursor is a place in the order of the hashes (their high 48 bits, so that it fits into every client's integers). The
//! buckets of an index are in that order, whatever their number, so an index that grows meanwhile changes nothing: a key that
//! stays is told once.

use super::entry;
use super::layout::{BUCKET_SLOTS, VERSIONS};
use super::shard::{Shard, version};
use super::sync::Ordering;
use super::table::Table;

const CURSOR_BITS: u32 = 48;
/// A scan looks at so many buckets at most for each key that it is asked for, so that an empty table doesn't hold it up.
const BUCKETS_PER_KEY: usize = 10;
/// Every so many writes of a shard, some buckets of it are swept.
const WRITES_PER_SWEEP: u64 = 64;
const BUCKETS_PER_SWEEP: u32 = 4;

impl Shard<'_> {
    /// What entries there are whose hashes belong to a bucket, as their hashes and places.
    fn of_bucket(&self, bucket: u32) -> impl Iterator<Item = (u64, u32)> + '_ {
        let index = self.index();
        (bucket..=index.reach(bucket)).flat_map(move |at| index.entries(at)).filter_map(move |position| {
            let entry = self.entry(position.place);
            let hash = entry::hash(self.map, entry.key(entry.word()));
            (index.home(self.spot(hash).within) == bucket).then_some((hash, position.place))
        })
    }

    /// Removes what has expired in some buckets from `first` on. Returns how many, and the bucket after.
    fn sweep(&self, first: u32, buckets: u32, now: u64) -> (u64, u32) {
        let last = first.saturating_add(buckets).min(self.index().buckets);
        let mut removed = 0;
        for bucket in first..last {
            let expired: Vec<(u64, u32)> = self
                .of_bucket(bucket)
                .filter(|&(_, place)| {
                    let entry = self.entry(place);
                    entry.expiry(entry.word()) <= now
                })
                .collect();
            for (hash, place) in expired {
                let position = self.position_of(hash, place).expect("it was just there");
                self.remove(position, hash);
                self.head.expirations.add(1);
                removed += 1;
            }
        }
        (removed, last)
    }

    /// Sweeps a little, with every some writes.
    pub(super) fn tend(&self, now: u64) {
        let head = self.head;
        head.writes.add(1);
        if head.expiring.get() == 0 || !head.writes.get().is_multiple_of(WRITES_PER_SWEEP) {
            return;
        }
        let first = head.sweep.get() as u32;
        let (_, next) = self.sweep(first, BUCKETS_PER_SWEEP, now);
        head.sweep.set(if next >= self.index().buckets { 0 } else { u64::from(next) });
    }

    /// Bytes of an entry: its own, its chain's, and a slot of the index.
    pub(super) fn memory_usage(&self, found: super::index::Position) -> u64 {
        let word = self.entry(found.place).word();
        let own = word.units() << self.map.geometry.unit_shift;
        let segment = super::layout::SEGMENT_BYTES;
        let chain = if word.is_chained() { word.value_len().next_multiple_of(segment) } else { 0 };
        (own + chain + super::layout::BUCKET_BYTES / BUCKET_SLOTS) as u64
    }
}

impl Table {
    /// Tells `each` about some keys, at least one and about `count` unless there are fewer, and returns the cursor to go on
    /// with. A scan begins with cursor 0 and has ended when it is 0 again. Every key that is there from the beginning to the
    /// end is told; one that comes or goes meanwhile may be. No lock is held while `each` runs.
    pub fn scan(&self, cursor: u64, count: usize, now: u64, mut each: impl FnMut(&[u8])) -> u64 {
        let geometry = &self.map.geometry;
        let shift = u64::BITS - CURSOR_BITS;
        if cursor >> CURSOR_BITS != 0 {
            return 0;
        }
        let mut hash = cursor << shift;
        let (mut keys, mut ends, mut buckets) = (Vec::new(), Vec::new(), count.max(1).saturating_mul(BUCKETS_PER_KEY));
        let next = 'shards: loop {
            let shard = Shard::lock(&self.map, geometry.shard(hash));
            let index = shard.index();
            let mut bucket = index.home(geometry.within(hash));
            while bucket < index.buckets {
                if ends.len() >= count.max(1) || buckets == 0 {
                    break 'shards hash >> shift;
                }
                buckets -= 1;
                for (found, place) in shard.of_bucket(bucket) {
                    let entry = shard.entry(place);
                    // Those before the cursor were told before the index had this many buckets.
                    if found >> shift >= hash >> shift && entry.expiry(entry.word()) > now {
                        keys.extend_from_slice(entry.key(entry.word()));
                        ends.push(keys.len());
                    }
                }
                bucket += 1;
                // The first hash of the next bucket, rounded up to a cursor.
                let within = u128::from(index.first_within(bucket)) << 32;
                let first = (u128::from(shard.number) << 64).checked_add(within).expect("far below 128 bits");
                let next = first.div_ceil(u128::from(geometry.shards)).div_ceil(1 << shift) << shift;
                match u64::try_from(next) {
                    Ok(next) => hash = next,
                    Err(_) => break 'shards 0,
                }
            }
        };
        let mut begin = 0;
        for end in ends {
            each(&keys[begin..end]);
            begin = end;
        }
        next
    }

    /// Some key, about as likely as every other; `None` when there is none.
    #[must_use]
    pub fn random_key(&self, now: u64) -> Option<Vec<u8>> {
        use std::hash::{BuildHasher, RandomState};

        let random = RandomState::new();
        let cursor = random.hash_one(0) >> (u64::BITS - CURSOR_BITS);
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let mut next = self.scan(cursor, 16, now, |key| keys.push(key.to_vec()));
        while keys.is_empty() && next != 0 {
            next = self.scan(next, 16, now, |key| keys.push(key.to_vec()));
        }
        // Round the end, up to where it began.
        while keys.is_empty() && next < cursor {
            next = self.scan(next, 16, now, |key| keys.push(key.to_vec()));
            if next == 0 {
                break;
            }
        }
        let chosen = random.hash_one(1) as usize % keys.len().max(1);
        keys.into_iter().nth(chosen)
    }

    /// Removes what has expired in the next so many buckets, and says how many entries that were. For a timer; writes do a
    /// little of it by themselves.
    pub fn sweep(&self, now: u64, buckets: usize) -> u64 {
        let swept = &self.map.header().swept;
        let mut removed = 0;
        let mut left = buckets as u64;
        for _ in 0..self.map.geometry.shards {
            if left == 0 {
                break;
            }
            let at = swept.load(Ordering::Relaxed);
            let number = (at >> 32) as u32 % self.map.geometry.shards;
            let head = self.map.head(number);
            let mut next = 0;
            if head.expiring.get() > 0 {
                let shard = Shard::lock(&self.map, number);
                let first = at as u32;
                let (some, last) = shard.sweep(first, left.min(u64::from(u32::MAX)) as u32, now);
                removed += some;
                left -= u64::from(last.saturating_sub(first)).min(left);
                next = if last < shard.index().buckets { last } else { 0 };
            }
            let number = if next == 0 { number + 1 } else { number };
            swept.store(u64::from(number) << 32 | u64::from(next), Ordering::Relaxed);
        }
        removed
    }

    /// Begins to watch a key: see [`Watch::changed`].
    #[must_use]
    pub fn watch(&self, key: &[u8]) -> Watch {
        let hash = entry::hash(&self.map, key);
        // Whoever was writing when nobody watched has finished.
        let _lock = Shard::lock(&self.map, self.map.geometry.shard(hash));
        self.map.header().watchers.fetch_add(1, Ordering::Relaxed);
        Watch {
            table: self.clone(),
            at: version(hash),
            seen: self.version(version(hash)),
            clears: self.map.header().clears.load(Ordering::Relaxed),
        }
    }

    fn version(&self, at: usize) -> u32 {
        debug_assert!(at < VERSIONS);
        self.map.number(self.map.geometry.versions_at, at).load(Ordering::Relaxed)
    }
}

/// A key that is being watched, until this is dropped.
#[derive(Debug)]
pub struct Watch {
    table: Table,
    at: usize,
    seen: u32,
    clears: u32,
}

impl Watch {
    /// Whether the key may have been changed, by a write, its expiry or an eviction, since it is watched: never says no
    /// falsely while a batch has the key, and yes falsely once in 65,536 changes of others.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.written() || self.table.map.header().clears.load(Ordering::Relaxed) != self.clears
    }

    /// The same, but for the removal of all keys at once, which changes nothing for a key that isn't there.
    #[must_use]
    pub fn written(&self) -> bool {
        self.table.version(self.at) != self.seen
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.table.map.header().watchers.fetch_sub(1, Ordering::Relaxed);
    }
}
