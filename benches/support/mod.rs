//! What benchmarks share: alternating pairs, a table for people, and the JSON form of ARCHITECTURE.md's contract.
//!
//! Machines that run this are noisy, so nothing is measured alone: subject and peer take turns, and what counts is the
//! median of the ratios of neighbours.

pub(crate) mod shop;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Pairs in a comparison; fewer would let one disturbed pair move the median.
pub(crate) const PAIRS: usize = 9;

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
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Wall => "wall time",
            Self::Memory => "memory",
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
}

/// Lets subject and peer take turns, the first place changing from pair to pair. Both return what one run cost.
pub(crate) fn alternate(
    case: Case,
    subject: (&str, &mut dyn FnMut() -> f64),
    peer: (&str, &mut dyn FnMut() -> f64),
) -> Comparison {
    let pairs: Vec<(f64, f64)> = (0..PAIRS)
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

/// Prints all comparisons as a table and writes them to `target/bench/<name>.json`.
pub(crate) fn report(name: &str, comparisons: &[Comparison]) -> std::io::Result<()> {
    print(comparisons);
    let folder = target_folder().join("bench");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, serde_json::to_string_pretty(comparisons)? + "\n")?;
    println!("written to {}", file.display());
    Ok(())
}

/// Prints all comparisons as a table.
pub(crate) fn print(comparisons: &[Comparison]) {
    print!("{}", table(comparisons));
}

fn table(comparisons: &[Comparison]) -> String {
    let mut text = String::new();
    let mut case = "";
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
            let _ = writeln!(
                text,
                "  {:<16} {:>10}   {:<34} {:>10} {:>8} {:>8}  promise",
                "lyger", "median", "peer", "median", "ratio", "spread"
            );
        }
        let promise = match comparison.ratio_min {
            Some(min) if comparison.ratio >= min => format!("{min}x, kept"),
            Some(min) => format!("{min}x, MISSED"),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "  {:<16} {:>10.2}   {:<34} {:>10.2} {:>7.2}x {:>8.2}  {promise}",
            comparison.subject,
            comparison.subject_median,
            comparison.peer,
            comparison.peer_median,
            comparison.ratio,
            comparison.spread,
        );
    }
    text
}

/// Cargo's target folder: the bench's own program lies in `<target>/<profile>/deps`.
fn target_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().nth(3).map_or_else(|| PathBuf::from("target"), PathBuf::from)
}
