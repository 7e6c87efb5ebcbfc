//! Promise 8, as far as outcomes go: a slow request keeps nobody who can be served elsewhere. How long everybody takes is
//! measured by the benches.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::fleet::{Fleet, eventually, length};
use crate::load::{Ask, Load};

#[test]
fn who_waits_behind_a_held_worker_is_served_by_another() {
    let fleet = Fleet::serve(4, &["--queue-timeout-ms=3600000"]);
    // Nothing says which worker gets what: at each point some requests sit behind workers that are then held for good.
    let mut held = Vec::new();
    for round in 0..3 {
        let before: Vec<_> =
            (0..20).map(|number| fleet.ask_meanwhile("POST", format!("/echo/b{round}n{number}"))).collect();
        let token = format!("held{round}");
        held.push(fleet.ask_meanwhile("GET", format!("/hold/{token}")));
        let after: Vec<_> =
            (0..20).map(|number| fleet.ask_meanwhile("POST", format!("/echo/a{round}n{number}"))).collect();
        eventually("the request's start", || fleet.noted(&token).len() == 1);
        for (name, asked) in [("b", before), ("a", after)] {
            for (number, asked) in asked.into_iter().enumerate() {
                let reply = asked.join().unwrap().unwrap();
                assert!(reply.text().starts_with(&format!("{name}{round}n{number} ")), "{}", reply.text());
            }
        }
    }
    for (round, held) in held.into_iter().enumerate() {
        fleet.release(&format!("held{round}"));
        assert_eq!(held.join().unwrap().unwrap().text(), format!("held held{round}"));
    }
    fleet.finish();
}

#[test]
fn slow_requests_do_not_slow_down_the_fast_ones() {
    const SLOW: Duration = Duration::from_millis(100);
    let fleet = Fleet::serve(4, &[]);
    // One connection in twenty: two of four workers sleep most of the time.
    let slow = Load::start(fleet.port, 2, Duration::ZERO, |token, _| Ask::echo(token, 100_000));
    let fast = Load::start(fleet.port, 6, Duration::from_millis(5), |token, number| match number % 2 {
        0 => Ask::post(token, 100),
        _ => Ask::echo(token, 0),
    });
    std::thread::sleep(length(60));
    eventually("some of each", || slow.right() > 10 && fast.right() > 50);
    slow.end_flawless(10);
    let tally = fast.end();
    tally.assert_flawless(50);
    assert!(tally.quantile(0.5) < SLOW, "half of the fast ones waited for slow ones: {:?}", tally.quantile(0.5));
    fleet.finish();
}

#[test]
fn who_waits_behind_a_held_worker_does_not_wait_for_a_gap_in_what_comes_later() {
    let fleet = Fleet::serve(2, &["--queue-timeout-ms=3600000"]);
    // So many clients without a pause that the queue is never empty, and the worker that isn't held never idle.
    let load = Load::start(fleet.port, 40, Duration::ZERO, |token, number| match number % 2 {
        0 => Ask::post(token, 10),
        _ => Ask::echo(token, 1_000),
    });
    for round in 0..3 {
        eventually("a full queue", || load.right() > 100 * (round + 1));
        let token = format!("held{round}");
        let held = fleet.ask_meanwhile("GET", format!("/hold/{token}"));
        eventually("the request's start", || fleet.noted(&token).len() == 1);
        // Each client asks once more only when it has its answer, so all of them move when nobody is left behind.
        let before = load.answered();
        eventually("every client's next answer", || {
            load.answered().iter().zip(&before).all(|(now, before)| now > before)
        });
        fleet.release(&token);
        assert_eq!(held.join().unwrap().unwrap().status, 200);
    }
    load.end_flawless(300);
    fleet.finish();
}

#[test]
fn a_client_that_never_stops_asking_keeps_nobody_from_a_worker() {
    let fleet = Fleet::serve(2, &[]);
    // What the front answers by itself, without end: there is always something left for it to do.
    let asking = TcpStream::connect(("127.0.0.1", fleet.port)).unwrap();
    let (mut writes, mut reads) = (asking.try_clone().unwrap(), asking.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        let batch = "GET /health HTTP/1.1\r\nHost: test\r\n\r\n".repeat(1_000);
        while writes.write_all(batch.as_bytes()).is_ok() {}
    });
    let reader = std::thread::spawn(move || {
        let (mut part, mut bytes) = (vec![0; 1 << 20], 0);
        while let Ok(count @ 1..) = reads.read(&mut part) {
            bytes += count;
        }
        bytes
    });
    for number in 0..50 {
        let reply = fleet.get(&format!("/echo/n{number}")).unwrap();
        assert!(reply.text().starts_with(&format!("n{number} ")), "{}", reply.text());
    }
    assert!(!writer.is_finished() && !reader.is_finished(), "the flood was over before");
    asking.shutdown(Shutdown::Both).unwrap();
    writer.join().unwrap();
    assert!(reader.join().unwrap() > 1 << 20, "there was no flood");
    fleet.finish();
}
