//! The fleet: a master that starts, watches and replaces one front and N workers.
//!
//! ```text
//!   master ──exec──▶ front                      sockets, HTTP, SQL
//!      └────exec──▶ zygote of generation g ──fork──▶ workers   the application
//! ```
//! The master opens the listening socket and makes the lanes without mapping them; it starts no thread, loads no
//! application and serves nothing, so there is little in it that could fail. It hears of deaths by SIGCHLD: of its own
//! children's, of workers' from their zygote, and from the kernel when the zygote has died too, because orphans become
//! the master's children (`PR_SET_CHILD_SUBREAPER`). What it decides is in `plan`, which knows no system call.
//!
//! A generation is a zygote and its workers. Reloading starts the next one beside the present one; when all its workers
//! have come, the old ones are retired. The workers load the application after the fork, and the zygote is a fresh exec,
//! so a generation shares one opcache and never sees the old one's.
//!
//! Nobody outlives the master: the front and the zygotes are killed with it (`PR_SET_PDEATHSIG`), and a worker's death
//! signal goes to a handler that ends it unless the master has merely become its parent.

mod action;
mod control;
mod master;
mod plan;
mod report;
mod spec;
mod terminal;
mod zygote;

pub use master::run;
pub use report::{BOOT_REPORT_BYTES_MAX, BootReport};
pub use spec::{Opened, Spec};
pub use zygote::{Fork, fork_workers, link_of_stdin};
