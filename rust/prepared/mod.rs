//! `SQLite`'s prepared statements, by its C interface: kept with their connection, run again and again, read in place.
//!
//! rusqlite opens and sets up connections. Its statements take as long for one row as `SQLite` does: their text is copied for
//! the cache with each run, their columns are described with each run, and each value is asked for by four calls.
//!
//! What always holds: a statement is finalized before its connection is closed; what is bound outlives the run that it is
//! bound for, and is let go of at its end; a value is read before the next step. One thread at a time has a connection: who
//! runs a statement has its [`Link`] for himself.

mod run;
mod wait;

pub use run::{Run, Value};

use foldhash::HashMap;
use rusqlite::{Connection, Error, ffi};
use std::ffi::{CStr, c_char, c_int, c_uint};
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;
use std::time::Duration;
use wait::Wait;

/// A connection with its prepared statements. `K` is what its user keeps with each of them.
///
/// ```
/// use lyger::prepared::{Link, Value};
/// let mut link: Link<()> = Link::new(rusqlite::Connection::open_in_memory().unwrap(), 10);
/// let mut run = link.prepare("SELECT ? || '!'").unwrap();
/// run.bind(1, Value::Text(b"hi")).unwrap();
/// assert!(run.step().unwrap());
/// assert_eq!(run.value(0), Value::Text(b"hi!"));
/// assert!(!run.step().unwrap());
/// ```
#[derive(Debug)]
pub struct Link<K> {
    // Dropped in this order: SQLite closes no connection that has statements, and may wait for a lock while it closes.
    statements: Statements<K>,
    connection: Connection,
    wait: Option<Arc<Wait>>,
}

/// The statements used last, by text.
#[derive(Debug)]
struct Statements<K> {
    index: HashMap<Arc<str>, usize>,
    all: Vec<Statement<K>>,
    max: usize,
    // Counts uses: the statement with the smallest number was unused for longest.
    clock: u64,
}

#[derive(Debug)]
struct Statement<K> {
    raw: NonNull<ffi::sqlite3_stmt>,
    sql: Arc<str>,
    used: u64,
    parameters: usize,
    is_readonly: bool,
    /// Somebody has begun to run it, and perhaps not ended that.
    is_begun: bool,
    /// It may speak of how long `SQLite` waits for a lock.
    is_of_wait: bool,
    /// What is kept with it, and how often it had been prepared anew by then: its columns may be others since.
    kept: Option<(c_int, Arc<K>)>,
}

// SAFETY: a statement may change its thread as its connection may, which rusqlite says is Send; only whoever has the Link
// for himself reaches it.
unsafe impl<K: Send + Sync> Send for Statement<K> {}

impl<K> Link<K> {
    /// A connection that keeps so many statements prepared, at least one.
    #[must_use]
    pub fn new(connection: Connection, statements_max: usize) -> Self {
        let statements =
            Statements { index: HashMap::default(), all: Vec::new(), max: statements_max.max(1), clock: 0 };
        Self { statements, connection, wait: None }
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// From now on a statement waits for the lock of another connection until `left`, what it has left of its own time, is
    /// nothing, or for as long as `PRAGMA busy_timeout` says: then its error is `SQLITE_BUSY`.
    pub fn wait_while(&mut self, left: impl Fn() -> Duration + Send + Sync + 'static) {
        let Self { connection, wait, .. } = self;
        if let Some(wait) = wait.take() {
            wait.hand_over(connection); // whose handler would be gone
        }
        let wait = wait.insert(Wait::new(Box::new(left)));
        // SAFETY: it is dropped after the connection, or when another has taken its place.
        unsafe { wait.take_over(connection) };
    }

    /// Prepares a statement, or finds it prepared.
    ///
    /// # Errors
    /// What `SQLite` says to it; [`Error::MultipleStatement`] when there is another one behind it.
    pub fn prepare(&mut self, sql: &str) -> Result<Run<'_, K>, Error> {
        let Self { statements, connection, wait } = self;
        let index = match statements.index.get(sql) {
            Some(&index) if !statements.all[index].is_of_wait => index,
            // SQLite carries its PRAGMA out while it prepares it.
            Some(&index) => {
                statements.all[index] = Statement::new(connection, sql, wait.as_deref())?;
                index
            }
            None => statements.insert(Statement::new(connection, sql, wait.as_deref())?),
        };
        statements.clock += 1;
        let statement = &mut statements.all[index];
        statement.used = statements.clock;
        Ok(Run::begin(statement, connection, wait.as_deref()))
    }
}

impl<K> Statements<K> {
    fn insert(&mut self, statement: Statement<K>) -> usize {
        let sql = Arc::clone(&statement.sql);
        let oldest = self.all.iter().enumerate().min_by_key(|(_, statement)| statement.used).map(|(index, _)| index);
        let index = match oldest {
            Some(index) if self.all.len() >= self.max => {
                self.index.remove(&self.all[index].sql);
                self.all[index] = statement;
                index
            }
            _ => {
                self.all.push(statement);
                self.all.len() - 1
            }
        };
        self.index.insert(sql, index);
        index
    }
}

impl<K> Statement<K> {
    /// The end of its run takes the waiting over again from `SQLite`, if it speaks of that.
    fn new(connection: &Connection, sql: &str, wait: Option<&Wait>) -> Result<Self, Error> {
        let Some(wait) = wait.filter(|_| Wait::is_named_in(sql)) else { return Self::prepare(connection, sql) };
        wait.hand_over(connection);
        let mut statement = Self::prepare(connection, sql);
        match &mut statement {
            Ok(statement) => statement.is_of_wait = true,
            // SAFETY: a Link drops it after the connection.
            Err(_) => unsafe { wait.take_over(connection) },
        }
        statement
    }

    fn prepare(connection: &Connection, sql: &str) -> Result<Self, Error> {
        let (raw, tail) = prepare(connection, sql)?;
        // SQLite's words for a statement of nothing would be about its API.
        let raw = raw.ok_or_else(|| failure(ffi::SQLITE_MISUSE, Some("the statement is empty".to_owned())))?;
        // SAFETY: the statement was made above, and nobody else has it.
        let (parameters, is_readonly) =
            unsafe { (ffi::sqlite3_bind_parameter_count(raw.as_ptr()), ffi::sqlite3_stmt_readonly(raw.as_ptr()) != 0) };
        let parameters = usize::try_from(parameters).unwrap_or_default();
        let (is_begun, is_of_wait) = (false, false);
        let sql = sql.into();
        let statement = Self { raw, sql, used: 0, parameters, is_readonly, is_begun, is_of_wait, kept: None };
        if !tail.is_empty() && Self::is_another(connection, tail)? {
            return Err(Error::MultipleStatement);
        }
        Ok(statement)
    }

    fn is_another(connection: &Connection, tail: &str) -> Result<bool, Error> {
        let (raw, _) = prepare(connection, tail)?;
        // SAFETY: made here, and used by nobody.
        raw.map(|raw| unsafe { ffi::sqlite3_finalize(raw.as_ptr()) });
        Ok(raw.is_some())
    }
}

impl<K> Drop for Statement<K> {
    fn drop(&mut self) {
        // SAFETY: its connection is open as long as it lives (Link's order), and it is finalized here alone. The result only
        // repeats the error of its last run.
        unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}

/// The first statement of a text, if it has any, and the text behind it.
fn prepare<'a>(connection: &Connection, sql: &'a str) -> Result<(Option<NonNull<ffi::sqlite3_stmt>>, &'a str), Error> {
    let too_long = || failure(ffi::SQLITE_TOOBIG, None);
    let len = c_int::try_from(sql.len()).map_err(|_| too_long())?;
    let (mut raw, mut tail) = (null_mut(), null());
    let begin: *const c_char = sql.as_ptr().cast();
    // SAFETY: the connection is open; the text is readable for its length; both results outlive the call.
    let code = unsafe {
        let flags = ffi::SQLITE_PREPARE_PERSISTENT as c_uint;
        ffi::sqlite3_prepare_v3(connection.handle(), begin, len, flags, &raw mut raw, &raw mut tail)
    };
    if code != ffi::SQLITE_OK {
        return Err(error(connection, code));
    }
    let behind = (tail as usize).checked_sub(begin as usize).and_then(|at| sql.get(at..)).unwrap_or_default();
    Ok((NonNull::new(raw), behind))
}

#[cold]
fn error(connection: &Connection, code: c_int) -> Error {
    // SAFETY: the connection is open. Its message stays where it is until the next call, and is copied here; SQLite's own
    // words for a number are there for ever.
    let message = unsafe {
        let db = connection.handle();
        let is_of_this = ffi::sqlite3_errcode(db) == code;
        let words = if is_of_this { ffi::sqlite3_errmsg(db) } else { ffi::sqlite3_errstr(code) };
        (!words.is_null()).then(|| CStr::from_ptr(words).to_string_lossy().into_owned())
    };
    failure(code, message)
}

fn failure(code: c_int, message: Option<String>) -> Error {
    Error::SqliteFailure(ffi::Error::new(code), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(max: usize) -> Link<Vec<String>> {
        Link::new(Connection::open_in_memory().unwrap(), max)
    }

    fn column(link: &mut Link<Vec<String>>, sql: &str) -> Vec<i64> {
        let mut run = link.prepare(sql).unwrap();
        let mut values = Vec::new();
        while run.step().unwrap() {
            let Value::Int(value) = run.value(0) else { panic!("{:?}", run.value(0)) };
            values.push(value);
        }
        values
    }

    #[test]
    fn the_statement_unused_for_longest_makes_room() {
        let mut link = link(3);
        for round in 0..3 {
            for number in [1, 2, 3, 4, 1] {
                assert_eq!(column(&mut link, &format!("SELECT {number}")), [number], "round {round}");
                assert!(link.statements.all.len() <= 3);
                assert_eq!(link.statements.index.len(), link.statements.all.len());
            }
        }
        let mut texts: Vec<&str> = link.statements.index.keys().map(|sql| &**sql).collect();
        texts.sort_unstable();
        assert_eq!(texts, ["SELECT 1", "SELECT 3", "SELECT 4"]);
    }

    #[test]
    fn a_run_that_is_forgotten_leaves_nothing_to_the_next() {
        let mut link = link(3);
        let sql = "SELECT ? UNION ALL SELECT 2";
        let mut run = link.prepare(sql).unwrap();
        run.bind(1, Value::Int(1)).unwrap();
        assert!(run.step().unwrap());
        std::mem::forget(run);
        let mut run = link.prepare(sql).unwrap();
        assert!(run.step().unwrap());
        assert_eq!(run.value(0), Value::Null, "bound before, and not now");
        drop(run);
        assert_eq!(column(&mut link, "SELECT 5"), [5]);
    }

    #[test]
    fn what_stands_behind_the_first_statement_is_no_statement() {
        let mut link = link(3);
        for sql in ["SELECT 1;", "SELECT 1 ; -- end", "SELECT 1;;/* x */"] {
            assert_eq!(column(&mut link, sql), [1], "{sql}");
        }
        assert!(matches!(link.prepare("SELECT 1; SELECT 2").err(), Some(Error::MultipleStatement)));
        assert!(link.prepare("SELECT 1; nonsense").is_err());
        assert!(link.prepare("-- nothing").is_err());
    }

    #[test]
    fn what_is_bound_comes_back_empty_or_long_and_in_every_encoding() {
        let long = "zwölf \u{1f980}".repeat(3000);
        for encoding in ["UTF-8", "UTF-16le", "UTF-16be"] {
            let mut link = link(3);
            link.connection().execute_batch(&format!("PRAGMA encoding = '{encoding}'; CREATE TABLE t (v)")).unwrap();
            let values = [
                Value::Null,
                Value::Int(i64::MIN),
                Value::Float(-0.5),
                Value::Text(b""),
                Value::Text("a\0ü".as_bytes()),
                Value::Text(long.as_bytes()),
                Value::Blob(b""),
                Value::Blob(&[0, 0xff]),
                Value::Blob(long.as_bytes()),
            ];
            for value in values {
                let mut run = link.prepare("INSERT INTO t VALUES (?)").unwrap();
                run.bind(1, value).unwrap();
                assert!(!run.step().unwrap());
            }
            let mut run = link.prepare("SELECT v, typeof(v) FROM t ORDER BY rowid").unwrap();
            for value in values {
                assert!(run.step().unwrap());
                assert_eq!((run.value(0), run.value(0), run.value(2)), (value, value, Value::Null), "{encoding}");
            }
            assert!(!run.step().unwrap());
        }
    }

    #[test]
    fn a_place_that_is_not_there_is_an_error() {
        let mut link = link(3);
        let mut run = link.prepare("SELECT ?").unwrap();
        assert!(run.bind(0, Value::Int(1)).is_err());
        assert!(run.bind(2, Value::Int(1)).is_err());
        assert!(run.bind(usize::MAX, Value::Text(b"x")).is_err());
    }

    #[test]
    fn what_is_kept_is_made_anew_when_the_statement_was_prepared_anew() {
        let mut link = link(3);
        let names = |link: &mut Link<Vec<String>>| {
            let mut run = link.prepare("SELECT * FROM t").unwrap();
            run.step().unwrap();
            Vec::clone(&run.keep(|columns| columns.map(|(name, _)| name.into_owned()).collect()))
        };
        link.connection().execute_batch("CREATE TABLE t (a)").unwrap();
        assert_eq!(names(&mut link), ["a"]);
        link.connection().execute_batch("ALTER TABLE t RENAME COLUMN a TO b").unwrap();
        assert_eq!(names(&mut link), ["b"]);
        let made = link.prepare("SELECT * FROM t").unwrap().keep(|_| unreachable!("nothing has changed"));
        assert_eq!(*made, ["b"]);
    }
}
