//! Logging in to servers that say what was written down here.

use super::conversation_tests::{NONCE, OK, hello, options, packet};
use super::login::{Login, log_in};
use crate::db::connection::Failure;
use crate::db::scripted::runtime;
use crate::db::socket::Address;
use crate::db::socket::Socket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a login came to, and the packets that the server got. Over TCP: a Unix socket would be trusted.
fn converse(words: Vec<u8>, query: &str) -> (Result<Login, Failure>, Vec<Vec<u8>>) {
    let options = options(query);
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = tokio::spawn(async move {
            let mut socket = listener.accept().await.unwrap().0;
            socket.write_all(&words).await.unwrap();
            socket.shutdown().await.unwrap();
            let mut heard = Vec::new();
            let _ = socket.read_to_end(&mut heard).await;
            heard
        });
        let socket = Socket::Tcp(TcpStream::connect(address).await.unwrap());
        let address = Address::Tcp { address, host: "h".to_owned() };
        let outcome = log_in(socket, address, &options).await.map(|login| {
            let Login { stream, address, capabilities, status } = login;
            drop(stream);
            Login { stream: super::stream::Stream::new(dead()), address, capabilities, status }
        });
        let (mut heard, mut packets) = (serve.await.unwrap(), Vec::new());
        while heard.len() >= 4 {
            let len = u32::from_le_bytes([heard[0], heard[1], heard[2], 0]) as usize;
            packets.push(heard[4..4 + len].to_vec());
            heard.drain(..4 + len);
        }
        (outcome, packets)
    })
}

/// In place of the socket that must be closed for the server to have heard everything.
fn dead() -> Socket {
    Socket::Unix(tokio::net::UnixStream::pair().unwrap().0)
}

#[test]
fn a_greeting_is_answered_with_who_we_are_and_where_we_want_to_go() {
    let (outcome, packets) = converse([hello("mysql_native_password", 8), packet(2, OK)].concat(), "");
    assert!(outcome.unwrap().status.is_autocommit());
    let [response] = packets.as_slice() else { panic!("{packets:?}") };
    assert_eq!(response[8], 45, "utf8mb4");
    assert!(response[32..].starts_with(b"u\0\x14"), "{response:?}");
    assert!(response.ends_with(b"d\0mysql_native_password\0"), "{response:?}");
}

#[test]
fn another_method_is_taken_when_the_server_asks_for_it() {
    let switch = [b"\xfe", &b"caching_sha2_password\0"[..], NONCE, b"\0"].concat();
    let words = [hello("mysql_native_password", 8), packet(2, &switch), packet(4, &[1, 3]), packet(5, OK)].concat();
    let (outcome, packets) = converse(words, "");
    outcome.unwrap();
    assert_eq!((packets.len(), packets[1].len()), (2, 32));

    // A method that we don't speak is only proposed.
    let native = [b"\xfe", &b"mysql_native_password\0"[..], NONCE, b"\0"].concat();
    let words = [hello("parsec", 8), packet(2, &native), packet(4, OK)].concat();
    let (outcome, packets) = converse(words, "");
    outcome.unwrap();
    assert_eq!(packets[1].len(), 20);
}

#[test]
fn without_tls_a_password_goes_by_the_servers_key() {
    let key = [b"\x01", super::auth::tests::KEY.as_bytes()].concat();
    let full = [hello("caching_sha2_password", 8), packet(2, &[1, 4]), packet(4, &key), packet(6, OK)].concat();
    let (outcome, packets) = converse(full, "");
    outcome.unwrap();
    assert_eq!((packets.len(), packets[1].as_slice(), packets[2].len()), (3, &[2][..], 128));

    let sha256 = [hello("sha256_password", 8), packet(2, &key), packet(4, OK)].concat();
    let (outcome, packets) = converse(sha256, "");
    outcome.unwrap();
    assert!(packets[0].windows(2).any(|two| two == b"\x01\x01"), "it asks for the key");
    assert_eq!((packets.len(), packets[1].len()), (2, 128));
}

#[test]
fn a_login_that_leads_nowhere_is_refused_and_shows_no_password() {
    let clear = packet(2, b"\xfemysql_clear_password\0");
    let switches: Vec<u8> = (0..60_u8)
        .flat_map(|n| packet(2 + 2 * n, &[b"\xfe", &b"mysql_native_password\0"[..], NONCE, b"\0"].concat()))
        .collect();
    for (name, words) in [
        ("in clear", clear),
        ("of old", packet(2, &[0xfe])),
        ("by nothing that is known", packet(2, b"\xfedialog\0Password: ")),
        ("without end", switches),
        ("a step too many", [packet(2, &[1, 3]), packet(3, &[1, 3])].concat()),
        ("a step that is none", packet(2, &[7, 7, 7])),
        ("a key that is none", packet(2, &[b"\x01", &[b'x'; 500][..]].concat())),
        ("nothing at all", packet(2, b"")),
    ] {
        let (outcome, packets) = converse([hello("mysql_native_password", 8), words].concat(), "");
        match outcome.err() {
            Some(Failure::Strange(words)) => assert_eq!(name == "without end", words.contains("no end"), "{words}"),
            Some(Failure::Lost(_)) => assert_ne!(name, "without end"),
            _ => panic!("{name} is let in"),
        }
        assert!(!packets.iter().any(|packet| packet.windows(2).any(|two| two == b"p\0")), "{name}");
    }
}

#[test]
fn a_greeting_that_is_none_is_an_error() {
    for (name, words) in [
        ("another protocol", packet(0, b"\x09")),
        ("another kind of server", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("nothing", packet(0, b"")),
        ("a greeting of twenty years ago", packet(0, &[b"\x0a3.23\0", &[0; 40][..]].concat())),
    ] {
        let (outcome, packets) = converse(words, "");
        assert!(matches!(outcome, Err(Failure::Strange(_))), "{name}");
        assert!(packets.is_empty(), "{name}");
    }
    let full = packet(0, b"\xff\x10\x04Too many connections");
    let (Err(Failure::Server(error)), _) = converse(full, "") else { panic!("it is let in") };
    assert_eq!((error.message.as_str(), error.sqlstate), ("Too many connections", None));
}

#[test]
fn nothing_is_said_in_clear_where_tls_is_asked_for() {
    let plain = [hello("mysql_native_password", 8), packet(2, OK)].concat();
    let (outcome, packets) = converse(plain, "&ssl-mode=required");
    assert!(matches!(&outcome, Err(Failure::Lost(lost)) if lost.message.contains("TLS")));
    assert!(packets.is_empty());
    // What is slipped in behind the greeting is not taken for what was said under TLS.
    let offers = 8 | super::packet::capability::SSL;
    let slipped = [hello("mysql_native_password", offers), packet(2, OK)].concat();
    let (outcome, packets) = converse(slipped, "&ssl-mode=required");
    assert!(matches!(outcome, Err(Failure::Strange(_))));
    assert!(packets.len() == 1 && packets[0].len() == 32, "the wish for TLS, and no name");
}
