//! What the front's thread, the worker's thread and signal handlers share.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::task::Waker;
use std::time::Instant;

use serde_json::{Value, json};

use super::choice::Kind;
use crate::cache::Table;
use crate::lane::FrontLane;
use crate::resp;
use crate::runtime::{clock, turn};

/// After as many polls of its tasks the front looks at the clock, which costs 25 ns.
const POLLS_PER_LOOK: u32 = 8;

/// How long a turn may be before the front looks at its lanes in the midst of it.
const TURN_MS_MAX: u64 = 1;

/// Where the server is in its life. Only ever forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    Running = 0,
    Draining = 1,
    Ended = 2,
}

/// What the server says about the engine it is part of: rooms above and beside this one know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `solo` or `fleet`.
    pub shape: &'static str,
    /// The C ABI's version.
    pub abi: u32,
    /// Which kernels run, as `kernels::active()` says.
    pub kernels: String,
    /// Fallbacks in use, a sentence each; any makes `/health` say `degraded`.
    pub degraded: Vec<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { shape: "solo", abi: 0, kernels: String::new(), degraded: Vec::new() }
    }
}

/// See [`Joint::away`].
pub(crate) struct Away(Arc<Joint>);

impl Drop for Away {
    fn drop(&mut self) {
        self.0.away.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Joint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Joint").field("stage", &self.stage()).finish_non_exhaustive()
    }
}

pub(crate) struct Joint {
    pub(crate) identity: Identity,
    /// Which server faces the clients.
    pub(crate) kind: Kind,
    /// The lanes of workers that are there. Read at each turn of the front's loop, written when a worker comes or goes.
    lanes: RwLock<Vec<FrontLane>>,
    /// How many workers there should be.
    pub(crate) workers_wanted: AtomicU32,
    /// The task that collects answers; woken by the workers.
    pub(crate) collector: Arc<OnceLock<Waker>>,
    // Read once per turn of the front's loop: a clock read costs 25 ns, and deadlines are in milliseconds.
    turn_ms: AtomicU64,
    /// Polls of tasks since a turn began, or the clock was looked at.
    polls: AtomicU32,
    stage: AtomicU8,
    /// Statements that run for clients and workers: what they wait for is Tokio's to tell.
    away: AtomicU32,
    // When a signal began the drain.
    drained_by_signal: OnceLock<Instant>,
    /// The server for Redis clients, where there is one.
    redis: OnceLock<Arc<resp::Server>>,
    /// The cache that the workers share.
    cache: OnceLock<Table>,
}

impl Joint {
    pub(crate) fn new(identity: Identity, kind: Kind, collector: Arc<OnceLock<Waker>>) -> Self {
        Self {
            identity,
            kind,
            lanes: RwLock::default(),
            workers_wanted: AtomicU32::new(1),
            collector,
            turn_ms: AtomicU64::new(clock::now_ms()),
            polls: AtomicU32::new(0),
            stage: AtomicU8::new(Stage::Running as u8),
            away: AtomicU32::new(0),
            drained_by_signal: OnceLock::new(),
            redis: OnceLock::new(),
            cache: OnceLock::new(),
        }
    }

    pub(crate) fn lanes(&self) -> RwLockReadGuard<'_, Vec<FrontLane>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_lane(&self, lane: FrontLane) {
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).push(lane);
    }

    pub(crate) fn remove_lane(&self, lane: &FrontLane) {
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).retain(|other| !other.is(lane));
    }

    /// The end of a turn: nothing is left to run. The workers are woken for all that was filled, and from now on an
    /// answer wakes the front, unless one is there already: then there is something to run after all, and this says so.
    pub(crate) fn end_turn(&self) -> bool {
        let lanes = self.lanes();
        for lane in &*lanes {
            lane.ring_worker();
            lane.front_falls_asleep();
        }
        turn::end();
        let has_work = lanes.iter().any(|lane| lane.needs_front());
        if has_work {
            self.wake_collector();
        }
        has_work
    }

    /// Notes that a statement is under way for as long as the note lives.
    pub(crate) fn away(self: &Arc<Self>) -> Away {
        self.away.fetch_add(1, Ordering::Relaxed);
        Away(Arc::clone(self))
    }

    /// Whether a statement is under way.
    #[cfg(feature = "zig-server")]
    pub(crate) fn is_anybody_away(&self) -> bool {
        self.away.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn begin_turn(&self) {
        turn::begin();
        self.polls.store(0, Ordering::Relaxed);
        self.turn_ms.store(clock::now_ms(), Ordering::Relaxed);
        let lanes = self.lanes();
        let mut work = false;
        for lane in &*lanes {
            lane.front_is_awake();
            work |= lane.needs_front();
        }
        if work {
            self.wake_collector();
        }
    }

    /// A task of the front's was polled. A turn ends when nothing is left to run, and a client that sends requests without
    /// a pause always leaves something: a turn that lasts becomes two, or the others' requests would lie in their lanes
    /// for as long as it goes on.
    pub(crate) fn polled(&self) {
        let polls = self.polls.load(Ordering::Relaxed) + 1; // this thread is the only one that writes it
        self.polls.store(polls % POLLS_PER_LOOK, Ordering::Relaxed);
        if polls == POLLS_PER_LOOK && clock::now_ms() > self.now_ms() + TURN_MS_MAX {
            for lane in &*self.lanes() {
                lane.ring_worker();
            }
            turn::end();
            self.begin_turn();
        }
    }

    /// The machine's clock when the front's loop last turned.
    pub(crate) fn now_ms(&self) -> u64 {
        self.turn_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Running,
            1 => Stage::Draining,
            _ => Stage::Ended,
        }
    }

    pub(crate) fn advance(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
    }

    pub(crate) fn drain_begins(&self, by_signal: bool) {
        if by_signal {
            self.drained_by_signal.get_or_init(Instant::now);
        }
        self.advance(Stage::Draining);
    }

    /// When a signal began the drain; `None` when nothing did yet, or PHP did.
    pub(crate) fn drained_by_signal(&self) -> Option<Instant> {
        self.drained_by_signal.get().copied()
    }

    pub(crate) fn wake_collector(&self) {
        if let Some(waker) = self.collector.get() {
            waker.wake_by_ref();
        }
    }

    /// From here on the server for Redis clients is shown.
    pub(crate) fn show_redis(&self, server: Arc<resp::Server>) {
        let _ = self.redis.set(server); // one belongs to one front
    }

    /// What is known of the server for Redis clients.
    pub(crate) fn redis(&self) -> Option<Value> {
        self.redis.get().filter(|server| server.is_running()).map(|server| {
            json!({
                "listen": server.address().to_string(),
                "threads": server.threads(),
                "clients": server.clients(),
                "thread_restarts": server.restarts(),
            })
        })
    }

    /// From here on the cache is shown.
    pub(crate) fn show_cache(&self, table: Table) {
        let _ = self.cache.set(table); // one belongs to one front
    }

    /// What is in the cache, and how full it is.
    pub(crate) fn cache(&self) -> Option<Value> {
        Some(self.cache.get()?.stats().to_json())
    }

    /// The status and body of `GET /health`.
    pub(crate) fn health(&self) -> (u16, Value) {
        let (mut ready, mut busy, mut alone) = (0_u32, 0_u32, 0_u32);
        for lane in self.lanes().iter().filter(|lane| lane.has_worker() && !lane.is_closed()) {
            alone += u32::from(lane.has_own_cache());
            *(if lane.claimed() > 0 { &mut busy } else { &mut ready }) += 1;
        }
        let alive = ready + busy > 0;
        let mut degraded = self.identity.degraded.clone();
        if !alive {
            degraded.push("no worker has asked for a request yet".to_owned());
        }
        if alone > 0 {
            degraded.push(format!("{alone} workers have a cache of their own, which the others don't see"));
        }
        let draining = self.stage() != Stage::Running;
        let status = match (draining, degraded.is_empty()) {
            (true, _) => "draining",
            (false, false) => "degraded",
            (false, true) => "ok",
        };
        let mut body = json!({
            "status": status,
            "version": env!("CARGO_PKG_VERSION"),
            "abi": self.identity.abi,
            "shape": self.identity.shape,
            "front": self.kind.name(),
            "kernels": self.identity.kernels,
            "workers": { "ready": ready, "busy": busy, "total": self.workers_wanted.load(Ordering::Relaxed) },
            "degraded": degraded,
        });
        if let Some(redis) = self.redis() {
            body["resp"] = redis;
        }
        if let Some(cache) = self.cache() {
            body["cache"] = cache;
        }
        (if draining || !alive { 503 } else { 200 }, body)
    }
}
