//! MySQL alone: logins, TLS, sessions, large values, and values compared with another client's.

mod differential;
mod large;
mod login;
mod routines;
mod server;
mod sessions;
