//! Putting a value: over the one that is there, or as a new entry in its place.

use super::chain::{self, Chunks};
use super::entry::{Entry, KEY_BYTES_MAX, NEVER, Plan, VALUE_BYTES_MAX, Word};
use super::ghost::Ghosts;
use super::index::Position;
use super::layout::INLINE_BYTES_MAX;
use super::segments::Kind;
use super::shard::{Shard, weight};

/// What doesn't fit. What was under its key stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// An entry.
    #[error("an entry of {bytes} bytes doesn't fit into a cache for {bytes_max}")]
    Entry {
        /// Key and value together.
        bytes: u64,
        /// What all keys and values may have.
        bytes_max: u64,
    },
    /// A record of the kept region, however empty that is.
    #[error("{bytes} bytes are too long: what nothing evicts, such as a session, has at most {bytes_max}")]
    Record {
        /// Its value.
        bytes: u64,
        /// What it may have.
        bytes_max: u64,
    },
    /// One more record of a share of the kept region, which nothing is evicted from.
    #[error(
        "no more {what} have room: those that there are fill the {bytes_max} bytes that the cache has for them. Each of them goes when its \
         time is over; a larger cache.bytes_max has room for more"
    )]
    Kept {
        /// What the share has.
        what: &'static str,
        /// What they may have together.
        bytes_max: u64,
    },
}

/// What a new entry's value is.
pub(super) enum Content<'a> {
    Parts(&'a [&'a [u8]]),
    Chain(u32),
}

/// A new entry, but for its content.
pub(super) struct New<'a> {
    pub(super) key: &'a [u8],
    pub(super) hash: u64,
    pub(super) value_len: usize,
    /// What the value may grow to before it moves.
    pub(super) room: usize,
    pub(super) expiry: u64,
    /// Whether it has room for an expiry.
    pub(super) expires: bool,
    /// Where the key was, when the shard had changed so often.
    pub(super) found: (Option<Position>, u32),
}

impl Shard<'_> {
    pub(super) fn full(&self, key: &[u8], value_len: usize) -> Full {
        Full::Entry { bytes: (key.len() + value_len) as u64, bytes_max: self.map.geometry.bytes_max }
    }

    pub(super) fn check(&self, key: &[u8], value_len: usize) -> Result<(), Full> {
        let weight = (key.len() + value_len) as u64;
        let fits = weight <= self.map.geometry.bytes_max && key.len() <= KEY_BYTES_MAX && value_len <= VALUE_BYTES_MAX;
        if fits { Ok(()) } else { Err(self.full(key, value_len)) }
    }

    /// Keeps a value; `found` is where the key is.
    pub(super) fn put(
        &self,
        key: &[u8],
        hash: u64,
        found: Option<Position>,
        parts: &[&[u8]],
        expires_at: Option<u64>,
        now: u64,
    ) -> Result<(), Full> {
        if self.is_kept() {
            return self.put_kept(key, hash, parts, expires_at.unwrap_or(NEVER), now);
        }
        let value_len = parts.iter().map(|part| part.len()).sum();
        self.check(key, value_len)?;
        self.begin();
        let (expires, expiry) = (expires_at.is_some(), expires_at.unwrap_or(NEVER));
        if found.is_some_and(|found| self.rewrite(found, hash, value_len, parts, expiry)) {
            return Ok(());
        }
        let found = (found, self.changes());
        let new = New { key, hash, value_len, room: value_len, expiry, expires, found };
        self.replace(&new, parts, now)
    }

    /// Where the key of a new entry is by now.
    fn current(&self, new: &New<'_>) -> Option<Position> {
        if new.found.1 == self.changes() { new.found.0 } else { self.find(new.key, new.hash) }
    }

    /// Writes a value over one that has room for it.
    fn rewrite(&self, found: Position, hash: u64, value_len: usize, parts: &[&[u8]], expiry: u64) -> bool {
        let entry = self.entry(found.place);
        let word = entry.word();
        if word.is_chained() {
            return false;
        }
        // One that became much shorter gives its room back.
        let room = entry.room(word);
        let suits = value_len <= room && value_len * 2 + 64 >= room && (word.expires() || expiry == NEVER);
        let len = word.value_len();
        if !suits || !self.reserve(value_len.saturating_sub(len) as u64) {
            return false;
        }
        let kind = Kind::of(self.map, self.map.segment_of(entry.at));
        let before = weight(word);
        let word = entry.set_value_len(word, value_len);
        self.write_parts(entry, word, parts);
        self.change_expiry(entry, word, expiry);
        seal(entry, word, hash, parts);
        self.weigh(kind, before, weight(word));
        self.give_back(len.saturating_sub(value_len) as u64);
        self.touch(hash);
        true
    }

    pub(super) fn write_parts(&self, entry: Entry<'_>, word: Word, parts: &[&[u8]]) {
        let mut to = entry.value(word);
        for part in parts {
            // SAFETY: the parts are as long together as the entry has room for.
            unsafe {
                super::copy::copy(part.as_ptr(), to, part.len());
                to = to.add(part.len());
            }
        }
    }

    pub(super) fn change_expiry(&self, entry: Entry<'_>, word: Word, expiry: u64) {
        let (had, has) = (entry.expiry(word) != NEVER, expiry != NEVER);
        entry.write_expiry(word, expiry);
        match (had, has) {
            (false, true) => self.head.expiring.add(1),
            (true, false) => self.head.expiring.subtract(1),
            _ => {}
        }
    }

    /// Puts a new entry in place of the one that there is.
    pub(super) fn replace(&self, new: &New<'_>, parts: &[&[u8]], now: u64) -> Result<(), Full> {
        let full = || self.full(new.key, new.value_len);
        if new.value_len <= INLINE_BYTES_MAX {
            return self.place(new, &Content::Parts(parts), now).ok_or_else(full);
        }
        let first = self.chain(0, 0, new.value_len, now).ok_or_else(full)?;
        chain::write(self.map, first, 0, parts.iter().copied());
        let placed = self.place(new, &Content::Chain(first), now);
        if placed.is_none() {
            chain::release(&self.segments(), first);
        }
        placed.ok_or_else(full)
    }

    /// Writes a new entry into a log and the index. `None` when there is no room, and then nothing has changed but for what
    /// was evicted.
    pub(super) fn place(&self, new: &New<'_>, content: &Content<'_>, now: u64) -> Option<()> {
        let plan = Plan {
            key_len: new.key.len(),
            value_len: new.value_len,
            expires: new.expires,
            chained: matches!(content, Content::Chain(_)),
        };
        let bytes = Plan { value_len: new.room, ..plan }.bytes(&self.map.geometry);
        let kind = self.kind(new);
        // From here on nobody is evicted.
        let (at, old) = self.claim(new, kind, bytes, now)?;
        let place = Entry::place_of(self.map, at);
        let entry = self.entry(place);
        let word = entry.write(plan, bytes, new.key, new.expiry);
        match content {
            Content::Parts(parts) => {
                self.write_parts(entry, word, parts);
                seal(entry, word, new.hash, parts);
            }
            Content::Chain(first) => {
                entry.write_chain(word, *first);
                entry.seal(word, new.hash);
            }
        }
        self.segments().enliven(at, bytes);
        let mut spare = 0;
        match old {
            Some(old) => {
                self.index().replace(old, place);
                self.moved(old.place, place);
                let gone = self.entry(old.place);
                spare = weight(gone.word()).saturating_sub(weight(word));
                let chain = self.unlink(gone);
                if !matches!(content, Content::Chain(first) if *first == chain) {
                    chain::release(&self.segments(), chain);
                }
            }
            None => self.insert(new.hash, place),
        }
        self.weigh(kind, 0, weight(word));
        self.give_back(spare);
        if new.expiry != NEVER {
            self.head.expiring.add(1);
        }
        self.touch(new.hash);
        Some(())
    }

    /// All that a new entry needs at once, with nobody evicted between the one and the other: a slot of the index, unless it
    /// gets that of the entry before it, which is returned; the bytes by which it weighs more; and room in a log.
    fn claim(&self, new: &New<'_>, kind: Kind, bytes: usize, now: u64) -> Option<(usize, Option<Position>)> {
        let total = (new.key.len() + new.value_len) as u64;
        loop {
            let old = self.current(new);
            if old.is_none() && !self.widen(new.hash) {
                return None;
            }
            let adds = total.saturating_sub(old.map_or(0, |old| weight(self.entry(old.place).word())));
            if !self.reserve(adds) {
                if !self.give_up_one(now) {
                    return None;
                }
                continue;
            }
            if let Some(at) = self.segments().append(kind, bytes, false) {
                return Some((at, old));
            }
            self.give_back(adds);
            if !self.reclaim(now) {
                return None;
            }
        }
    }

    /// The log that a new entry comes to: that of the one it replaces, or of what it was when it was evicted.
    fn kind(&self, new: &New<'_>) -> Kind {
        if let Some(old) = self.current(new) {
            return Kind::of(self.map, self.map.segment_of(self.entry(old.place).at));
        }
        let ghosts = Ghosts::of(self.map, self.number);
        let is_back = ghosts.count() > 0 && ghosts.recall(new.hash, self.head.count.get());
        if is_back { Kind::Main } else { Kind::Small }
    }

    /// The value of an entry, piece by piece.
    pub(super) fn chunks(&self, entry: Entry<'_>, word: Word) -> Chunks<'_> {
        if word.is_chained() {
            return Chunks::of_chain(self.map, entry.chain(word), word.value_len());
        }
        // SAFETY: within the entry, and nobody writes it while the shard is locked, which it is as long as `self` is borrowed.
        Chunks::of_slice(self.map, unsafe { std::slice::from_raw_parts(entry.value(word), word.value_len()) })
    }
}

/// Writes the checksum of an entry whose value was put together from these parts.
fn seal(entry: Entry<'_>, word: Word, hash: u64, parts: &[&[u8]]) {
    match parts {
        [value] => entry.seal_with(word, hash, value),
        _ => entry.seal(word, hash),
    }
}
