//! The rules, each from text to the violations it sees, one line for each, with file and line.

use crate::source;

/// ARCHITECTURE.md, "The rooms": what each room of `rust/` may use. Dependencies point down only.
///
/// `handles`, `runtime`, `tls` and `wording` are beside the rooms: ids are for whoever gives them out, the runtime of the calling
/// thread for those who serve a caller, TLS and the wording of errors for clients of other servers.
const ROOMS: [(&str, &[&str]); 16] = [
    ("ffi", &["fleet", "front", "resp", "db", "cache", "lane", "json", "vector", "kernels", "handles", "runtime"]),
    ("fleet", &["front", "lane", "runtime"]),
    ("front", &["ring", "lane", "db", "json", "cache", "resp", "handles", "runtime"]),
    ("ring", &[]),
    ("resp", &["cache", "runtime"]),
    ("db", &["json", "kernels", "prepared", "handles", "runtime", "tls", "wording"]),
    ("cache", &["kernels", "tls", "wording"]),
    ("lane", &[]),
    ("json", &["kernels"]),
    ("vector", &["kernels", "db", "runtime"]),
    ("kernels", &[]),
    ("prepared", &[]),
    ("handles", &[]),
    ("runtime", &[]),
    ("tls", &["wording"]),
    ("wording", &[]),
];

/// Where `unsafe` may stand. `ring` is the C boundary to the server in Zig; `runtime` registers a fork handler, blocks signals and looks at
/// sockets that libraries hide.
const UNSAFE_ROOMS: [&str; 7] = ["ffi", "ring", "lane", "kernels", "cache", "prepared", "runtime"];

/// A program of its own within a room that has none: it is called by C, and calls it.
const UNSAFE_FOLDER: &str = "rust/resp/foreign/";

/// The files and folders of the top level; a `?` marks those that may be missing.
const TOP_LEVEL: [&str; 23] = [
    ".cargo",
    ".ci",
    ".gitattributes?",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "benches",
    "build.rs",
    "build.zig",
    "build.zig.zon",
    "docs",
    "flake.nix",
    "php",
    "rust",
    "rust-toolchain.toml?",
    "rustfmt.toml",
    "tests",
    "zig",
];

/// Over this a file asks for a split.
const LINES_MAX: usize = 500;

/// A test's fixture may be larger; a picture or a database in git is a mistake at any size.
const FILE_BYTES_MAX: usize = 1_000_000;

/// `rust/db/params.rs` is `["db", "params"]`, `rust/db/mod.rs` `["db"]`, `rust/lib.rs` `[]`.
fn module(path: &str) -> Vec<&str> {
    let inside = path.strip_prefix("rust/").and_then(|path| path.strip_suffix(".rs")).unwrap_or_default();
    let mut names: Vec<&str> = inside.split('/').collect();
    if matches!(names.last(), Some(&"mod" | &"lib")) {
        names.pop();
    }
    names
}

fn allowed(room: &str) -> Option<&'static [&'static str]> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed)
}

/// What is different between ARCHITECTURE.md's table of rooms and the one above: a page that says something else than
/// what is enforced is worse than none.
pub(crate) fn documented_rooms(page: &str) -> Vec<String> {
    let section = page.split("\n## ").find(|section| section.starts_with("The rooms")).unwrap_or_default();
    let rows: Vec<(&str, Vec<&str>)> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix('|'))
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim);
            let room = cells.next()?.trim_end_matches(['`', '/']);
            let mut may_use: Vec<&str> = cells.nth(1)?.split(", ").filter(|name| !name.is_empty()).collect();
            may_use.sort_unstable();
            Some((room, may_use))
        })
        .collect();
    let undocumented = ROOMS.iter().filter_map(|(room, may_use)| {
        let mut may_use = may_use.to_vec();
        may_use.sort_unstable();
        (!rows.contains(&(*room, may_use.clone())))
            .then(|| format!("ARCHITECTURE.md: `{room}` may use {may_use:?}, the page says something else"))
    });
    let unknown = rows
        .iter()
        .filter(|(room, _)| allowed(room).is_none())
        .map(|(room, _)| format!("ARCHITECTURE.md: the room `{room}` doesn't exist"));
    undocumented.chain(unknown).collect()
}

pub(crate) fn forbidden_uses(path: &str, text: &str) -> Vec<String> {
    let module = module(path);
    // lib.rs is the tour: it names every room.
    let Some(room) = module.first() else { return Vec::new() };
    let allowed = allowed(room).unwrap_or_default();
    source::crate_names(&module, text)
        .into_iter()
        .filter(|(_, name)| name != room && !allowed.contains(&name.as_str()))
        // Not a room but something at the crate's root, as a macro: `lib.rs` exports no other names.
        .filter(|(_, name)| self::allowed(name).is_some())
        .map(|(line, name)| format!("{path}:{line}: the room `{room}` may not use `{name}`"))
        .collect()
}

pub(crate) fn forbidden_unsafe(path: &str, text: &str) -> Vec<String> {
    let module = module(path);
    let room = module.first().copied();
    if room.is_some_and(|room| UNSAFE_ROOMS.contains(&room)) || path.starts_with(UNSAFE_FOLDER) {
        return Vec::new();
    }
    source::words(text)
        .into_iter()
        // lib.rs grants it by name, with `allow(unsafe_code)`; nobody else grants it to themselves.
        .filter(|(_, word)| word == "unsafe" || (word == "unsafe_code" && room.is_some()))
        .map(|(line, word)| format!("{path}:{line}: `{word}` outside of the rooms {UNSAFE_ROOMS:?}"))
        .collect()
}

pub(crate) fn unknown_room(path: &str) -> Option<String> {
    let room = *module(path).first()?;
    allowed(room).is_none().then(|| format!("{path}: the room `{room}` is not in the table of ARCHITECTURE.md"))
}

pub(crate) fn top_level(files: &[String]) -> Vec<String> {
    let mut there: Vec<&str> = files.iter().filter_map(|path| path.split('/').next()).collect();
    there.sort_unstable();
    there.dedup();
    let name = |entry: &'static str| entry.trim_end_matches('?');
    let strangers = there
        .iter()
        .filter(|entry| !TOP_LEVEL.iter().any(|expected| name(expected) == **entry))
        .map(|entry| format!("{entry}: not one of the files and folders of the top level"));
    let missing = TOP_LEVEL
        .iter()
        .filter(|expected| !expected.ends_with('?') && !there.contains(expected))
        .map(|expected| format!("{expected}: missing at the top level"));
    strangers.chain(missing).collect()
}

pub(crate) fn too_long(path: &str, text: &str) -> Option<String> {
    let ours =
        ["rust/", "zig/", "php/src/", "php/bin/", "tests/", "benches/"].iter().any(|room| path.starts_with(room));
    let source = [".rs", ".zig", ".php"].iter().any(|end| path.ends_with(end));
    let lines = text.lines().count();
    (ours && source && lines > LINES_MAX).then(|| format!("{path}: {lines} lines, more than {LINES_MAX}"))
}

/// Paths that exist on one machine: home folders and working folders. In pieces here, so as not to see this file.
pub(crate) fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let patterns = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
    text.lines()
        .enumerate()
        .filter_map(|(number, line)| {
            let pattern = patterns.iter().find(|pattern| starts_a_path(line, pattern))?;
            Some(format!("{path}:{}: names a path of one machine ({pattern}...): {}", number + 1, line.trim()))
        })
        .collect()
}

/// The same letters inside a longer path (`target/...`) start none.
fn starts_a_path(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|character| character.is_alphanumeric() || "_-.}])*".contains(character))
    })
}

pub(crate) fn not_source(path: &str, bytes: &[u8]) -> Option<String> {
    let built = ["target/", "vendor/", "zig-out/", ".zig-cache/", "php/libraries/"];
    if built.iter().any(|folder| path.starts_with(folder) || path.contains(&format!("/{folder}"))) {
        return Some(format!("{path}: build output in git"));
    }
    if bytes.contains(&0) {
        return Some(format!("{path}: a binary in git"));
    }
    (bytes.len() > FILE_BYTES_MAX).then(|| format!("{path}: {} bytes in git", bytes.len()))
}

/// `autotests` is off, so a folder of tests without its `[[test]]` entry, and that is no package of the workspace, would
/// never run and nobody would notice.
pub(crate) fn unlisted_tests(files: &[String], manifest: &str) -> Vec<String> {
    files
        .iter()
        .filter(|path| path.starts_with("tests/") && path.ends_with("/main.rs"))
        // A member of the workspace may name it, too, from its own folder.
        .filter(|path| !manifest.contains(&format!("path = \"{path}\"")) && !manifest.contains(&format!("../{path}\"")))
        .filter(|path| !path.strip_suffix("/main.rs").is_some_and(|folder| is_member(manifest, folder)))
        .map(|path| format!("{path}: no [[test]] entry in Cargo.toml"))
        .collect()
}

fn is_member(manifest: &str, folder: &str) -> bool {
    manifest.lines().any(|line| line.starts_with("members = [") && line.contains(&format!("\"{folder}\"")))
}

#[cfg(test)]
mod made_up_violations_are_seen {
    use super::*;

    fn list(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn a_room_that_looks_up() {
        let seen = forbidden_uses("rust/db/pool.rs", "use crate::json::table;\nuse crate::front::Config;\n");
        assert_eq!(seen, ["rust/db/pool.rs:2: the room `db` may not use `front`"]);
        assert_eq!(forbidden_uses("rust/lane/mod.rs", "use super::kernels::active;").len(), 1);
        assert_eq!(forbidden_uses("rust/json/a.rs", "fn f() { crate::db::g() }").len(), 1);
        assert_eq!(forbidden_uses("rust/runtime.rs", "use crate::ffi;").len(), 1);
    }

    #[test]
    fn and_one_that_looks_down_is_not() {
        assert!(forbidden_uses("rust/ffi/db.rs", "use crate::{db, front, runtime}; use super::status;").is_empty());
        assert!(forbidden_uses("rust/db/mod.rs", "use crate::db::Dsn; // crate::front::Config").is_empty());
        assert!(forbidden_uses("rust/lib.rs", "use crate::front;").is_empty());
    }

    #[test]
    fn a_page_that_says_something_else() {
        let page = "# A\n\n## The rooms\n\n| room | holds | may use |\n|---|---|---|\n| `lane/` | slots | db |\n| `attic/` | | |\n";
        let seen = documented_rooms(page);
        assert!(seen.iter().any(|line| line.contains("`lane` may use []")));
        assert!(seen.iter().any(|line| line.contains("`attic` doesn't exist")));
    }

    #[test]
    fn unsafe_where_it_may_not_be() {
        assert_eq!(forbidden_unsafe("rust/db/mod.rs", "fn f() { unsafe { g() } }").len(), 1);
        assert_eq!(forbidden_unsafe("rust/db/mod.rs", "#![allow(unsafe_code)]").len(), 1);
        assert_eq!(forbidden_unsafe("rust/lib.rs", "unsafe fn f() {}").len(), 1);
        assert!(forbidden_unsafe("rust/lib.rs", "#[allow(unsafe_code)]\npub mod ffi;").is_empty());
        assert!(forbidden_unsafe("rust/ffi/mod.rs", "unsafe { g() }").is_empty());
        assert!(forbidden_unsafe("rust/resp/foreign/lib.rs", "unsafe { g() }").is_empty());
        assert_eq!(forbidden_unsafe("rust/resp/server.rs", "unsafe { g() }").len(), 1);
        assert!(forbidden_unsafe("rust/db/mod.rs", "// unsafe\nlet a = \"unsafe\";").is_empty());
    }

    #[test]
    fn a_room_that_nobody_agreed_on() {
        assert!(unknown_room("rust/utils/mod.rs").is_some());
        assert!(unknown_room("rust/helpers.rs").is_some());
        assert!(unknown_room("rust/db/utils.rs").is_none());
    }

    #[test]
    fn a_stranger_at_the_top_and_a_gap() {
        let mut tidy: Vec<String> = TOP_LEVEL.iter().map(|entry| entry.trim_end_matches('?').to_owned()).collect();
        assert!(top_level(&tidy).is_empty());
        tidy.push("notes.txt".to_owned());
        tidy.retain(|entry| entry != "README.md" && entry != "rust-toolchain.toml");
        assert_eq!(top_level(&tidy).len(), 2);
    }

    #[test]
    fn a_file_without_an_end() {
        let long = "a\n".repeat(LINES_MAX + 1);
        assert!(too_long("rust/db/mod.rs", &long).is_some());
        assert!(too_long("php/src/Core/Engine.php", &long).is_some());
        assert!(too_long("rust/ffi/lyger.h", &long).is_none());
        assert!(too_long("rust/db/mod.rs", "a\n").is_none());
    }

    #[test]
    fn a_path_of_one_machine() {
        let line = format!("LIB={}me/somebody/liblyger.so", "/ho");
        assert_eq!(machine_paths("Makefile", &line).len(), 1);
        let within = format!("target{}rk/x", "/wo");
        assert!(machine_paths("Makefile", &within).is_empty());
        assert!(machine_paths("a.md", "GET / and /health").is_empty());
    }

    #[test]
    fn what_is_not_source() {
        assert!(not_source("php/libraries/lyger.so", b"x").is_some());
        assert!(not_source("php/vendor/autoload.php", b"x").is_some());
        assert!(not_source("tests/shop.sqlite", b"SQLite format 3\0").is_some());
        assert!(not_source("rust/lib.rs", b"fn main() {}\n").is_none());
    }

    #[test]
    fn a_test_that_would_never_run() {
        let manifest = "[[test]]\nname = \"abi\"\npath = \"tests/abi/main.rs\"\n";
        assert!(unlisted_tests(&list(&["tests/abi/main.rs"]), manifest).is_empty());
        assert_eq!(unlisted_tests(&list(&["tests/abi/main.rs", "tests/forgotten/main.rs"]), manifest).len(), 1);
        let manifest = "[workspace]\nmembers = [\".\", \"tests/abi\"]\n";
        assert!(unlisted_tests(&list(&["tests/abi/main.rs"]), manifest).is_empty());
        assert_eq!(unlisted_tests(&list(&["tests/a/main.rs"]), manifest).len(), 1);
    }
}
