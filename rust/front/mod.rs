//! The HTTP front: sockets, limits, and the queue of requests for PHP.
//!
//! A [`Server`] is the solo shape: the front runs on one Tokio thread, and the thread that started it is the one
//! worker, which pulls requests with [`Worker::next`] and answers them. Native code never calls the worker.
//!
//! | part | knows |
//! |---|---|
//! | `config` | every limit and its reason |
//! | `server` | starting, draining, ending |
//! | `thread` | what the front's thread holds and does, whichever server faces the clients |
//! | `choice` | which one does |
//! | `http/` | the axum front: Tokio's sockets, hyper |
//! | `uring/` | the joint to the io_uring server in Zig, with the feature `zig-server` |
//! | `judge`, `gathering`, `refusal`, `reply`, `routes`, `phase` | what both say of requests and answers |
//! | `query/` | the databases: answers of rows, and what workers ask |
//! | `drain` | what is said of a drain |
//! | `dispatch` | the queue, deadlines, the lanes; no HTTP library. A front hands it requests and takes outcomes |
//! | `station` | what the dispatch knows of one worker |
//! | `wire` | requests and answers as bytes in a lane |
//! | `exchange` | requests and answers as they travel |
//! | `worker`, `asking` | the other end of the lane, and what it asks of the databases |
//! | `proxies` | which client stands behind a proxy |
//! | `watch` | which code of the application has changed |
//! | `joint` | what the threads share |

mod asking;
mod choice;
mod config;
mod dispatch;
mod drain;
mod exchange;
mod gathering;
mod http;
mod joint;
mod judge;
pub mod link;
mod phase;
mod process;
mod proxies;
mod query;
mod refusal;
mod reply;
mod routes;
mod server;
mod station;
mod thread;
#[cfg(feature = "zig-server")]
mod uring;
mod watch;
mod wire;
pub mod words;
mod worker;

pub use asking::{QueryError, RemoteCall, RemoteStream, SqlOrder};
pub use choice::Kind;
pub use config::{Config, ConfigError};
pub use exchange::{Answer, AnswerError, Head, Query, Request, Response, Scheme, check_headers};
pub use joint::Identity;
pub use process::serve_fleet;
pub use proxies::{Network, NotANetwork};
pub use server::{Error, Server, listen};
pub use watch::Watch;
pub use worker::{Next, Part, ReadError, SqlAnswer, Summary, Worker};

/// One line on stderr, whatever is in it, and none when stderr takes nothing.
fn log(line: std::fmt::Arguments<'_>) {
    crate::runtime::say::say(std::io::stderr(), &format!("lyger: {}\n", one_line(&line.to_string())));
}

/// Databases quote what they were sent, and paths are what a client likes: no line of the log may be written by it.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_of_the_log_stays_one_line() {
        let text = "no such table: \u{fc}\"\r\nlyger: forged\0\u{1b}[2J\u{85}";
        assert_eq!(super::one_line(text), "no such table: \u{fc}\"\\r\\nlyger: forged\\u{0}\\u{1b}[2J\\u{85}");
    }
}
