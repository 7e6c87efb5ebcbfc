//! The axum front: sockets by Tokio, HTTP/1 by hyper.
//!
//! One thread with a current-thread Tokio runtime accepts, parses, hands requests to the dispatch, and writes the
//! answers. Everything here lives on that thread (hence `Rc` and `Cell`).

mod bare;
mod connection;
mod framing;
mod io;
mod reply;
mod service;
mod taking;

use std::cell::RefCell;
use std::io::Result;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use self::connection::{Connection, End};
use super::config::Config;
use super::thread::{AcceptLog, Clients, Front};
use crate::runtime::local;

/// The clients whom hyper serves.
pub(super) struct Axum {
    front: Weak<Front>,
    http: Rc<http1::Builder>,
    listener: Rc<TcpListener>,
    accepting: AbortHandle,
    connections: RefCell<Connections>,
}

#[derive(Default)]
struct Connections {
    places: Vec<Option<Rc<Connection>>>,
    free: Vec<usize>,
}

impl Axum {
    /// Serves who connects to the listener.
    pub(super) fn open(front: &Rc<Front>, listener: std::net::TcpListener) -> Result<Rc<Self>> {
        let listener = Rc::new(TcpListener::from_std(listener)?);
        Ok(Rc::new_cyclic(|axum: &Weak<Self>| Self {
            front: Rc::downgrade(front),
            http: Rc::new(builder(&front.config)),
            accepting: local::spawn(accept(axum.clone(), Rc::clone(&listener))).abort_handle(),
            listener,
            connections: RefCell::default(),
        }))
    }

    fn take_in(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Some(front) = self.front.upgrade() else { return };
        let _ = stream.set_nodelay(true); // fails only for a connection that is gone already
        let connection = Connection::new(Rc::clone(&front), Rc::clone(&self.http), stream, peer);
        let place = {
            let connections = &mut *self.connections.borrow_mut();
            let place = connections.free.pop().unwrap_or_else(|| {
                connections.places.push(None);
                connections.places.len() - 1
            });
            connections.places[place] = Some(Rc::clone(&connection));
            place
        };
        let seat = Seat { axum: Rc::clone(self), place };
        front.attend(async move {
            let _seat = seat;
            connection::serve(connection).await;
        });
    }

    fn each_connection(&self, mut act: impl FnMut(&Connection)) {
        for connection in self.connections.borrow().places.iter().flatten() {
            act(connection);
        }
    }
}

fn builder(config: &Config) -> http1::Builder {
    let mut http = http1::Builder::new();
    // The deadlines are our own (`connection`): hyper's timer knows one limit for silence and for a slow head,
    // and closes without a word. Its parser's limits are the configuration's.
    // Not `pipeline_flush`: as long as bytes of a next request are there it holds finished answers back, behind
    // a slow request, behind half a head, and for ever when the connection then closes (hyper 1.12.0).
    // A client may end what it sends and still read: what it means is found out in `connection`.
    http.half_close(true);
    http.max_header_size(config.head_bytes_max as usize);
    if config.header_count_max != 100 {
        // Not when it is hyper's own default, for which it keeps the array on the stack.
        http.max_headers(config.header_count_max as usize);
    }
    http
}

async fn accept(axum: Weak<Axum>, listener: Rc<TcpListener>) {
    let mut log = AcceptLog::default();
    loop {
        let accepted = listener.accept().await;
        let Some(axum) = axum.upgrade() else { return };
        match accepted {
            Ok((stream, peer)) => axum.take_in(stream, peer),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: the connections that end will free some.
                log.failed(&error);
                drop(axum);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl Clients for Rc<Axum> {
    fn accept_no_more(&self) {
        self.accepting.abort();
        let socket = socket2::SockRef::from(&*self.listener);
        while let Ok((accepted, peer)) = socket.accept() {
            let accepted = accepted.set_nonblocking(true).and_then(|()| TcpStream::from_std(accepted.into()));
            if let (Ok(stream), Some(peer)) = (accepted, peer.as_socket()) {
                self.take_in(stream, peer);
            }
        }
        let _ = socket.shutdown(std::net::Shutdown::Read); // fails when another front has done it before it died
    }

    fn expire(&self, now_ms: u64) -> u64 {
        let mut next_ms = u64::MAX;
        self.each_connection(|connection| next_ms = next_ms.min(connection.expire(now_ms)));
        next_ms
    }

    fn count(&self) -> usize {
        self.connections.borrow().places.iter().flatten().count()
    }

    fn is_busy(&self) -> bool {
        self.connections.borrow().places.iter().flatten().any(|connection| connection.is_busy())
    }

    fn under_way(&self) -> Vec<(String, u64)> {
        self.connections.borrow().places.iter().flatten().filter_map(|connection| connection.under_way()).collect()
    }

    fn end_all(&self) {
        self.each_connection(|connection| connection.end(End::Closed));
    }
}

/// Takes the connection off the list, however its task ends.
struct Seat {
    axum: Rc<Axum>,
    place: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let connections = &mut *self.axum.connections.borrow_mut();
        connections.places[self.place] = None;
        connections.free.push(self.place);
    }
}

/// Errors of `accept` that concern the connection it would have returned.
fn is_about_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
