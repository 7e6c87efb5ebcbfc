//! When keys expire, by the server's clock: none is seen after its time, and times are kept to the millisecond.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::servers::Lyger;

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn number(reply: &str) -> u64 {
    reply.trim_start_matches(':').trim_end().parse().unwrap_or_else(|_| panic!("{reply}"))
}

/// One turn of the server executes all three, and still each at its own time.
#[test]
fn a_key_that_expires_within_a_pipeline_is_gone_in_it() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    client.send(b"SET k v PX 50\r\nDEBUG SLEEP 0.2\r\nGET k\r\nPTTL k\r\n");
    let replies = [client.reply(), client.reply(), client.reply(), client.reply()];
    assert_eq!(replies.concat(), b"+OK\r\n+OK\r\n$-1\r\n:-2\r\n");
}

/// The differential test can't ask this: two servers look at the clock at two times.
#[test]
fn times_are_kept_to_the_millisecond() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    for round in 0..200 {
        let forms = [
            format!("SET k v PX {}", 100_000 + round),
            format!("PEXPIRE k {}", 100_000 + round),
            format!("GETEX k PX {}", 100_000 + round),
            format!("PSETEX k {} v", 100_000 + round),
        ];
        for form in forms {
            let before = now_ms();
            client.say(&form);
            let after = now_ms();
            let at = number(&client.say("PEXPIRETIME k"));
            assert!((before..=after).contains(&(at - 100_000 - round)), "{form}: {before} {at} {after}");
            let ttl = number(&client.say("PTTL k"));
            assert!(ttl <= 100_000 + round && at - ttl <= now_ms() && at - ttl >= before, "{form}: {at} {ttl}");
            // Rounded to the nearest second, as Redis does.
            assert_eq!(number(&client.say("EXPIRETIME k")), (at + 500) / 1000);
        }
        let at = 4_102_444_800_000 + round * 501;
        client.say(&format!("SET k v PXAT {at}"));
        assert_eq!(number(&client.say("PEXPIRETIME k")), at);
        client.say(&format!("PEXPIREAT k {}", at + 1));
        assert_eq!(number(&client.say("PEXPIRETIME k")), at + 1);
    }
}
