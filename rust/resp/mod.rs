//! The Redis-compatible server: the shared table, readable from any Redis client.
//!
//! A request's way: [`worker`](self) waits for its clients and reads; `request` finds the requests in the bytes, in place;
//! `commands` looks the name up, checks the call and runs it on the table; `reply` writes what comes of it to the end of one
//! buffer, which leaves at once. Each thread does all of that by itself for the clients that the kernel gave it.
//!
//! What always holds: threads share the table, and beside it only what `core::Shared` names, none of which GET or SET touch.
//! An idle client costs no buffer. Memory follows what has come, never what was announced, and is bounded for each client by
//! the limits in [`Settings`].
//!
//! ```
//! use std::io::{Read, Write};
//! use lyger::{cache::Table, resp::{Server, Settings}};
//!
//! let table = Table::in_process(1 << 20)?;
//! let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), threads: 1, ..Settings::default() };
//! let server = Server::start(&table, settings).unwrap();
//! let mut client = std::net::TcpStream::connect(server.address())?;
//! client.write_all(b"SET greeting hello\r\nGET greeting\r\n")?;
//! let mut replies = [0; 16];
//! client.read_exact(&mut replies)?;
//! assert_eq!(&replies, b"+OK\r\n$5\r\nhello\r\n");
//! server.stop()?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod ahead;
mod args;
mod blocking;
mod card;
mod client;
mod commands;
mod core;
mod glob;
mod hub;
mod inline;
mod number;
mod reply;
mod request;
mod server;
mod session;
mod settings;
mod slowlog;
mod snapshots;
mod socket;
mod store;
mod tally;
mod worker;

pub use server::{Server, StartFailed};
pub use settings::{Changed, Io, REQUEST_BYTES_MOST, Settings};
pub use socket::{Sockets, address, share_descriptors};
pub use store::{Store, StoreFailed};
