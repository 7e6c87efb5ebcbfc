//! What `rawr status` and `rawr reload` ask of the master.

use serde_json::{Value, json};

use super::super::control::{ClientNumber, Order};
use super::*;

/// How long the front may take to say what it knows; without its word the master says what it knows itself.
const FRONT_WORD_MS_MAX: u64 = 2_000;

/// Who waits for what.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// For the front's word, and since when.
    statuses: Vec<(ClientNumber, u64)>,
    /// The front has been asked and hasn't answered.
    front_asked: bool,
    /// For this generation or a later one.
    reloads: Vec<(ClientNumber, Generation)>,
}

impl Master {
    pub(super) fn heed_orders(&mut self) -> io::Result<()> {
        let now_ms = clock::now_ms();
        let orders = self.control.as_mut().map(|control| control.turn(now_ms)).unwrap_or_default();
        for (client, order) in orders {
            match order {
                Order::Status => self.waiting.statuses.push((client, now_ms)),
                Order::Reload if self.draining_until_ms.is_some() => {
                    self.answer(client, &json!({ "error": "the server ends: nothing is reloaded any more" }));
                }
                Order::Reload => {
                    self.waiting.reloads.push((client, self.plan.next_generation()));
                    let actions = self.plan.reload(now_ms);
                    self.act(actions)?;
                }
            }
        }
        if !self.waiting.statuses.is_empty() {
            let is_late = self.waiting.statuses.iter().any(|&(_, since_ms)| since_ms + FRONT_WORD_MS_MAX <= now_ms);
            if self.front.is_none() || is_late {
                self.tell_status(&Value::Null);
            } else if !self.waiting.front_asked {
                self.waiting.front_asked = true;
                self.tell_front(&ToFront::TellStatus, None);
            }
        }
        Ok(())
    }

    /// A front that is new has been asked nothing.
    pub(super) fn front_is_new(&mut self) {
        self.waiting.front_asked = false;
    }

    pub(super) fn front_has_answered(&mut self, word: &Value) {
        self.waiting.front_asked = false;
        self.tell_status(word);
    }

    fn tell_status(&mut self, word: &Value) {
        let status = self.status(word);
        for (client, _) in std::mem::take(&mut self.waiting.statuses) {
            self.answer(client, &status);
        }
    }

    /// A generation serves, or has failed for this reason.
    pub(super) fn tell_reloads(&mut self, generation: Generation, failure: Option<&str>) {
        let answer = match failure {
            None => json!({ "generation": generation }),
            Some(reason) => json!({ "error": reason }),
        };
        let reloads = std::mem::take(&mut self.waiting.reloads);
        let (done, waiting) = reloads.into_iter().partition(|&(_, wanted)| wanted <= generation);
        self.waiting.reloads = waiting;
        let done: Vec<(ClientNumber, Generation)> = done;
        for (client, _) in done {
            self.answer(client, &answer);
        }
    }

    fn answer(&mut self, client: ClientNumber, answer: &Value) {
        if let Some(control) = &mut self.control {
            control.answer(client, answer, clock::now_ms());
        }
    }

    /// What the front knows, with what it can't know.
    fn status(&self, word: &Value) -> Value {
        let now_ms = clock::now_ms();
        let seconds = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1_000;
        let reports = word["workers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let workers = self.workers.iter().map(|(&number, worker)| {
            let report = reports.iter().find(|report| report["worker"] == number).unwrap_or(&Value::Null);
            json!({
                "worker": number,
                "pid": worker.pid.map(Pid::as_raw_nonzero),
                "generation": worker.generation,
                "state": report["state"].as_str().unwrap_or("unknown"),
                "running": report["running"],
                "requests": report["requests"],
                "memory_bytes": report["memory_bytes"],
                "age_seconds": seconds(worker.since_ms),
                "request_age_ms": report["request_age_ms"],
            })
        });
        json!({
            "app": self.spec.app,
            "host": self.spec.host,
            "port": self.port,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": getpid().as_raw_nonzero(),
            "state": if self.draining_until_ms.is_some() { "draining" } else { "serving" },
            "generation": self.plan.generation(),
            "loading": self.plan.incoming(),
            "uptime_seconds": seconds(self.since_ms),
            "front": self.front.as_ref().map(|front| json!({
                "pid": front.pid.as_raw_nonzero(),
                "age_seconds": seconds(front.since_ms),
            })),
            "waiting": word["waiting"],
            "connections": word["connections"],
            "databases": word["databases"],
            "resp": word["resp"],
            "cache": word["cache"],
            "workers": workers.collect::<Vec<_>>(),
        })
    }
}
