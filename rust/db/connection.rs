//! What the pool asks of a connection, whatever server it leads to.

use super::leaves::Leaves;
use super::limits::Limits;
use super::{Error, Param, flow::Flow, wording};
use crate::json::forms::Forms;
use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

/// One statement for one connection: placeholders and values are the dialect's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) sql: &'a str,
    pub(super) params: &'a [Param],
    /// Decimals become numbers instead of strings of digits.
    pub(super) forms: Forms,
    /// As in [`super::Statement`].
    pub(super) is_alone: bool,
    /// What its text leaves.
    pub(super) leaves: Leaves,
}

/// What a statement did beside giving rows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) affected: u64,
    /// As in [`super::Rows`].
    pub(super) last_insert_id: Option<i128>,
}

/// Why a connection gave no rows, and what that means for it.
#[derive(Debug)]
pub(super) enum Failure {
    /// The statement was never executed; the connection is as it was.
    Refused(Error),
    /// The rest of the answer is still to come: the connection is of no use any more.
    Cut(Error),
    /// The database's refusal.
    Server(ServerError),
    /// The connection broke.
    Lost(Lost),
    /// The server's answer can't be followed; the words say what is odd.
    Strange(String),
}

impl Failure {
    /// The connection broke, or didn't come about, before it had a statement.
    pub(super) fn unsent(error: &io::Error) -> Self {
        Self::Lost(Lost { message: wording::of_system(error), sent: false })
    }
}

/// The database's own refusal of a statement, or of a connection.
#[derive(Debug)]
pub(super) struct ServerError {
    /// The server's words.
    pub(super) message: String,
    pub(super) sqlstate: Option<String>,
    /// Whether the connection is as usable as before.
    pub(super) survives: bool,
    /// Whether the server says that it stopped the statement, because of its time limit or by hand.
    pub(super) stopped: bool,
}

/// A connection that broke, in the system's words.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) message: String,
    /// Whether the server may have got the statement.
    pub(super) sent: bool,
}

/// What the server says about the connection after a statement.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No transaction is open.
    #[default]
    Idle,
    /// None is open, and what the next one is to be was said.
    Awaiting,
    /// A transaction is open.
    InTransaction,
    /// A transaction is open in which a statement has failed, and no other runs in it.
    Failed,
    /// Only the statement's words tell.
    Unknown,
}

/// A connection to one kind of server.
pub(super) trait Connection: Sized + Send + 'static {
    /// Where and how to connect.
    type Options: Send + Sync + 'static;

    /// Stops the statement that runs, from outside.
    type Canceller: Canceller;

    fn connect(options: &Self::Options, limits: &Limits) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Runs one statement; its rows go into `flow` as they come. Whatever it opened on the server for itself is closed again
    /// when this is done.
    fn run(&mut self, work: Work<'_>, flow: &mut Flow) -> impl Future<Output = Result<Done, Failure>> + Send;

    /// A statement of a transaction whose rows come in parts, while others run on the connection. For servers without that
    /// a type that has no values.
    type Portal: Send + 'static;

    /// Begins such a statement; its first rows go into `flow`. `None` where it can't be: then nothing has run.
    fn open(
        &mut self,
        work: Work<'_>,
        flow: &mut Flow,
    ) -> impl Future<Output = Result<Option<Self::Portal>, Failure>> + Send;

    /// Its next rows.
    fn fetch(&mut self, portal: &mut Self::Portal, flow: &mut Flow)
    -> impl Future<Output = Result<(), Failure>> + Send;

    /// Whether rows are still to come.
    fn has_rest(portal: &Self::Portal) -> bool;

    /// As [`super::wire::Wire::wait_until`].
    fn wait_until(&mut self, until: Option<Instant>);

    /// What the server last said about transactions.
    fn state(&self) -> State;

    /// Whether the server says that a setting is not what a new connection has, whoever changed it.
    fn is_changed(&self) -> bool {
        false
    }

    /// Whether the last statement may have changed the session although nobody says so.
    fn is_suspect(&self) -> bool {
        false
    }

    /// Asks whether the database keeps code (functions, triggers, views) that may leave on a session what neither a statement's
    /// text nor the server tells. In doubt it does.
    fn may_be_left_unseen(&mut self) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// The database's code may have changed what names mean, behind each statement from now on.
    fn doubt_names(&mut self) {}

    /// Nothing is left on the connection any more, so that names mean what they mean on a new one.
    fn come_home(&mut self) {}

    fn canceller(&self) -> Self::Canceller;

    /// Rolls back, and puts the session back to what it was after connecting: settings, locks, temporary tables, prepared
    /// statements, of which those of the engine may stay where nobody knows of anything that was left. An error closes the
    /// connection.
    fn reset(&mut self, is_only_perhaps: bool) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Rolls back what is open, and nothing else.
    fn roll_back(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// How many connections the server takes in all, where it has said so.
    fn server_connections_max(&self) -> Option<u32>;

    /// Whether the socket is as it should be while nothing is asked: no end, no goodbye.
    fn is_quiet(&self) -> bool;

    /// Reads what belongs to an answer that ended with an error.
    fn settle(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    fn ping(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Says goodbye to the server.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Stops a statement on its server, over a connection of its own.
pub(super) trait Canceller: Send + 'static {
    /// Best effort, within `limit`: a statement that has just ended is not an error, and neither is a server that is gone. False
    /// where the server may still come to it, and would stop whatever its connection does then.
    fn cancel(self, limit: Duration) -> impl Future<Output = bool> + Send;
}
