//! What the table promises, in one process.

use super::*;
