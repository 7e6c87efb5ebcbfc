//! Stopping a statement from outside, as PostgreSQL wants it: a request over a connection of its own, with the number and
//! the secret that the server gave when the first one was made.

use super::login;
use super::options::Options;
use super::stream::Stream;
use crate::db::connection;
use crate::db::socket::Address;
use postgres_protocol::message::frontend;
use std::sync::Arc;
use std::time::Duration;

/// What it takes to stop a connection's statement. Each statement gets one, nearly always for nothing: a clone is a count.
#[derive(Clone)]
pub(in crate::db) struct Canceller(pub(super) Arc<Target>);

/// The connection that the statement runs on.
pub(super) struct Target {
    pub(super) options: Arc<Options>,
    pub(super) address: Address,
    pub(super) key: (i32, i32),
    pub(super) is_encrypted: bool,
}

impl connection::Canceller for Canceller {
    async fn cancel(self, limit: Duration) -> bool {
        let request = async {
            let socket = login::reach_again(&self.0.address, &self.0.options, self.0.is_encrypted).await.ok()?;
            let mut stream = Stream::new(socket);
            frontend::cancel_request(self.0.key.0, self.0.key.1, &mut stream.output);
            stream.flush().await.ok()?;
            // The server closes when it has passed the request on; who closed before might be ahead of it.
            stream.drain().await;
            Some(())
        };
        tokio::time::timeout(limit, request).await.is_ok()
    }
}
