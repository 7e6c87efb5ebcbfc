//! The processes of one fleet, found by a mark in their environment that every descendant inherits.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// What a process is in the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Master,
    Front,
    Zygote,
    Worker,
    /// Something that a handler started.
    Other,
}

/// A process as it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) role: Role,
}

/// All living processes whose environment has this line.
pub(crate) fn marked(mark: &str) -> Vec<Process> {
    let folders = fs::read_dir("/proc").unwrap().flatten();
    let pids = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environment| environment.split(|&byte| byte == 0).any(|line| line == mark.as_bytes()))
    })
    .map(|pid| Process { pid, role: role(pid) })
    .collect()
}

fn role(pid: i32) -> Role {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let has = |word: &str| line.split(|&byte| byte == 0).any(|other| other == word.as_bytes());
    match () {
        () if has("fleet:front") => Role::Front,
        // A worker is its zygote's copy; it has a lane or, where that is of sockets, what wakes the front.
        () if has("fleet:zygote") => {
            let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
            let is_worker = maps.contains("lyger-lane") || has_only_what_wakes_the_front(pid);
            if is_worker { Role::Worker } else { Role::Zygote }
        }
        () if has("serve") => Role::Master,
        () => Role::Other,
    }
}

/// A zygote has it in its hands too when it is about to fork, beside what tells it of its children.
fn has_only_what_wakes_the_front(pid: i32) -> bool {
    let descriptors = descriptors(pid);
    let has = |what: &str| descriptors.iter().any(|target| target.ends_with(what));
    has("anon_inode:[eventfd]") && !has("anon_inode:[signalfd]")
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal); // it may have ended
}

/// What descriptors point to, in their order; of none when the process has gone.
pub(crate) fn descriptors(pid: i32) -> Vec<String> {
    let Ok(folder) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = folder.flatten().filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((number, fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
    });
    let mut links: Vec<_> = links.collect();
    links.sort();
    links.into_iter().map(|(_, target)| target).collect()
}

/// Memory that only this process has, in bytes.
pub(crate) fn memory_bytes(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let of = |name: &str| -> u64 {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    };
    (of("Private_Clean:") + of("Private_Dirty:")) * 1024
}

/// The time on a processor that it has had, in the kernel's ticks of a hundredth of a second.
pub(crate) fn cpu_ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default(); // the name before may hold anything
    rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}
