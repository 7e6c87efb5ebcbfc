//! Stopping a statement from outside: `KILL QUERY` over another connection, which needs a place of its own on the server for
//! that moment.

use super::MySqlSession;
use super::login;
use super::options::Options;
use crate::db::connection::{self, Connection};
use crate::db::limits::Limits;
use crate::db::socket::Address;
use std::sync::Arc;
use std::time::Duration;

/// What it takes to stop a connection's statement. Each statement gets one, nearly always for nothing: a clone is a count.
#[derive(Clone)]
pub(in crate::db) struct Canceller(pub(super) Arc<Target>);

/// The connection that the statement runs on.
pub(super) struct Target {
    pub(super) options: Arc<Options>,
    pub(super) address: Address,
    /// The server's name of it.
    pub(super) id: u64,
}

impl connection::Canceller for Canceller {
    async fn cancel(self, limit: Duration) -> bool {
        let Target { options, address, id } = &*self.0;
        let kill = async {
            let login = login::connect_again(options, address).await.ok()?;
            let mut connection = MySqlSession::new(options, login, &Limits::default());
            let _ = connection.simple(&format!("KILL QUERY {id}")).await;
            connection.close().await;
            Some(())
        };
        tokio::time::timeout(limit, kill).await.is_ok()
    }
}
