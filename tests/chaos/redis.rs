//! Redis clients of a fleet: the front serves them with the cache that all workers share.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::PATIENCE;
use crate::fleet::{Fleet, eventually, share};
use crate::processes::Role;

const OPTIONS: [&str; 2] = ["--resp=127.0.0.1:0", "--resp-threads=2"];

/// Where it says that Redis clients are served.
fn address(fleet: &Fleet) -> String {
    let said = fleet.said();
    let address = said.lines().find_map(|line| line.split_once("Redis clients at ")).expect("the announcement").1;
    address.split([' ', ',']).next().unwrap().to_owned()
}

/// redis-cli, which is told line by line and connects again by itself.
struct Cli {
    process: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Cli {
    fn start(fleet: &Fleet) -> Self {
        let address = address(fleet);
        let (host, port) = address.rsplit_once(':').unwrap();
        let mut process = Command::new("redis-cli")
            .args(["-h", host, "-p", port, "--no-auth-warning"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("redis-cli runs (.ci/packages: redis-tools)");
        let input = process.stdin.take().unwrap();
        let (sender, lines) = channel();
        // A lost connection is told on stderr.
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(process.stdout.take().unwrap()), Box::new(process.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            let lines = BufReader::new(stream).lines().map_while(Result::ok);
            std::thread::spawn(move || lines.map(|line| sender.send(line)).all(|sent| sent.is_ok()));
        }
        Self { process, input, lines }
    }

    /// The first line of a reply; `None` when the connection was lost.
    fn ask(&mut self, line: &str) -> Option<String> {
        writeln!(self.input, "{line}").unwrap();
        loop {
            let reply = self.lines.recv_timeout(PATIENCE).expect("redis-cli says something");
            if !reply.is_empty() {
                return Some(reply).filter(|reply| !reply.starts_with("Error:") && !reply.starts_with("Could not"));
            }
        }
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request and its reply over a connection of its own.
fn say(address: &str, request: &str) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(format!("{request}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut replies = String::new();
    client.read_to_string(&mut replies).unwrap();
    replies.strip_suffix("+OK\r\n").expect("the reply to QUIT").to_owned()
}

fn health(fleet: &Fleet) -> serde_json::Value {
    serde_json::from_str(&fleet.get("/health").unwrap().text()).unwrap()
}

#[test]
fn redis_clients_and_workers_share_one_cache_that_outlives_the_front() {
    let fleet = Fleet::serve(2, &OPTIONS);
    let address = address(&fleet);
    let mut cli = Cli::start(&fleet);
    assert_eq!(cli.ask("SET color blue"), Some("OK".to_owned()));
    assert!(fleet.get("/cache/color").unwrap().text().starts_with("blue in "), "a worker sees it");
    fleet.get("/cache/shape/round").unwrap();
    assert_eq!(cli.ask("GET shape"), Some("round".to_owned()));
    let health = health(&fleet);
    assert_eq!((&health["status"], &health["resp"]["listen"]), (&"ok".into(), &address.as_str().into()));
    assert_eq!((&health["resp"]["threads"], &health["resp"]["clients"]), (&2.into(), &1.into()));
    let status = fleet.rawr(&["status"]).output().unwrap();
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains(&format!("Redis clients at {address}: 1 connected, 2 threads")), "{status}");
    assert!(say(&address, "SHUTDOWN NOSAVE").starts_with("-ERR this server is a part of a process"));

    for round in 0..share(20, 60, 3) {
        fleet.signal(fleet.front(), Signal::KILL);
        // Who connects now waits at the sockets that the master holds, whatever thread's they are.
        let waiting: Vec<_> = (0..20)
            .map(|number| {
                let address = address.clone();
                std::thread::spawn(move || {
                    let mut client = TcpStream::connect(address).expect("nobody is refused");
                    client.set_read_timeout(Some(PATIENCE)).unwrap();
                    client.write_all(format!("SET {round}:{number} x\r\n").as_bytes()).unwrap();
                    let mut reply = [0; 5];
                    // The dying front may have accepted it.
                    client.read_exact(&mut reply).is_ok_and(|()| reply == *b"+OK\r\n")
                })
            })
            .collect();
        let served = waiting.into_iter().map(|client| client.join().unwrap()).filter(|is| *is).count();
        assert!(served > 0, "none of those who waited was served");
        eventually("redis-cli's next connection", || cli.ask("GET color") == Some("blue".to_owned()));
        fleet.await_whole();
        std::thread::sleep(Duration::from_millis(600));
    }
    assert!(fleet.get("/cache/shape").unwrap().text().starts_with("round in "));
    // A reload changes nothing for them.
    fleet.tell(Signal::HUP);
    eventually("the reload", || fleet.said().contains("generation 2 serves"));
    assert_eq!(cli.ask("GET color"), Some("blue".to_owned()));
    fleet.finish();
}

/// A worker that dies amid a write may cost what its shard had, and nobody else's time: what is read was written.
#[test]
fn a_worker_that_is_killed_keeps_no_redis_client_from_writing() {
    let fleet = Fleet::serve(2, &OPTIONS);
    let mut cli = Cli::start(&fleet);
    let (done, put, mut before) = (AtomicBool::new(false), AtomicU64::new(0), 0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    let number = put.load(Relaxed);
                    // It is refused with 502 while a worker dies.
                    if fleet
                        .get(&format!("/cache/worker{}/{number}", number % 50))
                        .is_ok_and(|reply| reply.status == 200)
                    {
                        put.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        for _ in 0..share(60, 60, 4) {
            for _ in 0..500 {
                let now: u64 = cli.ask("INCR counter").expect("the front lives").parse().expect("a number");
                assert!(now == before + 1 || now == 1, "{now} after {before}");
                before = now;
            }
            for worker in fleet.pids(Role::Worker) {
                fleet.signal(worker, Signal::KILL);
            }
        }
        done.store(true, Relaxed);
    });
    assert!(put.load(Relaxed) > 10, "the workers wrote, too");
    assert_eq!(cli.ask("GET counter"), Some(before.to_string()));
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn keys_that_are_lost_with_a_worker_are_told_of() {
    let fleet = Fleet::serve(2, &OPTIONS);
    let mut cli = Cli::start(&fleet);
    let (done, begun) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Relaxed) && begun.elapsed() < PATIENCE {
                    let _ = fleet.get("/fill"); // 502 while a worker dies
                }
            });
        }
        eventually("a death amid a write", || {
            std::thread::sleep(Duration::from_millis(100));
            fleet.pids(Role::Worker).into_iter().for_each(|worker| fleet.signal(worker, Signal::KILL));
            cli.ask("EXISTS large");
            fleet.said().contains("the shard that it was changing is emptied, and its keys are lost")
        });
        done.store(true, Relaxed);
    });
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn what_was_saved_at_the_end_is_there_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache");
    let snapshot = format!("--resp-snapshot={}", file.display());
    let options = [OPTIONS[0], OPTIONS[1], &snapshot];
    let mut fleet = Fleet::serve(1, &options);
    let at = address(&fleet);
    fleet.get("/cache/color/blue").unwrap();
    say(&at, "SET until x PXAT 4102444800123");
    assert_eq!(say(&at, "SAVE"), "+OK\r\n");
    say(&at, "SET more 1");
    // What a request that runs while the server ends writes is saved, too.
    let held = fleet.ask_meanwhile("GET", "/hold/last".to_owned());
    eventually("the request's start", || fleet.noted("last").len() == 1);
    fleet.tell(Signal::TERM);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(say(&at, "SET late 1"), "+OK\r\n");
    fleet.release("last");
    held.join().unwrap().unwrap();
    assert_eq!(fleet.ended(), Some(0), "{}", fleet.said());
    drop(fleet);

    let mut fleet = Fleet::serve(1, &options);
    let at = address(&fleet);
    assert!(fleet.get("/cache/color").unwrap().text().starts_with("blue in "), "{}", fleet.said());
    assert_eq!(say(&at, "PEXPIRETIME until"), ":4102444800123\r\n");
    assert_eq!((say(&at, "GET more"), say(&at, "GET late")), ("$1\r\n1\r\n".into(), "$1\r\n1\r\n".into()));
    // Another front has the cache, and not what the file has.
    say(&at, "DEL more");
    fleet.signal(fleet.front(), Signal::KILL);
    eventually("another front", || fleet.pids(Role::Front).len() == 1);
    assert_eq!(say(&at, "EXISTS more"), ":0\r\n");
    // Where it can't be saved the end is no success.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir_all(file.join("in the way")).unwrap();
    fleet.await_whole();
    fleet.tell(Signal::TERM);
    assert_eq!(fleet.ended(), Some(1), "{}", fleet.said());
    assert!(fleet.said().contains("nothing was saved: renaming "), "{}", fleet.said());
    drop(fleet);

    std::fs::remove_dir_all(&file).unwrap();
    std::fs::write(&file, b"LYGERSNP and then nothing of sense").unwrap();
    let mut fleet = Fleet::start(1, &options, |_| {});
    assert_eq!(fleet.ended(), Some(1));
    assert!(fleet.said().contains("is damaged and nothing of it was loaded"), "{}", fleet.said());
}

#[test]
fn an_address_that_cannot_be_had_is_told_by_the_exit_code() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--resp={}", taken.local_addr().unwrap());
    for (option, code, text) in [
        ("--resp=0.0.0.0:0", 2, "a password is needed"),
        (&*taken, 3, "in use"),
        ("--resp=6380", 2, "an IP address or localhost with a port"),
        ("--resp-clients-max=0", 2, "an integer from 1"),
    ] {
        let mut fleet = Fleet::start(1, &[option], |_| {});
        assert_eq!(fleet.ended(), Some(code), "{option}: {}", fleet.said());
        assert!(fleet.said().contains(text), "{option}: {}", fleet.said());
    }
    let password = [("LYGER_RESP_PASSWORD", "of the environment")];
    let mut fleet = Fleet::start_with(1, &["--resp=0.0.0.0:0"], &password, |_| {});
    fleet.await_announcement();
    let at = address(&fleet).replace("0.0.0.0", "127.0.0.1");
    assert_eq!(say(&at, "GET k"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(say(&at, "AUTH \"of the environment\""), "+OK\r\n");
    // Who lists the processes doesn't learn it.
    for process in fleet.processes() {
        let line = std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap();
        assert!(!String::from_utf8_lossy(&line).contains("of the environment"));
    }
    fleet.finish();
}

/// As after a reload of another version of the engine: its table begins with another number.
#[test]
fn a_worker_without_the_shared_cache_is_told_of() {
    let fleet = Fleet::serve(2, &OPTIONS);
    fleet.get("/cache/color/blue").unwrap();
    let descriptors = format!("/proc/{}/fd", fleet.master());
    let cache = std::fs::read_dir(&descriptors).unwrap().flatten().find(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|link| link.to_string_lossy().contains("memfd:lyger-cache"))
    });
    let cache = cache.expect("the cache's file").path();
    let file = std::fs::OpenOptions::new().read(true).write(true).open(Path::new(&cache)).unwrap();
    let mut number = [0; 8];
    file.read_exact_at(&mut number, 0).unwrap();
    file.write_all_at(b"another!", 0).unwrap();
    for worker in fleet.pids(Role::Worker) {
        fleet.signal(worker, Signal::KILL);
    }
    fleet.await_whole();
    assert_eq!(health(&fleet)["status"], "ok", "nobody has asked for the cache yet");
    // Each worker gets some; the word comes with its next report.
    eventually("the word of it", || {
        for _ in 0..8 {
            assert!(fleet.get("/cache/color").unwrap().text().contains(" in "));
        }
        let health = health(&fleet);
        health["status"] == "degraded" && health["degraded"][0].as_str().unwrap().contains("a cache of their own")
    });
    assert!(fleet.said().contains("this worker has a cache of its own"));
    // A front that doesn't know the table serves HTTP all the same.
    fleet.signal(fleet.front(), Signal::KILL);
    eventually("another front", || fleet.get("/health").is_ok());
    assert!(health(&fleet)["degraded"].to_string().contains("Redis clients are not served: "));
    // Who comes to where the master holds the sockets isn't left to wait, and the next front that can serves again.
    let at = address(&fleet);
    assert!(TcpStream::connect(&at).is_err());
    file.write_all_at(&number, 0).unwrap();
    std::thread::sleep(Duration::from_millis(600));
    fleet.signal(fleet.front(), Signal::KILL);
    eventually("a front that serves Redis clients", || TcpStream::connect(&at).is_ok());
    (0..20).for_each(|_| assert_eq!(say(&at, "PING"), "+PONG\r\n", "on each thread"));
    fleet.finish();
}

/// A password that vanished with a process would let in everybody.
#[test]
fn what_clients_have_configured_holds_for_the_next_front() {
    let fleet = Fleet::serve(1, &OPTIONS);
    let at = address(&fleet);
    assert_eq!(say(&at, "CONFIG SET slowlog-max-len 77 timeout 1000"), "+OK\r\n");
    assert_eq!(say(&at, "CONFIG SET requirepass \"se\\xffcret\" timeout 2000"), "+OK\r\n");
    for _ in 0..3 {
        fleet.signal(fleet.front(), Signal::KILL);
        assert_eq!(say(&at, "GET k"), "-NOAUTH Authentication required.\r\n");
        let kept = say(&at, "AUTH \"se\\xffcret\"\r\nCONFIG GET slowlog-max-len\r\nCONFIG GET timeout");
        assert!(
            kept.starts_with("+OK\r\n") && kept.contains("$2\r\n77\r\n") && kept.contains("$4\r\n2000\r\n"),
            "{kept}"
        );
        fleet.await_whole();
        std::thread::sleep(Duration::from_millis(600));
    }
    assert!(!fleet.said().contains("cret"), "{}", fleet.said());
    fleet.finish();
}

#[test]
fn who_connects_to_a_server_that_has_drained_is_refused_at_once() {
    let mut fleet = Fleet::start(1, &OPTIONS, |folder| {
        let last_words = "<?php register_shutdown_function(static function (): void { sleep(3); });";
        std::fs::write(folder.join("boot.php"), last_words).unwrap();
    });
    fleet.await_announcement();
    let at = address(&fleet);
    assert_eq!(say(&at, "PING"), "+PONG\r\n");
    fleet.tell(Signal::TERM);
    eventually("a refusal", || TcpStream::connect(&at).is_err());
    assert_eq!(
        fleet.pids(Role::Worker).len(),
        1,
        "while a worker has its last words the master holds the socket still"
    );
    assert_eq!(fleet.ended(), Some(0), "{}", fleet.said());
}
