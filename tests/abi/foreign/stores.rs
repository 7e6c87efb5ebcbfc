//! Many clients at once in front of both stores.

use crate::program::{DOCUMENTED, Program};

#[test]
fn a_thread_serves_several_clients_at_once() {
    for source in ["map.cpp", "plain.c", DOCUMENTED] {
        let program = Program::start(source, &["2"]);
        // All are there before any is answered: whoever served one after the other would wait for ever.
        let mut clients: Vec<_> = (0..16).map(|_| program.client()).collect();
        for round in 0..10 {
            for (number, client) in clients.iter_mut().enumerate() {
                client.send(&[b"SET", format!("key {number}").as_bytes(), format!("{round}").as_bytes()]);
            }
            for client in clients.iter_mut().rev() {
                assert_eq!(client.reply(), b"+OK\r\n");
            }
        }
        assert_eq!(clients[0].ask(&[b"GET", b"key 15"]), b"$1\r\n9\r\n");
    }
}

#[test]
fn redis_benchmark_drives_the_map() {
    let program = Program::start("map.cpp", &["2"]);
    for depth in ["1", "32"] {
        let arguments = ["-t", "set,get", "-n", "20000", "-c", "50", "-d", "100", "-r", "1000", "-P", depth, "--csv"];
        let text = program.tool("redis-benchmark", &arguments);
        assert!(text.contains("\"SET\",") && text.contains("\"GET\",") && !text.contains("ERR"), "{text}");
    }
    let value = program.tool("redis-cli", &["GET", "key:000000000001"]);
    assert_eq!(value.trim().len(), 100, "{value}");
    assert!(program.tool("redis-cli", &["INFO", "commandstats"]).contains("cmdstat_set:calls=40000,"));
}

#[test]
fn sqlite_keeps_what_was_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs");
    let arguments = [file.to_str().unwrap(), "2"];
    let program = Program::start("sqlite.cpp", &arguments);
    let text =
        program.tool("redis-benchmark", &["-t", "set,get", "-n", "4000", "-c", "20", "-r", "500", "-P", "8", "--csv"]);
    assert!(text.contains("\"SET\",") && text.contains("\"GET\",") && !text.contains("ERR"), "{text}");
    let mut clients = [program.client(), program.client(), program.client()];
    assert_eq!(clients[0].ask(&[b"SET", b"\0key", b"one\0two"]), b"+OK\r\n");
    assert_eq!(clients[1].ask(&[b"SET", b"empty", b""]), b"+OK\r\n");
    assert_eq!(clients[2].ask(&[b"GET", b"\0key"]), b"$7\r\none\0two\r\n");
    assert_eq!(program.end(), Some(0));

    let program = Program::start("sqlite.cpp", &arguments);
    let mut client = program.client();
    assert_eq!(client.ask(&[b"GET", b"\0key"]), b"$7\r\none\0two\r\n");
    assert_eq!(client.say("GET empty"), "$0\r\n\r\n");
    assert_eq!(client.say("GET missing"), "$-1\r\n");
    assert_eq!(client.ask(&[b"SET", b"\0key", b"three"]), b"+OK\r\n");
    assert_eq!(client.ask(&[b"GET", b"\0key"]), b"$5\r\nthree\r\n");
    assert_eq!(program.tool("redis-cli", &["GET", "key:000000000001"]), "VXK\n");
}
