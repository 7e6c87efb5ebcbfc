//! A connection to a server: orders out, answers back.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use redis::{Cmd, Parser, ServerError, ServerErrorKind, Value};

use super::answer;
use super::dsn::{Address, Dsn, Login};
use super::error::Error;
use super::socket::{Socket, Unconnected};
use crate::wording;

/// A parser's buffer stays as large as its largest answer, which may be half a gigabyte: beyond this it is given back.
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// Commands that go out in one piece, for names of one hash slot.
pub(super) struct Order {
    commands: Vec<Cmd>,
    /// Carried out together or not at all, and not if what was watched has changed since.
    together: bool,
    /// The first so many of them watch what the others read.
    watches: usize,
    /// Nothing is changed by them, so they may be repeated.
    reads: bool,
    /// The answers are of one moment: a transaction of nothing says whether what is watched has changed while they were given.
    at_once: bool,
}

impl Order {
    pub(super) fn read(commands: impl Into<Vec<Cmd>>) -> Self {
        Self { commands: commands.into(), together: false, watches: 0, reads: true, at_once: false }
    }

    pub(super) fn write(commands: impl Into<Vec<Cmd>>) -> Self {
        Self { reads: false, ..Self::read(commands) }
    }

    /// Reads what [`Order::together`] then writes, if it hasn't changed in between.
    pub(super) fn watch(names: &[&[u8]], commands: impl Into<Vec<Cmd>>) -> Self {
        // One by one: while a slot is on its way to another node, that one takes no command with several names that it hasn't.
        let watch = |name: &&[u8]| redis::cmd("WATCH").arg(*name).take();
        let mut all: Vec<Cmd> = names.iter().map(watch).collect();
        all.append(&mut commands.into());
        Self { watches: names.len(), ..Self::read(all) }
    }

    /// Reads what belongs together. Not in a transaction: a server that is full takes none, for its queue needs memory.
    pub(super) fn at_once(name: &[u8], commands: impl Into<Vec<Cmd>>) -> Self {
        Self { at_once: true, ..Self::watch(&[name], commands) }
    }

    pub(super) fn together(self) -> Self {
        Self { together: true, ..self }
    }

    fn replies(&self) -> usize {
        self.commands.len() + if self.together || self.at_once { 2 } else { 0 }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The caller is to be told, and the connection is as good as before.
    Told(Error),
    /// The connection isn't.
    Broken(Error),
    /// The slot is another node's.
    Moved(Address),
    /// The slot is about to be another node's, and this of it is there already.
    Ask(Address),
    /// The slot is on its way, one half here and one there.
    Halved(Error),
    /// A replica was asked, or a master that isn't one any more.
    NoMaster(Error),
    /// What was watched has changed; nothing was done.
    Disturbed,
}

impl Failure {
    /// What to tell where nothing is to be followed.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Told(error) | Self::Broken(error) | Self::Halved(error) | Self::NoMaster(error) => error,
            Self::Moved(_) | Self::Ask(_) | Self::Disturbed => Error::Strange("it is a redirection".to_owned()),
        }
    }
}

/// A logged-in connection.
pub(super) struct Connection {
    socket: Socket,
    parser: Parser,
    pub(super) address: Address,
    timeout: Duration,
    /// Each order begins with ASKING.
    pub(super) asking: bool,
    /// Something may still be watched by the server.
    watching: bool,
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

impl Connection {
    /// Connects and logs in.
    pub(super) fn open(dsn: &Dsn, address: &Address, login: &Login, database: u32) -> Result<Self, Error> {
        let deadline = Instant::now() + dsn.connect_timeout;
        let socket = Socket::connect(address, dsn.tls.as_ref(), deadline).map_err(|why| match why {
            Unconnected::Late => Error::Timeout {
                server: address.to_string(),
                timeout_ms: millis(dsn.connect_timeout),
                may_have_run: false,
            },
            Unconnected::Because(reason) => Error::CannotConnect { server: address.to_string(), reason },
        })?;
        let mut connection = Self {
            socket,
            parser: Parser::new(),
            address: address.clone(),
            timeout: dsn.connect_timeout,
            asking: false,
            watching: false,
        };
        let mut commands = Vec::new();
        if let Some(password) = &login.password {
            let mut auth = redis::cmd("AUTH");
            auth.arg(login.user.as_deref()).arg(password);
            commands.push(auth);
        }
        if database != 0 {
            let mut select = redis::cmd("SELECT");
            select.arg(database);
            commands.push(select);
        }
        if !commands.is_empty() {
            connection.ask(&Order::read(commands)).map_err(|failure| connection.not_in(failure, login))?;
        }
        connection.timeout = dsn.timeout;
        Ok(connection)
    }

    /// What kept us from logging in.
    fn not_in(&self, failure: Failure, login: &Login) -> Error {
        match failure {
            // "ERR AUTH <password> called without any password configured": its wording for a server that wants none.
            Failure::Told(Error::Refused { code, message }) if login.password.is_some() && message.contains("AUTH") => {
                Error::LoginRefused { server: self.address.to_string(), message: format!("{code} {message}") }
            }
            other => other.into_error(),
        }
    }

    /// Whether it can be used again: see [`Socket::is_quiet`].
    pub(super) fn is_quiet(&mut self) -> bool {
        self.socket.is_quiet()
    }

    /// Gives the answers to an order's commands, none of which is an error.
    pub(super) fn ask(&mut self, order: &Order) -> Result<Vec<Value>, Failure> {
        self.ask_all(&[order])?.pop().expect("an answer for each order")
    }

    /// The same for several orders at once; each has its own outcome.
    pub(super) fn ask_all(&mut self, orders: &[&Order]) -> Result<Vec<Result<Vec<Value>, Failure>>, Failure> {
        let reads = orders.iter().all(|order| order.reads);
        let (bytes, replies) = self.packed(orders);
        self.socket.begin(Instant::now() + self.timeout);
        if let Err(error) = self.socket.send(&bytes) {
            return Err(self.broken(&error, reads));
        }
        let mut outcomes = Vec::with_capacity(orders.len());
        let mut replies = replies.into_iter();
        for order in orders {
            let mut answers = Vec::with_capacity(order.replies());
            while answers.len() < order.replies() {
                let is_ours = replies.next().expect("as many as were packed");
                match self.parser.parse_value(&mut self.socket) {
                    Ok(value) if is_ours => answers.push(value),
                    Ok(_) => {}
                    Err(error) => {
                        // The server's last words before it closed: too many clients, protected mode.
                        let last_words = answers.iter().find_map(|answer| match answer {
                            Value::ServerError(error) => Some(self.told(error)),
                            _ => None,
                        });
                        return Err(match (last_words, self.socket.failure.take()) {
                            (Some(error), _) => Failure::Broken(error),
                            (None, Some(error)) => self.broken(&error, reads),
                            // A socket that has ended is no error of it.
                            (None, None) if error.is_io_error() => self.broken(&ErrorKind::UnexpectedEof.into(), reads),
                            (None, None) => Failure::Broken(Error::Strange("it isn't one of the protocol".to_owned())),
                        });
                    }
                }
            }
            outcomes.push(self.outcome(order, answers));
        }
        if self.socket.received > BUFFER_BYTES_MAX {
            self.parser = Parser::new();
        }
        self.watching = orders.last().is_some_and(|order| order.watches > 0 && !order.at_once);
        Ok(outcomes)
    }

    /// The orders' bytes, and which of the replies belong to them.
    fn packed(&self, orders: &[&Order]) -> (Vec<u8>, Vec<bool>) {
        let (mut bytes, mut replies) = (Vec::new(), Vec::new());
        let mut pack = |command: &Cmd, is_ours: bool| {
            command.write_packed_command(&mut bytes);
            replies.push(is_ours);
        };
        // EXEC forgets what was watched, and so does this where none came.
        if self.watching && !orders.first().is_some_and(|order| order.together) {
            pack(&redis::cmd("UNWATCH"), false);
        }
        for order in orders {
            if order.together {
                if self.asking {
                    pack(&redis::cmd("ASKING"), false);
                }
                pack(&redis::cmd("MULTI"), true);
            }
            for command in &order.commands {
                if self.asking && !order.together {
                    pack(&redis::cmd("ASKING"), false);
                }
                pack(command, true);
            }
            if order.at_once {
                pack(&redis::cmd("MULTI"), true);
            }
            if order.together || order.at_once {
                pack(&redis::cmd("EXEC"), true);
            }
        }
        (bytes, replies)
    }

    fn outcome(&self, order: &Order, mut answers: Vec<Value>) -> Result<Vec<Value>, Failure> {
        // Of a transaction that was aborted, the first error says why and the last one that it was.
        if let Some(error) = answers.iter().find_map(answer::error) {
            return Err(self.failure(error));
        }
        answers.drain(..order.watches);
        if order.at_once {
            let unchanged = answers.pop() != Some(Value::Nil);
            answers.pop();
            return if unchanged { Ok(answers) } else { Err(Failure::Disturbed) };
        }
        if !order.together {
            return Ok(answers);
        }
        match answers.pop() {
            Some(Value::Nil) => Err(Failure::Disturbed),
            Some(Value::Array(answers)) if answers.len() == order.commands.len() => {
                match answers.iter().find_map(answer::error) {
                    Some(error) => Err(self.failure(error)),
                    None => Ok(answers),
                }
            }
            other => Err(Failure::Broken(answer::strange(other.as_ref()))),
        }
    }

    fn failure(&self, error: &ServerError) -> Failure {
        match error.kind() {
            Some(ServerErrorKind::Moved) => self.elsewhere(error).map_or_else(Failure::Told, Failure::Moved),
            Some(ServerErrorKind::Ask) => self.elsewhere(error).map_or_else(Failure::Told, Failure::Ask),
            Some(ServerErrorKind::TryAgain) => Failure::Halved(self.told(error)),
            Some(ServerErrorKind::ReadOnly) => Failure::NoMaster(self.told(error)),
            _ => Failure::Told(self.told(error)),
        }
    }

    fn told(&self, error: &ServerError) -> Error {
        match error.code() {
            "NOAUTH" | "WRONGPASS" => Error::LoginRefused {
                server: self.address.to_string(),
                message: format!("{} {}", error.code(), error.details().unwrap_or_default()),
            },
            _ => Error::of_server(error),
        }
    }

    /// Where `MOVED 3999 127.0.0.1:6381` points to.
    fn elsewhere(&self, error: &ServerError) -> Result<Address, Error> {
        let place = error.details().and_then(|details| details.split(' ').nth(1));
        let place =
            place.and_then(|place| place.rsplit_once(':')).and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = place.ok_or_else(|| Error::of_server(error))?;
        Ok(self.address.beside(host, port))
    }

    fn broken(&mut self, error: &io::Error, reads: bool) -> Failure {
        let may_have_run = !reads && self.socket.has_sent();
        let server = self.address.to_string();
        Failure::Broken(if error.kind() == ErrorKind::TimedOut {
            Error::Timeout { server, timeout_ms: millis(self.timeout), may_have_run }
        } else {
            Error::Lost { server, reason: wording::of_system(error), may_have_run }
        })
    }
}
