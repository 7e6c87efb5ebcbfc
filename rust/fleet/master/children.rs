//! The master's children: starting them, signalling them, and leaving none behind.

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
