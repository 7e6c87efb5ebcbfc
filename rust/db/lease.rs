//! A connection in use, and what its user has left on it.

use super::client::Transaction;
use super::connection::{Canceller, Connection, Done, Failure, ServerError, State, Work};
use super::dsn::Reset;
use super::flow::Flow;
use super::leaves::Leaves;
use super::pace::Pace;
use super::pool::{PING_TIMEOUT, Pool, leave, whole};
use super::{Error, tokens, wire};
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

/// How long it may take to look for the database's code. Then the connection is closed.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the server may take to stop a statement that was cancelled. Then the connection is closed.
const CANCEL_WAIT: Duration = Duration::from_secs(1);

/// A connection in use; it is closed when dropped, unless it was given back.
pub(super) struct Lease<C: Connection> {
    // Only None while it is dropped or given back.
    connection: Option<Box<C>>,
    made: Instant,
    /// When it was taken, until its first statement.
    taken: Option<Instant>,
    /// When its last statement ended.
    ended: Instant,
    left: Left,
    /// Something may be on it that nobody knows of, so that it is reset, but nobody's.
    is_suspect: bool,
    /// The open transaction has changed the database's code.
    changes_code: bool,
    runs: bool,
    /// Nothing has been asked of it before.
    is_new: bool,
    number: u64,
    pool: Arc<Pool<C>>,
    // Declared behind the connection: the place is free only when that is gone.
    _permit: OwnedSemaphorePermit,
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

/// What is on a connection that wasn't there when it was made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Left {
    transaction: State,
    session: bool,
    /// The database's code may have left something, of which nobody knows.
    perhaps: bool,
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
        let left = Left::default();
        let (is_new, made, taken, ended) = (made.is_none(), made.unwrap_or(now), Some(now), now);
        let (runs, is_suspect, changes_code) = (false, false, false);
        Self {
            connection: Some(connection),
            made,
            taken,
            ended,
            left,
            is_suspect,
            changes_code,
            runs,
            is_new,
            number,
            pool,
            _permit: permit,
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
            && self.left == Left::default()
            && self.pool.reset == Reset::Changed
            && self.pool.code.is_unknown()
        {
            Box::pin(self.look(Instant::now())).await;
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
        let is_in_doubt = self.pool.reset == Reset::Always || self.changes_code || self.pool.code.may_have_left();
        if let Some(connection) = self.connection.as_deref_mut().filter(|_| is_in_doubt) {
            connection.doubt_names();
        }
    }

    /// What the database's code may have left unseen: where there is any such code, that belongs to the connection's user.
    async fn note_code(&mut self, sql: &str) {
        let is_idle = self.left.transaction == State::Idle;
        self.changes_code |= changes_code(sql);
        if self.changes_code {
            self.pool.code.forget();
            self.changes_code = !is_idle; // until the transaction ends, others see what was
        }
        if self.left.session {
            return;
        }
        let began = self.ended;
        let may_leave = match self.pool.code.may_leave(began) {
            _ if self.pool.reset == Reset::Always => true,
            Some(may_leave) => may_leave,
            // A statement of ours might be one too many for the transaction, or for the one that was announced.
            None if !is_idle => false,
            None => Box::pin(self.look(began)).await,
        };
        if may_leave {
            self.left.perhaps = true;
            self.pool.holders.keep_perhaps(self.number);
        }
    }

    async fn look(&mut self, began: Instant) -> bool {
        let Some(connection) = self.connection.as_deref_mut() else { return false };
        match timeout(LOOK_TIMEOUT, whole(connection.may_be_left_unseen())).await {
            Ok(Ok(may_leave)) => {
                self.pool.code.note(may_leave, began.elapsed());
                may_leave
            }
            // The connection is closed, and nothing is left on it.
            Ok(Err(_)) => {
                self.connection = None;
                false
            }
            // So is this one, on which the answer may still come. Nobody waits for another one soon.
            Err(_) => {
                self.pool.code.note(true, LOOK_TIMEOUT);
                self.connection = None;
                false
            }
        }
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
        let state = connection.state();
        self.left.note(leaves, state);
        self.left.session |= connection.is_changed();
        self.is_suspect |= connection.is_suspect();
        if self.left != Left::default() {
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
                self.left.note_state(connection.state());
                self.left.session |= connection.is_changed();
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
        self.left != Left::default()
    }

    /// Whether nothing is known to be on it, and something may be.
    pub(super) fn is_left_with_perhaps_something(&self) -> bool {
        self.left == Left { perhaps: true, ..Left::default() } && !self.is_suspect
    }

    /// Where the connection's transaction stands, as far as it is known.
    pub(super) fn transaction(&self) -> Transaction {
        match self.left.transaction {
            State::Idle | State::Awaiting => Transaction::None,
            State::InTransaction | State::Unknown => Transaction::Open,
            State::Failed => Transaction::Failed,
        }
    }

    /// Puts the connection back for the next query. Only for one that the server has answered to the end; what its user left
    /// on it is removed, or else the connection.
    pub(super) async fn give_back(mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let is_known = self.left.session || self.is_suspect;
        // What an open transaction's functions have done to the session is not rolled back with it.
        let is_open = self.left.transaction != State::Idle;
        let is_perhaps = self.left.perhaps || is_open && self.may_have_been_left_unseen();
        let cleaned = match () {
            () if is_known || is_perhaps => timeout(PING_TIMEOUT, Box::pin(connection.reset(!is_known))).await,
            () if !is_open => Ok(Ok(())),
            () => timeout(PING_TIMEOUT, Box::pin(connection.roll_back())).await,
        };
        if !matches!(cleaned, Ok(Ok(()))) {
            Box::pin(leave(*connection)).await;
        } else {
            connection.come_home();
            self.pool.push(connection, self.made, self.ended);
        }
    }
}

impl<C: Connection> Lease<C> {
    fn may_have_been_left_unseen(&self) -> bool {
        self.pool.reset == Reset::Changed && self.pool.code.may_leave(Instant::now()) != Some(false)
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
            self.pool.note_cancel(runtime.spawn(canceller.cancel(CANCEL_WAIT)));
        }
    }
}

/// Whether a statement may change a function, a trigger or a view. What others that it calls change is seen as that of other
/// programs is.
fn changes_code(sql: &str) -> bool {
    let word = tokens::first_keyword(sql);
    ["CREATE", "ALTER", "DROP"].iter().any(|change| word.eq_ignore_ascii_case(change)) && !is_temporary(sql, word)
}

/// `CREATE TEMPORARY ...`, which some requests do each time.
fn is_temporary(sql: &str, first: &str) -> bool {
    let second =
        sql.split_once(first).and_then(|(_, behind)| behind.split_ascii_whitespace().next()).unwrap_or_default();
    ["TEMP", "TEMPORARY"].iter().any(|word| second.eq_ignore_ascii_case(word))
}

impl Left {
    fn note(&mut self, leaves: Leaves, state: State) {
        self.session |= leaves == Leaves::Session;
        match (state, leaves) {
            (State::Unknown, Leaves::Transaction) => self.transaction = State::InTransaction,
            (State::Unknown, Leaves::TransactionEnd) => self.transaction = State::Idle,
            _ => self.note_state(state),
        }
    }

    fn note_state(&mut self, state: State) {
        if state != State::Unknown {
            self.transaction = state;
        }
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
    Box::pin(canceller.cancel(CANCEL_WAIT)).await;
    match timeout(CANCEL_WAIT, work).await {
        Ok(outcome) => InTime::Done(outcome, true),
        Err(_) => InTime::TooSlow,
    }
}
