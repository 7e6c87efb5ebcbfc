//! Listening sockets: one for each thread, all on one address, so that the kernel divides the clients (SO_REUSEPORT).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::server::StartFailed;
use super::settings::{Io, Settings};
use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// A client whose machine has vanished is noticed after this and some probes: as in Redis.
pub(crate) const KEEPALIVE_S: u64 = 300;

/// The sockets of a server that is to start, one for each thread. A process that outlives the server may hold them for it: then nobody who
/// has connected meanwhile is lost.
#[derive(Debug)]
pub struct Sockets {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
}

impl Sockets {
    /// Opens them where the settings say.
    ///
    /// # Errors
    /// [`StartFailed`]: the address is another's, or anybody's while there is no password.
    pub fn open(settings: &Settings) -> Result<Self, StartFailed> {
        let asked = settings.listen;
        if !asked.ip().is_loopback() && settings.password.as_ref().is_none_or(String::is_empty) {
            return Err(StartFailed::NoPassword(asked));
        }
        let failed = |error| StartFailed::Address(asked, error);
        check_free(asked).map_err(failed)?;
        // Of any free port this one is only asked: a socket that wasn't bound to it by its number would lose it when it is shut.
        let first = bind(asked).map_err(failed)?;
        let address = first.local_addr().map_err(failed)?.as_socket().expect("of TCP");
        // One thread accepts for all others where these wait in their clients' sockets.
        let count = if settings.io == Io::Blocking { 1 } else { settings.threads };
        let listeners = (0..count).map(|_| listen(address, settings.backlog)).collect::<io::Result<_>>();
        Ok(Self { listeners: listeners.map_err(failed)?, address })
    }

    /// Those that another process has opened. Where a server before this one has shut them, they are listened at again.
    ///
    /// # Errors
    /// What the operating system says of them; when there are none.
    pub fn inherited(descriptors: Vec<OwnedFd>, backlog: i32) -> io::Result<Self> {
        let listeners: Vec<TcpListener> = descriptors.into_iter().map(TcpListener::from).collect();
        let first = listeners.first().ok_or_else(|| io::Error::other("no listening socket"))?;
        let address = first.local_addr()?;
        listeners.iter().try_for_each(|listener| SockRef::from(listener).listen(backlog))?;
        Ok(Self { listeners, address })
    }

    /// Where they listen; the port is a real one where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives them away, to a process that holds them or serves with them.
    #[must_use]
    pub fn into_descriptors(self) -> Vec<OwnedFd> {
        self.listeners.into_iter().map(OwnedFd::from).collect()
    }

    pub(crate) fn into_listeners(self) -> Vec<TcpListener> {
        self.listeners
    }
}

/// An IP address with a port, or `localhost` with one. A name may have several addresses, of which a server would take one: no other is
/// taken.
///
/// ```
/// use lyger::resp::address;
/// assert_eq!(address("localhost:6380"), address("127.0.0.1:6380"));
/// assert_eq!(address("example.org:6380"), None);
/// ```
#[must_use]
pub fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse().ok(),
        None => text.parse().ok(),
    }
}

/// Where a process does other things, too, clients get no more than half of the descriptors that it may have. How many descriptors those are,
/// where they are too few for the clients that were asked for.
pub fn share_descriptors(settings: &mut Settings) -> Option<u64> {
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let clients_max = (most / 2).max(1);
    let fewer = settings.clients_max > clients_max;
    settings.clients_max = settings.clients_max.min(clients_max);
    fewer.then_some(most)
}

/// A socket of its own on an address that others of this server listen on, too.
fn listen(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = bind(address)?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Fails where another server has the address: with SO_REUSEPORT it would be shared without a word.
fn check_free(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

/// Replies leave at once, and vanished machines are noticed.
pub(crate) fn prepare(stream: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(KEEPALIVE_S)))
}
