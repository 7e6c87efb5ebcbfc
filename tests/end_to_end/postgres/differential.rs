//! The same statements with the same random values, here and through sqlx: every type that comes or goes in binary has the
//! same value in both.

use crate::databases::{Fixture, for_all, postgres, postgres_dsn, text};
use lyger::db::Param;
use proptest::prelude::*;
use serde_json::Value;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Connection, Row};
use std::cell::RefCell;

struct Both {
    ours: Fixture,
    theirs: RefCell<PgConnection>,
}

impl Both {
    fn new() -> Self {
        let ours = postgres();
        let theirs = RefCell::new(ours.block_on(PgConnection::connect(&postgres_dsn())).unwrap());
        Self { ours, theirs }
    }

    /// The value as our JSON has it, next to a null.
    fn ours(&self, sql: &str, param: Param) -> Value {
        let sql = sql.replace("$1", "?");
        let rows: Value = serde_json::from_str(&self.ours.json(&sql, &[param])).unwrap();
        rows[0]["v"].clone()
    }

    /// A float of ours, read with all its digits: serde_json may be off by the last one.
    fn our_float<F: std::str::FromStr>(&self, sql: &str, param: Param) -> Option<F> {
        let json = self.ours.json(&sql.replace("$1", "?"), &[param]);
        json.strip_prefix(r#"[{"v":"#)?.strip_suffix("}]")?.parse().ok()
    }

    fn theirs(&self, sql: &'static str, arguments: PgArguments) -> PgRow {
        let query = sqlx::query_with(sql, arguments);
        self.ours.block_on(query.fetch_one(&mut *self.theirs.borrow_mut())).unwrap()
    }

    fn with<T: for<'q> sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(value: T) -> PgArguments {
        let mut arguments = PgArguments::default();
        sqlx::Arguments::add(&mut arguments, value).unwrap();
        arguments
    }
}

#[test]
fn numbers_and_booleans_are_the_same_through_sqlx() {
    let both = Both::new();
    for_all(any::<i16>(), |n| {
        let theirs: i16 = both.theirs("SELECT $1::int2 AS v", Both::with(n)).get(0);
        assert_eq!(both.ours("SELECT $1::int2 AS v", Param::Int(n.into())), theirs);
    });
    for_all(any::<i32>(), |n| {
        let theirs: i32 = both.theirs("SELECT $1::int4 AS v", Both::with(n)).get(0);
        assert_eq!(both.ours("SELECT $1::int4 AS v", Param::Int(n.into())), theirs);
    });
    for_all(any::<i64>(), |n| {
        let theirs: i64 = both.theirs("SELECT $1::int8 AS v", Both::with(n)).get(0);
        assert_eq!(both.ours("SELECT $1::int8 AS v", Param::Int(n)), theirs);
        let theirs: Vec<i64> = both.theirs("SELECT ARRAY[$1::int8, 7] AS v", Both::with(n)).get(0);
        assert_eq!(both.ours("SELECT ARRAY[$1::int8, 7] AS v", Param::Int(n)), Value::from(theirs));
    });
    for_all(any::<f32>(), |n| {
        let theirs: f32 = both.theirs("SELECT $1::float4 AS v", Both::with(n)).get(0);
        let ours = both.our_float("SELECT $1::float4 AS v", Param::Float(n.into()));
        assert_eq!(ours, Some(theirs).filter(|theirs| theirs.is_finite()));
    });
    for_all(any::<f64>(), |n| {
        let theirs: f64 = both.theirs("SELECT $1::float8 AS v", Both::with(n)).get(0);
        let ours = both.our_float("SELECT $1::float8 AS v", Param::Float(n));
        assert_eq!(ours, Some(theirs).filter(|theirs| theirs.is_finite()));
    });
    for_all(any::<bool>(), |b| {
        let theirs: bool = both.theirs("SELECT $1::bool AS v", Both::with(b)).get(0);
        assert_eq!(both.ours("SELECT $1::bool AS v", Param::Bool(b)), theirs);
    });
}

#[test]
fn texts_and_bytes_are_the_same_through_sqlx() {
    let both = Both::new();
    for_all("[^\0]{0,200}", |t| {
        let theirs: String = both.theirs("SELECT $1::text AS v", Both::with(t.clone())).get(0);
        assert_eq!(both.ours("SELECT $1::text AS v", text(&t)), Value::from(theirs));
        let theirs: Vec<String> = both.theirs("SELECT ARRAY[$1::text, 'x'] AS v", Both::with(t.clone())).get(0);
        assert_eq!(both.ours("SELECT ARRAY[$1::text, 'x'] AS v", text(&t)), Value::from(theirs));
        let theirs: String = both.theirs("SELECT to_jsonb($1::text)::text AS v", Both::with(t.clone())).get(0);
        assert_eq!(
            both.ours("SELECT to_jsonb($1::text) AS v", text(&t)),
            serde_json::from_str::<Value>(&theirs).unwrap()
        );
    });
    for_all(proptest::collection::vec(any::<u8>(), 0..200), |bytes| {
        let theirs: String = both
            .theirs("SELECT replace(encode($1::bytea, 'base64'), E'\\n', '') AS v", Both::with(bytes.clone()))
            .get(0);
        assert_eq!(both.ours("SELECT $1::bytea AS v", Param::Bytes(bytes)), Value::from(theirs));
    });
}

/// A text that goes in through our binary form and comes out of it, against the server's own reading and writing.
fn same_as_the_servers_text(both: &Both, ours: &str, theirs: &'static str, value: &str) {
    let theirs: String = both.theirs(theirs, Both::with(value.to_owned())).get(0);
    assert_eq!(both.ours(ours, text(value)), Value::from(theirs), "{value}");
}

#[test]
fn what_travels_as_digits_dates_and_uuids_is_the_servers_own_value() {
    let both = Both::new();
    for_all("-?[0-9]{1,40}(\\.[0-9]{1,30})?", |digits| {
        same_as_the_servers_text(&both, "SELECT $1::numeric AS v", "SELECT $1::text::numeric::text AS v", &digits);
    });
    let date = (1..=9999_i32, 1..=12_u32, 1..=28_u32).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    let time = (0..24_u32, 0..60_u32, 0..60_u32, 0..1_000_000_u32)
        .prop_map(|(h, m, s, u)| format!("{h:02}:{m:02}:{s:02}.{u:06}"));
    for_all(date.clone(), |date| {
        same_as_the_servers_text(&both, "SELECT $1::date AS v", "SELECT $1::text::date::text AS v", &date);
    });
    for_all(time.clone(), |time| {
        same_as_the_servers_text(&both, "SELECT $1::time AS v", "SELECT $1::text::time::text AS v", &time);
    });
    for_all((date, time, -14..=14_i32), |(date, time, zone)| {
        same_as_the_servers_text(
            &both,
            "SELECT $1::timestamp AS v",
            "SELECT replace($1::text::timestamp::text, ' ', 'T') AS v",
            &format!("{date} {time}"),
        );
        same_as_the_servers_text(
            &both,
            "SELECT $1::timestamptz AS v",
            "SELECT CASE WHEN t LIKE '%BC' THEN replace(replace(t, ' BC', ''), ' ', 'T') || 'Z BC' ELSE replace(t, ' ', 'T') || 'Z' END AS v \
             FROM (SELECT ($1::text::timestamptz AT TIME ZONE 'UTC')::text AS t) AS x",
            &format!("{date} {time}{zone:+03}"),
        );
    });
    for_all(any::<u128>(), |number| {
        same_as_the_servers_text(
            &both,
            "SELECT $1::uuid AS v",
            "SELECT $1::text::uuid::text AS v",
            &format!("{number:032x}"),
        );
    });
}
