//! Promise 9: slow clients cost the front some memory, and nobody else anything.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use tokio::io::AsyncWriteExt;

use crate::bare::Bare;
use crate::client::PATIENCE;
use crate::crowd::{self, Pace};
use crate::fleet::{Fleet, eventually, length, share};
use crate::load::{Ask, Load};
use crate::processes;
use crate::slow::{self, Slow};

#[test]
fn slow_clients_keep_no_worker_and_no_good_client_and_take_little_memory() {
    let each = share(5_000, 60, 200) as usize;
    let fleet = Fleet::serve(2, &slow::PATIENT);
    let front = fleet.front();
    assert_eq!(fleet.get("/echo/first?q=q").unwrap().status, 200);
    let before = processes::memory_bytes(front);
    let (grown, wrong) = crowd::block_on(async {
        let crowd = Slow::gather(fleet.port, each, each).await;
        // They have their answers to write and wait for nobody's reading.
        slow::await_idle(&fleet).await;
        let grown = slow::settled_bytes(front).await - before;
        let load = Load::start(fleet.port, 4, Duration::from_millis(1), |token, number| match number % 3 {
            0 => Ask::post(token, 5_000),
            1 => Ask::big(token, 50_000),
            _ => Ask::echo(token, 0),
        });
        tokio::time::sleep(length(60)).await;
        let few = load.right() < 50;
        while few && load.right() < 50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        load.end_flawless(50);
        (grown, crowd.finish().await)
    });
    assert!(wrong.is_empty(), "{} of {}: {:#?}", wrong.len(), 2 * each, &wrong[..wrong.len().min(10)]);
    fleet.await_whole();
    fleet.finish();

    let bare = Bare::start();
    let before = processes::memory_bytes(bare.pid());
    let (bare_grown, wrong) = crowd::block_on(async {
        let crowd = Slow::gather(bare.port, each, each).await;
        (slow::settled_bytes(bare.pid()).await - before, crowd.finish().await)
    });
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(10)]);
    let ratio = grown as f64 / bare_grown as f64;
    eprintln!(
        "2 x {each} connections: {} KiB in the front, {} KiB in a bare server: {ratio:.2}",
        grown >> 10,
        bare_grown >> 10
    );
    // Of some hundred connections what either process keeps for itself is a large part.
    let most = if each >= 1_000 { 1.2 } else { 2.0 };
    assert!(ratio <= most, "{grown} bytes, and a bare server takes {bare_grown}");
}

#[test]
fn clients_that_are_too_slow_are_ended_at_their_deadlines() {
    let each = share(2_000, 60, 100) as usize;
    let fleet = Fleet::serve(2, &["--head-timeout-ms=500", "--body-idle-timeout-ms=500", "--write-timeout-ms=500"]);
    let load = Load::start(fleet.port, 2, Duration::from_millis(1), |token, _| Ask::big(token, 20_000));
    eventually("the load's connections", || load.right() > 10);
    let before = processes::descriptors(fleet.front()).len();
    crowd::block_on(async {
        let mut clients = Vec::new();
        for number in 0..each {
            let mut stream = crowd::connect(fleet.port, true).await.unwrap();
            let (request, is_told) = match number % 3 {
                0 => ("GET /echo/slow HTTP/1.1\r\nHost".to_owned(), true),
                1 => ("POST /echo/slow HTTP/1.1\r\nHost: chaos\r\nContent-Length: 9\r\n\r\n12345".to_owned(), true),
                _ => (crowd::get("/big/unread?times=1000000"), false),
            };
            stream.write_all(request.as_bytes()).await.unwrap();
            clients.push((stream, is_told));
        }
        let told = |head: &str| head.starts_with("HTTP/1.1 408 ");
        for (mut stream, is_told) in clients {
            if is_told {
                let head = crowd::read_head(&mut stream).await.unwrap();
                assert!(told(&head), "{head:?}");
            } else {
                // What it has not read by then is cut off.
                eventually_few(&fleet, before).await;
                let cut = crowd::read_lines(&mut stream, "unread", 1_000_000, Pace::FULL).await;
                assert!(cut.unwrap_err().contains(" of "), "an answer that nobody read was kept");
            }
        }
    });
    load.end_flawless(50);
    fleet.await_whole();
    fleet.finish();
}

/// Waits until the front has no more descriptors than before, but for some that it may open for itself.
async fn eventually_few(fleet: &Fleet, before: usize) {
    let until = Instant::now() + PATIENCE;
    while processes::descriptors(fleet.front()).len() > before + 3 {
        assert!(Instant::now() < until, "connections stay");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn the_front_takes_as_many_connections_as_the_system_lets_it() {
    // Nobody makes room by being silent.
    let fleet = Fleet::serve(1, &["--idle-timeout-ms=3600000"]);
    let hard = getrlimit(Resource::Nofile).maximum;
    let master = Pid::from_raw(fleet.master());
    prlimit(master, Resource::Nofile, Rlimit { current: Some(64), maximum: hard }).unwrap();
    let front = fleet.front();
    fleet.signal(front, Signal::KILL); // the next one has what the master has
    eventually("another front", || {
        fleet.processes().iter().any(|other| other.role == processes::Role::Front && other.pid != front)
    });
    fleet.await_whole();
    let mut clients: Vec<_> = (0..500).map(|_| fleet.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let reply = client.ask("GET", &format!("/echo/c{number}?q=q"), b"").unwrap();
        assert_eq!(reply.text(), format!("c{number} q none"));
    }
    drop(clients);
    fleet.finish();
}
