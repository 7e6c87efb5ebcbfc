//! The file of `--snapshot`: what was there is there again, whole or not at all.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::servers::{Lyger, Program};
use crate::wire::{Client, bulk};

/// The program, with its file in a folder.
fn start(path: &Path) -> Program {
    Program::start(&["--threads", "2", "--snapshot", path.to_str().unwrap()])
}

fn end(mut program: Program, signal: Signal) -> Option<i32> {
    program.signal(signal);
    program.code()
}

fn info(client: &mut Client, name: &str) -> String {
    let info = client.say("INFO persistence");
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .unwrap_or_else(|| panic!("{info}"))
        .to_owned()
}

#[test]
fn what_was_there_at_a_signal_is_there_again_with_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let program = start(&path);
    let mut client = program.client();
    for key in 0..2_000 {
        client.say(&format!("SET key:{key} value:{key}"));
    }
    client.say("SET soon x PX 300");
    client.say("SET at x PXAT 4102444800123");
    client.ask(&[&b"SET"[..], b"\0binary\xff", b"\r\n\0\xff"]);
    assert_eq!(end(program, Signal::TERM), Some(0));
    std::thread::sleep(Duration::from_millis(350));
    let program = start(&path);
    let mut client = program.client();
    assert_eq!(client.say("DBSIZE"), ":2002\r\n");
    assert_eq!(client.say("GET key:1999"), "$10\r\nvalue:1999\r\n");
    assert_eq!(client.say("EXISTS soon"), ":0\r\n");
    assert_eq!(client.say("PEXPIRETIME at"), ":4102444800123\r\n");
    assert_eq!(client.say("PTTL key:1"), ":-1\r\n");
    assert_eq!(client.ask(&[&b"GET"[..], b"\0binary\xff"]), bulk(b"\r\n\0\xff"));
    // SHUTDOWN saves, and NOSAVE doesn't.
    client.say("SET more 1");
    assert_eq!(client.say("SHUTDOWN"), "");
    let mut program = program;
    assert_eq!(program.code(), Some(0));
    let mut program = start(&path);
    let mut client = program.client();
    assert_eq!(client.say("GET more"), "$1\r\n1\r\n");
    client.say("DEL more");
    assert_eq!(client.say("SHUTDOWN NOSAVE"), "");
    assert_eq!(program.code(), Some(0));
    assert_eq!(start(&path).client().say("GET more"), "$1\r\n1\r\n");
}

#[test]
fn clients_can_have_the_keys_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let program = start(&path);
    let mut client = program.client();
    let before: u64 = client.say("LASTSAVE").trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    std::thread::sleep(Duration::from_millis(1_100));
    client.say("SET k first");
    assert_eq!(client.say("SAVE"), "+OK\r\n");
    let first = std::fs::read(&path).unwrap();
    let after: u64 = client.say("LASTSAVE").trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    assert!(after > before && info(&mut client, "rdb_last_save_time") == after.to_string());
    client.say("SET k second");
    assert_eq!(client.say("BGSAVE SCHEDULE"), "+Background saving started\r\n");
    while info(&mut client, "rdb_bgsave_in_progress") != "0" {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
    assert!(std::fs::read(&path).unwrap() != first);
    assert_eq!(client.say("BGSAVE NOW"), "-ERR syntax error\r\n");
    // Nowhere to write to: it is said, and the server goes on.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir_all(folder.path().join("keys/in/the/way")).unwrap();
    assert!(client.say("SAVE").starts_with("-ERR nothing was saved: renaming "), "it can't be a folder");
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "err");
    assert_eq!(client.say("GET k"), "$6\r\nsecond\r\n");
    assert_eq!(end(program, Signal::TERM), Some(1), "an end that saves nothing is no success");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left half written");

    let lyger = Lyger::start(1);
    let nowhere = "-ERR there is no file to save to: the setting resp.snapshot names none\r\n";
    for line in ["SAVE", "BGSAVE"] {
        assert_eq!(lyger.client().say(line), nowhere);
    }
    // It is a part of this process.
    assert!(lyger.client().say("SHUTDOWN").starts_with("-ERR this server is a part of a process"));
}

/// Killed at any moment of a save, it leaves the file of before or the new one.
#[test]
fn a_kill_amid_a_save_leaves_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let mut sizes = Vec::new();
    for round in 0..12_u32 {
        let program = start(&path);
        let mut client = program.client();
        let keys: u64 = client.say("DBSIZE").trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        assert!(keys == 0 || sizes.contains(&keys), "{keys} of {sizes:?}");
        for key in 0..200_u32 {
            assert_eq!(client.ask(&["SET", &format!("{round}:{key}"), &"v".repeat(20_000)]), b"+OK\r\n");
        }
        sizes.push(keys + 200);
        if round > 0 {
            client.say("BGSAVE");
            let begun = || {
                let mut names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
                names.any(|name| name.to_string_lossy().starts_with("keys.saving-"))
            };
            while !begun() && info(&mut client, "rdb_bgsave_in_progress") == "1" {}
            std::thread::sleep(Duration::from_millis(u64::from(round) * 2));
        } else {
            client.say("SAVE");
        }
        end(program, Signal::KILL);
    }
    let program = start(&path);
    assert!(program.client().say("DBSIZE") != ":0\r\n");
    assert_eq!(program.client().say("SAVE"), "+OK\r\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "what the killed ones have left is gone");
}

#[test]
fn a_file_that_is_not_whole_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let program = start(&path);
    for key in 0..100 {
        program.client().say(&format!("SET key:{key} value EX 1000"));
    }
    assert_eq!(end(program, Signal::INT), Some(0));
    let whole = std::fs::read(&path).unwrap();
    // Every few bytes, for the program; every single one is cut in the table's own test.
    for len in (0..whole.len()).step_by(whole.len() / 20) {
        std::fs::write(&path, &whole[..len]).unwrap();
        let said = refusal(&path);
        assert!(said.contains("is damaged and nothing of it was loaded"), "{len}: {said}");
        assert_eq!(std::fs::read(&path).unwrap().len(), len, "what was refused stays for whoever looks at it");
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(start(&path).client().say("DBSIZE"), ":100\r\n");
}

/// What the program says when it doesn't start; one that does is ended, with another code.
fn refusal(path: &Path) -> String {
    let mut command = Command::new("timeout");
    command.args(["60", env!("CARGO_BIN_EXE_lyger-resp"), "--listen", "127.0.0.1:0", "--snapshot"]);
    let output = command.arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "it must not have listened");
    said
}

#[test]
fn a_place_where_nothing_can_be_saved_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for place in ["none/keys", "file/keys"] {
        let said = refusal(&folder.path().join(place));
        assert!(said.contains("opening a file beside ") && said.contains(place), "{said}");
    }
}

#[test]
fn a_table_that_is_too_small_says_so_and_keeps_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let program = start(&path);
    for key in 0..500 {
        program.client().ask(&["SET", &key.to_string(), &"v".repeat(10_000)]);
    }
    assert_eq!(end(program, Signal::TERM), Some(0));
    let program = Program::start(&["--bytes-max", "1mb", "--snapshot", path.to_str().unwrap()]);
    assert_ne!(program.client().say("DBSIZE"), ":500\r\n");
    assert_eq!(end(program, Signal::TERM), Some(0));
    let program = start(&folder.path().join("keys.old"));
    assert_eq!(program.client().say("DBSIZE"), ":500\r\n", "the save at the end has destroyed it");
}
