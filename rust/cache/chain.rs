//! Long values: a list of whole segments, each with a checksum of its own, so that a change of some bytes costs one segment.

use xxhash_rust::xxh3::xxh3_64;

use super::copy::copy;
use super::layout::SEGMENT_BYTES;
use super::map::Map;
use super::segments::{Kind, Segments};

/// A value's bytes as slices, for whoever has the shard's lock: one, or those of a chain.
pub(super) struct Chunks<'a> {
    map: &'a Map,
    /// What comes first, if it isn't a chain.
    slice: &'a [u8],
    next: u32,
    left: usize,
}

impl<'a> Chunks<'a> {
    pub(super) fn of_chain(map: &'a Map, first: u32, len: usize) -> Self {
        Self { map, slice: &[], next: first, left: len }
    }

    pub(super) fn of_slice(map: &'a Map, slice: &'a [u8]) -> Self {
        Self { map, slice, next: 0, left: slice.len() }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.left == 0 {
            return None;
        }
        if self.next == 0 {
            self.left = 0;
            return Some(self.slice);
        }
        let number = self.next - 1;
        let some = self.left.min(SEGMENT_BYTES);
        self.next = self.map.segment(number).next.get();
        self.left -= some;
        // SAFETY: a whole segment is mapped there, and nobody writes it while the shard is locked.
        Some(unsafe { std::slice::from_raw_parts(self.map.at(self.map.segment_at(number)), some) })
    }
}

/// Copies a chain without a lock: what its segments say may be anything. `None` when it can't be a chain.
pub(super) fn copy_unlocked(map: &Map, first: u32, len: usize, to: *mut u8) -> Option<()> {
    let mut next = first;
    let mut done = 0;
    while done < len {
        let number = next.checked_sub(1).filter(|&number| number < map.geometry.segments)?;
        let some = (len - done).min(SEGMENT_BYTES);
        // SAFETY: a whole segment is mapped there, and the caller gave room for `len` bytes.
        unsafe { copy(map.at(map.segment_at(number)), to.add(done), some) };
        next = map.segment(number).next.get();
        done += some;
    }
    Some(())
}

/// Gives a chain's segments back.
pub(super) fn release(segments: &Segments<'_>, first: u32) {
    let mut next = first;
    while next != 0 {
        let number = next - 1;
        next = segments.map.segment(number).next.get();
        segments.release(number);
    }
}

/// Makes a chain long enough, `len` bytes being in it (`first` is 0 for none); what is new has to be written. `make_room`
/// frees segments, or says that it can't; what was added is given back then.
///
/// Returns the first segment's number, plus one.
pub(super) fn extend(
    segments: &Segments<'_>,
    first: u32,
    len: usize,
    wanted: usize,
    mut make_room: impl FnMut() -> bool,
) -> Option<u32> {
    let map = segments.map;
    let (mut added, mut last) = (0, 0);
    for _ in len.div_ceil(SEGMENT_BYTES)..wanted.div_ceil(SEGMENT_BYTES) {
        let number = loop {
            if let Some(number) = segments.claim(Kind::Chain, false) {
                break number;
            }
            if !make_room() {
                release(segments, added);
                return None;
            }
        };
        match last {
            0 => added = number + 1,
            last => map.segment(last - 1).next.set(number + 1),
        }
        last = number + 1;
    }
    if first == 0 || added == 0 {
        return Some(first.max(added));
    }
    let mut end = first - 1;
    while map.segment(end).next.get() != 0 {
        end = map.segment(end).next.get() - 1;
    }
    map.segment(end).next.set(added);
    Some(first)
}

/// Writes bytes into a chain that is long enough, and the checksums of the segments that it changes.
pub(super) fn write<'b>(map: &Map, first: u32, offset: usize, parts: impl Iterator<Item = &'b [u8]>) {
    let mut number = first - 1;
    // Its end is reached from the segment before: there may be none behind it, if nothing is written there.
    let passed = offset.saturating_sub(1) / SEGMENT_BYTES;
    for _ in 0..passed {
        number = map.segment(number).next.get() - 1;
    }
    let mut at = offset - passed * SEGMENT_BYTES;
    for mut left in parts {
        while !left.is_empty() {
            if at == SEGMENT_BYTES {
                seal(map, number, at);
                number = map.segment(number).next.get() - 1;
                at = 0;
            }
            let (some, rest) = left.split_at(left.len().min(SEGMENT_BYTES - at));
            // SAFETY: within the segment, which is this shard's.
            unsafe { copy(some.as_ptr(), map.at(map.segment_at(number) + at), some.len()) };
            at += some.len();
            left = rest;
        }
    }
    seal(map, number, at);
}

/// The checksum of the bytes in use of a segment.
fn computed(map: &Map, number: u32) -> u32 {
    let used = (map.segment(number).used.get() as usize).min(SEGMENT_BYTES);
    // SAFETY: a whole segment is mapped there, and nobody writes it while the shard is locked.
    xxh3_64(unsafe { std::slice::from_raw_parts(map.at(map.segment_at(number)), used) }) as u32
}

fn seal(map: &Map, number: u32, end: usize) {
    let segment = map.segment(number);
    segment.used.set(segment.used.get().max(end as u32));
    segment.sum.set(computed(map, number));
}

/// Whether every segment is what was written.
#[cfg(test)]
pub(super) fn is_sound(map: &Map, first: u32, len: usize) -> bool {
    let mut next = first;
    for _ in 0..len.div_ceil(SEGMENT_BYTES) {
        let Some(number) = next.checked_sub(1).filter(|&number| number < map.geometry.segments) else { return false };
        if computed(map, number) != map.segment(number).sum.get() {
            return false;
        }
        next = map.segment(number).next.get();
    }
    true
}
