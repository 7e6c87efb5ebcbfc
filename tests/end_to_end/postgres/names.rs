//! What names mean: a search path and temporary tables decide which table, and so which types, a prepared statement was
//! prepared for. Whoever runs it under others has it prepared anew.

use super::routines::{database, function};
use crate::databases::{Fixture, json, json_of, json_once, postgres_dsn, text, with_connections};
use lyger::db::{Client, Param};
use std::time::{Duration, Instant};

const BY_STATUS: &str = "SELECT id FROM orders WHERE status = ?";
const TO_LOG: &str = "INSERT INTO log (at) VALUES (?)";
const MOMENT: &str = "2024-01-02T03:04:05Z";

/// Two tenants whose tables have the same names and other types, in a database of the test's own.
fn tenants(name: &str) -> String {
    let dsn = database(name);
    let db = with_connections(&dsn, 1);
    for (tenant, id, log) in [("ta", 1, "timestamptz"), ("tb", 2, "text")] {
        for sql in [
            format!("CREATE SCHEMA {tenant}"),
            format!("CREATE TYPE {tenant}.status AS ENUM ('open', 'shut')"),
            format!("CREATE TABLE {tenant}.orders (id int, status {tenant}.status)"),
            format!("INSERT INTO {tenant}.orders VALUES ({id}, 'open')"),
            format!("CREATE TABLE {tenant}.log (at {log})"),
        ] {
            json_once(&db, &sql);
        }
    }
    dsn
}

/// Tries until it is so: on a busy machine ten seconds may pass, behind which every statement is prepared anew.
pub(super) fn undisturbed(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}: statements don't stay prepared");
    }
}

/// Runs texts as one client, which ends then; `?` is bound to `open`, or to a moment for the log. The rows of those with one.
fn request(db: &Fixture, texts: &[&str]) -> Vec<String> {
    let client = Client::default();
    let rows = steps(db, &client, texts);
    db.block_on(client.end());
    rows
}

fn steps(db: &Fixture, client: &Client, texts: &[&str]) -> Vec<String> {
    let mut rows = Vec::new();
    for sql in texts {
        let value: &[Param] = match *sql {
            TO_LOG => &[text(MOMENT)],
            sql if sql.contains('?') => &[text("open")],
            _ => &[],
        };
        let answer =
            db.block_on(db.ask(client, sql, value)).unwrap_or_else(|error| panic!("{texts:?}: {sql}: {error}"));
        if *sql == BY_STATUS {
            rows.push(json_of(&answer));
        }
    }
    rows
}

const TA: &str = r#"[{"id":1}]"#;
const TB: &str = r#"[{"id":2}]"#;

#[test]
fn a_search_path_that_ends_with_its_transaction_is_that_transactions_alone() {
    let dsn = tenants("names_local");
    let db = with_connections(&dsn, 1);
    for set in ["SELECT set_config('search_path', 'TENANT', true)", "SET LOCAL search_path = TENANT"] {
        for (tenant, expected) in [("ta", TA), ("tb", TB), ("ta", TA), ("tb", TB)] {
            let set = set.replace("TENANT", tenant);
            assert_eq!(request(&db, &["BEGIN", &set, BY_STATUS, TO_LOG, BY_STATUS, "COMMIT"]), [expected; 2]);
        }
    }
    let home = with_connections(&format!("{dsn}?options[search_path]=ta"), 1);
    for (set, end) in [
        ("SET LOCAL search_path = tb", "COMMIT"),
        ("SET LOCAL search_path = tb", "COMMIT AND CHAIN"),
        ("SELECT set_config('search_path', 'tb', true)", "COMMIT"),
        ("SELECT set_config('search_path', 'tb', true)", "ROLLBACK AND CHAIN"),
        ("SET search_path = tb", "ROLLBACK"),
        ("SELECT set_config('search_path', 'tb', false)", "ROLLBACK"),
        ("SET LOCAL search_path = tb", "ROLLBACK TO s"),
        ("SET search_path = tb", "ROLLBACK TO s"),
    ] {
        let begin = ["BEGIN", BY_STATUS, "SAVEPOINT s", set, BY_STATUS, end, BY_STATUS];
        assert_eq!(request(&home, &begin), [TA, TB, TA], "{set}, {end}");
        assert_eq!(request(&home, &[BY_STATUS]), [TA], "{set}, {end}: the next request");
        let open = ["BEGIN", set, BY_STATUS];
        assert_eq!(request(&home, &open), [TB], "{set}, {end}");
        assert_eq!(request(&home, &[BY_STATUS]), [TA], "{set}, rolled back by the pool");
    }
}

#[test]
fn a_search_path_is_changed_by_cursors_blocks_procedures_and_prepared_statements_too() {
    let dsn = tenants("names_elsewhere");
    let db = with_connections(&format!("{dsn}?options[search_path]=ta"), 1);
    let set = "set_config('search_path', 'tb', true)";
    let declared = format!("DECLARE c CURSOR FOR SELECT {set}");
    let block = format!("DO $$ BEGIN PERFORM {set}; END $$");
    let prepared = format!("PREPARE p AS SELECT {set}");
    let updated = "UPDATE pg_settings SET setting = 'tb' WHERE name = 'search_path'";
    for texts in
        [&[&*declared, BY_STATUS, "FETCH 1 FROM c"][..], &[BY_STATUS, &block], &[&prepared, BY_STATUS, "EXECUTE p"]]
    {
        let client = Client::default();
        assert_eq!(steps(&db, &client, &["BEGIN"]), [""; 0]);
        assert_eq!(steps(&db, &client, texts), [TA]);
        assert_eq!(steps(&db, &client, &[BY_STATUS, "COMMIT", BY_STATUS]), [TB, TA], "{texts:?}");
        db.block_on(client.end());
    }
    let client = Client::default();
    assert_eq!(steps(&db, &client, &["LISTEN something", BY_STATUS]), [TA]);
    let copy = "COPY (SELECT set_config('search_path', 'tb', false)) TO STDOUT";
    assert_eq!(db.block_on(db.ask(&client, copy, &[])).unwrap_err().sqlstate(), Some("0A000"), "once it has run");
    assert_eq!(steps(&db, &client, &[BY_STATUS]), [TB]);
    db.block_on(client.end());
    assert_eq!(request(&db, &[BY_STATUS, updated, BY_STATUS]), [TA, TB]);
    assert_eq!(request(&db, &[BY_STATUS]), [TA]);
}

#[test]
fn what_is_stored_behind_a_change_of_the_search_path_is_what_was_bound() {
    let dsn = tenants("names_stored");
    let db = with_connections(&dsn, 1);
    function(&db, "use_ta", "PERFORM set_config('search_path', 'ta,public', false);");
    function(&db, "use_tb", "PERFORM set_config('search_path', 'tb,public', false);");
    for (number, uses) in [
        ["SELECT set_config('search_path', 'ta', true)", "SELECT set_config('search_path', 'tb', true)"],
        ["SELECT use_ta()", "SELECT use_tb()"],
    ]
    .into_iter()
    .enumerate()
    {
        json_once(&db, "DELETE FROM tb.log");
        for using in uses {
            request(&db, &["BEGIN", using, TO_LOG, "COMMIT"]);
        }
        let stored = json_once(&db, "SELECT at FROM tb.log");
        assert_eq!(stored, format!(r#"[{{"at":"{MOMENT}"}}]"#), "{number}");
        // And nothing is read as a moment that is a text.
        let client = Client::default();
        steps(&db, &client, &["BEGIN", uses[1]]);
        db.block_on(db.ask(&client, TO_LOG, &[text("hello")])).unwrap();
        db.block_on(client.end());
    }
}

#[test]
fn a_function_that_sets_the_search_path_is_heard_by_every_statement_behind_it() {
    let dsn = tenants("names_function");
    let db = with_connections(&dsn, 1);
    function(&db, "use_ta", "PERFORM set_config('search_path', 'ta,public', false);");
    function(&db, "use_tb", "PERFORM set_config('search_path', 'tb,public', false);");
    for (using, expected) in [("SELECT use_ta()", TA), ("SELECT use_tb()", TB), ("SELECT use_ta()", TA)] {
        assert_eq!(request(&db, &[using, BY_STATUS, BY_STATUS]), [expected; 2]);
        assert_eq!(request(&db, &["BEGIN", using, BY_STATUS, "COMMIT", BY_STATUS]), [expected; 2]);
    }
    let both = ["SELECT use_ta()", BY_STATUS, "SELECT use_tb()", BY_STATUS, "SELECT use_ta()", BY_STATUS];
    assert_eq!(request(&db, &both), [TA, TB, TA]);
    // In a transaction, before anybody could have asked what code there is.
    let cold = with_connections(&dsn, 1);
    let within = ["BEGIN", "SELECT use_ta()", BY_STATUS, "SELECT use_tb()", BY_STATUS, "ROLLBACK"];
    assert_eq!(request(&cold, &within), [TA, TB]);
    let home = with_connections(&format!("{dsn}?options[search_path]=ta,public"), 1);
    let rolled_back = ["BEGIN", "SELECT use_tb()", BY_STATUS, "ROLLBACK", BY_STATUS];
    for _ in 0..2 {
        assert_eq!(request(&home, &[BY_STATUS]), [TA]);
        assert_eq!(request(&home, &rolled_back), [TB, TA]);
    }
}

#[test]
fn a_function_that_was_made_in_the_same_transaction_is_heard_too() {
    let db = with_connections(&format!("{}?options[search_path]=ta,public", tenants("names_made")), 1);
    let make = "CREATE FUNCTION public.use_tb() RETURNS text LANGUAGE sql AS \
                $$ SELECT set_config('search_path', 'tb,public', false) $$";
    assert_eq!(request(&db, &[BY_STATUS]), [TA]);
    let texts = ["BEGIN", make, BY_STATUS, "SELECT use_tb()", BY_STATUS, "ROLLBACK", BY_STATUS];
    assert_eq!(request(&db, &texts), [TA, TB, TA]);
}

#[test]
fn a_temporary_table_hides_another_for_as_long_as_it_is_there() {
    let dsn = database("names_temporary");
    let db = with_connections(&dsn, 1);
    let by_day = "SELECT id FROM orders WHERE day = ?";
    let asked = |client: &Client, day: &str| {
        let rows = db.block_on(db.ask(client, by_day, &[text(day)]));
        json_of(&rows.unwrap_or_else(|error| panic!("{day}: {error}")))
    };
    json_once(&db, "CREATE TABLE orders (id int, day date)");
    json_once(&db, "INSERT INTO orders VALUES (1, '2024-01-02')");
    let (real, hidden) = (r#"[{"id":1}]"#, r#"[{"id":9}]"#);
    let create = "CREATE TEMP TABLE orders (id, day) ON COMMIT DROP AS SELECT 9, 'a day'::text";
    for end in ["COMMIT", "ROLLBACK", "ROLLBACK TO s"] {
        let client = Client::default();
        assert_eq!(asked(&client, "2024-01-02"), real);
        steps(&db, &client, &["BEGIN", "SAVEPOINT s", create]);
        assert_eq!(asked(&client, "a day"), hidden);
        steps(&db, &client, &[end]);
        assert_eq!(asked(&client, "2024-01-02"), real, "{end}");
        db.block_on(client.end());
        assert_eq!(asked(&Client::default(), "2024-01-02"), real, "{end}");
    }
    function(&db, "hides", "CREATE TEMP TABLE orders AS SELECT 9 AS id, 'a day'::text AS day;");
    for _ in 0..2 {
        let (client, other) = (Client::default(), Client::default());
        assert_eq!(asked(&client, "2024-01-02"), real);
        steps(&db, &client, &["SELECT hides()"]);
        assert_eq!(asked(&client, "a day"), hidden);
        db.block_on(client.end());
        assert_eq!(asked(&other, "2024-01-02"), real);
        db.block_on(other.end());
    }
}

#[test]
fn a_table_that_a_rolled_back_savepoint_has_changed_is_what_it_was() {
    let db = with_connections(&postgres_dsn(), 1);
    db.create("names_savepoint", "a int");
    let sql = "INSERT INTO names_savepoint VALUES (?)";
    let change = "ALTER TABLE names_savepoint ALTER COLUMN a TYPE text";
    let client = Client::default();
    for (before, value) in [("BEGIN", "1"), ("SAVEPOINT s", "2"), (change, "three"), ("ROLLBACK TO s", "4")] {
        json(&db, &client, before);
        db.block_on(db.ask(&client, sql, &[text(value)])).unwrap_or_else(|error| panic!("{before}: {error}"));
    }
    db.block_on(client.end());
}

#[test]
fn a_text_that_is_prepared_for_once_may_have_types_that_nobody_knows_yet() {
    let db = with_connections(&format!("{}?options[search_path]=ta", tenants("names_long")), 1);
    let long = format!("{BY_STATUS} {}", " ".repeat(20_000));
    let rows = db.block_on(db.ask(&Client::default(), &long, &[text("open")]));
    assert_eq!(json_of(&rows.unwrap_or_else(|error| panic!("{error}"))), TA);
}

#[test]
fn a_database_without_code_that_renames_keeps_statements_prepared_whatever_its_requests_do() {
    let dsn = tenants("names_ordinary");
    // By which name the server knows the statement: another one where it was prepared again.
    let name = format!("SELECT name FROM pg_prepared_statements WHERE statement = '{}'", BY_STATUS.replace('?', "$1"));
    for query in ["?options[search_path]=ta,public", "?options[search_path]=ta,public&reset=told"] {
        undisturbed(query, || {
            let db = with_connections(&format!("{dsn}{query}"), 1);
            // Nobody has asked yet what code there is.
            let client = Client::default();
            steps(&db, &client, &["BEGIN", BY_STATUS]);
            let first = json(&db, &client, &name);
            steps(
                &db,
                &client,
                &[BY_STATUS, "SAVEPOINT s", BY_STATUS, "ROLLBACK TO s", BY_STATUS, "COMMIT", BY_STATUS],
            );
            let later = json(&db, &client, &name);
            db.block_on(client.end());
            request(&db, &["BEGIN", BY_STATUS, "INSERT INTO log (at) VALUES (now())", "ROLLBACK"]);
            request(
                &db,
                &["BEGIN", "SET LOCAL lock_timeout = 1000", "SELECT set_config('search_path', 'tb', true)", "COMMIT"],
            );
            request(&db, &[BY_STATUS]);
            first.contains("lyger_") && later == first && json_once(&db, &name) == first
        });
    }
}

#[test]
fn a_prepared_statement_that_the_user_asks_for_and_nobody_has_made_is_the_users_affair() {
    let db = with_connections(&postgres_dsn(), 1);
    for begin in [false, true] {
        let client = Client::default();
        if begin {
            json(&db, &client, "BEGIN");
        }
        let error = db.block_on(db.ask(&client, "EXECUTE names_unknown", &[])).unwrap_err();
        assert_eq!(error.sqlstate(), Some("26000"), "{error}");
        assert!(!error.to_string().contains("run the transaction again"), "{error}");
        db.block_on(client.end());
    }
    let client = Client::default();
    json(&db, &client, "DEALLOCATE ALL");
    json(&db, &client, "SELECT 1");
    db.block_on(client.end());
}
