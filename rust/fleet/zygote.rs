//! The process that forks the workers of one generation: PHP, freshly started, with the engine loaded and nothing run.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, WaitOptions, getpid, waitpid};

use super::report::BootReport;
use crate::front::Worker;
use crate::front::link::{Link, Received};
use crate::front::words::{Exit, FromZygote, ToZygote};
use crate::runtime::family::{self, die_with_guardian, die_with_parent, fork, take_stdin};
use crate::runtime::intake::Intake;

/// What became of the process that called [`fork_workers`].
#[derive(Debug)]
pub enum Fork {
    /// It is a worker: load the application, take requests.
    Worker {
        /// Its number.
        number: u32,
        /// Its end of the lane.
        worker: Box<Worker>,
        /// Where it says why it doesn't boot.
        report: BootReport,
        /// The file of the cache that it shares with the others.
        cache: Option<OwnedFd>,
    },
    /// It is the zygote still, and the master needs it no more.
    Ended,
}

/// The link that the master has put in place of standard input; an empty file takes its place.
///
/// # Errors
/// What the operating system says.
pub fn link_of_stdin() -> io::Result<Link> {
    let parent = rustix::process::getppid().ok_or_else(|| io::Error::other("the process has no parent"))?;
    die_with_parent(parent)?;
    // Ctrl-C reaches every process of the terminal, and who stops a service often signals all of its processes: the
    // master says what is to be done. Since their start they were blocked, as they are in the master.
    let signals = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];
    signals.into_iter().for_each(family::ignore);
    family::unblock(&[libc::SIGCHLD, libc::SIGHUP, libc::SIGINT, libc::SIGTERM])?;
    Ok(Link::from_socket(take_stdin()?))
}

/// Forks workers as the master asks until it asks no more. Returns in each worker, and at the end in the zygote.
///
/// # Errors
/// What the operating system says, in the zygote or in a worker.
pub fn fork_workers(link: Link) -> io::Result<Fork> {
    let master = rustix::process::getppid().ok_or_else(|| io::Error::other("the zygote has no parent"))?;
    let zygote_pid = rustix::process::getpid();
    let children_end = Intake::of(&[libc::SIGCHLD])?;
    let mut zygote = Zygote { link: Some(link), children: BTreeSet::new() };
    loop {
        zygote.bury_the_dead();
        if zygote.link.is_none() && zygote.children.is_empty() {
            return Ok(Fork::Ended);
        }
        let mut wanted = vec![PollFd::new(&children_end, PollFlags::IN)];
        if let Some(link) = &zygote.link {
            wanted.push(PollFd::new(link, PollFlags::IN));
        }
        match poll(&mut wanted, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drop(wanted);
        while children_end.take().is_some() {}
        let Some(link) = &zygote.link else { continue };
        match link.receive::<ToZygote>()? {
            Received::Message(ToZygote::Fork(number), mut descriptors) => {
                let cache = if descriptors.len() > 3 { descriptors.pop() } else { None };
                let [lane, bell, report]: [OwnedFd; 3] = descriptors
                    .try_into()
                    .map_err(|_| io::Error::other("a worker without a lane, a bell or a place for its report"))?;
                match fork() {
                    Ok(Some(pid)) => zygote.has_forked(number, pid),
                    Ok(None) => {
                        // The child. It tells of itself too, before it touches anything of the front's: a zygote that is killed
                        // right after the fork has told nobody, and the master, who would know of no worker, would let the
                        // front give its requests to others while it runs them.
                        let forked = FromZygote::Forked { worker: number, pid: getpid().as_raw_nonzero().get() };
                        link.send(&forked, &[]).map_err(|error| {
                            io::Error::other(format!("the zygote has died as it forked worker {number} ({error})"))
                        })?;
                        // What is the zygote's goes, and with it the blocked signal.
                        drop((zygote, children_end));
                        let worker = be_worker(lane, bell, zygote_pid, master)?;
                        return Ok(Fork::Worker { number, worker: Box::new(worker), report: report.into(), cache });
                    }
                    Err(error) => {
                        let _ = link.send(&FromZygote::NotForked { worker: number, error: error.to_string() }, &[]);
                    }
                }
            }
            Received::Nothing => {}
            Received::Ended => zygote.link = None,
        }
    }
}

struct Zygote {
    /// Until the master drops its end.
    link: Option<Link>,
    children: BTreeSet<i32>,
}

impl Zygote {
    fn has_forked(&mut self, worker: u32, pid: Pid) {
        let pid = pid.as_raw_nonzero().get();
        self.children.insert(pid);
        self.tell(&FromZygote::Forked { worker, pid });
    }

    fn bury_the_dead(&mut self) {
        // Told before it is buried: should this process be killed in between, its parent finds the dead child and
        // does both.
        while let Some(child) = family::ended_child() {
            let pid = child.pid.as_raw_nonzero().get();
            let exit = if child.by_signal { Exit::Signal(child.status) } else { Exit::Code(child.status) };
            self.tell(&FromZygote::Ended { pid, exit });
            self.children.remove(&pid);
            let _ = waitpid(Some(child.pid), WaitOptions::NOHANG); // it has ended
        }
    }

    fn tell(&self, message: &FromZygote) {
        if let Some(link) = &self.link {
            let _ = link.send(message, &[]); // fails when the master has gone, and the zygote with it
        }
    }
}

fn be_worker(lane: OwnedFd, bell: OwnedFd, zygote: Pid, master: Pid) -> io::Result<Worker> {
    die_with_guardian(zygote, master)?;
    let end = crate::lane::attach_worker(lane.as_fd(), move || {
        // Full only after 2^64 wake-ups that nobody heard; a front that has gone needs none.
        let _ = rustix::io::write(&bell, &1_u64.to_ne_bytes());
    })?;
    Ok(Worker::new(end))
}
