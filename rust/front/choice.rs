//! Which server faces the clients: the setting `front`, and what is there for it.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::config::{Config, Setting};

/// A server that can face the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// hyper on Tokio's sockets; there everywhere.
    Axum,
    /// The server in Zig on Linux's `io_uring`, in libraries that were built with the feature `zig-server`.
    Uring,
}

impl Kind {
    /// As the setting and `/health` have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Uring => "uring",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Setting for Kind {
    fn read(value: &Value, _: std::ops::RangeInclusive<u64>) -> Result<Self, String> {
        let known = [Self::Axum, Self::Uring];
        let found = known.into_iter().find(|kind| value.as_str() == Some(kind.name()));
        found.ok_or_else(|| format!("{value} is neither \"axum\" nor \"uring\""))
    }
}

/// The server that was asked for, or else the axum front, and why in a sentence.
pub(super) fn choose(config: &Config) -> (Kind, Option<String>) {
    match config.front {
        Kind::Axum => (Kind::Axum, None),
        Kind::Uring => match obstacle(config) {
            None => (Kind::Uring, None),
            Some(reason) => (Kind::Axum, Some(format!("the front is axum and not uring: {reason}"))),
        },
    }
}

#[cfg(feature = "zig-server")]
fn obstacle(config: &Config) -> Option<String> {
    super::uring::obstacle(config)
}

#[cfg(not(feature = "zig-server"))]
fn obstacle(_: &Config) -> Option<String> {
    Some("this library was built without the io_uring server (feature zig-server)".to_owned())
}
