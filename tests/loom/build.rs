//! Says `cfg(loom)` to this package and to no other: by RUSTFLAGS it would reach Tokio too, and compile everything anew.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=loom");
}
