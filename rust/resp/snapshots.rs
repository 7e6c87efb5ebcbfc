//! The file that SAVE, BGSAVE and the server's end write, and when it was last written.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cache::{SnapshotError, Table};
use crate::runtime::{say, signals};

/// Between two looks whether BGSAVE has finished, at the server's end.
const LOOK: Duration = Duration::from_millis(5);

/// Why nothing is saved.
#[derive(Debug)]
pub(crate) enum NotSaved {
    /// There is no file to save to.
    Nowhere,
    /// It is being written.
    Busy,
    Failed(SnapshotError),
    NoThread(std::io::Error),
}

impl fmt::Display for NotSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("there is no file to save to: the setting resp.snapshot names none"),
            Self::Busy => f.write_str("Background save already in progress"),
            Self::Failed(error) => write!(f, "nothing was saved: {error}"),
            Self::NoThread(error) => write!(f, "nothing was saved: no thread: {error}"),
        }
    }
}

pub(crate) struct Snapshots {
    /// What is saved, and where.
    file: Option<(Table, PathBuf)>,
    saving: AtomicBool,
    in_background: AtomicBool,
    last_save_s: AtomicU64,
    last_failed: AtomicBool,
    /// Cleared by SHUTDOWN NOSAVE.
    at_end: AtomicBool,
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Who writes; over when it is dropped, also by a panic.
struct Turn<'s>(&'s Snapshots);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.in_background.store(false, Ordering::Release);
        self.0.saving.store(false, Ordering::Release);
    }
}

impl Snapshots {
    /// Of a store of somebody else's, `None`, nothing is saved.
    pub(crate) fn new(table: Option<&Table>, path: Option<PathBuf>) -> Self {
        Self {
            file: table.cloned().zip(path),
            saving: false.into(),
            in_background: false.into(),
            // As in Redis: before the first one the time of the start.
            last_save_s: (now_ms() / 1000).into(),
            last_failed: false.into(),
            at_end: true.into(),
        }
    }

    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    pub(crate) fn last_save_s(&self) -> u64 {
        self.last_save_s.load(Ordering::Relaxed)
    }

    pub(crate) fn last_failed(&self) -> bool {
        self.last_failed.load(Ordering::Relaxed)
    }

    pub(crate) fn is_in_background(&self) -> bool {
        self.in_background.load(Ordering::Acquire)
    }

    pub(crate) fn not_at_end(&self) {
        self.at_end.store(false, Ordering::Relaxed);
    }

    fn claim(&self) -> Result<(Turn<'_>, &Table, &Path), NotSaved> {
        let (table, path) = self.file.as_ref().ok_or(NotSaved::Nowhere)?;
        if self.saving.swap(true, Ordering::Acquire) { Err(NotSaved::Busy) } else { Ok((Turn(self), table, path)) }
    }

    fn write(&self, table: &Table, path: &Path) -> Result<(), NotSaved> {
        let now = now_ms();
        let saved = table.save(path, now);
        if saved.is_ok() {
            self.last_save_s.store(now / 1000, Ordering::Relaxed);
        }
        self.last_failed.store(saved.is_err(), Ordering::Relaxed);
        saved.map(drop).map_err(NotSaved::Failed)
    }

    /// SAVE: in the thread that asks.
    pub(crate) fn save(&self) -> Result<(), NotSaved> {
        let (_turn, table, path) = self.claim()?;
        self.write(table, path)
    }

    /// BGSAVE: in a thread of its own. What goes wrong is told by INFO and on stderr.
    pub(crate) fn begin(self: &Arc<Self>) -> Result<(), NotSaved> {
        let (turn, table, path) = self.claim()?;
        self.in_background.store(true, Ordering::Release);
        let (this, table, path) = (Arc::clone(self), table.clone(), path.to_owned());
        let started = signals::start_thread("resp-save", move || {
            let _turn = Turn(&this);
            if let Err(error) = this.write(&table, &path) {
                say::say(std::io::stderr(), &format!("lyger: BGSAVE: {error}\n"));
            }
        });
        started.map_err(NotSaved::NoThread)?;
        std::mem::forget(turn); // it is the thread's now
        Ok(())
    }

    /// When no thread serves any more: waits for BGSAVE, whose file is older than what clients have been told since.
    pub(crate) fn save_at_end(&self) -> Result<(), NotSaved> {
        if !self.at_end.load(Ordering::Relaxed) || self.file.is_none() {
            return Ok(());
        }
        loop {
            match self.save() {
                Err(NotSaved::Busy) => std::thread::sleep(LOOK),
                other => return other,
            }
        }
    }
}
