//! What the [plan](super::plan) has the master do.

use super::plan::{Generation, Number};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    StartZygote(Generation),
    /// It has no workers any more.
    EndZygote(Generation),
    Fork(Generation, Number),
    /// The front gives it nothing more, and it leaves when it is done.
    Retire(Number),
    /// Its process has ended: the front decides what becomes of its requests.
    Lost {
        worker: Number,
        killed_from_outside: bool,
    },
    Terminate(Number),
    Kill(Number),
    /// All workers of a new generation have come.
    Serving(Generation),
    /// The new generation didn't boot.
    ReloadFailed(Generation),
    /// A worker of the serving generation didn't boot.
    BootFailed(Number),
    /// All is over.
    End,
}
