//! Promise 12, and what else the processes owe each other: the front, the zygote or the master is killed.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::PATIENCE;
use crate::fleet::{Fleet, eventually, length, share};
use crate::load::{Ask, Load};
use crate::processes::{self, Role};
use crate::tracing::Traced;

/// Short ones, and answers that take the front a while to hand over.
fn mixed(token: &str, number: u64) -> Ask {
    match number % 3 {
        0 => Ask::big(token, 100_000),
        1 => Ask::echo(token, 2_000),
        _ => Ask::echo(token, 0),
    }
}

#[test]
fn a_killed_front_costs_connections_and_never_mixes_up_answers() {
    kill_fronts_under_load(Fleet::serve(2, &[]));
}

#[test]
fn a_killed_front_is_the_same_over_sockets() {
    let fleet = Fleet::serve_over_sockets(2);
    assert!(fleet.get("/health").unwrap().text().contains("over sockets"), "the fallback is silent");
    kill_fronts_under_load(fleet);
}

fn kill_fronts_under_load(fleet: Fleet) {
    let workers = fleet.pids(Role::Worker);
    let load = Load::start(fleet.port, 8, Duration::from_millis(1), mixed);
    let length = length(60);
    let until = Instant::now() + length;
    while Instant::now() < until {
        let before = load.right();
        eventually("service under load", || load.right() > before + 50);
        fleet.signal(fleet.front(), Signal::KILL);
        eventually("another front", || fleet.pids(Role::Front).len() == 1);
        std::thread::sleep(length.min(Duration::from_secs(10)) / 10);
    }
    let before = load.right();
    eventually("service in the end", || load.right() > before + 50);
    let tally = load.end();
    // A connection that was open is closed or reset, perhaps in the middle of an answer. Nobody is refused, and nobody
    // gets what isn't theirs.
    let allowed = ["closed before an answer", "truncated", "reset by peer", "Broken pipe"];
    let foreign = tally.failures.iter().filter(|what| !allowed.iter().any(|allowed| what.contains(allowed)));
    assert_eq!(foreign.collect::<Vec<_>>(), Vec::<&String>::new());
    fleet.await_whole();
    assert_eq!(fleet.pids(Role::Worker), workers, "the workers live on");
    fleet.finish();
}

#[test]
fn a_killed_front_is_back_on_its_socket_within_a_second() {
    let fleet = Fleet::serve(2, &[]);
    let (workers, mut took) = (fleet.pids(Role::Worker), Vec::new());
    for round in 0..share(20, 60, 3) {
        let front = fleet.front();
        // A client of the old front, with a request that its worker goes on with.
        let old = fleet.ask_meanwhile("GET", format!("/echo/old{round}?us=300000&q=q"));
        eventually("its start", || fleet.get("/health").unwrap().text().contains("\"busy\":1"));
        let killed = Instant::now();
        fleet.signal(front, Signal::KILL);
        assert!(old.join().unwrap().is_err(), "its connection has ended");
        let token = format!("new{round}");
        eventually("an answer", || {
            fleet.get(&format!("/echo/{token}?q=q")).is_ok_and(|reply| {
                assert_eq!((reply.status, reply.text()), (200, format!("{token} q none")));
                true
            })
        });
        took.push(killed.elapsed());
        fleet.await_whole();
        // Who is killed again as soon as it has come waits a little longer, so that it can't go on without an end.
        std::thread::sleep(Duration::from_millis(600));
    }
    assert_eq!(fleet.pids(Role::Worker), workers, "the workers live on");
    took.sort_unstable();
    eprintln!("back after {took:?}");
    // One machine may be busy with something else for seconds, hardly each time.
    assert!(took[took.len() / 2] < if took.len() > 10 { Duration::from_secs(1) } else { PATIENCE }, "{took:?}");
    fleet.finish();
}

#[test]
fn an_answer_to_a_dead_fronts_request_reaches_nobody() {
    let fleet = Fleet::serve(1, &[]);
    let old = fleet.ask_meanwhile("GET", "/hold/old".to_owned());
    eventually("the request's start", || fleet.noted("old").len() == 1);
    fleet.signal(fleet.front(), Signal::KILL);
    assert!(old.join().unwrap().is_err(), "its connection has ended");
    let front = || fleet.pids(Role::Front);
    eventually("another front", || front().len() == 1);
    let new: Vec<_> = (0..20).map(|number| fleet.ask_meanwhile("GET", format!("/echo/new{number}?q=q"))).collect();
    fleet.release("old");
    for (number, new) in new.into_iter().enumerate() {
        assert_eq!(new.join().unwrap().unwrap().text(), format!("new{number} q none"));
    }
    assert_eq!(fleet.noted("old").len(), 1, "nobody waits for it, so it is not run again");
    fleet.finish();
}

#[test]
fn a_worker_that_never_comes_back_to_a_new_front_is_replaced() {
    let fleet = Fleet::serve(2, &["--request-timeout-ms=700"]);
    let lost = fleet.ask_meanwhile("GET", "/never/loop/stuck".to_owned());
    eventually("the request's start", || fleet.noted("stuck").len() == 1);
    fleet.signal(fleet.front(), Signal::KILL);
    assert!(lost.join().unwrap().is_err());
    let stuck = fleet.noted("stuck")[0];
    eventually("its end", || !fleet.pids(Role::Worker).contains(&stuck));
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_worker_that_was_leaving_leaves_although_the_front_has_died() {
    let fleet = Fleet::serve(1, &[]);
    let held = fleet.ask_meanwhile("GET", "/hold/leaving".to_owned());
    eventually("the request's start", || fleet.noted("leaving").len() == 1);
    let old = fleet.noted("leaving")[0];
    fleet.tell(Signal::HUP);
    eventually("the reload", || fleet.said().contains("generation 2 serves"));
    fleet.signal(fleet.front(), Signal::KILL);
    assert!(held.join().unwrap().is_err());
    eventually("another front", || fleet.get("/health").is_ok());
    fleet.release("leaving");
    eventually("the old worker's end", || !fleet.pids(Role::Worker).contains(&old));
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn who_connects_while_there_is_no_front_is_served_by_the_next() {
    let fleet = Fleet::serve(1, &[]);
    for round in 0..share(20, 60, 3) {
        fleet.await_whole();
        fleet.signal(fleet.front(), Signal::KILL);
        // In the listening socket's backlog, which is the master's.
        let clients: Vec<_> =
            (0..50).map(|number| fleet.ask_meanwhile("GET", format!("/echo/r{round}n{number}?q=q"))).collect();
        let mut lost = 0;
        for (number, client) in clients.into_iter().enumerate() {
            match client.join().unwrap() {
                Ok(reply) => assert_eq!(reply.text(), format!("r{round}n{number} q none")),
                Err(_) => lost += 1, // the dying front had accepted it
            }
        }
        assert!(lost < 50, "none was served");
    }
    fleet.finish();
}

#[test]
fn a_killed_zygote_costs_nothing_and_workers_are_replaced_after_it() {
    let fleet = Fleet::serve(2, &[]);
    let load = Load::start(fleet.port, 4, Duration::from_millis(1), |token, _| Ask::echo(token, 500));
    for _ in 0..share(20, 60, 2) {
        fleet.signal(fleet.pids(Role::Zygote)[0], Signal::KILL);
        let before = fleet.said().matches(" serves\n").count();
        eventually("a new generation", || fleet.said().matches(" serves\n").count() > before);
        fleet.await_whole_under_load();
        fleet.signal(fleet.pids(Role::Worker)[0], Signal::KILL);
    }
    // Together with a worker, in either order.
    for first in [Role::Zygote, Role::Worker] {
        fleet.await_whole_under_load();
        let (zygote, worker) = (fleet.pids(Role::Zygote)[0], fleet.pids(Role::Worker)[0]);
        let (one, other) = if first == Role::Zygote { (zygote, worker) } else { (worker, zygote) };
        fleet.signal(one, Signal::KILL);
        fleet.signal(other, Signal::KILL);
        eventually("another zygote", || fleet.pids(Role::Zygote).iter().any(|&other| other != zygote));
    }
    fleet.await_whole_under_load();
    load.end_flawless(50);
    fleet.await_whole();
    fleet.finish();
}

/// The child of a zygote that is killed between the fork and telling of it: it has told of itself before the master hears of the
/// zygote's end, and serves; or it comes later, and ends.
#[test]
fn a_zygote_that_is_killed_as_it_forks_costs_nothing() {
    let fleet = Fleet::serve(2, &[]);
    // So that every worker is at one when the master hears of the end.
    let load = Load::start(fleet.port, 4, Duration::ZERO, |token, _| Ask::echo(token, 3_000));
    for is_in_time in [true, false] {
        let zygote = Traced::at_its_next_fork(fleet.pids(Role::Zygote)[0]);
        fleet.signal(fleet.pids(Role::Worker)[0], Signal::KILL);
        let child = zygote.forked();
        let before = fleet.said().matches(" serves\n").count();
        let new_generation = || fleet.said().matches(" serves\n").count() > before;
        if is_in_time {
            fleet.tell(Signal::STOP);
            zygote.kill();
            child.let_go();
            eventually("the child's coming", || fleet.workers_there() == 2);
            let right = load.right();
            eventually("its answers", || load.right() > right + 100);
            fleet.tell(Signal::CONT);
            eventually("a new generation", new_generation);
        } else {
            zygote.kill();
            eventually("a new generation", new_generation);
            child.let_go();
        }
        fleet.await_whole_under_load();
    }
    load.end_flawless(100);
    fleet.await_whole();
    fleet.finish();
}

/// Nobody can kill a worker of which nobody has told, and it doesn't come as long as its zygote hangs.
#[test]
fn a_zygote_that_hangs_as_it_forks_ends_when_its_reload_is_given_up() {
    let fleet = Fleet::serve(1, &[]);
    let old = fleet.pids(Role::Zygote)[0];
    fleet.tell(Signal::HUP);
    let mut new = None;
    eventually("another zygote", || {
        new = fleet.pids(Role::Zygote).into_iter().find(|&pid| pid != old);
        new.is_some()
    });
    let zygote = Traced::at_its_next_fork(new.unwrap());
    let child = zygote.forked();
    // Who has hung for two seconds gives way to another reload.
    std::thread::sleep(Duration::from_secs(2));
    fleet.tell(Signal::HUP);
    zygote.await_kill();
    child.let_go();
    eventually("a new generation", || fleet.said().contains("generation 3 serves"));
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_zygote_that_dies_while_the_code_is_broken_is_replaced_when_it_is_mended() {
    let fleet = Fleet::serve(1, &[]);
    std::fs::write(fleet.path("boot.php"), "<?php throw new RuntimeException('broken');").unwrap();
    fleet.signal(fleet.pids(Role::Zygote)[0], Signal::KILL);
    eventually("a reload that fails", || fleet.said().contains("the reload has failed"));
    assert_eq!(fleet.get("/echo/a?q=q").unwrap().text(), "a q none", "what served before serves on");
    std::fs::write(fleet.path("boot.php"), "<?php").unwrap();
    fleet.await_whole();
    fleet.signal(fleet.pids(Role::Worker)[0], Signal::KILL);
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn when_the_master_is_killed_nothing_stays_behind() {
    for stuck in ["none", "loop", "sleep", "deaf"] {
        let mut fleet = Fleet::serve(2, &[]);
        if stuck != "none" {
            let _lost = fleet.ask_meanwhile("GET", format!("/never/{stuck}/stuck"));
            eventually("the request's start", || fleet.noted("stuck").len() == 1);
        }
        fleet.tell(Signal::KILL);
        assert_eq!(fleet.ended(), None, "with a worker in {stuck}");
    }
}

#[test]
fn when_zygote_and_master_are_killed_together_nothing_stays_behind() {
    let mut fleet = Fleet::serve(2, &[]);
    let _lost = fleet.ask_meanwhile("GET", "/never/loop/stuck".to_owned());
    eventually("the request's start", || fleet.noted("stuck").len() == 1);
    fleet.signal(fleet.pids(Role::Zygote)[0], Signal::KILL);
    fleet.tell(Signal::KILL);
    assert_eq!(fleet.ended(), None);
}

#[test]
fn processes_hold_only_descriptors_that_are_theirs() {
    let fleet = Fleet::serve(2, &[]);
    fleet.signal(fleet.pids(Role::Worker)[0], Signal::KILL);
    fleet.await_whole();
    for process in fleet.processes() {
        let all = processes::descriptors(process.pid);
        let sockets = all.iter().filter(|target| target.starts_with("socket:")).count();
        let lanes = all.iter().filter(|target| target.contains("lyger-lane")).count();
        match process.role {
            Role::Worker => assert_eq!((sockets, lanes), (0, 0), "a worker has its mapping and its bell: {all:?}"),
            Role::Zygote => assert_eq!((sockets, lanes), (1, 0), "a zygote has its link: {all:?}"),
            Role::Front => assert_eq!(lanes, 0, "the front has mapped them: {all:?}"),
            Role::Master => assert_eq!(lanes, 2, "the master keeps the living workers' lanes: {all:?}"),
            Role::Other => panic!("a stranger: {process:?}"),
        }
    }
    fleet.finish();
}

#[test]
fn a_front_that_has_gone_to_sleep_hears_of_each_answer_when_it_comes() {
    let fleet = Fleet::serve(1, &[]);
    let mut client = fleet.client();
    let began = Instant::now();
    // Long enough for the front to sleep in whatever way it has. One that is told late, or by its own timers only, takes minutes.
    for number in 0..400 {
        let reply = client.ask("GET", &format!("/echo/n{number}?us=3000&q=q"), b"").unwrap();
        assert_eq!(reply.text(), format!("n{number} q none"));
        assert!(began.elapsed() < PATIENCE, "{number} answers in all that time");
    }
    fleet.finish();
}

#[test]
fn the_front_that_was_asked_for_serves() {
    let fleet = Fleet::serve(1, &[]);
    let health = fleet.get("/health").unwrap().text();
    assert!(health.contains(&format!(r#""front":"{}""#, crate::front::front())), "{health}");
    fleet.finish();
}

#[cfg(feature = "zig-server")]
#[test]
fn where_the_system_denies_io_uring_axum_serves_and_says_why() {
    let mut fleet = Fleet::start_with(1, &["--front=uring"], &[], |folder| {
        let file = folder.join("without_rings.php");
        std::fs::write(folder.join("php.ini"), format!("auto_prepend_file = {}", file.display())).unwrap();
    });
    fleet.await_announcement();
    let why = "the front is axum and not uring: the system denies io_uring";
    assert!(fleet.said().contains(why), "{}", fleet.said());
    let health = fleet.get("/health").unwrap().text();
    assert!(health.contains(r#""front":"axum""#) && health.contains(why), "{health}");
    assert_eq!(fleet.get("/echo/a?q=q").unwrap().text(), "a q none");
    fleet.finish();
}
