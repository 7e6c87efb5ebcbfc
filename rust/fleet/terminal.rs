//! The terminal that a server was started from, if it was: when it is closed, the server ends with it.

use std::os::fd::BorrowedFd;

/// The standard streams that were this session's terminal at the start.
#[derive(Debug)]
pub(super) struct Terminal(Vec<BorrowedFd<'static>>);

impl Terminal {
    pub(super) fn of_this_process() -> Self {
        let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        Self(streams.into_iter().filter(|&stream| is_there(stream)).collect())
    }

    /// Whether a SIGHUP says that the terminal was closed. A service has none, and neither has what `nohup` started: there
    /// it is somebody's wish.
    pub(super) fn has_gone(&self) -> bool {
        self.0.iter().any(|&stream| !is_there(stream))
    }
}

fn is_there(stream: BorrowedFd<'_>) -> bool {
    rustix::termios::tcgetpgrp(stream).is_ok()
}
