//! What the front's thread, the worker's thread and signal handlers share.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Instant;

use serde_json::{Value, json};

use super::dispatch::RequestLane;

/// Where the server is in its life. Only ever forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    Running = 0,
    Draining = 1,
    Ended = 2,
}

/// What the server says about the engine it is part of: rooms above and beside this one know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The C ABI's version.
    pub abi: u32,
    /// Which kernels run, as `kernels::active()` says.
    pub kernels: String,
    /// Fallbacks in use, a sentence each; any makes `/health` say `degraded`.
    pub degraded: Vec<String>,
}

impl std::fmt::Debug for Joint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Joint").field("stage", &self.stage()).finish_non_exhaustive()
    }
}

pub(crate) struct Joint {
    pub(crate) identity: Identity,
    pub(crate) lane: Arc<RequestLane>,
    /// The task that collects answers; woken by the worker.
    pub(crate) collector: Arc<OnceLock<Waker>>,
    started: Instant,
    // Read once per turn of the front's loop: a clock read costs 25 ns, and deadlines are in milliseconds.
    turn_ms: AtomicU64,
    stage: AtomicU8,
    worker_seen: AtomicBool,
    // When a signal began the drain.
    drained_by_signal: OnceLock<Instant>,
}

impl Joint {
    pub(crate) fn new(identity: Identity, lane: Arc<RequestLane>, collector: Arc<OnceLock<Waker>>) -> Self {
        Self {
            identity,
            lane,
            collector,
            started: Instant::now(),
            turn_ms: AtomicU64::new(0),
            stage: AtomicU8::new(Stage::Running as u8),
            worker_seen: AtomicBool::new(false),
            drained_by_signal: OnceLock::new(),
        }
    }

    /// Milliseconds since the server started, right now.
    pub(crate) fn clock_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Milliseconds since the server started, when the front's loop last turned.
    pub(crate) fn now_ms(&self) -> u64 {
        self.turn_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_turn(&self) {
        self.turn_ms.store(self.clock_ms(), Ordering::Relaxed);
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

    /// The worker has asked for a request: from now on it counts as alive.
    pub(crate) fn worker_is_here(&self) {
        if !self.worker_seen.load(Ordering::Relaxed) {
            self.worker_seen.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn wake_collector(&self) {
        if let Some(waker) = self.collector.get() {
            waker.wake_by_ref();
        }
    }

    /// The status and body of `GET /health`.
    pub(crate) fn health(&self) -> (u16, Value) {
        let alive = self.worker_seen.load(Ordering::Relaxed);
        let busy = alive && self.lane.claimed() > 0;
        let mut degraded = self.identity.degraded.clone();
        if !alive {
            degraded.push("no worker has asked for a request yet".to_owned());
        }
        let draining = self.stage() != Stage::Running;
        let status = match (draining, degraded.is_empty()) {
            (true, _) => "draining",
            (false, false) => "degraded",
            (false, true) => "ok",
        };
        let body = json!({
            "status": status,
            "version": env!("CARGO_PKG_VERSION"),
            "abi": self.identity.abi,
            "shape": "solo",
            "front": "axum",
            "kernels": self.identity.kernels,
            "workers": { "ready": u8::from(alive && !busy), "busy": u8::from(busy), "total": 1 },
            "degraded": degraded,
        });
        (if draining || !alive { 503 } else { 200 }, body)
    }
}
