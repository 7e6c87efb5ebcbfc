//! Promise 9: slow clients cost the front some memory, and nobody else anything.

use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use tokio::io::AsyncWriteExt;
use tokio::sync::Barrier;

use crate::bare::Bare;
use crate::client::PATIENCE;
use crate::crowd::{self, Pace};
use crate::fleet::{Fleet, eventually, length, share};
use crate::load::{Ask, Load};
use crate::processes;

/// Limits that would end these clients, which is another test's matter.
const PATIENT: [&str; 7] = [
    "--head-timeout-ms=3600000",
    "--body-idle-timeout-ms=3600000",
    "--write-timeout-ms=3600000",
    "--request-timeout-ms=3600000",
    "--queue-timeout-ms=3600000",
    "--queue-max=100000",
    "--drain-timeout-ms=60000",
];

/// Lines of the answers that nobody reads. Every 50th answer is longer than all that a lane holds.
fn lines(number: usize) -> usize {
    if number.is_multiple_of(50) { 60_000 } else { 6_000 }
}

/// Has so many connections send a byte a second, and as many not read what they asked for. All of them stay as they are until
/// `meanwhile` is over, and then want what is theirs.
async fn crowd_of(port: u16, each: usize, meanwhile: impl AsyncFnOnce()) -> Vec<String> {
    let (all_here, go_on) = (Rc::new(Barrier::new(2 * each + 1)), Rc::new(Barrier::new(2 * each + 1)));
    let mut clients = Vec::new();
    for number in 0..each {
        let (here, on) = (Rc::clone(&all_here), Rc::clone(&go_on));
        clients.push(tokio::task::spawn_local(async move {
            let token = format!("reader{number}");
            let mut stream = crowd::connect(port, true).await.map_err(|error| format!("{token}: {error}"))?;
            let request = crowd::get(&format!("/big/{token}?times={}", lines(number)));
            let sent = stream.write_all(request.as_bytes()).await;
            here.wait().await;
            on.wait().await;
            sent.map_err(|error| format!("{token}: {error}"))?;
            crowd::read_lines(&mut stream, &token, lines(number), Pace::FULL).await
        }));
        let (here, on) = (Rc::clone(&all_here), Rc::clone(&go_on));
        clients.push(tokio::task::spawn_local(async move {
            let token = format!("sender{number}");
            let mut stream = crowd::connect(port, false).await.map_err(|error| format!("{token}: {error}"))?;
            // Within a head, or within a body.
            let (method, framing) = if number % 2 == 0 { ("GET", "") } else { ("POST", "Content-Length: 100000\r\n") };
            let head = format!("{method} /big/{token}?times=1 HTTP/1.1\r\nHost: chaos\r\n{framing}");
            let end = if number % 2 == 0 { "X-Slow: " } else { "\r\n" };
            let mut sent = stream.write_all(format!("{head}{end}").as_bytes()).await;
            here.wait().await;
            let mut slow = 0;
            let going_on = on.wait();
            tokio::pin!(going_on);
            while tokio::time::timeout(Duration::from_secs(1), &mut going_on).await.is_err() {
                sent = sent.and(stream.write_all(b"x").await);
                slow += 1;
            }
            let rest = if number % 2 == 0 { "\r\n\r\n".to_owned() } else { "x".repeat(100_000 - slow) };
            sent = sent.and(stream.write_all(rest.as_bytes()).await);
            sent.map_err(|error| format!("{token}: {error}"))?;
            crowd::read_lines(&mut stream, &token, 1, Pace::FULL).await
        }));
    }
    all_here.wait().await;
    meanwhile().await;
    go_on.wait().await;
    let mut wrong = Vec::new();
    for client in clients {
        wrong.extend(client.await.unwrap().err());
    }
    wrong
}

/// The process's memory when it grows no more.
async fn settled_bytes(pid: i32) -> u64 {
    let until = Instant::now() + PATIENCE;
    let (mut bytes, mut same) = (processes::memory_bytes(pid), 0);
    while same < 5 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = processes::memory_bytes(pid);
        same = if now.abs_diff(bytes) < 65_536 { same + 1 } else { 0 };
        bytes = now;
    }
    bytes
}

#[test]
fn slow_clients_keep_no_worker_and_no_good_client_and_take_little_memory() {
    let each = share(5_000, 60, 200) as usize;
    let fleet = Fleet::serve(2, &PATIENT);
    let front = fleet.front();
    assert_eq!(fleet.get("/echo/first?q=q").unwrap().status, 200);
    let before = processes::memory_bytes(front);
    let mut grown = 0;
    let wrong = crowd::block_on(crowd_of(fleet.port, each, async || {
        // They have their answers to write and wait for nobody's reading.
        let is_idle = || fleet.get("/health").unwrap().text().contains("\"ready\":2,\"busy\":0");
        let until = Instant::now() + 4 * PATIENCE;
        // The last of the crowd's requests has been answered when the workers are idle again and again.
        let mut idle = 0;
        while idle < 10 {
            assert!(Instant::now() < until, "workers wait for sockets");
            idle = if is_idle() { idle + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        grown = settled_bytes(front).await - before;
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
    }));
    assert!(wrong.is_empty(), "{} of {}: {:#?}", wrong.len(), 2 * each, &wrong[..wrong.len().min(10)]);
    fleet.await_whole();
    fleet.finish();

    let bare = Bare::start();
    let before = processes::memory_bytes(bare.pid());
    let mut bare_grown = 0;
    let wrong = crowd::block_on(crowd_of(bare.port, each, async || {
        bare_grown = settled_bytes(bare.pid()).await - before;
    }));
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
                eventually_few(&fleet).await;
                let cut = crowd::read_lines(&mut stream, "unread", 1_000_000, Pace::FULL).await;
                assert!(cut.unwrap_err().contains(" of "), "an answer that nobody read was kept");
            }
        }
    });
    load.end_flawless(50);
    fleet.await_whole();
    fleet.finish();
}

/// Waits until the front has only the connections of the load and few others.
async fn eventually_few(fleet: &Fleet) {
    let until = Instant::now() + PATIENCE;
    while processes::descriptors(fleet.front()).len() > 60 {
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
