//! Input that is meant to hurt: it gets an error or patience, and never more memory than it has sent.

use std::time::Duration;

use crate::servers::{Lyger, Program};
use crate::wire::{bulk, request};

#[test]
fn announced_lengths_take_no_memory_and_impossible_ones_are_refused() {
    let lyger = Lyger::start(1);
    for (sent, reply) in [
        (&b"*1000000000\r\n"[..], "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*2\r\n$3\r\nGET\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n*1\r\n*1\r\n*1\r\n$1\r\na\r\n", "-ERR Protocol error: expected '$', got '*'\r\n"),
        (b"GET 'a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
    ] {
        let mut client = lyger.client();
        client.send(sent);
        assert_eq!(String::from_utf8_lossy(&client.finish()), reply, "{}", sent.escape_ascii());
    }
    let mut client = lyger.client();
    client.send(&[b'a'; 65_537 + 16_384]);
    assert_eq!(client.finish(), b"-ERR Protocol error: too big inline request\r\n");
    // Clients who announce 512 MiB each: patience, and next to no memory.
    let program = Program::start(&["--threads", "1"]);
    let before = program.resident();
    let mut clients: Vec<_> = (0..300).map(|_| program.client()).collect();
    for client in &mut clients {
        client.send(b"*1048576\r\n$3\r\nSET\r\n$536870912\r\nabc");
    }
    let has_come = |line: &&str| line.contains(" cmd=NULL ") && !line.contains(" qbuf=0 ");
    while program.client().say("CLIENT LIST").lines().filter(has_come).count() < 300 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = program.resident().saturating_sub(before);
    assert!(took < 16 << 20, "{took} bytes");
}

/// A page in a browser on this machine can send a server of this machine whatever a POST's body holds.
#[test]
fn an_http_request_runs_no_command() {
    let lyger = Lyger::start(1);
    for head in ["POST / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: localhost:6380\r\n"] {
        let mut client = lyger.client();
        client.send(format!("{head}SET stolen 1\r\n").as_bytes());
        assert!(!String::from_utf8_lossy(&client.finish()).contains("OK"), "{head}");
        assert_eq!(lyger.client().say("EXISTS stolen"), ":0\r\n");
    }
}

#[test]
fn half_a_frame_is_waited_for_and_finished() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    let whole = request(&["SET", "k", &"v".repeat(100_000)]);
    for piece in whole.chunks(7_001) {
        client.send(piece);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.reply(), b"+OK\r\n");
    for byte in request(&["STRLEN", "k"]) {
        client.send(&[byte]);
    }
    assert_eq!(client.reply(), b":100000\r\n");
}

#[test]
fn large_values_go_in_and_out_whole() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    let value: Vec<u8> = (0..40_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert_eq!(client.ask(&[&b"SET"[..], b"big", &value]), b"+OK\r\n");
    assert_eq!(client.ask(&["STRLEN", "big"]), b":40000000\r\n");
    assert!(client.ask(&["GET", "big"]) == bulk(&value), "the value came back changed");
    assert_eq!(client.ask(&["GETRANGE", "big", "-3", "-1"]), bulk(&value[value.len() - 3..]));
}

/// Who asks without reading is not executed beyond a limit, and gets everything once it reads.
#[test]
fn a_client_that_takes_no_replies_costs_a_bounded_amount_and_loses_none() {
    let lyger = Program::start(&["--threads", "1"]);
    let mut client = lyger.client();
    let value = vec![b'v'; 1_000_000];
    client.ask(&[&b"SET"[..], b"k", &value]);
    let before = lyger.resident();
    assert!(client.send(&request(&["GET", "k"]).repeat(1_000)));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(lyger.client().say("PING"), "+PONG\r\n");
    let took = lyger.resident().saturating_sub(before);
    assert!(took < 20 << 20, "{took} bytes for replies that nobody takes");
    for number in 0..1_000 {
        assert!(client.reply() == bulk(&value), "reply {number}");
    }
}

#[test]
fn strangers_are_told_to_log_in_and_may_send_little_until_then() {
    let lyger = Lyger::with(|settings| settings.password = Some("secret".to_owned()));
    let mut client = lyger.client();
    assert_eq!(client.say("GET k"), "-NOAUTH Authentication required.\r\n");
    assert!(client.say("AUTH wrong").starts_with("-WRONGPASS "));
    assert!(client.say("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert_eq!(client.say("AUTH default secret"), "+OK\r\n");
    assert_eq!(client.say("GET k"), "$-1\r\n");
    let mut client = lyger.client();
    assert!(client.say("HELLO 3 AUTH default secret SETNAME me").starts_with("%7\r\n"));
    assert_eq!(client.say("RESET"), "+RESET\r\n");
    assert_eq!(client.say("GET k"), "-NOAUTH Authentication required.\r\n");
    let mut client = lyger.client();
    client.send(b"*11\r\n");
    assert_eq!(client.finish(), b"-ERR Protocol error: unauthenticated multibulk length\r\n");
}

#[test]
fn no_server_without_a_password_listens_beyond_this_machine() {
    let table = lyger::cache::Table::in_process(1 << 20).unwrap();
    let settings = lyger::resp::Settings { listen: "0.0.0.0:0".parse().unwrap(), ..Default::default() };
    let error = lyger::resp::Server::start(&table, settings).unwrap_err();
    assert_eq!(error.to_string(), "0.0.0.0:0 is not only for this machine: a password is needed");
    let lyger = Lyger::start(1);
    let settings = lyger::resp::Settings { listen: lyger.server.address(), ..Default::default() };
    assert!(lyger::resp::Server::start(&table, settings).is_err(), "the address is taken");
}

#[test]
fn more_clients_than_there_may_be_are_told_so() {
    let lyger = Lyger::with(|settings| settings.clients_max = 3);
    let mut clients: Vec<_> = (0..3).map(|_| lyger.client()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.say("PING"), "+PONG\r\n"));
    assert_eq!(lyger.client().reply(), b"-ERR max number of clients reached\r\n");
    clients.pop().unwrap().say("QUIT");
    let mut late = lyger.client();
    assert_eq!(late.say("PING"), "+PONG\r\n");
}

#[test]
fn idle_clients_are_ended_where_that_is_asked_for() {
    let lyger = Lyger::with(|settings| settings.idle_timeout_s = 1);
    let mut idle = lyger.client();
    let mut listener = lyger.client();
    listener.ask(&["SUBSCRIBE", "c"]);
    assert_eq!(idle.reply(), b"", "the connection has ended");
    assert_eq!(lyger.client().say("PUBLISH c x"), ":1\r\n");
    assert!(!listener.reply().is_empty());
}

#[test]
fn a_killed_client_is_gone() {
    let lyger = Lyger::start(2);
    let mut victims: Vec<_> = (0..6).map(|_| lyger.client()).collect();
    for victim in &mut victims {
        let id = victim.say("CLIENT ID").trim_start_matches(':').trim().to_owned();
        assert_eq!(lyger.client().say(&format!("CLIENT KILL ID {id}")), ":1\r\n");
        assert_eq!(victim.reply(), b"");
    }
}
