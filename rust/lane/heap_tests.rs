use super::*;

fn lane(depth: usize) -> (FrontEnd<String, String>, WorkerEnd<String, String>) {
    open(depth, || {})
}

#[test]
fn an_answered_id_is_stale() {
    let (mut front, mut worker) = lane(2);
    let id = front.fill("a".into()).unwrap();
    assert_eq!(worker.claim(7), Some(id));
    assert_eq!(front.claimed_at_ms(id), Some(7));
    worker.answer(id, "b".into()).unwrap();
    assert_eq!(worker.answer(id, "again".into()), Err("again".into()));
    assert!(worker.request(id).is_none());
    let completion = front.collect().unwrap();
    assert_eq!((completion.id, completion.answer.as_deref()), (id, Some("b")));
    assert_eq!(completion.request.as_deref(), Some("a"));

    let later = front.fill("c".into()).unwrap();
    assert_eq!(later.index(), id.index(), "the slot is used again");
    worker.claim(8).unwrap();
    assert!(worker.request(id).is_none(), "the old id reaches the new request");
    assert_eq!(worker.request(later).map(String::as_str), Some("c"));
}

#[test]
fn a_forged_id_reaches_nothing() {
    let (mut front, mut worker) = lane(2);
    front.fill("a".into()).unwrap();
    for number in [1 << 16, 1 << 16 | 1, 1 << 16 | 0xffff, 2 << 16] {
        let id = Id::from_number(number).unwrap();
        assert!(worker.request(id).is_none());
        assert!(worker.answer(id, String::new()).is_err());
    }
}

#[test]
fn a_retracted_request_is_skipped_and_its_slot_comes_back() {
    let (mut front, mut worker) = lane(2);
    let first = front.fill("first".into()).unwrap();
    let second = front.fill("second".into()).unwrap();
    assert_eq!(front.fill("third".into()), Err("third".into()));
    assert_eq!(front.retract(first).as_deref(), Some("first"));
    assert_eq!(front.retract(first), None);
    assert_eq!(front.waiting(), 1);
    assert_eq!(worker.claim(0), Some(second));
    assert_eq!(front.retract(second), None, "a claimed request was taken back");
    let home = front.collect().unwrap();
    assert_eq!((home.id, home.request, home.answer), (first, None, None));
    assert!(front.has_room());
}

#[test]
fn an_abandoned_request_stays_readable_and_its_answer_is_dropped() {
    let (mut front, mut worker) = lane(2);
    let id = front.fill("a".into()).unwrap();
    assert!(!front.abandon(id), "an unclaimed request was abandoned");
    worker.claim(0).unwrap();
    assert!(front.abandon(id));
    assert_eq!(worker.request(id).map(String::as_str), Some("a"));
    worker.answer(id, "late".into()).unwrap();
    assert!(front.collect().unwrap().answer.is_none());
    assert_eq!(front.taken(), 0);
}

#[test]
fn a_closed_lane_is_over_once_it_is_empty() {
    let (mut front, mut worker) = lane(2);
    front.fill("a".into()).unwrap();
    front.lane().close();
    assert!(!worker.lane().is_over());
    worker.claim(0).unwrap();
    assert!(worker.lane().is_over());
    assert_eq!(worker.lane().wait(Duration::from_secs(60)), Woken::Rung);
}

#[test]
fn the_front_is_woken_only_when_it_sleeps() {
    let wakes = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&wakes);
    let (mut front, mut worker) = open::<(), ()>(4, move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let mut serve = |front: &mut FrontEnd<(), ()>| {
        front.fill(()).unwrap();
        let id = worker.claim(0).unwrap();
        worker.answer(id, ()).unwrap();
    };
    serve(&mut front);
    assert_eq!(wakes.load(Ordering::SeqCst), 0);
    front.lane().front_falls_asleep();
    serve(&mut front);
    serve(&mut front);
    assert_eq!(wakes.load(Ordering::SeqCst), 1, "one wake-up is enough for two answers");
}

/// Two threads, random retractions and abandonments: each request is answered, taken back, or given up, exactly once.
#[test]
fn two_threads_settle_every_request_exactly_once() {
    const COUNT: u64 = 100_000;
    let (mut front, mut worker) = open::<u64, u64>(8, || {});
    let worker_thread = std::thread::spawn(move || {
        loop {
            match worker.claim(0) {
                Some(id) => {
                    let request = *worker.request(id).unwrap();
                    worker.answer(id, request * 2).unwrap();
                }
                None if worker.lane().is_over() => return,
                None => {
                    worker.lane().wait(Duration::from_millis(100));
                }
            }
        }
    });
    let (mut answered, mut taken_back, mut given_up, mut sent) = (0, 0, 0, 0);
    let mut dropped = 0;
    while answered + taken_back + dropped < COUNT {
        if sent < COUNT
            && let Ok(id) = front.fill(sent)
        {
            sent += 1;
            if sent.is_multiple_of(5) {
                if front.retract(id).is_some() {
                    taken_back += 1;
                } else if front.abandon(id) {
                    given_up += 1;
                }
            }
            front.lane().ring_worker();
        }
        while let Some(home) = front.collect() {
            match (home.request, home.answer) {
                (Some(request), Some(answer)) => {
                    assert_eq!(answer, request * 2);
                    answered += 1;
                }
                (Some(_), None) => dropped += 1,
                (None, None) => {}
                (None, Some(_)) => panic!("an answer to a request that was taken back"),
            }
        }
    }
    assert_eq!(dropped, given_up);
    front.lane().close();
    worker_thread.join().unwrap();
}
