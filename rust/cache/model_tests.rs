//! The table beside a plain map with expiries: random operations, equal answers.

use std::collections::HashMap;

use super::*;

/// Numbers that a seed repeats (Steele, Lea and Flood's SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    value: Vec<u8>,
    expires_at: Option<u64>,
}

/// The model, and what it may not know: with `forgets` an entry may be gone.
struct Pair {
    table: Table,
    model: HashMap<Vec<u8>, Kept>,
    random: Random,
    now: u64,
    forgets: bool,
    value_bytes_max: usize,
    keys: usize,
}

impl Pair {
    fn new(bytes_max: u64, keys: usize, value_bytes_max: usize, seed: u64, forgets: bool) -> Self {
        let table = Table::in_process(bytes_max).unwrap();
        Self { table, model: HashMap::new(), random: Random(seed), now: 1000, forgets, value_bytes_max, keys }
    }

    fn key(&mut self) -> Vec<u8> {
        let number = self.random.below(self.keys);
        let mut key = format!("{number}").into_bytes();
        // Of every length from 0 on, some of them long.
        match number % 7 {
            0 => key.resize(number % 100, 0),
            1 if number.is_multiple_of(11) => key.resize(number % 5000, 0xff),
            _ => {}
        }
        key
    }

    fn bytes(&mut self) -> Vec<u8> {
        let small = self.random.below(4) != 0;
        let limit = if small { 200.min(self.value_bytes_max) } else { self.value_bytes_max };
        let (len, first) = (self.random.below(limit + 1), self.random.next());
        (0..len as u64).map(|at| (first.wrapping_add(at * 31) >> 3) as u8).collect()
    }

    fn expiry(&mut self) -> Option<u64> {
        (self.random.below(3) == 0).then(|| self.now + 1 + self.random.below(500) as u64)
    }

    /// What the model has of a key, after the table was asked: what it may have forgotten is forgotten here.
    fn known(&mut self, key: &[u8], there: bool) -> Option<Kept> {
        if self.model.get(key).is_some_and(|kept| kept.expires_at.is_some_and(|at| at <= self.now)) {
            self.model.remove(key);
        }
        if self.forgets && !there {
            self.model.remove(key);
        }
        self.model.get(key).cloned()
    }

    fn step(&mut self) {
        let (key, now) = (self.key(), self.now);
        match self.random.below(12) {
            0..=3 => {
                let mut value = b"before".to_vec();
                let found = self.table.get(&key, now, &mut value);
                let known = self.known(&key, found.is_some());
                assert_eq!(&value[..6], b"before");
                let got = found.map(|found| Kept { value: value[6..].to_vec(), expires_at: found.expires_at });
                assert_eq!(got, known);
                assert_eq!(found.map_or(0, |found| found.len), value.len() - 6);
                assert_eq!(self.table.peek(&key, now), found);
            }
            4 | 5 => {
                let (value, expires_at) = (self.bytes(), self.expiry());
                let cut = self.random.below(value.len() + 1);
                let parts = [&value[..cut], &value[cut..]];
                let done = self.table.update(&key, now, |slot| slot.put(&parts, expires_at));
                self.stored(&key, done.is_ok(), Kept { value, expires_at });
            }
            6 => {
                let removed = self.table.update(&key, now, |slot| slot.remove());
                let known = self.known(&key, removed);
                assert_eq!(removed, known.is_some());
                self.model.remove(&key);
            }
            7 | 8 => {
                let bytes = self.bytes();
                let (old, len) = self
                    .table
                    .update(&key, now, |slot| (slot.old().map(|old| old.bytes().into_owned()), slot.append(&bytes)));
                self.written(&key, old, usize::MAX, &bytes, len);
            }
            9 => {
                let (offset, bytes) = (self.random.below(self.value_bytes_max), self.bytes());
                let (old, len) = self.table.update(&key, now, |slot| {
                    (slot.old().map(|old| old.bytes().into_owned()), slot.write_at(offset, &bytes))
                });
                self.written(&key, old, offset, &bytes, len);
            }
            10 => {
                let expires_at = self.expiry();
                let done = self.table.update(&key, now, |slot| slot.set_expiry(expires_at));
                let known = self.known(&key, done != Ok(false));
                assert!(self.forgets || done.is_ok());
                assert!(done.is_err() || known.is_some() == done.unwrap());
                if let (Some(mut known), Ok(true)) = (known, done) {
                    known.expires_at = expires_at;
                    self.model.insert(key, known);
                }
            }
            _ => self.move_one(&key),
        }
        self.now += self.random.below(3) as u64;
    }

    /// RENAME, as a batch.
    fn move_one(&mut self, from: &[u8]) {
        let (to, now) = (self.key(), self.now);
        let mut batch = self.table.batch(&[from, &to]);
        let mut value = Vec::new();
        let found = batch.get(from, now, &mut value);
        if let Some(found) = found {
            let done = batch.update(&to, now, |slot| slot.put(&[&value], found.expires_at));
            let removed = done.is_ok() && from != to && batch.update(from, now, |slot| slot.remove());
            drop(batch);
            assert!(self.forgets || done.is_ok());
            let known = self.known(from, true).expect("the table has it");
            assert_eq!((&known.value, known.expires_at), (&value, found.expires_at));
            self.stored(&to, done.is_ok(), known);
            if removed {
                self.model.remove(from);
            }
        } else {
            drop(batch);
            assert_eq!(self.known(from, false), None);
        }
    }

    fn stored(&mut self, key: &[u8], done: bool, kept: Kept) {
        assert!(done || self.forgets);
        if done {
            self.model.insert(key.to_vec(), kept);
        }
    }

    fn written(&mut self, key: &[u8], old: Option<Vec<u8>>, offset: usize, bytes: &[u8], len: Result<usize, Full>) {
        let known = self.known(key, old.is_some());
        assert_eq!(old, known.as_ref().map(|known| known.value.clone()));
        let mut kept = known.unwrap_or(Kept { value: Vec::new(), expires_at: None });
        let offset = offset.min(if offset == usize::MAX { kept.value.len() } else { usize::MAX });
        let end = (offset + bytes.len()).max(kept.value.len());
        kept.value.resize(end, 0);
        kept.value[offset..offset + bytes.len()].copy_from_slice(bytes);
        match len {
            Ok(len) => assert_eq!(len, end),
            Err(_) => assert!(self.forgets),
        }
        self.stored(key, len.is_ok(), kept);
    }

    fn run(&mut self, steps: usize) {
        for step in 0..steps {
            self.step();
            if step % 1999 == 0 {
                self.table.audit();
                assert!(self.table.stats().bytes <= self.table.stats().bytes_max);
            }
        }
        self.table.audit();
        self.compare_all();
    }

    /// What a scan tells is what the model has.
    fn compare_all(&mut self) {
        let now = self.now;
        self.model.retain(|_, kept| kept.expires_at.is_none_or(|at| at > now));
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            cursor = self.table.scan(cursor, 10, now, |key| seen.push(key.to_vec()));
            if cursor == 0 {
                break;
            }
        }
        let told = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), told, "keys that nobody changes are told once");
        for key in &seen {
            let mut value = Vec::new();
            let found = self.table.get(key, now, &mut value).expect("it was told");
            assert_eq!(self.model.get(key), Some(&Kept { value, expires_at: found.expires_at }));
        }
        if !self.forgets {
            assert_eq!(seen.len(), self.model.len());
        }
    }
}

#[test]
fn a_table_with_room_answers_as_a_plain_map_does() {
    for seed in 0..3 {
        Pair::new(256 << 20, 2000, 3000, seed, false).run(15_000);
    }
}

#[test]
fn long_values_grow_shrink_and_are_written_into_as_in_a_plain_map() {
    Pair::new(1 << 30, 40, 400_000, 7, false).run(1500);
}

#[test]
fn a_table_without_room_forgets_and_never_lies() {
    for (bytes_max, keys, value_bytes_max) in [
        (100_000, 2000, 3000),
        (3_000_000, 3000, 20_000),
        (20_000_000, 400, 400_000),
        (2_500_000, 20_000, 3000),
        (300, 50, 200),
    ] {
        let mut pair = Pair::new(bytes_max, keys, value_bytes_max, bytes_max, true);
        pair.run(10_000);
        assert!(pair.table.stats().evictions > 100, "{bytes_max}");
    }
}
