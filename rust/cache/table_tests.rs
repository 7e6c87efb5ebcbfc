//! What the table promises, in one process.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

pub(super) fn put(table: &Table, key: &[u8], value: &[u8]) -> Result<(), Full> {
    table.update(key, 0, |slot| slot.put(&[value], None))
}

pub(super) fn get(table: &Table, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    table.get(key, 0, &mut value).map(|_| value)
}

fn scan_all(table: &Table, count: usize, mut between: impl FnMut()) -> Vec<Vec<u8>> {
    let (mut cursor, mut keys) = (0, Vec::new());
    loop {
        cursor = table.scan(cursor, count, 0, |key| keys.push(key.to_vec()));
        if cursor == 0 {
            return keys;
        }
        between();
    }
}

#[test]
fn any_bytes_are_keys_and_values_empty_ones_too() {
    let table = Table::in_process(1 << 20).unwrap();
    let every: Vec<u8> = (0..=255).collect();
    for (key, value) in [(&b""[..], &b""[..]), (b"\0", b"\0\0"), (&every, b""), (b"k", &every)] {
        put(&table, key, value).unwrap();
        assert_eq!(get(&table, key).as_deref(), Some(value));
        let mut buffer = [std::mem::MaybeUninit::uninit(); 256];
        assert_eq!(table.copy(key, 0, &mut buffer).unwrap().len, value.len());
    }
    let longest = vec![7; KEY_BYTES_MAX];
    put(&table, &longest, &[1; 60_000]).unwrap();
    assert_eq!(get(&table, &longest).unwrap(), [1; 60_000]);
    assert!(put(&table, &vec![7; KEY_BYTES_MAX + 1], b"").is_err());
    table.audit();
}

#[test]
fn what_is_too_large_is_an_error_that_keeps_the_old_value() {
    for bytes_max in [100_u64, 4096, 100_000, 3 << 20, 40 << 20] {
        let table = Table::in_process(bytes_max).unwrap();
        let most = vec![1; bytes_max as usize - 1];
        put(&table, b"k", &most).unwrap();
        assert!(get(&table, b"k").unwrap() == most);
        let more = vec![2; bytes_max as usize];
        assert_eq!(put(&table, b"k", &more), Err(Full::Entry { bytes: bytes_max + 1, bytes_max }));
        table.update(b"k", 0, |slot| slot.append(b"x")).unwrap_err();
        table.update(b"k", 0, |slot| slot.write_at(usize::MAX, b"x")).unwrap_err();
        assert!(get(&table, b"k").unwrap() == most);
        table.audit();
    }
}

#[test]
fn a_value_of_512_mib_fits_where_memory_allows() {
    let table = Table::in_process(600 << 20).unwrap();
    let end = VALUE_BYTES_MAX - 3;
    assert_eq!(table.set_range(b"k", end, b"end", 0).unwrap(), VALUE_BYTES_MAX);
    assert_eq!(table.get_range(b"k", -4, -1, 0), b"\0end");
    table.update(b"k", 0, |slot| slot.append(b"x")).unwrap_err();
    table.clear();
    assert_eq!(table.stats().memory_bytes, 0);
}

#[test]
fn what_was_just_put_is_there_and_the_limit_holds() {
    for bytes_max in [2_000, 100_000, 5_000_000, 12_000_000] {
        let table = Table::in_process(bytes_max).unwrap();
        for n in 0..30_000_u32 {
            put(&table, &n.to_le_bytes(), &vec![n as u8; (n % 700) as usize]).unwrap();
            assert!(table.peek(&n.to_le_bytes(), 0).is_some(), "entry {n} of {bytes_max}");
            assert!(table.stats().bytes <= bytes_max);
        }
        assert!(table.len() > 2);
        table.audit();
    }
}

#[test]
fn memory_stays_within_what_the_limit_allows() {
    let bytes_max = 16 << 20;
    let (table, _file) = Table::shared(bytes_max).unwrap();
    for n in 0..300_000_u32 {
        put(&table, &(n % 90_000).to_le_bytes(), &vec![n as u8; (n * 7 % 1500) as usize]).unwrap();
    }
    let stats = table.stats();
    assert!(stats.evictions > 0);
    // The pool, the indexes of so many entries, and the first pages of each area.
    let most = bytes_max * 5 / 4 + (3 << 20) + stats.keys * 30;
    assert!(table.resident_bytes().unwrap() < most, "{} of {most}", table.resident_bytes().unwrap());
    let full = table.resident_bytes().unwrap();
    table.clear();
    assert!(table.resident_bytes().unwrap() < full / 10);
    assert_eq!((table.len(), table.stats().bytes), (0, 0));
    put(&table, b"k", b"v").unwrap();
    assert_eq!(get(&table, b"k").unwrap(), b"v");
    table.audit();
}

#[test]
fn who_is_used_stays_while_a_scan_goes_by() {
    let table = Table::in_process(1 << 20).unwrap();
    let hot = |n: u32| format!("hot-{n}").into_bytes();
    for n in 0..1000 {
        put(&table, &hot(n), &[1; 100]).unwrap();
        assert!(get(&table, &hot(n)).is_some());
    }
    for n in 0..100_000_u32 {
        put(&table, format!("once-{n}").as_bytes(), &[2; 100]).unwrap();
        assert!(n % 7 != 0 || get(&table, &hot(n / 7 % 1000)).is_some(), "at {n}");
    }
    assert!((0..1000).all(|n| get(&table, &hot(n)).is_some()));
}

#[test]
fn an_entry_goes_at_its_expiry_and_its_memory_with_a_sweep() {
    let table = Table::in_process(1 << 20).unwrap();
    for n in 0..1000_u64 {
        table.update(&n.to_le_bytes(), 0, |slot| slot.put(&[b"v"], Some(100 + n % 2))).unwrap();
    }
    assert_eq!(table.stats().keys_expiring, 1000);
    assert!(table.peek(&0_u64.to_le_bytes(), 99).is_some() && table.peek(&0_u64.to_le_bytes(), 100).is_none());
    assert_eq!(table.peek(&1_u64.to_le_bytes(), 100).unwrap().expires_at, Some(101));
    assert_eq!((table.sweep(100, usize::MAX), table.len()), (500, 500));
    let mut rest = 0;
    while !table.is_empty() {
        rest += table.sweep(101, 10);
    }
    assert_eq!((rest, table.stats().expirations), (500, 1000));
    table.audit();
}

#[test]
fn a_scan_tells_every_key_that_stays_while_others_come_and_go() {
    let table = Table::in_process(256 << 20).unwrap();
    let stays = |n: u32| format!("stays-{n}").into_bytes();
    for n in 0..3000 {
        put(&table, &stays(n), b"v").unwrap();
    }
    let mut come = 0_u32;
    let told = scan_all(&table, 20, || {
        // The index grows many times meanwhile.
        for _ in 0..80 {
            come += 1;
            put(&table, format!("comes-{come}").as_bytes(), b"v").unwrap();
            table.delete(format!("comes-{}", come / 3).as_bytes(), 0);
            put(&table, &stays(come % 3000), b"changed").unwrap();
        }
    });
    assert!(come > 5_000);
    let told: HashSet<Vec<u8>> = told.into_iter().collect();
    assert!((0..3000).all(|n| told.contains(&stays(n))));
    // Any number is a cursor of somebody's.
    for cursor in [1, 12345, (1 << 48) - 1, 1 << 48, u64::MAX] {
        table.scan(cursor, 10, 0, |_| {});
    }
}

#[test]
fn a_random_key_is_one_that_is_there_and_every_one_in_its_turn() {
    let table = Table::in_process(64 << 20).unwrap();
    assert_eq!(table.random_key(0), None);
    for n in 0..10_u8 {
        put(&table, &[n], b"v").unwrap();
    }
    let seen: HashSet<Vec<u8>> = (0..2000).map(|_| table.random_key(0).unwrap()).collect();
    assert_eq!(seen.len(), 10);
}

#[test]
fn nobody_sees_half_of_a_batch() {
    let table = Table::in_process(64 << 20).unwrap();
    let keys: Vec<Vec<u8>> = (0..6).map(|n| format!("key-{n}").into_bytes()).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Each read begins after the one before it ended, so none may be older.
                    let mut last = 0;
                    for key in &keys {
                        let read = get(&table, key).map_or(0, |value| u64::from_le_bytes(value.try_into().unwrap()));
                        assert!(read >= last, "{read} after {last}");
                        last = read;
                    }
                }
            });
        }
        for number in 1..20_000_u64 {
            let mut batch = table.batch(&keys);
            // Those that are read last are written last, too.
            for key in &keys {
                batch.update(key, 0, |slot| slot.put(&[&number.to_le_bytes()], None)).unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_watch_sees_every_kind_of_change() {
    let table = Table::in_process(100_000).unwrap();
    put(&table, b"k", b"v").unwrap();
    let changes: [(&str, &dyn Fn()); 7] = [
        ("put", &|| put(&table, b"k", b"w").unwrap()),
        ("append", &|| assert_eq!(table.append(b"k", b"w", 0), Ok(2))),
        ("expiry", &|| assert_eq!(table.expire(b"k", Expiry::At(50), 0), Ok(true))),
        ("expired", &|| assert!(!table.update(b"k", 60, |slot| slot.old().is_some()))),
        ("put anew", &|| put(&table, b"k", b"v").unwrap()),
        ("evicted", &|| (0..1000_u32).for_each(|n| put(&table, &n.to_le_bytes(), &[0; 300]).unwrap())),
        ("cleared", &|| table.clear()),
    ];
    for (what, change) in changes {
        let watch = table.watch(b"k");
        assert!(!watch.changed());
        assert!(get(&table, b"other").is_none() && !watch.changed());
        change();
        assert!(watch.changed(), "{what}");
    }
    assert_eq!(table.map.header().watchers.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_kept_survives_eviction_and_clear_and_is_refused_when_full() {
    let table = Table::in_process(1 << 20).unwrap();
    let token = table.lock(b"job", 1 << 40, 0).unwrap().unwrap();
    let kept = table.kept();
    kept.update(b"s", 0, |slot| slot.put(&[b"session"], None)).unwrap();
    for n in 0..20_000_u32 {
        put(&table, &n.to_le_bytes(), &[0; 200]).unwrap();
    }
    table.clear();
    assert_eq!(table.lock_holder(b"job", 0), Some(token));
    // Rewritten more often than its half has room for.
    for n in 0..100_000_u32 {
        kept.update(b"s", 0, |slot| slot.put(&[&n.to_le_bytes(), &[5; 60]], None)).unwrap();
    }
    let mut number = 0_u32;
    let full = loop {
        match kept.update(&number.to_le_bytes(), 0, |slot| slot.put(&[&[1; 1000]], None)) {
            Ok(()) => number += 1,
            Err(full) => break full,
        }
    };
    assert!(matches!(full, Full::Kept { what: "locks", .. }) && number > 900, "{full} {number}");
    let mut value = Vec::new();
    assert!((0..number).all(|number| kept.peek(&number.to_le_bytes(), 0).is_some()));
    assert!(kept.get(b"s", 0, &mut value).is_some() && value[..4] == 99_999_u32.to_le_bytes());
    assert!(kept.update(b"s", 0, |slot| slot.remove()) && kept.peek(b"s", 0).is_none());
    assert!(get(&table, b"s").is_none(), "keys of their own");
}

#[test]
fn rates_that_fill_their_share_leave_room_for_locks_and_makers() {
    let table = Table::in_process(1 << 20).unwrap();
    let refused = (0_u32..).find_map(|n| table.count_rate(&n.to_le_bytes(), 1000, 0).err()).unwrap();
    let text = refused.to_string();
    assert!(text.contains("counters of rates") && text.contains("cache.bytes_max"), "{text}");
    for n in 0..60_000_u32 {
        let _ = table.count_rate(&n.to_le_bytes(), 1000, 0);
    }
    assert!(table.count_rate(&0_u32.to_le_bytes(), 1000, 0).is_ok(), "what is there is counted on");
    let rates = table.stats().rates;
    assert!(rates.bytes <= rates.bytes_max && rates.bytes_max - rates.bytes < 4 * 64, "{rates:?}");
    for n in 0..1000_u32 {
        assert!(table.lock(&n.to_le_bytes(), 1000, 0).unwrap().is_some());
        assert!(matches!(table.take_off(&n.to_le_bytes(), 1000, 0, &mut Vec::new()).unwrap(), Flight::Yours { .. }));
    }
    let full = (0_u32..).find_map(|n| table.lock(&n.to_le_bytes(), 1000, 0).err()).unwrap();
    assert!(full.to_string().contains("no more locks have room"), "{full}");
    // Their time frees them.
    assert!(table.count_rate(b"later", 1000, 1000).is_ok() && table.lock(b"later", 1000, 1000).unwrap().is_some());
}

#[test]
fn the_numbers_of_locks_and_counters_that_are_documented_have_room() {
    let table = Table::in_process(BYTES_MAX_DEFAULT).unwrap();
    let name = |n: u32| format!("user-{n:06}").into_bytes();
    let rates = (0..).find(|&n| table.count_rate(&name(n), 1000, 0).is_err()).unwrap();
    let locks = (0..).find(|&n| table.lock(&name(n), 1000, 0).is_err()).unwrap();
    assert!(rates > 145_000 && locks > 110_000, "{rates} counters, {locks} locks");
    let flights = (0..).position(|n| table.stats().flights.bytes_max < 64 * n).unwrap();
    assert!(flights > 24_000, "{flights}");
    // The ids that PHP gives.
    let id = |n: u32| format!("{n:026}").into_bytes();
    let room =
        |data: &[u8], now: u64| (0..).find(|&n| table.write_session(&id(n), None, data, 1000, now).is_err()).unwrap();
    let (long, short) = (room(&[1; 1000], 0), room(&[1; 100], 2000));
    assert!(long > 22_000 && short > 145_000, "{long} of 1 KB, {short} of 100 bytes");
}

#[test]
fn tokens_never_come_back_not_even_in_the_next_table() {
    let before = Table::in_process(1 << 20).unwrap();
    let tokens = std::thread::scope(|scope| {
        let takers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..5000).map(|_| before.token()).collect::<Vec<_>>())).collect();
        takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect::<Vec<_>>()
    });
    let distinct: HashSet<u64> = tokens.iter().copied().collect();
    assert_eq!(distinct.len(), tokens.len());
    let highest = tokens.into_iter().max().unwrap();
    drop(before);
    assert!(Table::in_process(1 << 20).unwrap().token() > highest);
}

#[test]
#[should_panic(expected = "only its own methods")]
fn a_table_that_is_used_within_its_own_update_says_so() {
    let table = Table::in_process(1 << 20).unwrap();
    table.update(b"k", 0, |_| put(&table, b"k", b"v")).unwrap();
}

#[test]
fn a_panic_amid_an_update_may_forget_and_breaks_nothing() {
    let table = Table::in_process(1 << 20).unwrap();
    table.kept().update(b"kept", 0, |slot| slot.put(&[b"v"], None)).unwrap();
    let panics = |in_kept: bool| {
        let update = |slot: &mut Slot<'_>| {
            slot.put(&[b"half done"], None).unwrap();
            panic!("as it should");
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if in_kept { table.kept().update(b"more", 0, update) } else { table.update(b"k", 0, update) }
        }))
    };
    assert!(panics(false).is_err() && panics(true).is_err());
    assert!(table.peek(b"k", 0).is_none());
    assert!(table.kept().peek(b"kept", 0).is_some());
    put(&table, b"k", b"v").unwrap();
    table.audit();
}

#[test]
fn one_key_is_counted_up_by_all_threads() {
    let table = Table::in_process(1 << 20).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5000).for_each(|_| assert!(table.increment(b"n", 1, 0).is_ok())));
        }
    });
    assert_eq!(get(&table, b"n").unwrap(), b"20000");
}

#[test]
fn a_million_keys_take_at_most_140_bytes_each() {
    let (table, _file) = Table::shared(512 << 20).unwrap();
    let empty = table.resident_bytes().unwrap();
    let mut most: f64 = 0.0;
    for n in 0..1_000_000_u64 {
        put(&table, format!("key:{n:012}").as_bytes(), &[n as u8; 100]).unwrap();
        // At the ends of all four quarters, since an index grows by steps.
        if (n + 1) % 250_000 == 0 {
            let bytes = (table.resident_bytes().unwrap() - empty) as f64 / (n + 1) as f64;
            println!("{} keys: {bytes:.1} resident bytes each", n + 1);
            most = most.max(if n + 1 == 1_000_000 { bytes } else { 0.0 });
        }
    }
    assert!(most <= 140.0, "{most} bytes");
}

#[test]
fn an_update_amid_an_unwinding_is_as_good_as_any() {
    struct Unlocks<'t>(&'t Table);
    impl Drop for Unlocks<'_> {
        fn drop(&mut self) {
            put(self.0, b"left", b"behind").unwrap();
        }
    }
    let table = Table::in_process(1 << 20).unwrap();
    put(&table, b"k", b"v").unwrap();
    let panics = || {
        let _unlocks = Unlocks(&table);
        panic!("as it should");
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    assert_eq!(get(&table, b"k").as_deref(), Some(&b"v"[..]));
    assert_eq!(get(&table, b"left").as_deref(), Some(&b"behind"[..]));
}

#[test]
fn a_read_within_an_update_says_so_whoever_writes_meanwhile() {
    let table = Table::in_process(1 << 20).unwrap();
    let reads: [&dyn Fn(); 3] =
        [&|| assert!(get(&table, b"other").is_none()), &|| assert!(table.peek(b"other", 0).is_none()), &|| {
            assert!(table.kept().peek(b"other", 0).is_none())
        }];
    for read in reads {
        let within = || table.update(b"k", 0, |_| read());
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(within)).is_err());
    }
}

#[test]
fn names_of_locks_rates_and_flights_are_nobody_elses_keys() {
    let table = Table::in_process(1 << 20).unwrap();
    let kept = table.kept();
    for key in [&b"login"[..], b"rogin", b"fogin", b"l\0flight\0k"] {
        kept.update(key, 0, |slot| slot.put(&[b"12345678"], None)).unwrap();
    }
    assert!(table.lock(b"ogin", 1000, 0).unwrap().is_some());
    assert_eq!(table.count_rate(b"ogin", 1000, 0).unwrap().count, 1);
    assert!(matches!(table.take_off(b"ogin", 1000, 0, &mut Vec::new()).unwrap(), Flight::Yours { .. }));
    assert!(matches!(table.take_off(b"k", 1000, 0, &mut Vec::new()).unwrap(), Flight::Yours { .. }));
    let mut value = Vec::new();
    assert!(kept.get(b"login", 0, &mut value).is_some() && value == b"12345678");
}

#[test]
fn the_longest_key_has_locks_rates_and_flights() {
    let table = Table::in_process(1 << 20).unwrap();
    let longest = vec![b'k'; KEY_BYTES_MAX];
    assert!(table.lock(&longest, 1000, 0).unwrap().is_some());
    assert_eq!(table.count_rate(&longest, 1000, 0).unwrap().count, 1);
    assert!(matches!(table.take_off(&longest, 1000, 0, &mut Vec::new()).unwrap(), Flight::Yours { .. }));
    table.kept().update(&longest, 0, |slot| slot.put(&[b"v"], None)).unwrap();
    let too_long = vec![b'k'; KEY_BYTES_MAX + 1];
    assert!(table.kept().update(&too_long, 0, |slot| slot.put(&[b"v"], None)).is_err());
}

#[test]
fn a_later_holder_of_a_lock_has_a_higher_token() {
    let table = Table::in_process(1 << 20).unwrap();
    let last = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..30_000 {
                    if let Some(token) = table.lock(b"job", 1000, 0).unwrap() {
                        let before = last.swap(token, Ordering::Relaxed);
                        assert!(token > before, "{token} after {before}");
                        assert!(table.unlock(b"job", token, 0));
                    }
                }
            });
        }
    });
}
