//! Promise 10, and what of promise 11 begins with a fork: what one request leaves in PHP, no other sees.

use std::collections::HashSet;
use std::time::Duration;

use crate::fleet::{Fleet, eventually, share};
use crate::load::{Ask, Load};

/// A user who says who it is in query, body, cookie and session, and leaves that wherever PHP lets it; in between somebody
/// who says nothing.
fn user(token: &str, number: u64) -> Ask {
    let (connection, _) = token.split_once('x').unwrap();
    let user = format!("user{connection}");
    let how = match number % 4 {
        0 => "return",
        1 => "exit",
        2 => "throw",
        _ => return Ask::get("/bare", token, &[200], format!("{token} in a buffer and then returns {token}")),
    };
    // The user's last request that had a session.
    let before = match number {
        0 => String::new(),
        number => format!("{connection}x{}", if number % 4 == 0 { number - 2 } else { number - 1 }),
    };
    let body = format!("user={user}").into_bytes();
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    Ask {
        method: "POST",
        target: format!("/state/{how}/{token}?user={user}&before={before}&token={token}"),
        head: format!("Cookie: user={user}; PHPSESSID=session{connection}\r\n{form}"),
        body,
        statuses: if how == "throw" { &[500] } else { &[200] },
        answer: match how {
            "exit" => format!("{token} in a buffer and then exits {token}"),
            _ => format!("{token} in a buffer and then returns {token}"),
        },
        ..Ask::echo(token, 0)
    }
}

#[test]
fn no_user_sees_a_token_of_another() {
    let fleet = Fleet::serve(3, &[]);
    let wanted = share(100_000, 300, 1_000);
    let load = Load::start(fleet.port, 8, Duration::ZERO, user);
    let mut right = 0;
    while right < wanted && load.failed() == 0 {
        eventually("some more requests", || load.right() > right || load.failed() > 0);
        right = load.right();
    }
    load.end_flawless(wanted);
    fleet.await_whole();
    fleet.finish();
}

/// PHP code that draws from every generator before the workers are forked, in the process that forks them.
const DRAWS: &str =
    "<?php if (in_array('fleet:zygote', $_SERVER['argv'] ?? [])) { mt_srand(1); mt_rand(); lcg_value(); }";

#[test]
fn workers_draw_numbers_of_their_own_although_they_are_copies_of_one_process() {
    let workers = 3;
    let mut fleet = Fleet::start(workers, &[], |app| {
        std::fs::write(app.join("draws.php"), DRAWS).unwrap();
        let ini = format!("auto_prepend_file={}\n", app.join("draws.php").display());
        std::fs::write(app.join("chaos.ini"), ini).unwrap();
        std::fs::write(app.join("boot.php"), "<?php require __DIR__ . '/numbers.php';").unwrap();
    });
    fleet.await_announcement();
    let log = std::fs::read_to_string(fleet.path("log")).unwrap();
    for kind in ["mt_rand", "rand", "lcg_value", "uniqid", "shuffle", "array_rand", "str_shuffle"] {
        let name = format!("{kind}=");
        let drawn: HashSet<&str> = log.split_whitespace().filter_map(|word| word.strip_prefix(&name)).collect();
        assert_eq!(drawn.len(), workers, "{kind}: {drawn:?}");
    }
    fleet.finish();
}
