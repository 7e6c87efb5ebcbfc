//! Data source names: which database, and how to reach it.
//!
//! What always holds: a password leaves this file only towards the database. [`std::fmt::Display`] and
//! [`std::fmt::Debug`] print `***` in its place, and an error about a DSN never quotes it.

use super::{Error, mysql, postgres};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// A parsed data source name.
///
/// `postgres://` and `postgresql://`, `mysql://` and `mariadb://` as URLs, with user, password and database
/// percent-encoded. The parameters of PostgreSQL's are libpq's (`sslmode`, `sslrootcert`, `application_name`, ...), those of
/// MySQL's `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key` and `socket`; both take `reset` (`changed` or `always`).
/// `sqlite:<path>`, `sqlite://<path>`, `sqlite::memory:` and a bare path, which are taken literally.
///
/// ```
/// let dsn = lyger::db::Dsn::parse("postgres://shop:s3cret@localhost/shop").unwrap();
/// assert_eq!(dsn.to_string(), "postgres://shop:***@localhost/shop");
/// ```
#[derive(Clone)]
pub struct Dsn {
    // The text as given, password and all: the key under which connections are kept.
    text: String,
    redacted: String,
    target: Target,
}

/// Which database a DSN leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

#[derive(Clone)]
pub(super) enum Target {
    Postgres(Arc<postgres::Options>),
    MySql(Arc<mysql::Options>),
    Sqlite(SqlitePath),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SqlitePath {
    Memory,
    File(PathBuf),
}

/// When a connection is reset behind the client that had it: `reset` in a DSN.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    /// When a statement's text or the server says that something is left on it.
    Told,
    /// Then, and wherever the database keeps code that may leave something unseen.
    #[default]
    Changed,
    /// Always.
    Always,
}

impl Reset {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "told" => Ok(Self::Told),
            "changed" => Ok(Self::Changed),
            "always" => Ok(Self::Always),
            _ => Err(Error::dsn(format!("unknown value {text:?} for reset, which is one of told, changed, always"))),
        }
    }
}

impl Dsn {
    /// Reads a DSN.
    ///
    /// # Errors
    /// [`Error::InvalidDsn`] for an unknown scheme (a PDO DSN among them) or a broken URL.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::dsn("it is empty"));
        }
        if text.contains('\0') {
            return Err(Error::dsn("it holds a NUL byte"));
        }
        let target = match text.split_once("://").map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => Target::Postgres(Arc::new(postgres::Options::parse(text)?)),
            Some("mysql" | "mariadb") => Target::MySql(Arc::new(mysql::Options::parse(text)?)),
            _ => Target::Sqlite(sqlite_path(text)?),
        };
        let redacted = match target {
            Target::Sqlite(_) => text.to_owned(),
            _ => redact(text),
        };
        Ok(Self { text: text.to_owned(), redacted, target })
    }

    /// Which database it leads to.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self.target {
            Target::Postgres(_) => Dialect::Postgres,
            Target::MySql(_) => Dialect::MySql,
            Target::Sqlite(_) => Dialect::Sqlite,
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.text
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn reset(&self) -> Reset {
        match &self.target {
            Target::Postgres(options) => options.reset,
            Target::MySql(options) => options.reset,
            // What could leave something there is no function, but has words of its own.
            Target::Sqlite(_) => Reset::Changed,
        }
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted)
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dsn").field(&self.redacted).finish()
    }
}

impl FromStr for Dsn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

fn sqlite_path(text: &str) -> Result<SqlitePath, Error> {
    let path = match text.strip_prefix("sqlite:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => {
            refuse_foreign_scheme(text)?;
            refuse_mistyped_server(text)?;
            text
        }
    };
    match path {
        "" => Err(Error::dsn("the path is missing: write sqlite:/path/to/file or sqlite::memory:")),
        ":memory:" => Ok(SqlitePath::Memory),
        path => Ok(SqlitePath::File(PathBuf::from(path))),
    }
}

// A bare path is SQLite's, so `mysql:host=localhost`, which PDO would understand, must not create a file of that name.
// One letter before the colon is a Windows drive.
fn refuse_foreign_scheme(text: &str) -> Result<(), Error> {
    let Some((scheme, _)) = text.split_once(':') else { return Ok(()) };
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !is_scheme || scheme == "file" {
        return Ok(());
    }
    Err(Error::dsn(format!(
        "unknown scheme `{scheme}:`; write postgres://user:password@host/database, \
         mysql://user:password@host/database, sqlite:/path/to/file or a bare path"
    )))
}

// `mysql//user:password@host` would be a path otherwise, which errors print in full. Paths may have `//`, `:/` or `@` in
// them: it takes the name of a server's scheme before the `@`, or the colon of a password.
fn refuse_mistyped_server(text: &str) -> Result<(), Error> {
    let Some((address, _)) = text.rsplit_once('@') else { return Ok(()) };
    let lower = address.to_ascii_lowercase();
    let is_named = ["postgresql", "postgres", "pgsql", "mysql", "mariadb"].iter().any(|name| {
        let behind = lower.strip_prefix(name).and_then(|behind| behind.chars().next());
        behind.is_some_and(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.'))
    });
    let has_password = |mark| address.split_once(mark).is_some_and(|(_, behind)| behind.contains(':'));
    if !is_named && !has_password("//") && !has_password(":/") {
        return Ok(());
    }
    Err(Error::dsn(
        "it has neither a known scheme nor the looks of a path; write postgres://user:password@host/database, \
         mysql://user:password@host/database, or sqlite:/path/to/file for a file of that name",
    ))
}

/// Replaces what may be a password: between the first colon of the authority and the last `@`, and the value of a
/// `password` parameter. Works on the text and not on the parsed URL, so that nothing is re-encoded.
fn redact(text: &str) -> String {
    let (address, query) = text.split_once('?').map_or((text, None), |(address, query)| (address, Some(query)));
    let scheme_end = address.find("://").map_or(0, |at| at + 3);
    let mut redacted = String::with_capacity(text.len());
    redacted.push_str(&address[..scheme_end]);
    let authority = &address[scheme_end..];
    match authority.rfind('@').and_then(|at| authority[..at].find(':').map(|colon| (colon, at))) {
        Some((colon, at)) => {
            redacted.push_str(&authority[..colon]);
            redacted.push_str(":***");
            redacted.push_str(&authority[at..]);
        }
        None => redacted.push_str(authority),
    }
    let mut separator = '?';
    for parameter in query.iter().flat_map(|query| query.split('&')) {
        redacted.push(separator);
        separator = '&';
        match parameter.split_once('=') {
            Some((name, _)) if name.eq_ignore_ascii_case("password") => {
                redacted.push_str(name);
                redacted.push_str("=***");
            }
            _ => redacted.push_str(parameter),
        }
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_the_seeds_finds_its_database() {
        for (text, dialect) in [
            ("postgres://u@h/d", Dialect::Postgres),
            ("postgresql://u@h/d?sslmode=disable", Dialect::Postgres),
            ("mysql://u@h/d", Dialect::MySql),
            ("mariadb://u@h/d", Dialect::MySql),
            ("sqlite:shop.db", Dialect::Sqlite),
            ("sqlite::memory:", Dialect::Sqlite),
            ("sqlite://shop.db", Dialect::Sqlite),
            ("/var/lib/shop.db", Dialect::Sqlite),
            ("shop.db", Dialect::Sqlite),
            (r"C:\shop.db", Dialect::Sqlite),
        ] {
            assert_eq!(Dsn::parse(text).unwrap().dialect(), dialect, "{text}");
        }
    }

    #[test]
    fn the_path_of_sqlite_is_taken_literally() {
        for (text, path) in [
            ("sqlite:/a b/%20?x=1.db", "/a b/%20?x=1.db"),
            ("sqlite:///abs.db", "/abs.db"),
            ("sqlite://rel.db", "rel.db"),
            ("rel.db", "rel.db"),
            ("sqlite:a:b.db", "a:b.db"),
        ] {
            let dsn = Dsn::parse(text).unwrap();
            let Target::Sqlite(SqlitePath::File(found)) = dsn.target() else { panic!("{text}") };
            assert_eq!(found, &PathBuf::from(path), "{text}");
        }
    }

    #[test]
    fn no_password_is_ever_printed() {
        for text in [
            "postgres://user:hunter2@host:5432/db?sslmode=prefer",
            "mysql://user:hunter2@host/db",
            "mysql://user:hunter2@127.0.0.1",
            "postgres://user:hunter2@h@host/db",
            "postgres:///db?user=u&password=hunter2&host=h",
        ] {
            let dsn = Dsn::parse(text).unwrap();
            for printed in [dsn.to_string(), format!("{dsn:?}"), format!("{dsn:#?}")] {
                assert!(!printed.contains("hunter2") && printed.contains("***"), "{printed}");
            }
        }
        for text in ["postgres://user:hunter2#x@host/db", "postgres://user:hunter2@host:bad/db", "hunter2://x"] {
            let error = Dsn::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2@"), "{error}");
        }
    }

    #[test]
    fn a_parameter_of_mysql_that_is_not_known_is_named_with_the_nearest() {
        for query in [
            "",
            "charset=utf8mb4",
            "ssl-mode=required",
            "sslmode=VERIFY_CA&ssl-ca=/a&sslcert=/b&ssl-key=/c",
            "socket=/d",
        ] {
            Dsn::parse(&format!("mysql://u@h/d?{query}")).unwrap();
        }
        for (query, nearest) in
            [("ssl_mode=required", "ssl-mode"), ("socket=/a&sslcs=/b", "ssl-ca"), ("sockt=", "socket")]
        {
            let error = Dsn::parse(&format!("mysql://u:hunter2@h/d?{query}")).unwrap_err().to_string();
            let expected = format!("the nearest that is known is {nearest}");
            assert!(error.contains(&expected) && !error.contains("hunter2"), "{query}: {error}");
        }
        assert!(Dsn::parse("mysql://u@h/d?ssl-mode=some").is_err());
    }

    #[test]
    fn a_mistyped_dsn_of_a_server_is_no_path_and_its_password_stays_unsaid() {
        for text in [
            "mysql//user:hunter2@host/db",
            "mysql/user:hunter2@host/db",
            "MariaDB//user@host/db",
            "mysql;//user:hunter2@host/db",
            "postgres:/user:hunter2@host/db",
            "postgres:user:hunter2@host/db",
            "postgresql //user:hunter2@host/db",
            " postgres://user:hunter2@host/db",
            "DSN=postgres://user:hunter2@host/db",
            "//user:hunter2@host/db",
            "p:/user:hunter2@host/db",
        ] {
            let error = Dsn::parse(text).unwrap_err();
            assert!(matches!(error, Error::InvalidDsn { .. }), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error}");
        }
        for text in [
            "/var/data/shop@home.sqlite",
            "/var//data/shop@home.sqlite",
            "mysql-copy/shop@home.sqlite",
            "mysql/shop.sqlite",
            "postgres.sqlite",
            r"C:\shop@home.db",
            "C:/data/shop@home.db",
            "file:///data/shop@home.db?mode=ro",
            "sqlite://mysql//a:b@c",
        ] {
            let path = text.strip_prefix("sqlite://").unwrap_or(text);
            let dsn = Dsn::parse(text).unwrap();
            let Target::Sqlite(SqlitePath::File(found)) = dsn.target() else { panic!("{text}") };
            assert_eq!(found, &PathBuf::from(path), "{text}");
        }
    }

    #[test]
    fn a_dsn_of_pdo_or_of_another_database_is_refused_with_a_hint() {
        for text in ["mysql:host=localhost;dbname=shop", "pgsql:host=localhost", "mssql://host/db", "redis://host"] {
            let error = Dsn::parse(text).unwrap_err();
            assert!(error.to_string().contains("postgres://user:password@host/database"), "{error}");
        }
        for text in ["", "sqlite:", "sqlite://", "a\0b"] {
            assert!(matches!(Dsn::parse(text), Err(Error::InvalidDsn { .. })), "{text:?}");
        }
    }
}
