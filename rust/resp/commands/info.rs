//! INFO: the server in lines of `name:value`, in Redis's sections.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::connection::REDIS_VERSION;
use super::registry::REGISTRY;
use super::{Call, Outcome, Space};
use crate::cache::Stats;
use crate::resp::core::Core;
use crate::resp::tally::{OfCommand, Tally};

/// Those that INFO gives without being asked.
const DEFAULT: [&str; 9] =
    ["server", "clients", "memory", "persistence", "stats", "replication", "cpu", "errorstats", "keyspace"];
const EXTRA: [&str; 1] = ["commandstats"];

pub(crate) fn info(call: &mut Call<'_>) -> Outcome {
    let stats = match call.space {
        Space::Table(table) => Some(table.stats()),
        Space::Locked(_) => unreachable!("EXEC lets its locks go before"),
        Space::Foreign(_) => None,
    };
    let asked: Vec<String> =
        call.args.iter().skip(1).map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).collect();
    let wants = |name: &str| {
        let listed = |word: &str| asked.iter().any(|asked| asked == word);
        let by_default = DEFAULT.contains(&name) && (asked.is_empty() || listed("default"));
        by_default || listed(name) || listed("all") || listed("everything")
    };
    let mut text = String::new();
    for name in DEFAULT.into_iter().chain(EXTRA).filter(|name| wants(name)) {
        let Some((title, lines)) = section(name, call.core, stats.as_ref()) else { continue };
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "# {title}\r\n");
        for (name, value) in lines {
            let _ = write!(text, "{name}:{value}\r\n");
        }
    }
    call.reply.text(text.as_bytes());
    Ok(())
}

type Lines = Vec<(String, String)>;

/// `None` is one about a table where there is none.
fn section(name: &str, core: &Core, stats: Option<&Stats>) -> Option<(&'static str, Lines)> {
    Some(match name {
        "server" => ("Server", server(core)),
        "clients" => ("Clients", clients(core)),
        "memory" => ("Memory", memory(stats?)),
        "persistence" => ("Persistence", persistence(core)),
        "stats" => ("Stats", counters(core, stats)),
        "replication" => {
            let role = ("role".to_owned(), "master".to_owned());
            ("Replication", std::iter::once(role).chain(lines([("connected_slaves", 0)])).collect())
        }
        "cpu" => ("CPU", cpu()),
        "errorstats" => ("Errorstats", errors(core)),
        "commandstats" => ("Commandstats", commands(core)),
        _ => ("Keyspace", keyspace(stats?)),
    })
}

fn lines<const N: usize>(numbers: [(&str, u64); N]) -> Lines {
    numbers.into_iter().map(|(name, number)| (name.to_owned(), number.to_string())).collect()
}

fn server(core: &Core) -> Lines {
    let up_s = core.shared.started.elapsed().as_secs();
    let mut all = vec![
        ("redis_version".to_owned(), REDIS_VERSION.to_owned()),
        ("lyger_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("redis_mode".to_owned(), "standalone".to_owned()),
        ("os".to_owned(), format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ("multiplexing_api".to_owned(), "epoll".to_owned()),
        ("run_id".to_owned(), core.shared.run_id.clone()),
    ];
    all.extend(lines([
        ("arch_bits", u64::from(usize::BITS)),
        ("process_id", u64::from(std::process::id())),
        ("tcp_port", u64::from(core.shared.port)),
        ("threads", core.shared.settings.threads as u64),
        ("server_time_usec", core.now_ms * 1000),
        ("uptime_in_seconds", up_s),
        ("uptime_in_days", up_s / 86_400),
    ]));
    all
}

fn persistence(core: &Core) -> Lines {
    let snapshots = &core.shared.snapshots;
    let status = if snapshots.last_failed() { "err" } else { "ok" };
    let mut all = lines([
        ("loading", 0),
        ("rdb_bgsave_in_progress", u64::from(snapshots.is_in_background())),
        ("rdb_last_save_time", snapshots.last_save_s()),
        ("aof_enabled", 0),
    ]);
    all.push(("rdb_last_bgsave_status".to_owned(), status.to_owned()));
    all
}

fn clients(core: &Core) -> Lines {
    let cards = core.shared.cards.all();
    let listening = cards.iter().filter(|card| card.listens()).count();
    lines([
        ("connected_clients", cards.len() as u64),
        ("maxclients", core.shared.live.clients_max.load(std::sync::atomic::Ordering::Relaxed)),
        ("clients_bytes", core.shared.cards.held_bytes() as u64),
        ("blocked_clients", 0),
        ("pubsub_clients", listening as u64),
    ])
}

fn memory(stats: &Stats) -> Lines {
    let mut all = lines([
        ("used_memory", stats.memory_bytes),
        ("used_memory_dataset", stats.bytes),
        ("maxmemory", stats.bytes_max),
    ]);
    all.extend(lines(stats.shares()));
    all.push(("maxmemory_policy".to_owned(), "allkeys-s3fifo".to_owned()));
    all
}

fn sum(core: &Core, counter: impl Fn(&Tally) -> u64) -> u64 {
    core.shared.tallies.iter().map(|tally| counter(tally)).sum()
}

fn counters(core: &Core, stats: Option<&Stats>) -> Lines {
    let mut all = lines([
        ("total_connections_received", sum(core, |tally| tally.connections.get())),
        ("total_commands_processed", sum(core, |tally| tally.by_command.iter().map(|of| of.calls.get()).sum())),
        ("total_net_input_bytes", sum(core, |tally| tally.read_bytes.get())),
        ("total_net_output_bytes", sum(core, |tally| tally.sent_bytes.get())),
        ("rejected_connections", sum(core, |tally| tally.refused.get())),
        ("evicted_clients", sum(core, |tally| tally.evicted.get())),
        ("pubsub_channels", core.shared.hub.channels().len() as u64),
        ("pubsub_patterns", core.shared.hub.patterns() as u64),
        ("total_error_replies", sum(core, |tally| tally.errors.get())),
        ("eventloop_cycles", sum(core, |tally| tally.turns.get())),
        ("thread_restarts", core.shared.restarts.load(std::sync::atomic::Ordering::Relaxed)),
    ]);
    if let Some(stats) = stats {
        all.extend(lines([
            ("expired_keys", stats.expirations),
            ("evicted_keys", stats.evictions),
            ("recovered_shards", stats.recoveries),
            ("keyspace_hits", stats.hits),
            ("keyspace_misses", stats.misses),
        ]));
    }
    all
}

/// User and system time of the process, from the kernel.
fn cpu() -> Lines {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the command's name, which may hold anything but ends with the last parenthesis: state is field 3, utime 14.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
    let seconds = |place: usize| format!("{:.6}", ticks(place) / rustix::param::clock_ticks_per_second() as f64);
    vec![("used_cpu_sys".to_owned(), seconds(12)), ("used_cpu_user".to_owned(), seconds(11))]
}

fn errors(core: &Core) -> Lines {
    let mut all: BTreeMap<Box<[u8]>, u64> = BTreeMap::new();
    for tally in &core.shared.tallies {
        tally.error_codes().into_iter().for_each(|(code, count)| *all.entry(code).or_default() += count);
    }
    let line = |(code, count): (Box<[u8]>, u64)| {
        (format!("errorstat_{}", String::from_utf8_lossy(&code)), format!("count={count}"))
    };
    all.into_iter().map(line).collect()
}

fn commands(core: &Core) -> Lines {
    let of = |index: usize, counter: fn(&OfCommand) -> u64| sum(core, |tally| counter(&tally.by_command[index]));
    REGISTRY
        .all
        .iter()
        .enumerate()
        .map(|(index, command)| {
            let (calls, took_us) = (of(index, |of| of.calls.get()), of(index, |of| of.took_us.get()));
            let (rejected, failed) = (of(index, |of| of.rejected.get()), of(index, |of| of.failed.get()));
            let each = took_us as f64 / calls.max(1) as f64;
            let line = format!(
                "calls={calls},usec={took_us},usec_per_call={each:.2},rejected_calls={rejected},failed_calls={failed}"
            );
            (calls + rejected, (format!("cmdstat_{}", command.name), line))
        })
        .filter_map(|(used, line)| (used > 0).then_some(line))
        .collect()
}

fn keyspace(stats: &Stats) -> Lines {
    if stats.keys == 0 {
        return Vec::new();
    }
    vec![("db0".to_owned(), format!("keys={},expires={},avg_ttl=0", stats.keys, stats.keys_expiring))]
}
