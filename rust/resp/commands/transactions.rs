//! MULTI, EXEC, DISCARD, WATCH.
//!
//! EXEC locks the shards of all keys that its commands name and of those that are watched, in the table's order, so nobody sees
//! a half of it. Commands that walk over the whole table (KEYS, SCAN, RANDOMKEY, INFO, MEMORY) can't run with locks held: before
//! such a command they are let go, and taken again after it. So a transaction with one of them is two atomic stretches.

use std::cell::RefCell;

use super::registry::Command;
use super::{Call, Failure, Outcome, Space, run};
use crate::cache::{Table, Watch};
use crate::resp::args::{Args, Kept};
use crate::resp::reply::Reply;

/// What waits for EXEC.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    queue: Vec<(&'static Command, Kept)>,
    bytes: usize,
    /// A command was refused, so EXEC refuses all.
    pub(crate) failed: bool,
}

impl Transaction {
    /// Adds a command, and tells what the queue takes.
    pub(crate) fn queue(&mut self, command: &'static Command, args: Args<'_>) -> usize {
        let kept = Kept::new(args);
        self.bytes += kept.bytes() + size_of::<(&Command, Kept)>();
        self.queue.push((command, kept));
        self.bytes
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

/// A key that EXEC asks about.
pub(crate) struct Watched {
    key: Box<[u8]>,
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
    for key in call.args.iter().skip(1) {
        if call.session.watched.iter().any(|watched| *watched.key == *key) {
            continue;
        }
        // A key that has expired and lies there still is taken away first: that it goes later is no change.
        let watch = table.watch(key);
        let old = table.update(key, call.now, |slot| {
            if slot.old().is_none() {
                slot.remove();
            }
            slot.old().map(|old| old.expires_at())
        });
        call.session.watched.push(Watched {
            key: key.into(),
            watch,
            was_there: old.is_some(),
            expires_at: old.flatten(),
        });
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
    let mut rest = &transaction.queue[..];
    let mut first = true;
    while first || !rest.is_empty() {
        let locked = rest.iter().position(|(command, _)| command.roams).unwrap_or(rest.len());
        let watched: &[Watched] = if first { &watched } else { &[] };
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
    watched: &[Watched],
    commands: &[(&'static Command, Kept)],
    replies: Option<usize>,
) -> bool {
    let keys: Vec<&[u8]> = commands
        .iter()
        .flat_map(|(command, kept)| {
            let args = kept.args();
            command.key_places(args.len()).map(move |place| args.at(place))
        })
        .chain(watched.iter().map(|watched| &*watched.key))
        .filter(|key| key.len() <= super::KEY_BYTES_MAX)
        .collect();
    let all = commands.iter().any(|(command, _)| command.all_keys);
    let batch = RefCell::new(if all { table.batch_all() } else { table.batch(&keys) });
    if watched.iter().any(|watched| watched.has_changed(call.now)) {
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
    // HELLO may change it in between.
    let reply = Reply { out: &mut *call.reply.out, protocol: call.session.protocol };
    run(Call {
        args: kept.args(),
        reply,
        space,
        now: call.now,
        command,
        session: &mut *call.session,
        core: &mut *call.core,
    });
}
