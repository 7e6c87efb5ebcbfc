//! What a drain says of the requests that it finishes, and of those that it doesn't get to.

use super::thread::Front;
use crate::front::log;
use crate::runtime::clock;

/// So many requests are named; of more there is only their number.
const NAMED_MAX: usize = 10;

impl Front {
    /// Says how many requests are under way, if any.
    pub(in crate::front) fn announce_drain(&self) {
        let count = self.unfinished().len();
        if count > 0 {
            let requests = if count == 1 { "request" } else { "requests" };
            log(format_args!("finishing {count} {requests}, at most {} ms", self.config.drain_timeout_ms));
        }
    }

    /// Names the requests that are still under way when the drain's time is over, those first that have taken longest.
    pub(in crate::front) fn name_unfinished(&self) {
        let now_ms = clock::now_ms();
        let mut unfinished = self.unfinished();
        unfinished.sort_unstable_by_key(|&(_, since_ms)| since_ms);
        for (what, since_ms) in unfinished.iter().take(NAMED_MAX) {
            log(format_args!("{what} after {} ms and the drain's time is over", now_ms.saturating_sub(*since_ms)));
        }
        if unfinished.len() > NAMED_MAX {
            log(format_args!("and {} more", unfinished.len() - NAMED_MAX));
        }
    }

    fn unfinished(&self) -> Vec<(String, u64)> {
        self.clients().under_way()
    }
}
