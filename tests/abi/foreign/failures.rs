//! What a store calls a failure, what it throws, and what keeps the server from starting.

use crate::program::Program;

#[test]
fn what_a_store_throws_is_the_error_reply_of_its_request_alone() {
    let program = Program::start("map.cpp", &["1"]);
    let mut client = program.client();
    for command in [&[b"GET".as_slice(), b"throw:me"][..], &[b"SET", b"throw:me", b"x"]] {
        let reply = client.ask(command);
        assert_eq!(String::from_utf8_lossy(&reply), "-ERR no such luck  -with throw:me\r\n");
    }
    assert_eq!(client.say("GET throw:bad_alloc"), "-ERR std::bad_alloc\r\n");
    assert_eq!(client.say("GET throw:int"), "-ERR the store has thrown something that is no std::exception\r\n");
    // In one pipeline with others.
    for line in ["SET a 1", "GET throw:me", "GET a"] {
        client.send(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
    }
    let replies = [client.reply(), client.reply(), client.reply()].concat();
    assert_eq!(String::from_utf8_lossy(&replies), "+OK\r\n-ERR no such luck  -with throw:me\r\n$1\r\n1\r\n");
    assert_eq!(program.end(), Some(0));
}

#[test]
fn a_thread_that_could_not_begin_says_so_to_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no folder/file");
    let program = Program::start("sqlite.cpp", &[file.to_str().unwrap(), "1"]);
    let mut client = program.client();
    let text = "-ERR the thread's beginning has failed: unable to open database file\r\n";
    assert_eq!([client.say("GET a"), client.say("SET a 1")], [text, text]);
    assert_eq!(client.say("PING"), "+PONG\r\n");
}

#[test]
fn failures_in_c_are_error_replies_and_buffers_are_taken_back_once() {
    let program = Program::start("plain.c", &["3"]);
    let mut client = program.client();
    assert_eq!(client.say("GET missing"), "$-1\r\n");
    assert_eq!(client.say("GET empty"), "$0\r\n\r\n");
    assert_eq!(client.say("GET fails"), "-ERR the store has failed\r\n");
    assert_eq!(client.say("GET explains"), "-ERR it is too late\r\n");
    assert_eq!(client.say("GET fails"), "-ERR the store has failed\r\n", "the text was another request's");
    assert_eq!(client.say("GET recovers"), "$-1\r\n");
    assert_eq!(client.say("GET fails"), "-ERR the store has failed\r\n", "the text was of one that didn't fail");
    assert_eq!(client.say("SET a 1234"), "+OK\r\n");
    assert_eq!(client.say("GET a"), "$4\r\n1234\r\n");
    assert_eq!(client.ask(&[b"SET", b"a", &[b'x'; 65]]), b"-ERR the store has failed\r\n");
    let counts = client.say("GET counts");
    assert!(counts.contains("begun 3 early 0 given 2 taken back 2"), "{counts}");
    assert_eq!(program.end(), Some(0), "given and taken back differ, or the server started twice");
}

#[test]
fn threads_take_no_signals() {
    const SIGINT_SIGUSR1_SIGTERM: u64 = 1 << 1 | 1 << 9 | 1 << 14;
    let program = Program::start("plain.c", &["3"]);
    let blocked = program.blocked_signals();
    assert_eq!(blocked.len(), 3);
    assert!(blocked.iter().all(|mask| mask & SIGINT_SIGUSR1_SIGTERM == SIGINT_SIGUSR1_SIGTERM), "{blocked:x?}");
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let program = Program::start("map.cpp", &["1"]);
    let address = program.address.to_string();
    let says = |arguments: &[&str], environment: &[(&str, &str)], text: &str| {
        let output = Program::fails("map.cpp", arguments, environment);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(text), "{errors}");
    };
    says(&["1"], &[("LYGER_RESP_LISTEN", &address)], &format!("lyger_resp: {address}: Address already in use"));
    says(&["1"], &[("LYGER_RESP_LISTEN", "here")], "invalid value 'here'");
    says(&["1"], &[("LYGER_RESP_LISTEN", "0.0.0.0:0")], "a password is needed");
    says(&["0"], &[], "0 threads");
    assert_eq!(program.client().say("PING"), "+PONG\r\n", "the first is still there");
}
