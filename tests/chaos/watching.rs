//! `--watch`: who saves a file gets its code with the next answers, and a mistake costs nothing but a message.

use std::time::Duration;

use rustix::process::Signal;

use crate::fleet::{Fleet, eventually};
use crate::load::{Ask, Load};

fn save(fleet: &Fleet, file: &str, code: &str) {
    // Renamed into its place: a worker must not load half a file.
    std::fs::write(fleet.path("saved"), code).unwrap();
    std::fs::rename(fleet.path("saved"), fleet.path(file)).unwrap();
}

/// Waits until all workers run this version: the first of a generation takes requests while the others still load it.
fn answers(fleet: &Fleet, version: &str, generation: u32) {
    eventually("the generation", || fleet.said().contains(&format!("generation {generation} serves")));
    eventually(version, || fleet.get("/version/v").unwrap().text() == format!("v version {version}"));
}

#[test]
fn saved_code_answers_next_and_a_mistake_leaves_the_old_code_until_it_is_mended() {
    for how in ["--watch", "--watch=poll"] {
        let fleet = Fleet::serve(2, &[how]);
        let load = Load::start(fleet.port, 2, Duration::from_millis(2), |token, _| Ask::echo(token, 0));
        save(&fleet, "version.php", "<?php return 'two';");
        answers(&fleet, "two", 2);
        assert!(fleet.said().contains("version.php has changed"), "{}", fleet.said());
        save(&fleet, "version.php", "<?php return 'three' this is no PHP;");
        eventually("the mistake", || fleet.said().contains("the reload has failed"));
        assert!(fleet.said().contains("syntax error"), "{}", fleet.said());
        assert_eq!(fleet.get("/version/v").unwrap().text(), "v version two");
        save(&fleet, "version.php", "<?php return 'four';");
        answers(&fleet, "four", 4);
        load.end().assert_flawless(10);
        fleet.await_whole();
        fleet.finish();
    }
}

#[test]
fn what_is_saved_while_the_front_is_dead_is_loaded_too() {
    let fleet = Fleet::serve(1, &["--watch"]);
    let front = fleet.front();
    fleet.signal(front, Signal::STOP);
    save(&fleet, "version.php", "<?php return 'two';");
    fleet.signal(front, Signal::KILL);
    eventually("another front", || fleet.get("/version/v").is_ok_and(|reply| reply.text() == "v version two"));
    fleet.await_whole();
    save(&fleet, "version.php", "<?php return 'three';");
    answers(&fleet, "three", 3);
    fleet.finish();
}

#[test]
fn a_file_may_ask_for_it_and_without_it_saving_changes_nothing() {
    let mut fleet = Fleet::start(1, &[], |app| std::fs::write(app.join("lyger.toml"), "watch = true\n").unwrap());
    fleet.await_announcement();
    save(&fleet, "version.php", "<?php return 'two';");
    answers(&fleet, "two", 2);
    fleet.finish();
    let mut fleet = Fleet::start(1, &["--watch=sometimes"], |_| {});
    assert_eq!(fleet.ended(), Some(2));
    assert!(fleet.said().contains("true, false or poll"), "{}", fleet.said());
}
