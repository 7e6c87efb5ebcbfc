//! A fleet under test: `rawr serve` in a process group of its own, with a copy of the application that tests may change.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::{Client, PATIENCE, Reply};
use crate::processes::{self, Process, Role};

/// One fleet at a time: two on the cores of a small machine would only measure each other.
static TURN: Mutex<()> = Mutex::new(());

/// How long a test that would take this long may take.
pub(crate) fn length(full_seconds: u64) -> Duration {
    let seconds = std::env::var("LYGER_CHAOS_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3_u64).clamp(1, full_seconds))
}

/// So much of `full` as fits into the test's length, and `least` at least.
pub(crate) fn share(full: u64, full_seconds: u64, least: u64) -> u64 {
    (full * length(full_seconds).as_secs() / full_seconds).max(least)
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) struct Fleet {
    child: Child,
    pub(crate) port: u16,
    pub(crate) workers_wanted: usize,
    mark: String,
    folder: tempfile::TempDir,
    said: Arc<Mutex<String>>,
    _turn: MutexGuard<'static, ()>,
}

impl Fleet {
    /// Starts a fleet with these options and waits until it serves.
    pub(crate) fn serve(workers: usize, options: &[&str]) -> Self {
        let mut fleet = Self::start(workers, options, |_| {});
        fleet.await_announcement();
        fleet
    }

    /// The same with lanes of sockets.
    pub(crate) fn serve_over_sockets(workers: usize) -> Self {
        let mut fleet = Self::start_with(workers, &[], &[("LYGER_LANES", "socket")], |_| {});
        fleet.await_announcement();
        fleet
    }

    /// Starts a fleet; `prepare` may change the application before.
    pub(crate) fn start(workers: usize, options: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        Self::start_with(workers, options, &[], prepare)
    }

    /// The same with this environment before all else.
    pub(crate) fn start_with(
        workers: usize,
        options: &[&str],
        environment: &[(&str, &str)],
        prepare: impl FnOnce(&Path),
    ) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(root.join("tests/chaos/app")).unwrap().flatten() {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        prepare(folder.path());
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let mark = format!("CHAOS_RUN={}-{number}", std::process::id());
        let (name, value) = mark.split_once('=').unwrap();
        let mut child = Command::new("php")
            .arg(root.join("php/bin/rawr"))
            .args(["serve", "--port=0", &format!("--workers={workers}")])
            .arg(format!("--app={}", folder.path().display()))
            .args(options)
            .env("LYGER_LIBRARY", std::env::current_exe().unwrap().with_file_name("liblyger.so"))
            .env("LYGER_ENGINE", "required")
            .env("LYGER_FRONT", crate::front::front())
            .env("CHAOS_LOG", folder.path().join("log"))
            // A test may put a php.ini there.
            .env("PHP_INI_SCAN_DIR", format!(":{}", folder.path().display()))
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("TMPDIR", folder.path())
            .env(name, value)
            .envs(environment.iter().copied())
            .env_remove("LYGER_CHAOS_SECONDS")
            .env_remove("LYGER_TEST_FRONT")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("php runs");
        let said = Arc::<Mutex<String>>::default();
        keep(child.stdout.take().unwrap(), &said);
        keep(child.stderr.take().unwrap(), &said);
        Self { child, port: 0, workers_wanted: workers, mark, folder, said, _turn: turn }
    }

    /// Waits until all workers have come.
    pub(crate) fn await_announcement(&mut self) {
        eventually("the announcement", || {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", self.said());
            let said = self.said();
            let port =
                said.lines().find_map(|line| line.split_once("://127.0.0.1:")?.1.split(' ').next()?.parse().ok());
            self.port = port.unwrap_or(0);
            self.port != 0
        });
    }

    /// What its processes have written to standard output and error.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The lines of the application's log that have this word, and the process that wrote each.
    pub(crate) fn noted(&self, word: &str) -> Vec<i32> {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines = log.lines().filter(|line| line.split(' ').any(|other| other == word));
        lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
    }

    /// Lets the handlers go on that `/hold` keeps with this token.
    pub(crate) fn release(&self, token: &str) {
        std::fs::write(self.path(&format!("release-{token}")), "").unwrap();
    }

    /// A `rawr` of the same user, about this application.
    pub(crate) fn rawr(&self, arguments: &[&str]) -> Command {
        let mut rawr = Command::new("php");
        rawr.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("php/bin/rawr")).args(arguments);
        rawr.arg(format!("--app={}", self.folder.path().display()));
        let folder = self.folder.path();
        rawr.env("LYGER_ENGINE", "php").env("XDG_RUNTIME_DIR", folder).env("TMPDIR", folder).stdin(Stdio::null());
        rawr
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.port).unwrap()
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Result<Reply, String> {
        Client::connect(self.port)?.ask("GET", target, b"")
    }

    /// As [`Fleet::get`], in a thread.
    pub(crate) fn ask_meanwhile(
        &self,
        method: &'static str,
        target: String,
    ) -> std::thread::JoinHandle<Result<Reply, String>> {
        let mut client = self.client();
        std::thread::spawn(move || client.ask(method, &target, b""))
    }

    pub(crate) fn processes(&self) -> Vec<Process> {
        processes::marked(&self.mark)
    }

    pub(crate) fn pids(&self, role: Role) -> Vec<i32> {
        self.processes().into_iter().filter(|process| process.role == role).map(|process| process.pid).collect()
    }

    pub(crate) fn master(&self) -> i32 {
        self.child.id() as i32
    }

    pub(crate) fn front(&self) -> i32 {
        let fronts = self.pids(Role::Front);
        assert_eq!(fronts.len(), 1, "one front");
        fronts[0]
    }

    /// The two that live as long as the fleet, if nobody kills them.
    pub(crate) fn front_and_master(&self) -> [i32; 2] {
        [self.front(), self.master()]
    }

    /// Whether the master has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn signal(&self, pid: i32, signal: Signal) {
        processes::signal(pid, signal);
    }

    /// Tells the master.
    pub(crate) fn tell(&self, signal: Signal) {
        processes::signal(self.master(), signal);
    }

    /// Tells every process, as a terminal does.
    pub(crate) fn tell_group(&self, signal: Signal) {
        rustix::process::kill_process_group(rustix::process::Pid::from_raw(self.master()).unwrap(), signal).unwrap();
    }

    /// Waits until it is as it was in the beginning: one front, one zygote, all workers, each ready for requests.
    pub(crate) fn await_whole(&self) {
        self.await_workers(false);
    }

    /// As [`Fleet::await_whole`], while workers may be busy.
    pub(crate) fn await_whole_under_load(&self) {
        self.await_workers(true);
    }

    /// How many workers the front has, busy ones too.
    pub(crate) fn workers_there(&self) -> u64 {
        let health = self.get("/health").map(|reply| reply.text()).unwrap_or_default();
        let health: serde_json::Value = serde_json::from_str(&health).unwrap_or_default();
        ["ready", "busy"].iter().filter_map(|name| health["workers"][name].as_u64()).sum()
    }

    fn await_workers(&self, may_be_busy: bool) {
        let mut seen = String::new();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let processes = self.processes();
            let count = |role| processes.iter().filter(|process| process.role == role).count();
            let roles = (count(Role::Front), count(Role::Zygote), count(Role::Worker));
            let health = self.get("/health").map(|reply| reply.text()).unwrap_or_else(|error| error);
            let health: serde_json::Value = serde_json::from_str(&health).unwrap_or(health.into());
            let number = |name: &str| health["workers"][name].as_u64().unwrap_or(u64::MAX);
            let (ready, busy) = (number("ready"), number("busy"));
            let there = if may_be_busy { ready.saturating_add(busy) } else { ready };
            if roles == (1, 1, self.workers_wanted) && there == self.workers_wanted as u64 {
                return;
            }
            seen = format!("{roles:?} fronts, zygotes, workers; {health}");
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not whole again: {seen}");
    }

    /// Waits for the master's end and returns its exit code, or `None` for a signal. Nothing may be left.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let mut code = None;
        eventually("the master's end", || {
            let ended = self.child.try_wait().unwrap();
            code = ended.and_then(|status| status.code());
            ended.is_some()
        });
        self.assert_nothing_is_left();
        code
    }

    /// Who lives now dies by itself, soon.
    pub(crate) fn assert_nothing_is_left(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "left behind: {left:?}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a person would, and asserts that it ended well.
    pub(crate) fn finish(mut self) {
        self.tell(Signal::TERM);
        let code = self.ended();
        assert_eq!(code, Some(0), "{}", self.said());
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // The master first: it would replace the others.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.processes();
            if left.is_empty() || Instant::now() > until {
                break;
            }
            left.iter().for_each(|process| processes::signal(process.pid, Signal::KILL));
            std::thread::sleep(Duration::from_millis(5));
        }
        if std::thread::panicking() {
            eprintln!("The fleet said:\n{}", self.said());
        }
    }
}

fn keep(stream: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
}
