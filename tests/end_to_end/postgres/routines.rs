//! What functions and triggers leave on a session, of which a statement's text says nothing.

use crate::databases::{Fixture, json, json_once, postgres_dsn, with_connections};
use lyger::db::{Client, Statement};

fn one_connection(query: &str) -> Fixture {
    with_connections(&format!("{}{query}", postgres_dsn()), 1)
}

const PID: &str = "SELECT pg_backend_pid() AS n";

/// A function without arguments, of one test: tests run side by side, and the catalog has no function changed by two at once.
fn function(db: &Fixture, name: &str, body: &str) {
    let head = format!("CREATE OR REPLACE FUNCTION {name}() RETURNS int LANGUAGE plpgsql");
    json_once(db, &format!("{head} AS $$ BEGIN {body} RETURN 1; END $$"));
}

#[test]
fn a_setting_that_the_server_reports_is_its_requests_although_a_function_has_set_it() {
    let db = one_connection("");
    let pid = json_once(&db, PID);
    for (setting, value) in [
        ("TimeZone", "Asia/Tokyo"),
        ("DateStyle", "German, DMY"),
        ("application_name", "routines"),
        ("IntervalStyle", "iso_8601"),
        ("standard_conforming_strings", r#":"off""#),
    ] {
        let (show, name) = (format!("SHOW {setting}"), format!("routines_{}", setting.to_lowercase()));
        function(&db, &name, &format!("PERFORM set_config('{setting}', '{}', false);", value.trim_matches([':', '"'])));
        let before = json_once(&db, &show);
        assert!(!before.contains(value), "{before}");
        let client = Client::default();
        json(&db, &client, &format!("SELECT {name}()"));
        assert!(client.keeps(&db.dsn), "{setting}: the request has its connection for itself");
        assert!(json(&db, &client, &show).contains(value), "{setting}");
        db.block_on(client.end());
        assert_eq!(json_once(&db, &show), before);
        assert_eq!(json_once(&db, PID), pid, "{setting}: a reset is enough");
    }
}

#[test]
fn a_setting_that_ends_with_its_function_or_its_transaction_leaves_nothing() {
    let db = one_connection("");
    function(&db, "routines_local", "PERFORM set_config('TimeZone', 'Asia/Tokyo', true);");
    function(&db, "routines_own", "RETURN extract(hour FROM '2024-01-02 03:00+00'::timestamptz);");
    json_once(&db, "ALTER FUNCTION routines_own() SET TimeZone = 'Asia/Tokyo'");
    let client = Client::default();
    for sql in ["SELECT routines_local()", "SELECT routines_own()", "SELECT 1", "INSERT INTO nowhere VALUES (1)"] {
        let _ = db.block_on(db.ask(&client, sql, &[]));
        assert!(!client.keeps(&db.dsn), "{sql}");
    }
    assert_eq!(json(&db, &client, "SELECT routines_own() AS n"), r#"[{"n":12}]"#);
    for sql in ["BEGIN", "SET LOCAL TimeZone = 'Asia/Tokyo'", "SELECT routines_local()", "COMMIT"] {
        json(&db, &client, sql);
        assert_eq!(client.keeps(&db.dsn), sql != "COMMIT", "{sql}");
    }
    function(&db, "routines_rolled_back", "PERFORM set_config('TimeZone', 'Asia/Tokyo', false);");
    for sql in ["BEGIN", "SELECT routines_rolled_back()", "ROLLBACK"] {
        json(&db, &client, sql);
    }
    assert!(!client.keeps(&db.dsn));
    for sql in ["BEGIN", "SELECT routines_rolled_back()", "COMMIT"] {
        json(&db, &client, sql);
    }
    assert!(client.keeps(&db.dsn), "it holds for the session now");
    db.block_on(client.end());
    assert_eq!(json_once(&db, "SHOW TimeZone"), r#"[{"TimeZone":"UTC"}]"#);
}

#[test]
fn what_no_server_tells_is_gone_with_its_request_where_the_dsn_says_so() {
    for (query, is_reset) in [("", false), ("?reset=changed", false), ("?reset=always", true)] {
        let db = one_connection(query);
        let prefix = format!("routines_{}", query.trim_start_matches("?reset="));
        let pid = json_once(&db, PID);
        let (setting, table, trigger) =
            (format!("{prefix}_setting"), format!("{prefix}_table"), format!("{prefix}_trigger"));
        function(&db, &setting, "PERFORM set_config('work_mem', '7MB', false);");
        function(&db, &table, &format!("CREATE TEMP TABLE {prefix}_left (n int);"));
        db.create(&format!("{prefix}_rows"), "n int");
        db.block_on(db.client.end());
        json_once(
            &db,
            &format!(
                "CREATE OR REPLACE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN PERFORM set_config('mine.routines', 'left', false); RETURN NEW; END $$"
            ),
        );
        json_once(
            &db,
            &format!("CREATE TRIGGER t BEFORE INSERT ON {prefix}_rows FOR EACH ROW EXECUTE FUNCTION {trigger}()"),
        );
        let asked = format!(
            "SELECT current_setting('work_mem') AS m, to_regclass('{prefix}_left') IS NULL AS t, \
             COALESCE(current_setting('mine.routines', true), '') AS s"
        );
        let (nothing, all) = (r#"[{"m":"4MB","t":true,"s":""}]"#, r#"[{"m":"7MB","t":false,"s":"left"}]"#);
        let client = Client::default();
        assert_eq!(json(&db, &client, &asked), nothing, "{query}");
        for sql in [
            format!("SELECT {setting}()"),
            format!("SELECT {table}()"),
            format!("INSERT INTO {prefix}_rows VALUES (1)"),
        ] {
            json(&db, &client, &sql);
            assert_eq!(client.keeps(&db.dsn), is_reset, "{query}: {sql}");
        }
        assert_eq!(json(&db, &client, &asked), all, "{query}");
        db.block_on(client.end());
        assert_eq!(json_once(&db, &asked), if is_reset { nothing } else { all }, "{query}");
        assert_eq!(json_once(&db, PID), pid, "{query}: it is the same connection");
    }
}

#[test]
fn a_stream_with_a_connection_of_its_own_leaves_nothing_either_and_costs_no_connection() {
    let db = one_connection("?reset=always");
    function(&db, "routines_stream", "PERFORM set_config('work_mem', '7MB', false);");
    let (pid, client) = (json_once(&db, PID), Client::default());
    db.block_on(async {
        let statement = Statement::new("SELECT routines_stream() AS n FROM generate_series(1, 3)", &[][..]);
        let mut cursor = db.database.stream(&client, &db.dsn, statement).await.unwrap();
        let mut rows = 0;
        while let Some(table) = cursor.next().await.unwrap() {
            rows += table.rows();
        }
        assert_eq!(rows, 3);
    });
    assert!(!client.keeps(&db.dsn));
    assert_eq!(json_once(&db, "SHOW work_mem"), r#"[{"work_mem":"4MB"}]"#);
    assert_eq!(json_once(&db, PID), pid);
}

#[test]
fn a_transaction_of_a_dsn_that_always_resets_is_one() {
    let db = one_connection("?reset=always");
    db.create("routines_transaction", "n int");
    db.block_on(db.client.end());
    let client = Client::default();
    for end in ["COMMIT", "ROLLBACK"] {
        for sql in ["BEGIN", "INSERT INTO routines_transaction VALUES (1)", end] {
            json(&db, &client, sql);
        }
        assert_eq!(json(&db, &client, "SELECT count(*) AS n FROM routines_transaction"), r#"[{"n":1}]"#);
    }
    db.block_on(client.end());
    assert_eq!(json_once(&db, "SELECT count(*) AS n FROM routines_transaction"), r#"[{"n":1}]"#);
}

#[test]
fn what_random_goes_on_from_is_not_what_the_request_before_has_chosen() {
    let db = one_connection("");
    let pid = json_once(&db, PID);
    for seeding in ["SET seed = 0.25", "SELECT setseed(0.25)::text"] {
        let mut drawn: Vec<String> = (0..3)
            .map(|_| {
                json_once(&db, seeding);
                json_once(&db, "SELECT random() AS n")
            })
            .collect();
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn.len(), 3, "{seeding}: {drawn:?}");
        assert_eq!(json_once(&db, PID), pid, "a reset is enough");
    }
}
