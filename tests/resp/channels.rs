//! Channels: messages reach clients of other threads, in both protocols, in their order.

use crate::servers::{Lyger, Program, Redis};
use crate::wire::{Client, request};

/// Enough that each of two threads has some.
const LISTENERS: usize = 16;

#[test]
fn messages_reach_the_clients_of_all_threads_in_order() {
    let lyger = Lyger::start(2);
    let mut listeners: Vec<Client> = (0..LISTENERS).map(|_| lyger.client()).collect();
    for listener in &mut listeners {
        assert_eq!(listener.ask(&["SUBSCRIBE", "news"]), b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    }
    let mut publisher = lyger.client();
    for number in 0..500 {
        assert_eq!(publisher.say(&format!("PUBLISH news {number}")), format!(":{LISTENERS}\r\n"));
    }
    for listener in &mut listeners {
        for number in 0..500 {
            let text = number.to_string();
            let expected = format!("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n${}\r\n{text}\r\n", text.len());
            assert_eq!(String::from_utf8_lossy(&listener.reply()), expected);
        }
    }
    drop(listeners);
    // Their ends are noticed by their threads.
    while publisher.say("PUBLISH news x") != ":0\r\n" {
        std::thread::yield_now();
    }
}

#[test]
fn a_subscriber_who_takes_nothing_is_ended_and_the_others_are_served() {
    let lyger = Lyger::with(|settings| settings.push_bytes_max = 1 << 20);
    let (mut deaf, mut good, mut publisher) = (lyger.client(), lyger.client(), lyger.client());
    deaf.ask(&["SUBSCRIBE", "c"]);
    good.ask(&["SUBSCRIBE", "c"]);
    let text = "x".repeat(100_000);
    let mut receivers = String::from(":2\r\n");
    for _ in 0..1_000 {
        receivers = publisher.say(&format!("PUBLISH c {text}"));
        assert!(good.reply().len() > 100_000);
        if receivers == ":1\r\n" {
            break;
        }
    }
    assert_eq!(receivers, ":1\r\n");
}

/// A transaction's messages come all in one turn of the thread, before any of them can be sent.
#[test]
fn messages_that_come_at_once_take_no_more_memory_than_a_subscriber_may() {
    let lyger = Program::start(&["--threads", "1"]);
    let mut publisher = lyger.client();
    publisher.say("CONFIG SET pubsub-output-limit 1mb");
    let mut listeners: Vec<Client> = (0..10).map(|_| lyger.client()).collect();
    for listener in &mut listeners {
        listener.ask(&["SUBSCRIBE", "c"]);
    }
    let before = lyger.peak();
    publisher.say("MULTI");
    let text = "x".repeat(1_000_000);
    (0..40).for_each(|_| drop(publisher.ask(&["PUBLISH", "c", &text])));
    assert!(publisher.say("EXEC").starts_with("*40\r\n:10\r\n"));
    assert_eq!(publisher.say("PUBLISH c gone"), ":0\r\n");
    let took = lyger.peak() - before;
    assert!(took < 120 << 20, "{took} bytes");
}

/// Redis 7.0 writes its own messages amid EXEC's reply, whose parts they would be taken for. They are behind it, as since Redis 7.2.
#[test]
fn what_a_transaction_publishes_to_its_own_client_comes_behind_its_reply() {
    let lyger = Lyger::start(1);
    for hello in ["HELLO 3", "HELLO 2"] {
        let kind = if hello == "HELLO 3" { ">" } else { "*" };
        let message = |text: &str| format!("{kind}3\r\n$7\r\nmessage\r\n$3\r\nown\r\n$3\r\n{text}\r\n");
        let mut client = lyger.client();
        client.say(hello);
        client.send(b"MULTI\r\nSUBSCRIBE own\r\nPUBLISH own one\r\nGET nothing\r\nPUBLISH own two\r\nEXEC\r\nPING\r\n");
        (0..5).for_each(|_| drop(client.reply()));
        let (subscribed, null) =
            (format!("{kind}3\r\n$9\r\nsubscribe\r\n$3\r\nown\r\n:1\r\n"), if kind == ">" { "_" } else { "$-1" });
        let pong = if kind == ">" { "+PONG\r\n" } else { "*2\r\n$4\r\npong\r\n$0\r\n\r\n" };
        let replies = format!("*4\r\n{subscribed}:1\r\n{null}\r\n:1\r\n");
        for expected in [&*replies, &message("one"), &message("two"), pong] {
            assert_eq!(String::from_utf8_lossy(&client.reply()), expected, "{hello}");
        }
        // What another one publishes comes after it.
        assert_eq!(lyger.client().say("PUBLISH own old"), ":1\r\n");
        assert_eq!(String::from_utf8_lossy(&client.reply()), message("old"));
    }
}

/// As to anybody else: a publisher that listens to itself gets no more at once than may lie for a subscriber.
#[test]
fn a_client_that_floods_itself_is_ended() {
    let lyger = Program::start(&["--threads", "1"]);
    let mut client = lyger.client();
    client.say("CONFIG SET pubsub-output-limit 1mb");
    client.say("HELLO 3");
    let patterns: Vec<String> =
        std::iter::once("PSUBSCRIBE".to_owned()).chain((0..500).map(|n| format!("*{n}*"))).collect();
    client.send(&request(&patterns));
    (0..500).for_each(|_| drop(client.reply()));
    let before = lyger.peak();
    let channel: String = (0..500).map(|n| format!("{n}.")).collect();
    client.send(&request(&["PUBLISH", &channel, &"x".repeat(1_000_000)]));
    while !client.reply().is_empty() {}
    let took = lyger.peak() - before;
    assert!(took < 40 << 20, "{took} bytes");
    assert_eq!(lyger.client().say("PUBSUB NUMPAT"), ":0\r\n");
}

/// In its place among the numbers of replies: those of HELLO, which has the number of the connection, are not compared.
const HELLO: usize = usize::MAX;

/// Every step is answered as a real Redis answers it; messages among replies included.
#[test]
fn a_conversation_about_channels_is_the_same_with_a_real_redis() {
    let (lyger, redis) = (Lyger::start(2), Redis::start());
    let steps: &[(usize, &str, usize)] = &[
        (0, "SUBSCRIBE a b a", 3),
        (0, "GET x", 1),
        (0, "PING", 1),
        (0, "PING hello", 1),
        (0, "PSUBSCRIBE a*", 1),
        (1, "PUBLISH a first", 1),
        (0, "", 2),
        (1, "PUBLISH c nobody", 1),
        (1, "PUBSUB CHANNELS b*", 1),
        (1, "PUBSUB NUMSUB a c", 1),
        (1, "PUBSUB NUMPAT", 1),
        (0, "UNSUBSCRIBE a", 1),
        (0, "UNSUBSCRIBE nothing", 1),
        (0, "UNSUBSCRIBE", 1),
        (0, "PUNSUBSCRIBE", 1),
        (0, "UNSUBSCRIBE", 1),
        (0, "GET x", 1),
        (1, "HELLO 3", HELLO),
        (1, "SUBSCRIBE own", 1),
        (1, "PUBLISH own message", 2),
        (1, "GET x", 1),
        (1, "PING", 1),
        (1, "MULTI", 1),
        (1, "PUBLISH own within", 1),
        (1, "SUBSCRIBE more", 1),
        (1, "DISCARD", 1),
        // Messages come to who wants no replies.
        (1, "CLIENT REPLY OFF", 0),
        (1, "PUBLISH own quietly", 1),
        (1, "SUBSCRIBE more", 1),
        (1, "PUBLISH more quietly", 1),
        (1, "UNSUBSCRIBE more", 1),
        (1, "MULTI", 0),
        (1, "PUBLISH own within", 0),
        (1, "SUBSCRIBE more", 0),
        (1, "UNSUBSCRIBE more", 0),
        (1, "GET x", 0),
        (1, "EXEC", 3),
        (1, "CLIENT REPLY ON", 1),
        (1, "CLIENT REPLY SKIP", 0),
        (1, "PUBLISH own skipping", 1),
        (1, "PING", 1),
        (1, "PSUBSCRIBE o*", 1),
        (1, "PUBLISH own twice", 3),
        (1, "RESET", 1),
        (0, "PUBLISH own gone", 1),
    ];
    let mut both = [[lyger.client(), lyger.client()], [redis.client(), redis.client()]];
    for (who, line, replies) in steps {
        let [ours, theirs] = both.each_mut().map(|clients| {
            let client = &mut clients[*who];
            if !line.is_empty() {
                client.send(&crate::wire::request(&line.split(' ').collect::<Vec<_>>()));
            }
            if *replies == HELLO {
                client.reply();
                return Vec::new();
            }
            (0..*replies).map(|_| String::from_utf8_lossy(&client.reply()).into_owned()).collect::<Vec<_>>()
        });
        assert_eq!(ours, theirs, "{line}");
    }
}
