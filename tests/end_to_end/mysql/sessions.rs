//! What a session is, and what the server says about it.

use crate::databases::{Fixture, json, json_once, mysql_dsn, text, with_connections};
use lyger::db::{Client, Error, Limits, Param, Statement, Transaction};
use std::time::Duration;

fn state(db: &Fixture, client: &Client) -> Transaction {
    db.block_on(client.transaction(&db.dsn))
}

const ID: &str = "SELECT CONNECTION_ID() AS id";

#[test]
fn a_session_is_reset_and_not_closed() {
    let db = with_connections(&mysql_dsn(), 1);
    let before = db.json(ID, &[]);
    let client = Client::default();
    for sql in [
        "SET time_zone = '+09:00'",
        "SET sql_mode = 'ANSI_QUOTES'",
        "SET NAMES latin1",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET autocommit = 0",
        "SET @mine = 1",
        "CREATE TEMPORARY TABLE sessions_mine (n int)",
        "SELECT GET_LOCK('sessions', 0)",
        "PREPARE mine FROM 'SELECT 1'",
        "USE information_schema",
    ] {
        json(&db, &client, sql);
    }
    let asked = "SELECT CONVERT(CONCAT_WS(',', @@time_zone, @@character_set_client, @@tx_isolation, @@autocommit, \
                 @@sql_mode = @@GLOBAL.sql_mode, @mine, IS_USED_LOCK('sessions'), DATABASE(), @@max_statement_time) USING utf8mb4) AS s";
    assert_ne!(json(&db, &client, asked), r#"[{"s":""}]"#);
    db.block_on(client.end());
    assert_eq!(db.json(asked, &[]), r#"[{"s":"+00:00,utf8mb4,REPEATABLE-READ,ON,1,lyger_test,30.000000"}]"#);
    assert_eq!(db.json(ID, &[]), before, "it is the same connection");
    assert_eq!(db.error("SELECT * FROM sessions_mine", &[]).sqlstate(), Some("42S02"));
    assert!(db.error("EXECUTE mine", &[]).to_string().contains("Unknown prepared statement"));
    // What was prepared before is prepared again.
    assert_eq!(db.json("SELECT ? AS n", &[Param::Int(1)]), r#"[{"n":1}]"#);
}

#[test]
fn a_session_without_a_database_does_not_come_back_with_one() {
    let dsn = mysql_dsn().replace("/lyger_test", "");
    let db = with_connections(&dsn, 1);
    let (client, before) = (Client::default(), db.json(ID, &[]));
    json(&db, &client, "SET @mine = 1");
    db.block_on(client.end());
    assert_eq!(db.json(ID, &[]), before, "a reset is enough");
    json(&db, &client, "USE information_schema");
    db.block_on(client.end());
    assert_eq!(db.json("SELECT DATABASE() AS d", &[]), r#"[{"d":null}]"#);
}

#[test]
fn a_transaction_is_open_when_the_server_says_so() {
    let db = with_connections(&mysql_dsn(), 2);
    db.create("sessions_open", "n INT PRIMARY KEY");
    let client = Client::default();
    json(&db, &client, "BEGIN");
    assert_eq!(state(&db, &client), Transaction::Open);
    json(&db, &client, "INSERT INTO sessions_open VALUES (1)");
    db.block_on(db.ask(&client, "INSERT INTO sessions_open VALUES (1)", &[])).unwrap_err();
    assert_eq!(state(&db, &client), Transaction::Open, "a statement that fails ends none");
    json(&db, &client, "CREATE OR REPLACE TABLE sessions_other (n INT)");
    assert_eq!(state(&db, &client), Transaction::None, "a CREATE TABLE commits");
    assert_eq!(db.json("SELECT n FROM sessions_open", &[]), r#"[{"n":1}]"#);
    assert!(!client.keeps(&db.dsn), "a refusal leaves nothing for its author");
    db.block_on(client.end());

    // Words alone would say that nothing was begun, or that something is.
    json(&db, &client, "SAVEPOINT nothing");
    assert!(!client.keeps(&db.dsn));
    json(&db, &client, "DROP PROCEDURE IF EXISTS sessions_begin");
    json(
        &db,
        &client,
        "CREATE PROCEDURE sessions_begin(fails INT) BEGIN START TRANSACTION; INSERT INTO sessions_open \
                        VALUES (2); IF fails THEN SIGNAL SQLSTATE '45000'; END IF; END",
    );
    for fails in [0, 1] {
        let outcome = db.block_on(db.ask(&client, "CALL sessions_begin(?)", &[Param::Int(fails)]));
        assert_eq!(outcome.is_err(), fails == 1);
        assert_eq!(state(&db, &client), Transaction::Open, "{fails}");
        db.block_on(client.end());
        assert_eq!(db.json("SELECT n FROM sessions_open", &[]), r#"[{"n":1}]"#, "{fails}");
    }
}

#[test]
fn a_deadlock_ends_the_transaction_that_it_was_found_in() {
    let db = with_connections(&mysql_dsn(), 3);
    db.create("sessions_deadlock", "id INT PRIMARY KEY, n INT");
    db.query("INSERT INTO sessions_deadlock VALUES (1, 0), (2, 0)", &[]);
    let clients = [Client::default(), Client::default()];
    let set = |client: usize, id: i64| {
        let db = &db;
        let client = &clients[client];
        async move { db.ask(client, "UPDATE sessions_deadlock SET n = n + 1 WHERE id = ?", &[Param::Int(id)]).await }
    };
    for (client, id) in [(0, 1), (1, 2)] {
        json(&db, &clients[client], "BEGIN");
        db.block_on(set(client, id)).unwrap();
    }
    let (one, other) = db.block_on(async { tokio::join!(set(0, 2), set(1, 1)) });
    let loser = usize::from(one.is_ok());
    let error = if loser == 0 { one.unwrap_err() } else { other.unwrap_err() };
    assert_eq!(error.sqlstate(), Some("40001"), "{error}");
    assert_eq!((state(&db, &clients[loser]), state(&db, &clients[1 - loser])), (Transaction::None, Transaction::Open));
}

#[test]
fn set_transaction_holds_for_the_next_one_and_for_nobody_elses() {
    let db = with_connections(&mysql_dsn(), 1);
    db.create("sessions_next", "n INT");
    let read_only = |client: &Client| {
        json(&db, client, "BEGIN");
        let outcome = db.block_on(db.ask(client, "INSERT INTO sessions_next VALUES (1)", &[]));
        json(&db, client, "ROLLBACK");
        outcome.is_err_and(|error| error.sqlstate() == Some("25006"))
    };
    let client = Client::default();
    json(&db, &client, "SET TRANSACTION READ ONLY");
    assert!(client.keeps(&db.dsn));
    assert!(read_only(&client));
    assert!(!read_only(&client) && !client.keeps(&db.dsn));
    for end in ["COMMIT", "ROLLBACK", ""] {
        json(&db, &client, "SET TRANSACTION READ ONLY");
        match end {
            "" => db.block_on(client.end()),
            end => drop(json(&db, &client, end)),
        }
        assert!(!client.keeps(&db.dsn), "{end}");
        assert!(!read_only(&Client::default()), "{end}");
    }
}

#[test]
fn a_table_that_has_changed_is_seen_by_what_was_prepared_before() {
    let (db, other) = (with_connections(&mysql_dsn(), 1), with_connections(&mysql_dsn(), 1));
    db.create("sessions_changed", "a INT, b VARCHAR(9)");
    db.query("INSERT INTO sessions_changed VALUES (7, '8')", &[]);
    let id = db.json(ID, &[]);
    let all = || db.json("SELECT * FROM sessions_changed WHERE a < ?", &[Param::Int(100)]);
    for _ in 0..2 {
        assert_eq!(all(), r#"[{"a":7,"b":"8"}]"#);
    }
    for (change, expected) in [
        ("MODIFY a VARCHAR(5)", r#"[{"a":"7","b":"8"}]"#),
        ("MODIFY a DECIMAL(9, 2)", r#"[{"a":"7.00","b":"8"}]"#),
        ("MODIFY a BIGINT UNSIGNED", r#"[{"a":7,"b":"8"}]"#),
        ("MODIFY b INT", r#"[{"a":7,"b":8}]"#),
        ("CHANGE b c INT", r#"[{"a":7,"c":8}]"#),
        ("ADD d DATETIME DEFAULT '2024-01-02 03:04:05'", r#"[{"a":7,"c":8,"d":"2024-01-02T03:04:05"}]"#),
        ("MODIFY d TIMESTAMP NULL DEFAULT NULL", r#"[{"a":7,"c":8,"d":"2024-01-02T03:04:05Z"}]"#),
        ("DROP d, MODIFY c BLOB", r#"[{"a":7,"c":"OA=="}]"#),
        ("MODIFY c TEXT", r#"[{"a":7,"c":"8"}]"#),
    ] {
        // By this connection, and by another's.
        let by = if expected.len() % 2 == 0 { &db } else { &other };
        by.query(&format!("ALTER TABLE sessions_changed {change}"), &[]);
        for _ in 0..3 {
            assert_eq!(all(), expected, "{change}");
        }
    }
    assert_eq!(db.json(ID, &[]), id);
}

#[test]
fn a_placeholder_takes_values_of_any_type_one_after_the_other() {
    let db = with_connections(&mysql_dsn(), 1);
    for _ in 0..3 {
        for (value, shown) in [
            (Param::Int(-7), "-7"),
            (text("ü"), r#""ü""#),
            (Param::Null, "null"),
            (Param::Float(0.5), "0.5"),
            (Param::Bool(true), "1"),
            (Param::Bytes(vec![0, 255]), r#""AP8=""#),
            (Param::Null, "null"),
        ] {
            assert_eq!(db.json("SELECT ? AS v", std::slice::from_ref(&value)), format!(r#"[{{"v":{shown}}}]"#));
        }
    }
}

#[test]
fn a_connection_keeps_a_bounded_number_of_statements_on_the_server() {
    let db = with_connections(&mysql_dsn(), 1);
    let kept = || {
        let rows = db.json("SHOW SESSION STATUS LIKE 'Com_stmt_%'", &[]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&rows).unwrap();
        let count = |name: &str| {
            let row = rows.iter().find(|row| row["Variable_name"] == name).unwrap();
            row["Value"].as_str().unwrap().parse::<i64>().unwrap()
        };
        count("Com_stmt_prepare") - count("Com_stmt_close")
    };
    for n in 0..300 {
        assert_eq!(db.json(&format!("SELECT {n} AS n"), &[]), format!(r#"[{{"n":{n}}}]"#));
    }
    let long = format!("SELECT 1 AS n /*{}*/", "x".repeat(20_000));
    for _ in 0..5 {
        db.json(&long, &[]);
    }
    assert!((200..=252).contains(&kept()), "{}", kept());
    let error = db.error(&long.replace("1 AS n", "? AS n"), &[]);
    assert!(matches!(error, Error::InvalidParams { .. }), "{error}");
    assert!(kept() <= 252);
}

#[test]
fn a_statement_that_fails_on_the_way_to_the_client_is_waited_for_no_longer_than_it_takes() {
    // The rows before the refusal are none, and the connection is as good as before.
    let db = with_connections(&mysql_dsn(), 1);
    let id = db.json(ID, &[]);
    let sql = "SELECT seq, IF(seq = 5000, (SELECT 1 UNION SELECT 2), seq) AS v FROM seq_1_to_10000";
    let error = db.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), db.ask(&db.client, sql, &[])).await.expect("it ends").unwrap_err()
    });
    assert_eq!(error.sqlstate(), Some("21000"), "{error}");
    assert_eq!(db.json(ID, &[]), id);
}

#[test]
fn what_a_procedure_or_a_block_leaves_is_gone_with_its_client_too() {
    let db = with_connections(&mysql_dsn(), 1);
    for sql in [
        "CREATE OR REPLACE PROCEDURE sessions_variable() SET @theirs = 1",
        "CREATE OR REPLACE PROCEDURE sessions_autocommit() SET autocommit = 0",
        "CREATE OR REPLACE PROCEDURE sessions_lock() DO GET_LOCK('sessions_theirs', 0)",
        "CREATE OR REPLACE PROCEDURE sessions_table() CREATE TEMPORARY TABLE sessions_theirs (n int)",
    ] {
        // Their texts look as if they left something themselves.
        let client = Client::default();
        json(&db, &client, sql);
        db.block_on(client.end());
    }
    let before = db.json(ID, &[]);
    for sql in [
        "CALL sessions_variable()",
        "CALL sessions_autocommit()",
        "CALL sessions_lock()",
        "CALL sessions_table()",
        "BEGIN NOT ATOMIC SET @theirs = 1; END",
        "IF 1 THEN SET SESSION innodb_lock_wait_timeout = 4; END IF",
        "EXECUTE IMMEDIATE 'SET @theirs = 1'",
    ] {
        let client = Client::default();
        json(&db, &client, sql);
        db.block_on(client.end());
        let left = "SELECT CONVERT(CONCAT_WS(',', @theirs, @@autocommit, IS_USED_LOCK('sessions_theirs'), \
                    @@innodb_lock_wait_timeout) USING utf8mb4) AS s";
        assert_eq!(db.error("SELECT * FROM sessions_theirs", &[]).sqlstate(), Some("42S02"), "{sql}");
        assert_eq!(db.json(ID, &[]), before, "{sql}: a reset is enough");
        let client = Client::default();
        assert_eq!(json(&db, &client, left), r#"[{"s":"ON,50"}]"#, "{sql}");
        db.block_on(client.end());
    }
}

#[test]
fn a_statement_means_what_the_session_means_and_not_what_it_meant_when_it_was_prepared() {
    let db = with_connections(&mysql_dsn(), 1);
    let client = Client::default();
    for (sql, before, change, after) in [
        ("SELECT DATABASE() AS v", r#""lyger_test""#, "USE information_schema", r#""information_schema""#),
        ("SELECT 'a' || 'b' AS v", "0", "SET sql_mode = 'PIPES_AS_CONCAT'", r#""ab""#),
        ("SELECT 'a' = 'A' AS v", "1", "SET collation_connection = 'utf8mb4_bin'", "0"),
    ] {
        assert_eq!(json(&db, &client, sql), format!(r#"[{{"v":{before}}}]"#), "{sql}");
        json(&db, &client, change);
        assert_eq!(json(&db, &client, sql), format!(r#"[{{"v":{after}}}]"#), "{sql}");
    }
}

#[test]
fn a_procedure_of_several_results_is_refused_and_its_transaction_goes_on() {
    let db = with_connections(&mysql_dsn(), 1);
    db.create("sessions_several", "n int");
    db.query("CREATE OR REPLACE PROCEDURE sessions_two() BEGIN SELECT 1 AS a; SELECT 2 AS b; SELECT 3 AS c; END", &[]);
    let client = Client::default();
    json(&db, &client, "BEGIN");
    json(&db, &client, "INSERT INTO sessions_several VALUES (1)");
    let error = db.block_on(db.ask(&client, "CALL sessions_two()", &[])).unwrap_err();
    assert_eq!(error.sqlstate(), Some("0A000"), "{error}");
    assert_eq!(state(&db, &client), Transaction::Open);
    json(&db, &client, "COMMIT");
    db.block_on(client.end());
    assert_eq!(db.json("SELECT n FROM sessions_several", &[]), r#"[{"n":1}]"#);
}

#[test]
fn a_role_ends_with_its_request() {
    let db = with_connections(&mysql_dsn(), 1);
    let client = Client::default();
    json(&db, &client, "CREATE ROLE IF NOT EXISTS sessions_role");
    let role = "SELECT CONNECTION_ID() AS id, CURRENT_ROLE() AS role";
    let before = json(&db, &client, role);
    assert!(before.contains(r#""role":null"#), "{before}");
    json(&db, &client, "SET ROLE sessions_role");
    assert!(json(&db, &client, role).contains(r#""role":"sessions_role""#));
    db.block_on(client.end());
    assert_eq!(db.json(role, &[]), before, "the same connection, and no role");
    json(&db, &client, "DROP ROLE sessions_role");
    db.block_on(client.end());
}

#[test]
fn a_refused_statement_keeps_no_connection() {
    let db = with_connections(&mysql_dsn(), 1);
    db.create("sessions_refused", "n INT PRIMARY KEY");
    let client = Client::default();
    json(&db, &client, "INSERT INTO sessions_refused VALUES (1)");
    db.block_on(db.ask(&client, "INSERT INTO sessions_refused VALUES (1)", &[])).unwrap_err();
    assert!(!client.keeps(&db.dsn));
    // So the rows of a stream come as they are sent: all of them would be more than a result may hold.
    let rows = "SELECT seq, REPEAT('x', 1000) AS t FROM seq_1_to_100000";
    let total = db.block_on(async {
        let mut cursor = db.database.stream(&client, &db.dsn, Statement::new(rows, &[][..])).await.unwrap();
        let mut total = 0;
        while let Some(table) = cursor.next().await.unwrap() {
            total += table.rows();
        }
        total
    });
    assert_eq!(total, 100_000);
    db.block_on(client.end());
}

#[test]
fn a_database_that_was_dropped_and_made_again_is_the_next_requests_too() {
    let dsn = mysql_dsn();
    let maker = Fixture::new(&dsn, Limits::default());
    for sql in ["DROP DATABASE IF EXISTS stage_dropped", "CREATE DATABASE stage_dropped"] {
        maker.query(sql, &[]);
    }
    let (server, _) = dsn.rsplit_once('/').unwrap();
    let db = with_connections(&format!("{server}/stage_dropped"), 1);
    let client = Client::default();
    for sql in [
        "DROP DATABASE stage_dropped",
        "CREATE DATABASE stage_dropped",
        "CREATE TABLE stage_dropped.t (a int)",
        "INSERT INTO stage_dropped.t VALUES (1)",
    ] {
        json(&db, &client, sql);
    }
    db.block_on(client.end());
    assert_eq!(json_once(&db, "SELECT a FROM t"), r#"[{"a":1}]"#);
    maker.query("DROP DATABASE stage_dropped", &[]);
}
