//! Where a lane's memory comes from: the heap of one process, or a sealed file that processes map.

use std::alloc::Layout;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

use super::doorbell::Reach;
use super::layout::{LAYOUT, Shared};
use super::sync::Ordering;

const BYTES: usize = size_of::<Shared>();

/// A lane's memory, freed or unmapped when the last end of this process is dropped.
pub(super) struct Memory {
    shared: NonNull<Shared>,
    pub(super) reach: Reach,
}

// SAFETY: it owns what it points to, which is Send and Sync.
unsafe impl Send for Memory {}
// SAFETY: the same.
unsafe impl Sync for Memory {}

impl std::ops::Deref for Memory {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        // SAFETY: allocated or mapped for as long as `self` lives, aligned, and any bytes are a valid `Shared`.
        unsafe { self.shared.as_ref() }
    }
}

impl Memory {
    /// Memory of this process alone.
    pub(super) fn on_heap() -> Self {
        let layout = Layout::new::<Shared>();
        // SAFETY: the layout has a size. Zeroed and not built on the stack: it is more than a megabyte.
        let shared = unsafe { std::alloc::alloc_zeroed(layout) }.cast::<Shared>();
        let Some(shared) = NonNull::new(shared) else { std::alloc::handle_alloc_error(layout) };
        let memory = Self { shared, reach: Reach::Process };
        memory.layout.store(LAYOUT, Ordering::Relaxed);
        memory
    }

    /// Maps a lane that [`create`] made, perhaps in another process.
    ///
    /// # Errors
    /// What the operating system says; `InvalidData` for a file that is no lane of this version or could shrink under us.
    pub(super) fn map(file: BorrowedFd<'_>) -> io::Result<Self> {
        check(file)?;
        let (read_write, fd) = (libc::PROT_READ | libc::PROT_WRITE, file.as_raw_fd());
        // SAFETY: a new mapping at an address of the kernel's choice; the file has `BYTES` bytes and can't shrink.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), BYTES, read_write, libc::MAP_SHARED, fd, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let shared = NonNull::new(address.cast::<Shared>()).ok_or(io::ErrorKind::InvalidData)?;
        let memory = Self { shared, reach: Reach::Machine };
        match memory.layout.load(Ordering::Relaxed) {
            LAYOUT => Ok(memory),
            other => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the lane is of another version of the engine ({other:x}, not {LAYOUT:x})"),
            )),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        match self.reach {
            // SAFETY: allocated by `on_heap` with this layout, and nobody refers to it any more.
            Reach::Process => unsafe { std::alloc::dealloc(self.shared.as_ptr().cast(), Layout::new::<Shared>()) },
            Reach::Machine => {
                // SAFETY: mapped by `map` with this length.
                unsafe { libc::munmap(self.shared.as_ptr().cast(), BYTES) };
            }
        }
    }
}

const SEALS: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;

/// Makes the memory of a lane that processes share, without mapping it: a file in memory, sealed so that nobody can cut
/// it while others have it mapped. Closed on exec.
///
/// # Errors
/// What the operating system says, such as `ENOSYS` where there is no `memfd_create`.
#[cfg(target_os = "linux")]
pub(super) fn create() -> io::Result<OwnedFd> {
    // SAFETY: a name that ends with NUL, and flags.
    let fd = unsafe { libc::memfd_create(c"lyger-lane".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave it to us.
    let file = std::fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.set_len(BYTES as u64)?;
    std::os::unix::fs::FileExt::write_all_at(&file, &LAYOUT.to_ne_bytes(), 0)?;
    // SAFETY: the descriptor is ours.
    if unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, SEALS) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn create() -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn check(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open for the length of the borrow.
    let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    if seals < 0 {
        return Err(io::Error::last_os_error());
    }
    let bytes = std::fs::File::from(file.try_clone_to_owned()?).metadata()?.len();
    if seals & SEALS == SEALS && bytes == BYTES as u64 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("no lane of this version of the engine: {bytes} bytes and not {BYTES}, or not sealed"),
    ))
}

#[cfg(not(target_os = "linux"))]
fn check(_file: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn two_mappings_are_the_same_memory() {
        let file = create().unwrap();
        let (one, other) = (Memory::map(file.as_fd()).unwrap(), Memory::map(file.as_fd()).unwrap());
        one.submissions.push(7);
        assert_eq!(other.submissions.pop(), Some(7));
    }

    #[test]
    fn what_is_no_lane_is_refused() {
        let file = tempfile::tempfile().unwrap();
        assert!(Memory::map(file.as_fd()).is_err());
        let lane = create().unwrap();
        let lane = std::fs::File::from(lane);
        assert!(lane.set_len(10).is_err(), "a lane could shrink");
        std::os::unix::fs::FileExt::write_all_at(&lane, &1_u64.to_ne_bytes(), 0).unwrap();
        let refused = Memory::map(lane.as_fd()).err().unwrap();
        assert!(refused.to_string().contains("another version"), "{refused}");
    }
}
