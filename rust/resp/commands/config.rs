//! CONFIG GET and SET: the settings that exist, under Redis's names where it has them.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};

use super::{Call, Failure, Outcome, SYNTAX, Space};
use crate::resp::core::Core;
use crate::resp::glob;
use crate::resp::number;
use crate::resp::settings::{Changed, Live, Settings};

/// A setting that CONFIG SET changes.
enum Changeable {
    Number(fn(&Live) -> &AtomicU64, std::ops::RangeInclusive<u64>),
    /// With a unit where one is wanted: `1gb`.
    Bytes(fn(&Live) -> &AtomicU64, std::ops::RangeInclusive<u64>),
    Signed(fn(&Live) -> &AtomicI64),
    Password,
}

const CHANGEABLE: [(&str, Changeable); 15] = {
    use Changeable::{Bytes, Number, Password, Signed};
    [
        ("client-query-buffer-limit", Bytes(|live| &live.request_bytes_max, Settings::REQUEST_BYTES_MAX)),
        ("maxclients", Number(|live| &live.clients_max, Settings::CLIENTS_MAX)),
        ("maxmemory-clients", Bytes(|live| &live.clients_bytes_max, Settings::VALUES_BYTES_MAX)),
        ("proto-inline-max-len", Bytes(|live| &live.inline_bytes_max, Settings::INLINE_BYTES_MAX)),
        ("proto-max-args", Number(|live| &live.args_max, Settings::ARGS_MAX)),
        ("proto-max-bulk-len", Bytes(|live| &live.bulk_bytes_max, Settings::BULK_BYTES_MAX)),
        ("proto-max-reply-len", Bytes(|live| &live.one_reply_bytes_max, Settings::VALUES_BYTES_MAX)),
        ("pubsub-output-limit", Bytes(|live| &live.push_bytes_max, Settings::HELD_BYTES_MAX)),
        ("reply-output-limit", Bytes(|live| &live.reply_bytes_max, Settings::HELD_BYTES_MAX)),
        ("requirepass", Password),
        ("slowlog-log-slower-than", Signed(|live| &live.slow_us)),
        ("slowlog-max-len", Number(|live| &live.slow_entries_max, Settings::SLOW_ENTRIES_MAX)),
        ("subscription-max-bytes", Bytes(|live| &live.subscription_bytes_max, Settings::HELD_BYTES_MAX)),
        ("timeout", Number(|live| &live.idle_timeout_s, Settings::IDLE_TIMEOUT_S)),
        ("transaction-max-bytes", Bytes(|live| &live.transaction_bytes_max, Settings::VALUES_BYTES_MAX)),
    ]
};

/// All settings with their values, in the order of their names.
fn settings(core: &Core, space: Space<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let (live, fixed) = (&core.shared.live, &core.shared.settings);
    let text = |number: u64| number.to_string().into_bytes();
    let mut settings: Vec<(&'static str, Vec<u8>)> = CHANGEABLE
        .iter()
        .map(|(name, setting)| {
            let value = match setting {
                Changeable::Number(value, _) | Changeable::Bytes(value, _) => text(value(live).load(Relaxed)),
                Changeable::Signed(value) => value(live).load(Relaxed).to_string().into_bytes(),
                Changeable::Password => live.password(),
            };
            (*name, value)
        })
        .collect();
    let bytes_max = match space {
        Space::Table(table) => Some(table.stats().bytes_max),
        Space::Locked(_) => core.shared.table_bytes_max,
        Space::Foreign(_) => None,
    };
    if let Some(bytes_max) = bytes_max {
        settings.extend([("maxmemory", text(bytes_max)), ("maxmemory-policy", b"allkeys-s3fifo".to_vec())]);
    }
    settings.extend([
        ("appendonly", b"no".to_vec()),
        ("bind", fixed.listen.ip().to_string().into_bytes()),
        ("databases", text(1)),
        ("io-threads", text(fixed.threads as u64)),
        ("port", text(u64::from(core.shared.port))),
        ("save", Vec::new()),
        ("tcp-backlog", text(fixed.backlog as u64)),
        ("tcp-keepalive", text(crate::resp::socket::KEEPALIVE_S)),
    ]);
    settings.sort_unstable();
    settings
}

pub(crate) fn get(call: &mut Call<'_>) -> Outcome {
    let mut settings = settings(call.core, call.space);
    settings.retain(|(name, _)| call.args.iter().skip(2).any(|pattern| glob::matches(pattern, name.as_bytes(), true)));
    call.reply.map(settings.len());
    for (name, value) in settings {
        call.reply.bulk(name.as_bytes());
        call.reply.bulk(&value);
    }
    Ok(())
}

/// A number of bytes with Redis's units: `1k` is 1000, `1kb` 1024.
fn bytes(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number: u64 = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    let unit: u64 = match text[digits..].to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// What a setting is to become, once all of them are found to be sound.
type Change<'a> = Box<dyn FnOnce(&Live) + 'a>;

fn change<'a>(name: &str, setting: &'static Changeable, value: &'a [u8]) -> Result<Change<'a>, Failure> {
    let wrong = |why: &str| {
        let text = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}");
        Failure::of(text)
    };
    let within = |number: Option<u64>, range: &std::ops::RangeInclusive<u64>| {
        let number = number.ok_or_else(|| wrong("argument couldn't be parsed into an integer"))?;
        let between = format!("argument must be between {} and {} inclusive", range.start(), range.end());
        if range.contains(&number) { Ok(number) } else { Err(wrong(&between)) }
    };
    Ok(match setting {
        Changeable::Number(place, range) => {
            let number = within(number::integer(value).and_then(|number| u64::try_from(number).ok()), range)?;
            Box::new(move |live| place(live).store(number, Relaxed))
        }
        Changeable::Bytes(place, range) => {
            let number = within(bytes(value), range)?;
            Box::new(move |live| place(live).store(number, Relaxed))
        }
        Changeable::Signed(place) => {
            let number = number::integer(value).ok_or_else(|| wrong("argument couldn't be parsed into an integer"))?;
            Box::new(move |live| place(live).store(number, Relaxed))
        }
        Changeable::Password if value.len() as u64 > Settings::PASSWORD_BYTES_MAX => {
            return Err(wrong(&format!("argument must have at most {} bytes", Settings::PASSWORD_BYTES_MAX)));
        }
        Changeable::Password => Box::new(move |live| live.set_password(value)),
    })
}

/// Makes of the settings what CONFIG SET has made of them in a server before this one; those that it can't be, with the reason.
pub(crate) fn change_again(live: &Live, changed: &Changed) -> Vec<String> {
    let again = |(name, value): (&String, &Vec<u8>)| {
        let (name, setting) = CHANGEABLE.iter().find(|(known, _)| known == name).ok_or_else(|| name.clone())?;
        change(name, setting, value)
            .map(|change| change(live))
            .map_err(|why| String::from_utf8_lossy(&why.0).into_owned())
    };
    changed.iter().filter_map(|one| again(one).err()).collect()
}

/// All of the settings given, or none.
pub(crate) fn set(call: &mut Call<'_>) -> Outcome {
    let args = call.args.from(2);
    if args.len() % 2 == 1 {
        return Err(SYNTAX);
    }
    let mut changes: Vec<(&'static str, &[u8], Change<'_>)> = Vec::new();
    for place in (0..args.len()).step_by(2) {
        let given = args.at(place);
        let known = CHANGEABLE.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(given));
        let Some((name, setting)) = known else {
            let fixed =
                settings(call.core, call.space).iter().any(|(name, _)| name.as_bytes().eq_ignore_ascii_case(given));
            let shown = super::printed(given, usize::MAX);
            return Err(if fixed {
                let why: &[u8] = b"') - can't set immutable config";
                Failure::of([b"ERR CONFIG SET failed (possibly related to argument '", shown, why].concat())
            } else {
                let why: &[u8] = b"Unknown option or number of arguments for CONFIG SET - '";
                Failure::of([b"ERR ", why, shown, b"'"].concat())
            });
        };
        if changes.iter().any(|(other, ..)| other == name) {
            let why = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - duplicate parameter");
            return Err(Failure::of(why));
        }
        let open = !call.core.shared.settings.listen.ip().is_loopback();
        if matches!(setting, Changeable::Password) && open && args.at(place + 1).is_empty() {
            return Err(Failure::new(
                "ERR CONFIG SET failed (possibly related to argument 'requirepass') - a password is needed where not only this machine can come",
            ));
        }
        changes.push((name, args.at(place + 1), change(name, setting, args.at(place + 1))?));
    }
    let shared = &call.core.shared;
    shared.change(|changed| {
        for (name, value, change) in changes {
            change(&shared.live);
            changed.insert(name.to_owned(), value.to_vec());
        }
    });
    call.reply.ok();
    Ok(())
}

pub(crate) fn resetstat(call: &mut Call<'_>) -> Outcome {
    call.core.shared.tallies.iter().for_each(|tally| tally.reset());
    call.reply.ok();
    Ok(())
}
