//! The shared library as cargo built it, what it exports, and what the header declares.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// liblyger.so as cargo built it for this test: beside the test's own program, from the same call of the compiler
/// as the Rust library that other tests link. A newer source would make every test of it a lie, so that is looked at.
pub(crate) fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let exe = std::env::current_exe().expect("the test has a path");
        let folder = exe.parent().expect("target/<profile>/deps");
        let path = folder.join("liblyger.so");
        let built = modified(&path);
        // Cargo's own list, in the form of a makefile's rule: the library, a colon, its sources.
        let rule = std::fs::read_to_string(folder.join("lyger.d")).expect("cargo wrote lyger.d");
        let sources = rule.lines().next().and_then(|line| line.split_once(": ")).expect("a rule").1;
        // A space in a path has a backslash before it.
        let sources = sources.replace("\\ ", "\0");
        let sources = sources.split(' ').map(|source| source.replace('\0', " "));
        let newer: Vec<String> = sources.filter(|source| modified(Path::new(source)) > built).collect();
        assert!(newer.is_empty(), "{} is older than {newer:?}: cargo build", path.display());
        path
    })
}

fn modified(path: &Path) -> SystemTime {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let metadata = std::fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    metadata.modified().expect("files have times")
}

/// The names of the functions that a header declares.
pub(crate) fn declared() -> BTreeSet<String> {
    let header = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("php/src/Core/lyger.ffi.h"));
    let header = header.expect("PHP's header is checked in");
    let names = ["lyger_", "engram_"].into_iter().flat_map(|prefix| {
        header.split(prefix).skip(1).filter_map(move |rest| {
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_')?;
            rest[end..].starts_with('(').then(|| format!("{prefix}{}", &rest[..end]))
        })
    });
    names.collect()
}

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(path()).output().expect("nm runs");
    assert!(output.status.success(), "nm: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("symbols are ASCII");
    let exported: BTreeSet<String> =
        text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect();
    assert_eq!(exported, declared());
}

#[test]
fn the_library_stays_mapped_when_php_closes_it() {
    let output = Command::new("readelf").args(["-d", "-W"]).arg(path()).output().expect("readelf runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.lines().any(|line| line.contains("FLAGS_1") && line.contains("NODELETE")), "{text}");
}
