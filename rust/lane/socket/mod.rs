//! A lane of Unix sockets: the reference for what a lane does, and the fallback where memory files can't be sealed.
//!
//! ```text
//!   master ── meeting point: a pair of sockets, one end for every front, the other for the worker
//!   front  ── through it: a descriptor, the worker's end of a stream that is this front's alone; "close"; "gone"
//!   worker ── through it, once: "taking", left lying there for fronts to see
//!   worker ◀── stream ──▶ front    frames, see [`frame`]
//! ```
//! The worker *asks* for each request, so what it hasn't asked for is with the front, which may take it back. What was sent
//! counts as claimed until the worker has died; then what it has not confirmed counts as unclaimed. A new front comes with a
//! new stream: what the old one said ends with the old one.
//!
//! Each hand-over costs system calls that a lane in memory doesn't need.

mod frame;
mod front;
#[cfg(test)]
mod tests;
mod worker;

pub(super) use front::{FrontEnd, FrontLane};
pub(super) use worker::{WorkerEnd, WorkerLane};

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

/// Closes the lane: no further request comes.
const CLOSE: u8 = b'c';
/// The front has gone, and none will follow.
const GONE: u8 = b'g';
/// A worker has come for requests, of this front or an earlier one.
const TAKING: u8 = b't';

/// The two ends of a meeting point: the fronts' and the worker's.
///
/// # Errors
/// What the operating system says.
pub(super) fn create() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(SocketType::SEQPACKET)
}

fn pair(kind: SocketType) -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(target_os = "linux")]
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    #[cfg(not(target_os = "linux"))]
    let flags = SocketFlags::empty();
    Ok(socketpair(AddressFamily::UNIX, kind, flags, None)?)
}
