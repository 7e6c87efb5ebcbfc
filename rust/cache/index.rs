//! A shard's index: from a hash to the places of entries that may have it.
//!
//! A bucket is a line of the CPU's cache with twelve slots: 12 tags of 8 bits, a word with how often each entry was used (2
//! bits) and how many entries had to go past the bucket (8 bits), and 12 places. Buckets are in the order of the hashes,
//! whatever their number: that is what lets a scan go on after the index has grown. An entry whose bucket is full lies in
//! one of the eight behind; a search goes on only where somebody went past.
//!
//! The area belongs to the index alone and for ever. So a reader may mark an entry as used after its shard has changed: at
//! worst it marks another one.

use super::copy::{load_u64, prefetch};
use super::layout::{BUCKET_BYTES, BUCKET_SLOTS, PROBES_MAX};
use super::map::Map;
use super::sync::{AtomicU32, Ordering};

const WORD_AT: usize = BUCKET_SLOTS;
const PLACES_AT: usize = WORD_AT + 4;
/// Where the count of those that went past begins in the word.
const PAST_SHIFT: u32 = 24;
/// An entry that was used as often has no need of being marked again.
pub(super) const USED_MAX: u32 = 3;

const _: () = assert!(PLACES_AT + BUCKET_SLOTS * 4 == BUCKET_BYTES);
// The 96 entries that can lie behind a bucket fit into its count.
const _: () = assert!((PROBES_MAX as usize) * BUCKET_SLOTS < 1 << 8);

/// Where an entry is in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) bucket: u32,
    pub(super) slot: u32,
    /// Where the entry is.
    pub(super) place: u32,
}

/// What the index needs of a hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// Its place among those of the shard.
    pub(super) within: u32,
    pub(super) tag: u8,
}

#[derive(Clone, Copy)]
pub(super) struct Index<'a> {
    map: &'a Map,
    at: usize,
    pub(super) buckets: u32,
}

impl<'a> Index<'a> {
    pub(super) fn of(map: &'a Map, shard: u32) -> Self {
        let (at, buckets_max) = map.geometry.index(shard);
        Self { map, at, buckets: map.head(shard).buckets.get().min(buckets_max) }
    }

    /// The bucket that a hash belongs to.
    #[inline(always)]
    pub(super) fn home(&self, within: u32) -> u32 {
        ((u64::from(within) * u64::from(self.buckets)) >> 32) as u32
    }

    /// The first place of a bucket, for a scan: [`Index::home`] of anything less is an earlier bucket.
    pub(super) fn first_within(&self, bucket: u32) -> u64 {
        (u64::from(bucket) << 32).div_ceil(u64::from(self.buckets))
    }

    #[inline(always)]
    fn offset(&self, bucket: u32) -> usize {
        self.at + bucket as usize * BUCKET_BYTES
    }

    #[inline(always)]
    fn word(&self, bucket: u32) -> &'a AtomicU32 {
        self.map.number(self.offset(bucket) + WORD_AT, 0)
    }

    #[inline(always)]
    fn place_word(&self, bucket: u32, slot: u32) -> &'a AtomicU32 {
        self.map.number(self.offset(bucket) + PLACES_AT, slot as usize)
    }

    /// The place in a slot; 0 is none.
    #[inline(always)]
    pub(super) fn place(&self, bucket: u32, slot: u32) -> u32 {
        self.place_word(bucket, slot).load(Ordering::Relaxed)
    }

    /// Has the CPU fetch the bucket of a hash.
    #[inline(always)]
    pub(super) fn prefetch(&self, spot: Spot) {
        prefetch(self.map.at(self.offset(self.home(spot.within))));
    }

    /// The first entry with this hash that `matches` says is the one. Without the lock it may see anything.
    #[inline(always)]
    pub(super) fn find(&self, spot: Spot, mut matches: impl FnMut(u32) -> bool) -> Option<Position> {
        let home = self.home(spot.within);
        for bucket in home..=home + PROBES_MAX {
            let line = self.map.at(self.offset(bucket));
            // SAFETY: a bucket has 64 bytes; there are `PROBES_MAX` of them behind the last home.
            let (low, high) = unsafe { (load_u64(line), load_u64(line.add(8))) };
            let mut hits = equal_bytes(low, spot.tag);
            while hits != 0 {
                let slot = hits.trailing_zeros() / 8;
                hits &= hits - 1;
                let place = self.place(bucket, slot);
                if place != 0 && matches(place) {
                    return Some(Position { bucket, slot, place });
                }
            }
            let mut hits = equal_bytes(high, spot.tag) & 0xffff_ffff;
            while hits != 0 {
                let slot = 8 + hits.trailing_zeros() / 8;
                hits &= hits - 1;
                let place = self.place(bucket, slot);
                if place != 0 && matches(place) {
                    return Some(Position { bucket, slot, place });
                }
            }
            if high >> (32 + PAST_SHIFT) == 0 {
                return None;
            }
        }
        None
    }

    /// How often an entry was used, up to [`USED_MAX`].
    pub(super) fn used(&self, slot: Position) -> u32 {
        (self.word(slot.bucket).load(Ordering::Relaxed) >> (slot.slot * 2)) & USED_MAX
    }

    /// Counts one more use, unless somebody else does at this moment. Needs no lock.
    #[inline(always)]
    pub(super) fn mark(&self, slot: Position) {
        let word = self.word(slot.bucket);
        let now = word.load(Ordering::Relaxed);
        let shift = slot.slot * 2;
        if (now >> shift) & USED_MAX < USED_MAX {
            let _ = word.compare_exchange(now, now + (1 << shift), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Sets how often an entry was used.
    pub(super) fn set_used(&self, slot: Position, used: u32) {
        let shift = slot.slot * 2;
        let _ = self.word(slot.bucket).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            Some(word & !(USED_MAX << shift) | used << shift)
        });
    }

    /// Says that the entry of a slot is now elsewhere.
    pub(super) fn replace(&self, slot: Position, place: u32) {
        self.place_word(slot.bucket, slot.slot).store(place, Ordering::Relaxed);
    }

    /// Puts an entry in; `None` when all buckets that it may be in are full.
    pub(super) fn insert(&self, spot: Spot, place: u32, used: u32) -> Option<Position> {
        let home = self.home(spot.within);
        for bucket in self.window(spot) {
            let Some(slot) = (0..BUCKET_SLOTS as u32).find(|&slot| self.place(bucket, slot) == 0) else { continue };
            for passed in home..bucket {
                self.word(passed).fetch_add(1 << PAST_SHIFT, Ordering::Relaxed);
            }
            let found = Position { bucket, slot, place };
            self.set_used(found, used);
            // SAFETY: the slot's byte in the bucket's tags.
            unsafe { super::copy::copy(&raw const spot.tag, self.map.at(self.offset(bucket) + slot as usize), 1) };
            self.replace(found, place);
            return Some(found);
        }
        None
    }

    /// The buckets that an entry with this hash may be put into.
    fn window(&self, spot: Spot) -> std::ops::RangeInclusive<u32> {
        let home = self.home(spot.within);
        home..=home + PROBES_MAX
    }

    /// Whether an entry with this hash can be put in.
    pub(super) fn has_room(&self, spot: Spot) -> bool {
        self.window(spot).any(|bucket| (0..BUCKET_SLOTS as u32).any(|slot| self.place(bucket, slot) == 0))
    }

    /// The entries that lie where one with this hash may be put.
    pub(super) fn neighbours(self, spot: Spot) -> impl Iterator<Item = Position> + use<'a> {
        self.window(spot).flat_map(move |bucket| self.entries(bucket))
    }

    /// Takes an entry out.
    pub(super) fn remove(&self, spot: Spot, slot: Position) {
        self.replace(slot, 0);
        for passed in self.home(spot.within)..slot.bucket {
            self.word(passed).fetch_sub(1 << PAST_SHIFT, Ordering::Relaxed);
        }
    }

    /// The entries of a bucket, whatever their home.
    pub(super) fn entries(self, bucket: u32) -> impl Iterator<Item = Position> + use<'a> {
        (0..BUCKET_SLOTS as u32)
            .map(move |slot| Position { bucket, slot, place: self.place(bucket, slot) })
            .filter(|slot| slot.place != 0)
    }

    /// All entries.
    pub(super) fn all(self) -> impl Iterator<Item = Position> + use<'a> {
        (0..self.buckets + PROBES_MAX).flat_map(move |bucket| self.entries(bucket))
    }

    /// How far behind `bucket` its entries may lie.
    pub(super) fn reach(&self, bucket: u32) -> u32 {
        let past = |bucket| self.word(bucket).load(Ordering::Relaxed) >> PAST_SHIFT;
        (bucket..bucket + PROBES_MAX).find(|&at| past(at) == 0).unwrap_or(bucket + PROBES_MAX)
    }

    /// Empties it, and keeps its memory.
    pub(super) fn clear(&self) {
        let bytes = (self.buckets + PROBES_MAX) as usize * BUCKET_BYTES;
        // SAFETY: the area has these bytes, and the shard is locked.
        unsafe { super::copy::clear(self.map.at(self.at), bytes) };
    }
}

/// A high bit in each byte of `word` that is `byte`, and perhaps in some above such a one.
#[inline(always)]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let different = word ^ (ONES * u64::from(byte));
    different.wrapping_sub(ONES) & !different & (ONES << 7)
}
