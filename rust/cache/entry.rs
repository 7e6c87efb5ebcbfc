//! An entry as it lies in memory.
//!
//! ```text
//! word: 8 bytes | sum: 4 | expiry: 8, where there is one | key | value, or the number of its first segment: 4
//! ```
//!
//! The word has the entry's units (14 bits), the key's length (17), the value's (30), and three flags. It is all that is
//! needed to walk from one entry of a segment to the next. The checksum covers everything but the units.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::copy::{copy, equals, load_u64, prefetch, store_u64};
use super::layout::Geometry;
use super::map::Map;
use super::sync::{AtomicU64, Ordering};

/// What a key may have: what PHP's C interface has always let it have.
pub const KEY_BYTES_MAX: usize = 64 << 10;
/// What a value may have: as with Redis, whose clients expect it.
pub const VALUE_BYTES_MAX: usize = 512 << 20;

const SUM_AT: usize = 8;
const HEAD_BYTES: usize = 12;
const EXPIRY_BYTES: usize = 8;
const CHAIN_BYTES: usize = 4;

/// What [`Entry::prefetch`] fetches: three lines hold a key and a value of the usual sizes.
const PREFETCHED_BYTES: usize = 192;

const KEY_SHIFT: u32 = 14;
const VALUE_SHIFT: u32 = KEY_SHIFT + 17;
const LIVE: u64 = 1 << 61;
const EXPIRES: u64 = 1 << 62;
const CHAINED: u64 = 1 << 63;

/// An expiry that never comes: of an entry that had one.
pub(super) const NEVER: u64 = u64::MAX;

/// The first word of an entry. Read without a lock it may be any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    #[inline(always)]
    pub(super) fn units(self) -> usize {
        (self.0 & ((1 << KEY_SHIFT) - 1)) as usize
    }

    #[inline(always)]
    pub(super) fn key_len(self) -> usize {
        ((self.0 >> KEY_SHIFT) & 0x1_ffff) as usize
    }

    #[inline(always)]
    pub(super) fn value_len(self) -> usize {
        ((self.0 >> VALUE_SHIFT) & 0x3fff_ffff) as usize
    }

    pub(super) fn is_live(self) -> bool {
        self.0 & LIVE != 0
    }

    #[inline(always)]
    pub(super) fn expires(self) -> bool {
        self.0 & EXPIRES != 0
    }

    #[inline(always)]
    pub(super) fn is_chained(self) -> bool {
        self.0 & CHAINED != 0
    }

    /// Where the key begins.
    #[inline(always)]
    fn key_at(self) -> usize {
        HEAD_BYTES + if self.expires() { EXPIRY_BYTES } else { 0 }
    }

    /// Where the value begins, or the number of its first segment.
    #[inline(always)]
    pub(super) fn value_at(self) -> usize {
        self.key_at() + self.key_len()
    }

    /// Bytes of the entry that mean something.
    #[inline(always)]
    pub(super) fn bytes(self) -> usize {
        self.value_at() + if self.is_chained() { CHAIN_BYTES } else { self.value_len() }
    }
}

/// What an entry is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) key_len: usize,
    pub(super) value_len: usize,
    /// Whether it has room for an expiry.
    pub(super) expires: bool,
    pub(super) chained: bool,
}

impl Plan {
    fn word(self, units: usize) -> Word {
        let flags = LIVE | if self.expires { EXPIRES } else { 0 } | if self.chained { CHAINED } else { 0 };
        Word(units as u64 | (self.key_len as u64) << KEY_SHIFT | (self.value_len as u64) << VALUE_SHIFT | flags)
    }

    /// Bytes that it takes in a log.
    pub(super) fn bytes(self, geometry: &Geometry) -> usize {
        geometry.rounded(self.word(0).bytes())
    }
}

/// An entry at its place.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    map: &'a Map,
    pub(super) at: usize,
}

impl<'a> Entry<'a> {
    #[inline(always)]
    pub(super) fn at_place(map: &'a Map, place: u32) -> Self {
        Self { map, at: map.geometry.data_at + ((place as usize) << map.geometry.unit_shift) }
    }

    pub(super) fn place_of(map: &Map, at: usize) -> u32 {
        ((at - map.geometry.data_at) >> map.geometry.unit_shift) as u32
    }

    #[inline(always)]
    pub(super) fn word(self) -> Word {
        Word(self.first().load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn first(self) -> &'a AtomicU64 {
        // SAFETY: within the mapping, aligned to 8 as every place is.
        unsafe { AtomicU64::from_ptr(self.map.at(self.at).cast()) }
    }

    /// Whether an entry with such a word could be here: without a lock, the word may be anything.
    #[inline(always)]
    pub(super) fn could_be(self, word: Word) -> bool {
        self.at + word.bytes() <= self.map.geometry.total_bytes
    }

    #[inline(always)]
    pub(super) fn has_key(self, word: Word, key: &[u8]) -> bool {
        // SAFETY: the caller has asked `could_be`, or has the lock.
        word.key_len() == key.len() && unsafe { equals(self.map.at(self.at + word.key_at()), key) }
    }

    /// When it expires; [`NEVER`] when it doesn't.
    #[inline(always)]
    pub(super) fn expiry(self, word: Word) -> u64 {
        if !word.expires() {
            return NEVER;
        }
        // SAFETY: as in `has_key`.
        unsafe { load_u64(self.map.at(self.at + HEAD_BYTES)) }
    }

    /// Where the value's bytes begin.
    #[inline(always)]
    pub(super) fn value(self, word: Word) -> *mut u8 {
        self.map.at(self.at + word.value_at())
    }

    /// The number of the first segment, plus one, of a value that doesn't lie here.
    #[inline(always)]
    pub(super) fn chain(self, word: Word) -> u32 {
        let mut bytes = [0; CHAIN_BYTES];
        // SAFETY: as in `has_key`.
        unsafe { copy(self.value(word), bytes.as_mut_ptr(), CHAIN_BYTES) };
        u32::from_ne_bytes(bytes)
    }

    /// The key, for whoever has the lock.
    pub(super) fn key(self, word: Word) -> &'a [u8] {
        // SAFETY: within the mapping, and nobody writes it while the shard is locked.
        unsafe { std::slice::from_raw_parts(self.map.at(self.at + word.key_at()), word.key_len()) }
    }

    /// Whether it ever gets room for an expiry, and for how much value, without moving.
    pub(super) fn room(self, word: Word) -> usize {
        (word.units() << self.map.geometry.unit_shift) - word.value_at()
    }

    /// Writes everything but the value and the sum; the value's place follows from the word that it returns.
    pub(super) fn write(self, plan: Plan, bytes: usize, key: &[u8], expiry: u64) -> Word {
        let word = plan.word(bytes >> self.map.geometry.unit_shift);
        self.first().store(word.0, Ordering::Relaxed);
        self.write_expiry(word, expiry);
        // SAFETY: `bytes` were given to this entry, and hold what the plan says.
        unsafe { copy(key.as_ptr(), self.map.at(self.at + word.key_at()), key.len()) };
        word
    }

    /// Changes the value's length in place. The caller has looked whether there is room.
    pub(super) fn set_value_len(self, word: Word, value_len: usize) -> Word {
        let word = Word(word.0 & !(0x3fff_ffff << VALUE_SHIFT) | (value_len as u64) << VALUE_SHIFT);
        self.first().store(word.0, Ordering::Relaxed);
        word
    }

    /// Changes the expiry in place, where there is room for one.
    pub(super) fn write_expiry(self, word: Word, expiry: u64) {
        if word.expires() {
            // SAFETY: the entry has these bytes.
            unsafe { store_u64(self.map.at(self.at + HEAD_BYTES), expiry) };
        }
    }

    pub(super) fn write_chain(self, word: Word, first: u32) {
        // SAFETY: a chained entry has these bytes.
        unsafe { copy(first.to_ne_bytes().as_ptr(), self.value(word), CHAIN_BYTES) };
    }

    /// Says that it isn't in the index any more.
    pub(super) fn kill(self, word: Word) {
        self.first().store(word.0 & !LIVE, Ordering::Relaxed);
    }

    /// The checksum that belongs to what it holds. For whoever has the lock.
    fn computed(self, word: Word, hash: u64) -> u32 {
        let content = if word.is_chained() { CHAIN_BYTES } else { word.value_len() };
        // SAFETY: within the entry, and nobody writes it while the shard is locked.
        let value = unsafe { std::slice::from_raw_parts(self.value(word), content) };
        sum(hash, self.expiry(word), word, value)
    }

    /// Writes the checksum, after everything else.
    pub(super) fn seal(self, word: Word, hash: u64) {
        self.write_sum(self.computed(word, hash));
    }

    /// The same where the value is known from elsewhere: what was just written comes back slowly.
    pub(super) fn seal_with(self, word: Word, hash: u64, value: &[u8]) {
        self.write_sum(sum(hash, self.expiry(word), word, value));
    }

    fn write_sum(self, sum: u32) {
        self.map.number(self.at + SUM_AT, 0).store(sum, Ordering::Relaxed);
    }

    /// Has the CPU fetch the entry's first lines.
    #[inline(always)]
    pub(super) fn prefetch(self) {
        for at in (0..PREFETCHED_BYTES).step_by(64) {
            prefetch(self.map.at(self.at).wrapping_add(at));
        }
    }

    /// The checksum that was written.
    #[inline(always)]
    pub(super) fn sealed(self) -> u32 {
        self.map.number(self.at + SUM_AT, 0).load(Ordering::Relaxed)
    }

    /// Whether it is what was written. For whoever has the lock.
    pub(super) fn is_sound(self, word: Word, hash: u64) -> bool {
        self.could_be(word) && self.computed(word, hash) == self.sealed()
    }
}

/// The checksum of an entry with this value. The key is in its hash.
pub(super) fn sum(hash: u64, expiry: u64, word: Word, value: &[u8]) -> u32 {
    let about = hash ^ expiry.rotate_left(17) ^ (word.0 >> KEY_SHIFT).rotate_left(40);
    xxh3_64_with_seed(value, about) as u32
}

/// The hash of a key, by the table's seed.
#[inline(always)]
pub(super) fn hash(map: &Map, key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, map.header().seed.load(Ordering::Relaxed))
}
