//! Vector indexes: vectors by id, searched as a whole.
//!
//! Vectors and ids come and go packed, as PHP's `pack('g*')` and `pack('P*')` write them: 4 bytes a float, 8 bytes an id,
//! little-endian, of any alignment.

use std::ffi::{OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::call::{Call, Caller, Texts};
use super::error::Failure;
use super::settings::{self, Key};
use super::slice::{Out, Output, PACKED_BYTES_MAX, PATH_BYTES_MAX, bytes};
use super::status::Status;
use super::{panic, stream};
use crate::handles::{Handles, Kind};
use crate::runtime;
use crate::vector::{Index, Limits, Metric};

/// An index, searched by several threads at once and changed by one.
type Shared = Arc<RwLock<Index>>;

static INDEXES: Mutex<Handles<Shared>> = Mutex::new(Handles::new(Kind::Index));

/// What an index holds.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct VectorInfo {
    /// Elements of a vector.
    pub dimension: u64,
    /// How many vectors there are.
    pub count: u64,
    /// Bytes that are allocated for it.
    pub memory_bytes: u64,
}

// Nothing that can panic happens while it is held.
fn indexes() -> MutexGuard<'static, Handles<Shared>> {
    INDEXES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops every index; their ids stay stale.
pub(super) fn release() {
    indexes().clear();
}

fn limits() -> Result<Limits, Failure> {
    let keys = [Key::VectorDimensionMax, Key::VectorBytesMax, Key::VectorThreads];
    let [dimension_max, bytes_max, threads] = settings::start_with(keys)?;
    // The rules of the keys keep both far below u32::MAX.
    Ok(Limits { dimension_max: dimension_max as usize, bytes_max, threads: threads as usize })
}

fn keep(index: Index) -> Result<u64, Failure> {
    Ok(indexes().insert(Arc::new(RwLock::new(index)))?)
}

fn shared(id: u64) -> Result<Shared, Failure> {
    runtime::not_forked()?;
    Ok(Arc::clone(indexes().get(id)?))
}

// A change checks and reserves before it begins, so that what a panic leaves behind is whole.
fn read(index: &Shared) -> RwLockReadGuard<'_, Index> {
    index.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(index: &Shared) -> RwLockWriteGuard<'_, Index> {
    index.write().unwrap_or_else(PoisonError::into_inner)
}

/// # Safety
/// As [`bytes`].
unsafe fn packed<'a>(what: &'static str, (ptr, len): (*const c_char, usize)) -> Result<&'a [u8], Failure> {
    // SAFETY: the caller's promise, passed on.
    unsafe { bytes(what, ptr, len, PACKED_BYTES_MAX) }
}

/// # Safety
/// As [`bytes`].
unsafe fn path<'a>(ptr: *const c_char, len: usize) -> Result<&'a Path, Failure> {
    // SAFETY: the caller's promise, passed on.
    let name = unsafe { bytes("path", ptr, len, PATH_BYTES_MAX) }?;
    if name.is_empty() || name.contains(&0) {
        return Err(
            Failure::new(Status::InvalidArgument, "a path has at least one byte, and no NUL").with_value("path")
        );
    }
    Ok(Path::new(OsStr::from_bytes(name)))
}

/// Makes an empty index of vectors with `dimension` floats and sets `*index` to its id, which the caller gives back to
/// `lyger_vector_free`.
///
/// Its memory is this process's: a child that is forked later can't use it, and each worker of a fleet has its own.
///
/// Errors: `INVALID_ARGUMENT` (a dimension of 0, or above `vector.dimension_max`), `HANDLES_EXHAUSTED`, `INVALID_CONFIG` (in the
/// environment), `NULL_POINTER`, `WRONG_PROCESS`; `*index` is 0 then. Any thread.
///
/// # Safety
/// `index` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_vector_new(dimension: usize, index: *mut u64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("index", index) }?;
        out.set(0);
        runtime::claim()?;
        out.set(keep(Index::new(dimension, limits()?)?)?);
        Ok(())
    })
}

/// Gives an index back; its id is stale afterwards. What another thread does with it ends first, and then its memory is freed.
///
/// Errors: `INVALID_HANDLE`, `WRONG_PROCESS`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn lyger_vector_free(index: u64) -> Status {
    panic::status(|| {
        runtime::not_forked()?;
        let index = indexes().remove(index)?;
        drop(index);
        Ok(())
    })
}

/// Adds vectors: `ids` has 8 bytes for each, `vectors` 4 bytes for each float, one vector behind the other. One whose id is there
/// is replaced; of several under one id the last counts. All are added, or none.
///
/// Errors: `INVALID_VECTOR` (bytes that aren't whole numbers, not as many vectors as ids, or NaN or an infinity, whose id is the
/// error's value), `INDEX_TOO_LARGE`, `INVALID_HANDLE`, `INVALID_CONFIG` (`LYGER_KERNELS`), `NULL_POINTER`, `TOO_LONG`,
/// `WRONG_PROCESS`. Any thread; it waits for searches that are under way.
///
/// # Safety
/// Each input must be null with length 0 or readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_vector_add(
    index: u64,
    ids: *const c_char,
    ids_len: usize,
    vectors: *const c_char,
    vectors_len: usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let (ids, vectors) = unsafe { (packed("ids", (ids, ids_len))?, packed("vectors", (vectors, vectors_len))?) };
        let index = shared(index)?;
        Ok(write(&index).add_packed(ids, vectors)?)
    })
}

/// Takes out the vectors of these ids, 8 bytes each, and sets `*removed` to how many there were; ids that have none are passed over.
///
/// Errors: `INVALID_VECTOR` (bytes that aren't whole ids), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`; `*removed` is
/// 0 then. Any thread; it waits for searches that are under way.
///
/// # Safety
/// `ids` must be null with length 0 or readable for its length; `removed` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_vector_remove(
    index: u64,
    ids: *const c_char,
    ids_len: usize,
    removed: *mut u64,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut removed = unsafe { Out::new("removed", removed) }?;
        removed.set(0);
        // SAFETY: the same.
        let ids = unsafe { packed("ids", (ids, ids_len)) }?;
        let index = shared(index)?;
        removed.set(write(&index).remove_packed(ids)? as u64);
        Ok(())
    })
}

/// Writes the vector of an id to `buf`, 4 bytes a float, when `cap` bytes hold it, and sets `*needed` to its length. Without a
/// buffer, `BUFFER_TOO_SMALL` says that the id is there.
///
/// Errors: `NOT_FOUND` (no vector has the id), `BUFFER_TOO_SMALL` (nothing is written), `INVALID_HANDLE`, `NULL_POINTER`,
/// `TOO_LONG`, `WRONG_PROCESS`. Any thread.
///
/// # Safety
/// `buf` must be writable for `cap` bytes and `needed` for one `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_vector_get(
    index: u64,
    id: i64,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        let index = shared(index)?;
        let index = read(&index);
        let vector = index.get(id)?;
        output.reserve(4 * vector.len())?;
        for (place, element) in output.room().chunks_exact_mut(4).zip(vector) {
            place.copy_from_slice(&element.to_le_bytes());
        }
        Ok(())
    })
}

/// Finds the `k` vectors that are most alike to `query`, the best first, all of them when there are fewer. `metric` is 0 for the
/// scalar product, 1 for the cosine, 2 for the Euclidean distance; the best have the highest products and cosines, and the lowest
/// distances. Of equal scores the lower id comes first; a score that is NaN (of infinite products) is the last.
///
/// `among` holds the ids that may be found, 8 bytes each; those that have no vector are passed over. Null is no such wish, and
/// not null with length 0 finds nothing.
///
/// Writes to `buf`, when `cap` bytes hold it, the n ids (8 bytes each) and behind them their n scores (4 bytes each), and sets
/// `*needed` to 12 * n. `12 * k` bytes always hold it.
///
/// Errors: `INVALID_VECTOR` (the query has another number of floats, or one that isn't finite; bytes that aren't whole numbers),
/// `INVALID_ARGUMENT` (an unknown metric), `BUFFER_TOO_SMALL` (nothing is written), `INDEX_TOO_LARGE` (no memory for as many
/// results), `INVALID_HANDLE`, `INVALID_CONFIG` (`LYGER_KERNELS`), `NULL_POINTER`, `TOO_LONG`, `WRONG_PROCESS`. Any thread; several
/// may search at once.
///
/// # Safety
/// Each input must be null with length 0 or readable for its length; `buf` must be writable for `cap` bytes and `needed` for one
/// `size_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_vector_search(
    index: u64,
    query: *const c_char,
    query_len: usize,
    metric: u32,
    k: usize,
    among: *const c_char,
    among_len: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut output = unsafe { Output::new(buf, cap, needed) }?;
        // SAFETY: the same.
        let (query, ids) = unsafe { (packed("query", (query, query_len))?, packed("among", (among, among_len))?) };
        let metric = match metric {
            0 => Metric::Dot,
            1 => Metric::Cosine,
            2 => Metric::L2,
            other => {
                let message = format!("{other} is no metric: 0 (dot), 1 (cosine) and 2 (L2) are");
                return Err(Failure::new(Status::InvalidArgument, message).with_value(other));
            }
        };
        let index = shared(index)?;
        let found = read(&index).search_packed(query, k, metric, (!among.is_null()).then_some(ids))?;
        output.reserve(12 * found.len())?;
        let (ids, scores) = output.room().split_at_mut_checked(8 * found.len()).unwrap_or_default();
        for ((id, score), found) in ids.chunks_exact_mut(8).zip(scores.chunks_exact_mut(4)).zip(&found) {
            id.copy_from_slice(&found.id.to_le_bytes());
            score.copy_from_slice(&found.score.to_le_bytes());
        }
        Ok(())
    })
}

/// Runs a statement of two columns, an integer id and a vector, and adds its rows as `lyger_vector_add` does, without a
/// value of PHP's; sets `*loaded` to how many rows it had, and the call's `id` to 0. They are read as a stream is, and added when
/// the last has come: all of them, or none.
///
/// A vector is bytes (bytea, blob) of floats as above, `vector` or `halfvec` of pgvector, which come in binary, or a JSON array of
/// numbers: text, JSON, PostgreSQL's arrays. A number in JSON is read as a double and rounded to a float.
///
/// Errors: those of `lyger_db_run`; `INVALID_VECTOR` (a vector that is NULL, has another number of elements or one that isn't finite, or
/// can't be read: its id is the error's value; an id that is NULL), `UNSUPPORTED_TYPE` (other columns), `INDEX_TOO_LARGE`,
/// `INVALID_HANDLE`; `*loaded` is 0 then. Any thread.
///
/// # Safety
/// As `lyger_db_run`; `loaded` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_vector_load(
    index: u64,
    call: *mut Call,
    sql: *const c_char,
    sql_len: usize,
    params: *const c_char,
    params_len: usize,
    loaded: *mut u64,
) -> Status {
    let texts = Texts { sql: (sql, sql_len), params: (params, params_len) };
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut loaded = unsafe { Out::new("loaded", loaded) }?;
        loaded.set(0);
        let work = |incoming: super::db::Incoming<'_>| {
            let index = shared(index)?;
            // Beside the index, so that searches go on until the last row has come.
            let mut incoming_rows = Index::new(read(&index).dimension(), limits()?)?;
            let mut rows = 0;
            // Elements of `numeric[]` are decimals, and strings otherwise; pgvector's vectors come in binary.
            stream::each(incoming.with_vectors(), |table| {
                incoming_rows.add_rows(&table, rows)?;
                rows += table.rows() as u64;
                Ok(())
            })?;
            write(&index).absorb(incoming_rows)?;
            loaded.set(rows);
            Ok(0)
        };
        // SAFETY: the caller's promise, passed on.
        unsafe { Caller::give_id(call, texts, work) }
    })
}

/// Writes an index to a file, in the place of one that is there: beside it first, forced to the disk, and then renamed, so that a
/// file under this name is whole. docs/vectors.md describes its bytes.
///
/// Errors: `INDEX_FILE_FAILED`, `INVALID_ARGUMENT` (an empty path, or one with a NUL byte), `INVALID_HANDLE`, `NULL_POINTER`, `TOO_LONG`
/// (above 4,096 bytes), `WRONG_PROCESS`. Any thread. While the bytes are handed to the system the index can be searched, but a change
/// waits, and searches that come behind it; while the disk is waited for both go on, and aren't in the file.
///
/// # Safety
/// `path` must be null with length 0 or readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_vector_save(index: u64, path: *const c_char, path_len: usize) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let path = unsafe { self::path(path, path_len) }?;
        let index = shared(index)?;
        // A statement of its own, so that the lock is given back before the disk is waited for.
        let written = read(&index).write_beside(path)?;
        Ok(written.keep()?)
    })
}

/// Reads an index from a file and sets `*index` to its id, which the caller gives back to `lyger_vector_free`.
///
/// Errors: `INDEX_FILE_FAILED`, `INDEX_DAMAGED` (cut, changed, or no index), `INDEX_TOO_LARGE`, and those of `lyger_vector_new` and
/// `lyger_vector_save`; `*index` is 0 then. Any thread.
///
/// # Safety
/// `path` must be null with length 0 or readable for its length; `index` must be null or writable for one `uint64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_vector_open(path: *const c_char, path_len: usize, index: *mut u64) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("index", index) }?;
        out.set(0);
        // SAFETY: the same.
        let path = unsafe { self::path(path, path_len) }?;
        runtime::claim()?;
        out.set(keep(Index::open(path, limits()?)?)?);
        Ok(())
    })
}

/// Sets `*out` to what an index holds.
///
/// Errors: `INVALID_HANDLE`, `NULL_POINTER`, `WRONG_PROCESS`; `*out` is written on success only. Any thread.
///
/// # Safety
/// `out` must be null or writable for one `lyger_vector_info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lyger_vector_stat(index: u64, out: *mut VectorInfo) -> Status {
    panic::status(|| {
        // SAFETY: the caller's promise, passed on.
        let mut out = unsafe { Out::new("out", out) }?;
        let index = shared(index)?;
        let index = read(&index);
        out.set(VectorInfo {
            dimension: index.dimension() as u64,
            count: index.count() as u64,
            memory_bytes: index.memory_bytes(),
        });
        Ok(())
    })
}
