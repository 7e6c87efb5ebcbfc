//! Workers that have several requests under way, in Fibers: what happens to one is not the others' concern.

use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Signal;

use crate::client::Reply;
use crate::fleet::{Fleet, eventually};
use crate::load::{Ask, Load};
use crate::processes::{self, Role};

type Asked = JoinHandle<Result<Reply, String>>;

fn fleet(workers: usize) -> Fleet {
    Fleet::serve(workers, &["--concurrency=8"])
}

/// Requests that are all held, in this worker of a fleet of one.
fn hold(fleet: &Fleet, tokens: &[&str]) -> (Vec<Asked>, i32) {
    let asked = tokens.iter().map(|token| fleet.ask_meanwhile("GET", format!("/async/hold/{token}"))).collect();
    eventually("their start", || tokens.iter().all(|token| fleet.noted(token).len() == 1));
    let workers: Vec<i32> = tokens.iter().map(|token| fleet.noted(token)[0]).collect();
    assert!(workers.iter().all(|worker| *worker == workers[0]), "in several workers");
    (asked, workers[0])
}

fn release(fleet: &Fleet, tokens: &[&str], asked: Vec<Asked>) {
    tokens.iter().for_each(|token| fleet.release(token));
    for (token, asked) in tokens.iter().zip(asked) {
        let reply = asked.join().unwrap().unwrap();
        assert_eq!((reply.status, reply.text()), (200, format!("held {token}")));
    }
}

#[test]
fn as_many_requests_are_under_way_in_one_worker_as_it_may_have_and_no_more() {
    let fleet = fleet(1);
    // It opens only once all eight are there.
    let eight: Vec<_> =
        (0..8).map(|number| fleet.ask_meanwhile("GET", format!("/async/barrier/8/n{number}"))).collect();
    for (number, one) in eight.into_iter().enumerate() {
        assert_eq!(one.join().unwrap().unwrap().text(), format!("n{number} passed"));
    }
    let tokens = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let (held, _) = hold(&fleet, &tokens);
    let ninth = fleet.ask_meanwhile("GET", "/pid/ninth".to_owned());
    std::thread::sleep(Duration::from_millis(100)); // it may take this long to be wrong
    assert!(!ninth.is_finished(), "a ninth was begun");
    release(&fleet, &tokens, held);
    assert_eq!(ninth.join().unwrap().unwrap().status, 200);
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn what_belongs_to_a_request_stays_with_it_over_every_wait() {
    let fleet = fleet(2);
    let load = Load::start(fleet.port, 24, Duration::ZERO, |token, _| {
        let status = 200 + crc32(token) % 3;
        let echoed = format!("{token} inner {token} ").repeat(10);
        Ask {
            target: format!("/async/state/{token}?q=q{token}"),
            answer: format!("{echoed}{token} q{token} h{token} {status}"),
            ..Ask::echo(token, 0)
        }
    });
    let before = load.right();
    eventually("many answers", || load.right() > before + 1_000);
    load.end_flawless(1_000);
    fleet.await_whole();
    fleet.finish();
}

/// As PHP's function of this name.
fn crc32(text: &str) -> u32 {
    !text.bytes().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

#[test]
fn who_changes_what_all_of_php_shares_waits_in_place() {
    let fleet = fleet(1);
    let all: Vec<_> = (0..8).map(|number| fleet.ask_meanwhile("GET", format!("/async/shared/n{number}"))).collect();
    for (number, one) in all.into_iter().enumerate() {
        assert_eq!(one.join().unwrap().unwrap().text(), format!("n{number} 1 Asia/Tokyo"));
    }
    fleet.finish();
}

#[test]
fn an_exception_or_an_exit_in_one_is_nothing_to_the_others() {
    let fleet = fleet(1);
    for (how, status, text) in [("throw", 500, None), ("exit", 418, Some("exited exit"))] {
        fleet.await_whole();
        let tokens = ["a", "b", "c", "d"].map(|token| format!("{how}-{token}"));
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let (held, worker) = hold(&fleet, &tokens);
        let reply = fleet.get(&format!("/async/die/{how}/{how}")).unwrap();
        assert_eq!(reply.status, status);
        assert!(text.is_none_or(|text| reply.text() == text), "{}", reply.text());
        assert_eq!(fleet.noted(how), [worker]);
        if how == "exit" {
            // It takes nothing new until these have ended, however long that is: another is there before.
            assert_ne!(fleet.get("/pid/new").unwrap().text(), format!("new {worker}"));
        }
        release(&fleet, &tokens, held);
        assert!(tokens.iter().all(|token| fleet.noted(token).len() == 1), "one was run again");
    }
    // It ends by itself once another is there, and that one has several under way again.
    let worker = fleet.noted("exit")[0];
    eventually("the old worker's end", || !fleet.pids(Role::Worker).contains(&worker));
    fleet.await_whole();
    let tokens = ["x", "y", "z"];
    let (held, _) = hold(&fleet, &tokens);
    release(&fleet, &tokens, held);
    fleet.finish();
}

#[test]
fn any_number_of_exits_is_borne_under_load() {
    let fleet = fleet(2);
    let load = Load::start(fleet.port, 1, Duration::from_millis(1), |token, number| match number % 10 {
        0 => Ask::get("/async/die/exit", token, &[418], String::new()),
        _ => Ask::echo(token, 0),
    });
    eventually("many answers", || load.right() > 300);
    load.end_flawless(300);
    fleet.await_whole();
    assert!(!fleet.said().contains("has ended"), "a worker died instead of being replaced: {}", fleet.said());
    fleet.finish();
}

#[test]
fn killed_with_several_under_way_each_is_treated_by_its_own_right() {
    let fleet = fleet(1);
    let tokens = ["a", "b", "c"];
    let (held, worker) = hold(&fleet, &tokens);
    let post = fleet.ask_meanwhile("POST", "/async/hold/post".to_owned());
    let once = fleet.ask_meanwhile("GET", "/async/once/hold/once".to_owned());
    eventually("their start", || fleet.noted("post").len() == 1 && fleet.noted("once").len() == 1);
    fleet.signal(worker, Signal::KILL);
    assert_eq!(post.join().unwrap().unwrap().status, 502);
    assert_eq!(once.join().unwrap().unwrap().status, 502);
    eventually("their second start", || tokens.iter().all(|token| fleet.noted(token).len() == 2));
    release(&fleet, &tokens, held);
    assert!(["post", "once"].iter().all(|token| fleet.noted(token).len() == 1), "one was run again");
    fleet.await_whole();
    // And never a third time.
    let twice = fleet.ask_meanwhile("GET", "/async/hold/twice".to_owned());
    for tries in 1..=2 {
        eventually("its start", || fleet.noted("twice").len() == tries);
        fleet.signal(fleet.noted("twice")[tries - 1], Signal::KILL);
    }
    assert_eq!(twice.join().unwrap().unwrap().status, 502);
    fleet.await_whole();
    assert_eq!(fleet.noted("twice").len(), 2);
    fleet.finish();
}

#[test]
fn a_crash_of_one_costs_that_one_and_the_others_are_run_again() {
    let fleet = fleet(1);
    for (how, status) in [("segfault", 502), ("fatal", 500)] {
        fleet.await_whole();
        let tokens = ["a", "b", "c"].map(|token| format!("{how}-{token}"));
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let (held, _) = hold(&fleet, &tokens);
        let reply = fleet.get(&format!("/async/die/{how}/{how}")).unwrap();
        assert_eq!(reply.status, status, "{}", reply.text());
        eventually("their second start", || tokens.iter().all(|token| fleet.noted(token).len() == 2));
        release(&fleet, &tokens, held);
        assert_eq!(fleet.noted(how).len(), 1, "{how} was run again");
    }
    fleet.finish();
}

#[test]
fn a_request_that_takes_too_long_ends_its_worker_and_no_other_request() {
    for how in ["loop", "sleep"] {
        let fleet = Fleet::serve(1, &["--concurrency=8", "--request-timeout-ms=4000"]);
        let long = fleet.ask_meanwhile("GET", format!("/async/die/{how}/long"));
        eventually("its start", || fleet.noted("long").len() == 1);
        std::thread::sleep(Duration::from_secs(2)); // so much more time has the other one
        let beside = fleet.ask_meanwhile("GET", "/async/hold/beside".to_owned());
        eventually("the other's start", || fleet.noted("beside").len() == 1);
        fleet.release("long");
        assert_eq!(long.join().unwrap().unwrap().status, 504);
        fleet.release("beside");
        assert_eq!(beside.join().unwrap().unwrap().text(), "held beside");
        assert_eq!(fleet.noted("long").len(), 1, "it was run again");
        fleet.await_whole();
        fleet.finish();
    }
}

#[test]
fn what_a_dead_front_had_under_way_reaches_nobody_and_keeps_nobody_waiting() {
    let fleet = fleet(1);
    let tokens = ["a", "b", "c", "d"];
    let (lost, worker) = hold(&fleet, &tokens);
    fleet.signal(fleet.front(), Signal::KILL);
    lost.into_iter().for_each(|lost| assert!(lost.join().unwrap().is_err(), "its connection has ended"));
    eventually("another front", || fleet.get("/health").is_ok());
    // The old ones are under way still, and the worker has room beside them.
    let four: Vec<_> = (0..4).map(|number| fleet.ask_meanwhile("GET", format!("/async/barrier/4/n{number}"))).collect();
    tokens.iter().for_each(|token| fleet.release(token));
    for (number, one) in four.into_iter().enumerate() {
        assert_eq!(one.join().unwrap().unwrap().text(), format!("n{number} passed"));
    }
    assert!(tokens.iter().all(|token| fleet.noted(token).len() == 1), "one was run again");
    assert_eq!(fleet.noted("barrier"), [worker; 4]);
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_worker_whose_request_of_a_dead_front_never_ends_is_replaced() {
    let fleet = Fleet::serve(1, &["--concurrency=8", "--request-timeout-ms=1000"]);
    let (lost, worker) = hold(&fleet, &["endless"]);
    fleet.signal(fleet.front(), Signal::KILL);
    lost.into_iter().for_each(|lost| assert!(lost.join().unwrap().is_err()));
    eventually("another worker", || {
        let _ = fleet.get("/pid/p"); // it tells with its answers
        fleet.pids(Role::Worker).iter().any(|other| *other != worker)
    });
    fleet.release("endless");
    eventually("the old worker's end", || !fleet.pids(Role::Worker).contains(&worker));
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_drain_waits_for_all_that_is_under_way() {
    let mut fleet = fleet(1);
    let tokens = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let (held, worker) = hold(&fleet, &tokens);
    // A reload first: the new worker is there, the old one still has its eight.
    fleet.tell(Signal::HUP);
    eventually("the reload", || fleet.said().contains("generation 2 serves"));
    assert_ne!(fleet.get("/pid/new").unwrap().text(), format!("new {worker}"));
    assert!(fleet.pids(Role::Worker).contains(&worker));
    release(&fleet, &tokens, held);
    eventually("the old worker's end", || !fleet.pids(Role::Worker).contains(&worker));
    let tokens = ["i", "j", "k", "l", "m", "n", "o", "p"];
    let (held, _) = hold(&fleet, &tokens);
    fleet.tell(Signal::TERM);
    std::thread::sleep(Duration::from_millis(200)); // for the drain to have begun; later ones would be waited for as well
    release(&fleet, &tokens, held);
    assert_eq!(fleet.ended(), Some(0), "{}", fleet.said());
}

#[test]
fn a_worker_is_replaced_after_its_requests_however_many_were_under_way() {
    let fleet = Fleet::serve(1, &["--concurrency=8", "--max-requests=50"]);
    let first = fleet.pids(Role::Worker);
    let load = Load::start(fleet.port, 16, Duration::ZERO, |token, _| Ask {
        target: format!("/async/barrier/1/{token}"),
        answer: format!("{token} passed"),
        ..Ask::echo(token, 0)
    });
    eventually("some hundred requests", || load.right() > 300);
    load.end_flawless(300);
    fleet.await_whole();
    assert!(first.iter().all(|worker| !fleet.pids(Role::Worker).contains(worker)));
    fleet.finish();
}

#[test]
fn a_worker_whose_requests_all_wait_does_not_spin() {
    let fleet = fleet(1);
    for under_way in [8, 4] {
        // With all places taken, and with room for more.
        let token = |number: usize| format!("{under_way}n{number}");
        let asked: Vec<_> =
            (0..under_way).map(|number| fleet.ask_meanwhile("GET", format!("/async/idle/{}", token(number)))).collect();
        eventually("their start", || (0..under_way).all(|number| fleet.noted(&token(number)).len() == 1));
        let worker = fleet.pids(Role::Worker)[0];
        let before = processes::cpu_ticks(worker);
        std::thread::sleep(Duration::from_secs(1));
        let used = processes::cpu_ticks(worker) - before;
        assert!(used < 10, "{used} of about 100 ticks, with {under_way} under way");
        asked.into_iter().for_each(|asked| assert_eq!(asked.join().unwrap().unwrap().status, 200));
    }
    fleet.finish();
}
