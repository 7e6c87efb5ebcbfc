//! What thousands of slow clients cost the good ones, and the front's memory: `make bench-crowd`, `target/bench/crowd.json`.
//!
//! Each pair has a fleet of its own, with the installed library: good clients ask at a fixed rate, the crowd comes, they ask
//! again, the crowd goes. Then the same crowd comes to a bare hyper server. `LYGER_BENCH_SHORT=1` is for trying it: few
//! connections, few pairs, and nothing written. `LYGER_BENCH_CASES` picks cases by a part of their names.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/chaos/bare.rs"]
mod bare;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/chaos/client.rs"]
mod client;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/chaos/crowd.rs"]
mod crowd;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/chaos/fleet.rs"]
mod fleet;
#[path = "../tests/support/front.rs"]
mod front;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/chaos/processes.rs"]
mod processes;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/chaos/slow.rs"]
mod slow;
#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

use std::time::{Duration, Instant};

use bare::Bare;
use client::Client;
use fleet::Fleet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use slow::Slow;
use support::{Case, Comparison, Metric, compare};

/// Moderate: together they ask 800 times a second, which keeps no core busy.
const GOOD_CLIENTS: u32 = 8;
const GOOD_CLIENTS_PAUSE: Duration = Duration::from_millis(10);
/// Workers come, and code is compiled, within this time.
const WARM_UP: Duration = Duration::from_secs(1);
const WORKERS: usize = 2;

/// First marks of issue 3: the good clients' p99 against what it was before, and the memory against a bare server's.
const P99_MARK: f64 = 2.0;
const MEMORY_MARK: f64 = 1.2;

const PLACEMENT: &str = "server, crowd and good clients share all cores";

/// How much is measured.
struct Extent {
    pairs: usize,
    /// Slow connections of one kind.
    slow: usize,
    /// How long the good clients ask, before and during.
    asking: Duration,
}

const FULL: Extent = Extent { pairs: 7, slow: 5_000, asking: Duration::from_secs(4) };
const SHORT: Extent = Extent { pairs: 2, slow: 500, asking: Duration::from_secs(1) };

/// How many of a crowd send a byte a second, and how many don't read.
#[derive(Clone, Copy)]
struct Shape {
    senders: usize,
    readers: usize,
}

/// What one pair came to: milliseconds of the good clients, and bytes of a crowd.
struct Pair {
    before: Waits,
    during: Waits,
    grown: u64,
    bare_grown: u64,
}

struct Waits {
    p50: f64,
    p99: f64,
}

fn main() -> std::io::Result<()> {
    bare::serve_if_told();
    let extent = if support::is_short() { SHORT } else { FULL };
    make_room(2 * extent.slow);
    let slow = extent.slow;
    let cases = [
        (format!("{slow} that send a byte a second"), Shape { senders: slow, readers: 0 }),
        (format!("{slow} that don't read"), Shape { senders: 0, readers: slow }),
        (format!("{slow} of each"), Shape { senders: slow, readers: slow }),
    ];
    let mut comparisons = Vec::new();
    for (name, shape) in cases.into_iter().filter(|(name, _)| support::is_wanted(name)) {
        let pairs: Vec<Pair> = (1..=extent.pairs)
            .map(|number| {
                let pair = measure(shape, extent.asking);
                let Pair { before, during, grown, bare_grown } = &pair;
                println!(
                    "{name}, pair {number}: p99 {:.2} ms, then {:.2} ms; {} KiB, a bare server's {} KiB",
                    before.p99,
                    during.p99,
                    grown >> 10,
                    bare_grown >> 10
                );
                pair
            })
            .collect();
        comparisons.extend(compared(&name, &pairs));
    }
    println!("\nPeer \"mark\" is what was promised; \"before\" are the same clients without the crowd.");
    support::report("crowd", &comparisons)
}

/// Every connection is a descriptor here and one in the server, which inherits the limit.
fn make_room(connections: usize) {
    let needed = connections as u64 + 200;
    let hard = getrlimit(Resource::Nofile).maximum;
    assert!(hard.is_none_or(|hard| hard >= needed), "this takes {needed} descriptors: `ulimit -n` allows {hard:?}");
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }).expect("up to the hard limit anyone may");
}

fn measure(shape: Shape, asking: Duration) -> Pair {
    let prepare = |folder: &std::path::Path| {
        // With opcache, as servers have it; and files that have just been copied are cached, too.
        let ini = "opcache.enable_cli=1\nopcache.file_update_protection=0\n";
        std::fs::write(folder.join("bench.ini"), ini).expect("a new folder");
    };
    // No library is named: the installed one is found.
    let mut fleet = Fleet::start_with(WORKERS, &slow::PATIENT, &[("LYGER_LIBRARY", "")], prepare);
    fleet.await_announcement();
    let (port, front) = (fleet.port, fleet.front());
    ask(port, WARM_UP);
    let before = ask(port, asking);
    let own = processes::memory_bytes(front);
    let (during, grown) = crowd::block_on(async {
        let _crowd = Slow::gather(port, shape.senders, shape.readers).await;
        slow::await_idle(&fleet).await;
        let grown = slow::settled_bytes(front).await.saturating_sub(own);
        // In a thread, because the crowd goes on in this one.
        let during = tokio::task::spawn_blocking(move || ask(port, asking)).await.expect("every answer is right");
        (during, grown)
    });
    fleet.finish();

    let bare = Bare::start();
    ask(bare.port, WARM_UP);
    let own = processes::memory_bytes(bare.pid());
    let bare_grown = crowd::block_on(async {
        let _crowd = Slow::gather(bare.port, shape.senders, shape.readers).await;
        slow::settled_bytes(bare.pid()).await.saturating_sub(own)
    });
    Pair { before, during, grown, bare_grown }
}

/// Good clients, on connections that they keep. They ask at fixed moments: who waits for an answer in vain asks late, and
/// that counts, too.
fn ask(port: u16, asking: Duration) -> Waits {
    let began = Instant::now();
    let good = |client: u32| {
        let mut connection = Client::connect(port).expect("a server that listens");
        let mut waits = Vec::new();
        for number in 0.. {
            // Not all of them in the same moment.
            let due = began + GOOD_CLIENTS_PAUSE * number + GOOD_CLIENTS_PAUSE * client / GOOD_CLIENTS;
            if due - began > asking {
                break;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let token = format!("good{client}x{number}");
            let reply = connection.ask("GET", &format!("/big/{token}?times=1"), b"").expect("an answer");
            assert_eq!((reply.status, reply.text()), (200, format!("{token}\n")));
            waits.push(due.elapsed().as_secs_f64() * 1e3);
        }
        waits
    };
    let mut waits: Vec<f64> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..GOOD_CLIENTS).map(|client| scope.spawn(move || good(client))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("every answer is right")).collect()
    });
    waits.sort_by(f64::total_cmp);
    let part = |part: f64| waits[(part * waits.len() as f64).ceil() as usize - 1];
    Waits { p50: part(0.5), p99: part(0.99) }
}

fn compared(name: &str, pairs: &[Pair]) -> Vec<Comparison> {
    let of = |runs: &dyn Fn(&Pair) -> (f64, f64)| pairs.iter().map(runs).collect::<Vec<_>>();
    let against_mark = |case: Case, runs: &[(f64, f64)], mark: f64| {
        let runs: Vec<_> = runs.iter().map(|(subject, peer)| (*subject, peer * mark)).collect();
        Comparison { ratio_min: Some(1.0), ..compare(case, "lyger", "mark", &runs) }
    };
    let (p50, p99, memory) = (
        of(&|pair| (pair.during.p50, pair.before.p50)),
        of(&|pair| (pair.during.p99, pair.before.p99)),
        of(&|pair| (pair.grown as f64 / 1024.0, pair.bare_grown as f64 / 1024.0)),
    );
    let (p50_name, p99_name) = (format!("{name}, p50 of the others"), format!("{name}, p99 of the others"));
    let waits = |name| Case { name, unit: "ms", placement: PLACEMENT, metric: Metric::Wall, bytes: None };
    let memory_name = format!("{name}, memory");
    let bytes = Case { name: &memory_name, unit: "KiB", placement: PLACEMENT, metric: Metric::Memory, bytes: None };
    vec![
        compare(waits(&p50_name), "lyger", "before", &p50),
        compare(waits(&p99_name), "lyger", "before", &p99),
        against_mark(waits(&p99_name), &p99, P99_MARK),
        compare(bytes, "lyger", "bare hyper", &memory),
        against_mark(bytes, &memory, MEMORY_MARK),
    ]
}
