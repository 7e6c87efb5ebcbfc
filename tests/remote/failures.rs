//! Servers that die, are full, hang, or hold something else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use lyger::cache::remote::Error;
use lyger::cache::{Condition, Expiry, Flight, Remote};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::servers::{Redis, fails, free_port, until};

const HOUR: u64 = 3_600_000;

fn put(cache: &Remote, key: &[u8], value: &[u8]) -> Result<bool, Error> {
    cache.set(key, value, Condition::Always, Expiry::Never, false).map(|written| written.stored)
}

#[test]
fn connections_that_the_server_closed_are_replaced_in_silence() {
    let redis = Redis::start(&[]);
    let cache = redis.remote();
    cache.append(b"log", b"1").unwrap();
    redis.say::<u64>("CLIENT KILL TYPE normal SKIPME yes");
    cache.append(b"log", b"2").unwrap();
    redis.say::<u64>("CLIENT KILL TYPE normal SKIPME yes");
    assert_eq!(cache.get_range(b"log", 0, -1).unwrap(), b"12");
}

#[test]
fn a_server_that_is_gone_is_told_and_one_that_is_back_is_used() {
    let mut redis = Redis::start(&[]);
    let cache = redis.remote();
    assert!(put(&cache, b"k", b"v").unwrap());
    redis.kill();
    let error = fails(put(&cache, b"k", b"v"), |error| matches!(error, Error::CannotConnect { .. }));
    assert!(error.to_string().contains(&redis.port.to_string()) && !error.may_have_run(), "{error}");
    redis.start_again();
    assert!(put(&cache, b"k", b"v").unwrap() && cache.exists(b"k").unwrap());
    let nobody = Remote::open(&format!("redis://127.0.0.1:{}", free_port())).unwrap();
    fails(nobody.ping(), |error| matches!(error, Error::CannotConnect { .. }));
    let nameless = Remote::open("redis://nobody.invalid").unwrap();
    fails(nameless.ping(), |error| matches!(error, Error::CannotConnect { .. }));
}

/// A wire to the server that breaks when the first answer to a command with this word comes: the server has carried it out, and nobody is told.
fn breaking_wire(server: u16, word: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut breaks = true;
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
            let mut bytes = [0; 4096];
            while let Ok(len @ 1..) = client.read(&mut bytes) {
                server.write_all(&bytes[..len]).unwrap();
                let is_it = bytes[..len].windows(word.len()).any(|part| part == word.as_bytes());
                let len = server.read(&mut bytes).unwrap();
                if breaks && is_it {
                    breaks = false;
                    break;
                }
                client.write_all(&bytes[..len]).unwrap();
            }
        }
    });
    port
}

#[test]
fn what_may_have_run_is_not_sent_again() {
    let redis = Redis::start(&[]);
    let cache = Remote::open(&format!("redis://127.0.0.1:{}", breaking_wire(redis.port, "APPEND"))).unwrap();
    let error = fails(cache.append(b"log", b"1"), |error| matches!(error, Error::Lost { may_have_run: true, .. }));
    assert!(error.to_string().ends_with("whether it was carried out is unknown"), "{error}");
    assert_eq!(redis.say::<String>("GET log"), "1");
    assert_eq!(cache.append(b"log", b"2").unwrap(), 2);
}

#[test]
fn what_only_reads_is_asked_for_again() {
    let redis = Redis::start(&[]);
    redis.say::<()>("SET k v");
    let cache = Remote::open(&format!("redis://127.0.0.1:{}", breaking_wire(redis.port, "GET"))).unwrap();
    let mut value = b"before ".to_vec();
    assert_eq!(cache.get(b"k", &mut value).unwrap().map(|found| found.len), Some(1));
    assert_eq!(value, b"before v");
    // The first half of what reads before it writes.
    let cache = Remote::open(&format!("redis://127.0.0.1:{}", breaking_wire(redis.port, "WATCH"))).unwrap();
    assert!(cache.compare_and_set(b"k", b"v", b"w").unwrap());
}

#[test]
fn a_server_that_hangs_is_not_waited_for() {
    let redis = Redis::start(&[]);
    let cache = Remote::open(&format!("{}?timeout_ms=200", redis.dsn())).unwrap();
    cache.ping().unwrap();
    redis.signal(Signal::STOP);
    fails(put(&cache, b"k", b"v"), |error| matches!(error, Error::Timeout { timeout_ms: 200, may_have_run: true, .. }));
    fails(cache.exists(b"k"), |error| matches!(error, Error::Timeout { may_have_run: false, .. }));
    // Nobody reads what is more than the kernel's buffers hold.
    let long = vec![1; 64 << 20];
    fails(put(&cache, b"k", &long), |error| matches!(error, Error::Timeout { may_have_run: true, .. }));
    redis.signal(Signal::CONT);
    until("it answers again", || put(&cache, b"k", b"again").ok());
    // No late answer to another question.
    assert_eq!(cache.get_range(b"k", 0, -1).unwrap(), b"again");

    redis.signal(Signal::STOP);
    let slow = Remote::open(&format!("redis://:x@127.0.0.1:{}?connect_timeout_ms=200", redis.port)).unwrap();
    fails(slow.ping(), |error| matches!(error, Error::Timeout { timeout_ms: 200, .. }));
}

#[test]
fn nobody_waits_for_a_connection_for_ever() {
    let redis = Redis::start(&[]);
    redis.signal(Signal::STOP);
    let dsn = format!("redis://:x@127.0.0.1:{}?connections_max=1&timeout_ms=100&connect_timeout_ms=5000", redis.port);
    let cache = Remote::open(&dsn).unwrap();
    let first = std::thread::spawn({
        let cache = cache.clone();
        move || cache.ping()
    });
    std::thread::sleep(Duration::from_millis(500));
    fails(cache.ping(), |error| *error == Error::NoneFree { connections_max: 1, timeout_ms: 100 });
    redis.signal(Signal::CONT);
    // It has no password; the place is free again.
    fails(first.join().unwrap(), |error| matches!(error, Error::LoginRefused { .. }));
    fails(cache.ping(), |error| matches!(error, Error::LoginRefused { .. }));
}

#[test]
fn a_full_server_says_so_and_keeps_what_it_has() {
    let redis = Redis::start(&["--maxmemory-policy", "noeviction"]);
    let cache = redis.remote();
    assert!(put(&cache, b"k", b"v").unwrap());
    let token = cache.lock(b"held", HOUR).unwrap().unwrap();
    let mut value = Vec::new();
    let Flight::Yours { token: flight } = cache.take_off(b"made", HOUR, &mut value).unwrap() else { panic!() };
    redis.say::<()>("CONFIG SET maxmemory 1");
    let full = |error: &Error| matches!(error, Error::Full(words) if words.contains("maxmemory"));
    fails(put(&cache, b"more", b"v"), full);
    fails(cache.append(b"k", b"more"), full);
    fails(cache.increment(b"n", 1), full);
    fails(cache.lock(b"l", HOUR), full);
    fails(cache.count_rate(b"r", HOUR), full);
    fails(cache.compare_and_set(b"k", b"v", b"w"), full);
    fails(cache.set_many(&[(b"x", b"1"), (b"y", b"2")], Expiry::Never), full);
    fails(cache.land(b"made", flight, b"value", Expiry::Never), full);
    assert_eq!(cache.get_many(&[b"k", b"x", b"y", b"made"]).unwrap(), [Some(b"v".to_vec()), None, None, None]);
    // What reads or frees something goes on; transactions don't.
    assert_eq!(cache.peek(b"k").unwrap().map(|found| found.len), Some(1));
    assert_eq!((cache.lock_holder(b"held").unwrap(), cache.rate(b"r").unwrap()), (Some(token), None));
    assert!(
        cache.expire(b"k", Expiry::After(HOUR)).unwrap() && cache.persist(b"k").unwrap() && cache.delete(b"k").unwrap()
    );
    fails(cache.unlock(b"held", token), full);
    redis.say::<()>("CONFIG SET maxmemory 0");
    assert!(cache.unlock(b"held", token).unwrap() && cache.land(b"made", flight, b"value", Expiry::Never).unwrap());
}

#[test]
fn what_is_no_value_is_none() {
    let redis = Redis::start(&[]);
    let cache = redis.remote();
    redis.say::<u64>("RPUSH list 1");
    let wrong = |error: &Error| *error == Error::WrongType;
    fails(cache.get(b"list", &mut Vec::new()), wrong);
    fails(cache.peek(b"list"), wrong);
    fails(cache.increment(b"list", 1), wrong);
    fails(cache.append(b"list", b"x"), wrong);
    fails(cache.compare_and_set(b"list", b"", b"x"), wrong);
    fails(cache.set(b"list", b"x", Condition::Always, Expiry::Never, true), wrong);
    fails(cache.take_off(b"list", 1, &mut Vec::new()), wrong);
    assert_eq!(cache.get_many(&[b"list"]).unwrap(), [None]);
    assert!(cache.exists(b"list").unwrap() && put(&cache, b"list", b"v").unwrap());
    let long = vec![0; lyger::cache::VALUE_BYTES_MAX + 1];
    fails(put(&cache, b"k", &long), |error| *error == Error::TooLong { bytes: long.len() });
    fails(cache.set_range(b"k", long.len(), b"x"), |error| matches!(error, Error::TooLong { .. }));
}

#[test]
fn keys_that_others_keep_changing_end_in_an_error() {
    let redis = Redis::start(&[]);
    let cache = redis.remote();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = redis.connection();
            let mut writes = ::redis::pipe();
            (0..100).for_each(|_| _ = writes.cmd("SET").arg("k").arg("v"));
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                writes.query::<()>(&mut connection).unwrap();
            }
        });
        // Either it is quick enough for once, or it says why not; it never waits for ever.
        for _ in 0..20 {
            match cache.compare_and_set(b"k", b"v", b"v") {
                Ok(_) | Err(Error::Contended { attempts: 100 }) => {}
                other => panic!("{other:?}"),
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
#[allow(unsafe_code)]
fn a_forked_child_makes_connections_of_its_own() {
    let redis = Redis::start(&[]);
    let cache = redis.remote();
    let mut side = redis.connection();
    cache.append(b"log", b"parent ").unwrap();
    let clients = |side: &mut ::redis::Connection| -> Vec<String> {
        let list: String = ::redis::cmd("CLIENT").arg("LIST").query(side).unwrap();
        list.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let before = clients(&mut side);
    let connected = |side: &mut ::redis::Connection| -> u64 {
        let info: ::redis::InfoDict = ::redis::cmd("INFO").arg("stats").query(side).unwrap();
        info.get("total_connections_received").unwrap()
    };
    let connections = connected(&mut side);
    // SAFETY: the child uses what the only other user of this cache, this thread, isn't using, and ends by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let done = cache.append(b"log", b"child ").is_ok();
        drop(cache);
        // SAFETY: nothing of the parent's is flushed or dropped.
        unsafe { libc::_exit(if done { 0 } else { 1 }) };
    }
    let (_, status) = waitpid(Pid::from_raw(child), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!((status.exit_status(), connected(&mut side)), (Some(0), connections + 1));
    // The child's is gone with it, and the parent's is still the same.
    until("the child's is closed", || (clients(&mut side) == before).then_some(()));
    cache.append(b"log", b"parent").unwrap();
    assert_eq!(clients(&mut side), before);
    assert_eq!(cache.get_range(b"log", 0, -1).unwrap(), b"parent child parent");
}

#[test]
fn connections_close_with_the_cache() {
    let redis = Redis::start(&[]);
    let clients = || redis.say::<String>("CLIENT LIST").lines().count();
    let cache = redis.remote();
    let clone = cache.clone();
    clone.ping().unwrap();
    drop(cache);
    assert_eq!(clients(), 2);
    drop(clone);
    until("it is closed", || (clients() == 1).then_some(()));
}

impl Redis {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }
}
