//! Tells the linker how liblyger.so is loaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        // Never unmapped: PHP closes the library with its last FFI object, and the server's threads, fork handlers and
        // thread-locals would go on in memory that is gone.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
