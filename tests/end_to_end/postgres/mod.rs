//! PostgreSQL alone: logins, TLS, sessions, and values compared with another client's.

mod differential;
mod left;
mod login;
mod looks;
mod names;
mod routines;
pub(crate) mod server;
mod sessions;
mod vectors;
