//! Promise 11: everything goes wrong at once, a little, and nothing else does; and nothing is left of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::fleet::{Fleet, eventually, length};
use crate::load::{Ask, Load};
use crate::processes::{self, Role};

/// One in a hundred of each fault, and what its own client may be told.
fn mixed(token: &str, number: u64) -> Ask {
    let die = |how: &str, statuses| Ask::get(&format!("/die/{how}"), token, statuses, String::new());
    match number % 100 {
        3 => die("segfault", &[502]),
        13 => die("exit", &[418]),
        23 => die("memory", &[500]),
        33 => die("fatal", &[500]),
        43 => die("throw", &[500]),
        53 => die("killed", &[502]),
        // It is there for so long that it may lose two workers to the kills from outside.
        63 => Ask::get("/never/sleep", token, &[502, 504], String::new()),
        73 => Ask::get("/leak", token, &[200], format!("{token} leaked")),
        83 => Ask::echo(token, 50_000),
        other if other % 4 == 0 => Ask::big(token, 30_000),
        other if other % 4 == 2 => Ask::head(token),
        _ => Ask::echo(token, 200),
    }
}

/// Clients that go away in the middle of what they send, or of what they wait for, or send what is no request.
fn rude(fleet: &Fleet) -> (Arc<AtomicBool>, std::thread::JoinHandle<()>) {
    let stop = Arc::<AtomicBool>::default();
    let (stopped, port) = (Arc::clone(&stop), fleet.port);
    let thread = std::thread::spawn(move || {
        let parts = [
            "GET /echo/rude?us=20000 HTTP/1.1\r\nHost: chaos\r\n\r\n",
            "GET /big/rude?times=200000 HTTP/1.1\r\nHost: chaos\r\n\r\n",
            "POST /echo/rude HTTP/1.1\r\nHost: chaos\r\nContent-Length: 1000\r\n\r\nonly so much",
            "GET /echo/rude HTTP/1.1\r\nHo",
            "\0\u{1}no request at all\r\n\r\n",
            "",
        ];
        for (number, part) in parts.into_iter().cycle().enumerate() {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            if let Ok(mut client) = crate::client::Client::connect(port) {
                let _ = client.send(part.as_bytes());
                std::thread::sleep(Duration::from_millis(number as u64 % 13));
                if number % 2 == 0 {
                    client.reset();
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    (stop, thread)
}

/// Descriptors and memory of the processes that live as long as the fleet.
#[derive(Debug, Clone, Copy)]
struct Figures {
    descriptors: usize,
    memory_bytes: u64,
}

impl Figures {
    const MOST: Self = Self { descriptors: usize::MAX, memory_bytes: u64::MAX };

    /// What both times had at least: what is held for a moment is not in it, what is never given back is.
    fn least(self, other: Self) -> Self {
        Self {
            descriptors: self.descriptors.min(other.descriptors),
            memory_bytes: self.memory_bytes.min(other.memory_bytes),
        }
    }
}

fn figures(pid: i32) -> Figures {
    Figures { descriptors: processes::descriptors(pid).len(), memory_bytes: processes::memory_bytes(pid) }
}

#[test]
fn a_little_of_everything_going_wrong_harms_nothing_else_and_leaves_nothing() {
    let fleet = Fleet::serve(3, &["--request-timeout-ms=1000", "--requests-per-worker-max=500"]);
    let length = length(600);
    // Before and after, at rest: what is open then is open for good.
    let (front, at_rest) = (fleet.front(), fleet.front_and_master().map(figures));
    let load = Load::start(fleet.port, 6, Duration::from_millis(1), mixed);
    let (rude_stop, rude) = rude(&fleet);
    let (began, mut killed_at) = (Instant::now(), 0);
    let mut thirds = [[Figures::MOST; 2]; 3];
    let mut round = 0;
    while began.elapsed() < length {
        round += 1;
        std::thread::sleep(Duration::from_millis(100));
        // Killed from outside: at most one at a time, as a request that loses two workers is rightly refused.
        if round % 10 == 0 && load.right() > killed_at + 50 {
            killed_at = load.right();
            if let Some(&worker) = fleet.pids(Role::Worker).first() {
                fleet.signal(worker, Signal::KILL);
            }
        }
        match round % 100 {
            25 => fleet.tell(Signal::HUP),
            // The one of the last time may be about to have a successor still.
            75 => fleet.pids(Role::Zygote).first().into_iter().for_each(|&zygote| fleet.signal(zygote, Signal::KILL)),
            _ => {}
        }
        let third = (began.elapsed().as_secs_f64() / length.as_secs_f64() * 3.0).min(2.0) as usize;
        for (least, pid) in thirds[third].iter_mut().zip(fleet.front_and_master()) {
            *least = least.least(figures(pid));
        }
    }
    rude_stop.store(true, Ordering::Relaxed);
    rude.join().unwrap();
    load.end_flawless(200);
    assert_eq!(fleet.front(), front, "no worker's end has harmed the front");
    fleet.await_whole();
    let now = || fleet.front_and_master().map(figures);
    eventually("as few descriptors as before", || {
        now().iter().zip(&at_rest).all(|(now, before)| now.descriptors <= before.descriptors + 2)
    });
    eprintln!("front and master, at rest {at_rest:?}, in each third {thirds:?}, at rest again {:?}", now());
    // Between the second third and the last: the first has what is made once, which in a run of seconds is most of it.
    let slack_bytes = if length >= Duration::from_secs(60) { 2 << 20 } else { 16 << 20 };
    for (second, last) in thirds[1].iter().zip(&thirds[2]) {
        assert!(last.descriptors <= second.descriptors + 10, "descriptors grow: {thirds:?}");
        assert!(last.memory_bytes <= second.memory_bytes * 5 / 4 + slack_bytes, "memory grows: {thirds:?}");
    }
    fleet.finish();
}

#[test]
fn requests_between_faults_are_answered_whatever_their_method_while_code_and_processes_change() {
    let fleet = Fleet::serve(3, &["--requests-per-worker-max=100"]);
    let load = Load::start(fleet.port, 6, Duration::from_millis(1), |token, number| match number % 50 {
        7 => Ask::get("/die/exit", token, &[418], String::new()),
        17 => Ask::get("/die/throw", token, &[500], String::new()),
        27 => Ask::get("/die/fatal", token, &[500], String::new()),
        37 => Ask::get("/die/segfault", token, &[502], String::new()),
        other if other % 2 == 0 => Ask::post(token, 3_000),
        _ => Ask::big(token, 10_000),
    });
    let until = Instant::now() + length(60);
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(300));
        fleet.tell(Signal::HUP);
    }
    load.end_flawless(200);
    fleet.await_whole();
    fleet.finish();
}

#[test]
fn handlers_talk_to_the_terminal_and_start_daemons_and_harm_nothing() {
    let mut fleet = Fleet::serve(2, &[]);
    let load = Load::start(fleet.port, 2, Duration::from_millis(1), |token, _| Ask::echo(token, 0));
    let mut daemons = Vec::new();
    for number in 0..20 {
        let reply = fleet.get(&format!("/streams/s{number}")).unwrap();
        assert_eq!(reply.text(), format!("s{number} read 0"));
    }
    for number in 0..3 {
        let text = fleet.get(&format!("/daemon/d{number}")).unwrap().text();
        daemons.push(text.split_once(' ').unwrap().1.parse().unwrap());
    }
    eventually("what they wrote", || {
        let said = fleet.said();
        said.matches("to standard output").count() == 20 && said.matches("to standard error").count() == 20
    });
    load.end_flawless(50);
    fleet.tell(Signal::TERM);
    // What handlers leave behind is theirs: it neither keeps the server nor ends with it.
    let strangers = |fleet: &Fleet| fleet.pids(Role::Other);
    eventually("the master's end", || fleet.has_ended());
    assert_eq!(strangers(&fleet), daemons, "{}", fleet.said());
    daemons.into_iter().for_each(|daemon| fleet.signal(daemon, Signal::KILL));
    assert_eq!(fleet.ended(), Some(0), "{}", fleet.said());
}
