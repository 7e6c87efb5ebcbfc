//! Processes that share a table, and die in the midst of it.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::model_tests::Random;
use super::*;

const KEYS: usize = 200;
/// So many that nobody changes, and behind them as many that the dying do.
const SESSIONS: u32 = 50;
/// What their data says it is of.
const SESSION_KEY: usize = KEYS;

/// A value that says itself whether it is whole: its key, a number, and bytes that follow from both.
fn value(key: usize, number: u64) -> Vec<u8> {
    let mut random = Random(number ^ (key as u64) << 32);
    let len = match random.below(20) {
        0 => random.below(200_000),
        1..4 => random.below(5000),
        _ => random.below(200),
    };
    let mut value = [(key as u64).to_le_bytes(), number.to_le_bytes()].concat();
    value.extend((0..len / 8).flat_map(|_| random.next().to_le_bytes()));
    value
}

fn verify(key: usize, read: &[u8]) -> u64 {
    let word = |at: usize| u64::from_le_bytes(read[at..at + 8].try_into().unwrap());
    assert_eq!(word(0), key as u64, "another key's value");
    assert!(read == value(key, word(8)), "a torn value of {} bytes", read.len());
    word(8)
}

fn key(number: usize) -> Vec<u8> {
    format!("key-{number}").into_bytes()
}

/// What parent and children share beside the table.
#[repr(C)]
struct Page {
    /// Goes up with every pair that is written.
    pair: AtomicU64,
    /// How far the kept counter was said to have come.
    counted: AtomicU64,
    /// The last token that somebody got.
    token: AtomicU64,
}

fn page() -> &'static Page {
    // SAFETY: a new mapping of zeros, which is never unmapped.
    let at = unsafe {
        let (read_write, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANON);
        libc::mmap(std::ptr::null_mut(), 4096, read_write, flags, -1, 0)
    };
    assert_ne!(at, libc::MAP_FAILED);
    // SAFETY: large enough, aligned, and zeros are valid numbers.
    unsafe { &*at.cast() }
}

fn count(table: &Table, by: u64) -> u64 {
    table.kept().update(b"counter", 0, |slot| {
        let old = slot.old().map_or(0, |old| u64::from_le_bytes(old.bytes().as_ref().try_into().unwrap()));
        slot.put(&[&(old + by).to_le_bytes()], None).unwrap();
        old + by
    })
}

/// Writes until it is killed.
fn write_for_ever(table: &Table, page: &Page, seed: u64) -> ! {
    let mut random = Random(seed);
    loop {
        let number = random.below(KEYS);
        match random.below(13) {
            0..=5 => {
                let value = value(number, random.next());
                let _ = table.update(&key(number), 0, |slot| slot.put(&[&value], None));
            }
            6 => {
                table.update(&key(number), 0, |slot| slot.remove());
            }
            7 => {
                let _ = table.update(&key(number), 0, |slot| slot.set_expiry(Some(1 << 50)));
            }
            8 | 9 => {
                // Both or none, by whoever looks at both.
                let mut batch = table.batch(&[b"left", b"right"]);
                let pair = page.pair.fetch_add(1, Ordering::Relaxed).to_le_bytes();
                let _ = batch.update(b"left", 0, |slot| slot.put(&[&pair], None));
                let _ = batch.update(b"right", 0, |slot| slot.put(&[&pair], None));
            }
            10 => {
                let counted = count(table, 1);
                page.counted.store(counted, Ordering::SeqCst);
            }
            11 => {
                // In order, as a visitor's requests come.
                let id = (SESSIONS + random.below(SESSIONS as usize) as u32).to_le_bytes();
                if let Some(token) = table.open_session(&id, u64::MAX, 0).unwrap() {
                    let mut data = Vec::new();
                    let count = table.read_session(&id, 0, &mut data).map_or(0, |_| verify(SESSION_KEY, &data));
                    // Some are too long.
                    let written = table.write_session(&id, Some(token), &value(SESSION_KEY, count + 1), 1 << 50, 0);
                    assert_ne!(written, Ok(false), "it is this process's");
                    assert!(table.close_session(&id, token, 0));
                }
            }
            _ => page.token.store(table.token(), Ordering::SeqCst),
        }
    }
}

/// Reads until it is told to stop. Returns how often it found something.
fn read_and_check(table: &Table, stop: &AtomicBool, reads: &AtomicU64) -> u64 {
    let mut random = Random(reads as *const _ as u64);
    let (mut read, mut found) = (Vec::new(), 0);
    let pair = |read: &[u8]| u64::from_le_bytes(read.try_into().unwrap());
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..100 {
            let number = random.below(KEYS);
            read.clear();
            if table.get(&key(number), 0, &mut read).is_some() {
                verify(number, &read);
                found += 1;
            }
        }
        reads.fetch_add(100, Ordering::Relaxed);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        if table.get(b"left", 0, &mut left).is_some() && table.get(b"right", 0, &mut right).is_some() {
            assert!(pair(&right) >= pair(&left), "half of a batch");
        }
        let batch = table.batch(&[b"left", b"right"]);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        if batch.get(b"left", 0, &mut left).is_some() && batch.get(b"right", 0, &mut right).is_some() {
            assert_eq!(left, right, "half of a batch");
        }
    }
    found
}

/// Returns when a child has ended and nobody has asked how.
fn await_death(child: libc::pid_t) {
    // SAFETY: an all-zero `siginfo_t` is one; the kernel fills it, and the child stays a zombie.
    let code = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_PID, child as libc::id_t, &raw mut info, libc::WEXITED | libc::WNOWAIT)
    };
    assert_eq!(code, 0, "{}", std::io::Error::last_os_error());
}

/// Kills a writer so many times, amid so many checked reads.
fn kill_writers(kills: u32, reads_min: u64) {
    let (table, file) = Table::shared(12 << 20).unwrap();
    let page = page();
    let session = |number: u32| format!("session {number} ").repeat(10 + number as usize).into_bytes();
    for number in 0..SESSIONS {
        assert!(table.write_session(&number.to_le_bytes(), None, &session(number), 1 << 50, 0).unwrap());
    }
    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    // Since the death, and since it was asked for: a process that isn't run can't die.
    let (mut slowest, mut slow, mut slowest_asked) = (Duration::ZERO, 0, Duration::ZERO);
    let mut random = Random(u64::from(kills));
    let (found, killed): (u64, u32) = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read_and_check(&table, &stop, &reads))).collect();
        let mut killed = 0;
        while killed < kills || reads.load(Ordering::Relaxed) < reads_min {
            killed += 1;
            // SAFETY: the child uses the table and the allocator, whose lock the C library sees to, and nothing else.
            let child = unsafe { libc::fork() };
            assert!(child >= 0);
            if child == 0 {
                // At another address than the parent's.
                let table = Table::attach(file.as_fd()).unwrap();
                write_for_ever(&table, page, u64::from(killed));
            }
            std::thread::sleep(Duration::from_micros(300 + random.below(1500) as u64));
            // SAFETY: it is a child of this process that nobody has waited for.
            assert_eq!(unsafe { libc::kill(child, libc::SIGKILL) }, 0);
            let asked = Instant::now();
            // Nobody waits for it yet: a zombie's lock is as free as another's.
            await_death(child);
            let begin = Instant::now();
            for shard in 0..table.map.geometry.shards + layout::KEPT_SHARDS {
                drop(shard::Shard::lock(&table.map, shard));
            }
            slowest = slowest.max(begin.elapsed());
            slow += u32::from(begin.elapsed() > Duration::from_millis(10));
            slowest_asked = slowest_asked.max(asked.elapsed());
            let said = page.counted.load(Ordering::SeqCst);
            let counted = count(&table, 0);
            assert!(counted == said || counted == said + 1, "{counted} where {said} were said");
            page.counted.store(counted, Ordering::SeqCst);
            assert!(table.token() > page.token.load(Ordering::SeqCst), "a token came back");
            // SAFETY: the same child, and no interest in how it ended.
            assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
        }
        stop.store(true, Ordering::Relaxed);
        (readers.into_iter().map(|reader| reader.join().unwrap()).sum(), killed)
    });
    for number in 0..SESSIONS {
        let mut kept = Vec::new();
        table.read_session(&number.to_le_bytes(), 0, &mut kept).expect("what is kept is kept");
        assert!(kept == session(number));
        let (id, mut changed) = ((SESSIONS + number).to_le_bytes(), Vec::new());
        if table.read_session(&id, 0, &mut changed).is_some() {
            verify(SESSION_KEY, &changed);
        }
        assert!(table.open_session(&id, 1000, 0).unwrap().is_some(), "the dead have nothing open");
    }
    table.update(b"", 0, |_| {});
    table.audit();
    let stats = table.stats();
    assert!(stats.recoveries > 0 && found > 0);
    println!(
        "{killed} kills, {} reads, {found} found, {} shards repaired, {} counted, all locks taken {slowest:?} after the \
         death at most, {slow} times after more than 10 ms ({slowest_asked:?} after the signal)",
        reads.load(Ordering::Relaxed),
        stats.recoveries,
        page.counted.load(Ordering::SeqCst),
    );
}

#[test]
fn killed_writers_leave_no_bad_value_and_no_lock() {
    kill_writers(300, 50_000);
}

/// `make chaos` runs it.
#[test]
#[ignore = "a minute: make chaos"]
fn ten_thousand_killed_writers_leave_no_bad_value_and_no_lock() {
    kill_writers(10_000, 1_000_000);
}

#[test]
fn another_process_sees_what_was_put_and_its_own_is_seen() {
    let (table, file) = Table::shared(1 << 20).unwrap();
    table.update(b"parent", 0, |slot| slot.put(&[b"here"], None)).unwrap();
    // SAFETY: the child uses the table and the allocator, whose lock the C library sees to, and nothing else.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let other = Table::attach(file.as_fd()).unwrap();
        let mut value = Vec::new();
        let found = other.get(b"parent", 0, &mut value).is_some() && value == b"here";
        let elsewhere = other.map.at(0) != table.map.at(0);
        let put = other.update(b"child", 0, |slot| slot.put(&[b"there"], None)).is_ok();
        // SAFETY: ends the child at once, without what the parent's test harness would do.
        unsafe { libc::_exit(i32::from(!(found && elsewhere && put))) };
    }
    let mut status = 0;
    // SAFETY: our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    let mut value = Vec::new();
    assert!(table.get(b"child", 0, &mut value).is_some() && value == b"there");
}

#[test]
fn a_lock_says_who_has_it() {
    let table = Table::in_process(1 << 20).unwrap();
    assert!(table.writers().is_empty());
    let batch = table.batch(&[b"k"]);
    // SAFETY: a question.
    assert_eq!(table.writers(), [unsafe { libc::gettid() } as u32]);
    drop(batch);
    assert!(table.writers().is_empty());
}

#[test]
fn what_is_no_table_is_refused() {
    let file = tempfile::tempfile().unwrap();
    assert_eq!(Table::attach(file.as_fd()).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    let (table, file) = Table::shared(1 << 20).unwrap();
    table.map.header().magic.fetch_add(1, Ordering::Relaxed);
    assert_eq!(Table::attach(file.as_fd()).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn a_batch_that_is_forgotten_keeps_its_table_mapped() {
    let table = Table::in_process(1 << 20).unwrap();
    let (address, bytes) = (table.map.at(0) as usize, table.map.geometry.total_bytes);
    std::thread::spawn(move || {
        std::mem::forget(table.batch(&[b"k"]));
        drop(table);
        let mut pages = vec![0_u8; bytes.div_ceil(4096)];
        // SAFETY: a question about addresses, and a byte for each page of them.
        let code = unsafe { libc::mincore(address as *mut libc::c_void, bytes, pages.as_mut_ptr()) };
        // The thread's end walks its list of locks: that one's memory has to be there.
        assert_eq!(code, 0, "{}", std::io::Error::last_os_error());
    })
    .join()
    .unwrap();
}

#[test]
fn what_a_dead_process_was_making_another_makes_at_once() {
    let (table, file) = Table::shared(1 << 20).unwrap();
    // SAFETY: the child uses the table and the allocator, whose lock the C library sees to, and nothing else.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let other = Table::attach(file.as_fd()).unwrap();
        let _ = other.take_off(b"key", u64::MAX, 0, &mut Vec::new());
        loop {
            // SAFETY: waits until it is killed.
            unsafe { libc::pause() };
        }
    }
    let mut value = Vec::new();
    let kept = || table.region(super::kept::Kind::Flight).get(b"key", 0, &mut Vec::new()).is_some();
    while !kept() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(table.take_off(b"key", 1, 0, &mut value).unwrap(), Flight::Others);
    let mut status = 0;
    // SAFETY: our own child, which nobody has waited for.
    unsafe { assert_eq!((libc::kill(child, libc::SIGKILL), libc::waitpid(child, &raw mut status, 0)), (0, child)) };
    let Flight::Yours { token } = table.take_off(b"key", 1000, 0, &mut value).unwrap() else { panic!() };
    assert_eq!(table.take_off(b"key", 1, 0, &mut value).unwrap(), Flight::Others);
    assert!(table.land(b"key", token, b"made", None, 0).unwrap());
}

#[test]
fn a_lock_given_back_by_who_has_not_got_it_ends_the_process() {
    // Not a private one, whose heads a child has not.
    let (table, _file) = Table::shared(1 << 20).unwrap();
    // SAFETY: the child uses one lock and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: it isn't, and that is what is tried.
        let unlock = || unsafe { table.map.head(0).lock.unlock() };
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(unlock));
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGABRT, "{status:x}");
}

#[test]
fn a_table_whose_areas_lie_elsewhere_is_refused() {
    let (table, file) = Table::shared(1 << 20).unwrap();
    assert!(Table::attach(file.as_fd()).is_ok());
    // Of as many bytes, but of another version's reckoning.
    let mut other = table.map.geometry;
    other.ghosts_at += 1;
    assert_ne!(layout::magic(&other), layout::magic(&table.map.geometry));
    table.map.header().magic.store(layout::magic(&other), Ordering::Relaxed);
    assert_eq!(Table::attach(file.as_fd()).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}
