//! Real clients: what people use is what must work, in RESP2 and RESP3.
//!
//! redis-cli and phpredis are Debian packages; Python's redis and Node's ioredis are in `target/clients`, where `.ci/setup`
//! puts them.

use std::path::PathBuf;
use std::process::Command;

use crate::servers::Lyger;

fn run(program: &mut Command) -> String {
    let output = program.output().unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The package lies in a folder of its own.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn installed(path: &str) -> PathBuf {
    let path = root().join("target/clients").join(path);
    assert!(path.exists(), "{} is missing: .ci/setup installs it", path.display());
    path
}

/// A script of `tests/resp/clients/`, which says `ok` as its last line.
fn says_ok(program: &mut Command) {
    let text = run(program);
    assert_eq!(text.lines().last(), Some("ok"), "{text}");
}

fn script(name: &str) -> PathBuf {
    root().join("tests/resp/clients").join(name)
}

#[test]
fn redis_cli() {
    let lyger = Lyger::with(|settings| settings.password = Some("secret".to_owned()));
    let port = lyger.port().to_string();
    let cli = |args: &[&str]| {
        let mut command = Command::new("redis-cli");
        run(command.args(["-p", &port, "-a", "secret", "--no-auth-warning"]).args(args)).trim_end().to_owned()
    };
    assert_eq!(cli(&["SET", "k", "a b"]), "OK");
    assert_eq!(cli(&["-3", "GET", "k"]), "a b");
    assert_eq!(cli(&["--no-raw", "-3", "HELLO"]).lines().next(), Some("1# \"server\" => \"redis\""));
    assert_eq!(cli(&["--no-raw", "GET", "nothing"]), "(nil)");
    assert_eq!(cli(&["--scan", "--pattern", "k*"]), "k");
    assert_eq!(cli(&["-r", "3", "INCR", "n"]), "1\n2\n3");
    assert!(cli(&["INFO", "server"]).contains("redis_version:7.0"));
    assert!(cli(&["--bigkeys"]).contains("Sampled 2 keys in the keyspace!"));
    assert!(cli(&["NOSUCH"]).contains("ERR unknown command 'NOSUCH'"));
}

#[test]
fn redis_benchmark() {
    let lyger = Lyger::start(2);
    let text = run(Command::new("redis-benchmark").args(["-p", &lyger.port().to_string()]).args([
        "-t",
        "ping,set,get,incr,mset",
        "-n",
        "2000",
        "-P",
        "16",
        "-q",
        "-e",
    ]));
    assert!(text.contains("GET:") && !text.to_lowercase().contains("error"), "{text}");
}

#[test]
fn phpredis() {
    let lyger = Lyger::start(2);
    says_ok(Command::new("php").arg(script("phpredis.php")).arg(lyger.port().to_string()));
}

#[test]
fn python() {
    let lyger = Lyger::start(2);
    says_ok(Command::new(installed("python/bin/python")).arg(script("python.py")).arg(lyger.port().to_string()));
}

#[test]
fn node() {
    let lyger = Lyger::start(2);
    let modules = installed("node/node_modules");
    says_ok(Command::new("node").env("NODE_PATH", modules).arg(script("node.js")).arg(lyger.port().to_string()));
}
