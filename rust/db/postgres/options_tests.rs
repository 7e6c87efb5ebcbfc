//! What a DSN means.

use super::*;

fn parse(dsn: &str) -> Options {
    with(dsn, &[])
}

fn with(dsn: &str, variables: &[(&str, &str)]) -> Options {
    let variable =
        |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
    Options::with_environment(dsn, &Environment { variable: &variable, home: None })
        .unwrap_or_else(|error| panic!("{dsn}: {error}"))
}

fn error(dsn: &str) -> String {
    let none = Environment { variable: &|_| None, home: None };
    match Options::with_environment(dsn, &none) {
        Ok(_) => panic!("{dsn} was taken"),
        Err(error) => error.to_string(),
    }
}

fn tcp(host: &str, port: u16) -> Place {
    Place::Tcp { host: host.to_owned(), port }
}

#[test]
fn a_place_is_a_name_an_address_or_a_socket() {
    for (dsn, place) in [
        ("postgres://u@db.example/d", tcp("db.example", 5432)),
        ("postgresql://u@10.0.0.1:6543/d", tcp("10.0.0.1", 6543)),
        ("postgres://u@[::1]:6543/d", tcp("::1", 6543)),
        ("postgres://u@[2001:db8::1]/d", tcp("2001:db8::1", 5432)),
        ("postgres://u@/d?host=h&port=7", tcp("h", 7)),
        ("postgres://u@x:1/d?host=h&port=7", tcp("h", 7)),
        ("postgres://u@h/d?hostaddr=10.0.0.1", tcp("10.0.0.1", 5432)),
        ("postgres://u@%2Fvar%2Frun/d", Place::Unix("/var/run/.s.PGSQL.5432".into())),
        ("postgres://u@%2Fvar%2Frun:7/d", Place::Unix("/var/run/.s.PGSQL.7".into())),
        ("postgres://u@/d?host=/tmp/a%20b", Place::Unix("/tmp/a b/.s.PGSQL.5432".into())),
        ("postgres:///d?user=u&host=/tmp&port=7", Place::Unix("/tmp/.s.PGSQL.7".into())),
    ] {
        assert_eq!(parse(dsn).place, place, "{dsn}");
    }
}

#[test]
fn what_is_percent_encoded_is_decoded_once() {
    let options = parse("postgres://us%40er:p%2Fs%2525s%3F@host:6543/my%20db?application_name=a%26b+c");
    assert_eq!(
        (options.user.as_str(), options.password.as_deref(), options.database.as_deref()),
        ("us@er", Some("p/s%25s?"), Some("my db"))
    );
    assert_eq!(options.application_name.as_deref(), Some("a&b c"));
    // Pasted in as it is, which other clients take as well.
    assert_eq!(parse("postgres://u:p@ss@h/d").password.as_deref(), Some("p@ss"));
}

#[test]
fn the_last_word_is_the_parameters_and_then_the_dsns_and_then_the_environments() {
    let environment = [
        ("PGHOST", "eh"),
        ("PGPORT", "77"),
        ("PGUSER", "eu"),
        ("PGPASSWORD", "ep"),
        ("PGDATABASE", "ed"),
        ("PGSSLMODE", "require"),
        ("PGAPPNAME", "ea"),
        ("PGOPTIONS", "-c a=b"),
        ("PGCONNECT_TIMEOUT", "9"),
    ];
    let options = with("postgres://", &environment);
    assert_eq!(options.place, tcp("eh", 77));
    assert_eq!((options.user.as_str(), options.password.as_deref()), ("eu", Some("ep")));
    assert_eq!((options.database.as_deref(), options.application_name.as_deref()), (Some("ed"), Some("ea")));
    assert_eq!((options.options.as_deref(), options.ssl_mode), (Some("-c a=b"), SslMode::Require));
    assert_eq!(options.connect_timeout, Some(Duration::from_secs(9)));

    let dsn = "postgres://u:p@h:1/d?user=pu&password=pp&dbname=pd&port=2&sslmode=disable&application_name=pa\
               &options=-c%20x%3Dy&connect_timeout=0&options[search_path]=a%20b";
    let options = with(dsn, &environment);
    assert_eq!(options.place, tcp("h", 2));
    assert_eq!((options.user.as_str(), options.password.as_deref()), ("pu", Some("pp")));
    assert_eq!((options.database.as_deref(), options.application_name.as_deref()), (Some("pd"), Some("pa")));
    assert_eq!(options.options.as_deref(), Some(r"-c a=b -c x=y -c search_path=a\ b"));
    assert_eq!((options.ssl_mode, options.connect_timeout), (SslMode::Disable, None));
}

#[test]
fn each_sslmode_is_known_and_the_systems_roots_want_the_strictest() {
    for (text, mode) in [
        ("disable", SslMode::Disable),
        ("allow", SslMode::Allow),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("VERIFY-FULL", SslMode::VerifyFull),
    ] {
        assert_eq!(parse(&format!("postgres://u@h/d?sslmode={text}")).ssl_mode, mode);
    }
    assert_eq!(parse("postgres://u@h/d").ssl_mode, SslMode::Prefer);
    let system = parse("postgres://u@h/d?sslmode=verify-full&sslrootcert=system");
    assert_eq!(system.root_certificates, Some(Roots::System));
    assert!(error("postgres://u@h/d?sslmode=require&sslrootcert=system").contains("verify-full"));
    assert!(error("postgres://u@h/d?sslcert=/a").contains("sslkey"));
}

#[test]
fn certificates_and_passwords_are_looked_for_where_libpq_looks() {
    let home = tempfile::tempdir().unwrap();
    let roots = home.path().join(".postgresql/root.crt");
    std::fs::create_dir(home.path().join(".postgresql")).unwrap();
    std::fs::write(&roots, "").unwrap();
    let passwords = home.path().join(".pgpass");
    std::fs::write(&passwords, "h:5432:*:u:from the file\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let at_home = |dsn: &str, roots: Option<&str>| {
        let variable = |name: &str| roots.filter(|_| name == "PGSSLROOTCERT").map(str::to_owned);
        Options::with_environment(dsn, &Environment { variable: &variable, home: Some(home.path().to_owned()) })
            .unwrap()
    };
    let options = at_home("postgres://u@h/d", None);
    assert_eq!(options.password.as_deref(), Some("from the file"));
    assert_eq!(options.root_certificates, Some(Roots::Pem(Pem::File(roots))));
    assert_eq!(at_home("postgres://u:p@h/d", None).password.as_deref(), Some("p"));
    let other = |path: &str| Some(Roots::Pem(Pem::File(path.into())));
    assert_eq!(at_home("postgres://u@h/d", Some("/other")).root_certificates, other("/other"));
    assert_eq!(at_home("postgres://u@h/d?sslrootcert=/own", Some("/other")).root_certificates, other("/own"));
    let nobody = parse(&format!("postgres://u@h/d?passfile={}", passwords.display()));
    assert_eq!(nobody.password.as_deref(), Some("from the file"));
}

#[test]
fn keepalives_are_the_systems_unless_something_is_said() {
    assert_eq!(parse("postgres://u@h/d").keepalive, Some(Keepalive::default()));
    assert_eq!(parse("postgres://u@h/d?keepalives=0&keepalives_idle=3").keepalive, None);
    let said = parse("postgres://u@h/d?keepalives_idle=3&keepalives_interval=4&keepalives_count=5").keepalive.unwrap();
    assert_eq!(said.idle, Some(Duration::from_secs(3)));
    assert_eq!((said.interval, said.retries), (Some(Duration::from_secs(4)), Some(5)));
}

#[test]
fn a_connection_is_reset_when_something_has_changed_unless_it_always_is() {
    assert_eq!(parse("postgres://u@h/d").reset, Reset::Changed);
    assert_eq!(parse("postgres://u@h/d?reset=").reset, Reset::Changed);
    assert_eq!(parse("postgres://u@h/d?reset=always").reset, Reset::Always);
    assert_eq!(parse("postgres://u@h/d?reset=told").reset, Reset::Told);
}

#[test]
fn what_is_not_known_or_not_possible_is_named_with_its_remedy() {
    for (dsn, words) in [
        ("postgres://u@h/d?ssl_mode=require", "unknown parameter \"ssl_mode\"; the nearest that is known is sslmode"),
        ("postgres://u@h/d?aplication_name=", "the nearest that is known is application_name"),
        ("postgres://u@h/d?sslmode=x", "unknown value \"x\" for sslmode"),
        ("postgres://u@h:x/d", "the port is no number"),
        ("postgres://u@h:70000/d", "the port is no number"),
        ("postgres://u@h/d?port=0", "port has another value than a number from 1 to 65535"),
        ("postgres://u@h/d?connect_timeout=x", "connect_timeout"),
        ("postgres://u@a,b/d", "several hosts"),
        ("postgres://u@[::1/d", "no `]`"),
        ("postgres://u@[::1]x/d", "no port"),
        ("postgres://u@[nope]/d", "no IPv6 address"),
        ("postgres://u%4@h/d", "percent-encoded in user"),
        ("postgres://u%ff@h/d", "percent-encoded in user"),
        ("postgres://u%00@h/d", "percent-encoded in user"),
        ("postgres://u@h/d?client_encoding=LATIN1", "client_encoding"),
        ("postgres://u@h/d?gssencmode=require", "gssencmode"),
        ("postgres://u@h/d?channel_binding=x", "channel_binding"),
        ("postgres://u@h/d?target_session_attrs=read-write", "target_session_attrs"),
        ("postgres://u@h/d?reset=never", "unknown value \"never\" for reset, which is one of told, changed, always"),
    ] {
        let said = error(dsn);
        assert!(said.contains(words), "{dsn}: {said}");
    }
}

#[test]
fn no_error_quotes_a_password() {
    for dsn in [
        "postgres://u:hunter2#@h/d",
        "postgres://u:hunter2/x@h/d",
        "postgres://u:hunter2%zz@h/d",
        "postgres://u@h/d?password=hunter2%zz",
        "postgres://u:hunter2",
    ] {
        assert!(!error(dsn).contains("hunter2"), "{dsn}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "postgres://\\PC{0,60}") {
        let none = Environment { variable: &|_| None, home: None };
        let _ = Options::with_environment(&text, &none);
    }
}
