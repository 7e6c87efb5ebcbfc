//! OBJECT, MEMORY, SLOWLOG, DEBUG: what the server knows about keys and about itself.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::{Call, Failure, Outcome, Space};
use crate::resp::number;
use crate::resp::snapshots::NotSaved;

/// Up to this length Redis keeps a string in one piece with its head.
const EMBEDDED_BYTES_MAX: usize = 44;
/// All clients of the thread wait with the one that asks: who tests what a client does then tests its timeouts, which are of seconds.
const SLEEP_SECONDS_MAX: f64 = 60.0;
/// How long the server's end waits for a thread that sleeps, at most.
const SLEEP_STEP: Duration = Duration::from_millis(100);

/// The value, or the null that OBJECT gives for a key that isn't there.
fn value(call: &mut Call<'_>) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    let found = call.space.get(call.args.at(2), call.now, &mut value);
    if found.is_none() {
        call.reply.null();
    }
    found.map(|_| value)
}

/// Every value lies here as it came; this is what Redis would have made of it.
pub(crate) fn encoding(call: &mut Call<'_>) -> Outcome {
    if let Some(value) = value(call) {
        let is_integer = value.len() <= 20 && number::integer(&value).is_some();
        let short = if value.len() <= EMBEDDED_BYTES_MAX { "embstr" } else { "raw" };
        call.reply.bulk(if is_integer { "int" } else { short }.as_bytes());
    }
    Ok(())
}

pub(crate) fn freq(call: &mut Call<'_>) -> Outcome {
    if value(call).is_none() {
        return Ok(());
    }
    Err(Failure::new(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
    ))
}

/// The table has two bits of use for a key and no clock.
pub(crate) fn idletime(call: &mut Call<'_>) -> Outcome {
    if value(call).is_some() {
        call.reply.integer(0);
    }
    Ok(())
}

pub(crate) fn refcount(call: &mut Call<'_>) -> Outcome {
    if value(call).is_some() {
        call.reply.integer(1);
    }
    Ok(())
}

pub(crate) fn memory_usage(call: &mut Call<'_>) -> Outcome {
    let mut place = 3;
    while place < call.args.len() {
        // A string is measured as a whole, whatever number of samples is asked for.
        if !call.args.is(place, "samples") || place + 1 == call.args.len() || call.integer(place + 1)? < 0 {
            return Err(super::SYNTAX);
        }
        place += 2;
    }
    let Space::Table(table) = call.space else { unreachable!("EXEC lets its locks go before") };
    match table.memory_usage(call.args.at(2), call.now) {
        Some(bytes) => call.reply.integer(bytes),
        None => call.reply.null(),
    }
    Ok(())
}

pub(crate) fn memory_stats(call: &mut Call<'_>) -> Outcome {
    let Space::Table(table) = call.space else { unreachable!("EXEC lets its locks go before") };
    let stats = table.stats();
    let pairs = [
        ("total.allocated", stats.memory_bytes),
        ("keys.count", stats.keys),
        ("keys.bytes-per-key", stats.memory_bytes / stats.keys.max(1)),
        ("dataset.bytes", stats.bytes),
        ("maxmemory", stats.bytes_max),
    ];
    call.reply.map(pairs.len());
    for (name, number) in pairs {
        call.reply.bulk(name.as_bytes());
        call.reply.integer(number);
    }
    Ok(())
}

pub(crate) fn memory_doctor(call: &mut Call<'_>) -> Outcome {
    call.reply.text(
        b"The table is one mapping of a bounded size and can't be fragmented by an allocator: nothing to report.\n",
    );
    Ok(())
}

/// As Redis says it where `enable-debug-command` is `local`.
const DEBUG_NOT_HERE: Failure = Failure::new(
    "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, \
     otherwise you need to set this option in the configuration file, and then restart the server.",
);

pub(crate) fn debug(call: &mut Call<'_>) -> Outcome {
    if !call.session.card.is_local() {
        return Err(DEBUG_NOT_HERE);
    }
    if call.args.is(1, "sleep") && call.args.len() == 3 {
        let seconds = std::str::from_utf8(call.args.at(2)).ok().and_then(|text| text.parse::<f64>().ok());
        // No range has a NaN.
        let seconds = seconds.filter(|seconds| (0.0..=SLEEP_SECONDS_MAX).contains(seconds)).ok_or_else(|| {
            Failure::of(format!("ERR DEBUG SLEEP takes a number of seconds from 0 to {SLEEP_SECONDS_MAX}"))
        })?;
        // All clients of this thread wait, as all of a Redis's would.
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        // In short ones, for the server's end waits for its threads.
        while let Some(left) = until.checked_duration_since(Instant::now())
            && !call.core.shared.stopping.load(Relaxed)
        {
            std::thread::sleep(left.min(SLEEP_STEP));
        }
        call.reply.ok();
        return Ok(());
    }
    assert!(!cfg!(test) || !call.args.is(1, "panic"), "a test has asked for it");
    if call.args.is(1, "help") && call.args.len() == 2 {
        return super::tell::help(call);
    }
    Err(super::wrong_call(call))
}

impl From<NotSaved> for Failure {
    fn from(error: NotSaved) -> Self {
        Self::of(format!("ERR {error}"))
    }
}

/// Its thread's clients wait, as all of a Redis's would.
pub(crate) fn save(call: &mut Call<'_>) -> Outcome {
    call.core.shared.snapshots.save()?;
    call.reply.ok();
    Ok(())
}

pub(crate) fn bgsave(call: &mut Call<'_>) -> Outcome {
    if call.args.len() > 2 || call.args.len() == 2 && !call.args.is(1, "schedule") {
        return Err(super::SYNTAX);
    }
    call.core.shared.snapshots.begin()?;
    call.reply.status("Background saving started");
    Ok(())
}

pub(crate) fn lastsave(call: &mut Call<'_>) -> Outcome {
    call.reply.integer(call.core.shared.snapshots.last_save_s());
    Ok(())
}

/// Ends the server. What is to be saved is when no thread serves any more.
pub(crate) fn shutdown(call: &mut Call<'_>) -> Outcome {
    let mut words = call.args.iter().skip(1).map(<[u8]>::to_ascii_lowercase);
    if words.clone().any(|word| word == b"abort") {
        let alone = call.args.len() == 2;
        return Err(if alone { Failure::new("ERR No shutdown in progress.") } else { super::SYNTAX });
    }
    let (saves, not) = (words.clone().any(|word| word == b"save"), words.clone().any(|word| word == b"nosave"));
    if !words.all(|word| [&b"save"[..], b"nosave", b"now", b"force"].contains(&&*word)) || saves && not {
        return Err(super::SYNTAX);
    }
    let shared = &call.core.shared;
    if !shared.settings.shutdown {
        return Err(Failure::new("ERR this server is a part of a process that is not its clients' to end"));
    }
    if saves && !shared.snapshots.has_file() {
        return Err(NotSaved::Nowhere.into());
    }
    if not {
        shared.snapshots.not_at_end();
    }
    shared.shut_down();
    call.session.closing = true;
    Ok(())
}

/// There are no functions, so they are deleted as soon as that is asked for. Redis's own tests begin with it.
pub(crate) fn function_flush(call: &mut Call<'_>) -> Outcome {
    match call.args.len() {
        2 => {}
        3 if call.args.is(2, "sync") || call.args.is(2, "async") => {}
        3 => return Err(Failure::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => return Err(super::wrong_call(call)),
    }
    call.reply.ok();
    Ok(())
}

pub(crate) fn function_list(call: &mut Call<'_>) -> Outcome {
    let mut place = 2;
    while place < call.args.len() {
        if call.args.is(place, "libraryname") {
            place += 1;
            if place == call.args.len() {
                return Err(Failure::new("ERR library name argument was not given"));
            }
        } else if !call.args.is(place, "withcode") {
            let word = super::printed(call.args.at(place), usize::MAX);
            return Err(Failure::of([b"ERR Unknown argument ", word].concat()));
        }
        place += 1;
    }
    call.reply.array(0);
    Ok(())
}

pub(crate) fn slowlog_get(call: &mut Call<'_>) -> Outcome {
    let count = match call.args.len() {
        2 => 10,
        3 => match number::integer(call.args.at(2)) {
            Some(-1) => usize::MAX,
            Some(count @ 0..) => count as usize,
            _ => return Err(Failure::new("ERR count should be greater than or equal to -1")),
        },
        _ => return Err(super::wrong_call(call)),
    };
    let entries = call.core.shared.slowlog.newest(count);
    call.reply.array(entries.len());
    for entry in entries {
        let reply = &mut call.reply;
        reply.array(6);
        reply.integer(entry.id);
        reply.integer(entry.at_s);
        reply.integer(entry.took_us);
        reply.array(entry.args.len());
        entry.args.iter().for_each(|arg| reply.bulk(arg));
        reply.bulk(entry.address.as_bytes());
        reply.bulk(&entry.name);
    }
    Ok(())
}

pub(crate) fn slowlog_len(call: &mut Call<'_>) -> Outcome {
    call.reply.integer(call.core.shared.slowlog.len());
    Ok(())
}

pub(crate) fn slowlog_reset(call: &mut Call<'_>) -> Outcome {
    call.core.shared.slowlog.clear();
    call.reply.ok();
    Ok(())
}
