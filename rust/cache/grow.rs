//! Room in a shard's index: it grows by a quarter, up to what the geometry gives it, and beyond that somebody goes.

use super::entry;
use super::index::Position;
use super::layout::BUCKET_SLOTS;
use super::shard::Shard;

/// Above so many tenths of its slots an index grows.
const LOAD_TENTHS: u64 = 8;

impl Shard<'_> {
    /// Makes sure that an entry with this hash can be put into the index: by growing, or when that is over by having one go
    /// that is in its way. False when there is none that may.
    pub(super) fn widen(&self, hash: u64) -> bool {
        let slots = u64::from(self.index().buckets) * BUCKET_SLOTS as u64;
        if self.head.count.get() * 10 >= slots * LOAD_TENTHS {
            self.grow();
        }
        while !self.index().has_room(self.spot(hash)) {
            if !self.grow() && !self.evict_neighbour(hash) {
                return false;
            }
        }
        true
    }

    /// Puts an entry into the index, for which [`Shard::widen`] has found room.
    pub(super) fn insert(&self, hash: u64, place: u32) {
        self.index().insert(self.spot(hash), place, 0).expect("there is room");
        self.head.count.add(1);
    }

    /// Has the least used one go of those that lie where an entry with this hash would.
    fn evict_neighbour(&self, hash: u64) -> bool {
        if self.is_kept() {
            return false;
        }
        let index = self.index();
        let loose = index.neighbours(self.spot(hash)).filter(|position| position.place != self.pinned());
        let Some(least) = loose.min_by_key(|&position| index.used(position)) else { return false };
        self.change();
        self.remove(least, self.hash_of(least));
        self.head.evictions.add(1);
        true
    }

    fn hash_of(&self, position: Position) -> u64 {
        let entry = self.entry(position.place);
        entry::hash(self.map, entry.key(entry.word()))
    }

    /// Gives the index a quarter more buckets; whether it may have them.
    fn grow(&self) -> bool {
        let old = self.index();
        let (_, buckets_max) = self.map.geometry.index(self.number);
        if old.buckets == buckets_max {
            return false;
        }
        self.change();
        let mut entries: Vec<(u64, Position, u32)> =
            old.all().map(|position| (self.hash_of(position), position, old.used(position))).collect();
        // First who must not go, if some find no room.
        if let Some(pinned) = entries.iter().position(|(_, position, _)| position.place == self.pinned()) {
            entries.swap(0, pinned);
        }
        let mut buckets = old.buckets;
        loop {
            buckets = (buckets + buckets / 4 + 1).min(buckets_max);
            self.begin();
            self.index().clear();
            self.head.buckets.set(buckets);
            let index = self.index();
            let put_in = |&(hash, position, used): &(u64, Position, u32)| {
                index.insert(self.spot(hash), position.place, used).is_some()
            };
            let Some(rest) = entries.iter().position(|entry| !put_in(entry)) else { return true };
            if buckets == buckets_max {
                // A crowd that not even the largest index has room for: nobody has seen one.
                assert!(!self.is_kept(), "the kept region's index has room for all of it");
                for &(hash, position, used) in &entries[rest..] {
                    if index.insert(self.spot(hash), position.place, used).is_none() {
                        self.drop_entry(position.place);
                        self.head.count.subtract(1);
                        self.head.evictions.add(1);
                        self.touch(hash);
                    }
                }
                return true;
            }
        }
    }
}
