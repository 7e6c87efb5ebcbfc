//! Promise 4: new code takes over without a lost request, and code that doesn't boot takes over nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::fleet::{Fleet, eventually, length, share};
use crate::load::{Ask, Load};
use crate::processes::Role;

fn write_version(fleet: &Fleet, version: u64) {
    // Renamed into its place: a worker must not load half a file.
    std::fs::write(fleet.path("version.new"), format!("<?php return {version};")).unwrap();
    std::fs::rename(fleet.path("version.new"), fleet.path("version.php")).unwrap();
}

/// How often a generation has been said to serve, after the first.
fn generations(fleet: &Fleet) -> usize {
    fleet.said().matches(" serves\n").count()
}

/// The version that answers.
fn version(fleet: &Fleet) -> String {
    fleet.get("/version/v").unwrap().text()
}

/// Everything: also requests that must not be run twice, and answers longer than a slot.
fn any(token: &str, number: u64) -> Ask {
    match number % 5 {
        0 => Ask::head(token),
        1 => Ask::echo(token, 3_000),
        2 => Ask::big(token, 40_000),
        3 => Ask::post(token, 20_000),
        _ => Ask::echo(token, 0),
    }
}

#[test]
fn a_hundred_reloads_under_load_lose_no_request_and_run_the_new_code() {
    let fleet = Fleet::serve(2, &[]);
    let load = Load::start(fleet.port, 6, Duration::from_millis(1), any);
    let (reloads, began, length) = (share(100, 60, 5), Instant::now(), length(60));
    for reload in 1..=reloads {
        let before = generations(&fleet);
        write_version(&fleet, reload + 1);
        fleet.tell(Signal::HUP);
        eventually("the new generation", || generations(&fleet) > before);
        let wanted = format!("v version {}", reload + 1);
        eventually("the new code", || version(&fleet) == wanted);
        for _ in 0..4 {
            assert_eq!(version(&fleet), wanted, "the old code does not come back");
        }
        // One after the other, evenly over the time.
        let due = length.mul_f64(reload as f64 / reloads as f64);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    load.end_flawless(100);
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn a_burst_of_reloads_ends_with_the_newest_code_and_loses_no_request() {
    let fleet = Fleet::serve(2, &[]);
    let load = Load::start(fleet.port, 4, Duration::from_millis(1), any);
    let said = Arc::new(AtomicU64::new(1));
    for signal in 0..100 {
        if signal % 10 == 0 {
            write_version(&fleet, said.fetch_add(1, Ordering::Relaxed) + 1);
        }
        fleet.tell(Signal::HUP);
        std::thread::sleep(Duration::from_millis(signal % 7));
    }
    eventually("the newest code", || version(&fleet) == "v version 11");
    fleet.await_whole_under_load();
    load.end_flawless(50);
    fleet.finish();
}

/// Ways not to boot, and what has to be told of each.
const BROKEN: [(&str, &[&str]); 6] = [
    ("<?php\n\nthis is no PHP;", &["syntax error", "boot.php", "3"]),
    (
        "<?php\nfunction deep() { throw new RuntimeException(\"first line\\nsecond line\", 7,\n    new LogicException('its cause')); }\ndeep();",
        &["first line", "second line", "its cause", "RuntimeException", "LogicException", "boot.php:2", "deep()"],
    ),
    ("<?php exit(0);", &["bootstrap.php has called exit()"]),
    ("<?php exit(1);", &["bootstrap.php has called exit()"]),
    ("<?php posix_kill(posix_getpid(), SIGSEGV);", &["signal 11"]),
    ("<?php ini_set('memory_limit', '8M'); str_repeat('x', 100000000);", &["Allowed memory size"]),
];

#[test]
fn code_that_does_not_boot_is_told_of_and_the_old_serves_on() {
    let fleet = Fleet::serve(2, &[]);
    let load = Load::start(fleet.port, 4, Duration::from_millis(1), any);
    for (number, (code, words)) in BROKEN.into_iter().enumerate() {
        let (workers, from) = (fleet.pids(Role::Worker), fleet.said().len());
        write_version(&fleet, number as u64 + 2);
        std::fs::write(fleet.path("boot.php"), code).unwrap();
        fleet.tell(Signal::HUP);
        eventually("the failure", || fleet.said()[from..].contains("the reload has failed"));
        // The words may come from another process, through another pipe.
        for word in words {
            eventually(&format!("{word:?} for {code:?} in {:?}", &fleet.said()[from..]), || {
                fleet.said()[from..].contains(word)
            });
        }
        assert_eq!(version(&fleet), "v version 1", "the old code serves");
        eventually("the new one's end", || fleet.processes().len() == 5 && fleet.pids(Role::Worker) == workers);
    }
    std::fs::write(fleet.path("boot.php"), "<?php").unwrap();
    fleet.tell(Signal::HUP);
    eventually("the mended code", || version(&fleet) == format!("v version {}", BROKEN.len() + 1));
    load.end_flawless(100);
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn an_application_that_never_booted_is_told_of_and_ends_with_4() {
    for (code, words) in BROKEN {
        let mut fleet = Fleet::start(2, &[], |app| std::fs::write(app.join("boot.php"), code).unwrap());
        assert_eq!(fleet.ended(), Some(4), "{code:?}: {}", fleet.said());
        for word in words {
            eventually(&format!("{word:?} for {code:?} in {:?}", fleet.said()), || fleet.said().contains(word));
        }
    }
}

#[test]
fn a_reload_waits_for_no_handler_and_the_old_worker_finishes_its_own() {
    let fleet = Fleet::serve(1, &[]);
    let held = fleet.ask_meanwhile("POST", "/hold/old".to_owned());
    eventually("the request's start", || fleet.noted("old").len() == 1);
    let old = fleet.noted("old")[0];
    // Given to the old worker's lane, behind the held one, and taken back from there.
    let behind: Vec<_> = (0..8).map(|number| fleet.ask_meanwhile("POST", format!("/echo/behind{number}"))).collect();
    write_version(&fleet, 2);
    fleet.tell(Signal::HUP);
    eventually("the new code", || version(&fleet) == "v version 2");
    for (number, behind) in behind.into_iter().enumerate() {
        assert!(behind.join().unwrap().unwrap().text().starts_with(&format!("behind{number} ")));
    }
    assert!(fleet.pids(Role::Worker).contains(&old), "it is still at its request");
    fleet.release("old");
    assert_eq!(held.join().unwrap().unwrap().text(), "held old");
    eventually("its end", || !fleet.pids(Role::Worker).contains(&old));
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn an_end_in_the_middle_of_a_reload_is_an_end() {
    let slow =
        "<?php file_put_contents(getenv('CHAOS_LOG'), getmypid() . \" booting\\n\", FILE_APPEND); usleep(400_000);";
    let mut fleet = Fleet::serve(2, &[]);
    let held = fleet.ask_meanwhile("GET", "/hold/held".to_owned());
    eventually("the request's start", || fleet.noted("held").len() == 1);
    std::fs::write(fleet.path("boot.php"), slow).unwrap();
    fleet.tell(Signal::HUP);
    eventually("the new ones' boot", || fleet.noted("booting").len() == 1);
    fleet.tell(Signal::TERM);
    fleet.tell(Signal::HUP);
    std::thread::sleep(Duration::from_millis(50)); // the drain goes on while the new ones boot, or come too late
    fleet.release("held");
    assert_eq!(held.join().unwrap().unwrap().text(), "held held");
    assert_eq!(fleet.ended(), Some(0), "{}", fleet.said());
}

#[test]
fn a_reload_that_fails_after_its_first_worker_has_come_loses_no_request() {
    let fleet = Fleet::serve(2, &[]);
    let every_second = "<?php $file = __DIR__ . '/loads'; $loads = (int) @file_get_contents($file);\
        file_put_contents($file, (string) ($loads + 1)); if ($loads % 2) { throw new Exception('not again'); }";
    std::fs::write(fleet.path("boot.php"), every_second).unwrap();
    let load = Load::start(fleet.port, 6, Duration::from_millis(1), |token, number| match number % 2 {
        0 => Ask::echo(token, 20_000),
        _ => Ask::post(token, 20_000),
    });
    for reload in 1..=share(20, 60, 4) {
        fleet.tell(Signal::HUP);
        let failed = || fleet.said().matches("the reload has failed").count() as u64;
        eventually("a reload that fails", || failed() >= reload);
    }
    load.end_flawless(50);
    std::fs::write(fleet.path("boot.php"), "<?php").unwrap();
    fleet.await_whole();
    fleet.finish();
}
