//! The rules of the house, as tests: which room of the engine may use which, where `unsafe` may stand, what lies at the
//! top, how long a file may be, and what never comes into git.
//!
//! Every rule is a function from text to violations (`rules.rs`, `source.rs`), so that a made-up violation can be shown
//! to it: a rule that sees nothing would otherwise look just like a tidy tree.

mod rules;
mod source;

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The paths that git has or would take, relative to the root: build output is not in it.
fn files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let list = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let files: Vec<String> =
        list.split_terminator('\0').filter(|path| root().join(path).is_file()).map(str::to_owned).collect();
    assert!(files.iter().any(|path| path == "Cargo.toml"), "git lists this repository");
    files
}

fn read(path: impl AsRef<Path>) -> String {
    String::from_utf8_lossy(&std::fs::read(root().join(path.as_ref())).expect("a listed file can be read")).into_owned()
}

fn assert_none(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

fn rust_files() -> impl Iterator<Item = (String, String)> {
    files().into_iter().filter(|path| path.starts_with("rust/") && path.ends_with(".rs")).map(|path| {
        let text = read(&path);
        (path, text)
    })
}

#[test]
fn rooms_use_only_the_rooms_below_them() {
    assert_none(rust_files().flat_map(|(path, text)| rules::forbidden_uses(&path, &text)).collect());
}

#[test]
fn the_table_of_rooms_in_architecture_md_is_the_one_that_is_enforced() {
    assert_none(rules::documented_rooms(&read("ARCHITECTURE.md")));
}

#[test]
fn unsafe_stands_only_in_the_rooms_that_are_named() {
    assert_none(rust_files().flat_map(|(path, text)| rules::forbidden_unsafe(&path, &text)).collect());
}

#[test]
fn every_room_on_disk_is_in_the_table() {
    assert_none(rust_files().filter_map(|(path, _)| rules::unknown_room(&path)).collect());
}

#[test]
fn the_top_level_holds_what_was_agreed_and_nothing_else() {
    assert_none(rules::top_level(&files()));
}

#[test]
fn no_source_file_is_longer_than_a_reader_can_bear() {
    assert_none(files().iter().filter_map(|path| rules::too_long(path, &read(path))).collect());
}

#[test]
fn no_file_names_a_path_of_somebody_s_machine() {
    assert_none(files().iter().flat_map(|path| rules::machine_paths(path, &read(path))).collect());
}

#[test]
fn no_binary_and_no_build_output_is_in_git() {
    assert_none(
        files()
            .iter()
            .filter_map(|path| rules::not_source(path, &std::fs::read(root().join(path)).expect("readable")))
            .collect(),
    );
}

#[test]
fn the_test_of_each_integration_test_is_an_entry_in_cargo_toml() {
    assert_none(rules::unlisted_tests(
        &files(),
        &["Cargo.toml", "benches/server/Cargo.toml", "rust/resp/program/Cargo.toml", "rust/resp/foreign/Cargo.toml"]
            .map(read)
            .concat(),
    ));
}
