//! Where the engine's memory comes from: the system's allocator, with huge pages for what is large.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// From here on an allocation asks for huge pages.
const LARGE_BYTES: usize = 1 << 20;

/// The system's allocator. What is large asks the kernel for huge pages, for it gives memory at the first touch: where 100,000 rows
/// became JSON, its pages of 4 KiB took as long as the engine itself, 16 ms beside 16 (5,700 of them; now 300, and 8 ms).
#[derive(Debug)]
pub struct Memory;

// SAFETY: the system's allocator does it all; the advice changes nothing of what the memory holds.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, passed on.
        advised(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the same.
        advised(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the same.
        advised(unsafe { System.realloc(ptr, layout, size) }, size)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the same.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[inline]
fn advised(ptr: *mut u8, size: usize) -> *mut u8 {
    if size >= LARGE_BYTES && !ptr.is_null() {
        advise(ptr, size);
    }
    ptr
}

/// A wish: where the kernel has no huge pages, has larger small ones, or gives them to everybody or nobody, nothing happens.
#[cfg(target_os = "linux")]
#[cold]
fn advise(ptr: *mut u8, size: usize) {
    const PAGE: usize = 4096;
    let skipped = ptr.addr().wrapping_neg() % PAGE;
    // SAFETY: whole pages within an allocation of `size` bytes; this advice leaves their contents alone.
    unsafe { libc::madvise(ptr.add(skipped).cast(), (size - skipped) / PAGE * PAGE, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_ptr: *mut u8, _size: usize) {}

/// What is freed at the end of a heap stays for the next answers, up to this: forty answers of 200 KB, and little beside what a process
/// of PHP takes.
#[cfg(target_env = "gnu")]
const KEPT_BYTES_MAX: libc::c_int = 8 << 20;

/// From here on an allocation is a mapping of its own, which is unmapped when it is freed: longer than the parts in which streams are
/// sent, so that a rare large answer leaves nothing behind.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES_MIN: libc::c_int = 4 << 20;

/// For a process that serves: lets it keep the memory of an answer for the next one. By itself glibc gives back what is freed at
/// a heap's end from twice its largest mapped block on, and each answer of 200 KB met up to 20 page faults on its way, 3 to 12% of its
/// CPU time in alternating runs; so it meets none. A wish: an allocator that doesn't know it goes on as before.
pub fn keep_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets two numbers of the allocator, under its own lock.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES_MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
    }
}

/// Less than this stays for who comes next: what is kept of answers, twice.
const GIVEN_BACK_BYTES_MIN: usize = 16 << 20;

/// Giving back walks through all heaps, at some ms for each GB; and who comes and goes all the time would only have the kernel make the
/// same pages anew.
pub(crate) const GIVEN_BACK_PAUSE: Duration = Duration::from_secs(1);

/// What was freed since memory was given back.
static FREED_BYTES: AtomicUsize = AtomicUsize::new(0);

static GIVEN_BACK: Mutex<Option<Instant>> = Mutex::new(None);

/// Tells of memory that was freed and that nobody may need again: what a client held that has gone.
pub(crate) fn note_freed(bytes: usize) {
    FREED_BYTES.fetch_add(bytes, Ordering::Relaxed);
}

/// Gives freed memory back to the kernel where enough of it was noted, and not too often. glibc itself gives back only what is at a heap's end,
/// and one small block behind a GB keeps all of it.
pub(crate) fn give_back() {
    if FREED_BYTES.load(Ordering::Relaxed) < GIVEN_BACK_BYTES_MIN {
        return;
    }
    // Whoever has it is giving back.
    let Ok(mut last) = GIVEN_BACK.try_lock() else { return };
    if last.is_some_and(|last| last.elapsed() < GIVEN_BACK_PAUSE) {
        return;
    }
    FREED_BYTES.store(0, Ordering::Relaxed);
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the heaps' own locks, and touches nothing that anybody has allocated.
    unsafe {
        libc::malloc_trim(KEPT_BYTES_MAX as usize);
    }
    *last = Some(Instant::now());
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    /// The flags of the mapping that an address lies in.
    fn flags(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut is_here = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let range = range.map(|(from, to)| (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16)));
            if let Some((Ok(from), Ok(to))) = range {
                is_here = (from..to).contains(&address);
            } else if is_here && line.starts_with("VmFlags:") {
                return format!("{line} ");
            }
        }
        panic!("{address:x} is not mapped");
    }

    #[test]
    fn what_is_large_asks_for_huge_pages_however_it_has_grown() {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            return; // a kernel without them
        }
        let large: Vec<u8> = Vec::with_capacity(64 << 20);
        assert!(flags(large.as_ptr().addr() + (32 << 20)).contains(" hg "));
        let mut grown = vec![1_u8; 1000];
        grown.resize(64 << 20, 2);
        assert!(flags(grown.as_ptr().addr() + (32 << 20)).contains(" hg "));
        assert_eq!((grown[999], grown[1000], grown[(64 << 20) - 1]), (1, 2, 2));
        let zeroed = vec![0_u8; 64 << 20];
        assert!(flags(zeroed.as_ptr().addr() + (32 << 20)).contains(" hg "));
        assert!(zeroed.iter().step_by(4096).all(|byte| *byte == 0));
    }

    /// The page faults of this thread so far.
    #[cfg(target_env = "gnu")]
    fn page_faults() -> i64 {
        // SAFETY: numbers, which the call fills.
        unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage), 0);
            usage.ru_minflt
        }
    }

    #[cfg(target_env = "gnu")]
    #[test]
    fn the_memory_of_an_answer_stays_for_the_next() {
        super::keep_freed();
        let answers = || drop((0_u8..8).map(|n| vec![n; 300 << 10]).collect::<Vec<_>>());
        answers();
        let before = page_faults();
        (0..100).for_each(|_| answers());
        let faults = page_faults() - before;
        // Without: 600 pages of 4 KiB each time.
        assert!(faults < 6_000, "{faults} page faults");
    }
}
