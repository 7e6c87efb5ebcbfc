//! The other side of `zig/server/front.zig`, declaration by declaration.

use std::ffi::c_void;

/// What both sides have to agree on; raised whenever a declaration changes.
pub(super) const ABI_VERSION: u32 = 1;

/// A `Front` of Zig's.
#[repr(C)]
pub(super) struct Opaque {
    _private: [u8; 0],
}

#[repr(C)]
pub(super) struct Head {
    pub(super) message: *const u8,
    pub(super) message_len: u32,
    pub(super) method: [u16; 2],
    pub(super) target: [u16; 2],
    pub(super) version_minor: u32,
    pub(super) fields: *const [u16; 4],
    pub(super) field_count: u32,
}

#[repr(C)]
pub(super) struct Reading {
    pub(super) framing: u32,
    pub(super) expects_continue: u32,
    pub(super) length: u64,
}

#[repr(C)]
pub(super) struct Part {
    pub(super) head: *const u8,
    pub(super) head_len: usize,
    pub(super) body: *const u8,
    pub(super) body_len: usize,
    pub(super) body_owner: *mut c_void,
    pub(super) is_last: bool,
    pub(super) keep_alive: bool,
}

#[repr(C)]
pub(super) struct Callbacks {
    pub(super) open: unsafe extern "C" fn(*mut c_void, u64, i32),
    pub(super) head: unsafe extern "C" fn(*mut c_void, u64, *const Head) -> Reading,
    pub(super) body: unsafe extern "C" fn(*mut c_void, u64, *const u8, usize, bool),
    pub(super) refusal: unsafe extern "C" fn(*mut c_void, u64, u16, bool, usize),
    pub(super) half_closed: unsafe extern "C" fn(*mut c_void, u64),
    pub(super) writable: unsafe extern "C" fn(*mut c_void, u64),
    pub(super) close: unsafe extern "C" fn(*mut c_void, u64),
    pub(super) accept_failure: unsafe extern "C" fn(*mut c_void, u16),
    pub(super) release: unsafe extern "C" fn(*mut c_void),
}

/// As `Options` of Zig's, times in milliseconds.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// How long a connection may be silent between requests.
    pub(crate) idle_timeout_ms: u32,
    /// From a request's first byte to the end of its head.
    pub(crate) head_timeout_ms: u32,
    /// The longest pause within a body.
    pub(crate) body_idle_timeout_ms: u32,
    /// How long a client may take none of the bytes sent to it.
    pub(crate) write_timeout_ms: u32,
    /// How long a connection is read from behind its last answer.
    pub(crate) linger_timeout_ms: u32,
    /// How long a request waits on whose client sends no more, before [`super::Application::half_closed`].
    pub(crate) half_close_timeout_ms: u32,
    /// A request's body.
    pub(crate) body_bytes_max: u32,
    /// A request's head.
    pub(crate) head_bytes_max: u16,
    /// Header lines in a head, at most [`super::HEADER_COUNT_MAX`].
    pub(crate) header_count_max: u16,
}

unsafe extern "C" {
    pub(super) fn lr_abi_version() -> u32;
    pub(super) fn lr_probe() -> i32;
    pub(super) fn lr_create(
        options: *const Options,
        callbacks: *const Callbacks,
        context: *mut c_void,
        out: *mut *mut Opaque,
    ) -> i32;
    pub(super) fn lr_start(front: *mut Opaque, listener: i32) -> i32;
    pub(super) fn lr_destroy(front: *mut Opaque);
    pub(super) fn lr_descriptor(front: *const Opaque) -> i32;
    pub(super) fn lr_watch(front: *mut Opaque, descriptor: i32);
    pub(super) fn lr_wait(front: *mut Opaque, timeout_ns: u64) -> i32;
    pub(super) fn lr_turn(front: *mut Opaque) -> i32;
    pub(super) fn lr_expire(front: *mut Opaque) -> u64;
    pub(super) fn lr_adopt(front: *mut Opaque, descriptor: i32);
    pub(super) fn lr_accept_no_more(front: *mut Opaque);
    pub(super) fn lr_answer(front: *mut Opaque, connection: u64, part: *const Part) -> u8;
    pub(super) fn lr_close(front: *mut Opaque, connection: u64);
    pub(super) fn lr_reset(front: *mut Opaque, connection: u64);
    pub(super) fn lr_state(front: *mut Opaque, connection: u64) -> u32;
}
