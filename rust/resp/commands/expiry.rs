//! When keys expire: EXPIRE, TTL and those like them.

use super::options::{Unit, invalid_time};
use super::{Call, Failure, Outcome};
use crate::cache::{Full, Slot};

/// On what condition EXPIRE does anything.
#[derive(Debug, Clone, Copy, Default)]
struct When {
    none: bool,
    some: bool,
    greater: bool,
    less: bool,
}

impl When {
    fn parse(call: &Call<'_>) -> Result<Self, Failure> {
        let mut when = Self::default();
        for word in call.args.iter().skip(3) {
            match word.to_ascii_lowercase().as_slice() {
                b"nx" => when.none = true,
                b"xx" => when.some = true,
                b"gt" => when.greater = true,
                b"lt" => when.less = true,
                _ => {
                    return Err(Failure::of([b"ERR Unsupported option ", super::printed(word, usize::MAX)].concat()));
                }
            }
        }
        if when.none && (when.some || when.greater || when.less) {
            return Err(Failure::new("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if when.greater && when.less {
            return Err(Failure::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(when)
    }

    /// Whether a key that expires then may get another time; never is later than any time.
    fn allows(self, old: Option<u64>, new: i64) -> bool {
        let old = old.map(|old| old as i64);
        !(self.none && old.is_some()
            || self.some && old.is_none()
            || self.greater && old.is_none_or(|old| new <= old)
            || self.less && old.is_some_and(|old| new >= old))
    }
}

/// EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT.
pub(crate) fn expire(call: &mut Call<'_>) -> Outcome {
    let name = call.command.name;
    let unit = Unit { seconds: !name.starts_with('p'), absolute: name.ends_with("at") };
    let when = When::parse(call)?;
    let now = call.now;
    let time = unit.at(call.integer(2)?, now).ok_or_else(|| invalid_time(name))?;
    let set = call.space.update(call.args.at(1), now, |slot| {
        let Some(old) = slot.old().map(|old| old.expires_at()) else { return Ok(false) };
        if !when.allows(old, time) {
            return Ok(false);
        }
        if time <= now as i64 { Ok(slot.remove()) } else { slot.set_expiry(Some(time as u64)) }
    })?;
    call.reply.integer(u8::from(set));
    Ok(())
}

/// TTL, PTTL, EXPIRETIME and PEXPIRETIME: -1 is never, -2 is no key.
pub(crate) fn ttl(call: &mut Call<'_>) -> Outcome {
    let name = call.command.name;
    let (in_ms, absolute) = (name.starts_with('p'), name.ends_with("time"));
    let answer = match call.space.peek(call.args.at(1), call.now) {
        None => -2,
        Some(found) => found.expires_at.map_or(-1, |expires_at| {
            let ms = if absolute { expires_at } else { expires_at.saturating_sub(call.now) };
            (if in_ms { ms } else { (ms + 500) / 1000 }) as i64
        }),
    };
    call.reply.integer(answer);
    Ok(())
}

pub(crate) fn persist(call: &mut Call<'_>) -> Outcome {
    let persisted = call.space.update(call.args.at(1), call.now, lift)?;
    call.reply.integer(u8::from(persisted));
    Ok(())
}

/// Has a value stay; whether it would have gone. One that stays anyway isn't changed, which who watches it would take for a write.
pub(super) fn lift(slot: &mut Slot<'_>) -> Result<bool, Full> {
    let expires = slot.old().is_some_and(|old| old.expires_at().is_some());
    if expires { slot.set_expiry(None) } else { Ok(false) }
}
