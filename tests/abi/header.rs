//! `rust/ffi/lyger.h` and `php/src/Core/lyger.ffi.h` are generated from `rust/ffi/*.rs` and checked in.
//!
//! `LYGER_BLESS=1 cargo test --test abi` rewrites them.

use std::fs;
use std::path::Path;

use cbindgen::{Builder, Config, DocumentationLength, DocumentationStyle, EnumConfig, Language, RenameRule, Style};

const C_HEADER: &str = "rust/ffi/lyger.h";
const PHP_HEADER: &str = "php/src/Core/lyger.ffi.h";

const C_PREAMBLE: &str = "\
/* The C boundary of Lyger's engine. Generated from rust/ffi/ by `LYGER_BLESS=1 cargo test --test abi`: don't edit.
 *
 * A pointer and a length: null with length 0 is empty, null with more is LYGER_STATUS_NULL_POINTER, a length above the
 * documented maximum is LYGER_STATUS_TOO_LONG. An output `(buf, cap, needed)`: *needed is always set, and buf is
 * written only when all of it fits; call with (NULL, 0, &needed) to ask. Ids are below 2^53 and never 0. Every call
 * but lyger_last_error sets the calling thread's last error. A pointer that isn't null is believed: a length that
 * reaches past the caller's memory is a mistake that nobody can find.
 */";

const PHP_PREAMBLE: &str = "\
/* The C boundary of Lyger's engine for FFI::cdef. Generated from rust/ffi/ by `LYGER_BLESS=1 cargo test --test abi`: \
don't edit. lyger.h documents it. */";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn generate(config: Config) -> String {
    let mut header = Vec::new();
    // One file: cbindgen follows its modules.
    let bindings = Builder::new().with_config(config).with_src(root().join("rust/ffi/mod.rs")).generate();
    bindings.expect("cbindgen reads rust/ffi").write(&mut header);
    String::from_utf8(header).expect("a header in UTF-8")
}

fn shared() -> Config {
    let mut config = Config {
        language: Language::C,
        style: Style::Both,
        cpp_compat: true,
        usize_is_size_t: true,
        documentation: true,
        documentation_style: DocumentationStyle::C,
        documentation_length: DocumentationLength::Full,
        line_length: 120,
        tab_width: 4,
        enumeration: EnumConfig { rename_variants: RenameRule::QualifiedScreamingSnakeCase, ..EnumConfig::default() },
        ..Config::default()
    };
    // Named by no signature: its numbers are passed as uint32_t, so that a wrong one is a status.
    config.export.include.push("RequestPart".into());
    for (rust, c) in [
        ("ABI_VERSION", "LYGER_ABI_VERSION"),
        ("Call", "lyger_call"),
        ("Reader", "lyger_reader"),
        ("RequestHead", "lyger_request_head"),
        ("RequestPart", "lyger_request_part"),
        ("ResultInfo", "lyger_result_info"),
        ("Status", "lyger_status"),
        ("VectorInfo", "lyger_vector_info"),
    ] {
        config.export.rename.insert(rust.into(), c.into());
    }
    config
}

fn c_header() -> String {
    generate(Config { header: Some(C_PREAMBLE.into()), include_guard: Some("LYGER_H".into()), ..shared() })
        .replace("# Safety\n", "Promised by the caller:\n")
}

fn php_header() -> String {
    let mut config = Config { no_includes: true, documentation: false, cpp_compat: false, ..shared() };
    // FFI::cdef has no macros; PHP's Library class holds the number that it was written for.
    config.export.exclude.push("ABI_VERSION".into());
    format!("{PHP_PREAMBLE}\n{}", without_preprocessor(&generate(config)))
}

// FFI::cdef reads declarations only. Every condition that cbindgen writes asks for C23 and has its C99 form behind #else.
fn without_preprocessor(header: &str) -> String {
    let mut kept = String::new();
    let mut skipping = false;
    for line in header.lines() {
        match line.split_whitespace().next() {
            Some("#if") => skipping = true,
            Some("#else" | "#endif") => skipping = false,
            Some(word) if word.starts_with('#') => panic!("a line that FFI::cdef can't read: {line}"),
            _ if !skipping => kept.extend([line, "\n"]),
            _ => {}
        }
    }
    kept
}

fn assert_current(path: &str, generated: &str) {
    let file = root().join(path);
    if std::env::var_os("LYGER_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&file, generated).expect("the header can be written");
    }
    let checked_in = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        checked_in == generated,
        "{path} isn't what rust/ffi/ declares now; `LYGER_BLESS=1 cargo test --test abi` rewrites it.\n\
         First different line: {:?}",
        generated.lines().zip(checked_in.lines().chain(std::iter::repeat(""))).find(|(new, old)| new != old)
    );
}

#[test]
fn the_c_header_is_current() {
    assert_current(C_HEADER, &c_header());
}

#[test]
fn the_php_header_is_current() {
    assert_current(PHP_HEADER, &php_header());
}
