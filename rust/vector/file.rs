//! An index as a file. All numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `LYGERVEC` |
//! | 4 | the version of the format, 1 |
//! | 4 | `d`, the elements of a vector |
//! | 8 | `n`, how many vectors there are |
//! | 8 × n | their ids, ascending |
//! | 4 × n × d | their elements as floats, in the order of the ids |
//! | 8 | XXH3 (64 bits, seed 0) of all bytes before |
//!
//! What always holds: the file under the name is whole. A new one is written beside it, forced to the disk, and then takes its
//! name. One that is cut, changed or another program's is an error, and so is more memory than the limits allow, before it is taken.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::Xxh3Default;

use super::index::check_finite;
use super::{Error, Index, Limits, Of};

const MAGIC: &[u8; 8] = b"LYGERVEC";
const VERSION: u32 = 1;
const HEAD_BYTES: u64 = 24;
const CHECKSUM_BYTES: u64 = 8;

/// Of what is written and read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes, and hashes what was written.
struct Hashed<T> {
    inner: T,
    hash: Xxh3Default,
}

impl<T: Write> Hashed<T> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.inner.write_all(bytes)
    }
}

impl<T: Read> Hashed<T> {
    fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(bytes)?;
        self.hash.update(bytes);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.take(&mut bytes)?;
        Ok(bytes)
    }
}

fn failed(path: &Path, done: &'static str) -> impl Fn(io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::File { path: path.clone(), done, error }
}

impl Index {
    /// Writes the index to a file, in the place of one that is there: to the disk, and whole before it has the name.
    ///
    /// # Errors
    /// What the operating system refuses. The file that was there stays.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let beside = beside(path);
        let outcome = self.write_to(&beside).and_then(|()| std::fs::rename(&beside, path));
        if outcome.is_err() {
            let _ = std::fs::remove_file(&beside); // the first error is the one to tell
        }
        outcome.and_then(|()| force_folder(path)).map_err(failed(path, "written"))
    }

    fn write_to(&self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let buffered = BufWriter::with_capacity(BUFFER_BYTES, file);
        let mut out = Hashed { inner: buffered, hash: Xxh3Default::new() };
        let mut rows = self.rows_by_id().map_err(|error| io::Error::other(error.to_string()))?;
        rows.sort_unstable();
        out.put(MAGIC)?;
        out.put(&VERSION.to_le_bytes())?;
        out.put(&u32::try_from(self.dimension()).map_err(io::Error::other)?.to_le_bytes())?;
        out.put(&(rows.len() as u64).to_le_bytes())?;
        for (id, _) in &rows {
            out.put(&id.to_le_bytes())?;
        }
        let mut bytes = Vec::with_capacity(4 * self.dimension());
        for &(_, row) in &rows {
            bytes.clear();
            bytes.extend(self.store.row(row).iter().flat_map(|element| element.to_le_bytes()));
            out.put(&bytes)?;
        }
        let checksum = out.hash.digest();
        out.inner.write_all(&checksum.to_le_bytes())?;
        out.inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }

    /// Reads an index that [`Index::save`], or pure PHP, has written.
    ///
    /// # Errors
    /// When the file can't be read, isn't a whole index, or is larger than the limits.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, Error> {
        let read = failed(path, "read");
        let damaged = |reason: String| Error::Damaged { path: path.display().to_string(), reason };
        // Asked before it is opened: opening a pipe would wait for its writer.
        let len = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Err(damaged("it isn't a file".to_owned())),
            Err(error) => return Err(read(error)),
        };
        let file = File::open(path).map_err(&read)?;
        if len < HEAD_BYTES + CHECKSUM_BYTES {
            return Err(damaged(format!("it has {len} bytes, and the smallest has {}", HEAD_BYTES + CHECKSUM_BYTES)));
        }
        let mut from = Hashed { inner: BufReader::with_capacity(BUFFER_BYTES, file), hash: Xxh3Default::new() };
        if from.array::<8>().map_err(&read)? != *MAGIC {
            return Err(damaged("it doesn't begin with LYGERVEC".to_owned()));
        }
        let version = u32::from_le_bytes(from.array().map_err(&read)?);
        if version != VERSION {
            return Err(damaged(format!("its version is {version}, and this engine reads {VERSION}")));
        }
        let dimension = u32::from_le_bytes(from.array().map_err(&read)?);
        let count = u64::from_le_bytes(from.array().map_err(&read)?);
        let expected = u128::from(HEAD_BYTES + CHECKSUM_BYTES) + u128::from(count) * (8 + 4 * u128::from(dimension));
        if u128::from(len) != expected {
            let reason = format!("it has {len} bytes; {count} vectors of {dimension} elements have {expected}");
            return Err(damaged(reason));
        }
        let mut index = Self::new(dimension as usize, limits)?;
        // The file has as many bytes, so their number fits.
        let count = count as usize;
        let ids = index.read_rows(count, &mut from).map_err(|error| match error {
            Unread::Io(error) => read(error),
            Unread::Damaged(reason) => damaged(reason),
            Unread::Error(error) => error,
        })?;
        let checksum = from.hash.digest();
        let mut stored = [0; 8];
        from.inner.read_exact(&mut stored).map_err(&read)?;
        if u64::from_le_bytes(stored) != checksum {
            return Err(damaged("its checksum is wrong: it was changed, or written in part".to_owned()));
        }
        // What passes the checksum was written by a program that should know better.
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(damaged(format!("its ids don't ascend: {} comes before {}", pair[0], pair[1])));
        }
        for &id in &ids {
            check_finite(Of::Id(id), index.get(id)?).map_err(|error| damaged(error.to_string()))?;
        }
        Ok(index)
    }

    fn read_rows(&mut self, count: usize, from: &mut Hashed<impl Read>) -> Result<Vec<i64>, Unread> {
        let mut ids = Vec::new();
        let memory = |_| Error::Memory { bytes: 8 * count as u64 };
        ids.try_reserve_exact(count).map_err(memory).map_err(Unread::Error)?;
        self.reserve(count).map_err(Unread::Error)?;
        for _ in 0..count {
            ids.push(i64::from_le_bytes(from.array().map_err(Unread::Io)?));
        }
        let mut bytes = vec![0; 4 * self.dimension()];
        for &id in &ids {
            from.take(&mut bytes).map_err(Unread::Io)?;
            if !self.put_new(id, &bytes).map_err(Unread::Error)? {
                return Err(Unread::Damaged(format!("it has id {id} twice, or its ids don't ascend")));
            }
        }
        Ok(ids)
    }
}

enum Unread {
    Io(io::Error),
    Damaged(String),
    Error(Error),
}

/// A name that no other writer uses, in the same folder, so that it can be renamed.
fn beside(path: &Path) -> std::path::PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(format!(".{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// Forces the name to the disk, too.
fn force_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
