//! Real clients: what people use is what must work.
//!
//! curl, wrk and h2load are Debian packages; Python's websockets and Node's ws are in `target/clients`, where `.ci/setup` puts
//! them.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::echo::{Echo, root};

fn run(program: &mut Command) -> String {
    let output = program.output().unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A script of `tests/server/clients/`, which says `ok` as its last line.
fn says_ok(program: &mut Command, script: &str, echo: &Echo) {
    let text = run(program.arg(root().join("tests/server/clients").join(script)).arg(echo.port.to_string()));
    assert_eq!(text.lines().last(), Some("ok"), "{text}");
}

fn installed(path: &str) -> PathBuf {
    let path = root().join("target/clients").join(path);
    assert!(path.exists(), "{} is missing: .ci/setup installs it", path.display());
    path
}

fn curl(arguments: &[&str], input: &[u8]) -> String {
    let mut command = Command::new("curl");
    let command = command.args(["--silent", "--show-error", "--max-time", "20"]).args(arguments);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl starts");
    process.stdin.take().expect("piped").write_all(input).expect("curl reads");
    let output = process.wait_with_output().expect("curl ends");
    assert!(output.status.success(), "curl {arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("the bodies are text")
}

#[test]
fn curl_gets_posts_streams_and_waits_to_be_told_to_go_on() {
    let Some(echo) = Echo::start() else { return };
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", echo.port);
    assert_eq!(curl(&[&url("/plaintext")], b""), "Hello, World!");
    let head = curl(&["--include", "--request", "DELETE", &url("/a%20b?c")], b"");
    assert!(head.contains("Echo-Method: DELETE\r\nEcho-Path: /a%20b\r\n"), "{head}");
    let head = curl(&["--head", &url("/plaintext")], b"");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Content-Length: 13\r\n"), "{head}");
    let body = "0123456789abcdef".repeat(100_000);
    assert_eq!(curl(&["--data-binary", "@-", &url("/body")], body.as_bytes()), body);
    let chunked = ["--header", "Transfer-Encoding: chunked", "--data-binary", "@-"];
    assert_eq!(curl(&[&chunked[..], &[&url("/body")]].concat(), body.as_bytes()), body);
    let expecting = ["--verbose", "--stderr", "-", "--header", "Expect: 100-continue", "--data-binary", "@-"];
    let said = curl(&[&expecting[..], &[&url("/body")]].concat(), b"waited for");
    assert!(said.contains("< HTTP/1.1 100 Continue") && said.contains("\nwaited for"), "{said}");
    let old = curl(&["--http1.0", "--include", &url("/plaintext")], b"");
    assert!(old.contains("Connection: close\r\n") && old.ends_with("Hello, World!"), "{old}");
    // One connection for all.
    let said = curl(&["--verbose", "--stderr", "-", &url("/1"), &url("/2"), &url("/3")], b"");
    assert_eq!(said.matches("Connected to").count(), 1, "{said}");
    assert_eq!(said.matches("< HTTP/1.1 200 OK").count(), 3, "{said}");
}

#[test]
fn wrk_has_no_errors() {
    let Some(echo) = Echo::start() else { return };
    let url = format!("http://127.0.0.1:{}/plaintext", echo.port);
    let text = run(Command::new("wrk").args(["--threads", "2", "--connections", "128", "--duration", "1s", &url]));
    assert!(text.contains("requests in"), "{text}");
    assert!(!text.contains("Socket errors") && !text.contains("Non-2xx"), "{text}");
}

#[test]
fn h2load_has_no_errors_over_http_1_1() {
    let Some(echo) = Echo::start() else { return };
    let url = format!("http://127.0.0.1:{}/json", echo.port);
    let text = run(Command::new("h2load").args(["--h1", "--requests", "5000", "--clients", "50", &url]));
    assert!(text.contains("5000 succeeded, 0 failed, 0 errored, 0 timeout"), "{text}");
}

#[test]
fn python_websockets() {
    let Some(echo) = Echo::start() else { return };
    says_ok(&mut Command::new(installed("python/bin/python")), "websockets_echo.py", &echo);
}

#[test]
fn node_ws() {
    let Some(echo) = Echo::start() else { return };
    says_ok(Command::new("node").env("NODE_PATH", installed("node/node_modules")), "ws_echo.js", &echo);
}

#[test]
fn several_rings_share_a_port() {
    let Some(echo) = Echo::start_with(&["--rings", "3"]) else { return };
    let url = format!("http://127.0.0.1:{}/plaintext", echo.port);
    let text = run(Command::new("wrk").args(["--threads", "1", "--connections", "64", "--duration", "1s", &url]));
    assert!(!text.contains("Socket errors") && !text.contains("Non-2xx"), "{text}");
}
