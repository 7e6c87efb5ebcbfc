//! What a fleet is to be: the JSON object that `lyger_fleet_run` takes.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use serde::Deserialize;

use crate::front::Watch;

/// What whoever calls [`run`](super::run) has opened for the fleet.
#[derive(Debug)]
pub struct Opened {
    /// The file of the cache that the workers share; where there is none each has one of its own.
    pub cache: io::Result<OwnedFd>,
    /// The listening sockets for Redis clients, one for each thread. The master holds them, so that nobody who has connected is lost
    /// with a front that dies.
    pub redis: Vec<OwnedFd>,
    /// Where they listen, for the announcement.
    pub redis_address: String,
}

/// What the master needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The application's folder, as `rawr status` shows it.
    pub app: String,
    /// Where `rawr status` and `rawr reload` ask: a socket's path, `{port}` replaced. Without one nobody can.
    pub control: Option<String>,
    /// The address to listen on.
    pub host: IpAddr,
    /// The port, 0 for any free one.
    pub port: u16,
    /// How many workers.
    pub workers: u32,
    /// The code whose changes make a reload.
    pub watch: Option<Watch>,
    /// How long the drain may take.
    pub drain_timeout_ms: u64,
    /// What the cache that the workers share may hold. Whoever calls [`run`](super::run) makes it.
    pub cache_bytes_max: u64,
    /// The front's configuration, a JSON object.
    pub config: String,
    /// Program and arguments of the front.
    pub front: Vec<String>,
    /// Program and arguments of a zygote.
    pub zygote: Vec<String>,
    /// Printed when the first generation serves, `{port}` and `{redis}`, the address for Redis clients, replaced.
    pub announcement: String,
}
