//! Signals, in a process of their own: a small PHP script that serves through the library.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::front_stage::{Client, PATIENCE, eventually};

/// A PHP process that serves.
struct Php {
    child: Child,
    lines: mpsc::Receiver<String>,
    unread: Option<String>,
    port: u16,
}

impl Php {
    fn start(wishes: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = std::env::current_exe().unwrap().with_file_name("liblyger.so");
        let mut child = Command::new("php")
            .args(["-d", "ffi.enable=1"])
            .arg(root.join("tests/end_to_end/front_signals.php"))
            .arg(library)
            .arg(root.join("php/src/Core/lyger.ffi.h"))
            .args(wishes)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("php runs");
        let (told, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        let mut php = Self { child, lines, unread: None, port: 0 };
        let line = php.line();
        php.port = line.strip_prefix("port ").and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        php
    }

    /// The next thing that the script tells.
    fn line(&mut self) -> String {
        self.unread.take().or_else(|| self.lines.recv_timeout(PATIENCE).ok()).unwrap_or_default()
    }

    /// Whether it tells something within this time.
    fn has_line(&mut self, timeout: Duration) -> bool {
        self.unread = self.unread.take().or_else(|| self.lines.recv_timeout(timeout).ok());
        self.unread.is_some()
    }

    fn rest(&mut self) -> Vec<String> {
        self.unread.take().into_iter().chain(self.lines.iter()).collect()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn connect(&self) -> Client {
        Client::new(TcpStream::connect(("127.0.0.1", self.port)).unwrap())
    }

    /// The exit code, or the negated number of the signal that ended it.
    fn end(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or_else(|| -status.signal().unwrap());
            }
            assert!(Instant::now() < until, "PHP did not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_signal_interrupts_the_wait_and_phps_own_handler_runs() {
    let mut php = Php::start(&["handler"]);
    let before = Instant::now();
    // One that comes before the wait has begun interrupts nothing, so it is sent until the wait says that it was.
    let mut told = Vec::new();
    while told.last().is_none_or(|line| line != "INTERRUPTED") {
        php.signal("USR1");
        while php.has_line(Duration::from_millis(300)) && told.last().is_none_or(|line| line != "INTERRUPTED") {
            told.push(php.line());
        }
        assert!(before.elapsed() < PATIENCE, "{told:?}");
    }
    assert_eq!(told[0], "PHP saw SIGUSR1");
    assert_eq!(php.connect().get("/after").body, "/after");
}

#[test]
fn sigterm_and_sigint_drain_and_the_script_goes_on_to_its_end() {
    for signal in ["TERM", "INT"] {
        let mut php = Php::start(&[]);
        let mut running = php.connect();
        running.send("GET /busy/0.5 HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(php.line(), "request /busy/0.5");
        php.signal(signal);
        assert_eq!(running.reply().body, "/busy/0.5");
        let told = php.rest();
        assert!(told.ends_with(&["STOPPED".to_owned(), "wait 0".to_owned()]), "{told:?}");
        assert_eq!(php.end(), 0);
    }
}

#[test]
fn a_drain_by_signal_reaches_a_worker_that_waits() {
    let mut php = Php::start(&[]);
    std::thread::sleep(Duration::from_millis(200));
    php.signal("TERM");
    assert!(php.rest().ends_with(&["STOPPED".to_owned(), "wait 0".to_owned()]));
    assert_eq!(php.end(), 0);
}

#[test]
fn a_second_signal_ends_the_process_at_once_with_130_or_143() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        a_second_signal_ends_the_process(signal, code);
    }
}

fn a_second_signal_ends_the_process(signal: &str, code: i32) {
    let mut php = Php::start(&[]);
    let mut stuck = php.connect();
    stuck.send("GET /busy/25 HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(php.line(), "request /busy/25");
    php.signal(signal);
    // Two that are pending at once are one to the kernel.
    eventually("the drain", || TcpStream::connect(("127.0.0.1", php.port)).is_err());
    assert!(php.child.try_wait().unwrap().is_none(), "the first one ended it");
    let before = Instant::now();
    php.signal(signal);
    assert_eq!(php.end(), code);
    assert!(before.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_handler_that_stood_before_the_server_is_called_too() {
    let mut php = Php::start(&["handler"]);
    php.signal("TERM");
    let told = php.rest();
    assert!(told.contains(&"PHP saw SIGTERM".to_owned()) && told.contains(&"STOPPED".to_owned()), "{told:?}");
    assert_eq!(php.end(), 0);
}

#[test]
fn after_the_servers_end_signals_do_what_they_did_before() {
    let mut php = Php::start(&["again"]);
    php.signal("INT");
    assert!(!php.rest().contains(&"survived".to_owned()));
    assert_eq!(php.end(), -15);
}

#[test]
fn every_thread_of_the_engine_blocks_every_signal() {
    let php = Php::start(&[]);
    let main = php.child.id();
    assert_eq!(php.connect().get("/a").body, "/a");
    let mut threads = 0;
    for task in std::fs::read_dir(format!("/proc/{main}/task")).unwrap() {
        let task = task.unwrap();
        if task.file_name().to_string_lossy() == main.to_string() {
            continue;
        }
        let status = std::fs::read_to_string(task.path().join("status")).unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
        let blocked = u64::from_str_radix(blocked, 16).unwrap();
        // Signals 1 to 31 but SIGKILL and SIGSTOP, which nobody can block. (libc keeps some above 31 to itself.)
        assert_eq!(blocked & 0x7fff_ffff, 0x7fff_ffff & !(1 << 8) & !(1 << 18), "{status}");
        threads += 1;
    }
    assert!(threads >= 1, "no thread of the engine was found");
}
