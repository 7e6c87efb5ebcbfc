//! Which Redis, as a DSN says it: see [`Remote::open`](super::Remote::open) for its forms.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::error::Error;
use super::keys;
use crate::tls::{Pem, Roots, Terms};

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// Long enough for a server that swaps, and short enough for whoever waits for a page.
const TIMEOUT_MS: u64 = 3000;
/// An hour: longer is a mistake in the unit.
const TIMEOUT_MS_MAX: u64 = 3_600_000;
/// A process of PHP uses one; threads of the engine share these.
const CONNECTIONS_MAX: usize = 16;
/// Redis's own `maxclients`.
const CONNECTIONS_MAX_MAX: u64 = 10_000;
/// Each key carries it, to the server and in its memory.
const PREFIX_BYTES_MAX: usize = 1024;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Address {
    /// The node at a host and port that this one tells of. One that doesn't know its own host is where it was found.
    pub(super) fn beside(&self, host: &str, port: u16) -> Self {
        match self {
            Self::Tcp { host: own, .. } if matches!(host, "" | "?") => Self::Tcp { host: own.clone(), port },
            _ => Self::Tcp { host: host.to_owned(), port },
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Servers {
    One(Address),
    Cluster(Vec<Address>),
    Sentinels { sentinels: Vec<Address>, service: String },
}

/// A name and a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).field("password", &"***").finish()
    }
}

/// What of TLS a DSN says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) insecure: bool,
    pub(super) roots: Option<Roots>,
}

impl Tls {
    pub(super) fn terms(&self) -> Terms<'_> {
        let names = ["ca", "the client's certificate", "the client's key"];
        Terms { signed: !self.insecure, named: !self.insecure, roots: self.roots.as_ref(), client: None, names }
    }
}

/// A DSN, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dsn {
    pub(super) servers: Servers,
    pub(super) login: Login,
    /// For sentinels, which have passwords of their own.
    pub(super) sentinel_login: Login,
    pub(super) tls: Option<Tls>,
    pub(super) database: u32,
    pub(super) prefix: Vec<u8>,
    pub(super) connect_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) connections_max: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    One,
    Socket,
    Cluster,
    Sentinels,
}

const SCHEMES: [(&str, Kind, bool); 7] = [
    ("redis", Kind::One, false),
    ("rediss", Kind::One, true),
    ("redis+unix", Kind::Socket, false),
    ("redis-cluster", Kind::Cluster, false),
    ("rediss-cluster", Kind::Cluster, true),
    ("redis-sentinel", Kind::Sentinels, false),
    ("rediss-sentinel", Kind::Sentinels, true),
];

fn wrong<T>(reason: impl Into<String>) -> Result<T, Error> {
    Err(Error::InvalidDsn(reason.into()))
}

impl Dsn {
    /// Nothing of what stands in the DSN is in an error but names of options that could be some.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.contains(['#', '\n', '\r', '\0']) {
            return wrong("it has a `#` or a line break; in a password they are percent-encoded");
        }
        let known = SCHEMES.map(|(name, ..)| name).join("://, ");
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong(format!("it begins with one of {known}://"));
        };
        let Some((_, mut kind, encrypted)) = SCHEMES.into_iter().find(|(name, ..)| *name == scheme) else {
            return wrong(format!("its scheme is none of {known}://"));
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if query.contains('@') {
            return wrong("there is an `@` behind the `?`; in a user or a password both are percent-encoded");
        }
        let (authority, path) = place.split_once('/').map_or((place, None), |(hosts, path)| (hosts, Some(path)));
        // The last one: a password that was pasted in may have one.
        let (login, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        if kind == Kind::One
            && hosts.is_empty()
            && !encrypted
            && path.is_some_and(|path| path.contains(|c: char| !c.is_ascii_digit()))
        {
            kind = Kind::Socket;
        }
        let mut dsn = Self {
            servers: Servers::Cluster(Vec::new()),
            login: read_login(login)?,
            sentinel_login: Login::default(),
            tls: encrypted.then(Tls::default),
            database: 0,
            prefix: Vec::new(),
            connect_timeout: Duration::from_millis(TIMEOUT_MS),
            timeout: Duration::from_millis(TIMEOUT_MS),
            connections_max: CONNECTIONS_MAX,
        };
        dsn.read_servers(kind, hosts, path)?;
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            dsn.read_option(name, value, kind)?;
        }
        Ok(dsn)
    }

    fn read_servers(&mut self, kind: Kind, hosts: &str, path: Option<&str>) -> Result<(), Error> {
        let path = path.filter(|path| !path.is_empty());
        self.servers = match kind {
            Kind::Socket => {
                if !hosts.is_empty() {
                    return wrong("a socket's path has no host: redis+unix:///run/redis.sock");
                }
                let Some(path) = path else { return wrong("the socket's path is missing") };
                Servers::One(Address::Unix(format!("/{}", decoded(path, "the socket's path")?).into()))
            }
            Kind::One => {
                let mut hosts = read_hosts(hosts, PORT)?;
                if hosts.len() > 1 {
                    return wrong("redis:// has one host; several are redis-cluster:// or redis-sentinel://");
                }
                self.database = path.map_or(Ok(0), read_database)?;
                Servers::One(hosts.remove(0))
            }
            Kind::Cluster => {
                if path.is_some_and(|path| path != "0") {
                    return wrong("a cluster has one database, 0");
                }
                Servers::Cluster(read_hosts(hosts, PORT)?)
            }
            Kind::Sentinels => {
                let sentinels = read_hosts(hosts, SENTINEL_PORT)?;
                let (service, database) = path.map_or(("", None), |path| match path.split_once('/') {
                    Some((service, database)) => (service, Some(database)),
                    None => (path, None),
                });
                let service = decoded(service, "the service")?;
                if service.is_empty() {
                    return wrong("the sentinels' name of the service is missing: redis-sentinel://host/service");
                }
                self.database = database.map_or(Ok(0), read_database)?;
                Servers::Sentinels { sentinels, service }
            }
        };
        Ok(())
    }

    fn read_option(&mut self, name: &str, value: &str, kind: Kind) -> Result<(), Error> {
        let text = || {
            let text = decoded(&value.replace('+', " "), name)?;
            if text.is_empty() { wrong(format!("the option `{name}` has no value")) } else { Ok(text) }
        };
        let number = |max: u64| match value.parse::<u64>() {
            Ok(number) if (1..=max).contains(&number) => Ok(number),
            _ => wrong(format!("the option `{name}` is a number from 1 to {max}")),
        };
        match (name, &mut self.tls) {
            ("prefix", _) => {
                self.prefix = text()?.into_bytes();
                if self.prefix.len() > PREFIX_BYTES_MAX {
                    return wrong(format!("the option `prefix` has more than {PREFIX_BYTES_MAX} bytes"));
                }
                if !keys::is_prefix(&self.prefix) {
                    return wrong("the option `prefix` has a `{` that begins no hash tag, or a NUL byte");
                }
            }
            ("connect_timeout_ms", _) => self.connect_timeout = Duration::from_millis(number(TIMEOUT_MS_MAX)?),
            ("timeout_ms", _) => self.timeout = Duration::from_millis(number(TIMEOUT_MS_MAX)?),
            ("connections_max", _) => self.connections_max = number(CONNECTIONS_MAX_MAX)? as usize,
            ("db", _) if kind == Kind::Socket => self.database = read_database(value)?,
            ("sentinel_user", _) if kind == Kind::Sentinels => self.sentinel_login.user = Some(text()?),
            ("sentinel_password", _) if kind == Kind::Sentinels => self.sentinel_login.password = Some(text()?),
            ("ca", Some(tls)) => tls.roots = Some(Roots::Pem(Pem::read(text()?))),
            ("insecure", Some(tls)) => match value {
                "yes" => tls.insecure = true,
                "no" => tls.insecure = false,
                _ => return wrong("the option `insecure` is yes or no"),
            },
            ("ca" | "insecure", None) => {
                return wrong(format!("the option `{name}` is for rediss://, which is encrypted"));
            }
            ("db", _) => return wrong("the database stands in the path: redis://host/2"),
            ("sentinel_user" | "sentinel_password", _) => {
                return wrong(format!("the option `{name}` is for redis-sentinel://"));
            }
            // Quoted only if it looks like one, and not like the end of a password.
            _ if name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') => {
                return wrong(format!(
                    "there is no option `{name}`; there are prefix, connect_timeout_ms, timeout_ms, connections_max, ca, insecure, \
                     sentinel_user, sentinel_password and, for sockets, db"
                ));
            }
            _ => return wrong("behind the `?` stands what is no option"),
        }
        Ok(())
    }
}

fn read_login(login: Option<&str>) -> Result<Login, Error> {
    let Some(login) = login else { return Ok(Login::default()) };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let some = |text: String| (!text.is_empty()).then_some(text);
    let (user, password) = (some(decoded(user, "the user")?), some(decoded(password, "the password")?));
    if user.is_some() && password.is_none() {
        return wrong("the user has no password (a password alone is written :password@host)");
    }
    Ok(Login { user, password })
}

fn read_database(text: &str) -> Result<u32, Error> {
    text.parse().or_else(|_| wrong("the database is no number"))
}

fn read_hosts(hosts: &str, port: u16) -> Result<Vec<Address>, Error> {
    hosts.split(',').map(|host| read_host(host, port)).collect()
}

fn read_host(text: &str, port: u16) -> Result<Address, Error> {
    let (host, digits) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((host, rest)) = rest.split_once(']') else { return wrong("an IPv6 address has no `]`") };
            if host.parse::<Ipv6Addr>().is_err() {
                return wrong("what stands in brackets is no IPv6 address");
            }
            (host, rest)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if host.is_empty() {
        return wrong("a host is missing");
    }
    // Never quoted: with a `/` in it, what stands here may be a part of the password.
    let port = match digits.strip_prefix(':') {
        None if digits.is_empty() => port,
        Some(digits) => match digits.parse() {
            Ok(port) if port > 0 => port,
            _ => return wrong("a port is no number from 1 to 65535"),
        },
        None => return wrong("something follows an address that is no port"),
    };
    Ok(Address::Tcp { host: decoded(host, "a host")?, port })
}

fn decoded(text: &str, what: &str) -> Result<String, Error> {
    let broken = || Error::InvalidDsn(format!("what is percent-encoded in {what} can't be decoded"));
    // percent_decode_str leaves what it can't decode as it is.
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    if (0..bytes.len()).any(|at| bytes[at] == b'%' && !(is_digit(at + 1) && is_digit(at + 2))) {
        return Err(broken());
    }
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn every_form_of_a_dsn_is_read() {
        let dsn = Dsn::parse("redis://ada:p%40ss@cache.example:7000/3?prefix=shop%3A&timeout_ms=50&connections_max=2")
            .unwrap();
        assert_eq!(dsn.servers, Servers::One(tcp("cache.example", 7000)));
        assert_eq!((dsn.login.user.as_deref(), dsn.login.password.as_deref()), (Some("ada"), Some("p@ss")));
        assert_eq!((dsn.database, &dsn.prefix[..], dsn.connections_max), (3, &b"shop:"[..], 2));
        assert_eq!((dsn.timeout, dsn.connect_timeout), (Duration::from_millis(50), Duration::from_millis(3000)));
        assert_eq!(Dsn::parse("redis://[::1]").unwrap().servers, Servers::One(tcp("::1", 6379)));
        assert_eq!(Dsn::parse("redis://:pw@h").unwrap().login.user, None);

        let dsn = Dsn::parse("redis+unix:///run/redis.sock?db=2").unwrap();
        assert_eq!((dsn.servers, dsn.database), (Servers::One(Address::Unix("/run/redis.sock".into())), 2));
        let dsn = Dsn::parse("redis://:pw@/run/redis.sock").unwrap();
        assert_eq!(dsn.servers, Servers::One(Address::Unix("/run/redis.sock".into())));

        let dsn = Dsn::parse("rediss-cluster://a,b:7001?ca=/etc/ca.pem").unwrap();
        assert_eq!(dsn.servers, Servers::Cluster(vec![tcp("a", 6379), tcp("b", 7001)]));
        assert_eq!(dsn.tls, Some(Tls { insecure: false, roots: Some(Roots::Pem(Pem::File("/etc/ca.pem".into()))) }));
        assert!(Dsn::parse("rediss://h?insecure=yes").unwrap().tls.unwrap().insecure);

        let dsn = Dsn::parse("redis-sentinel://u:p@a,b:1/main/4?sentinel_password=s").unwrap();
        let sentinels = vec![tcp("a", 26379), tcp("b", 1)];
        assert_eq!(dsn.servers, Servers::Sentinels { sentinels, service: "main".to_owned() });
        assert_eq!((dsn.database, dsn.sentinel_login.password.as_deref()), (4, Some("s")));
    }

    #[test]
    fn what_is_wrong_is_said_and_no_password_with_it() {
        for (dsn, reason) in [
            ("secret", "it begins with one of"),
            ("http://secret@h", "its scheme"),
            ("redis://", "a host is missing"),
            ("redis:///2", "a host is missing"),
            ("redis-cluster://a,,b", "a host is missing"),
            ("redis-cluster://a/1", "one database"),
            ("redis://a,b", "one host"),
            ("redis-sentinel://a", "service"),
            ("redis://u:secret/x@h:1", "port"),
            ("redis://:se?cret@h", "`@` behind"),
            ("redis://:secret#@h", "`#`"),
            ("redis://:secret%4@h", "percent"),
            ("redis://secret@h", "no password"),
            ("redis://h/secret", "database"),
            ("redis://h?secret1=2", "no option"),
            ("redis://h?timeout=2", "no option `timeout`"),
            ("redis://h?timeout_ms=0", "from 1 to"),
            ("redis://h?connections_max=secret", "from 1 to"),
            ("redis://h?prefix=", "no value"),
            ("redis://h?prefix={a", "hash tag"),
            ("redis://h?ca=/x", "rediss://"),
            ("redis://h?db=2", "in the path"),
            ("redis://h?sentinel_user=x", "redis-sentinel"),
            ("rediss://h?insecure=secret", "yes or no"),
            ("redis+unix://h/x", "no host"),
            ("redis://[secret]", "no IPv6"),
            ("redis://[::1]secret", "no port"),
        ] {
            let error = Dsn::parse(dsn).unwrap_err().to_string();
            assert!(error.contains(reason), "{dsn}: {error}");
            assert!(!error.contains("secret") && !error.contains("cret@"), "{dsn}: {error}");
        }
        let dsn = Dsn::parse("redis-sentinel://u:secret@a/m?sentinel_password=secret").unwrap();
        assert!(!format!("{dsn:?}").contains("secret"));
    }
}
