//! Rows of a statement that come in parts over a kept connection, while others run on it.

use super::client::{Kept, Seat};
use super::connection::Connection;
use super::flow::Flow;
use super::pool::Pool;
use super::{Error, Table};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Whoever has the rows that are still to come.
pub(super) trait Parts: Send {
    /// The next rows; `None` behind the last.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Option<Table>, Error>> + Send + '_>>;
}

/// A statement that is open on a kept connection.
pub(super) struct Open<C: Connection> {
    pub(super) pool: Arc<Pool<C>>,
    pub(super) seat: Arc<Seat<C>>,
    pub(super) portal: C::Portal,
    pub(super) sql: String,
    pub(super) time_max: Option<Duration>,
}

impl<C: Connection> Parts for Open<C> {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Option<Table>, Error>> + Send + '_>> {
        Box::pin(async move {
            if !C::has_rest(&self.portal) {
                return Ok(None);
            }
            let mut kept = self.seat.lock().await;
            // Given back, or lost: the transaction is over either way.
            let mut lease = kept.lend().ok_or_else(gone)?;
            let mut flow = Flow::whole(&self.pool.limits);
            let outcome = lease.fetch(&mut self.portal, &self.sql, self.time_max, &mut flow).await;
            if outcome.as_ref().err().is_none_or(|broken| broken.is_whole) {
                *kept = Kept::Lease(lease); // else it is dropped, and so closed
            }
            outcome.map(|_| Some(flow.into_table())).map_err(|broken| broken.error)
        })
    }
}

/// The error for rows that were still to come when their transaction ended.
pub(super) fn gone() -> Error {
    let message = "the transaction in which these rows were asked for has ended, and with it the rest of them";
    Error::Query { message: message.to_owned(), sqlstate: Some("34000".to_owned()) }
}
