//! What a statement's text leaves on its connection where its first words don't say so.

use super::routines::database;
use crate::databases::{Fixture, json, json_once, postgres_dsn, text, with_connections};
use lyger::db::{Client, Param};

const PID: &str = "SELECT pg_backend_pid() AS n";

/// Runs texts as one client, which ends then; `?` is bound to the value.
fn request(db: &Fixture, texts: &[&str], value: &Param) {
    let client = Client::default();
    for sql in texts {
        let values: &[Param] = if sql.contains('?') { std::slice::from_ref(value) } else { &[] };
        db.block_on(db.ask(&client, sql, values)).unwrap_or_else(|error| panic!("{texts:?}: {sql}: {error}"));
    }
    db.block_on(client.end());
}

#[test]
fn what_a_cursor_fetches_leaves_nothing_behind_its_request() {
    let db = with_connections(&postgres_dsn(), 1);
    let locks = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    for query in ["pg_advisory_lock(77)", "set_config('work_mem', '9MB', false)", "set_config('work_mem', '9MB', true)"]
    {
        let declare = format!("DECLARE c CURSOR FOR SELECT {query}");
        request(&db, &["BEGIN", &declare, "FETCH 1 FROM c", "COMMIT"], &Param::Null);
        assert_eq!(json_once(&db, locks), r#"[{"n":0}]"#, "{query}");
        assert_eq!(json_once(&db, "SHOW work_mem"), r#"[{"work_mem":"4MB"}]"#, "{query}");
    }
}

#[test]
fn a_setting_is_its_transactions_alone_only_where_its_call_says_so_plainly() {
    let db = with_connections(&postgres_dsn(), 1);
    for (last, value) in [
        ("NOT TRUE", Param::Null),
        ("? IS TRUE", Param::Bool(false)),
        ("FALSE AND TRUE", Param::Null),
        ("(SELECT a FROM (VALUES (false, true)) AS v (a, b) WHERE v = (false, true))", Param::Null),
        ("true", Param::Null),
    ] {
        request(&db, &[&format!("SELECT set_config('work_mem', '7MB', {last})")], &value);
        assert_eq!(json_once(&db, "SHOW work_mem"), r#"[{"work_mem":"4MB"}]"#, "{last}");
    }
}

#[test]
fn a_table_is_gone_that_was_made_where_the_search_path_begins_with_temporary_tables() {
    let dsn = database("left_temporary");
    let db = with_connections(&dsn, 1);
    json_once(&db, "CREATE TABLE users (id int, name text)");
    json_once(&db, "INSERT INTO users VALUES (1, 'real')");
    let real = r#"[{"id":1,"name":"real"}]"#;
    let path = text("pg_temp, public");
    for set in [
        "SET LOCAL search_path = pg_temp, public",
        "SELECT set_config('search_path', 'pg_temp, public', true)",
        "SELECT set_config('search_path', ?, true)",
    ] {
        for create in [
            "CREATE TABLE users AS SELECT 666 AS id, 'temp'::text AS name",
            "SELECT 666 AS id, 'temp'::text AS name INTO users",
            "CREATE TABLE users (id int, name text)",
            "CREATE VIEW users AS SELECT 666 AS id, 'temp'::text AS name",
        ] {
            request(&db, &["BEGIN", set, create, "COMMIT"], &path);
            assert_eq!(json_once(&db, "SELECT * FROM users"), real, "{set}, {create}");
        }
    }
    let home = with_connections(&format!("{dsn}?options[search_path]=pg_temp,public"), 1);
    let pid = json_once(&home, PID);
    for create in ["CREATE TABLE users (id int, name text)", "SELECT 666 AS id, 'temp'::text AS name INTO users"] {
        request(&home, &[create, "INSERT INTO users VALUES (7, 'temp')"], &Param::Null);
        assert_eq!(json_once(&home, "SELECT * FROM users"), real, "{create}");
    }
    assert_eq!(json_once(&home, PID), pid, "a reset is enough");
}

#[test]
fn tables_that_are_made_where_tables_are_made_cost_no_connection_of_ones_own() {
    let db = with_connections(&database("left_permanent"), 1);
    let client = Client::default();
    for sql in ["BEGIN", "CREATE TABLE a (n int)", "CREATE TABLE b AS SELECT 1 AS n", "COMMIT"] {
        json(&db, &client, sql);
    }
    assert!(!client.keeps(&db.dsn));
}

#[test]
fn what_no_reset_removes_is_gone_with_its_connection() {
    let db = with_connections(&database("left_beyond"), 1);
    for (leave, is_left) in [
        (
            "SELECT pg_create_physical_replication_slot('left_beyond', true, true)::text",
            "SELECT count(*) AS n FROM pg_replication_slots WHERE slot_name = 'left_beyond'",
        ),
        ("SELECT pg_backup_start('left')::text", "SELECT 0 AS n"),
        // Refused, once it has run.
        (
            "COPY (SELECT pg_create_physical_replication_slot('left_beyond', true, true)::text) TO STDOUT",
            "SELECT count(*) AS n FROM pg_replication_slots WHERE slot_name = 'left_beyond'",
        ),
    ] {
        let client = Client::default();
        let pid = json(&db, &client, PID);
        // A server without such a function, or that may not, is asked all the same.
        let _ = db.block_on(db.ask(&client, leave, &[]));
        assert_eq!(json(&db, &client, PID), pid, "the request has its connection for itself: {leave}");
        db.block_on(client.end());
        assert_ne!(json_once(&db, PID), pid, "{leave}");
        assert_eq!(json_once(&db, is_left), r#"[{"n":0}]"#, "{leave}");
    }
}
