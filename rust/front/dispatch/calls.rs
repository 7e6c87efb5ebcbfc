//! Every request that the dispatch knows of, and the queue of those that no worker has.

use std::collections::VecDeque;
use std::rc::Rc;

use super::super::exchange::Request;
use super::super::station::WorkerNumber;
use super::Sink;
use crate::lane::{DEPTH, Id};

/// A submitted request, for cancelling it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(super) call: u32,
    generation: u32,
}

/// Where a call's request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere,
    Queue,
    Lane(WorkerNumber, Id),
}

pub(super) struct Call {
    generation: u32,
    pub(super) place: Place,
    pub(super) since_ms: u64,
    pub(super) request: Option<Rc<Request>>,
    sink: Option<Rc<dyn Sink>>,
    /// A worker died while it was at it.
    pub(super) retried: bool,
}

impl Call {
    /// The lane's name of it, when it is in one.
    pub(super) fn id_in_lane(&self) -> Option<Id> {
        match self.place {
            Place::Lane(_, id) => Some(id),
            Place::Queue | Place::Nowhere => None,
        }
    }
}

#[derive(Default)]
pub(super) struct Calls {
    entries: Vec<Call>,
    free: Vec<u32>,
    // Calls that have left it stay as stale tickets until they reach the end or `forget_queued` removes them.
    queue: VecDeque<Ticket>,
    queued: usize,
}

impl Calls {
    /// A new call, in no place yet.
    pub(super) fn open(&mut self, request: Request, sink: Rc<dyn Sink>, since_ms: u64) -> Ticket {
        let (request, sink) = (Some(Rc::new(request)), Some(sink));
        let Some(call) = self.free.pop() else {
            let call = self.entries.len() as u32;
            let place = Place::Nowhere;
            self.entries.push(Call { generation: 0, place, since_ms, request, sink, retried: false });
            return Ticket { call, generation: 0 };
        };
        let entry = &mut self.entries[call as usize];
        *entry = Call { generation: entry.generation, place: Place::Nowhere, since_ms, request, sink, retried: false };
        Ticket { call, generation: entry.generation }
    }

    /// Frees the call's entry; its tickets are stale from here on. `None` when it has ended before.
    pub(super) fn end(&mut self, call: u32) -> Option<Rc<dyn Sink>> {
        let entry = &mut self.entries[call as usize];
        let sink = entry.sink.take()?;
        entry.request = None;
        entry.generation = entry.generation.wrapping_add(1);
        entry.place = Place::Nowhere;
        self.free.push(call);
        Some(sink)
    }

    /// The call with this number; `None` for what is no call's number.
    pub(super) fn get(&self, call: u32) -> Option<&Call> {
        self.entries.get(call as usize)
    }

    pub(super) fn get_mut(&mut self, call: u32) -> Option<&mut Call> {
        self.entries.get_mut(call as usize)
    }

    /// The ticket's call, unless it has ended.
    pub(super) fn find(&self, ticket: Ticket) -> Option<&Call> {
        self.get(ticket.call).filter(|call| call.generation == ticket.generation)
    }

    /// The calls that have not ended.
    pub(super) fn all(&self) -> Vec<Ticket> {
        let open = self.entries.iter().enumerate().filter(|(_, entry)| entry.sink.is_some());
        open.map(|(call, entry)| Ticket { call: call as u32, generation: entry.generation }).collect()
    }

    /// How many wait in the queue.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// Puts a call at the end of the queue.
    pub(super) fn queue_last(&mut self, ticket: Ticket) {
        self.entries[ticket.call as usize].place = Place::Queue;
        self.queue.push_back(ticket);
        self.queued += 1;
    }

    /// Puts a call that has waited before at the front of the queue.
    pub(super) fn queue_first(&mut self, call: u32) {
        let entry = &mut self.entries[call as usize];
        entry.place = Place::Queue;
        self.queue.push_front(Ticket { call, generation: entry.generation });
        self.queued += 1;
    }

    /// Puts calls, each with the time of its coming, at the front of the queue, the oldest first.
    pub(super) fn queue_first_in_order(&mut self, mut calls: Vec<(u64, u32)>) {
        calls.sort_by_key(|&(since_ms, _)| std::cmp::Reverse(since_ms));
        for (_, call) in calls {
            self.queue_first(call);
        }
    }

    /// The call that has waited longest in the queue. It stays there.
    pub(super) fn first_queued(&mut self) -> Option<u32> {
        while let Some(&ticket) = self.queue.front() {
            if self.is_queued(ticket) {
                return Some(ticket.call);
            }
            self.queue.pop_front();
        }
        None
    }

    /// The call of [`Self::first_queued`] has left the queue: it is in a lane now, or about to end.
    pub(super) fn unqueue_first(&mut self) {
        self.queue.pop_front();
        self.queued -= 1;
    }

    /// A call leaves the queue from wherever it stands.
    pub(super) fn forget_queued(&mut self, ticket: Ticket) {
        self.entries[ticket.call as usize].place = Place::Nowhere;
        self.queued -= 1;
        if self.queue.len() > 2 * self.queued + DEPTH {
            let queue = std::mem::take(&mut self.queue);
            self.queue = queue.into_iter().filter(|&other| self.is_queued(other)).collect();
        }
    }

    fn is_queued(&self, ticket: Ticket) -> bool {
        self.find(ticket).is_some_and(|call| call.place == Place::Queue)
    }

    /// How many entries there are and how long the queue is, with all that is stale.
    #[cfg(test)]
    pub(super) fn room(&self) -> (usize, usize) {
        (self.entries.len(), self.queue.len())
    }
}
