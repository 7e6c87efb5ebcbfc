//! What holds where memory is short: what is written stays whole, the limit is one, and room is found wherever it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use super::layout::SEGMENT_BYTES;
use super::table_tests::{get, put};
use super::*;

/// Of four shards.
const FOUR_SHARDS: u64 = 16 << 20;

/// A table of one shard that is full of entries that were read once, the oldest of which expires.
fn full_of_used() -> (Table, Vec<u8>) {
    let table = Table::in_process(1 << 20).unwrap();
    let oldest = vec![b'o'; 5200];
    table.update(b"oldest", 0, |slot| slot.put(&[&oldest], Some(1 << 40))).unwrap();
    for n in 1..200_u32 {
        put(&table, &n.to_le_bytes(), &[n as u8; 5200]).unwrap();
    }
    assert!(get(&table, b"oldest").is_some());
    assert!((1..200_u32).all(|n| get(&table, &n.to_le_bytes()).is_some()));
    (table, oldest)
}

#[test]
fn bytes_written_into_the_next_to_be_evicted_come_to_those_it_had() {
    for (offset, added) in [(5200, 20_000), (5200, 200_000), (5300, 20_000), (5100, 20_000), (0, 20_000), (300_000, 1)]
    {
        let (table, oldest) = full_of_used();
        let end = table.update(b"oldest", 0, |slot| slot.write_at(offset, &vec![b'n'; added])).unwrap();
        let mut expected = oldest;
        expected.resize(expected.len().max(offset + added), 0);
        expected[offset..offset + added].fill(b'n');
        assert_eq!(end, expected.len());
        assert!(get(&table, b"oldest").unwrap() == expected, "{added} bytes at {offset}");
        assert_eq!(table.peek(b"oldest", 0).unwrap().expires_at, Some(1 << 40), "{added} bytes at {offset}");
        table.audit();
    }
}

#[test]
fn no_bytes_written_at_a_segments_end_change_nothing() {
    let table = Table::in_process(FOUR_SHARDS).unwrap();
    for segments in 1..4 {
        let value = vec![7; segments * SEGMENT_BYTES];
        put(&table, b"k", &value).unwrap();
        assert_eq!(table.append(b"k", b"", 0), Ok(value.len()));
        let longer = value.len() + SEGMENT_BYTES;
        assert_eq!(table.update(b"k", 0, |slot| slot.write_at(longer, b"")), Ok(longer));
        assert_eq!(table.append(b"k", b"end", 0), Ok(longer + 3));
        let expected = [&value[..], &vec![0; SEGMENT_BYTES], b"end"].concat();
        assert!(get(&table, b"k").unwrap() == expected);
        table.audit();
    }
}

#[test]
fn several_writers_together_keep_to_the_limit() {
    let table = Table::in_process(FOUR_SHARDS).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4_usize {
            let table = &table;
            scope.spawn(move || {
                for n in 0..600_usize {
                    let value = vec![n as u8; 1 + (n * 7919 + writer * 104_729) % (3 << 20)];
                    let _ = put(table, format!("{writer}-{}", n % 9).as_bytes(), &value);
                    let bytes = table.map.header().pool.bytes.load(Ordering::Relaxed);
                    assert!(bytes <= FOUR_SHARDS, "{bytes}");
                }
            });
        }
    });
    table.audit();
}

#[test]
fn tiny_entries_fill_no_index() {
    for bytes_max in [100_u64, 4096, 50_000, 1 << 20] {
        let table = Table::in_process(bytes_max).unwrap();
        for n in 0..6144_u16 {
            put(&table, &n.to_le_bytes(), b"").unwrap();
            assert!(table.peek(&n.to_le_bytes(), 0).is_some());
        }
        table.audit();
    }
}

#[test]
fn a_batch_of_all_keys_evicts_from_all_of_them() {
    let table = Table::in_process(FOUR_SHARDS).unwrap();
    for n in 0..400_u32 {
        put(&table, &n.to_le_bytes(), &[1; 60_000]).unwrap();
    }
    let mut batch = table.batch_all();
    for n in 0..4_u32 {
        batch.update(format!("long-{n}").as_bytes(), 0, |slot| slot.put(&[&vec![n as u8; 9 << 20]], None)).unwrap();
    }
    let mut last = Vec::new();
    assert!(batch.get(b"long-3", 0, &mut last).is_some() && last == vec![3; 9 << 20]);
    drop(batch);
    assert!(get(&table, b"long-3").unwrap() == last);
    table.audit();
}

/// Some keys that lie in other shards than `key`.
fn elsewhere(table: &Table, key: &[u8]) -> Vec<Vec<u8>> {
    let shard = |key: &[u8]| table.map.geometry.shard(entry::hash(&table.map, key));
    (0..1000_u32).map(|n| n.to_le_bytes().to_vec()).filter(|n| shard(n) != shard(key)).collect()
}

/// Runs `body` while another thread has all shards but that of `key`.
fn while_others_have_the_rest(table: &Table, key: &[u8], body: impl FnOnce()) {
    let others = elsewhere(table, key);
    let others: Vec<&[u8]> = others.iter().map(Vec::as_slice).collect();
    std::thread::scope(|scope| {
        let (locked, is_locked) = mpsc::channel();
        let (done, is_done) = mpsc::channel::<()>();
        scope.spawn(move || {
            let batch = table.batch(&others);
            locked.send(()).unwrap();
            let _ = is_done.recv();
            drop(batch);
        });
        is_locked.recv().unwrap();
        body();
        drop(done);
    });
}

#[test]
fn bytes_that_find_no_room_leave_the_value_as_it_was() {
    for old_len in [1_000, 2 << 20] {
        let table = Table::in_process(FOUR_SHARDS).unwrap();
        let old = vec![9; old_len];
        table.update(b"k", 0, |slot| slot.put(&[&old], Some(1 << 40))).unwrap();
        for other in elsewhere(&table, b"k").iter().take(11) {
            put(&table, other, &vec![1; 1 << 20]).unwrap();
        }
        while_others_have_the_rest(&table, b"k", || {
            let refused = table.append(b"k", &vec![1; 8 << 20], 0);
            assert_eq!(refused, Err(Full::Entry { bytes: (1 + old_len + (8 << 20)) as u64, bytes_max: FOUR_SHARDS }));
            let found = table.peek(b"k", 0).expect("it was there");
            assert_eq!(found.expires_at, Some(1 << 40));
            assert!(get(&table, b"k").unwrap() == old);
        });
        table.audit();
    }
}

#[test]
fn a_full_kept_region_is_not_copied_with_every_write() {
    let table = Table::in_process(1 << 20).unwrap();
    let kept = table.kept();
    let mut number = 0_u32;
    while kept.update(&number.to_le_bytes(), 0, |slot| slot.put(&[&[1; 100]], None)).is_ok() {
        number += 1;
    }
    // All eight of its shards, and not only the first to be full.
    for more in number..number + 20_000 {
        let _ = kept.update(&more.to_le_bytes(), 0, |slot| slot.put(&[&[1; 100]], None));
    }
    let shards = table.map.geometry.shards;
    let halves =
        || (shards..shards + layout::KEPT_SHARDS).map(|at| table.map.head(at).kept.get() >> 63).collect::<Vec<_>>();
    let (mut before, mut copies) = (halves(), 0);
    for n in 0..10_000_u32 {
        kept.update(&(n % number).to_le_bytes(), 0, |slot| slot.put(&[&[2; 100]], None)).unwrap();
        let now = halves();
        copies += u32::from(now != before);
        before = now;
    }
    assert!(copies <= 10_000 * 128 / (64 << 10) + 8, "{copies} copies of a half in 10,000 writes");
    // What expires makes room.
    let table = Table::in_process(1 << 20).unwrap();
    let kept = table.kept();
    for n in 0..50_000_u32 {
        let _ = kept.update(&n.to_le_bytes(), 0, |slot| slot.put(&[&[1; 100]], Some(100)));
    }
    for n in 50_000..51_000_u32 {
        kept.update(&n.to_le_bytes(), 100, |slot| slot.put(&[&[1; 100]], None)).unwrap();
    }
}

#[test]
fn nothing_is_lost_while_writers_wait_for_each_others_room() {
    let table = Table::in_process(FOUR_SHARDS).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2_u8 {
            let (table, stop) = (&table, &stop);
            scope.spawn(move || {
                let key = [b'w', writer];
                for n in 0..60_usize {
                    let mut expected = vec![writer; 1000 + n];
                    if put(table, &key, &expected).is_ok() {
                        let appended = vec![b'x'; (n * 31_337) % (4 << 20)];
                        table.update(&key, 0, |slot| {
                            let there = slot.old().is_some();
                            if slot.append(&appended).is_ok() && there {
                                expected.extend_from_slice(&appended);
                                assert!(*slot.old().unwrap().bytes() == expected);
                            }
                        });
                    }
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
        let mut n = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            n += 1;
            let _ = put(&table, &(n % 500).to_le_bytes(), &vec![0; (n as usize * 7919) % 70_000]);
        }
    });
    table.audit();
}
