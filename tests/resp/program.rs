//! `lyger-resp` as a program: its exit codes, its signals, SHUTDOWN.

use std::process::Command;

use rustix::process::Signal;

use crate::servers::{Lyger, Program};

#[test]
fn a_signal_and_shutdown_end_it_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut program = Program::start(&[]);
        let mut client = program.client();
        assert_eq!(client.say("PING"), "+PONG\r\n");
        program.signal(signal);
        assert_eq!(program.code(), Some(0));
        assert_eq!(client.reply(), b"");
    }
    for io in ["ready", "blocking"] {
        let mut program = Program::start(&["--io", io, "--threads", "2"]);
        let mut client = program.client();
        assert!(client.say("SHUTDOWN SAVE").starts_with("-ERR there is no file"));
        assert_eq!(client.say("SHUTDOWN NOSAVE"), "");
        assert_eq!(program.code(), Some(0), "--io {io}");
    }
}

#[test]
fn a_variable_that_is_nearly_a_setting_is_refused() {
    let run = |name: &str| {
        let program = env!("CARGO_BIN_EXE_lyger-resp");
        Command::new(program).args(["--listen", "0.0.0.0:0"]).env(name, "3").output().unwrap()
    };
    let slip = run("LYGER_RESP_CLIENT_MAX");
    let said = String::from_utf8_lossy(&slip.stderr).into_owned();
    assert_eq!(slip.status.code(), Some(2));
    assert_eq!(said, "lyger-resp: there is no setting LYGER_RESP_CLIENT_MAX: did you mean LYGER_RESP_CLIENTS_MAX?\n");
    let other = String::from_utf8_lossy(&run("LYGER_RESP_OF_SOMEBODY_ELSE").stderr).into_owned();
    assert!(
        other.contains("LYGER_RESP_OF_SOMEBODY_ELSE is set, but is no setting") && other.contains("password"),
        "{other}"
    );
}

#[test]
fn what_it_cannot_do_is_told_by_its_exit_code() {
    let program = Program::start(&[]);
    let taken = program.address().to_string();
    for (flags, code, text) in [
        (&["--listen", "0.0.0.0:0"][..], 2, "a password is needed"),
        (&["--listen", &taken], 3, "in use"),
        (&["--listen", &taken.replace("127.0.0.1", "localhost")], 3, "in use"),
        (&["--listen", "example.org:0"], 2, "an IP address or localhost with a port"),
        // Of no machine that there is: for documents (RFC 5737).
        (&["--listen", "192.0.2.1:0", "--password", "x"], 1, "192.0.2.1"),
        (&["--threads", "none"], 2, "1 to 1024"),
        (&["--no-such-flag"], 2, "unexpected argument"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_lyger-resp")).args(flags).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {said}");
        assert!(said.contains(text), "{flags:?}: {said}");
    }
}

/// A client may come before who has started the server can say what is to be done then.
#[test]
fn shutdown_is_told_to_who_asks_after_it() {
    let lyger = Lyger::with(|settings| settings.shutdown = true);
    assert_eq!(lyger.client().say("SHUTDOWN NOSAVE"), "");
    assert!(!lyger.server.is_running());
    let (told, hears) = std::sync::mpsc::channel();
    lyger.server.on_shutdown(move || told.send(()).unwrap());
    assert_eq!(hears.try_recv(), Ok(()));
    lyger.server.stop().unwrap();
}
