//! What the system has not enough of is tried again; who serves meanwhile serves on.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use crate::fleet::{Fleet, eventually};
use crate::load::{Ask, Load};
use crate::processes::Role;

#[test]
fn without_descriptors_what_serves_goes_on_and_what_is_missing_comes_once_there_are_some() {
    let fleet = Fleet::serve(2, &[]);
    let master = Pid::from_raw(fleet.master());
    let load = Load::start(fleet.port, 4, Duration::from_millis(2), |token, _| Ask::echo(token, 0));
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile); // the fleet has inherited it
    let before = prlimit(master, Resource::Nofile, Rlimit { current: Some(3), maximum }).unwrap();

    fleet.tell(Signal::HUP);
    eventually("a reload that fails", || fleet.said().contains("the reload has failed"));
    assert!(fleet.said().contains("can't be started: Too many open files"), "{}", fleet.said());
    fleet.signal(fleet.pids(Role::Worker)[0], Signal::KILL);
    eventually("a worker that can't be replaced", || fleet.said().matches("can't be started").count() > 1);
    assert_eq!(fleet.get("/echo/alone").unwrap().status, 200);
    load.end_flawless(20);

    fleet.signal(fleet.front(), Signal::KILL);
    eventually("a front that can't be started", || fleet.said().contains("the front can't be started"));
    prlimit(master, Resource::Nofile, before).unwrap();
    fleet.await_whole();
    let before = fleet.said().matches(" serves\n").count();
    fleet.tell(Signal::HUP);
    eventually("a reload", || fleet.said().matches(" serves\n").count() > before);
    fleet.finish();
}
