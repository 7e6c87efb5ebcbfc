//! What benchmarks share: alternating pairs, a table for people, and the JSON form of ARCHITECTURE.md's contract.
//!
//! Machines that run this are noisy, so nothing is measured alone: subject and peer take turns, and what counts is the
//! median of the ratios of neighbours.
//!
//! `LYGER_BENCH_SHORT=1` is for trying a bench: few and short runs of less data, and nothing written. `LYGER_BENCH_CASES` picks cases
//! by a part of their names.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Pairs in a comparison; fewer would let one disturbed pair move the median.
pub(crate) const PAIRS: usize = 9;

/// The same where a bench is only tried.
pub(crate) const PAIRS_SHORT: usize = 3;

/// How a peer's name begins that only does what can't be left out: reading what must be read, say.
const LIMIT: &str = "limit: ";

/// Who would have been measured as well, and why it wasn't.
static ABSENT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether the bench is only tried.
pub(crate) fn is_short() -> bool {
    std::env::var_os("LYGER_BENCH_SHORT").is_some_and(|value| !value.is_empty())
}

/// Whether the case of this name is to be measured.
#[allow(dead_code, reason = "not all benches have cases to choose from")]
pub(crate) fn is_wanted(name: &str) -> bool {
    name.contains(&std::env::var("LYGER_BENCH_CASES").unwrap_or_default())
}

/// Has the report name a peer that this machine lacks.
#[allow(dead_code, reason = "some benches need all their peers")]
pub(crate) fn absent(peer: &str, reason: &str) {
    let line = format!("{peer} ({reason})");
    let mut absent = ABSENT.lock().unwrap_or_else(PoisonError::into_inner);
    if !absent.contains(&line) {
        absent.push(line);
    }
}

/// What was counted. Less is better in all of these.
#[allow(dead_code, reason = "each bench counts its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Metric {
    /// Time of the processors.
    Cpu,
    /// Time of the clock.
    Wall,
    /// Memory that nobody shares.
    Memory,
    /// Requests that a cache could not answer.
    Misses,
    /// Calls of the kernel.
    Calls,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Wall => "wall time",
            Self::Memory => "memory",
            Self::Misses => "requests",
            Self::Calls => "system calls",
        }
    }
}

/// One line of `target/bench/<name>.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// What was done.
    pub(crate) case: String,
    /// Who of Lyger did it.
    pub(crate) subject: String,
    /// Who else did it.
    pub(crate) peer: String,
    /// What was counted.
    pub(crate) metric: Metric,
    /// Unit of the medians.
    pub(crate) unit: &'static str,
    /// Where it ran.
    pub(crate) placement: &'static str,
    /// How many alternating pairs.
    pub(crate) runs: usize,
    /// Median of the subject's runs.
    pub(crate) subject_median: f64,
    /// Median of the peer's runs.
    pub(crate) peer_median: f64,
    /// Median of the pairs' ratios; above 1 the subject is ahead.
    pub(crate) ratio: f64,
    /// `(max - min) / median` of the pairs' ratios.
    pub(crate) spread: f64,
    /// The ratio that was promised.
    #[serde(skip)]
    pub(crate) ratio_min: Option<f64>,
    /// As [`Case::bytes`].
    #[serde(skip)]
    pub(crate) bytes: Option<usize>,
}

impl Comparison {
    /// Of what the subject worked on, if that is bytes.
    fn gigabytes_per_second(&self) -> Option<f64> {
        let nanoseconds = if self.unit.starts_with("ns") { 1.0 } else { 1e3 };
        self.bytes.map(|bytes| bytes as f64 / (self.subject_median * nanoseconds))
    }
}

/// What all comparisons of one case have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    /// What is done.
    pub(crate) name: &'a str,
    /// Unit of what the runs return.
    pub(crate) unit: &'static str,
    /// Where it runs.
    pub(crate) placement: &'static str,
    /// What the runs return.
    pub(crate) metric: Metric,
    /// What is read and written in the time that the runs return, nanoseconds or microseconds; none where it isn't work on bytes.
    pub(crate) bytes: Option<usize>,
}

/// Lets subject and peer take turns, the first place changing from pair to pair. Both return what one run cost.
pub(crate) fn alternate(
    case: Case,
    subject: (&str, &mut dyn FnMut() -> f64),
    peer: (&str, &mut dyn FnMut() -> f64),
) -> Comparison {
    let count = if is_short() { PAIRS_SHORT } else { PAIRS };
    let pairs: Vec<(f64, f64)> = (0..count)
        .map(|pair| {
            if pair % 2 == 0 {
                let first = (subject.1)();
                (first, (peer.1)())
            } else {
                let first = (peer.1)();
                ((subject.1)(), first)
            }
        })
        .collect();
    compare(case, subject.0, peer.0, &pairs)
}

/// What came of pairs that have been measured: what the subject's run cost, and the peer's. Must not be empty.
pub(crate) fn compare(case: Case, subject: &str, peer: &str, pairs: &[(f64, f64)]) -> Comparison {
    let mut ratios: Vec<f64> = pairs.iter().map(|(subject, peer)| peer / subject).collect();
    let ratio = median(&mut ratios);
    Comparison {
        case: case.name.to_owned(),
        subject: subject.to_owned(),
        peer: peer.to_owned(),
        metric: case.metric,
        unit: case.unit,
        placement: case.placement,
        runs: pairs.len(),
        subject_median: median(&mut pairs.iter().map(|pair| pair.0).collect::<Vec<_>>()),
        peer_median: median(&mut pairs.iter().map(|pair| pair.1).collect::<Vec<_>>()),
        ratio,
        spread: (ratios[pairs.len() - 1] - ratios[0]) / ratio,
        ratio_min: None,
        bytes: case.bytes,
    }
}

/// Sorts them on the way.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] }
}

/// The calling thread's CPU time.
#[allow(unsafe_code)]
pub(crate) fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: time is a valid place to write to.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(code, 0, "every Linux has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A run that repeats `work` for at least `sample` of wall time, and returns microseconds of CPU per repetition.
pub(crate) fn repeated<'a>(sample: Duration, work: &'a mut dyn FnMut()) -> impl FnMut() -> f64 + 'a {
    repeated_by(cpu_time, sample, work)
}

/// The same in wall time: for work of several threads.
#[allow(dead_code, reason = "each bench counts its own")]
pub(crate) fn repeated_wall<'a>(sample: Duration, work: &'a mut dyn FnMut()) -> impl FnMut() -> f64 + 'a {
    let begin = Instant::now();
    repeated_by(move || begin.elapsed(), sample, work)
}

fn repeated_by<'a>(
    clock: impl Fn() -> Duration + 'a,
    sample: Duration,
    work: &'a mut dyn FnMut(),
) -> impl FnMut() -> f64 + 'a {
    let mut repetitions = 0_u32;
    let sample = if is_short() { sample / 20 } else { sample };
    move || {
        if repetitions == 0 {
            // Warms up, too.
            let start = Instant::now();
            while start.elapsed() < sample {
                work();
                repetitions += 1;
            }
        }
        let start = clock();
        for _ in 0..repetitions {
            work();
        }
        (clock() - start).as_secs_f64() * 1e6 / f64::from(repetitions)
    }
}

/// Prints all comparisons as a table and writes them to `target/bench/<name>.json`, unless the bench is only tried.
pub(crate) fn report(name: &str, comparisons: &[Comparison]) -> std::io::Result<()> {
    print!("{}", table(comparisons));
    if is_short() {
        println!("not written: LYGER_BENCH_SHORT is for trying, its figures are none");
        return Ok(());
    }
    let folder = target_folder().join("bench");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, serde_json::to_string_pretty(comparisons)? + "\n")?;
    println!("written to {}", file.display());
    Ok(())
}

fn table(comparisons: &[Comparison]) -> String {
    let mut text =
        String::from("\nA ratio above 1 means that Lyger is ahead; of the limit it has reached that part.\n");
    let heads = ("lyger", "time", "GB/s", "peer", "its time", "ratio", "spread", "of limit");
    let _ = writeln!(text, "{}  mark", line(heads));
    let mut case = "";
    let (mut kept, mut missed) = (0, Vec::new());
    for comparison in comparisons {
        if comparison.case != case {
            case = &comparison.case;
            let _ = writeln!(
                text,
                "\n{case} ({}, {} of {})",
                comparison.placement,
                comparison.unit,
                comparison.metric.name()
            );
        }
        let mark = match comparison.ratio_min {
            Some(min) if comparison.ratio >= min => {
                kept += 1;
                format!("{min:.2}x, kept")
            }
            Some(min) => {
                missed.push(comparison);
                format!("{min:.2}x, MISSED")
            }
            None => String::new(),
        };
        let cells = (
            comparison.subject.as_str(),
            &*format!("{:.2}", comparison.subject_median),
            &*comparison.gigabytes_per_second().map_or_else(String::new, |rate| format!("{rate:.1}")),
            comparison.peer.as_str(),
            &*format!("{:.2}", comparison.peer_median),
            &*format!("{:.2}x", comparison.ratio),
            &*format!("{:.2}", comparison.spread),
            &*of_limit(comparison, comparisons).map_or_else(String::new, |ratio| format!("{ratio:.2}")),
        );
        let _ = writeln!(text, "{}  {mark}", line(cells));
    }
    let _ = writeln!(text, "\nmarks: {kept} kept, {} missed", missed.len());
    for Comparison { case, subject, peer, ratio, .. } in missed {
        let _ = writeln!(text, "  missed: {case}, {subject} beside {peer}: {ratio:.2}x");
    }
    for peer in ABSENT.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let _ = writeln!(text, "absent: {peer}");
    }
    text
}

/// A line of the table, without the mark.
fn line(cells: (&str, &str, &str, &str, &str, &str, &str, &str)) -> String {
    let (subject, time, rate, peer, peer_time, ratio, spread, limit) = cells;
    format!("  {subject:<12} {time:>11} {rate:>7}   {peer:<36} {peer_time:>11} {ratio:>9} {spread:>7} {limit:>9}")
}

/// The ratio of the same subject in the same case to its limit, where one was measured.
fn of_limit(comparison: &Comparison, comparisons: &[Comparison]) -> Option<f64> {
    comparisons
        .iter()
        .find(|other| {
            other.peer.starts_with(LIMIT) && other.case == comparison.case && other.subject == comparison.subject
        })
        .map(|limit| limit.ratio)
}

/// Cargo's target folder: the bench's own program lies in `<target>/<profile>/deps`.
fn target_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(3).map_or_else(|| PathBuf::from("target"), PathBuf::from)
}
