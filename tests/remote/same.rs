//! Random operations give over a Redis what they give in a table.

use lyger::cache::remote::Error;
use lyger::cache::{Condition, Expiry, Flight, NotANumber, Remote, Table};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::servers::{Cluster, Redis};

const HOUR: u64 = 3_600_000;
/// So many operations in each sequence: 7,200 in all.
const OPERATIONS: usize = 60;
const SEQUENCES: u32 = 120;

#[derive(Debug, Clone)]
enum Op {
    Get,
    Exists,
    Set(Vec<u8>, Condition, Expiry, bool),
    Delete,
    GetAndDelete,
    GetAndExpire(Expiry),
    Expire(Expiry),
    CompareAndSet(Vec<u8>, Vec<u8>),
    Append(Vec<u8>),
    GetRange(i64, i64),
    SetRange(usize, Vec<u8>),
    Increment(i64),
    IncrementFloat(i16),
    Lock,
    Unlock,
    Extend,
    Count,
    Reset,
    TakeOff,
    Land(Vec<u8>),
    Abandon,
    Open,
    Close,
    ReadSession,
    WriteSession(Vec<u8>, bool),
    TouchSession,
    Destroy,
    Len,
    Clear,
}

fn op() -> impl Strategy<Value = Op> {
    use Op::*;
    let value =
        || prop::sample::select(vec!["", "x", "10", "-3", "1.25", "01", "1e3", "9223372036854775807", "\0\r\n"]);
    let value = move || value().prop_map(|text| text.as_bytes().to_vec());
    let expiry = || {
        prop::sample::select(vec![Expiry::Never, Expiry::After(HOUR), Expiry::After(0), Expiry::At(5), Expiry::Keep])
    };
    let condition = prop::sample::select(vec![Condition::Always, Condition::Missing, Condition::Present]);
    prop_oneof![
        Just(Get),
        Just(Exists),
        (value(), condition, expiry(), any::<bool>())
            .prop_map(|(value, condition, expiry, old)| Set(value, condition, expiry, old)),
        Just(Delete),
        Just(GetAndDelete),
        expiry().prop_map(GetAndExpire),
        expiry().prop_map(Expire),
        (value(), value()).prop_map(|(expected, new)| CompareAndSet(expected, new)),
        value().prop_map(Append),
        (-9_i64..9, -9_i64..9).prop_map(|(first, last)| GetRange(first, last)),
        (0_usize..9, value()).prop_map(|(offset, value)| SetRange(offset, value)),
        prop::sample::select(vec![1, -1, 7, i64::MAX, i64::MIN]).prop_map(Increment),
        any::<i16>().prop_map(IncrementFloat),
        Just(Lock),
        Just(Unlock),
        Just(Extend),
        Just(Count),
        Just(Reset),
        Just(TakeOff),
        value().prop_map(Land),
        Just(Abandon),
        Just(Open),
        Just(Close),
        Just(ReadSession),
        (value(), any::<bool>()).prop_map(|(data, held)| WriteSession(data, held)),
        Just(TouchSession),
        Just(Destroy),
        Just(Len),
        Just(Clear),
    ]
}

/// The tokens of a lock, a flight and a session, for each of the keys: they differ on the two sides.
type Tokens = [(u64, u64, u64); 3];

fn words<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(Error::Number(error)) => error.to_string(),
        Err(error) => panic!("{error:?}"),
    }
}

/// Whether something has an expiry; not when.
fn kept(expires_at: Option<u64>) -> &'static str {
    if expires_at.is_some() { "for a time" } else { "for ever" }
}

fn remotely(cache: &Remote, op: &Op, key: &[u8], token: &mut (u64, u64, u64)) -> String {
    match op {
        Op::Get => {
            let mut value = Vec::new();
            let found = cache.get(key, &mut value).unwrap();
            assert_eq!(cache.peek(key).unwrap(), found);
            format!("{:?} {value:?}", found.map(|found| (found.len, kept(found.expires_at))))
        }
        Op::Exists => words(cache.exists(key)),
        Op::Set(value, condition, expiry, old) => words(cache.set(key, value, *condition, *expiry, *old)),
        Op::Delete => words(cache.delete(key)),
        Op::GetAndDelete => words(cache.get_and_delete(key)),
        Op::GetAndExpire(expiry) => words(cache.get_and_expire(key, *expiry)),
        Op::Expire(expiry) => words(cache.expire(key, *expiry)),
        Op::CompareAndSet(expected, new) => words(cache.compare_and_set(key, expected, new)),
        Op::Append(value) => words(cache.append(key, value)),
        Op::GetRange(first, last) => words(cache.get_range(key, *first, *last)),
        Op::SetRange(offset, value) => words(cache.set_range(key, *offset, value)),
        Op::Increment(by) => words(cache.increment(key, *by)),
        Op::IncrementFloat(quarters) => words(cache.increment_float(key, f64::from(*quarters) / 4.0)),
        Op::Lock => {
            let taken = cache.lock(key, HOUR).unwrap();
            token.0 = taken.unwrap_or(token.0);
            taken.is_some().to_string()
        }
        Op::Unlock => words(cache.unlock(key, token.0)),
        Op::Extend => words(cache.extend_lock(key, token.0, HOUR)),
        Op::Count => words(cache.count_rate(key, HOUR).map(|rate| rate.count)),
        Op::Reset => words(cache.reset_rate(key)),
        Op::TakeOff => {
            let mut value = Vec::new();
            match cache.take_off(key, HOUR, &mut value).unwrap() {
                Flight::Landed(found) => format!("{} {value:?}", found.len),
                Flight::Others => "others".to_owned(),
                Flight::Yours { token: yours } => {
                    token.1 = yours;
                    "yours".to_owned()
                }
            }
        }
        Op::Land(value) => words(cache.land(key, token.1, value, Expiry::After(HOUR))),
        Op::Abandon => words(cache.abandon(key, token.1)),
        Op::Open => {
            let opened = cache.open_session(key, HOUR).unwrap();
            token.2 = opened.unwrap_or(token.2);
            opened.is_some().to_string()
        }
        Op::Close => words(cache.close_session(key, token.2)),
        Op::ReadSession => {
            let mut data = Vec::new();
            let found = cache.read_session(key, &mut data).unwrap();
            format!("{:?} {data:?}", found.map(|found| (found.len, kept(found.expires_at))))
        }
        Op::WriteSession(data, held) => words(cache.write_session(key, held.then_some(token.2), data, HOUR)),
        Op::TouchSession => words(cache.touch_session(key, HOUR)),
        Op::Destroy => words(cache.destroy_session(key)),
        Op::Len => {
            // What has expired isn't counted once it has been asked for.
            for key in KEYS {
                cache.exists(key).unwrap();
            }
            words(cache.len())
        }
        Op::Clear => words(cache.clear()),
    }
}

fn in_memory(table: &Table, op: &Op, key: &[u8], token: &mut (u64, u64, u64), now: u64) -> String {
    fn words<T: std::fmt::Debug, E: std::fmt::Display>(result: Result<T, E>) -> String {
        result.map_or_else(|error| error.to_string(), |value| format!("{value:?}"))
    }
    fn plain<T: std::fmt::Debug>(value: T) -> String {
        format!("{value:?}")
    }
    match op {
        Op::Get => {
            let mut value = Vec::new();
            let found = table.get(key, now, &mut value);
            format!("{:?} {value:?}", found.map(|found| (found.len, kept(found.expires_at))))
        }
        Op::Exists => plain(table.peek(key, now).is_some()),
        Op::Set(value, condition, expiry, old) => words(table.set(key, value, *condition, *expiry, *old, now)),
        Op::Delete => plain(table.delete(key, now)),
        Op::GetAndDelete => plain(table.get_and_delete(key, now)),
        Op::GetAndExpire(expiry) => words(table.get_and_expire(key, *expiry, now)),
        Op::Expire(expiry) => words(table.expire(key, *expiry, now)),
        Op::CompareAndSet(expected, new) => words(table.compare_and_set(key, expected, new, now)),
        Op::Append(value) => words(table.append(key, value, now)),
        Op::GetRange(first, last) => plain(table.get_range(key, *first, *last, now)),
        Op::SetRange(offset, value) => words(table.set_range(key, *offset, value, now)),
        Op::Increment(by) => words(table.increment(key, *by, now)),
        Op::IncrementFloat(quarters) => words(table.increment_float(key, f64::from(*quarters) / 4.0, now)),
        Op::Lock => {
            let taken = table.lock(key, HOUR, now).unwrap();
            token.0 = taken.unwrap_or(token.0);
            taken.is_some().to_string()
        }
        Op::Unlock => plain(table.unlock(key, token.0, now)),
        Op::Extend => words(table.extend_lock(key, token.0, HOUR, now)),
        Op::Count => words(table.count_rate(key, HOUR, now).map(|rate| rate.count)),
        Op::Reset => plain(table.reset_rate(key, now)),
        Op::TakeOff => {
            let mut value = Vec::new();
            match table.take_off(key, HOUR, now, &mut value).unwrap() {
                Flight::Landed(found) => format!("{} {value:?}", found.len),
                Flight::Others => "others".to_owned(),
                Flight::Yours { token: yours } => {
                    token.1 = yours;
                    "yours".to_owned()
                }
            }
        }
        Op::Land(value) => words(table.land(key, token.1, value, Some(now + HOUR), now)),
        Op::Abandon => {
            table.abandon(key, token.1, now);
            "()".to_owned()
        }
        Op::Open => {
            let opened = table.open_session(key, HOUR, now).unwrap();
            token.2 = opened.unwrap_or(token.2);
            opened.is_some().to_string()
        }
        Op::Close => plain(table.close_session(key, token.2, now)),
        Op::ReadSession => {
            let mut data = Vec::new();
            let found = table.read_session(key, now, &mut data);
            format!("{:?} {data:?}", found.map(|found| (found.len, kept(found.expires_at))))
        }
        Op::WriteSession(data, held) => words(table.write_session(key, held.then_some(token.2), data, HOUR, now)),
        Op::TouchSession => words(table.touch_session(key, HOUR, now)),
        Op::Destroy => plain(table.destroy_session(key, now)),
        Op::Len => plain(KEYS.iter().filter(|key| table.peek(key, now).is_some()).count()),
        Op::Clear => {
            table.clear();
            "()".to_owned()
        }
    }
}

const KEYS: [&[u8]; 3] = [b"a", b"b}", b"{c"];

/// What the two sides do differently by design.
fn is_left_out(table: &Table, op: &Op, key: &[u8], now: u64) -> bool {
    let mut value = Vec::new();
    table.get(key, now, &mut value);
    match op {
        // The server adds with 64 bits of mantissa, a table with 53: with quarters that are small both are exact.
        Op::IncrementFloat(_) => {
            let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<f64>().ok());
            number.is_some_and(|number| number.abs() > 1e12 || (number * 4.0).fract() != 0.0)
        }
        _ => false,
    }
}

fn same(open: impl Fn(u32) -> Remote) {
    let mut runner = TestRunner::new(Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() });
    let sequence = prop::collection::vec((op(), 0..KEYS.len()), OPERATIONS);
    let number = std::cell::Cell::new(0);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    runner
        .run(&sequence, |sequence| {
            let table = Table::in_process(1 << 20).unwrap();
            let (mut theirs, mut ours): (Tokens, Tokens) = Default::default();
            // What one sequence leaves is none of the next one's.
            let cache = open(number.replace(number.get() + 1));
            for (op, at) in &sequence {
                let key = KEYS[*at];
                if is_left_out(&table, op, key, now) {
                    continue;
                }
                let there = remotely(&cache, op, key, &mut theirs[*at]);
                let here = in_memory(&table, op, key, &mut ours[*at], now);
                prop_assert_eq!(there, here, "{:?} of {:?}", op, key.escape_ascii().to_string());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn random_operations_give_what_a_table_gives() {
    let redis = Redis::start(&[]);
    same(|number| Remote::open(&format!("{}?prefix={number}:", redis.dsn())).unwrap());
}

#[test]
fn in_a_cluster_they_do_too() {
    let cluster = Cluster::start(0);
    same(|number| Remote::open(&format!("{}?prefix={number}:", cluster.dsn())).unwrap());
}

#[test]
fn the_errors_of_numbers_have_the_same_words() {
    let redis = Redis::start(&[]);
    let cache = redis.remote();
    cache.append(b"k", b"x").unwrap();
    for (result, expected) in [
        (cache.increment(b"k", 1).map(drop), NotANumber::Integer),
        (cache.increment_float(b"k", 1.0).map(drop), NotANumber::Float),
    ] {
        assert_eq!(result.unwrap_err().to_string(), expected.to_string());
    }
}
