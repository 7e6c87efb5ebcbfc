//! Where a connection is in the exchange of one request, and what the log says of it.

use std::net::SocketAddr;

use super::dispatch::Whereabouts;
use super::exchange::Request;

/// Where a connection is in the exchange of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between requests.
    Idle,
    /// Some bytes of a head are here.
    Head,
    /// The body is being read.
    Body,
    /// The dispatch has the request.
    Waiting,
    /// The answer is being written.
    Answering,
    /// The answer's last byte is written; when it is flushed it is with the kernel.
    Flushing,
}

impl Phase {
    /// Whether a request is between its head's end and its answer's last byte.
    pub(super) fn is_busy(self) -> bool {
        !matches!(self, Self::Idle | Self::Head)
    }

    /// Who is at the present request and what with, and since when, in words for the log; `None` between requests.
    /// `whereabouts` is where the dispatch has it, `answered` the request that a worker has answered.
    pub(super) fn words(
        self,
        peer: SocketAddr,
        began_ms: u64,
        whereabouts: Option<Whereabouts>,
        answered: Option<&Request>,
    ) -> Option<(String, u64)> {
        let name = |request: &Request| {
            format!("{} {}", request.head.method().escape_ascii(), request.head.path().escape_ascii())
        };
        Some(match (self, whereabouts, answered) {
            (Self::Idle | Self::Head, ..) => return None,
            (Self::Body, ..) => (format!("{peer} still sends a request's body"), began_ms),
            (_, Some(Whereabouts { request, claimed: Some((worker, claimed_at_ms)) }), _) => {
                (format!("{} in worker {worker} still runs", name(&request)), claimed_at_ms)
            }
            (_, Some(Whereabouts { request, claimed: None }), _) => {
                (format!("{} still waits for a worker", name(&request)), began_ms)
            }
            (Self::Waiting, None, Some(request)) => (format!("{} still waits for its query", name(request)), began_ms),
            (_, None, Some(request)) => (format!("{peer} still reads the answer to {}", name(request)), began_ms),
            (_, None, None) => (format!("{peer} still reads an answer"), began_ms),
        })
    }
}
