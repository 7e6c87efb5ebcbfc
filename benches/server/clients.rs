//! One run of `lyger-load`, and what it costs a server.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::servers::{CLIENT_CORE, Server, pinned};
use crate::support::is_short;

/// Requests of one kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// What `lyger-load` calls it.
    pub(crate) kind: &'static str,
    pub(crate) connections: usize,
    /// Requests at once on each of them.
    pub(crate) depth: usize,
}

/// What a request cost, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// The server's time in user and system mode, all of its threads together.
    pub(crate) cpu_us: f64,
    /// By the clock.
    pub(crate) wall_us: f64,
}

impl Load {
    /// How long a run counts.
    fn duration() -> Duration {
        Duration::from_millis(if is_short() { 300 } else { 1000 })
    }

    pub(crate) fn run(&self, server: &Server) -> io::Result<Cost> {
        let (cost, _) = self.run_beside(server, || Ok(()))?;
        Ok(cost)
    }

    /// System calls a request.
    pub(crate) fn calls(&self, server: &Server) -> io::Result<f64> {
        let seconds = Self::duration().as_secs_f64() / 2.0;
        let (cost, calls) = self.run_beside(server, || server.system_calls(seconds))?;
        Ok(calls / seconds * cost.wall_us / 1e6)
    }

    /// Does something while the load runs.
    fn run_beside<T>(&self, server: &Server, beside: impl FnOnce() -> io::Result<T>) -> io::Result<(Cost, T)> {
        let mut clients = Clients::start(server.address(), *self, Self::duration())?;
        clients.go()?;
        clients.expect("warm")?;
        let before = server.cpu_time()?;
        let beside = beside()?;
        let line = clients.line()?;
        let cpu = server.cpu_time()? - before;
        let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [replies, microseconds] = numbers[..] else {
            return Err(io::Error::other(format!("lyger-load says {line:?}")));
        };
        Ok((Cost { cpu_us: cpu.as_secs_f64() * 1e6 / replies, wall_us: microseconds / replies }, beside))
    }
}

/// `lyger-load`, whose connections are there and had a reply each. They end with it.
pub(crate) struct Clients {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Clients {
    pub(crate) fn start(address: SocketAddr, load: Load, duration: Duration) -> io::Result<Self> {
        let mut clients = Self::begin(address, load, duration)?;
        clients.expect("ready")?;
        Ok(clients)
    }

    /// Without waiting for the connections.
    pub(crate) fn begin(address: SocketAddr, load: Load, duration: Duration) -> io::Result<Self> {
        let numbers = [load.connections.to_string(), load.depth.to_string(), duration.as_secs_f64().to_string()];
        let mut command: Command = pinned(CLIENT_CORE, Path::new(env!("CARGO_BIN_EXE_lyger-load")));
        command.args([&address.to_string(), load.kind]).args(numbers).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        Ok(Self { process, input, output })
    }

    fn go(&mut self) -> io::Result<()> {
        self.input.write_all(b"\n")
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn expect(&mut self, word: &str) -> io::Result<()> {
        let line = self.line()?;
        if line == word { Ok(()) } else { Err(io::Error::other(format!("lyger-load says {line:?} and not {word}"))) }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
