//! The command line. Each flag is also a variable, `LYGER_RESP_` and its name.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};
use lyger::resp::{Io, Settings};

/// A server that Redis clients can use, over a table in memory that evicts what is used least.
#[derive(Debug, Parser)]
#[command(name = "lyger-resp", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Where to listen. Beyond this machine only with a password.
    #[arg(long, env = "LYGER_RESP_LISTEN", default_value_t = Settings::default().listen)]
    listen: SocketAddr,
    /// Threads, each with its own share of the clients.
    #[arg(long, env = "LYGER_RESP_THREADS", default_value_t = Settings::default().threads, value_parser = threads)]
    threads: usize,
    /// How threads wait: `blocking` serves one client a thread at once and refuses the others.
    #[arg(long, env = "LYGER_RESP_IO", value_enum, default_value_t = Waits::Ready)]
    io: Waits,
    /// Bytes that the table may take: 1073741824, 1gb, 512mb.
    #[arg(long, env = "LYGER_RESP_BYTES_MAX", default_value = "1gb", value_parser = bytes)]
    bytes_max: u64,
    /// What AUTH asks for. Who lists the processes sees a flag, so the variable is the better place.
    #[arg(long, env = "LYGER_RESP_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Connections that may wait for being accepted, for each thread.
    #[arg(long, env = "LYGER_RESP_BACKLOG", default_value_t = Settings::default().backlog)]
    backlog: i32,
    /// Bytes that a thread reads at once.
    #[arg(long, env = "LYGER_RESP_BUFFER_BYTES", default_value = "16kb", value_parser = buffer_bytes)]
    buffer_bytes: u64,
    /// Clients at once.
    #[arg(long, env = "LYGER_RESP_CLIENTS_MAX", default_value_t = Settings::default().clients_max)]
    clients_max: u64,
    /// Seconds after which an idle connection is ended; 0 is never.
    #[arg(long, env = "LYGER_RESP_IDLE_TIMEOUT_S", default_value_t = Settings::default().idle_timeout_s)]
    idle_timeout_s: u64,
    /// Microseconds from which on SLOWLOG notes a command; negative is never.
    #[arg(long, env = "LYGER_RESP_SLOW_US", default_value_t = Settings::default().slow_us, allow_hyphen_values = true)]
    slow_us: i64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Waits {
    Ready,
    Blocking,
}

impl Arguments {
    /// The server's settings, and the table's bytes.
    pub(crate) fn settings(self) -> (Settings, u64) {
        let io = match self.io {
            Waits::Ready => Io::Ready,
            Waits::Blocking => Io::Blocking,
        };
        let settings = Settings {
            listen: self.listen,
            threads: self.threads,
            io,
            backlog: self.backlog,
            password: self.password.filter(|password| !password.is_empty()),
            buffer_bytes: self.buffer_bytes as usize,
            clients_max: self.clients_max,
            idle_timeout_s: self.idle_timeout_s,
            slow_us: self.slow_us,
            ..Settings::default()
        };
        (settings, self.bytes_max)
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match text[split..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1 << 10,
        "mb" => 1 << 20,
        "gb" => 1 << 30,
        _ => return Err("a number of bytes, with kb, mb or gb behind it if you like".to_owned()),
    };
    let number: u64 = text[..split].parse().map_err(|_| "a number of bytes".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "more bytes than 64 bits can say".to_owned())
}

/// Less would be read in more pieces than requests have; more would leave the processor's caches.
fn buffer_bytes(text: &str) -> Result<u64, String> {
    bytes(text).and_then(|bytes| {
        let range = (1 << 10)..=(16 << 20);
        if range.contains(&bytes) { Ok(bytes) } else { Err("1kb to 16mb".to_owned()) }
    })
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|threads| (1..=1024).contains(threads)).ok_or_else(|| "1 to 1024".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        assert_eq!(bytes("64mb"), Ok(64 << 20));
        assert!(bytes("1tb").is_err() && bytes("").is_err() && bytes("99999999999999999999").is_err());
        assert!(buffer_bytes("512").is_err() && threads("0").is_err());
    }
}
