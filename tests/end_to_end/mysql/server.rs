//! A MariaDB of the test's own: with TLS, a Unix socket, accounts of several kinds, and packets of 64 MiB.

use super::login::connect;
use crate::certificates::{certify, issuer};
use crate::postgres::server::{free_port, other_user, own, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A statement a line. The password is that of [`PASSWORD`].
const SETUP: &str = "SET NAMES utf8mb4;
INSTALL SONAME 'auth_ed25519';
CREATE USER open@'127.0.0.1';
CREATE USER super@'127.0.0.1';
GRANT ALL ON *.* TO super@'127.0.0.1' WITH GRANT OPTION;
CREATE USER tls_only@'127.0.0.1' REQUIRE SSL;
CREATE USER certified@'127.0.0.1' REQUIRE X509;
CREATE USER native@'127.0.0.1' IDENTIFIED BY 'p@ss ü';
CREATE USER native@localhost IDENTIFIED BY 'p@ss ü';
CREATE USER ed25519@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('p@ss ü');
CREATE USER either@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('x') OR mysql_native_password USING PASSWORD('p@ss ü');
CREATE USER '{own}'@localhost IDENTIFIED VIA unix_socket;
CREATE USER nobody_else@localhost IDENTIFIED VIA unix_socket;
";

/// As a DSN has it.
pub(super) const PASSWORD: &str = "p%40ss%20%C3%BC";

/// Who runs the tests, as the server sees it at its socket.
pub(super) fn own_name() -> String {
    let name = Command::new("id").arg("-un").output().unwrap().stdout;
    String::from_utf8(name).unwrap().trim().to_owned()
}

/// A server that is gone when this is dropped.
pub(super) struct Server {
    folder: TempDir,
    pub(super) port: u16,
    process: Child,
}

impl Server {
    /// A server whose certificate is for localhost alone.
    pub(super) fn start() -> Self {
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
        // A server that starts removes what others have in their folder of temporary files.
        let temporary = folder.path().join("tmp");
        fs::create_dir(&temporary).unwrap();
        own(&temporary, 0o700);
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        own(&plugins, 0o755);
        fs::copy(ed25519(), plugins.join(ED25519)).unwrap();
        fs::write(folder.path().join("setup.sql"), SETUP.replace("{own}", &own_name())).unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        run(program("mariadb-install-db").args(["--no-defaults", "--auth-root-authentication-method=normal"]).args([
            "--skip-test-db",
            "--innodb-log-file-size=16M",
            &format!("--datadir={}", data.display()),
            &format!("--tmpdir={}", temporary.display()),
        ]));
        let port = free_port();
        let mut mariadbd = program("mariadbd");
        mariadbd.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"]).args([
            "--innodb-buffer-pool-size=64M".to_owned(),
            "--max-allowed-packet=64M".to_owned(),
            "--innodb-log-file-size=16M".to_owned(),
            format!("--datadir={}", data.display()),
            format!("--tmpdir={}", temporary.display()),
            format!("--port={port}"),
            format!("--socket={}", file("data/socket")),
            format!("--pid-file={}", file("data/pid")),
            format!("--init-file={}", file("setup.sql")),
            format!("--plugin-dir={}", plugins.display()),
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

    pub(super) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Over its Unix socket.
    pub(super) fn local_dsn(&self, user: &str, query: &str) -> String {
        format!("mysql://{user}@localhost/information_schema?socket={}&{query}", self.file("data/socket"))
    }

    pub(super) fn dsn(&self, user: &str, host: &str, query: &str) -> String {
        format!("mysql://{user}@{host}:{}/information_schema?{query}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const ED25519: &str = "auth_ed25519.so";

/// The server's side of ed25519, which Debian has in the package of the system's service alone: `make setup` unpacks it.
fn ed25519() -> PathBuf {
    let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/target/mariadb/usr/lib/mysql/plugin");
    let places = ["/usr/lib/mysql/plugin", unpacked].map(|folder| PathBuf::from(folder).join(ED25519));
    places.into_iter().find(|place| place.exists()).expect("MariaDB's plugin of ed25519, which `make setup` puts there")
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
