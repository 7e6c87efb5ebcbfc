//! The echo, built once, and a process of it for each test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::OnceLock;

/// The package lies in a folder of its own.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A server on a free port, which ends with this value.
pub(crate) struct Echo {
    process: Child,
    pub(crate) port: u16,
    /// Open as long as it runs, because it may say something.
    _errors: BufReader<ChildStderr>,
}

impl Echo {
    /// `None` where io_uring is denied or too old, which is said: there is nothing to test then.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new(built());
        let command = command.args(["--port", "0"]).args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the echo starts");
        let mut errors = BufReader::new(process.stderr.take().expect("piped"));
        let mut said = String::new();
        // It tells other things of itself, too.
        while errors.read_line(&mut said).expect("what it says") > 0 {
            let line = said.lines().next_back().unwrap_or_default();
            if let Some(port) = line.strip_prefix("info: listening on port ") {
                return Some(Self { process, port: port.parse().expect("a port"), _errors: errors });
            }
        }
        let _ = process.wait();
        let is_denied = said.contains("RingDenied") || said.contains("KernelTooOld");
        assert!(is_denied, "the echo says {said:?}");
        eprintln!("SKIPPED: runs where a process may have an io_uring of Linux 6.0 or later ({})", said.trim_end());
        None
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let ended = self.process.try_wait().expect("its own child");
        let _ = self.process.kill();
        let _ = self.process.wait();
        // A panic of the server's is one of the test's.
        if !std::thread::panicking() {
            assert!(ended.is_none(), "the echo ended by itself: {ended:?}");
        }
    }
}

/// With safety checks, as it is meant to run.
fn built() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let prefix = root().join("target/zig-out/tests");
        let command = std::env::var("LYGER_ZIG").unwrap_or_else(|_| installed_zig());
        let mut words = command.split_whitespace();
        let mut zig = Command::new(words.next().expect("LYGER_ZIG is a command"));
        zig.args(words).args(["build", "server", "--cache-dir", "target/zig-cache", "--prefix"]).arg(&prefix);
        let output = zig.current_dir(root()).output().unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        prefix.join("bin/echo")
    })
}

/// Where `.ci/setup` puts it.
fn installed_zig() -> String {
    let installed = root().join("target/zig/bin/zig");
    if installed.exists() { installed.to_string_lossy().into_owned() } else { "zig".to_owned() }
}
