//! Sockets inside libraries that don't show them: sqlx connects by itself and keeps its socket to itself, and whether a
//! connection still lives is to be seen there for a tenth of what a question to the server costs.
//!
//! POSIX gives a new descriptor the lowest number that is free. So [`connecting`] looks which one that is, lets the library
//! go one step, and looks whether a socket has got it. Steps of this kind take turns. Somebody else's thread may
//! still take the number between the two looks; then its peer isn't the one that was wanted, and nothing was found. So
//! a [`Watch`] is a hint: without one, or with a wrong one, a connection is asked or replaced too often, and never
//! used wrongly.

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

/// The socket of a connection that somebody else holds. Says nothing after that connection is closed.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    descriptor: RawFd,
}

// Held while the library takes one step, and never while anybody waits.
static TURN: Mutex<()> = Mutex::new(());

/// Drives a future that connects to `port` (`None`: to a Unix socket), and finds the socket that it makes.
pub async fn connecting<F: Future>(connect: F, port: Option<u16>) -> (F::Output, Option<Watch>) {
    let mut connect = pin!(connect);
    let mut found: Option<Watch> = None;
    let output = poll_fn(|context| {
        if found.is_some_and(|watch| watch.leads_to(port)) {
            return connect.as_mut().poll(context);
        }
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let free = lowest_free();
        let polled = connect.as_mut().poll(context);
        if let Some(made) = free.filter(Watch::is_stream) {
            found = Some(made);
        }
        polled
    })
    .await;
    (output, found.filter(|watch| watch.leads_to(port)))
}

fn lowest_free() -> Option<Watch> {
    // Closed again at once.
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None).ok()?;
    Some(Watch { descriptor: probe.as_raw_fd() })
}

impl Watch {
    /// Whether the peer is still there and has sent nothing: what a connection should look like while nothing is
    /// asked. A system call, without waiting.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let look = |socket: SockRef<'_>| socket.recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT);
        // 0 bytes are the end; a byte is a goodbye.
        matches!(self.with(look), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn is_stream(&self) -> bool {
        matches!(self.with(|socket| socket.r#type()), Ok(Type::STREAM))
    }

    fn leads_to(&self, port: Option<u16>) -> bool {
        let leads = |peer: SockAddr| match port {
            Some(port) => peer.as_socket().is_some_and(|peer| peer.port() == port),
            None => peer.is_unix(),
        };
        self.with(|socket| socket.peer_addr()).is_ok_and(leads)
    }

    fn with<T>(&self, ask: impl FnOnce(SockRef<'_>) -> T) -> T {
        // SAFETY: the number isn't -1, and nothing is read, written, changed or closed through it: if it is closed or
        // another's by now, the questions above get an error or a wrong answer, and both are allowed for.
        let borrowed = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        ask(SockRef::from(&borrowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

    /// Set in the process in which a test runs alone.
    const ALONE: &str = "LYGER_TEST_ALONE";

    #[test]
    fn the_socket_of_a_connection_is_found_also_of_many_at_once() {
        if std::env::var_os(ALONE).is_some() {
            return find_many();
        }
        // In a process without other tests: their descriptors would come between, and a watch may then be wrong.
        let name = "runtime::sockets::tests::the_socket_of_a_connection_is_found_also_of_many_at_once";
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        assert!(
            alone.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&alone.stderr)
        );
    }

    #[tokio::main(flavor = "current_thread")]
    async fn find_many() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connects = (0..20).map(|_| connecting(TcpStream::connect(("127.0.0.1", port)), Some(port)));
        for (stream, watch) in futures_util::future::join_all(connects).await {
            // An address and no name: the resolver's threads open descriptors, too.
            assert_eq!(watch.unwrap().descriptor, stream.unwrap().as_raw_fd());
        }
    }

    #[tokio::test]
    async fn a_socket_is_quiet_until_its_peer_speaks_or_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        for speaks in [true, false] {
            let mut watched = None;
            while watched.is_none() {
                let (stream, watch) = connecting(UnixStream::connect(folder.path().join("socket")), None).await;
                let peer = listener.accept().await.unwrap().0.into_std().unwrap();
                watched = watch.map(|watch| (stream.unwrap(), watch, peer));
            }
            let (_stream, watch, mut peer) = watched.unwrap();
            assert!(watch.is_quiet());
            if speaks {
                peer.write_all(b"E").unwrap();
            } else {
                drop(peer);
            }
            assert!(!watch.is_quiet());
        }
    }
}
