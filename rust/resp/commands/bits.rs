//! Bits of values: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP.

use std::sync::atomic::Ordering::Relaxed;

use super::ranges::range;
use super::{Call, Failure, Outcome, SYNTAX};
use crate::resp::number;

const WRONG_OFFSET: Failure = Failure::new("ERR bit offset is not an integer or out of range");

/// The byte of a bit and the bit's mask in it.
fn place(call: &Call<'_>) -> Result<(usize, u8), Failure> {
    let most = call.core.shared.live.bulk_bytes_max.load(Relaxed).min(crate::cache::VALUE_BYTES_MAX as u64);
    let offset = number::integer(call.args.at(2)).and_then(|offset| u64::try_from(offset).ok());
    let offset = offset.filter(|offset| offset >> 3 < most).ok_or(WRONG_OFFSET)?;
    Ok(((offset >> 3) as usize, 0x80 >> (offset & 7)))
}

pub(crate) fn setbit(call: &mut Call<'_>) -> Outcome {
    let (byte, mask) = place(call)?;
    let on = match call.args.at(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err(Failure::new("ERR bit is not an integer or out of range")),
    };
    let old = call.space.update(call.args.at(1), call.now, |slot| {
        let is_there = slot.old().is_some_and(|old| byte < old.len());
        let old = slot.old().map_or(0, |old| byte_at(&old, byte));
        let new = if on { old | mask } else { old & !mask };
        // What stays as it is isn't written, which who watches the key would take for a change.
        if !is_there || new != old {
            slot.write_at(byte, &[new])?;
        }
        Ok::<u8, Failure>(old)
    })?;
    call.reply.integer(u8::from(old & mask != 0));
    Ok(())
}

fn byte_at(old: &crate::cache::Old<'_>, place: usize) -> u8 {
    if place >= old.len() {
        return 0;
    }
    let mut byte = Vec::with_capacity(1);
    old.read(place..place + 1, &mut byte);
    byte[0]
}

pub(crate) fn getbit(call: &mut Call<'_>) -> Outcome {
    let (byte, mask) = place(call)?;
    let old = call.space.update(call.args.at(1), call.now, |slot| slot.old().map_or(0, |old| byte_at(&old, byte)));
    call.reply.integer(u8::from(old & mask != 0));
    Ok(())
}

/// Whether the word at a place says that ends are bits.
fn counts_bits(call: &Call<'_>, place: usize) -> Result<bool, Failure> {
    match call.args.get(place) {
        None => Ok(false),
        Some(_) if call.args.is(place, "bit") => Ok(true),
        Some(_) if call.args.is(place, "byte") => Ok(false),
        Some(_) => Err(SYNTAX),
    }
}

pub(crate) fn bitcount(call: &mut Call<'_>) -> Outcome {
    let mut value = Vec::new();
    if call.space.get(call.args.at(1), call.now, &mut value).is_none() {
        call.reply.integer(0);
        return Ok(());
    }
    let ends = match call.args.len() {
        2 => Some((0, value.len() as u64 * 8)),
        4 | 5 => {
            let (start, end) = (call.integer(2)?, call.integer(3)?);
            // Redis doesn't look at the unit of such a range.
            let nothing = start < 0 && end < 0 && start > end;
            if nothing { None } else { bit_range(start, end, counts_bits(call, 4)?, value.len()) }
        }
        _ => return Err(SYNTAX),
    };
    call.reply.integer(ends.map_or(0, |(start, end)| count(&value, start, end)));
    Ok(())
}

/// The bits of a range, the last one excluded.
fn bit_range(start: i64, end: i64, bits: bool, bytes: usize) -> Option<(u64, u64)> {
    let unit = if bits { 1 } else { 8 };
    let (start, end) = range(start, end, bytes as u64 * 8 / unit)?;
    Some((start * unit, (end + 1) * unit))
}

fn count(value: &[u8], start: u64, end: u64) -> u64 {
    if start >= end {
        return 0;
    }
    let (first, last) = ((start / 8) as usize, ((end - 1) / 8) as usize);
    let all: u64 = value[first..=last].iter().map(|byte| u64::from(byte.count_ones())).sum();
    let before = value[first] & !(0xff >> (start % 8));
    let after = if end.is_multiple_of(8) { 0 } else { value[last] & (0xff >> (end % 8)) };
    all - u64::from(before.count_ones() + after.count_ones())
}

pub(crate) fn bitpos(call: &mut Call<'_>) -> Outcome {
    let wanted = match call.integer(2)? {
        0 => false,
        1 => true,
        _ => return Err(Failure::new("ERR The bit argument must be 1 or 0.")),
    };
    let mut value = Vec::new();
    if call.space.get(call.args.at(1), call.now, &mut value).is_none() {
        call.reply.integer(if wanted { -1 } else { 0 });
        return Ok(());
    }
    let ends = match call.args.len() {
        3 => bit_range(0, -1, false, value.len()),
        4..=6 => {
            let start = call.integer(3)?;
            let bits = counts_bits(call, 5)?;
            let end = if call.args.len() > 4 { call.integer(4)? } else { i64::MAX };
            let span = value.len() as i64 * if bits { 8 } else { 1 };
            let end = if end < 0 { (span + end.max(-span)).max(0) } else { end };
            let start = if start < 0 { (span + start.max(-span)).max(0) } else { start };
            bit_range(start, end, bits, value.len())
        }
        _ => return Err(SYNTAX),
    };
    let Some((start, end)) = ends else {
        call.reply.integer(-1);
        return Ok(());
    };
    let found = find(&value, start, end, wanted);
    // Past the value there are zeros without end, unless the call has named an end.
    let otherwise = if wanted || call.args.len() > 4 { -1 } else { end as i64 };
    call.reply.integer(found.map_or(otherwise, |place| place as i64));
    Ok(())
}

fn find(value: &[u8], start: u64, end: u64, wanted: bool) -> Option<u64> {
    let nothing = if wanted { 0x00 } else { 0xff };
    let mut place = start;
    while place < end {
        let byte = value[(place / 8) as usize];
        if place.is_multiple_of(8) && byte == nothing {
            place += 8;
        } else if (byte & 0x80 >> (place % 8) != 0) == wanted {
            return Some(place);
        } else {
            place += 1;
        }
    }
    None
}

pub(crate) fn bitop(call: &mut Call<'_>) -> Outcome {
    let operation: fn(u8, u8) -> u8 = match call.args.at(1).to_ascii_lowercase().as_slice() {
        b"and" => |one, other| one & other,
        b"or" => |one, other| one | other,
        b"xor" => |one, other| one ^ other,
        b"not" if call.args.len() == 4 => |one, _| !one,
        b"not" => return Err(Failure::new("ERR BITOP NOT must be called with a single source key.")),
        _ => return Err(SYNTAX),
    };
    let inverts = call.args.is(1, "not");
    let keys: Vec<&[u8]> = call.args.from(2).iter().collect();
    let now = call.now;
    let length = call.space.together(&keys, |space| {
        let mut result = Vec::new();
        space.get(keys[1], now, &mut result);
        if inverts {
            result.iter_mut().for_each(|byte| *byte = !*byte);
        }
        // One at a time: a key can be named a million times.
        let mut value = Vec::new();
        for key in &keys[2..] {
            value.clear();
            space.get(key, now, &mut value);
            combine(&mut result, &mut value, operation);
        }
        space.update(keys[0], now, |slot| {
            if result.is_empty() {
                slot.remove();
                return Ok(());
            }
            slot.put(&[&result], None)
        })?;
        Ok::<usize, Failure>(result.len())
    })?;
    call.reply.integer(length);
    Ok(())
}

/// The shorter one is as if zeros followed.
fn combine(result: &mut Vec<u8>, value: &mut Vec<u8>, operation: fn(u8, u8) -> u8) {
    let length = result.len().max(value.len());
    result.resize(length, 0);
    value.resize(length, 0);
    result.iter_mut().zip(value).for_each(|(byte, other)| *byte = operation(*byte, *other));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_and_finding_agree_with_bit_by_bit() {
        let value = [0xff, 0x00, 0xf0, 0x0f, 0xa5, 0xff];
        let bit = |place: u64| value[(place / 8) as usize] & 0x80 >> (place % 8) != 0;
        for start in 0..48 {
            for end in start..=48 {
                let expected = (start..end).filter(|place| bit(*place)).count() as u64;
                assert_eq!(count(&value, start, end), expected, "{start}..{end}");
                for wanted in [false, true] {
                    let expected = (start..end).find(|place| bit(*place) == wanted);
                    assert_eq!(find(&value, start, end, wanted), expected, "{wanted} in {start}..{end}");
                }
            }
        }
    }
}
