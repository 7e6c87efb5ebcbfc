//! Servers whose clocks differ from this machine's: what is told of times is right here.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::servers::Redis;

const HOUR: u64 = 3_600_000;
const DAY_S: i64 = 86_400;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

#[test]
fn a_rates_window_ends_by_the_clock_of_who_asks() {
    for seconds in [-DAY_S, DAY_S] {
        let redis = Redis::with_clock(seconds);
        let theirs: Vec<String> = redis.say("TIME");
        let differs = theirs[0].parse::<i64>().unwrap() - (now() / 1000) as i64;
        assert!((differs - seconds).abs() < 1_000, "its clock differs by {differs} s");
        let cache = redis.remote();
        let begun = now();
        let rates = [cache.count_rate(b"login", HOUR).unwrap(), cache.rate(b"login").unwrap().unwrap()];
        for rate in rates {
            assert!((begun + HOUR / 2..=now() + HOUR).contains(&rate.ends_at), "{rate:?}, begun at {begun}");
        }
    }
}
