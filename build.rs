//! Tells the linker how liblyger.so is loaded and compiles what is in Zig: with the feature `zig-kernels` zig/kernels/, to which
//! it generates the bindings, with `zig-server` zig/server/.
//!
//! What always holds: nothing is written outside of OUT_DIR, a second build with nothing changed runs nothing, and
//! whatever is wrong is told in one readable message. Without the features neither Zig nor libclang is looked for.

fn main() {
    // Cargo looks at this file by itself, and without such a line at every file of the package.
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rustc-check-cfg=cfg(zig_checked)");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    // tests/emulated is built by this file, too, and has no such library.
    if is("CARGO_PKG_NAME", "lyger") && is("CARGO_CFG_TARGET_OS", "linux") {
        // Never unmapped: PHP closes the library with its last FFI object, and the server's threads, fork handlers and
        // thread-locals would go on in memory that is gone.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    #[cfg(feature = "zig-kernels")]
    end_if_failed(zig::build_kernels());
    #[cfg(feature = "zig-server")]
    end_if_failed(zig::build_server());
}

#[cfg(any(feature = "zig-kernels", feature = "zig-server"))]
fn end_if_failed(outcome: Result<(), String>) {
    if let Err(message) = outcome {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
        std::process::exit(1);
    }
}

#[cfg(any(feature = "zig-kernels", feature = "zig-server"))]
mod zig {
    use std::env;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// The one version that is known to work: 0.17's `zig build` hangs, 0.15's build API differs.
    const VERSION: &str = "0.16.0";

    /// One library in Zig.
    struct Library {
        feature: &'static str,
        /// The step of build.zig that installs it, and how it is called there.
        step: &'static str,
        name: &'static str,
        /// Everything that it is made of. Cargo looks into folders for the newest file.
        sources: &'static str,
        /// What there is without it.
        without: &'static str,
    }

    #[cfg(feature = "zig-kernels")]
    pub(crate) fn build_kernels() -> Result<(), String> {
        let library = Library {
            feature: "zig-kernels",
            step: "kernels",
            name: "lyger_kernels",
            sources: "zig/kernels",
            without: "the kernels then run in pure Rust",
        };
        // The shipped kernels are ReleaseFast in every profile, so that the tests of a dev build test what ships;
        // beside them a dev build carries a variant that traps where the others would read out of range.
        let is_debug = variable("PROFILE")? == "debug";
        if is_debug {
            println!("cargo::rustc-cfg=zig_checked");
        }
        let prefix = library.build(if is_debug { &["-Dchecked=true"] } else { &[] })?;
        let out = PathBuf::from(variable("OUT_DIR")?);
        generate_bindings(&prefix.join("include/lyger_kernels.h"), &out.join("lyger_kernels.rs"))
    }

    #[cfg(feature = "zig-server")]
    pub(crate) fn build_server() -> Result<(), String> {
        let library = Library {
            feature: "zig-server",
            step: "front",
            name: "lyger_server",
            sources: "zig/server",
            without: "axum is then the only front",
        };
        library.build(&[]).map(drop)
    }

    impl Library {
        /// Compiles it, has it linked, and returns the folder that it is installed in.
        fn build(&self, arguments: &[&str]) -> Result<PathBuf, String> {
            let root = root()?;
            for source in ["build.zig", "build.zig.zon", self.sources] {
                println!("cargo::rerun-if-changed={}", root.join(source).display());
            }
            println!("cargo::rerun-if-env-changed=LYGER_ZIG");
            let out = PathBuf::from(variable("OUT_DIR")?);
            let prefix = out.join("zig");
            let zig = find().map_err(|seen| self.explain(&seen))?;
            let mut command = Command::new(&zig[0]);
            command.args(&zig[1..]).args(["build", self.step]).args(arguments);
            command.arg(format!("-Dtarget={}", target()?));
            command.arg("--prefix").arg(&prefix);
            command.arg("--cache-dir").arg(out.join("zig-cache"));
            command.arg("--global-cache-dir").arg(out.join("zig-global-cache"));
            command.current_dir(root);
            let output = command.output().map_err(|error| format!("`{}` doesn't start: {error}", zig.join(" ")))?;
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr);
                return Err(format!("`zig build {}` failed:\n{}", self.step, text.trim()));
            }
            println!("cargo::rustc-link-search=native={}", prefix.join("lib").display());
            println!("cargo::rustc-link-lib=static={}", self.name);
            Ok(prefix)
        }

        fn explain(&self, seen: &[String]) -> String {
            let Self { feature, without, .. } = self;
            format!(
                "the feature `{feature}` needs Zig {VERSION}, but {}.\n\
                 Get it with `pip install ziglang=={VERSION}` or from https://ziglang.org/download, \
                 and name it in LYGER_ZIG if it isn't on PATH;\n\
                 or build without the feature: {without}.",
                seen.join(" and ")
            )
        }
    }

    /// The folder of build.zig: this package's, or that of the workspace it belongs to.
    fn root() -> Result<PathBuf, String> {
        let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
        let root = package.ancestors().find(|folder| folder.join("build.zig").is_file());
        root.map(Path::to_owned).ok_or_else(|| format!("there is no build.zig in {}", package.display()))
    }

    #[cfg(feature = "zig-kernels")]
    fn generate_bindings(header: &Path, out: &Path) -> Result<(), String> {
        let mut builder =
            bindgen::Builder::default().header(header.to_string_lossy()).allowlist_item("(lk|LK)_.*").use_core();
        // Its types are the same for every target of 64 bits, and often there are the C headers of this machine only. For
        // another target the assertions on the layout would fail.
        builder = builder.clang_arg(format!("--target={}", variable("HOST")?));
        if variable("PROFILE")? != "debug" {
            builder = builder.blocklist_item("lk_.*_checked");
        }
        // bindgen panics when there is no libclang to load.
        std::panic::set_hook(Box::new(|_| {}));
        let generated = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| builder.generate()));
        let _ = std::panic::take_hook();
        generated
            .map_err(|panic| {
                let reason = panic.downcast_ref::<String>().map_or("bindgen panicked", String::as_str);
                format!(
                    "the feature `zig-kernels` needs libclang, from which bindgen reads the kernels' header: {reason}\n\
                     Install libclang-dev (Debian) or name its folder in LIBCLANG_PATH;\n\
                     or build without the feature: the kernels then run in pure Rust."
                )
            })?
            .map_err(|error| format!("bindgen can't read {}: {error}", header.display()))?
            .write_to_file(out)
            .map_err(|error| format!("{}: {error}", out.display()))
    }

    /// The first of LYGER_ZIG, `zig` and `python3 -m ziglang` that is of the right version, as program and arguments. What was
    /// seen where none is.
    fn find() -> Result<Vec<String>, Vec<String>> {
        if let Some(command) = env::var("LYGER_ZIG").ok().filter(|command| !command.trim().is_empty()) {
            let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
            // Asked for by name, so nothing else will do.
            return match version(&words) {
                Ok(found) if found == VERSION => Ok(words),
                Ok(found) => Err(vec![format!("LYGER_ZIG, `{command}`, is version {found}")]),
                Err(reason) => Err(vec![format!("LYGER_ZIG, `{command}`, {reason}")]),
            };
        }
        let mut seen = Vec::new();
        for candidate in ["zig", "python3 -m ziglang"] {
            let words: Vec<String> = candidate.split(' ').map(str::to_owned).collect();
            match version(&words) {
                Ok(found) if found == VERSION => return Ok(words),
                Ok(found) => seen.push(format!("`{candidate}` is version {found}")),
                Err(reason) => seen.push(format!("`{candidate}` {reason}")),
            }
        }
        Err(seen)
    }

    fn version(command: &[String]) -> Result<String, String> {
        let output = Command::new(&command[0])
            .args(&command[1..])
            .arg("version")
            .output()
            .map_err(|_| "isn't there".to_owned())?;
        if !output.status.success() {
            return Err("doesn't run".to_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Cargo's target in Zig's words. Always given: without it Zig would compile for this machine's CPU.
    fn target() -> Result<String, String> {
        let arch = variable("CARGO_CFG_TARGET_ARCH")?;
        let os = variable("CARGO_CFG_TARGET_OS")?;
        let abi = env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
        let abi = if abi.is_empty() { "none".to_owned() } else { abi };
        Ok(format!("{arch}-{os}-{abi}"))
    }

    fn variable(name: &str) -> Result<String, String> {
        env::var(name).map_err(|error| format!("{name}: {error}"))
    }
}
