//! Processes that are stopped where no signal of a test would meet them.

#![allow(unsafe_code, reason = "ptrace has no safe wrapper")]

use std::ptr::null_mut;

use crate::fleet::eventually;

/// A process under the eyes of the thread that has begun it: the kernel takes what is asked of it from no other. It goes on
/// when that thread ends.
pub(crate) struct Traced {
    pid: i32,
}

impl Traced {
    /// Has a process stop once it has forked, before either of the two knows.
    pub(crate) fn at_its_next_fork(pid: i32) -> Self {
        ask(libc::PTRACE_SEIZE, pid, libc::PTRACE_O_TRACEFORK as usize);
        Self { pid }
    }

    /// Waits for the fork. The child is stopped as well.
    pub(crate) fn forked(&self) -> Self {
        loop {
            let status = await_change(self.pid);
            assert!(libc::WIFSTOPPED(status), "the process has ended: {status:#x}");
            match status >> 16 {
                libc::PTRACE_EVENT_FORK => break,
                // A signal, which it gets.
                0 => ask(libc::PTRACE_CONT, self.pid, libc::WSTOPSIG(status) as usize),
                _ => ask(libc::PTRACE_CONT, self.pid, 0),
            }
        }
        let mut child: libc::c_ulong = 0;
        ask(libc::PTRACE_GETEVENTMSG, self.pid, &raw mut child as usize);
        let child = Self { pid: child as i32 };
        await_change(child.pid);
        child
    }

    /// Lets it go on, unseen.
    pub(crate) fn let_go(self) {
        ask(libc::PTRACE_DETACH, self.pid, 0);
    }

    /// Kills it where it stands.
    pub(crate) fn kill(self) {
        crate::processes::signal(self.pid, rustix::process::Signal::KILL);
        self.await_kill();
    }

    /// Waits until it is killed. Its parent hears of it after who traces it.
    pub(crate) fn await_kill(self) {
        while !libc::WIFSIGNALED(await_change(self.pid)) {}
    }
}

fn ask(what: libc::c_uint, pid: i32, data: usize) {
    // SAFETY: what is asked for here writes through `data` only for PTRACE_GETEVENTMSG, whose caller points to an unsigned long.
    let done = unsafe { libc::ptrace(what, pid, null_mut::<libc::c_void>(), data) };
    assert!(done >= 0, "ptrace {what:#x} of {pid}: {}", std::io::Error::last_os_error());
}

fn await_change(pid: i32) -> libc::c_int {
    let mut status = 0;
    eventually("a change of a traced process", || {
        // SAFETY: `status` lives in the caller's frame for as long as the call.
        let changed = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL | libc::WNOHANG) };
        assert!(changed >= 0, "{}", std::io::Error::last_os_error());
        changed == pid
    });
    status
}
