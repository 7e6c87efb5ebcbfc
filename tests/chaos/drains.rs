//! Promise 5: who ends a server with a signal loses no answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncWriteExt;

use crate::crowd::{self, Pace};
use crate::fleet::{Fleet, eventually, share};
use crate::load::{Ask, Load};
use crate::processes::Role;

/// Limits that are not what is tested here.
const PATIENT: [&str; 5] = [
    "--queue-max=5000",
    "--queue-timeout-ms=120000",
    "--request-timeout-ms=120000",
    "--write-timeout-ms=120000",
    "--drain-timeout-ms=120000",
];

#[test]
fn a_thousand_slow_responses_survive_the_end_of_the_server() {
    let mut fleet = Fleet::serve(4, &PATIENT);
    let (count, large) = (share(1_000, 60, 150) as usize, share(400_000, 60, 80_000) as usize);
    crowd::block_on(async {
        // All are accepted before any of it begins.
        let mut streams = Vec::new();
        for number in 0..count {
            let mut stream = crowd::connect(fleet.port, number % 2 == 0).await.unwrap();
            crowd::ask_lines(&mut stream, &format!("first{number}"), 1, Pace::FULL).await.unwrap();
            streams.push(stream);
        }
        let mut readers = Vec::new();
        for (number, mut stream) in streams.into_iter().enumerate() {
            let token = format!("slow{number}");
            // Most have to be waited for; some are large, and read in small pieces.
            let (lines, pace) = match number % 50 {
                0 => (large, Pace { bytes: 65_536, pause: Duration::from_millis(20) }),
                _ => (4_000, Pace { bytes: 2_048, pause: Duration::from_millis(50) }),
            };
            let request = crowd::get(&format!("/big/{token}?times={lines}&us=4000"));
            stream.write_all(request.as_bytes()).await.unwrap();
            readers.push(tokio::task::spawn_local(
                async move { crowd::read_lines(&mut stream, &token, lines, pace).await },
            ));
        }
        // What was sent before these two were is with the front.
        let mut stream = crowd::connect(fleet.port, false).await.unwrap();
        for number in 0..2 {
            crowd::ask_lines(&mut stream, &format!("last{number}"), 1, Pace::FULL).await.unwrap();
        }
        fleet.tell(Signal::TERM);
        let mut wrong = Vec::new();
        for reader in readers {
            wrong.extend(reader.await.unwrap().err());
        }
        assert!(wrong.is_empty(), "{} of {count}: {:#?}", wrong.len(), &wrong[..wrong.len().min(10)]);
    });
    assert_eq!(fleet.ended(), Some(0), "{}", fleet.said());
}

#[test]
fn a_server_that_ends_refuses_connections_at_once_and_requests_with_a_word() {
    let mut fleet = Fleet::serve(1, &[]);
    let mut idle = fleet.client();
    assert_eq!(idle.ask("GET", "/echo/a?q=q", b"").unwrap().status, 200);
    let held = fleet.ask_meanwhile("GET", "/hold/held".to_owned());
    let behind = fleet.ask_meanwhile("GET", "/echo/behind?q=q".to_owned());
    eventually("the request's start", || fleet.noted("held").len() == 1);
    eventually("the other one's", || fleet.get("/health").unwrap().text().contains("\"busy\":1"));
    fleet.tell(Signal::TERM);
    eventually("the port's end", || TcpStream::connect(("127.0.0.1", fleet.port)).is_err());
    // Who had a connection all the time is told, or finds it closed.
    if let Ok(reply) = idle.ask("GET", "/echo/late?q=q", b"") {
        assert_eq!((reply.status, reply.closes()), (503, true), "{}", reply.text());
    }
    assert!(fleet.processes().iter().any(|process| process.role == Role::Worker), "it still works");
    fleet.release("held");
    assert_eq!(held.join().unwrap().unwrap().text(), "held held");
    assert_eq!(behind.join().unwrap().unwrap().text(), "behind q none");
    assert_eq!(fleet.ended(), Some(0), "{}", fleet.said());
}

#[test]
fn an_end_under_load_answers_every_request_that_it_took() {
    for _ in 0..share(10, 60, 2) {
        let mut fleet = Fleet::serve(2, &[]);
        let load = Load::start(fleet.port, 8, Duration::ZERO, |token, number| match number % 2 {
            0 => Ask::post(token, 3_000),
            _ => Ask::big(token, 20_000),
        });
        eventually("some requests", || load.right() > 100);
        fleet.tell(Signal::TERM);
        assert_eq!(fleet.ended(), Some(0), "{}", fleet.said());
        let tally = load.end();
        // What it doesn't take it refuses in one of these ways; nothing is cut off.
        let refused = ["status 503", "closed before an answer", "not connected", "reset by peer", "Broken pipe"];
        let cut = tally.failures.iter().filter(|what| !refused.iter().any(|refused| what.contains(refused)));
        assert_eq!(cut.collect::<Vec<_>>(), Vec::<&String>::new());
        let truncated = tally.failures.iter().filter(|what| what.contains(" of ")).count();
        assert_eq!(truncated, 0, "{:#?}", tally.failures);
    }
}

#[test]
fn what_takes_longer_than_the_drain_is_cut_off_and_told_of_and_nothing_is_left() {
    for how in ["sleep", "deaf"] {
        let mut fleet = Fleet::serve(2, &["--drain-timeout-ms=300"]);
        let endless = fleet.ask_meanwhile("GET", format!("/never/{how}/stuck"));
        eventually("the request's start", || fleet.noted("stuck").len() == 1);
        fleet.tell(Signal::TERM);
        assert_eq!(endless.join().unwrap().unwrap().status, 503);
        assert_eq!(fleet.ended(), Some(1), "{}", fleet.said());
        assert!(fleet.said().contains("the drain takes too long"), "{}", fleet.said());
    }
}

#[test]
fn a_drain_says_how_much_it_finishes_and_names_what_it_does_not() {
    let mut fleet = Fleet::serve(1, &["--drain-timeout-ms=500"]);
    let mut unread = narrow(&fleet);
    unread.write_all(crowd::get("/big/unread?times=400000").as_bytes()).unwrap();
    unread.read_exact(&mut [0; 12]).unwrap(); // its answer has begun
    let mut half = fleet.client();
    half.send(b"POST /echo/half HTTP/1.1\r\nHost: chaos\r\nContent-Length: 1000\r\n\r\nso much").unwrap();
    let (mut stuck, mut behind) = (fleet.client(), fleet.client());
    stuck.send(crowd::get("/never/sleep/stuck?secret=1").as_bytes()).unwrap();
    eventually("the request's start", || fleet.noted("stuck").len() == 1);
    behind.send(b"HEAD /echo/behind HTTP/1.1\r\nHost: chaos\r\n\r\n").unwrap();
    await_what_was_sent(&fleet);
    fleet.tell(Signal::TERM);
    assert_eq!((stuck.reply("GET").unwrap().status, behind.reply("HEAD").unwrap().status), (503, 503));
    assert_eq!(fleet.ended(), Some(1), "{}", fleet.said());
    let said = fleet.said();
    assert_eq!(said.matches("lyger: finishing 4 requests, at most 500 ms\n").count(), 1, "{said}");
    let cut_off: Vec<&str> = said.lines().filter(|line| line.ends_with(" ms and the drain's time is over")).collect();
    assert_eq!(cut_off.len(), 4, "{said}");
    for what in [
        "lyger: GET /never/sleep/stuck in worker 1 still runs after ",
        "lyger: HEAD /echo/behind still waits for a worker after ",
        " still reads the answer to GET /big/unread after ",
        " still sends a request's body after ",
    ] {
        assert!(cut_off.iter().any(|line| line.contains(what)), "{what:?} is missing: {said}");
    }
}

#[test]
fn of_many_requests_that_a_drain_cuts_off_it_names_some_and_counts_the_others() {
    let mut fleet = Fleet::serve(2, &["--drain-timeout-ms=200"]);
    let mut all: Vec<_> = (0..25).map(|_| fleet.client()).collect();
    all.iter_mut().for_each(|one| one.send(crowd::get("/never/sleep/stuck").as_bytes()).unwrap());
    eventually("the beginning", || fleet.noted("stuck").len() == 2);
    await_what_was_sent(&fleet);
    fleet.tell(Signal::TERM);
    all.iter_mut().for_each(|one| assert_eq!(one.reply("GET").unwrap().status, 503));
    assert_eq!(fleet.ended(), Some(1), "{}", fleet.said());
    let said = fleet.said();
    assert!(said.contains("finishing 25 requests"), "{said}");
    assert_eq!(said.matches("and the drain's time is over").count(), 10, "{said}");
    assert!(said.contains("lyger: and 15 more\n"), "{said}");
}

/// A connection over which little of an answer gets as long as nobody reads it.
fn narrow(fleet: &Fleet) -> TcpStream {
    let stream = crowd::block_on(async { crowd::connect(fleet.port, true).await?.into_std() }).unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

/// What was sent before is with the front after this.
fn await_what_was_sent(fleet: &Fleet) {
    (0..2).for_each(|_| assert_eq!(fleet.get("/health").unwrap().status, 200));
}

#[test]
fn a_second_signal_ends_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut fleet = Fleet::serve(2, &[]);
        let _lost = fleet.ask_meanwhile("GET", "/never/deaf/stuck".to_owned());
        eventually("the request's start", || fleet.noted("stuck").len() == 1);
        fleet.tell(signal);
        eventually("the drain", || TcpStream::connect(("127.0.0.1", fleet.port)).is_err());
        fleet.tell(signal);
        assert_eq!(fleet.ended(), Some(code), "{}", fleet.said());
    }
}

#[test]
fn a_signal_to_the_whole_process_group_drains_like_one_to_the_master() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut fleet = Fleet::serve(2, &[]);
        let held = fleet.ask_meanwhile("GET", "/hold/held".to_owned());
        eventually("the request's start", || fleet.noted("held").len() == 1);
        fleet.tell_group(signal);
        eventually("the drain", || TcpStream::connect(("127.0.0.1", fleet.port)).is_err());
        fleet.release("held");
        assert_eq!(held.join().unwrap().unwrap().text(), "held held");
        assert_eq!(fleet.ended(), Some(0), "{}", fleet.said());
    }
}

#[test]
fn an_end_while_the_front_is_dead_is_an_end() {
    let mut fleet = Fleet::serve(1, &[]);
    fleet.signal(fleet.front(), Signal::KILL);
    fleet.tell(Signal::TERM);
    assert_eq!(fleet.ended(), Some(0), "{}", fleet.said());
}

#[test]
fn a_zygote_that_hangs_keeps_no_server_from_its_end() {
    let mut fleet = Fleet::serve(2, &[]);
    fleet.signal(fleet.pids(Role::Zygote)[0], Signal::STOP);
    fleet.tell(Signal::TERM);
    assert_eq!(fleet.ended(), Some(1));
    assert!(fleet.said().contains("what has not ended by now is killed"), "{}", fleet.said());
    fleet.assert_nothing_is_left();
}
