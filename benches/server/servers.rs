//! The servers that are measured, each a process of its own.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const SERVER_CORE: &str = "0";
pub(crate) const CLIENT_CORE: &str = "1";

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(10);

/// In the place of the 30 seconds after which idle connections are closed: longer than they are measured.
const IDLE_TIMEOUT_MS: &str = "600000";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `zig build run-echo`.
    Lyger,
    /// The same on several rings.
    Rings(u32),
    Nginx,
    Axum,
    Hyper,
    Ntex,
    Bun,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lyger => "lyger",
            Self::Rings(_) => "lyger, rings",
            Self::Nginx => "nginx",
            Self::Axum => "axum",
            Self::Hyper => "hyper",
            Self::Ntex => "ntex",
            Self::Bun => "Bun",
        }
    }

    /// Its program, where it isn't there.
    pub(crate) fn missing(self) -> Option<String> {
        let program = self.program();
        let is_there = program.is_file() || program.file_name() == Some(program.as_os_str()) && is_installed(&program);
        (!is_there).then(|| program.display().to_string())
    }

    fn program(self) -> PathBuf {
        match self {
            Self::Lyger | Self::Rings(_) => target("zig-out/ReleaseSafe/bin/echo"),
            Self::Nginx => "nginx".into(),
            Self::Axum | Self::Hyper | Self::Ntex => target("peers/cargo/release/peer"),
            // Not what stands in `.bin`, which starts this one and stays its parent.
            Self::Bun => target("peers/node/node_modules/bun/bin/bun.exe"),
        }
    }
}

fn target(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(path)
}

fn is_installed(program: &Path) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

pub(crate) struct Server {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Server {
    /// On the server's core.
    pub(crate) fn start(kind: Kind) -> io::Result<Self> {
        Self::start_on(kind, SERVER_CORE)
    }

    pub(crate) fn start_on(kind: Kind, cores: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        // Free, and another one each time: whoever is left from a run before would answer in this one's name.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut command = pinned(cores, &kind.program());
        let number = port.to_string();
        match kind {
            Kind::Lyger => command.args(["--port", &number, "--idle-timeout-ms", IDLE_TIMEOUT_MS]),
            Kind::Rings(rings) => {
                command.args(["--port", &number, "--idle-timeout-ms", IDLE_TIMEOUT_MS, "--rings", &rings.to_string()])
            }
            Kind::Nginx => {
                let text = include_str!("nginx.conf");
                let text = text.replace("{folder}", &folder.path().to_string_lossy()).replace("{port}", &number);
                let file = folder.path().join("nginx.conf");
                fs::write(&file, text)?;
                command.arg("-c").arg(file).arg("-e").arg(folder.path().join("nginx.log"))
            }
            Kind::Axum | Kind::Hyper | Kind::Ntex => command.args([&kind.name().to_lowercase(), &number]),
            Kind::Bun => command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("bun.js")).arg(&number),
        };
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { process, port, _folder: folder };
        let begin = Instant::now();
        while TcpStream::connect(server.address()).is_err() {
            let ended = server.process.try_wait()?;
            if ended.is_some() || begin.elapsed() > START {
                return Err(io::Error::other(format!("{} doesn't listen ({ended:?})", kind.name())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address_at(1)
    }

    /// By another one of the loopback's addresses: each has ports of its own for its clients.
    pub(crate) fn address_at(&self, last: u8) -> SocketAddr {
        (Ipv4Addr::new(127, 0, 0, last), self.port).into()
    }

    /// What it has computed so far, in all of its threads.
    #[allow(unsafe_code)]
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        let mut clock = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: clock is a valid place to write to. taskset has become the server, so this is the server's id.
        let code = unsafe { libc::clock_getcpuclockid(self.process.id() as libc::pid_t, &raw mut clock) };
        if code != 0 {
            return Err(io::Error::from_raw_os_error(code));
        }
        // SAFETY: time is a valid place to write to.
        if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }

    /// Bytes of its own memory that are there: neither its program nor what is reserved only.
    pub(crate) fn memory_bytes(&self) -> io::Result<f64> {
        kilobytes(&format!("/proc/{}/status", self.process.id()), "RssAnon:")
    }

    /// So many seconds' worth of its system calls.
    pub(crate) fn system_calls(&self, seconds: f64) -> io::Result<f64> {
        let process = self.process.id().to_string();
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", &process, "sleep", &seconds.to_string()]);
        let output = perf.output()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let count = text.lines().find_map(|line| line.split(',').next()?.parse().ok());
        count.ok_or_else(|| io::Error::other(text))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A line of a file in `/proc`, in bytes.
pub(crate) fn kilobytes(file: &str, name: &str) -> io::Result<f64> {
    let text = fs::read_to_string(file)?;
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok());
    number.map(|kilobytes: f64| kilobytes * 1024.0).ok_or_else(|| io::Error::other(format!("{file} has no {name}")))
}

/// A command that runs on these cores alone.
pub(crate) fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(program);
    command
}
