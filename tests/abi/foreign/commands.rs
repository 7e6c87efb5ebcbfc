//! What clients may ask of a store that only gets and sets, and what is refused.

use crate::program::Program;

#[test]
fn values_are_kept_and_missing_ones_differ_from_empty_ones() {
    let program = Program::start("map.cpp", &["2"]);
    let mut client = program.client();
    assert_eq!(client.say("GET nothing"), "$-1\r\n");
    assert_eq!(client.ask(&[b"SET", b"a\0\r\nb", b"\0\xff\r\n"]), b"+OK\r\n");
    assert_eq!(client.ask(&[b"GET", b"a\0\r\nb"]), b"$4\r\n\0\xff\r\n\r\n");
    assert_eq!(client.ask(&[b"SET", b"empty", b""]), b"+OK\r\n");
    assert_eq!(client.say("GET empty"), "$0\r\n\r\n");
    assert!(client.say("HELLO 3").starts_with("%7\r\n"));
    assert_eq!(client.say("GET nothing"), "_\r\n");
    assert_eq!(client.say("GET empty"), "$0\r\n\r\n");
    let large = vec![b'x'; 64 << 20];
    assert_eq!(client.ask(&[b"SET", b"large", &large]), b"+OK\r\n");
    assert_eq!(client.ask(&[b"GET", b"large"]).len(), large.len() + "$67108864\r\n\r\n".len());
    assert_eq!(program.end(), Some(0));
}

#[test]
fn what_get_and_set_cannot_express_is_refused_by_name() {
    let program = Program::start("map.cpp", &["1"]);
    let mut client = program.client();
    let refused = |name: &str| {
        format!("-ERR '{name}' is not possible here: the store behind this server has GET and SET alone\r\n")
    };
    for line in
        ["INCR a", "DEL a", "MGET a b", "EXPIRE a 10", "FLUSHALL", "MULTI", "SETNX a b", "DBSIZE", "SCAN 0", "EVAL 1 0"]
    {
        let name = line.split(' ').next().unwrap();
        let expected = if name == "EVAL" {
            "-ERR unknown command 'EVAL', with args beginning with: '1' '0' \r\n".to_owned()
        } else {
            refused(name)
        };
        assert_eq!(client.say(line), expected);
    }
    assert_eq!(client.say("MEMORY USAGE a"), refused("MEMORY USAGE"));
    for (line, option) in
        [("SET a b NX", "NX"), ("SET a b ex 10", "EX"), ("SET a b KEEPTTL", "KEEPTTL"), ("SET a b GET", "GET")]
    {
        let text =
            format!("-ERR SET's option '{option}' is not possible here: the store behind this server only sets\r\n");
        assert_eq!(client.say(line), text);
    }
    assert_eq!(client.say("SET a b SOON"), "-ERR syntax error\r\n");
    assert_eq!(client.say("GET a"), "$-1\r\n", "nothing that was refused has set anything");
}

/// Whatever there is, it has a reply, and the next command too.
#[test]
fn every_command_has_a_reply_and_none_ends_the_server() {
    let program = Program::start("map.cpp", &["1"]);
    let table = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../commands.tsv")).unwrap();
    let mut refused = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let (name, arity) = (columns.next().unwrap(), columns.next().unwrap().parse::<i64>().unwrap());
        // These end the connection, as they should, or keep replies from us.
        if matches!(name, "quit" | "client|reply" | "client|kill") {
            continue;
        }
        let mut words: Vec<&[u8]> = name.split('|').map(str::as_bytes).collect();
        while (words.len() as i64) < arity.abs() {
            words.push(b"1");
        }
        let mut client = program.client();
        let reply = client.ask(&words);
        let text = String::from_utf8_lossy(&reply);
        if text.contains("is not possible here") {
            refused += 1;
            assert!(text.contains(&name.to_uppercase().replace('|', " ")), "{name}: {text}");
        }
        assert_eq!(program.client().say("PING"), "+PONG\r\n", "after {name}");
    }
    assert!(refused > 50, "{refused} commands were refused");
}

#[test]
fn what_is_about_the_connection_or_the_server_works() {
    let program = Program::start("map.cpp", &["2"]);
    let mut client = program.client();
    assert_eq!(client.say("PING"), "+PONG\r\n");
    assert_eq!(client.say("ECHO hello"), "$5\r\nhello\r\n");
    assert_eq!(client.say("CLIENT SETNAME me"), "+OK\r\n");
    assert_eq!(client.say("CLIENT GETNAME"), "$2\r\nme\r\n");
    assert!(client.say("COMMAND COUNT").starts_with(':'));
    assert_eq!(client.say("CONFIG GET save"), "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
    assert_eq!(client.say("CONFIG GET maxmemory"), "*0\r\n", "nobody knows what the store may have");
    let info = client.say("INFO");
    assert!(info.contains("redis_version:7.0.15\r\n") && info.contains("total_commands_processed:"), "{info}");
    assert!(!info.contains("used_memory") && !info.contains("keyspace_hits"), "{info}");
    let mut listener = program.client();
    listener.say("SUBSCRIBE news");
    assert_eq!(client.say("PUBLISH news hello"), ":1\r\n");
    assert!(String::from_utf8_lossy(&listener.reply()).contains("hello"));
    assert_eq!(client.say("QUIT"), "+OK\r\n");
    assert_eq!(program.tool("redis-cli", &["SET", "a", "1"]), "OK\n");
    assert_eq!(program.tool("redis-cli", &["-3", "GET", "a"]), "1\n");
    assert!(program.tool("redis-cli", &["INCR", "a"]).contains("'INCR' is not possible here"));
}
