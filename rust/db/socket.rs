//! The socket of a connection, where it can be seen.

#[cfg(unix)]
use crate::runtime::sockets::{self, Watch};

/// What is known about a connection's socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Socket {
    #[cfg(unix)]
    watch: Option<Watch>,
}

impl Socket {
    /// Whether the server has neither closed the connection nor said anything unasked.
    pub(super) fn is_quiet(&self) -> Option<bool> {
        #[cfg(unix)]
        return self.watch.as_ref().map(Watch::is_quiet);
        #[cfg(not(unix))]
        None
    }
}

/// Connects to a port, or to a Unix socket, and finds the socket.
#[cfg(unix)]
pub(super) async fn connecting<F: Future>(connect: F, port: Option<u16>) -> (F::Output, Socket) {
    let (connected, watch) = sockets::connecting(connect, port).await;
    (connected, Socket { watch })
}

/// Connects; nothing is seen here.
#[cfg(not(unix))]
pub(super) async fn connecting<F: Future>(connect: F, _port: Option<u16>) -> (F::Output, Socket) {
    (connect.await, Socket {})
}
