//! Another master takes over.

use lyger::cache::remote::Error;
use lyger::cache::{Condition, Expiry, Remote};

use crate::operations::every_operation;
use crate::servers::{Redis, fails, free_port, until};

fn sentinel(master: &Redis) -> Redis {
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let configuration = format!(
        "port {port}\nsentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 500\n\
         sentinel failover-timeout main 2000\n",
        master.port
    );
    std::fs::write(folder.path().join("sentinel.conf"), configuration).unwrap();
    Redis::at(port, folder, &["sentinel.conf", "--sentinel"])
}

#[test]
fn the_driver_follows_a_failover() {
    let mut master = Redis::start(&[]);
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let sentinel = sentinel(&master);
    let dsn = format!("redis-sentinel://127.0.0.1:{},127.0.0.1:{}/main", free_port(), sentinel.port);
    let cache = Remote::open(&dsn).unwrap();
    every_operation(&cache);
    let unknown = Remote::open(&dsn.replace("/main", "/other")).unwrap();
    let error = fails(unknown.ping(), |error| matches!(error, Error::CannotConnect { .. }));
    assert!(error.to_string().contains("\"other\""), "{error}");

    let token = cache.lock(b"l", 1).unwrap().unwrap();
    let put = |value: &[u8]| cache.set(b"k", value, Condition::Always, Expiry::Never, false);
    until("the replica is in step", || {
        (put(b"old").is_ok() && replica.say::<Option<String>>("GET k").is_some()).then_some(())
    });
    until("the sentinel knows the replica", || {
        sentinel.say::<Vec<::redis::Value>>("SENTINEL replicas main").first().map(drop)
    });
    master.kill();
    let error = fails(put(b"lost"), |error| matches!(error, Error::CannotConnect { .. }));
    assert!(!error.may_have_run());
    assert_eq!(until("the replica is promoted", || cache.get_and_delete(b"k").ok()), Some(b"old".to_vec()));
    assert!(put(b"new").unwrap().stored);
    assert!(cache.lock(b"l", 1).unwrap().unwrap() > token);
    // The old one comes back, and takes itself for the master until a sentinel tells it: nobody writes to it.
    master.start_again();
    assert!(put(b"newer").unwrap().stored);
    assert_eq!(replica.say::<String>("GET k"), "newer");
}

#[test]
fn a_master_that_was_deposed_is_not_written_to() {
    let master = Redis::start(&[]);
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let sentinel = sentinel(&master);
    let cache = Remote::open(&format!("redis-sentinel://127.0.0.1:{}/main", sentinel.port)).unwrap();
    cache.append(b"log", b"1").unwrap();
    until("the replica is in step", || replica.say::<Option<String>>("GET log").map(drop));
    until("the sentinel knows the replica", || {
        sentinel.say::<Vec<::redis::Value>>("SENTINEL replicas main").first().map(drop)
    });
    sentinel.say::<()>("SENTINEL FAILOVER main");
    until("the other is master", || replica.say::<String>("INFO replication").contains("role:master").then_some(()));
    until("the first one follows", || master.say::<String>("INFO replication").contains("role:slave").then_some(()));
    // Its connection is there, and says READONLY: the sentinel is asked anew, nobody notices.
    until("the sentinel knows", || {
        let at: (String, u16) = sentinel.say("SENTINEL get-master-addr-by-name main");
        (at.1 == replica.port).then_some(())
    });
    assert_eq!(cache.append(b"log", b"2").unwrap(), 2);
    assert_eq!(replica.say::<String>("GET log"), "12");
}
