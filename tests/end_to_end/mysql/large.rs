//! Values of more than a packet holds, in both directions.

use super::server::Server;
use crate::databases::{Fixture, mysql_dsn};
use lyger::db::{Error, Limits, Param, Rows};

/// What a packet holds at most; one of exactly this length has an empty one behind it.
const PIECE: usize = 0xff_ffff;

/// The column `v` of the only row, as PHP gets it, and what follows.
fn value(rows: &Rows, columns: usize) -> (Vec<u8>, Vec<u8>) {
    let php = lyger::json::serialize::to_vec(&rows.table);
    let start = format!("a:1:{{i:0;a:{columns}:{{s:1:\"v\";s:");
    let rest = php.strip_prefix(start.as_bytes()).expect("a row with the column v");
    let digits = rest.iter().position(|&byte| byte == b':').unwrap();
    let len: usize = std::str::from_utf8(&rest[..digits]).unwrap().parse().unwrap();
    let rest = &rest[digits + 2..];
    (rest[..len].to_vec(), rest[len..].to_vec())
}

#[test]
fn values_of_more_than_a_packet_go_both_ways_unchanged() {
    let server = Server::start();
    let db = Fixture::new(
        &server.dsn("open", "127.0.0.1", ""),
        Limits { statement_timeout_ms: 60_000, ..Limits::default() },
    );
    // Before the value an execution has 14 bytes and its length; a row has two and its length.
    for len in [
        PIECE - 18,
        PIECE - 25,
        PIECE - 24,
        PIECE - 23,
        PIECE - 12,
        PIECE - 11,
        PIECE - 10,
        PIECE,
        20 << 20,
        2 * PIECE - 20,
    ] {
        let bytes: Vec<u8> = (0..len).map(|at| (at / 7 % 251) as u8).collect();
        let rows = db.query("SELECT ? AS v, 7 AS n", &[Param::Bytes(bytes.clone())]);
        let (value, rest) = value(&rows, 2);
        assert!(value == bytes, "{len}");
        assert_eq!(rest, b"\";s:1:\"n\";i:7;}}", "{len}");
    }
}

#[test]
fn what_the_server_does_not_take_at_once_is_refused_before_it_is_sent() {
    let db = Fixture::new(&mysql_dsn(), Limits { connections_max: 1, ..Limits::default() });
    let connection = db.json("SELECT CONNECTION_ID() AS id", &[]);
    let rows = db.query("SELECT CAST(@@max_allowed_packet AS CHAR) AS v", &[]);
    let max: usize = String::from_utf8(value(&rows, 1).0).unwrap().parse().unwrap();
    let long = "x".repeat(max);
    let comment = format!("SELECT 1 /* {long} */");
    let many = vec![Param::Text("x".repeat(275)); max / 276];
    let list = format!("SELECT 1 IN (?{}) AS n", ", ?".repeat(many.len() - 1));
    // An execution has 18 bytes more than such a value, and the server takes fewer than it says.
    let fits = max - 19;
    assert_eq!(
        db.json("SELECT LENGTH(?) AS n", &[Param::Text(long[..fits].to_owned())]),
        format!(r#"[{{"n":{fits}}}]"#)
    );
    let above = Param::Text(long[..=fits].to_owned());
    for error in [db.error("SELECT LENGTH(?) AS n", &[above]), db.error(&comment, &[]), db.error(&list, &many)] {
        let Error::Query { message, sqlstate } = error else { panic!("{error}") };
        assert_eq!(sqlstate.as_deref(), Some("54000"));
        assert!(message.contains(&format!("max_allowed_packet is {max}")), "{message}");
    }
    assert_eq!(db.json("SELECT CONNECTION_ID() AS id", &[]), connection);
}

#[test]
fn every_length_around_that_of_a_packet_is_read_whole() {
    let server = Server::start();
    let db = Fixture::new(&server.dsn("open", "127.0.0.1", ""), Limits::default());
    for len in PIECE - 14..PIECE + 2 {
        let rows = db.query("SELECT REPEAT('x', ?) AS v", &[Param::Int(len as i64)]);
        let (value, _) = value(&rows, 1);
        assert!(value.len() == len && value.iter().all(|&byte| byte == b'x'), "{len}");
    }
    let error =
        db.error("SELECT REPEAT('x', ?) AS a, REPEAT('y', ?) AS b", &[Param::Int(40 << 20), Param::Int(40 << 20)]);
    assert!(matches!(error, Error::ResultTooLarge { .. }), "{error}");
    assert_eq!(db.json("SELECT 1 AS n", &[]), r#"[{"n":1}]"#);
}
