//! The same statements with the same random values, here and through sqlx: every type has the same value in both.

use crate::databases::{Fixture, for_all, mysql, mysql_dsn, text};
use lyger::db::Param;
use proptest::prelude::*;
use serde_json::Value;
use sqlx::mysql::{MySql, MySqlArguments, MySqlConnection, MySqlRow};
use sqlx::{Arguments, AssertSqlSafe, Connection, Encode, Row, Type};
use std::cell::RefCell;

struct Both {
    ours: Fixture,
    theirs: RefCell<MySqlConnection>,
}

impl Both {
    fn new() -> Self {
        let ours = mysql();
        let theirs = RefCell::new(ours.block_on(MySqlConnection::connect(&mysql_dsn())).unwrap());
        Self { ours, theirs }
    }

    /// The value as our JSON has it.
    fn ours(&self, sql: &str, params: &[Param]) -> Value {
        let rows: Value = serde_json::from_str(&self.ours.json(sql, params)).unwrap();
        rows[0]["v"].clone()
    }

    /// A float of ours, read with all its digits: serde_json may be off by the last one.
    fn our_float<F: std::str::FromStr>(&self, sql: &str, param: Param) -> Option<F> {
        self.ours.json(sql, &[param]).strip_prefix(r#"[{"v":"#)?.strip_suffix("}]")?.parse().ok()
    }

    fn theirs<'q, T: Encode<'q, MySql> + Type<MySql>>(&self, sql: &str, value: T) -> MySqlRow {
        let mut arguments = MySqlArguments::default();
        arguments.add(value).unwrap();
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments);
        self.ours.block_on(query.fetch_one(&mut *self.theirs.borrow_mut())).unwrap()
    }

    fn run(&self, sql: &str) {
        self.ours.query(sql, &[]);
    }
}

#[test]
fn numbers_are_the_same_through_sqlx() {
    let both = Both::new();
    let ints = [
        ("TINYINT", i64::from(i8::MIN), i64::from(i8::MAX)),
        ("TINYINT UNSIGNED", 0, u8::MAX.into()),
        ("SMALLINT", i16::MIN.into(), i16::MAX.into()),
        ("SMALLINT UNSIGNED", 0, u16::MAX.into()),
        ("MEDIUMINT", -(1 << 23), (1 << 23) - 1),
        ("MEDIUMINT UNSIGNED", 0, (1 << 24) - 1),
        ("INT", i32::MIN.into(), i32::MAX.into()),
        ("INT UNSIGNED", 0, u32::MAX.into()),
        ("BIGINT", i64::MIN, i64::MAX),
    ];
    both.run("DROP TABLE IF EXISTS differential_ints");
    let columns: Vec<String> = ints.iter().enumerate().map(|(n, (of_type, ..))| format!("c{n} {of_type}")).collect();
    both.run(&format!("CREATE TABLE differential_ints ({})", columns.join(", ")));
    both.run("INSERT INTO differential_ints (c0) VALUES (0)");
    for (n, (of_type, min, max)) in ints.into_iter().enumerate() {
        let (set, get) = (
            format!("UPDATE differential_ints SET c{n} = ?"),
            format!("SELECT c{n} AS v FROM differential_ints WHERE 1 = ?"),
        );
        for_all(prop_oneof![8 => min..=max, 1 => Just(min), 1 => Just(max)], |number| {
            both.ours.query(&set, &[Param::Int(number)]);
            let row = both.theirs(&get, 1);
            let theirs = match of_type.ends_with("UNSIGNED") {
                true => row.get::<u64, _>(0) as i64,
                false => row.try_get_unchecked::<i64, _>(0).unwrap(),
            };
            assert_eq!((both.ours(&get, &[Param::Int(1)]), theirs), (Value::from(number), number), "{of_type}");
        });
    }
    for_all(any::<u64>(), |number| {
        let sql = "SELECT CAST(? AS UNSIGNED) AS v";
        let theirs: u64 = both.theirs(sql, number.to_string()).get(0);
        assert_eq!(both.ours(sql, &[text(&number.to_string())]), theirs);
    });
    for_all(any::<f64>().prop_filter("MySQL has them not", |float| float.is_finite()), |float| {
        let theirs: f64 = both.theirs("SELECT ? AS v", float).get(0);
        assert_eq!(both.our_float("SELECT ? AS v", Param::Float(float)), Some(theirs));
    });
    for_all(any::<f32>().prop_filter("MySQL has them not", |float| float.is_finite()), |float| {
        let sql = "SELECT CAST(? AS FLOAT) AS v";
        let theirs: f32 = both.theirs(sql, f64::from(float)).get(0);
        assert_eq!(both.our_float(sql, Param::Float(float.into())), Some(theirs));
    });
    for_all(any::<bool>(), |value| {
        let theirs: i64 = both.theirs("SELECT ? + 0 AS v", value).try_get_unchecked(0).unwrap();
        assert_eq!(both.ours("SELECT ? + 0 AS v", &[Param::Bool(value)]), theirs);
    });
    for_all(0..=u64::MAX, |bits| {
        let sql = "SELECT CAST(CONV(?, 10, 2) AS CHAR) AS v";
        let theirs: String = both.theirs(sql, bits.to_string()).get(0);
        assert_eq!(both.ours(sql, &[text(&bits.to_string())]), theirs);
    });
}

#[test]
fn texts_and_bytes_are_the_same_through_sqlx() {
    let both = Both::new();
    for_all("\\PC{0,300}", |value| {
        for sql in ["SELECT ? AS v", "SELECT CONCAT(?, '\u{fc}') AS v", "SELECT CAST(? AS CHAR(300)) AS v"] {
            let theirs: String = both.theirs(sql, value.clone()).get(0);
            assert_eq!(both.ours(sql, &[text(&value)]), Value::from(theirs), "{sql}");
        }
    });
    for_all(proptest::collection::vec(any::<u8>(), 0..300), |bytes| {
        let theirs: String = both.theirs("SELECT REPLACE(TO_BASE64(?), '\n', '') AS v", bytes.clone()).get(0);
        let back: Vec<u8> = both.theirs("SELECT CAST(? AS BINARY) AS v", bytes.clone()).get(0);
        assert_eq!(back, bytes);
        assert_eq!(both.ours("SELECT CAST(? AS BINARY) AS v", &[Param::Bytes(bytes)]), Value::from(theirs));
    });
}

#[test]
fn digits_dates_and_times_are_the_servers_own_text() {
    let both = Both::new();
    // What goes in as text, comes out here in binary, and there as the text that the server makes of it.
    let same = |of_type: &str, value: &str, shown: &dyn Fn(String) -> String| {
        let sql = format!("SELECT CAST(? AS {of_type}) AS v");
        let theirs: String = both.theirs(&format!("SELECT CAST(CAST(? AS {of_type}) AS CHAR) AS v"), value).get(0);
        assert_eq!(both.ours(&sql, &[text(value)]), Value::from(shown(theirs)), "{of_type}: {value}");
    };
    let short = |text: String| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    for_all("-?[0-9]{1,30}(\\.[0-9]{1,20})?", |digits| same("DECIMAL(60, 20)", &digits, &|text| text));
    let date = (1..=9999_i32, 1..=12_u32, 1..=28_u32).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    let time = (0..24_u32, 0..60_u32, 0..60_u32, prop_oneof![Just(0), 0..1_000_000_u32])
        .prop_map(|(h, m, s, u)| format!("{h:02}:{m:02}:{s:02}.{u:06}"));
    for_all(date.clone(), |date| same("DATE", &date, &|text| text));
    for_all((date, time), |(date, time)| {
        same("DATETIME(6)", &format!("{date} {time}"), &|text| short(text.replace(' ', "T")));
    });
    for_all((any::<bool>(), 0..=838_u32, 0..60_u32, 0..60_u32, 0..1_000_000_u32), |(negative, h, m, s, u)| {
        let sign = if negative { "-" } else { "" };
        same("TIME(6)", &format!("{sign}{h:02}:{m:02}:{s:02}.{u:06}"), &short);
    });
}

#[test]
fn nulls_are_where_they_were_in_rows_of_any_width() {
    let both = Both::new();
    for_all(proptest::collection::vec(proptest::option::of(any::<i32>()), 1..70), |cells| {
        let list: Vec<String> = (0..cells.len()).map(|at| format!("? + 0 AS c{at}")).collect();
        let params: Vec<Param> =
            cells.iter().map(|cell| cell.map_or(Param::Null, |number| Param::Int(number.into()))).collect();
        let sql = format!("SELECT {}", list.join(", "));
        let ours: Value = serde_json::from_str(&both.ours.json(&sql, &params)).unwrap();
        let mut arguments = MySqlArguments::default();
        for cell in &cells {
            arguments.add(cell.map(i64::from)).unwrap();
        }
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
        let row = both.ours.block_on(query.fetch_one(&mut *both.theirs.borrow_mut())).unwrap();
        for (at, cell) in cells.iter().enumerate() {
            let is_null = row.try_get_raw(at).map(|value| sqlx::ValueRef::is_null(&value)).unwrap();
            assert_eq!(is_null, cell.is_none());
            assert_eq!(ours[0][format!("c{at}")].as_f64(), cell.map(f64::from), "{at}");
        }
    });
}
