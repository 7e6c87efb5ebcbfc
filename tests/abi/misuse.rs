//! Runs the C program in `misuse/`: plainly, and under AddressSanitizer or Valgrind where the machine has them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::library;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abi/misuse")
}

fn sources() -> Vec<PathBuf> {
    let mut sources: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("tests/abi/misuse")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    sources
}

fn compile(name: &str, sources: &[PathBuf], flags: &[&str]) -> Result<PathBuf, String> {
    let library = library::path().parent().expect("a folder");
    let program = library.join(format!("abi-{name}"));
    let mut cc = Command::new("cc");
    cc.args(["-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread"]).args(flags);
    cc.arg("-I").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("rust/ffi"));
    cc.args(sources).arg("-o").arg(&program).arg("-L").arg(library).args(["-llyger", "-lm"]);
    cc.arg(format!("-Wl,-rpath,{}", library.display()));
    let output = cc.output().expect("cc runs");
    if output.status.success() { Ok(program) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn run(command: &mut Command, environment: &[(&str, &str)]) -> Output {
    // The program tests what the environment says, so it starts from none of ours.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LYGER_")) {
        command.env_remove(name);
    }
    // Cargo's path for libraries names a folder that may hold an older liblyger.so, and it goes before the rpath.
    command.env_remove("LD_LIBRARY_PATH");
    for (name, value) in environment {
        command.env(name, value);
    }
    command.output().expect("the program runs")
}

fn assert_clean(how: &str, output: &Output) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{how}: {}\n{text}", output.status);
    assert!(text.contains(" checks, 0 failed"), "{how}: the program didn't reach its end\n{text}");
}

#[test]
fn misuse_from_c_is_a_status_every_time() {
    let program = compile("misuse", &sources(), &["-std=c11"]).unwrap_or_else(|error| panic!("{error}"));
    assert_clean("plain", &run(&mut Command::new(program), &[]));
}

#[test]
fn misuse_from_c_touches_no_memory_that_isnt_there() {
    match compile("misuse-asan", &sources(), &["-std=c11", "-fsanitize=address"]) {
        Ok(program) => assert_clean("under AddressSanitizer", &run(&mut Command::new(program), &[])),
        Err(_) if Command::new("valgrind").arg("--version").output().is_ok() => {
            let program =
                compile("misuse-valgrind", &sources(), &["-std=c11"]).unwrap_or_else(|error| panic!("{error}"));
            assert_clean(
                "under Valgrind",
                &run(Command::new("valgrind").args(["-q", "--error-exitcode=9"]).arg(program), &[]),
            );
        }
        Err(error) => println!("skipped: neither AddressSanitizer nor Valgrind here\n{error}"),
    }
}

#[test]
fn kernels_that_cannot_be_are_an_error_that_names_them() {
    let program = compile("misuse-kernels", &sources(), &["-std=c11"]).unwrap_or_else(|error| panic!("{error}"));
    let output = run(Command::new(program).arg("kernels"), &[("LYGER_KERNELS", "abacus")]);
    assert_clean("with LYGER_KERNELS=abacus", &output);
}

#[test]
fn the_c_program_calls_every_function_of_the_header() {
    let text: String = sources().iter().map(|source| std::fs::read_to_string(source).expect("a source")).collect();
    let missing: Vec<String> =
        library::declared().into_iter().filter(|name| !text.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "tests/abi/misuse doesn't call {missing:?}");
}

#[test]
fn the_header_is_also_cpp() {
    let source = library::path().parent().expect("a folder").join("abi-header.cpp");
    std::fs::write(
        &source,
        "#include \"lyger.h\"\nint main() { return lyger_abi_version() == LYGER_ABI_VERSION ? 0 : 1; }\n",
    )
    .expect("the source can be written");
    let program = compile("header-cpp", &[source], &["-xc++", "-std=c++17"]);
    let program = program.unwrap_or_else(|error| panic!("{error}"));
    assert!(run(&mut Command::new(program), &[]).status.success());
}
