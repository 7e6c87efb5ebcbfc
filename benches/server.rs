//! The io_uring server beside others: `make bench-server`, `target/bench/server.json`.
//!
//! Every server is a process of its own on the first core, with one thread that serves, while `lyger-load` has the second. In a round
//! each of them runs once, on a port that none had before, and whose turn is first changes from round to round. What counts is what a
//! request costs the server, as the kernel counts its time; beside it stands the time of the clock. Then system calls, messages of
//! WebSockets, and the memory of connections that rest. `LYGER_BENCH_SHORT=1` is for trying, `LYGER_BENCH_CASES` picks cases by a
//! part of their names.
#![cfg(target_os = "linux")]

#[path = "server/clients.rs"]
mod clients;
#[path = "server/idle.rs"]
mod idle;

#[path = "server/servers.rs"]
mod servers;
#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

use std::io;

use clients::{Cost, Load};
use servers::{Kind, Server};
use support::{Case, Comparison, Metric, PAIRS, PAIRS_SHORT, absent, compare, is_short, is_wanted};

const PLACEMENT: &str = "server and clients on a core each";

/// HTTP: what is measured, and the ratio to the best peer that issue 7 promises.
const HTTP: [(&str, Load, f64); 3] = [
    ("plaintext, 64 connections", Load { kind: "http", connections: 64, depth: 1 }, 1.0),
    ("plaintext, 256 connections", Load { kind: "http", connections: 256, depth: 1 }, 1.15),
    ("plaintext, 64 connections, pipelined by 16", Load { kind: "http", connections: 64, depth: 16 }, 1.3),
];

/// Messages beside Bun's.
const WEB_SOCKET: [(&str, Load, f64); 2] = [
    ("WebSocket echo, 64 connections", Load { kind: "websocket", connections: 64, depth: 1 }, 1.2),
    (
        "WebSocket echo, 64 connections, 16 messages at once",
        Load { kind: "websocket", connections: 64, depth: 16 },
        1.2,
    ),
];

/// System calls a request, at most.
const CALLS_MARK: f64 = 0.1;

fn main() -> io::Result<()> {
    let mut comparisons = Vec::new();
    for (name, load, mark) in HTTP {
        beside(name, &load, mark, &[Kind::Nginx, Kind::Axum, Kind::Hyper, Kind::Ntex, Kind::Bun], &mut comparisons)?;
    }
    for (name, load, mark) in WEB_SOCKET {
        beside(name, &load, mark, &[Kind::Bun], &mut comparisons)?;
    }
    for (name, load, _) in HTTP {
        system_calls(&format!("system calls, {name}"), &load, &mut comparisons)?;
    }
    idle::beside_others(&mut comparisons)?;
    idle::on_several_rings(&mut comparisons)?;
    support::report("server", &comparisons)
}

fn rounds() -> usize {
    if is_short() { PAIRS_SHORT } else { PAIRS }
}

/// Those whose program is there; the others are named as absent.
fn present(kinds: &[Kind]) -> Vec<Kind> {
    kinds
        .iter()
        .copied()
        .filter(|kind| {
            kind.missing().inspect(|program| absent(kind.name(), &format!("{program} is missing"))).is_none()
        })
        .collect()
}

fn beside(name: &str, load: &Load, mark: f64, peers: &[Kind], comparisons: &mut Vec<Comparison>) -> io::Result<()> {
    if !is_wanted(name) {
        return Ok(());
    }
    let mut kinds = vec![Kind::Lyger];
    kinds.extend(present(peers));
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); kinds.len()];
    for round in 0..rounds() {
        for turn in 0..kinds.len() {
            let who = (round + turn) % kinds.len();
            costs[who].push(load.run(&Server::start(kinds[who])?)?);
        }
    }
    for (who, kind) in kinds.iter().enumerate().skip(1) {
        let pairs = |number: fn(&Cost) -> f64| -> Vec<(f64, f64)> {
            costs[0].iter().zip(&costs[who]).map(|(ours, theirs)| (number(ours), number(theirs))).collect()
        };
        let case = |name, metric| Case { name, unit: "us a request", placement: PLACEMENT, metric, bytes: None };
        let cpu = compare(case(name, Metric::Cpu), Kind::Lyger.name(), kind.name(), &pairs(|cost| cost.cpu_us));
        comparisons.push(Comparison { ratio_min: Some(mark), ..cpu });
        let by_the_clock = format!("{name}, by the clock");
        let wall = case(&by_the_clock, Metric::Wall);
        comparisons.push(compare(wall, Kind::Lyger.name(), kind.name(), &pairs(|cost| cost.wall_us)));
    }
    // The table has a case's lines of one metric together.
    let begin = comparisons.len() - 2 * (kinds.len() - 1);
    comparisons[begin..].sort_by(|one, other| one.case.cmp(&other.case));
    Ok(())
}

/// Counted by the kernel's tracepoint of system calls, which `perf` reads.
fn system_calls(name: &str, load: &Load, comparisons: &mut Vec<Comparison>) -> io::Result<()> {
    if !is_wanted(name) {
        return Ok(());
    }
    let counted: io::Result<Vec<f64>> =
        (0..rounds().min(PAIRS_SHORT)).map(|_| load.calls(&Server::start(Kind::Lyger)?)).collect();
    let counted = match counted {
        Ok(counted) => counted,
        Err(error) => {
            absent("system calls", &format!("perf counts none: {error}"));
            return Ok(());
        }
    };
    let pairs: Vec<(f64, f64)> = counted.into_iter().map(|calls| (calls, CALLS_MARK)).collect();
    let case = Case { name, unit: "a request", placement: PLACEMENT, metric: Metric::Calls, bytes: None };
    comparisons.push(Comparison { ratio_min: Some(1.0), ..compare(case, Kind::Lyger.name(), "mark", &pairs) });
    Ok(())
}
