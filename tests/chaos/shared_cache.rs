//! One cache for all workers, which lives as long as the fleet.

use rustix::process::Signal;

use crate::fleet::{Fleet, eventually};

/// What a worker finds in the cache, and its pid.
fn find(fleet: &Fleet) -> (String, i32) {
    let text = fleet.get("/cache/color").unwrap().text();
    let (value, pid) = text.split_once(" in ").expect("a value and a pid");
    (value.to_owned(), pid.parse().expect("a pid"))
}

#[test]
fn all_workers_share_one_cache_which_outlives_workers_and_code() {
    let fleet = Fleet::serve(2, &[]);
    let put = fleet.get("/cache/color/blue").unwrap().text();
    assert_eq!(find(&fleet).0, "blue");
    // Whoever put it goes, and whoever comes finds it.
    let writer: i32 = put.strip_prefix("put in ").and_then(|pid| pid.parse().ok()).expect("a pid");
    fleet.signal(writer, Signal::KILL);
    fleet.await_whole();
    let (value, pid) = find(&fleet);
    assert!(value == "blue" && pid != writer);

    let before = fleet.said().matches(" serves\n").count();
    fleet.tell(Signal::HUP);
    eventually("the new generation", || fleet.said().matches(" serves\n").count() > before);
    eventually("a worker of it", || !fleet.pids(crate::processes::Role::Worker).contains(&pid));
    assert_eq!(find(&fleet).0, "blue");
    fleet.finish();
}
