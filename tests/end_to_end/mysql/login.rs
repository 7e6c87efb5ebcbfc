//! Who is let in, and over what: a real server with certificates and accounts of the test's own.

use super::server::{PASSWORD, Server, own_name};
use crate::databases::{Fixture, mysql_dsn};
use lyger::db::{Error, Given, Limits, Statement};
use std::time::{Duration, Instant};

/// Whether the connection is encrypted, or why there is none.
pub(super) fn connect(dsn: &str) -> Result<bool, Error> {
    let db = Fixture::new(dsn, Limits::default());
    let rows = db.try_query("SHOW STATUS LIKE 'Ssl_cipher'", &[])?;
    Ok(String::from_utf8(rows.to_json()).unwrap().contains("TLS"))
}

#[test]
fn ssl_mode_means_what_it_says() {
    let server = Server::start();
    let (known, other) = (server.file("ca.crt"), server.file("other.crt"));
    for (query, encrypted) in [("", true), ("ssl-mode=disabled", false), ("sslmode=PREFERRED", true)] {
        assert_eq!(connect(&server.dsn("open", "127.0.0.1", query)), Ok(encrypted), "{query}");
    }
    assert_eq!(connect(&server.dsn("tls_only", "127.0.0.1", "ssl-mode=required")), Ok(true));
    let error = connect(&server.dsn("tls_only", "127.0.0.1", "ssl-mode=disabled")).unwrap_err();
    assert_eq!(error.sqlstate(), Some("28000"), "{error}");
    for (mode, host, roots, is_let_in) in [
        ("verify_ca", "127.0.0.1", &known, true),
        ("verify_ca", "localhost", &known, true),
        ("verify_identity", "localhost", &known, true),
        ("verify_identity", "127.0.0.1", &known, false),
        ("verify_identity", "localhost", &other, false),
        ("verify_ca", "localhost", &other, false),
        ("verify_identity", "localhost", &server.file("nothing.crt"), false),
    ] {
        let outcome = connect(&server.dsn("open", host, &format!("ssl-mode={mode}&ssl-ca={roots}")));
        match outcome {
            Ok(encrypted) => assert!(is_let_in && encrypted, "{mode}, {host}, {roots}"),
            Err(error) => {
                assert!(!is_let_in, "{mode}, {host}, {roots}: {error}");
                assert!(matches!(error, Error::Connect { .. }) && error.sqlstate() == Some("08001"), "{error:?}");
            }
        }
    }
    // The system trusts other people.
    assert!(connect(&server.dsn("open", "localhost", "ssl-mode=verify_identity")).is_err());

    let certified = |file: &str| {
        let (certificate, key) = (server.file(&format!("{file}.crt")), server.file(&format!("{file}.key")));
        let query = format!("ssl-mode=verify_ca&ssl-ca={known}&ssl-cert={certificate}&ssl-key={key}");
        connect(&server.dsn("certified", "127.0.0.1", &query))
    };
    assert_eq!(certified("client"), Ok(true));
    assert!(certified("stranger").is_err());
    assert!(connect(&server.dsn("certified", "127.0.0.1", "ssl-mode=required")).is_err());
}

#[test]
fn a_server_without_tls_is_refused_where_it_is_demanded() {
    for mode in ["required", "verify_ca", "verify_identity"] {
        let error = connect(&format!("{}?ssl-mode={mode}", mysql_dsn())).unwrap_err();
        assert!(matches!(error, Error::Connect { .. }) && error.sqlstate() == Some("08001"), "{mode}: {error:?}");
    }
    for mode in ["disabled", "preferred"] {
        assert_eq!(connect(&format!("{}?ssl-mode={mode}", mysql_dsn())), Ok(false), "{mode}");
    }
}

#[test]
fn a_user_is_let_in_by_each_method_and_by_the_right_password_alone() {
    let server = Server::start();
    for user in ["native", "ed25519", "either"] {
        for (mode, is_encrypted) in [("disabled", false), ("required", true)] {
            let with = |password: &str| {
                connect(&server.dsn(&format!("{user}{password}"), "127.0.0.1", &format!("ssl-mode={mode}")))
            };
            assert_eq!(with(&format!(":{PASSWORD}")), Ok(is_encrypted), "{user}, {mode}");
            for wrong in ["", ":", ":wrong", ":p%40ss"] {
                let error = with(wrong).unwrap_err();
                assert_eq!(error.sqlstate(), Some("28000"), "{user}, {mode}, {wrong}: {error}");
            }
        }
    }
    let native = format!("native:{PASSWORD}");
    assert_eq!(connect(&server.local_dsn(&native, "")), Ok(false), "preferred leaves a Unix socket as it is");
    assert_eq!(connect(&server.local_dsn(&native, "ssl-mode=required")), Ok(true));
    assert_eq!(connect(&server.local_dsn(&own_name(), "")), Ok(false), "by who runs the test");
    let error = connect(&server.local_dsn("nobody_else", "")).unwrap_err();
    assert_eq!(error.sqlstate(), Some("28000"), "{error}");
}

#[test]
fn a_statement_is_stopped_by_whom_and_over_what_it_runs() {
    let server = Server::start();
    for dsn in [
        server.dsn(&format!("ed25519:{PASSWORD}"), "127.0.0.1", "ssl-mode=required"),
        server.dsn(&format!("native:{PASSWORD}"), "127.0.0.1", "ssl-mode=disabled"),
        server.local_dsn(&own_name(), ""),
    ] {
        let db = Fixture::new(&dsn, Limits { connections_max: 1, ..Limits::default() });
        let id = db.json("SELECT CONNECTION_ID() AS id", &[]);
        let statement = Statement { timeout_ms: Some(200), ..Statement::new("SELECT SLEEP(20)", Given::default()) };
        let began = Instant::now();
        let error = db.block_on(db.database.query(&db.client, &db.dsn, statement));
        assert!(matches!(error, Err(Error::Timeout { .. })), "{dsn}: {error:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(db.json("SELECT CONNECTION_ID() AS id", &[]), id, "{dsn}: the connection is as good as before");
    }
}
