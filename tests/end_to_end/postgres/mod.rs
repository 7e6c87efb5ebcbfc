//! PostgreSQL alone: logins, TLS, and values compared with another client's.

mod differential;
mod login;
mod server;
