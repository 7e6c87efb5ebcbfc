//! The client against servers that break off, trickle, or say anything at all: an error each time, never a panic, never a
//! wrong row.

use super::packet::capability as can;
use super::*;
use crate::db::Param;
use crate::db::scripted::{Script, WORK, converse, runtime, server};
use crate::db::socket::{Address, Socket};
use crate::json::forms::Forms;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub(super) const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";

pub(super) fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = (body.len() as u32 | u32::from(sequence) << 24).to_le_bytes().to_vec();
    packet.extend_from_slice(body);
    packet
}

/// An answer: its packets, counted from one.
fn answer(bodies: &[&[u8]]) -> Vec<u8> {
    (1..).zip(bodies).flat_map(|(sequence, body)| packet(sequence, body)).collect()
}

pub(super) fn options(query: &str) -> Arc<Options> {
    Arc::new(Options::parse(&format!("mysql://u:p@h/d?ssl-mode=disabled{query}")).unwrap())
}

/// What a server says first that speaks this method, as MariaDB or MySQL does.
pub(super) fn hello(method: &str, capabilities: u64) -> Vec<u8> {
    let capabilities = capabilities | can::PROTOCOL_41 | can::SECURE_CONNECTION | can::PLUGIN_AUTH | can::DEPRECATE_EOF;
    let [a, b, c, d, e, f, g, h] = capabilities.to_le_bytes();
    let body = [
        b"\x0a11.4.2\0",
        &[7, 0, 0, 0][..],
        &NONCE[..8],
        &[0, a, b, 45, 2, 0, c, d, 21, 0, 0, 0, 0, 0, 0, e, f, g, h],
        &NONCE[8..],
        b"\0",
        method.as_bytes(),
        b"\0",
    ];
    packet(0, &body.concat())
}

pub(super) const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END: &[u8] = &[0xfe, 0, 0, 3, 0, 0, 0];

fn field(name: &str, of_type: u8) -> Vec<u8> {
    let name = [&[name.len() as u8], name.as_bytes()].concat();
    [&[0; 4][..], &name, &[0, 12, 45, 0, 0, 0, 0, 0, of_type, 0, 0, 0, 0, 0]].concat()
}

fn greeting() -> Vec<u8> {
    let (id, max) = (field("id", 8), field("max", 8));
    [
        hello("mysql_native_password", can::CACHE_METADATA),
        packet(2, OK),
        answer(&[OK]),
        answer(&[&[2, 1], &id, &max, b"\x017\x03151", END]),
    ]
    .concat()
}

/// Prepared, then a row of columns that weren't sent again.
fn prepared() -> Vec<u8> {
    let (n, t) = (field("n", 8), field("t", 0xfd));
    answer(&[&[0, 9, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0], &field("?", 0xfd), &n, &t])
}

fn executed() -> Vec<u8> {
    answer(&[&[2, 0], &[0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'], END])
}

async fn connect(words: Vec<u8>, step: usize) -> Result<MySqlSession, Failure> {
    let (options, limits) = (options(""), Limits::default());
    let login = login::log_in(server(words, step), Address::Unix("/nowhere".into()), &options).await?;
    let mut connection = MySqlSession::new(&options, login, &limits);
    connection.introduce().await?;
    Ok(connection)
}

fn script() -> Script {
    Script { greeting: greeting(), prepared: prepared(), executed: executed() }
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
fn columns_that_come_with_an_execution_hold_for_it() {
    let (n, t) = (field("renamed", 3), field("t", 0xfd));
    let executed = answer(&[&[2, 1], &n, &t, &[0, 0, 7, 0, 0, 0, 2, b'h', b'i'], END]);
    let (json, _) = runtime().block_on(converse(connect([greeting(), prepared(), executed].concat(), 4096))).unwrap();
    assert_eq!(json, r#"[{"renamed":7,"t":"hi"}]"#);
    // Columns that were neither sent nor known before.
    let other = answer(&[&[3, 0], &[0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'], END]);
    let failure = runtime().block_on(converse(connect([greeting(), prepared(), other].concat(), 4096))).unwrap_err();
    assert!(matches!(failure, Failure::Strange(_)), "{failure:?}");
}

#[test]
fn a_server_that_goes_away_with_a_word_is_quoted_and_not_used_again() {
    // Said before it was asked, as a server does that is shut down.
    let goodbye = packet(0, b"\xff\x1d\x04#08S01Server shutdown in progress");
    let failure = runtime().block_on(converse(connect([greeting(), goodbye].concat(), 4096))).unwrap_err();
    let Failure::Server(error) = failure else { panic!("{failure:?}") };
    assert_eq!((error.message.as_str(), error.sqlstate.as_deref()), ("Server shutdown in progress", Some("08S01")));
    assert!(!error.survives);
}

#[test]
fn a_packet_that_is_too_long_or_out_of_its_place_is_refused() {
    let long = |len: u32, sequence: u32| (len | sequence << 24).to_le_bytes().to_vec();
    for (name, words) in [
        ("a greeting without end", long(0x2_0000, 0)),
        ("an answer without end", [greeting(), prepared(), long(0x20_0000, 1)].concat()),
        ("a packet of another exchange", [greeting(), prepared(), packet(3, OK)].concat()),
        ("a packet twice", [greeting(), prepared(), packet(1, &[2, 0]), packet(1, END)].concat()),
        ("more columns than there are", [greeting(), prepared(), answer(&[&[0xfe, 1, 1, 1, 1, 1, 1, 1, 1]])].concat()),
        ("a wish for a file", [greeting(), prepared(), answer(&[b"\xfb/etc/passwd"])].concat()),
        ("a row that is none", [greeting(), prepared(), answer(&[&[2, 0], &[7]])].concat()),
    ] {
        let failure = runtime().block_on(converse(connect(words, 4096))).unwrap_err();
        assert!(matches!(failure, Failure::Strange(_)), "{name}: {failure:?}");
    }
    // Of a row it is the limit of results that holds: 16 MiB, and as much again, and again.
    let piece = [long(0xff_ffff, 2), vec![0; 0xff_ffff]].concat();
    let mut words = [greeting(), prepared(), answer(&[&[2, 0]])].concat();
    for sequence in 2..7 {
        let mut piece = piece.clone();
        piece[3] = sequence;
        words.extend(piece);
    }
    let failure = runtime().block_on(converse(connect(words, 1 << 20))).unwrap_err();
    assert!(matches!(failure, Failure::Cut(crate::db::Error::ResultTooLarge { .. })), "{failure:?}");
}

#[test]
fn a_statement_that_the_server_has_forgotten_is_prepared_again_where_no_transaction_is_open() {
    let stale = answer(&[b"\xff\x4f\x06#HY000Prepared statement needs to be re-prepared"]);
    let rows =
        |status| answer(&[&[2, 0], &[0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'], &[0xfe, 0, 0, status, 0, 0, 0]]);
    for (status, is_again) in [(2, true), (3, false)] {
        let words = [greeting(), prepared(), rows(status), stale.clone(), prepared(), rows(status)].concat();
        let limits = Limits::default();
        let outcome = runtime().block_on(async {
            let mut connection = connect(words, 4096).await.unwrap();
            connection.run(WORK, &mut Flow::whole(&limits)).await.unwrap();
            connection.run(WORK, &mut Flow::whole(&limits)).await
        });
        match outcome {
            Ok(_) => assert!(is_again),
            Err(Failure::Server(error)) => assert!(!is_again && error.survives),
            Err(failure) => panic!("{failure:?}"),
        }
    }
}

#[test]
fn a_server_without_the_newer_capabilities_is_understood() {
    let old_end = |status: u8| vec![0xfe, 0, 0, status, 0];
    let hello = {
        let mut hello = hello("mysql_native_password", can::MYSQL);
        // CLIENT_DEPRECATE_EOF is bit 24.
        let at = 4 + 1 + 7 + 4 + 8 + 1 + 2 + 1 + 2 + 1;
        hello[at] &= !1;
        hello
    };
    let (id, max, n, t) = (field("id", 8), field("max", 8), field("n", 8), field("t", 0xfd));
    let words = [
        hello,
        packet(2, OK),
        answer(&[OK]),
        answer(&[&[2], &id, &max, &old_end(2), b"\x017\x03151", &old_end(2)]),
        answer(&[&[0, 9, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0], &field("?", 8), &old_end(2), &n, &t, &old_end(2)]),
        answer(&[&[2], &n, &t, &old_end(2), &[0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'], &old_end(2)]),
    ]
    .concat();
    let (json, state) = runtime().block_on(converse(connect(words, 3))).unwrap();
    assert_eq!((json.as_str(), state), (r#"[{"n":7,"t":"hi"}]"#, State::Idle));
}

#[test]
fn a_statement_that_can_not_be_prepared_is_sent_as_it_is_and_has_no_rows() {
    let refused = packet(1, b"\xff\x0f\x05#HY000This command is not supported in the prepared statement protocol yet");
    let limits = Limits::default();
    let run = |words: Vec<u8>, params: &[Param]| {
        runtime().block_on(async {
            let mut connection = connect(words, 4096).await.unwrap();
            let work = Work {
                sql: "CREATE TRIGGER",
                params,
                forms: Forms::default(),
                is_alone: false,
                leaves: Leaves::Nothing,
            };
            connection.run(work, &mut Flow::whole(&limits)).await
        })
    };
    let done = run([greeting(), refused.clone(), answer(&[&[0, 3, 9, 2, 0, 0, 0]])].concat(), &[]).unwrap();
    assert_eq!(done, Done { affected: 3, last_insert_id: None });
    let rows = answer(&[&[1, 1], &field("n", 8), b"\x017", END]);
    let failure = run([greeting(), refused.clone(), rows].concat(), &[]).unwrap_err();
    let Failure::Server(error) = failure else { panic!("{failure:?}") };
    assert_eq!((error.sqlstate.as_deref(), error.survives), (Some("0A000"), true));
    // With values it can't be sent otherwise, and the server's words stay.
    let failure = run([greeting(), refused].concat(), &[Param::Int(1)]).unwrap_err();
    assert!(matches!(failure, Failure::Server(error) if error.survives));
}

#[test]
fn a_server_that_can_not_reset_a_session_is_told_what_others_wait_for_and_left() {
    let unknown = packet(1, b"\xff\x17\x04#08S01Unknown command");
    let missing = packet(1, b"\xff\x19\x05#42000FUNCTION RELEASE_ALL_LOCKS does not exist");
    let cleaned = [answer(&[OK]), answer(&[OK]), missing].concat();
    let none = packet(1, b"\xff\x15\x04#42000Access denied");
    for (name, words, is_reset) in [
        ("it can", [answer(&[OK]), answer(&[OK]), answer(&[OK])].concat(), true),
        ("it doesn't know how", [unknown, cleaned].concat(), false),
        ("the database is gone", [answer(&[OK]), none].concat(), false),
        ("it hangs up", answer(&[OK]), false),
    ] {
        let words = [greeting(), words].concat();
        let outcome = runtime().block_on(async { connect(words, 4096).await.unwrap().reset(false).await });
        assert_eq!(outcome.is_ok(), is_reset, "{name}: {outcome:?}");
    }
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

#[test]
fn a_server_without_session_tracking_is_not_asked_for_it_and_one_that_refuses_it_is_used_without() {
    let refusal = b"\xff\xa9\x04#HY000Unknown system variable 'session_track_state_change'";
    let (id, max) = (field("id", 8), field("max", 8));
    let introduced = answer(&[&[2, 1], &id, &max, b"\x017\x03151", END]);
    // An execution behind which the session has changed, as this server says it.
    let changed = answer(&[
        &[2, 0],
        &[0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, b'h', b'i'],
        &[0xfe, 0, 0, 2, 0x40, 0, 0, 0, 4, 2, 2, 1, b'1'],
    ]);
    for (capabilities, settings, asks) in [
        (0, answer(&[OK]), 0),
        (can::SESSION_TRACK, answer(&[OK]), 1),
        (can::SESSION_TRACK, [answer(&[refusal]), answer(&[OK])].concat(), 1),
    ] {
        let words = [
            hello("mysql_native_password", can::CACHE_METADATA | capabilities),
            packet(2, OK),
            settings,
            introduced.clone(),
            prepared(),
            changed.clone(),
        ];
        let heard = runtime().block_on(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let serve = tokio::spawn(async move {
                theirs.write_all(&words.concat()).await.unwrap();
                theirs.shutdown().await.unwrap();
                let mut heard = Vec::new();
                theirs.read_to_end(&mut heard).await.unwrap();
                heard
            });
            let (options, limits) = (options(""), Limits::default());
            let login = login::log_in(Socket::Unix(ours), Address::Unix("/nowhere".into()), &options).await.unwrap();
            let mut connection = MySqlSession::new(&options, login, &limits);
            connection.introduce().await.unwrap();
            assert!(!connection.is_changed());
            connection.run(WORK, &mut Flow::whole(&limits)).await.unwrap();
            assert!(connection.is_changed());
            drop(connection);
            serve.await.unwrap()
        });
        let asked = b"session_track_state_change = 1";
        assert_eq!(heard.windows(asked.len()).filter(|window| window == asked).count(), asks);
    }
}
