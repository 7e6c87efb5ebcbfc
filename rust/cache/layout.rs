//! Where everything lies in the table's memory: one header, the shards' heads, and areas whose places follow from the
//! limit alone, so that whoever maps the memory can compute them. There are offsets in it and no pointers.
//!
//! ```text
//! header | heads | versions | indexes | ghosts | segment table | kept halves | pool of segments
//! ```
//!
//! Memory is reserved at once and touched as it fills, so an area may be as large as it could ever have to be.

use super::lock::Lock;
use super::seq::Sequence;
use super::sync::{AtomicU32, AtomicU64, Half, Word};

/// What a table begins with, in its high half.
const NAME: u64 = 0x4c79_6765 << 32;
/// To be counted up with every change of what lies in the memory that [`magic`] doesn't see.
const VERSION: u64 = 4;

/// What a log grows by.
pub(super) const SEGMENT_BYTES: usize = 128 << 10;
/// Longer values don't lie in the log but in a chain of whole segments. With the longest key and a head, an entry just fits
/// into a segment, and its units into the 14 bits that they have.
pub(super) const INLINE_BYTES_MAX: usize = 60 << 10;
/// A bucket of the index: a line of the CPU's cache.
pub(super) const BUCKET_BYTES: usize = 64;
/// Entries of a bucket.
pub(super) const BUCKET_SLOTS: usize = 12;
/// How many buckets behind its own an entry may lie, and so how many there are behind an index's last.
pub(super) const PROBES_MAX: u32 = 8;
/// A new index has so many buckets, and those behind.
pub(super) const BUCKETS_MIN: u32 = 8;
/// A shard for so many bytes of pool: with fewer shards writers would meet, and rehashing one would take long.
const SHARD_BYTES: u64 = 4 << 20;
const SHARDS_MAX: u64 = 1024;
/// Segments that only what is moved may take, for each shard: an eviction needs room before it frees some.
pub(super) const SPARE_PER_SHARD: u64 = 1;
/// Shards of the kept region, which `kept.rs` shares out.
pub(super) const KEPT_SHARDS: u32 = 24;
/// Each of them has this part of the limit besides it: with 64 MiB about 145,000 counters of rates have room at once, 110,000 locks,
/// 25,000 makers' locks, and 24 MiB of sessions. Only what is in use has memory.
const KEPT_SHARD_PART: u64 = 32;
/// A quarter of it holds the longest record, so that there is room for one where three quarters count.
const KEPT_HALF_BYTES_MIN: u64 = 512 << 10;
/// The counters of versions for `watch`.
pub(super) const VERSIONS: usize = 1 << 16;
/// Threads spread over so many counters of hits, so that they don't wait for each other's cache lines.
pub(super) const STRIPES: usize = 64;
/// Ways of a set of evicted keys.
pub(super) const GHOST_WAYS: usize = 8;
/// Large enough for every system's pages, which areas begin with.
const PAGE: usize = 64 << 10;

/// Hits and misses of some threads, on a line of its own.
#[repr(C, align(64))]
pub(super) struct Stripe {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
}

/// The table's beginning.
#[repr(C, align(64))]
pub(super) struct Header {
    /// [`magic`], written last.
    pub(super) magic: AtomicU64,
    pub(super) bytes_max: AtomicU64,
    /// Random, so that nobody who chooses keys can choose buckets.
    pub(super) seed: AtomicU64,
    /// The last fencing token.
    pub(super) token: AtomicU64,
    /// How many `Watch`es there are: versions are counted only for them.
    pub(super) watchers: AtomicU32,
    /// How often all keys of a shard or of the table were removed at once.
    pub(super) clears: AtomicU32,
    /// Set after a recovery: the sums below may be off by what the dead one had in hand.
    pub(super) recount: AtomicU32,
    /// Where the next sweep begins.
    pub(super) swept: AtomicU64,
    pub(super) pool: Pool,
    pub(super) stripes: [Stripe; STRIPES],
}

/// What all shards share when they write.
#[repr(C, align(64))]
pub(super) struct Pool {
    /// Keys and values of all entries.
    pub(super) bytes: AtomicU64,
    /// About how many segments are free; the segment table knows.
    pub(super) free: AtomicU64,
    /// Where the next search for a free segment begins.
    pub(super) rover: AtomicU32,
    /// Which shard gives up entries next when the writer's own has none left.
    pub(super) victim: AtomicU32,
}

/// One of a shard's two logs: a list of segments, oldest first. Segment numbers are stored plus one, 0 is none.
#[repr(C)]
pub(super) struct Queue {
    pub(super) oldest: Half,
    pub(super) newest: Half,
    /// How far eviction has come in the oldest segment, in bytes.
    pub(super) swept: Half,
    _unused: Half,
    /// Keys and values of its entries.
    pub(super) bytes: Word,
}

/// A shard: what readers look at first, then what writers keep.
#[repr(C, align(128))]
pub(super) struct Head {
    pub(super) sequence: Sequence,
    /// Buckets of the index, without those behind the last.
    pub(super) buckets: Half,
    pub(super) lock: Lock,
    pub(super) count: Word,
    /// Entries that have an expiry.
    pub(super) expiring: Word,
    pub(super) small: Queue,
    pub(super) main: Queue,
    /// How many keys went to the ghosts.
    pub(super) ghosts: Word,
    /// A kept shard's log: its bytes, and in which half they are.
    pub(super) kept: Word,
    /// How many of them belong to records that count.
    pub(super) kept_live: Word,
    /// When the first of them expires, or earlier.
    pub(super) kept_expires: Word,
    /// Writes, for the sweep that comes with every some of them.
    pub(super) writes: Word,
    /// The next bucket of that sweep.
    pub(super) sweep: Word,
    pub(super) evictions: Word,
    pub(super) expirations: Word,
    pub(super) recoveries: Word,
}

/// What the segment table says of a segment. All but the owner is its shard's.
#[repr(C)]
pub(super) struct Segment {
    /// 0 when it is free, else the shard plus one: one store changes it, so that a death leaves no segment nobody's.
    pub(super) owner: AtomicU32,
    /// The next of its queue or chain, plus one.
    pub(super) next: Half,
    pub(super) before: Half,
    /// Bytes from its begin that are in use.
    pub(super) used: Half,
    /// Bytes of entries that are still in the index.
    pub(super) live: Half,
    /// The checksum of a chain's segment.
    pub(super) sum: Half,
    /// Which of the shard's queues it is in: 0 the small one, 1 the main one, 2 none, as it is a chain's.
    pub(super) queue: Half,
}

/// The sizes and places that follow from the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) bytes_max: u64,
    pub(super) shards: u32,
    pub(super) segments: u32,
    /// Entries begin at multiples of 1 << `unit_shift` bytes, so that 32 bits say where.
    pub(super) unit_shift: u32,
    pub(super) buckets_max: u32,
    pub(super) ghost_sets: u32,
    pub(super) kept_buckets_max: u32,
    pub(super) kept_half_bytes: usize,
    pub(super) heads_at: usize,
    pub(super) versions_at: usize,
    pub(super) indexes_at: usize,
    pub(super) kept_indexes_at: usize,
    pub(super) ghosts_at: usize,
    pub(super) table_at: usize,
    /// What places count from: a page that nothing lies in, the kept halves, the segments.
    pub(super) data_at: usize,
    pub(super) kept_at: usize,
    pub(super) pool_at: usize,
    pub(super) total_bytes: usize,
}

impl Geometry {
    /// The pool is a quarter larger than the limit: for heads of entries, and for what is dead and not yet cleaned. Room for
    /// each shard's two open segments comes on top.
    pub(super) fn of(bytes_max: u64) -> Self {
        let pool_bytes = bytes_max + bytes_max / 4;
        let shards = (pool_bytes / SHARD_BYTES).clamp(1, SHARDS_MAX);
        let shards = if shards.is_power_of_two() { shards } else { shards.next_power_of_two() / 2 };
        let segments = pool_bytes.div_ceil(SEGMENT_BYTES as u64) + shards * (2 + SPARE_PER_SHARD) + 4;
        let buckets_max = Self::buckets_for(segments * SEGMENT_BYTES as u64 / shards);
        let ghost_sets = (pool_bytes / shards / 128 / GHOST_WAYS as u64).clamp(1, 1 << 24) as u32;
        let kept_half_bytes =
            ((bytes_max / KEPT_SHARD_PART).clamp(KEPT_HALF_BYTES_MIN, 64 << 20) as usize) & !(PAGE - 1);
        let kept_buckets_max = Self::buckets_for(kept_half_bytes as u64);

        let index_bytes = Self::index_bytes(buckets_max);
        let kept_index_bytes = Self::index_bytes(kept_buckets_max);
        let mut at = 0;
        let mut area = |bytes: usize| {
            let begin = at;
            at += bytes.next_multiple_of(PAGE);
            begin
        };
        area(size_of::<Header>());
        let heads_at = area((shards as usize + KEPT_SHARDS as usize) * size_of::<Head>());
        let versions_at = area(VERSIONS * 4);
        let indexes_at = area(shards as usize * index_bytes);
        let kept_indexes_at = area(KEPT_SHARDS as usize * kept_index_bytes);
        let ghosts_at = area(shards as usize * ghost_sets as usize * GHOST_WAYS * 4);
        let table_at = area(segments as usize * size_of::<Segment>());
        let data_at = area(PAGE);
        let kept_at = area(KEPT_SHARDS as usize * 2 * kept_half_bytes);
        let pool_at = area(segments as usize * SEGMENT_BYTES);
        let total_bytes = at;
        let data_bytes = (total_bytes - data_at) as u64;
        let unit_shift = (3..).find(|shift| data_bytes >> shift <= u64::from(u32::MAX)).expect("some shift is enough");
        Self {
            bytes_max,
            shards: shards as u32,
            segments: segments as u32,
            unit_shift,
            buckets_max,
            ghost_sets,
            kept_buckets_max,
            kept_half_bytes,
            heads_at,
            versions_at,
            indexes_at,
            kept_indexes_at,
            ghosts_at,
            table_at,
            data_at,
            kept_at,
            pool_at,
            total_bytes,
        }
    }

    /// Buckets for all entries that so many bytes can hold, which have 16 at least: half full then, for keys aren't spread
    /// evenly, neither over shards nor over buckets.
    fn buckets_for(bytes: u64) -> u32 {
        (bytes / 16 * 2 / BUCKET_SLOTS as u64).clamp(u64::from(BUCKETS_MIN), 1 << 28) as u32
    }

    /// Bytes of an index that may have so many buckets.
    pub(super) fn index_bytes(buckets_max: u32) -> usize {
        ((buckets_max + PROBES_MAX) as usize * BUCKET_BYTES).next_multiple_of(PAGE)
    }

    /// What the records of a kept shard that count may have: a copy of them leaves room for a quarter's writes.
    pub(super) fn kept_live_max(&self) -> u64 {
        (self.kept_half_bytes / 4 * 3) as u64
    }

    /// Whether it is one of the kept region.
    pub(super) fn is_kept(&self, shard: u32) -> bool {
        shard >= self.shards
    }

    /// Where a shard's index lies, and how many buckets it may have.
    pub(super) fn index(&self, shard: u32) -> (usize, u32) {
        if self.is_kept(shard) {
            let begin = (shard - self.shards) as usize * Self::index_bytes(self.kept_buckets_max);
            (self.kept_indexes_at + begin, self.kept_buckets_max)
        } else {
            (self.indexes_at + shard as usize * Self::index_bytes(self.buckets_max), self.buckets_max)
        }
    }

    /// The shard of the cache that a key with this hash lies in.
    #[inline(always)]
    pub(super) fn shard(&self, hash: u64) -> u32 {
        // By 64 bits, for which one shard would be a shift of 64.
        ((u128::from(hash) * u128::from(self.shards)) >> 64) as u32
    }

    /// The place of a hash within its shard, of 32 bits, by which the index is ordered.
    #[inline(always)]
    pub(super) fn within(&self, hash: u64) -> u32 {
        (hash.wrapping_mul(u64::from(self.shards)) >> 32) as u32
    }

    /// Bytes that an entry of `bytes` takes.
    #[inline(always)]
    pub(super) fn rounded(&self, bytes: usize) -> usize {
        let unit = 1 << self.unit_shift;
        (bytes + unit - 1) & !(unit - 1)
    }
}

/// What a table begins with that has these areas, and heads and segments as they are here. Whoever would look elsewhere
/// for something finds another number, and refuses the table.
pub(super) fn magic(geometry: &Geometry) -> u64 {
    let sizes = [size_of::<Header>(), size_of::<Head>(), size_of::<Segment>(), SEGMENT_BYTES, INLINE_BYTES_MAX];
    let about = format!("{VERSION} {sizes:?} {BUCKETS_MIN} {PROBES_MAX} {geometry:?}");
    NAME | xxhash_rust::xxh3::xxh3_64(about.as_bytes()) & u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_follow_each_other_for_every_limit() {
        for bytes_max in [1, 100, 4096, 1 << 20, 64 << 20, (64 << 20) + 1, 1 << 30, 100 << 30, 1 << 40] {
            let it = Geometry::of(bytes_max);
            let begins = [
                it.heads_at,
                it.versions_at,
                it.indexes_at,
                it.kept_indexes_at,
                it.ghosts_at,
                it.table_at,
                it.data_at,
                it.kept_at,
                it.pool_at,
                it.total_bytes,
            ];
            assert!(begins.is_sorted_by(|a, b| a < b), "{it:?}");
            assert!(begins.iter().all(|begin| begin % PAGE == 0), "{it:?}");
            assert!(it.shards.is_power_of_two() && it.shards <= 1024);
            assert!(((it.total_bytes - it.data_at) >> it.unit_shift) as u64 <= u64::from(u32::MAX));
            assert!(SEGMENT_BYTES >> it.unit_shift < 1 << 15);
        }
    }

    #[test]
    fn shards_and_places_within_them_are_in_the_order_of_hashes() {
        for bytes_max in [1, 64 << 20, 1 << 34] {
            let it = Geometry::of(bytes_max);
            let mut before = (0, 0);
            for step in 0..100_000_u64 {
                let hash = step * (u64::MAX / 100_000);
                let now = (it.shard(hash), it.within(hash));
                assert!(now >= before && now.0 < it.shards);
                before = now;
            }
        }
    }
}
