//! A DSN that is a URL, taken apart: `scheme://user:password@host:port/path?name=value`.
//!
//! In a parameter's value `+` is a space, as in any URL's query. An error never quotes what may be a password.

use super::Error;
use std::net::Ipv6Addr;

/// What a URL says, percent-decoded; what is empty is none.
#[derive(Default)]
pub(super) struct Url {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) path: Option<String>,
    pub(super) parameters: Vec<(String, Option<String>)>,
}

impl Url {
    /// # Errors
    /// [`Error::InvalidDsn`].
    pub(super) fn read(dsn: &str) -> Result<Self, Error> {
        if dsn.contains(['#', '\n', '\r']) {
            return Err(no_url("it has a `#` or a line break"));
        }
        let (_, rest) = dsn.split_once("://").ok_or_else(|| no_url("its scheme is missing"))?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = address.split_once('/').unwrap_or((address, ""));
        // The last one: a password that was pasted in may have one.
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let mut url = Self::default();
        if let Some(login) = login {
            let (user, password) = login.split_once(':').map_or((login, None), |(user, pass)| (user, Some(pass)));
            url.user = decoded(user, "user")?;
            url.password = decoded(password.unwrap_or_default(), "password")?;
        }
        url.read_place(place)?;
        url.path = decoded(path, "the database's name")?;
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let name = decoded(&name.replace('+', " "), "parameter")?.unwrap_or_default();
            let value = decoded(&value.replace('+', " "), &name)?;
            url.parameters.push((name, value));
        }
        Ok(url)
    }

    fn read_place(&mut self, place: &str) -> Result<(), Error> {
        let (host, digits) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(|| no_url("an IPv6 address has no `]`"))?;
                if host.parse::<Ipv6Addr>().is_err() {
                    return Err(no_url("what stands in brackets is no IPv6 address"));
                }
                (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
            }
            None => place.split_once(':').map_or((place, Some("")), |(host, port)| (host, Some(port))),
        };
        let digits = digits.ok_or_else(|| no_url("something follows the address that is no port"))?;
        if !digits.is_empty() {
            // Never quoted: with a `/` in it, what stands here is a part of the password.
            self.port = Some(port(digits).ok_or_else(|| no_url("the port is no number from 1 to 65535"))?);
        }
        self.host = decoded(host, "host")?;
        Ok(())
    }
}

/// Percent-decoded; nothing when empty.
fn decoded(text: &str, what: &str) -> Result<Option<String>, Error> {
    let broken = || no_url(&format!("what is percent-encoded in {what} can't be decoded"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).ok_or_else(broken)?;
        let digit = |digit: u8| (digit as char).to_digit(16);
        let (high, low) = digit(digits[0]).zip(digit(digits[1])).ok_or_else(broken)?;
        bytes.push((high * 16 + low) as u8);
        rest = tail;
    }
    if bytes.contains(&0) {
        return Err(broken());
    }
    String::from_utf8(bytes).map(|text| (!text.is_empty()).then_some(text)).map_err(|_| broken())
}

/// A port's number.
pub(super) fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&port| port > 0)
}

fn no_url(reason: &str) -> Error {
    Error::dsn(format!("{reason} (special characters in a user or a password are percent-encoded, `@` as %40)"))
}
