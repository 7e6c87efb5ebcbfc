//! The echo on the axum front, which the same suites are run against: `cargo run --example echo -- --port 8080`.
//!
//! Every path gives its request's body back, with the fields `Echo-Method` and `Echo-Path`, as `zig/server/echo.zig` does. There
//! are no messages: this front has no WebSockets yet.

use std::time::Duration;

use lyger::front::{Config, Identity, Next, Part, Server, Summary, Worker};

/// As long as a request line may be.
const LINE_BYTES: usize = 128 * 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let port = match &arguments[..] {
        [] => 8080,
        [flag, port] if flag == "--port" => port.parse()?,
        _ => return Err("usage: echo [--port N]".into()),
    };
    let config = Config { port, ..Config::default() };
    let server = Server::start(config, Identity::default())?;
    server.drain_on_signals()?;
    eprintln!("info: listening on port {}", server.address().port());
    let worker = server.worker();
    let mut line = vec![0; LINE_BYTES];
    loop {
        match worker.next(Duration::from_secs(1), &mut line) {
            Next::Request(request) => answer(worker, &request, &line)?,
            Next::TooSmall(needed) => line.resize(needed, 0),
            Next::TimedOut | Next::Interrupted | Next::Finished => {}
            Next::Stopped => return Ok(()),
        }
    }
}

/// The line is method, path and query, one after the other.
fn answer(worker: &Worker, request: &Summary, line: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let (method, rest) = line.split_at(request.method_len as usize);
    let path = &rest[..request.path_len as usize];
    let fields: [&[u8]; 6] = [b"content-type", b"application/octet-stream", b"echo-method", method, b"echo-path", path];
    let headers: Vec<u8> = fields.iter().flat_map(|text| text.iter().chain(b"\0")).copied().collect();
    let body = worker.read(request.id, Part::Body, b"", <[u8]>::to_vec)?;
    // A client that has gone leaves a stale id behind, which is no reason to end.
    if let Err(error) = worker.respond(request.id, 200, &headers, &body) {
        eprintln!("info: {error}");
    }
    Ok(())
}
