//! Promise 3: a handler that doesn't come to an end is ended.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::PATIENCE;
use crate::fleet::{Fleet, eventually, share};
use crate::load::{Ask, Load};
use crate::processes::Role;

/// How it goes on for ever, and the signal that its worker ends by at last; `None` when it ends in its own way.
const ENDLESS: [(&str, Option<i32>); 4] = [
    ("loop", Some(Signal::TERM.as_raw())),
    ("sleep", Some(Signal::TERM.as_raw())),
    // Asked first and killed then.
    ("deaf", Some(Signal::KILL.as_raw())),
    ("polite", None),
];

#[test]
fn a_handler_without_an_end_gets_a_504_and_its_worker_is_ended() {
    let fleet = Fleet::serve(2, &["--request-timeout-ms=400"]);
    let load = Load::start(fleet.port, 4, Duration::from_millis(1), |token, _| Ask::echo(token, 0));
    for round in 0..share(10, 60, 1) {
        for (how, signal) in ENDLESS {
            let token = format!("{how}{round}");
            let asked = Instant::now();
            let reply = fleet.get(&format!("/never/{how}/{token}")).unwrap();
            assert_eq!(reply.status, 504, "{how}: {}", reply.text());
            assert!(asked.elapsed() >= Duration::from_millis(400), "{how} had its time");
            assert!(asked.elapsed() < PATIENCE / 2, "{how} is told at its deadline, not at its end");
            let ran = fleet.noted(&token);
            assert_eq!(ran.len(), 1, "{how} is not tried again");
            eventually("the worker's end", || !fleet.pids(Role::Worker).contains(&ran[0]));
            match signal {
                Some(signal) => {
                    let ended = format!("(signal {signal})\n");
                    eventually("its signal", || fleet.said().matches(&ended).count() > round as usize);
                }
                None => assert_eq!(fleet.noted(&format!("terminated-{token}")), ran, "SIGTERM's own handler has run"),
            }
        }
    }
    load.end_flawless(50);
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn what_waits_behind_an_endless_request_is_answered_by_another_worker() {
    let fleet = Fleet::serve(1, &["--request-timeout-ms=1500"]);
    let endless = fleet.ask_meanwhile("GET", "/never/deaf/stuck".to_owned());
    eventually("the request's start", || fleet.noted("stuck").len() == 1);
    let behind: Vec<_> = (0..20).map(|number| fleet.ask_meanwhile("POST", format!("/echo/behind{number}"))).collect();
    for (number, behind) in behind.into_iter().enumerate() {
        let reply = behind.join().unwrap().unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().starts_with(&format!("behind{number} ")));
    }
    assert_eq!(endless.join().unwrap().unwrap().status, 504);
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_fleet_whose_workers_are_all_stuck_again_and_again_comes_back() {
    let fleet = Fleet::serve(2, &["--request-timeout-ms=200"]);
    let endless: Vec<_> = (0..12)
        .map(|number| {
            let how = if number % 4 == 0 { "deaf" } else { "sleep" };
            fleet.ask_meanwhile("GET", format!("/never/{how}/stuck{number}"))
        })
        .collect();
    for (number, endless) in endless.into_iter().enumerate() {
        assert_eq!(endless.join().unwrap().unwrap().status, 504, "the one with number {number}");
        assert_eq!(fleet.noted(&format!("stuck{number}")).len(), 1);
    }
    fleet.await_whole();
    assert_eq!(fleet.get("/echo/after?q=q").unwrap().text(), "after q none");
    fleet.finish();
}

#[test]
fn a_client_that_goes_away_does_not_free_its_handler_from_the_deadline() {
    let fleet = Fleet::serve(1, &["--request-timeout-ms=400"]);
    for how in ["left", "reset"] {
        let mut client = fleet.client();
        if how == "reset" {
            // Who closes with something unread resets the connection.
            client.send(b"GET /echo/unread HTTP/1.1\r\nHost: chaos\r\n\r\n").unwrap();
        }
        client.send(format!("GET /never/sleep/{how} HTTP/1.1\r\nHost: chaos\r\n\r\n").as_bytes()).unwrap();
        eventually("the request's start", || fleet.noted(how).len() == 1);
        drop(client);
        let worker = fleet.noted(how)[0];
        eventually("the worker's end", || !fleet.pids(Role::Worker).contains(&worker));
        fleet.await_whole();
    }
    fleet.finish();
}
