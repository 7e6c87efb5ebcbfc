//! The cache's table: `make bench-cache`, `target/bench/cache.json`.
//!
//! What a get and a put cost in process, beside moka; two processes at one hot key; memory per key, beside a real
//! redis-server; and how much is missed on traces, beside moka (W-TinyLFU) and Redis's allkeys-lru, each with room for the
//! same number of entries. `LYGER_BENCH_SHORT=1` is for trying, `LYGER_BENCH_CASES` picks cases by a part of their names.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "two processes at one hot key: fork, and a page that both see")]

#[path = "cache/redis.rs"]
mod redis;
#[allow(dead_code, reason = "the other benches use the rest")]
mod support;
#[path = "cache/traces.rs"]
mod traces;

use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lyger::cache::Table;
use redis::Redis;
use support::{Case, Comparison, Metric, absent, alternate, compare, is_short, is_wanted, repeated};
use traces::Trace;

const PLACEMENT: &str = "one thread";
const SAMPLE: Duration = Duration::from_millis(300);
const KEYS: usize = 100_000;

/// Marks of issue 6.
const GET_100_NS: f64 = 50.0;
const GET_10K_NS: f64 = 300.0;
const BYTES_PER_KEY: f64 = 140.0;

type Moka = moka::sync::Cache<Box<[u8]>, std::sync::Arc<[u8]>>;

fn key(number: usize) -> Vec<u8> {
    format!("key:{number:012}").into_bytes()
}

fn main() -> std::io::Result<()> {
    let mut comparisons = Vec::new();
    for (name, len, mark) in [("get of 100 bytes", 100, GET_100_NS), ("get of 10 KB", 10_000, GET_10K_NS)] {
        if is_wanted(name) {
            get(name, len, mark, &mut comparisons)?;
        }
    }
    if is_wanted("put of 100 bytes") {
        comparisons.push(put()?);
    }
    if is_wanted("two processes at one hot key") {
        comparisons.extend(hot_key()?);
    }
    if is_wanted("memory per key") {
        memory(&mut comparisons)?;
    }
    for trace in traces::all() {
        if is_wanted(trace.name) {
            misses(&trace, &mut comparisons)?;
        }
    }
    support::report("cache", &comparisons)
}

fn case(name: &str) -> Case<'_> {
    Case { name, unit: "ns an operation", placement: PLACEMENT, metric: Metric::Cpu, bytes: None }
}

/// What `keys` in their turn cost, in an order that no CPU guesses: nanoseconds an operation.
fn per_operation<'a>(keys: usize, work: &'a mut dyn FnMut(usize)) -> impl FnMut() -> f64 + 'a {
    let mut at = 0;
    let mut thousand = move || {
        for _ in 0..1000 {
            at = (at + 38_197) % keys;
            work(at);
        }
    };
    move || repeated(SAMPLE, &mut thousand)()
}

fn get(name: &str, len: usize, mark: f64, comparisons: &mut Vec<Comparison>) -> std::io::Result<()> {
    // As many as a CPU's second cache holds: what an application asks for with every request.
    let hot = (256 << 10) / (len + 150);
    let (table, moka) = (Table::in_process(1 << 28)?, Moka::new(1 << 20));
    let keys: Vec<Vec<u8>> = (0..hot).map(key).collect();
    for key in &keys {
        table.update(key, 0, |slot| slot.put(&[&vec![7; len]], None)).expect("there is room");
        moka.insert(key[..].into(), vec![7; len].into());
    }
    let mut buffer = vec![MaybeUninit::uninit(); len];
    let mut ours = |at: usize| {
        std::hint::black_box(table.copy(&keys[at], 0, &mut buffer));
    };
    let mut copied = vec![0; len];
    let mut theirs = |at: usize| {
        copied.copy_from_slice(&moka.get(&keys[at][..]).expect("there is room"));
        std::hint::black_box(&copied);
    };
    let compared = alternate(
        case(name),
        ("table", &mut per_operation(hot, &mut ours)),
        ("moka, and a copy", &mut per_operation(hot, &mut theirs)),
    );
    comparisons.push(Comparison { ratio_min: None, ..compared });
    let mut promised = || mark;
    let compared = alternate(case(name), ("table", &mut per_operation(hot, &mut ours)), ("mark", &mut promised));
    comparisons.push(Comparison { ratio_min: Some(1.0), ..compared });
    Ok(())
}

fn put() -> std::io::Result<Comparison> {
    let (table, moka) = (Table::in_process(1 << 28)?, Moka::new(1 << 20));
    let keys: Vec<Vec<u8>> = (0..KEYS).map(key).collect();
    let value = [7; 100];
    let mut ours = |at: usize| table.update(&keys[at], 0, |slot| slot.put(&[&value], None)).expect("there is room");
    let mut theirs = |at: usize| moka.insert(keys[at][..].into(), value[..].into());
    Ok(alternate(
        case("put of 100 bytes"),
        ("table", &mut per_operation(KEYS, &mut ours)),
        ("moka", &mut per_operation(KEYS, &mut theirs)),
    ))
}

/// One process alone, and then beside another one that does the same: nine gets and a put of the same key.
fn hot_key() -> std::io::Result<Vec<Comparison>> {
    let (table, file) = Table::shared(16 << 20)?;
    let run = |table: &Table, until: Instant| {
        let mut buffer = [MaybeUninit::uninit(); 100];
        let mut operations = 0_u64;
        while Instant::now() < until {
            for _ in 0..100 {
                table.update(b"hot", 0, |slot| slot.put(&[&[1; 100]], None)).expect("there is room");
                for _ in 0..9 {
                    std::hint::black_box(table.copy(b"hot", 0, &mut buffer));
                }
            }
            operations += 1000;
        }
        operations
    };
    let sample = if is_short() { SAMPLE / 5 } else { SAMPLE };
    let per_second = |operations: u64| operations as f64 / sample.as_secs_f64() / 1e6;
    let pairs: Vec<(f64, f64)> = (0..9)
        .map(|_| {
            let alone = per_second(run(&table, Instant::now() + sample));
            let others = shared_counter();
            let until = Instant::now() + sample;
            // SAFETY: the child uses the table and nothing that a lock of this process guards.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let other = Table::attach(file.as_fd()).expect("it is a table");
                others.store(run(&other, until), Ordering::SeqCst);
                // SAFETY: ends the child.
                unsafe { libc::_exit(0) };
            }
            let ours = run(&table, until);
            // SAFETY: our own child.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            let both = per_second(ours + others.load(Ordering::SeqCst));
            // Times, so that less is better.
            (1000.0 / both, 1000.0 / alone)
        })
        .collect();
    let case = Case { placement: "a core each", metric: Metric::Wall, ..case("two processes at one hot key") };
    Ok(vec![compare(case, "both", "one process alone", &pairs)])
}

fn shared_counter() -> &'static AtomicU64 {
    // SAFETY: a new mapping of zeros, which is never unmapped.
    unsafe {
        let (read_write, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANON);
        let at = libc::mmap(std::ptr::null_mut(), 4096, read_write, flags, -1, 0);
        assert_ne!(at, libc::MAP_FAILED);
        AtomicU64::from_ptr(at.cast())
    }
}

/// A million keys of 16 bytes with values of 100.
fn memory(comparisons: &mut Vec<Comparison>) -> std::io::Result<()> {
    let count = if is_short() { 100_000 } else { 1_000_000 };
    let (table, _file) = Table::shared(512 << 20)?;
    let empty = table.resident_bytes()?;
    for number in 0..count {
        table.update(&key(number), 0, |slot| slot.put(&[&[7; 100]], None)).expect("there is room");
    }
    let ours = (table.resident_bytes()? - empty) as f64 / count as f64;
    let case = Case {
        name: "memory per key",
        unit: "bytes",
        placement: "16 bytes and 100",
        metric: Metric::Memory,
        bytes: None,
    };
    let against_mark = compare(case, "table", "mark", &[(ours, BYTES_PER_KEY)]);
    comparisons.push(Comparison { ratio_min: Some(1.0), ..against_mark });
    match Redis::start(&["--maxmemory", "0"]) {
        Ok(mut redis) => {
            let before = redis.used_memory()?;
            redis.set_all(&mut (0..count).map(key), &[7; 100])?;
            let theirs = (redis.used_memory()? - before) as f64 / count as f64;
            comparisons.push(compare(case, "table", "redis-server's used_memory", &[(ours, theirs)]));
        }
        Err(error) => absent("redis-server", &error.to_string()),
    }
    Ok(())
}

/// How many percent of a trace's requests miss, each miss being followed by a put.
fn misses(trace: &Trace, comparisons: &mut Vec<Comparison>) -> std::io::Result<()> {
    let value = [7; 100];
    let room = trace.entries * (16 + value.len());
    let requests: Vec<usize> = trace.requests();
    let percent = |misses: usize| misses as f64 * 100.0 / requests.len() as f64;

    let table = Table::in_process(room as u64)?;
    let mut buffer = [MaybeUninit::uninit(); 100];
    let ours = requests.iter().filter(|&&number| {
        let key = key(number);
        let misses = table.copy(&key, 0, &mut buffer).is_none();
        if misses {
            table.update(&key, 0, |slot| slot.put(&[&value], None)).expect("it fits");
        }
        misses
    });
    let ours = percent(ours.count());

    let moka = Moka::new(trace.entries as u64);
    let mut since = 0;
    let theirs = requests.iter().filter(|&&number| {
        let key = key(number);
        let misses = moka.get(&key[..]).is_none();
        if misses {
            moka.insert(key.into(), value[..].into());
        }
        since += 1;
        // As often as its own housekeeper would at a rate of requests that leaves it time.
        if since % 64 == 0 {
            moka.run_pending_tasks();
        }
        misses
    });
    let theirs = percent(theirs.count());

    let case = Case { unit: "% missed", placement: trace.about, metric: Metric::Misses, ..case(trace.name) };
    comparisons.push(compare(case, "table", "moka", &[(ours, theirs)]));
    match Redis::start(&["--maxmemory-policy", "allkeys-lru"]).and_then(|mut redis| {
        redis.limit_to(trace.entries, &value)?;
        redis.misses(&requests, &value)
    }) {
        Ok(theirs) => comparisons.push(compare(case, "table", "redis-server, allkeys-lru", &[(ours, percent(theirs))])),
        Err(error) => absent("redis-server", &error.to_string()),
    }
    Ok(())
}
