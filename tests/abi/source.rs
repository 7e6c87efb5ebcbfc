//! What every exported function must show in its source: the panic boundary, and its rules for errors and threads.

use std::fs;
use std::path::Path;

/// Each export's name, the lines of its documentation, and its text up to the closing brace.
fn exports() -> Vec<(String, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rust/ffi");
    let mut exports = Vec::new();
    for entry in fs::read_dir(folder).expect("rust/ffi") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        for (at, marker) in text.match_indices("#[unsafe(no_mangle)]\n") {
            let mut documentation: Vec<&str> =
                text[..at].lines().rev().take_while(|line| line.starts_with("///")).collect();
            documentation.reverse();
            let rest = &text[at + marker.len()..];
            let body = &rest[..rest.find("\n}\n").expect("a function ends")];
            let name = body.split("fn ").nth(1).and_then(|after| after.split('(').next()).expect("a name");
            exports.push((name.to_owned(), documentation.join("\n"), body.to_owned()));
        }
    }
    exports
}

#[test]
fn every_export_is_seen_here() {
    let mut seen: Vec<String> = exports().into_iter().map(|(name, ..)| name).collect();
    seen.sort();
    assert_eq!(seen, crate::library::declared().into_iter().collect::<Vec<_>>());
}

#[test]
fn every_export_runs_inside_the_panic_boundary() {
    for (name, _, body) in exports() {
        let inside = ["panic::status(", "panic::value(", "panic::without_trace("];
        assert!(inside.iter().any(|boundary| body.contains(boundary)), "{name} isn't behind the boundary:\n{body}");
        // What stands before the boundary would unwind into C.
        let before = body.split("panic::").next().expect("a first part");
        assert!(!before.contains(".unwrap()") && !before.contains('!'), "{name} may panic outside:\n{before}");
    }
}

#[test]
fn every_export_says_which_threads_may_call_it_and_who_promises_what() {
    for (name, documentation, body) in exports() {
        assert!(documentation.contains("Any thread"), "{name} doesn't say which threads may call it");
        let is_unsafe = body.starts_with("pub unsafe");
        assert_eq!(
            documentation.contains("# Safety"),
            is_unsafe,
            "{name}: an unsafe function says what it is promised"
        );
    }
}
