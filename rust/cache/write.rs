//! What changes one entry of a locked shard: putting a value, writing into one, changing an expiry.

use super::chain::{self, Chunks};
use super::entry::{Entry, KEY_BYTES_MAX, NEVER, Plan, VALUE_BYTES_MAX, Word};
use super::ghost::Ghosts;
use super::index::{Position, USED_MAX};
use super::layout::{INLINE_BYTES_MAX, SEGMENT_BYTES};
use super::segments::Kind;
use super::shard::{Shard, weight};

/// An entry that doesn't fit. What was under its key stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an entry of {bytes} bytes doesn't fit into a cache for {bytes_max}")]
pub struct Full {
    /// Key and value together.
    pub bytes: u64,
    /// What all keys and values may have.
    pub bytes_max: u64,
}

const ZEROS: [u8; 4096] = [0; 4096];

/// So many zeros, for a gap.
fn zeros<'z>(count: usize) -> impl Iterator<Item = &'z [u8]> {
    (0..count).step_by(ZEROS.len()).map(move |at| &ZEROS[..ZEROS.len().min(count - at)])
}

/// What a new entry's value is.
enum Content<'a> {
    Parts(&'a [&'a [u8]]),
    Chain(u32),
}

/// A new entry, but for its content.
struct New<'a> {
    key: &'a [u8],
    hash: u64,
    value_len: usize,
    /// What the value may grow to before it moves.
    room: usize,
    expiry: u64,
    /// Whether it has room for an expiry.
    expires: bool,
    /// Where the key was, when the shard had changed so often.
    found: (Option<Position>, u32),
}

impl Shard<'_> {
    fn full(&self, key: &[u8], value_len: usize) -> Full {
        Full { bytes: (key.len() + value_len) as u64, bytes_max: self.map.geometry.bytes_max }
    }

    fn check(&self, key: &[u8], value_len: usize) -> Result<(), Full> {
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
        let pool = &self.map.header().pool.bytes;
        let grows = value_len.saturating_sub(word.value_len()) as u64;
        let sum = pool.load(super::sync::Ordering::Relaxed);
        if !suits || grows > 0 && sum + grows > self.map.geometry.bytes_max {
            return false;
        }
        let kind = Kind::of(self.map, self.map.segment_of(entry.at));
        let before = weight(word);
        let word = entry.set_value_len(word, value_len);
        self.write_parts(entry, word, parts);
        self.change_expiry(entry, word, expiry);
        entry.seal(word, hash);
        self.weigh(kind, before, weight(word));
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

    fn change_expiry(&self, entry: Entry<'_>, word: Word, expiry: u64) {
        let (had, has) = (entry.expiry(word) != NEVER, expiry != NEVER);
        entry.write_expiry(word, expiry);
        match (had, has) {
            (false, true) => self.head.expiring.add(1),
            (true, false) => self.head.expiring.subtract(1),
            _ => {}
        }
    }

    /// Makes room for a new entry, and puts it in place of the one that there is.
    fn replace(&self, new: &New<'_>, parts: &[&[u8]], now: u64) -> Result<(), Full> {
        let full = || self.full(new.key, new.value_len);
        let total = (new.key.len() + new.value_len) as u64;
        let adds = || {
            let old = self.current(new).map_or(0, |found| weight(self.entry(found.place).word()));
            total.saturating_sub(old)
        };
        if !self.fit(now, adds) {
            return Err(full());
        }
        if new.value_len <= INLINE_BYTES_MAX {
            return if self.place(new, &Content::Parts(parts), now) { Ok(()) } else { Err(full()) };
        }
        let first = self.chain(0, 0, new.value_len, now).ok_or_else(full)?;
        chain::write(self.map, first, 0, parts.iter().copied());
        if self.place(new, &Content::Chain(first), now) {
            return Ok(());
        }
        chain::release(&self.segments(), first);
        Err(full())
    }

    /// Writes a new entry into a log and the index. False when there is no room, and then nothing has changed but for what
    /// was evicted.
    fn place(&self, new: &New<'_>, content: &Content<'_>, now: u64) -> bool {
        while !self.widen() {
            if !self.evict(now) {
                return false;
            }
        }
        let plan = Plan {
            key_len: new.key.len(),
            value_len: new.value_len,
            expires: new.expires,
            chained: matches!(content, Content::Chain(_)),
        };
        let bytes = Plan { value_len: new.room, ..plan }.bytes(&self.map.geometry);
        let kind = self.kind(new);
        let Some(at) = self.room(kind, bytes, now) else { return false };
        // From here on nobody is evicted.
        let old = self.current(new);
        let place = Entry::place_of(self.map, at);
        let entry = self.entry(place);
        let word = entry.write(plan, bytes, new.key, new.expiry);
        match content {
            Content::Parts(parts) => self.write_parts(entry, word, parts),
            Content::Chain(first) => entry.write_chain(word, *first),
        }
        entry.seal(word, new.hash);
        self.segments().enliven(at, bytes);
        match old {
            Some(old) => {
                self.index().replace(old, place);
                let chain = self.unlink(self.entry(old.place));
                chain::release(&self.segments(), chain);
            }
            None if !self.insert(new.hash, place) => {
                entry.kill(word);
                self.segments().deaden(at, bytes);
                return false;
            }
            None => {}
        }
        self.weigh(kind, 0, weight(word));
        if new.expiry != NEVER {
            self.head.expiring.add(1);
        }
        self.touch(new.hash);
        true
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

    /// Writes bytes at an offset, which may be behind the value's end: zeros come between. Returns the value's length.
    pub(super) fn write_at(
        &self,
        key: &[u8],
        hash: u64,
        found: Option<Position>,
        offset: usize,
        bytes: &[u8],
        now: u64,
    ) -> Result<usize, Full> {
        if self.is_kept() {
            return self.write_at_kept(key, hash, found, offset, bytes, now);
        }
        let len = found.map_or(0, |found| self.entry(found.place).word().value_len());
        let value_len = offset.checked_add(bytes.len()).ok_or_else(|| self.full(key, usize::MAX >> 1))?.max(len);
        self.check(key, value_len)?;
        self.begin();
        if let Some(found) = found {
            // It is to be there still when room has been made.
            self.index().set_used(found, USED_MAX);
        }
        let grows = (value_len - len) as u64 + if found.is_none() { key.len() as u64 } else { 0 };
        if !self.fit(now, || grows) {
            return Err(self.full(key, value_len));
        }
        let found = if found.is_some() { self.find(key, hash) } else { None };
        match found.map(|found| (found, self.entry(found.place))) {
            Some((found, entry)) if entry.word().is_chained() => {
                self.write_chained(key, hash, found, offset, bytes, value_len, now)
            }
            Some((_, entry)) if value_len <= entry.room(entry.word()) => {
                self.write_in_place(entry, hash, offset, bytes, value_len);
                Ok(value_len)
            }
            found => self.write_anew(key, hash, found.map(|(found, _)| found), offset, bytes, now),
        }
    }

    fn write_in_place(&self, entry: Entry<'_>, hash: u64, offset: usize, bytes: &[u8], value_len: usize) {
        let word = entry.word();
        let (before, len) = (weight(word), word.value_len());
        let word = entry.set_value_len(word, value_len);
        // SAFETY: the entry has room for `value_len` bytes, and whatever is written ends before that.
        unsafe {
            if offset > len {
                super::copy::clear(entry.value(word).add(len), offset - len);
            }
            super::copy::copy(bytes.as_ptr(), entry.value(word).add(offset), bytes.len());
        }
        entry.seal(word, hash);
        self.weigh(Kind::of(self.map, self.map.segment_of(entry.at)), before, weight(word));
        self.touch(hash);
    }

    /// Builds the value again, with half as much room on top: who appends once does it again.
    fn write_anew(
        &self,
        key: &[u8],
        hash: u64,
        found: Option<Position>,
        offset: usize,
        bytes: &[u8],
        now: u64,
    ) -> Result<usize, Full> {
        let old = found.map(|found| (self.entry(found.place), self.entry(found.place).word()));
        let mut value = Vec::new();
        let mut expiry = (false, NEVER);
        if let Some((entry, word)) = old {
            value.extend(self.chunks(entry, word).flatten());
            expiry = (word.expires(), entry.expiry(word));
        }
        let value_len = value.len().max(offset + bytes.len());
        value.resize(value.len().max(offset.min(INLINE_BYTES_MAX)), 0);
        let (before, after) =
            (&value[..value.len().min(offset)], value.get(offset + bytes.len()..).unwrap_or_default());
        let gap = offset - before.len();
        let parts: Vec<&[u8]> = std::iter::once(before).chain(zeros(gap)).chain([bytes, after]).collect();
        let room = if found.is_some() { (value_len + value_len / 2).min(INLINE_BYTES_MAX) } else { value_len };
        let room = if value_len > INLINE_BYTES_MAX { value_len } else { room };
        let found = (found, self.changes());
        let new = New { key, hash, value_len, room, expiry: expiry.1, expires: expiry.0, found };
        self.replace(&new, &parts, now)?;
        Ok(value_len)
    }

    #[expect(clippy::too_many_arguments, reason = "those of write_at, and the length that follows from them")]
    fn write_chained(
        &self,
        key: &[u8],
        hash: u64,
        found: Position,
        offset: usize,
        bytes: &[u8],
        value_len: usize,
        now: u64,
    ) -> Result<usize, Full> {
        let entry = self.entry(found.place);
        let word = entry.word();
        let (len, first) = (word.value_len(), entry.chain(word));
        let fill = |first: u32| {
            if offset > len {
                chain::write(self.map, first, len, zeros(offset - len));
            }
            chain::write(self.map, first, offset, std::iter::once(bytes));
        };
        if value_len.div_ceil(SEGMENT_BYTES) == len.div_ceil(SEGMENT_BYTES) {
            fill(first);
            let before = weight(word);
            let word = entry.set_value_len(word, value_len);
            entry.seal(word, hash);
            self.weigh(Kind::of(self.map, self.map.segment_of(entry.at)), before, weight(word));
            self.touch(hash);
            return Ok(value_len);
        }
        // Taken out meanwhile, the chain is nobody's who could be evicted for it.
        let (expires, expiry) = (word.expires(), entry.expiry(word));
        self.take_out(found, hash);
        let extended = self.chain(first, len, value_len, now);
        if extended.is_some() {
            fill(first);
        }
        let value_len = if extended.is_some() { value_len } else { len };
        let found = (None, self.changes());
        let new = New { key, hash, value_len, room: value_len, expiry, expires, found };
        if !self.place(&new, &Content::Chain(first), now) {
            chain::release(&self.segments(), first);
            return Err(self.full(key, value_len));
        }
        if extended.is_some() { Ok(value_len) } else { Err(self.full(key, value_len)) }
    }

    /// Changes when an entry goes; it moves if it has no room for an expiry yet.
    pub(super) fn set_expiry(
        &self,
        key: &[u8],
        hash: u64,
        found: Position,
        expires_at: Option<u64>,
        now: u64,
    ) -> Result<(), Full> {
        let (entry, expiry) = (self.entry(found.place), expires_at.unwrap_or(NEVER));
        let word = entry.word();
        if self.is_kept() {
            let value: Vec<u8> = self.chunks(entry, word).flatten().copied().collect();
            return self.put_kept(key, hash, &[&value], expiry, now);
        }
        self.begin();
        if word.expires() || expiry == NEVER {
            self.change_expiry(entry, word, expiry);
            entry.seal(word, hash);
            self.touch(hash);
            return Ok(());
        }
        let value_len = word.value_len();
        let found_now = (Some(found), self.changes());
        let mut new = New { key, hash, value_len, room: value_len, expiry, expires: true, found: found_now };
        let full = || self.full(key, value_len);
        if word.is_chained() {
            let first = entry.chain(word);
            self.take_out(found, hash);
            new.found.0 = None;
            if !self.place(&new, &Content::Chain(first), now) {
                chain::release(&self.segments(), first);
                return Err(full());
            }
            return Ok(());
        }
        let value: Vec<u8> = self.chunks(entry, word).flatten().copied().collect();
        if self.place(&new, &Content::Parts(&[&value]), now) { Ok(()) } else { Err(full()) }
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
