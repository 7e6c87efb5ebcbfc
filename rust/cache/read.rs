//! Reading without a lock.
//!
//! Index, entry and value are read while anybody may be changing them, so every number is checked before it leads anywhere,
//! and nothing is believed until the sequence says that nobody wrote. Who is disturbed too often waits for the lock, and so
//! also finds out when a writer has died.

use super::chain;
use super::entry::{Entry, NEVER, Word};
use super::index::{Index, Position};
use super::map::Map;
use super::shard::{Shard, spot};

/// Attempts before a reader takes the lock, each of which may wait for a writer that is at work.
const ATTEMPTS_MAX: u32 = 32;
/// Looks at an odd number in one attempt: about what a small write takes.
const LOOKS_MAX: u32 = 64;

/// What is known of an entry before its value is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Bytes of the value.
    pub len: usize,
    /// When it goes, in milliseconds since 1970; `None` when it stays until it is evicted.
    pub expires_at: Option<u64>,
}

/// An entry that was found, before anybody knows whether it was still being written.
#[derive(Clone, Copy)]
struct Seen<'a> {
    entry: Entry<'a>,
    word: Word,
    expiry: u64,
    position: Position,
}

/// One key, looked for in one shard.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a, 'k> {
    pub(super) map: &'a Map,
    pub(super) shard: u32,
    pub(super) key: &'k [u8],
    pub(super) hash: u64,
    pub(super) now: u64,
    /// Whether reading counts as use.
    pub(super) marks: bool,
}

/// Where a value goes to.
pub(super) trait Sink {
    /// Room for a value of `len` bytes, for the first time or once more; null when it isn't wanted.
    fn room(&mut self, len: usize) -> *mut u8;
    /// The value is whole.
    fn keep(&mut self, len: usize);
    /// There is no value, though there may have been room for one before.
    fn none(&mut self);
}

impl<'a> Reader<'a, '_> {
    /// Copies the key's value, if there is one.
    #[inline]
    pub(super) fn read(&self, sink: &mut impl Sink) -> Option<Found> {
        self.read_noted(sink).0
    }

    /// The same, with the number of the sequence of which it was read, unless it took the lock.
    #[inline]
    pub(super) fn read_noted(&self, sink: &mut impl Sink) -> (Option<Found>, Option<u64>) {
        let sequence = &self.map.head(self.shard).sequence;
        for _ in 0..ATTEMPTS_MAX {
            let Some(noted) = (0..LOOKS_MAX).find_map(|_| {
                let noted = sequence.note();
                if noted.is_none() {
                    std::hint::spin_loop();
                }
                noted
            }) else {
                break;
            };
            if let Some(found) = self.attempt(sink, || sequence.is_still(noted)) {
                return (found, Some(noted));
            }
        }
        (self.locked(sink), None)
    }

    #[cold]
    fn locked(&self, sink: &mut impl Sink) -> Option<Found> {
        let _lock = Shard::lock(self.map, self.shard);
        self.attempt(sink, || true).expect("nobody writes")
    }

    /// For who has the lock.
    pub(super) fn read_locked(&self, sink: &mut impl Sink) -> Option<Found> {
        self.attempt(sink, || true).expect("nobody writes")
    }

    /// `None` when somebody wrote meanwhile.
    #[inline(always)]
    fn attempt(&self, sink: &mut impl Sink, is_still: impl Fn() -> bool) -> Option<Option<Found>> {
        let seen = self.look();
        if !is_still() {
            return None;
        }
        let Some(seen) = seen.filter(|seen| seen.expiry > self.now) else {
            sink.none();
            return Some(None);
        };
        let len = seen.word.value_len();
        let room = sink.room(len);
        if !room.is_null() {
            if seen.word.is_chained() {
                chain::copy_unlocked(self.map, seen.entry.chain(seen.word), len, room)?;
            } else {
                // SAFETY: the entry could be there, so its value is mapped; the sink has room for `len` bytes.
                unsafe { super::copy::copy(seen.entry.value(seen.word), room, len) };
            }
            #[cfg(debug_assertions)]
            let sealed = seen.entry.sealed();
            if !is_still() {
                return None;
            }
            #[cfg(debug_assertions)]
            self.verify(&seen, sealed, room);
            sink.keep(len);
        }
        if self.marks {
            Index::of(self.map, self.shard).mark(seen.position);
        }
        Some(Some(Found { len, expires_at: Some(seen.expiry).filter(|&expiry| expiry != NEVER) }))
    }

    #[inline(always)]
    fn look(&self) -> Option<Seen<'a>> {
        let mut seen = None;
        Index::of(self.map, self.shard)
            .find(spot(self.map, self.hash), |place| {
                let entry = Entry::at_place(self.map, place);
                let word = entry.word();
                if !entry.could_be(word) || !entry.has_key(word, self.key) {
                    return false;
                }
                seen = Some((entry, word, entry.expiry(word)));
                true
            })
            .and_then(|position| seen.map(|(entry, word, expiry)| Seen { entry, word, expiry, position }))
    }

    /// What was believed is what was written: in a debug build every read is checked.
    #[cfg(debug_assertions)]
    fn verify(&self, seen: &Seen<'_>, sealed: u32, copied: *const u8) {
        if seen.word.is_chained() {
            return;
        }
        // SAFETY: so many bytes were just copied there.
        let value = unsafe { std::slice::from_raw_parts(copied, seen.word.value_len()) };
        let sum = super::entry::sum(self.hash, seen.expiry, seen.word, value);
        assert_eq!(sum, sealed, "a value of {} bytes was torn", value.len());
    }
}

/// For who wants to know whether there is a value.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    fn room(&mut self, _len: usize) -> *mut u8 {
        std::ptr::null_mut()
    }

    fn keep(&mut self, _len: usize) {}

    fn none(&mut self) {}
}

/// The end of a vector, behind what `head` writes there.
pub(super) struct Appended<'v, F> {
    vector: &'v mut Vec<u8>,
    begin: usize,
    head: F,
}

impl<'v, F: FnMut(usize, &mut Vec<u8>)> Appended<'v, F> {
    pub(super) fn to(vector: &'v mut Vec<u8>, head: F) -> Self {
        Self { begin: vector.len(), vector, head }
    }
}

impl<F: FnMut(usize, &mut Vec<u8>)> Sink for Appended<'_, F> {
    #[inline(always)]
    fn room(&mut self, len: usize) -> *mut u8 {
        self.vector.truncate(self.begin);
        (self.head)(len, self.vector);
        self.vector.reserve(len);
        self.vector.spare_capacity_mut().as_mut_ptr().cast()
    }

    #[inline(always)]
    fn keep(&mut self, len: usize) {
        // SAFETY: `len` bytes behind the vector's end were reserved and written.
        unsafe { self.vector.set_len(self.vector.len() + len) };
    }

    #[inline(always)]
    fn none(&mut self) {
        self.vector.truncate(self.begin);
    }
}

/// Memory of the caller's, if it is large enough.
pub(super) struct Buffer<'b>(pub(super) &'b mut [std::mem::MaybeUninit<u8>]);

impl Sink for Buffer<'_> {
    #[inline(always)]
    fn room(&mut self, len: usize) -> *mut u8 {
        if len <= self.0.len() { self.0.as_mut_ptr().cast() } else { std::ptr::null_mut() }
    }

    fn keep(&mut self, _len: usize) {}

    fn none(&mut self) {}
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::cache::{Table, entry};

    #[test]
    fn a_read_that_finds_nothing_after_all_leaves_nothing_behind() {
        let table = Table::in_process(1 << 20).unwrap();
        table.update(b"k", 0, |slot| slot.put(&[b"value"], None)).unwrap();
        let hash = entry::hash(&table.map, b"k");
        let reader =
            Reader { map: &table.map, shard: table.map.geometry.shard(hash), key: b"k", hash, now: 0, marks: true };
        let mut into = b"before ".to_vec();
        let mut sink = Appended::to(&mut into, |len, into: &mut Vec<u8>| into.extend(format!("${len}").bytes()));
        // Somebody writes while the value is copied.
        let looks = Cell::new(0);
        assert_eq!(reader.attempt(&mut sink, || looks.replace(looks.get() + 1) == 0), None);
        table.delete(b"k", 0);
        assert_eq!(reader.attempt(&mut sink, || true), Some(None));
        assert_eq!(into, b"before ");
    }
}
