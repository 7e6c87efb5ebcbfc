//! The client against servers that break off, trickle, or say anything at all: an error each time, never a panic, never a
//! wrong row.

use super::*;
use crate::db::connection;
use crate::db::scripted::{Script, WORK, converse, runtime, server};
use crate::db::socket::Address;
use crate::db::socket::Socket;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    message.extend_from_slice(body);
    message
}

fn options() -> Arc<Options> {
    Arc::new(Options::parse("postgres://u:p@h/d?sslmode=disable").unwrap())
}

fn greeting() -> Vec<u8> {
    [
        message(b'R', &[0, 0, 0, 5, 1, 2, 3, 4]),
        message(b'R', &[0, 0, 0, 0]),
        message(b'S', b"server_version\x0015.8\0"),
        message(b'K', &[0, 0, 0, 1, 0, 0, 0, 2]),
        message(b'Z', b"I"),
        message(b'C', b"SET\0"),
        message(b'C', b"SET\0"),
        message(b'T', &[&[0, 1][..], b"max_connections\0", &[0; 6], &[0, 0, 0, 25], &[0; 8]].concat()),
        message(b'D', b"\0\x01\0\0\0\x03100"),
        message(b'C', b"SHOW\0"),
        message(b'T', &[&[0, 1][..], b"search_path\0", &[0; 6], &[0, 0, 0, 25], &[0; 8]].concat()),
        message(b'D', b"\0\x01\0\0\0\x06public"),
        message(b'C', b"SHOW\0"),
        message(b'Z', b"I"),
    ]
    .concat()
}

fn prepared() -> Vec<u8> {
    let field = |name: &[u8], oid: u32| [name, b"\0", &[0; 6], &oid.to_be_bytes(), &[0; 8]].concat();
    [
        message(b'1', b""),
        message(b't', &[0, 1, 0, 0, 0, 23]),
        message(b'T', &[&[0, 2][..], &field(b"n", 23), &field(b"t", 25)].concat()),
        message(b'Z', b"I"),
    ]
    .concat()
}

/// A row, and a notice between the messages.
fn row() -> Vec<u8> {
    [
        message(b'2', b""),
        message(b'N', b"SNOTICE\0Mnothing\0\0"),
        message(b'D', b"\0\x02\0\0\0\x04\0\0\0\x07\0\0\0\x02hi"),
    ]
    .concat()
}

fn script() -> Script {
    let executed = [row(), message(b'C', b"SELECT 1\0"), message(b'Z', b"T")].concat();
    Script { greeting: greeting(), prepared: prepared(), executed }
}

async fn connect(words: Vec<u8>, step: usize) -> Result<PgSession, Failure> {
    let options = options();
    let address = Address::Unix("/nowhere".into());
    let login = login::log_in(server(words, step), address, &options, None).await?;
    PgSession::begin(&options, login, &Limits::default()).await
}

#[test]
fn an_answer_is_the_same_whole_or_byte_by_byte() {
    script().is_the_same_whole_or_byte_by_byte(connect);
}

#[test]
fn a_connection_cut_at_any_byte_is_lost_and_says_whether_the_statement_was_sent() {
    script().cut_at_any_byte_it_is_lost_and_says_whether_the_statement_was_sent(connect);
}

#[test]
fn a_byte_changed_anywhere_is_never_a_panic() {
    script().with_a_byte_changed_anywhere_it_is_never_a_panic(connect);
}

#[test]
fn a_server_that_goes_away_with_a_word_is_quoted_and_not_used_again() {
    let goodbye = message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0");
    let failure = runtime().block_on(converse(connect([greeting(), goodbye].concat(), 4096))).unwrap_err();
    let Failure::Server(error) = failure else { panic!("{failure:?}") };
    assert_eq!((error.message.as_str(), error.sqlstate.as_deref()), ("terminating connection", Some("57P01")));
    assert!(!error.survives);
}

#[test]
fn a_message_that_is_too_long_is_refused_before_it_comes() {
    for (kind, len) in [(b'D', 65 << 20), (b'E', 17 << 20), (b'Z', u32::MAX), (b'D', 3)] {
        let mut words = [greeting(), prepared(), row()].concat();
        words.push(kind);
        words.extend_from_slice(&len.to_be_bytes());
        let failure = runtime().block_on(converse(connect(words, 4096))).unwrap_err();
        assert!(matches!(failure, Failure::Strange(_) | Failure::Cut(_)), "{kind}: {failure:?}");
    }
}

#[test]
fn a_login_that_takes_back_the_proof_is_refused() {
    let sasl = |method: u8, text: &[u8]| message(b'R', &[&[0, 0, 0, method], text].concat());
    for (name, words) in [
        ("no challenge", [sasl(10, b"SCRAM-SHA-256\0\0"), message(b'R', &[0; 4])].concat()),
        ("a challenge for somebody else", [sasl(10, b"SCRAM-SHA-256\0\0"), sasl(11, b"r=x,s=AAAA,i=4096")].concat()),
        ("endless work", [sasl(10, b"SCRAM-SHA-256\0\0"), sasl(11, b"r=x,s=AAAA,i=4000000000")].concat()),
        ("no method that is known", sasl(10, b"OTHER\0\0")),
        ("an unknown method", message(b'R', &[0, 0, 0, 99])),
    ] {
        let refused = runtime().block_on(connect([words, message(b'Z', b"I")].concat(), 4096));
        assert!(matches!(refused, Err(Failure::Strange(_) | Failure::Lost(_))), "{name}");
    }
}

#[test]
fn a_reader_that_takes_no_more_holds_the_server_back() {
    const ROW: usize = 100_000;
    let sent = Arc::new(AtomicUsize::new(0));
    runtime().block_on(async {
        let mut connection = connect(greeting(), 4096).await.unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        connection.stream = Stream::new(Socket::Unix(ours));
        connection.stream.row_bytes_max = usize::MAX;
        let counter = Arc::clone(&sent);
        tokio::spawn(async move {
            let start = [prepared(), row()].concat();
            // A stream has no limit on the server.
            let lifted = [message(b'C', b"SET\0"), message(b'Z', b"I")].concat();
            theirs.write_all(&[lifted, start].concat()).await.unwrap();
            let text = vec![b'x'; ROW];
            let row = [b"\0\x02\0\0\0\x04\0\0\0\x07", &(ROW as u32).to_be_bytes()[..], &text].concat();
            let row = message(b'D', &row);
            while theirs.write_all(&row).await.is_ok() {
                counter.fetch_add(row.len(), Ordering::Relaxed);
            }
        });
        let limits = Limits { result_bytes_max: 1 << 20, ..Limits::default() };
        let (mut flow, hatch) = Flow::stream(&limits);
        let mut running = std::pin::pin!(connection.run(WORK, &mut flow));
        for _ in 0..3 {
            let chunk = std::future::poll_fn(|context| match (running.as_mut().poll(context), hatch.take()) {
                (Poll::Pending, Some(table)) => Poll::Ready(table),
                (Poll::Pending, None) => Poll::Pending,
                (Poll::Ready(outcome), _) => panic!("{outcome:?}"),
            });
            assert!(chunk.await.rows() > 0);
        }
        // As long as it takes the server to send what it can.
        for _ in 0..10_000 {
            std::future::poll_fn(|context| Poll::Ready(running.as_mut().poll(context).is_ready())).await;
            tokio::task::yield_now().await;
        }
    });
    let sent = sent.load(Ordering::Relaxed);
    assert!((3 * ROW..8 << 20).contains(&sent), "{sent} bytes were taken from a server without end");
}

#[test]
fn a_request_to_cancel_names_the_connection_and_waits_for_nobody_beyond_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    runtime().block_on(async {
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let canceller = Canceller(Arc::new(Target {
            options: options(),
            address: Address::Unix(path.clone()),
            key: (7, -2),
            is_encrypted: false,
        }));
        for hangs_up in [true, false] {
            let cancel = connection::Canceller::cancel(
                canceller.clone(),
                Duration::from_millis(if hangs_up { 20_000 } else { 50 }),
            );
            let serve = async {
                let mut socket = listener.accept().await.unwrap().0;
                let mut request = [0; 16];
                socket.read_exact(&mut request).await.unwrap();
                let numbers: Vec<i32> =
                    request.chunks(4).map(|four| i32::from_be_bytes(four.try_into().unwrap())).collect();
                assert_eq!(numbers, [16, 80_877_102, 7, -2]);
                (!hangs_up).then_some(socket)
            };
            timeout(Duration::from_secs(10), async { tokio::join!(cancel, serve) }).await.expect("it has ended");
        }
        drop(listener);
        connection::Canceller::cancel(canceller, Duration::from_secs(5)).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_words_of_a_server_panic(words in proptest::collection::vec(any::<u8>(), 0..200), at in 0..400_usize) {
        let mut whole = script().whole();
        whole.truncate(at);
        whole.extend_from_slice(&words);
        let _ = runtime().block_on(converse(connect(whole, 4096)));
    }
}
