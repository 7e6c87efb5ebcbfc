//! What functions and triggers leave on a session, of which a statement's text says nothing.

use super::names::undisturbed;
use crate::databases::{Fixture, json, json_once, postgres_dsn, with_connections};
use lyger::db::{Client, Statement};
use lyger::json::encode;
use std::time::{Duration, Instant};

/// The DSN of a database of one test's own: what functions it has decides how all its connections are treated.
pub(super) fn database(name: &str) -> String {
    let dsn = postgres_dsn();
    let db = with_connections(&dsn, 1);
    json_once(&db, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    json_once(&db, &format!("CREATE DATABASE {name}"));
    let (server, _) = dsn.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

pub(super) const PID: &str = "SELECT pg_backend_pid() AS n";

/// A function without arguments.
pub(super) fn function(db: &Fixture, name: &str, body: &str) {
    let head = format!("CREATE OR REPLACE FUNCTION {name}() RETURNS int LANGUAGE plpgsql");
    json_once(db, &format!("{head} AS $$ BEGIN {body} RETURN 1; END $$"));
}

#[test]
fn a_setting_that_the_server_reports_is_its_requests_although_a_function_has_set_it() {
    let db = with_connections(&format!("{}?reset=told", database("routines_reported")), 1);
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
    let db = with_connections(&format!("{}?reset=told", database("routines_ending")), 1);
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

/// What a test's functions have left: a setting that the server doesn't report, a temporary table, and a lock.
fn left(db: &Fixture, client: &Client) -> String {
    let asked = "SELECT current_setting('work_mem') AS m, to_regclass('routines_left') IS NOT NULL AS t, \
         EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND pid = pg_backend_pid()) AS l";
    json(db, client, asked)
}

const NOTHING: &str = r#"[{"m":"4MB","t":false,"l":false}]"#;

#[test]
fn what_no_server_tells_is_gone_with_its_request_too() {
    let database = database("routines_untold");
    for (query, is_reset) in [("", true), ("?reset=changed", true), ("?reset=always", true), ("?reset=told", false)] {
        let db = with_connections(&format!("{database}{query}"), 1);
        let pid = json_once(&db, PID);
        function(&db, "setting", "PERFORM set_config('work_mem', '7MB', false);");
        function(&db, "temporary", "CREATE TEMP TABLE IF NOT EXISTS routines_left (n int);");
        function(&db, "lock", "PERFORM pg_advisory_lock(7);");
        db.create("rows", "n int");
        db.block_on(db.client.end());
        let head = "CREATE OR REPLACE FUNCTION trigger() RETURNS trigger LANGUAGE plpgsql";
        json_once(&db, &format!("{head} AS $$ BEGIN PERFORM lock(); RETURN NEW; END $$"));
        json_once(&db, "CREATE TRIGGER t BEFORE INSERT ON rows FOR EACH ROW EXECUTE FUNCTION trigger()");
        let (client, other) = (Client::default(), Client::default());
        assert_eq!(left(&db, &client), NOTHING, "{query}");
        for sql in ["SELECT setting()", "SELECT temporary()", "INSERT INTO rows VALUES (1)"] {
            json(&db, &client, sql);
            assert_eq!(client.keeps(&db.dsn), is_reset, "{query}: {sql}");
        }
        let all = r#"[{"m":"7MB","t":true,"l":true}]"#;
        assert_eq!(left(&db, &client), all, "{query}");
        db.block_on(client.end());
        assert_eq!(left(&db, &other), if is_reset { NOTHING } else { all }, "{query}");
        db.block_on(other.end());
        assert_eq!(json_once(&db, PID), pid, "{query}: it is the same connection");
    }
}

#[test]
fn a_function_leaves_nothing_either_where_its_statement_fails_or_its_transaction_is_left_open() {
    let database = database("routines_failed");
    let maker = with_connections(&database, 1);
    function(&maker, "fails", "PERFORM pg_advisory_lock(7); RAISE 'no';");
    function(&maker, "lock", "PERFORM pg_advisory_lock(7);");
    for texts in [&["SELECT fails()"][..], &["BEGIN", "SELECT lock()"], &["BEGIN", "SELECT lock()", "SELECT fails()"]] {
        // One that has not asked yet what code there is, and may not in a transaction.
        let db = with_connections(&database, 1);
        let (client, other) = (Client::default(), Client::default());
        for sql in texts {
            let _ = db.block_on(db.ask(&client, sql, &[]));
        }
        assert!(client.keeps(&db.dsn), "{texts:?}");
        db.block_on(client.end());
        assert_eq!(left(&db, &other), NOTHING, "{texts:?}");
        db.block_on(other.end());
    }
}

#[test]
fn code_that_can_leave_nothing_costs_no_reset_and_no_connection_of_its_own() {
    let db = with_connections(&database("routines_harmless"), 1);
    for sql in [
        "CREATE TABLE others (n int)",
        "CREATE TABLE ordinary (id serial PRIMARY KEY, n int DEFAULT 1 CHECK (n > 0), changed_at timestamptz)",
        "CREATE VIEW seen AS SELECT id, upper(n::text) AS n, current_setting('work_mem') AS m FROM ordinary",
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN NEW.changed_at := now(); UPDATE others SET n = n + 1; RETURN NEW; END $$",
        "CREATE TRIGGER touch BEFORE INSERT ON ordinary FOR EACH ROW EXECUTE FUNCTION touch()",
        "CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT a * 2'",
        "CREATE FUNCTION thrice(a int) RETURNS int RETURN a * 3",
        "CREATE FUNCTION own() RETURNS int LANGUAGE sql SET work_mem = '7MB' AS 'SELECT 1'",
        "CREATE FUNCTION its_transaction() RETURNS int LANGUAGE plpgsql AS \
         $$ BEGIN SET LOCAL work_mem = '7MB'; RETURN 1; END $$",
        "SELECT own(), its_transaction()",
        "INSERT INTO ordinary (n) VALUES (1)",
        "SELECT twice(n::int), thrice(n::int) FROM seen",
    ] {
        let client = Client::default();
        json(&db, &client, sql);
        assert!(!client.keeps(&db.dsn), "{sql}");
    }
    assert_eq!(left(&db, &Client::default()), NOTHING);
}

#[test]
fn whatever_may_run_unseen_is_noticed_when_it_is_made_and_forgotten_when_it_is_gone() {
    let db = with_connections(&database("routines_noticed"), 1);
    let set = "set_config('work_mem', '7MB', false)";
    json_once(&db, "CREATE TABLE plain (n text)");
    let touch = "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$";
    json_once(&db, touch);
    for (make, remove) in [
        (format!("CREATE VIEW v AS SELECT {set} AS n"), "DROP VIEW v"),
        (format!("CREATE FUNCTION f() RETURNS text RETURN {set}"), "DROP FUNCTION f()"),
        (format!("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT {set} $$"), "DROP FUNCTION f()"),
        (format!("CREATE PROCEDURE f() LANGUAGE plpgsql AS $$ BEGIN PERFORM {set}; END $$"), "DROP PROCEDURE f()"),
        (
            "CREATE FUNCTION f(t text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE t; RETURN t; END $$"
                .to_owned(),
            "DROP FUNCTION f(text)",
        ),
        (format!("ALTER TABLE plain ALTER n SET DEFAULT {set}"), "ALTER TABLE plain ALTER n DROP DEFAULT"),
        (format!("ALTER TABLE plain ADD CONSTRAINT c CHECK ({set} > '')"), "ALTER TABLE plain DROP CONSTRAINT c"),
        (format!("CREATE POLICY p ON plain USING ({set} > '')"), "DROP POLICY p ON plain"),
        (format!("CREATE RULE r AS ON DELETE TO plain DO ALSO SELECT {set}"), "DROP RULE r ON plain"),
        (format!("CREATE RULE r AS ON UPDATE TO plain WHERE {set} = 'x' DO INSTEAD NOTHING"), "DROP RULE r ON plain"),
        (format!("CREATE DOMAIN d AS text DEFAULT {set}"), "DROP DOMAIN d"),
        (
            format!("CREATE TRIGGER w BEFORE DELETE ON plain FOR EACH ROW WHEN ({set} <> '') EXECUTE FUNCTION touch()"),
            "DROP TRIGGER w ON plain",
        ),
        ("CREATE VIEW v AS SELECT * FROM pg_settings".to_owned(), "DROP VIEW v"),
        (
            "CREATE AGGREGATE a(text, boolean) (sfunc = set_config, stype = text, initcond = 'work_mem')".to_owned(),
            "DROP AGGREGATE a(text, boolean)",
        ),
        (
            "CREATE OPERATOR @#@ (FUNCTION = pg_try_advisory_lock, LEFTARG = int, RIGHTARG = int)".to_owned(),
            "DROP OPERATOR @#@ (int, int)",
        ),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql SET search_path = pg_temp AS 'CREATE TABLE x (n int)'"
                .to_owned(),
            "DROP FUNCTION f()",
        ),
        (
            "CREATE FUNCTION f(text, text, bool) RETURNS text LANGUAGE internal AS 'set_config_by_name'".to_owned(),
            "DROP FUNCTION f(text, text, bool)",
        ),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN -- so\n SET work_mem = '7MB'; END $$"
                .to_owned(),
            "DROP FUNCTION f()",
        ),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN --so\rSET work_mem = '7MB'; END $$"
                .to_owned(),
            "DROP FUNCTION f()",
        ),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET local.x = '7'; END $$".to_owned(),
            "DROP FUNCTION f()",
        ),
        (
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET LOCAL search_path = x; END $$"
                .to_owned(),
            "DROP FUNCTION f()",
        ),
        (
            "CREATE CAST (bigint AS boolean) WITH FUNCTION pg_try_advisory_lock(bigint)".to_owned(),
            "DROP CAST (bigint AS boolean)",
        ),
    ] {
        for (sql, may_leave) in [(&*make, true), (remove, false)] {
            json_once(&db, sql);
            let client = Client::default();
            json(&db, &client, "SELECT 1");
            assert_eq!(client.keeps(&db.dsn), may_leave, "{sql}");
            db.block_on(client.end());
        }
    }
}

#[test]
fn a_function_that_a_transaction_or_another_program_makes_is_noticed_too() {
    let database = database("routines_others");
    let (db, others) = (with_connections(&database, 2), with_connections(&database, 1));
    let make = "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT set_config('work_mem', '7MB', false) $$";
    let keeps = || {
        let client = Client::default();
        json(&db, &client, "SELECT 1");
        let keeps = client.keeps(&db.dsn);
        db.block_on(client.end());
        keeps
    };
    let maker = Client::default();
    for sql in ["BEGIN", make] {
        json(&db, &maker, sql);
    }
    assert!(!keeps(), "nobody else sees it yet");
    json(&db, &maker, "COMMIT");
    assert!(keeps(), "at once, because it was made here");
    db.block_on(maker.end());
    json_once(&db, "DROP FUNCTION f()");
    assert!(!keeps());
    json_once(&others, make);
    let began = Instant::now();
    while !keeps() {
        assert!(began.elapsed() < Duration::from_secs(60), "it is not noticed");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_function_that_its_transaction_has_made_and_taken_back_has_left_nothing() {
    let db = with_connections(&database("routines_taken_back"), 1);
    let pid = json_once(&db, PID);
    let locks = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    let make = "CREATE FUNCTION locks() RETURNS int LANGUAGE plpgsql AS \
                $$ BEGIN EXECUTE format('SELECT pg_%s_lock(7)', 'advisory'); RETURN 1; END $$";
    for ends in [&["ROLLBACK"][..], &["ROLLBACK TO s", "COMMIT"]] {
        let client = Client::default();
        for sql in ["BEGIN", "SAVEPOINT s", make, "SELECT locks()"].iter().chain(ends) {
            json(&db, &client, sql);
        }
        db.block_on(client.end());
        assert_eq!(json_once(&db, locks), r#"[{"n":0}]"#, "{ends:?}");
        assert_eq!(json_once(&db, PID), pid, "a reset is enough");
    }
}

#[test]
fn statements_stay_prepared_where_only_perhaps_something_is_left_and_those_of_functions_do_not() {
    let db = with_connections(&database("routines_prepared"), 1);
    function(&db, "prepares", "EXECUTE 'PREPARE theirs AS SELECT 1';");
    function(&db, "sequences", "PERFORM nextval('numbers');");
    json_once(&db, "CREATE SEQUENCE numbers");
    let prepared = "SELECT count(*) FILTER (WHERE from_sql) AS theirs, count(*) FILTER (WHERE NOT from_sql) > 2 AS ours \
                    FROM pg_prepared_statements";
    let client = Client::default();
    undisturbed("first statements of requests", || {
        for sql in ["SELECT 1", "SELECT 2", "SELECT sequences()", prepared] {
            json_once(&db, sql);
        }
        json_once(&db, prepared) == r#"[{"theirs":0,"ours":true}]"#
    });
    let lost = db.block_on(db.ask(&client, "SELECT lastval()", &[])).unwrap_err();
    assert_eq!(lost.sqlstate(), Some("55000"), "it is not yet defined in this session: {lost}");
    db.block_on(client.end());
    json(&db, &client, "SELECT prepares()");
    assert!(json(&db, &client, prepared).contains(r#""theirs":1"#));
    db.block_on(client.end());
    assert_eq!(json_once(&db, prepared), r#"[{"theirs":0,"ours":false}]"#);
}

#[test]
fn a_stream_leaves_nothing_either_and_costs_no_connection() {
    let db = with_connections(&database("routines_streaming"), 1);
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
    assert!(client.keeps(&db.dsn), "the stream's connection is its client's");
    db.block_on(client.end());
    assert_eq!(json_once(&db, "SHOW work_mem"), r#"[{"work_mem":"4MB"}]"#);
    assert_eq!(json_once(&db, PID), pid);
}

#[test]
fn a_connection_on_which_only_perhaps_something_is_left_is_missed_once_when_it_has_died() {
    let (database, watcher) = (database("routines_replaced"), with_connections(&postgres_dsn(), 1));
    let db = with_connections(&database, 1);
    function(&db, "setting", "PERFORM set_config('work_mem', '7MB', false);");
    let client = Client::default();
    let pid = json(&db, &client, PID);
    for _ in 0..2 {
        assert!(client.keeps(&db.dsn));
        assert_eq!(json(&db, &client, PID), pid);
    }
    json_once(&watcher, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'routines_replaced'");
    let gone = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = 'routines_replaced'";
    let began = Instant::now();
    while json_once(&watcher, gone) != r#"[{"n":0}]"# {
        assert!(began.elapsed() < Duration::from_secs(60));
    }
    let error = db.block_on(db.ask(&client, PID, &[])).unwrap_err();
    assert!(error.sqlstate().is_some_and(|state| state.starts_with("08") || state == "57P01"), "{error}");
    assert_ne!(json(&db, &client, PID), pid, "and then there is another one");
    db.block_on(client.end());
}

#[test]
fn rows_that_are_a_clients_last_wish_come_in_parts_over_the_connection_that_it_keeps() {
    let db = with_connections(&database("routines_parts"), 1);
    function(&db, "setting", "PERFORM set_config('work_mem', '7MB', false);");
    let client = Client::default();
    json(&db, &client, "SELECT setting()");
    let sql = "SELECT current_setting('work_mem') AS m, repeat('x', 1000) AS x FROM generate_series(1, 5000)";
    for (is_last, in_parts) in [(false, false), (true, true)] {
        db.block_on(async {
            let statement = Statement::new(sql, &[][..]);
            let mut cursor = match is_last {
                true => db.database.stream_last(&client, &db.dsn, statement).await.unwrap(),
                false => db.database.stream(&client, &db.dsn, statement).await.unwrap(),
            };
            let (mut rows, mut parts) = (0, 0);
            while let Some(table) = cursor.next().await.unwrap() {
                assert!(
                    encode::to_vec(&table).starts_with(br#"[{"m":"7MB","#),
                    "what the client's functions have left"
                );
                if !is_last {
                    let beside = db.ask(&client, "SELECT current_setting('work_mem') AS m", &[]).await.unwrap();
                    assert_eq!(encode::to_vec(&beside.table), br#"[{"m":"7MB"}]"#, "beside a stream, too");
                }
                (rows, parts) = (rows + table.rows(), parts + 1);
            }
            assert_eq!((rows, parts > 2), (5000, in_parts), "{parts}");
        });
        assert!(client.keeps(&db.dsn));
    }
    db.block_on(client.end());
    assert_eq!(json_once(&db, "SHOW work_mem"), r#"[{"work_mem":"4MB"}]"#);
}

#[test]
fn what_a_function_has_left_before_a_stream_is_there_behind_it() {
    let db = with_connections(&database("routines_behind"), 1);
    function(&db, "temporary", "CREATE TEMP TABLE routines_left (n int);");
    let client = Client::default();
    for sql in ["SELECT temporary()", "INSERT INTO routines_left VALUES (1), (2)"] {
        json(&db, &client, sql);
    }
    db.block_on(async {
        let statement = Statement::new("SELECT n FROM routines_left", &[][..]);
        let mut cursor = db.database.stream_last(&client, &db.dsn, statement).await.unwrap();
        assert_eq!(cursor.next().await.unwrap().unwrap().rows(), 2);
        assert!(cursor.next().await.unwrap().is_none());
    });
    assert_eq!(json(&db, &client, "SELECT count(*) AS n FROM routines_left"), r#"[{"n":2}]"#);
    db.block_on(client.end());
    assert_eq!(left(&db, &Client::default()), NOTHING);
}

#[test]
fn a_transaction_of_a_dsn_that_always_resets_is_one() {
    let db = with_connections(&format!("{}?reset=always", postgres_dsn()), 1);
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
    let db = with_connections(&postgres_dsn(), 1);
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
