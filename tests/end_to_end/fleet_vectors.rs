//! A vector index of a worker, filled over the front's connections.

use crate::fleet_sql::stage::{Dsns, Fleet};

#[test]
fn a_worker_fills_its_index_from_the_fronts_connection_and_gives_it_back() {
    let dsns = Dsns::of("vectors");
    // One connection for all: what isn't given back is missed by the next.
    let limits = [("LYGER_DB_CONNECTIONS_MAX", "1"), ("LYGER_DB_ACQUIRE_TIMEOUT_MS", "20000")];
    let fleet = Fleet::start(&dsns, 1, &limits);
    for name in ["file", "postgres", "mysql"] {
        let get = |target: &str| fleet.get(&format!("/vectors/{name}/{target}")).body;
        // Of many chunks.
        assert_eq!(get("30000/0"), "30000 rows, 30000 and 29999", "{name}");
        for wrong in ["1", "20000", "30000"] {
            let reason = "isn't a JSON array of numbers: `[` is missing at byte 0";
            assert_eq!(get(&format!("30000/{wrong}")), format!("0 rows, the vector of id {wrong} {reason}"), "{name}");
        }
        assert_eq!(get("2/0"), "2 rows, 2 and 1", "{name}");
    }
}
