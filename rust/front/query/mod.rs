//! What the front does with databases: the answers of rows that workers leave to it, and the statements whose rows they wait
//! for at the other ends of their lanes. It knows no HTTP library but the types of `http`.

mod body;
mod conditional;
mod crew;
mod desk;
mod rows;
mod slices;
mod sql;

pub(super) use desk::desk;
pub(super) use rows::{Asked, answer};
pub(super) use slices::Slices;
pub(super) use sql::Database;

use super::thread::Front;
use super::{refusal, reply};
