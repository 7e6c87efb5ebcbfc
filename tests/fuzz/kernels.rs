//! What is fuzzed.

use crate::agree::Bench;
use crate::random::Random;
use crate::{graph, heavy, json, vectors};

/// Makes one case of what is random, runs it by every variant and says which differs.
pub(crate) type Check = fn(&mut Random, &mut Bench) -> Result<(), String>;

pub(crate) const KERNELS: [(&str, Check); 10] = [
    ("json", json::check),
    ("decay", graph::decay),
    ("spread", graph::spread),
    ("vectors-f32", vectors::f32),
    ("vectors-f16", vectors::f16),
    ("vectors-bf16", vectors::bf16),
    ("vectors-i8", vectors::i8),
    ("hamming", vectors::hamming),
    ("normalize", vectors::normalize),
    ("heavy", heavy::check),
];
