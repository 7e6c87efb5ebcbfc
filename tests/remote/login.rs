//! Passwords and certificates.

use std::fs;
use std::path::Path;

use lyger::cache::remote::Error;
use lyger::cache::{Condition, Expiry, Remote};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

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
    let mute = mute_server();
    let late = Remote::open(&format!("rediss://{mute}?insecure=yes&connect_timeout_ms=200")).unwrap();
    let error =
        fails(late.ping(), |error| matches!(error, Error::Timeout { timeout_ms: 200, may_have_run: false, .. }));
    assert!(error.to_string().ends_with("took longer than 200 ms"), "{error}");
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

/// Where connections are accepted and nothing is ever said.
fn mute_server() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    address
}

/// What openssl's `req -x509` makes: its own authority, for a name and a time.
fn certify_itself(folder: &Path, file: &str, changes: impl FnOnce(&mut CertificateParams)) -> String {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    changes(&mut params);
    let key = KeyPair::generate().unwrap();
    fs::write(folder.join(format!("{file}.crt")), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    folder.join(file).display().to_string()
}

#[test]
fn a_self_signed_certificate_is_trusted_where_it_is_named_itself() {
    let folder = tempfile::tempdir().unwrap();
    let own = certify_itself(folder.path(), "own", |_| {});
    // Of the same name and not the same.
    let twin = certify_itself(folder.path(), "twin", |_| {});
    let old = certify_itself(folder.path(), "old", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let serve = |of: &str| {
        let port = free_port();
        let (certificate, key) = (format!("{of}.crt"), format!("{of}.key"));
        let flags = ["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"].map(str::to_owned);
        let more = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &certificate];
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more).collect();
        (Redis::at(port, tempfile::tempdir().unwrap(), &flags), port)
    };
    let (_redis, port) = serve(&own);
    let (_other, expired) = serve(&old);
    let open = |host: &str, port: u16, ca: &str| Remote::open(&format!("rediss://{host}:{port}?ca={ca}.crt")).unwrap();
    open("localhost", port, &own).ping().unwrap();
    let both = folder.path().join("both.crt");
    fs::write(&both, [fs::read(format!("{twin}.crt")).unwrap(), fs::read(format!("{own}.crt")).unwrap()].concat())
        .unwrap();
    open("localhost", port, &folder.path().join("both").display().to_string()).ping().unwrap();
    for (cache, reason) in [
        (open("127.0.0.1", port, &own), "for another name"),
        (open("localhost", port, &twin), "among the certificates that the DSN names"),
        (open("localhost", expired, &old), "expired"),
    ] {
        let error = fails(cache.ping(), |error| matches!(error, Error::CannotConnect { .. }));
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_clusters_node_by_itself_says_that_it_is_one() {
    let cluster = Cluster::start(0);
    let single = Remote::open(&cluster.dsn().split(',').next().unwrap().replace("redis-cluster", "redis")).unwrap();
    let refused: Vec<Error> =
        (0..10_u8).filter_map(|key| single.set(&[key], b"v", Condition::Always, Expiry::Never, false).err()).collect();
    assert!(!refused.is_empty());
    for error in refused {
        assert!(matches!(&error, Error::InvalidDsn(text) if text.contains("redis-cluster://")), "{error}");
    }
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
