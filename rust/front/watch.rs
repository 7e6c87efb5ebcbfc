//! Watching an application's code: which files changed since the last look.
//!
//! What counts is a survey of the folder: its PHP files and `.env` files, each with its time, size and number. The
//! system's notices (crate `notify`) only say when to look again, so that an editor's ways of saving make no difference,
//! and polling is the same without notices. It runs on a thread of its own and outlives nothing but the process.
//!
//! Not looked at: `var` and `storage` of the application, folders whose name begins with a dot, `node_modules`, and `vendor`, whose
//! thousands of folders hardly ever change, but for `vendor/composer`, which Composer writes last of all.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde::{Deserialize, Serialize};

use crate::runtime::signals::start_thread;

/// How often is looked without notices.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// How often is looked with notices: of some changes there is none, such as of a link on the way to the application.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Two surveys that lie so far apart have to agree before anybody is told: who saves saves more than one file.
const SETTLE: Duration = Duration::from_millis(50);

/// After so many of these it is told all the same.
const SETTLE_ROUNDS_MAX: u32 = 40;

/// More folders than any application has; a link to a whole disk must not be walked to its end.
const FOLDERS_MAX: usize = 10_000;

/// What to watch, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// The application's folder.
    pub folder: PathBuf,
    /// Look from time to time instead of having the system say when: for network file systems and shared folders.
    pub poll: bool,
}

/// What distinguishes a file from what it was: time in nanoseconds, size, number.
type Mark = (i64, i64, u64, u64);

#[derive(Debug, Default, PartialEq, Eq)]
struct Survey {
    files: BTreeMap<PathBuf, Mark>,
    folders: BTreeSet<PathBuf>,
}

/// Calls `tell` with a file that has changed, whenever some have, until the process ends. What changes after this returned is
/// seen.
///
/// # Errors
/// When there is no thread to be had.
pub(super) fn start(watch: Watch, tell: impl Fn(&Path) + Send + 'static) -> io::Result<()> {
    let survey = Survey::of(&watch.folder);
    start_thread("lyger-watch", move || Lookout::new(watch).run(survey, tell)).map(drop)
}

struct Lookout {
    folder: PathBuf,
    notices: Option<Notices>,
}

struct Notices {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    arrived: Receiver<Vec<PathBuf>>,
}

impl Lookout {
    fn new(watch: Watch) -> Self {
        let (sender, arrived) = channel();
        let notices = (!watch.poll).then(|| {
            let watcher = notify::recommended_watcher(move |event| pass_on(event, &sender));
            watcher.map(|watcher| Notices { watcher, watched: BTreeSet::new(), arrived })
        });
        let mut this = Self { folder: watch.folder, notices: None };
        match notices.transpose() {
            Ok(notices) => this.notices = notices,
            Err(error) => this.go_without(&error),
        }
        this
    }

    fn run(mut self, mut known: Survey, tell: impl Fn(&Path)) {
        self.attend_to(&known);
        loop {
            let mut found = Survey::of(&self.folder);
            for _ in 0..SETTLE_ROUNDS_MAX {
                self.attend_to(&found);
                if found == known {
                    break;
                }
                std::thread::sleep(SETTLE);
                let again = Survey::of(&self.folder);
                if again == found {
                    break;
                }
                found = again;
            }
            if let Some(file) = found.first_difference(&known) {
                tell(file);
            }
            known = found;
            self.wait();
        }
    }

    /// Until there may be something to see.
    fn wait(&mut self) {
        let Some(notices) = &mut self.notices else {
            std::thread::sleep(POLL_EVERY);
            return;
        };
        match notices.arrived.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(gone) => {
                let more = std::iter::from_fn(|| notices.arrived.try_recv().ok()).flatten();
                let gone: HashSet<PathBuf> = gone.into_iter().chain(more).collect();
                // A folder that comes back under its name has to be watched anew.
                notices.watched.retain(|folder| !folder.ancestors().any(|folder| gone.contains(folder)));
            }
            Err(RecvTimeoutError::Disconnected) => self.go_without(&"its thread has ended"), // the watcher's, which nothing should end
        }
    }

    /// Has the system say when something happens in one of these folders.
    fn attend_to(&mut self, survey: &Survey) {
        let Some(notices) = &mut self.notices else { return };
        notices.watched.retain(|folder| survey.folders.contains(folder));
        for folder in &survey.folders {
            if notices.watched.contains(folder) {
                continue;
            }
            match notices.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    notices.watched.insert(folder.clone());
                }
                // It has gone since the survey; the next one knows.
                Err(_) if !folder.is_dir() => {}
                Err(error) => return self.go_without(&error),
            }
        }
    }

    fn go_without(&mut self, why: &dyn std::fmt::Display) {
        super::log(format_args!("changes of {} are looked for, not told of: {why}", self.folder.display()));
        self.notices = None;
    }
}

/// Sends which paths are no longer what they were; an empty list says that there is something to see.
fn pass_on(event: notify::Result<Event>, to: &Sender<Vec<PathBuf>>) {
    let gone = match event {
        Ok(event) if event.need_rescan() => Vec::new(),
        Ok(event) => {
            let is_ours = |path: &PathBuf| is_code(path) || path.extension().is_none();
            match event.kind {
                // Looking is access, too.
                EventKind::Access(_) => return,
                _ if !event.paths.iter().any(is_ours) => return,
                EventKind::Remove(_) | EventKind::Modify(notify::event::ModifyKind::Name(_)) => event.paths,
                _ => Vec::new(),
            }
        }
        Err(_) => Vec::new(),
    };
    let _ = to.send(gone); // nobody listens any more where it goes without
}

fn is_code(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(b".php") || name == b".env" || name.starts_with(b".env.")
}

impl Survey {
    fn of(root: &Path) -> Self {
        let mut survey = Self::default();
        let mut seen = HashSet::new(); // links can lead in circles
        let mut todo = vec![root.to_owned()];
        while let Some(folder) = todo.pop() {
            let Ok(found) = std::fs::metadata(&folder) else { continue };
            if survey.folders.len() >= FOLDERS_MAX || !found.is_dir() || !seen.insert((found.dev(), found.ino())) {
                continue;
            }
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            for path in entries.map(|entry| entry.path()) {
                let Ok(found) = std::fs::metadata(&path) else { continue };
                if found.is_dir() {
                    todo.extend(leads_to(root, &folder, path));
                } else if is_code(&path) {
                    survey.files.insert(path, (found.mtime(), found.mtime_nsec(), found.size(), found.ino()));
                }
            }
            survey.folders.insert(folder);
        }
        survey
    }

    /// Of a file that is new, has changed or has gone.
    fn first_difference<'a>(&'a self, known: &'a Self) -> Option<&'a Path> {
        let changed = self.files.iter().find(|(path, mark)| known.files.get(*path) != Some(mark));
        let gone = || known.files.iter().find(|(path, _)| !self.files.contains_key(*path));
        changed.or_else(gone).map(|(path, _)| path.as_path())
    }
}

/// What of a folder is looked at: all of it, a part, nothing.
fn leads_to(root: &Path, parent: &Path, folder: PathBuf) -> Option<PathBuf> {
    let name = folder.file_name()?.as_encoded_bytes();
    let vendor = root.join("vendor");
    match name {
        b"node_modules" => None,
        b"composer" if parent == vendor => Some(folder),
        _ if name.starts_with(b".") || parent.starts_with(vendor) => None,
        b"var" | b"storage" if parent == root => None,
        _ => Some(folder),
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
