//! What can be set, each with its default and the reason for it. Those in [`Live`] can be changed while the server runs: CONFIG SET.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// No request can be longer, whatever is set: places within it are of 32 bits.
pub const REQUEST_BYTES_MOST: u64 = u32::MAX as u64;

/// How the threads wait for their clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// Each thread waits for all of its clients at once.
    #[default]
    Ready,
    /// Each thread serves one client at a time and waits in its socket: no more clients at once than threads. Who comes
    /// beyond that is told so and refused. SUBSCRIBE is not possible, because nothing could wake its thread.
    Blocking,
}

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Port 6380, beside a Redis on 6379, and only for this machine.
    pub listen: SocketAddr,
    /// A thread for each core, and at least 1.
    pub threads: usize,
    /// Waiting, or blocking as the design that this server comes from.
    pub io: Io,
    /// Connections that may wait for being accepted, for each thread.
    pub backlog: i32,
    /// What AUTH asks for; `None` where anybody may come, which is refused where not only this machine may.
    pub password: Option<String>,
    /// Bytes that a thread reads at once, and up to which its buffer for replies is kept: what Redis uses (PROTO_IOBUF_LEN).
    pub buffer_bytes: usize,
    /// Clients at once, as in Redis.
    pub clients_max: u64,
    /// One argument: the largest value that the table holds, and Redis's proto-max-bulk-len.
    pub bulk_bytes_max: u64,
    /// A line without an array around it: what a person types never comes near it.
    pub inline_bytes_max: u64,
    /// Arguments of one command; each takes 8 bytes here before it has any of its own.
    pub args_max: u64,
    /// What has come of requests that were not executed yet, and so also one request: Redis's client-query-buffer-limit.
    pub request_bytes_max: u64,
    /// Replies that a client has not taken. Above it nothing of it is executed until it reads. It is one reply more at most.
    pub reply_bytes_max: u64,
    /// One reply of several values (MGET, EXEC, COMMAND INFO): some bytes of a request for each could otherwise ask for more than any
    /// machine has. Twice the largest value.
    pub one_reply_bytes_max: u64,
    /// Messages of channels that a subscriber has not taken. Above it the connection is ended, because no publisher can wait
    /// for it: Redis's limit for them.
    pub push_bytes_max: u64,
    /// Commands that wait for EXEC, and keys that it asks about, each in so many bytes.
    pub transaction_bytes_max: u64,
    /// Names of channels and patterns that a client listens to, each in so many bytes: kept as long as it is connected. A quarter of a
    /// million of the usual length.
    pub subscription_bytes_max: u64,
    /// What waits in memory for all clients together: requests that aren't executed, replies and messages that aren't taken,
    /// transactions, names of channels. Above it those who hold most are disconnected, as by Redis's maxmemory-clients. One client's
    /// largest request and largest reply have room, and ten thousand of them would not.
    pub clients_bytes_max: u64,
    /// After so many seconds without a request a connection is ended; 0 is never.
    pub idle_timeout_s: u64,
    /// Commands that take as long are noted for SLOWLOG; negative is none.
    pub slow_us: i64,
    /// How many of them are kept.
    pub slow_entries_max: u64,
    /// Where SAVE and BGSAVE write the keys to, and the server at its end. `None` is nowhere.
    pub snapshot: Option<PathBuf>,
    /// Whether SHUTDOWN ends it: a server within another process is that process's to end.
    pub shutdown: bool,
    /// What CONFIG SET has made of settings in a server before this one; it counts before what stands above.
    pub changed: Changed,
}

/// What CONFIG SET has changed: values as they were given, by the names that CONFIG has.
pub type Changed = BTreeMap<String, Vec<u8>>;

/// What each of the numbers may be.
impl Settings {
    /// More threads than any machine has cores for; each has a listening socket.
    pub const THREADS: RangeInclusive<u64> = 1..=1024;
    /// As the system takes it; it has a bound of its own (`net.core.somaxconn`).
    pub const BACKLOG: RangeInclusive<u64> = 1..=65_535;
    /// Less would be read in more pieces than requests have; more would leave the processor's caches.
    pub const BUFFER_BYTES: RangeInclusive<u64> = 1 << 10..=16 << 20;
    /// As many as a system has descriptors for.
    pub const CLIENTS_MAX: RangeInclusive<u64> = 1..=1 << 20;
    /// Redis's least, and the largest value of the table.
    pub const BULK_BYTES_MAX: RangeInclusive<u64> = 1 << 20..=512 << 20;
    /// A command typed by a person, up to what one request may be.
    pub const INLINE_BYTES_MAX: RangeInclusive<u64> = 1 << 10..=1 << 30;
    /// What the commands themselves need, up to what 32 bits can place.
    pub const ARGS_MAX: RangeInclusive<u64> = 16..=1 << 30;
    /// Redis's least, and what 32 bits can place.
    pub const REQUEST_BYTES_MAX: RangeInclusive<u64> = 1 << 20..=super::REQUEST_BYTES_MOST;
    /// Of what is held for a client: from a packet to more than a machine has.
    pub const HELD_BYTES_MAX: RangeInclusive<u64> = 1 << 10..=1 << 40;
    /// The same for what holds whole values.
    pub const VALUES_BYTES_MAX: RangeInclusive<u64> = 1 << 20..=1 << 40;
    /// Redis's own.
    pub const IDLE_TIMEOUT_S: RangeInclusive<u64> = 0..=i32::MAX as u64;
    /// Of each some hundred bytes are kept.
    pub const SLOW_ENTRIES_MAX: RangeInclusive<u64> = 0..=1 << 20;
    /// More than anybody has a password of; each thread compares it at each AUTH.
    pub const PASSWORD_BYTES_MAX: u64 = 1024;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 6380)),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            io: Io::Ready,
            backlog: 1024,
            password: None,
            buffer_bytes: 16 << 10,
            clients_max: 10_000,
            bulk_bytes_max: 512 << 20,
            inline_bytes_max: 64 << 10,
            args_max: 1 << 20,
            request_bytes_max: 1 << 30,
            reply_bytes_max: 1 << 20,
            one_reply_bytes_max: 1 << 30,
            push_bytes_max: 32 << 20,
            transaction_bytes_max: 1 << 30,
            subscription_bytes_max: 64 << 20,
            clients_bytes_max: 2 << 30,
            idle_timeout_s: 0,
            slow_us: 10_000,
            slow_entries_max: 128,
            snapshot: None,
            shutdown: false,
            changed: Changed::new(),
        }
    }
}

/// The settings that CONFIG SET changes while all threads read them.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) clients_max: AtomicU64,
    pub(crate) bulk_bytes_max: AtomicU64,
    pub(crate) inline_bytes_max: AtomicU64,
    pub(crate) args_max: AtomicU64,
    pub(crate) request_bytes_max: AtomicU64,
    pub(crate) reply_bytes_max: AtomicU64,
    pub(crate) one_reply_bytes_max: AtomicU64,
    pub(crate) push_bytes_max: AtomicU64,
    pub(crate) transaction_bytes_max: AtomicU64,
    pub(crate) subscription_bytes_max: AtomicU64,
    pub(crate) clients_bytes_max: AtomicU64,
    pub(crate) idle_timeout_s: AtomicU64,
    pub(crate) slow_us: AtomicI64,
    pub(crate) slow_entries_max: AtomicU64,
    password: Mutex<Vec<u8>>,
}

impl Live {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            clients_max: settings.clients_max.into(),
            bulk_bytes_max: settings.bulk_bytes_max.into(),
            inline_bytes_max: settings.inline_bytes_max.into(),
            args_max: settings.args_max.into(),
            request_bytes_max: settings.request_bytes_max.min(REQUEST_BYTES_MOST).into(),
            reply_bytes_max: settings.reply_bytes_max.into(),
            one_reply_bytes_max: settings.one_reply_bytes_max.into(),
            push_bytes_max: settings.push_bytes_max.into(),
            transaction_bytes_max: settings.transaction_bytes_max.into(),
            subscription_bytes_max: settings.subscription_bytes_max.into(),
            clients_bytes_max: settings.clients_bytes_max.into(),
            idle_timeout_s: settings.idle_timeout_s.into(),
            slow_us: settings.slow_us.into(),
            slow_entries_max: settings.slow_entries_max.into(),
            password: Mutex::new(settings.password.clone().unwrap_or_default().into_bytes()),
        }
    }

    pub(crate) fn limits(&self, stranger: bool) -> super::request::Limits {
        super::request::Limits {
            bulk_bytes_max: self.bulk_bytes_max.load(Relaxed) as usize,
            inline_bytes_max: self.inline_bytes_max.load(Relaxed) as usize,
            args_max: self.args_max.load(Relaxed) as usize,
            request_bytes_max: self.request_bytes_max.load(Relaxed) as usize,
            stranger,
        }
    }

    pub(crate) fn has_password(&self) -> bool {
        !self.password().is_empty()
    }

    pub(crate) fn password(&self) -> Vec<u8> {
        self.password.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_password(&self, password: &[u8]) {
        *self.password.lock().unwrap_or_else(PoisonError::into_inner) = password.to_vec();
    }

    /// Whether a password is the right one, in a time that depends on neither's bytes.
    pub(crate) fn admits(&self, password: &[u8]) -> bool {
        let right = self.password();
        let longer = right.len().max(password.len());
        let byte = |bytes: &[u8], place: usize| bytes.get(place).copied().unwrap_or_default();
        let differs = (0..longer).fold(right.len() ^ password.len(), |differs, place| {
            differs | usize::from(byte(&right, place) ^ byte(password, place))
        });
        std::hint::black_box(differs) == 0
    }
}
