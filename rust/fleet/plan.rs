//! What the master does when something happens: rules without system calls.

use std::collections::BTreeMap;

use super::action::Action;

/// How long who is to go at once has before the SIGKILL: time for PHP's shutdown functions after a SIGTERM, and for the front's word that
/// a worker which is given up has come after all.
const KILL_AFTER_MS: u64 = 1_000;

/// A worker that doesn't boot is tried again after this long, twice as long each time, up to the maximum.
const RESPAWN_FIRST_MS: u64 = 100;
const RESPAWN_MAX_MS: u64 = 5_000;

/// A worker that has not come after this long hangs: no application takes so long to load, and a reload that waits for
/// it would keep every later one from beginning.
const BOOT_MS_MAX: u64 = 60_000;

/// A generation whose first worker takes longer than this to load gives way to the next, when that is asked for: somebody has
/// mended what hangs.
const SUPERSEDED_AFTER_MS: u64 = 2_000;

/// So many workers may be killed from outside while they boot, one after the other, before that counts as a boot that
/// failed: the kernel kills those who need more memory than there is.
const BOOT_KILLS_MAX: u32 = 8;

/// A worker's number; no two of a master's life have the same.
pub(super) type Number = u32;
/// A generation's number, from 1.
pub(super) type Generation = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Ready,
    /// Retired, or to be killed.
    Leaving,
}

#[derive(Debug)]
struct Worker {
    generation: Generation,
    state: State,
    /// When it was started.
    since_ms: u64,
    /// It has asked to be replaced.
    asks: bool,
    /// The front has said that it is there.
    has_come: bool,
    /// Another is to take its place when it is ready.
    replaced_by: Option<Number>,
    /// When it was sent SIGTERM, or was given up: from then on its time before the SIGKILL counts.
    doomed_ms: Option<u64>,
    /// The master has sent it SIGKILL.
    killed: bool,
}

/// The workers that are and that should be.
#[derive(Debug)]
pub(super) struct Plan {
    wanted: u32,
    workers: BTreeMap<Number, Worker>,
    next_number: Number,
    last_generation: Generation,
    current: Option<Generation>,
    incoming: Option<Generation>,
    /// Generations whose zygote lives.
    zygotes: Vec<Generation>,
    reload_wanted: bool,
    boot_failures: u32,
    boot_kills: u32,
    respawn_ms: u64,
    ending: bool,
}

impl Plan {
    pub(super) fn new(wanted: u32) -> Self {
        Self {
            wanted,
            workers: BTreeMap::new(),
            next_number: 1,
            last_generation: 0,
            current: None,
            incoming: None,
            zygotes: Vec::new(),
            reload_wanted: false,
            boot_failures: 0,
            boot_kills: 0,
            respawn_ms: 0,
            ending: false,
        }
    }

    /// The generation that serves.
    pub(super) fn generation(&self) -> Option<Generation> {
        self.current
    }

    /// The generation that is being started.
    pub(super) fn incoming(&self) -> Option<Generation> {
        self.incoming
    }

    /// The number of the first generation that loads the application after this moment.
    pub(super) fn next_generation(&self) -> Generation {
        self.last_generation + 1
    }

    /// Whether a generation was started and will never serve.
    pub(super) fn is_given_up(&self, generation: Generation) -> bool {
        self.incoming != Some(generation) && self.current.is_none_or(|current| generation > current)
    }

    /// Those that load the application still.
    pub(super) fn starting(&self) -> impl Iterator<Item = Number> {
        self.workers.iter().filter(|(_, worker)| worker.state == State::Starting).map(|(&number, _)| number)
    }

    /// Those who get no more requests: a front that is new has to hear of them.
    pub(super) fn retired(&self) -> impl Iterator<Item = Number> {
        self.workers.iter().filter(|(_, worker)| worker.state == State::Leaving).map(|(&number, _)| number)
    }

    /// Whether it is to be killed, or was.
    pub(super) fn is_killed(&self, number: Number) -> bool {
        self.workers.get(&number).is_some_and(|worker| worker.killed)
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending
    }

    /// A new generation is wanted: the first, or one with new code.
    pub(super) fn reload(&mut self, now_ms: u64) -> Vec<Action> {
        if self.incoming.is_some() || self.ending {
            self.reload_wanted = !self.ending;
            let mut actions = Vec::new();
            if self.incoming.is_some_and(|incoming| self.hangs(incoming, now_ms)) && self.current.is_some() {
                self.give_up_incoming(now_ms, &mut actions);
            }
            return actions;
        }
        self.last_generation += 1;
        self.incoming = Some(self.last_generation);
        self.zygotes.push(self.last_generation);
        let mut actions = vec![Action::StartZygote(self.last_generation)];
        self.balance(now_ms, &mut actions);
        actions
    }

    /// A worker has come to the front.
    pub(super) fn ready(&mut self, number: Number, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(worker) = self.workers.get_mut(&number).filter(|worker| !worker.has_come) else {
            return actions; // it came again, to a new front
        };
        worker.has_come = true;
        if worker.state == State::Leaving {
            if !self.ending {
                worker.doomed_ms = None; // it came before the front heard that it was given up, and may be at a request
            }
            return actions;
        }
        worker.state = State::Ready;
        let generation = worker.generation;
        self.boot_failures = 0;
        self.boot_kills = 0;
        let replaced: Vec<Number> =
            self.workers.iter().filter(|(_, old)| old.replaced_by == Some(number)).map(|(&old, _)| old).collect();
        for old in replaced {
            self.retire(old, &mut actions);
        }
        self.balance(now_ms, &mut actions);
        let all_here = self.count(generation, |worker| worker.state == State::Ready) >= self.wanted as usize;
        if self.incoming == Some(generation) && all_here {
            self.incoming = None;
            self.current = Some(generation);
            actions.push(Action::Serving(generation));
            let old: Vec<Number> = self
                .workers
                .iter()
                .filter(|(_, worker)| worker.generation != generation && worker.state != State::Leaving)
                .map(|(&old, _)| old)
                .collect();
            for old in old {
                self.retire(old, &mut actions);
            }
            if std::mem::take(&mut self.reload_wanted) {
                actions.extend(self.reload(now_ms));
            }
        }
        self.end_zygotes(&mut actions);
        actions
    }

    /// A worker asks to be replaced.
    pub(super) fn leaving(&mut self, number: Number, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(worker) = self.workers.get_mut(&number) {
            worker.asks = true;
        }
        self.balance(now_ms, &mut actions);
        actions
    }

    /// A worker is at a request whose time is over.
    pub(super) fn overdue(&mut self, number: Number, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        self.terminate(number, now_ms, &mut actions);
        self.balance(now_ms, &mut actions);
        actions
    }

    /// A worker has damaged its lane: it is not given the time to do more harm.
    pub(super) fn damaged(&mut self, number: Number, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        self.kill(number, &mut actions);
        self.balance(now_ms, &mut actions);
        actions
    }

    /// A worker's process has ended, `by_sigkill` or otherwise, or could not be made.
    pub(super) fn ended(&mut self, number: Number, by_sigkill: bool, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(worker) = self.workers.remove(&number) else { return actions };
        let killed_from_outside = by_sigkill && !worker.killed;
        actions.push(Action::Lost { worker: number, killed_from_outside });
        self.replaces_nobody(number);
        if worker.state == State::Starting && !self.ending {
            if killed_from_outside && self.boot_kills < BOOT_KILLS_MAX {
                self.boot_kills += 1; // the code is not to blame
            } else {
                self.boot_failed(number, worker.generation, now_ms, &mut actions);
            }
        }
        self.balance(now_ms, &mut actions);
        self.end_zygotes(&mut actions);
        self.end_if_over(&mut actions);
        actions
    }

    /// A zygote has ended. Its workers live on; new ones need a new generation.
    pub(super) fn zygote_ended(&mut self, generation: Generation, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        if !self.zygotes.contains(&generation) {
            return actions; // it was told to
        }
        self.zygotes.retain(|&other| other != generation);
        if self.incoming == Some(generation) {
            self.give_up_incoming(now_ms, &mut actions);
        }
        self.balance(now_ms, &mut actions);
        self.end_if_over(&mut actions);
        actions
    }

    /// All workers are to go. The front has given them nothing more already. Who is there still a SIGTERM's time after
    /// `from_ms` is killed.
    pub(super) fn end(&mut self, from_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        self.ending = true;
        // They leave by themselves; who is stuck is not waited for much longer.
        for worker in self.workers.values_mut() {
            worker.state = State::Leaving;
            worker.doomed_ms.get_or_insert(from_ms);
        }
        self.end_if_over(&mut actions);
        actions
    }

    /// Acts on what is due.
    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        let late: Vec<Number> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.doomed_ms.is_some_and(|since_ms| since_ms + KILL_AFTER_MS <= now_ms))
            .map(|(&number, _)| number)
            .collect();
        for number in late {
            self.kill(number, &mut actions);
        }
        let hanging = |worker: &Worker| worker.state == State::Starting && worker.since_ms + BOOT_MS_MAX <= now_ms;
        if let Some((&number, worker)) = self.workers.iter().find(|(_, worker)| hanging(worker)) {
            let generation = worker.generation;
            self.give_up(number, now_ms, &mut actions);
            self.boot_failed(number, generation, now_ms, &mut actions);
        }
        self.balance(now_ms, &mut actions);
        actions
    }

    /// Whether [`Plan::tick`] has something to do before long.
    pub(super) fn is_waiting(&self, now_ms: u64) -> bool {
        self.respawn_ms > now_ms || self.workers.values().any(|worker| worker.doomed_ms.is_some() && !worker.killed)
    }

    fn hangs(&self, generation: Generation, now_ms: u64) -> bool {
        let is_young = |worker: &Worker| worker.since_ms + SUPERSEDED_AFTER_MS > now_ms;
        !self.has_booted(generation) && self.count(generation, is_young) == 0
    }

    fn has_booted(&self, generation: Generation) -> bool {
        self.count(generation, |worker| worker.state == State::Ready) > 0
    }

    fn count(&self, generation: Generation, wanted: impl Fn(&Worker) -> bool) -> usize {
        self.workers.values().filter(|worker| worker.generation == generation && wanted(worker)).count()
    }

    fn fork(&mut self, generation: Generation, now_ms: u64, actions: &mut Vec<Action>) -> Number {
        let number = self.next_number;
        self.next_number += 1;
        let worker = Worker {
            generation,
            state: State::Starting,
            since_ms: now_ms,
            asks: false,
            has_come: false,
            replaced_by: None,
            doomed_ms: None,
            killed: false,
        };
        self.workers.insert(number, worker);
        actions.push(Action::Fork(generation, number));
        number
    }

    /// Starts what is missing, in the generation that serves and in the one that comes; and a generation, when nobody
    /// can start anything in the one that serves.
    fn balance(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.ending {
            return;
        }
        for generation in [self.current, self.incoming].into_iter().flatten() {
            let is_late = self.current == Some(generation) && self.respawn_ms > now_ms;
            if is_late || !self.zygotes.contains(&generation) {
                continue;
            }
            let there = |worker: &Worker| worker.state != State::Leaving && worker.replaced_by.is_none();
            // The first of a generation goes ahead: code that doesn't boot fails once, and code that does is compiled
            // once, for all who come after it.
            let is_ahead = self.incoming == Some(generation) && !self.has_booted(generation);
            let wanted = if is_ahead { 1 } else { self.wanted as usize };
            for _ in self.count(generation, there)..wanted {
                self.fork(generation, now_ms, actions);
            }
            let asks = |worker: &Worker| {
                worker.generation == generation
                    && worker.state == State::Ready
                    && worker.asks
                    && worker.replaced_by.is_none()
            };
            let asking: Vec<Number> =
                self.workers.iter().filter(|(_, worker)| asks(worker)).map(|(&number, _)| number).collect();
            for number in asking {
                let replacement = self.fork(generation, now_ms, actions);
                if let Some(worker) = self.workers.get_mut(&number) {
                    worker.replaced_by = Some(replacement);
                }
            }
        }
        let has_no_zygote = self.current.is_some_and(|current| !self.zygotes.contains(&current));
        if has_no_zygote && self.incoming.is_none() && self.respawn_ms <= now_ms {
            actions.extend(self.reload(now_ms));
        }
    }

    fn retire(&mut self, number: Number, actions: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(&number) {
            worker.state = State::Leaving;
            actions.push(Action::Retire(number));
        }
    }

    fn terminate(&mut self, number: Number, now_ms: u64, actions: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(&number)
            && worker.doomed_ms.is_none()
        {
            worker.state = State::Leaving;
            worker.doomed_ms = Some(now_ms);
            // What waits behind its request need not wait for its end.
            actions.push(Action::Retire(number));
            actions.push(Action::Terminate(number));
        }
    }

    /// Ends a worker that loads the application, but not if it turns out to be at a request: the front may have given it some
    /// already, of which the word that it has come is still on its way.
    fn give_up(&mut self, number: Number, now_ms: u64, actions: &mut Vec<Action>) {
        self.retire(number, actions);
        self.replaces_nobody(number);
        if let Some(worker) = self.workers.get_mut(&number) {
            worker.doomed_ms = Some(now_ms);
        }
    }

    /// A replacement came to nothing; another is tried.
    fn replaces_nobody(&mut self, number: Number) {
        for other in self.workers.values_mut().filter(|other| other.replaced_by == Some(number)) {
            other.replaced_by = None;
        }
    }

    fn kill(&mut self, number: Number, actions: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(&number)
            && !worker.killed
        {
            worker.state = State::Leaving;
            worker.killed = true;
            actions.push(Action::Kill(number));
        }
    }

    fn boot_failed(&mut self, number: Number, generation: Generation, now_ms: u64, actions: &mut Vec<Action>) {
        if self.incoming == Some(generation) {
            self.give_up_incoming(now_ms, actions);
        } else {
            actions.push(Action::BootFailed(number));
            self.pause(now_ms);
        }
    }

    /// Lets some time pass before the next try, more each time.
    fn pause(&mut self, now_ms: u64) {
        self.respawn_ms = now_ms + (RESPAWN_FIRST_MS << self.boot_failures.min(10)).min(RESPAWN_MAX_MS);
        self.boot_failures += 1;
    }

    fn give_up_incoming(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let Some(generation) = self.incoming.take() else { return };
        let its: Vec<(Number, State)> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.generation == generation)
            .map(|(&number, worker)| (number, worker.state))
            .collect();
        for (number, state) in its {
            match state {
                // It may be at a request, which is not to blame.
                State::Ready if self.current.is_some() => self.retire(number, actions),
                State::Starting if self.current.is_some() => self.give_up(number, now_ms, actions),
                State::Leaving => {}
                State::Ready | State::Starting => self.kill(number, actions),
            }
        }
        actions.push(Action::ReloadFailed(generation));
        // Whoever asked meanwhile may have mended it.
        let is_wanted_again = std::mem::take(&mut self.reload_wanted);
        match self.current {
            None => self.ending = true,
            Some(_) if is_wanted_again => actions.extend(self.reload(now_ms)),
            // It has to be tried again: nobody else replaces the workers that serve.
            Some(current) if !self.zygotes.contains(&current) => self.pause(now_ms),
            Some(_) => {}
        }
    }

    fn end_zygotes(&mut self, actions: &mut Vec<Action>) {
        let (current, incoming) = (self.current, self.incoming);
        let workers = &self.workers;
        self.zygotes.retain(|&generation| {
            let stays = Some(generation) == current
                || Some(generation) == incoming
                || workers.values().any(|worker| worker.generation == generation);
            if !stays {
                actions.push(Action::EndZygote(generation));
            }
            stays
        });
    }

    fn end_if_over(&self, actions: &mut Vec<Action>) {
        if self.ending && self.workers.is_empty() {
            actions.push(Action::End);
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
