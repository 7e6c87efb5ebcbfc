//! What PHP's incrementFloat() leaves in the table, beside what a real Redis says to the same.

use lyger::cache::NotANumber;

use crate::servers::{Lyger, Redis};

const TEXTS: [&str; 24] = [
    "0",
    "-0",
    "1.5",
    "5.1",
    "0.1",
    "1e-5",
    "1.2345e17",
    "1e20",
    "1e30",
    "-1e300",
    "1e-20",
    "0x1",
    "-0X1.8p3",
    "00012",
    "+5",
    ".5",
    "-9223372036854775808",
    "9223372036854775807",
    "123456789.123456789",
    "inf",
    "-Infinity",
    "nan",
    " 1",
    "text",
];
const STEPS: [f64; 11] = [0.0, 0.1, -0.1, 1.0, 100.0, -1.25, 1e-7, 1e19, 1e22, -1e30, 1.797e308];

#[test]
fn php_counts_floats_as_a_real_redis_does() {
    let (lyger, redis) = (Lyger::start(1), Redis::start());
    let (mut ours, mut theirs) = (lyger.client(), redis.client());
    for (text, step) in TEXTS.into_iter().flat_map(|text| STEPS.map(|step| (text, step))) {
        for client in [&mut ours, &mut theirs] {
            assert_eq!(client.ask(&["SET", "k", text]), b"+OK\r\n");
        }
        let said = theirs.say(&format!("INCRBYFLOAT k {step}"));
        let counted = match lyger.table.increment_float(b"k", step, 0) {
            Ok(sum) => {
                let text = ours.say("GET k");
                let digits = text.split("\r\n").nth(1).unwrap();
                assert_eq!(digits.parse::<f64>(), Ok(sum), "{text}");
                text
            }
            Err(error) => format!("-ERR {error}\r\n"),
        };
        assert_eq!(counted, said, "{text} + {step}");
        assert_eq!(ours.say("GET k"), theirs.say("GET k"), "{text} + {step}");
    }
    // Redis has room for it, and a double has none.
    assert_eq!(ours.say("SET k 1.7e308"), "+OK\r\n");
    assert_eq!(lyger.table.increment_float(b"k", 1.7e308, 0), Err(NotANumber::NotFinite));
    assert_eq!(ours.say("GET k"), "$7\r\n1.7e308\r\n");
}
