//! The master: it opens, starts, watches, replaces and reloads.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};

use super::action::Action;
use super::control::Control;
use super::plan::{Generation, Number, Plan};
use super::report::BootReport;
use super::spec::{Opened, Spec};
use super::terminal::Terminal;
use crate::front::link::{Link, Received};
use crate::front::words::{Changed, Exit, FromFront, FromZygote, ToFront, ToZygote};
use crate::lane;
use crate::runtime::clock;
use crate::runtime::intake::Intake;

mod children;
mod orders;

/// The application doesn't boot.
const EXIT_NO_BOOT: i32 = 4;

/// A front that dies as soon as it is started is started again after this long.
const FRONT_PAUSE_MS: u64 = 500;

/// What shutdown functions and destructors may take at a fleet's end, beside a SIGTERM's time.
const LAST_WORDS_MS: u64 = 4_000;
/// After the drain: how long workers and zygotes may take to end, those that are killed included.
const END_MS_MAX: u64 = 10_000;

/// How long the front may take beyond the drain's own time.
const DRAIN_SLACK_MS: u64 = 5_000;

/// How long the front may take to save the cache, beyond the drain's time: tens of gigabytes on a common disk.
const SAVE_MS_MAX: u64 = 60_000;

/// Serves with a fleet until a signal says that it is enough. Returns the process's exit code.
///
/// SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reloads, and drains when it says that the terminal was
/// closed from which this process was started.
///
/// # Errors
/// When it could not even begin: the address, a program that isn't there, the operating system.
pub fn run(spec: Spec, opened: Opened) -> Result<i32, crate::front::Error> {
    let Opened { cache, redis, redis_address } = opened;
    let listener = crate::front::listen(SocketAddr::new(spec.host, spec.port))?;
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source: io::Error| crate::front::Error::Failed { what, source }
    };
    let port = listener.local_addr().map_err(failed("the listening socket's address"))?.port();
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    let bell = eventfd(0, flags).map_err(|error| failed("an event descriptor")(error.into()))?;
    set_child_subreaper(Some(getpid())).map_err(|error| failed("becoming the parent of orphans")(error.into()))?;
    let signals = [libc::SIGCHLD, libc::SIGHUP, libc::SIGINT, libc::SIGTERM];
    let signals = Intake::of(&signals).map_err(failed("signals"))?;
    let control = spec.control.as_ref().map(|path| path.replace("{port}", &port.to_string()));
    let control = control.and_then(|path| {
        let unheard = |error| say(format_args!("rawr status and rawr reload won't find this server: {path}: {error}"));
        Control::open(path.as_ref()).map_err(unheard).ok()
    });
    let (lanes, fallback) = lane::Kind::choose(&std::env::var("LYGER_LANES").unwrap_or_default())
        .map_err(failed("the lanes between the front and the workers"))?;
    let no_cache =
        cache.as_ref().err().map(|error| format!("each worker has a cache of its own: no shared memory: {error}"));
    let degraded: Vec<String> = fallback.into_iter().chain(no_cache).collect();
    degraded.iter().for_each(|fallback| say(format_args!("{fallback}")));
    let mut master = Master {
        plan: Plan::new(spec.workers),
        since_ms: clock::now_ms(),
        terminal: Terminal::of_this_process(),
        control,
        waiting: orders::Waiting::default(),
        boot_error: None,
        spec,
        port,
        listener: listener.into(),
        bell,
        lanes,
        cache: cache.ok(),
        redis,
        redis_address,
        redis_changed: Changed::new(),
        degraded,
        signals,
        front: None,
        front_next_ms: 0,
        zygotes: BTreeMap::new(),
        workers: BTreeMap::new(),
        announced: false,
        draining_until_ms: None,
        drained_ms: None,
        exit: None,
        code: 0,
    };
    let exit = master.serve().map_err(failed("the master"));
    master.end_children();
    let _ = set_child_subreaper(None);
    exit
}

struct Front {
    link: Link,
    pid: Pid,
    since_ms: u64,
}

struct Zygote {
    link: Link,
    pid: Pid,
}

struct Worker {
    generation: Generation,
    pid: Option<Pid>,
    /// The fronts' end of it.
    lane: OwnedFd,
    since_ms: u64,
    /// Until it has booted.
    report: Option<BootReport>,
}

struct Master {
    spec: Spec,
    since_ms: u64,
    terminal: Terminal,
    control: Option<Control>,
    waiting: orders::Waiting,
    /// Why the generation that is being given up didn't boot.
    boot_error: Option<String>,
    port: u16,
    plan: Plan,
    listener: OwnedFd,
    bell: OwnedFd,
    lanes: lane::Kind,
    /// The file of the cache that all workers share, of every generation.
    cache: Option<OwnedFd>,
    /// Where Redis clients come: held for the front and the next one.
    redis: Vec<OwnedFd>,
    redis_address: String,
    /// What they have changed by CONFIG SET, for the next front.
    redis_changed: Changed,
    /// Fallbacks in use, for `/health`.
    degraded: Vec<String>,
    signals: Intake,
    front: Option<Front>,
    front_next_ms: u64,
    zygotes: BTreeMap<Generation, Zygote>,
    workers: BTreeMap<Number, Worker>,
    announced: bool,
    draining_until_ms: Option<u64>,
    /// Since when the front has nothing more to answer.
    drained_ms: Option<u64>,
    exit: Option<i32>,
    code: i32,
}

fn say(line: std::fmt::Arguments<'_>) {
    crate::runtime::say::say(io::stderr(), &format!("lyger: {line}\n"));
}

impl Master {
    fn serve(&mut self) -> io::Result<i32> {
        self.start_front()?;
        let first = self.plan.reload(clock::now_ms());
        self.act(first)?;
        loop {
            if let Some(exit) = self.exit {
                return Ok(exit);
            }
            self.wait();
            self.heed_signals()?;
            self.hear_front()?;
            self.hear_zygotes()?;
            self.bury_the_dead()?;
            self.heed_orders()?;
            let now_ms = clock::now_ms();
            let due = self.plan.tick(now_ms);
            self.act(due)?;
            let wants_front = self.front.is_none() && self.drained_ms.is_none() && !self.plan.is_ending();
            if wants_front
                && now_ms >= self.front_next_ms
                && let Err(error) = self.start_front()
            {
                say(format_args!("the front can't be started: {error}; it is tried again"));
                self.front_next_ms = now_ms + FRONT_PAUSE_MS;
            }
            if self.drained_ms.is_some_and(|since_ms| now_ms >= since_ms + END_MS_MAX) {
                say(format_args!("what has not ended by now is killed"));
                self.exit = Some(1);
            }
            if self.draining_until_ms.is_some_and(|until_ms| now_ms >= until_ms) && self.drained_ms.is_none() {
                self.drain_takes_too_long();
                self.end_workers(true)?;
            }
        }
    }

    /// Sleeps until something happens.
    fn wait(&self) {
        let now_ms = clock::now_ms();
        let waits = self.plan.is_waiting(now_ms) || self.front.is_none();
        let pause = Duration::from_millis(if waits { 20 } else { 1_000 });
        let timeout = Timespec { tv_sec: pause.as_secs() as i64, tv_nsec: pause.subsec_nanos().into() };
        let mut wanted = vec![PollFd::new(&self.signals, PollFlags::IN)];
        if let Some(front) = &self.front {
            wanted.push(PollFd::new(&front.link, PollFlags::IN));
        }
        wanted.extend(self.zygotes.values().map(|zygote| PollFd::new(&zygote.link, PollFlags::IN)));
        wanted.extend(self.control.iter().flat_map(Control::wanted));
        let _ = poll(&mut wanted, Some(&timeout)); // interrupted: there is a signal to look at
    }

    fn heed_signals(&mut self) -> io::Result<()> {
        while let Some(signal) = self.signals.take() {
            match signal {
                libc::SIGHUP if self.draining_until_ms.is_some() => {} // what ends is not renewed
                libc::SIGHUP if self.terminal.has_gone() => self.drain(),
                libc::SIGHUP => {
                    let actions = self.plan.reload(clock::now_ms());
                    self.act(actions)?;
                }
                libc::SIGINT | libc::SIGTERM if self.draining_until_ms.is_some() => {
                    // Enough is enough: as a shell reports a process that the signal ended.
                    self.exit = Some(128 + signal);
                }
                libc::SIGINT | libc::SIGTERM => self.drain(),
                _ => {} // SIGCHLD: every turn looks
            }
        }
        Ok(())
    }

    fn drain(&mut self) {
        self.draining_until_ms = Some(clock::now_ms() + self.spec.drain_timeout_ms + DRAIN_SLACK_MS);
        self.tell_front(&ToFront::Drain, None);
    }

    fn drain_takes_too_long(&mut self) {
        say(format_args!("the drain takes too long; it ends here"));
        self.code = 1;
    }

    /// Ends what is left, when the front has drained or has had its time.
    fn end_workers(&mut self, are_stuck: bool) -> io::Result<()> {
        self.drained_ms = Some(clock::now_ms());
        // With the front's end their lanes are closed; who sleeps in a handler, or loads the application, hears of it by a
        // signal. The others end by themselves, with PHP's shutdown functions, which no signal would run.
        let stuck: Vec<Number> =
            if are_stuck { self.workers.keys().copied().collect() } else { self.plan.starting().collect() };
        for worker in stuck {
            self.signal(worker, Signal::TERM);
        }
        let last_words_ms = if are_stuck { 0 } else { LAST_WORDS_MS };
        let actions = self.plan.end(clock::now_ms() + last_words_ms);
        self.act(actions)
    }

    fn hear_front(&mut self) -> io::Result<()> {
        while let Some(front) = &self.front {
            let message = match front.link.receive::<FromFront>() {
                Ok(Received::Message(message, _)) => message,
                Ok(Received::Nothing) => return Ok(()),
                Ok(Received::Ended) => return Ok(()), // its death is heard of as a child's
                Err(error) => {
                    say(format_args!("the front says something strange: {error}"));
                    continue;
                }
            };
            let now_ms = clock::now_ms();
            let actions = match message {
                FromFront::Serving => Vec::new(),
                FromFront::Configured(changed) => {
                    self.redis_changed = changed;
                    Vec::new()
                }
                FromFront::Status(word) => {
                    self.front_has_answered(&word);
                    Vec::new()
                }
                FromFront::Changed(_) if self.draining_until_ms.is_some() => Vec::new(),
                FromFront::Changed(file) => {
                    say(format_args!("{} has changed", file.display()));
                    self.plan.reload(now_ms)
                }
                FromFront::Failed(reason) => {
                    say(format_args!("the front: {reason}"));
                    Vec::new()
                }
                FromFront::Ready(worker) => {
                    if let Some(worker) = self.workers.get_mut(&worker) {
                        worker.report = None;
                    }
                    self.plan.ready(worker, now_ms)
                }
                FromFront::Overdue(worker) => self.plan.overdue(worker, now_ms),
                FromFront::Leaving(worker) => self.plan.leaving(worker, now_ms),
                FromFront::Damaged(worker) => {
                    say(format_args!("worker {worker} has damaged its lane and is killed"));
                    self.plan.damaged(worker, now_ms)
                }
                FromFront::Saving => {
                    self.draining_until_ms = self.draining_until_ms.map(|until_ms| until_ms + SAVE_MS_MAX);
                    Vec::new()
                }
                FromFront::Drained { finished, saved } => {
                    if !saved {
                        self.code = 1;
                    }
                    if !finished {
                        self.drain_takes_too_long();
                    }
                    self.end_workers(!finished)?;
                    Vec::new()
                }
            };
            self.act(actions)?;
        }
        Ok(())
    }

    fn hear_zygotes(&mut self) -> io::Result<()> {
        let generations: Vec<Generation> = self.zygotes.keys().copied().collect();
        for generation in generations {
            while let Some(zygote) = self.zygotes.get(&generation) {
                match zygote.link.receive::<FromZygote>() {
                    Ok(Received::Message(FromZygote::Forked { worker, pid }, _)) => {
                        if let Some(worker) = self.workers.get_mut(&worker) {
                            worker.pid = Pid::from_raw(pid);
                        }
                        if self.plan.is_killed(worker) {
                            self.kill(worker);
                        }
                    }
                    Ok(Received::Message(FromZygote::NotForked { worker, error }, _)) => {
                        say(format_args!("worker {worker} could not be forked: {error}"));
                        self.worker_ended(worker, None)?;
                    }
                    Ok(Received::Message(FromZygote::Ended { pid, exit }, _)) => {
                        self.child_ended(Pid::from_raw(pid), exit)?;
                    }
                    Ok(Received::Nothing | Received::Ended) => break, // an end is heard of as a child's
                    Err(error) => say(format_args!("a zygote says something strange: {error}")),
                }
            }
        }
        Ok(())
    }

    fn act(&mut self, actions: Vec<Action>) -> io::Result<()> {
        for action in actions {
            match action {
                Action::StartZygote(generation) => {
                    if let Err(error) = self.start_zygote(generation) {
                        self.cannot_start(format!("generation {generation}"), error)?;
                        let actions = self.plan.zygote_ended(generation, clock::now_ms());
                        self.act(actions)?;
                    }
                }
                Action::EndZygote(generation) => drop(self.zygotes.remove(&generation)),
                Action::Fork(generation, number) => {
                    if let Err(error) = self.fork(generation, number) {
                        self.cannot_start(format!("worker {number}"), error)?;
                        let actions = self.plan.ended(number, false, clock::now_ms());
                        self.act(actions)?;
                    }
                }
                Action::Retire(worker) => self.tell_front(&ToFront::Retire(worker), None),
                Action::Lost { worker, killed_from_outside } => {
                    self.tell_front(&ToFront::Lost { worker, killed_from_outside }, None);
                }
                Action::Terminate(worker) => self.signal(worker, Signal::TERM),
                Action::Kill(worker) => self.kill(worker),
                Action::Serving(generation) => {
                    self.announce(generation);
                    self.tell_reloads(generation, None);
                }
                Action::ReloadFailed(generation) if self.plan.generation().is_some() => {
                    say(format_args!("the reload has failed, see above; what served before serves on"));
                    let reason = self.boot_error.take();
                    let reason = reason.as_deref().unwrap_or("a worker takes too long to load the application");
                    self.tell_reloads(generation, Some(reason));
                }
                Action::ReloadFailed(_) => {
                    say(format_args!("the application does not boot, see above"));
                    self.code = EXIT_NO_BOOT;
                }
                Action::BootFailed(worker) => {
                    say(format_args!("worker {worker} did not boot, see above; another is tried"));
                }
                Action::End => self.exit = Some(self.code),
            }
        }
        Ok(())
    }

    /// Something that the system has not enough of just now, or a program that isn't there any more. Who serves goes on.
    ///
    /// # Errors
    /// The error, when nobody serves yet.
    fn cannot_start(&mut self, what: String, error: io::Error) -> io::Result<()> {
        if self.plan.generation().is_none() {
            return Err(io::Error::new(error.kind(), format!("{what} can't be started: {error}")));
        }
        say(format_args!("{what} can't be started: {error}"));
        self.boot_error = Some(format!("{what} can't be started: {error}"));
        Ok(())
    }

    fn announce(&mut self, generation: Generation) {
        if self.announced {
            say(format_args!("generation {generation} serves"));
            return;
        }
        self.announced = true;
        let line = self.spec.announcement.replace("{port}", &self.port.to_string());
        let line = line.replace("{redis}", &self.redis_address);
        crate::runtime::say::say(io::stdout(), &format!("{line}\n"));
    }

    fn tell_front(&self, message: &ToFront, descriptor: Option<&OwnedFd>) {
        if let Some(front) = &self.front {
            let descriptors: Vec<_> = descriptor.map(AsFd::as_fd).into_iter().collect();
            // It fails when the front has died, which is heard of in its own way; the next one is told all there is.
            let _ = front.link.send(message, &descriptors);
        }
    }
}
