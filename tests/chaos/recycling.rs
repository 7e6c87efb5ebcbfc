//! Promise 6: workers are replaced between requests, before they go.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::fleet::{Fleet, eventually, length};
use crate::load::{Ask, Load};
use crate::processes::{self, Role};

/// Asks `/health` on and on, and keeps the smallest number of workers that took requests.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(u64, u64)>,
}

impl Watch {
    fn start(fleet: &Fleet) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (mut client, stopped) = (fleet.client(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let (mut fewest, mut looks) = (u64::MAX, 0);
            while !stopped.load(Ordering::Relaxed) {
                let health = client.ask("GET", "/health", b"").unwrap().text();
                let health: serde_json::Value = serde_json::from_str(&health).unwrap();
                let number = |name: &str| health["workers"][name].as_u64().unwrap();
                fewest = fewest.min(number("ready") + number("busy"));
                looks += 1;
                std::thread::sleep(Duration::from_micros(300));
            }
            (fewest, looks)
        });
        Self { stop, thread }
    }

    fn assert_never_below(self, workers: u64) {
        self.stop.store(true, Ordering::Relaxed);
        let (fewest, looks) = self.thread.join().unwrap();
        assert!(looks > 10, "it hardly looked");
        assert!(fewest >= workers, "once only {fewest} of {workers} workers took requests, in {looks} looks");
    }
}

#[test]
fn workers_that_have_served_enough_are_replaced_before_they_go() {
    let fleet = Fleet::serve(3, &["--requests-per-worker-max=50"]);
    let load = Load::start(fleet.port, 4, Duration::from_millis(1), |token, number| match number % 3 {
        0 => Ask::post(token, 2_000),
        1 => Ask::big(token, 20_000),
        _ => Ask::echo(token, 1_000),
    });
    let watch = Watch::start(&fleet);
    // These count how many requests each worker answered, as far as they see it.
    let counts = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
    let mut clients = Vec::new();
    let until = Instant::now() + length(60);
    for client in 0..3 {
        let (mut connection, counts) = (fleet.client(), Arc::clone(&counts));
        clients.push(std::thread::spawn(move || {
            for number in 0_u32.. {
                if Instant::now() >= until && number > 200 {
                    break;
                }
                let reply = connection.ask("GET", &format!("/pid/c{client}n{number}"), b"").unwrap();
                let text = reply.text();
                let (token, pid) = text.split_once(' ').unwrap();
                assert_eq!((reply.status, token), (200, format!("c{client}n{number}").as_str()));
                *counts.lock().unwrap().entry(pid.to_owned()).or_default() += 1;
            }
        }));
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
    watch.assert_never_below(3);
    load.end_flawless(100);
    assert!(counts.lock().unwrap().len() > 6, "workers were replaced: {:?}", counts.lock().unwrap());
    assert!(!fleet.said().contains("has ended"), "all of them left by themselves: {}", fleet.said());
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn workers_that_began_together_do_not_leave_together() {
    let fleet = Fleet::serve(4, &["--requests-per-worker-max=50"]);
    // One request at a time, and not so fast that neighbours ask for replacements while one is still starting: a worker
    // goes on until its replacement is there.
    let (mut client, mut counts) = (fleet.client(), BTreeMap::<String, u32>::new());
    eventually("eight workers have left", || {
        for number in 0..100 {
            let text = client.ask("GET", &format!("/pid/n{number}"), b"").unwrap().text();
            *counts.entry(text.split_once(' ').unwrap().1.to_owned()).or_default() += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        counts.len() >= 12
    });
    let alive: Vec<String> = fleet.pids(Role::Worker).iter().map(ToString::to_string).collect();
    counts.retain(|pid, _| !alive.contains(pid));
    assert!(counts.values().all(|&count| count >= 45), "none left early: {counts:?}");
    let first = counts.values().next().unwrap();
    assert!(counts.values().any(|count| count != first), "all left after the same number: {counts:?}");
    fleet.finish();
}

#[test]
fn workers_that_grow_are_replaced_before_they_go() {
    const LIMIT: u64 = 24 << 20;
    let fleet = Fleet::serve(2, &[&format!("--memory-per-worker-bytes-max={LIMIT}")]);
    let watch = Watch::start(&fleet);
    let load = Load::start(fleet.port, 2, Duration::from_millis(2), |token, _| {
        Ask::get("/leak", token, &[200], format!("{token} leaked"))
    });
    let (first, until) = (fleet.pids(Role::Worker), Instant::now() + length(60));
    let mut largest = 0;
    while Instant::now() < until {
        let workers = fleet.pids(Role::Worker);
        largest = workers.iter().map(|&pid| processes::memory_bytes(pid)).fold(largest, u64::max);
        std::thread::sleep(Duration::from_millis(20));
    }
    eventually("other workers", || !fleet.pids(Role::Worker).iter().any(|pid| first.contains(pid)));
    watch.assert_never_below(2);
    load.end_flawless(50);
    // What comes while the replacement boots makes it larger still: the limit is one that is asked for, not one that is kept.
    assert!(largest < 20 * LIMIT, "a worker grew to {largest} bytes");
    assert!(!fleet.said().contains("has ended"), "all of them left by themselves: {}", fleet.said());
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_worker_whose_replacement_does_not_boot_serves_on() {
    let fleet = Fleet::serve(2, &["--requests-per-worker-max=20"]);
    let (old, watch) = (fleet.pids(Role::Worker), Watch::start(&fleet));
    std::fs::write(fleet.path("boot.php"), "<?php throw new RuntimeException('broken meanwhile');").unwrap();
    let load = Load::start(fleet.port, 2, Duration::from_millis(1), |token, _| Ask::echo(token, 0));
    eventually("a failure", || fleet.said().contains("did not boot") && fleet.said().contains("broken meanwhile"));
    let before = load.right();
    eventually("requests beyond the limit", || load.right() > before + 100);
    assert!(old.iter().all(|pid| fleet.pids(Role::Worker).contains(pid)), "the old ones are there");
    watch.assert_never_below(2);
    std::fs::write(fleet.path("boot.php"), "<?php").unwrap();
    eventually("other workers", || !fleet.pids(Role::Worker).iter().any(|pid| old.contains(pid)));
    load.end_flawless(100);
    fleet.await_whole();
    fleet.finish();
}
