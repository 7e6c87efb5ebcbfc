//! The native engine of Lyger.

pub mod json;
pub mod kernels;
