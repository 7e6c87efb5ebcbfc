//! Parts of values: APPEND, GETRANGE, SETRANGE, STRLEN.

use std::sync::atomic::Ordering::Relaxed;

use super::{Call, Failure, Outcome, TOO_LARGE};

/// Fails where a value would become longer than one may be.
fn check_length(call: &Call<'_>, start: u64, bytes: usize) -> Result<(), Failure> {
    let most = call.core.shared.live.bulk_bytes_max.load(Relaxed).min(crate::cache::VALUE_BYTES_MAX as u64);
    start.checked_add(bytes as u64).filter(|length| *length <= most).map(drop).ok_or(TOO_LARGE)
}

pub(crate) fn append(call: &mut Call<'_>) -> Outcome {
    let (space, key, tail, now) = (call.space, call.args.at(1), call.args.at(2), call.now);
    let length = space.update(key, now, |slot| {
        let old = slot.old().map(|old| old.len());
        if let Some(old) = old {
            check_length(call, old as u64, tail.len())?;
        }
        Ok::<usize, Failure>(slot.append(tail)?)
    })?;
    call.reply.integer(length);
    Ok(())
}

pub(crate) fn strlen(call: &mut Call<'_>) -> Outcome {
    let found = call.space.peek(call.args.at(1), call.now);
    call.reply.integer(found.map_or(0, |found| found.len));
    Ok(())
}

/// The bytes (or bits) that a range of Redis means, both ends included and negative ones counted from the end; `None` for none.
pub(crate) fn range(start: i64, end: i64, length: u64) -> Option<(u64, u64)> {
    let length = length as i64;
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let from_start = |place: i64| if place < 0 { (length + place.max(-length)).max(0) } else { place };
    let (start, end) = (from_start(start), from_start(end).min(length - 1));
    (start <= end && length > 0).then_some((start as u64, end as u64))
}

pub(crate) fn getrange(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.integer(2)?, call.integer(3)?);
    let out = &mut *call.reply.out;
    call.space.update(call.args.at(1), call.now, |slot| {
        let old = slot.old();
        let part = old.as_ref().and_then(|old| range(start, end, old.len() as u64));
        match (old, part) {
            (Some(old), Some((start, end))) => {
                super::super::reply::head(out, b'$', end + 1 - start);
                old.read(start as usize..end as usize + 1, out);
                out.extend_from_slice(b"\r\n");
            }
            _ => super::super::reply::bulk(out, b""),
        }
    });
    Ok(())
}

pub(crate) fn setrange(call: &mut Call<'_>) -> Outcome {
    let offset = call.integer(2)?;
    let offset = u64::try_from(offset).map_err(|_| Failure::new("ERR offset is out of range"))?;
    let (space, key, part, now) = (call.space, call.args.at(1), call.args.at(3), call.now);
    let length = space.update(key, now, |slot| {
        if part.is_empty() {
            return Ok(slot.old().map_or(0, |old| old.len()));
        }
        check_length(call, offset, part.len())?;
        Ok::<usize, Failure>(slot.write_at(offset as usize, part)?)
    })?;
    call.reply.integer(length);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_mean_what_they_mean_in_redis() {
        for (start, end, length, expected) in [
            (0, -1, 5, Some((0, 4))),
            (-3, -1, 5, Some((2, 4))),
            (1, 99, 5, Some((1, 4))),
            (-99, 1, 5, Some((0, 1))),
            (-99, -98, 5, Some((0, 0))),
            (-99, -99, 5, Some((0, 0))),
            (3, 1, 5, None),
            (5, 9, 5, None),
            (0, 0, 0, None),
            (i64::MIN, i64::MAX, 5, Some((0, 4))),
            (-1, -3, 5, None),
        ] {
            assert_eq!(range(start, end, length), expected, "{start} {end} {length}");
        }
    }
}
