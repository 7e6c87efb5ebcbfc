//! Who has the connections of a pool, for the error of those who wait for one in vain.

use foldhash::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many holders an error names: a pool of hundreds is busy with the same few statements.
const NAMED_MAX: usize = 5;

/// How much of a statement is shown. Values are bound and not in it.
const SQL_BYTES_MAX: usize = 120;

/// The connections in use, with the statement that each runs or ran last.
#[derive(Default)]
pub(super) struct Holders(Mutex<Book>);

#[derive(Default)]
struct Book {
    last: u64,
    held: HashMap<u64, Held>,
}

struct Held {
    sql: String,
    runs: bool,
    since: Instant,
}

impl Holders {
    /// A connection is in use from now on; its number names it here.
    pub(super) fn open(&self) -> u64 {
        let mut book = self.lock();
        book.last += 1;
        let number = book.last;
        book.held.insert(number, Held { sql: String::new(), runs: false, since: Instant::now() });
        number
    }

    pub(super) fn begin(&self, number: u64, sql: &str) {
        if let Some(held) = self.lock().held.get_mut(&number) {
            held.sql.clear();
            held.sql.push_str(&sql[..sql.floor_char_boundary(SQL_BYTES_MAX)]);
            (held.runs, held.since) = (true, Instant::now());
        }
    }

    pub(super) fn end(&self, number: u64) {
        if let Some(held) = self.lock().held.get_mut(&number) {
            (held.runs, held.since) = (false, Instant::now());
        }
    }

    pub(super) fn close(&self, number: u64) {
        self.lock().held.remove(&number);
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn describe(&self) -> String {
        let ms = self.since.elapsed().as_millis();
        let sql = self.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        match (self.runs, sql.is_empty()) {
            (true, _) => format!("{sql} (running for {ms} ms)"),
            (false, false) => format!("kept since {sql} ({ms} ms ago)"),
            (false, true) => "connecting".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holders_are_named_with_what_they_are_at() {
        let holders = Holders::default();
        let numbers: Vec<u64> = (0..7).map(|_| holders.open()).collect();
        holders.begin(numbers[0], "SELECT\n  1");
        holders.begin(numbers[1], "BEGIN");
        holders.end(numbers[1]);
        let texts = holders.describe().join("; ");
        assert!(texts.contains("and 2 more"), "{texts}");
        for number in &numbers[2..] {
            holders.close(*number);
        }
        let texts = holders.describe();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].starts_with("SELECT 1 (running for "), "{texts:?}");
        assert!(texts[1].starts_with("kept since BEGIN ("), "{texts:?}");
    }
}
