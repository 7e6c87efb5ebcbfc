//! The vector index: vectors by id, and the most alike of them to a query, found by looking at every one.
//!
//! What always holds: an [`Index`] has vectors of one number of elements, all finite, each under its own id. What is asked of
//! it is answered by ids alone: the order of its rows, the number of threads and the kernels decide nothing, and of equal
//! scores the lower id is better. A change is whole, or an error and none. Memory that isn't there is an error.
//!
//! | file | holds |
//! |---|---|
//! | `index` | the index: what is added, replaced, removed |
//! | `store` | rows in aligned memory, with their ids and norms |
//! | `search` | the best of them, among all or some, by one thread or several |
//! | `column` | vectors in the columns of a statement's rows |
//! | `text` | a vector as JSON |
//! | `file` | an index as a file |
//! | `limits`, `error` | how large it may get, and what can be wrong |

mod column;
mod error;
mod file;
mod index;
mod limits;
mod search;
#[cfg(test)]
mod search_tests;
mod store;
mod text;

pub use crate::kernels::vectors::Metric;
pub use error::{Error, Of};
pub use index::{Found, Index};
pub use limits::Limits;
