//! What an error says: the words of the database and of the system, and none of the libraries' own.

use crate::databases::{Fixture, mysql_dsn, postgres_dsn, sqlite};
use lyger::db::{Dsn, Error, Limits};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

/// A server that waits for a client's first words where its kind does, says its own, and hangs up.
fn stranger(listens_first: bool, words: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if listens_first {
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let _ = stream.read(&mut [0; 1000]);
            }
            let _ = stream.write_all(words);
        }
    });
    port
}

fn assert_plain(text: &str, of: &str) {
    for inside in ["sqlx", "rusqlite", "::", "os error", "InvalidContentType", "EOF", "{", "found in string"] {
        assert!(!text.contains(inside), "{of}: {text}");
    }
}

#[test]
fn a_server_of_another_kind_is_an_error_in_plain_words() {
    let mut dsns = vec![
        format!("{}?sslmode=require", postgres_dsn()),
        format!("{}?ssl-mode=REQUIRED", mysql_dsn()),
        mysql_dsn().replace("mysql://", "postgres://"),
        "postgres://u@127.0.0.1:1/d".to_owned(),
        "mysql://u@h/d?socket=/nonexistent".to_owned(),
        "postgres://u@no.such.host.invalid/d".to_owned(),
        "sqlite:/nonexistent/x.db".to_owned(),
    ];
    for words in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-x\r\n",
        b" ",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        // The start of a message of PostgreSQL and of MySQL, cut short.
        b"R\0\0\0\x04",
        b"\x05\0\0\0\x0a5.5\0",
    ] {
        dsns.push(format!("postgres://u:p@127.0.0.1:{}/d", stranger(true, words)));
        dsns.push(format!("postgres://u:p@127.0.0.1:{}/d?sslmode=disable", stranger(true, words)));
        dsns.push(format!("mysql://u:p@127.0.0.1:{}/d", stranger(false, words)));
    }
    for dsn in dsns {
        let error = Fixture::new(&dsn, Limits::default()).error("SELECT 1", &[]);
        assert!(matches!(error, Error::Connect { .. }), "{dsn}: {error:?}");
        assert_eq!(error.sqlstate(), Some("08001"), "{dsn}");
        assert_plain(error.to_string().split_once(": ").unwrap().1, &dsn);
    }
}

#[test]
fn a_dsn_that_cannot_be_read_says_why_in_plain_words() {
    for dsn in
        ["postgres://u@h:x/d", "postgres://u@h/d?sslmode=x", "mysql://u@h/d?ssl-mode=x", "postgres://u@h/d?port=x"]
    {
        let text = Dsn::parse(dsn).unwrap_err().to_string();
        assert_plain(&text, dsn);
        assert!(!text.contains("error with configuration"), "{text}");
    }
}

#[test]
fn a_statement_that_cannot_be_read_gives_the_databases_words_alone() {
    let error = sqlite().error("SELEC 1", &[]);
    assert_eq!(error.to_string(), "near \"SELEC\": syntax error");
}
