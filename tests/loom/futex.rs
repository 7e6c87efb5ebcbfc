//! A futex as the kernel makes one: looking at the word and lying down are one step.

use std::time::Duration;

use loom::sync::Mutex;
use loom::thread::{self, Thread};

use super::doorbell::{Reach, Woken};
use super::sync::{AtomicU32, Ordering};

loom::lazy_static! {
    static ref SLEEPERS: Mutex<Vec<(usize, Thread)>> = Mutex::new(Vec::new());
}

fn address(word: &AtomicU32) -> usize {
    std::ptr::from_ref(word) as usize
}

/// Never times out: a wake-up that is missed is a sleep without end, which loom reports as a deadlock.
pub(super) fn wait(word: &AtomicU32, expected: u32, _reach: Reach, _timeout: Duration) -> Woken {
    {
        let mut sleepers = SLEEPERS.lock().unwrap();
        if word.load(Ordering::SeqCst) != expected {
            return Woken::Rung;
        }
        sleepers.push((address(word), thread::current()));
    }
    thread::park();
    Woken::Rung
}

pub(super) fn wake(word: &AtomicU32, _reach: Reach) {
    let mut sleepers = SLEEPERS.lock().unwrap();
    if let Some(at) = sleepers.iter().position(|(other, _)| *other == address(word)) {
        sleepers.remove(at).1.unpark();
    }
}
