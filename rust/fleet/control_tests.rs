use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use super::*;

fn open() -> (tempfile::TempDir, Control) {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::open(&folder.path().join("socket")).unwrap();
    (folder, control)
}

fn client(control: &Control, says: &[u8]) -> UnixStream {
    let mut client = UnixStream::connect(&control.path).unwrap();
    client.write_all(says).unwrap();
    client
}

fn all(mut client: UnixStream) -> String {
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn a_question_gets_its_answer_and_the_connection_ends() {
    let (_folder, mut control) = open();
    let first = client(&control, b"status\n");
    let second = client(&control, b"reload\n");
    let orders = control.turn(0);
    assert_eq!(orders, [(1, Order::Status), (2, Order::Reload)]);
    control.answer(2, &json!({ "b": 2 }), 0);
    control.answer(1, &json!({ "a": 1 }), 0);
    assert_eq!((all(first).as_str(), all(second).as_str()), ("{\"a\":1}\n", "{\"b\":2}\n"));
    assert_eq!(control.turn(0), []);
    assert_eq!(control.clients.len(), 0);
}

#[test]
fn a_question_may_come_in_pieces() {
    let (_folder, mut control) = open();
    let mut slow = client(&control, b"sta");
    assert_eq!(control.turn(0), []);
    slow.write_all(b"tus\nmore").unwrap();
    assert_eq!(control.turn(1), [(1, Order::Status)]);
    assert_eq!(control.turn(2), [], "asked once");
}

#[test]
fn another_word_is_told_which_there_are() {
    let (_folder, mut control) = open();
    let stranger = client(&control, b"stop\n");
    assert_eq!(control.turn(0), []);
    assert!(all(stranger).contains("status, reload"));
}

#[test]
fn who_says_nothing_or_too_much_or_leaves_is_dropped() {
    let (_folder, mut control) = open();
    let silent = client(&control, b"");
    let endless = client(&control, &[b'x'; 1000]);
    drop(client(&control, b"sta"));
    let waiting = client(&control, b"reload\n");
    assert_eq!(control.turn(0), [(4, Order::Reload)]);
    control.turn(0);
    assert_eq!(control.clients.iter().map(|client| client.number).collect::<Vec<_>>(), [1, 4]);
    control.turn(CLIENT_MS_MAX);
    assert_eq!(control.clients.iter().map(|client| client.number).collect::<Vec<_>>(), [4], "it waits for the answer");
    waiting.shutdown(std::net::Shutdown::Write).unwrap();
    control.turn(CLIENT_MS_MAX);
    assert_eq!(control.clients.len(), 1, "it has nothing more to say, and listens");
    drop(waiting);
    control.turn(CLIENT_MS_MAX);
    assert_eq!(control.clients.len(), 0);
    assert_eq!(all(silent), "");
    drop(endless);
}

#[test]
fn who_does_not_read_keeps_nobody_waiting_and_is_dropped() {
    let (_folder, mut control) = open();
    let lazy = client(&control, b"status\n");
    control.turn(0);
    let long = "x".repeat(4 << 20);
    control.answer(1, &json!(long), 0);
    assert_eq!(control.clients.len(), 1, "the rest waits until there is room");
    control.turn(CLIENT_MS_MAX);
    assert_eq!(control.clients.len(), 0);
    drop(lazy);
}

#[test]
fn a_long_answer_arrives_whole() {
    let (_folder, mut control) = open();
    let patient = client(&control, b"status\n");
    control.turn(0);
    let long = "x".repeat(4 << 20);
    control.answer(1, &json!(long), 0);
    let reading = std::thread::spawn(move || all(patient));
    while !control.clients.is_empty() {
        control.turn(0);
        std::thread::yield_now();
    }
    assert_eq!(reading.join().unwrap(), format!("\"{long}\"\n"));
}

#[test]
fn one_client_too_many_is_sent_away_and_the_next_is_heard_when_there_is_room() {
    let (_folder, mut control) = open();
    let many: Vec<_> = (0..CLIENTS_MAX).map(|_| client(&control, b"")).collect();
    control.turn(0);
    assert_eq!(all(UnixStream::connect(&control.path).map(|late| (control.turn(0), late).1).unwrap()), "");
    drop(many);
    control.turn(0);
    let next = client(&control, b"status\n");
    assert_eq!(control.turn(0).len(), 1);
    let number = control.clients[0].number;
    control.answer(number, &json!(1), 0);
    let mut line = String::new();
    BufReader::new(next).read_line(&mut line).unwrap();
    assert_eq!(line, "1\n");
}

#[test]
fn a_dead_masters_socket_is_replaced_and_a_living_ones_is_not() {
    let (_folder, control) = open();
    let path = control.path.clone();
    assert_eq!(Control::open(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    // As a kill would leave it: the file is there, and nobody listens.
    let copy = path.with_extension("copy");
    std::fs::hard_link(&path, &copy).unwrap();
    drop(control);
    assert!(!path.exists(), "removed at the end");
    std::fs::rename(&copy, &path).unwrap();
    let control = Control::open(&path).unwrap();
    drop(client(&control, b""));
}
