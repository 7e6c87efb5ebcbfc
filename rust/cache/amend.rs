//! Changing an entry that is there: bytes at an offset, and when it goes. It is pinned meanwhile, for the room that it needs
//! may be found by evicting others, and must not be found by evicting it. Without room it stays as it was.

use super::chain;
use super::entry::{Entry, NEVER};
use super::index::Position;
use super::layout::INLINE_BYTES_MAX;
use super::segments::Kind;
use super::shard::{Shard, weight};
use super::write::{Content, Full, New};

const ZEROS: [u8; 4096] = [0; 4096];

/// So many zeros, for a gap.
fn zeros<'z>(count: usize) -> impl Iterator<Item = &'z [u8]> {
    (0..count).step_by(ZEROS.len()).map(move |at| &ZEROS[..ZEROS.len().min(count - at)])
}

/// Bytes that are to be written into a value.
#[derive(Clone, Copy)]
struct Patch<'a> {
    key: &'a [u8],
    hash: u64,
    offset: usize,
    bytes: &'a [u8],
    /// What the value has afterwards.
    value_len: usize,
}

impl Shard<'_> {
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
        let patch = Patch { key, hash, offset, bytes, value_len };
        let Some(found) = found else {
            self.begin();
            let parts: Vec<&[u8]> = zeros(offset).chain([bytes]).collect();
            let found = (None, self.changes());
            let new = New { key, hash, value_len, room: value_len, expiry: NEVER, expires: false, found };
            return self.replace(&new, &parts, now).map(|()| value_len);
        };
        if bytes.is_empty() && value_len == len {
            return Ok(len);
        }
        self.begin();
        self.pinning(found, || self.patch(patch, now)).map(|()| value_len).ok_or_else(|| self.full(key, value_len))
    }

    /// Writes into the pinned entry; `None` when there is no room for it.
    fn patch(&self, patch: Patch<'_>, now: u64) -> Option<()> {
        let entry = self.entry(self.pinned());
        let word = entry.word();
        if !word.is_chained() && patch.value_len > entry.room(word) {
            return self.write_anew(patch, now);
        }
        let len = word.value_len();
        let grows = (patch.value_len - len) as u64;
        if !self.afford(grows, now) {
            return None;
        }
        if word.is_chained() {
            let Some(first) = self.chain(entry.chain(word), len, patch.value_len, now) else {
                self.give_back(grows);
                return None;
            };
            if patch.offset > len {
                chain::write(self.map, first, len, zeros(patch.offset - len));
            }
            chain::write(self.map, first, patch.offset, std::iter::once(patch.bytes));
        }
        // It may have moved.
        self.write_in_place(self.entry(self.pinned()), patch);
        Some(())
    }

    /// Changes the entry's length, and the value unless it lies elsewhere.
    fn write_in_place(&self, entry: Entry<'_>, patch: Patch<'_>) {
        let word = entry.word();
        let (before, len) = (weight(word), word.value_len());
        let word = entry.set_value_len(word, patch.value_len);
        if !word.is_chained() {
            // SAFETY: the entry has room for `value_len` bytes, and whatever is written ends before that.
            unsafe {
                if patch.offset > len {
                    super::copy::clear(entry.value(word).add(len), patch.offset - len);
                }
                super::copy::copy(patch.bytes.as_ptr(), entry.value(word).add(patch.offset), patch.bytes.len());
            }
        }
        entry.seal(word, patch.hash);
        self.weigh(Kind::of(self.map, self.map.segment_of(entry.at)), before, weight(word));
        self.touch(patch.hash);
    }

    /// Builds the value again, with half as much room on top: who appends once does it again.
    fn write_anew(&self, patch: Patch<'_>, now: u64) -> Option<()> {
        let Patch { key, hash, offset, bytes, value_len } = patch;
        let entry = self.entry(self.pinned());
        let word = entry.word();
        let value: Vec<u8> = self.chunks(entry, word).flatten().copied().collect();
        let before = &value[..value.len().min(offset)];
        let after = value.get(offset + bytes.len()..).unwrap_or_default();
        let parts: Vec<&[u8]> =
            std::iter::once(before).chain(zeros(offset - before.len())).chain([bytes, after]).collect();
        let room =
            if value_len > INLINE_BYTES_MAX { value_len } else { (value_len + value_len / 2).min(INLINE_BYTES_MAX) };
        let found = (self.find(key, hash), self.changes());
        let (expiry, expires) = (entry.expiry(word), word.expires());
        let new = New { key, hash, value_len, room, expiry, expires, found };
        self.replace(&new, &parts, now).ok()
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
        let value = || self.chunks(entry, word).flatten().copied().collect::<Vec<u8>>();
        if self.is_kept() {
            return self.put_kept(key, hash, &[&value()], expiry, now);
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
        let new = New { key, hash, value_len, room: value_len, expiry, expires: true, found: found_now };
        let placed = self.pinning(found, || {
            if word.is_chained() {
                return self.place(&new, &Content::Chain(entry.chain(word)), now);
            }
            self.place(&new, &Content::Parts(&[&value()]), now)
        });
        placed.ok_or_else(|| self.full(key, value_len))
    }
}
