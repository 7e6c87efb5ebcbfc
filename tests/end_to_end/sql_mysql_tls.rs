//! TLS to MariaDB: a real server with certificates of the test's own.

use crate::databases::{Fixture, mysql_dsn};
use crate::postgres::login::{certify, issuer};
use crate::postgres::server::{free_port, other_user, own, run};
use lyger::db::{Error, Limits};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server that is gone when this is dropped.
struct Server {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Server {
    /// A server whose certificate is for localhost alone.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (known, other) = (issuer("known"), issuer("other"));
        fs::write(folder.path().join("ca.crt"), known.pem()).unwrap();
        fs::write(folder.path().join("other.crt"), other.pem()).unwrap();
        certify(folder.path(), "server", &known, "server", &["localhost"]);
        certify(folder.path(), "client", &known, "certified", &[]);
        certify(folder.path(), "stranger", &other, "certified", &[]);
        own(&folder.path().join("server.key"), 0o600);
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        own(&data, 0o700);
        let setup = "CREATE USER open@'127.0.0.1'; CREATE USER tls_only@'127.0.0.1' REQUIRE SSL; \
                     CREATE USER certified@'127.0.0.1' REQUIRE X509;";
        fs::write(folder.path().join("setup.sql"), setup.replace("; ", ";\n")).unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        run(program("mariadb-install-db").args(["--no-defaults", "--auth-root-authentication-method=normal"]).args([
            "--skip-test-db",
            "--innodb-log-file-size=16M",
            &format!("--datadir={}", data.display()),
        ]));
        let port = free_port();
        let mut mariadbd = program("mariadbd");
        mariadbd.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"]).args([
            "--innodb-buffer-pool-size=64M".to_owned(),
            "--innodb-log-file-size=16M".to_owned(),
            format!("--datadir={}", data.display()),
            format!("--port={port}"),
            format!("--socket={}", file("data/socket")),
            format!("--pid-file={}", file("data/pid")),
            format!("--init-file={}", file("setup.sql")),
            format!("--ssl-ca={}", file("ca.crt")),
            format!("--ssl-cert={}", file("server.crt")),
            format!("--ssl-key={}", file("server.key")),
        ]);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = mariadbd.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let server = Self { folder, port, process };
        let deadline = Instant::now() + Duration::from_secs(60);
        while connect(&server.dsn("open", "127.0.0.1", "")).is_err() {
            let log = fs::read_to_string(server.file("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "MariaDB does not start:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn dsn(&self, user: &str, host: &str, query: &str) -> String {
        format!("mysql://{user}@{host}:{}/information_schema?{query}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One of MariaDB's programs, as a user that it runs as: it refuses to run as root.
fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", format!("{}:/usr/sbin:/usr/libexec", std::env::var("PATH").unwrap_or_default()));
    if let Some((uid, gid)) = other_user() {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/");
    command
}

/// Whether the connection is encrypted, or why there is none.
fn connect(dsn: &str) -> Result<bool, Error> {
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
