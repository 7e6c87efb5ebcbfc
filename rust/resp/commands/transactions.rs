//! MULTI, EXEC, DISCARD, WATCH.
//!
//! EXEC locks the shards of all keys that its commands name and of those that are watched, in the table's order, so nobody sees
//! a half of it. Commands that walk over the whole table (KEYS, SCAN, RANDOMKEY, INFO, MEMORY) can't run with locks held: before
//! such a command they are let go, and taken again after it. So a transaction with one of them is two atomic stretches. DEBUG is
//! treated alike: nobody who sleeps may hold locks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use super::registry::Command;
use super::{Call, Failure, LONG_REPLY, LONG_TRANSACTION, Outcome, Space, run};
use crate::cache::{Table, Watch};
use crate::resp::args::{Args, Kept};
use crate::resp::reply::Reply;

/// What waits for EXEC.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    queue: Vec<(&'static Command, Kept)>,
    bytes: usize,
    /// A command was refused, so EXEC refuses all.
    failed: bool,
}

impl Transaction {
    /// Adds a command; false where all of them would take more than `bytes_max`. What will never run isn't kept.
    pub(crate) fn queue(&mut self, command: &'static Command, args: Args<'_>, bytes_max: usize) -> bool {
        if self.failed {
            return true;
        }
        let bytes = self.bytes + Kept::bytes_of(args) + size_of::<(&Command, Kept)>();
        if bytes > bytes_max {
            return false;
        }
        self.bytes = bytes;
        self.queue.push((command, Kept::new(args)));
        true
    }

    pub(crate) fn fail(&mut self) {
        *self = Self { failed: true, ..Self::default() };
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

/// The keys that EXEC asks about.
#[derive(Default)]
pub(crate) struct Watchlist {
    by_key: BTreeMap<Box<[u8]>, Watched>,
    bytes: usize,
}

impl Watchlist {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

pub(crate) struct Watched {
    watch: Watch,
    /// FLUSHALL changes nothing for a key that isn't there.
    was_there: bool,
    /// When it would expire by itself, which is a change too.
    expires_at: Option<u64>,
}

impl Watched {
    fn has_changed(&self, now: u64) -> bool {
        let changed = if self.was_there { self.watch.changed() } else { self.watch.written() };
        changed || self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

pub(crate) fn multi(call: &mut Call<'_>) -> Outcome {
    if call.session.transaction.is_some() {
        return Err(Failure::new("ERR MULTI calls can not be nested"));
    }
    call.session.begin(Transaction::default());
    call.reply.ok();
    Ok(())
}

pub(crate) fn discard(call: &mut Call<'_>) -> Outcome {
    if call.session.transaction.is_none() {
        return Err(Failure::new("ERR DISCARD without MULTI"));
    }
    call.session.end_transaction();
    call.reply.ok();
    Ok(())
}

pub(crate) fn watch(call: &mut Call<'_>) -> Outcome {
    if call.session.transaction.is_some() {
        return Err(Failure::new("ERR WATCH inside MULTI is not allowed"));
    }
    let Space::Table(table) = call.space else { unreachable!("EXEC runs no WATCH") };
    let bytes_max = call.core.shared.live.transaction_bytes_max.load(Relaxed) as usize;
    for key in call.args.iter().skip(1) {
        let watchlist = &mut call.session.watched;
        if watchlist.by_key.contains_key(key) {
            continue;
        }
        let bytes = watchlist.bytes + key.len() + size_of::<(Box<[u8]>, Watched)>();
        if bytes > bytes_max {
            return Err(LONG_TRANSACTION);
        }
        watchlist.bytes = bytes;
        // A key that has expired and lies there still is taken away before it is watched: that it goes is no change.
        table.update(key, call.now, |slot| {
            if slot.old().is_none() {
                slot.remove();
            }
        });
        let watch = table.watch(key);
        let found = table.peek(key, call.now);
        let expires_at = found.as_ref().and_then(|found| found.expires_at);
        let watched = Watched { watch, was_there: found.is_some(), expires_at };
        watchlist.by_key.insert(key.into(), watched);
    }
    call.session.refresh();
    call.reply.ok();
    Ok(())
}

pub(crate) fn unwatch(call: &mut Call<'_>) -> Outcome {
    call.session.watched.clear();
    call.session.refresh();
    call.reply.ok();
    Ok(())
}

pub(crate) fn exec(call: &mut Call<'_>) -> Outcome {
    let Some(transaction) = call.session.transaction.take() else {
        return Err(Failure::new("ERR EXEC without MULTI"));
    };
    let watched = std::mem::take(&mut call.session.watched);
    call.session.refresh();
    if transaction.failed {
        return Err(Failure::new("EXECABORT Transaction discarded because of previous errors."));
    }
    let Space::Table(table) = call.space else { unreachable!("EXEC runs no EXEC") };
    let nothing = Watchlist::default();
    let mut rest = &transaction.queue[..];
    let mut first = true;
    while first || !rest.is_empty() {
        let locked = rest.iter().position(|(command, _)| command.roams).unwrap_or(rest.len());
        let watched = if first { &watched } else { &nothing };
        if !with_locks(call, table, watched, &rest[..locked], first.then_some(transaction.len())) {
            call.reply.null_array();
            return Ok(());
        }
        first = false;
        rest = &rest[locked..];
        if let [(command, kept), after @ ..] = rest {
            one(call, Space::Table(table), command, kept);
            rest = after;
        }
    }
    Ok(())
}

/// Runs commands under their keys' locks; before them the head of EXEC's reply, if they are the first. Whether nothing watched has changed.
fn with_locks(
    call: &mut Call<'_>,
    table: &Table,
    watched: &Watchlist,
    commands: &[(&'static Command, Kept)],
    replies: Option<usize>,
) -> bool {
    let keys: Vec<&[u8]> = commands
        .iter()
        .flat_map(|(command, kept)| {
            let args = kept.args();
            command.key_places(args.len()).map(move |place| args.at(place))
        })
        .chain(watched.by_key.keys().map(|key| &**key))
        .filter(|key| key.len() <= super::KEY_BYTES_MAX)
        .collect();
    let all = commands.iter().any(|(command, _)| command.all_keys);
    let batch = RefCell::new(if all { table.batch_all() } else { table.batch(&keys) });
    if watched.by_key.values().any(|watched| watched.has_changed(call.now)) {
        return false;
    }
    if let Some(replies) = replies {
        call.reply.array(replies);
    }
    for (command, kept) in commands {
        one(call, Space::Locked(&batch), command, kept);
    }
    true
}

fn one(call: &mut Call<'_>, space: Space<'_>, command: &'static Command, kept: &Kept) {
    let start = call.reply.out.len();
    // HELLO may change it in between.
    let reply = Reply { out: &mut *call.reply.out, protocol: call.session.protocol };
    run(Call {
        args: kept.args(),
        reply,
        reply_start: call.reply_start,
        space,
        now: call.now,
        command,
        session: &mut *call.session,
        core: &mut *call.core,
    });
    // It has run, as all of a transaction's commands do; only its reply is not to be had.
    if call.check_reply().is_err() {
        call.reply.out.truncate(start);
        call.reply.error(&LONG_REPLY.0);
    }
}
