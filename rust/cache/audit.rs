//! Whether a shard is whole: every sum that is kept beside the entries is what the entries say. For tests.

use super::chain;
use super::entry::{self, NEVER};
use super::segments::Kind;
use super::shard::{Shard, weight};
use super::sync::Ordering;
use super::table::Table;

impl Table {
    /// Fails where something of the cache's shards doesn't fit together. Nobody else may be writing.
    pub(super) fn audit(&self) {
        let geometry = &self.map.geometry;
        let mut bytes = 0;
        let mut owned = 0;
        for number in 0..geometry.shards {
            let shard = Shard::lock(&self.map, number);
            bytes += shard.bytes();
            owned += shard.audit();
        }
        let pool = &self.map.header().pool;
        assert_eq!(pool.bytes.load(Ordering::Relaxed), bytes, "bytes of all shards");
        let free = (0..geometry.segments).filter(|&at| self.map.segment(at).owner.load(Ordering::Relaxed) == 0).count();
        assert_eq!(pool.free.load(Ordering::Relaxed), free as u64, "free segments");
        assert_eq!(free + owned, geometry.segments as usize, "segments that are nobody's");
    }
}

impl Shard<'_> {
    /// Returns how many segments are the shard's.
    fn audit(&self) -> usize {
        let mut live = std::collections::HashMap::<u32, u32>::new();
        let mut chained = 0;
        let (mut count, mut expiring, mut weights) = (0, 0, [0, 0]);
        for position in self.index().all() {
            let entry = self.entry(position.place);
            let word = entry.word();
            let hash = entry::hash(self.map, entry.key(word));
            assert!(word.is_live() && entry.is_sound(word, hash));
            assert_eq!(self.find(entry.key(word), hash), Some(position));
            assert_eq!(self.map.geometry.shard(hash), self.number);
            let segment = self.map.segment_of(entry.at);
            assert_eq!(self.map.segment(segment).owner.load(Ordering::Relaxed), self.number + 1);
            *live.entry(segment).or_default() += (word.units() << self.map.geometry.unit_shift) as u32;
            count += 1;
            expiring += u64::from(entry.expiry(word) != NEVER);
            weights[usize::from(Kind::of(self.map, segment) == Kind::Main)] += weight(word);
            if word.is_chained() {
                assert!(chain::is_sound(self.map, entry.chain(word), word.value_len()));
                chained += word.value_len().div_ceil(super::layout::SEGMENT_BYTES);
            }
        }
        assert_eq!((self.head.count.get(), self.head.expiring.get()), (count, expiring));
        assert_eq!([self.head.small.bytes.get(), self.head.main.bytes.get()], weights);
        let mut owned = chained;
        for kind in [Kind::Small, Kind::Main] {
            let queue = self.segments().queue(kind);
            let mut next = queue.oldest.get();
            let mut before = 0;
            while next != 0 {
                let segment = self.map.segment(next - 1);
                assert_eq!(segment.before.get(), before);
                assert_eq!(segment.live.get(), live.remove(&(next - 1)).unwrap_or_default());
                owned += 1;
                before = next;
                next = segment.next.get();
            }
            assert_eq!(queue.newest.get(), before);
        }
        assert!(live.is_empty(), "entries in segments of no log");
        let ours = |&at: &u32| self.map.segment(at).owner.load(Ordering::Relaxed) == self.number + 1;
        assert_eq!((0..self.map.geometry.segments).filter(ours).count(), owned);
        owned
    }
}
