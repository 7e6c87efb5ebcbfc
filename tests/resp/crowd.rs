//! Ten thousand idle clients: they cost no buffers, and nobody who asks something does work for them.
//!
//! How long a PING takes beside them is measured (`make bench-resp`) and not asserted here.

use std::net::TcpStream;

use crate::servers::Program;
use crate::wire::Client;

const CLIENTS: usize = 10_000;
const DESCRIPTORS: u64 = CLIENTS as u64 + 200;
/// A session, its card and their entries in two maps; a buffer of 16 KiB each would be 160 MiB.
const BYTES_PER_CLIENT_MAX: u64 = 4 << 10;

#[test]
fn ten_thousand_idle_clients_cost_no_buffers_and_delay_nobody() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(DESCRIPTORS);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }).unwrap();
    // Where fewer descriptors are allowed, fewer clients say the same.
    let clients = CLIENTS.min(most as usize - 200);
    let lyger = Program::start(&["--threads", "2", "--clients-max", "12000"]);
    let before = lyger.resident();
    let address = lyger.address();
    let crowd: Vec<TcpStream> = (0..clients).map(|_| TcpStream::connect(address).expect("accepted")).collect();
    let mut client = lyger.client();
    while !client.say("INFO clients").contains(&format!("connected_clients:{}\r\n", clients + 1)) {
        std::thread::yield_now();
    }
    let each = lyger.resident().saturating_sub(before) / clients as u64;
    assert!(each < BYTES_PER_CLIENT_MAX, "{each} bytes for an idle client");
    let peak = lyger.peak();
    let mut asking: Vec<Client> = (0..16).map(|_| Client::tcp(address)).collect();
    for _ in 0..500 {
        for client in &mut asking {
            assert_eq!(client.say("PING"), "+PONG\r\n");
        }
    }
    assert!(lyger.peak() - peak < 4 << 20, "{} bytes for pings beside idle clients", lyger.peak() - peak);
    drop(crowd);
    while !client.say("INFO clients").contains("connected_clients:17\r\n") {
        std::thread::yield_now();
    }
}
