//! Promises 1 and 2: workers are killed, or die of what they run.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::PATIENCE;
use crate::fleet::{Fleet, eventually, length};
use crate::load::{Ask, Load};
use crate::processes::Role;

/// Steady requests that may be run twice, some of which take a while.
fn idempotent(token: &str, number: u64) -> Ask {
    match number % 4 {
        0 => Ask::head(token),
        1 => Ask::echo(token, 3_000),
        2 => Ask::big(token, 5_000),
        _ => Ask::echo(token, 0),
    }
}

#[test]
fn killed_workers_lose_no_idempotent_request() {
    kill_workers_under_load(Fleet::serve(3, &[]));
}

#[test]
fn killed_workers_lose_no_idempotent_request_over_sockets() {
    kill_workers_under_load(Fleet::serve_over_sockets(3));
}

fn kill_workers_under_load(fleet: Fleet) {
    let load = Load::start(fleet.port, 8, Duration::from_millis(1), idempotent);
    let length = length(60);
    let pause = (length / 10).min(Duration::from_secs(1));
    let until = Instant::now() + length;
    let mut killed = 0;
    while Instant::now() < until {
        std::thread::sleep(pause);
        let workers = fleet.pids(Role::Worker);
        if !workers.is_empty() {
            fleet.signal(workers[killed % workers.len()], Signal::KILL);
            killed += 1;
        }
    }
    load.end_flawless(100);
    assert!(killed > 3, "only {killed} were killed");
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn all_workers_killed_at_once_again_and_again_lose_no_idempotent_request() {
    let fleet = Fleet::serve(3, &[]);
    // Slowly enough that no request meets a third worker's death: it would rightly be refused.
    let load = Load::start(fleet.port, 4, Duration::from_millis(1), |token, _| Ask::echo(token, 100));
    for _ in 0..3 {
        let before = load.right();
        eventually("some requests", || load.right() > before + 50);
        fleet.pids(Role::Worker).into_iter().for_each(|worker| fleet.signal(worker, Signal::KILL));
    }
    let before = load.right();
    eventually("some more requests", || load.right() > before + 50);
    load.end_flawless(100);
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_killed_workers_get_is_run_once_more_and_its_post_is_refused_at_once() {
    let fleet = Fleet::serve(2, &[]);
    let get = fleet.ask_meanwhile("GET", "/hold/get".to_owned());
    eventually("the GET's start", || fleet.noted("get").len() == 1);
    fleet.signal(fleet.noted("get")[0], Signal::KILL);
    eventually("the GET's second start", || fleet.noted("get").len() == 2);
    fleet.release("get");
    assert_eq!(get.join().unwrap().unwrap().text(), "held get");

    let post = fleet.ask_meanwhile("POST", "/hold/post".to_owned());
    eventually("the POST's start", || fleet.noted("post").len() == 1);
    fleet.signal(fleet.noted("post")[0], Signal::KILL);
    assert_eq!(post.join().unwrap().unwrap().status, 502);
    assert_eq!(fleet.noted("post").len(), 1);
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_route_that_opted_out_is_refused_at_once_when_its_worker_is_killed() {
    let fleet = Fleet::serve(2, &[]);
    for method in ["GET", "HEAD"] {
        let once = fleet.ask_meanwhile(method, format!("/once/hold/{method}"));
        eventually("its start", || fleet.noted(method).len() == 1);
        fleet.signal(fleet.noted(method)[0], Signal::KILL);
        assert_eq!(once.join().unwrap().unwrap().status, 502);
        fleet.await_whole();
        assert_eq!(fleet.noted(method).len(), 1, "it was run again");
    }
    fleet.finish();
}

#[test]
fn what_a_killed_worker_had_not_begun_goes_to_another_whatever_it_is() {
    let fleet = Fleet::serve(1, &[]);
    let held = fleet.ask_meanwhile("POST", "/hold/first".to_owned());
    eventually("the first one's start", || fleet.noted("first").len() == 1);
    let behind: Vec<_> = (0..8).map(|number| fleet.ask_meanwhile("POST", format!("/echo/behind{number}"))).collect();
    std::thread::sleep(Duration::from_millis(100)); // for them to be in the lane; later ones would be answered as well
    fleet.signal(fleet.noted("first")[0], Signal::KILL);
    assert_eq!(held.join().unwrap().unwrap().status, 502);
    for (number, behind) in behind.into_iter().enumerate() {
        let reply = behind.join().unwrap().unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().starts_with(&format!("behind{number} ")));
    }
    fleet.await_whole();
    fleet.finish();
}

/// How it dies, what the client is told, and how often it is run.
const DEATHS: [(&str, &[u16], usize); 9] = [
    ("segfault", &[502], 1),
    ("exit", &[418], 1),
    ("memory", &[500], 1),
    ("fatal", &[500], 1),
    ("included-syntax", &[500], 1),
    ("included-compile", &[500], 1),
    // Of the C stack: PHP 8.3 and later throw before it ends.
    ("recursion", &[502, 500], 1),
    ("throw", &[500], 1),
    // From outside, as far as anybody can tell: once more, and never a third time.
    ("killed", &[502], 2),
];

#[test]
fn a_handler_that_dies_costs_its_own_request_and_no_other() {
    let fleet = Fleet::serve(2, &[]);
    let load = Load::start(fleet.port, 4, Duration::from_millis(1), |token, _| Ask::echo(token, 0));
    let rounds = if length(60) > Duration::from_secs(10) { 20 } else { 1 };
    for round in 0..rounds {
        for (how, statuses, runs) in DEATHS {
            let (token, asked) = (format!("{how}{round}"), Instant::now());
            let reply = fleet.get(&format!("/die/{how}/{token}")).unwrap();
            assert!(statuses.contains(&reply.status), "{how}: {} {}", reply.status, reply.text());
            assert_eq!(fleet.noted(&token).len(), runs, "how often {how} was run");
            assert!(asked.elapsed() < PATIENCE / 3, "{how} is told at once");
            if how == "exit" {
                assert_eq!(reply.text(), format!("exited {token}"), "as under FPM");
            }
        }
    }
    let before = load.right();
    eventually("some more requests", || load.right() > before + 20);
    load.end_flawless(20);
    fleet.await_whole();
    fleet.finish();
}

/// Where exit() is called, and what the client gets: what was written, as under FPM.
const EXITS: [(&str, &str); 9] = [
    // PHP keeps what a callback was given when it doesn't return.
    ("output-callback", "called backcalled back TOKEN"),
    ("output-callback-at-the-end", "called backcalled back TOKEN"),
    ("destructor", "destroyed TOKEN"),
    ("destructor-at-the-end", "destroyed TOKEN"),
    ("destructor-after-exit", "exited and destroyed TOKEN"),
    ("error-handler", "handled TOKEN"),
    ("generator", "finally TOKEN"),
    ("array-map", "mapped TOKEN"),
    ("shutdown-function", "registered TOKEN"),
];

#[test]
fn exit_is_as_under_fpm_wherever_it_is_called_and_keeps_its_worker() {
    let fleet = Fleet::serve(1, &[]);
    let worker = fleet.pids(Role::Worker);
    for round in 0..3 {
        for (how, answer) in EXITS {
            let token = format!("{how}{round}");
            let reply = fleet.get(&format!("/exit/{how}/{token}")).unwrap();
            assert_eq!((reply.status, reply.text()), (200, answer.replace("TOKEN", &token)), "{how}");
            assert_eq!(fleet.noted(&token), worker, "{how} is run once, by the one worker");
        }
    }
    assert!(!fleet.said().contains("has ended"), "{}", fleet.said());
    fleet.tell(Signal::HUP);
    eventually("the shutdown function's turn, with its worker's end", || {
        fleet.noted("shut-shutdown-function0") == worker
    });
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_worker_bears_any_number_of_exits() {
    let fleet = Fleet::serve(1, &[]);
    let mut client = fleet.client();
    for number in 0..2_500 {
        let reply = client.ask("GET", &format!("/die/exit/number{number}"), b"").unwrap();
        assert_eq!((reply.status, reply.text()), (418, format!("exited number{number}")));
    }
    assert!(!fleet.said().contains("has ended"), "a worker died instead of being replaced: {}", fleet.said());
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_worker_that_is_killed_while_it_boots_is_started_again() {
    let slow =
        "<?php file_put_contents(getenv('CHAOS_LOG'), getmypid() . \" booting\\n\", FILE_APPEND); usleep(300_000);";
    let mut fleet = Fleet::start(2, &[], |app| std::fs::write(app.join("boot.php"), slow).unwrap());
    // In the first generation, in a replacement, and in a reload.
    eventually("a first boot", || !fleet.noted("booting").is_empty());
    fleet.signal(fleet.noted("booting")[0], Signal::KILL);
    fleet.await_announcement();
    for reload in [false, true] {
        let before = fleet.noted("booting").len();
        match reload {
            true => fleet.tell(Signal::HUP),
            false => fleet.signal(fleet.pids(Role::Worker)[0], Signal::KILL),
        }
        eventually("another boot", || fleet.noted("booting").len() > before);
        fleet.signal(fleet.noted("booting")[before], Signal::KILL);
        if reload {
            eventually("the reload", || fleet.said().contains("generation 2 serves"));
        }
        fleet.await_whole();
    }
    fleet.finish();
}
