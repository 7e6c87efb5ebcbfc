//! GET, SET and what they come in: whole values.

use super::options::{self, Expiry, Options, Unit};
use super::{Call, Failure, Outcome, Space, foreign, wrong_arity};
use crate::cache::{Full, Slot};
use crate::resp::reply::{bulk, head};

pub(crate) fn get(call: &mut Call<'_>) -> Outcome {
    if let Space::Foreign(store) = call.space {
        return foreign::get(call, store);
    }
    value(call, call.args.at(1));
    Ok(())
}

/// A key's value, straight from the table into the reply.
#[inline]
fn value(call: &mut Call<'_>, key: &[u8]) {
    let out = &mut *call.reply.out;
    match call.space.get_framed(key, call.now, out, |length, out| head(out, b'$', length)) {
        Some(_) => out.extend_from_slice(b"\r\n"),
        None => call.reply.null(),
    }
}

/// What a slot holds, as a reply; whether it holds anything.
fn reply_old(call: &mut Call<'_>, slot: &Slot<'_>) -> bool {
    match slot.old() {
        Some(old) => bulk(call.reply.out, &old.bytes()),
        None => call.reply.null(),
    }
    slot.old().is_some()
}

pub(crate) fn set(call: &mut Call<'_>) -> Outcome {
    if let Space::Foreign(store) = call.space {
        return foreign::set(call, store);
    }
    let (key, value) = (call.args.at(1), call.args.at(2));
    if call.args.len() == 3 {
        call.space.update(key, call.now, |slot| slot.put(&[value], None))?;
        call.reply.ok();
        return Ok(());
    }
    let options = Options::parse(call, 3)?;
    let expiry = options.expiry(call)?;
    let (space, now) = (call.space, call.now);
    space.update(key, now, |slot| {
        let there = if options.get { reply_old(call, slot) } else { slot.old().is_some() };
        if options.only_new && there || options.only_old && !there {
            if !options.get {
                call.reply.null();
            }
            return Ok(());
        }
        let expires_at = match expiry {
            Expiry::Keep => slot.old().and_then(|old| old.expires_at()),
            Expiry::At(time) => Some(time as u64),
            Expiry::Unsaid | Expiry::Never => None,
        };
        slot.put(&[value], expires_at)?;
        if !options.get {
            call.reply.ok();
        }
        Ok(())
    })
}

pub(crate) fn setnx(call: &mut Call<'_>) -> Outcome {
    let value = call.args.at(2);
    let set = call.space.update(call.args.at(1), call.now, |slot| {
        if slot.old().is_some() { Ok(false) } else { slot.put(&[value], None).map(|()| true) }
    })?;
    call.reply.integer(u8::from(set));
    Ok(())
}

/// SETEX and PSETEX.
pub(crate) fn setex(call: &mut Call<'_>) -> Outcome {
    let unit = Unit { seconds: call.command.name == "setex", absolute: false };
    let time = options::expiry(call, call.args.at(2), unit)?;
    let value = call.args.at(3);
    call.space.update(call.args.at(1), call.now, |slot| slot.put(&[value], Some(time as u64)))?;
    call.reply.ok();
    Ok(())
}

pub(crate) fn getset(call: &mut Call<'_>) -> Outcome {
    let (space, key, value, now) = (call.space, call.args.at(1), call.args.at(2), call.now);
    space.update(key, now, |slot| {
        reply_old(call, slot);
        slot.put(&[value], None).map_err(Failure::from)
    })
}

pub(crate) fn getdel(call: &mut Call<'_>) -> Outcome {
    let (space, key, now) = (call.space, call.args.at(1), call.now);
    space.update(key, now, |slot| {
        if reply_old(call, slot) {
            slot.remove();
        }
    });
    Ok(())
}

pub(crate) fn getex(call: &mut Call<'_>) -> Outcome {
    let options = Options::parse(call, 2)?;
    let (space, key, now) = (call.space, call.args.at(1), call.now);
    space.update(key, now, |slot| {
        // What is wrong with the time is told only where there is a value, as in Redis.
        let expiry = if slot.old().is_some() { options.expiry(call)? } else { Expiry::Unsaid };
        if !reply_old(call, slot) {
            return Ok(());
        }
        match expiry {
            Expiry::At(time) if time as u64 <= now => {
                slot.remove();
            }
            Expiry::At(time) => {
                slot.set_expiry(Some(time as u64))?;
            }
            Expiry::Never => {
                super::expiry::lift(slot)?;
            }
            Expiry::Unsaid | Expiry::Keep => {}
        }
        Ok(())
    })
}

pub(crate) fn mget(call: &mut Call<'_>) -> Outcome {
    let keys = call.args.from(1);
    call.reply.array(keys.len());
    if keys.len() == 1 {
        value(call, keys.at(0));
        return Ok(());
    }
    let all: Vec<&[u8]> = keys.iter().collect();
    call.space.together(&all, |space| {
        for key in &all {
            let out = &mut *call.reply.out;
            match space.get_framed(key, call.now, out, |length, out| head(out, b'$', length)) {
                Some(_) => out.extend_from_slice(b"\r\n"),
                None => call.reply.null(),
            }
            call.check_reply()?;
        }
        Ok(())
    })
}

type Pairs<'a> = (Vec<&'a [u8]>, Vec<&'a [u8]>);

/// Keys and values by turns, from the first argument on.
fn pairs<'a>(call: &Call<'a>) -> Result<Pairs<'a>, Failure> {
    let args = call.args.from(1);
    if args.len() % 2 == 1 {
        return Err(wrong_arity(call.command));
    }
    Ok((args.iter().step_by(2).collect(), args.iter().skip(1).step_by(2).collect()))
}

pub(crate) fn mset(call: &mut Call<'_>) -> Outcome {
    let (keys, values) = pairs(call)?;
    let now = call.now;
    call.space.together(&keys, |space| {
        keys.iter().zip(&values).try_for_each(|(key, value)| space.update(key, now, |slot| slot.put(&[value], None)))
    })?;
    call.reply.ok();
    Ok(())
}

pub(crate) fn msetnx(call: &mut Call<'_>) -> Outcome {
    let (keys, values) = pairs(call)?;
    let now = call.now;
    let set = call.space.together(&keys, |space| {
        if keys.iter().any(|key| space.peek(key, now).is_some()) {
            return Ok(false);
        }
        let mut pairs = keys.iter().zip(&values);
        pairs.try_for_each(|(key, value)| space.update(key, now, |slot| slot.put(&[value], None)))?;
        Ok::<bool, Full>(true)
    })?;
    call.reply.integer(u8::from(set));
    Ok(())
}
