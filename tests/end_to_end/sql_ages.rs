//! How long connections live: `db.lifetime_ms` and `db.idle_timeout_ms`.

use crate::databases::{Fixture, mysql, mysql_dsn, postgres, postgres_dsn};
use crate::fleet_sql::stage::{Dsns, Fleet};
use crate::front_stage::eventually;
use lyger::db::Limits;
use std::time::{Duration, Instant};

const AGE: Duration = Duration::from_millis(1_000);

fn servers(limits: Limits) -> [(&'static str, Fixture, &'static str); 2] {
    [
        ("postgres", Fixture::new(&postgres_dsn(), limits), "SELECT pg_backend_pid() AS n"),
        ("mysql", Fixture::new(&mysql_dsn(), limits), "SELECT CONNECTION_ID() AS n"),
    ]
}

#[test]
fn a_connection_that_has_grown_old_is_replaced_however_busy_it_is() {
    for (name, db, id) in servers(Limits { lifetime_ms: 1_000, connections_max: 1, ..Limits::default() }) {
        let (first, began) = (db.json(id, &[]), Instant::now());
        while db.json(id, &[]) == first {
            assert!(began.elapsed() < AGE * 10, "{name}: it never is");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(began.elapsed() >= AGE * 9 / 10, "{name}: replaced after {:?}", began.elapsed());
        // Not amid what its client has there.
        db.query("BEGIN", &[]);
        let kept = db.json(id, &[]);
        std::thread::sleep(AGE * 3 / 2);
        assert_eq!(db.json(id, &[]), kept, "{name}");
        db.query("COMMIT", &[]);
        assert_ne!(db.json(id, &[]), kept, "{name}");
    }
}

#[test]
fn a_connection_that_has_lain_idle_for_long_is_not_used_again() {
    for (name, db, id) in servers(Limits { idle_timeout_ms: 1_000, connections_max: 1, ..Limits::default() }) {
        let (first, began) = (db.json(id, &[]), Instant::now());
        while began.elapsed() < AGE * 2 {
            assert_eq!(db.json(id, &[]), first, "{name}: it was never idle for long");
            std::thread::sleep(AGE / 50);
        }
        std::thread::sleep(AGE * 5 / 4);
        assert_ne!(db.json(id, &[]), first, "{name}");
    }
}

#[test]
fn a_front_closes_old_and_idle_connections_by_itself() {
    let (postgres, mysql) = (postgres(), mysql());
    for (case, setting) in [("ages_idle", "LYGER_DB_IDLE_TIMEOUT_MS"), ("ages_old", "LYGER_DB_LIFETIME_MS")] {
        let dsns = Dsns::of(case);
        let fleet = Fleet::start(&dsns, 1, &[(setting, "1500")]);
        for name in ["postgres", "mysql"] {
            assert_eq!(fleet.get(&format!("/say/{name}/hello")).body, "hello");
        }
        assert_eq!(dsns.count(&postgres, &mysql), [1, 1], "{case}");
        eventually("none is left", || dsns.count(&postgres, &mysql) == [0, 0]);
        assert_eq!(fleet.get("/say/postgres/again").body, "again");
    }
}
