//! The command line. Each flag is also a variable, `LYGER_RESP_` and its name.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, ValueEnum};
use lyger::cache;
use lyger::resp::{self, Changed, Io, Settings};

const TABLE_BYTES_MAX: Range = 1..=cache::BYTES_MAX_MAX;

/// A server that Redis clients can use, over a table in memory that evicts what is used least.
#[derive(Debug, Parser)]
#[command(name = "lyger-resp", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Where to listen: an IP address or localhost, with a port. Beyond this machine only with a password.
    #[arg(long, env = "LYGER_RESP_LISTEN", default_value_t = Settings::default().listen, value_parser = address)]
    listen: SocketAddr,
    /// Threads, each with its own share of the clients.
    #[arg(long, env = "LYGER_RESP_THREADS", default_value_t = Settings::default().threads as u64, value_parser = number(&Settings::THREADS))]
    threads: u64,
    /// How threads wait: `blocking` serves one client a thread at once and refuses the others.
    #[arg(long, env = "LYGER_RESP_IO", value_enum, default_value_t = Waits::Ready)]
    io: Waits,
    /// Bytes that the table may take: 1073741824, 1gb, 512mb.
    #[arg(long, env = "LYGER_RESP_BYTES_MAX", default_value = "1gb", value_parser = bytes(&TABLE_BYTES_MAX))]
    bytes_max: u64,
    /// What AUTH asks for. Who lists the processes sees a flag, so the variable is the better place.
    #[arg(long, env = "LYGER_RESP_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Connections that may wait for being accepted, for each thread.
    #[arg(long, env = "LYGER_RESP_BACKLOG", default_value = "1024", value_parser = number(&Settings::BACKLOG))]
    backlog: u64,
    /// Bytes that a thread reads at once, and keeps for replies.
    #[arg(long, env = "LYGER_RESP_BUFFER_BYTES", default_value = "16kb", value_parser = bytes(&Settings::BUFFER_BYTES))]
    buffer_bytes: u64,
    /// Clients at once.
    #[arg(long, env = "LYGER_RESP_CLIENTS_MAX", default_value = "10000", value_parser = number(&Settings::CLIENTS_MAX))]
    clients_max: u64,
    /// Seconds after which an idle connection is ended; 0 is never.
    #[arg(long, env = "LYGER_RESP_IDLE_TIMEOUT_S", default_value = "0", value_parser = number(&Settings::IDLE_TIMEOUT_S))]
    idle_timeout_s: u64,
    /// One argument, and so one value.
    #[arg(long, env = "LYGER_RESP_BULK_BYTES_MAX", default_value = "512mb", value_parser = bytes(&Settings::BULK_BYTES_MAX))]
    bulk_bytes_max: u64,
    /// A line of words, as a person types one.
    #[arg(long, env = "LYGER_RESP_INLINE_BYTES_MAX", default_value = "64kb", value_parser = bytes(&Settings::INLINE_BYTES_MAX))]
    inline_bytes_max: u64,
    /// Arguments of one command.
    #[arg(long, env = "LYGER_RESP_ARGS_MAX", default_value = "1048576", value_parser = number(&Settings::ARGS_MAX))]
    args_max: u64,
    /// One request, and what has come of others behind it.
    #[arg(long, env = "LYGER_RESP_REQUEST_BYTES_MAX", default_value = "1gb", value_parser = bytes(&Settings::REQUEST_BYTES_MAX))]
    request_bytes_max: u64,
    /// Replies that a client has not taken, above which nothing of it is executed.
    #[arg(long, env = "LYGER_RESP_REPLY_BYTES_MAX", default_value = "1mb", value_parser = bytes(&Settings::HELD_BYTES_MAX))]
    reply_bytes_max: u64,
    /// One reply of several values.
    #[arg(long, env = "LYGER_RESP_ONE_REPLY_BYTES_MAX", default_value = "1gb", value_parser = bytes(&Settings::VALUES_BYTES_MAX))]
    one_reply_bytes_max: u64,
    /// Messages of channels that a subscriber has not taken, above which it is disconnected.
    #[arg(long, env = "LYGER_RESP_PUSH_BYTES_MAX", default_value = "32mb", value_parser = bytes(&Settings::HELD_BYTES_MAX))]
    push_bytes_max: u64,
    /// Names of channels and patterns that a client listens to.
    #[arg(long, env = "LYGER_RESP_SUBSCRIPTION_BYTES_MAX", default_value = "64mb", value_parser = bytes(&Settings::HELD_BYTES_MAX))]
    subscription_bytes_max: u64,
    /// What waits in memory for all clients together, above which those who hold most are disconnected.
    #[arg(long, env = "LYGER_RESP_CLIENTS_BYTES_MAX", default_value = "2gb", value_parser = bytes(&Settings::VALUES_BYTES_MAX))]
    clients_bytes_max: u64,
    /// Commands that wait for EXEC, and keys that WATCH has named.
    #[arg(long, env = "LYGER_RESP_TRANSACTION_BYTES_MAX", default_value = "1gb", value_parser = bytes(&Settings::VALUES_BYTES_MAX))]
    transaction_bytes_max: u64,
    /// Microseconds from which on SLOWLOG notes a command; negative is never.
    #[arg(long, env = "LYGER_RESP_SLOW_US", default_value_t = Settings::default().slow_us, allow_hyphen_values = true)]
    slow_us: i64,
    /// Commands that SLOWLOG keeps.
    #[arg(long, env = "LYGER_RESP_SLOW_ENTRIES_MAX", default_value = "128", value_parser = number(&Settings::SLOW_ENTRIES_MAX))]
    slow_entries_max: u64,
    /// A file that the keys are loaded from at the start and saved to at the end, by SAVE and by BGSAVE. No promise of durability.
    #[arg(long, env = "LYGER_RESP_SNAPSHOT")]
    snapshot: Option<PathBuf>,
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
            threads: self.threads as usize,
            io,
            backlog: self.backlog as i32,
            password: self.password.filter(|password| !password.is_empty()),
            buffer_bytes: self.buffer_bytes as usize,
            clients_max: self.clients_max,
            bulk_bytes_max: self.bulk_bytes_max,
            inline_bytes_max: self.inline_bytes_max,
            args_max: self.args_max,
            request_bytes_max: self.request_bytes_max,
            reply_bytes_max: self.reply_bytes_max,
            one_reply_bytes_max: self.one_reply_bytes_max,
            push_bytes_max: self.push_bytes_max,
            transaction_bytes_max: self.transaction_bytes_max,
            subscription_bytes_max: self.subscription_bytes_max,
            clients_bytes_max: self.clients_bytes_max,
            idle_timeout_s: self.idle_timeout_s,
            slow_us: self.slow_us,
            slow_entries_max: self.slow_entries_max,
            snapshot: self.snapshot.filter(|path| !path.as_os_str().is_empty()),
            shutdown: true,
            changed: Changed::new(),
        };
        (settings, self.bytes_max)
    }
}

/// The variables that are settings.
pub(crate) fn variables() -> Vec<String> {
    let name = |argument: &clap::Arg| argument.get_env().map(|name| name.to_string_lossy().into_owned());
    Arguments::command().get_arguments().filter_map(name).collect()
}

fn address(text: &str) -> Result<SocketAddr, String> {
    resp::address(text).ok_or_else(|| "an IP address or localhost with a port, such as 127.0.0.1:6380".to_owned())
}

type Parsed = Result<u64, String>;
type Range = RangeInclusive<u64>;

/// A number of bytes, with a unit where one is wanted.
fn bytes(range: &'static Range) -> impl Fn(&str) -> Parsed + Clone + Send + Sync + 'static {
    move |text| {
        let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let unit: u64 = match text[split..].to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1 << 10,
            "mb" => 1 << 20,
            "gb" => 1 << 30,
            _ => return Err("a number of bytes, with kb, mb or gb behind it if you like".to_owned()),
        };
        let number: u64 = text[..split].parse().map_err(|_| "a number of bytes".to_owned())?;
        within(range, number.checked_mul(unit).ok_or_else(|| "more bytes than 64 bits can say".to_owned())?)
    }
}

fn number(range: &'static Range) -> impl Fn(&str) -> Parsed + Clone + Send + Sync + 'static {
    move |text| {
        text.parse()
            .map_err(|_| format!("{} to {}", range.start(), range.end()))
            .and_then(|number| within(range, number))
    }
}

fn within(range: &Range, number: u64) -> Parsed {
    if range.contains(&number) { Ok(number) } else { Err(format!("{} to {}", range.start(), range.end())) }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        let bytes = bytes(&Settings::VALUES_BYTES_MAX);
        assert_eq!(bytes("64mb"), Ok(64 << 20));
        for wrong in ["1tb", "", "99999999999999999999", "1kb"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        assert!(number(&Settings::THREADS)("0").is_err());
    }

    #[test]
    fn every_limit_has_its_default() {
        let (ours, theirs) = (Arguments::parse_from(["lyger-resp"]).settings().0, Settings::default());
        assert_eq!(format!("{ours:?}"), format!("{:?}", Settings { shutdown: true, ..theirs }));
    }
}
