//! Several processes with one cache: here several `Remote`s, each with connections of its own.

use std::collections::BTreeSet;

use lyger::cache::{Condition, Expiry, Flight, Remote};

use crate::servers::{Cluster, Redis};

const HOUR: u64 = 3_600_000;

/// Has each of four machines, with two threads each, do something.
fn eight(open: impl Fn() -> Remote + Sync, work: impl Fn(&Remote) + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (open, work) = (&open, &work);
            scope.spawn(move || {
                let cache = open();
                std::thread::scope(|scope| {
                    scope.spawn(|| work(&cache));
                    scope.spawn(|| work(&cache));
                });
            });
        }
    });
}

/// What one has at a time, and who had it in which order.
fn hammer(open: impl Fn() -> Remote + Sync) {
    eight(&open, |cache| {
        for _ in 0..20 {
            let token = loop {
                if let Some(token) = cache.lock(b"one", HOUR).unwrap() {
                    break token;
                }
                std::thread::yield_now();
            };
            // Neither is safe by itself.
            let mut count = Vec::new();
            cache.get(b"count", &mut count).unwrap();
            let count: u64 = String::from_utf8(count).unwrap().parse().unwrap_or(0);
            let text = (count + 1).to_string();
            cache.set(b"count", text.as_bytes(), Condition::Always, Expiry::Never, false).unwrap();
            cache.append(b"tokens", format!("{token} ").as_bytes()).unwrap();
            assert_eq!(cache.lock_holder(b"one").unwrap(), Some(token));
            assert!(cache.unlock(b"one", token).unwrap());
        }
    });
    let cache = open();
    assert_eq!(cache.get_and_delete(b"count").unwrap(), Some(b"160".to_vec()));
    let tokens = String::from_utf8(cache.get_and_delete(b"tokens").unwrap().unwrap()).unwrap();
    let tokens: Vec<u64> = tokens.split_whitespace().map(|token| token.parse().unwrap()).collect();
    assert_eq!(tokens.len(), 160);
    assert!(tokens.is_sorted_by(|before, after| before < after), "{tokens:?}");
}

#[test]
fn a_lock_has_one_holder_and_its_tokens_grow() {
    let redis = Redis::start(&[]);
    hammer(|| redis.remote());
    let cluster = Cluster::start(0);
    hammer(|| cluster.remote());
}

#[test]
fn a_token_grows_even_when_the_clock_is_set_back() {
    let redis = Redis::start(&[]);
    let cache = redis.remote();
    let first = cache.lock(b"l", HOUR).unwrap().unwrap();
    let name = &b"\0lyger:lock:{l}l"[..];
    let mut connection = redis.connection();
    // As if that one had been given out with a clock of the year 2255.
    let last = (1_u64 << 53) - 10;
    let stored: Option<u64> = ::redis::cmd("GET").arg(name).query(&mut connection).unwrap();
    assert_eq!(stored, Some(first));
    ::redis::cmd("SET").arg(name).arg(last).arg("KEEPTTL").exec(&mut connection).unwrap();
    assert!(!cache.unlock(b"l", first).unwrap() && cache.unlock(b"l", last).unwrap());
    assert_eq!(cache.lock(b"l", HOUR).unwrap(), Some(last + 1));
    // The last one is kept for a day after the lock.
    assert!(cache.unlock(b"l", last + 1).unwrap() && cache.lock_holder(b"l").unwrap().is_none());
    let ttl: u64 = ::redis::cmd("PTTL").arg(name).query(&mut connection).unwrap();
    assert!(ttl > 23 * HOUR && ttl <= 24 * HOUR);
}

#[test]
fn no_compare_and_set_is_lost() {
    let redis = Redis::start(&[]);
    redis.remote().increment(b"n", 0).unwrap();
    eight(
        || redis.remote(),
        |cache| {
            for _ in 0..25 {
                loop {
                    let mut old = Vec::new();
                    cache.get(b"n", &mut old).unwrap();
                    let new = (std::str::from_utf8(&old).unwrap().parse::<u64>().unwrap() + 1).to_string();
                    if cache.compare_and_set(b"n", &old, new.as_bytes()).unwrap() {
                        break;
                    }
                }
            }
        },
    );
    assert_eq!(redis.say::<u64>("GET n"), 200);
}

#[test]
fn one_makes_the_value_and_each_time_is_counted() {
    let redis = Redis::start(&[]);
    let (made, counts) = (std::sync::Mutex::new(0), std::sync::Mutex::new(BTreeSet::new()));
    eight(
        || redis.remote(),
        |cache| {
            for number in 0..20 {
                let key = format!("made:{number}");
                loop {
                    match cache.take_off(key.as_bytes(), HOUR, &mut Vec::new()).unwrap() {
                        Flight::Landed(_) => break,
                        Flight::Others => std::thread::yield_now(),
                        Flight::Yours { token } => {
                            *made.lock().unwrap() += 1;
                            assert!(cache.land(key.as_bytes(), token, b"v", Expiry::Never).unwrap());
                        }
                    }
                }
                assert!(counts.lock().unwrap().insert(cache.count_rate(b"r", HOUR).unwrap().count));
            }
        },
    );
    assert_eq!(*made.lock().unwrap(), 20);
    assert!(counts.into_inner().unwrap().into_iter().eq(1..=160));
}

#[test]
fn prefixes_see_nothing_of_each_other() {
    let redis = Redis::start(&[]);
    let open = |prefix: &str| Remote::open(&format!("{}?prefix={prefix}", redis.dsn())).unwrap();
    let all = ["a*", "a%3F", "ab", "b:", "%5Ba%5D"].map(open);
    let none = redis.remote();
    for (number, cache) in all.iter().enumerate() {
        let value = number.to_string();
        assert!(cache.set(b"k", value.as_bytes(), Condition::Missing, Expiry::Never, false).unwrap().stored);
        assert!(cache.lock(b"l", HOUR).unwrap().is_some());
        assert_eq!(cache.count_rate(b"r", HOUR).unwrap().count, 1);
    }
    let keys = |cache: &Remote| {
        let mut keys = Vec::new();
        assert_eq!(cache.scan(0, 1000, |key| keys.push(key.to_vec())).unwrap(), 0);
        keys
    };
    assert_eq!((keys(&all[0]), all[0].len().unwrap()), (vec![b"k".to_vec()], 1));
    all[0].clear().unwrap();
    assert_eq!((keys(&all[0]), all[0].exists(b"k").unwrap()), (vec![], false));
    assert!(all[0].lock_holder(b"l").unwrap().is_some());
    for (number, cache) in all.iter().enumerate().skip(1) {
        assert_eq!(cache.get_and_delete(b"k").unwrap(), Some(number.to_string().into_bytes()));
    }
    // Who has no prefix sees values by their names, but no locks.
    assert!(none.set(b"k", b"v", Condition::Missing, Expiry::Never, false).unwrap().stored);
    assert!(keys(&none).contains(&b"k".to_vec()) && none.lock_holder(b"l").unwrap().is_none());
}
