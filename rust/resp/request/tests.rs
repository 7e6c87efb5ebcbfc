use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    bulk_bytes_max: 1 << 20,
    inline_bytes_max: 65_536,
    args_max: 1 << 20,
    request_bytes_max: 1 << 21,
    stranger: false,
};

/// All requests in the bytes, the number of bytes they took, and what ended the reading if anything did.
fn all(input: &[u8], limits: &Limits) -> (Vec<Vec<Vec<u8>>>, usize, Option<Broken>) {
    pieces(input, &[input.len()], limits)
}

/// The same, where the bytes come in pieces that end at the places given.
fn pieces(input: &[u8], ends: &[usize], limits: &Limits) -> (Vec<Vec<Vec<u8>>>, usize, Option<Broken>) {
    let (mut reader, mut requests, mut done) = (Reader::default(), Vec::new(), 0);
    for end in ends {
        loop {
            match reader.read(&input[done..*end], limits) {
                Ok(Read::More) => break,
                Ok(Read::Whole(bytes)) => {
                    let request: Vec<Vec<u8>> = reader.args(&input[done..]).iter().map(<[u8]>::to_vec).collect();
                    requests.extend((!request.is_empty()).then_some(request));
                    done += bytes;
                    reader.reset();
                }
                Err(broken) => return (requests, done, Some(broken)),
            }
        }
    }
    (requests, done, None)
}

fn refused(input: &[u8]) -> Option<Broken> {
    all(input, &LIMITS).2
}

#[test]
fn pipelined_requests_of_both_forms_are_read() {
    let input =
        b"*2\r\n$3\r\nGET\r\n$0\r\n\r\nPING\r\n\r\n*0\r\n*-1\r\nset k 'a b'\n*1\r\n$4\r\nPI\r\n\r\n*2\r\n$3\r\nGE";
    let (requests, done, broken) = all(input, &LIMITS);
    assert_eq!(requests, [vec![&b"GET"[..], b""], vec![b"PING"], vec![b"set", b"k", b"a b"], vec![b"PI\r\n"]]);
    assert_eq!((done, broken), (input.len() - 10, None));
}

#[test]
fn what_is_no_request_is_refused_in_the_words_of_redis() {
    for (input, broken) in [
        (&b"*1000000000\r\n"[..], Broken::ArrayLength),
        (b"*x\r\n", Broken::ArrayLength),
        (b"*\r\n", Broken::ArrayLength),
        (b"*1\r\n$-5\r\n", Broken::BulkLength),
        (b"*1\r\n$1048577\r\n", Broken::BulkLength),
        (b"*1\r\n$x\r\n", Broken::BulkLength),
        (b"*1\r\n*1\r\n$1\r\na\r\n", Broken::NotBulk(b'*')),
        (b"*1\r\nfoo\r\n", Broken::NotBulk(b'f')),
        (b"set \"a\r\n", Broken::Quotes),
    ] {
        assert_eq!(refused(input), Some(broken), "{}", input.escape_ascii());
    }
    assert_eq!(refused(&[b'a'; 65_537]), Some(Broken::LongLine));
    assert_eq!(refused(&[b'*'; 65_538]), Some(Broken::LongArrayHead));
    assert_eq!(refused(&[b"*1\r\n$".to_vec(), vec![b'1'; 65_537]].concat()), Some(Broken::LongBulkHead));
    assert_eq!(Broken::NotBulk(b'*').to_string(), "Protocol error: expected '$', got '*'");
}

#[test]
fn a_request_is_bounded_as_a_whole() {
    let bulk = [&b"$1048576\r\n"[..], &[7; 1 << 20], b"\r\n"].concat();
    assert_eq!(refused(&[b"*9\r\n", &bulk[..], &bulk].concat()), Some(Broken::LongRequest));
}

#[test]
fn who_is_not_logged_in_may_send_little() {
    let stranger = Limits { stranger: true, ..LIMITS };
    assert_eq!(all(b"*11\r\n", &stranger).2, Some(Broken::StrangersArray));
    assert_eq!(all(b"*1\r\n$16385\r\n", &stranger).2, Some(Broken::StrangersBulk));
    assert_eq!(all(b"*10\r\n$16384\r\n", &stranger).2, None);
}

#[test]
fn no_memory_is_taken_for_what_was_only_announced() {
    let mut reader = Reader::default();
    assert_eq!(reader.read(b"*1048576\r\n$1048576\r\nabc", &LIMITS), Ok(Read::More));
    assert!(reader.memory_bytes() < 1024, "{}", reader.memory_bytes());
}

/// Parts of frames, which mean something else where an argument is expected.
const PIECES: [&[u8]; 22] = [
    b"\r\n",
    b"\r",
    b"\n",
    b"*1\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"*+1\r\n",
    b"*01\r\n",
    b"*1048577\r\n",
    b"$0\r\n",
    b"$-1\r\n",
    b"$3\r\n",
    b"$03\r\n",
    b"$ 3\r\n",
    b"$99999999999999999999\r\n",
    b"$4\r\nPING\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    b"+OK\r\n",
    b":1\r\n",
    b"'a",
    b"\"\\x4",
    b"\0",
];

/// Of any bytes, of parts of frames, and as long as buffers are.
fn argument() -> impl Strategy<Value = Vec<u8>> {
    let parts = proptest::collection::vec(prop::sample::select(&PIECES[..]), 0..6).prop_map(|parts| parts.concat());
    let long = prop::sample::select(&[99_usize, 100, 999, 1_000, 4_096, 16_383, 16_384, 16_385][..]);
    prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..12),
        2 => proptest::collection::vec(any::<u8>(), 90..120),
        4 => parts,
        1 => (long, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

/// A request of some arguments, rarely of many.
fn arguments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let many = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3), 120..140);
    prop_oneof![20 => proptest::collection::vec(argument(), 0..5), 1 => many]
}

fn frame(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend(format!("${}\r\n", argument.len()).bytes());
        bytes.extend(argument);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Requests, whole and mutilated, with lines and noise between them.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let request = arguments().prop_map(|arguments| frame(&arguments));
    let place = any::<prop::sample::Index>();
    let changed = (arguments(), place, any::<u8>(), 0..4_u8).prop_map(|(arguments, place, byte, how)| {
        let mut bytes = frame(&arguments);
        let at = place.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
        bytes
    });
    let line = "[a-z '\"\\\\]{0,9}\r?\n".prop_map(String::into_bytes);
    let noise = proptest::collection::vec(prop::sample::select(&PIECES[..]), 0..4).prop_map(|parts| parts.concat());
    proptest::collection::vec(prop_oneof![8 => request, 2 => changed, 1 => line, 1 => noise], 0..6)
        .prop_map(|parts| parts.concat())
}

/// What the crate redis-protocol reads of them as requests, from the beginning on.
fn read_by_the_crate(input: &[u8]) -> Vec<Vec<Vec<u8>>> {
    use redis_protocol::resp2::{decode::decode, types::OwnedFrame};
    let (mut at, mut requests) = (0, Vec::new());
    while input.get(at) == Some(&b'*') {
        let Ok(Some((OwnedFrame::Array(frames), bytes))) = decode(&input[at..]) else { break };
        let arguments = frames.into_iter().map(|frame| match frame {
            OwnedFrame::BulkString(bytes) => Some(bytes),
            _ => None,
        });
        let Some(arguments) = arguments.collect::<Option<Vec<_>>>() else { break };
        requests.extend((!arguments.is_empty()).then_some(arguments));
        at += bytes;
    }
    requests
}

proptest! {
    // Some seconds' worth; most of what is generated is a request, and what it takes to go wrong is rare in each.
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn requests_that_are_whole_are_read_as_the_crate_redis_protocol_reads_them(requests in proptest::collection::vec(arguments(), 0..8)) {
        let input: Vec<u8> = requests.iter().flat_map(|arguments| frame(arguments)).collect();
        let expected: Vec<_> = requests.into_iter().filter(|arguments| !arguments.is_empty()).collect();
        prop_assert_eq!(&read_by_the_crate(&input), &expected);
        prop_assert_eq!(all(&input, &LIMITS), (expected, input.len(), None));
    }

    #[test]
    fn a_request_in_pieces_is_the_same_request(input in streams(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        ends.push(input.len());
        ends.sort_unstable();
        prop_assert_eq!(pieces(&input, &ends, &LIMITS), all(&input, &LIMITS));
        let bytewise: Vec<usize> = (1..=input.len()).collect();
        prop_assert_eq!(pieces(&input, &bytewise, &LIMITS), all(&input, &LIMITS));
    }

    /// Where the crate and this reader both read a request, it is the same one, and ends at the same byte. The crate reads
    /// every frame there is, so it may accept what is no request; it looks at the bytes after a bulk string.
    #[test]
    fn it_reads_what_the_crate_redis_protocol_reads(input in streams()) {
        let ((requests, _, broken), theirs) = (all(&input, &LIMITS), read_by_the_crate(&input));
        let both = requests.len().min(theirs.len());
        prop_assert_eq!(&requests[..both], &theirs[..both]);
        // It takes lengths that Redis refuses, as `$03`.
        prop_assert!(requests.len() >= theirs.len() || broken.is_some(), "{} of {}", requests.len(), theirs.len());
    }
}
