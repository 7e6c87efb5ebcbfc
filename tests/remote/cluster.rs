//! A cluster whose slots move and whose masters die.

use lyger::cache::remote::Error;
use lyger::cache::{Condition, Expiry, Flight, Remote};

use crate::servers::{Cluster, fails, free_port, until};

const HOUR: u64 = 3_600_000;

fn put(cache: &Remote, key: &[u8], value: &[u8]) -> Result<bool, Error> {
    cache.set(key, value, Condition::Always, Expiry::Never, false).map(|written| written.stored)
}

#[test]
fn a_slot_on_its_way_and_moved_is_found() {
    let cluster = Cluster::start(0);
    let cache = cluster.remote();
    let slot: u16 = cluster.nodes[0].say("CLUSTER KEYSLOT tag");
    let (from, to) = (cluster.owner(slot), (cluster.owner(slot) + 1) % 3);
    let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
    assert!(put(&cache, b"{tag}moved", b"1").unwrap() && put(&cache, b"{tag}stays", b"2").unwrap());
    // Known before it moves.
    assert_eq!(cache.len().unwrap(), 2);

    target.say::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", cluster.id(from)));
    source.say::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", cluster.id(to)));
    source.say::<()>(&format!("MIGRATE 127.0.0.1 {} {{tag}}moved 0 5000", target.port));
    // Halfway: ASK for what is there already, and for what is new.
    assert_eq!(cache.get_range(b"{tag}moved", 0, -1).unwrap(), b"1");
    assert_eq!(cache.get_range(b"{tag}stays", 0, -1).unwrap(), b"2");
    assert_eq!(cache.increment(b"{tag}moved", 1).unwrap(), 2);
    assert!(cache.compare_and_set(b"{tag}moved", b"2", b"3").unwrap());
    assert!(put(&cache, b"{tag}new", b"3").unwrap());
    let token = cache.lock(b"{tag}", HOUR).unwrap().unwrap();
    assert_eq!(cache.count_rate(b"{tag}", HOUR).unwrap().count, 1);
    let Flight::Yours { token: flight } = cache.take_off(b"{tag}made", HOUR, &mut Vec::new()).unwrap() else {
        panic!()
    };
    let both = cache.get_many(&[b"{tag}moved", b"{tag}new", b"elsewhere"]).unwrap();
    assert_eq!(both, [Some(b"3".to_vec()), Some(b"3".to_vec()), None]);
    // One key here and one there: nobody can answer that until it is over.
    let error = fails(cache.get_many(&[b"{tag}moved", b"{tag}stays"]), |error| matches!(error, Error::Refused { .. }));
    assert!(error.to_string().contains("TRYAGAIN"), "{error}");

    source.say::<()>(&format!("MIGRATE 127.0.0.1 {} {{tag}}stays 0 5000", target.port));
    for node in [target, source] {
        node.say::<()>(&format!("CLUSTER SETSLOT {slot} NODE {}", cluster.id(to)));
    }
    // MOVED.
    assert_eq!(cache.get_range(b"{tag}stays", 0, -1).unwrap(), b"2");
    assert_eq!(cache.lock_holder(b"{tag}").unwrap(), Some(token));
    assert!(cache.unlock(b"{tag}", token).unwrap());
    assert!(cache.land(b"{tag}made", flight, b"v", Expiry::Never).unwrap());
    assert_eq!(cache.delete_many(&[b"{tag}moved", b"{tag}stays", b"{tag}new", b"{tag}made"]).unwrap(), 4);
    assert_eq!(cluster.owner(slot), to);
}

#[test]
fn parts_for_a_slot_that_has_moved_are_sent_on() {
    let cluster = Cluster::start(0);
    let cache = cluster.remote();
    let keys: Vec<String> = (0..30).map(|number| format!("k{number}")).collect();
    let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
    let pairs: Vec<(&[u8], &[u8])> = keys.iter().map(|key| (*key, &key[1..])).collect();
    // So that it knows where the slots are, and is wrong from then on.
    cache.get_many(&keys).unwrap();
    let slot: u16 = cluster.nodes[0].say("CLUSTER KEYSLOT k7");
    let (from, to) = (cluster.owner(slot), (cluster.owner(slot) + 1) % 3);
    for node in [to, from] {
        cluster.nodes[node].say::<()>(&format!("CLUSTER SETSLOT {slot} NODE {}", cluster.id(to)));
    }
    cache.set_many(&pairs, Expiry::Never).unwrap();
    let values: Vec<_> = keys.iter().map(|key| Some(key[1..].to_vec())).collect();
    assert_eq!(cache.get_many(&keys).unwrap(), values);
    assert_eq!(cluster.nodes[to].say::<String>("GET k7"), "7");
}

#[test]
fn a_master_that_dies_is_replaced() {
    let mut cluster = Cluster::start(1);
    // The first of the DSN doesn't answer.
    let dead = free_port();
    let nodes: Vec<String> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let cache = Remote::open(&format!("redis-cluster://127.0.0.1:{dead},{}?timeout_ms=1000", nodes.join(","))).unwrap();
    let slot: u16 = cluster.nodes[0].say("CLUSTER KEYSLOT k");
    let owner = cluster.owner(slot);
    assert!(put(&cache, b"k", b"v").unwrap());
    let token = cache.lock(b"k", 1).unwrap().unwrap();
    until("the replica has it", || {
        (cluster.nodes[owner].say::<String>("INFO replication").contains("state=online")).then_some(())
    });
    until("the replica has all", || {
        let mut wait = ::redis::cmd("WAIT");
        (wait.arg(1).arg(5000).query::<u64>(&mut cluster.nodes[owner].connection()).unwrap() == 1).then_some(())
    });
    cluster.nodes[owner].kill();
    let mut failed = 0;
    until("another has the slot", || match put(&cache, b"k", b"w") {
        Ok(stored) => stored.then_some(()),
        Err(error) => {
            assert!(
                matches!(
                    error,
                    Error::CannotConnect { .. } | Error::Lost { .. } | Error::Timeout { .. } | Error::Refused { .. }
                ),
                "{error:?}"
            );
            failed += 1;
            None
        }
    });
    assert!(failed > 0, "the first one was told");
    assert!(cache.lock(b"k", HOUR).unwrap().unwrap() > token);
    assert_eq!(cache.get_range(b"k", 0, -1).unwrap(), b"w");
}
