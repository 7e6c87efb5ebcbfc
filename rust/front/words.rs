//! What the processes of a fleet say to each other.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::station::WorkerNumber;
use super::watch::Watch;
pub use crate::resp::Changed;

/// From the master to the front.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToFront {
    /// Serve. With it come the listening socket, the event descriptor by which workers wake the front, the cache where there is
    /// one for all, and the listening sockets for Redis clients.
    Serve {
        /// A JSON object, as `lyger_server_start` takes it.
        config: String,
        /// How many workers there should be.
        workers: u32,
        /// Nothing is accepted any more: a front that starts during a drain.
        draining: bool,
        /// Fallbacks in use, a sentence each.
        degraded: Vec<String>,
        /// Whether the cache's file comes with it.
        has_cache: bool,
        /// The code whose changes are to be told.
        watch: Option<Watch>,
        /// What Redis clients have changed by CONFIG SET while a front before this one served them.
        changed: Changed,
    },
    /// A worker is being started. Its lane comes with it.
    Worker(WorkerNumber),
    /// Give this worker nothing more and let it leave.
    Retire(WorkerNumber),
    /// A worker has died.
    Lost {
        /// Which.
        worker: WorkerNumber,
        /// By a SIGKILL that the master didn't send.
        killed_from_outside: bool,
    },
    /// Accept nothing more, finish what is there, and say [`FromFront::Drained`].
    Drain,
    /// Say [`FromFront::Status`].
    TellStatus,
}

/// From the front to the master.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromFront {
    /// It accepts connections.
    Serving,
    /// The configuration is wrong, or a socket failed; the front ends.
    Failed(String),
    /// This file of the application has changed, and maybe others.
    Changed(PathBuf),
    /// What Redis clients have changed by CONFIG SET, all of it: for the next front.
    Configured(Changed),
    /// A worker has come and takes requests.
    Ready(WorkerNumber),
    /// A worker is at a request whose time is over.
    Overdue(WorkerNumber),
    /// A worker asks to be replaced.
    Leaving(WorkerNumber),
    /// A worker has written nonsense into its lane.
    Damaged(WorkerNumber),
    /// All that ran has come to its end; the cache is being saved, which may take longer than a drain.
    Saving,
    /// The drain is over.
    Drained {
        /// All that ran has come to its end, and not only the drain's time.
        finished: bool,
        /// The cache was saved, if it was to be.
        saved: bool,
    },
    /// What the front knows of itself and its workers.
    Status(Value),
}

/// From the master to a zygote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToZygote {
    /// Fork a worker. Its lane, the event descriptor that wakes the front, and the file for its boot's failure come with it.
    Fork(WorkerNumber),
}

/// From a zygote to the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromZygote {
    /// A worker has been forked.
    Forked {
        /// Which.
        worker: WorkerNumber,
        /// Its process.
        pid: i32,
    },
    /// There is no worker, and why.
    NotForked {
        /// Which.
        worker: WorkerNumber,
        /// The reason.
        error: String,
    },
    /// A child has ended.
    Ended {
        /// Its process.
        pid: i32,
        /// How.
        exit: Exit,
    },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl From<rustix::process::WaitStatus> for Exit {
    fn from(status: rustix::process::WaitStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (_, Some(signal)) => Self::Signal(signal),
            (code, None) => Self::Code(code.unwrap_or(-1)),
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
        }
    }
}
