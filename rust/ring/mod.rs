//! The io_uring server in Zig (`zig/server/front.zig`), as a safe type: its connections, the lines of heads, bodies, time limits
//! and sending are Zig's; what requests mean and what is answered is the [`Application`]'s.
//!
//! One thread has it, the one that opened it: [`Ring`] is not `Send`. The application is called from within the ring's own methods
//! and may call them; it must not hold a borrow meanwhile that such a call would need.

mod callbacks;
mod sys;

use std::io;
use std::marker::PhantomData;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::ptr::NonNull;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;

pub(crate) use sys::Options;

/// Longer heads can't be told in 16 bits.
pub(crate) const HEAD_BYTES_MAX: u32 = u16::MAX as u32;

/// What Zig has room for.
pub(crate) const HEADER_COUNT_MAX: u32 = 100;

/// Up to this a last part is copied: a second piece of a message costs more, and so does an owner to be told.
const COPIED_BYTES_MAX: usize = 4096;

/// A connection: its slot, and that slot's generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection(u64);

impl Connection {
    /// Its slot: small numbers, used again when a connection has closed.
    #[must_use]
    pub(crate) fn index(self) -> usize {
        self.0 as u32 as usize
    }
}

/// A request's head, by its lines. What they mean nobody has looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    message: &'a [u8],
    method: [u16; 2],
    target: [u16; 2],
    /// 1 of HTTP/1.1.
    pub(crate) version_minor: u8,
    fields: &'a [[u16; 4]],
}

impl<'a> Head<'a> {
    fn part(&self, start: u16, len: u16) -> &'a [u8] {
        &self.message[usize::from(start)..][..usize::from(len)]
    }

    /// A token.
    #[must_use]
    pub(crate) fn method(&self) -> &'a [u8] {
        self.part(self.method[0], self.method[1])
    }

    /// At least one byte, none of them a control character or a space.
    #[must_use]
    pub(crate) fn target(&self) -> &'a [u8] {
        self.part(self.target[0], self.target[1])
    }

    /// Bytes of all lines, with what ends them.
    #[must_use]
    pub(crate) fn fields_bytes(&self) -> usize {
        self.message.len() - usize::from(self.target[0] + self.target[1])
    }

    /// Names as they were sent, which are tokens, and values without the spaces around them or control characters but tabs.
    pub(crate) fn fields(&self) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let head = *self;
        self.fields
            .iter()
            .map(move |&[name, name_len, value, value_len]| (head.part(name, name_len), head.part(value, value_len)))
    }
}

/// What becomes of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// There is none, or the answer was given and is the last one.
    Nothing,
    /// So many bytes.
    Length {
        /// At least one, and no more than the limit.
        bytes: u64,
        /// The client waits for being told to send.
        expects_continue: bool,
    },
    /// Chunks.
    Chunked {
        /// The client waits for being told to send.
        expects_continue: bool,
    },
}

/// Why nothing more of a connection is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What Zig would answer.
    pub(crate) status: u16,
    /// The head was good.
    pub(crate) is_in_body: bool,
    /// Bytes of a request line that hasn't ended.
    pub(crate) open_line_bytes: usize,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Between requests.
    Idle,
    /// Some bytes of a head are here.
    Head,
    /// The body is being read.
    Body,
    /// The application has the request.
    Waiting,
    /// An answer's bytes are not all with the kernel.
    Answering,
    /// At its end.
    Ending,
}

/// What became of a part of an answer.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It leaves.
    Yes,
    /// Something else is being sent: the body is here again until [`Application::writable`].
    Later(Bytes),
    /// Nobody waits for it.
    Gone,
}

/// Who says what requests mean.
pub(crate) trait Application {
    /// A connection is there.
    fn open(&self, connection: Connection, descriptor: BorrowedFd<'_>);
    /// A head is complete. It may be answered at once.
    fn head(self: &Rc<Self>, connection: Connection, head: &Head<'_>) -> Reading;
    /// A piece of a body, or its end.
    fn body(self: &Rc<Self>, connection: Connection, data: &[u8], is_last: bool);
    /// Must be answered at once, by an answer that is the connection's last.
    fn refuse(self: &Rc<Self>, connection: Connection, refusal: Refusal);
    /// The client sends no more, and its request has waited for so much longer.
    fn half_closed(&self, connection: Connection);
    /// A part has left, or what kept one from being taken.
    fn writable(&self, connection: Connection);
    /// It has ended, and is not named again.
    fn closed(&self, connection: Connection);
    /// A call from this connection has panicked.
    fn panicked(&self, connection: Connection);
    /// A connection could not be accepted.
    fn accept_failed(&self, error: &io::Error);
}

/// Why there is no ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// A seccomp filter, a setting, or a kernel without it.
    #[error("the system denies io_uring")]
    Denied,
    /// The kernel's `io_uring` lacks what Linux 6.0 brought.
    #[error("the kernel's io_uring is older than Linux 6.0")]
    TooOld,
    /// Descriptors or memory ran out.
    #[error("the system has no descriptors or no memory left for io_uring")]
    NoResources,
    /// A bug.
    #[error("the io_uring server failed with {0}")]
    Failed(i32),
}

fn check(status: i32) -> Result<(), Error> {
    match status {
        0 => Ok(()),
        1 => Err(Error::Denied),
        2 => Err(Error::TooOld),
        3 => Err(Error::NoResources),
        other => Err(Error::Failed(other)),
    }
}

/// Whether a ring can be had here.
///
/// # Errors
/// Why not.
pub(crate) fn probe() -> Result<(), Error> {
    // SAFETY: neither takes anything.
    let (version, status) = unsafe { (sys::lr_abi_version(), sys::lr_probe()) };
    if version == sys::ABI_VERSION { check(status) } else { Err(Error::Failed(-1)) }
}

/// A ring and its connections.
pub(crate) struct Ring<A: Application> {
    front: NonNull<sys::Opaque>,
    /// Given to Zig as a raw pointer; taken back when the ring is dropped.
    application: *const A,
    // The listener's descriptor is Zig's to use.
    listener: TcpListener,
    _not_send: PhantomData<*mut ()>,
}

impl<A: Application> std::fmt::Debug for Ring<A> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ring").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl<A: Application> Ring<A> {
    /// Serves who connects to the listener, by an application that lives at least as long as it wants to be called.
    ///
    /// # Errors
    /// Why there is no ring.
    pub(crate) fn open(options: &Options, listener: TcpListener, application: Weak<A>) -> Result<Self, Error> {
        let application = application.into_raw();
        let mut front = std::ptr::null_mut();
        let callbacks = callbacks::of::<A>();
        // SAFETY: options and callbacks are read during the call; the context stays valid until `drop`.
        let status =
            unsafe { sys::lr_create(options, &raw const callbacks, application.cast_mut().cast(), &raw mut front) };
        let front = NonNull::new(front);
        let (Ok(()), Some(front)) = (check(status), front) else {
            // SAFETY: it came from `into_raw` above, and Zig keeps nothing of it.
            drop(unsafe { Weak::from_raw(application) });
            return Err(check(status).err().unwrap_or(Error::Failed(status)));
        };
        let ring = Self { front, application, listener, _not_send: PhantomData };
        // SAFETY: a front of ours; the listener is open for as long as it.
        check(unsafe { sys::lr_start(ring.front.as_ptr(), ring.listener.as_raw_fd()) })?;
        Ok(ring)
    }

    /// Where connections come.
    pub(crate) fn listener(&self) -> &TcpListener {
        &self.listener
    }

    /// An event descriptor that is written when something has happened. It lives as long as the ring.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: a front of ours, whose descriptor is open until `drop`.
        unsafe { BorrowedFd::borrow_raw(sys::lr_descriptor(self.front.as_ptr())) }
    }

    /// From now on each write to the descriptor, which is an event descriptor and stays open, wakes whoever waits for the ring.
    pub(crate) fn watch(&self, descriptor: &OwnedFd) {
        // SAFETY: a front of ours; a descriptor that is closed meanwhile only stops waking.
        unsafe { sys::lr_watch(self.front.as_ptr(), descriptor.as_raw_fd()) };
    }

    /// Hands over what was queued and waits up to so long if nothing has happened; whether something has.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: a front of ours, on its thread.
        unsafe { sys::lr_wait(self.front.as_ptr(), nanoseconds) != 0 }
    }

    /// Acts on what has happened, or on a part of it; whether there was something.
    ///
    /// # Errors
    /// The ring is broken.
    pub(crate) fn turn(&self) -> io::Result<bool> {
        // SAFETY: a front of ours, on its thread.
        match unsafe { sys::lr_turn(self.front.as_ptr()) } {
            events @ 0.. => Ok(events > 0),
            _ => Err(io::Error::other("io_uring failed")),
        }
    }

    /// Ends what has passed its deadline. When the next one is, by the machine's monotonic clock in milliseconds.
    pub(crate) fn expire(&self) -> u64 {
        // SAFETY: a front of ours, on its thread.
        unsafe { sys::lr_expire(self.front.as_ptr()) }
    }

    /// Takes in a connection that was accepted elsewhere.
    pub(crate) fn adopt(&self, connection: OwnedFd) {
        // SAFETY: a front of ours, on its thread; the descriptor is given away.
        unsafe { sys::lr_adopt(self.front.as_ptr(), connection.into_raw_fd()) };
    }

    /// Accepts no connection any more.
    pub(crate) fn accept_no_more(&self) {
        // SAFETY: a front of ours, on its thread.
        unsafe { sys::lr_accept_no_more(self.front.as_ptr()) };
    }

    /// Sends a part of the answer to the connection's request: these bytes, and then those. [`Application::writable`] says when
    /// a part has left that isn't the last. An empty part that isn't the last is none.
    pub(crate) fn answer(
        &self,
        connection: Connection,
        head: &[u8],
        body: Bytes,
        is_last: bool,
        keep_alive: bool,
    ) -> Taken {
        debug_assert!(is_last || !body.is_empty(), "an empty part");
        let (data, body_len) = (body.as_ptr(), body.len());
        let is_copied = is_last && body_len <= COPIED_BYTES_MAX;
        // Moving `Bytes` doesn't move what it holds.
        let (copied, owner) = match is_copied {
            true => (body, std::ptr::null_mut()),
            false => (Bytes::new(), Box::into_raw(Box::new(body))),
        };
        let part = sys::Part {
            head: head.as_ptr(),
            head_len: head.len(),
            body: data,
            body_len,
            body_owner: owner.cast(),
            is_last,
            keep_alive,
        };
        // SAFETY: a front of ours, on its thread. The head is copied during the call, and so is a body without an owner; another
        // is there until its owner is released, unless the answer is "later".
        match unsafe { sys::lr_answer(self.front.as_ptr(), connection.0, &raw const part) } {
            0 => Taken::Yes,
            1 if is_copied => Taken::Later(copied),
            // SAFETY: it was not taken, so it is still ours.
            1 => Taken::Later(*unsafe { Box::from_raw(owner) }),
            _ => Taken::Gone,
        }
    }

    /// Ends a connection at once.
    pub(crate) fn close(&self, connection: Connection) {
        // SAFETY: a front of ours, on its thread.
        unsafe { sys::lr_close(self.front.as_ptr(), connection.0) };
    }

    /// Ends a connection at once, so that its client can't take what it got for all.
    pub(crate) fn reset(&self, connection: Connection) {
        // SAFETY: a front of ours, on its thread.
        unsafe { sys::lr_reset(self.front.as_ptr(), connection.0) };
    }

    /// Where a connection stands.
    pub(crate) fn stage(&self, connection: Connection) -> Stage {
        // SAFETY: a front of ours, on its thread.
        match unsafe { sys::lr_state(self.front.as_ptr(), connection.0) } {
            0 => Stage::Idle,
            1 => Stage::Head,
            2 => Stage::Body,
            3 => Stage::Waiting,
            4 => Stage::Answering,
            _ => Stage::Ending,
        }
    }
}

impl<A: Application> Drop for Ring<A> {
    fn drop(&mut self) {
        // SAFETY: a front of ours, which nobody calls any more; then the reference that it had.
        unsafe {
            sys::lr_destroy(self.front.as_ptr());
            drop(Weak::from_raw(self.application));
        }
    }
}
