//! Who has the connections of a pool, for the error of those who wait for one in vain.

use super::dsn::Reset;
use foldhash::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many holders an error names: a pool of hundreds is busy with the same few statements.
const NAMED_MAX: usize = 5;

/// How much of a statement is shown. Values are bound and not in it.
const SQL_BYTES_MAX: usize = 120;

/// The connections in use, with the statement that each runs or ran last.
#[derive(Default)]
pub(super) struct Holders {
    last: AtomicU64,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    held: HashMap<u64, Held>,
    /// The text of one that has gone, for the next: most have one statement each.
    blank: String,
}

struct Held {
    sql: String,
    runs: bool,
    /// Why it is kept although nobody knows of anything on it.
    perhaps: Option<Reset>,
    since: Instant,
}

impl Holders {
    /// A number that names a connection here.
    pub(super) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection runs a statement from now on.
    pub(super) fn begin(&self, number: u64, sql: &str, now: Instant) {
        let shown = &sql[..sql.floor_char_boundary(SQL_BYTES_MAX)];
        let Book { held, blank } = &mut *self.lock();
        let held = held.entry(number).or_insert_with(|| Held {
            sql: std::mem::take(blank),
            runs: true,
            perhaps: None,
            since: now,
        });
        held.sql.clear();
        held.sql.push_str(shown);
        (held.runs, held.perhaps, held.since) = (true, None, now);
    }

    /// The statement has ended, and the connection stays with whom it has left something on it.
    pub(super) fn keep(&self, number: u64) {
        if let Some(held) = self.lock().held.get_mut(&number) {
            (held.runs, held.since) = (false, Instant::now());
        }
    }

    /// The same where only the database's functions may have left something, or whatever is left is to be removed.
    pub(super) fn keep_perhaps(&self, number: u64, reset: Reset) {
        self.keep(number);
        if let Some(held) = self.lock().held.get_mut(&number) {
            held.perhaps = Some(reset);
        }
    }

    pub(super) fn close(&self, number: u64) {
        let mut book = self.lock();
        if let Some(held) = book.held.remove(&number) {
            book.blank = held.sql;
        }
    }

    /// What the connections in use are at, the longest first.
    pub(super) fn describe(&self) -> Vec<String> {
        let book = self.lock();
        let mut held: Vec<&Held> = book.held.values().collect();
        held.sort_by_key(|held| held.since);
        let mut texts: Vec<String> = held.iter().take(NAMED_MAX).map(|held| held.describe()).collect();
        if held.len() > NAMED_MAX {
            texts.push(format!("and {} more", held.len() - NAMED_MAX));
        }
        texts
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn describe(&self) -> String {
        let ms = self.since.elapsed().as_millis();
        let sql = self.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        match (self.runs, self.perhaps) {
            (true, _) => format!("{sql} (running for {ms} ms)"),
            (false, None) => format!("kept since {sql} ({ms} ms ago)"),
            (false, Some(Reset::Always)) => {
                format!("kept since {sql} ({ms} ms ago) because of reset=always in the DSN")
            }
            (false, Some(_)) => format!(
                "kept since {sql} ({ms} ms ago) for what the database's functions may have left: see reset in the DSN"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holders_are_named_with_what_they_are_at() {
        let holders = Holders::default();
        let numbers: Vec<u64> = (0..7).map(|_| holders.number()).collect();
        let now = Instant::now();
        holders.begin(numbers[0], "SELECT\n  1", now);
        for number in &numbers[1..] {
            holders.begin(*number, "BEGIN", now);
        }
        holders.keep(numbers[1]);
        holders.keep_perhaps(numbers[0], Reset::Changed);
        let texts = holders.describe().join("; ");
        assert!(texts.contains("and 2 more"), "{texts}");
        for number in &numbers[2..] {
            holders.close(*number);
        }
        let texts = holders.describe();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].starts_with("kept since BEGIN (") && texts[0].ends_with(" ms ago)"), "{texts:?}");
        assert!(texts[1].starts_with("kept since SELECT 1 (") && texts[1].contains("see reset"), "{texts:?}");
        holders.keep_perhaps(numbers[0], Reset::Always);
        assert!(holders.describe().iter().any(|text| text.ends_with("because of reset=always in the DSN")));
        holders.begin(numbers[0], "SELECT 2", now);
        assert!(holders.describe().iter().any(|text| text.starts_with("SELECT 2 (running for ")));
    }
}
