//! Commands over a store of somebody else's: GET and SET, and those that are about the connection or the server itself. What
//! neither GET nor SET can express is refused by its name.

use std::sync::atomic::Ordering::Relaxed;

use super::registry::Command;
use super::{Call, Failure, LONG_REPLY, Outcome, SYNTAX};
use crate::resp::reply::bulk;
use crate::resp::store::{Store, StoreFailed};

/// What SET's options are called: a store that only sets has none of them.
const SET_OPTIONS: [&str; 8] = ["NX", "XX", "GET", "EX", "PX", "EXAT", "PXAT", "KEEPTTL"];

impl From<StoreFailed> for Failure {
    fn from(failed: StoreFailed) -> Self {
        Self::of([b"ERR ", &failed.0[..]].concat())
    }
}

/// Whether such a store is enough for a command.
pub(super) fn serves(command: &Command) -> bool {
    match command.group {
        "connection" | "pubsub" => true,
        "server" => {
            let container = command.name.split('|').next().unwrap_or_default();
            !matches!(container, "dbsize" | "flushall" | "flushdb" | "memory" | "debug" | "save")
        }
        _ => matches!(command.name, "get" | "set"),
    }
}

pub(super) fn refusal(command: &Command) -> Failure {
    let name = command.name.to_uppercase().replace('|', " ");
    Failure::of(format!("ERR '{name}' is not possible here: the store behind this server has GET and SET alone"))
}

pub(super) fn get(call: &mut Call<'_>, store: &dyn Store) -> Outcome {
    let most = call.core.shared.live.one_reply_bytes_max.load(Relaxed) as usize;
    let (out, mut is_long) = (&mut *call.reply.out, false);
    let there = store.get(call.args.at(1), &mut |value| {
        is_long = value.len() > most;
        if !is_long {
            bulk(out, value);
        }
    })?;
    match there {
        true if is_long => return Err(LONG_REPLY),
        true => {}
        false => call.reply.null(),
    }
    Ok(())
}

pub(super) fn set(call: &mut Call<'_>, store: &dyn Store) -> Outcome {
    if let Some(option) = call.args.get(3) {
        let known = SET_OPTIONS.iter().find(|known| option.eq_ignore_ascii_case(known.as_bytes())).ok_or(SYNTAX)?;
        let text = format!("ERR SET's option '{known}' is not possible here: the store behind this server only sets");
        return Err(Failure::of(text));
    }
    store.set(call.args.at(1), call.args.at(2))?;
    call.reply.ok();
    Ok(())
}
