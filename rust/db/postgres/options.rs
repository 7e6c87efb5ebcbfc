//! Where a PostgreSQL server is, and how to log in: what a DSN says, and what the environment says where the DSN is silent.
//!
//! Names and meanings are libpq's (PostgreSQL's manual, "Parameter Key Words" and "Environment Variables"). In
//! a parameter's value `+` is a space, as in any URL's query. What always holds: a parameter that isn't known, or that this
//! client can't fulfil, is an error that names it; a password is never printed, so [`Options`] has no `Debug`.

use super::environment::{self, Environment};
use crate::db::Error;
use crate::db::dsn::Reset;
use crate::db::socket::Place;
use crate::db::tls::{Pem, Roots, Terms};
use crate::db::url::{Url, port as number};
use std::path::PathBuf;
use std::time::Duration;

/// What a connection needs to know.
#[derive(Clone)]
pub(in crate::db) struct Options {
    pub(super) place: Place,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: Option<String>,
    pub(super) application_name: Option<String>,
    /// Command-line options for the server: `-c search_path=shop`.
    pub(super) options: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) keepalive: Option<Keepalive>,
    pub(super) ssl_mode: SslMode,
    pub(super) root_certificates: Option<Roots>,
    pub(super) client_certificate: Option<(Pem, Pem)>,
    pub(super) channel_binding: ChannelBinding,
    pub(in crate::db) reset: Reset,
}

/// `sslmode`, from no encryption to a checked name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// `channel_binding`: whether the password's proof is tied to the TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

/// Probes of a connection on which nothing is said; what is `None` is the system's own setting.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keepalive {
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) retries: Option<u32>,
}

/// All parameters that a DSN may have, for the hint about one that it may not.
const PARAMETERS: [&str; 24] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "passfile",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "channel_binding",
    "application_name",
    "fallback_application_name",
    "options",
    "connect_timeout",
    "client_encoding",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "gssencmode",
    "target_session_attrs",
    "reset",
];

/// What a DSN says, before the environment is asked.
#[derive(Default)]
struct Given {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<String>,
    passfile: Option<String>,
    dbname: Option<String>,
    sslmode: Option<SslMode>,
    sslrootcert: Option<String>,
    sslcert: Option<String>,
    sslkey: Option<String>,
    channel_binding: Option<ChannelBinding>,
    application_name: Option<String>,
    options: Vec<String>,
    connect_timeout: Option<u32>,
    keepalives: Option<bool>,
    keepalive: Keepalive,
    reset: Reset,
}

impl Options {
    /// Reads a DSN that starts with `postgres://` or `postgresql://`.
    ///
    /// # Errors
    /// [`Error::InvalidDsn`], which never quotes a password.
    pub(in crate::db) fn parse(dsn: &str) -> Result<Self, Error> {
        Self::with_environment(dsn, &environment::of_process())
    }

    /// Whom to trust.
    ///
    /// | sslmode | encrypted | certificate | name |
    /// |---|---|---|---|
    /// | `disable` | never | | |
    /// | `allow` | if the server insists | any | any |
    /// | `prefer` | if the server can | any | any |
    /// | `require` | always | any; with `sslrootcert` a known signer's | any |
    /// | `verify-ca` | always | a known signer's | any |
    /// | `verify-full` | always | a known signer's | the host's |
    pub(super) fn terms(&self) -> Terms<'_> {
        Terms {
            // libpq: "require" with a root certificate is "verify-ca".
            signed: match self.ssl_mode {
                SslMode::VerifyCa | SslMode::VerifyFull => true,
                SslMode::Require => self.root_certificates.is_some(),
                SslMode::Disable | SslMode::Allow | SslMode::Prefer => false,
            },
            named: self.ssl_mode == SslMode::VerifyFull,
            roots: self.root_certificates.as_ref(),
            client: self.client_certificate.as_ref(),
            names: ["sslrootcert", "sslcert", "sslkey"],
        }
    }

    fn with_environment(dsn: &str, environment: &Environment<'_>) -> Result<Self, Error> {
        let mut given = Given::default();
        given.read(dsn)?;
        given.complete(environment)
    }
}

impl Given {
    fn read(&mut self, dsn: &str) -> Result<(), Error> {
        let url = Url::read(dsn)?;
        (self.user, self.password, self.port, self.dbname) = (url.user, url.password, url.port, url.path);
        self.set("host", url.host)?;
        url.parameters.into_iter().try_for_each(|(name, value)| self.set(&name, value))
    }

    /// One parameter, under libpq's name or under those that other clients have for it. An empty value is none.
    fn set(&mut self, name: &str, value: Option<String>) -> Result<(), Error> {
        let Some(value) = value else {
            return if is_known(name) { Ok(()) } else { Err(unknown(name)) };
        };
        match name {
            "host" | "hostaddr" if value.contains(',') => {
                return Err(Error::dsn("several hosts in one DSN are not supported: name one"));
            }
            "host" => self.host = Some(value),
            "hostaddr" if value.parse::<std::net::IpAddr>().is_err() => return Err(invalid(name, "an IP address")),
            "hostaddr" => self.host = Some(value),
            "port" => self.port = Some(number(&value).ok_or_else(|| invalid(name, "a number from 1 to 65535"))?),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "passfile" => self.passfile = Some(value),
            "dbname" => self.dbname = Some(value),
            "sslmode" | "ssl-mode" => self.sslmode = Some(SslMode::parse(&value)?),
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => self.sslrootcert = Some(value),
            "sslcert" | "ssl-cert" => self.sslcert = Some(value),
            "sslkey" | "ssl-key" => self.sslkey = Some(value),
            "channel_binding" => self.channel_binding = Some(ChannelBinding::parse(&value)?),
            "application_name" => self.application_name = Some(value),
            "fallback_application_name" => {
                self.application_name.get_or_insert(value);
            }
            "options" => self.options.push(value),
            "connect_timeout" => {
                self.connect_timeout = Some(value.parse().map_err(|_| invalid(name, "a number of seconds"))?);
            }
            "client_encoding" if is_utf8(&value) => {}
            "client_encoding" => return Err(invalid(name, "UTF8: the engine speaks nothing else")),
            "keepalives" => {
                self.keepalives = Some(match value.as_str() {
                    "0" => false,
                    "1" => true,
                    _ => return Err(invalid(name, "0 or 1")),
                });
            }
            "keepalives_idle" => self.keepalive.idle = seconds(name, &value)?,
            "keepalives_interval" => self.keepalive.interval = seconds(name, &value)?,
            "keepalives_count" => {
                let count: u32 = value.parse().map_err(|_| invalid(name, "a number"))?;
                self.keepalive.retries = (count > 0).then_some(count);
            }
            "gssencmode" if matches!(value.as_str(), "disable" | "prefer") => {}
            "gssencmode" => return Err(invalid(name, "disable or prefer: there is no GSSAPI here")),
            "target_session_attrs" if value == "any" => {}
            "reset" => self.reset = Reset::parse(&value)?,
            "target_session_attrs" => return Err(invalid(name, "any: name the server that is meant")),
            name => match name.strip_prefix("options[").and_then(|name| name.strip_suffix(']')) {
                Some(setting) => {
                    self.options.push(format!("-c {setting}={}", value.replace('\\', r"\\").replace(' ', r"\ ")))
                }
                None => return Err(unknown(name)),
            },
        }
        Ok(())
    }

    fn complete(self, environment: &Environment<'_>) -> Result<Options, Error> {
        let get = |name: &str| environment.get(name);
        let port = self.port.or_else(|| get("PGPORT").as_deref().and_then(number)).unwrap_or(5432);
        let host = self.host.or_else(|| get("PGHOSTADDR")).or_else(|| get("PGHOST"));
        let host = host.unwrap_or_else(|| environment::default_host(port));
        let user = self.user.or_else(|| get("PGUSER")).or_else(|| environment.user_name());
        let user = user.ok_or_else(|| Error::dsn("it names no user, and neither does the system"))?;
        let database = self.dbname.or_else(|| get("PGDATABASE"));
        let password = self.password.or_else(|| get("PGPASSWORD")).or_else(|| {
            let file = self.passfile.clone().or_else(|| get("PGPASSFILE"));
            environment.password(file, &host, port, database.as_deref().unwrap_or(&user), &user)
        });
        let ssl_mode = match (self.sslmode, get("PGSSLMODE")) {
            (Some(mode), _) => mode,
            (None, Some(mode)) => SslMode::parse(&mode)?,
            (None, None) => SslMode::Prefer,
        };
        let root_certificates = self.sslrootcert.or_else(|| get("PGSSLROOTCERT")).map(|text| match text.as_str() {
            "system" => Roots::System,
            _ => Roots::Pem(Pem::read(text)),
        });
        let root_certificates = root_certificates
            .or_else(|| environment.home_file(".postgresql/root.crt").map(|path| Roots::Pem(Pem::File(path))));
        if root_certificates == Some(Roots::System) && ssl_mode != SslMode::VerifyFull {
            // Anybody can get a certificate from one of those.
            return Err(Error::dsn("sslrootcert=system asks for sslmode=verify-full"));
        }
        let client_certificate =
            match (self.sslcert.or_else(|| get("PGSSLCERT")), self.sslkey.or_else(|| get("PGSSLKEY"))) {
                (Some(certificate), Some(key)) => Some((Pem::read(certificate), Pem::read(key))),
                (None, None) => None,
                _ => return Err(Error::dsn("sslcert and sslkey are given together or not at all")),
            };
        let channel_binding = match (self.channel_binding, get("PGCHANNELBINDING")) {
            (Some(binding), _) => binding,
            (None, Some(binding)) => ChannelBinding::parse(&binding)?,
            (None, None) => ChannelBinding::Prefer,
        };
        let connect_timeout =
            self.connect_timeout.or_else(|| get("PGCONNECT_TIMEOUT").and_then(|seconds| seconds.parse().ok()));
        let options: Vec<String> = get("PGOPTIONS").into_iter().chain(self.options).collect();
        Ok(Options {
            place: if host.starts_with('/') {
                Place::Unix(PathBuf::from(host).join(format!(".s.PGSQL.{port}")))
            } else {
                Place::Tcp { host, port }
            },
            user,
            password,
            database,
            application_name: self.application_name.or_else(|| get("PGAPPNAME")),
            options: (!options.is_empty()).then(|| options.join(" ")),
            // As in libpq: 0 is no limit.
            connect_timeout: connect_timeout.filter(|&seconds| seconds > 0).map(|s| Duration::from_secs(s.into())),
            keepalive: self.keepalives.unwrap_or(true).then_some(self.keepalive),
            ssl_mode,
            root_certificates,
            client_certificate,
            channel_binding,
            reset: self.reset,
        })
    }
}

impl SslMode {
    fn parse(text: &str) -> Result<Self, Error> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(Error::dsn(format!(
                    "unknown value {text:?} for sslmode, which is one of disable, allow, prefer, require, verify-ca, \
                     verify-full"
                )));
            }
        })
    }
}

impl ChannelBinding {
    fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "disable" => Ok(Self::Disable),
            "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            _ => Err(invalid("channel_binding", "disable, prefer or require")),
        }
    }
}

fn seconds(name: &str, value: &str) -> Result<Option<Duration>, Error> {
    let seconds: u32 = value.parse().map_err(|_| invalid(name, "a number of seconds"))?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds.into())))
}

fn is_utf8(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode" | "auto")
}

fn invalid(name: &str, expected: &str) -> Error {
    Error::dsn(format!("the parameter {name} has another value than {expected}"))
}

fn is_known(name: &str) -> bool {
    PARAMETERS.contains(&name) || name.starts_with("ssl-") || name.starts_with("options[")
}

fn unknown(name: &str) -> Error {
    Error::unknown_parameter(name, &PARAMETERS)
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
