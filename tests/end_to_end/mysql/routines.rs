//! What functions, procedures and triggers leave on a session, of which a statement's text says nothing.

use super::server::Server;
use crate::databases::{Fixture, json, json_once, mysql_dsn, with_connections};
use lyger::db::{Client, Param, Statement};

/// One connection to a schema of its own, whose code no other test's user sees. `name` may have parameters behind it.
fn own(name: &str) -> Fixture {
    let (schema, _) = name.split_once('?').unwrap_or((name, ""));
    let maker = with_connections(&of("routines", "information_schema"), 1);
    json_once(&maker, &format!("CREATE DATABASE IF NOT EXISTS {schema}"));
    json_once(&maker, &format!("CREATE USER IF NOT EXISTS {schema}@'127.0.0.1'"));
    json_once(&maker, &format!("GRANT ALL ON {schema}.* TO {schema}@'127.0.0.1'"));
    with_connections(&of(schema, name), 1)
}

/// The DSN for another user of the server.
fn of(user: &str, schema: &str) -> String {
    let dsn = mysql_dsn();
    let (_, server) = dsn.rsplit_once('@').unwrap();
    let (server, _) = server.split_once('/').unwrap();
    format!("mysql://{user}@{server}/{schema}")
}

/// Makes what a test needs, with a client of its own: the texts look as if they left something themselves.
fn make(db: &Fixture, statements: &[&str]) {
    let client = Client::default();
    for sql in statements {
        json(db, &client, sql);
    }
    db.block_on(client.end());
}

const ID: &str = "SELECT CONNECTION_ID() AS id";

const LEFT: &str = "SELECT CONVERT(CONCAT_WS(',', @routines, @@innodb_lock_wait_timeout) USING utf8mb4) AS s";

/// The variable and the setting, and whether the temporary table is there.
fn look(db: &Fixture, client: &Client) -> (String, bool) {
    let has_table = db.block_on(db.ask(client, "SELECT COUNT(*) AS n FROM routines_temporary", &[])).is_ok();
    (json(db, client, LEFT), has_table)
}

#[test]
fn what_functions_triggers_and_procedures_leave_is_their_requests_and_gone_with_it() {
    let db = own("routines_told?reset=told");
    make(
        &db,
        &[
            "CREATE OR REPLACE TABLE routines_t (n INT PRIMARY KEY, fails INT DEFAULT 0)",
            "CREATE OR REPLACE TABLE routines_u (n INT PRIMARY KEY)",
            "INSERT INTO routines_u VALUES (1), (2)",
            "CREATE OR REPLACE FUNCTION routines_variable() RETURNS INT BEGIN SET @routines = 7; RETURN 1; END",
            "CREATE OR REPLACE FUNCTION routines_setting() RETURNS INT BEGIN SET SESSION innodb_lock_wait_timeout = 7; RETURN 1; END",
            "CREATE OR REPLACE FUNCTION routines_table() RETURNS INT BEGIN CREATE TEMPORARY TABLE routines_temporary (n INT); RETURN 1; END",
            "CREATE OR REPLACE PROCEDURE routines_all() BEGIN SET @routines = 7; SET SESSION innodb_lock_wait_timeout = 7; \
             CREATE TEMPORARY TABLE routines_temporary (n INT); END",
            "CREATE OR REPLACE TRIGGER routines_on_t BEFORE INSERT ON routines_t FOR EACH ROW BEGIN CALL routines_all(); \
             IF NEW.fails THEN SIGNAL SQLSTATE '45000'; END IF; END",
            "CREATE OR REPLACE TRIGGER routines_on_u AFTER UPDATE ON routines_u FOR EACH ROW SET @routines = 7",
            "CREATE OR REPLACE FUNCTION routines_fails() RETURNS INT BEGIN SET @routines = 7; SIGNAL SQLSTATE '45000'; RETURN 1; END",
            "CREATE OR REPLACE VIEW routines_view AS SELECT routines_variable() AS n",
        ],
    );
    let (variable, setting, nothing) = ([r#"7,50"#, "50"], ["7", "50"], ["50", "50"]);
    let id = db.json(ID, &[]);
    for (sql, [left, gone], leaves_table, fails) in [
        ("SELECT routines_variable() AS n", variable, false, false),
        ("SELECT n FROM routines_view", variable, false, false),
        ("SELECT routines_setting() AS n", setting, false, false),
        ("SELECT routines_table() AS n", nothing, true, false),
        ("INSERT INTO routines_t (n) VALUES (1)", ["7,7", "50"], true, false),
        ("UPDATE routines_u SET n = n + 10 WHERE n = 1", variable, false, false),
        ("CALL routines_all()", ["7,7", "50"], true, false),
        // What is refused has happened all the same, and the server doesn't tell: the connection is nobody's, and reset.
        ("SELECT routines_fails() AS n", variable, false, true),
        ("INSERT INTO routines_t (n, fails) VALUES (2, 1)", ["7,7", "50"], true, true),
        ("UPDATE routines_u SET n = 2", variable, false, true),
    ] {
        let client = Client::default();
        let outcome = db.block_on(db.ask(&client, sql, &[]));
        assert_eq!(outcome.is_err(), fails, "{sql}: {outcome:?}");
        assert_eq!(client.keeps(&db.dsn), !fails, "{sql}: the request has its connection for itself");
        let (found, has_table) = if fails { (gone, false) } else { (left, leaves_table) };
        assert_eq!(look(&db, &client), (format!(r#"[{{"s":"{found}"}}]"#), has_table), "{sql}");
        db.block_on(client.end());
        let other = Client::default();
        assert_eq!(look(&db, &other), (format!(r#"[{{"s":"{gone}"}}]"#), false), "{sql}");
        db.block_on(other.end());
        assert_eq!(db.json(ID, &[]), id, "{sql}: a reset is enough");
    }
}

#[test]
fn what_a_function_leaves_in_a_transaction_or_beside_a_stream_is_gone_with_it() {
    let db = own("routines_transaction?reset=told");
    let function = "CREATE OR REPLACE FUNCTION routines_beside() RETURNS INT BEGIN SET @routines = 7; RETURN 1; END";
    make(&db, &[function]);
    let (id, client) = (db.json(ID, &[]), Client::default());
    for sql in ["BEGIN", "SELECT routines_beside() AS n", "COMMIT"] {
        json(&db, &client, sql);
    }
    assert!(client.keeps(&db.dsn), "a COMMIT ends no variable");
    db.block_on(client.end());
    assert_eq!(json_once(&db, "SELECT @routines IS NULL AS gone"), r#"[{"gone":1}]"#);
    let rows = db.block_on(async {
        let statement = Statement::new("SELECT routines_beside() AS n", &[][..]);
        let mut cursor = db.database.stream(&client, &db.dsn, statement).await.unwrap();
        let mut rows = 0;
        while let Some(table) = cursor.next().await.unwrap() {
            rows += table.rows();
        }
        rows
    });
    assert_eq!((rows, client.keeps(&db.dsn)), (1, true));
    db.block_on(client.end());
    assert_eq!(json_once(&db, "SELECT @routines IS NULL AS gone"), r#"[{"gone":1}]"#);
    assert_eq!(db.json(ID, &[]), id, "a reset is enough");
}

#[test]
fn statements_that_leave_nothing_are_followed_by_no_reset() {
    let db = own("routines_ordinary?reset=told");
    make(
        &db,
        &[
            "CREATE OR REPLACE TABLE routines_ordinary (id INT AUTO_INCREMENT PRIMARY KEY, n INT)",
            "CREATE OR REPLACE FUNCTION routines_innocent(a INT) RETURNS INT BEGIN DECLARE b INT; SET b = a + 1; RETURN b; END",
            "CREATE OR REPLACE TRIGGER routines_innocent BEFORE INSERT ON routines_ordinary FOR EACH ROW SET NEW.n = NEW.n + 1",
        ],
    );
    // A reset begins these anew.
    let asked = || {
        let rows = db.json("SHOW SESSION STATUS LIKE 'Questions'", &[]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&rows).unwrap();
        rows[0]["Value"].as_str().unwrap().parse::<u64>().unwrap()
    };
    let mut before = asked();
    for (sql, params, fails) in [
        ("SELECT 1 AS n", &[][..], false),
        ("INSERT INTO routines_ordinary (n) VALUES (?)", &[Param::Int(1)], false),
        ("SELECT LAST_INSERT_ID() AS n", &[], false),
        ("SELECT SQL_CALC_FOUND_ROWS n FROM routines_ordinary LIMIT 0", &[], false),
        ("SELECT FOUND_ROWS() AS n", &[], false),
        ("UPDATE routines_ordinary SET n = LAST_INSERT_ID(n + ?)", &[Param::Int(1)], false),
        ("SELECT n FROM routines_ordinary WHERE n = ? FOR UPDATE", &[Param::Int(2)], false),
        ("SELECT routines_innocent(?) AS n", &[Param::Int(1)], false),
        ("SELECT n FROM nowhere", &[], true),
        ("SELECT ? AS n", &[], true),
        ("SHOW WARNINGS", &[], false),
        ("EXPLAIN SELECT 1", &[], false),
        ("CREATE TABLE IF NOT EXISTS routines_made (n INT)", &[], false),
        ("ALTER TABLE routines_made ADD IF NOT EXISTS m INT", &[], false),
        ("ANALYZE TABLE routines_made", &[], false),
        ("DROP TABLE IF EXISTS routines_made", &[], false),
        ("DELETE FROM routines_ordinary", &[], false),
    ] {
        for _ in 0..2 {
            let client = Client::default();
            let outcome = db.block_on(db.ask(&client, sql, params));
            assert_eq!(outcome.is_err(), fails, "{sql}: {outcome:?}");
            assert!(!client.keeps(&db.dsn), "{sql}");
        }
        let now = asked();
        assert!(now > before, "{sql}");
        before = now;
    }
}

#[test]
fn what_no_server_tells_is_gone_with_its_request_too() {
    for (query, is_reset) in [("", true), ("?reset=changed", true), ("?reset=always", true), ("?reset=told", false)] {
        let (db, lock) = (own(&format!("routines_untold{query}")), format!("routines {query}"));
        make(
            &db,
            &[
                &format!("CREATE OR REPLACE FUNCTION locks() RETURNS INT RETURN GET_LOCK('{lock}', 0)"),
                "CREATE OR REPLACE TABLE filled (n INT)",
                "CREATE OR REPLACE TRIGGER fills BEFORE INSERT ON filled FOR EACH ROW SELECT 7 INTO @filled",
            ],
        );
        let (id, client, other) = (json_once(&db, ID), Client::default(), Client::default());
        assert_eq!(json(&db, &client, "SELECT locks() AS n"), r#"[{"n":1}]"#);
        json(&db, &client, "INSERT INTO filled VALUES (1)");
        assert_eq!(client.keeps(&db.dsn), is_reset, "{query}");
        let left = format!("SELECT IS_FREE_LOCK('{lock}') AS free, @filled IS NOT NULL AS filled");
        let (all, nothing) = (r#"[{"free":0,"filled":1}]"#, r#"[{"free":1,"filled":0}]"#);
        db.block_on(client.end());
        // The statement reads a variable, and so is followed by a reset by itself.
        assert_eq!(json(&db, &other, &left), if is_reset { nothing } else { all }, "{query}");
        db.block_on(other.end());
        assert_eq!(json_once(&db, ID), id, "{query}: it is the same connection");
    }
}

#[test]
fn whatever_may_run_untold_is_noticed_when_it_is_made_and_forgotten_when_it_is_gone() {
    let db = own("routines_noticed");
    make(&db, &["CREATE OR REPLACE TABLE t (n INT)", "DROP VIEW IF EXISTS v", "DROP FUNCTION IF EXISTS f"]);
    for (make, remove) in [
        ("CREATE FUNCTION f() RETURNS INT RETURN GET_LOCK('x', 0)", "DROP FUNCTION f"),
        ("CREATE FUNCTION f() RETURNS INT BEGIN SELECT 1 INTO @x; RETURN 1; END", "DROP FUNCTION f"),
        ("CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW SET NEW.n = GET_LOCK('x', 0)", "DROP TRIGGER f"),
        ("CREATE VIEW v AS SELECT GET_LOCK('x', 0) AS n", "DROP VIEW v"),
        ("CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW /*!50000CALL*/ p()", "DROP TRIGGER f"),
        ("CREATE PACKAGE p AS FUNCTION inc RETURN INT; END", "DROP PACKAGE p"),
    ] {
        for (sql, may_leave) in [(make, true), (remove, false)] {
            let maker = Client::default();
            if sql.contains("PACKAGE") {
                json(&db, &maker, "SET sql_mode = 'ORACLE'");
            }
            json(&db, &maker, sql);
            db.block_on(maker.end());
            let client = Client::default();
            json(&db, &client, "SELECT 1 AS n");
            assert_eq!(client.keeps(&db.dsn), may_leave, "{sql}");
            db.block_on(client.end());
        }
    }
}

#[test]
fn code_that_can_leave_nothing_costs_no_connection_of_its_own() {
    let db = own("routines_harmless");
    for sql in [
        "CREATE OR REPLACE TABLE transactions (n INT, called INT)",
        "CREATE OR REPLACE TABLE t (n INT)",
        "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON t FOR EACH ROW INSERT INTO transactions (called) VALUES (NEW.n)",
        "CREATE OR REPLACE FUNCTION f(n INT) RETURNS INT BEGIN DECLARE recall INT; SET recall = n; RETURN recall; END",
        "INSERT INTO t VALUES (f(1))",
    ] {
        let client = Client::default();
        json(&db, &client, sql);
        assert!(!client.keeps(&db.dsn), "{sql}");
    }
}

#[test]
fn what_its_user_may_call_but_not_read_may_leave_anything() {
    let server = Server::start();
    let root = with_connections(&server.dsn("super", "127.0.0.1", ""), 1);
    let keeps = |user: &str| {
        let db = with_connections(&server.dsn(user, "127.0.0.1", ""), 1);
        let client = Client::default();
        json(&db, &client, "SELECT 1 AS n");
        let keeps = client.keeps(&db.dsn);
        db.block_on(client.end());
        keeps
    };
    let lock = "CREATE FUNCTION hidden.f() RETURNS INT RETURN GET_LOCK('hidden', 0)";
    for sql in ["CREATE DATABASE hidden", "CREATE USER reader@'127.0.0.1'", "CREATE USER caller@'127.0.0.1'"] {
        json_once(&root, sql);
    }
    for (sql, reader, caller) in [
        ("GRANT SELECT ON hidden.* TO reader@'127.0.0.1'", false, false),
        ("GRANT SELECT, EXECUTE ON hidden.* TO caller@'127.0.0.1'", false, false),
        (lock, false, true), // the reader sees no function, and may call none
        ("GRANT SELECT ON mysql.proc TO caller@'127.0.0.1'", false, true),
        ("CREATE OR REPLACE FUNCTION hidden.f() RETURNS INT RETURN 1", false, false), // as it may read now
    ] {
        json_once(&root, sql);
        assert_eq!((keeps("reader"), keeps("caller")), (reader, caller), "{sql}");
    }
}

#[test]
fn where_the_server_reads_texts_by_other_rules_each_may_leave_something() {
    let server = Server::start();
    let setting = with_connections(&server.dsn("super", "127.0.0.1", ""), 1);
    for (mode, may_leave) in
        [("ORACLE", true), ("NO_BACKSLASH_ESCAPES", true), ("ANSI_QUOTES", true), ("STRICT_ALL_TABLES", false)]
    {
        json_once(&setting, &format!("SET GLOBAL sql_mode = '{mode}'"));
        let db = with_connections(&server.dsn("open", "127.0.0.1", ""), 1);
        let client = Client::default();
        json(&db, &client, "SELECT 1 AS n");
        assert_eq!(client.keeps(&db.dsn), may_leave, "{mode}");
        if mode == "NO_BACKSLASH_ESCAPES" {
            json(&db, &client, r"SELECT 'a\', @x := 5, ''");
            db.block_on(client.end());
            assert_eq!(json(&db, &client, "SELECT @x IS NULL AS n"), r#"[{"n":1}]"#);
        }
        db.block_on(client.end());
    }
}

#[test]
fn what_a_function_leaves_is_gone_too_where_its_client_has_set_something_before() {
    let db = own("routines_hiding?reset=told");
    let client = Client::default();
    let function = "CREATE OR REPLACE FUNCTION hides() RETURNS INT BEGIN SET @hidden = 1; RETURN 1; END";
    json(&db, &client, function);
    json(&db, &client, "SET @mine = 1");
    json(&db, &client, "SELECT hides() AS n");
    assert_eq!(json(&db, &client, "SELECT @hidden AS n"), r#"[{"n":1}]"#);
    db.block_on(client.end());
    assert_eq!(json(&db, &Client::default(), "SELECT @hidden IS NULL AS n"), r#"[{"n":1}]"#);
}
