//! Clients that are as slow as can be, and what they cost: for the tests of slow clients, and for their bench.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::client::PATIENCE;
use crate::crowd::{self, Pace};
use crate::fleet::Fleet;
use crate::processes;

/// Limits that would end these clients, which is another test's matter.
pub(crate) const PATIENT: [&str; 7] = [
    "--head-timeout-ms=3600000",
    "--body-idle-timeout-ms=3600000",
    "--write-timeout-ms=3600000",
    "--request-timeout-ms=3600000",
    "--queue-timeout-ms=3600000",
    "--queue-max=100000",
    "--drain-timeout-ms=60000",
];

/// What a sender's body has in the end.
const BODY_BYTES: usize = 100_000;

/// So many connect at once: fewer than any listening socket holds. Past that the kernel hands out SYN cookies, and on a loaded
/// machine answers some of them with a reset.
const BATCH: usize = 250;

/// Lines of the answers that nobody reads. Every 50th answer is longer than all that a lane holds.
fn lines(number: usize) -> usize {
    if number.is_multiple_of(50) { 60_000 } else { 6_000 }
}

/// The crowd. It stays as it is until [`Slow::finish`], and then wants what is its own; dropped, it goes away.
pub(crate) struct Slow {
    clients: JoinSet<Result<(), String>>,
    go_on: watch::Sender<bool>,
}

impl Slow {
    /// Has so many connections send a byte a second, and so many not read what they asked for. All are there when this returns.
    pub(crate) async fn gather(port: u16, senders: usize, readers: usize) -> Self {
        let (here, mut arrived) = mpsc::unbounded_channel();
        let (go_on, on) = watch::channel(false);
        let mut clients = JoinSet::new();
        let all: Vec<_> = (0..readers).map(|number| (number, false)).chain((0..senders).map(|n| (n, true))).collect();
        for batch in all.chunks(BATCH) {
            for &(number, sends) in batch {
                if sends {
                    // Together they would send all their bytes in one moment of each second.
                    let first = Duration::from_secs(1) * number as u32 / senders as u32;
                    clients.spawn_local(send_slowly(port, number, first, here.clone(), on.clone()));
                } else {
                    clients.spawn_local(read_later(port, number, here.clone(), on.clone()));
                }
            }
            for _ in batch {
                tokio::select! {
                    _ = arrived.recv() => {}
                    Some(left) = clients.join_next() => panic!("it did not stay: {left:?}"),
                }
            }
            // The server has taken the whole batch when it answers one that came after them.
            let mut last = crowd::connect(port, false).await.unwrap();
            crowd::ask_lines(&mut last, "last", 1, Pace::FULL).await.unwrap();
        }
        Self { clients, go_on }
    }

    /// Has all of them read and send the rest at full speed; says what was wrong.
    pub(crate) async fn finish(mut self) -> Vec<String> {
        let _ = self.go_on.send(true); // nobody listens when all of them have ended with an error
        let mut wrong = Vec::new();
        while let Some(client) = self.clients.join_next().await {
            wrong.extend(client.unwrap().err());
        }
        wrong
    }
}

async fn read_later(
    port: u16,
    number: usize,
    here: mpsc::UnboundedSender<()>,
    mut on: watch::Receiver<bool>,
) -> Result<(), String> {
    let token = format!("reader{number}");
    let failed = |error: std::io::Error| format!("{token}: {error}");
    let mut stream = crowd::connect(port, true).await.map_err(failed)?;
    let request = crowd::get(&format!("/big/{token}?times={}", lines(number)));
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let _ = here.send(());
    let _ = on.wait_for(|on| *on).await;
    crowd::read_lines(&mut stream, &token, lines(number), Pace::FULL).await
}

/// Within a head, or within a body.
async fn send_slowly(
    port: u16,
    number: usize,
    first: Duration,
    here: mpsc::UnboundedSender<()>,
    mut on: watch::Receiver<bool>,
) -> Result<(), String> {
    let token = format!("sender{number}");
    let failed = |error: std::io::Error| format!("{token}: {error}");
    let mut stream = crowd::connect(port, false).await.map_err(failed)?;
    let in_head = number.is_multiple_of(2);
    let length = format!("Content-Length: {BODY_BYTES}\r\n");
    let (method, framing, end) = if in_head { ("GET", "", "X-Slow: ") } else { ("POST", length.as_str(), "\r\n") };
    let head = format!("{method} /big/{token}?times=1 HTTP/1.1\r\nHost: chaos\r\n{framing}{end}");
    stream.write_all(head.as_bytes()).await.map_err(failed)?;
    let _ = here.send(());
    let (mut sent, mut pause) = (0, first);
    while tokio::time::timeout(pause, on.wait_for(|on| *on)).await.is_err() {
        stream.write_all(b"x").await.map_err(failed)?;
        sent += 1;
        pause = Duration::from_secs(1);
    }
    let rest = if in_head { "\r\n\r\n".to_owned() } else { "x".repeat(BODY_BYTES - sent) };
    stream.write_all(rest.as_bytes()).await.map_err(failed)?;
    crowd::read_lines(&mut stream, &token, 1, Pace::FULL).await
}

/// Waits until no worker is busy any more. The last of a crowd's requests has been answered when they are idle again and again.
pub(crate) async fn await_idle(fleet: &Fleet) {
    let all = format!("\"ready\":{},\"busy\":0", fleet.workers_wanted);
    let until = Instant::now() + 4 * PATIENCE;
    let mut idle = 0;
    while idle < 10 {
        assert!(Instant::now() < until, "workers wait for sockets");
        idle = if fleet.get("/health").unwrap().text().contains(&all) { idle + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The process's memory when it grows no more, in bytes.
pub(crate) async fn settled_bytes(pid: i32) -> u64 {
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
