//! The kept region: what no eviction, no `clear` and no death drops. Locks, fencing tokens, counters, sessions.
//!
//! It has shards of its own, each a log in one of two halves. A record is written whole, with its checksum, behind the log's
//! end; one store that moves the end makes it count. Only then the index and the record before it are changed, and both
//! follow from the log: whoever finds the lock orphaned reads it again from its begin. A full half is copied, without what
//! is dead or expired, to the other one, which one store makes the log. What would have it grow beyond three quarters is
//! refused: so each copy makes room for a quarter's writes, and what is there can always be written again.
//!
//! What anybody can have as much of as he likes, counters of rates and sessions, has shards that it can fill for itself alone, and so
//! have locks and makers' locks ([`Kind`]).

use std::ops::Range;

use super::entry::{self, Entry, NEVER, Plan, Word};
use super::index::Position;
use super::layout::{BUCKETS_MIN, INLINE_BYTES_MAX, KEPT_SHARDS};
use super::map::Map;
use super::read::{Appended, Found, Nowhere, Reader, Sink};
use super::shard::{Shard, assert_free};
use super::slot::Slot;
use super::sync::Ordering;
use super::table::Table;
use super::write::Full;

/// Beside the log's end in one word, so that one store changes both: which half it is in.
const SECOND_HALF: u64 = 1 << 63;

/// The kept region of a table: the same operations on keys of its own.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let table = lyger::cache::Table::in_process(1 << 20)?;
/// table.kept().update(b"leader", 0, |slot| slot.put(&[b"worker 3"], Some(1_800_000)))?;
/// table.clear();
///
/// let mut value = Vec::new();
/// assert!(table.kept().get(b"leader", 1_000, &mut value).is_some());
/// assert_eq!(value, b"worker 3");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Kept<'t> {
    pub(super) table: &'t Table,
    kind: Kind,
}

/// What a record is, which its key begins with, so that it is nobody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of whoever gives it a name of its own.
    Named = b'k' as isize,
    Lock = b'l' as isize,
    Rate = b'r' as isize,
    /// A maker's lock.
    Flight = b'f' as isize,
    /// A session's data.
    Session = b's' as isize,
    /// The lock of whoever has a session open.
    Opened = b'o' as isize,
}

impl Kind {
    /// The shards of the region that have it. Names of rates come from outside (addresses, users), and every visitor without a cookie is
    /// another session, so anybody can have as many of both as he likes: each fills its own shards, and none would leave room for a lock.
    /// Sessions have two thirds of the region, for they have data: where a counter has 40 bytes, a session has some hundred or some thousand.
    /// Their locks are with the other ones, as a full share of sessions must not keep those that there are from being opened. Such locks
    /// and makers' locks are few, for each has a process that is at work, and those of processes that died amid it.
    fn shards(self) -> Range<u32> {
        match self {
            Self::Rate => 0..4,
            Self::Lock | Self::Named | Self::Opened => 4..7,
            Self::Flight => 7..8,
            Self::Session => 8..KEPT_SHARDS,
        }
    }

    /// What a user calls those that the shard has.
    fn of_shard(shard: u32) -> &'static str {
        let has = |kind: &Self| kind.shards().contains(&shard);
        match [Self::Rate, Self::Flight, Self::Session].into_iter().find(has) {
            Some(Self::Rate) => "counters of rates",
            Some(Self::Flight) => "makers' locks",
            Some(_) => "sessions",
            None => "locks",
        }
    }
}

/// How full a share of the kept region is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Names and what they have, with those that have expired and were not written since.
    pub bytes: u64,
    /// What they may have. Names are spread over the share evenly but not exactly, so it is full a little earlier.
    pub bytes_max: u64,
}

impl Table {
    /// The region that eviction and recovery never drop.
    #[must_use]
    pub fn kept(&self) -> Kept<'_> {
        self.region(Kind::Named)
    }

    /// The region's keys of one kind.
    pub(super) fn region(&self, kind: Kind) -> Kept<'_> {
        Kept { table: self, kind }
    }

    /// How full the region's shares are: of counters of rates, of locks, of makers' locks, of sessions.
    pub(super) fn shares(&self) -> [Share; 4] {
        [Kind::Rate, Kind::Lock, Kind::Flight, Kind::Session].map(|kind| {
            let shards = self.region(kind).shards();
            let bytes_max = shards.len() as u64 * self.map.geometry.kept_live_max();
            Share { bytes: shards.map(|shard| self.map.head(shard).kept_live.get()).sum(), bytes_max }
        })
    }

    /// A number that was never given before: not by this table, and not by one before it, unless the clock was set back. It is
    /// the time in microseconds; who comes within the same one waits for the next. Below 2^53 until the year 2255.
    ///
    /// ```
    /// let table = lyger::cache::Table::in_process(1 << 20)?;
    /// let (first, second) = (table.token(), table.token());
    /// assert!(first < second && second < 1 << 53);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn token(&self) -> u64 {
        /// More than this behind the last token the clock was set back, and isn't waited for.
        const MICROS_WAITED_MAX: u64 = 10_000;
        let token = &self.map.header().token;
        loop {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let (micros, last) = (since.as_micros() as u64, token.load(Ordering::Relaxed));
            let next = if micros + MICROS_WAITED_MAX < last { last + 1 } else { micros };
            if next > last && token.compare_exchange(last, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return next;
            }
            std::hint::spin_loop();
        }
    }
}

impl Kept<'_> {
    fn key(&self, name: &[u8]) -> Vec<u8> {
        [&[self.kind as u8], name].concat()
    }

    fn number(&self, key: &[u8]) -> u32 {
        let hash = entry::hash(&self.table.map, key);
        let shards = self.shards();
        shards.start + (hash >> 24) as u32 % shards.len() as u32
    }

    /// The table's shards that have records of this kind.
    fn shards(&self) -> Range<u32> {
        let (first, own) = (self.table.map.geometry.shards, self.kind.shards());
        first + own.start..first + own.end
    }

    fn read(&self, name: &[u8], now: u64, sink: &mut impl Sink) -> Option<Found> {
        assert_free();
        let (map, key) = (&self.table.map, self.key(name));
        let (shard, hash) = (self.number(&key), entry::hash(map, &key));
        Reader { map, shard, key: &key, hash, now, marks: false }.read(sink)
    }

    /// Appends the value of a key to `into`. Takes no lock.
    pub fn get(&self, key: &[u8], now: u64, into: &mut Vec<u8>) -> Option<Found> {
        self.read(key, now, &mut Appended::to(into, |_, _| {}))
    }

    /// What is known of a key's value. Takes no lock.
    #[must_use]
    pub fn peek(&self, key: &[u8], now: u64) -> Option<Found> {
        self.read(key, now, &mut Nowhere)
    }

    /// Has `f` change one key, while nobody else can. A value may have 60 KiB.
    ///
    /// # Panics
    /// When `f` calls the table's own methods: it has its slot.
    pub fn update<R>(&self, key: &[u8], now: u64, f: impl FnOnce(&mut Slot<'_>) -> R) -> R {
        let key = self.key(key);
        let shard = Shard::lock(&self.table.map, self.number(&key));
        f(&mut Slot::new(&shard, &key, now))
    }

    /// Has `f` change one of these keys, and one of another kind that the same name stands for, while nobody else can either. The
    /// other kind's shards come behind this one's.
    pub(super) fn update_with<R>(
        &self,
        other: Kind,
        name: &[u8],
        now: u64,
        f: impl FnOnce(&mut Slot<'_>, &mut Slot<'_>) -> R,
    ) -> R {
        let other = self.table.region(other);
        let (key, other_key) = (self.key(name), other.key(name));
        let (number, other_number) = (self.number(&key), other.number(&other_key));
        assert!(number < other_number, "in the order of their numbers, as with all who take several");
        let shard = Shard::lock(&self.table.map, number);
        let other_shard = Shard::lock_next(&self.table.map, other_number);
        f(&mut Slot::new(&shard, &key, now), &mut Slot::new(&other_shard, &other_key, now))
    }

    /// Has `f` change one of these keys, and one of the cache that the same name stands for, while nobody else can either.
    pub(super) fn update_both<R>(&self, name: &[u8], now: u64, f: impl FnOnce(&mut Slot<'_>, &mut Slot<'_>) -> R) -> R {
        let key = self.key(name);
        // In the order of their numbers, as with all who take several.
        let cached = self.table.lock_shard(name, now);
        let shard = Shard::lock_next(&self.table.map, self.number(&key));
        f(&mut Slot::new(&shard, &key, now), &mut Slot::new(&cached, name, now))
    }

    /// How many keys the shards have that this kind has, with those that have expired and were not written since.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.shards().map(|number| self.table.map.head(number).count.get()).sum()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A log: its half's place in memory, and its end.
#[derive(Clone, Copy)]
struct Log {
    at: usize,
    used: usize,
    half: u64,
}

impl Shard<'_> {
    pub(super) fn is_kept(&self) -> bool {
        self.map.geometry.is_kept(self.number)
    }

    fn log_at(map: &Map, number: u32, half: u64) -> usize {
        let index = (number - map.geometry.shards) as usize * 2 + usize::from(half != 0);
        map.geometry.kept_at + index * map.geometry.kept_half_bytes
    }

    fn log(&self) -> Log {
        let word = self.head.kept.get();
        let half = word & SECOND_HALF;
        Log { at: Self::log_at(self.map, self.number, half), used: (word & !SECOND_HALF) as usize, half }
    }

    /// Makes a log of so many bytes count.
    fn publish(&self, half: u64, used: usize) {
        // Not reordered with what was written before: who reads it after this process's death sees that.
        super::sync::fence(Ordering::Release);
        self.head.kept.set(half | used as u64);
    }

    /// The records of a log that count, dead ones as well.
    fn records(&self, log: Log) -> impl Iterator<Item = (Entry<'_>, Word)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at >= log.used {
                return None;
            }
            let entry = Entry::at_place(self.map, Entry::place_of(self.map, log.at + at));
            let word = entry.word();
            at += word.units() << self.map.geometry.unit_shift;
            (word.units() > 0).then_some((entry, word))
        })
    }

    pub(super) fn put_kept(&self, key: &[u8], hash: u64, parts: &[&[u8]], expiry: u64, now: u64) -> Result<(), Full> {
        let (map, geometry) = (self.map, &self.map.geometry);
        let value_len = parts.iter().map(|part| part.len()).sum();
        // Without the byte that says of what kind the key is.
        let plan = Plan { key_len: key.len(), value_len, expires: expiry != NEVER, chained: false };
        if value_len > INLINE_BYTES_MAX || key.len() > 1 + entry::KEY_BYTES_MAX {
            return Err(too_long(key, value_len));
        }
        let full = self.no_room();
        let bytes = plan.bytes(geometry);
        self.begin();
        let before = self.find(key, hash).map_or(0, |old| self.record_bytes(self.entry(old.place).word()));
        if !self.may_grow(before, bytes, now) {
            return Err(full);
        }
        if self.log().used + bytes > geometry.kept_half_bytes {
            self.compact(now);
        }
        let log = self.log();
        // Last of all, for a copy makes the index anew.
        if log.used + bytes > geometry.kept_half_bytes || before == 0 && !self.widen(hash) {
            return Err(full);
        }
        let place = Entry::place_of(map, log.at + log.used);
        let entry = self.entry(place);
        let word = entry.write(plan, bytes, key, expiry);
        self.write_parts(entry, word, parts);
        entry.seal(word, hash);
        self.publish(log.half, log.used + bytes);
        self.enter(hash, key, entry, word);
        Ok(())
    }

    /// Whether a record may have so many bytes more than before. If not, what has expired goes first.
    fn may_grow(&self, before: usize, bytes: usize, now: u64) -> bool {
        let most = self.map.geometry.kept_live_max();
        let fits = || bytes <= before || self.head.kept_live.get() + (bytes - before) as u64 <= most;
        fits() || {
            self.expire(now);
            fits()
        }
    }

    /// Takes out what has expired, if there is any.
    fn expire(&self, now: u64) {
        if self.head.kept_expires.get() > now {
            return;
        }
        let mut next = NEVER;
        for position in self.index().all() {
            let entry = self.entry(position.place);
            let word = entry.word();
            let expiry = entry.expiry(word);
            if expiry <= now {
                self.remove_kept(position, entry::hash(self.map, entry.key(word)));
                self.head.expirations.add(1);
            } else {
                next = next.min(expiry);
            }
        }
        self.head.kept_expires.set(next);
    }

    fn no_room(&self) -> Full {
        let own = self.number - self.map.geometry.shards;
        let what = Kind::of_shard(own);
        let shards = (0..KEPT_SHARDS).filter(|&shard| Kind::of_shard(shard) == what).count() as u64;
        Full::Kept { what, bytes_max: shards * self.map.geometry.kept_live_max() }
    }

    fn record_bytes(&self, word: Word) -> usize {
        word.units() << self.map.geometry.unit_shift
    }

    pub(super) fn write_at_kept(
        &self,
        key: &[u8],
        hash: u64,
        found: Option<Position>,
        offset: usize,
        bytes: &[u8],
        now: u64,
    ) -> Result<usize, Full> {
        let old = found.map(|found| (self.entry(found.place), self.entry(found.place).word()));
        let mut value: Vec<u8> =
            old.iter().flat_map(|(entry, word)| self.chunks(*entry, *word).flatten().copied()).collect();
        let end = offset.saturating_add(bytes.len());
        if end > INLINE_BYTES_MAX {
            return Err(too_long(key, end));
        }
        value.resize(value.len().max(end), 0);
        value[offset..end].copy_from_slice(bytes);
        let expiry = old.map_or(NEVER, |(entry, word)| entry.expiry(word));
        self.put_kept(key, hash, &[&value], expiry, now).map(|()| value.len())
    }

    /// Puts a record into the index, which has room for it, in place of the one before it.
    fn enter(&self, hash: u64, key: &[u8], entry: Entry<'_>, word: Word) {
        let place = Entry::place_of(self.map, entry.at);
        if let Some(old) = self.find(key, hash) {
            self.index().replace(old, place);
            self.bury(self.entry(old.place));
        } else {
            self.insert(hash, place);
        }
        self.head.kept_live.add(self.record_bytes(word) as u64);
        self.head.kept_expires.set(self.head.kept_expires.get().min(entry.expiry(word)));
    }

    /// Counts a record as dead that isn't in the index any more.
    fn bury(&self, entry: Entry<'_>) {
        self.head.kept_live.subtract(self.record_bytes(entry.word()) as u64);
        entry.kill(entry.word());
    }

    pub(super) fn remove_kept(&self, position: Position, hash: u64) {
        self.begin();
        self.bury(self.entry(position.place));
        self.index().remove(self.spot(hash), position);
        self.head.count.subtract(1);
    }

    /// Copies what is alive to the other half.
    fn compact(&self, now: u64) {
        let log = self.log();
        let half = log.half ^ SECOND_HALF;
        let at = Self::log_at(self.map, self.number, half);
        let mut used = 0;
        for (entry, word) in self.records(log) {
            if word.is_live() && entry.expiry(word) > now {
                let bytes = self.record_bytes(word);
                // SAFETY: a whole record, and the other half has room for what this one had.
                unsafe { super::copy::copy(self.map.at(entry.at), self.map.at(at + used), bytes) };
                used += bytes;
            }
        }
        self.publish(half, used);
        self.reread();
    }

    /// Builds the index from the log.
    pub(super) fn reread(&self) {
        self.change();
        self.index().clear();
        self.head.buckets.set(BUCKETS_MIN);
        self.head.count.set(0);
        self.head.kept_live.set(0);
        self.head.kept_expires.set(NEVER);
        for (entry, word) in self.records(self.log()) {
            let key = entry.key(word);
            let hash = entry::hash(self.map, key);
            // A dead one's checksum is that of the living.
            if word.is_live() && entry.is_sound(word, hash) {
                // At most half full, as large as it may be.
                assert!(self.widen(hash), "the kept region's index has room for all of it");
                self.enter(hash, key, entry, word);
            }
        }
    }
}

/// A record that no share takes, however empty.
fn too_long(key: &[u8], value_len: usize) -> Full {
    if value_len > INLINE_BYTES_MAX {
        return Full::Record { bytes: value_len as u64, bytes_max: INLINE_BYTES_MAX as u64 };
    }
    // Without the byte that says of what kind the key is.
    Full::Entry {
        bytes: (key.len() - 1 + value_len) as u64,
        bytes_max: (entry::KEY_BYTES_MAX + INLINE_BYTES_MAX) as u64,
    }
}
