//! Readers of the cache, which take no lock, beside a writer.

use loom::sync::Arc;
use loom::thread;

use super::model;
use super::seq::Sequence;
use super::sync::{AtomicU64, Ordering};

/// A shard of two words that are always equal, for whoever believes what it read.
#[derive(Default)]
struct Shard {
    sequence: Sequence,
    words: [AtomicU64; 2],
}

impl Shard {
    /// The writer's lock is what there is only one writer for.
    fn write(&self, number: u64) {
        self.words.iter().for_each(|word| word.store(number, Ordering::Relaxed));
    }

    fn read(&self) -> Option<u64> {
        let noted = self.sequence.note()?;
        let [first, second] = [&self.words[0], &self.words[1]].map(|word| word.load(Ordering::Relaxed));
        self.sequence.is_still(noted).then(|| {
            assert_eq!(first, second, "a torn value was believed");
            first
        })
    }
}

#[test]
fn a_reader_believes_nothing_that_was_half_written() {
    model(3, || {
        let shard = Arc::new(Shard::default());
        let its = Arc::clone(&shard);
        let writer = thread::spawn(move || {
            for number in [1, 2] {
                its.sequence.begin();
                its.write(number);
                its.sequence.end();
            }
        });
        let first = shard.read();
        let second = shard.read();
        if let (Some(first), Some(second)) = (first, second) {
            assert!(second >= first, "time went back");
        }
        writer.join().unwrap();
        assert_eq!(shard.read(), Some(2));
    });
}

#[test]
fn a_reader_of_two_shards_sees_all_of_a_batch_once_it_has_seen_some() {
    model(3, || {
        let shards = Arc::new([Shard::default(), Shard::default()]);
        let its = Arc::clone(&shards);
        let writer = thread::spawn(move || {
            for shard in its.iter() {
                shard.sequence.begin();
                shard.write(1);
            }
            its.iter().for_each(|shard| shard.sequence.end());
        });
        if let (Some(1), Some(second)) = (shards[0].read(), shards[1].read()) {
            assert_eq!(second, 1, "half of a batch");
        }
        writer.join().unwrap();
    });
}
