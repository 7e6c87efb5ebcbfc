//! Ghosts: the hashes of keys that were evicted while they were new. Who comes back soon goes to the main log at once.
//!
//! A ghost is 16 bits of its hash and the time it came, counted in ghosts; it is forgotten when as many have come since as
//! the shard has entries. They lie in sets of eight by hash, so that it takes one line of the CPU's cache to look.

use super::layout::GHOST_WAYS;
use super::map::Map;
use super::sync::Ordering;

/// The ghosts of a shard. Whoever has it has the shard's lock.
pub(super) struct Ghosts<'a> {
    map: &'a Map,
    at: usize,
    /// Ghosts come to one tick of the clock, which has 16 bits.
    per_tick: u64,
    now: u64,
}

impl<'a> Ghosts<'a> {
    pub(super) fn of(map: &'a Map, shard: u32) -> Self {
        let sets = map.geometry.ghost_sets as usize;
        let at = map.geometry.ghosts_at + shard as usize * sets * GHOST_WAYS * 4;
        let per_tick = (sets * GHOST_WAYS) as u64 / 4096 + 1;
        Self { map, at, per_tick, now: map.head(shard).ghosts.get() }
    }

    fn set(&self, hash: u64) -> usize {
        // The middle of the hash: its high bits chose the shard.
        let chosen = (u64::from((hash >> 16) as u32) * u64::from(self.map.geometry.ghost_sets)) >> 32;
        chosen as usize * GHOST_WAYS
    }

    fn tick(&self) -> u32 {
        (self.now / self.per_tick) as u32 & 0xffff
    }

    fn age(&self, ghost: u32) -> u64 {
        u64::from(self.tick().wrapping_sub(ghost) & 0xffff) * self.per_tick
    }

    /// Never 0, which is no ghost.
    fn print(hash: u64) -> u32 {
        (hash as u32) << 16 | 1 << 16
    }

    /// Remembers a key that goes.
    pub(super) fn remember(&mut self, hash: u64) {
        self.now += 1;
        let set = self.set(hash);
        let oldest =
            (0..GHOST_WAYS).max_by_key(|&way| match self.map.number(self.at, set + way).load(Ordering::Relaxed) {
                0 => u64::MAX,
                ghost => self.age(ghost),
            });
        let place = self.map.number(self.at, set + oldest.expect("eight ways"));
        place.store(Self::print(hash) | self.tick(), Ordering::Relaxed);
    }

    /// How many have come.
    pub(super) fn count(&self) -> u64 {
        self.now
    }

    /// Whether a key that comes was here lately, no more than `age_max` ghosts ago. It is forgotten.
    pub(super) fn recall(&self, hash: u64, age_max: u64) -> bool {
        let set = self.set(hash);
        (0..GHOST_WAYS).any(|way| {
            let place = self.map.number(self.at, set + way);
            let ghost = place.load(Ordering::Relaxed);
            let found = ghost & 0xffff_0000 == Self::print(hash) && self.age(ghost) <= age_max;
            if found {
                place.store(0, Ordering::Relaxed);
            }
            found
        })
    }
}
