//! What the database's own code may leave on a session: functions, triggers and views do what no statement's text tells, and
//! the servers tell only part of it. So the database is asked now and then whether it keeps any code that may.
//!
//! What always holds: one connection of a pool asks at a time, and whoever needs the answer too waits for it; and no answer to
//! a question from before the code has changed says that there is none.

use super::connection::{Connection, Failure};
use super::pool::{PING_TIMEOUT, Pool, whole};
use super::words::Words;
use super::{Dialect, tokens};
use crate::runtime::say;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};
use tokio::time::timeout;

/// Another program's new function may be called unseen for so long, where looking takes less than a hundredth of that.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Looking takes at most one part in so many of the time, of one connection of the pool.
const SHARE: u32 = 100;

/// As behind a `CREATE` it is looked at once, it may get ahead of its share by this: three seconds of looking. Then whatever
/// is asked may leave something, until the share is kept again.
const AHEAD_MAX: Duration = Duration::from_secs(300);

/// Where looking fails nobody tries again so soon: it may have cost the connection.
const PAUSE: Duration = Duration::from_secs(10);

/// How long it may take to look for the database's code, and how long others wait for that. Then the connection is closed.
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// What a pool knows of its database's code.
#[derive(Debug, Default)]
pub(super) struct Code {
    // A std Mutex, because nothing awaits while holding it.
    known: Mutex<Known>,
    /// Of whoever looks.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Known {
    may_leave: bool,
    /// Until when that holds; none where the database was never asked, or its code has changed since.
    until: Option<Instant>,
    /// How often the code has changed.
    generation: u64,
    /// When all looks so far have had their share of the time.
    paid_at: Option<Instant>,
    has_failed: bool,
}

/// The right to look.
pub(super) struct Turn {
    began: Instant,
    generation: u64,
    _turn: OwnedMutexGuard<()>,
}

impl Code {
    /// Whether some of the code may leave something unseen; `None` where the database is to be asked.
    pub(super) fn known(&self, now: Instant) -> Option<bool> {
        self.lock().at(now)
    }

    /// Whether the database was never asked, or its code has changed since.
    pub(super) fn is_unknown(&self, now: Instant) -> bool {
        let known = self.lock();
        known.until.is_none() && known.at(now).is_none()
    }

    /// The same as `known` where the database can't be asked: as it has said last, and yes where it never has, or its code has
    /// changed since.
    pub(super) fn may_have_left(&self) -> bool {
        let known = self.lock();
        known.until.is_none() || known.may_leave
    }

    /// The answer of whoever looks, or else the right to look.
    pub(super) async fn wait(&self) -> Result<bool, Turn> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (began, known) = (Instant::now(), *self.lock());
        known.at(began).ok_or(Turn { began, generation: known.generation, _turn: turn })
    }

    /// What the database has said to whoever had the turn.
    pub(super) fn note(&self, turn: &Turn, may_leave: bool) {
        self.note_for(turn, may_leave, INTERVAL_MIN);
    }

    /// It can't be asked, and so may have any code. True for the first time.
    pub(super) fn note_failure(&self, turn: &Turn) -> bool {
        self.note_for(turn, true, PAUSE);
        !std::mem::replace(&mut self.lock().has_failed, true)
    }

    fn note_for(&self, turn: &Turn, may_leave: bool, least: Duration) {
        let (now, mut known) = (Instant::now(), self.lock());
        let share = now.saturating_duration_since(turn.began) * SHARE;
        known.paid_at = Some(known.paid_at.map_or(now, |at| at.max(now)) + share);
        // What it says was so when it began.
        if may_leave || known.generation == turn.generation {
            (known.may_leave, known.until) = (may_leave, Some(now + share.max(least)));
        }
    }

    /// The code has changed.
    pub(super) fn forget(&self, change: Change) {
        let mut known = self.lock();
        if change == Change::Adds || change == Change::Removes && known.may_leave {
            known.generation += 1;
            known.until = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn at(&self, now: Instant) -> Option<bool> {
        if self.until.is_some_and(|until| now < until) {
            return Some(self.may_leave);
        }
        self.paid_at.is_some_and(|at| at > now + AHEAD_MAX).then_some(true)
    }
}

/// What a statement does to the database's code.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    #[default]
    Nothing,
    /// There may be less of it.
    Removes,
    /// There may be other code than before.
    Adds,
}

/// What a statement may change of functions, triggers, views and whatever else calls functions. What the functions that it calls
/// change is seen as that of other programs is.
pub(super) fn change(dialect: Dialect, sql: &str) -> Change {
    let first = tokens::first_keyword(sql);
    // MySQL's tools write their statements into comments.
    let is_hidden = dialect == Dialect::MySql && sql.trim_ascii_start().starts_with("/*");
    if !is_hidden && !["CREATE", "ALTER", "DROP"].iter().any(|verb| first.eq_ignore_ascii_case(verb)) {
        return Change::Nothing;
    }
    let mut words = Words::new(dialect, sql);
    while words.mark(b';') || words.mark(b'(') {}
    let drops = words.eat(&["DROP"]);
    if !drops && !words.eat(&["CREATE", "ALTER"]) {
        return Change::Nothing;
    }
    while words.eat(&["OR", "REPLACE", "LOCAL", "GLOBAL", "UNIQUE", "FULLTEXT", "SPATIAL", "UNLOGGED"]) {}
    // Nobody else has anything temporary, and an index calls only functions that leave nothing.
    let is_none = words.eat(&["TEMP", "TEMPORARY", "INDEX", "SEQUENCE"]) || drops && words.eat(&["TABLE"]);
    match drops {
        _ if is_none => Change::Nothing,
        true => Change::Removes,
        false => Change::Adds,
    }
}

/// Asks the database for its code, and tells the pool. The connection is none where that has broken it.
pub(super) async fn look<C: Connection>(
    pool: Arc<Pool<C>>,
    mut connection: Box<C>,
    permit: OwnedSemaphorePermit,
    turn: Turn,
) -> (Option<Box<C>>, OwnedSemaphorePermit, bool) {
    let (cause, is_whole) = match timeout(LOOK_TIMEOUT, whole(connection.may_be_left_unseen())).await {
        Ok(Ok(may_leave)) => {
            pool.code.note(&turn, may_leave);
            return (Some(connection), permit, may_leave);
        }
        Ok(Err(Failure::Server(error))) if error.survives => {
            let settled = timeout(PING_TIMEOUT, connection.settle()).await;
            (error.message, matches!(settled, Ok(Ok(()))))
        }
        Ok(Err(failure)) => (pool.refused(failure).to_string(), false),
        Err(_) => (format!("no answer within {} s", LOOK_TIMEOUT.as_secs()), false),
    };
    if pool.code.note_failure(&turn) {
        let line = format!(
            "lyger: {}: what its functions may leave on a connection can't be found out, and counts as left (see reset in \
             the DSN): {cause}",
            pool.redacted
        );
        say::say(std::io::stderr(), &(line.replace(char::is_control, " ") + "\n"));
    }
    (is_whole.then_some(connection), permit, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// The turn, where it is nobody's and the answer isn't known.
    fn turn(code: &Code) -> Turn {
        code.wait().now_or_never().expect("nobody looks").expect_err("nobody knows")
    }

    fn ago(mut turn: Turn, took: Duration) -> Turn {
        turn.began -= took;
        turn
    }

    #[test]
    fn an_answer_holds_for_a_hundred_times_what_it_cost_and_at_least_a_second() {
        for (cost_ms, holds_at, is_over_at) in [(0, 0, 2), (50, 4, 7), (5_000, 490, 510)] {
            let code = Code::default();
            assert_eq!(code.known(Instant::now()), None, "nobody has asked");
            code.note(&ago(turn(&code), Duration::from_millis(cost_ms)), false);
            let now = Instant::now();
            assert_eq!(code.known(now + Duration::from_secs(holds_at)), Some(false), "{cost_ms} ms");
            assert_eq!(code.known(now + Duration::from_secs(is_over_at)), None, "{cost_ms} ms");
        }
    }

    #[test]
    fn no_look_from_before_a_change_says_that_there_is_nothing() {
        let code = Code::default();
        let old = turn(&code);
        code.forget(Change::Adds);
        code.note(&old, false);
        assert_eq!(code.known(Instant::now()), None, "what has changed since is not in it");
        code.note(&old, true);
        assert_eq!(code.known(Instant::now()), Some(true), "what is there may be said whenever it was seen");
        code.note(&old, false);
        assert_eq!(code.known(Instant::now()), Some(true), "and is not taken back by who looked before");
    }

    #[test]
    fn what_is_removed_changes_nothing_where_there_was_nothing() {
        let code = Code::default();
        code.note(&turn(&code), false);
        code.forget(Change::Removes);
        code.forget(Change::Nothing);
        assert_eq!(code.known(Instant::now()), Some(false));
        code.forget(Change::Adds);
        code.note(&turn(&code), true);
        code.forget(Change::Removes);
        assert_eq!(code.known(Instant::now()), None);
    }

    #[test]
    fn one_looks_and_the_others_wait_for_the_answer() {
        let code = Code::default();
        let first = turn(&code);
        let mut others = [Box::pin(code.wait()), Box::pin(code.wait())];
        for other in &mut others {
            assert!(other.as_mut().now_or_never().is_none(), "somebody looks");
        }
        code.note(&first, false);
        drop(first);
        for mut other in others {
            assert!(matches!(other.as_mut().now_or_never(), Some(Ok(false))));
        }
        code.forget(Change::Adds);
        drop(turn(&code)); // who gives up lets the next one look
        turn(&code);
    }

    #[test]
    fn code_that_changes_all_the_time_is_looked_at_no_more_than_its_share() {
        let code = Code::default();
        let looks = (0..100).take_while(|_| {
            code.forget(Change::Adds);
            let known = code.known(Instant::now());
            assert_ne!(known, Some(false), "nobody knows");
            if known.is_none() {
                code.note(&ago(turn(&code), Duration::from_millis(100)), false);
            }
            known.is_none()
        });
        let looks = looks.count();
        assert!((20..=31).contains(&looks), "{looks} of 100 ms each");
        assert_eq!(code.known(Instant::now() + Duration::from_secs(40)), None, "it is time again");
    }

    #[test]
    fn a_look_that_fails_pauses_the_others_and_is_told_once() {
        let code = Code::default();
        assert!(code.note_failure(&turn(&code)));
        assert_eq!(code.known(Instant::now() + PAUSE / 2), Some(true));
        code.forget(Change::Adds);
        assert!(!code.note_failure(&turn(&code)));
    }

    #[test]
    fn what_a_statement_changes_of_the_code_is_told_by_its_words() {
        let (postgres, mysql) = (Dialect::Postgres, Dialect::MySql);
        for (dialect, sql, changes) in [
            (postgres, "CREATE FUNCTION f() RETURNS int RETURN 1", Change::Adds),
            (postgres, "-- so\n create or replace view v AS SELECT 1", Change::Adds),
            (postgres, "CREATE TABLE t (n int DEFAULT f())", Change::Adds),
            (postgres, "CREATE UNLOGGED TABLE t (n int)", Change::Adds),
            (postgres, "ALTER TABLE t ADD m int DEFAULT f()", Change::Adds),
            (mysql, "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON t FOR EACH ROW SET @x = 1", Change::Adds),
            (mysql, "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER t BEFORE INSERT*/", Change::Adds),
            (postgres, "DROP FUNCTION f()", Change::Removes),
            (mysql, "DROP TRIGGER t", Change::Removes),
            (postgres, "DROP TABLE t", Change::Nothing),
            (mysql, "DROP TEMPORARY TABLE t", Change::Nothing),
            (postgres, "CREATE TEMP TABLE t (n int)", Change::Nothing),
            (postgres, "CREATE /* so */ TEMPORARY\nVIEW v AS SELECT 1", Change::Nothing),
            (postgres, "CREATE LOCAL TEMP TABLE t (n int)", Change::Nothing),
            (postgres, "CREATE GLOBAL TEMPORARY TABLE t (n int)", Change::Nothing),
            (postgres, "CREATE OR REPLACE TEMP VIEW v AS SELECT 1", Change::Nothing),
            (mysql, "CREATE OR REPLACE TEMPORARY TABLE t (n int)", Change::Nothing),
            (postgres, "CREATE UNIQUE INDEX i ON t (n)", Change::Nothing),
            (mysql, "CREATE FULLTEXT INDEX i ON t (n)", Change::Nothing),
            (postgres, "ALTER INDEX i RENAME TO j", Change::Nothing),
            (postgres, "DROP SEQUENCE s", Change::Nothing),
            (postgres, "CREATE TEMP SEQUENCE s", Change::Nothing),
            (postgres, "SELECT 'CREATE FUNCTION'", Change::Nothing),
            (mysql, "/* so */ SELECT 1", Change::Nothing),
            (postgres, "CREATE", Change::Adds),
        ] {
            assert_eq!(change(dialect, sql), changes, "{sql}");
        }
    }
}
