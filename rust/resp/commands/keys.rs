//! Keys as a whole: whether they are there, and under what name.

use super::{Call, Failure, NO_KEY, Outcome, SYNTAX};
use crate::cache::Full;

/// DEL and UNLINK: memory is given back at once, whatever a value's length, so they are one.
pub(crate) fn delete(call: &mut Call<'_>) -> Outcome {
    let keys = call.args.from(1);
    let now = call.now;
    let removed = if keys.len() == 1 {
        usize::from(call.space.update(keys.at(0), now, |slot| slot.old().is_some() && slot.remove()))
    } else {
        let keys: Vec<&[u8]> = keys.iter().collect();
        call.space.together(&keys, |space| {
            let gone = |key: &&&[u8]| space.update(key, now, |slot| slot.old().is_some() && slot.remove());
            keys.iter().filter(gone).count()
        })
    };
    call.reply.integer(removed);
    Ok(())
}

/// EXISTS and TOUCH. A key that is named twice counts twice.
pub(crate) fn exists(call: &mut Call<'_>) -> Outcome {
    let (space, now) = (call.space, call.now);
    let there = call.args.iter().skip(1).filter(|key| space.peek(key, now).is_some()).count();
    call.reply.integer(there);
    Ok(())
}

pub(crate) fn kind(call: &mut Call<'_>) -> Outcome {
    let found = call.space.peek(call.args.at(1), call.now);
    call.reply.status(if found.is_some() { "string" } else { "none" });
    Ok(())
}

/// RENAME and RENAMENX.
pub(crate) fn rename(call: &mut Call<'_>) -> Outcome {
    let only_new = call.command.name == "renamenx";
    let (from, to, now) = (call.args.at(1), call.args.at(2), call.now);
    let renamed = call.space.together(&[from, to], |space| {
        if space.peek(from, now).is_none() {
            return Err(NO_KEY);
        }
        if from == to {
            return Ok(!only_new);
        }
        if only_new && space.peek(to, now).is_some() {
            return Ok(false);
        }
        let mut value = Vec::new();
        let found = space.get(from, now, &mut value).ok_or(NO_KEY)?;
        space.update(to, now, |slot| slot.put(&[&value], found.expires_at))?;
        space.update(from, now, |slot| slot.remove());
        Ok(true)
    })?;
    if only_new {
        call.reply.integer(u8::from(renamed))
    } else {
        call.reply.ok()
    }
    Ok(())
}

pub(crate) fn copy(call: &mut Call<'_>) -> Outcome {
    let mut replace = false;
    let mut place = 3;
    while place < call.args.len() {
        if call.args.is(place, "replace") {
            replace = true;
        } else if call.args.is(place, "db") && place + 1 < call.args.len() {
            place += 1;
            if call.int(place)? != 0 {
                return Err(Failure::new("ERR DB index is out of range"));
            }
        } else {
            return Err(SYNTAX);
        }
        place += 1;
    }
    let (from, to, now) = (call.args.at(1), call.args.at(2), call.now);
    if from == to {
        return Err(Failure::new("ERR source and destination objects are the same"));
    }
    let copied = call.space.together(&[from, to], |space| {
        let mut value = Vec::new();
        let Some(found) = space.get(from, now, &mut value) else { return Ok(false) };
        if !replace && space.peek(to, now).is_some() {
            return Ok(false);
        }
        space.update(to, now, |slot| slot.put(&[&value], found.expires_at))?;
        Ok::<bool, Full>(true)
    })?;
    call.reply.integer(u8::from(copied));
    Ok(())
}
