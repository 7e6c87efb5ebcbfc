//! Bounds on what all clients hold together, and on what one of them makes others carry.

use std::time::Duration;

use crate::servers::{Lyger, Program};
use crate::wire::Client;

fn held_bytes(client: &mut Client) -> u64 {
    let info = client.say("INFO clients");
    info.lines().find_map(|line| line.strip_prefix("clients_bytes:")).unwrap().trim().parse().unwrap()
}

/// Once `evicted_clients` is as many.
fn await_evicted(client: &mut Client, least: u64) {
    let until = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let info = client.say("INFO stats");
        let evicted = info.lines().find_map(|line| line.strip_prefix("evicted_clients:")).unwrap().trim().to_owned();
        if evicted.parse::<u64>().unwrap() >= least {
            return;
        }
        assert!(std::time::Instant::now() < until, "{evicted} of {least}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn replies_that_nobody_takes_are_bounded_for_all_clients_together() {
    const BIG: usize = 10 << 20;
    let program = Program::start(&["--threads", "2", "--clients-bytes-max", "64mb"]);
    let mut client = program.client();
    client.send(format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${BIG}\r\n").as_bytes());
    client.send(&vec![b'x'; BIG]);
    client.send(b"\r\n");
    assert_eq!(client.reply(), b"+OK\r\n");
    let before = program.resident();
    let mut kept = program.client();
    assert_eq!(kept.say("CLIENT NO-EVICT ON"), "+OK\r\n");
    kept.send(b"GET big\r\n");
    let mut silent: Vec<_> = (0..100).map(|_| program.client()).collect();
    for other in &mut silent {
        other.send(b"GET big\r\n");
    }
    // Six have room, and sockets take some megabytes of each.
    await_evicted(&mut client, 80);
    // What is being made for one client of each thread comes on top, and what the allocator keeps.
    let more = program.peak().saturating_sub(before);
    assert!(more < (64 << 20) + 8 * BIG as u64, "{more} bytes");
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while held_bytes(&mut client) > 64 << 20 {
        assert!(std::time::Instant::now() < until, "{}", client.say("CLIENT LIST"));
    }
    assert_eq!(client.say("PING"), "+PONG\r\n");
    let reply = kept.reply();
    assert_eq!(reply.len(), BIG + format!("${BIG}\r\n\r\n").len());
    drop(silent);
}

#[test]
fn a_client_that_goes_amid_a_long_request_is_gone() {
    let lyger = Lyger::start(1);
    let half = [&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000000\r\n"[..], &[b'x'; 40_000]].concat();
    let mut sleeper = lyger.client();
    for _ in 0..20 {
        // All of it and the end have come before the thread looks: it is told of both at once.
        sleeper.send(b"DEBUG SLEEP 0.05\r\n");
        let mut client = lyger.client();
        client.send(&half);
        drop(client);
        assert_eq!(sleeper.reply(), b"+OK\r\n");
    }
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while !sleeper.say("INFO clients").contains("connected_clients:1\r\n") {
        assert!(std::time::Instant::now() < until, "{}", sleeper.say("CLIENT LIST"));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn requests_that_never_end_are_bounded_for_all_clients_together() {
    let lyger = Lyger::with(|settings| settings.clients_bytes_max = 16 << 20);
    let half = [&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000000\r\n"[..], &[b'x'; 2 << 20]].concat();
    let senders: Vec<_> = (0..30)
        .map(|_| {
            let (mut client, half) = (lyger.client(), half.clone());
            std::thread::spawn(move || {
                client.send(&half);
                client
            })
        })
        .collect();
    let clients: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    let mut client = lyger.client();
    await_evicted(&mut client, 22);
    drop(clients);
    // What they held is held no more.
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while held_bytes(&mut client) > 1 << 20 {
        assert!(std::time::Instant::now() < until, "{}", client.say("CLIENT LIST"));
        std::thread::sleep(Duration::from_millis(10));
    }
    // One after the other has as much as it likes.
    for _ in 0..20 {
        client.send(&half);
        client.send(&[b'x'; 4_000_000 - (2 << 20)]);
        client.send(b"\r\n");
        assert_eq!(client.reply(), b"+OK\r\n");
    }
}

#[test]
fn the_names_that_a_client_listens_to_are_bounded() {
    let lyger = Lyger::with(|settings| settings.subscription_bytes_max = 2_000);
    let mut client = lyger.client();
    let refused = "-ERR the names that this client listens to are more than subscription-max-bytes\r\n";
    let names = |count: usize| (0..count).map(|number| format!("channel:{number}")).collect::<Vec<_>>().join(" ");
    // Of what is refused nothing is joined.
    assert_eq!(client.say(&format!("SUBSCRIBE {}", names(20))), refused);
    assert_eq!(lyger.client().say("PUBSUB CHANNELS"), "*0\r\n");
    client.send(format!("SUBSCRIBE {}\r\n", names(10)).as_bytes());
    (0..10).for_each(|_| assert!(client.reply().starts_with(b"*3\r\n$9\r\nsubscribe\r\n")));
    assert_eq!(client.say(&format!("PSUBSCRIBE {}", "x".repeat(600))), refused);
    // What it listens to already costs nothing more, and what it leaves gives room.
    client.send(format!("SUBSCRIBE {}\r\n", names(10)).as_bytes());
    (0..10).for_each(|_| assert!(client.reply().starts_with(b"*3\r\n$9\r\nsubscribe\r\n")));
    client.send(format!("UNSUBSCRIBE {}\r\n", names(9)).as_bytes());
    (0..9).for_each(|_| drop(client.reply()));
    assert!(client.say(&format!("PSUBSCRIBE {}", "x".repeat(600))).starts_with("*3\r\n$10\r\npsubscribe\r\n"));
}

#[test]
fn a_clients_name_is_bounded_for_all_who_list_the_clients() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    let longest = "n".repeat(1024);
    assert_eq!(client.say(&format!("CLIENT SETNAME {longest}")), "+OK\r\n");
    let refused = "-ERR Client names cannot be longer than 1024 bytes.\r\n";
    assert_eq!(client.say(&format!("CLIENT SETNAME {longest}n")), refused);
    assert_eq!(client.say(&format!("HELLO 3 SETNAME {longest}n")), refused);
    assert_eq!(client.say("CLIENT GETNAME"), format!("$1024\r\n{longest}\r\n"));
}
