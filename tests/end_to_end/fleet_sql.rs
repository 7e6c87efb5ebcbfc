//! SQL in a fleet: workers ask the front, whose connections they share.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::databases::{Fixture, mysql, mysql_dsn, postgres, postgres_dsn};
use crate::front_stage::{Client, Reply, eventually};

const FOLDER: &str = "tests/end_to_end/fleet_sql";

/// PHP with the library that was built with this test.
fn php(dsns: &Dsns) -> Command {
    let library = std::env::current_exe().unwrap().with_file_name("liblyger.so");
    let mut php = Command::new("php");
    php.current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("LYGER_ENGINE", "required")
        .env("LYGER_LIBRARY", library)
        .env("LYGER_DB_STATEMENT_TIMEOUT_MS", "1500")
        .env("FLEET_POSTGRES", &dsns.postgres)
        .env("FLEET_MYSQL", &dsns.mysql)
        .args(["-d", "ffi.enable=1"])
        .stdin(Stdio::null());
    php
}

/// DSNs by which the servers tell the connections of one test.
struct Dsns {
    name: String,
    postgres: String,
    mysql: String,
}

impl Dsns {
    fn of(name: &str) -> Self {
        let postgres = postgres_dsn();
        let and = if postgres.contains('?') { '&' } else { '?' };
        mysql().query(&format!("CREATE DATABASE IF NOT EXISTS {name}"), &[]);
        let mysql = mysql_dsn();
        let (server, _) = mysql.split_once("://").unwrap().1.split_once('/').unwrap();
        Self {
            name: name.to_owned(),
            postgres: format!("{postgres}{and}application_name={name}"),
            mysql: format!("mysql://{server}/{name}"),
        }
    }

    /// How many connections with these DSNs the servers have.
    fn count(&self, postgres: &Fixture, mysql: &Fixture) -> [u64; 2] {
        let name = &self.name;
        let sql = [
            (postgres, format!("SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = '{name}'")),
            (mysql, format!("SELECT COUNT(*) AS n FROM information_schema.processlist WHERE db = '{name}'")),
        ];
        sql.map(|(database, sql)| {
            let json = database.json(&sql, &[]);
            json.trim_matches(|byte: char| !byte.is_ascii_digit()).parse().unwrap()
        })
    }
}

/// A running `rawr serve`.
struct Fleet {
    master: Child,
    lines: Arc<Mutex<Vec<String>>>,
    port: u16,
}

impl Fleet {
    fn start(dsns: &Dsns, workers: u32, environment: &[(&str, &str)]) -> Self {
        let mut master = php(dsns)
            .arg("php/bin/rawr")
            .args(["serve", "--port=0", &format!("--workers={workers}"), "--app", FOLDER])
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
    fn line(&self, what: &str) -> String {
        eventually(&format!("a line with {what:?} in {:?}", self.lines), || self.find(what).is_some());
        self.find(what).unwrap()
    }

    fn connect(&self) -> Client {
        Client::new(TcpStream::connect(("127.0.0.1", self.port)).unwrap())
    }

    fn get(&self, target: &str) -> Reply {
        self.connect().get(target)
    }

    /// The process of the fleet whose command line names this.
    fn process(&self, what: &str) -> String {
        let children = format!("/proc/{0}/task/{0}/children", self.master.id());
        let children = std::fs::read_to_string(children).unwrap();
        let has =
            |pid: &&str| std::fs::read_to_string(Path::new("/proc").join(pid).join("cmdline")).unwrap().contains(what);
        children.split_whitespace().find(has).expect("the process").to_owned()
    }
}

fn kill(pid: &str) {
    assert!(Command::new("kill").args(["-s", "KILL", pid]).status().unwrap().success());
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

#[test]
fn every_outcome_is_the_one_of_a_connection_of_ones_own() {
    let dsns = Dsns::of("fleet_outcomes");
    let fleet = Fleet::start(&dsns, 1, &[]);
    for name in ["postgres", "mysql", "nowhere", "stranger", "nonsense", "sqlite"] {
        let plain = php(&dsns).arg(PathBuf::from(FOLDER).join("plain.php")).arg(name).output().unwrap();
        assert!(plain.status.success(), "{plain:?}");
        let outcomes: Vec<String> =
            String::from_utf8(plain.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!outcomes.is_empty());
        for (number, outcome) in outcomes.iter().enumerate() {
            let reply = fleet.get(&format!("/case/{name}/{number}"));
            assert_eq!(reply.status, 200, "{name} {number}: {reply:?}");
            assert!(reply.body == *outcome, "{name} {number}\nfleet: {}\nplain: {outcome}", reply.body);
        }
    }
}

#[test]
fn four_workers_share_the_connections_of_one_pool() {
    let dsns = Dsns::of("fleet_shared");
    let (postgres, mysql) = (postgres(), mysql());
    let fleet = Fleet::start(&dsns, 4, &[("LYGER_DB_CONNECTIONS_MAX", "2")]);
    let most = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let fleet = &fleet;
                scope.spawn(move || {
                    let mut connection = fleet.connect();
                    for number in 0..60 {
                        let name = ["postgres", "mysql"][number % 2];
                        let said = format!("{client}x{number}");
                        let reply = connection.get(&format!("/say/{name}/{said}"));
                        assert_eq!((reply.status, reply.body), (200, said));
                    }
                })
            })
            .collect();
        let mut most = [0; 2];
        while !clients.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let count = dsns.count(&postgres, &mysql);
            most = [most[0].max(count[0]), most[1].max(count[1])];
        }
        most
    });
    assert!(most.iter().all(|&most| most == 1 || most == 2), "{most:?} connections and not up to two");
}

#[test]
fn four_workers_wait_in_the_database_with_as_many_connections_as_allowed() {
    let dsns = Dsns::of("fleet_waiting");
    let (postgres, mysql) = (postgres(), mysql());
    let fleet = Fleet::start(&dsns, 4, &[("LYGER_DB_CONNECTIONS_MAX", "2")]);
    for name in ["postgres", "mysql"] {
        std::thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..4).map(|_| scope.spawn(|| fleet.get(&format!("/wait/{name}/0.4")).status)).collect();
            let mut most = 0;
            while !waiting.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                most = most.max(dsns.count(&postgres, &mysql)[usize::from(name == "mysql")]);
            }
            assert_eq!(most, 2, "{name}");
            assert!(waiting.into_iter().all(|reply| reply.join().unwrap() == 200));
        });
    }
}

#[test]
fn a_worker_may_ask_while_it_boots() {
    let dsns = Dsns::of("fleet_boot");
    let fleet = Fleet::start(&dsns, 2, &[("FLEET_BOOT", "1")]);
    assert_eq!(fleet.get("/boot").body, r#"[{"n":42}]"#);
}

#[test]
fn a_worker_killed_amid_its_query_leaves_its_place_to_others() {
    let dsns = Dsns::of("fleet_worker_killed");
    let limits = [
        ("LYGER_DB_CONNECTIONS_MAX", "1"),
        ("LYGER_DB_ACQUIRE_TIMEOUT_MS", "10000"),
        ("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000"),
    ];
    let fleet = Fleet::start(&dsns, 2, &limits);
    let mut client = fleet.connect();
    // A POST is not repeated on another worker.
    client.send("POST /wait/postgres/60 HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    let line = fleet.line("waiting ");
    let postgres = postgres();
    let mysql = mysql();
    eventually("the query runs", || dsns.count(&postgres, &mysql)[0] == 1);
    kill(line.rsplit(' ').next().unwrap());
    assert_eq!(client.reply().status, 502);
    // The one connection that there may be is free again, long before the minute is over.
    assert_eq!(fleet.get("/say/postgres/hello").body, "hello");
}

#[test]
fn a_front_killed_amid_a_query_fails_the_query_and_service_goes_on() {
    let dsns = Dsns::of("fleet_front_killed");
    let fleet = Fleet::start(&dsns, 1, &[("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000")]);
    let mut client = fleet.connect();
    client.send("GET /wait/postgres/60 HTTP/1.1\r\nHost: test\r\n\r\n");
    fleet.line("waiting ");
    let (postgres, mysql) = (postgres(), mysql());
    eventually("the query runs", || dsns.count(&postgres, &mysql)[0] == 1);
    kill(&fleet.process("fleet:front"));
    assert!(client.try_reply(true).is_none(), "somebody answered");
    let line = fleet.line("waited ");
    assert!(line.ends_with(r"Lyger\Exception\ConnectionFailed 08006"), "{line}");
    let mut reply = None;
    eventually("the new front serves", || {
        let Ok(stream) = TcpStream::connect_timeout(&([127, 0, 0, 1], fleet.port).into(), Duration::from_secs(1))
        else {
            return false;
        };
        let mut client = Client::new(stream);
        let sent = client.try_send("GET /say/postgres/again HTTP/1.1\r\nHost: test\r\n\r\n");
        reply = sent.ok().and_then(|()| client.try_reply(true)).filter(|reply| reply.status == 200);
        reply.is_some()
    });
    assert_eq!(reply.unwrap().body, "again");
}
