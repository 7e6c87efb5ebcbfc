//! Says which case was running when a kernel touched what it may not, or trapped.

use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

pub(crate) const THREADS_MAX: usize = 64;

struct Place {
    name: AtomicPtr<u8>,
    name_len: AtomicUsize,
    seed: AtomicU64,
    case: AtomicU64,
}

static PLACES: [Place; THREADS_MAX] = [const {
    Place {
        name: AtomicPtr::new(std::ptr::null_mut()),
        name_len: AtomicUsize::new(0),
        seed: AtomicU64::new(0),
        case: AtomicU64::new(0),
    }
}; THREADS_MAX];

thread_local! {
    static OWN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// This thread begins a case.
pub(crate) fn note(thread: usize, name: &'static str, seed: u64, case: u64) {
    OWN.set(thread);
    let place = &PLACES[thread];
    place.name_len.store(name.len(), Ordering::Relaxed);
    place.name.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
    place.seed.store(seed, Ordering::Relaxed);
    place.case.store(case, Ordering::Relaxed);
}

/// From now on signals of faults are told with the case.
pub(crate) fn install() {
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
        let handler: extern "C" fn(libc::c_int) = tell;
        // SAFETY: the handler calls what signal handlers may: write, signal and raise.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

extern "C" fn tell(signal: libc::c_int) {
    // Set by note in this thread long before, so nothing is made here.
    let place = &PLACES[OWN.get()];
    let (mut line, mut len) = ([0; 256], 0);
    let mut put = |bytes: &[u8]| {
        let end = (len + bytes.len()).min(line.len());
        line[len..end].copy_from_slice(&bytes[..end - len]);
        len = end;
    };
    let name = place.name.load(Ordering::Relaxed);
    if !name.is_null() {
        // SAFETY: pointer and length of a static string.
        let name = unsafe { std::slice::from_raw_parts(name, place.name_len.load(Ordering::Relaxed)) };
        put(b"not ok - ");
        put(name);
        put(b": a signal in a case. Once more: LYGER_FUZZ_KERNELS=");
        put(name);
        put(b" LYGER_FUZZ_SEED=");
        put(itoa::Buffer::new().format(place.seed.load(Ordering::Relaxed)).as_bytes());
        put(b" LYGER_FUZZ_CASE=");
        put(itoa::Buffer::new().format(place.case.load(Ordering::Relaxed)).as_bytes());
        put(b" make fuzz\n");
    }
    // SAFETY: the line is that long; the default action then ends the process as if nobody had listened.
    unsafe {
        libc::write(1, line.as_ptr().cast(), len);
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}
