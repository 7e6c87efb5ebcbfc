//! Every operation, over every kind of server.

use lyger::cache::remote::Error;
use lyger::cache::{Condition, Expiry, Flight, Found, NotANumber, Remote, Table, Written};
use lyger::resp::{Server, Settings};

use crate::servers::{Cluster, Redis, fails};

/// Far away, so that nothing goes while a loaded machine dawdles.
const HOUR: u64 = 3_600_000;

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64
}

fn get(cache: &Remote, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = b"before".to_vec();
    let found = cache.get(key, &mut value).unwrap();
    assert_eq!(&value[..6], b"before");
    found.map(|found| {
        assert_eq!(found.len, value.len() - 6);
        value.split_off(6)
    })
}

fn put(cache: &Remote, key: &[u8], value: &[u8], expiry: Expiry) {
    assert!(cache.set(key, value, Condition::Always, expiry, false).unwrap().stored);
}

fn near(ttl: Option<Expiry>) -> bool {
    matches!(ttl, Some(Expiry::After(1..=HOUR)))
}

fn values(cache: &Remote) {
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(get(cache, &all), None);
    put(cache, &all, &all, Expiry::Never);
    assert_eq!(get(cache, &all), Some(all.clone()));
    put(cache, b"", b"", Expiry::Never);
    assert_eq!(get(cache, b""), Some(Vec::new()));
    assert_eq!(cache.peek(b"").unwrap(), Some(Found { len: 0, expires_at: None }));
    assert_eq!((cache.peek(b"none").unwrap(), cache.exists(b"none").unwrap()), (None, false));
    let long = vec![7; 3 << 20];
    put(cache, b"long", &long, Expiry::Never);
    assert_eq!(get(cache, b"long"), Some(long));

    let before = now();
    put(cache, b"k", b"one", Expiry::After(HOUR));
    let found = cache.get(b"k", &mut Vec::new()).unwrap().unwrap();
    assert_eq!(cache.peek(b"k").unwrap(), Some(found));
    assert!((before + HOUR..=now() + HOUR).contains(&found.expires_at.unwrap()));
    let set = |value: &[u8], condition, expiry| cache.set(b"k", value, condition, expiry, true).unwrap();
    let missing = set(b"two", Condition::Missing, Expiry::Never);
    assert_eq!(missing, Written { stored: false, old: Some(b"one".to_vec()) });
    let kept = set(b"two", Condition::Present, Expiry::Keep);
    assert_eq!(kept, Written { stored: true, old: Some(b"one".to_vec()) });
    assert!(near(cache.ttl(b"k").unwrap()));
    assert!(set(b"three", Condition::Always, Expiry::Never).stored);
    assert_eq!(cache.ttl(b"k").unwrap(), Some(Expiry::Never));
    assert!(cache.delete(b"k").unwrap() && !cache.delete(b"k").unwrap());
    assert_eq!(set(b"x", Condition::Present, Expiry::Never), Written { stored: false, old: None });
    assert!(!cache.set(b"k", b"x", Condition::Present, Expiry::Never, false).unwrap().stored);
    assert_eq!(set(b"x", Condition::Missing, Expiry::Never), Written { stored: true, old: None });
    assert!(!cache.set(b"k", b"y", Condition::Missing, Expiry::Never, false).unwrap().stored);
    for over in [Expiry::After(0), Expiry::At(0), Expiry::At(1000)] {
        put(cache, b"k", b"x", over);
        assert_eq!(get(cache, b"k"), None);
    }
    put(cache, b"k", b"x", Expiry::After(u64::MAX));
    assert!(matches!(cache.ttl(b"k").unwrap(), Some(Expiry::After(HOUR..))));

    assert!(cache.compare_and_set(b"k", b"x", b"y").unwrap() && !cache.compare_and_set(b"k", b"x", b"z").unwrap());
    assert!(matches!(cache.ttl(b"k").unwrap(), Some(Expiry::After(_))));
    assert!(!cache.compare_and_set(b"none", b"", b"z").unwrap());
    assert_eq!(get(cache, b"k"), Some(b"y".to_vec()));

    assert!(cache.persist(b"k").unwrap() && cache.persist(b"k").unwrap() && !cache.persist(b"none").unwrap());
    assert_eq!(cache.ttl(b"k").unwrap(), Some(Expiry::Never));
    assert!(cache.expire(b"k", Expiry::At(now() + HOUR)).unwrap() && near(cache.ttl(b"k").unwrap()));
    assert!(cache.expire(b"k", Expiry::Keep).unwrap() && near(cache.ttl(b"k").unwrap()));
    assert!(!cache.expire(b"none", Expiry::After(HOUR)).unwrap());
    assert_eq!(cache.get_and_expire(b"k", Expiry::Keep).unwrap(), Some(b"y".to_vec()));
    assert!(near(cache.ttl(b"k").unwrap()));
    assert_eq!(cache.get_and_expire(b"k", Expiry::Never).unwrap(), Some(b"y".to_vec()));
    assert_eq!(cache.ttl(b"k").unwrap(), Some(Expiry::Never));
    assert_eq!(cache.get_and_expire(b"k", Expiry::After(HOUR)).unwrap(), Some(b"y".to_vec()));
    assert!(near(cache.ttl(b"k").unwrap()));
    assert_eq!(cache.get_and_expire(b"k", Expiry::After(0)).unwrap(), Some(b"y".to_vec()));
    assert_eq!(cache.get_and_expire(b"k", Expiry::Never).unwrap(), None);
    put(cache, b"k", b"x", Expiry::Never);
    assert!(cache.expire(b"k", Expiry::After(0)).unwrap() && !cache.exists(b"k").unwrap());
    put(cache, b"k", b"x", Expiry::Never);
    assert_eq!(cache.get_and_delete(b"k").unwrap(), Some(b"x".to_vec()));
    assert_eq!(cache.get_and_delete(b"k").unwrap(), None);

    assert_eq!((cache.append(b"k", b"abc").unwrap(), cache.append(b"k", b"def").unwrap()), (3, 6));
    let range = |first, last| cache.get_range(b"k", first, last).unwrap();
    assert_eq!((range(1, 2), range(-2, -1), range(4, 100)), (b"bc".to_vec(), b"ef".to_vec(), b"ef".to_vec()));
    assert_eq!((range(3, 2), range(-1, -5), range(i64::MIN, i64::MAX)), (vec![], vec![], b"abcdef".to_vec()));
    assert_eq!((cache.set_range(b"k", 7, b"x").unwrap(), cache.set_range(b"k", 9, b"").unwrap()), (8, 8));
    assert_eq!(get(cache, b"k"), Some(b"abcdef\0x".to_vec()));
    assert_eq!((cache.set_range(b"none", 3, b"").unwrap(), cache.exists(b"none").unwrap()), (0, false));
}

fn numbers(cache: &Remote) {
    assert_eq!((cache.increment(b"n", 5).unwrap(), cache.increment(b"n", -7).unwrap()), (5, -2));
    fails(cache.increment(b"n", i64::MIN), |error| *error == NotANumber::Overflow.into());
    put(cache, b"n", b"01", Expiry::After(HOUR));
    fails(cache.increment(b"n", 1), |error| *error == NotANumber::Integer.into());
    assert_eq!(cache.increment_float(b"n", 0.5).unwrap(), 1.5);
    assert_eq!(get(cache, b"n"), Some(b"1.5".to_vec()));
    assert!(near(cache.ttl(b"n").unwrap()));
    put(cache, b"n", b"x", Expiry::Never);
    fails(cache.increment_float(b"n", 1.0), |error| *error == NotANumber::Float.into());
    fails(cache.increment_float(b"n", f64::NAN), |error| *error == NotANumber::NotFinite.into());
    put(cache, b"n", b"3", Expiry::Never);
    assert_eq!(cache.increment_float(b"n", -1e18).unwrap(), -999_999_999_999_999_997.0);
}

fn many(cache: &Remote) {
    let keys: Vec<Vec<u8>> = (0..50).map(|number| format!("many:{number}").into_bytes()).collect();
    let pairs: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (&key[..], &key[5..])).collect();
    cache.set_many(&pairs, Expiry::After(HOUR)).unwrap();
    let mut asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    asked.insert(1, b"none");
    asked.push(&keys[3]);
    let found = cache.get_many(&asked).unwrap();
    for (key, value) in asked.iter().zip(&found) {
        assert_eq!(value.as_deref(), (*key != b"none").then(|| &key[5..]));
    }
    assert!(near(cache.ttl(&keys[49]).unwrap()));
    let tagged: [(&[u8], &[u8]); 2] = [(b"{t}1", b"1"), (b"{t}2", b"2")];
    assert!(cache.set_many_if_missing(&tagged, Expiry::Never).unwrap());
    assert!(cache.delete(b"{t}1").unwrap() && !cache.set_many_if_missing(&tagged, Expiry::Never).unwrap());
    assert!(!cache.exists(b"{t}1").unwrap());
    assert_eq!(cache.delete_many(&asked).unwrap(), 50);
    assert_eq!(cache.get_many(&asked).unwrap(), vec![None; 52]);
    assert!(cache.set_many(&[], Expiry::Never).is_ok() && cache.set_many_if_missing(&[], Expiry::Never).unwrap());
    assert_eq!((cache.get_many(&[]).unwrap(), cache.delete_many(&[]).unwrap()), (vec![], 0));
}

fn locks(cache: &Remote) {
    for name in [&b"import"[..], b"", b"a}b", b"{", b"\0lyger"] {
        let first = cache.lock(name, HOUR).unwrap().unwrap();
        assert_eq!((cache.lock(name, HOUR).unwrap(), cache.lock_holder(name).unwrap()), (None, Some(first)));
        assert!(cache.extend_lock(name, first, HOUR).unwrap() && !cache.extend_lock(name, first + 1, HOUR).unwrap());
        assert!(!cache.unlock(name, first - 1).unwrap() && cache.unlock(name, first).unwrap());
        assert!(!cache.unlock(name, first).unwrap() && !cache.extend_lock(name, first, 1).unwrap());
        let second = cache.lock(name, HOUR).unwrap().unwrap();
        assert!(second > first);
        // Kept until it is over.
        assert!(cache.extend_lock(name, second, 1).unwrap());
        let third = crate::servers::until("the lock is over", || cache.lock(name, HOUR).unwrap());
        assert!(third > second && !cache.unlock(name, second).unwrap());
    }

    let rate = cache.count_rate(b"login", HOUR).unwrap();
    assert!(rate.ends_at <= now() + HOUR && rate.ends_at > now());
    // The window that has begun, and not another one of a millisecond.
    for again in [cache.count_rate(b"login", 1).unwrap(), cache.rate(b"login").unwrap().unwrap()] {
        assert!(again.ends_at > now() + HOUR / 2, "{again:?} after {rate:?}");
        assert_eq!((rate.count, again.count), (1, 2));
    }
    assert!(cache.reset_rate(b"login").unwrap() && !cache.reset_rate(b"login").unwrap());
    assert_eq!((cache.rate(b"login").unwrap(), cache.count_rate(b"login", 1).unwrap().count), (None, 1));
    crate::servers::until("a new window", || (cache.count_rate(b"login", 1).unwrap().count == 1).then_some(()));
}

fn flights(cache: &Remote) {
    for key in [&b"report"[..], b"}{}"] {
        let mut value = Vec::new();
        let Flight::Yours { token } = cache.take_off(key, HOUR, &mut value).unwrap() else { panic!("it is there") };
        assert_eq!(cache.take_off(key, HOUR, &mut value).unwrap(), Flight::Others);
        assert!(!cache.land(key, token + 1, b"none", Expiry::Never).unwrap());
        assert!(cache.land(key, token, b"42 pages", Expiry::After(HOUR)).unwrap());
        assert!(!cache.land(key, token, b"late", Expiry::Never).unwrap());
        let Flight::Landed(found) = cache.take_off(key, HOUR, &mut value).unwrap() else { panic!("it isn't there") };
        assert_eq!((found.len, &value[..], near(cache.ttl(key).unwrap())), (8, &b"42 pages"[..], true));
        assert!(cache.delete(key).unwrap());
        let Flight::Yours { token: second } = cache.take_off(key, HOUR, &mut value).unwrap() else { panic!() };
        assert!(second > token);
        cache.abandon(key, token).unwrap();
        assert_eq!(cache.take_off(key, HOUR, &mut value).unwrap(), Flight::Others);
        cache.abandon(key, second).unwrap();
        assert!(matches!(cache.take_off(key, 1, &mut value).unwrap(), Flight::Yours { token } if token > second));
    }
}

fn all_keys(cache: &Remote) {
    cache.clear().unwrap();
    let keys: Vec<Vec<u8>> = (0..3000).map(|number| format!("scan:{number}").into_bytes()).collect();
    let pairs: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (&key[..], &b"v"[..])).collect();
    cache.set_many(&pairs, Expiry::Never).unwrap();
    assert_eq!((cache.len().unwrap(), cache.is_empty().unwrap()), (3000, false));
    let lock = cache.lock(b"not a value", HOUR).unwrap().unwrap();
    let (mut cursor, mut seen, mut calls) = (0, std::collections::BTreeSet::new(), 0);
    loop {
        cursor = cache.scan(cursor, 100, |key| _ = seen.insert(key.to_vec())).unwrap();
        calls += 1;
        assert!(calls < 3000 && cursor >> 63 == 0);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, keys.into_iter().collect());
    assert!(calls > 10);
    cache.clear().unwrap();
    assert!(cache.is_empty().unwrap());
    // What the doc says of prefixes.
    let is_prefixed = format!("{cache:?}").contains("prefix: \"shop");
    assert_eq!(cache.lock_holder(b"not a value").unwrap(), is_prefixed.then_some(lock));
}

pub(crate) fn every_operation(cache: &Remote) {
    cache.ping().unwrap();
    values(cache);
    numbers(cache);
    many(cache);
    locks(cache);
    flights(cache);
    all_keys(cache);
    fails(cache.set(b"\0lyger:x", b"", Condition::Always, Expiry::Never, false), |error| *error == Error::ReservedKey);
}

#[test]
fn one_server_does_every_operation() {
    let redis = Redis::start(&[]);
    every_operation(&redis.remote());
    assert_eq!(redis.say::<usize>("DBSIZE"), 0);
    every_operation(&Remote::open(&format!("{}/3?connections_max=1", redis.dsn())).unwrap());
}

#[test]
fn so_does_it_under_a_prefix_and_over_its_socket() {
    let redis = Redis::start(&[]);
    every_operation(&Remote::open(&format!("{}?prefix=shop*[%7Ba%7D]:", redis.dsn())).unwrap());
    let socket = redis.folder.path().join("socket");
    every_operation(&Remote::open(&format!("redis+unix://{}?db=2", socket.display())).unwrap());
    every_operation(&Remote::open(&format!("redis://{}?prefix=shop:", socket.display())).unwrap());
}

#[test]
fn so_does_a_cluster() {
    let cluster = Cluster::start(0);
    every_operation(&cluster.remote());
    every_operation(&Remote::open(&format!("{}?prefix=shop:&connections_max=2", cluster.dsn())).unwrap());
    let pairs: [(&[u8], &[u8]); 2] = [(b"a", b"1"), (b"b", b"2")];
    fails(cluster.remote().set_many_if_missing(&pairs, Expiry::Never), |error| *error == Error::SeveralSlots);
}

#[test]
fn so_does_lyger() {
    let table = Table::in_process(64 << 20).unwrap();
    let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), threads: 2, ..Settings::default() };
    let server = Server::start(&table, settings).unwrap();
    every_operation(&Remote::open(&format!("redis://{}", server.address())).unwrap());
    every_operation(&Remote::open(&format!("redis://{}?prefix=shop:", server.address())).unwrap());
}
