//! Input that is meant to hurt: it gets an error or patience, and never more memory than it has sent.

use std::io::{Read, Write};
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::servers::{Lyger, Program};
use crate::wire::{Client, PATIENCE, bulk, request};

#[test]
fn announced_lengths_take_no_memory_and_impossible_ones_are_refused() {
    let lyger = Lyger::start(1);
    for (sent, reply) in [
        (&b"*1000000000\r\n"[..], "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*2\r\n$3\r\nGET\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n*1\r\n*1\r\n*1\r\n$1\r\na\r\n", "-ERR Protocol error: expected '$', got '*'\r\n"),
        (b"GET 'a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
    ] {
        let mut client = lyger.client();
        client.send(sent);
        assert_eq!(String::from_utf8_lossy(&client.finish()), reply, "{}", sent.escape_ascii());
    }
    let mut client = lyger.client();
    client.send(&[b'a'; 65_537 + 16_384]);
    assert_eq!(client.finish(), b"-ERR Protocol error: too big inline request\r\n");
    // Clients who announce 512 MiB each: patience, and next to no memory.
    let program = Program::start(&["--threads", "1"]);
    let before = program.resident();
    let mut clients: Vec<_> = (0..300).map(|_| program.client()).collect();
    for client in &mut clients {
        client.send(b"*1048576\r\n$3\r\nSET\r\n$536870912\r\nabc");
    }
    let has_come = |line: &&str| line.contains(" cmd=NULL ") && !line.contains(" qbuf=0 ");
    while program.client().say("CLIENT LIST").lines().filter(has_come).count() < 300 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let took = program.resident().saturating_sub(before);
    assert!(took < 16 << 20, "{took} bytes");
}

/// A page in a browser on this machine can send a server of this machine whatever a POST's body holds.
#[test]
fn an_http_request_runs_no_command() {
    let lyger = Lyger::start(1);
    for head in ["POST / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: localhost:6380\r\n"] {
        let mut client = lyger.client();
        client.send(format!("{head}SET stolen 1\r\n").as_bytes());
        assert!(!String::from_utf8_lossy(&client.finish()).contains("OK"), "{head}");
        assert_eq!(lyger.client().say("EXISTS stolen"), ":0\r\n");
    }
}

#[test]
fn half_a_frame_is_waited_for_and_finished() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    let whole = request(&["SET", "k", &"v".repeat(100_000)]);
    for piece in whole.chunks(7_001) {
        client.send(piece);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.reply(), b"+OK\r\n");
    for byte in request(&["STRLEN", "k"]) {
        client.send(&[byte]);
    }
    assert_eq!(client.reply(), b":100000\r\n");
}

#[test]
fn large_values_go_in_and_out_whole() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    let value: Vec<u8> = (0..40_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert_eq!(client.ask(&[&b"SET"[..], b"big", &value]), b"+OK\r\n");
    assert_eq!(client.ask(&["STRLEN", "big"]), b":40000000\r\n");
    assert!(client.ask(&["GET", "big"]) == bulk(&value), "the value came back changed");
    assert_eq!(client.ask(&["GETRANGE", "big", "-3", "-1"]), bulk(&value[value.len() - 3..]));
}

/// Who asks without reading is not executed beyond a limit, and gets everything once it reads.
#[test]
fn a_client_that_takes_no_replies_costs_a_bounded_amount_and_loses_none() {
    let lyger = Program::start(&["--threads", "1"]);
    let mut client = lyger.client();
    // One that was lost, or came before another, would be another value.
    let values: Vec<Vec<u8>> = (0..10_u8).map(|key| vec![b'0' + key; 1_000_000 + usize::from(key)]).collect();
    for (key, value) in values.iter().enumerate() {
        client.ask(&[&b"SET"[..], key.to_string().as_bytes(), value]);
    }
    let before = lyger.resident();
    let requests: Vec<u8> = (0..10).flat_map(|key: usize| request(&["GET", &key.to_string()])).collect();
    assert!(client.send(&requests.repeat(100)));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(lyger.client().say("PING"), "+PONG\r\n");
    let took = lyger.resident().saturating_sub(before);
    assert!(took < 20 << 20, "{took} bytes for replies that nobody takes");
    for number in 0..1_000 {
        assert!(client.reply() == bulk(&values[number % 10]), "reply {number}");
    }
}

#[test]
fn strangers_are_told_to_log_in_and_may_send_little_until_then() {
    let lyger = Lyger::with(|settings| settings.password = Some("secret".to_owned()));
    let mut client = lyger.client();
    assert_eq!(client.say("GET k"), "-NOAUTH Authentication required.\r\n");
    assert!(client.say("AUTH wrong").starts_with("-WRONGPASS "));
    assert!(client.say("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert_eq!(client.say("AUTH default secret"), "+OK\r\n");
    assert_eq!(client.say("GET k"), "$-1\r\n");
    let mut client = lyger.client();
    assert!(client.say("HELLO 3 AUTH default secret SETNAME me").starts_with("%7\r\n"));
    assert_eq!(client.say("RESET"), "+RESET\r\n");
    assert_eq!(client.say("GET k"), "-NOAUTH Authentication required.\r\n");
    let refused = "-ERR Protocol error: unauthenticated multibulk length\r\n";
    let mut client = lyger.client();
    client.send(b"*11\r\n");
    assert_eq!(String::from_utf8_lossy(&client.finish()), refused);
    // RESET makes a stranger of it at once, also for what came in the same packet.
    let mut client = lyger.client();
    assert_eq!(client.say("AUTH secret"), "+OK\r\n");
    client.send(b"RESET\r\n*11\r\n");
    assert_eq!(String::from_utf8_lossy(&client.finish()), format!("+RESET\r\n{refused}"));
}

#[test]
fn no_server_without_a_password_listens_beyond_this_machine() {
    let table = lyger::cache::Table::in_process(1 << 20).unwrap();
    let settings = lyger::resp::Settings { listen: "0.0.0.0:0".parse().unwrap(), ..Default::default() };
    let error = lyger::resp::Server::start(&table, settings).unwrap_err();
    assert_eq!(error.to_string(), "0.0.0.0:0 is not only for this machine: a password is needed");
    let lyger = Lyger::start(1);
    let settings = lyger::resp::Settings { listen: lyger.server.address(), ..Default::default() };
    assert!(lyger::resp::Server::start(&table, settings).is_err(), "the address is taken");
}

#[test]
fn strangers_who_take_no_replies_cost_no_memory() {
    let lyger = Lyger::with(|settings| settings.password = Some("secret".to_owned()));
    let mut client = lyger.client();
    let pings = b"PING\r\n".repeat(100_000);
    // Its replies are 34 bytes each: the sockets and the limit take some of them, and nothing more than that is read.
    let sent = (0..200).find(|_| !client.send(&pings));
    assert!(sent.is_some(), "120 MB were taken from somebody without the password");
    let mut member = lyger.client();
    assert_eq!(member.say("AUTH secret"), "+OK\r\n");
}

#[test]
fn the_slowlog_tells_no_password() {
    let lyger = Lyger::with(|settings| settings.password = Some("secret".to_owned()));
    let mut client = lyger.client();
    assert_eq!(client.say("AUTH secret"), "+OK\r\n");
    assert_eq!(client.say("CONFIG SET slowlog-log-slower-than 0"), "+OK\r\n");
    assert!(lyger.client().say("AUTH mistyped").starts_with("-WRONGPASS "));
    assert!(lyger.client().say("HELLO 3 AUTH default secret").starts_with("%7\r\n"));
    assert_eq!(client.say("CONFIG SET maxclients 77 requirepass hidden"), "+OK\r\n");
    let told = client.say("SLOWLOG GET 100");
    for password in ["secret", "mistyped", "hidden"] {
        assert!(!told.contains(password), "{told}");
    }
    assert!(told.contains("requirepass\r\n$10\r\n(redacted)") && told.contains("77"), "{told}");
}

#[test]
fn a_thread_that_sleeps_does_not_hold_up_the_servers_end() {
    let lyger = Lyger::start(1);
    let (table, mut client) = (lyger.table.clone(), lyger.client());
    client.send(&[request(&["SET", "k", "v"]), request(&["DEBUG", "SLEEP", "60"])].concat());
    while table.peek(b"k", 0).is_none() {
        std::thread::yield_now();
    }
    std::thread::sleep(Duration::from_millis(50));
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Its end waits for its threads.
        lyger.server.stop().unwrap();
        ended.send(()).unwrap();
    });
    assert_eq!(end.recv_timeout(PATIENCE), Ok(()), "it waits for the thread that sleeps");
}

#[test]
fn what_clients_held_is_given_back_when_they_have_gone() {
    const CLIENTS: usize = 20;
    let threads = CLIENTS.to_string();
    for flags in [["--threads", "2", "--io", "ready"], ["--threads", &threads, "--io", "blocking"]] {
        let program = Program::start(&flags);
        let before = program.resident();
        let queue = |_| {
            let mut client = program.client();
            client.say("MULTI");
            for _ in 0..20 {
                assert_eq!(client.ask(&["SET", "k", &"v".repeat(1_000_000)]), b"+QUEUED\r\n");
            }
            client
        };
        let clients: Vec<_> = (0..CLIENTS).map(queue).collect();
        assert!(program.resident() > before + (300 << 20), "they hold 400 MB");
        drop(clients);
        let begun = Instant::now();
        while program.resident() > before + (100 << 20) {
            assert!(begun.elapsed() < PATIENCE, "{flags:?}: {} MiB are left", (program.resident() - before) >> 20);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn nobody_stops_a_thread_for_long_and_nobody_from_elsewhere_at_all() {
    let lyger = Lyger::with(|settings| {
        settings.listen = "[::]:0".parse().unwrap();
        settings.password = Some("secret".to_owned());
    });
    for host in ["127.0.0.1", "::1"] {
        let mut client = Client::tcp((host.parse::<IpAddr>().unwrap(), lyger.port()).into());
        assert_eq!(client.say("AUTH secret"), "+OK\r\n");
        for seconds in ["1e300", "1000000000", "60.001", "inf", "nan", "-1", "soon", ""] {
            let reply = String::from_utf8(client.ask(&["DEBUG", "SLEEP", seconds])).unwrap();
            assert_eq!(reply, "-ERR DEBUG SLEEP takes a number of seconds from 0 to 60\r\n", "{seconds}");
        }
        assert_eq!(client.say("DEBUG SLEEP 0.01"), "+OK\r\n");
    }
    // The address that this machine would have for others; nothing is sent.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    if socket.connect("192.0.2.1:9").is_err() {
        eprintln!("not asked from elsewhere: runs where there is a network beside loopback");
        return;
    }
    let mut client = Client::tcp((socket.local_addr().unwrap().ip(), lyger.port()).into());
    assert_eq!(client.say("AUTH secret"), "+OK\r\n");
    for line in ["DEBUG SLEEP 0.01", "DEBUG HELP", "DEBUG foo"] {
        assert!(client.say(line).starts_with("-ERR DEBUG command not allowed. If the enable-debug-command"), "{line}");
    }
}

#[test]
fn the_password_can_only_be_taken_away_where_nobody_else_can_come() {
    let open = Lyger::with(|settings| {
        settings.listen = "0.0.0.0:0".parse().unwrap();
        settings.password = Some("secret".to_owned());
    });
    let mut client = open.client();
    client.say("AUTH secret");
    let refused = String::from_utf8(client.ask(&["CONFIG", "SET", "requirepass", ""])).unwrap();
    assert!(refused.contains("a password is needed where not only this machine can come"), "{refused}");
    assert_eq!(open.client().say("GET k"), "-NOAUTH Authentication required.\r\n");
    let mut stranger = open.client();
    assert_eq!(client.say("CONFIG SET requirepass other"), "+OK\r\n");
    assert!(stranger.say("AUTH secret").starts_with("-WRONGPASS "));
    assert_eq!(stranger.say("AUTH other"), "+OK\r\n");
    let lyger = Lyger::with(|settings| settings.password = Some("secret".to_owned()));
    let (mut client, mut stranger) = (lyger.client(), lyger.client());
    assert!(stranger.say("GET k").starts_with("-NOAUTH"));
    client.say("AUTH secret");
    assert_eq!(client.ask(&["CONFIG", "SET", "requirepass", ""]), b"+OK\r\n");
    assert_eq!(stranger.say("GET k"), "$-1\r\n");
}

#[test]
fn more_clients_than_there_may_be_are_told_so() {
    let lyger = Lyger::with(|settings| settings.clients_max = 3);
    let mut clients: Vec<_> = (0..3).map(|_| lyger.client()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.say("PING"), "+PONG\r\n"));
    assert_eq!(lyger.client().reply(), b"-ERR max number of clients reached\r\n");
    // Behind its end it isn't counted any more, whichever thread is asked.
    let mut leaving = clients.pop().unwrap();
    assert_eq!(leaving.say("QUIT"), "+OK\r\n");
    assert_eq!(leaving.finish(), b"");
    let mut late = lyger.client();
    assert_eq!(late.say("PING"), "+PONG\r\n");
}

#[test]
fn idle_clients_are_ended_where_that_is_asked_for() {
    let lyger = Lyger::with(|settings| settings.idle_timeout_s = 1);
    let mut idle = lyger.client();
    let mut listener = lyger.client();
    listener.ask(&["SUBSCRIBE", "c"]);
    assert_eq!(idle.reply(), b"", "the connection has ended");
    assert_eq!(lyger.client().say("PUBLISH c x"), ":1\r\n");
    assert!(!listener.reply().is_empty());
}

#[test]
fn who_takes_a_long_reply_slowly_is_not_idle() {
    let lyger = Lyger::with(|settings| settings.idle_timeout_s = 1);
    let value = vec![b'v'; 60_000_000];
    assert_eq!(lyger.client().ask(&[&b"SET"[..], b"k", &value]), b"+OK\r\n");
    let mut stream = std::net::TcpStream::connect(lyger.server.address()).unwrap();
    stream.write_all(b"GET k\r\nQUIT\r\n").unwrap();
    let mut taken = 0;
    for _ in 0..80 {
        std::thread::sleep(Duration::from_millis(50));
        taken += stream.read(&mut vec![0; 256 << 10]).unwrap();
    }
    taken += std::io::copy(&mut stream, &mut std::io::sink()).unwrap() as usize;
    assert_eq!(taken, value.len() + b"$60000000\r\n\r\n+OK\r\n".len());
}

/// `nc -N` and scripts end their side behind their last request.
#[test]
fn who_has_ended_its_own_side_still_gets_all_replies() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    let value = vec![b'v'; 1_000_000];
    client.ask(&[&b"SET"[..], b"k", &value]);
    client.send(&[request(&["GET", "k"]).repeat(50), request(&["SET", "last", "done"])].concat());
    client.end_writing();
    std::thread::sleep(Duration::from_millis(300));
    let replies = client.finish();
    assert_eq!(replies.len(), 50 * bulk(&value).len() + 5);
    assert_eq!(lyger.client().say("GET last"), "$4\r\ndone\r\n");
}

#[test]
fn a_transaction_that_cannot_run_keeps_nothing() {
    let lyger = Program::start(&["--threads", "1"]);
    let mut client = lyger.client();
    let before = lyger.peak();
    let value = "v".repeat(1_000_000);
    assert_eq!(client.say("CONFIG SET transaction-max-bytes 1500kb"), "+OK\r\n");
    for (first, reply) in [("NOSUCH", "+QUEUED"), ("PING", "-ERR the transaction is larger")] {
        client.say("MULTI");
        client.say(first);
        client.ask(&["SET", "k", &value]);
        let second = client.ask(&["SET", "k", &value]);
        assert!(second.starts_with(reply.as_bytes()), "{}", second.escape_ascii());
        for _ in 0..100 {
            assert_eq!(client.ask(&["SET", "k", &value]), b"+QUEUED\r\n");
        }
        assert!(client.say("EXEC").starts_with("-EXECABORT "));
    }
    let keys: Vec<String> = std::iter::once("WATCH".to_owned()).chain((0..40_000).map(|key| key.to_string())).collect();
    assert!(client.ask(&keys).starts_with(b"-ERR the transaction is larger"));
    let took = lyger.peak() - before;
    assert!(took < 40 << 20, "{took} bytes for transactions that can't run");
}

/// It is compared with all the others for each key otherwise: a minute for this many.
#[test]
fn many_watched_keys_are_watched_soon() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    let keys: Vec<String> =
        std::iter::once("WATCH".to_owned()).chain((0..200_000).map(|key| format!("key{key}"))).collect();
    assert_eq!(client.ask(&keys), b"+OK\r\n");
    lyger.client().say("SET key199999 changed");
    client.say("MULTI");
    assert_eq!(client.say("EXEC"), "*-1\r\n");
}

#[test]
fn what_comes_behind_a_connections_end_is_not_kept() {
    let lyger = Program::start(&["--threads", "1"]);
    let mut other = lyger.client();
    other.ask(&["SET", "k", &"v".repeat(20_000_000)]);
    other.say("CONFIG SET reply-output-limit 100mb");
    let mut stream = std::net::TcpStream::connect(lyger.address()).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.write_all(b"GET k\r\nQUIT\r\n").unwrap();
    while !other.say("CLIENT LIST").contains("flags=c ") {
        std::thread::sleep(Duration::from_millis(10));
    }
    other.say("CONFIG SET reply-output-limit 1kb");
    let before = lyger.resident();
    // Until it isn't taken any more. In pieces with pauses: the server is told of each, and could read them all.
    let piece = vec![b'x'; 64 << 10];
    let takes = |_: &u32| {
        std::thread::sleep(Duration::from_millis(1));
        stream.write_all(&piece).is_ok()
    };
    let sent = (0..1_600).take_while(takes).count();
    let took = lyger.resident().saturating_sub(before);
    assert!(took < 20 << 20, "{took} bytes of {sent} pieces");
    let taken = std::io::copy(&mut stream, &mut std::io::sink()).unwrap_or_default();
    assert!(taken <= 20_000_018);
}

#[test]
fn a_key_that_is_named_often_takes_no_memory_for_each_time() {
    let lyger = Program::start(&["--threads", "1"]);
    let mut client = lyger.client();
    client.ask(&["SET", "k", &"v".repeat(2_000_000)]);
    let before = lyger.peak();
    let sources = ["BITOP", "XOR", "result"].into_iter().chain(std::iter::repeat_n("k", 201));
    assert_eq!(client.ask(&sources.collect::<Vec<_>>()), b":2000000\r\n");
    assert_eq!(
        client.say("LCS k result LEN"),
        "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n"
    );
    assert!(client.say("GETRANGE result 0 2") == "$3\r\nvvv\r\n");
    let took = lyger.peak() - before;
    assert!(took < 40 << 20, "{took} bytes");
}

#[test]
fn a_reply_that_no_machine_could_hold_is_refused() {
    let lyger = Lyger::start(1);
    let mut client = lyger.client();
    let refused = "-ERR the reply would be longer than proto-max-reply-len\r\n";
    assert_eq!(client.say("CONFIG SET proto-max-reply-len 1mb"), "+OK\r\n");
    client.ask(&["SET", "k", &"v".repeat(100_000)]);
    let asks = |words: &[&'static str], name: &'static str, times: usize| {
        words.iter().copied().chain(std::iter::repeat_n(name, times)).collect::<Vec<_>>()
    };
    assert!(client.ask(&asks(&["MGET"], "k", 10)).starts_with(b"*10\r\n"));
    // Each by itself: what was asked for before it in one go doesn't count.
    client.say("CONFIG SET reply-output-limit 100mb");
    client.send(&request(&asks(&["MGET"], "k", 9)).repeat(5));
    (0..5).for_each(|number| assert!(client.reply().starts_with(b"*9\r\n"), "reply {number}"));
    for long in [
        asks(&["MGET"], "k", 11),
        asks(&["COMMAND", "INFO"], "client", 10_000),
        asks(&["COMMAND", "DOCS"], "client", 10_000),
    ] {
        assert_eq!(String::from_utf8_lossy(&client.ask(&long)), refused);
    }
    client.say("MULTI");
    (0..60).for_each(|_| assert_eq!(client.say("GET k"), "+QUEUED\r\n"));
    client.say("SET other value");
    let replies = client.ask(&["EXEC"]);
    assert!(replies.starts_with(b"*61\r\n$100000\r\n"));
    // Each command has run, and some replies were too much.
    assert!(replies.ends_with(format!("v\r\n{}+OK\r\n", refused.repeat(50)).as_bytes()));
}

#[test]
fn a_killed_client_is_gone() {
    let lyger = Lyger::start(2);
    let mut victims: Vec<_> = (0..6).map(|_| lyger.client()).collect();
    for victim in &mut victims {
        let id = victim.say("CLIENT ID").trim_start_matches(':').trim().to_owned();
        assert_eq!(lyger.client().say(&format!("CLIENT KILL ID {id}")), ":1\r\n");
        assert_eq!(victim.reply(), b"");
    }
}
