//! Forking, and dying with one's parent.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::process::{Pid, Signal};

/// Forks a process that has one thread: the caller's promise, as every room that starts threads refuses to work in a
/// child anyway. `None` in the child.
///
/// # Errors
/// `EAGAIN` or `ENOMEM`.
pub fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: with one thread the child is as good as the parent: no lock is held by a thread that isn't there.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        pid => Pid::from_raw(pid).filter(|_| pid > 0).map(Some).ok_or_else(io::Error::last_os_error),
    }
}

/// How this process came to its end when its parent died.
const EXIT_ORPHANED: libc::c_int = 1;

/// The process whose children may live on when their parent dies: it becomes their parent.
static GUARDIAN: AtomicI32 = AtomicI32::new(0);

/// Has the calling process killed when its parent dies.
///
/// # Errors
/// What the operating system says; the parent may have died before.
pub fn die_with_parent(parent: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(parent) {
        return Err(io::Error::other("the parent process has gone"));
    }
    Ok(())
}

/// Has the calling process, which `parent` has forked, end when that one dies, unless this makes it a child of `guardian`:
/// then it lives until that one dies too. A SIGTERM ends it only when the guardian has sent it.
///
/// # Errors
/// What the operating system says; both may have died before.
pub fn die_with_guardian(parent: Pid, guardian: Pid) -> io::Result<()> {
    GUARDIAN.store(guardian.as_raw_nonzero().get(), Ordering::SeqCst);
    // A real-time signal that PHP and its extensions have no use for.
    let signal = libc::SIGRTMIN() + 7;
    // SAFETY: all zero is a valid sigaction; the handlers are async-signal-safe and stay mapped (nodelete).
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = parent_died as *const () as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        if libc::sigaction(signal, &raw const action, std::ptr::null_mut()) != 0
            || libc::prctl(libc::PR_SET_PDEATHSIG, signal) != 0
        {
            return Err(io::Error::last_os_error());
        }
        action.sa_sigaction = terminated as *const () as usize;
        action.sa_flags |= libc::SA_SIGINFO;
        if libc::sigaction(libc::SIGTERM, &raw const action, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // Who died before the request was made is not told of.
    match rustix::process::getppid() {
        Some(other) if other == parent || other == guardian => Ok(()),
        _ => Err(io::Error::other("the parent process has gone")),
    }
}

extern "C" fn parent_died(_signal: libc::c_int) {
    // SAFETY: getppid and _exit are async-signal-safe. The kernel has given us our new parent before it sent the signal.
    unsafe {
        if libc::getppid() != GUARDIAN.load(Ordering::SeqCst) {
            libc::_exit(EXIT_ORPHANED);
        }
    }
}

/// Others say it to a whole group of processes (a terminal, systemd), and mean their guardian.
extern "C" fn terminated(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes the signal's own info; signal and raise are async-signal-safe. The signal is blocked until
    // the handler returns, and then ends the process.
    unsafe {
        if (*info).si_pid() == GUARDIAN.load(Ordering::SeqCst) {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}

/// A child that has ended and that [`rustix::process::waitpid`] has not been asked about; it stays so.
#[derive(Debug, Clone, Copy)]
pub struct EndedChild {
    /// Its process.
    pub pid: Pid,
    /// Its exit code, or the signal's number.
    pub status: i32,
    /// Whether a signal ended it.
    pub by_signal: bool,
}

/// Looks for a child that has ended, without burying it.
pub fn ended_child() -> Option<EndedChild> {
    // SAFETY: all zero is a valid siginfo, which waitid fills in; with WNOHANG it may leave the pid at 0.
    let (info, pid, status) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        if libc::waitid(libc::P_ALL, 0, &raw mut info, flags) != 0 {
            return None;
        }
        (info, info.si_pid(), info.si_status())
    };
    Some(EndedChild { pid: Pid::from_raw(pid)?, status, by_signal: info.si_code != libc::CLD_EXITED })
}

/// Lets signals through that are blocked.
///
/// # Errors
/// What the operating system says.
pub fn unblock(signals: &[libc::c_int]) -> io::Result<()> {
    // SAFETY: sigemptyset initialises the set before anything reads it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        match libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Leaves a signal without effect on this process, and on programs that it starts.
pub fn ignore(signal: libc::c_int) {
    // SAFETY: a valid signal and an action that has no code.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Takes descriptor 0 away from the process and puts an empty file in its place.
///
/// # Errors
/// What the operating system says.
pub fn take_stdin() -> io::Result<std::os::fd::OwnedFd> {
    let taken = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let empty = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&empty)?;
    Ok(taken)
}
