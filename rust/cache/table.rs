//! The table as its users see it.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::batch::Batch;
use super::entry::{self, Entry};
use super::index::Index;
use super::kept::Share;
use super::layout::{STRIPES, Stripe};
use super::map::Map;
use super::read::{Appended, Buffer, Found, Nowhere, Reader, Sink};
use super::shard::{Shard, assert_free, spot};
use super::slot::Slot;
use super::sync::{AtomicU32, Ordering};

/// Keys that [`Table::prefetch`] takes at once: about as many lines as a CPU waits for at the same time.
pub const PREFETCHED_MAX: usize = 16;

/// A bounded table of bytes by key, of one process or of several. A clone is the same table.
///
/// Times are milliseconds since 1970, read by the caller: an entry is gone when its expiry is not after `now`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let table = lyger::cache::Table::in_process(1 << 20)?;
/// table.update(b"user:42", 0, |slot| slot.put(&[b"Ada"], Some(5_000)))?;
///
/// let mut value = Vec::new();
/// assert_eq!(table.get(b"user:42", 4_999, &mut value).unwrap().len, 3);
/// assert_eq!(value, b"Ada");
/// assert!(table.get(b"user:42", 5_000, &mut value).is_none());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Table {
    pub(super) map: Arc<Map>,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("len", &self.len()).field("bytes", &self.stats().bytes).finish()
    }
}

/// What tells whether a value that was copied is still the same: as long as the number at `sequence` is `version`.
///
/// The number changes whenever something in the value's shard does, so it tells too much rather than too little. `sequence` is readable
/// until the process ends. No value's version is 0, which the number is when its table has gone, and for a private table in a forked
/// child.
#[derive(Debug, Clone, Copy)]
pub struct Lent {
    /// Aligned, and written by other threads and processes: to be read as one atomic number.
    pub sequence: *const u64,
    /// The number when the value was read.
    pub version: u64,
}

/// What has happened in a table, and what is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries, with those that have expired and that nobody has met since.
    pub keys: u64,
    /// Those that have an expiry.
    pub keys_expiring: u64,
    /// Keys and values together.
    pub bytes: u64,
    /// The most that they may have.
    pub bytes_max: u64,
    /// Memory of the entries' segments.
    pub memory_bytes: u64,
    /// Reads that found something.
    pub hits: u64,
    /// Reads that found nothing.
    pub misses: u64,
    /// Entries that went to make room.
    pub evictions: u64,
    /// Entries that were removed because they had expired.
    pub expirations: u64,
    /// Shards that were repaired after their owner had died amid a change.
    pub recoveries: u64,
    /// Counters of rates.
    pub rates: Share,
    /// Locks, those of sessions as well, and what [`Table::kept`] has.
    pub locks: Share,
    /// Locks of those who make a value.
    pub flights: Share,
    /// Sessions.
    pub sessions: Share,
}

impl Stats {
    /// All of it as an object, by the names that users know.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let all = [
            ("keys", self.keys),
            ("keys_expiring", self.keys_expiring),
            ("bytes", self.bytes),
            ("bytes_max", self.bytes_max),
            ("memory_bytes", self.memory_bytes),
            ("hits", self.hits),
            ("misses", self.misses),
            ("evictions", self.evictions),
            ("expirations", self.expirations),
            ("recoveries", self.recoveries),
        ];
        all.into_iter().chain(self.shares()).map(|(name, number)| (name.to_owned(), number)).collect()
    }

    /// The kept region's part of it.
    #[must_use]
    pub fn shares(&self) -> [(&'static str, u64); 8] {
        [
            ("rate_bytes", self.rates.bytes),
            ("rate_bytes_max", self.rates.bytes_max),
            ("lock_bytes", self.locks.bytes),
            ("lock_bytes_max", self.locks.bytes_max),
            ("flight_bytes", self.flights.bytes),
            ("flight_bytes_max", self.flights.bytes_max),
            ("session_bytes", self.sessions.bytes),
            ("session_bytes_max", self.sessions.bytes_max),
        ]
    }
}

impl Table {
    /// A table of this process, for keys and values of at most `bytes_max` together.
    ///
    /// # Errors
    /// What the operating system says of the mapping.
    pub fn in_process(bytes_max: u64) -> io::Result<Self> {
        Ok(Self { map: Arc::new(Map::private(bytes_max)?) })
    }

    /// A table for several processes, with the sealed file in memory that the others [`Table::attach`] to.
    ///
    /// # Errors
    /// What the operating system says of the file and its mapping.
    #[cfg(target_os = "linux")]
    pub fn shared(bytes_max: u64) -> io::Result<(Self, OwnedFd)> {
        let (map, file) = Map::shared(bytes_max)?;
        Ok((Self { map: Arc::new(map) }, file))
    }

    /// The table of another process.
    ///
    /// # Errors
    /// What the operating system says; `InvalidData` for a file that is no table of this version of the engine.
    #[cfg(target_os = "linux")]
    pub fn attach(file: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { map: Arc::new(Map::attach(file)?) })
    }

    #[inline(always)]
    pub(super) fn reader<'a, 'k>(&'a self, key: &'k [u8], now: u64, marks: bool) -> Reader<'a, 'k> {
        assert_free();
        let hash = entry::hash(&self.map, key);
        Reader { map: &self.map, shard: self.map.geometry.shard(hash), key, hash, now, marks }
    }

    #[inline(always)]
    fn read(&self, key: &[u8], now: u64, sink: &mut impl Sink) -> Option<Found> {
        let found = self.reader(key, now, true).read(sink);
        self.count(found.is_some());
        found
    }

    /// Counts hits of copies that somebody has [lent](Table::lend).
    pub fn count_hits(&self, hits: u64) {
        if hits > 0 {
            stripe(&self.map.header().stripes).hits.fetch_add(hits, Ordering::Relaxed);
        }
    }

    pub(super) fn count(&self, hit: bool) {
        let stripe = stripe(&self.map.header().stripes);
        if hit { &stripe.hits } else { &stripe.misses }.fetch_add(1, Ordering::Relaxed);
    }

    /// Appends the value of a key to `into`. Takes no lock.
    #[inline]
    pub fn get(&self, key: &[u8], now: u64, into: &mut Vec<u8>) -> Option<Found> {
        self.read(key, now, &mut Appended::to(into, |_, _| {}))
    }

    /// The same behind what `head` appends, which is told the value's length: for replies that begin with it. `head` may be
    /// called again, `into` being as it was before.
    #[inline]
    pub fn get_framed(
        &self,
        key: &[u8],
        now: u64,
        into: &mut Vec<u8>,
        head: impl FnMut(usize, &mut Vec<u8>),
    ) -> Option<Found> {
        self.read(key, now, &mut Appended::to(into, head))
    }

    /// Copies the value of a key to `buf`, if it is large enough. Else what is in `buf` means nothing: a shorter value may have
    /// been replaced while it was copied. Takes no lock.
    #[inline]
    pub fn copy(&self, key: &[u8], now: u64, buf: &mut [MaybeUninit<u8>]) -> Option<Found> {
        self.read(key, now, &mut Buffer(buf))
    }

    /// The same, with what tells whether the value is still the same: who keeps the copy needs no call to find out.
    #[inline]
    pub fn lend(&self, key: &[u8], now: u64, buf: &mut [MaybeUninit<u8>]) -> Option<(Found, Option<Lent>)> {
        let reader = self.reader(key, now, true);
        let (found, noted) = reader.read_noted(&mut Buffer(buf));
        self.count(found.is_some());
        let lent = noted.and_then(|version| Some(Lent { sequence: self.map.lend_sequence(reader.shard)?, version }));
        found.map(|found| (found, lent))
    }

    /// What is known of a key's value, without copying it. It counts neither as a use nor as a hit. Takes no lock.
    #[inline]
    #[must_use]
    pub fn peek(&self, key: &[u8], now: u64) -> Option<Found> {
        self.reader(key, now, false).read(&mut Nowhere)
    }

    /// Has memory send what is needed for these keys, which are about to be read or changed one after the other: each of them
    /// would wait for its entry by itself otherwise. Nothing is promised about keys beyond [`PREFETCHED_MAX`].
    pub fn prefetch<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        let mut hashes = [0; PREFETCHED_MAX];
        let mut count = 0;
        for (key, place) in keys.zip(&mut hashes) {
            *place = entry::hash(&self.map, key);
            Index::of(&self.map, self.map.geometry.shard(*place)).prefetch(spot(&self.map, *place));
            count += 1;
        }
        for &hash in &hashes[..count] {
            let prefetch = |place| {
                Entry::at_place(&self.map, place).prefetch();
                true
            };
            Index::of(&self.map, self.map.geometry.shard(hash)).find(spot(&self.map, hash), prefetch);
        }
    }

    /// Has `f` change one key, while nobody else can.
    ///
    /// # Panics
    /// When `f` calls the table's own methods: it has its slot.
    pub fn update<R>(&self, key: &[u8], now: u64, f: impl FnOnce(&mut Slot<'_>) -> R) -> R {
        let hash = entry::hash(&self.map, key);
        f(&mut Slot::of(&self.lock_shard_of(hash, now), key, hash, now))
    }

    /// The shard of a key, for a write.
    pub(super) fn lock_shard(&self, key: &[u8], now: u64) -> Shard<'_> {
        self.lock_shard_of(entry::hash(&self.map, key), now)
    }

    fn lock_shard_of(&self, hash: u64, now: u64) -> Shard<'_> {
        self.recount();
        let shard = Shard::lock(&self.map, self.map.geometry.shard(hash));
        shard.tend(now);
        shard
    }

    /// Locks several keys, so that they can be read and changed together: who reads them meanwhile sees none of the changes,
    /// and afterwards all.
    #[must_use]
    pub fn batch(&self, keys: &[&[u8]]) -> Batch<'_> {
        self.recount();
        let mut numbers: Vec<u32> =
            keys.iter().map(|key| self.map.geometry.shard(entry::hash(&self.map, key))).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Batch::lock(self, numbers.into_iter())
    }

    /// Locks all keys.
    #[must_use]
    pub fn batch_all(&self) -> Batch<'_> {
        self.recount();
        Batch::lock(self, 0..self.map.geometry.shards)
    }

    /// Removes every key.
    pub fn clear(&self) {
        self.batch_all().clear();
    }

    /// How many keys there are, with those that have expired and that nobody has met since.
    #[must_use]
    pub fn len(&self) -> u64 {
        (0..self.map.geometry.shards).map(|shard| self.map.head(shard).count.get()).sum()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that a key's entry takes: its own, and its part of the index.
    #[must_use]
    pub fn memory_usage(&self, key: &[u8], now: u64) -> Option<u64> {
        self.peek(key, now)?;
        let hash = entry::hash(&self.map, key);
        let shard = Shard::lock(&self.map, self.map.geometry.shard(hash));
        shard.find(key, hash).map(|found| shard.memory_usage(found))
    }

    /// What has happened, and what there is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let header = self.map.header();
        let [rates, locks, flights, sessions] = self.shares();
        let bytes_max = self.map.geometry.bytes_max;
        let mut stats = Stats { bytes_max, rates, locks, flights, sessions, ..Stats::default() };
        for shard in 0..self.map.geometry.shards {
            let head = self.map.head(shard);
            stats.keys += head.count.get();
            stats.keys_expiring += head.expiring.get();
            stats.bytes += head.small.bytes.get() + head.main.bytes.get();
            stats.evictions += head.evictions.get();
            stats.expirations += head.expirations.get();
            stats.recoveries += head.recoveries.get();
        }
        for stripe in &header.stripes {
            stats.hits += stripe.hits.load(Ordering::Relaxed);
            stats.misses += stripe.misses.load(Ordering::Relaxed);
        }
        let free = header.pool.free.load(Ordering::Relaxed);
        let used = u64::from(self.map.geometry.segments).saturating_sub(free);
        stats.memory_bytes = used * super::layout::SEGMENT_BYTES as u64;
        stats
    }

    /// The threads that have a shard's lock at this moment, by the numbers that the kernel gives them: whom to look at when
    /// everybody waits. A process's first thread has the process's number.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn writers(&self) -> Vec<u32> {
        let shards = 0..self.map.geometry.shards + super::layout::KEPT_SHARDS;
        shards.filter_map(|shard| self.map.head(shard).lock.owner()).collect()
    }

    /// Bytes of the table's mapping that have memory, as the kernel says.
    ///
    /// # Errors
    /// What the kernel says instead.
    #[cfg(target_os = "linux")]
    pub fn resident_bytes(&self) -> io::Result<u64> {
        self.map.resident_bytes()
    }

    /// Counts anew what shards share, after a recovery: the dead one may have had something in hand.
    fn recount(&self) {
        let header = self.map.header();
        if header.recount.load(Ordering::Relaxed) == 0 {
            return;
        }
        let _all = Batch::lock(self, 0..self.map.geometry.shards);
        let heads = (0..self.map.geometry.shards).map(|shard| self.map.head(shard));
        let bytes = heads.map(|head| head.small.bytes.get() + head.main.bytes.get()).sum();
        let is_free = |&number: &u32| self.map.segment(number).owner.load(Ordering::Relaxed) == 0;
        let free = (0..self.map.geometry.segments).filter(is_free).count() as u64;
        header.pool.bytes.store(bytes, Ordering::Relaxed);
        header.pool.free.store(free, Ordering::Relaxed);
        header.recount.store(0, Ordering::Relaxed);
    }
}

/// This thread's counters.
#[inline(always)]
fn stripe(stripes: &[Stripe; STRIPES]) -> &Stripe {
    static THREADS: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NUMBER: Cell<u32> = const { Cell::new(u32::MAX) };
    }
    let mut number = NUMBER.get();
    if number == u32::MAX {
        // Processes begin at different places.
        number = THREADS.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id()) & (u32::MAX >> 1);
        NUMBER.set(number);
    }
    &stripes[number as usize % STRIPES]
}
