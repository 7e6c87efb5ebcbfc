//! WebSockets: each stream is a handshake, frames of a client, and whatever ends it.

use crate::cuts::{assert_same, exchange};
use crate::echo::Echo;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The bit of a message's last frame.
const LAST: u8 = 0x80;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn head(first: u8, len: usize, masked: u8) -> Vec<u8> {
    let mut bytes = vec![first];
    match len {
        0..=125 => bytes.push(masked | len as u8),
        126..=65_535 => {
            bytes.push(masked | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes
}

/// As a client sends it.
fn sent(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len(), 0x80);
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// As a server sends it.
fn received(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [head(LAST | opcode, payload.len(), 0), payload.to_vec()].concat()
}

fn closed(code: u16) -> Vec<u8> {
    received(CLOSE, &code.to_be_bytes())
}

fn normal() -> Vec<u8> {
    sent(LAST | CLOSE, &1000_u16.to_be_bytes())
}

/// What comes behind the handshake's answer, which is the same wherever the stream is cut.
fn answer_of(echo: &Echo, name: &str, frames: &[Vec<u8>]) -> Vec<u8> {
    let stream = [HANDSHAKE.as_bytes(), &frames.concat()].concat();
    let whole = exchange(echo.port, &[&stream]);
    let behind = whole.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer") + 4;
    assert!(whole.starts_with(b"HTTP/1.1 101 "), "{name}: {:?}", String::from_utf8_lossy(&whole));
    assert_same(echo.port, name, &stream, &whole, <[u8]>::to_vec);
    whole[behind..].to_vec()
}

fn assert_frames(echo: &Echo, name: &str, frames: &[Vec<u8>], expected: &[Vec<u8>]) {
    assert!(answer_of(echo, name, frames) == expected.concat(), "{name}");
}

#[test]
fn messages_come_back_the_same_however_they_arrive() {
    let Some(echo) = Echo::start() else { return };
    for len in [0, 1, 125, 126, 127, 300, 65_535, 65_536, 100_000] {
        let payload: Vec<u8> = (0..len).map(|number: usize| b'a' + (number % 26) as u8).collect();
        let frames = [sent(LAST | TEXT, &payload), sent(LAST | BINARY, &payload), normal()];
        let expected = [received(TEXT, &payload), received(BINARY, &payload), closed(1000)];
        assert_frames(&echo, &format!("{len} bytes"), &frames, &expected);
    }
    let text = "\u{e4}\u{20ac}\u{1d11e}z";
    let (start, end) = text.as_bytes().split_at(3);
    assert_frames(
        &echo,
        "fragments, cut within a character, with pings between them",
        &[sent(TEXT, start), sent(LAST | PING, b"p"), sent(0, b""), sent(LAST | PONG, b""), sent(LAST, end), normal()],
        &[received(PONG, b"p"), received(TEXT, text.as_bytes()), closed(1000)],
    );
    assert_frames(
        &echo,
        "the longest ping, and a close without a code",
        &[sent(LAST | PING, &[7; 125]), sent(LAST | CLOSE, b"")],
        &[received(PONG, &[7; 125]), received(CLOSE, b"")],
    );
    assert_frames(&echo, "nothing behind a close", &[normal(), sent(LAST | TEXT, b"late")], &[closed(1000)]);
}

#[test]
fn breaches_end_a_connection_the_same_however_they_arrive() {
    let Some(echo) = Echo::start() else { return };
    let cases: [(&str, Vec<u8>, u16); 11] = [
        ("no mask", received(TEXT, b"a"), 1002),
        ("a reserved bit", sent(LAST | 0x40 | TEXT, b"a"), 1002),
        ("an unknown opcode", sent(LAST | 3, b"a"), 1002),
        ("an unknown control frame", sent(LAST | 11, b"a"), 1002),
        ("a control frame in fragments", sent(PING, b"a"), 1002),
        ("a control frame that is too long", sent(LAST | PING, &[7; 126]), 1002),
        ("a continuation of nothing", sent(LAST, b"a"), 1002),
        ("a message within another", [sent(TEXT, b"a"), sent(LAST | TEXT, b"b")].concat(), 1002),
        ("text that is none", sent(LAST | TEXT, b"\xc3\x28"), 1007),
        ("a code that nobody may send", sent(LAST | CLOSE, &1005_u16.to_be_bytes()), 1002),
        ("more than a message may have", [head(LAST | BINARY, 1 << 30, 0x80), MASK.to_vec()].concat(), 1009),
    ];
    for (name, frames, code) in cases {
        let answer = answer_of(&echo, name, &[sent(LAST | TEXT, b"before"), frames]);
        let close = answer.strip_prefix(&*received(TEXT, b"before")).expect("the message before it");
        // Behind the code there may be a reason.
        let [first, len, high, low, ..] = close else { panic!("{name}: {close:?}") };
        assert_eq!((*first, u16::from_be_bytes([*high, *low])), (LAST | CLOSE, code), "{name}");
        assert_eq!(close.len(), 2 + usize::from(*len), "{name}: nothing comes behind it");
    }
}
