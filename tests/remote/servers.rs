//! Servers in temporary folders and on free ports, gone with the test.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ::redis::{FromRedisValue, Value};
use lyger::cache::{Remote, remote};

use crate::redis;

/// A loaded machine takes seconds for what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something is so.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A redis-server that can be killed and started again.
pub(crate) struct Redis {
    process: Child,
    flags: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Redis {
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::at(free_port(), tempfile::tempdir().unwrap(), flags)
    }

    /// One whose clock differs from this machine's.
    pub(crate) fn with_clock(seconds: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("clock.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/other_clock.c");
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").status();
        assert!(built.expect("a compiler").success());
        let environment = vec![("LD_PRELOAD", library.into()), ("LYGER_CLOCK_SECONDS", seconds.to_string().into())];
        Self::begin(free_port(), folder, &[], environment)
    }

    /// One whose folder has its configuration already.
    pub(crate) fn at(port: u16, folder: tempfile::TempDir, flags: &[&str]) -> Self {
        Self::begin(port, folder, flags, Vec::new())
    }

    fn begin(port: u16, folder: tempfile::TempDir, flags: &[&str], environment: Vec<(&'static str, OsString)>) -> Self {
        let mut all: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        if !flags.contains(&"--tls-port") && !flags.contains(&"--sentinel") {
            all.extend(["--port".to_owned(), port.to_string()]);
        }
        if !flags.contains(&"--sentinel") {
            all.extend(["--save", "", "--enable-debug-command", "yes", "--unixsocket", "socket"].map(str::to_owned));
        }
        let process = Self::spawn(&all, &environment, folder.path());
        let redis = Self { process, flags: all, environment, folder, port };
        redis.wait();
        redis
    }

    fn spawn(flags: &[String], environment: &[(&str, OsString)], folder: &std::path::Path) -> Child {
        let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = redis::server();
        command.envs(environment.iter().cloned());
        command.args(flags).current_dir(folder).stdin(Stdio::null()).stdout(log);
        command.spawn().expect("redis-server starts")
    }

    fn wait(&self) {
        until("redis-server answers", || {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            if self.flags.iter().any(|flag| flag == "--tls-port") {
                return Some(());
            }
            socket.write_all(b"PING\r\n").ok()?;
            let mut answer = [0; 1];
            socket.read_exact(&mut answer).ok()
        });
    }

    pub(crate) fn dsn(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn remote(&self) -> Remote {
        Remote::open(&self.dsn()).unwrap()
    }

    pub(crate) fn connection(&self) -> ::redis::Connection {
        ::redis::Client::open(self.dsn()).unwrap().get_connection().unwrap()
    }

    /// What the server says to a line of words. Sentinels close connections of everybody when they turn a server round.
    pub(crate) fn say<T: FromRedisValue>(&self, line: &str) -> T {
        let mut words = line.split(' ');
        let mut command = ::redis::cmd(words.next().unwrap());
        words.for_each(|word| _ = command.arg(word));
        until(line, || {
            let connection = ::redis::Client::open(self.dsn()).unwrap().get_connection();
            match connection.and_then(|mut connection| command.query(&mut connection)) {
                Ok(answer) => Some(answer),
                Err(error) if error.is_io_error() => None,
                Err(error) => panic!("{line}: {error}"),
            }
        })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.id() as i32
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = Self::spawn(&self.flags, &self.environment, self.folder.path());
        self.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Three masters, and as many slots for each as there are.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Redis>,
}

impl Cluster {
    pub(crate) fn start(replicas: usize) -> Self {
        let nodes: Vec<Redis> = (0..3 * (replicas + 1))
            .map(|_| {
                let bus = free_port().to_string();
                let flags = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "1000"];
                Redis::start(&flags)
            })
            .collect();
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let output = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(addresses)
            .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"])
            .output()
            .expect("redis-cli runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let cluster = Self { nodes };
        for node in &cluster.nodes {
            until("the cluster is complete", || {
                node.say::<String>("CLUSTER INFO").contains("cluster_state:ok").then_some(())
            });
        }
        cluster
    }

    /// By one of its nodes.
    pub(crate) fn dsn(&self) -> String {
        format!("redis-cluster://127.0.0.1:{}", self.nodes[0].port)
    }

    pub(crate) fn remote(&self) -> Remote {
        Remote::open(&self.dsn()).unwrap()
    }

    pub(crate) fn id(&self, node: usize) -> String {
        self.nodes[node].say("CLUSTER MYID")
    }

    /// Which node has a slot.
    pub(crate) fn owner(&self, slot: u16) -> usize {
        let slots: Vec<Vec<Value>> = self.nodes[0].say("CLUSTER SLOTS");
        let range = slots.iter().find(|range| {
            let bound = |at: usize| u16::from_redis_value_ref(&range[at]).unwrap();
            (bound(0)..=bound(1)).contains(&slot)
        });
        let (_, port): (String, u16) = {
            let Value::Array(master) = &range.unwrap()[2] else { panic!("a master") };
            (String::from_redis_value_ref(&master[0]).unwrap(), u16::from_redis_value_ref(&master[1]).unwrap())
        };
        self.nodes.iter().position(|node| node.port == port).unwrap()
    }
}

/// Asserts which error it is.
#[track_caller]
pub(crate) fn fails<T: std::fmt::Debug>(
    result: Result<T, remote::Error>,
    is: impl Fn(&remote::Error) -> bool,
) -> remote::Error {
    let error = result.unwrap_err();
    assert!(is(&error), "{error:?}");
    error
}
