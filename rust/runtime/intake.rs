//! Signals as something to read, for processes that wait for many things at once and have one thread.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// While it lives, these signals are blocked and can be read here instead.
#[derive(Debug)]
pub struct Intake {
    descriptor: OwnedFd,
    before: libc::sigset_t,
}

impl AsFd for Intake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Intake {
    /// Takes these signals. Processes that are started with `std::process::Command` meanwhile don't inherit the mask;
    /// forked ones do until they drop their copy of this.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn of(signals: &[libc::c_int]) -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set before anything reads it; sigprocmask writes `before`.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for &signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            if libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            let before = before.assume_init();
            let descriptor = libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if descriptor < 0 {
                let error = io::Error::last_os_error();
                libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
                return Err(error);
            }
            Ok(Self { descriptor: OwnedFd::from_raw_fd(descriptor), before })
        }
    }

    /// The next signal that has come.
    pub fn take(&self) -> Option<libc::c_int> {
        let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
        let read = rustix::io::read(&self.descriptor, &mut info).ok()?;
        // The signal's number is the first field.
        (read == info.len()).then(|| libc::c_int::from_ne_bytes([info[0], info[1], info[2], info[3]]))
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        // SAFETY: `before` is what the operating system gave us.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}
