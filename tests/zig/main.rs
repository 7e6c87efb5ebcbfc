//! The promises of the build with the feature `zig-kernels`: what it finds, what it says when it can't, what it leaves
//! alone, and that the kernels compile for machines that aren't here.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

const SOURCE: &str = env!("CARGO_MANIFEST_DIR");

/// One build at a time: they share cargo's target folder, and one of them changes a file's time.
static BUILD: Mutex<()> = Mutex::new(());

/// A Zig of the right version, found as build.rs finds it.
fn zig() -> String {
    let named = std::env::var("LYGER_ZIG").ok().filter(|command| !command.trim().is_empty());
    let candidates = named.into_iter().chain(["zig".to_owned(), "python3 -m ziglang".to_owned()]);
    candidates
        .into_iter()
        .find(|command| {
            let output = words(command).arg("version").output();
            output.is_ok_and(|output| output.stdout.trim_ascii() == b"0.16.0")
        })
        .expect("the feature is on, so build.rs has found one")
}

fn words(command: &str) -> Command {
    let mut words = command.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// The build that cargo has done before this test ran, so that nothing but the engine itself can be out of date.
fn build() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--offline", "--no-run", "--test", "zig", "--features", "zig-kernels", "--verbose"]);
    command.current_dir(SOURCE).env("CARGO_TERM_COLOR", "never");
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn temporary(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("the target folder is writable");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// The lines that cargo prints for build.rs's one error.
fn errors(output: &Output) -> String {
    let text = text(output);
    assert!(!output.status.success(), "it built:\n{text}");
    assert!(!text.contains("panicked"), "{text}");
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("error: lyger@0.1.0: ")).collect();
    assert_eq!(lines.len(), 3, "not one error of three lines:\n{text}");
    lines.join("\n")
}

fn says_what_to_do(message: &str) {
    for part in ["needs Zig 0.16.0", "pip install ziglang==0.16.0", "LYGER_ZIG", "build without the feature"] {
        assert!(message.contains(part), "{part:?} is missing: {message}");
    }
}

#[test]
fn a_zig_of_another_version_is_refused_by_name_with_the_way_out() {
    let _one = BUILD.lock().unwrap_or_else(PoisonError::into_inner);
    let old = temporary("old-zig").join("zig");
    script(&old, "echo 0.15.2");
    let message = errors(&build().env("LYGER_ZIG", &old).output().expect("cargo runs"));
    assert!(message.contains("is version 0.15.2"), "{message}");
    says_what_to_do(&message);
}

#[test]
fn a_zig_that_is_not_there_is_named_with_the_way_out() {
    let _one = BUILD.lock().unwrap_or_else(PoisonError::into_inner);
    let message = errors(&build().env("LYGER_ZIG", "/nowhere/zig --flag").output().expect("cargo runs"));
    assert!(message.contains("`/nowhere/zig --flag`, isn't there"), "{message}");
    says_what_to_do(&message);
}

#[test]
fn without_any_zig_every_place_that_was_looked_at_is_named() {
    let _one = BUILD.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = temporary("no-zig");
    script(&folder.join("zig"), "echo 0.17.0");
    script(&folder.join("python3"), "echo 'No module named ziglang' >&2; exit 1");
    let toolchain = Path::new(env!("CARGO")).parent().expect("a file is in a folder");
    let path = format!("{}:{}", folder.display(), toolchain.display());
    let message = errors(&build().env_remove("LYGER_ZIG").env("PATH", path).output().expect("cargo runs"));
    assert!(message.contains("`zig` is version 0.17.0 and `python3 -m ziglang` doesn't run"), "{message}");
    says_what_to_do(&message);
}

/// All files of the source tree, without cargo's and git's.
fn source_files() -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut folders = vec![PathBuf::from(SOURCE)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the source is readable") {
            let entry = entry.expect("the source is readable");
            let is_foreign = ["target", ".git", "vendor", "libraries"].iter().any(|name| entry.file_name() == *name);
            // The other parts of a test run may write their own files next to us; Zig's would be here.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !is_foreign {
                folders.push(entry.path());
            }
            files.insert(entry.path());
        }
    }
    files
}

#[test]
fn a_changed_zig_file_rebuilds_an_unchanged_one_does_not_and_the_source_stays_clean() {
    let _one = BUILD.lock().unwrap_or_else(PoisonError::into_inner);
    // A command of several words, which runs the right Zig.
    let wrapper = temporary("wrapped-zig").join("zig.sh");
    script(&wrapper, &format!("exec {} \"$@\"", zig()));
    let zig = format!("sh {}", wrapper.display());
    let runs = |output: &Output| {
        assert!(output.status.success(), "{}", text(output));
        text(output).lines().filter(|line| line.contains("Running") && line.contains("build-script-build")).count()
    };
    let before = source_files();

    runs(&build().env("LYGER_ZIG", &zig).output().expect("cargo runs"));
    assert_eq!(
        runs(&build().env("LYGER_ZIG", &zig).output().expect("cargo runs")),
        0,
        "the second build did something"
    );

    for file in ["build.zig", "zig/kernels/json/text.zig"] {
        let path = Path::new(SOURCE).join(file);
        let modified = fs::metadata(&path).and_then(|data| data.modified()).expect("every system has times");
        let handle = fs::File::options().append(true).open(&path).expect("the source is writable");
        handle.set_modified(std::time::SystemTime::now()).expect("it is ours");
        let output = build().env("LYGER_ZIG", &zig).output();
        handle.set_modified(modified).expect("it is ours");
        assert_eq!(runs(&output.expect("cargo runs")), 1, "{file} changed and nothing ran");
    }
    assert_eq!(source_files(), before, "the build wrote into the source tree");
}

#[test]
fn the_kernels_compile_for_machines_that_are_not_here() {
    let zig = zig();
    let folder = temporary("targets");
    for (target, library) in [
        ("aarch64-linux-gnu", "liblyger_kernels.a"),
        ("aarch64-macos-none", "liblyger_kernels.a"),
        ("x86_64-macos-none", "liblyger_kernels.a"),
        ("x86_64-windows-gnu", "lyger_kernels.lib"),
    ] {
        let prefix = folder.join(target);
        let _ = fs::remove_dir_all(&prefix);
        let output = words(&zig)
            .args(["build", "kernels", &format!("-Dtarget={target}"), "--prefix"])
            .arg(&prefix)
            .arg("--cache-dir")
            .arg(folder.join("cache"))
            .arg("--global-cache-dir")
            .arg(folder.join("global-cache"))
            .current_dir(SOURCE)
            .output()
            .expect("Zig runs");
        assert!(output.status.success(), "{target}:\n{}", text(&output));
        let library = fs::read(prefix.join("lib").join(library)).unwrap_or_else(|error| panic!("{target}: {error}"));
        let has = |symbol: &str| library.windows(symbol.len()).any(|window| window == symbol.as_bytes());
        assert!(has("lk_json_encode_table_baseline"), "{target}");
        for level in ["v2", "v3", "v4"] {
            assert_eq!(
                has(&format!("lk_json_encode_table_{level}")),
                target.starts_with("x86_64"),
                "{level}, {target}"
            );
        }
        assert_eq!(has("lk_json_encode_table_neon"), target.starts_with("aarch64"), "{target}");
        assert!(prefix.join("include/lyger_kernels.h").is_file(), "{target}");
    }
}
