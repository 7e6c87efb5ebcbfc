//! `rawr status` and `rawr reload`: what they say, and that nobody at their socket can disturb the server.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::fleet::{Fleet, eventually};
use crate::processes::Role;

fn text(output: &Output) -> (Option<i32>, String) {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn run(fleet: &Fleet, arguments: &[&str]) -> (Option<i32>, String) {
    text(&fleet.rawr(arguments).output().unwrap())
}

fn status(fleet: &Fleet) -> Value {
    let (code, said) = run(fleet, &["status", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_str(&said).unwrap()
}

fn sockets(fleet: &Fleet) -> Vec<PathBuf> {
    std::fs::read_dir(fleet.path("lyger")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn sorted(mut pids: Vec<i32>) -> Vec<i32> {
    pids.sort_unstable();
    pids
}

#[test]
fn status_says_what_each_process_does() {
    let fleet = Fleet::serve(2, &[]);
    let held = fleet.ask_meanwhile("GET", "/hold/held".to_owned());
    eventually("the request's start", || fleet.noted("held").len() == 1);
    let at_it = fleet.noted("held")[0];
    std::thread::sleep(Duration::from_millis(5));
    let said = status(&fleet);
    assert_eq!(said["app"], fleet.path("").to_str().unwrap().trim_end_matches('/'));
    assert_eq!((&said["port"], &said["host"]), (&fleet.port.into(), &"127.0.0.1".into()));
    assert_eq!((&said["pid"], &said["front"]["pid"]), (&fleet.master().into(), &fleet.front().into()));
    assert_eq!((&said["state"], &said["generation"]), (&"serving".into(), &1.into()));
    assert_eq!((&said["loading"], &said["waiting"], &said["connections"]), (&Value::Null, &0.into(), &1.into()));
    assert_eq!((&said["cache"]["bytes_max"], &said["cache"]["lock_bytes"]), (&(64 << 20).into(), &0.into()));
    let workers = said["workers"].as_array().unwrap();
    let pids = workers.iter().map(|worker| worker["pid"].as_i64().unwrap() as i32).collect();
    assert_eq!(sorted(pids), sorted(fleet.pids(Role::Worker)));
    for worker in workers {
        let is_held = worker["pid"] == at_it;
        assert_eq!(worker["state"], if is_held { "busy" } else { "ready" }, "{said}");
        assert_eq!(worker["request_age_ms"].as_u64().is_some_and(|age_ms| age_ms >= 5), is_held, "{said}");
        assert!(worker["memory_bytes"].as_u64().unwrap() > 100_000, "{said}");
        assert!(worker["generation"] == 1 && worker["age_seconds"].is_u64(), "{said}");
    }
    let (code, table) = run(&fleet, &["status"]);
    assert_eq!(code, Some(0));
    assert!(table.contains("generation 1") && table.contains("busy"), "{table}");
    fleet.release("held");
    held.join().unwrap().unwrap();
    let requests = |said: &Value| {
        let workers = said["workers"].as_array().unwrap();
        workers.iter().map(|worker| worker["requests"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(requests(&status(&fleet)), 1);
    fleet.finish();
}

#[test]
fn status_is_told_while_the_front_stands_still_or_is_dead() {
    let fleet = Fleet::serve(1, &[]);
    let front = fleet.front();
    fleet.signal(front, Signal::STOP);
    let said = status(&fleet);
    assert_eq!((&said["pid"], &said["connections"]), (&fleet.master().into(), &Value::Null));
    assert_eq!(said["workers"][0]["pid"], fleet.pids(Role::Worker)[0]);
    fleet.signal(front, Signal::CONT);
    eventually("the front's word", || status(&fleet)["connections"].is_u64());
    fleet.signal(front, Signal::KILL);
    eventually("another front", || {
        let said = status(&fleet);
        said["front"]["pid"] != front && said["connections"].is_u64()
    });
    fleet.finish();
}

#[test]
fn reload_returns_when_the_new_code_serves() {
    let fleet = Fleet::serve(2, &[]);
    for version in 2..5 {
        std::fs::write(fleet.path("version.php"), format!("<?php return {version};")).unwrap();
        let (code, said) = run(&fleet, &["reload"]);
        assert_eq!((code, said.as_str()), (Some(0), &*format!("Generation {version} serves\n")));
        for _ in 0..4 {
            assert_eq!(fleet.get("/version/v").unwrap().text(), format!("v version {version}"));
        }
    }
    fleet.finish();
}

#[test]
fn a_reload_that_fails_says_why_in_full_and_only_once() {
    let fleet = Fleet::serve(4, &[]);
    let broken = [
        ("<?php throw new RuntimeException(\"first line\\nsecond line\");", "first line\nsecond line"),
        ("<?php this is no PHP;", "syntax error"),
        ("<?php class Twice {} eval('class Twice {}');", "Cannot declare class Twice"),
        ("<?php echo 'no database, '; die(\"no fun\\n\");", "no database, no fun"),
        ("<?php posix_kill(getmypid(), SIGSEGV);", "signal 11"),
    ];
    for (code, reason) in broken {
        let from = fleet.said().len();
        std::fs::write(fleet.path("boot.php"), code).unwrap();
        let (exit, said) = run(&fleet, &["reload"]);
        assert_eq!(exit, Some(1), "{said}");
        assert!(said.starts_with("The reload has failed:\n") && said.contains(reason), "{said}");
        eventually("the server's own word", || fleet.said()[from..].contains("the reload has failed"));
        eventually("what PHP printed", || fleet.said()[from..].contains(reason.lines().next().unwrap()));
        let told = fleet.said()[from..].to_owned();
        // The message, and once more in the exception's own text.
        let times = told.matches(reason.lines().next().unwrap()).count();
        assert!((1..=2).contains(&times), "{reason} is told {times} times: {told}");
        assert!(!told.contains("signal 9"), "{told}");
        assert_eq!(fleet.get("/version/v").unwrap().text(), "v version 1");
    }
    std::fs::write(fleet.path("boot.php"), "<?php").unwrap();
    assert_eq!(run(&fleet, &["reload"]).0, Some(0));
    fleet.finish();
}

#[test]
fn a_reload_that_is_asked_for_during_another_waits_for_its_own() {
    let fleet = Fleet::serve(1, &[]);
    let slow = "<?php note_boot(); while (!file_exists(__DIR__ . '/go')) { usleep(5000); clearstatcache(); }\n\
        function note_boot() { file_put_contents(getenv('CHAOS_LOG'), getmypid() . \" boots\\n\", FILE_APPEND); }";
    std::fs::write(fleet.path("boot.php"), slow).unwrap();
    let first = fleet.rawr(&["reload"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    eventually("the first boot", || fleet.noted("boots").len() == 1);
    let second = fleet.rawr(&["reload"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    eventually("both at the socket", || status(&fleet)["loading"] == 2);
    std::fs::write(fleet.path("version.php"), "<?php return 2;").unwrap();
    std::fs::write(fleet.path("go"), "").unwrap();
    assert_eq!(text(&first.wait_with_output().unwrap()).0, Some(0));
    let (code, said) = text(&second.wait_with_output().unwrap());
    assert_eq!(code, Some(0));
    // The second may have come so late that the first was over; it never shares what had begun before.
    assert_eq!(said, "Generation 3 serves\n");
    assert_eq!(fleet.get("/version/v").unwrap().text(), "v version 2");
    fleet.finish();
}

#[test]
fn without_a_server_a_clear_error_says_so() {
    let mut fleet = Fleet::serve(1, &[]);
    let (code, said) = run(&fleet, &["status", "--port=1"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no server runs for") && said.contains(&format!("with port {}", fleet.port)), "{said}");
    assert_eq!(run(&fleet, &["status", &format!("--port={}", fleet.port)]).0, Some(0));
    assert_eq!(run(&fleet, &["status", "--port=x"]).0, Some(2));
    assert_eq!(sockets(&fleet).len(), 1);
    fleet.tell(Signal::KILL);
    assert_eq!(fleet.ended(), None);
    assert_eq!(sockets(&fleet).len(), 1, "what a killed master leaves");
    for question in ["status", "reload"] {
        let (code, said) = run(&fleet, &[question]);
        assert_eq!(code, Some(1));
        assert!(said.starts_with("no server runs for") && !said.contains("These run"), "{said}");
    }
}

#[test]
fn a_server_takes_its_socket_along_and_is_told_apart_from_another_of_the_same_folder() {
    let mut fleet = Fleet::serve(1, &[]);
    let mut other = fleet.rawr(&["serve", "--port=0", "--workers=1"]);
    other.env("LYGER_LIBRARY", std::env::current_exe().unwrap().with_file_name("liblyger.so"));
    let mut other = other.env("LYGER_ENGINE", "required").stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut announcement = [0; 200];
    let count = other.stdout.as_mut().unwrap().read(&mut announcement).unwrap();
    let announcement = String::from_utf8_lossy(&announcement[..count]).into_owned();
    let (code, said) = run(&fleet, &["status"]);
    let (_, chosen) = run(&fleet, &["status", "--json", &format!("--port={}", fleet.port)]);
    rustix::process::kill_process(rustix::process::Pid::from_child(&other), Signal::TERM).unwrap();
    assert!(other.wait().unwrap().success(), "{announcement}");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("several servers") && said.contains(&format!("with port {}", fleet.port)), "{said}");
    assert_eq!(serde_json::from_str::<Value>(&chosen).unwrap()["pid"], fleet.master());
    assert_eq!(run(&fleet, &["status"]).0, Some(0), "the other has taken its socket along");
    fleet.tell(Signal::TERM);
    assert_eq!(fleet.ended(), Some(0));
    assert_eq!(sockets(&fleet), Vec::<PathBuf>::new());
}

#[test]
fn clients_that_say_nothing_or_read_nothing_disturb_nobody() {
    let fleet = Fleet::serve(1, &[]);
    let socket = sockets(&fleet).remove(0);
    let mut rude = Vec::new();
    for number in 0..100 {
        let mut client = UnixStream::connect(&socket).unwrap();
        if number % 2 == 0 {
            let _ = client.write_all(b"status\n"); // one too many is sent away
        }
        rude.push(client);
        assert_eq!(fleet.get("/echo/a?q=q").unwrap().text(), "a q none");
    }
    fleet.signal(fleet.pids(Role::Worker)[0], Signal::KILL);
    fleet.await_whole();
    eventually("room for who asks", || run(&fleet, &["status"]).0 == Some(0));
    fleet.finish();
}

#[test]
fn other_users_are_not_heard() {
    let fleet = Fleet::serve(1, &[]);
    let socket = sockets(&fleet).remove(0);
    let folder = std::fs::metadata(fleet.path("lyger")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&folder.permissions()) & 0o777, 0o700);
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can become another user");
        fleet.finish();
        return;
    }
    // As if the folder were open.
    for path in [fleet.path(""), fleet.path("lyger"), socket.clone()] {
        let open: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(path, open).unwrap();
    }
    let ask = "$user = (int) $argv[2]; posix_setuid($user);
        $server = stream_socket_client(\"unix://$argv[1]\"); @fwrite($server, \"status\\n\");
        echo strlen((string) stream_get_contents($server));";
    for (user, is_heard) in [("0", true), ("65534", false)] {
        let asked = std::process::Command::new("php").args(["-r", ask, "--"]).arg(&socket).arg(user).output().unwrap();
        let (code, said) = text(&asked);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(said.trim().parse::<u32>().unwrap() > 100, is_heard, "user {user}: {said}");
    }
    // A folder that others can enter is used by nobody.
    assert_eq!(run(&fleet, &["status"]).0, Some(1));
    fleet.finish();
}
