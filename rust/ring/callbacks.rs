//! What Zig calls: pointers become slices, and panics end here.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use bytes::Bytes;

use super::{Application, Connection, Head, Reading, Refusal, sys};

/// The functions for one kind of application.
pub(super) const fn of<A: Application>() -> sys::Callbacks {
    sys::Callbacks {
        open: open::<A>,
        head: head::<A>,
        body: body::<A>,
        refusal: refusal::<A>,
        half_closed: half_closed::<A>,
        writable: writable::<A>,
        close: close::<A>,
        accept_failure: accept_failure::<A>,
        release,
    }
}

/// Has the application act. When it panics, which its hook has told, the connection ends and nothing else.
///
/// # Safety
/// `context` is what [`super::Ring::open`] gave to Zig.
unsafe fn with<A: Application, T>(
    context: *mut c_void,
    connection: Option<Connection>,
    act: impl FnOnce(&Rc<A>) -> T,
) -> Option<T> {
    // SAFETY: the ring holds this weak reference for as long as Zig's side lives, and calls come from there alone.
    let application = ManuallyDrop::new(unsafe { Weak::from_raw(context.cast::<A>().cast_const()) });
    let application = application.upgrade()?;
    let acted = catch_unwind(AssertUnwindSafe(|| act(&application)));
    if acted.is_err()
        && let Some(connection) = connection
    {
        application.panicked(connection);
    }
    acted.ok()
}

unsafe extern "C" fn open<A: Application>(context: *mut c_void, connection: u64, descriptor: i32) {
    let connection = Connection(connection);
    // SAFETY: passed on as it came. The descriptor is the connection's, which stays open until `close`.
    unsafe {
        let descriptor = std::os::fd::BorrowedFd::borrow_raw(descriptor);
        with::<A, _>(context, Some(connection), |application| application.open(connection, descriptor));
    }
}

unsafe extern "C" fn head<A: Application>(
    context: *mut c_void,
    connection: u64,
    head: *const sys::Head,
) -> sys::Reading {
    let connection = Connection(connection);
    // SAFETY: Zig's head and what it points to live until this function returns.
    let reading = unsafe {
        let head = &*head;
        let head = Head {
            message: std::slice::from_raw_parts(head.message, head.message_len as usize),
            method: head.method,
            target: head.target,
            version_minor: head.version_minor as u8,
            fields: std::slice::from_raw_parts(head.fields, head.field_count as usize),
        };
        with::<A, _>(context, Some(connection), |application| application.head(connection, &head))
    };
    let (framing, length, expects_continue) = match reading.unwrap_or(Reading::Nothing) {
        Reading::Nothing => (0, 0, false),
        Reading::Length { bytes, expects_continue } => (1, bytes, expects_continue),
        Reading::Chunked { expects_continue } => (2, 0, expects_continue),
    };
    sys::Reading { framing, expects_continue: expects_continue.into(), length }
}

unsafe extern "C" fn body<A: Application>(
    context: *mut c_void,
    connection: u64,
    data: *const u8,
    len: usize,
    is_last: bool,
) {
    let connection = Connection(connection);
    // SAFETY: the bytes are Zig's until this function returns; where there are none the pointer is not null either.
    unsafe {
        let data = std::slice::from_raw_parts(data, len);
        with::<A, _>(context, Some(connection), |application| application.body(connection, data, is_last));
    }
}

unsafe extern "C" fn refusal<A: Application>(
    context: *mut c_void,
    connection: u64,
    status: u16,
    is_in_body: bool,
    open_line_bytes: usize,
) {
    let connection = Connection(connection);
    let refusal = Refusal { status, is_in_body, open_line_bytes };
    // SAFETY: passed on as it came.
    unsafe { with::<A, _>(context, Some(connection), |application| application.refuse(connection, refusal)) };
}

unsafe extern "C" fn half_closed<A: Application>(context: *mut c_void, connection: u64) {
    let connection = Connection(connection);
    // SAFETY: passed on as it came.
    unsafe { with::<A, _>(context, Some(connection), |application| application.half_closed(connection)) };
}

unsafe extern "C" fn writable<A: Application>(context: *mut c_void, connection: u64) {
    let connection = Connection(connection);
    // SAFETY: passed on as it came.
    unsafe { with::<A, _>(context, Some(connection), |application| application.writable(connection)) };
}

unsafe extern "C" fn close<A: Application>(context: *mut c_void, connection: u64) {
    let connection = Connection(connection);
    // SAFETY: passed on as it came.
    unsafe { with::<A, _>(context, None, |application| application.closed(connection)) };
}

unsafe extern "C" fn accept_failure<A: Application>(context: *mut c_void, errno: u16) {
    let error = std::io::Error::from_raw_os_error(errno.into());
    // SAFETY: passed on as it came.
    unsafe { with::<A, _>(context, None, |application| application.accept_failed(&error)) };
}

/// Lets go of a body that [`super::Ring::answer`] has given.
unsafe extern "C" fn release(owner: *mut c_void) {
    // SAFETY: it came from `Box::into_raw`, and Zig tells each owner once.
    drop(unsafe { Box::from_raw(owner.cast::<Bytes>()) });
}
