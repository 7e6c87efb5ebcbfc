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
use std::path::{Path, PathBuf};
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
        self.write_beside(path)?.keep()
    }

    /// Writes it beside the file whose place it takes. What is left, [`Written::keep`], needs no index: it waits for the disk.
    pub(crate) fn write_beside(&self, path: &Path) -> Result<Written, Error> {
        let beside = beside(path);
        let create = || OpenOptions::new().write(true).create_new(true).open(&beside);
        let file = create().map_err(failed(path, "written"))?;
        let written = Written { file, beside, path: path.to_owned(), has_name: false };
        self.write_to(&written.file).map_err(failed(path, "written"))?;
        Ok(written)
    }

    fn write_to(&self, file: &File) -> io::Result<()> {
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
        out.inner.flush()
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
            // PHP's integers end there.
            let expected = i64::try_from(expected).map_or("more than any file".to_owned(), |bytes| bytes.to_string());
            let reason = format!("it has {len} bytes; {count} vectors of {dimension} elements have {expected}");
            return Err(damaged(reason));
        }
        if dimension == 0 {
            return Err(damaged("its vectors have no elements".to_owned()));
        }
        let mut index = Self::new(dimension as usize, limits)?;
        // The file has as many bytes, so their number fits.
        let count = count as usize;
        let ids = index.read_rows(count, &mut from).map_err(|error| match error {
            Unread::Io(error) => read(error),
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
            self.put_packed(id, &bytes).map_err(Unread::Error)?;
        }
        Ok(ids)
    }
}

enum Unread {
    Io(io::Error),
    Error(Error),
}

/// A whole file that doesn't have its name yet. Dropped, it is removed.
#[must_use]
pub(crate) struct Written {
    file: File,
    beside: PathBuf,
    path: PathBuf,
    has_name: bool,
}

impl Written {
    /// Forces it to the disk and gives it its name.
    pub(crate) fn keep(mut self) -> Result<(), Error> {
        self.force_and_rename().map_err(failed(&self.path, "written"))
    }

    fn force_and_rename(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.beside, &self.path)?;
        self.has_name = true;
        force_folder(&self.path)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.has_name {
            let _ = std::fs::remove_file(&self.beside); // the first error is the one to tell
        }
    }
}

/// A name that no other writer uses, in the same folder, so that it can be renamed.
fn beside(path: &Path) -> PathBuf {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::new(3, Limits::default()).unwrap();
        index
            .add(&[7, i64::MIN, -1, 5], &[1.0, 2.0, 3.0, -0.0, 1e-45, f32::MAX, 0.5, 0.25, 0.125, 4.0, 5.0, 6.0])
            .unwrap();
        index
    }

    fn contents(index: &Index) -> Vec<(i64, Vec<u32>)> {
        let mut rows = index.rows_by_id().unwrap();
        rows.sort_unstable();
        rows.iter()
            .map(|(id, row)| (*id, index.store.row(*row).iter().map(|element| element.to_bits()).collect()))
            .collect()
    }

    /// The bytes with the checksum that they should have.
    fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.extend(xxhash_rust::xxh3::xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    fn refusal(path: &Path, bytes: &[u8]) -> String {
        std::fs::write(path, bytes).unwrap();
        match Index::open(path, Limits::default()) {
            Err(error @ Error::Damaged { .. }) => error.to_string(),
            other => panic!("{other:?} of {bytes:?}"),
        }
    }

    #[test]
    fn what_was_saved_is_opened_again_in_the_bytes_that_the_page_describes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let index = index();
        index.save(&path).unwrap();
        let mut expected = b"LYGERVEC".to_vec();
        expected.extend([1, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        let vectors = contents(&index);
        expected.extend([i64::MIN, -1, 5, 7].iter().flat_map(|id| id.to_le_bytes()));
        expected.extend(vectors.iter().flat_map(|(_, vector)| vector).flat_map(|bits| bits.to_le_bytes()));
        assert_eq!(std::fs::read(&path).unwrap(), signed(expected));

        let mut opened = Index::open(&path, Limits::default()).unwrap();
        assert_eq!((opened.dimension(), contents(&opened)), (3, vectors));
        // In another order of rows, the same bytes.
        opened.remove([-1]);
        opened.add(&[-1], &[0.5, 0.25, 0.125]).unwrap();
        let again = folder.path().join("again");
        opened.save(&again).unwrap();
        assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&path).unwrap());
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 2, "nothing is left beside them");
    }

    #[test]
    fn an_index_may_change_while_its_file_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let mut index = index();
        let before = contents(&index);
        let written = index.write_beside(&path).unwrap();
        index.remove([7, 5]);
        assert!(!path.exists(), "it has its name too early");
        written.keep().unwrap();
        assert_eq!(contents(&Index::open(&path, Limits::default()).unwrap()), before);
        drop(index.write_beside(&path).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "what isn't kept is removed");
        assert_eq!(contents(&Index::open(&path, Limits::default()).unwrap()), before);
    }

    #[test]
    fn an_empty_index_is_a_file_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        Index::new(65_536, Limits::default()).unwrap().save(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), HEAD_BYTES + CHECKSUM_BYTES);
        let opened = Index::open(&path, Limits::default()).unwrap();
        assert_eq!((opened.dimension(), opened.count()), (65_536, 0));
    }

    #[test]
    fn a_file_cut_or_changed_at_any_byte_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        index().save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            refusal(&path, &whole[..at]);
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                refusal(&path, &changed);
            }
        }
        refusal(&path, &[&whole[..], &[0]].concat());
        refusal(&path, &[&whole[..], &whole[..]].concat());
    }

    #[test]
    fn a_file_that_lies_is_refused_before_its_memory_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let head = |dimension: u32, count: u64| {
            let mut bytes = b"LYGERVEC".to_vec();
            bytes.extend(1_u32.to_le_bytes());
            bytes.extend(dimension.to_le_bytes());
            bytes.extend(count.to_le_bytes());
            bytes
        };
        for count in [1, u64::MAX, 1 << 61, 1 << 62, u64::MAX / 12] {
            let message = refusal(&path, &signed(head(1, count)));
            assert!(message.contains("it has 32 bytes"), "{message}");
        }
        for ids in [[5_i64, 5], [5, 4]] {
            let mut bytes = head(1, 2);
            bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
            bytes.extend([0; 8]);
            let message = refusal(&path, &signed(bytes));
            assert!(message.ends_with(&format!("its ids don't ascend: 5 comes before {}", ids[1])), "{message}");
        }
        for wrong in [f32::NAN, f32::INFINITY] {
            let mut bytes = head(1, 1);
            bytes.extend(9_i64.to_le_bytes());
            bytes.extend(wrong.to_le_bytes());
            let message = refusal(&path, &signed(bytes));
            assert!(message.contains("the vector of id 9 has"), "{message}");
        }
        let mut newer = head(1, 0);
        newer[8] = 2;
        assert!(refusal(&path, &signed(newer)).contains("its version is 2"));
        for bytes in [head(0, 0), [head(0, 1), vec![0; 8]].concat()] {
            let message = refusal(&path, &signed(bytes));
            assert!(message.ends_with("its vectors have no elements"), "{message}");
        }
        // No vectors, and yet more elements than an index may have.
        for dimension in [65_537, u32::MAX] {
            std::fs::write(&path, signed(head(dimension, 0))).unwrap();
            let outcome = Index::open(&path, Limits::default());
            assert!(matches!(outcome, Err(Error::Dimension { .. })), "{dimension}: {outcome:?}");
        }
    }

    #[test]
    fn an_index_larger_than_its_limit_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        index().save(&path).unwrap();
        let outcome = Index::open(&path, Limits { bytes_max: 100, ..Limits::default() });
        assert!(matches!(outcome, Err(Error::TooLarge { bytes_max: 100, .. })), "{outcome:?}");
    }

    #[test]
    fn a_file_that_cant_be_written_leaves_the_old_one_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        for path in [taken.clone(), folder.path().join("no/such/folder"), "/".into(), "..".into()] {
            let outcome = index().save(&path);
            assert!(matches!(outcome, Err(Error::File { done: "written", .. })), "{path:?}: {outcome:?}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(taken.is_dir());
        let full = index().save(Path::new("/dev/full/index"));
        assert!(matches!(full, Err(Error::File { .. })));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        for path in ["/", "/dev/zero", "/dev/tty"] {
            let outcome = Index::open(Path::new(path), Limits::default());
            assert!(matches!(outcome, Err(Error::Damaged { .. })), "{outcome:?}");
        }
        let outcome = Index::open(Path::new("/nowhere"), Limits::default());
        assert!(matches!(outcome, Err(Error::File { done: "read", .. })), "{outcome:?}");
    }
}
