//! redis-benchmark, and what a run of it costs a server.

use std::io;
use std::path::Path;

use crate::server::{Server, VALUE_BYTES, pinned};
use crate::support::is_short;

/// Connections at once.
const CLIENTS: u32 = 50;

/// One command, over and over.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) command: &'a str,
    /// Requests of a client that are under way at once.
    pub(crate) depth: u32,
    /// Keys that it is about, at most those that are there.
    pub(crate) keys: usize,
    /// Threads of redis-benchmark.
    pub(crate) threads: u32,
    pub(crate) core: &'a str,
}

/// What an operation cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// The server's time in user and system mode.
    pub(crate) cpu_us: f64,
    /// By the clock.
    pub(crate) wall_us: f64,
    /// As the clients saw it.
    pub(crate) p99_ms: f64,
}

impl Load<'_> {
    /// About a second's worth for the slowest of them.
    fn requests(&self) -> u32 {
        let requests = match self.depth {
            1 => 100_000,
            2..=16 => 500_000,
            _ => 800_000,
        };
        if is_short() { requests / 5 } else { requests * self.threads }
    }

    /// Runs it once, and reads some replies back.
    pub(crate) fn run(&self, server: &Server) -> io::Result<Cost> {
        let requests = self.requests();
        let mut benchmark = pinned(self.core, Path::new("redis-benchmark"));
        benchmark.args(["-h", &server.address.ip().to_string(), "-p", &server.address.port().to_string(), "--csv"]);
        let numbers = [
            ("-c", CLIENTS.to_string()),
            ("-n", requests.to_string()),
            ("-d", VALUE_BYTES.to_string()),
            ("-r", self.keys.to_string()),
            ("-P", self.depth.to_string()),
            ("-t", self.command.to_lowercase()),
        ];
        benchmark.args(numbers.iter().flat_map(|(flag, number)| [*flag, number]));
        if self.threads > 1 {
            benchmark.args(["--threads", &self.threads.to_string()]);
        }
        let before = server.cpu_seconds()?;
        let output = benchmark.output()?;
        let cpu_seconds = server.cpu_seconds()? - before;
        server.check()?;
        // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("\"{}\",", self.command)));
        let numbers: Vec<f64> =
            line.unwrap_or_default().split(',').filter_map(|number| number.trim_matches('"').parse().ok()).collect();
        let [per_second, _, _, _, _, p99_ms, _] = numbers[..] else {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("redis-benchmark says {text:?} {errors:?}")));
        };
        Ok(Cost { cpu_us: cpu_seconds * 1e6 / f64::from(requests), wall_us: 1e6 / per_second, p99_ms })
    }
}
