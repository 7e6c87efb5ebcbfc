//! Clients who wait, each for something else, cost no turns of the threads: these have their ticks and nothing more.

use std::time::{Duration, Instant};

use crate::servers::{Lyger, Program};
use crate::wire::{Client, request};

/// A thread ticks ten times a second, each time for two turns.
const TURNS_PER_SECOND_MAX: u64 = 200;

/// Hundredths of a second that ten tries a second take; who tries without a pause takes 30 to 100 on a busy machine.
const TICKS_PER_SECOND_MAX: f64 = 10.0;

fn turns(client: &mut Client) -> u64 {
    let info = client.say("INFO stats");
    let line = info.lines().find_map(|line| line.strip_prefix("eventloop_cycles:"));
    line.and_then(|turns| turns.parse().ok()).unwrap_or_else(|| panic!("{info}"))
}

#[test]
fn who_waits_costs_no_turns() {
    let lyger = Lyger::start(2);
    let mut client = lyger.client();
    let (value, request_of_large) = ("v".repeat(20_000_000), request(&["GET", "k"]));
    client.ask(&["SET", "k", &value]);
    let mut waiting: Vec<Client> = (0..20).map(|_| lyger.client()).collect();
    waiting[0].ask(&["SUBSCRIBE", "c"]);
    waiting[1].send(b"*2\r\n$3\r\nGET\r\n$100\r\nhalf");
    // Takes no replies; the same with more requests, having ended its own side, and being ended.
    waiting[2].send(&request_of_large);
    waiting[3].send(&request_of_large.repeat(100));
    waiting[4].send(&request_of_large.repeat(2));
    waiting[4].end_writing();
    waiting[5].send(&[&request_of_large[..], b"QUIT\r\n"].concat());
    waiting[6].send(b"MULTI\r\nSET a b\r\n");
    waiting[7].end_writing();
    std::thread::sleep(Duration::from_millis(300));
    let (begin, before) = (Instant::now(), turns(&mut client));
    std::thread::sleep(Duration::from_secs(1));
    let turns = turns(&mut client) - before;
    assert!(turns as f64 <= TURNS_PER_SECOND_MAX as f64 * begin.elapsed().as_secs_f64(), "{turns} turns");
    assert_eq!(waiting[3].reply().len(), value.len() + 13, "those who wait are served once they read");
}

/// Whom it can't accept stays in the listening socket, of which it would be told again and again.
#[test]
fn a_server_without_descriptors_waits_for_some() {
    for (io, threads) in [("ready", "1"), ("blocking", "8")] {
        let lyger = Program::start(&["--io", io, "--threads", threads]);
        let most = lyger.descriptors().len() + 4;
        // After its start, where it would have taken fewer clients.
        lyger.allow_descriptors(4);
        let clients: Vec<Client> = (0..12).map(|_| lyger.client()).collect();
        while lyger.descriptors().len() < most {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(lyger.descriptors().len(), most, "--io {io}: it has none left, and clients wait");
        let (begin, before) = (Instant::now(), lyger.ticks());
        std::thread::sleep(Duration::from_secs(1));
        let (ticks, seconds) = (lyger.ticks() - before, begin.elapsed().as_secs_f64());
        assert!((ticks as f64) < TICKS_PER_SECOND_MAX * seconds, "--io {io}: {ticks} hundredths of {seconds} s");
        // They come in turn, each when another has gone.
        for mut client in clients {
            assert_eq!(client.say("PING"), "+PONG\r\n", "--io {io}");
        }
    }
}
