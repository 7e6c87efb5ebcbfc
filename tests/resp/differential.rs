//! Random commands, to Lyger and to a real Redis: the replies are the same bytes.
//!
//! `LYGER_RESP_COMMANDS` says how many (100,000 in `make test`, a million in `make fuzz`), `LYGER_RESP_SEED` which. What is known to
//! differ is in [`reduced`] and nowhere else; ARCHITECTURE.md lists it for people.

use crate::random::{Random, command};
use crate::servers::{Lyger, Redis};
use crate::wire::{Client, frame, request};

/// Some ten seconds.
const COMMANDS_DEFAULT: u64 = 100_000;
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
    // What waits for EXEC.
    let mut queued: Vec<Vec<Vec<u8>>> = Vec::new();
    for number in 0..commands {
        if number % COMMANDS_PER_CONNECTION == 0 {
            clients = None;
        }
        let (ours, theirs) = clients.get_or_insert_with(|| {
            history.clear();
            queued.clear();
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
        let has_run = args[0].eq_ignore_ascii_case(b"exec")
            && [&our, &their].iter().all(|reply| reply.starts_with(b"*") && **reply != b"*-1\r\n");
        let [ours, theirs] =
            [&our, &their].map(|reply| if has_run { reduced_in_exec(&queued, reply) } else { reduced(&args, reply) });
        match args[0].to_ascii_lowercase().as_slice() {
            _ if their == b"+QUEUED\r\n" => queued.push(args.clone()),
            b"exec" => queued.clear(),
            b"discard" | b"reset" if their.starts_with(b"+") => queued.clear(),
            _ => {}
        }
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

/// Rounds of a client that watches a key while another one sends a random command.
const WATCHES: u64 = 8_000;

/// What counts as a change of a key, and what leaves it as it is, is the same for each command.
#[test]
fn who_watches_a_key_is_told_of_what_a_real_redis_tells() {
    let (lyger, redis) = (Lyger::start(2), Redis::start());
    let mut random = Random::new(setting("LYGER_RESP_SEED", 1));
    let mut watchers = [lyger.client(), redis.client()];
    for number in 0..WATCHES {
        let mut others = [lyger.client(), redis.client()];
        let key = format!("k{}", random.below(6));
        let mut sent = Vec::new();
        let mut send = |others: &mut [Client; 2], random: &mut Random| {
            let args = std::iter::repeat_with(|| command(random))
                .find(|args| {
                    // These two would end the watcher or have to be answered by EXEC.
                    let is_one = |name: &str| args[0].eq_ignore_ascii_case(name.as_bytes());
                    !takes_no_part(args) && !is_one("client") && !is_one("multi")
                })
                .unwrap();
            let bytes = request(&args);
            for other in others {
                other.send(&bytes);
                other.reply();
            }
            sent.push(String::from_utf8_lossy(&bytes).replace("\r\n", " "));
        };
        (0..3).for_each(|_| send(&mut others, &mut random));
        watchers.iter_mut().for_each(|watcher| assert_eq!(watcher.say(&format!("WATCH {key}")), "+OK\r\n"));
        send(&mut others, &mut random);
        let [ours, theirs] = watchers.each_mut().map(|watcher| {
            assert!(watcher.send(b"MULTI\r\nEXEC\r\n"));
            assert_eq!(watcher.reply(), b"+OK\r\n");
            watcher.reply()
        });
        let shown = [&ours, &theirs].map(|reply| reply.escape_ascii().to_string());
        assert!(
            ours == theirs,
            "round {number}: {shown:?} of Lyger and Redis to who watches {key} behind the last of {sent:#?}"
        );
    }
}

/// What is not asked, because its reply is nobody's to compare: none at all, or the time, or a stop.
fn takes_no_part(args: &[Vec<u8>]) -> bool {
    let word = |place: usize| args.get(place).map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    match word(0).as_slice() {
        // Texts of their own.
        _ if word(1) == b"help" => true,
        // They answer nothing, for a while.
        b"client" => matches!(word(1).as_slice(), b"reply") && matches!(word(2).as_slice(), b"off" | b"skip"),
        b"shutdown" => true,
        // Redis has a file, and any key.
        b"save" | b"randomkey" if args.len() == 1 => true,
        b"debug" => !word(1).is_empty() && word(1) != b"foo",
        // Redis has more commands.
        b"command" if args.len() < 3 => {
            matches!(word(1).as_slice(), b"" | b"info" | b"docs" | b"list" | b"count" | b"help")
        }
        _ => false,
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
    let is_usage = args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"usage"));
    match name.as_slice() {
        // Both have asked the clock at their own time.
        b"ttl" | b"pttl" if reply.starts_with(b":") && reply.len() > 5 => b":soon".to_vec(),
        b"expiretime" | b"pexpiretime" if is_of_the_clock(reply.get(1..).unwrap_or_default()) => b":soon".to_vec(),
        // The number of the connection.
        b"hello" if !reply.starts_with(b"-") => b"hello".to_vec(),
        // In the order in which each has its keys.
        b"keys" => sorted(reply),
        // Cursors are each server's own; that it is a pair is the same.
        b"scan" if reply.starts_with(b"*2") => b"*2".to_vec(),
        // Redis tells also of a key that has expired and that nobody has met since.
        b"memory" if is_usage && [&b":"[..], b"$-1", b"_"].iter().any(|kind| reply.starts_with(kind)) => {
            b"usage".to_vec()
        }
        // What took long where; each server's own figures.
        b"slowlog" | b"memory" if reply.starts_with(b"*") || reply.starts_with(b"%") => reply[..1].to_vec(),
        // Who is connected, what is set to what, how a value lies in memory: of the same form.
        b"client" | b"config" | b"object" | b"memory" => shape(reply),
        // Keys that have expired count until somebody meets them.
        b"dbsize" if reply.starts_with(b":") => b":".to_vec(),
        _ => reply.to_vec(),
    }
}

/// The replies of a transaction's commands, each without what is allowed to differ of it.
fn reduced_in_exec(queued: &[Vec<Vec<u8>>], reply: &[u8]) -> Vec<u8> {
    let (head, parts) = parts(reply);
    assert_eq!(parts.len(), queued.len(), "{}", reply.escape_ascii());
    let parts = queued.iter().zip(parts).map(|(args, part)| reduced(args, part));
    [head.to_vec(), parts.collect::<Vec<_>>().concat()].concat()
}

/// An aggregate's first line, and what is in it.
fn parts(reply: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let mut at = reply.windows(2).position(|two| two == b"\r\n").map_or(reply.len(), |place| place + 2);
    let (head, mut parts) = (&reply[..at], Vec::new());
    while let Some(end) = frame(reply, at) {
        parts.push(&reply[at..end]);
        at = end;
    }
    (head, parts)
}

/// The kinds of a reply and of its parts, with their number. Errors, statuses and nothing at all are as they are.
fn shape(reply: &[u8]) -> Vec<u8> {
    match reply.first() {
        Some(b'*' | b'~' | b'>' | b'%') => {
            let (head, parts) = parts(reply);
            [head.to_vec(), parts.into_iter().flat_map(shape).collect()].concat()
        }
        Some(kind @ (b'$' | b'=' | b':')) if !reply.starts_with(b"$-1") => vec![*kind],
        _ => reply.to_vec(),
    }
}

fn sorted(reply: &[u8]) -> Vec<u8> {
    let (head, mut parts) = parts(reply);
    parts.sort_unstable();
    [head, &parts.concat()].concat()
}
