//! Answers on their way to Zig.

use std::future::{Future, poll_fn};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use super::super::dispatch::Outcome;
use super::super::exchange::{Answer, Response};
use super::super::query::Slices;
use super::super::reply::{self, Content, Draft, Next};
use super::super::thread::Front;
use super::Uring;
use super::client::{Client, Part};
use super::lines::{self, Ending};
use crate::ring::Taken;

/// A longer head isn't copied.
const HEAD_COPIED_BYTES_MAX: usize = 32_768;

/// Behind the data of a chunk.
const CHUNK_END: &[u8] = b"\r\n";
/// Behind the last one.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Uring {
    /// Goes on with a request that has its outcome.
    pub(super) fn resume(self: &Rc<Self>, client: &Rc<Client>, outcome: Outcome) {
        let Some(front) = self.front.upgrade() else { return };
        let outcome = match outcome {
            Outcome::Answered { request, answer: Answer::Respond(response), id, tab } => {
                match self.respond(client, &front, response) {
                    None => return client.is_answered(request),
                    Some(response) => Outcome::Answered { request, answer: Answer::Respond(response), id, tab },
                }
            }
            other => other,
        };
        let (next, answered) = reply::to_outcome(&front, outcome);
        if let Some(request) = answered {
            client.is_answered(request);
        }
        match next {
            Next::Draft(draft) => self.send(client, draft),
            Next::Work(work) => self.work(client, &front, work),
        }
    }

    /// Sends an ordinary response; others come back.
    fn respond(self: &Rc<Self>, client: &Rc<Client>, front: &Front, response: Response) -> Option<Response> {
        if front.is_draining() {
            return Some(response);
        }
        let asked = client.asked.get();
        // In its place is an empty one while the ring may have the next request of this connection answered.
        let mut head = self.scratch.take();
        head.clear();
        let Some(keep_alive) = lines::write_response(&mut head, &response, asked) else {
            self.scratch.replace(head);
            return Some(response);
        };
        let is_sent = !asked.is_head && !reply::is_bodyless(response.status);
        let body = if is_sent { response.body } else { Bytes::new() };
        match self.ring() {
            Some(ring) if head.len() <= HEAD_COPIED_BYTES_MAX => {
                if let Taken::Later(body) = ring.answer(client.connection, &head, body, true, keep_alive) {
                    // Not by `pass_on`: who is told "later" isn't asked again before `writable`.
                    let head = std::mem::take(&mut head);
                    client.later.replace(Some(Part { head, body, is_last: true, keep_alive }));
                }
            }
            _ => {
                let head = std::mem::take(&mut head);
                self.pass_on(client, Part { head, body, is_last: true, keep_alive });
            }
        }
        self.scratch.replace(head);
        None
    }

    /// Has an answer made, and sends it.
    pub(super) fn work(
        self: &Rc<Self>,
        client: &Rc<Client>,
        front: &Front,
        work: impl Future<Output = Draft> + 'static,
    ) {
        let (uring, of_task) = (Rc::clone(self), Rc::clone(client));
        let task = front.attend(async move {
            let draft = work.await;
            uring.send(&of_task, draft);
        });
        client.work.replace(Some(task.abort_handle()));
    }

    /// Sends an answer.
    pub(super) fn send(self: &Rc<Self>, client: &Rc<Client>, draft: Draft) {
        let Some(front) = self.front.upgrade() else { return };
        let asked = client.asked.get();
        let (parts, content) = reply::leaving(draft, &front).into_parts();
        let mut head = Vec::with_capacity(256);
        let (ending, keep_alive) = lines::write(&mut head, parts.status, &parts.headers, &content, asked);
        let body = match (content, ending) {
            (Content::Whole(body), Ending::Whole) => body,
            (Content::Rows(slices), Ending::Chunked | Ending::Connection) => {
                return self.stream(client, &front, *slices, head, ending, keep_alive);
            }
            _ => Bytes::new(),
        };
        self.pass_on(client, Part { head, body, is_last: true, keep_alive });
    }

    /// Sends rows as they are made, each slice when the one before has left.
    fn stream(
        self: &Rc<Self>,
        client: &Rc<Client>,
        front: &Front,
        mut slices: Slices,
        mut head: Vec<u8>,
        ending: Ending,
        keep_alive: bool,
    ) {
        client.is_streaming.set(true);
        let (weak, of_task) = (Rc::downgrade(self), Rc::clone(client));
        let task = front.attend(async move {
            let client = of_task;
            loop {
                let next = poll_fn(|context| slices.poll_next(context)).await;
                let Some(uring) = weak.upgrade() else { return };
                let (body, is_last) = match next {
                    None => (Bytes::new(), true),
                    Some(Ok(slice)) => (slice, slices.is_done()),
                    Some(Err(failure)) => {
                        slices.say_cut(&failure);
                        return uring.cut_off(&client);
                    }
                };
                let body = if ending == Ending::Chunked { chunk(&mut head, body, is_last) } else { body };
                if body.is_empty() && !is_last {
                    continue;
                }
                uring.pass_on(&client, Part { head: std::mem::take(&mut head), body, is_last, keep_alive });
                drop(uring);
                if is_last || !client.writable().await {
                    return;
                }
            }
        });
        client.work.replace(Some(task.abort_handle()));
    }

    /// The answer's body ends before its end. Behind chunks the client sees that; where only the connection's end is the body's,
    /// as in HTTP/1.0, a reset tells it (RFC 9112, 8).
    fn cut_off(&self, client: &Client) {
        let Some(ring) = self.ring() else { return };
        if !client.asked.get().is_http_11 {
            ring.reset(client.connection);
        } else {
            ring.close(client.connection);
        }
    }

    /// Gives a part to Zig, now or when that can take it.
    pub(super) fn pass_on(&self, client: &Client, mut part: Part) {
        let Some(ring) = self.ring() else { return };
        if part.head.len() > HEAD_COPIED_BYTES_MAX {
            part.head.extend_from_slice(&part.body);
            part.body = std::mem::take(&mut part.head).into();
        }
        if let Taken::Later(body) = ring.answer(client.connection, &part.head, part.body, part.is_last, part.keep_alive)
        {
            client.later.replace(Some(Part { body, ..part }));
        }
    }
}

/// Frames a piece of a body: what comes before it goes behind the head, what comes behind it behind its bytes.
fn chunk(head: &mut Vec<u8>, data: Bytes, is_last: bool) -> Bytes {
    if data.is_empty() {
        if is_last {
            head.extend_from_slice(LAST_CHUNK);
        }
        return data;
    }
    // As hyper writes it, in capital digits.
    head.extend_from_slice(format!("{:X}\r\n", data.len()).as_bytes());
    // Mostly nobody else has them, and there is room behind them.
    let mut data = data.try_into_mut().unwrap_or_else(|data| BytesMut::from(&*data));
    data.extend_from_slice(CHUNK_END);
    if is_last {
        data.extend_from_slice(LAST_CHUNK);
    }
    data.freeze()
}
