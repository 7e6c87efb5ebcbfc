//! Streams of bytes that arrive in pieces.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Long enough for a piece to be read before the next one is sent, mostly: where it isn't, two pieces were one.
const BETWEEN: Duration = Duration::from_millis(2);

/// Who hasn't answered then never will.
const STUCK: Duration = Duration::from_secs(10);

/// Connections at once.
const THREADS: usize = 16;

/// Longer streams are cut everywhere in their first and last bytes, where heads and ends are, and seldom in between.
const EVERY_CUT_BYTES: usize = 1000;

/// Sends the pieces, and reads to the end of what the server sends.
pub(crate) fn exchange(port: u16, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(STUCK)).expect("a socket");
    for (number, piece) in pieces.iter().enumerate() {
        if number > 0 {
            std::thread::sleep(BETWEEN);
        }
        // Behind a refusal nobody may be left to send to.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        panic!("{error} after {:?}", String::from_utf8_lossy(&answer));
    }
    answer
}

/// Asserts that the stream gets the answer that it gets whole, wherever it is cut, and byte by byte.
pub(crate) fn assert_same(port: u16, name: &str, stream: &[u8], whole: &[u8], read: fn(&[u8]) -> Vec<u8>) {
    let len = stream.len();
    let is_tried =
        |cut: &usize| *cut < EVERY_CUT_BYTES / 2 || len - *cut < EVERY_CUT_BYTES / 2 || cut.is_multiple_of(4093);
    let cuts: Vec<usize> = (1..len).filter(is_tried).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(&cut) = cuts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = read(&exchange(port, &[&stream[..cut], &stream[cut..]]));
                    assert!(answer == whole, "{name}, cut at {cut}:\n{}", both(&answer, whole));
                }
            });
        }
    });
    if len <= EVERY_CUT_BYTES {
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        let answer = read(&exchange(port, &bytes));
        assert!(answer == whole, "{name}, byte by byte:\n{}", both(&answer, whole));
    }
}

fn both(answer: &[u8], whole: &[u8]) -> String {
    format!("{:?}\ninstead of\n{:?}", String::from_utf8_lossy(answer), String::from_utf8_lossy(whole))
}
