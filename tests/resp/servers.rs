//! Servers to talk to: Lyger's in this process, and a real Redis.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lyger::cache::Table;
use lyger::resp::{Server, Settings};

use crate::redis;
use crate::wire::Client;

/// Lyger's server on a free port.
pub(crate) struct Lyger {
    pub(crate) server: Server,
    pub(crate) table: Table,
}

impl Lyger {
    pub(crate) fn start(threads: usize) -> Self {
        Self::with(|settings| settings.threads = threads)
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let table = Table::in_process(512 << 20).expect("memory for a table");
        let mut settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), threads: 2, ..Settings::default() };
        change(&mut settings);
        Self { server: Server::start(&table, settings).expect("the server starts"), table }
    }

    pub(crate) fn client(&self) -> Client {
        Client::tcp(self.server.address())
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.address().port()
    }
}

/// The program, in a process of its own: whose memory is measured.
pub(crate) struct Program {
    process: Child,
    address: std::net::SocketAddr,
}

impl Program {
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_lyger-resp")).args(["--listen", "127.0.0.1:0"]).args(flags))
    }

    /// One that may have no more open than so many.
    pub(crate) fn with_descriptors(descriptors: u32, flags: &[&str]) -> Self {
        let line = format!("ulimit -n {descriptors} && exec \"$0\" --listen 127.0.0.1:0 \"$@\"");
        Self::spawn(Command::new("sh").args(["-c", &line, env!("CARGO_BIN_EXE_lyger-resp")]).args(flags))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("lyger-resp starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split(' ').nth(1).and_then(|address| address.parse().ok());
        Self { process, address: address.unwrap_or_else(|| panic!("lyger-resp says {line:?}")) }
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    pub(crate) fn client(&self) -> Client {
        Client::tcp(self.address)
    }

    /// What it has in memory right now, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let pages = std::fs::read_to_string(format!("/proc/{}/statm", self.process.id())).unwrap();
        pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    /// The most that it has had in memory so far.
    pub(crate) fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Hundredths of a second that it has computed so far.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn code(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A redis-server with one database and no files, in a folder that is gone with it.
pub(crate) struct Redis {
    process: Child,
    folder: tempfile::TempDir,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = redis::server()
            .args(["--port", "0", "--unixsocket", "socket", "--save", "", "--databases", "1"])
            .args(["--enable-debug-command", "yes", "--maxclients", "1000"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        let redis = Self { process, folder };
        let begin = Instant::now();
        while Client::unix(&redis.socket()).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "redis-server doesn't answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        let version = redis.client().say("INFO server");
        assert!(version.contains("redis_version:7.0."), "the reference is Redis 7.0, this is {version}");
        redis
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub(crate) fn client(&self) -> Client {
        Client::unix(&self.socket()).expect("redis-server accepts")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
