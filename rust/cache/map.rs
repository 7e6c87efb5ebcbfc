//! The table's memory: mapped, addressed and given back.

use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

use super::layout::{BUCKETS_MIN, Geometry, Head, Header, KEPT_SHARDS, SEGMENT_BYTES, Segment, magic};
use super::sync::{AtomicBool, AtomicU32, Ordering};

/// A mapping, unmapped when it is dropped.
pub(super) struct Map {
    base: NonNull<u8>,
    pub(super) geometry: Geometry,
    /// Whether other processes may have it.
    shared: bool,
    /// Whether sequences can be lent: a forked child must not follow its own copies of a private table's.
    lends: bool,
    /// Whether one has been: then the heads' addresses stay readable when the mapping goes.
    lent: AtomicBool,
}

// SAFETY: the memory is the mapping's own, and what lies in it is atomic or guarded by its shard's lock.
unsafe impl Send for Map {}
// SAFETY: the same.
unsafe impl Sync for Map {}

#[cfg(target_os = "linux")]
const SEALS: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

impl Map {
    /// Memory of this process alone, all zeros but for what [`Map::begin`] wrote.
    pub(super) fn private(bytes_max: u64) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
        let map = Self::reserve(Geometry::of(bytes_max), flags, -1)?;
        map.begin();
        Ok(map)
    }

    /// The same in a file in memory, sealed so that nobody can cut it while others have it mapped. Closed on exec.
    #[cfg(target_os = "linux")]
    pub(super) fn shared(bytes_max: u64) -> io::Result<(Self, OwnedFd)> {
        // SAFETY: a name that ends with NUL, and flags.
        let fd = unsafe { libc::memfd_create(c"lyger-cache".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just gave it to us.
        let file = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let geometry = Geometry::of(bytes_max);
        file.set_len(geometry.total_bytes as u64)?;
        // SAFETY: the descriptor is ours.
        if unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, SEALS) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let map = Self::reserve(geometry, libc::MAP_SHARED | libc::MAP_NORESERVE, fd)?;
        map.begin();
        Ok((map, file.into()))
    }

    /// What [`Map::shared`] made, perhaps in another process, at an address of its own.
    ///
    /// # Errors
    /// What the operating system says; `InvalidData` for what is no such file, or of another version.
    #[cfg(target_os = "linux")]
    pub(super) fn attach(file: BorrowedFd<'_>) -> io::Result<Self> {
        use std::os::unix::fs::FileExt;

        let refuse = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        // SAFETY: the descriptor is open for the length of the borrow.
        let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        if seals < 0 || seals & SEALS != SEALS {
            return Err(refuse("no cache: not a sealed file in memory".to_owned()));
        }
        let file = std::fs::File::from(file.try_clone_to_owned()?);
        let mut words = [0; 16];
        file.read_exact_at(&mut words, 0)?;
        let word = |at: usize| u64::from_ne_bytes(words[at..at + 8].try_into().expect("eight"));
        let other = || refuse(format!("no cache of this version of the engine: it begins with {:x}", word(0)));
        // Else the sum of its areas may be beyond what can be reckoned with.
        let geometry =
            (1..=super::BYTES_MAX_MAX).contains(&word(8)).then(|| Geometry::of(word(8))).ok_or_else(other)?;
        if word(0) != magic(&geometry) {
            return Err(other());
        }
        let bytes = file.metadata()?.len();
        if bytes != geometry.total_bytes as u64 {
            return Err(refuse(format!("a cache of {bytes} bytes, where {} belong to it", geometry.total_bytes)));
        }
        Self::reserve(geometry, libc::MAP_SHARED | libc::MAP_NORESERVE, file.as_raw_fd())
    }

    fn reserve(geometry: Geometry, flags: libc::c_int, fd: libc::c_int) -> io::Result<Self> {
        let read_write = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; a file has as many bytes and can't shrink.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), geometry.total_bytes, read_write, flags, fd, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(address.cast::<u8>()).ok_or(io::ErrorKind::InvalidData)?;
        let shared = fd >= 0;
        #[cfg_attr(not(target_os = "linux"), expect(unused_mut, reason = "other systems' private tables lend nothing"))]
        let mut map = Self { base, geometry, shared, lends: shared, lent: AtomicBool::new(false) };
        #[cfg(target_os = "linux")]
        // Indexes are spread thinly over what is reserved for them: a huge page would be touched for each.
        // SAFETY: within the mapping. A kernel that knows no huge pages refuses, and there are none then.
        unsafe {
            libc::madvise(address, geometry.data_at, libc::MADV_NOHUGEPAGE);
        }
        #[cfg(target_os = "linux")]
        if !shared {
            let (at, bytes) = map.heads();
            // A forked child has no use for a private table, and finds zeros in its heads: no sequence that was lent to its parent
            // has such a number.
            // SAFETY: whole pages of the mapping. A kernel that doesn't know it refuses, and nothing is lent then.
            map.lends = unsafe { libc::madvise(at.cast(), bytes, libc::MADV_WIPEONFORK) } == 0;
        }
        Ok(map)
    }

    /// Makes zeros a table.
    fn begin(&self) {
        use std::hash::{BuildHasher, RandomState};

        let (header, geometry) = (self.header(), &self.geometry);
        header.bytes_max.store(geometry.bytes_max, Ordering::Relaxed);
        header.seed.store(RandomState::new().hash_one(0), Ordering::Relaxed);
        header.pool.free.store(u64::from(geometry.segments), Ordering::Relaxed);
        for shard in 0..geometry.shards + KEPT_SHARDS {
            let head = self.head(shard);
            // SAFETY: nobody else has the memory yet, and it is mapped for as long as anybody uses it.
            unsafe { head.lock.begin() };
            head.buckets.set(BUCKETS_MIN);
        }
        header.magic.store(magic(geometry), Ordering::Release);
    }

    /// Some byte of the mapping.
    #[inline(always)]
    pub(super) fn at(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset <= self.geometry.total_bytes);
        // SAFETY: within the mapping, as the debug build asserts: offsets come from the geometry, and those from entries
        // are checked by who reads them.
        unsafe { self.base.as_ptr().add(offset) }
    }

    #[inline(always)]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: the mapping begins with it, and any bytes are valid numbers.
        unsafe { &*self.base.as_ptr().cast() }
    }

    #[inline(always)]
    pub(super) fn head(&self, shard: u32) -> &Head {
        debug_assert!(shard < self.geometry.shards + KEPT_SHARDS);
        // SAFETY: so many heads lie there, aligned, and any bytes are valid numbers.
        unsafe { &*self.at(self.geometry.heads_at + shard as usize * size_of::<Head>()).cast() }
    }

    /// Where the heads lie, and their bytes, in whole pages.
    fn heads(&self) -> (*mut u8, usize) {
        (self.at(self.geometry.heads_at), self.geometry.versions_at - self.geometry.heads_at)
    }

    /// A shard's sequence for somebody who has no part in the mapping's life: its address stays readable until the process ends, and
    /// holds 0 once the mapping has gone.
    #[inline]
    pub(super) fn lend_sequence(&self, shard: u32) -> Option<*const u64> {
        if !self.lent.load(Ordering::Relaxed) {
            self.lent.store(true, Ordering::Relaxed);
        }
        self.lends.then(|| self.head(shard).sequence.address())
    }

    #[inline(always)]
    pub(super) fn segment(&self, number: u32) -> &Segment {
        debug_assert!(number < self.geometry.segments);
        // SAFETY: so many lie there, aligned, and any bytes are valid numbers.
        unsafe { &*self.at(self.geometry.table_at + number as usize * size_of::<Segment>()).cast() }
    }

    /// Where a segment's bytes begin.
    #[inline(always)]
    pub(super) fn segment_at(&self, number: u32) -> usize {
        self.geometry.pool_at + number as usize * SEGMENT_BYTES
    }

    /// The segment that a byte of the pool lies in.
    #[inline(always)]
    pub(super) fn segment_of(&self, offset: usize) -> u32 {
        ((offset - self.geometry.pool_at) / SEGMENT_BYTES) as u32
    }

    /// A number of 32 bits in the area at `begin`.
    #[inline(always)]
    pub(super) fn number(&self, begin: usize, at: usize) -> &AtomicU32 {
        // SAFETY: within the mapping and aligned, as areas are; any bytes are a valid number.
        unsafe { AtomicU32::from_ptr(self.at(begin + at * 4).cast()) }
    }

    /// Makes whole pages zeros again and gives their memory back.
    pub(super) fn forget(&self, begin: usize, bytes: usize) {
        #[cfg(target_os = "linux")]
        {
            let advice = if self.shared { libc::MADV_REMOVE } else { libc::MADV_DONTNEED };
            // SAFETY: within the mapping, on page boundaries; who calls it has the locks of what lies there.
            if unsafe { libc::madvise(self.at(begin).cast(), bytes, advice) } == 0 {
                return;
            }
        }
        // SAFETY: within the mapping, and locked.
        unsafe { super::copy::clear(self.at(begin), bytes) };
    }

    /// Bytes of the mapping that have memory.
    #[cfg(target_os = "linux")]
    pub(super) fn resident_bytes(&self) -> io::Result<u64> {
        // SAFETY: a question.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let mut pages = vec![0_u8; self.geometry.total_bytes.div_ceil(page)];
        // SAFETY: one byte for each page of the mapping.
        let code = unsafe { libc::mincore(self.base.as_ptr().cast(), self.geometry.total_bytes, pages.as_mut_ptr()) };
        if code < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(pages.iter().filter(|&&state| state & 1 == 1).count() as u64 * page as u64)
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // A thread with a lock here, whose batch was forgotten, has it in a list that it and the kernel follow.
        #[cfg(target_os = "linux")]
        if (0..self.geometry.shards + KEPT_SHARDS).any(|shard| self.head(shard).lock.is_ours()) {
            return;
        }
        let (begin, total_bytes) = (self.base.as_ptr(), self.geometry.total_bytes);
        if *self.lent.get_mut() {
            let (heads, bytes) = self.heads();
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE | libc::MAP_FIXED;
            let behind = self.geometry.versions_at;
            // SAFETY: pages of the mapping, to which nobody refers any more but who reads a number there, which is 0 from now on. Where
            // the kernel refuses, all stays as it is.
            unsafe {
                if libc::mmap(heads.cast(), bytes, libc::PROT_READ, flags, -1, 0) != libc::MAP_FAILED {
                    libc::munmap(begin.cast(), self.geometry.heads_at);
                    libc::munmap(begin.add(behind).cast(), total_bytes - behind);
                }
            }
            return;
        }
        // SAFETY: mapped with this length, and nobody refers to it any more.
        unsafe { libc::munmap(begin.cast(), total_bytes) };
    }
}
