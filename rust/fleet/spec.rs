//! What a fleet is to be: the JSON object that `lyger_fleet_run` takes.

use std::net::IpAddr;

use serde::Deserialize;

use crate::front::Watch;

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
    /// Printed when the first generation serves, `{port}` replaced.
    pub announcement: String,
}
