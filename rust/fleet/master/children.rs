//! The master's children: starting them, signalling them, burying them, and leaving none behind.

use super::*;

impl Master {
    pub(super) fn start_front(&mut self) -> io::Result<()> {
        let (link, its) = Link::pair()?;
        let pid = start(&self.spec.front, its)?;
        let serve = ToFront::Serve {
            config: self.spec.config.clone(),
            workers: self.spec.workers,
            draining: self.draining_until_ms.is_some(),
            degraded: self.degraded.clone(),
            has_cache: self.cache.is_some(),
            watch: self.spec.watch.clone(),
            changed: self.redis_changed.clone(),
        };
        let mut descriptors = vec![self.listener.as_fd(), self.bell.as_fd()];
        descriptors.extend(self.cache.iter().chain(&self.redis).map(AsFd::as_fd));
        let _ = link.send(&serve, &descriptors);
        for (&number, worker) in &self.workers {
            let _ = link.send(&ToFront::Worker(number), &[worker.lane.as_fd()]);
        }
        for worker in self.plan.retired() {
            let _ = link.send(&ToFront::Retire(worker), &[]);
        }
        let since_ms = clock::now_ms();
        self.front = Some(Front { link, pid, since_ms });
        self.front_next_ms = since_ms + FRONT_PAUSE_MS;
        self.front_is_new();
        Ok(())
    }

    pub(super) fn start_zygote(&mut self, generation: Generation) -> io::Result<()> {
        let (link, its) = Link::pair()?;
        let pid = start(&self.spec.zygote, its)?;
        self.zygotes.insert(generation, Zygote { link, pid });
        Ok(())
    }

    pub(super) fn fork(&mut self, generation: Generation, number: Number) -> io::Result<()> {
        let lane = self.lanes.create()?;
        let report = BootReport::create()?;
        self.tell_front(&ToFront::Worker(number), Some(&lane.front));
        if let Some(zygote) = self.zygotes.get(&generation) {
            let mut descriptors = vec![lane.worker.as_fd(), self.bell.as_fd(), report.as_fd()];
            descriptors.extend(self.cache.as_ref().map(AsFd::as_fd));
            let _ = zygote.link.send(&ToZygote::Fork(number), &descriptors);
        }
        let worker =
            Worker { generation, pid: None, lane: lane.front, since_ms: clock::now_ms(), report: Some(report) };
        self.workers.insert(number, worker);
        Ok(())
    }

    pub(super) fn signal(&self, worker: Number, signal: Signal) {
        if let Some(pid) = self.workers.get(&worker).and_then(|worker| worker.pid) {
            let _ = kill_process(pid, signal); // it may have ended in this instant
        }
    }

    pub(super) fn kill(&self, number: Number) {
        let Some(worker) = self.workers.get(&number) else { return };
        if let (None, Some(zygote)) = (worker.pid, self.zygotes.get(&worker.generation)) {
            // Its zygote hangs, or has not come to it yet. When that has ended it is known that this one never comes, or who it is.
            let _ = kill_process(zygote.pid, Signal::KILL);
        }
        self.signal(number, Signal::KILL);
    }

    /// The master's own children, and orphans of zygotes that have died.
    pub(super) fn bury_the_dead(&mut self) -> io::Result<()> {
        while let Ok(Some((pid, status))) = waitpid(None, WaitOptions::NOHANG) {
            self.hear_zygotes()?; // of whom this may be
            self.child_ended(Some(pid), status.into())?;
        }
        Ok(())
    }

    pub(super) fn child_ended(&mut self, pid: Option<Pid>, exit: Exit) -> io::Result<()> {
        if self.front.as_ref().is_some_and(|front| Some(front.pid) == pid) {
            self.hear_front()?; // its last words
            self.front = None;
            if self.drained_ms.is_some() || self.plan.is_ending() {
                return Ok(());
            }
            say(format_args!("the front has ended ({exit}) and is started again"));
            if self.spec.watch.is_some() && self.draining_until_ms.is_none() {
                // What changed meanwhile nobody has seen.
                let actions = self.plan.reload(clock::now_ms());
                self.act(actions)?;
            }
            return Ok(());
        }
        if let Some(&generation) = self.zygotes.iter().find(|(_, zygote)| Some(zygote.pid) == pid).map(|(key, _)| key) {
            // Its last words, and those of its children. Who has not told of itself by now can't any more, and ends.
            if let Some(Err(error)) = self.zygotes.get(&generation).map(|zygote| zygote.link.refuse_more()) {
                say(format_args!("the link of generation {generation} can't be shut: {error}"));
            }
            self.hear_zygotes()?;
            self.zygotes.remove(&generation);
            self.boot_error = Some(format!("the process that forks the workers has ended ({exit})"));
            let actions = self.plan.zygote_ended(generation, clock::now_ms());
            if !actions.is_empty() {
                say(format_args!("the zygote of generation {generation} has ended ({exit})"));
            }
            self.act(actions)?;
            self.boot_error = None;
            // They were never forked, or don't get beyond it.
            let unborn = |worker: &Worker| worker.generation == generation && worker.pid.is_none();
            let unborn: Vec<Number> =
                self.workers.iter().filter(|(_, worker)| unborn(worker)).map(|(&number, _)| number).collect();
            for number in unborn {
                self.worker_ended(number, None)?;
            }
            return Ok(());
        }
        let worker = self.workers.iter().find(|(_, worker)| worker.pid.is_some() && worker.pid == pid);
        match worker.map(|(&number, _)| number) {
            Some(number) => self.worker_ended(number, Some(exit)),
            None => Ok(()),
        }
    }

    pub(super) fn worker_ended(&mut self, number: Number, exit: Option<Exit>) -> io::Result<()> {
        let worker = self.workers.remove(&number);
        let reported = worker.as_ref().and_then(|worker| worker.report.as_ref()?.read());
        let is_news = exit != Some(Exit::Code(0)) && self.drained_ms.is_none() && reported.is_none();
        let is_news = is_news && !worker.is_some_and(|worker| self.plan.is_given_up(worker.generation));
        if let Some(exit) = exit.filter(|_| is_news) {
            say(format_args!("worker {number} has ended ({exit})"));
        }
        self.boot_error = reported.or_else(|| {
            let exit = exit.map_or_else(|| "it could not be forked".to_owned(), |exit| exit.to_string());
            Some(format!("a worker has ended while it loaded the application ({exit})"))
        });
        let by_sigkill = exit == Some(Exit::Signal(libc::SIGKILL));
        let actions = self.plan.ended(number, by_sigkill, clock::now_ms());
        self.act(actions)?;
        self.boot_error = None;
        Ok(())
    }

    /// Leaves nothing running of what it has started. What handlers have left behind is not ours, and not waited for.
    pub(super) fn end_children(&mut self) {
        let workers = self.workers.values().filter_map(|worker| worker.pid);
        let others = self.zygotes.values().map(|zygote| zygote.pid).chain(self.front.as_ref().map(|front| front.pid));
        // The zygotes before their workers, which become children of this process by that.
        let children: Vec<Pid> = others.chain(workers).collect();
        for &pid in &children {
            let _ = kill_process(pid, Signal::KILL);
        }
        for pid in children {
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

/// Starts a program with a link in place of its standard input.
fn start(command: &[String], link: Link) -> io::Result<Pid> {
    let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("no program to start"))?;
    let child = Command::new(program).args(arguments).stdin(Stdio::from(link.into_socket())).spawn()?;
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))
}
