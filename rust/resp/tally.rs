//! What INFO counts. Each thread counts for itself, in memory of its own, so that counting costs no traffic between cores; who asks adds up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::commands::registry::REGISTRY;

/// A number that one thread writes and all read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, number: u64) {
        // No other thread writes it, so nothing is lost between reading and writing, and no bus is locked.
        self.0.store(self.0.load(Relaxed).wrapping_add(number), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

#[derive(Debug, Default)]
pub(crate) struct OfCommand {
    pub(crate) calls: Counter,
    pub(crate) took_us: Counter,
    pub(crate) rejected: Counter,
    pub(crate) failed: Counter,
}

/// One thread's counters.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Tally {
    pub(crate) by_command: Vec<OfCommand>,
    pub(crate) connections: Counter,
    pub(crate) refused: Counter,
    /// Clients that were disconnected for what they held.
    pub(crate) evicted: Counter,
    pub(crate) read_bytes: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) errors: Counter,
    /// How often the thread has looked for what is ready. While nothing comes, these are its ticks alone.
    pub(crate) turns: Counter,
    /// By their codes: `ERR`, `WRONGPASS`.
    error_codes: Mutex<BTreeMap<Box<[u8]>, u64>>,
}

/// Codes are words of ours, but a client may make some up through EXECABORT's text.
const ERROR_CODES_MAX: usize = 128;

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            by_command: REGISTRY.all.iter().map(|_| OfCommand::default()).collect(),
            connections: Counter::default(),
            refused: Counter::default(),
            evicted: Counter::default(),
            read_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            errors: Counter::default(),
            turns: Counter::default(),
            error_codes: Mutex::default(),
        }
    }

    pub(crate) fn note_error(&self, text: &[u8]) {
        self.errors.add(1);
        let code = &text[..text.iter().position(|byte| *byte == b' ').unwrap_or(text.len())];
        let mut codes = self.error_codes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = codes.get_mut(code) {
            *count += 1;
        } else if codes.len() < ERROR_CODES_MAX {
            codes.insert(code.into(), 1);
        }
    }

    pub(crate) fn error_codes(&self) -> BTreeMap<Box<[u8]>, u64> {
        self.error_codes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// CONFIG RESETSTAT, from whichever thread: a count that its owner writes at this very moment may stay.
    pub(crate) fn reset(&self) {
        let own = [&self.connections, &self.refused, &self.read_bytes, &self.sent_bytes, &self.errors, &self.turns];
        let of_commands = self.by_command.iter().flat_map(|of| [&of.calls, &of.took_us, &of.rejected, &of.failed]);
        own.into_iter().chain(of_commands).for_each(Counter::reset);
        self.error_codes.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
