//! A lock that lies in shared memory and outlives its owner.
//!
//! It is the C library's robust mutex: when its owner dies, by whatever signal, the kernel frees it, and the next one to
//! take it is told. The kernel knows the owner as a thread and not by a number that comes back, so neither a reused pid nor
//! a zombie that nobody has waited for can hold it. Where there are no robust mutexes (macOS) the table is one process's,
//! and a thread can't die without its process.

use std::cell::UnsafeCell;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicU32, Ordering};

/// How the lock was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what a dead owner left half done has to be repaired"]
pub(super) enum Found {
    /// As its last owner left it.
    Whole,
    /// Its last owner died with it. [`Lock::repaired`] is to be called, and what it guards to be looked at.
    Orphaned,
}

/// Who has a lock that couldn't be had at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    Others,
    ThisThread,
}

/// The lock. All zeros is not a lock yet: see [`Lock::begin`].
#[repr(transparent)]
pub(super) struct Lock(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: it is a mutex.
unsafe impl Sync for Lock {}
// SAFETY: only where it lies matters, and it is never moved after `begin`.
unsafe impl Send for Lock {}

impl Lock {
    /// Makes it a lock.
    ///
    /// # Safety
    /// Nobody may use it yet, and it must stay where it is.
    pub(super) unsafe fn begin(&self) {
        // SAFETY: the attributes live until they are destroyed; the mutex is nobody's yet, as the caller says.
        unsafe {
            let mut attributes = std::mem::MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
            assert_eq!(libc::pthread_mutexattr_init(attributes.as_mut_ptr()), 0);
            // Who takes it twice hears of it, instead of waiting for itself.
            assert_eq!(libc::pthread_mutexattr_settype(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ERRORCHECK), 0);
            #[cfg(target_os = "linux")]
            {
                let shared = libc::PTHREAD_PROCESS_SHARED;
                assert_eq!(libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), shared), 0);
                assert_eq!(libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST), 0);
            }
            assert_eq!(libc::pthread_mutex_init(self.0.get(), attributes.as_ptr()), 0);
            libc::pthread_mutexattr_destroy(attributes.as_mut_ptr());
        }
    }

    /// Waits for it.
    ///
    /// # Panics
    /// When this thread has it.
    pub(super) fn lock(&self) -> Found {
        // SAFETY: it has begun.
        match unsafe { libc::pthread_mutex_lock(self.0.get()) } {
            libc::EDEADLK => panic!("within a batch or an update only its own methods may be called"),
            code => Self::found(code),
        }
    }

    /// Takes it if nobody has it.
    pub(super) fn try_lock(&self) -> Result<Found, Busy> {
        // SAFETY: it has begun.
        match unsafe { libc::pthread_mutex_trylock(self.0.get()) } {
            libc::EBUSY => Err(Busy::Others),
            libc::EDEADLK => Err(Busy::ThisThread),
            code => Ok(Self::found(code)),
        }
    }

    fn found(code: i32) -> Found {
        match code {
            0 => Found::Whole,
            #[cfg(target_os = "linux")]
            libc::EOWNERDEAD => Found::Orphaned,
            code => panic!("a lock of the cache is broken: {}", std::io::Error::from_raw_os_error(code)),
        }
    }

    /// Makes one that was found orphaned a lock like others. Who dies from here on leaves it orphaned again.
    pub(super) fn repaired(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: this thread has it, and found it orphaned.
        assert_eq!(unsafe { libc::pthread_mutex_consistent(self.0.get()) }, 0);
    }

    /// Gives it back.
    ///
    /// # Safety
    /// This thread must have it.
    pub(super) unsafe fn unlock(&self) {
        // SAFETY: the caller's promise.
        let code = unsafe { libc::pthread_mutex_unlock(self.0.get()) };
        if code != 0 {
            // Somebody else writes what this thread took for its own.
            std::process::abort();
        }
    }

    /// Whether a thread of this process has it.
    #[cfg(target_os = "linux")]
    pub(super) fn is_ours(&self) -> bool {
        // SAFETY: a question about a thread, by numbers.
        self.owner().is_some_and(|thread| unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, 0) == 0 })
    }

    /// The thread that has it, as the kernel numbers them: a process's first thread has the process's number.
    #[cfg(target_os = "linux")]
    pub(super) fn owner(&self) -> Option<u32> {
        /// Beside the number the kernel keeps whether somebody waits, and whether the owner has died.
        const NUMBER: u32 = 0x3fff_ffff;
        // SAFETY: a robust mutex begins with the word that the kernel finds the owner in.
        let word = unsafe { AtomicU32::from_ptr(self.0.get().cast()) };
        Some(word.load(Ordering::Relaxed) & NUMBER).filter(|&number| number != 0)
    }
}
