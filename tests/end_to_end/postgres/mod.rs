//! PostgreSQL alone: logins, TLS, sessions, and values compared with another client's.

mod differential;
mod login;
mod server;
mod sessions;
