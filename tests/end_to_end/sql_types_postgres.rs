//! PostgreSQL's types: what goes in, what the client and PHP get out.

use crate::databases::{postgres, text};
use lyger::db::{Error, Param};

#[test]
fn every_supported_type_has_its_json_form() {
    let db = postgres();
    db.query("DROP TYPE IF EXISTS forms_mood CASCADE", &[]);
    db.query("CREATE TYPE forms_mood AS ENUM ('glad', 'sad \"!\"')", &[]);
    db.query("DROP DOMAIN IF EXISTS forms_percent CASCADE", &[]);
    db.query("CREATE DOMAIN forms_percent AS int4 CHECK (VALUE <= 100)", &[]);
    for (sql_type, literal, json) in [
        ("int2", "-32768", "-32768"),
        ("int4", "2147483647", "2147483647"),
        ("int8", "-9223372036854775808", "-9223372036854775808"),
        ("int8", "9223372036854775807", "9223372036854775807"),
        ("oid", "4294967295", "4294967295"),
        ("float4", "0.1", "0.1"),
        ("float4", "16777216", "16777216.0"),
        ("float8", "0.1", "0.1"),
        ("float8", "-1.7976931348623157e308", "-1.7976931348623157e+308"),
        ("float8", "NaN", "null"),
        ("float8", "-Infinity", "null"),
        ("bool", "true", "true"),
        ("bool", "false", "false"),
        ("text", r#"a "quote", a \ and a / ü 🦀"#, r#""a \"quote\", a \\ and a / ü 🦀""#),
        ("varchar(3)", "abc", r#""abc""#),
        ("char(4)", "ab", r#""ab  ""#),
        ("name", "n", r#""n""#),
        (r#""char""#, "x", r#""x""#),
        ("bytea", r"\x00ff10", r#""AP8Q""#),
        ("numeric", "12345678901234567890.123456789", r#""12345678901234567890.123456789""#),
        ("numeric(10,2)", "-0.5", r#""-0.50""#),
        ("numeric", "1e10", r#""10000000000""#),
        ("numeric", "0.00001234", r#""0.00001234""#),
        ("numeric", "NaN", r#""NaN""#),
        ("numeric", "-Infinity", r#""-Infinity""#),
        ("date", "2024-02-29", r#""2024-02-29""#),
        ("date", "0044-03-15 BC", r#""0044-03-15 BC""#),
        ("date", "infinity", r#""infinity""#),
        ("time", "03:04:05.5", r#""03:04:05.5""#),
        ("time", "24:00", r#""24:00:00""#),
        ("timestamp", "2024-01-02 03:04:05", r#""2024-01-02T03:04:05""#),
        ("timestamp", "1969-12-31 23:59:59.000001", r#""1969-12-31T23:59:59.000001""#),
        ("timestamptz", "2024-01-02 03:04:05.678901+02", r#""2024-01-02T01:04:05.678901Z""#),
        ("timestamptz", "-infinity", r#""-infinity""#),
        ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", r#""a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11""#),
        ("json", r#"{"b": [1, 2.50]}"#, r#"{"b": [1, 2.50]}"#),
        ("jsonb", r#"{"b": [1, 2.50]}"#, r#"{"b": [1, 2.50]}"#),
        ("forms_mood", "sad \"!\"", r#""sad \"!\"""#),
        ("forms_percent", "7", "7"),
    ] {
        let sql = format!("SELECT $v${literal}$v$::{sql_type} AS v, NULL::{sql_type} AS n");
        assert_eq!(db.json(&sql, &[]), format!(r#"[{{"v":{json},"n":null}}]"#), "{sql_type}");
    }
    assert_eq!(db.json("SELECT pg_sleep(0) AS v, NULL AS n", &[]), r#"[{"v":"","n":null}]"#, "void, unknown");
}

#[test]
fn php_gets_the_types_and_not_only_text() {
    let db = postgres();
    let sql = r"SELECT 1::int8 AS i, 0.5::float8 AS f, 'NaN'::float8 AS n, true AS b, 1.50::numeric AS d, '\xff00'::bytea AS y, NULL AS z";
    assert_eq!(
        db.serialized(sql, &[]),
        b"a:1:{i:0;a:7:{s:1:\"i\";i:1;s:1:\"f\";d:0.5;s:1:\"n\";d:NAN;s:1:\"b\";b:1;s:1:\"d\";s:4:\"1.50\";s:1:\"y\";s:2:\"\xff\0\";s:1:\"z\";N;}}"
    );
}

#[test]
fn what_the_engine_has_no_form_for_is_the_servers_text_in_and_out() {
    let db = postgres();
    for (sql_type, literal) in [
        ("inet", "10.0.0.1/8"),
        ("interval", "1 year 2 mons -3 days +04:05:06.7"),
        ("money", "$1,234.50"),
        ("point", "(1,2.5)"),
        ("timetz", "03:04:05.5-05:30"),
        ("bit(3)", "101"),
        ("int4range", "[1,2)"),
        ("tsvector", "'a' 'b'"),
        ("xml", "<a/>"),
        ("macaddr", "08:00:2b:01:02:03"),
        ("regclass", "pg_class"),
        ("pg_lsn", "16/B374D848"),
    ] {
        let sql = format!("SELECT ?::{sql_type} AS v, NULL::{sql_type} AS n");
        let expected = serde_json::json!([{ "v": literal, "n": null }]).to_string();
        assert_eq!(db.json(&sql, &[text(literal)]), expected, "{sql_type}");
    }
    let error = db.error("SELECT ?::text, ?::inet", &[text("a"), text("nowhere")]);
    assert!(matches!(error, Error::InvalidParams { position: Some(2), .. }), "{error:?}");
    assert_eq!(error.to_string(), r#"parameter 2: invalid input syntax for type inet: "nowhere""#);
    assert_eq!(db.json("SELECT 1 AS a", &[]), r#"[{"a":1}]"#);
}

#[test]
fn arrays_are_json_and_their_text_goes_back() {
    let db = postgres();
    db.query("DROP TYPE IF EXISTS array_mood CASCADE", &[]);
    db.query("CREATE TYPE array_mood AS ENUM ('glad', 'so \"ü\"')", &[]);
    for (sql_type, array, json) in [
        ("int4[]", "{1,NULL,-3}", "[1,null,-3]"),
        ("int4[][]", "{{1,2},{3,4}}", "[[1,2],[3,4]]"),
        ("int4[]", "[0:1]={5,6}", "[5,6]"),
        ("text[]", r#"{a,"b \" \\ ,",NULL,"NULL",""}"#, r#"["a","b \" \\ ,",null,"NULL",""]"#),
        ("numeric[]", "{1.50,NaN}", r#"["1.50","NaN"]"#),
        ("float8[]", "{0.1,NaN}", "[0.1,null]"),
        ("bool[]", "{t,f}", "[true,false]"),
        ("timestamptz[]", r#"{"2024-01-02 03:04:05+02"}"#, r#"["2024-01-02T01:04:05Z"]"#),
        ("jsonb[]", r#"{"{\"a\":1}","[2]"}"#, r#"[{"a": 1},[2]]"#),
        ("bytea[]", r#"{"\\x00ff"}"#, r#"["AP8="]"#),
        ("inet[]", "{10.0.0.1}", r#"["10.0.0.1"]"#),
        ("box[]", "{(1,1),(0,0);(2,2),(1,1)}", r#"["(1,1),(0,0)","(2,2),(1,1)"]"#),
        ("array_mood[]", r#"{glad,"so \"ü\""}"#, r#"["glad","so \"ü\""]"#),
        ("date[]", "{}", "[]"),
    ] {
        let sql = format!("SELECT ?::{sql_type} AS v");
        assert_eq!(db.json(&sql, &[text(array)]), format!(r#"[{{"v":{json}}}]"#), "{sql_type}");
    }
}

#[test]
fn a_thousand_rows_with_nulls_keep_their_places() {
    let db = postgres();
    let rows = db.query(
        "SELECT n::int8 AS id, CASE WHEN n % 3 = 0 THEN NULL ELSE 'row ' || n END AS name FROM generate_series(1, 1000) n",
        &[],
    );
    let json: serde_json::Value = serde_json::from_str(&crate::databases::json_of(&rows)).unwrap();
    for (index, row) in json.as_array().unwrap().iter().enumerate() {
        let n = index + 1;
        let name = if n % 3 == 0 { serde_json::Value::Null } else { format!("row {n}").into() };
        assert_eq!((&row["id"], &row["name"]), (&n.into(), &name));
    }
}

#[test]
fn columns_are_known_also_without_rows() {
    let rows = postgres().query("SELECT 1 AS a, 'x' AS b WHERE false", &[]);
    let names: Vec<&str> = rows.table.columns().iter().map(|column| column.name()).collect();
    assert_eq!((rows.table.rows(), names), (0, vec!["a", "b"]));
}

#[test]
fn every_inferred_type_takes_what_pdo_would_send_as_text() {
    let db = postgres();
    for (sql_type, param, json) in [
        ("int2", text(" 7 "), "7"),
        ("int4", Param::Int(-7), "-7"),
        ("int4", Param::Float(7.0), "7"),
        ("int4", Param::Bool(true), "1"),
        ("int8", text("-9223372036854775808"), "-9223372036854775808"),
        ("float4", Param::Float(0.1), "0.1"),
        ("float8", Param::Int(3), "3.0"),
        ("float8", text("1e-3"), "0.001"),
        ("float8", text("Infinity"), "null"),
        ("bool", Param::Bool(false), "false"),
        ("bool", Param::Int(1), "true"),
        ("bool", text("off"), "false"),
        ("numeric", text("-12345678901234567890.12300"), r#""-12345678901234567890.12300""#),
        ("numeric", Param::Int(i64::MIN), r#""-9223372036854775808""#),
        ("numeric", Param::Float(0.1), r#""0.1""#),
        ("numeric", Param::Float(1e22), r#""10000000000000000000000""#),
        ("text", Param::Int(5), r#""5""#),
        ("text", Param::Bool(true), r#""true""#),
        ("varchar", text("ü"), r#""ü""#),
        ("char(3)", text("a"), r#""a  ""#),
        ("name", text("n"), r#""n""#),
        ("uuid", text("a0eebc999c0b4ef8bb6d6bb9bd380a11"), r#""a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11""#),
        ("date", text("2024-02-29"), r#""2024-02-29""#),
        ("time", text("03:04:05.25"), r#""03:04:05.25""#),
        ("timestamp", text("2024-01-02 03:04:05"), r#""2024-01-02T03:04:05""#),
        ("timestamptz", text("2024-01-02T03:04:05+01:00"), r#""2024-01-02T02:04:05Z""#),
        ("json", text(r#"{"a":1}"#), r#"{"a":1}"#),
        ("jsonb", text(r#"[1, "x"]"#), r#"[1, "x"]"#),
        ("jsonb", Param::Int(5), "5"),
        ("bytea", Param::Bytes(vec![0, 1, 255]), r#""AAH/""#),
        ("bytea", text(r"\x41"), r#""XHg0MQ==""#),
    ] {
        let sql = format!("SELECT ?::{sql_type} AS v, ?::{sql_type} AS n");
        assert_eq!(db.json(&sql, &[param, Param::Null]), format!(r#"[{{"v":{json},"n":null}}]"#), "{sql_type}");
    }
}

#[test]
fn enums_domains_and_citext_are_bound_as_what_they_hold() {
    let db = postgres();
    db.query("DROP TYPE IF EXISTS bound_mood CASCADE", &[]);
    db.query("CREATE TYPE bound_mood AS ENUM ('glad', 'sad')", &[]);
    db.query("DROP DOMAIN IF EXISTS bound_even CASCADE", &[]);
    db.query("CREATE DOMAIN bound_even AS int4 CHECK (VALUE % 2 = 0)", &[]);
    assert_eq!(
        db.json("SELECT ?::bound_mood AS m, ?::bound_even AS e", &[text("sad"), text("4")]),
        r#"[{"m":"sad","e":4}]"#
    );
    assert_eq!(db.error("SELECT ?::bound_mood", &[text("odd")]).sqlstate(), Some("22P02"));
    assert_eq!(db.error("SELECT ?::bound_even", &[Param::Int(3)]).sqlstate(), Some("23514"));
    if db.try_query("CREATE EXTENSION IF NOT EXISTS citext", &[]).is_ok() {
        assert_eq!(
            db.json("SELECT ?::citext = 'ABC' AS same, 'Abc'::citext AS v", &[text("abc")]),
            r#"[{"same":true,"v":"Abc"}]"#
        );
    }
}

#[test]
fn what_has_no_form_is_refused_by_position_type_and_remedy() {
    let db = postgres();
    for (sql, params, expected) in [
        (
            "SELECT ?::text, ?::int4",
            vec![text("a"), text("4.5")],
            "parameter 2: \"4.5\" is no int4 that can be bound; write ?::text::int4",
        ),
        ("SELECT ?::int2", vec![Param::Int(40_000)], "parameter 1: 40000 is out of the range of int2"),
        ("SELECT ?::int4", vec![Param::Float(1.5)], "parameter 1: 1.5 is no int4"),
        ("SELECT ?::timestamptz", vec![Param::Int(0)], "parameter 1: an integer can't be bound as timestamptz"),
    ] {
        let error = db.error(sql, &params);
        assert!(matches!(error, Error::InvalidParams { position: Some(_), .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn dates_in_words_are_read_by_the_server() {
    let db = postgres();
    for (sql_type, words) in
        [("date", "Feb 29, 2024"), ("timestamp", "29-Feb-2024 00:00"), ("timestamptz", "20240229 UTC")]
    {
        let sql = format!("SELECT ?::{sql_type} = '2024-02-29'::{sql_type} AS same, 'today'::date = ?::date AS today");
        assert_eq!(db.json(&sql, &[text(words), text("today")]), r#"[{"same":true,"today":true}]"#, "{words}");
    }
    let error = db.error("SELECT ?::date", &[text("the day after")]);
    assert!(matches!(error, Error::InvalidParams { position: Some(1), .. }), "{error:?}");
}
