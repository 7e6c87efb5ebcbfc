//! The front's configuration: every limit, its default, and why it is what it is.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use serde_json::Value;

use super::choice::Kind;
use super::proxies::Network;
use crate::db::Limits;
use crate::resp::{self, Settings};

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// The text is not a JSON object.
    #[error("the configuration is not a JSON object: {0}")]
    NotAnObject(String),
    /// A key that doesn't exist.
    #[error("unknown configuration key `{key}`{}", nearest.map(|key| format!(", did you mean `{key}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key as it was given.
        key: String,
        /// The existing key most like it, if one is close.
        nearest: Option<&'static str>,
    },
    /// A value of the wrong type or out of range.
    #[error("configuration key `{key}`: {problem}")]
    WrongValue {
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
}

macro_rules! config {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:expr, $name:literal, $range:expr;)*) => {
        /// All settings of a solo server; times in milliseconds, sizes in bytes.
        ///
        /// ```
        /// use lyger::front::Config;
        /// let config = Config::from_json(r#"{"port": 0, "db": {"connections_max": 4}}"#).unwrap();
        /// assert_eq!((config.port, config.db_connections_max, config.queue_max), (0, 4, 1024));
        /// let error = Config::from_json(r#"{"queue_maxx": 1}"#).unwrap_err();
        /// assert_eq!(error.to_string(), "unknown configuration key `queue_maxx`, did you mean `queue_max`?");
        /// ```
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub struct Config {
            $($(#[$doc])* #[serde(rename = $name)] pub $field: $type,)*
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        const KEYS: &[&str] = &[$($name),*];

        impl Config {
            fn set(&mut self, key: &str, value: &Value) -> Result<(), ConfigError> {
                match key {
                    $($name => {
                        self.$field = Setting::read(value, $range)
                            .map_err(|problem| ConfigError::WrongValue { key: $name, problem })?;
                    })*
                    _ => return Err(ConfigError::UnknownKey { key: key.to_owned(), nearest: nearest(key) }),
                }
                Ok(())
            }
        }
    };
}

const DAY_MS: u64 = 86_400_000;

config! {
    /// The address to listen on: a literal IPv4 or IPv6 address, no name to look up.
    host: IpAddr = IpAddr::from([127, 0, 0, 1]), "host", 0..=0;
    /// The port; 0 takes any free one.
    port: u16 = 8000, "port", 0..=65_535;
    /// Which server faces the clients. The one on `io_uring` takes less CPU, but containers often deny it.
    front: Kind = Kind::Axum, "front", 0..=0;
    /// How many requests a worker of a fleet has under way at once, in Fibers. At most as many as its lane has slots.
    concurrency: u32 = 1, "concurrency", 1..=128;
    /// Requests that wait for a worker; past it 503. About a second of work for a worker that needs 1 ms a request.
    queue_max: u32 = 1024, "queue_max", 1..=1_000_000;
    /// How long a request may wait for a worker; past it 503. Who waited this long has mostly gone already.
    queue_timeout_ms: u64 = 10_000, "queue_timeout_ms", 1..=DAY_MS;
    /// How much longer a request may wait for a worker once its client has ended what it sends; past it 503. Who only
    /// ends its half and who closed look alike until something is written; a second is more than an idle server needs.
    half_close_timeout_ms: u64 = 1_000, "half_close_timeout_ms", 1..=DAY_MS;
    /// How long a worker may take for an answer; past it 504. What browsers and proxies commonly allow.
    request_timeout_ms: u64 = 30_000, "request_timeout_ms", 1..=DAY_MS;
    /// From a request's first byte to the end of its head; past it 408. A head fits into a packet or two.
    head_timeout_ms: u64 = 10_000, "head_timeout_ms", 1..=DAY_MS;
    /// The longest pause within a body; past it 408. Mobile networks lose a link for seconds, not for half a minute.
    body_idle_timeout_ms: u64 = 30_000, "body_idle_timeout_ms", 1..=DAY_MS;
    /// How long a connection may be silent between requests before it is closed.
    idle_timeout_ms: u64 = 30_000, "idle_timeout_ms", 1..=DAY_MS;
    /// How long a client may take none of the bytes sent to it before it is closed.
    write_timeout_ms: u64 = 5_000, "write_timeout_ms", 1..=DAY_MS;
    /// A request's head; past it 431. Twice what browsers keep in cookies for a site; not below the parser's buffer.
    head_bytes_max: u32 = 16_384, "head_bytes_max", 8192..=1_048_576;
    /// Header lines in a head; past it 431. Browsers send about 20.
    header_count_max: u32 = 100, "header_count_max", 1..=1_000;
    /// The request target; past it 414. RFC 9110 (4.1) asks for at least 8,000.
    uri_bytes_max: u32 = 8_192, "uri_bytes_max", 16..=65_534;
    /// A request's body; past it 413. A photograph; what is larger wants a route of its own.
    body_bytes_max: u64 = 8_388_608, "body_bytes_max", 0..=1 << 30;
    /// How long a drain waits for running requests. What supervisors commonly allow before they kill.
    drain_timeout_ms: u64 = 30_000, "drain_timeout_ms", 0..=DAY_MS;
    /// Whether error answers carry details.
    debug: bool = false, "debug", 0..=1;
    /// Addresses and networks (`10.0.0.0/8`) whose X-Forwarded-For and X-Forwarded-Proto are believed.
    trusted_proxies: Vec<Network> = Vec::new(), "trusted_proxies", 0..=0;
    /// Connections per DSN.
    db_connections_max: u32 = 16, "db.connections_max", Limits::CONNECTIONS_MAX;
    /// How long a query may wait for a connection.
    db_acquire_timeout_ms: u64 = 3_000, "db.acquire_timeout_ms", Limits::ACQUIRE_TIMEOUT_MS;
    /// How long a statement may run; 0 lifts the limit.
    db_statement_timeout_ms: u64 = 30_000, "db.statement_timeout_ms", Limits::STATEMENT_TIMEOUT_MS;
    /// How long a connection may lie unused, in milliseconds.
    db_idle_timeout_ms: u64 = 600_000, "db.idle_timeout_ms", Limits::AGE_MS;
    /// How old a connection may grow, in milliseconds.
    db_lifetime_ms: u64 = 1_800_000, "db.lifetime_ms", Limits::AGE_MS;
    /// The largest result that is taken from a database.
    db_result_bytes_max: u64 = 67_108_864, "db.result_bytes_max", Limits::RESULT_BYTES_MAX;
    /// Where Redis clients are served; nowhere by default. The reasons of what follows are in `rust/resp/settings.rs`.
    resp_listen: Option<SocketAddr> = None, "resp.listen", 0..=0;
    /// Threads that serve them; 0 is one for each core. Each takes a descriptor of a packet between processes.
    resp_threads: u32 = 0, "resp.threads", 0..=super::link::SOCKETS_MAX as u64;
    /// What AUTH asks for.
    resp_password: String = String::new(), "resp.password", 0..=Settings::PASSWORD_BYTES_MAX;
    /// Connections that may wait for being accepted, for each thread.
    resp_backlog: u32 = 1024, "resp.backlog", Settings::BACKLOG;
    /// Bytes that a thread reads at once, and keeps for replies.
    resp_buffer_bytes: u32 = 16 << 10, "resp.buffer_bytes", Settings::BUFFER_BYTES;
    /// Clients at once.
    resp_clients_max: u64 = 10_000, "resp.clients_max", Settings::CLIENTS_MAX;
    /// After so many seconds without a request a connection is ended; 0 is never.
    resp_idle_timeout_s: u64 = 0, "resp.idle_timeout_s", Settings::IDLE_TIMEOUT_S;
    /// One argument, and so one value.
    resp_bulk_bytes_max: u64 = 512 << 20, "resp.bulk_bytes_max", Settings::BULK_BYTES_MAX;
    /// A line of words.
    resp_inline_bytes_max: u64 = 64 << 10, "resp.inline_bytes_max", Settings::INLINE_BYTES_MAX;
    /// Arguments of one command.
    resp_args_max: u64 = 1 << 20, "resp.args_max", Settings::ARGS_MAX;
    /// One request, and what has come of others behind it.
    resp_request_bytes_max: u64 = 1 << 30, "resp.request_bytes_max", Settings::REQUEST_BYTES_MAX;
    /// Replies that a client has not taken.
    resp_reply_bytes_max: u64 = 1 << 20, "resp.reply_bytes_max", Settings::HELD_BYTES_MAX;
    /// One reply of several values.
    resp_one_reply_bytes_max: u64 = 1 << 30, "resp.one_reply_bytes_max", Settings::VALUES_BYTES_MAX;
    /// Messages that a subscriber has not taken.
    resp_push_bytes_max: u64 = 32 << 20, "resp.push_bytes_max", Settings::HELD_BYTES_MAX;
    /// Names of channels and patterns that a client listens to.
    resp_subscription_bytes_max: u64 = 64 << 20, "resp.subscription_bytes_max", Settings::HELD_BYTES_MAX;
    /// What waits in memory for all clients together.
    resp_clients_bytes_max: u64 = 2 << 30, "resp.clients_bytes_max", Settings::VALUES_BYTES_MAX;
    /// Commands that wait for EXEC, and keys that WATCH has named.
    resp_transaction_bytes_max: u64 = 1 << 30, "resp.transaction_bytes_max", Settings::VALUES_BYTES_MAX;
    /// Microseconds from which on SLOWLOG notes a command: up to an hour.
    resp_slow_us: u64 = 10_000, "resp.slow_us", 0..=3_600_000_000;
    /// How many of them it keeps.
    resp_slow_entries_max: u64 = 128, "resp.slow_entries_max", Settings::SLOW_ENTRIES_MAX;
    /// The file that keys are loaded from at the start and saved to at the end; none by default.
    resp_snapshot: String = String::new(), "resp.snapshot", 0..=4095;
}

impl Config {
    /// What the server for Redis clients is started with; `None` where nobody listens for them.
    #[must_use]
    pub fn resp(&self) -> Option<Settings> {
        let threads = match self.resp_threads {
            0 => Settings::default().threads.min(super::link::SOCKETS_MAX),
            threads => threads as usize,
        };
        Some(Settings {
            listen: self.resp_listen?,
            threads,
            backlog: self.resp_backlog as i32,
            password: Some(self.resp_password.clone()).filter(|password| !password.is_empty()),
            buffer_bytes: self.resp_buffer_bytes as usize,
            clients_max: self.resp_clients_max,
            idle_timeout_s: self.resp_idle_timeout_s,
            bulk_bytes_max: self.resp_bulk_bytes_max,
            inline_bytes_max: self.resp_inline_bytes_max,
            args_max: self.resp_args_max,
            request_bytes_max: self.resp_request_bytes_max,
            reply_bytes_max: self.resp_reply_bytes_max,
            one_reply_bytes_max: self.resp_one_reply_bytes_max,
            push_bytes_max: self.resp_push_bytes_max,
            subscription_bytes_max: self.resp_subscription_bytes_max,
            clients_bytes_max: self.resp_clients_bytes_max,
            transaction_bytes_max: self.resp_transaction_bytes_max,
            slow_us: self.resp_slow_us as i64,
            slow_entries_max: self.resp_slow_entries_max,
            snapshot: Some(self.resp_snapshot.clone().into()).filter(|_| !self.resp_snapshot.is_empty()),
            ..Settings::default()
        })
    }

    /// Reads a JSON object of keys, both `{"db": {"connections_max": 4}}` and `{"db.connections_max": 4}`; what is
    /// missing keeps its default.
    ///
    /// # Errors
    /// Names the first key that is unknown or has a wrong value.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let value: Value = serde_json::from_str(json).map_err(|error| ConfigError::NotAnObject(error.to_string()))?;
        let Value::Object(settings) = value else {
            return Err(ConfigError::NotAnObject("another kind of value".to_owned()));
        };
        let mut config = Self::default();
        for (key, value) in &settings {
            match (key.as_str(), value) {
                (section @ ("db" | "resp"), Value::Object(inner)) => {
                    for (key, value) in inner {
                        config.set(&format!("{section}.{key}"), value)?;
                    }
                }
                _ => config.set(key, value)?,
            }
        }
        Ok(config)
    }

    /// How often a client is looked at that doesn't take what is sent to it: so much later than `write_timeout_ms` at most it is closed.
    pub(crate) fn write_look_ms(&self) -> u64 {
        (self.write_timeout_ms / 4).max(1)
    }

    /// The shortest time limit, from which the sweep for deadlines derives its pace.
    pub(crate) fn shortest_timeout_ms(&self) -> u64 {
        [
            self.queue_timeout_ms,
            self.half_close_timeout_ms,
            self.request_timeout_ms,
            self.head_timeout_ms,
            self.body_idle_timeout_ms,
            self.idle_timeout_ms,
            self.write_look_ms(),
        ]
        .into_iter()
        .min()
        .unwrap_or(1)
    }
}

/// A kind of value that a key can have.
pub(super) trait Setting: Sized {
    fn read(value: &Value, range: std::ops::RangeInclusive<u64>) -> Result<Self, String>;
}

macro_rules! integer_settings {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            fn read(value: &Value, range: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
                value
                    .as_u64()
                    .filter(|number| range.contains(number))
                    .and_then(|number| Self::try_from(number).ok())
                    .ok_or_else(|| format!("{value} is not an integer from {} to {}", range.start(), range.end()))
            }
        }
    )*};
}

integer_settings!(u16, u32, u64);

impl Setting for bool {
    fn read(value: &Value, _: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("{value} is neither true nor false"))
    }
}

impl Setting for IpAddr {
    fn read(value: &Value, _: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        let text = value.as_str().unwrap_or_default();
        if text == "localhost" {
            return Ok(Self::from([127, 0, 0, 1]));
        }
        text.parse().map_err(|_| format!("{value} is not an IP address"))
    }
}

impl Setting for Option<SocketAddr> {
    fn read(value: &Value, _: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        let text = value.as_str().unwrap_or_default();
        if value.is_null() || value == "" {
            return Ok(None);
        }
        let refused = || format!("{value} is not an IP address or localhost with a port, such as \"127.0.0.1:6380\"");
        resp::address(text).map(Some).ok_or_else(refused)
    }
}

/// Texts that others show or pass on: of bounded length, without what would end them.
impl Setting for String {
    fn read(value: &Value, range: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        let text = value.as_str().filter(|text| range.contains(&(text.len() as u64)) && !text.contains('\0'));
        // Not the value: it may be a password.
        text.map(str::to_owned).ok_or_else(|| format!("it is no text of at most {} bytes without a NUL", range.end()))
    }
}

impl Setting for Vec<Network> {
    fn read(value: &Value, _: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        let Value::Array(items) = value else { return Err(format!("{value} is not a list")) };
        items
            .iter()
            .map(|item| {
                item.as_str()
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| format!("{item} is neither an IP address nor a network such as \"10.0.0.0/8\""))
            })
            .collect()
    }
}

/// The key most like this one, if at most a third of it has to change.
fn nearest(key: &str) -> Option<&'static str> {
    KEYS.iter()
        .map(|candidate| (edit_distance(key, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len() / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

fn edit_distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in other.bytes().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_gives_the_defaults_of_the_contract() {
        let config = Config::from_json("{}").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!((config.host.to_string().as_str(), config.port), ("127.0.0.1", 8000));
        assert_eq!((config.queue_timeout_ms, config.request_timeout_ms), (10_000, 30_000));
        assert_eq!((config.head_bytes_max, config.header_count_max, config.uri_bytes_max), (16_384, 100, 8_192));
        assert_eq!((config.body_bytes_max, config.db_result_bytes_max), (8_388_608, 67_108_864));
    }

    #[test]
    fn the_defaults_for_redis_clients_are_the_servers_own() {
        assert_eq!(Config::default().resp().map(|settings| settings.listen), None);
        let config = Config::from_json(r#"{"resp": {"listen": "localhost:6380"}}"#).unwrap();
        let ours = config.resp().unwrap();
        let theirs = Settings { threads: ours.threads, ..Settings::default() };
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        assert_eq!(Config::from_json(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let config = Config {
            debug: true,
            front: Kind::Uring,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Config::default()
        };
        assert_eq!(Config::from_json(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        for (json, message) in [
            ("[]", "the configuration is not a JSON object: another kind of value"),
            (r#"{"prot": 1}"#, "unknown configuration key `prot`"),
            (r#"{"head_timeout": 1}"#, "unknown configuration key `head_timeout`, did you mean `head_timeout_ms`?"),
            (
                r#"{"db": {"connection_max": 1}}"#,
                "unknown configuration key `db.connection_max`, did you mean `db.connections_max`?",
            ),
            (r#"{"port": 65536}"#, "configuration key `port`: 65536 is not an integer from 0 to 65535"),
            (r#"{"queue_max": "9"}"#, "configuration key `queue_max`: \"9\" is not an integer from 1 to 1000000"),
            (r#"{"queue_max": -1}"#, "configuration key `queue_max`: -1 is not an integer from 1 to 1000000"),
            (
                r#"{"head_bytes_max": 1}"#,
                "configuration key `head_bytes_max`: 1 is not an integer from 8192 to 1048576",
            ),
            (r#"{"host": "example.org"}"#, "configuration key `host`: \"example.org\" is not an IP address"),
            (r#"{"debug": 1}"#, "configuration key `debug`: 1 is neither true nor false"),
            (
                r#"{"trusted_proxies": ["x"]}"#,
                "configuration key `trusted_proxies`: \"x\" is neither an IP address nor a network such as \"10.0.0.0/8\"",
            ),
            (r#"{"front": "nginx"}"#, "configuration key `front`: \"nginx\" is neither \"axum\" nor \"uring\""),
            (r#"{"db": 3}"#, "unknown configuration key `db`"),
            (
                r#"{"resp": {"listen": "6380"}}"#,
                "configuration key `resp.listen`: \"6380\" is not an IP address or localhost with a port, such as \"127.0.0.1:6380\"",
            ),
            (
                r#"{"resp.password": "secret\u0000"}"#,
                "configuration key `resp.password`: it is no text of at most 1024 bytes without a NUL",
            ),
            (r#"{"resp": {"thread": 1}}"#, "unknown configuration key `resp.thread`, did you mean `resp.threads`?"),
        ] {
            assert_eq!(Config::from_json(json).unwrap_err().to_string(), message);
        }
    }
}
