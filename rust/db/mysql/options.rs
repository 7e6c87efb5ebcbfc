//! Where a MySQL server is, and how to log in: what a DSN says.
//!
//! What always holds: a parameter that isn't known is an error that names it, because a misspelt demand for encryption would
//! be none; a password is never printed, so [`Options`] has no `Debug`.

use crate::db::Error;
use crate::db::dsn::Reset;
use crate::db::socket::Place;
use crate::db::tls::{Pem, Roots, Terms};
use crate::db::url::Url;
use std::path::PathBuf;

/// What a connection needs to know.
#[derive(Clone)]
pub(in crate::db) struct Options {
    pub(super) place: Place,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: Option<String>,
    pub(super) ssl_mode: SslMode,
    pub(super) root_certificates: Option<Roots>,
    pub(super) client_certificate: Option<(Pem, Pem)>,
    pub(in crate::db) reset: Reset,
}

/// `ssl-mode`, from no encryption to a checked name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    Disabled,
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// What a DSN may say behind the question mark, besides the same names without their hyphen, and `charset=utf8mb4`, which
/// it is anyway.
const PARAMETERS: [&str; 6] = ["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket", "reset"];

impl Options {
    /// Reads a DSN that starts with `mysql://` or `mariadb://`.
    ///
    /// # Errors
    /// [`Error::InvalidDsn`], which never quotes a password.
    pub(in crate::db) fn parse(dsn: &str) -> Result<Self, Error> {
        let url = Url::read(dsn)?;
        let (mut socket, mut ssl_mode, mut reset) = (None, SslMode::Preferred, Reset::default());
        let (mut roots, mut certificate, mut key) = (None, None, None);
        for (name, value) in url.parameters {
            match name.as_str() {
                "ssl-mode" | "sslmode" => ssl_mode = SslMode::parse(&value.unwrap_or_default())?,
                "ssl-ca" | "sslca" => roots = value.map(|text| Roots::Pem(Pem::read(text))),
                "ssl-cert" | "sslcert" => certificate = value.map(Pem::read),
                "ssl-key" | "sslkey" => key = value.map(Pem::read),
                "socket" => socket = value.map(PathBuf::from),
                "reset" => reset = value.map_or(Ok(reset), |value| Reset::parse(&value))?,
                "charset" if value.as_deref() == Some("utf8mb4") => {}
                _ => return Err(Error::unknown_parameter(&name, &PARAMETERS)),
            }
        }
        let client_certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(Error::dsn("ssl-cert and ssl-key are given together or not at all")),
        };
        let host = url.host.unwrap_or_else(|| "localhost".to_owned());
        Ok(Self {
            place: match socket {
                Some(path) => Place::Unix(path),
                None => Place::Tcp { host, port: url.port.unwrap_or(3306) },
            },
            user: url.user.unwrap_or_else(|| "root".to_owned()),
            password: url.password.unwrap_or_default(),
            database: url.path.map(|path| path.trim_start_matches('/').to_owned()).filter(|name| !name.is_empty()),
            ssl_mode,
            root_certificates: roots,
            client_certificate,
            reset,
        })
    }

    /// Whom to trust.
    ///
    /// | ssl-mode | encrypted | certificate | name |
    /// |---|---|---|---|
    /// | `disabled` | never | | |
    /// | `preferred` | over TCP, if the server can | any | any |
    /// | `required` | always | any | any |
    /// | `verify_ca` | always | a known signer's | any |
    /// | `verify_identity` | always | a known signer's | the host's |
    pub(super) fn terms(&self) -> Terms<'_> {
        Terms {
            signed: matches!(self.ssl_mode, SslMode::VerifyCa | SslMode::VerifyIdentity),
            named: self.ssl_mode == SslMode::VerifyIdentity,
            roots: self.root_certificates.as_ref(),
            client: self.client_certificate.as_ref(),
            names: ["ssl-ca", "ssl-cert", "ssl-key"],
        }
    }
}

impl SslMode {
    fn parse(text: &str) -> Result<Self, Error> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "disabled" => Self::Disabled,
            "preferred" => Self::Preferred,
            "required" => Self::Required,
            "verify_ca" => Self::VerifyCa,
            "verify_identity" => Self::VerifyIdentity,
            _ => {
                return Err(Error::dsn(format!(
                    "unknown value {text:?} for ssl-mode, which is one of disabled, preferred, required, verify_ca, \
                     verify_identity"
                )));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dsn_says_and_what_it_leaves_out() {
        let options =
            Options::parse("mysql://u%40x:p%2F@h:3307/d%20b?ssl-mode=VERIFY_IDENTITY&sslca=/a&charset=utf8mb4");
        let options = options.unwrap();
        assert_eq!(options.place, Place::Tcp { host: "h".into(), port: 3307 });
        assert_eq!((options.user.as_str(), options.password.as_str()), ("u@x", "p/"));
        assert_eq!((options.database.as_deref(), options.ssl_mode), (Some("d b"), SslMode::VerifyIdentity));
        assert_eq!(options.root_certificates, Some(Roots::Pem(Pem::File("/a".into()))));
        assert!(options.terms().signed && options.terms().named);

        let options = Options::parse("mariadb://?socket=/run/s").unwrap();
        assert_eq!(options.place, Place::Unix("/run/s".into()));
        assert_eq!((options.user.as_str(), options.password.as_str(), options.database), ("root", "", None));
        assert_eq!((options.ssl_mode, options.reset), (SslMode::Preferred, Reset::Changed));
        assert_eq!(Options::parse("mysql://u@h/d?reset=always").unwrap().reset, Reset::Always);

        let options = Options::parse("mysql://[::1]").unwrap();
        assert_eq!(options.place, Place::Tcp { host: "::1".into(), port: 3306 });
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        for query in [
            "ssl-mode=",
            "ssl-mode=some",
            "reset=never",
            "reset=Always",
            "charset=latin1",
            "ssl-cert=/a",
            "ssl-key=/a",
            "timezone=UTC",
        ] {
            assert!(Options::parse(&format!("mysql://u@h/d?{query}")).is_err(), "{query}");
        }
    }
}
