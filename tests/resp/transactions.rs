//! Transactions: nobody sees a half of one, on whatever thread.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::servers::Lyger;

/// Two keys are only ever changed together, by many clients on two threads; whoever looks sees them equal.
#[test]
fn nobody_sees_a_half_of_a_transaction() {
    let lyger = Lyger::start(2);
    lyger.client().say("MSET one 0 two 0");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = lyger.client();
                    for _ in 0..2_000 {
                        assert!(client.send(b"MULTI\r\nINCR one\r\nINCR two\r\nEXEC\r\n"));
                        (0..3).for_each(|_| drop(client.reply()));
                        assert!(client.reply().starts_with(b"*2\r\n"));
                    }
                })
            })
            .collect();
        for looks in ["MGET one two", "MULTI"] {
            let (lyger, done) = (&lyger, &done);
            scope.spawn(move || {
                let mut client = lyger.client();
                while !done.load(Ordering::Relaxed) {
                    let reply = if looks == "MULTI" {
                        client.send(b"MULTI\r\nGET one\r\nGET two\r\nEXEC\r\n");
                        (0..3).for_each(|_| drop(client.reply()));
                        String::from_utf8(client.reply()).unwrap()
                    } else {
                        client.say(looks)
                    };
                    let values: Vec<&str> = reply.split("\r\n").filter(|line| !line.starts_with(['*', '$'])).collect();
                    assert_eq!(values[0], values[1], "{reply}");
                }
            });
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(lyger.client().say("GET two"), "$4\r\n8000\r\n");
}

/// The counter that WATCH is for: of all who try, one wins each round.
#[test]
fn no_increment_is_lost_between_watch_and_exec() {
    let lyger = Lyger::start(2);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = lyger.client();
                let mut won = 0;
                while won < 300 {
                    client.say("WATCH counter");
                    let old = client.say("GET counter");
                    let old: u64 = old.split("\r\n").nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
                    client.say("MULTI");
                    client.say(&format!("SET counter {}", old + 1));
                    won += usize::from(client.say("EXEC") == "*1\r\n+OK\r\n");
                }
            });
        }
    });
    assert_eq!(lyger.client().say("GET counter"), "$4\r\n1200\r\n");
}

/// It lies in the table still, and goes when somebody meets it: EXEC's own commands, at the latest.
#[test]
fn a_key_that_had_expired_before_it_was_watched_keeps_no_transaction_from_running() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    for written in ["SET k v PX 1", "SET k v EXAT 100000"] {
        assert_eq!(client.say(written), "+OK\r\n");
        std::thread::sleep(std::time::Duration::from_millis(5));
        client.say("WATCH k");
        client.say("MULTI");
        client.say("INCR k");
        assert_eq!(client.say("EXEC"), "*1\r\n:1\r\n", "{written}");
        // That it expires while it is watched is a change.
        client.say("SET k v PX 50");
        client.say("WATCH k");
        client.say("MULTI");
        client.say("PING");
        std::thread::sleep(std::time::Duration::from_millis(60));
        assert_eq!(client.say("EXEC"), "*-1\r\n", "{written}");
    }
}

#[test]
fn commands_that_walk_over_the_table_work_within_a_transaction() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    client.say("MULTI");
    for line in ["SET k v", "KEYS *", "DBSIZE", "RANDOMKEY", "FLUSHALL", "KEYS *", "SET k w", "MEMORY USAGE k", "GET k"]
    {
        assert_eq!(client.say(line), "+QUEUED\r\n");
    }
    let reply = client.say("EXEC");
    assert!(reply.starts_with("*9\r\n+OK\r\n*1\r\n$1\r\nk\r\n:1\r\n$1\r\nk\r\n+OK\r\n*0\r\n+OK\r\n:"), "{reply}");
    assert!(reply.ends_with("$1\r\nw\r\n"), "{reply}");
}

/// The table is shared with other threads and processes: who sleeps lets go of it.
#[test]
fn nobody_sleeps_with_keys_locked() {
    let lyger = Lyger::start(1);
    let woken = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = lyger.client();
            client.send(b"MULTI\r\nSET k one\r\nDEBUG SLEEP 3\r\nGET k\r\nEXEC\r\n");
            (0..4).for_each(|_| assert!(!client.reply().is_empty()));
            let replies = client.reply();
            woken.store(true, Ordering::Relaxed);
            assert_eq!(String::from_utf8_lossy(&replies), "*3\r\n+OK\r\n+OK\r\n$3\r\ntwo\r\n");
        });
        let mut value = Vec::new();
        while lyger.table.get(b"k", 0, &mut value).is_none() {
            std::thread::yield_now();
        }
        lyger.table.update(b"k", 0, |slot| slot.put(&[b"two"], None)).unwrap();
        assert!(!woken.load(Ordering::Relaxed), "the key was locked all the time");
    });
}

#[test]
fn what_waits_for_exec_is_shown_to_others() {
    let lyger = Lyger::start(1);
    let (mut client, mut other) = (lyger.client(), lyger.client());
    let line = |list: String| list.lines().find(|line| line.contains("flags=x")).unwrap_or_default().to_owned();
    client.say("MULTI");
    client.say("SET k v");
    client.say("GET k");
    assert!(line(other.say("CLIENT LIST")).contains(" multi=2 "));
    client.say("EXEC");
    assert_eq!(line(other.say("CLIENT LIST")), "");
}
