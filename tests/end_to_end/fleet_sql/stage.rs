//! A stage for the tests of SQL in a fleet: databases, a fleet, and its processes.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::databases::{Fixture, mysql, mysql_dsn, postgres_dsn};
use crate::front_stage::{Client, Reply, eventually};

/// The application.
pub(crate) const FOLDER: &str = "tests/end_to_end/fleet_sql";

/// PHP with the library that was built with this test.
pub(crate) fn php(dsns: &Dsns) -> Command {
    let library = std::env::current_exe().unwrap().with_file_name("liblyger.so");
    let mut php = Command::new("php");
    php.current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("LYGER_ENGINE", "required")
        .env("LYGER_LIBRARY", library)
        .env("LYGER_DB_STATEMENT_TIMEOUT_MS", "1500")
        .env_remove("LYGER_TEST_FRONT")
        .env("FLEET_POSTGRES", &dsns.postgres)
        .env("FLEET_MYSQL", &dsns.mysql)
        .env("FLEET_SQLITE", dsns.folder.path().join("fleet.sqlite"))
        .args(["-d", "ffi.enable=1"])
        .stdin(Stdio::null());
    php
}

/// DSNs by which the servers tell the connections of one test.
pub(crate) struct Dsns {
    name: String,
    postgres: String,
    mysql: String,
    folder: tempfile::TempDir,
}

impl Dsns {
    /// With this name, which no other test has.
    pub(crate) fn of(name: &str) -> Self {
        let postgres = postgres_dsn();
        let and = if postgres.contains('?') { '&' } else { '?' };
        mysql().query(&format!("CREATE DATABASE IF NOT EXISTS stage_{name}"), &[]);
        let mysql = mysql_dsn();
        let (server, _) = mysql.split_once("://").unwrap().1.split_once('/').unwrap();
        Self {
            name: name.to_owned(),
            postgres: format!("{postgres}{and}application_name={name}"),
            mysql: format!("mysql://{server}/stage_{name}"),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// How many connections with these DSNs the servers have.
    pub(crate) fn count(&self, postgres: &Fixture, mysql: &Fixture) -> [u64; 2] {
        self.count_those(postgres, mysql, ["", ""])
    }

    /// How many of them are in a statement that sleeps.
    pub(crate) fn sleeping(&self, postgres: &Fixture, mysql: &Fixture) -> [u64; 2] {
        self.count_those(postgres, mysql, ["AND wait_event = 'PgSleep'", "AND info LIKE '%SLEEP(%'"])
    }

    fn count_those(&self, postgres: &Fixture, mysql: &Fixture, which: [&str; 2]) -> [u64; 2] {
        let (name, [of_postgres, of_mysql]) = (&self.name, which);
        let sql = [
            (
                postgres,
                format!("SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = '{name}' {of_postgres}"),
            ),
            (
                mysql,
                format!(
                    "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE db = 'stage_{name}' {of_mysql}"
                ),
            ),
        ];
        sql.map(|(database, sql)| {
            let json = database.json(&sql, &[]);
            json.trim_matches(|byte: char| !byte.is_ascii_digit()).parse().unwrap()
        })
    }
}

/// A running `rawr serve`.
pub(crate) struct Fleet {
    pub(crate) master: Child,
    lines: Arc<Mutex<Vec<String>>>,
    pub(crate) port: u16,
}

impl Fleet {
    /// Returns when the workers have come.
    pub(crate) fn start(dsns: &Dsns, workers: u32, environment: &[(&str, &str)]) -> Self {
        let mut master = php(dsns)
            .arg("php/bin/rawr")
            .args(["serve", "--port=0", &format!("--workers={workers}"), "--app", FOLDER])
            .env("LYGER_FRONT", crate::front::front())
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("php runs");
        let lines = Arc::new(Mutex::new(Vec::new()));
        for stream in [
            Box::new(master.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
            Box::new(master.stderr.take().unwrap()),
        ] {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| lines.lock().unwrap().push(line));
            });
        }
        let mut fleet = Self { master, lines, port: 0 };
        let line = fleet.line("://127.0.0.1:");
        let digits = line.split("127.0.0.1:").nth(1).unwrap();
        fleet.port = digits.split(|byte: char| !byte.is_ascii_digit()).next().unwrap().parse().unwrap();
        fleet
    }

    fn find(&self, what: &str) -> Option<String> {
        self.lines.lock().unwrap().iter().find(|line| line.contains(what)).cloned()
    }

    /// A line of the fleet's, when it comes.
    pub(crate) fn line(&self, what: &str) -> String {
        eventually(&format!("a line with {what:?} in {:?}", self.lines), || self.find(what).is_some());
        self.find(what).unwrap()
    }

    /// A connection to the front.
    pub(crate) fn connect(&self) -> Client {
        Client::new(TcpStream::connect(("127.0.0.1", self.port)).unwrap())
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Reply {
        self.connect().get(target)
    }

    /// What `rawr status` says.
    pub(crate) fn status_text(&self) -> String {
        self.rawr_status(&[])
    }

    /// What `rawr status --json` says.
    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.rawr_status(&["--json"])).unwrap()
    }

    fn rawr_status(&self, arguments: &[&str]) -> String {
        let port = format!("--port={}", self.port);
        let mut php = Command::new("php");
        php.current_dir(env!("CARGO_MANIFEST_DIR")).args(["php/bin/rawr", "status", "--app", FOLDER, &port]);
        let output = php.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The process of the fleet whose command line names this.
    pub(crate) fn process(&self, what: &str) -> String {
        let children = format!("/proc/{0}/task/{0}/children", self.master.id());
        let children = std::fs::read_to_string(children).unwrap();
        let has =
            |pid: &&str| std::fs::read_to_string(Path::new("/proc").join(pid).join("cmdline")).unwrap().contains(what);
        children.split_whitespace().find(has).expect("the process").to_owned()
    }
}

/// Sends a process a signal, by the signal's name.
pub(crate) fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args(["-s", name, pid]).status().unwrap().success());
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // The others go with their master.
        let _ = self.master.kill();
        let _ = self.master.wait();
        if std::thread::panicking() {
            eprintln!("{:#?}", self.lines.lock().unwrap());
        }
    }
}
