//! Several keys at once.

use super::entry;
use super::layout::{BUCKETS_MIN, SEGMENT_BYTES};
use super::read::{Appended, Found, Nowhere, Reader, Sink};
use super::shard::Shard;
use super::slot::Slot;
use super::sync::Ordering;
use super::table::Table;

/// The locks of all shards that some keys lie in, taken in the order of their numbers and given back together: until then
/// nobody else sees a change, not even who reads without a lock.
pub struct Batch<'t> {
    table: &'t Table,
    shards: Vec<Shard<'t>>,
}

impl<'t> Batch<'t> {
    pub(super) fn lock(table: &'t Table, numbers: impl Iterator<Item = u32>) -> Self {
        let mut shards = Vec::new();
        for number in numbers {
            let shard = if shards.is_empty() { Shard::lock } else { Shard::lock_next };
            shards.push(shard(&table.map, number));
        }
        Self { table, shards }
    }

    fn shard(&self, key: &[u8]) -> &Shard<'t> {
        let number = self.table.map.geometry.shard(entry::hash(&self.table.map, key));
        let found = self.shards.binary_search_by_key(&number, |shard| shard.number);
        &self.shards[found.expect("the batch was asked for this key")]
    }

    fn read(&self, key: &[u8], now: u64, marks: bool, sink: &mut impl Sink) -> Option<Found> {
        let shard = self.shard(key);
        let hash = entry::hash(shard.map, key);
        Reader { map: shard.map, shard: shard.number, key, hash, now, marks }.read_locked(sink)
    }

    /// Appends the value of a key to `into`.
    ///
    /// # Panics
    /// When the batch isn't for this key.
    pub fn get(&self, key: &[u8], now: u64, into: &mut Vec<u8>) -> Option<Found> {
        self.get_framed(key, now, into, |_, _| {})
    }

    /// The same behind what `head` appends, which is told the value's length.
    ///
    /// # Panics
    /// When the batch isn't for this key.
    pub fn get_framed(
        &self,
        key: &[u8],
        now: u64,
        into: &mut Vec<u8>,
        head: impl FnMut(usize, &mut Vec<u8>),
    ) -> Option<Found> {
        let found = self.read(key, now, true, &mut Appended::to(into, head));
        self.table.count(found.is_some());
        found
    }

    /// What is known of a key's value. It counts neither as a use nor as a hit.
    ///
    /// # Panics
    /// When the batch isn't for this key.
    #[must_use]
    pub fn peek(&self, key: &[u8], now: u64) -> Option<Found> {
        self.read(key, now, false, &mut Nowhere)
    }

    /// Has `f` change one key.
    ///
    /// # Panics
    /// When the batch isn't for this key.
    pub fn update<R>(&mut self, key: &[u8], now: u64, f: impl FnOnce(&mut Slot<'_>) -> R) -> R {
        f(&mut Slot::new(self.shard(key), key, now))
    }

    /// How many keys there are in the shards of the batch.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.head.count.get()).sum()
    }

    /// Whether there is no key in the shards of the batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes every key, and gives the memory back.
    ///
    /// # Panics
    /// When the batch isn't for all keys.
    pub fn clear(&mut self) {
        let (map, geometry) = (&self.table.map, &self.table.map.geometry);
        assert_eq!(self.shards.len(), geometry.shards as usize, "only a batch of all keys can remove them");
        for shard in &self.shards {
            shard.reset();
            // Zeros from the kernel, and no memory.
            let (index_at, _) = geometry.index(shard.number);
            map.forget(index_at, super::layout::Geometry::index_bytes(BUCKETS_MIN.max(geometry.buckets_max)));
        }
        // All of them at once: who looked for those of each shard would go through all of them for each.
        let taken = |&number: &u32| map.segment(number).owner.load(Ordering::Relaxed) != 0;
        (0..geometry.segments).filter(taken).for_each(|number| self.shards[0].segments().release(number));
        self.shards[0].touch_all();
        map.forget(geometry.ghosts_at, geometry.table_at - geometry.ghosts_at);
        map.forget(geometry.pool_at, geometry.segments as usize * SEGMENT_BYTES);
        // From the first one on: what had memory has none any more.
        map.header().pool.rover.store(0, Ordering::Relaxed);
    }
}
