//! A table's keys in a file: written whole or not at all, and read whole or not at all.
//!
//! ```text
//!   LYGERSNP  version u32  0 u32  saved at, ms u64
//!   1 | 2 expires at, ms u64    key's bytes u32  value's bytes u32  key  value     for each key
//!   0  keys u64  XXH3 of all before u64
//! ```
//! Numbers are little-endian. It is a file to start from after a restart, and no promise of durability: what changed since it was
//! written is lost with the process. The table is used while it is written, so each value is one that its key had at some moment meanwhile, and
//! keys that are changed together may be there from before and after. What only the kept region has (locks, tokens, rates) is
//! left out: a lock that came back would be one that nobody holds.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use xxhash_rust::xxh3::Xxh3;

use super::entry::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use super::part::Part;
use super::place::{OldFile, Place};
use super::read::Appended;
use super::table::Table;

const MAGIC: &[u8; 8] = b"LYGERSNP";
/// Changes with every change of the format; another one is refused.
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;
/// The mark of the end, the number of keys, the checksum.
const END_BYTES: usize = 17;
const END: u8 = 0;
const LASTING: u8 = 1;
const EXPIRING: u8 = 2;
/// Keys that are asked of the table at once.
const KEYS_PER_SCAN: usize = 1_000;
/// Enough that a disk is asked in pieces that it likes.
const BUFFER_BYTES: usize = 1 << 20;

/// Why a snapshot was not written or not loaded.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The operating system refused something.
    #[error("{what} {}: {source}", path.display())]
    System {
        /// What was being done: "reading".
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// Not one byte of it is believed.
    #[error("the snapshot {} is damaged and nothing of it was loaded: {why}; move it away to start with an empty cache", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A version of the engine wrote it that had another format.
    #[error("the snapshot {} has version {version}, and this is a program for version {VERSION}; move it away to start with an empty cache", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
}

/// What was loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Keys that were put into the table.
    pub keys: u64,
    /// Those whose time had come.
    pub expired: u64,
    /// Those that are too large for this table.
    pub refused: u64,
    /// Keys that the table evicted meanwhile: more than it holds were put into it.
    pub evicted: u64,
    /// What has become of the file, where not all of it is in the table.
    pub kept: Option<OldFile>,
    /// When it was written, in milliseconds since 1970.
    pub saved_at_ms: u64,
}

impl std::fmt::Display for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { keys, expired, refused, evicted, .. } = self;
        write!(f, "{keys} keys loaded, {expired} had expired, {refused} are too large for this table")?;
        if *evicted > 0 {
            write!(f, ", {evicted} were evicted for others: the table is too small for all of them")?;
        }
        match &self.kept {
            None => Ok(()),
            Some(OldFile::As(path)) => write!(f, "; the file is kept as {}", path.display()),
            Some(OldFile::Larger(path)) => write!(f, "; the file is not kept: {} is larger, and stays", path.display()),
        }
    }
}

impl Table {
    /// Writes all keys with their values and expiries to a file, and puts it in the place of `path` once it is whole and on the disk.
    /// How many keys they are.
    ///
    /// # Errors
    /// [`SnapshotError`]; what `path` was before it still is, but for an error of the folder's `fsync`.
    pub fn save(&self, path: &Path, now: u64) -> Result<u64, SnapshotError> {
        let failed = |what: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| SnapshotError::System { what, path, source }
        };
        let place = Place::of(path).map_err(failed("opening a file beside", path))?;
        let (folder, name) = (place.folder(), place.name());
        // What killed writers have left may be what there is no room beside.
        Part::remove_left(folder, name);
        let part = Part::create(folder, name).map_err(failed("opening a file beside", path))?;
        let keys = self.write(part.file(), now).map_err(failed("writing", part.path()))?;
        part.rename(&place.path()).map_err(failed("renaming a new file to", path))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("syncing", folder))?;
        Ok(keys)
    }

    fn write(&self, file: &File, now: u64) -> io::Result<u64> {
        let mut out = Summed { inner: BufWriter::with_capacity(BUFFER_BYTES, file), sum: Xxh3::new() };
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&[0; 4])?;
        out.write_all(&now.to_le_bytes())?;
        let (mut keys, mut cursor) = (0_u64, 0);
        let mut value = Vec::new();
        loop {
            let mut some: Vec<Vec<u8>> = Vec::new();
            cursor = self.scan(cursor, KEYS_PER_SCAN, now, |key| some.push(key.to_vec()));
            for key in some {
                value.clear();
                // Neither a use nor a hit: saving must not change what is evicted.
                let found = self.reader(&key, now, false).read(&mut Appended::to(&mut value, |_, _| {}));
                let Some(found) = found else { continue };
                match found.expires_at {
                    None => out.write_all(&[LASTING])?,
                    Some(at) => {
                        out.write_all(&[EXPIRING])?;
                        out.write_all(&at.to_le_bytes())?;
                    }
                }
                out.write_all(&(key.len() as u32).to_le_bytes())?;
                out.write_all(&(value.len() as u32).to_le_bytes())?;
                out.write_all(&key)?;
                out.write_all(&value)?;
                keys += 1;
            }
            if cursor == 0 {
                break;
            }
        }
        out.write_all(&[END])?;
        out.write_all(&keys.to_le_bytes())?;
        let sum = out.sum.digest();
        out.inner.write_all(&sum.to_le_bytes())?;
        out.inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(keys)
    }

    /// Whether [`Table::save`] could make a file now. To be asked at the start: at the end everything would be lost.
    ///
    /// # Errors
    /// [`SnapshotError`]; nothing was changed.
    pub fn probe(path: &Path) -> Result<(), SnapshotError> {
        let failed = |source| SnapshotError::System { what: "opening a file beside", path: path.to_owned(), source };
        Place::of(path).and_then(|place| place.probe()).map_err(failed)
    }

    /// Puts the keys of a file into the table, but for those that it has already; `None` where there is no file. Where not all of them
    /// fit, the file is given a second name, `.old` behind its own: the next save would be without them.
    ///
    /// # Errors
    /// [`SnapshotError`]; the table is as it was then, unless it is the second name that can't be given.
    pub fn load(&self, path: &Path, now: u64) -> Result<Option<Loaded>, SnapshotError> {
        let system = |source| SnapshotError::System { what: "reading", path: path.to_owned(), source };
        // A pipe would be waited for.
        let file = match OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(system(error)),
        };
        if !file.metadata().map_err(system)?.is_file() {
            return Err(SnapshotError::Damaged { path: path.to_owned(), why: "it is no file" });
        }
        // Once to see that it is whole, and only then to load it. No writer changes a file that has its name.
        walk(path, &file, |_, _, _| {})?;
        let mut loaded = Loaded::default();
        let evicted_before = self.stats().evictions;
        let header = walk(path, &file, |key, value, expires_at| {
            if expires_at.is_some_and(|at| at <= now) {
                loaded.expired += 1;
                return;
            }
            let put = self.update(
                key,
                now,
                |slot| if slot.old().is_some() { Ok(()) } else { slot.put(&[value], expires_at) },
            );
            *if put.is_ok() { &mut loaded.keys } else { &mut loaded.refused } += 1;
        })?;
        loaded.saved_at_ms = header;
        loaded.evicted = self.stats().evictions - evicted_before;
        if loaded.evicted + loaded.refused > 0 {
            let keep = || Place::of(path)?.keep(&file);
            let failed = |source| SnapshotError::System { what: "keeping as .old", path: path.to_owned(), source };
            loaded.kept = Some(keep().map_err(failed)?);
        }
        Ok(Some(loaded))
    }
}

struct Summed<W> {
    inner: W,
    sum: Xxh3,
}

impl<W: Write> Summed<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.inner.write_all(bytes)
    }
}

/// A file that is being read, with the bytes that are left of it.
struct Source<'p> {
    path: &'p Path,
    inner: Summed<BufReader<&'p File>>,
    left: u64,
}

impl Source<'_> {
    fn damaged(&self, why: &'static str) -> SnapshotError {
        SnapshotError::Damaged { path: self.path.to_owned(), why }
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<(), SnapshotError> {
        self.left = self.left.checked_sub(into.len() as u64).ok_or_else(|| self.damaged("it ends too soon"))?;
        let read = self.inner.inner.read_exact(into);
        read.map_err(|source| SnapshotError::System { what: "reading", path: self.path.to_owned(), source })?;
        self.inner.sum.update(into);
        Ok(())
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// So many bytes, which are there: memory follows what the file has, and not what it says.
    fn bytes(&mut self, len: u32, most: usize, into: &mut Vec<u8>) -> Result<(), SnapshotError> {
        if len as usize > most || u64::from(len) > self.left {
            return Err(self.damaged("a length is impossible"));
        }
        into.resize(len as usize, 0);
        self.fill(into)
    }
}

/// Tells `each` about every key, its value and its expiry. When the file was written.
fn walk(path: &Path, mut file: &File, mut each: impl FnMut(&[u8], &[u8], Option<u64>)) -> Result<u64, SnapshotError> {
    let system = |source| SnapshotError::System { what: "reading", path: path.to_owned(), source };
    file.rewind().map_err(system)?;
    let left = file.metadata().map_err(system)?.len();
    let inner = Summed { inner: BufReader::with_capacity(BUFFER_BYTES, file), sum: Xxh3::new() };
    let mut source = Source { path, inner, left };
    if left < (HEADER_BYTES + END_BYTES) as u64 {
        return Err(source.damaged("it is too short"));
    }
    if source.number::<8>()? != *MAGIC {
        return Err(source.damaged("it is no snapshot of Lyger"));
    }
    let version = u32::from_le_bytes(source.number()?);
    if version != VERSION {
        return Err(SnapshotError::Version { path: path.to_owned(), version });
    }
    source.number::<4>()?;
    let saved_at_ms = u64::from_le_bytes(source.number()?);
    let (mut key, mut value, mut keys) = (Vec::new(), Vec::new(), 0_u64);
    loop {
        let expires_at = match source.number::<1>()?[0] {
            END => break,
            LASTING => None,
            EXPIRING => Some(u64::from_le_bytes(source.number()?)),
            _ => return Err(source.damaged("an entry is of no known kind")),
        };
        let [key_bytes, value_bytes] = [source.number()?, source.number()?].map(u32::from_le_bytes);
        source.bytes(key_bytes, KEY_BYTES_MAX, &mut key)?;
        source.bytes(value_bytes, VALUE_BYTES_MAX, &mut value)?;
        each(&key, &value, expires_at);
        keys += 1;
    }
    if u64::from_le_bytes(source.number()?) != keys {
        return Err(source.damaged("it has another number of keys than it says"));
    }
    let sum = source.inner.sum.digest();
    if u64::from_le_bytes(source.number()?) != sum {
        return Err(source.damaged("its checksum is wrong"));
    }
    if source.left > 0 {
        return Err(source.damaged("something follows its end"));
    }
    Ok(saved_at_ms)
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
