//! Streams of bytes as a client would never send them: cut off, with bytes changed, of nothing but noise. Lyger answers them
//! as a real Redis does, and ends the connection where it does.
//!
//! Known to differ, and not generated: a NUL within a length (Redis waits, because C's text ends there), and more than 1,048,576
//! arguments (Redis waits for up to 2^31).

use crate::random::{Random, command};
use crate::servers::{Lyger, Redis};
use crate::wire::{Client, request};

const STREAMS: u64 = 1_500;

/// Commands whose replies are the same on any server at any time.
const PLAIN: &[&str] =
    &["GET k", "SET k v", "PING", "INCR n", "MGET k n x", "APPEND k abc", "ECHO world", "DEL k", "STRLEN k", "GET"];

fn stream(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..1 + random.below(6) {
        let line = random.pick(PLAIN);
        match random.below(10) {
            0 => bytes.extend(format!("{line}\r\n").bytes()),
            1 => bytes.extend(format!("{line}\n").bytes()),
            2 => bytes.extend(random.pick(&["\r\n", "\n", "*0\r\n", "*-1\r\n", "*-7\r\n", "  \r\n"]).bytes()),
            3 => bytes.extend(
                random
                    .pick(&["set k 'a b'\r\n", "set k \"\\x41\\n\"\r\n", "get 'k\r\n", "get \"k\"x\r\n", "echo '\r\n"])
                    .bytes(),
            ),
            _ => bytes.extend(request(&line.split(' ').collect::<Vec<_>>())),
        }
    }
    for _ in 0..random.below(3) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes.truncate(at.max(1)),
            1 => bytes[at] = *b"*$\r\n-+1 9:x'\"".get(random.below(14)).unwrap_or(&b'0'),
            2 => bytes.insert(at, *b"*$\r\n-0".get(random.below(6)).unwrap_or(&b'5')),
            3 => {
                bytes.remove(at);
                if bytes.is_empty() {
                    bytes.push(b'\n');
                }
            }
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}

/// What changes by what rules the requests behind it in the same packet are read and answered. HELLO's reply has the connection's number.
const TURNS: &[&str] = &[
    "AUTH secret",
    "AUTH default secret",
    "AUTH wrong",
    "AUTH a b c",
    "RESET",
    "RESET",
    "MULTI",
    "MULTI",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH k",
    "UNWATCH",
    "HELLO",
    "HELLO 2",
    "HELLO 3",
    "HELLO 3 AUTH default secret",
    "HELLO 2 AUTH default wrong",
    "HELLO 4",
    "CLIENT REPLY ON",
    "CLIENT REPLY OFF",
    "CLIENT REPLY SKIP",
    "SUBSCRIBE c",
    "UNSUBSCRIBE",
    "PSUBSCRIBE c*",
    "PUNSUBSCRIBE",
    // More than who has not logged in may send.
    "MSET a 1 b 2 c 3 d 4 e 5 f 6",
    "QUIT",
];

/// More requests than are read ahead at once, with turns among them. Mostly of one who logs in first.
fn turning(random: &mut Random) -> Vec<u8> {
    let requests = 20 + random.below(60);
    let often = 2 + random.below(12);
    // In a transaction Redis gives the head of EXEC's reply to who has said there that it wants none, and nothing behind it.
    let without = random.pick(&["CLIENT REPLY", "MULTI"]);
    let mut bytes = if random.below(4) > 0 { b"AUTH secret\r\n".to_vec() } else { Vec::new() };
    for _ in 0..requests {
        let line = if random.below(often) == 0 { random.pick(TURNS) } else { random.pick(PLAIN) };
        if line.starts_with(without) {
            continue;
        }
        match random.below(4) {
            0 => bytes.extend(format!("{line}\r\n").bytes()),
            _ => bytes.extend(request(&line.split(' ').collect::<Vec<_>>())),
        }
    }
    bytes
}

/// Replies without the numbers of connections.
fn without_ids(mut replies: Vec<u8>) -> Vec<u8> {
    const ID: &[u8] = b"$2\r\nid\r\n:";
    let mut at = 0;
    while let Some(found) = replies[at..].windows(ID.len()).position(|bytes| bytes == ID) {
        at += found + ID.len();
        let digits = replies[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        replies.drain(at..at + digits);
    }
    replies
}

/// What AUTH, RESET, MULTI, HELLO and others change holds for the very next request, also where several are read at once.
#[test]
fn requests_among_which_the_rules_change_get_the_replies_of_a_real_redis() {
    let lyger = Lyger::with(|settings| settings.password = Some("secret".to_owned()));
    let redis = Redis::start();
    redis.client().say("CONFIG SET requirepass secret");
    let mut random = Random::new(11);
    for number in 0..STREAMS {
        for client in [&mut lyger.client(), &mut redis.client()] {
            client.say("AUTH secret");
            client.say("FLUSHALL");
        }
        let stream = turning(&mut random);
        let ours = without_ids(answers(lyger.client(), &stream, &mut random));
        let theirs = without_ids(answers(redis.client(), &stream, &mut random));
        assert!(
            ours == theirs,
            "stream {number}: {}\n  Lyger: {}\n  Redis: {}",
            stream.escape_ascii(),
            ours.escape_ascii(),
            theirs.escape_ascii()
        );
    }
}

fn answers(mut client: Client, stream: &[u8], random: &mut Random) -> Vec<u8> {
    // In pieces, of which TCP may make whatever it likes.
    let cut = random.below(stream.len() + 1);
    let _ = client.send(&stream[..cut]) && client.send(&stream[cut..]);
    client.finish()
}

#[test]
fn broken_streams_get_the_replies_of_a_real_redis() {
    let (lyger, redis) = (Lyger::start(2), Redis::start());
    let mut random = Random::new(7);
    for number in 0..STREAMS {
        for client in [&mut lyger.client(), &mut redis.client()] {
            client.say("FLUSHALL");
        }
        let stream = stream(&mut random);
        let ours = answers(lyger.client(), &stream, &mut random);
        let theirs = answers(redis.client(), &stream, &mut random);
        assert!(
            ours == theirs,
            "stream {number}: {}\n  Lyger: {}\n  Redis: {}",
            stream.escape_ascii(),
            ours.escape_ascii(),
            theirs.escape_ascii()
        );
    }
}

/// The same commands, one by one and all at once, get the same replies in the same order.
#[test]
fn pipelined_commands_are_answered_in_their_order() {
    let lyger = Lyger::start(2);
    let mut random = Random::new(3);
    let commands: Vec<Vec<u8>> = (0..20_000)
        .map(|_| command(&mut random))
        .filter(|args| {
            let name = args[0].to_ascii_lowercase();
            // Whose replies are the same twice, and that leave the connection as it is.
            [&b"get"[..], b"set", b"append", b"incr", b"mget", b"getrange", b"setbit", b"del", b"echo"]
                .contains(&name.as_slice())
        })
        .map(|args| request(&args))
        .collect();
    let mut client = lyger.client();
    client.say("FLUSHALL");
    let singly: Vec<Vec<u8>> = commands
        .iter()
        .map(|bytes| {
            client.send(bytes);
            client.reply()
        })
        .collect();
    client.say("FLUSHALL");
    assert!(client.send(&commands.concat()));
    for (place, expected) in singly.iter().enumerate() {
        assert_eq!(&client.reply(), expected, "reply {place}");
    }
}
