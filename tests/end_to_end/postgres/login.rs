//! Who is let in, and over what: a real server with certificates and a pg_hba.conf of the test's own.

use super::server::{self, Server};
use crate::certificates::{certify, issuer};
use crate::databases::Fixture;
use lyger::db::{Error, Limits};
use std::fs;

const HBA: &str = "
local     all all                     trust
hostssl   all tls_only   127.0.0.1/32 trust
hostnossl all tls_only   127.0.0.1/32 reject
hostnossl all plain_only 127.0.0.1/32 trust
hostssl   all plain_only 127.0.0.1/32 reject
hostssl   all certified  127.0.0.1/32 cert
host      all in_clear   127.0.0.1/32 password
host      all with_md5   127.0.0.1/32 md5
host      all with_scram 127.0.0.1/32 scram-sha-256
host      all lyger      127.0.0.1/32 trust
";

/// A server whose certificate is for localhost alone.
pub(super) fn server() -> Server {
    let server = Server::start(HBA, |folder| {
        let (known, other) = (issuer("known"), issuer("other"));
        fs::write(folder.join("ca.crt"), known.pem()).unwrap();
        fs::write(folder.join("other.crt"), other.pem()).unwrap();
        certify(folder, "server", &known, "server", &["localhost"]);
        certify(folder, "client", &known, "certified", &[]);
        certify(folder, "stranger", &other, "certified", &[]);
        server::own(&folder.join("server.key"), 0o600);
    });
    for user in ["tls_only", "plain_only", "certified"] {
        server.sql(&format!("CREATE ROLE {user} LOGIN"));
    }
    server.sql("CREATE ROLE in_clear LOGIN PASSWORD 'p@ss ü'");
    server.sql("CREATE ROLE with_scram LOGIN PASSWORD 'p@ss ü'");
    server.sql("SET password_encryption = 'md5'; CREATE ROLE with_md5 LOGIN PASSWORD 'p@ss ü'");
    server
}

/// Whether the connection is encrypted, or why there is none.
fn connect(dsn: &str) -> Result<bool, Error> {
    let db = Fixture::new(dsn, Limits::default());
    let rows = db.try_query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])?;
    Ok(String::from_utf8(rows.to_json()).unwrap().contains("true"))
}

fn words(outcome: Result<bool, Error>) -> String {
    match outcome {
        Ok(encrypted) => panic!("connected, encrypted: {encrypted}"),
        Err(error) => {
            assert!(matches!(error, Error::Connect { .. }) && error.sqlstate().is_some(), "{error:?}");
            error.to_string()
        }
    }
}

#[test]
fn sslmode_means_what_it_means_to_libpq() {
    let server = server();
    let file = |name: &str| server.folder.path().join(name).display().to_string();
    let dsn =
        |user: &str, host: &str, query: &str| format!("postgres://{user}@{host}:{}/postgres?{query}", server.port);
    for (mode, encrypted) in [("disable", false), ("allow", false), ("prefer", true), ("require", true)] {
        let outcome = connect(&dsn("lyger", "127.0.0.1", &format!("sslmode={mode}")));
        assert_eq!(outcome, Ok(encrypted), "{mode}");
    }
    assert_eq!(connect(&dsn("lyger", "127.0.0.1", "")), Ok(true), "prefer is the default");
    // Who is refused one way comes the other, where the mode has two.
    for (user, mode, encrypted) in [
        ("tls_only", "allow", true),
        ("tls_only", "prefer", true),
        ("plain_only", "prefer", false),
        ("plain_only", "allow", false),
    ] {
        assert_eq!(connect(&dsn(user, "127.0.0.1", &format!("sslmode={mode}"))), Ok(encrypted), "{user}, {mode}");
    }
    for (user, mode) in [("tls_only", "disable"), ("plain_only", "require")] {
        let error = connect(&dsn(user, "127.0.0.1", &format!("sslmode={mode}"))).unwrap_err();
        assert_eq!(error.sqlstate(), Some("28000"), "{user}, {mode}: {error}");
    }

    let (known, other) = (file("ca.crt"), file("other.crt"));
    for (mode, host, roots, expected) in [
        ("verify-ca", "127.0.0.1", &known, ""),
        ("verify-ca", "localhost", &known, ""),
        ("verify-full", "localhost", &known, ""),
        ("verify-full", "127.0.0.1", &known, "the server's certificate is for another name"),
        ("verify-full", "localhost", &other, "signed by nobody who is trusted"),
        ("verify-ca", "localhost", &other, "signed by nobody who is trusted"),
        // As libpq: with a root certificate, it is looked at.
        ("require", "127.0.0.1", &known, ""),
        ("require", "127.0.0.1", &other, "signed by nobody who is trusted"),
        ("prefer", "127.0.0.1", &other, ""),
        ("verify-full", "localhost", &file("nothing.crt"), "No such file or directory"),
        ("verify-full", "localhost", &file("server.key"), "no certificate in PEM form"),
    ] {
        let outcome = connect(&dsn("lyger", host, &format!("sslmode={mode}&sslrootcert={roots}")));
        match expected {
            "" => assert_eq!(outcome, Ok(true), "{mode}, {host}"),
            expected => {
                let words = words(outcome);
                assert!(words.contains(expected), "{mode}, {host}: {words}");
            }
        }
    }
    // The system trusts other people.
    let words = words(connect(&dsn("lyger", "localhost", "sslmode=verify-full&sslrootcert=system")));
    assert!(words.contains("TLS: "), "{words}");
}

#[test]
fn a_user_is_let_in_by_each_method_and_by_the_right_password_alone() {
    let server = server();
    let dsn = |user: &str, password: &str, query: &str| {
        format!("postgres://{user}:{password}@127.0.0.1:{}/postgres?{query}", server.port)
    };
    for user in ["in_clear", "with_md5", "with_scram"] {
        for (mode, encrypted) in [("disable", false), ("require", true)] {
            let query = format!("sslmode={mode}");
            assert_eq!(connect(&dsn(user, "p%40ss%20%C3%BC", &query)), Ok(encrypted), "{user}, {mode}");
            let error = connect(&dsn(user, "hunter2", &query)).unwrap_err();
            assert_eq!(error.sqlstate(), Some("28P01"), "{user}, {mode}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let nothing = format!("postgres://{user}@127.0.0.1:{}/postgres?passfile=/nonexistent", server.port);
        assert!(words(connect(&nothing)).contains("asks for a password"), "{user}");
    }

    // SCRAM's proof holds for this TLS connection alone, where it may.
    let bound = |user: &str, query: &str| connect(&dsn(user, "p%40ss%20%C3%BC", query));
    assert_eq!(bound("with_scram", "sslmode=require&channel_binding=require"), Ok(true));
    assert_eq!(bound("with_scram", "sslmode=require&channel_binding=disable"), Ok(true));
    for (user, query) in [
        ("with_scram", "sslmode=disable&channel_binding=require"),
        ("with_md5", "sslmode=require&channel_binding=require"),
        ("in_clear", "sslmode=require&channel_binding=require"),
    ] {
        assert!(words(bound(user, query)).contains("channel_binding=require"), "{user}, {query}");
    }

    let file = |name: &str| server.folder.path().join(name).display().to_string();
    let certified = |name: &str| {
        connect(&dsn(
            "certified",
            "",
            &format!(
                "sslmode=require&sslcert={}&sslkey={}",
                file(&format!("{name}.crt")),
                file(&format!("{name}.key"))
            ),
        ))
    };
    assert_eq!(certified("client"), Ok(true));
    assert!(certified("stranger").is_err());
    assert_eq!(connect(&dsn("certified", "", "sslmode=require")).unwrap_err().sqlstate(), Some("28000"));
}

#[test]
fn a_socket_in_a_folder_is_as_good_as_a_port() {
    let server = server();
    let folder = server.sockets().display().to_string();
    for dsn in [
        format!("postgres://lyger@/postgres?host={folder}&port={}", server.port),
        format!("postgres://lyger@{}:{}/postgres", folder.replace('/', "%2F"), server.port),
        // TLS has no meaning there, whatever is asked for.
        format!("postgres://lyger@/postgres?host={folder}&port={}&sslmode=require", server.port),
    ] {
        assert_eq!(connect(&dsn), Ok(false), "{dsn}");
    }
    let nowhere = format!("postgres://lyger@/postgres?host={folder}&port=1");
    assert!(words(connect(&nowhere)).contains("No such file or directory"));

    let application = format!(
        "postgres://lyger@/postgres?host={folder}&port={}&application_name=a%20b&options=-c%20work_mem%3D7MB&options[search_path]=%22a%20b%22",
        server.port
    );
    let db = Fixture::new(&application, Limits::default());
    assert_eq!(
        db.json("SELECT current_setting('application_name') a, current_setting('work_mem') m, current_setting('search_path') s", &[]),
        r#"[{"a":"a b","m":"7MB","s":"\"a b\""}]"#
    );
}
