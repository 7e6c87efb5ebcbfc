//! CLIENT: this connection and all the others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Call, Failure, Outcome, SYNTAX, printed};
use crate::resp::card::Card;
use crate::resp::hub::Mail;
use crate::resp::number;
use crate::resp::session::Replies;

pub(crate) fn getname(call: &mut Call<'_>) -> Outcome {
    match call.session.card.name().as_slice() {
        b"" => call.reply.null(),
        name => call.reply.bulk(name),
    }
    Ok(())
}

/// CLIENT LIST has the names of all clients in one reply: with ten thousand of them 10 MiB.
const NAME_BYTES_MAX: usize = 1 << 10;

/// A name stands between blanks in CLIENT LIST.
pub(crate) fn check_name(name: &[u8]) -> Outcome {
    if name.len() > NAME_BYTES_MAX {
        return Err(Failure::new("ERR Client names cannot be longer than 1024 bytes."));
    }
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(Failure::new("ERR Client names cannot contain spaces, newlines or special characters."))
}

pub(crate) fn setname(call: &mut Call<'_>) -> Outcome {
    check_name(call.args.at(2))?;
    call.session.card.set_name(call.args.at(2));
    call.reply.ok();
    Ok(())
}

pub(crate) fn id(call: &mut Call<'_>) -> Outcome {
    call.reply.integer(call.session.card.id);
    Ok(())
}

pub(crate) fn info(call: &mut Call<'_>) -> Outcome {
    let line = [&*call.session.card.line(call.now / 1000), b"\n"].concat();
    call.reply.text(&line);
    Ok(())
}

/// Who is wanted by LIST and KILL.
#[derive(Default)]
struct Filter<'a> {
    ids: Option<BTreeSet<u64>>,
    address: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    /// `Some(true)`: those who listen to channels; `Some(false)`: the others.
    listens: Option<bool>,
    /// Replicas and masters are never here.
    nobody: bool,
    skip_me: bool,
}

impl<'a> Filter<'a> {
    fn set_type(&mut self, name: &[u8]) -> Outcome {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => self.listens = Some(false),
            b"pubsub" => self.listens = Some(true),
            b"slave" | b"replica" | b"master" => self.nobody = true,
            _ => return Err(Failure::of([b"ERR Unknown client type '", printed(name, usize::MAX), b"'"].concat())),
        }
        Ok(())
    }

    fn picks(&self, card: &Card, me: u64) -> bool {
        !self.nobody
            && (!self.skip_me || card.id != me)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&card.id))
            && self.address.is_none_or(|address| address == card.address.as_bytes())
            && self.local.is_none_or(|address| address == card.local.as_bytes())
            && self.listens.is_none_or(|listens| listens == card.listens())
    }
}

pub(crate) fn list(call: &mut Call<'_>) -> Outcome {
    let mut filter = Filter::default();
    if call.args.len() == 4 && call.args.is(2, "type") {
        filter.set_type(call.args.at(3))?;
    } else if call.args.len() > 3 && call.args.is(2, "id") {
        // Those that can't be anybody's are asked for in vain.
        let id = |text| number::integer(text).map(|id| id as u64);
        let ids: Option<BTreeSet<u64>> = call.args.iter().skip(3).map(id).collect();
        filter.ids = Some(ids.ok_or(Failure::new("ERR Invalid client ID"))?);
    } else if call.args.len() != 2 {
        return Err(SYNTAX);
    }
    let mut lines = Vec::new();
    for card in call.core.shared.cards.all().iter().filter(|card| filter.picks(card, 0)) {
        lines.extend(card.line(call.now / 1000));
        lines.push(b'\n');
    }
    call.reply.text(&lines);
    Ok(())
}

pub(crate) fn kill(call: &mut Call<'_>) -> Outcome {
    let old_form = call.args.len() == 3;
    let mut filter = Filter { skip_me: !old_form, ..Filter::default() };
    if old_form {
        filter.address = Some(call.args.at(2));
    }
    let mut place = 2;
    while !old_form && place < call.args.len() {
        let value = call.args.get(place + 1).ok_or(SYNTAX)?;
        if call.args.is(place, "id") {
            let id = number::integer(value).filter(|id| *id > 0);
            let id = id.ok_or(Failure::new("ERR client-id should be greater than 0"))?;
            filter.ids = Some(BTreeSet::from([id as u64]));
        } else if call.args.is(place, "type") {
            filter.set_type(value)?;
        } else if call.args.is(place, "addr") {
            filter.address = Some(value);
        } else if call.args.is(place, "laddr") {
            filter.local = Some(value);
        } else if call.args.is(place, "user") {
            if value != b"default" {
                return Err(Failure::of([b"ERR No such user '", printed(value, usize::MAX), b"'"].concat()));
            }
        } else if call.args.is(place, "skipme") {
            filter.skip_me = match value.to_ascii_lowercase().as_slice() {
                b"yes" => true,
                b"no" => false,
                _ => return Err(SYNTAX),
            };
        } else {
            return Err(SYNTAX);
        }
        place += 2;
    }
    let me = call.session.card.id;
    let cards = call.core.shared.cards.all();
    let found: Vec<&Arc<Card>> = cards.iter().filter(|card| filter.picks(card, me)).collect();
    for card in &found {
        if card.id == me {
            call.session.closing = true;
        } else if !card.shut_down() {
            call.core.shared.hub.send(card.thread, Mail::Kill { token: card.token, id: card.id });
        }
    }
    match (old_form, found.is_empty()) {
        (true, true) => return Err(Failure::new("ERR No such client")),
        (true, false) => call.reply.ok(),
        (false, _) => call.reply.integer(found.len()),
    }
    Ok(())
}

pub(crate) fn reply(call: &mut Call<'_>) -> Outcome {
    match call.args.at(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            call.session.replies = Replies::On;
            call.reply.ok();
        }
        b"off" => call.session.replies = Replies::Off,
        b"skip" if call.session.replies != Replies::Off => call.session.replies = Replies::SkipNext,
        b"skip" => {}
        _ => return Err(SYNTAX),
    }
    Ok(())
}

/// Taken, because clients send it; no connection is ever ended to save memory.
pub(crate) fn no_evict(call: &mut Call<'_>) -> Outcome {
    let kept = match call.args.at(2).to_ascii_lowercase().as_slice() {
        b"on" => true,
        b"off" => false,
        _ => return Err(SYNTAX),
    };
    call.session.card.kept_from_eviction.store(kept, Relaxed);
    call.reply.ok();
    Ok(())
}

pub(crate) fn getredir(call: &mut Call<'_>) -> Outcome {
    call.reply.integer(-1);
    Ok(())
}
