//! The statements that a connection has prepared, by their text.
//!
//! The types of a statement's parameters are those of the moment in which it was prepared, and the server keeps them when a
//! column's type changes: what is bound then would be converted twice, and be another value in the end, without an error.
//! So a statement is prepared anew after each change of the schema that this process has made, and after some seconds in any
//! case, because others change schemas too.
//!
//! What the names in a statement mean is of that moment as well: a search path and temporary tables decide it. So statements
//! are kept for two places. At home are those of a connection as it is when nobody has left anything on it; away, where names
//! may mean something else, they are prepared anew, and let go of as soon as names may mean something else again.

use super::message::Field;
use super::types::Type;
use crate::json::spare::Spare;
use foldhash::HashMap;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long what somebody else has changed in the schema may stay unseen. Preparing a statement anew takes the server some
/// hundred microseconds: nothing, once in so long.
const AGE_MAX: Duration = Duration::from_secs(10);

/// Counts the changes of a database's schemas that this process has made, on whichever connection.
#[derive(Debug, Clone, Default)]
pub(super) struct SchemaChanges(Arc<AtomicU64>);

impl SchemaChanges {
    /// Those of the databases of this name: a server has many names itself, and is not told apart from others.
    pub(super) fn of(database: &str) -> Self {
        static ALL: Mutex<BTreeMap<Box<str>, SchemaChanges>> = Mutex::new(BTreeMap::new());
        ALL.lock().unwrap_or_else(PoisonError::into_inner).entry(database.into()).or_default().clone()
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many statements a connection keeps. A server's process holds 10 to 100 KiB for each, so a pool of 16 connections
/// costs it at most some 400 MiB; an application has a few hundred distinct statements, and the busiest of them stay.
const STATEMENTS_MAX: usize = 256;

/// A longer text is prepared for once: it is one of a kind (a bulk insert), and 256 of this length are 4 MiB.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// What the server knows of a statement.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Its name on the server; empty for one that is prepared for once.
    pub(super) name: String,
    pub(super) parameters: Vec<Type>,
    pub(super) fields: Vec<(Field, Type)>,
    /// The columns of its last result.
    pub(super) spare: Spare,
}

impl Prepared {
    /// One of the tests and benches.
    pub(super) fn of(fields: Vec<(Field, Type)>) -> Self {
        Self { name: String::new(), parameters: Vec::new(), fields, spare: Spare::default() }
    }
}

/// The cache of one connection: the statement that was unused for longest makes room.
#[derive(Default)]
pub(super) struct Statements {
    home: HashMap<Box<str>, Entry>,
    away: HashMap<Box<str>, Entry>,
    is_away: bool,
    /// Each statement may change what names mean in the next one.
    is_in_doubt: bool,
    // Counts uses: the entry with the smallest number was unused for longest.
    clock: u64,
    named: u64,
    schema_changes: SchemaChanges,
    /// As many of them were seen.
    seen_changes: u64,
}

struct Entry {
    prepared: Arc<Prepared>,
    used: u64,
    since: Instant,
}

impl Statements {
    /// None yet, in a database whose schemas change so.
    pub(super) fn new(schema_changes: SchemaChanges) -> Self {
        Self { seen_changes: schema_changes.count(), schema_changes, ..Self::default() }
    }

    /// A statement of this connection has changed a schema, or the transaction of one has ended.
    pub(super) fn schema_has_changed(&self) {
        self.schema_changes.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets go of all, and gives the names that they still have on the server.
    pub(super) fn forget_all(&mut self) -> Vec<String> {
        names(self.home.drain().chain(self.away.drain()))
    }

    /// From now on names may mean something else than before. Gives the names on the server of what is of no use any more.
    pub(super) fn leave_home(&mut self) -> Vec<String> {
        self.is_away = true;
        names(self.away.drain())
    }

    /// The same for now and behind each further statement: none is kept.
    pub(super) fn doubt_names(&mut self) -> Vec<String> {
        self.is_in_doubt = true;
        self.leave_home()
    }

    /// Names mean again what they mean on a new connection.
    pub(super) fn come_home(&mut self) -> Vec<String> {
        (self.is_away, self.is_in_doubt) = (false, false);
        names(self.away.drain())
    }

    fn here(&mut self) -> &mut HashMap<Box<str>, Entry> {
        if self.is_away { &mut self.away } else { &mut self.home }
    }

    /// A statement. One that may be out of date (it is old, or a schema has changed) is let go of: the names of such, which they
    /// still have on the server, are put into `dropped`.
    pub(super) fn get(&mut self, text: &str, dropped: &mut Vec<String>) -> Option<Arc<Prepared>> {
        let schema_changes = self.schema_changes.count();
        if schema_changes != self.seen_changes {
            self.seen_changes = schema_changes;
            dropped.extend(self.forget_all());
            return None;
        }
        self.clock += 1;
        let here = if self.is_away { &mut self.away } else { &mut self.home };
        let entry = here.get_mut(text)?;
        if entry.since.elapsed() < AGE_MAX {
            entry.used = self.clock;
            return Some(Arc::clone(&entry.prepared));
        }
        dropped.extend(self.forget(text));
        None
    }

    /// A name for a statement that is about to be prepared, never given before; and the name of the one that makes room.
    pub(super) fn name(&mut self, text: &str) -> (String, Option<String>) {
        if text.len() > TEXT_BYTES_MAX || self.is_in_doubt {
            return (String::new(), None);
        }
        self.named += 1;
        let mut evicted = None;
        if self.home.len() + self.away.len() >= STATEMENTS_MAX {
            let both = self.home.iter().chain(&self.away);
            let oldest = both.min_by_key(|(_, entry)| entry.used).map(|(text, entry)| (text.clone(), entry.used));
            evicted = oldest.and_then(|(text, used)| {
                let is_home = self.home.get(&text).is_some_and(|entry| entry.used == used);
                let entry = if is_home { self.home.remove(&text) } else { self.away.remove(&text) };
                entry.map(|entry| entry.prepared.name.clone())
            });
        }
        (format!("lyger_{}", self.named), evicted)
    }

    pub(super) fn insert(&mut self, text: &str, prepared: Arc<Prepared>) {
        if !prepared.name.is_empty() {
            let entry = Entry { prepared, used: self.clock, since: Instant::now() };
            self.here().insert(text.into(), entry);
        }
    }

    /// Lets go of a statement, and gives the name that it still has on the server.
    pub(super) fn forget(&mut self, text: &str) -> Option<String> {
        self.here().remove(text).map(|entry| entry.prepared.name.clone())
    }

    /// The server has forgotten them all. Names go on, so that none is ever another statement's.
    pub(super) fn clear(&mut self) {
        self.home.clear();
        self.away.clear();
    }
}

/// What statements are called on the server.
fn names(entries: impl Iterator<Item = (Box<str>, Entry)>) -> Vec<String> {
    entries.map(|(_, entry)| entry.prepared.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(statements: &mut Statements, text: &str) -> Option<String> {
        let (name, evicted) = statements.name(text);
        statements.insert(text, Arc::new(Prepared { name, ..Prepared::of(Vec::new()) }));
        evicted
    }

    fn get(statements: &mut Statements, text: &str) -> Option<Arc<Prepared>> {
        statements.get(text, &mut Vec::new())
    }

    #[test]
    fn the_statement_that_was_unused_for_longest_makes_room() {
        let mut statements = Statements::default();
        for n in 0..STATEMENTS_MAX {
            assert_eq!(prepare(&mut statements, &n.to_string()), None);
        }
        let second = get(&mut statements, "1").unwrap().name.clone();
        get(&mut statements, "0").unwrap();
        for n in 2..STATEMENTS_MAX {
            get(&mut statements, &n.to_string()).unwrap();
        }
        assert_eq!(prepare(&mut statements, "more"), Some(second));
        assert!(get(&mut statements, "1").is_none() && get(&mut statements, "0").is_some());
        assert_eq!(statements.home.len(), STATEMENTS_MAX);
        // Both places share the room.
        statements.leave_home();
        assert!(prepare(&mut statements, "0").is_some());
        assert_eq!((statements.home.len(), statements.away.len()), (STATEMENTS_MAX - 1, 1));
    }

    #[test]
    fn what_was_prepared_at_home_is_of_use_there_and_nowhere_else() {
        let mut statements = Statements::default();
        prepare(&mut statements, "a");
        let name = |statements: &mut Statements| get(statements, "a").map(|prepared| prepared.name.clone());
        let home = name(&mut statements).unwrap();
        assert!(statements.leave_home().is_empty() && name(&mut statements).is_none());
        prepare(&mut statements, "a");
        let away = name(&mut statements).unwrap();
        assert_eq!(statements.leave_home(), [away], "names have changed again");
        assert!(name(&mut statements).is_none());
        prepare(&mut statements, "a");
        assert_eq!(statements.doubt_names().len(), 1);
        prepare(&mut statements, "a");
        assert!(name(&mut statements).is_none(), "nothing is kept for a statement that may be another one then");
        assert!(statements.come_home().is_empty());
        assert_eq!(name(&mut statements), Some(home));
    }

    #[test]
    fn a_long_text_is_prepared_for_once() {
        let mut statements = Statements::default();
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        prepare(&mut statements, &long);
        assert!(get(&mut statements, &long).is_none());
    }

    #[test]
    fn an_old_statement_is_prepared_anew() {
        let mut statements = Statements::default();
        prepare(&mut statements, "old");
        prepare(&mut statements, "young");
        let entry = statements.home.get_mut("old").unwrap();
        entry.since = Instant::now().checked_sub(AGE_MAX).expect("a machine that runs for longer");
        let name = entry.prepared.name.clone();
        let mut dropped = Vec::new();
        assert!(statements.get("old", &mut dropped).is_none());
        assert_eq!(dropped, [name]);
        assert!(statements.get("young", &mut dropped).is_some() && dropped.len() == 1);
    }

    #[test]
    fn a_change_of_a_schema_is_seen_by_all_connections_to_its_database_and_by_no_others() {
        let [mut one, mut two, mut other] = ["schema_changes", "schema_changes", "schema_changes_elsewhere"]
            .map(|name| Statements::new(SchemaChanges::of(name)));
        for statements in [&mut one, &mut two, &mut other] {
            prepare(statements, "a");
        }
        one.schema_has_changed();
        assert!(get(&mut one, "a").is_none() && get(&mut two, "a").is_none());
        assert!(get(&mut other, "a").is_some());
        prepare(&mut two, "a");
        assert!(get(&mut two, "a").is_some(), "once is enough");
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut statements = Statements::default();
        let (first, _) = statements.name("a");
        statements.clear();
        assert_ne!(statements.name("a").0, first);
    }
}
