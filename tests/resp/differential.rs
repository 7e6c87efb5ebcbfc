//! Random commands, to Lyger and to a real Redis: the replies are the same bytes.
//!
//! `LYGER_RESP_COMMANDS` says how many (20,000 in `make test`), `LYGER_RESP_SEED` which. What is known to differ is in
//! [`reduced`] and nowhere else; README.md's page of the server lists it for people.

use crate::random::{Random, command};
use crate::servers::{Lyger, Redis};
use crate::wire::{Client, frame, request};

const COMMANDS_DEFAULT: u64 = 20_000;
/// Each so often both begin anew, with clean tables and connections.
const COMMANDS_PER_CONNECTION: u64 = 500;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn random_commands_get_the_replies_of_a_real_redis() {
    let (lyger, redis) = (Lyger::start(2), Redis::start());
    let (commands, seed) = (setting("LYGER_RESP_COMMANDS", COMMANDS_DEFAULT), setting("LYGER_RESP_SEED", 1));
    let mut random = Random::new(seed);
    let mut clients: Option<(Client, Client)> = None;
    let mut history: Vec<String> = Vec::new();
    for number in 0..commands {
        if number % COMMANDS_PER_CONNECTION == 0 {
            clients = None;
        }
        let (ours, theirs) = clients.get_or_insert_with(|| {
            history.clear();
            let mut both = (lyger.client(), redis.client());
            assert_eq!(both.0.say("FLUSHALL"), both.1.say("FLUSHALL"));
            both
        });
        let args = command(&mut random);
        if takes_no_part(&args) {
            continue;
        }
        let bytes = request(&args);
        let shown = String::from_utf8_lossy(&bytes).replace("\r\n", " ");
        history.push(shown);
        assert!(ours.send(&bytes) && theirs.send(&bytes), "both take requests");
        let (our, their) = (ours.reply(), theirs.reply());
        let (ours, theirs) = (reduced(&args, &our), reduced(&args, &their));
        assert!(
            ours == theirs,
            "command {number} of LYGER_RESP_SEED={seed}: {}\n  Lyger: {}\n  Redis: {}\n  before: {:#?}",
            history.last().unwrap(),
            our.escape_ascii(),
            their.escape_ascii(),
            &history[history.len().saturating_sub(12)..]
        );
        if our.is_empty() {
            clients = None;
        }
    }
}

/// What is not asked, because its reply is nobody's to compare: none at all, or the time, or a stop.
fn takes_no_part(args: &[Vec<u8>]) -> bool {
    let word = |place: usize| args.get(place).map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    match word(0).as_slice() {
        // They answer nothing, for a while.
        b"client" => matches!(word(1).as_slice(), b"reply") && matches!(word(2).as_slice(), b"off" | b"skip"),
        // Texts of their own.
        b"shutdown" => true,
        // Redis has a file, and any key.
        b"save" | b"randomkey" if args.len() == 1 => true,
        b"debug" => !word(1).is_empty() && word(1) != b"foo",
        // Redis has more commands.
        b"command" if args.len() < 3 => {
            matches!(word(1).as_slice(), b"" | b"info" | b"docs" | b"list" | b"count" | b"help")
        }
        _ => word(1) == b"help",
    }
}

/// A time that was counted from now on, and not given as it is (`random.rs` has those that are).
fn is_of_the_clock(time: &[u8]) -> bool {
    time.len() > 10
        && !time.starts_with(b"33177117420")
        && !time.starts_with(b"4102444800")
        && !time.starts_with(b"92233720")
}

/// A reply without what is allowed to differ.
fn reduced(args: &[Vec<u8>], reply: &[u8]) -> Vec<u8> {
    let name = args[0].to_ascii_lowercase();
    let reply = match name.as_slice() {
        // Both have asked the clock at their own time.
        b"ttl" | b"pttl" if reply.starts_with(b":") && reply.len() > 5 => b":soon".to_vec(),
        b"expiretime" | b"pexpiretime" if is_of_the_clock(reply.get(1..).unwrap_or_default()) => b":soon".to_vec(),
        // The number of the connection.
        b"hello" if !reply.starts_with(b"-") => b"hello".to_vec(),
        // In the order in which each has its keys.
        b"keys" => sorted(reply),
        // Cursors are each server's own; that it is a pair is the same.
        b"scan" if reply.starts_with(b"*2") => b"*2".to_vec(),
        // Bounds of some settings differ.
        // What took long where.
        b"slowlog" if reply.starts_with(b"*") => Vec::new(),
        b"client" | b"config" | b"object" | b"memory" if reply.first().is_some_and(|kind| b"$*=:%".contains(kind)) => {
            Vec::new()
        }
        // Keys that have expired count until somebody meets them.
        b"dbsize" if reply.starts_with(b":") => Vec::new(),

        _ => reply.to_vec(),
    };
    in_exec(&name, reply)
}

/// Within a transaction the same holds, and its replies don't say which command they are of: those that may differ are known by
/// their forms.
fn in_exec(name: &[u8], reply: Vec<u8>) -> Vec<u8> {
    if name != b"exec" || !reply.starts_with(b"*") {
        return reply;
    }
    let mut at = reply.windows(2).position(|two| two == b"\r\n").map_or(0, |place| place + 2);
    let mut parts = vec![reply[..at].to_vec()];
    while let Some(end) = frame(&reply, at) {
        let part = &reply[at..end];
        let time = part.starts_with(b":") && part.len() > 5;
        parts.push(if time || part.starts_with(b"*") || part.starts_with(b"%") {
            b"?".to_vec()
        } else {
            part.to_vec()
        });
        at = end;
    }
    parts.concat()
}

fn sorted(reply: &[u8]) -> Vec<u8> {
    let mut at = reply.windows(2).position(|two| two == b"\r\n").map_or(0, |place| place + 2);
    let mut parts = Vec::new();
    while let Some(end) = frame(reply, at) {
        parts.push(reply[at..end].to_vec());
        at = end;
    }
    parts.sort();
    [reply[..4.min(reply.len())].to_vec(), parts.concat()].concat()
}
