//! What a client has said about itself and what it is in the midst of, as far as commands ask.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::card::Card;
use super::commands::transactions::{Transaction, Watchlist};
use super::hub::Topic;
use super::reply::Protocol;

/// CLIENT REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Replies {
    #[default]
    On,
    Off,
    /// None for the next command.
    SkipNext,
    /// None for this command.
    Skip,
}

pub(crate) struct Session {
    /// Where the client is among its thread's.
    pub(crate) token: usize,
    pub(crate) card: Arc<Card>,
    pub(crate) protocol: Protocol,
    pub(crate) logged_in: bool,
    pub(crate) transaction: Option<Box<Transaction>>,
    pub(crate) watched: Watchlist,
    pub(crate) replies: Replies,
    /// After the reply that is being written nothing more is read.
    pub(crate) closing: bool,
    /// Its thread waits in its socket.
    pub(crate) blocking: bool,
    /// It asks a store of somebody else's.
    foreign: bool,
    channels: BTreeSet<Box<[u8]>>,
    patterns: BTreeSet<Box<[u8]>>,
    /// What the names of both take.
    names_bytes: usize,
    plain: bool,
}

/// What a name takes beside its bytes: it is in three lists, the client's, its thread's and that of all threads.
const NAME_BYTES: usize = 128;

impl Session {
    pub(crate) fn new(token: usize, card: Arc<Card>, logged_in: bool, blocking: bool, foreign: bool) -> Self {
        Self {
            token,
            card,
            protocol: Protocol::default(),
            logged_in,
            transaction: None,
            watched: Watchlist::default(),
            replies: Replies::On,
            closing: false,
            blocking,
            foreign,
            channels: BTreeSet::new(),
            patterns: BTreeSet::new(),
            names_bytes: 0,
            plain: logged_in && !blocking && !foreign,
        }
    }

    /// Whether nothing holds for it but what holds for everybody: no check before its commands is needed.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// To be called after each change of what a command's checks ask for.
    pub(crate) fn refresh(&mut self) {
        let special = self.blocking || self.foreign;
        self.plain = self.logged_in && !special && self.transaction.is_none() && !self.listens();
        let queued = self.transaction.as_ref().map_or(-1, |transaction| transaction.len() as i64);
        self.card.queued.store(queued, Relaxed);
        let bytes = self.transaction.as_ref().map_or(0, |transaction| transaction.bytes());
        self.card.queued_bytes.store(bytes, Relaxed);
    }

    pub(crate) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.card.protocol.store(protocol.number(), Relaxed);
    }

    pub(crate) fn begin(&mut self, transaction: Transaction) {
        self.transaction = Some(Box::new(transaction));
        self.refresh();
    }

    /// DISCARD: nothing is queued and nothing watched any more.
    pub(crate) fn end_transaction(&mut self) {
        self.transaction = None;
        self.watched.clear();
        self.refresh();
    }

    /// RESET, after it has left its channels.
    pub(crate) fn reset(&mut self, logged_in: bool) {
        self.end_transaction();
        self.set_protocol(Protocol::Resp2);
        // The reply that isn't wanted to this command stays so, as in Redis.
        if self.replies != Replies::Skip {
            self.replies = Replies::On;
        }
        self.logged_in = logged_in;
        self.card.set_name(b"");
        self.card.kept_from_eviction.store(false, Relaxed);
        self.refresh();
    }

    pub(crate) fn names(&self, topic: Topic) -> &BTreeSet<Box<[u8]>> {
        match topic {
            Topic::Channel => &self.channels,
            Topic::Pattern => &self.patterns,
        }
    }

    fn names_mut(&mut self, topic: Topic) -> &mut BTreeSet<Box<[u8]>> {
        match topic {
            Topic::Channel => &mut self.channels,
            Topic::Pattern => &mut self.patterns,
        }
    }

    /// What the names would take with these; one that is given twice counts twice.
    pub(crate) fn names_bytes_with<'a>(&self, topic: Topic, more: impl Iterator<Item = &'a [u8]>) -> usize {
        let new = more.filter(|name| !self.names(topic).contains(*name));
        new.fold(self.names_bytes, |bytes, name| bytes.saturating_add(NAME_BYTES + name.len()))
    }

    /// Whether it did not listen to this yet.
    pub(crate) fn add_name(&mut self, topic: Topic, name: &[u8]) -> bool {
        let new = !self.names(topic).contains(name) && self.names_mut(topic).insert(name.into());
        if new {
            self.names_bytes += NAME_BYTES + name.len();
        }
        self.show_names();
        new
    }

    pub(crate) fn remove_name(&mut self, topic: Topic, name: &[u8]) -> bool {
        let was = self.names_mut(topic).remove(name);
        if was {
            self.names_bytes -= NAME_BYTES + name.len();
        }
        self.show_names();
        was
    }

    fn show_names(&mut self) {
        self.card.channels.store(self.channels.len(), Relaxed);
        self.card.patterns.store(self.patterns.len(), Relaxed);
        self.refresh();
    }

    /// What is kept of what it has said: a transaction's commands, names of channels, watched keys.
    pub(crate) fn held_bytes(&self) -> usize {
        let queued = self.transaction.as_ref().map_or(0, |transaction| transaction.bytes());
        queued + self.names_bytes + self.watched.bytes()
    }

    pub(crate) fn listens(&self) -> bool {
        !self.channels.is_empty() || !self.patterns.is_empty()
    }

    /// In RESP2 messages and replies can't be told apart, so few commands are allowed beside them.
    pub(crate) fn listens_in_resp2(&self) -> bool {
        self.protocol == Protocol::Resp2 && self.listens()
    }

    /// Takes back a reply that the client doesn't want.
    #[inline]
    pub(crate) fn after_reply(&mut self, out: &mut Vec<u8>, start: usize) {
        match self.replies {
            Replies::On => {}
            Replies::Off => out.truncate(start),
            Replies::SkipNext => {
                out.truncate(start);
                self.replies = Replies::Skip;
            }
            Replies::Skip => {
                out.truncate(start);
                self.replies = Replies::On;
            }
        }
    }
}
