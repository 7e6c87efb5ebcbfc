//! Requests as they come from Zig.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;

use super::super::dispatch;
use super::super::exchange::Request;
use super::super::gathering::Gathering;
use super::super::refusal;
use super::super::thread::Front;
use super::super::{reply, routes};
use super::Uring;
use super::client::Client;
use super::head::{Asked, Framing, Parsed};
use crate::ring::{Application, Connection, Head, Reading, Refusal};
use crate::runtime::local;

/// When accepting is tried again. Longer than Zig's own pause.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

impl Uring {
    fn take(self: &Rc<Self>, client: &Rc<Client>, head: &Head<'_>) -> Option<Reading> {
        let front = self.front.upgrade()?;
        let parsed = match Parsed::read(head) {
            Ok(parsed) => parsed,
            Err(status) => {
                client.begin(Asked::default(), front.joint.now_ms());
                self.give_up(client, status);
                return None;
            }
        };
        client.begin(parsed.asked, front.joint.now_ms());
        if let Some(status) = parsed.refusal(&front.config) {
            self.send(client, reply::last_error(status));
            return None;
        }
        if routes::is_engines(&String::from_utf8_lossy(parsed.path())) {
            self.answer_by_engine(client, &front, &parsed);
            return None;
        }
        if front.is_draining() {
            self.send(client, reply::last_error(503));
            return None;
        }
        let request = parsed.request(client.peer, &front.config);
        let expects_continue = parsed.expects_continue;
        let reading = match parsed.framing {
            Framing::Nothing => {
                self.submit(client, &front, request);
                return None;
            }
            Framing::Length(bytes) => Reading::Length { bytes, expects_continue },
            Framing::Chunked => Reading::Chunked { expects_continue },
        };
        client.coming.replace(Some((request, Gathering::new(parsed.announced))));
        Some(reading)
    }

    fn answer_by_engine(self: &Rc<Self>, client: &Rc<Client>, front: &Rc<Front>, parsed: &Parsed<'_>) {
        let routes = front.routes.clone();
        let method = parsed.method();
        let path = String::from_utf8_lossy(parsed.path()).into_owned();
        let has_body = parsed.framing != Framing::Nothing;
        let mut answer = Box::pin(async move {
            let mut draft = routes::answer(routes, method, &path).await;
            if has_body {
                reply::close_after(&mut draft); // nobody reads it
            }
            draft
        });
        // Nothing in it waits for anything, so that answers to many such requests leave together.
        match (&mut answer).now_or_never() {
            Some(draft) => self.send(client, draft),
            None => self.work(client, front, answer),
        }
    }

    fn submit(self: &Rc<Self>, client: &Rc<Client>, front: &Rc<Front>, request: Request) {
        match front.dispatch.submit(request, Rc::clone(client) as _, front.joint.now_ms()) {
            Ok(ticket) => client.ticket.set(Some(ticket)),
            Err(dispatch::Refusal::QueueFull | dispatch::Refusal::Ended) => self.send(client, reply::error(503)),
        }
    }
}

impl Application for Uring {
    fn open(&self, connection: Connection, descriptor: BorrowedFd<'_>) {
        // Who has gone again has no address any more, and is told of next.
        let peer = socket2::SockRef::from(&descriptor).peer_addr().ok().and_then(|peer| peer.as_socket());
        let peer = peer.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let client = Rc::new(Client::new(connection, peer, Rc::clone(&self.ready)));
        let clients = &mut *self.clients.borrow_mut();
        if clients.len() <= connection.index() {
            clients.resize(connection.index() + 1, None);
        }
        clients[connection.index()] = Some(client);
    }

    fn head(self: &Rc<Self>, connection: Connection, head: &Head<'_>) -> Reading {
        let reading = self.client(connection).and_then(|client| self.take(&client, head));
        reading.unwrap_or(Reading::Nothing)
    }

    fn body(self: &Rc<Self>, connection: Connection, data: &[u8], is_last: bool) {
        let (Some(client), Some(front)) = (self.client(connection), self.front.upgrade()) else { return };
        if let Some((_, gathering)) = &mut *client.coming.borrow_mut()
            && !data.is_empty()
        {
            gathering.add(data, || Bytes::copy_from_slice(data));
        }
        if is_last && let Some((mut request, gathering)) = client.coming.take() {
            request.body = gathering.finish();
            self.submit(&client, &front, request);
        }
    }

    fn refuse(self: &Rc<Self>, connection: Connection, refusal: Refusal) {
        let (Some(client), Some(front)) = (self.client(connection), self.front.upgrade()) else { return };
        if refusal.is_in_body {
            client.coming.take();
            let status = if matches!(refusal.status, 408 | 413) { refusal.status } else { 400 };
            return self.send(&client, reply::last_error(status));
        }
        client.begin(Asked::default(), front.joint.now_ms());
        // A request line that never ended was too long for its own limit, whatever else it was.
        let line_is_too_long = refusal.open_line_bytes > front.config.uri_bytes_max as usize;
        let status = match refusal.status {
            431 if line_is_too_long => 414,
            status @ (408 | 431) => status,
            _ => 400,
        };
        self.give_up(&client, status);
    }

    fn half_closed(&self, connection: Connection) {
        // What runs is answered.
        if let (Some(client), Some(front)) = (self.client(connection), self.front.upgrade())
            && let Some(ticket) = client.ticket.get()
        {
            front.dispatch.give_up(ticket);
        }
    }

    fn writable(&self, connection: Connection) {
        let Some(client) = self.client(connection) else { return };
        let later = client.later.take();
        match later {
            Some(part) => self.pass_on(&client, part),
            None => client.wake(),
        }
    }

    fn closed(&self, connection: Connection) {
        let Some(client) = self.client(connection) else { return };
        self.clients.borrow_mut()[connection.index()] = None;
        client.close();
        if let (Some(ticket), Some(front)) = (client.ticket.take(), self.front.upgrade()) {
            front.dispatch.cancel(ticket);
        }
    }

    fn panicked(&self, connection: Connection) {
        if let Some(ring) = self.ring() {
            ring.close(connection);
        }
    }

    fn accept_failed(&self, error: &io::Error) {
        self.accept_log.borrow_mut().failed(error);
        // Zig tries again in its next turn, which nothing else may bring.
        let ready = Rc::clone(&self.ready);
        local::spawn(async move {
            tokio::time::sleep(ACCEPT_RETRY).await;
            ready.wake();
        });
    }
}

impl Uring {
    /// Ends a connection whose bytes are no request, with a word.
    fn give_up(&self, client: &Rc<Client>, status: u16) {
        let words = refusal::whole(status);
        self.pass_on(client, super::client::Part { head: words, body: Bytes::new(), is_last: true, keep_alive: false });
    }
}
