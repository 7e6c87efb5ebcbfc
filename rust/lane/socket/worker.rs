//! The worker's end of a lane of sockets: it asks for requests and answers them.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};

use super::frame::{Frame, Kind, Read, Reader, send_some};
use super::{CLOSE, GONE, TAKING};
use crate::lane::call::{Calls, NoReply};
use crate::lane::doorbell::Woken;
use crate::lane::ends::Worker;
use crate::lane::lane::Vigil;
use crate::lane::layout::DEPTH;
use crate::lane::slot::Id;
use crate::lane::worker_end::{PATIENCE, Stale};

/// The generation before the first that ids have.
const GENERATION: u32 = 1 << 20;

/// What has come through the meeting point.
#[derive(Debug, Default)]
struct News {
    /// The stream to the front of these requests.
    stream: Option<Arc<OwnedFd>>,
    /// The stream to the next one.
    next: Option<OwnedFd>,
    closed: bool,
    gone: bool,
    /// A request has come that nobody has claimed.
    has_request: bool,
}

/// What the worker's threads know of a lane.
pub(crate) struct WorkerLane {
    meeting_point: OwnedFd,
    wake_front: Box<dyn Fn() + Send + Sync>,
    news: Mutex<News>,
}

impl std::fmt::Debug for WorkerLane {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WorkerLane").finish_non_exhaustive()
    }
}

fn timespec(timeout: Duration) -> Timespec {
    Timespec { tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: timeout.subsec_nanos().into() }
}

impl WorkerLane {
    /// What is known now.
    fn news(&self) -> MutexGuard<'_, News> {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut word = [0];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            match recvmsg(&self.meeting_point, &mut [IoSliceMut::new(&mut word)], &mut ancillary, flags) {
                Ok(received) if received.bytes > 0 => {}
                Err(Errno::AGAIN | Errno::INTR) => return news,
                _ => {
                    // Neither a front nor a master is left to send another.
                    (news.closed, news.gone) = (true, true);
                    return news;
                }
            }
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    news.next = descriptors.last();
                    (news.closed, news.gone) = (false, false);
                }
            }
            news.closed |= word == [CLOSE] || word == [GONE];
            news.gone |= word == [GONE];
        }
    }

    /// Sleeps until something has come or, if `for_room`, can be sent.
    fn sleep(&self, stream: Option<&OwnedFd>, for_room: bool, timeout: Duration) -> Woken {
        let mut wanted = vec![PollFd::new(&self.meeting_point, PollFlags::IN)];
        if let Some(stream) = stream {
            wanted.push(PollFd::new(stream, if for_room { PollFlags::OUT } else { PollFlags::IN }));
        }
        match poll(&mut wanted, Some(&timespec(timeout))) {
            Ok(0) => Woken::TimedOut,
            Err(Errno::INTR) => Woken::Interrupted,
            _ => Woken::Rung,
        }
    }

    pub(crate) fn wait(&self, timeout: Duration) -> Woken {
        let news = self.news();
        if news.has_request || news.next.is_some() || is_over(&news) {
            return Woken::Rung;
        }
        let stream = news.stream.clone();
        drop(news);
        self.sleep(stream.as_deref(), false, timeout)
    }

    pub(crate) fn wait_for_reply(&self, timeout: Duration) -> Woken {
        let news = self.news();
        if news.next.is_some() || news.gone {
            return Woken::Rung;
        }
        let stream = news.stream.clone();
        drop(news);
        self.sleep(stream.as_deref(), false, timeout)
    }

    pub(crate) fn is_over(&self) -> bool {
        is_over(&self.news())
    }
}

fn is_over(news: &News) -> bool {
    let has_bytes = |stream: &Arc<OwnedFd>| {
        let mut wanted = [PollFd::new(stream, PollFlags::IN)];
        poll(&mut wanted, Some(&Timespec::default())).is_ok()
            && wanted[0].revents().contains(PollFlags::IN)
            && !wanted[0].revents().contains(PollFlags::HUP)
    };
    // What the front sent before it closed is here, because what is sent on this machine arrives at once.
    news.closed && !news.has_request && (news.gone || !news.stream.as_ref().is_some_and(has_bytes))
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct WorkerEnd {
    lane: Arc<WorkerLane>,
    stream: Option<Arc<OwnedFd>>,
    reader: Reader,
    asked: bool,
    /// It has come for requests, of this front or an earlier one.
    taking: bool,
    /// A request that has come.
    request: Option<(Id, Vec<u8>)>,
    claims: Vec<Option<(Id, Vec<u8>)>>,
    generation: u32,
    running: u64,
    calls: Calls,
    answered: u64,
    memory_bytes: u64,
    leaving: bool,
    own_cache: bool,
}

impl WorkerEnd {
    pub(crate) fn attach(meeting_point: OwnedFd, wake_front: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let lane = WorkerLane { meeting_point, wake_front: Box::new(wake_front), news: Mutex::default() };
        Ok(Self {
            lane: Arc::new(lane),
            stream: None,
            reader: Reader::default(),
            asked: false,
            taking: false,
            request: None,
            claims: (0..DEPTH).map(|_| None).collect(),
            generation: GENERATION,
            running: 0,
            calls: Calls::default(),
            answered: 0,
            memory_bytes: 0,
            leaving: false,
            own_cache: false,
        })
    }

    pub(crate) fn lane(&self) -> &Arc<WorkerLane> {
        &self.lane
    }

    /// Says hello to a front that hasn't heard it yet; whether there is one.
    fn meet(&mut self) -> bool {
        let mut news = self.lane.news();
        if let Some(next) = news.next.take() {
            let stream = Arc::new(next);
            news.stream = Some(Arc::clone(&stream));
            news.has_request = false;
            drop(news);
            self.stream = Some(stream);
            (self.reader, self.asked, self.request, self.running) = (Reader::default(), false, None, 0);
            self.claims.fill_with(|| None);
            self.calls.lose();
            self.send(Frame::new(Kind::Hello, self.generation.into(), self.answered), &[]);
            self.send(Frame::new(Kind::Memory, 0, self.memory_bytes), &[]);
            if self.leaving {
                self.send(Frame::new(Kind::Leaving, 0, 0), &[]);
            }
            if self.own_cache {
                self.send(Frame::new(Kind::OwnCache, 0, 0), &[]);
            }
        }
        self.stream.is_some()
    }

    fn has_other_front(&self) -> bool {
        self.lane.news().next.is_some()
    }

    fn has_lost_front(&self) -> bool {
        let news = self.lane.news();
        news.next.is_some() || news.gone || self.stream.is_none()
    }

    /// The stream has ended: its front has died. The next one comes through the meeting point.
    fn lose_stream(&mut self) {
        self.stream = None;
        self.request = None;
        self.calls.lose();
        let mut news = self.lane.news();
        news.stream = None;
        news.has_request = false;
    }

    /// Sends a frame and its bytes, waiting for room, and wakes the front; `false` when the front died meanwhile.
    fn send(&mut self, frame: Frame, parts: &[&[u8]]) -> bool {
        let header = frame.to_bytes();
        let len: usize = parts.iter().map(|part| part.len()).sum();
        // What is short goes in one piece: a system call costs more than copying some kilobytes.
        let sent = if len <= 16 * 1024 {
            let whole = std::iter::once(&header[..]).chain(parts.iter().copied()).collect::<Vec<_>>().concat();
            self.send_bytes(&whole)
        } else {
            self.send_bytes(&header) && parts.iter().all(|part| self.send_bytes(part))
        };
        (self.lane.wake_front)();
        sent
    }

    fn send_bytes(&mut self, mut rest: &[u8]) -> bool {
        while !rest.is_empty() {
            let Some(stream) = self.stream.clone() else { return false };
            match send_some(stream.as_fd(), rest) {
                Some(0) => {
                    (self.lane.wake_front)();
                    if self.has_lost_front() {
                        return false;
                    }
                    self.lane.sleep(Some(&stream), true, PATIENCE);
                }
                Some(sent) => rest = &rest[sent..],
                None => {
                    self.lose_stream();
                    return false;
                }
            }
        }
        true
    }

    /// The next frame with its bytes. A request that has begun to come is awaited, anything else only if `wait`; `None` when
    /// there is none, or the front has died.
    fn receive(&mut self, wait: bool) -> Option<(Frame, Vec<u8>)> {
        loop {
            let stream = self.stream.clone()?;
            match self.reader.read(stream.as_fd()) {
                Read::Whole(frame, bytes) => {
                    (self.lane.wake_front)(); // it may wait for room
                    return Some((frame, bytes));
                }
                Read::Frame(_) | Read::Some => {}
                Read::Nothing if wait || (self.reader.is_amid() && !self.reader.is_amid_reply()) => {
                    (self.lane.wake_front)();
                    if self.has_lost_front() {
                        return None;
                    }
                    self.lane.sleep(Some(&stream), false, PATIENCE);
                }
                Read::Nothing => return None,
                Read::Ended => {
                    self.lose_stream();
                    return None;
                }
            }
        }
    }

    /// Takes a frame of the front's.
    fn take(&mut self, frame: Frame, bytes: Vec<u8>) {
        match frame.kind {
            Kind::Request if self.request.is_none() => self.keep_request(frame, bytes),
            Kind::Reply => self.calls.came(frame.id, bytes),
            _ => self.lose_stream(), // a front that has lost its mind
        }
    }

    fn keep_request(&mut self, frame: Frame, bytes: Vec<u8>) {
        self.request = Id::from_number(frame.id).filter(|id| id.index() < DEPTH).map(|id| (id, bytes));
        self.asked = false;
        self.lane.news().has_request = self.request.is_some();
    }

    /// Says whose code runs, where the front doesn't know it.
    fn run(&mut self, running: u64) {
        if std::mem::replace(&mut self.running, running) != running {
            self.send(Frame::new(Kind::Running, running, 0), &[]);
        }
    }

    fn reach_front(&mut self, front_wait: Duration) -> Result<(), NoReply> {
        let until = Instant::now() + front_wait;
        loop {
            let is_at_work = self.claims.iter().any(Option::is_some);
            if self.lane.news().gone || (is_at_work && self.has_lost_front()) {
                return Err(NoReply::NotSent);
            }
            if self.meet() {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(NoReply::NotSent);
            }
            self.lane.sleep(None, false, PATIENCE.min(front_wait));
        }
    }
}

impl Worker for WorkerEnd {
    fn claim(&mut self, now_ms: u64) -> Option<Id> {
        if !self.meet() {
            return None;
        }
        if !std::mem::replace(&mut self.taking, true) {
            let _ = send(&self.lane.meeting_point, &[TAKING], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
        if self.request.is_none() && !std::mem::replace(&mut self.asked, true) {
            self.running = 0; // as the front sees by this
            self.send(Frame::new(Kind::Ask, 0, 0), &[]);
        } else {
            self.run(0);
        }
        while self.request.is_none() {
            let (frame, bytes) = self.receive(false)?;
            self.take(frame, bytes);
        }
        let (id, bytes) = self.request.take()?;
        self.lane.news().has_request = false;
        self.claims[id.index()] = Some((id, bytes));
        self.generation = self.generation.max(id.generation());
        self.running = id.number(); // as the front sees by the claim
        self.send(Frame::new(Kind::Claimed, id.number(), now_ms), &[]);
        Some(id)
    }

    fn vigil(&mut self) -> Vigil {
        self.meet();
        Vigil { epoch: 0, ready: self.stream.is_some() }
    }

    fn request(&self, id: Id) -> Option<&[u8]> {
        let (of, bytes) = self.claims.get(id.index())?.as_ref()?;
        (*of == id).then_some(&bytes[..])
    }

    fn enter(&mut self, id: Id) -> Result<(), Stale> {
        let is_claimed = self.request(id).is_some();
        self.run(if is_claimed { id.number() } else { 0 });
        if is_claimed { Ok(()) } else { Err(Stale) }
    }

    fn ask_for_once(&mut self, id: Id) -> Result<(), Stale> {
        self.request(id).ok_or(Stale)?;
        self.send(Frame::new(Kind::Once, id.number(), 0), &[]);
        Ok(())
    }

    fn answer(&mut self, id: Id, parts: &[&[u8]]) -> Result<(), Stale> {
        if self.request(id).is_none() || self.has_other_front() {
            return Err(Stale);
        }
        self.claims[id.index()] = None;
        self.answered += 1;
        let len = parts.iter().map(|part| part.len() as u64).sum();
        self.send(Frame::new(Kind::Answer, id.number(), len), parts);
        Ok(())
    }

    fn send_call(&mut self, parts: &[&[u8]], front_wait: Duration, max: usize) -> Result<u64, NoReply> {
        self.reach_front(front_wait)?;
        let id = self.calls.begin(max)?;
        let len = parts.iter().map(|part| part.len() as u64).sum();
        if !self.send(Frame::new(Kind::Call, id, len), parts) {
            self.calls.undo(id);
            self.calls.forget(id);
            return Err(NoReply::Lost);
        }
        Ok(id)
    }

    fn await_reply(&mut self, call: u64) -> Result<Vec<u8>, NoReply> {
        loop {
            if let Some(reply) = self.calls.take(call) {
                return reply;
            }
            match self.receive(true) {
                Some((frame, bytes)) => self.take(frame, bytes),
                None => self.calls.lose(),
            }
        }
    }

    fn hear(&mut self) -> bool {
        if self.calls.is_waiting() {
            while let Some((frame, bytes)) = self.receive(false) {
                self.take(frame, bytes);
            }
            if self.has_lost_front() {
                self.calls.lose();
            }
        }
        self.calls.has_news()
    }

    fn news(&mut self) -> Vec<u64> {
        self.calls.news()
    }

    fn take_reply(&mut self, call: u64) -> Option<Result<Vec<u8>, NoReply>> {
        self.calls.take(call)
    }

    fn forget_call(&mut self, call: u64) {
        self.calls.forget(call);
    }

    fn ask_for_replacement(&mut self) {
        if !std::mem::replace(&mut self.leaving, true) && self.stream.is_some() {
            self.send(Frame::new(Kind::Leaving, 0, 0), &[]);
        }
    }

    fn report_own_cache(&mut self) {
        if !std::mem::replace(&mut self.own_cache, true) && self.stream.is_some() {
            self.send(Frame::new(Kind::OwnCache, 0, 0), &[]);
        }
    }

    fn report_memory(&mut self, bytes: u64) {
        if std::mem::replace(&mut self.memory_bytes, bytes) != bytes && self.stream.is_some() {
            self.send(Frame::new(Kind::Memory, 0, bytes), &[]);
        }
    }
}

#[cfg(test)]
impl WorkerEnd {
    /// The stream, to write by hand.
    pub(super) fn take_stream(&mut self) -> OwnedFd {
        self.stream.as_ref().map(|stream| stream.try_clone().unwrap()).unwrap()
    }
}
