//! Answers of more rows than the front may hold: it sends them as they come, as fast as their client takes them.

use std::io::ErrorKind;
use std::time::Duration;

use crate::fleet_sql::stage::{Dsns, Fleet};
use crate::front_stage::Client;

const DATABASES: [&str; 3] = ["file", "postgres", "mysql"];

/// A row of the series.
fn row(number: usize) -> String {
    format!("{{\"n\":{number},\"t\":\"{number:0200}\",\"also\":{number}}}")
}

/// What a process has in memory, in KiB: `VmRSS` now, `VmHWM` at its most.
fn memory_kib(process: &str, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).expect("a line of the kernel's");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn ask(client: &mut Client, target: &str) -> String {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
    client.head()
}

/// Of how many rows an answer is that shall not fit: ten million in `make chaos`, which is 2 GB.
fn many() -> usize {
    std::env::var("LYGER_TEST_ROWS").map_or(300_000, |rows| rows.parse().expect("a number of rows"))
}

#[test]
fn more_rows_than_fit_the_cap_leave_while_the_front_holds_little_and_serves_others() {
    let dsns = Dsns::of("rows_bounded");
    for name in DATABASES {
        let limits = [("LYGER_DB_RESULT_BYTES_MAX", "4194304"), ("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000")];
        let rows = many();
        let fleet = Fleet::start(&dsns, 1, &limits);
        let front = fleet.process("fleet:front");
        let mut others = fleet.connect();
        let before_kib = memory_kib(&front, "VmRSS");
        let mut client = fleet.connect();
        let head = ask(&mut client, &format!("/rows/{name}/{rows}"));
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("transfer-encoding: chunked"), "{name}: {head}");
        let mut expected = (1..=rows).map(|number| if number == 1 { row(1) } else { format!(",{}", row(number)) });
        let (mut wanted, mut chunk) = (b"[".to_vec(), Vec::new());
        let (mut bytes, mut chunks) = (0, 0);
        while client.read_chunk(&mut chunk).expect("a chunk") {
            while wanted.len() < chunk.len() {
                wanted.extend(expected.next().unwrap_or_else(|| "]".to_owned()).bytes());
            }
            assert!(wanted.starts_with(&chunk), "{name}: what comes behind {bytes} bytes differs");
            bytes += chunk.len();
            wanted.drain(..chunk.len());
            chunk.clear();
            if chunks % 50 == 0 {
                // Nothing is read meanwhile, and the one worker is free.
                assert_eq!(others.get("/hello").body, "hello", "{name}");
                assert_eq!(others.get("/rows/file/1").body, format!("[{}]", row(1)), "{name}");
            }
            chunks += 1;
        }
        let grown_kib = memory_kib(&front, "VmHWM").saturating_sub(before_kib);
        assert!(wanted.is_empty() && expected.next().is_none(), "{name}: it ends behind {bytes} bytes");
        assert!(bytes > rows * 200 && grown_kib < 20 << 10, "{name}: {grown_kib} KiB for {bytes} bytes");
        // The connection goes on.
        assert_eq!(client.get("/hello").body, "hello");
    }
}

#[test]
fn a_client_that_goes_away_amid_the_rows_gives_the_connection_back() {
    let dsns = Dsns::of("rows_gone");
    let limits = [
        ("LYGER_DB_CONNECTIONS_MAX", "1"),
        ("LYGER_DB_ACQUIRE_TIMEOUT_MS", "20000"),
        ("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000"),
    ];
    let fleet = Fleet::start(&dsns, 1, &limits);
    for name in DATABASES {
        let mut client = fleet.connect();
        ask(&mut client, &format!("/rows/{name}/3000000"));
        client.read_chunk(&mut Vec::new()).expect("a chunk");
        client.reset();
        assert_eq!(fleet.get(&format!("/rows/{name}/1")).body, format!("[{}]", row(1)), "{name}");
    }
}

#[test]
fn a_client_that_takes_nothing_for_the_write_timeout_gives_the_connection_back() {
    let dsns = Dsns::of("rows_stuck");
    let limits = [
        ("LYGER_DB_CONNECTIONS_MAX", "1"),
        ("LYGER_DB_ACQUIRE_TIMEOUT_MS", "20000"),
        ("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000"),
        ("LYGER_WRITE_TIMEOUT_MS", "1000"),
    ];
    let fleet = Fleet::start(&dsns, 1, &limits);
    for name in DATABASES {
        let mut stuck = fleet.connect();
        ask(&mut stuck, &format!("/rows/{name}/3000000"));
        assert_eq!(fleet.get(&format!("/rows/{name}/1")).body, format!("[{}]", row(1)), "{name}");
        assert!(!matches!(stuck.try_rest(), Ok(bytes) if bytes > 500 << 20), "{name}: it got all of them");
    }
}

#[test]
fn slow_clients_of_sqlite_take_no_thread_from_others() {
    let dsns = Dsns::of("rows_hands");
    let limits = [
        ("LYGER_DB_CONNECTIONS_MAX", "32"),
        ("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000"),
        ("LYGER_WRITE_TIMEOUT_MS", "120000"),
    ];
    let fleet = Fleet::start(&dsns, 1, &limits);
    // More than there are threads for statements at once.
    let mut slow: Vec<Client> = (0..20).map(|_| fleet.connect()).collect();
    for client in &mut slow {
        ask(client, "/rows/file/3000000");
    }
    for _ in 0..20 {
        assert_eq!(fleet.get("/rows/file/1").body, format!("[{}]", row(1)));
    }
}

#[test]
fn a_download_may_take_longer_than_a_statement() {
    let dsns = Dsns::of("rows_late");
    let fleet =
        Fleet::start(&dsns, 1, &[("LYGER_DB_STATEMENT_TIMEOUT_MS", "1000"), ("LYGER_WRITE_TIMEOUT_MS", "120000")]);
    let rows: Vec<String> = (1..=100_000).map(row).collect();
    let whole = format!("[{}]", rows.join(","));
    for name in DATABASES {
        let mut slow = fleet.connect();
        ask(&mut slow, &format!("/rows/{name}/100000"));
        let mut body = Vec::new();
        for pause_ms in [0, 2_500, 2_500] {
            std::thread::sleep(Duration::from_millis(pause_ms));
            assert_eq!(slow.read_chunk(&mut body), Some(true), "{name}");
        }
        while slow.read_chunk(&mut body).unwrap_or_else(|| panic!("{name}: cut off behind {} bytes", body.len())) {}
        assert!(body == whole.as_bytes(), "{name}: {} bytes differ", body.len());
    }
}

#[test]
fn rows_that_fail_midway_cut_the_answer_off_and_leave_a_line() {
    let dsns = Dsns::of("rows_broken");
    for (name, sqlstate) in [("file", "HY000"), ("postgres", "22012"), ("mysql", "22003")] {
        let fleet = Fleet::start(&dsns, 1, &[("LYGER_DB_STATEMENT_TIMEOUT_MS", "120000")]);
        let mut client = fleet.connect();
        let head = ask(&mut client, &format!("/broken/{name}/200000"));
        assert!(head.starts_with("HTTP/1.1 200 "), "{name}: {head}");
        let mut body = Vec::new();
        let ended = loop {
            match client.read_chunk(&mut body) {
                Some(true) => {}
                Some(false) => break true,
                None => break false,
            }
        };
        assert!(!ended, "{name}: it looks complete");
        assert!(body.len() > 1 << 20, "{name}: {} bytes", body.len());
        let line = fleet.line("cut off after ");
        assert!(line.contains("request ") && line.contains(&format!("[{sqlstate}]")), "{line}");
        assert_eq!(fleet.get(&format!("/rows/{name}/1")).body, format!("[{}]", row(1)), "{name}");
        // Where the connection's end is the body's, a reset tells the one from the other.
        let mut old = fleet.connect();
        old.send(format!("GET /broken/{name}/200000 HTTP/1.0\r\n\r\n"));
        assert_eq!(old.try_rest().map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset), "{name}");
        // Before the first byte there is still a status to say it with.
        fleet.get(&format!("/broken/{name}/5")).assert_error(500);
    }
}

#[test]
fn rows_by_key_are_held_and_so_have_to_fit_the_cap() {
    let dsns = Dsns::of("rows_keyed");
    let fleet = Fleet::start(&dsns, 1, &[("LYGER_DB_RESULT_BYTES_MAX", "8388608")]);
    for name in DATABASES {
        let rows: Vec<String> = (1..=20_000).map(|number| format!("\"{number}\":{}", row(number))).collect();
        let reply = fleet.get(&format!("/keyed/{name}/20000"));
        assert!(reply.body == format!("{{{}}}", rows.join(",")), "{name}: {}", reply.body.len());
        fleet.get(&format!("/keyed/{name}/60000")).assert_error(500);
    }
}
