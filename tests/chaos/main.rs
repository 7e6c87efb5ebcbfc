//! The promises of the fleet, each with a test that breaks something for real: processes are killed, code is replaced, clients
//! are slow, while requests run over real sockets.
//!
//! Tests assert outcomes: who got which answer, what is left running. `LYGER_CHAOS_SECONDS` is how long a test may go on (3
//! by default; `make chaos` runs the full lengths). One runs at a time.
#![cfg(target_os = "linux")]

mod client;
mod crowd;
mod fleet;
mod load;
mod processes;

mod deadlines;
mod deaths;
mod drains;
mod fibers;
mod fronts;
mod orders;
mod overload;
mod recycling;
mod reloads;
mod state;
