//! What only a lane in memory promises: that nobody is woken in vain, and that nonsense in the memory harms nobody.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::front_end::FrontEnd;
use super::*;

#[test]
fn the_front_is_woken_only_when_it_sleeps() {
    let file = memory::create().unwrap();
    let wakes = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&wakes);
    let mut front = lane::attach_front(file.as_fd()).unwrap();
    let mut worker = lane::attach_worker(file.as_fd(), move || {
        counter.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    worker.claim(0);
    let mut serve = |front: &mut FrontEnd| {
        front.fill(b"", &Bytes::new()).unwrap();
        let id = worker.claim(0).unwrap();
        worker.answer(id, &[]).unwrap();
    };
    serve(&mut front);
    assert_eq!(wakes.load(Ordering::SeqCst), 0);
    front.lane().front_falls_asleep();
    serve(&mut front);
    serve(&mut front);
    assert_eq!(wakes.load(Ordering::SeqCst), 1, "one wake-up is enough for two answers");
    assert!(front.lane().needs_front());
}

#[test]
fn a_front_survives_whatever_a_worker_writes() {
    // A worker's process has gone mad: every byte that it can reach is overwritten, many times over.
    let file = memory::create().unwrap();
    let bytes = std::fs::File::from(file.try_clone().unwrap());
    let length = bytes.metadata().unwrap().len();
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    let mut damaged = 0;
    for _ in 0..2000 {
        std::os::unix::fs::FileExt::write_all_at(&bytes, &layout::LAYOUT.to_ne_bytes(), 0).unwrap();
        let mut front = lane::attach_front(file.as_fd()).unwrap();
        lane::attach_worker(file.as_fd(), || {}).unwrap().claim(0);
        for request in 0..4 {
            front.fill(&[request], &Bytes::new());
        }
        for _ in 0..40 {
            let noise = [random(), random()].map(u64::to_ne_bytes).concat();
            // Mostly where the small numbers are.
            let at = if random() % 4 == 0 { random() % (length - 16) } else { random() % 8192 };
            std::os::unix::fs::FileExt::write_all_at(&bytes, &noise, at & !7).unwrap();
        }
        for _ in 0..200 {
            match front.collect() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    damaged += 1;
                    break;
                }
            }
        }
        front.retract(Id::from_number(0x1_0000).unwrap());
        while let Some(call) = front.take_call() {
            front.reply(call.id, call.bytes);
        }
    }
    assert!(damaged > 0, "no damage was found");
}
