//! SIGINT and SIGTERM while a server runs: they begin its drain instead of ending the process.
//!
//! What always holds: a handler that stood there before ours is called too; when the server has ended, what stood
//! there before stands there again, unless somebody has installed another one meanwhile. Threads are started with
//! all signals blocked ([`start_thread`]), so that signals find PHP's thread and PHP's handlers run on it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

const SIGNALS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

/// How a shell reports a process that a signal ended: this and the signal's number, so 130 and 143.
const EXIT_SIGNALED: libc::c_int = 128;

/// What a signal writes to the watch's descriptor.
pub const BYTE: u8 = b't';

// What the handler reads. It runs between any two instructions, so atomics and nothing else.
static WAKE: AtomicI32 = AtomicI32::new(-1);
static SEEN: AtomicU32 = AtomicU32::new(0);
static BEFORE: [AtomicHandler; 2] = [AtomicHandler::new(), AtomicHandler::new()];

// Installing and removing take turns.
static INSTALLED: Mutex<()> = Mutex::new(());

/// A handler with the one flag that says how to call it.
struct AtomicHandler {
    function: std::sync::atomic::AtomicUsize,
    takes_info: std::sync::atomic::AtomicBool,
}

impl AtomicHandler {
    const fn new() -> Self {
        Self {
            function: std::sync::atomic::AtomicUsize::new(libc::SIG_DFL),
            takes_info: std::sync::atomic::AtomicBool::new(false),
        }
    }
}

/// While it lives, SIGINT and SIGTERM write [`BYTE`] to a descriptor; the second of them ends the process at once, with
/// 130 or 143.
#[derive(Debug)]
pub struct Watch {
    before: [libc::sigaction; 2],
    // Kept open until the handlers are gone.
    _wake: OwnedFd,
}

// SAFETY: a sigaction holds the address of a function and a mask, which any thread may read.
unsafe impl Send for Watch {}
// SAFETY: as above; nothing changes them.
unsafe impl Sync for Watch {}

impl Watch {
    /// Installs the handlers. One watch at a time.
    ///
    /// # Errors
    /// When another watch lives, or the operating system refuses.
    pub fn install(wake: OwnedFd) -> io::Result<Self> {
        let _turn = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if WAKE.load(Ordering::SeqCst) != -1 {
            return Err(io::Error::other("signals are watched already"));
        }
        SEEN.store(0, Ordering::SeqCst);
        WAKE.store(wake.as_raw_fd(), Ordering::SeqCst);
        let mut before = [empty_action(); 2];
        for (index, signal) in SIGNALS.into_iter().enumerate() {
            // SAFETY: asks for the present action; the second pointer is valid for a write.
            unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut before[index]) };
            let default = stands_for_default(signal, before[index].sa_sigaction);
            let function = if default { libc::SIG_DFL } else { before[index].sa_sigaction };
            BEFORE[index].function.store(function, Ordering::SeqCst);
            BEFORE[index].takes_info.store(before[index].sa_flags & libc::SA_SIGINFO != 0, Ordering::SeqCst);
            let mut ours = empty_action();
            ours.sa_sigaction = handle as *const () as usize;
            // SA_RESTART: PHP's own reads and writes go on. The worker's wait returns all the same, see lane::Doorbell.
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            // SAFETY: `handle` is async-signal-safe and stays mapped (the library is linked with nodelete).
            if unsafe { libc::sigaction(signal, &raw const ours, std::ptr::null_mut()) } != 0 {
                let error = io::Error::last_os_error();
                restore(&before[..index]);
                WAKE.store(-1, Ordering::SeqCst);
                return Err(error);
            }
        }
        Ok(Self { before, _wake: wake })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _turn = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        restore(&self.before);
        WAKE.store(-1, Ordering::SeqCst);
    }
}

fn restore(before: &[libc::sigaction]) {
    for (signal, before) in SIGNALS.into_iter().zip(before) {
        let mut present = empty_action();
        // SAFETY: both actions are valid; `before` is what the operating system gave us.
        unsafe {
            libc::sigaction(signal, std::ptr::null(), &raw mut present);
            if present.sa_sigaction == handle as *const () as usize {
                libc::sigaction(signal, before, std::ptr::null_mut());
            }
        }
    }
}

/// In a forked child, where only async-signal-safe calls are allowed: a signal to the child must not drain its parent's
/// server, whose control socket it shares.
pub(super) fn give_up_in_child() {
    if WAKE.swap(-1, Ordering::SeqCst) == -1 {
        return;
    }
    let before: [libc::sigaction; 2] = std::array::from_fn(|index| {
        let mut action = empty_action();
        action.sa_sigaction = BEFORE[index].function.load(Ordering::SeqCst);
        action.sa_flags = libc::SA_RESTART;
        if BEFORE[index].takes_info.load(Ordering::SeqCst) {
            action.sa_flags |= libc::SA_SIGINFO;
        }
        action
    });
    restore(&before);
}

/// Whether a handler is PHP's and does nothing but what the operating system would do without it.
///
/// PHP puts one handler of its own before the actions of SIGINT, SIGTERM and some others, the default ones too (Zend
/// signals). Called for a signal that no script handles, it would end the process in the middle of the drain.
fn stands_for_default(signal: libc::c_int, handler: usize) -> bool {
    type ZendSigaction = unsafe extern "C" fn(libc::c_int, *const libc::sigaction, *mut libc::sigaction);
    let module_of = |address: *const libc::c_void| {
        let mut found = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
        // SAFETY: dladdr takes any address and writes to `found`, which is zeroed before.
        unsafe {
            libc::dladdr(address, found.as_mut_ptr());
            found.assume_init().dli_fbase
        }
    };
    // SAFETY: the name is a C string.
    let zend_sigaction = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"zend_sigaction".as_ptr()) };
    if handler == libc::SIG_DFL || zend_sigaction.is_null() {
        return handler == libc::SIG_DFL;
    }
    if module_of(handler as *const libc::c_void) != module_of(zend_sigaction) {
        return false; // some library's, which PHP knows nothing of
    }
    let mut inner = empty_action();
    // SAFETY: PHP's API (Zend/zend_signal.h): sigaction's parameters, asked for the present action only.
    unsafe {
        std::mem::transmute::<*mut libc::c_void, ZendSigaction>(zend_sigaction)(
            signal,
            std::ptr::null(),
            &raw mut inner,
        )
    };
    inner.sa_sigaction == libc::SIG_DFL || inner.sa_sigaction == libc::SIG_IGN
}

fn empty_action() -> libc::sigaction {
    // SAFETY: all zero is a valid sigaction: SIG_DFL, no flags, an empty mask.
    unsafe { std::mem::zeroed() }
}

/// Runs on whatever thread the signal found: only async-signal-safe calls.
extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let wake: RawFd = WAKE.load(Ordering::SeqCst);
    if wake == -1 {
        return; // it came while the watch was being removed
    }
    if SEEN.fetch_add(1, Ordering::SeqCst) > 0 {
        end_process(EXIT_SIGNALED + signal);
    }
    // SAFETY: write is async-signal-safe and the descriptor is open while it stands in WAKE; errno belongs to
    // whatever the signal interrupted, so it is put back.
    unsafe {
        let errno = *errno_place();
        libc::write(wake, [BYTE].as_ptr().cast(), 1);
        *errno_place() = errno;
    }
    let Some(index) = SIGNALS.iter().position(|watched| *watched == signal) else { return };
    let before = BEFORE[index].function.load(Ordering::SeqCst);
    if before == libc::SIG_DFL || before == libc::SIG_IGN {
        return;
    }
    // SAFETY: the operating system gave us this address as that of a handler with this signature; its module is
    // expected to stay loaded as long as its handler was installed.
    unsafe {
        if BEFORE[index].takes_info.load(Ordering::SeqCst) {
            type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            std::mem::transmute::<usize, Handler>(before)(signal, info, context);
        } else {
            std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(before)(signal);
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "emscripten"))]
unsafe fn errno_place() -> *mut libc::c_int {
    // SAFETY: always a valid pointer to this thread's errno.
    unsafe { libc::__errno_location() }
}

#[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
unsafe fn errno_place() -> *mut libc::c_int {
    // SAFETY: always a valid pointer to this thread's errno.
    unsafe { libc::__error() }
}

/// Ends the process at once, without what PHP or a library would do at its end: another thread is in the middle of
/// something, and would be in the way. May be called by a signal's handler.
pub fn end_process(code: i32) -> ! {
    // SAFETY: _exit is async-signal-safe, may be called by any thread, and nothing runs after it.
    unsafe { libc::_exit(code) }
}

/// Starts a thread in which, and in whose children, all signals are blocked from the first instruction on.
///
/// # Errors
/// When the operating system gives no thread.
pub fn start_thread<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    super::without_signals(|| Builder::new().name(name.to_owned()).spawn(body))
}
