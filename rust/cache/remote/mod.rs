//! The same cache past one machine: the operations of a [`Table`](super::Table) over a Redis or a Valkey.
//!
//! Redis 7.0, Valkey 7.2 and newer, and Lyger's own server. No scripts are needed: what has to be decided by what is there
//! (`compare_and_set`, locks, single flight) watches it and writes in a transaction, which the server refuses if it has changed in
//! between; a cluster takes that as well, and servers whose administrators allow no scripts.
//!
//! # A tour
//! `dsn` says which servers, `route` which of them has a key and what follows from a failure, `pool` has the connections, and
//! `connection` sends orders over a `socket` and sorts the answers out. `keys` names things on the server. `value`, `number`,
//! `many`, `scan`, `lock`, `rate` and `flight` are the operations. Requests, replies and errors' names are the crate `redis`'s;
//! its connections aren't used: they hide their sockets, so that one the server has closed is noticed when it is too late
//! to say that nothing was done, and its client of clusters sends again what may have been carried out.

mod answer;
mod connection;
mod dsn;
mod error;
mod flight;
mod keys;
mod lock;
mod many;
mod number;
mod pool;
mod rate;
mod route;
mod scan;
mod session;
mod socket;
mod value;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connection::Order;
use dsn::{Dsn, Servers};
use pool::Pool;
use route::Known;

pub use error::Error;

/// A Redis, a Valkey, a cluster or a sentinels' service as a cache. A clone is the same one.
///
/// Its methods are those of [`Table`](super::Table), and block. They need no `now`: the server's clock counts. Connections are
/// made when they are needed, up to `connections_max`, and each call has one for itself; the last clone closes them. A
/// child that was forked makes its own (it must not be forked while another thread is in a call).
///
/// Locks and counters lie beside the values, under names that begin with the prefix and `\0lyger`; keys that begin so are
/// refused. A server that evicts (`maxmemory-policy`) may evict these, too: a lock is then taken twice, and a limit counted
/// anew. What must not be forgotten belongs to a server with `noeviction`, or to one of its own. Tokens of locks grow even then.
#[derive(Clone)]
pub struct Remote {
    inner: Arc<Inner>,
}

struct Inner {
    dsn: Dsn,
    pool: Pool,
    known: Mutex<Known>,
}

impl Remote {
    /// Reads a DSN; connects to nothing yet.
    ///
    /// | form | is |
    /// |---|---|
    /// | `redis://[[user]:password@]host[:6379][/db]` | one server |
    /// | `redis+unix:///run/redis.sock`, `redis://[:password@]/run/redis.sock` | one server, by its socket |
    /// | `redis-cluster://[[user]:password@]host[:6379],host...` | a cluster; some of its nodes are enough |
    /// | `redis-sentinel://[[user]:password@]host[:26379],host.../service[/db]` | the master that sentinels know |
    /// | `rediss://`, `rediss-cluster://`, `rediss-sentinel://` | the same over TLS, sentinels included |
    ///
    /// Special characters in a user, a password or a value are percent-encoded. Options follow behind `?`, joined by `&`:
    ///
    /// | option | default | is |
    /// |---|---|---|
    /// | `prefix` | none | what all keys begin with on the server |
    /// | `connect_timeout_ms` | 3000 | how long connecting may take, with TLS and login |
    /// | `timeout_ms` | 3000 | how long the server may take for an answer, and how long a free connection is waited for |
    /// | `connections_max` | 16 | how many connections there may be at once |
    /// | `ca` | the system's | a file of certificates (or their text) that may sign the server's |
    /// | `insecure` | `no` | `yes` trusts whoever answers |
    /// | `db` | 0 | the database, of a socket |
    /// | `sentinel_user`, `sentinel_password` | none | the sentinels' login; the DSN's own is the server's |
    ///
    /// ```
    /// let cache = lyger::cache::Remote::open("redis://:secret@cache.example/1?prefix=shop:&timeout_ms=200")?;
    /// assert_eq!(format!("{cache:?}"), "Remote { servers: \"cache.example:6379\", prefix: \"shop:\" }");
    /// # Ok::<(), lyger::cache::remote::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidDsn`].
    pub fn open(dsn: &str) -> Result<Self, Error> {
        let dsn = Dsn::parse(dsn)?;
        let pool = Pool::new(dsn.connections_max, dsn.timeout);
        Ok(Self { inner: Arc::new(Inner { dsn, pool, known: Mutex::default() }) })
    }

    /// Sees whether the server is there, or all masters are.
    ///
    /// # Errors
    /// Why one isn't.
    pub fn ping(&self) -> Result<(), Error> {
        let ping = Order::read([redis::cmd("PING")]);
        self.at_masters(|connection| connection.ask(&ping)).map(drop)
    }

    fn prefix(&self) -> &[u8] {
        &self.inner.dsn.prefix
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |servers: &[dsn::Address]| servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let servers = match &self.inner.dsn.servers {
            Servers::One(server) => server.to_string(),
            Servers::Cluster(nodes) => names(nodes),
            Servers::Sentinels { sentinels, service } => format!("{}/{service}", names(sentinels)),
        };
        let prefix = String::from_utf8_lossy(self.prefix());
        f.debug_struct("Remote").field("servers", &servers).field("prefix", &prefix).finish()
    }
}
