//! The statements that a connection has prepared, by their text.

use super::packet::Field;
use crate::json::spare::Spare;
use foldhash::HashMap;
use std::sync::Arc;

/// How many statements a connection keeps. The server counts those of all connections, up to its `max_prepared_stmt_count`
/// of 16,382: 64 connections stay below.
const STATEMENTS_MAX: usize = 250;

/// A longer text is prepared for once: it is one of a kind (a bulk insert), and 250 of this length are 4 MiB.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// What the server knows of a statement.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    /// Its number on the server.
    pub(super) id: u32,
    /// How many placeholders it has.
    pub(super) parameters: usize,
    /// Those that the server has sent last.
    pub(super) fields: Arc<Fields>,
}

/// The columns of a statement's results.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) each: Vec<Field>,
    /// Those of the last result.
    pub(super) spare: Spare,
}

impl From<Vec<Field>> for Fields {
    fn from(each: Vec<Field>) -> Self {
        Self { each, spare: Spare::default() }
    }
}

/// The cache of one connection: the statement that was unused for longest makes room.
#[derive(Default)]
pub(super) struct Statements {
    by_text: HashMap<Box<str>, Entry>,
    // Counts uses: the entry with the smallest number was unused for longest.
    clock: u64,
}

struct Entry {
    prepared: Prepared,
    used: u64,
}

impl Statements {
    pub(super) fn get(&mut self, text: &str) -> Option<Prepared> {
        self.clock += 1;
        let entry = self.by_text.get_mut(text)?;
        entry.used = self.clock;
        Some(entry.prepared.clone())
    }

    /// Keeps a statement, and gives the number of the one that makes room: this one, where it isn't kept.
    pub(super) fn insert(&mut self, text: &str, prepared: Prepared) -> Option<u32> {
        if text.len() > TEXT_BYTES_MAX {
            return Some(prepared.id);
        }
        let mut evicted = None;
        if self.by_text.len() >= STATEMENTS_MAX && !self.by_text.contains_key(text) {
            let oldest = self.by_text.iter().min_by_key(|(_, entry)| entry.used).map(|(text, _)| text.clone());
            evicted = oldest.and_then(|text| self.forget(&text));
        }
        self.by_text.insert(text.into(), Entry { prepared, used: self.clock });
        evicted
    }

    /// The columns of a statement have changed.
    pub(super) fn update(&mut self, text: &str, fields: &Arc<Fields>) {
        if let Some(entry) = self.by_text.get_mut(text) {
            entry.prepared.fields = Arc::clone(fields);
        }
    }

    /// Lets go of a statement, and gives the number that it still has on the server.
    pub(super) fn forget(&mut self, text: &str) -> Option<u32> {
        self.by_text.remove(text).map(|entry| entry.prepared.id)
    }

    /// Lets go of all, and gives the numbers that they still have on the server.
    pub(super) fn forget_all(&mut self) -> Vec<u32> {
        self.by_text.drain().map(|(_, entry)| entry.prepared.id).collect()
    }

    /// The server has forgotten them all.
    pub(super) fn clear(&mut self) {
        self.by_text.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(id: u32) -> Prepared {
        Prepared { id, parameters: 0, fields: Arc::default() }
    }

    #[test]
    fn the_statement_that_was_unused_for_longest_makes_room() {
        let mut statements = Statements::default();
        for n in 0..STATEMENTS_MAX as u32 {
            assert_eq!(statements.insert(&n.to_string(), prepared(n)), None);
        }
        for n in (0..STATEMENTS_MAX).filter(|n| *n != 1) {
            statements.get(&n.to_string()).unwrap();
        }
        assert_eq!(statements.insert("more", prepared(1000)), Some(1));
        assert!(statements.get("1").is_none() && statements.get("0").is_some());
        assert_eq!(statements.by_text.len(), STATEMENTS_MAX);
    }

    #[test]
    fn a_long_text_is_prepared_for_once() {
        let mut statements = Statements::default();
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        assert_eq!(statements.insert(&long, prepared(7)), Some(7));
        assert!(statements.get(&long).is_none());
    }
}
