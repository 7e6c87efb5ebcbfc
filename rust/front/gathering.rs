//! A request's body, put together of what comes.

use bytes::{Bytes, BytesMut};

/// The first allocation for a body of announced length: a client that announces much and sends little gets no more.
const PREALLOCATED_BYTES_MAX: u64 = 65_536;

/// A body whose first bytes are so many comes at a pace at which it is worth making room for the rest.
const QUICK_BYTES_MIN: usize = 1024;

/// A body that is not whole yet. One that comes in one piece is never copied here.
#[derive(Default)]
pub(super) struct Gathering {
    first: Bytes,
    rest: BytesMut,
    /// The least that it will have.
    announced: u64,
}

impl Gathering {
    pub(super) fn new(announced: u64) -> Self {
        Self { announced, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// Adds what came; `own` makes it the first piece.
    pub(super) fn add(&mut self, data: &[u8], own: impl FnOnce() -> Bytes) {
        if self.len() == 0 {
            self.first = own();
            return;
        }
        if !self.first.is_empty() {
            // Who sends little at a time may send for long: room is made for what has come, not for what was announced.
            let is_quick = self.first.len() >= QUICK_BYTES_MIN;
            let room = if is_quick { self.announced.min(PREALLOCATED_BYTES_MAX) as usize } else { 0 };
            self.rest.reserve(room.max(2 * self.first.len()));
            self.rest.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.rest.extend_from_slice(data);
    }

    /// The whole body.
    pub(super) fn finish(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}
