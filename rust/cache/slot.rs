//! One key while its shard is locked: what is there, and what is put in its place.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

use super::entry::{Entry, NEVER, Word, hash};
use super::index::Position;
use super::shard::Shard;
use super::write::Full;

/// The place of one key, for the length of an update. Nobody else sees a change before the update, or the batch that it is
/// in, has ended.
pub struct Slot<'a> {
    shard: &'a Shard<'a>,
    key: &'a [u8],
    hash: u64,
    now: u64,
    found: Cell<Whereabouts>,
}

/// Where the key's entry is. After a change it is looked for only when somebody asks, which hardly anybody does.
#[derive(Clone, Copy)]
enum Whereabouts {
    Known(Option<Position>),
    Changed,
}

impl<'a> Slot<'a> {
    pub(super) fn new(shard: &'a Shard<'a>, key: &'a [u8], now: u64) -> Self {
        Self::of(shard, key, hash(shard.map, key), now)
    }

    /// The same where the key's hash is known.
    pub(super) fn of(shard: &'a Shard<'a>, key: &'a [u8], hash: u64, now: u64) -> Self {
        let mut found = shard.find(key, hash);
        if let Some(position) = found {
            let entry = shard.entry(position.place);
            if entry.expiry(entry.word()) <= now {
                shard.remove(position, hash);
                shard.head.expirations.add(1);
                found = None;
            }
        }
        Self { shard, key, hash, now, found: Cell::new(Whereabouts::Known(found)) }
    }

    fn found(&self) -> Option<Position> {
        match self.found.get() {
            Whereabouts::Known(found) => found,
            Whereabouts::Changed => {
                let found = self.shard.find(self.key, self.hash);
                self.found.set(Whereabouts::Known(found));
                found
            }
        }
    }

    /// The value that is there. It is borrowed from the slot: what is needed of it has to be copied before it is changed.
    #[must_use]
    pub fn old(&self) -> Option<Old<'_>> {
        let entry = self.shard.entry(self.found()?.place);
        Some(Old { shard: self.shard, entry, word: entry.word() })
    }

    /// Puts a value, made of `parts`, in place of what is there. Without an expiry it stays until it is evicted.
    ///
    /// # Errors
    /// [`Full`]; then the old value stays, unless it had to be evicted in search of room.
    pub fn put(&mut self, parts: &[&[u8]], expires_at: Option<u64>) -> Result<(), Full> {
        let done = self.shard.put(self.key, self.hash, self.found(), parts, expires_at, self.now);
        self.found.set(Whereabouts::Changed);
        done
    }

    /// Adds bytes at the value's end, which is an empty one if there is none, and says how long it is now. The expiry stays.
    ///
    /// # Errors
    /// [`Full`]; then the old value stays.
    pub fn append(&mut self, bytes: &[u8]) -> Result<usize, Full> {
        let len = self.old().map_or(0, |old| old.len());
        self.write_at(len, bytes)
    }

    /// Writes bytes at an offset of the value, which is an empty one if there is none, and says how long it is now. Zeros
    /// fill what is between its end and the offset. The expiry stays.
    ///
    /// # Errors
    /// [`Full`]; then the old value stays.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) -> Result<usize, Full> {
        let len = self.shard.write_at(self.key, self.hash, self.found(), offset, bytes, self.now);
        self.found.set(Whereabouts::Changed);
        len
    }

    /// Changes when the value goes; false when there is none.
    ///
    /// # Errors
    /// [`Full`]; then nothing has changed.
    pub fn set_expiry(&mut self, expires_at: Option<u64>) -> Result<bool, Full> {
        let Some(found) = self.found() else { return Ok(false) };
        let done = self.shard.set_expiry(self.key, self.hash, found, expires_at, self.now);
        self.found.set(Whereabouts::Changed);
        done.map(|()| true)
    }

    /// Removes the value; whether there was one.
    pub fn remove(&mut self) -> bool {
        let found = self.found();
        self.found.set(Whereabouts::Known(None));
        if let Some(found) = found {
            self.shard.remove(found, self.hash);
        }
        found.is_some()
    }
}

/// A value under its shard's lock.
#[derive(Clone, Copy)]
pub struct Old<'a> {
    shard: &'a Shard<'a>,
    entry: Entry<'a>,
    word: Word,
}

impl<'a> Old<'a> {
    /// Its bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.word.value_len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When it goes.
    #[must_use]
    pub fn expires_at(&self) -> Option<u64> {
        Some(self.entry.expiry(self.word)).filter(|&expiry| expiry != NEVER)
    }

    /// The value, piece by piece: one, unless it is longer than 60 KiB.
    pub fn chunks(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.shard.chunks(self.entry, self.word)
    }

    /// The value in one piece, copied only if it lies in several.
    #[must_use]
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        let mut chunks = self.chunks();
        let first = chunks.next().unwrap_or_default();
        if first.len() == self.len() {
            return Cow::Borrowed(first);
        }
        let mut all = Vec::with_capacity(self.len());
        all.extend_from_slice(first);
        chunks.for_each(|chunk| all.extend_from_slice(chunk));
        Cow::Owned(all)
    }

    /// Appends a part of the value to `into`; what is outside of it isn't there.
    pub fn read(&self, range: Range<usize>, into: &mut Vec<u8>) {
        let mut at = 0;
        for chunk in self.chunks() {
            let begin = range.start.saturating_sub(at).min(chunk.len());
            let end = range.end.saturating_sub(at).min(chunk.len());
            into.extend_from_slice(chunk.get(begin..end).unwrap_or_default());
            at += chunk.len();
            if at >= range.end {
                break;
            }
        }
    }
}
