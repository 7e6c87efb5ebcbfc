//! Statements of a worker that are under way side by side: of one request's Fibers, and of several requests.

use std::time::{Duration, Instant};

use crate::databases::{Fixture, mysql, postgres};
use crate::fleet_sql::stage::{Dsns, Fleet, signal};
use crate::front_stage::eventually;

/// What a hundred waits of 0.1 s may take at once; one after the other they take 10 s.
const TOGETHER_MAX: Duration = Duration::from_secs(3);

/// Longer than a test: what ends before has been stopped.
const PATIENT: (&str, &str) = ("LYGER_DB_STATEMENT_TIMEOUT_MS", "60000");

fn lanes() -> [(&'static str, &'static str); 2] {
    [("LYGER_LANES", "auto"), ("LYGER_LANES", "socket")]
}

fn databases() -> [(&'static str, Fixture); 2] {
    [("postgres", postgres()), ("mysql", mysql())]
}

#[test]
fn a_hundred_statements_of_one_request_take_as_long_as_one() {
    let dsns = Dsns::of("fibers_of_one");
    for lanes in lanes() {
        let fleet = Fleet::start(&dsns, 1, &[lanes, PATIENT, ("LYGER_DB_CONNECTIONS_MAX", "100")]);
        for (name, _) in databases() {
            fleet.get(&format!("/fibers/{name}/100/0.1")); // connects
            let reply = fleet.get(&format!("/fibers/{name}/100/0.1"));
            let (right, took) = reply.body.split_once(' ').unwrap();
            let took = Duration::from_millis(took.parse().unwrap());
            eprintln!("{name}, lanes {}: {took:?}", lanes.1);
            assert_eq!(right, "right");
            assert!(took < TOGETHER_MAX, "{name}: {took:?}");
        }
    }
}

#[test]
fn a_hundred_requests_of_one_worker_wait_for_their_statements_together() {
    let dsns = Dsns::of("fibers_of_many");
    for lanes in lanes() {
        let limits = [lanes, PATIENT, ("LYGER_DB_CONNECTIONS_MAX", "100"), ("LYGER_CONCURRENCY", "100")];
        let fleet = Fleet::start(&dsns, 1, &limits);
        for (name, _) in databases() {
            fleet.get(&format!("/fibers/{name}/100/0.1")); // connects
            let began = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..100 {
                    scope.spawn(|| assert_eq!(fleet.get(&format!("/pause/{name}/0.1")).body, "0"));
                }
            });
            let took = began.elapsed();
            eprintln!("{name}, lanes {}: {took:?}", lanes.1);
            assert!(took < TOGETHER_MAX, "{name}: {took:?}");
        }
    }
}

#[test]
fn what_nobody_waits_for_any_more_is_stopped_on_the_server() {
    let dsns = Dsns::of("fibers_cancelled");
    for lanes in lanes() {
        let limits = [lanes, PATIENT, ("LYGER_DB_CONNECTIONS_MAX", "2"), ("LYGER_DB_ACQUIRE_TIMEOUT_MS", "20000")];
        let fleet = Fleet::start(&dsns, 1, &limits);
        for (name, database) in databases() {
            let began = Instant::now();
            assert_eq!(fleet.get(&format!("/late/{name}")).body, r"Lyger\Exception\Timeout");
            assert_eq!(fleet.get(&format!("/failing/{name}")).body, r"Lyger\Exception\QueryFailed");
            let (of, what) = match name {
                "mysql" => ("information_schema.processlist", "db = 'fibers_cancelled' AND info LIKE 'SELECT SLEEP%'"),
                _ => (
                    "pg_stat_activity",
                    "application_name = 'fibers_cancelled' AND state = 'active' AND query LIKE '%pg_sleep(20)%'",
                ),
            };
            let running = || database.json(&format!("SELECT count(*) AS n FROM {of} WHERE {what}"), &[]);
            eventually("the statements' end", || running() == r#"[{"n":0}]"#);
            assert!(began.elapsed() < Duration::from_secs(15), "they ran to their end");
            assert_eq!(fleet.get(&format!("/say/{name}/hello")).body, "hello");
        }
    }
}

#[test]
fn transactions_of_strands_are_their_own_and_one_that_nobody_ends_is_rolled_back() {
    let of = "fibers_transactions";
    let dsns = Dsns::of(of);
    let fleet = Fleet::start(&dsns, 1, &[PATIENT, ("LYGER_DB_CONNECTIONS_MAX", "5")]);
    for (name, database) in databases() {
        let table = if name == "mysql" { format!("stage_{of}.rows_of_it") } else { of.to_owned() };
        database.create(&table, "n INTEGER");
        let reply = fleet.connect().post(&format!("/strands/{name}/{table}"));
        assert_eq!(reply.body, r#"{"1":[1],"2":[2],"3":[3],"4":true}"#, "{name}");
        let rows = || database.json(&format!("SELECT n FROM {table} ORDER BY n"), &[]);
        assert_eq!(rows(), r#"[{"n":0},{"n":1},{"n":3}]"#, "{name}");
        assert_eq!(fleet.get(&format!("/fibers/{name}/5/0.01")).body[..6].trim(), "right", "a place is not free");
    }
}

#[test]
fn streams_are_read_in_turns() {
    let dsns = Dsns::of("fibers_streams");
    for lanes in lanes() {
        let fleet = Fleet::start(&dsns, 1, &[lanes]);
        for (name, _) in databases() {
            assert_eq!(fleet.get(&format!("/streams/{name}")).body, "[4000000,4000000,4000000]", "{name}");
        }
    }
}

#[test]
fn a_worker_that_is_killed_with_many_statements_under_way_gives_all_places_back() {
    let dsns = Dsns::of("fibers_killed");
    for lanes in lanes() {
        let limits = [lanes, PATIENT, ("LYGER_DB_CONNECTIONS_MAX", "10"), ("LYGER_DB_ACQUIRE_TIMEOUT_MS", "5000")];
        for (name, _) in databases() {
            let fleet = Fleet::start(&dsns, 1, &limits);
            let mut client = fleet.connect();
            client.send_post(&format!("/hold/{name}/30"));
            let line = fleet.line(&format!("holding {name} "));
            signal("KILL", line.rsplit(' ').next().unwrap());
            eventually("a free place", || fleet.get(&format!("/fibers/{name}/10/0.01")).body.starts_with("right"));
        }
    }
}

#[test]
fn a_front_that_is_killed_fails_all_that_is_under_way() {
    let dsns = Dsns::of("fibers_front");
    for lanes in lanes() {
        let fleet = Fleet::start(&dsns, 1, &[lanes, PATIENT, ("LYGER_DB_CONNECTIONS_MAX", "10")]);
        for name in ["postgres", "mysql"] {
            let mut client = fleet.connect();
            client.send_post(&format!("/hold/{name}/30"));
            fleet.line(&format!("holding {name} "));
            signal("KILL", &fleet.process("fleet:front"));
            let line = fleet.line(&format!("held {name} "));
            assert!(line.contains(r#"{"Lyger\\Exception\\ConnectionFailed 08006":30}"#), "{line}");
            eventually("the next front", || {
                let connected = std::net::TcpStream::connect(("127.0.0.1", fleet.port)).is_ok();
                connected && fleet.get(&format!("/say/{name}/hello")).body == "hello"
            });
        }
    }
}
