//! Connections that had one request each, and rest.

use std::io;
use std::time::Duration;

use crate::clients::{Clients, Load};
use crate::servers::{Kind, Server, kilobytes};
use crate::support::{Case, Comparison, Metric, compare, is_short, is_wanted};
use crate::{PLACEMENT, present};

/// As many as a process may have descriptors for, at the limit that is usual for services.
const CONNECTIONS: usize = 15_000;

/// Over so many rings; each has a table of descriptors of its own.
const RINGS: u32 = 6;
const CONNECTIONS_OF_RINGS: usize = 100_000;

/// Of one process of clients: below its limit of descriptors.
const CONNECTIONS_OF_CLIENTS: usize = 17_000;

/// Bytes of the server's memory for each connection, at most.
const MARK: f64 = 512.0;

/// What a server has after this many is its own, and not the connections'.
const WARM_UP: usize = 100;

/// Runs of each: memory hardly varies.
const ROUNDS: usize = 3;

/// What a connection costs, in bytes.
struct Memory {
    user: f64,
    /// Of both ends, and whatever else happened on the machine.
    kernel: f64,
}

pub(crate) fn beside_others(comparisons: &mut Vec<Comparison>) -> io::Result<()> {
    let connections = if is_short() { CONNECTIONS / 10 } else { CONNECTIONS };
    let name = format!("{connections} idle connections");
    if !is_wanted(&name) {
        return Ok(());
    }
    let mut kinds = vec![Kind::Lyger];
    kinds.extend(present(&[Kind::Nginx, Kind::Bun]));
    let mut measured: Vec<Vec<Memory>> = kinds.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (who, kind) in kinds.iter().enumerate() {
            measured[who].push(measure(&Server::start(*kind)?, connections, 1)?);
        }
    }
    let ours = &measured[0];
    comparisons.push(mark(&name, Kind::Lyger, ours));
    for (who, kind) in kinds.iter().enumerate().skip(1) {
        let pairs = |number: fn(&Memory) -> f64| -> Vec<(f64, f64)> {
            ours.iter().zip(&measured[who]).map(|(ours, theirs)| (number(ours), number(theirs))).collect()
        };
        comparisons.push(compare(case(&name), Kind::Lyger.name(), kind.name(), &pairs(|memory| memory.user)));
        let kernel = format!("{name}, the kernel's memory for both ends");
        comparisons.push(compare(case(&kernel), Kind::Lyger.name(), kind.name(), &pairs(|memory| memory.kernel)));
    }
    comparisons[1..].sort_by_key(|comparison| comparison.case.contains("the kernel's"));
    Ok(())
}

pub(crate) fn on_several_rings(comparisons: &mut Vec<Comparison>) -> io::Result<()> {
    let connections = if is_short() { CONNECTIONS_OF_RINGS / 10 } else { CONNECTIONS_OF_RINGS };
    let name = format!("{connections} idle connections on {RINGS} rings");
    if !is_wanted(&name) {
        return Ok(());
    }
    let kind = Kind::Rings(RINGS);
    let processes = connections.div_ceil(CONNECTIONS_OF_CLIENTS);
    let memory = measure(&Server::start_on(kind, "0-1")?, connections, processes)?;
    println!("{name}: the kernel has {:.0} bytes for both ends of each", memory.kernel);
    comparisons.push(mark(&name, kind, &[memory]));
    Ok(())
}

fn case(name: &str) -> Case<'_> {
    Case { name, unit: "bytes a connection", placement: PLACEMENT, metric: Metric::Memory, bytes: None }
}

fn mark(name: &str, kind: Kind, measured: &[Memory]) -> Comparison {
    let pairs: Vec<(f64, f64)> = measured.iter().map(|memory| (memory.user, MARK)).collect();
    Comparison { ratio_min: Some(1.0), ..compare(case(name), kind.name(), "mark", &pairs) }
}

fn measure(server: &Server, connections: usize, processes: usize) -> io::Result<Memory> {
    let load = |connections| Load { kind: "http", connections, depth: 1 };
    let _warm = Clients::start(server.address(), load(WARM_UP), Duration::ZERO)?;
    let slab = || kilobytes("/proc/meminfo", "Slab:");
    let (own, kernel) = (server.memory_bytes()?, slab()?);
    let mut clients: Vec<Clients> = (0..processes)
        .map(|number| {
            Clients::begin(server.address_at(number as u8 + 1), load(connections / processes), Duration::ZERO)
        })
        .collect::<io::Result<_>>()?;
    clients.iter_mut().try_for_each(|each| each.expect("ready"))?;
    let count = (connections / processes * processes) as f64;
    Ok(Memory { user: (server.memory_bytes()? - own) / count, kernel: (slab()? - kernel) / count })
}
