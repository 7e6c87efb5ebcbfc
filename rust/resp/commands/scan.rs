//! The table as a whole: KEYS, SCAN, RANDOMKEY, DBSIZE, FLUSHALL.
//!
//! Those that walk over the table never hold its locks, so they are not part of a transaction's atomic stretch: EXEC lets its locks
//! go before them (`transactions.rs`).

use super::space::NOT_A_TABLE;
use super::{Call, Failure, Outcome, SYNTAX, Space};
use crate::cache::Table;
use crate::resp::glob;
use crate::resp::number;
use crate::resp::reply::bulk;

/// Buckets that KEYS looks at between two looks at whether it's done.
const STEP: usize = 1024;

fn table<'a>(call: &Call<'a>) -> &'a Table {
    match call.space {
        Space::Table(table) => table,
        Space::Locked(_) => unreachable!("EXEC lets its locks go before a command that roams"),
        Space::Foreign(_) => unreachable!("{NOT_A_TABLE}"),
    }
}

pub(crate) fn keys(call: &mut Call<'_>) -> Outcome {
    let (table, pattern) = (table(call), call.args.at(1));
    let all = pattern == b"*";
    let mut found: Vec<Box<[u8]>> = Vec::new();
    let mut cursor = 0;
    loop {
        cursor = table.scan(cursor, STEP, call.now, |key| {
            if all || glob::matches(pattern, key, false) {
                found.push(key.into());
            }
        });
        if cursor == 0 {
            break;
        }
    }
    // A scan may tell a key twice while the table grows.
    found.sort_unstable();
    found.dedup();
    call.reply.array(found.len());
    found.iter().for_each(|key| call.reply.bulk(key));
    Ok(())
}

pub(crate) fn scan(call: &mut Call<'_>) -> Outcome {
    let cursor = number::cursor(call.args.at(1)).ok_or(Failure::new("ERR invalid cursor"))?;
    let (mut count, mut pattern, mut of_type) = (10, None, true);
    let mut place = 2;
    while place < call.args.len() {
        let value = call.args.get(place + 1).ok_or(SYNTAX)?;
        if call.args.is(place, "count") {
            count = call.integer(place + 1)?;
            if count < 1 {
                return Err(SYNTAX);
            }
        } else if call.args.is(place, "match") {
            pattern = Some(value).filter(|pattern| *pattern != b"*");
        } else if call.args.is(place, "type") {
            of_type = value.eq_ignore_ascii_case(b"string");
        } else {
            return Err(SYNTAX);
        }
        place += 2;
    }
    let (mut found, mut keys) = (0, Vec::new());
    let next = table(call).scan(cursor, count as usize, call.now, |key| {
        if of_type && pattern.is_none_or(|pattern| glob::matches(pattern, key, false)) {
            found += 1;
            bulk(&mut keys, key);
        }
    });
    call.reply.array(2);
    call.reply.shown(next);
    call.reply.array(found);
    call.reply.out.extend_from_slice(&keys);
    Ok(())
}

pub(crate) fn randomkey(call: &mut Call<'_>) -> Outcome {
    match table(call).random_key(call.now) {
        Some(key) => call.reply.bulk(&key),
        None => call.reply.null(),
    }
    Ok(())
}

pub(crate) fn dbsize(call: &mut Call<'_>) -> Outcome {
    let keys = match call.space {
        Space::Table(table) => table.len(),
        Space::Locked(keys) => keys.len(),
        Space::Foreign(_) => unreachable!("{NOT_A_TABLE}"),
    };
    call.reply.integer(keys);
    Ok(())
}

/// FLUSHALL and FLUSHDB: there is one database.
pub(crate) fn flush(call: &mut Call<'_>) -> Outcome {
    match call.args.len() {
        1 => {}
        2 if call.args.is(1, "sync") || call.args.is(1, "async") => {}
        _ => return Err(SYNTAX),
    }
    match call.space {
        Space::Table(table) => table.clear(),
        Space::Locked(keys) => keys.clear(),
        Space::Foreign(_) => unreachable!("{NOT_A_TABLE}"),
    }
    call.reply.ok();
    Ok(())
}
