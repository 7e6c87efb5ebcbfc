//! The cache over real Redis servers, which each test starts for itself: one, a cluster, a sentinels' service, and Lyger's own.
//!
//! | file | what it promises |
//! |---|---|
//! | `operations.rs` | every operation does what it says, over every kind of server and DSN |
//! | `same.rs` | random operations give what a table in memory gives |
//! | `together.rs` | two processes' locks, flights and counters; prefixes that see nothing of each other |
//! | `login.rs` | passwords and certificates, right ones and wrong ones |
//! | `failures.rs` | servers that die, are full, hang or hold something else |
//! | `cluster.rs` | slots that move, keys of several slots, a master that dies |
//! | `sentinel.rs` | another master takes over |
//! | `clocks.rs` | a server whose clock differs from this machine's changes nothing |

#[path = "../support/certificates.rs"]
mod certificates;
mod clocks;
mod cluster;
mod failures;
mod login;
mod operations;
#[path = "../support/redis.rs"]
mod redis;
mod same;
mod sentinel;
mod servers;
mod together;
