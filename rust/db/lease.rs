//! A connection in use, and what its user has left on it.

use super::client::Transaction;
use super::code::{self, Change, Turn};
use super::connection::{Canceller, Connection, Done, Failure, ServerError, State, Work};
use super::dsn::Reset;
use super::flow::Flow;
use super::leaves::Leaves;
use super::pace::Pace;
use super::pool::{PING_TIMEOUT, Pool, leave, whole};
use super::{Error, wire};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// What the limit that the server enforces gets on top, before the engine stops the statement from outside.
const TIMEOUT_GRACE: Duration = Duration::from_millis(500);

/// How long the server may take to stop a statement that was cancelled. Then the connection is closed.
const CANCEL_WAIT: Duration = Duration::from_secs(1);

/// A connection in use; it is closed when dropped, unless it was given back.
pub(super) struct Lease<C: Connection> {
    // None where it broke, and while it is dropped or given back.
    connection: Option<Box<C>>,
    made: Instant,
    /// When it was taken, until its first statement.
    taken: Option<Instant>,
    /// When its last statement ended.
    ended: Instant,
    transaction: State,
    session: Left,
    /// What the open transaction has done to the database's code.
    change: Change,
    runs: bool,
    /// Nothing has been asked of it before.
    is_new: bool,
    number: u64,
    pool: Arc<Pool<C>>,
    // Declared behind the connection: the place is free only when that is gone. None only where whoever looks has it.
    permit: Option<OwnedSemaphorePermit>,
}

/// What a connection is to do.
enum Ask<'a, P> {
    Run(Work<'a>),
    Open(Work<'a>),
    Fetch(&'a mut P),
}

enum Answer<P> {
    Done(Done),
    Open(Option<P>),
}

impl<P: Send + 'static> Ask<'_, P> {
    async fn of<C>(self, connection: &mut C, flow: &mut Flow) -> Result<Answer<P>, Failure>
    where
        C: Connection<Portal = P>,
    {
        match self {
            Self::Run(work) => connection.run(work, flow).await.map(Answer::Done),
            Self::Open(work) => connection.open(work, flow).await.map(Answer::Open),
            Self::Fetch(portal) => connection.fetch(portal, flow).await.map(|()| Answer::Done(Done::default())),
        }
    }
}

/// What is on a session that wasn't there when it was made. The last of these that is so for one of its statements.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    #[default]
    Nothing,
    /// A statement that was refused, or code that came and went with its transaction, may have left something, of which the
    /// server says nothing: it is reset, but stays with nobody.
    Doubt,
    /// The database's code may have left something for its user, who keeps it.
    Perhaps,
    /// Its user has left something.
    Something,
}

impl<C: Connection> Lease<C> {
    /// A connection that was made `now` when `made` is none, and otherwise then.
    pub(super) fn new(
        connection: Box<C>,
        made: Option<Instant>,
        now: Instant,
        pool: Arc<Pool<C>>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let number = pool.holders.number();
        let (is_new, made, taken, ended) = (made.is_none(), made.unwrap_or(now), Some(now), now);
        Self {
            connection: Some(connection),
            made,
            taken,
            ended,
            transaction: State::default(),
            session: Left::default(),
            change: Change::default(),
            runs: false,
            is_new,
            number,
            pool,
            permit: Some(permit),
        }
    }

    /// Runs one statement, and keeps account of what it leaves.
    ///
    /// # Errors
    /// The connection is of no use any more where [`Broken`] says so.
    pub(super) async fn run(
        &mut self,
        work: Work<'_>,
        leaves: Leaves,
        time_max: Option<Duration>,
        flow: &mut Flow,
    ) -> Result<Done, Broken> {
        match self.attend(Ask::Run(work), work.sql, leaves, time_max, flow).await? {
            Answer::Done(done) => Ok(done),
            Answer::Open(_) => Ok(Done::default()),
        }
    }

    /// Begins a statement whose rows come in parts, where the connection can: its first rows are in `flow` then.
    ///
    /// # Errors
    /// As [`Lease::run`].
    pub(super) async fn open(
        &mut self,
        work: Work<'_>,
        time_max: Option<Duration>,
        flow: &mut Flow,
    ) -> Result<Option<C::Portal>, Broken> {
        match self.attend(Ask::Open(work), work.sql, Leaves::Nothing, time_max, flow).await? {
            Answer::Open(portal) => Ok(portal),
            Answer::Done(_) => Ok(None),
        }
    }

    /// The next rows of such a statement.
    ///
    /// # Errors
    /// As [`Lease::run`].
    pub(super) async fn fetch(
        &mut self,
        portal: &mut C::Portal,
        sql: &str,
        time_max: Option<Duration>,
        flow: &mut Flow,
    ) -> Result<(), Broken> {
        self.attend(Ask::Fetch(portal), sql, Leaves::Nothing, time_max, flow).await.map(drop)
    }

    async fn attend(
        &mut self,
        ask: Ask<'_, C::Portal>,
        sql: &str,
        leaves: Leaves,
        time_max: Option<Duration>,
        flow: &mut Flow,
    ) -> Result<Answer<C::Portal>, Broken> {
        // Behind it, in a transaction or with something of its own, it would be too late to ask.
        if leaves != Leaves::Nothing
            && !self.is_left_with_something()
            && self.pool.reset == Reset::Changed
            && self.pool.code.is_unknown(self.ended)
        {
            Box::pin(self.ask()).await;
        }
        let outcome = self.converse(ask, sql, leaves, time_max, flow).await;
        self.ended = Instant::now();
        if self.pool.reset != Reset::Told && outcome.as_ref().err().is_none_or(|broken| broken.is_whole) {
            self.note_code(sql).await;
            // What opens a transaction or a savepoint runs no code.
            if leaves != Leaves::Transaction {
                self.note_names();
            }
        }
        outcome
    }

    /// What names mean behind a statement that may have run the database's code.
    fn note_names(&mut self) {
        let is_in_doubt =
            self.pool.reset == Reset::Always || self.change != Change::Nothing || self.pool.code.may_have_left();
        if let Some(connection) = self.connection.as_deref_mut().filter(|_| is_in_doubt) {
            connection.doubt_names();
        }
    }

    /// What the database's code may have left unseen: where there is any such code, that belongs to the connection's user.
    async fn note_code(&mut self, sql: &str) {
        let is_idle = self.transaction == State::Idle;
        let change = code::change(self.pool.dialect, sql);
        if is_idle && self.change == Change::Adds {
            self.session = self.session.max(Left::Doubt); // by a function that its transaction has made, and taken back
        }
        self.change = self.change.max(change);
        // Until the transaction ends, others see what was.
        let change = if is_idle { std::mem::take(&mut self.change) } else { change };
        if change != Change::Nothing {
            self.pool.code.forget(change);
        }
        let may_leave = match self.session {
            Left::Something => return,
            Left::Perhaps => true,
            Left::Nothing | Left::Doubt if self.pool.reset == Reset::Always => true,
            Left::Nothing | Left::Doubt => match self.pool.code.known(self.ended) {
                Some(may_leave) => may_leave,
                // A statement of ours might be one too many for the transaction, or for the one that was announced.
                None if !is_idle => false,
                None => Box::pin(self.ask()).await,
            },
        };
        if may_leave {
            self.session = self.session.max(Left::Perhaps);
            self.pool.holders.keep_perhaps(self.number, self.pool.reset);
        }
    }

    /// Waits for the answer of another connection that looks for the code, or looks.
    async fn ask(&mut self) -> bool {
        match timeout(code::LOOK_TIMEOUT, self.pool.code.wait()).await {
            Ok(Ok(may_leave)) => may_leave,
            Ok(Err(turn)) => self.look(turn).await,
            Err(_) => true,
        }
    }

    /// Looks for the code. Nothing is on the connection that could get lost with it.
    async fn look(&mut self, turn: Turn) -> bool {
        let (Some(connection), Some(permit)) = (self.connection.take(), self.permit.take()) else { return false };
        // In a task of its own, which nobody need poll: the others don't wait for the reader of a stream.
        let looking = tokio::spawn(code::look(Arc::clone(&self.pool), connection, permit, turn));
        let Ok((connection, permit, may_leave)) = looking.await else { return false };
        (self.connection, self.permit) = (connection, Some(permit));
        if self.connection.is_none() {
            self.is_new = false; // a statement that was to come behind it may have another
            return false;
        }
        may_leave
    }

    async fn converse(
        &mut self,
        ask: Ask<'_, C::Portal>,
        sql: &str,
        leaves: Leaves,
        time_max: Option<Duration>,
        flow: &mut Flow,
    ) -> Result<Answer<C::Portal>, Broken> {
        let pool = &*self.pool;
        let Some(connection) = self.connection.as_deref_mut() else {
            return Err(Broken::lost(pool.lost("the connection is closed".to_owned(), "08003"), false));
        };
        // A clock is read for 20 to 30 ns; a small statement needs two looks at it, where there were seven.
        let began = self.taken.take().unwrap_or_else(Instant::now);
        pool.holders.begin(self.number, sql, began);
        self.runs = true;
        let canceller = connection.canceller();
        // A server that enforces the limit itself says so in better words, and is given the time for it.
        let knows_limit = !flow.is_stream() && time_max == pool.limits.statement_timeout();
        let grace = if knows_limit { TIMEOUT_GRACE } else { Duration::ZERO };
        let (limit, pace) = (time_max.map(|limit| limit + grace), flow.pace());
        if let Some(pace) = &pace {
            pace.heard();
        }
        let is_alone = matches!(&ask, Ask::Run(work) if work.is_alone);
        connection.wait_until(if is_alone { wire::waits_until(began, limit) } else { None });
        let outcome = {
            // Where it lies: as an argument of a function that awaits it, it would take its place in the future twice.
            let work = std::pin::pin!(whole(ask.of(connection, flow)));
            in_time(work, canceller, began, limit, pace.as_deref()).await
        };
        connection.wait_until(None);
        self.runs = false;
        self.transaction = behind(leaves, connection.state(), self.transaction);
        self.session = self.session.max(left_by(leaves, connection));
        if self.transaction != State::Idle || self.session >= Left::Perhaps {
            pool.holders.keep(self.number);
        }
        let (error, was_stopped) = match outcome {
            InTime::Done(Ok(answer), _) => return Ok(answer),
            InTime::Done(Err(failure), was_stopped) => (failure, was_stopped),
            InTime::TooSlow => return Err(Broken::cut(too_slow(time_max))),
        };
        match error {
            Failure::Refused(error) => Err(Broken::whole(error)),
            Failure::Cut(error) => Err(Broken::cut(error)),
            Failure::Server(error) if error.survives => {
                // Otherwise the rest would lie in the socket like a goodbye.
                let settled = matches!(timeout(PING_TIMEOUT, connection.settle()).await, Ok(Ok(())));
                self.transaction = behind(Leaves::Nothing, connection.state(), self.transaction);
                self.session = self.session.max(left_by(Leaves::Nothing, connection));
                // By the engine, or by the server that knows the limit.
                let is_late = was_stopped || knows_limit && time_max.is_some_and(|limit| began.elapsed() >= limit);
                let error = if error.stopped && is_late { too_slow(time_max) } else { refusal(error) };
                Err(if settled { Broken::whole(error) } else { Broken::cut(error) })
            }
            Failure::Server(ServerError { message, sqlstate, .. }) => {
                // What broke this connection has likely broken those that lie idle.
                pool.forget_idle();
                let sqlstate = sqlstate.unwrap_or_else(|| "08006".to_owned());
                Err(Broken::lost(pool.lost(message, &sqlstate), true))
            }
            Failure::Lost(lost) => {
                pool.forget_idle();
                Err(Broken::lost(pool.lost(lost.message, "08006"), lost.sent))
            }
            // The server answered what the driver can't follow.
            Failure::Strange(message) => Err(Broken::cut(Error::Query { message, sqlstate: Some("08P01".to_owned()) })),
        }
    }

    /// Whether the connection was made for its user, and not found idle.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether something is on the connection that belongs to its user.
    pub(super) fn is_left_with_something(&self) -> bool {
        self.transaction != State::Idle || self.session >= Left::Perhaps
    }

    /// Whether nothing is known to be on it, and something may be.
    pub(super) fn is_left_with_perhaps_something(&self) -> bool {
        self.transaction == State::Idle && self.session == Left::Perhaps
    }

    /// Where the connection's transaction stands, as far as it is known.
    pub(super) fn transaction(&self) -> Transaction {
        match self.transaction {
            State::Idle | State::Awaiting => Transaction::None,
            State::InTransaction | State::Unknown => Transaction::Open,
            State::Failed => Transaction::Failed,
        }
    }

    /// Puts the connection back for the next query. Only for one that the server has answered to the end; what its user left
    /// on it is removed, or else the connection.
    pub(super) async fn give_back(mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // What an open transaction's functions have done to the session is not rolled back with it.
        let is_open = self.transaction != State::Idle;
        let has_functions = || self.change != Change::Nothing || self.pool.code.known(Instant::now()) != Some(false);
        if is_open && self.session == Left::Nothing && self.pool.reset == Reset::Changed && has_functions() {
            self.session = Left::Perhaps;
        }
        let cleaned = if self.session != Left::Nothing {
            timeout(PING_TIMEOUT, Box::pin(connection.reset(self.session <= Left::Perhaps))).await
        } else if is_open {
            timeout(PING_TIMEOUT, Box::pin(connection.roll_back())).await
        } else {
            Ok(Ok(()))
        };
        if !matches!(cleaned, Ok(Ok(()))) {
            Box::pin(leave(*connection)).await;
        } else {
            connection.come_home();
            self.pool.push(connection, self.made, self.ended);
        }
    }
}

impl<C: Connection> Drop for Lease<C> {
    fn drop(&mut self) {
        self.pool.holders.close(self.number);
        let Some(connection) = self.connection.take() else { return };
        if !self.runs {
            return;
        }
        // Nobody waits for the statement any more, and the server doesn't notice by itself that its client has gone.
        let canceller = connection.canceller();
        drop(connection);
        if let Ok(runtime) = Handle::try_current() {
            self.pool.note_cancel(runtime.spawn(async move {
                let _ = canceller.cancel(CANCEL_WAIT).await; // its connection is closed
            }));
        }
    }
}

/// What a statement has left on its session.
fn left_by<C: Connection>(leaves: Leaves, connection: &C) -> Left {
    if leaves == Leaves::Session || connection.is_changed() {
        Left::Something
    } else if connection.is_suspect() {
        Left::Doubt
    } else {
        Left::Nothing
    }
}

/// Where the transaction stands behind a statement: as the server says, or else the statement's words.
fn behind(leaves: Leaves, said: State, before: State) -> State {
    match (said, leaves) {
        (State::Unknown, Leaves::Transaction) => State::InTransaction,
        (State::Unknown, Leaves::TransactionEnd) => State::Idle,
        (State::Unknown, _) => before,
        (said, _) => said,
    }
}

/// Why there are no rows, and what is left of the connection.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) error: Error,
    /// The connection can go on.
    pub(super) is_whole: bool,
    /// The connection was found dead before the statement left.
    pub(super) was_unsent: bool,
    /// The connection broke: the statement may be tried on another one.
    pub(super) is_lost: bool,
}

impl Broken {
    fn whole(error: Error) -> Self {
        Self { error, is_whole: true, was_unsent: false, is_lost: false }
    }

    fn cut(error: Error) -> Self {
        Self { error, is_whole: false, was_unsent: false, is_lost: false }
    }

    fn lost(error: Error, sent: bool) -> Self {
        Self { error, is_whole: false, was_unsent: !sent, is_lost: true }
    }
}

pub(super) fn too_slow(time_max: Option<Duration>) -> Error {
    let ms = time_max.map_or(0, |limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    Error::Timeout { statement_timeout_ms: ms }
}

fn refusal(error: ServerError) -> Error {
    Error::Query { message: error.message, sqlstate: error.sqlstate }
}

enum InTime<T> {
    /// Ended by itself, or (true) because it was told to.
    Done(T, bool),
    TooSlow,
}

/// Waits for a statement, and has the server stop it when its time is over: a stream's is over when the database has been
/// silent for that long. What the server then says about it, it says in `Done`; a server that doesn't stop it is not
/// waited for.
async fn in_time<T>(
    mut work: Pin<&mut impl Future<Output = T>>,
    canceller: impl Canceller,
    began: Instant,
    time_max: Option<Duration>,
    pace: Option<&Pace>,
) -> InTime<T> {
    let Some(limit) = time_max else { return InTime::Done(work.await, false) };
    // Most statements end while they are waited for in the socket, and need no timer.
    if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        return InTime::Done(outcome, false);
    }
    let mut left = pace.map_or_else(|| limit.saturating_sub(began.elapsed()), |pace| pace.left(limit));
    while !left.is_zero() {
        if let Ok(outcome) = timeout(left, &mut work).await {
            return InTime::Done(outcome, false);
        }
        left = pace.map_or(Duration::ZERO, |pace| pace.left(limit));
    }
    if !Box::pin(canceller.cancel(CANCEL_WAIT)).await {
        return InTime::TooSlow; // what is late might stop the connection's next statement, which is another's
    }
    match timeout(CANCEL_WAIT, work).await {
        Ok(outcome) => InTime::Done(outcome, true),
        Err(_) => InTime::TooSlow,
    }
}
