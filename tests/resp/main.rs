//! The Redis-compatible server from outside: against a real Redis, with real clients, under hostile input.
//!
//! | file | what it promises |
//! |---|---|
//! | `differential.rs` | random commands get the replies that a real Redis 7.0 gives |
//! | `streams.rs` | random and broken streams of bytes get them, too |
//! | `described.rs` | COMMAND tells of each command what a real Redis tells |
//! | `clients.rs` | redis-cli, phpredis, Python's redis and Node's ioredis work |
//! | `hostile.rs` | what is too large, too long or not taken is refused or waited for, in bounded memory |
//! | `floats.rs` | PHP counts floats as a real Redis does |
//! | `channels.rs` | messages reach clients of other threads, in both protocols |
//! | `transactions.rs` | nobody sees a half of a transaction |
//! | `blocking.rs` | `--io blocking` serves as many clients as threads and tells the others |
//! | `snapshot.rs` | what was saved is there again, whole or not at all |
//! | `program.rs` | the program ends as it should and says why it doesn't start |
//! | `time.rs` | keys are gone when their time has come, to the millisecond |
//! | `spin.rs` | who waits costs no turns |
//! | `crowd.rs` | ten thousand idle clients cost no buffers and delay nobody |

mod blocking;
mod channels;
mod clients;
mod crowd;
mod described;
mod differential;
mod floats;
mod hostile;
mod program;
mod random;
#[path = "../support/redis.rs"]
mod redis;
mod servers;
mod snapshot;
mod spin;
mod streams;
mod time;
mod together;
mod transactions;
mod wire;
