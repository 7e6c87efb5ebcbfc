//! SLOWLOG: the commands that took long, newest first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::args::Args;

/// As in Redis: enough to see what was asked for.
const ARGS_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 128;

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) at_s: u64,
    pub(crate) took_us: u64,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) address: String,
    pub(crate) name: Vec<u8>,
}

impl Entry {
    /// The arguments that are kept, long ones cut, and without passwords.
    pub(crate) fn shortened(args: Args<'_>) -> Vec<Vec<u8>> {
        let shown = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
        let cut = |arg: &[u8]| match arg.len().checked_sub(ARG_BYTES_MAX) {
            None | Some(0) => arg.to_vec(),
            Some(more) => [&arg[..ARG_BYTES_MAX], format!("... ({more} more bytes)").as_bytes()].concat(),
        };
        let mut kept: Vec<Vec<u8>> = args.iter().take(shown).map(cut).collect();
        if args.is(0, "config") {
            let passwords = (1..shown).filter(|&place| args.is(place - 1, "requirepass"));
            passwords.for_each(|place| kept[place] = b"(redacted)".to_vec());
        }
        if shown < args.len() {
            kept.push(format!("... ({} more arguments)", args.len() - shown).into_bytes());
        }
        kept
    }
}

#[derive(Debug, Default)]
struct Entries {
    newest_last: VecDeque<Arc<Entry>>,
    next_id: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Slowlog(Mutex<Entries>);

impl Slowlog {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a command; `entry` gets its number here.
    pub(crate) fn note(&self, mut entry: Entry, entries_max: u64) {
        let mut entries = self.lock();
        entry.id = entries.next_id;
        entries.next_id += 1;
        entries.newest_last.push_back(Arc::new(entry));
        while entries.newest_last.len() as u64 > entries_max {
            entries.newest_last.pop_front();
        }
    }

    pub(crate) fn newest(&self, count: usize) -> Vec<Arc<Entry>> {
        self.lock().newest_last.iter().rev().take(count).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().newest_last.len()
    }

    pub(crate) fn clear(&self) {
        self.lock().newest_last.clear();
    }
}
