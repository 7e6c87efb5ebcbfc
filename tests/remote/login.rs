//! Passwords and certificates.

use std::fs;

use lyger::cache::Remote;
use lyger::cache::remote::Error;

use crate::certificates::{certify, issuer};
use crate::operations::every_operation;
use crate::servers::{Cluster, Redis, fails, free_port};

#[test]
fn users_and_passwords_are_sent_and_never_told() {
    let redis = Redis::start(&[]);
    redis.say::<()>("ACL SETUSER ada on >p@ss:wo/rd ~* +@all");
    redis.say::<()>("ACL SETUSER eve on >listens ~* +@read +ping");
    let open = |login: &str| Remote::open(&redis.dsn().replace("//", &format!("//{login}@"))).unwrap();
    // Nobody asks for the default user's.
    fails(open(":secret").ping(), |error| matches!(error, Error::LoginRefused { .. }));
    redis.say::<()>("CONFIG SET requirepass default");
    every_operation(&open("ada:p%40ss%3Awo%2Frd"));
    open(":default").ping().unwrap();
    for (login, reason) in [("ada:secret", "WRONGPASS"), ("secret:secret", "WRONGPASS"), (":secret", "WRONGPASS")] {
        let error = fails(open(login).ping(), |error| matches!(error, Error::LoginRefused { .. }));
        let told = format!("{error} {error:?} {:?}", open(login));
        assert!(error.to_string().contains(reason) && !told.contains("secret"), "{told}");
    }
    let error = fails(redis.remote().ping(), |error| matches!(error, Error::LoginRefused { .. }));
    assert!(error.to_string().contains("NOAUTH"), "{error}");
    let error = fails(open("eve:listens").append(b"k", b"v"), |error| matches!(error, Error::Refused { .. }));
    assert!(error.to_string().contains("NOPERM"), "{error}");
    assert!(!open("eve:listens").exists(b"k").unwrap());
}

#[test]
fn a_certificate_is_looked_at_unless_the_dsn_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (issuer("ours"), issuer("another"));
    certify(folder.path(), "server", &ours, "server", &["127.0.0.1"]);
    fs::write(folder.path().join("ca.crt"), ours.pem()).unwrap();
    fs::write(folder.path().join("other.crt"), other.pem()).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key, ca, other) = (path("server.crt"), path("server.key"), path("ca.crt"), path("other.crt"));
    let port = free_port();
    let flags =
        ["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no", "--tls-cert-file", &certificate];
    let more = ["--tls-key-file", &key, "--tls-ca-cert-file", &ca, "--requirepass", "secret"];
    let redis = Redis::at(port, tempfile::tempdir().unwrap(), &[&flags[..], &more].concat());
    let open = |host: &str, options: &str| Remote::open(&format!("rediss://:secret@{host}:{port}{options}")).unwrap();

    let cache = open("127.0.0.1", &format!("?ca={ca}"));
    every_operation(&cache);
    every_operation(&open("localhost", "?insecure=yes"));
    for (cache, reason) in [
        (open("127.0.0.1", &format!("?ca={other}")), "signed by nobody who is trusted"),
        (open("127.0.0.1", ""), "trust"),
        (open("localhost", &format!("?ca={ca}")), "for another name"),
        (open("127.0.0.1", "?ca=/none.pem"), "/none.pem"),
    ] {
        let error = fails(cache.ping(), |error| matches!(error, Error::CannotConnect { .. }));
        assert!(error.to_string().contains(reason) && !format!("{error:?}").contains("secret"), "{error}");
    }
    let plain = Remote::open(&format!("redis://127.0.0.1:{port}")).unwrap();
    fails(plain.ping(), |error| matches!(error, Error::Lost { .. } | Error::Strange(_)));

    // One that was closed while nobody used it.
    cache.append(b"log", b"1").unwrap();
    let socket = redis.folder.path().join("socket");
    let side = Remote::open(&format!("redis://:secret@{}", socket.display())).unwrap();
    let mut connection =
        ::redis::Client::open(format!("unix://{}?pass=secret", socket.display())).unwrap().get_connection().unwrap();
    ::redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").exec(&mut connection).unwrap();
    cache.append(b"log", b"2").unwrap();
    assert_eq!(side.get_range(b"log", 0, -1).unwrap(), b"12");
}

#[test]
fn a_cluster_asks_each_of_its_nodes_for_the_password() {
    let cluster = Cluster::start(0);
    for node in &cluster.nodes {
        node.say::<()>("CONFIG SET requirepass secret");
    }
    every_operation(&Remote::open(&cluster.dsn().replace("//", "//:secret@")).unwrap());
    fails(cluster.remote().ping(), |error| matches!(error, Error::LoginRefused { .. }));
}
