//! What a request's statements leave on a connection of the front, and what becomes of it.

use crate::databases::{Fixture, mysql, postgres};
use crate::fleet_sql::stage::{Dsns, Fleet, signal};
use crate::front_stage::eventually;

fn databases() -> [(&'static str, Fixture); 2] {
    [("postgres", postgres()), ("mysql", mysql())]
}

fn limits() -> [(&'static str, &'static str); 2] {
    [("LYGER_DB_CONNECTIONS_MAX", "1"), ("LYGER_DB_ACQUIRE_TIMEOUT_MS", "10000")]
}

/// A table for a test's rows; in MySQL the schema is part of its name.
fn table(name: &str, database: &Fixture, of: &str) -> String {
    let table = if name == "mysql" { format!("stage_{of}.rows_of_it") } else { of.to_owned() };
    database.create(&table, "n INTEGER");
    table
}

fn count(database: &Fixture, table: &str) -> String {
    database.json(&format!("SELECT count(*) AS n FROM {table}"), &[])
}

#[test]
fn a_transaction_lives_for_its_request_and_is_rolled_back_behind_it() {
    let of = "fleet_transactions";
    let dsns = Dsns::of(of);
    let fleet = Fleet::start(&dsns, 2, &limits());
    for (name, database) in databases() {
        let table = table(name, &database, of);
        let committed = fleet.connect().post(&format!("/transaction/{name}/{table}/commit"));
        assert_eq!(committed.status, 200, "{committed:?}");
        assert_eq!(count(&database, &table), r#"[{"n":3}]"#, "{name}");
        let left_open = fleet.connect().post(&format!("/transaction/{name}/{table}/nothing"));
        // The one connection that there may be serves the next request, on whichever worker.
        assert_eq!(fleet.get(&format!("/say/{name}/hello")).body, "hello");
        assert_eq!(left_open.body, committed.body, "{name}: it is the same connection");
        assert_eq!(count(&database, &table), r#"[{"n":3}]"#, "{name}");
    }
}

#[test]
fn an_answer_of_rows_sees_the_transaction_that_its_request_has_open_and_ends_with_it() {
    let of = "fleet_answers_in_transactions";
    let dsns = Dsns::of(of);
    let fleet = Fleet::start(&dsns, 2, &limits());
    for (name, database) in databases() {
        let table = table(name, &database, of);
        let reply = fleet.connect().post(&format!("/transaction/{name}/{table}/respond"));
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"[{"n":3}]"#), "{name}");
        assert_eq!(fleet.get(&format!("/say/{name}/hello")).body, "hello");
        assert_eq!(count(&database, &table), r#"[{"n":0}]"#, "{name}");
    }
}

#[test]
fn a_worker_that_dies_in_a_transaction_leaves_nothing_of_it() {
    let of = "fleet_killed_in_transactions";
    let dsns = Dsns::of(of);
    let fleet = Fleet::start(&dsns, 1, &limits());
    for (name, database) in databases() {
        let table = table(name, &database, of);
        let mut client = fleet.connect();
        client.send_post(&format!("/transaction/{name}/{table}/killed"));
        let line = fleet.line(&format!("open {name} "));
        signal("KILL", line.rsplit(' ').next().unwrap());
        assert_eq!(client.reply().status, 502, "{name}");
        eventually("its place is free", || fleet.get(&format!("/say/{name}/hello")).body == "hello");
        eventually("its rows are gone", || count(&database, &table) == r#"[{"n":0}]"#);
    }
}

#[test]
fn the_status_shows_how_the_connections_are_split() {
    let of = "fleet_status";
    let dsns = Dsns::of(of);
    let fleet = Fleet::start(&dsns, 2, &[("LYGER_DB_CONNECTIONS_MAX", "3")]);
    assert!(fleet.status()["databases"].as_array().unwrap().is_empty());
    for (name, database) in databases() {
        let table = table(name, &database, of);
        let mut client = fleet.connect();
        client.send_post(&format!("/transaction/{name}/{table}/killed"));
        let line = fleet.line(&format!("open {name} "));
        let said = fleet.status();
        let pools = said["databases"].as_array().unwrap();
        let scheme = if name == "mysql" { "mysql://" } else { "postgres://" };
        let pool = pools.iter().find(|pool| pool["dsn"].as_str().unwrap().starts_with(scheme)).unwrap();
        assert_eq!((&pool["in_use"], &pool["connections_max"]), (&1.into(), &3.into()), "{name}: {said}");
        assert!(pool["server_connections_max"].as_u64().unwrap() > 20, "{name}: {said}");
        assert!(!said.to_string().contains("p%40ss") && !said.to_string().contains("p@ss"), "{name}: {said}");
        signal("KILL", line.rsplit(' ').next().unwrap());
        eventually("the place is free", || {
            let said = fleet.status();
            said["databases"].as_array().unwrap().iter().all(|pool| pool["in_use"] == 0)
        });
    }
    assert!(fleet.status_text().contains("server takes"));
}

#[test]
fn a_setting_ends_with_its_request() {
    let dsns = Dsns::of("fleet_settings");
    let fleet = Fleet::start(&dsns, 2, &limits());
    for (name, zone) in [("postgres", "UTC"), ("mysql", "+00:00")] {
        for _ in 0..3 {
            assert_eq!(fleet.connect().post(&format!("/settings/{name}")).body, "set");
            assert_eq!(fleet.get(&format!("/settings/{name}")).body, zone, "{name}");
        }
    }
}
