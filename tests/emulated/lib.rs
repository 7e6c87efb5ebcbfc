//! The engine's kernels without the engine, so that they are quick to compile for a CPU that isn't here.

#![allow(unsafe_code, reason = "as in the engine")]
#![allow(dead_code, reason = "the engine's other rooms use the rest")]

#[path = "../../rust/kernels/mod.rs"]
pub mod kernels;
