//! Indexes and bytes on their way, with room for fewer than are sent.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::model;
use super::pipe::Pipe;
use super::ring::Ring;

#[test]
fn indexes_arrive_once_in_order_and_with_what_they_name() {
    model(3, || {
        let shared = Arc::new((Ring::<2>::default(), [0; 3].map(UnsafeCell::new)));
        let its = Arc::clone(&shared);
        let producer = thread::spawn(move || {
            for index in 0..3 {
                // SAFETY: loom fails if the consumer touches it before it has the index.
                its.1[index as usize].with_mut(|place| unsafe { *place = index + 10 });
                while !its.0.push(index) {
                    thread::yield_now();
                }
            }
        });
        for expected in 0..3 {
            let index = loop {
                match shared.0.pop() {
                    Some(index) => break index,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(index, expected);
            // SAFETY: the same.
            assert_eq!(shared.1[index as usize].with(|place| unsafe { *place }), index + 10);
        }
        assert!(shared.0.is_empty());
        producer.join().unwrap();
    });
}

#[test]
fn a_pipe_gives_every_byte_once_and_never_one_that_is_being_written() {
    model(2, || {
        let pipe = Arc::new(Pipe::<2>::default());
        let its = Arc::clone(&pipe);
        let writer = thread::spawn(move || {
            let mut rest = &[1, 2, 3, 4][..];
            while !rest.is_empty() {
                match its.write(rest) {
                    0 => thread::yield_now(),
                    written => rest = &rest[written..],
                }
            }
        });
        let mut got = Vec::new();
        while got.len() < 4 {
            if pipe.read(&mut got, 2) == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(got, [1, 2, 3, 4]);
        writer.join().unwrap();
    });
}
