//! The io_uring server from outside: `zig build run-echo` under real clients, and under streams of bytes that are cut everywhere.
//!
//! | file | what it promises |
//! |---|---|
//! | `clients.rs` | curl, wrk, h2load, Python's websockets and Node's ws work |
//! | `requests.rs` | requests are answered or refused the same however their bytes arrive |
//! | `messages.rs` | and so are messages of WebSockets |
//!
//! ARCHITECTURE.md says how suites that are not part of the repository are run against it.
#![cfg(target_os = "linux")]

mod clients;
mod cuts;
mod echo;
mod messages;
mod requests;
