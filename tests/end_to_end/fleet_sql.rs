//! SQL in a fleet: workers ask the front, whose connections they share.

#[path = "fleet_sql/stage.rs"]
pub(crate) mod stage;

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use self::stage::{Dsns, FOLDER, Fleet, php, signal};
use crate::databases::{mysql, postgres};
use crate::front_stage::{Client, eventually};

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
    let (postgres, mysql) = (postgres(), mysql());
    for (at, name) in ["postgres", "mysql"].into_iter().enumerate() {
        let fleet = Fleet::start(&dsns, 2, &limits);
        let mut client = fleet.connect();
        // A POST is not repeated on another worker.
        client.send_post(&format!("/wait/{name}/60"));
        let line = fleet.line("waiting ");
        eventually("the query runs", || dsns.count(&postgres, &mysql)[at] == 1);
        signal("KILL", line.rsplit(' ').next().unwrap());
        assert_eq!(client.reply().status, 502);
        eventually("its statement is stopped on the server", || dsns.sleeping(&postgres, &mysql)[at] == 0);
        // The one connection that there may be is free again, long before the minute is over.
        assert_eq!(fleet.get(&format!("/say/{name}/hello")).body, "hello");
    }
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
    signal("KILL", &fleet.process("fleet:front"));
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

#[test]
fn a_deadline_that_passes_amid_a_query_ends_the_worker_and_frees_its_connection() {
    let dsns = Dsns::of("fleet_deadline");
    let limits = [
        ("LYGER_DB_CONNECTIONS_MAX", "1"),
        ("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000"),
        ("LYGER_REQUEST_TIMEOUT_MS", "2000"),
    ];
    let (postgres, mysql) = (postgres(), mysql());
    for (at, name) in ["postgres", "mysql"].into_iter().enumerate() {
        let fleet = Fleet::start(&dsns, 1, &limits);
        assert_eq!(fleet.get(&format!("/wait/{name}/60")).status, 504);
        eventually("its statement is stopped on the server", || dsns.sleeping(&postgres, &mysql)[at] == 0);
        let line = fleet.line("waiting ");
        let worker = PathBuf::from("/proc").join(line.rsplit(' ').next().unwrap());
        eventually("the worker is ended", || !worker.exists());
        // A new worker uses the one connection that there may be, long before the minute is over.
        eventually("another query", || fleet.get(&format!("/say/{name}/hello")).body == "hello");
    }
}

#[test]
fn a_query_that_runs_when_a_reload_or_the_drain_begins_gets_its_reply() {
    let dsns = Dsns::of("fleet_drain");
    let mut fleet = Fleet::start(&dsns, 1, &[("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000")]);
    let master = fleet.master.id().to_string();
    let postgres = postgres();
    let sleeping = "FROM pg_stat_activity WHERE application_name = 'fleet_drain' AND wait_event = 'PgSleep'";
    for name in ["HUP", "TERM"] {
        let mut client = fleet.connect();
        client.send("GET /wait/postgres/100 HTTP/1.1\r\nHost: test\r\n\r\n");
        eventually("the query runs", || postgres.json(&format!("SELECT 1 AS n {sleeping}"), &[]) != "[]");
        let mut other = fleet.connect();
        assert!(other.get("/health").body.contains("\"ok\""));
        signal(name, &master);
        if name == "HUP" {
            // The one worker there was is in its query: this is the next generation's.
            assert_eq!(fleet.get("/say/postgres/new").body, "new");
        } else {
            eventually("the drain begins", || other.get("/health").body.contains("draining"));
        }
        postgres.query(&format!("SELECT pg_cancel_backend(pid) {sleeping}"), &[]);
        let reply = client.reply();
        assert_eq!((reply.status, reply.body.as_str()), (200, r"Lyger\Exception\QueryFailed 57014"), "{name}");
    }
    assert_eq!(fleet.master.wait().unwrap().code(), Some(0));
}

#[test]
fn a_query_that_outlives_the_drain_is_cut_off_and_named_whoever_waits_for_it() {
    let dsns = Dsns::of("fleet_cut_off");
    let limits = [("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000"), ("LYGER_DRAIN_TIMEOUT_MS", "500")];
    let mut fleet = Fleet::start(&dsns, 1, &limits);
    let postgres = postgres();
    let sleeping = "FROM pg_stat_activity WHERE application_name = 'fleet_cut_off' AND wait_event = 'PgSleep'";
    let _clients = [(1, "/answer/postgres/60"), (2, "/wait/postgres/60")].map(|(count, target)| {
        let mut client = fleet.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let query = format!("SELECT count(*) AS n {sleeping}");
        eventually("the query runs", || postgres.json(&query, &[]) == format!(r#"[{{"n":{count}}}]"#));
        client
    });
    signal("TERM", &fleet.master.id().to_string());
    assert_eq!(fleet.master.wait().unwrap().code(), Some(1));
    fleet.line("lyger: finishing 2 requests, at most 500 ms");
    fleet.line("lyger: GET /answer/postgres/60 still waits for its query after ");
    fleet.line("lyger: GET /wait/postgres/60 in worker 1 still runs after ");
}

#[test]
fn statements_values_and_results_of_many_megabytes_travel() {
    let dsns = Dsns::of("fleet_long");
    // The server takes packets of 16 MiB, and the first byte of one is the command's.
    let fleet = Fleet::start(&dsns, 2, &[("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000")]);
    std::thread::scope(|scope| {
        for (name, bytes) in [("postgres", 16 << 20), ("mysql", 15 << 20)] {
            let fleet = &fleet;
            scope.spawn(move || {
                let reply = fleet.get(&format!("/long/{name}/{bytes}"));
                assert_eq!((reply.status, reply.body.as_str()), (200, "as it should be"));
            });
        }
    });
}
