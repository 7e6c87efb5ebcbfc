//! The Redis-compatible server: `make bench-resp`, `target/bench/resp.json`.
//!
//! lyger-resp beside Debian's redis-server: each alone on the first core while redis-benchmark has the second, with values of 100
//! bytes, 50 clients, and 1, 16 and 64 requests of each under way. What counts is what an operation costs the server, as the
//! kernel counts its time; beside it stand the time of the clock and the clients' p99. Then two threads beside one, PINGs
//! beside a thousand idle clients, and a store written in C++ behind the C ABI beside the table. `LYGER_BENCH_SHORT=1` is for
//! trying, `LYGER_BENCH_CASES` picks cases by a part of their names.
#![cfg(target_os = "linux")]

#[path = "resp/load.rs"]
mod load;
#[path = "resp/server.rs"]
mod server;
#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

use std::net::TcpStream;

use load::{Cost, Load};
use server::{KEYS, Server};
use support::{Case, Comparison, Metric, PAIRS, PAIRS_SHORT, absent, compare, is_short, is_wanted};

const SERVER_CORE: &str = "0";
const CLIENT_CORE: &str = "1";
const ALL_CORES: &str = "0-1";

const BESIDE_EACH_OTHER: &str = "server and clients on a core each";
const SHARED: &str = "server and clients on the same two cores";

/// Marks of issue 6, per CPU-second of the server: depth, GET, SET.
const MARKS: [(u32, f64, f64); 3] = [(1, 1.1, 1.1), (16, 1.4, 2.0), (64, 1.6, 2.8)];
/// Two threads should do 1.8 times as much as one.
const SCALING: f64 = 1.8;
/// What of the table's throughput is left to a store behind the C ABI.
const FOREIGN: f64 = 0.85;
/// As many as CPUs' caches hold in either store: what differs then is what the ABI costs. Of more, the map's entries are waited for one
/// by one, because a store behind the ABI is asked for one key at a time; the table's are fetched ahead.
const FEW_KEYS: usize = 1_000;

/// What a PING may take beside so many clients that say nothing, on two threads.
const IDLE: &str = "PING beside 1,000 idle clients";
const IDLE_CLIENTS: usize = 1_000;
const IDLE_P99_MS: f64 = 5.0;

fn main() -> std::io::Result<()> {
    let mut comparisons = Vec::new();
    beside_redis(&mut comparisons)?;
    if is_wanted("two threads") {
        two_threads(&mut comparisons)?;
    }
    if is_wanted(IDLE) {
        beside_idle_clients(&mut comparisons)?;
    }
    foreign(&mut comparisons)?;
    support::report("resp", &comparisons)
}

fn beside_redis(comparisons: &mut Vec<Comparison>) -> std::io::Result<()> {
    let mut servers = None;
    for (depth, get, set) in MARKS {
        for (command, mark) in [("SET", set), ("GET", get)] {
            let name = format!("{command}, depth {depth}");
            if !is_wanted(&name) {
                continue;
            }
            let (lyger, redis) = match &mut servers {
                Some(servers) => servers,
                None => servers.insert((Server::lyger(1, SERVER_CORE)?, Server::redis(SERVER_CORE)?)),
            };
            let load = Load { command, depth, keys: KEYS, threads: 1, core: CLIENT_CORE };
            let pairs = take_turns(|| load.run(lyger), || load.run(redis))?;
            let costs =
                Costs { name: &name, placement: BESIDE_EACH_OTHER, subject: "lyger-resp", peer: "redis-server", pairs };
            comparisons.push(Comparison { ratio_min: Some(mark), ..costs.cpu() });
            comparisons.push(costs.wall());
            comparisons.push(Comparison { ratio_min: Some(1.0), ..costs.p99() });
        }
    }
    Ok(())
}

/// The mark is for a machine that has cores for both threads and for their clients. Elsewhere what counts is what an operation
/// costs: as much with two threads as with one is what lets them do twice as much.
fn two_threads(comparisons: &mut Vec<Comparison>) -> std::io::Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    let (one, two) = (Server::lyger(1, ALL_CORES)?, Server::lyger(2, ALL_CORES)?);
    for command in ["SET", "GET"] {
        let name = format!("{command}, depth 64, two threads");
        let load = |threads| Load { command, depth: 64, keys: KEYS, threads, core: ALL_CORES };
        let pairs = take_turns(|| load(2).run(&two), || load(1).run(&one))?;
        let costs =
            Costs { name: &name, placement: SHARED, subject: "two threads", peer: "one thread, one client's", pairs };
        comparisons.push(Comparison { ratio_min: (cores >= 4).then_some(SCALING), ..costs.wall() });
        comparisons.push(Comparison { ratio_min: Some(SCALING / 2.0), ..costs.cpu() });
    }
    if cores < 4 {
        absent("1.8 times by two threads", &format!("{cores} cores, which their clients need, too"));
    }
    Ok(())
}

fn beside_idle_clients(comparisons: &mut Vec<Comparison>) -> std::io::Result<()> {
    let (lyger, redis) = (Server::lyger(2, ALL_CORES)?, Server::redis(ALL_CORES)?);
    let crowd = |server: &Server| -> std::io::Result<Vec<TcpStream>> {
        (0..IDLE_CLIENTS).map(|_| TcpStream::connect(server.address)).collect()
    };
    let _crowds = (crowd(&lyger)?, crowd(&redis)?);
    let load = Load { command: "PING_MBULK", depth: 1, keys: KEYS, threads: 1, core: ALL_CORES };
    let pairs = take_turns(|| load.run(&lyger), || load.run(&redis))?;
    let costs = |peer, pairs| Costs { name: IDLE, placement: SHARED, subject: "two threads", peer, pairs };
    let promised = Cost { cpu_us: 0.0, wall_us: 0.0, p99_ms: IDLE_P99_MS };
    let against_mark = costs("mark", pairs.iter().map(|(ours, _)| (*ours, promised)).collect()).p99();
    comparisons.push(Comparison { ratio_min: Some(1.0), ..against_mark });
    comparisons.push(costs("redis-server", pairs).p99());
    Ok(())
}

fn foreign(comparisons: &mut Vec<Comparison>) -> std::io::Result<()> {
    let mut servers = None;
    for (keys, depth) in [(FEW_KEYS, 16), (FEW_KEYS, 64), (KEYS, 64)] {
        for command in ["SET", "GET"] {
            let name = format!("{command} over the C ABI, {depth} at once, {keys} keys");
            if !is_wanted(&name) {
                continue;
            }
            let (map, table) = match &mut servers {
                Some(servers) => servers,
                None => servers.insert((Server::foreign(1, SERVER_CORE)?, Server::lyger(1, SERVER_CORE)?)),
            };
            let load = Load { command, depth, keys, threads: 1, core: CLIENT_CORE };
            let pairs = take_turns(|| load.run(map), || load.run(table))?;
            let costs =
                Costs { name: &name, placement: BESIDE_EACH_OTHER, subject: "C++ map", peer: "the table", pairs };
            comparisons.push(Comparison { ratio_min: Some(FOREIGN), ..costs.cpu() });
            comparisons.push(costs.wall());
        }
    }
    Ok(())
}

type Run<'a> = &'a mut dyn FnMut() -> std::io::Result<Cost>;

/// Lets both take turns, the first place changing from pair to pair.
fn take_turns(
    mut subject: impl FnMut() -> std::io::Result<Cost>,
    mut peer: impl FnMut() -> std::io::Result<Cost>,
) -> std::io::Result<Vec<(Cost, Cost)>> {
    let pair = |subject: Run<'_>, peer: Run<'_>, number: usize| {
        if number.is_multiple_of(2) {
            let first = subject()?;
            return Ok((first, peer()?));
        }
        let first = peer()?;
        Ok((subject()?, first))
    };
    (0..if is_short() { PAIRS_SHORT } else { PAIRS }).map(|number| pair(&mut subject, &mut peer, number)).collect()
}

/// What came of a case's pairs.
struct Costs<'a> {
    name: &'a str,
    placement: &'static str,
    subject: &'a str,
    peer: &'a str,
    pairs: Vec<(Cost, Cost)>,
}

impl Costs<'_> {
    fn of(&self, metric: Metric, unit: &'static str, what: &str, number: fn(&Cost) -> f64) -> Comparison {
        let name = format!("{}{what}", self.name);
        let case = Case { name: &name, unit, placement: self.placement, metric, bytes: None };
        let pairs: Vec<(f64, f64)> = self.pairs.iter().map(|(subject, peer)| (number(subject), number(peer))).collect();
        compare(case, self.subject, self.peer, &pairs)
    }

    fn cpu(&self) -> Comparison {
        self.of(Metric::Cpu, "us an operation", "", |cost| cost.cpu_us)
    }

    fn wall(&self) -> Comparison {
        self.of(Metric::Wall, "us an operation", ", by the clock", |cost| cost.wall_us)
    }

    fn p99(&self) -> Comparison {
        self.of(Metric::Wall, "ms", ", p99", |cost| cost.p99_ms)
    }
}
