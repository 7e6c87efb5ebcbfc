//! Requests for keys, made by rules whose hardness is known.

/// A trace, and how many entries a cache has room for.
pub(crate) struct Trace {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) entries: usize,
    /// Zipf's exponent.
    skew: f64,
    keys: usize,
    /// After so many requests comes a scan, over keys that are never asked for again.
    scan_every: Option<usize>,
}

const REQUESTS: usize = 2_000_000;
const SCAN: usize = 20_000;

pub(crate) fn all() -> [Trace; 4] {
    let zipf = Trace {
        name: "misses, Zipf 0.9",
        about: "200,000 keys, room for a tenth",
        entries: 20_000,
        skew: 0.9,
        keys: 200_000,
        scan_every: None,
    };
    [
        Trace { name: "misses, Zipf 1.1", skew: 1.1, ..zipf },
        Trace { name: "misses, Zipf 0.7, room for a third", about: "200,000 keys", entries: 66_000, skew: 0.7, ..zipf },
        Trace {
            name: "misses, Zipf 0.9 and scans",
            about: "a scan of 20,000 keys after every 80,000 requests",
            scan_every: Some(80_000),
            ..zipf
        },
        zipf,
    ]
}

impl Trace {
    /// The numbers of the keys, the same each time.
    pub(crate) fn requests(&self) -> Vec<usize> {
        let mut sums = Vec::with_capacity(self.keys);
        let mut sum = 0.0;
        for rank in 1..=self.keys {
            sum += (rank as f64).powf(-self.skew);
            sums.push(sum);
        }
        let mut state = 42_u64;
        let mut random = move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) >> 11
        };
        let count = if super::is_short() { REQUESTS / 10 } else { REQUESTS };
        let mut requests = Vec::with_capacity(count + SCAN);
        let mut scanned = self.keys;
        let mut since = 0;
        while requests.len() < count {
            since += 1;
            if self.scan_every.is_some_and(|every| since % every == 0) {
                requests.extend(scanned..scanned + SCAN);
                scanned += SCAN;
            }
            let point = random() as f64 / (1_u64 << 53) as f64 * sum;
            requests.push(sums.partition_point(|&sum| sum < point));
        }
        requests
    }
}
