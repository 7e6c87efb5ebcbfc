//! The master's control socket: `rawr status` and `rawr reload` ask here.
//!
//! A client sends a line with one word and gets one line of JSON; then the connection ends. The master has one thread, so
//! nothing here ever waits: who says nothing, reads nothing or is one too many is dropped. Only processes of the master's
//! own user are heard (`SO_PEERCRED`), wherever the socket lies.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    recv, send, socket_with, sockopt,
};
use serde_json::{Value, json};

/// Each is a person or a script of theirs.
const CLIENTS_MAX: usize = 32;

/// The longest question is a word.
const QUESTION_BYTES_MAX: usize = 64;

/// How long a client may take to ask, and again to take the answer: it is a program on the same machine.
const CLIENT_MS_MAX: u64 = 5_000;

/// Connections that wait until the master looks.
const BACKLOG: i32 = 32;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Status,
    Reload,
}

/// Names a client, for the answer. No two have the same.
pub(super) type ClientNumber = u64;

#[derive(Debug)]
enum Phase {
    Asking(Vec<u8>),
    /// The master answers when it knows.
    Waiting,
    Answered {
        line: Vec<u8>,
        sent: usize,
    },
    Gone,
}

#[derive(Debug)]
struct Client {
    number: ClientNumber,
    socket: OwnedFd,
    phase: Phase,
    /// When the phase began.
    since_ms: u64,
}

/// The socket and who is connected to it. The file is removed at the end.
#[derive(Debug)]
pub(super) struct Control {
    path: PathBuf,
    listener: OwnedFd,
    clients: Vec<Client>,
    next_number: ClientNumber,
}

impl Control {
    /// Listens at this path. What a master has left there that was killed is replaced.
    ///
    /// # Errors
    /// When a living process listens there; what the operating system says.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = || socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
        let listener = socket()?;
        match bind(&listener, &address) {
            Err(Errno::ADDRINUSE) => {
                // The name holds the address that this server listens on, so nobody else is about to take it.
                match connect(&socket()?, &address) {
                    Err(Errno::CONNREFUSED) => std::fs::remove_file(path)?,
                    _ => return Err(Errno::ADDRINUSE.into()),
                }
                bind(&listener, &address)?;
            }
            other => other?,
        }
        listen(&listener, BACKLOG)?;
        Ok(Self { path: path.to_owned(), listener, clients: Vec::new(), next_number: 0 })
    }

    /// What has to be waited for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = PollFd<'_>> {
        let clients = self.clients.iter().map(|client| {
            let flags = match client.phase {
                Phase::Asking(_) => PollFlags::IN,
                Phase::Waiting | Phase::Gone => PollFlags::empty(), // its end is told all the same
                Phase::Answered { .. } => PollFlags::OUT,
            };
            PollFd::new(&client.socket, flags)
        });
        std::iter::once(PollFd::new(&self.listener, PollFlags::IN)).chain(clients)
    }

    /// Does what can be done at once, and returns what is asked for.
    pub(super) fn turn(&mut self, now_ms: u64) -> Vec<(ClientNumber, Order)> {
        self.take_in(now_ms);
        let mut orders = Vec::new();
        for client in &mut self.clients {
            match &client.phase {
                Phase::Asking(_) => orders.extend(client.listen(now_ms).map(|order| (client.number, order))),
                Phase::Waiting if client.has_gone() => client.phase = Phase::Gone,
                Phase::Answered { .. } => client.talk(),
                Phase::Waiting | Phase::Gone => {}
            }
            if !matches!(client.phase, Phase::Waiting) && now_ms >= client.since_ms + CLIENT_MS_MAX {
                client.phase = Phase::Gone;
            }
        }
        self.forget_the_gone();
        orders
    }

    /// Answers a client, if it is still there.
    pub(super) fn answer(&mut self, number: ClientNumber, answer: &Value, now_ms: u64) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.number == number) {
            client.answer(answer, now_ms);
        }
        self.forget_the_gone();
    }

    fn forget_the_gone(&mut self) {
        self.clients.retain(|client| !matches!(client.phase, Phase::Gone));
    }

    fn take_in(&mut self, now_ms: u64) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while let Ok(socket) = accept_with(&self.listener, flags) {
            let is_ours = sockopt::socket_peercred(&socket).is_ok_and(|peer| peer.uid == rustix::process::geteuid());
            if is_ours && self.clients.len() < CLIENTS_MAX {
                self.next_number += 1;
                let phase = Phase::Asking(Vec::new());
                self.clients.push(Client { number: self.next_number, socket, phase, since_ms: now_ms });
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // somebody may have tidied up before
    }
}

impl Client {
    fn listen(&mut self, now_ms: u64) -> Option<Order> {
        let Phase::Asking(question) = &mut self.phase else { return None };
        let mut bytes = [0; QUESTION_BYTES_MAX];
        match recv(&self.socket, &mut bytes[..], RecvFlags::empty()) {
            Ok((_, 0)) => self.phase = Phase::Gone,
            Ok((_, count)) => {
                question.extend_from_slice(&bytes[..count]);
                if let Some(end) = question.iter().position(|&byte| byte == b'\n') {
                    question.truncate(end);
                    let order = match question.as_slice() {
                        b"status" => Order::Status,
                        b"reload" => Order::Reload,
                        _ => {
                            self.answer(&json!({ "error": "the questions are: status, reload" }), now_ms);
                            return None;
                        }
                    };
                    (self.phase, self.since_ms) = (Phase::Waiting, now_ms);
                    return Some(order);
                }
                if question.len() >= QUESTION_BYTES_MAX {
                    self.phase = Phase::Gone;
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.phase = Phase::Gone,
        }
        None
    }

    /// Whether it has closed its end. That it says no more is not enough: who waits for an answer has nothing to say.
    fn has_gone(&self) -> bool {
        let mut look = [PollFd::new(&self.socket, PollFlags::empty())];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let _ = rustix::event::poll(&mut look, Some(&now)); // it doesn't wait
        look[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }

    fn answer(&mut self, answer: &Value, now_ms: u64) {
        self.phase = Phase::Answered { line: format!("{answer}\n").into_bytes(), sent: 0 };
        self.since_ms = now_ms;
        self.talk();
    }

    fn talk(&mut self) {
        let Phase::Answered { line, sent } = &mut self.phase else { return };
        loop {
            match send(&self.socket, &line[*sent..], SendFlags::NOSIGNAL) {
                Ok(count) if *sent + count < line.len() => *sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Ok(_) | Err(_) => break self.phase = Phase::Gone,
            }
        }
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
