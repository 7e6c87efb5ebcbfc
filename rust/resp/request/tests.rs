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

/// Requests of few and of any bytes, whole and mutilated.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let argument =
        prop_oneof![proptest::collection::vec(any::<u8>(), 0..12), proptest::collection::vec(any::<u8>(), 90..120),];
    let request = proptest::collection::vec(argument, 0..5).prop_map(|arguments| {
        let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            bytes.extend(format!("${}\r\n", argument.len()).bytes());
            bytes.extend(argument);
            bytes.extend(b"\r\n");
        }
        bytes
    });
    let line = "[a-z ]{0,9}\r\n".prop_map(String::into_bytes);
    let noise = proptest::collection::vec(
        prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), any::<u8>()],
        0..9,
    );
    proptest::collection::vec(prop_oneof![8 => request, 1 => line, 1 => noise], 0..6).prop_map(|parts| parts.concat())
}

proptest! {
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
        use redis_protocol::resp2::{decode::decode, types::OwnedFrame};
        let (requests, _, _) = all(&input, &LIMITS);
        let (mut at, mut expected) = (0, Vec::new());
        while input.get(at) == Some(&b'*') {
            let Ok(Some((OwnedFrame::Array(frames), bytes))) = decode(&input[at..]) else { break };
            let arguments: Option<Vec<Vec<u8>>> = frames.into_iter().map(|frame| match frame {
                OwnedFrame::BulkString(bytes) => Some(bytes),
                _ => None,
            }).collect();
            let Some(arguments) = arguments else { break };
            expected.extend((!arguments.is_empty()).then_some(arguments));
            at += bytes;
        }
        prop_assert_eq!(&requests[..expected.len().min(requests.len())], &expected[..]);
    }
}
