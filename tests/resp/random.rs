//! Random commands, the same for the same seed.

/// Numbers that look random (xorshift64*).
pub(crate) struct Random {
    state: u64,
    /// How many times of expiry there have been.
    times: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, times: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 32) as usize) % bound
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }
}

/// Each form a command with what it takes: a word of lower case is one of [`argument`]'s kinds, one of upper case stands for itself.
const FORMS: &[&str] = &[
    "GET key",
    "GET key",
    "SET key value",
    "SET key value",
    "SET key integer",
    "SET key float",
    "SET key value setoption",
    "SET key value setoption setoption",
    "SET key value EX seconds",
    "SET key value PX ms",
    "SET key value EXAT at",
    "SET key value PXAT atms GET",
    "SET key value KEEPTTL GET",
    "SET key value unit number",
    "GETSET key value",
    "GETDEL key",
    "GETEX key",
    "GETEX key EX seconds",
    "GETEX key PXAT atms",
    "GETEX key PERSIST",
    "GETEX key unit number",
    "GETEX key setoption",
    "MGET key key key",
    "MGET key",
    "MSET key value key value",
    "MSET key value key",
    "MSETNX key value key value",
    "SETNX key value",
    "SETEX key seconds value",
    "SETEX key number value",
    "PSETEX key ms value",
    "PSETEX key number value",
    "APPEND key value",
    "STRLEN key",
    "GETRANGE key number number",
    "SUBSTR key number number",
    "SETRANGE key offset value",
    "SETRANGE key number value",
    "INCR key",
    "DECR key",
    "INCRBY key integer",
    "DECRBY key integer",
    "INCRBY key number",
    "INCRBYFLOAT key float",
    "INCRBYFLOAT key float",
    "INCRBYFLOAT key number",
    "LCS key key",
    "LCS key key LEN",
    "LCS key key IDX",
    "LCS key key IDX MINMATCHLEN number WITHMATCHLEN",
    "LCS key key lcsoption lcsoption",
    "SETBIT key bit binary",
    "SETBIT key number number",
    "GETBIT key bit",
    "GETBIT key number",
    "BITCOUNT key",
    "BITCOUNT key number number",
    "BITCOUNT key number number bitunit",
    "BITCOUNT key number",
    "BITPOS key binary",
    "BITPOS key binary number",
    "BITPOS key binary number number",
    "BITPOS key binary number number bitunit",
    "BITPOS key number number number bitunit",
    "BITOP bitop key key key",
    "BITOP bitop key key",
    "DEL key",
    "DEL key key key",
    "UNLINK key key",
    "EXISTS key key",
    "TOUCH key key",
    "EXPIRE key seconds",
    "EXPIRE key seconds expireoption",
    "EXPIRE key number expireoption expireoption",
    "PEXPIRE key ms expireoption",
    "EXPIREAT key at",
    "EXPIREAT key at expireoption",
    "PEXPIREAT key atms",
    "PEXPIREAT key number",
    "EXPIRETIME key",
    "PEXPIRETIME key",
    "TTL key",
    "PTTL key",
    "PERSIST key",
    "TYPE key",
    "RENAME key key",
    "RENAMENX key key",
    "COPY key key",
    "COPY key key REPLACE",
    "COPY key key DB number",
    "COPY key key value",
    "KEYS pattern",
    "KEYS pattern",
    "DBSIZE",
    "SCAN number",
    "PING",
    "PING value",
    "ECHO value",
    "SELECT number",
    "SELECT 0",
    "MULTI",
    "MULTI",
    "EXEC",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH key",
    "WATCH key key",
    "UNWATCH",
    "AUTH value",
    "AUTH value value",
    "HELLO 2",
    "HELLO 3",
    "HELLO number",
    "HELLO 3 value",
    "HELLO 2 SETNAME value",
    "CLIENT GETNAME",
    "CLIENT SETNAME value",
    "CLIENT SETNAME name",
    "CLIENT REPLY value",
    "CLIENT NO-EVICT value",
    "CLIENT NO-EVICT on",
    "CLIENT KILL value",
    "CLIENT KILL ID number",
    "CLIENT KILL TYPE value",
    "CLIENT LIST TYPE value",
    "CLIENT LIST ID value",
    "CLIENT GETREDIR",
    "CLIENT value",
    "CLIENT",
    "OBJECT REFCOUNT missing",
    "OBJECT ENCODING missing",
    "OBJECT value key",
    "OBJECT FREQ key",
    "OBJECT",
    "CONFIG GET missing",
    "CONFIG SET missing value",
    "CONFIG SET timeout 0 timeout 0",
    "CONFIG RESETSTAT",
    "CONFIG value",
    "CONFIG SET value",
    "COMMAND GETKEYS form",
    "COMMAND GETKEYSANDFLAGS form",
    "COMMAND GETKEYS value value",
    "COMMAND LIST FILTERBY MODULE value",
    "COMMAND LIST value",
    "COMMAND INFO value",
    "COMMAND DOCS missing",
    "COMMAND value",
    "SLOWLOG RESET",
    "SLOWLOG GET value",
    "SLOWLOG GET number number",
    "SLOWLOG value",
    "MEMORY USAGE missing",
    "MEMORY USAGE key SAMPLES value",
    "MEMORY USAGE key value",
    "MEMORY value",
    "DEBUG value",
    "PUBLISH name value",
    "PUBSUB NUMSUB",
    "PUBSUB NUMSUB name",
    "PUBSUB NUMPAT",
    "PUBSUB CHANNELS",
    "PUBSUB CHANNELS pattern",
    "PUBSUB value",
    "FUNCTION LIST",
    "FUNCTION FLUSH value",
    "SAVE value",
    "RESET",
    "value",
    "value value value",
    "GET",
    "SET key",
    "FLUSHALL value",
    "FLUSHDB",
    "FLUSHALL ASYNC",
    "RANDOMKEY value",
    "NOSUCH",
];

pub(crate) fn command(random: &mut Random) -> Vec<Vec<u8>> {
    let form = random.pick(FORMS);
    let mut args: Vec<Vec<u8>> = form.split(' ').flat_map(|word| argument(random, word)).collect();
    match random.below(60) {
        // One argument more or less, or in another's place.
        0 => args.push(argument(random, "value").remove(0)),
        1 if args.len() > 1 => {
            args.pop();
        }
        2 if args.len() > 2 => {
            let other = 1 + random.below(args.len() - 1);
            args.swap(1, other);
        }
        3 => args[0].make_ascii_lowercase(),
        _ => {}
    }
    let expires = ["set", "setex", "psetex", "getex", "expire", "pexpire"];
    if expires.iter().any(|name| args[0].eq_ignore_ascii_case(name.as_bytes())) {
        args[1..].iter_mut().for_each(|arg| outlast(random, arg));
    }
    args
}

/// What might be a time gets so long that it isn't over on one server before it is on the other, and another one each time: of two that are
/// the same one is later for a server whose clock has gone on between them.
fn outlast(random: &mut Random, arg: &mut Vec<u8>) {
    let number = std::str::from_utf8(arg).ok().and_then(|text| text.parse::<u64>().ok());
    if number.is_some_and(|number| (1..=500_000).contains(&number)) {
        random.times = (random.times + 1) % 100_000;
        *arg = (100_000 + 1_000 * random.times).to_string().into_bytes();
    }
}

fn argument(random: &mut Random, kind: &str) -> Vec<Vec<u8>> {
    let one = match kind {
        "key" => format!("k{}", random.below(6)).into_bytes(),
        "missing" => b"nowhere".to_vec(),
        "name" => format!("name{}", random.below(3)).into_bytes(),
        "value" => value(random),
        "integer" => integer(random),
        "float" => float(random),
        "number" => match random.below(4) {
            0 => value(random),
            1 => integer(random),
            _ => (random.below(40) as i64 - 20).to_string().into_bytes(),
        },
        "offset" => random.below(300).to_string().into_bytes(),
        "bit" => random.below(2000).to_string().into_bytes(),
        "binary" => random.pick(&["0", "1", "1", "0", "2", "x"]).into(),
        "seconds" => random
            .pick(&["100", "5000", "-1", "0", "99999999999999999", "9223372036854775807", "-9223372036854775808", "x"])
            .into(),
        "ms" => random.pick(&["500000", "100000", "-5", "0", "9223372036854775807", "1.5"]).into(),
        "at" => random
            .pick(&["33177117420", "4102444800", "1", "0", "-1", "9223372036854775", "9223372036854775807"])
            .into(),
        "atms" => random.pick(&["33177117420000", "4102444800500", "1", "-1", "0", "9223372036854775807", ""]).into(),
        "unit" => random.pick(&["EX", "PX", "exat", "PXAT", "PERSIST", "KEEPTTL"]).into(),
        "setoption" => random.pick(&["NX", "XX", "GET", "KEEPTTL", "nx", "get", "PERSIST", "EX", "FOO", ""]).into(),
        "lcsoption" => random.pick(&["IDX", "LEN", "WITHMATCHLEN", "MINMATCHLEN", "1", "x"]).into(),
        "expireoption" => random.pick(&["NX", "XX", "GT", "LT", "gt", "FOO"]).into(),
        "bitunit" => random.pick(&["BIT", "BYTE", "bit", "FOO"]).into(),
        "bitop" => random.pick(&["AND", "OR", "XOR", "NOT", "or", "NAND"]).into(),
        "pattern" => {
            random.pick(&["*", "k*", "k[0-3]", "k[^1]", "?1", "k\\1", "[", "nothing*", "**", "k[3-0]", ""]).into()
        }
        "form" => return command(random),
        word => word.as_bytes().to_vec(),
    };
    vec![one]
}

fn value(random: &mut Random) -> Vec<u8> {
    match random.below(9) {
        0 => Vec::new(),
        1 => integer(random),
        2 => float(random),
        3 => random.bytes(24),
        4 => vec![b'a' + random.below(3) as u8; random.below(200)],
        5 => (0..random.below(30)).map(|_| b'a' + random.below(3) as u8).collect(),
        6 => random
            .pick(&[
                "yes", "ID", "help", "on", "x\r\ny", "0", "-1", "default", "*1\r\n", " 5", "5 ", "0x10", "\0", "normal",
            ])
            .into(),
        7 => format!("word{}", random.below(100)).into_bytes(),
        _ => vec![0xff; random.below(9)],
    }
}

fn integer(random: &mut Random) -> Vec<u8> {
    let small = random.below(2000) as i64 - 1000;
    let any = random.next() as i64;
    let edges = [i64::MAX, i64::MIN, i64::MAX - 1, 0, 1, -1, 1 << 40];
    match random.below(4) {
        0 => any.to_string(),
        1 => edges[random.below(edges.len())].to_string(),
        _ => small.to_string(),
    }
    .into_bytes()
}

fn float(random: &mut Random) -> Vec<u8> {
    let number = (random.next() as i64 >> random.below(60)) as f64 / 10_f64.powi(random.below(12) as i32);
    match random.below(8) {
        0 => random
            .pick(&[
                "inf", "-inf", "nan", "1e5", "-0", "1e-20", "0x1p3", "1e4000", "3.0e3", ".5", "5.", "+1", "1e",
                "1e-5000",
            ])
            .into(),
        1 => format!("{number:e}").into_bytes(),
        _ => format!("{number:.*}", random.below(18)).into_bytes(),
    }
}
