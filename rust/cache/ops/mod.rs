//! What PHP and Redis clients do with a table, each in one update: thin functions over [`Table::get`](super::Table::get) and
//! [`Table::update`](super::Table::update).

mod flight;
mod lock;
mod many;
mod number;
mod rate;
mod session;
mod value;

pub use flight::Flight;
pub use number::NotANumber;
pub(crate) use number::sum_of_floats;
pub use rate::Rate;
pub use value::{Condition, Expiry, Written};
