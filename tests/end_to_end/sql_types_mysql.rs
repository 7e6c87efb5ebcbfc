//! MySQL's types (as MariaDB sends them): what goes in, what the client and PHP get out.

use crate::databases::{json_of, mysql, text};
use lyger::db::{Forms, Given, Param, Statement};

#[test]
fn every_supported_type_has_its_json_form() {
    let db = mysql();
    db.query("SELECT 1", &[]);
    for (index, (column_type, literal, json)) in [
        ("TINYINT", "-128", "-128"),
        ("TINYINT UNSIGNED", "255", "255"),
        ("TINYINT(1)", "2", "2"),
        ("BOOLEAN", "TRUE", "1"),
        ("SMALLINT", "-32768", "-32768"),
        ("SMALLINT UNSIGNED", "65535", "65535"),
        ("MEDIUMINT", "-8388608", "-8388608"),
        ("MEDIUMINT UNSIGNED", "16777215", "16777215"),
        ("INT", "-2147483648", "-2147483648"),
        ("INT UNSIGNED", "4294967295", "4294967295"),
        ("BIGINT", "-9223372036854775808", "-9223372036854775808"),
        ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
        ("BIGINT UNSIGNED", "0", "0"),
        ("BIT(1)", "b'1'", "1"),
        ("BIT(64)", "18446744073709551615", "18446744073709551615"),
        ("YEAR", "2024", "2024"),
        ("FLOAT", "0.1", "0.1"),
        ("DOUBLE", "0.1", "0.1"),
        ("DOUBLE", "-1.7976931348623157e308", "-1.7976931348623157e+308"),
        ("DECIMAL(30,10)", "-12345678901234567890.5", r#""-12345678901234567890.5000000000""#),
        ("VARCHAR(50)", "'a \"quote\" \\\\ / ü 🦀'", r#""a \"quote\" \\ / ü 🦀""#),
        ("VARCHAR(9) COLLATE utf8mb4_bin", "'Bin'", r#""Bin""#),
        ("CHAR(5)", "'ab'", r#""ab""#),
        ("TINYTEXT", "'t'", r#""t""#),
        ("TEXT", "'t'", r#""t""#),
        ("LONGTEXT", "'t'", r#""t""#),
        ("BINARY(3)", "x'00ff'", r#""AP8A""#),
        ("VARBINARY(3)", "x'00ff'", r#""AP8=""#),
        ("BLOB", "x'00ff10'", r#""AP8Q""#),
        ("LONGBLOB", "x'00ff10'", r#""AP8Q""#),
        ("ENUM('a','b')", "'b'", r#""b""#),
        ("SET('a','b')", "'a,b'", r#""a,b""#),
        ("DATE", "'2024-02-29'", r#""2024-02-29""#),
        ("TIME", "'03:04:05'", r#""03:04:05""#),
        ("TIME(6)", "'-838:59:58.5'", r#""-838:59:58.5""#),
        ("DATETIME", "'2024-01-02 03:04:05'", r#""2024-01-02T03:04:05""#),
        ("DATETIME(6)", "'2024-01-02 03:04:05.678900'", r#""2024-01-02T03:04:05.6789""#),
        ("DATETIME", "'2024-01-02'", r#""2024-01-02T00:00:00""#),
        ("TIMESTAMP(6) NULL", "'2024-01-02 03:04:05.000001'", r#""2024-01-02T03:04:05.000001Z""#),
        ("UUID", "'123e4567-e89b-12d3-a456-426655440000'", r#""123e4567-e89b-12d3-a456-426655440000""#),
        ("INET6", "'2001:db8::1'", r#""2001:db8::1""#),
        // Four bytes of SRID, and WKB.
        ("POINT", "POINT(1, 2.5)", r#""AAAAAAEBAAAAAAAAAAAA8D8AAAAAAAAEQA==""#),
        // MariaDB's JSON is LONGTEXT on the wire; MySQL's own would be embedded.
        ("JSON", "'{\"a\": 1}'", r#""{\"a\": 1}""#),
    ]
    .into_iter()
    .enumerate()
    {
        let table = format!("forms_{index}");
        db.create(&table, &format!("v {column_type}, n {column_type}"));
        db.query(&format!("INSERT INTO {table} (v, n) VALUES ({literal}, NULL)"), &[]);
        let n = if column_type.starts_with("TIMESTAMP") { "n IS NULL" } else { "n" };
        let null = if n == "n" { "null" } else { "1" };
        let sql = format!("SELECT v, {n} AS n FROM {table}");
        assert_eq!(db.json(&sql, &[]), format!(r#"[{{"v":{json},"n":{null}}}]"#), "{column_type}");
        db.query(&format!("DROP TABLE {table}"), &[]);
    }
    assert_eq!(db.json("SELECT NULL AS n, 1.50 AS d, ? AS p", &[Param::Null]), r#"[{"n":null,"d":"1.50","p":null}]"#);
}

#[test]
fn php_gets_unsigned_integers_that_it_cannot_hold_as_digits() {
    assert_eq!(
        mysql().serialized("SELECT 18446744073709551615 AS big, CAST(5 AS UNSIGNED) AS small, x'ff00' AS raw", &[]),
        b"a:1:{i:0;a:3:{s:3:\"big\";s:20:\"18446744073709551615\";s:5:\"small\";i:5;s:3:\"raw\";s:2:\"\xff\0\";}}"
    );
}

#[test]
fn a_zero_date_is_its_text_and_not_null() {
    let db = mysql();
    db.create("zero_dates", "d DATE, t DATETIME, n DATE");
    let mode =
        "SET STATEMENT sql_mode='' FOR INSERT INTO zero_dates VALUES ('0000-00-00', '0000-00-00 00:00:00', NULL)";
    db.query(mode, &[]);
    assert_eq!(db.json("SELECT * FROM zero_dates", &[]), r#"[{"d":"0000-00-00","t":"0000-00-00T00:00:00","n":null}]"#);
}

#[test]
fn a_bound_null_has_no_type_that_could_be_refused_or_decide_anothers() {
    let db = mysql();
    db.create("typed_nulls", "u UUID, a INET6, p POINT, d DECIMAL(5,2)");
    db.query("INSERT INTO typed_nulls VALUES (?, ?, ?, ?)", &[Param::Null, Param::Null, Param::Null, Param::Null]);
    assert_eq!(db.json("SELECT * FROM typed_nulls", &[]), r#"[{"u":null,"a":null,"p":null,"d":null}]"#);
    let sql = "SELECT COALESCE(?, 5) AS i, COALESCE(?, 'x') AS t, COALESCE(?, 1.50) AS d";
    assert_eq!(db.json(sql, &[Param::Null, Param::Null, Param::Null]), r#"[{"i":5,"t":"x","d":"1.50"}]"#);
}

#[test]
fn decimals_asked_for_as_numbers_are_their_digits_without_quotes_and_without_zeros_in_front() {
    let db = mysql();
    db.create("numbers", "id INT, d DECIMAL(65,30), z DECIMAL(8,2) ZEROFILL");
    let nines = format!("{}.{}", "9".repeat(35), "9".repeat(30));
    db.query(&format!("INSERT INTO numbers VALUES (1, -{nines}, 42.5), (2, NULL, 0.05), (3, 0, NULL)"), &[]);
    let statement = |sql| Statement {
        forms: Forms { decimals_as_numbers: true, ..Forms::default() },
        ..Statement::new(sql, Given::default())
    };
    let ask = |sql| db.block_on(db.database.query(&db.client, &db.dsn, statement(sql))).unwrap();
    let zero = format!("0.{}", "0".repeat(30));
    assert_eq!(
        json_of(&ask("SELECT d, z FROM numbers ORDER BY id")),
        format!(r#"[{{"d":-{nines},"z":42.50}},{{"d":null,"z":0.05}},{{"d":{zero},"z":null}}]"#)
    );
    assert_eq!(json_of(&ask("SELECT AVG(2) AS a, 0.1e0 AS f, '1.50' AS t")), r#"[{"a":2.0000,"f":0.1,"t":"1.50"}]"#);
}

#[test]
fn the_session_means_what_it_means_under_pdo() {
    let db = mysql();
    assert_eq!(
        db.json("SELECT @@sql_mode = @@GLOBAL.sql_mode AS same, @@time_zone AS zone, '1' || '0' AS bool_or", &[]),
        r#"[{"same":1,"zone":"+00:00","bool_or":1}]"#
    );
    assert_eq!(
        db.json("SELECT @@character_set_client AS c, @@character_set_results AS r", &[]),
        r#"[{"c":"utf8mb4","r":"utf8mb4"}]"#
    );
}

#[test]
fn inserts_report_their_id_and_updates_what_they_found() {
    let db = mysql();
    db.create("ids", "id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20)");
    let insert = db.query("INSERT INTO ids (name) VALUES (?), (?)", &[text("a"), text("b")]);
    assert_eq!((insert.affected, insert.last_insert_id), (2, Some(1)));
    let update = db.query("UPDATE ids SET name = 'a'", &[]);
    assert_eq!((update.affected, update.last_insert_id), (2, None));
    assert_eq!(db.query("SELECT * FROM ids", &[]).affected, 0);
    assert_eq!(db.query("DELETE FROM ids WHERE id = ?", &[text("2")]).affected, 1);
}

#[test]
fn columns_are_known_also_without_rows() {
    let rows = mysql().query("SELECT 1 AS a, 'x' AS b FROM DUAL WHERE 1 = 0", &[]);
    let names: Vec<&str> = rows.table.columns().iter().map(|column| column.name()).collect();
    assert_eq!((rows.table.rows(), names), (0, vec!["a", "b"]));
}
