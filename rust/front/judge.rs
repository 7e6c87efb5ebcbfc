//! What is no request although its head can be read, and whether a whole body is too much. The same for every front, and asked
//! by the pure PHP server's `RequestHead`, too.

use http::Uri;

use super::config::Config;

/// What a head claims, as far as it can be refused for it.
pub(super) struct Claims {
    /// Bytes of path and query.
    pub(super) target_bytes: usize,
    pub(super) is_connect: bool,
    /// See [`has_target`].
    pub(super) has_target: bool,
    pub(super) is_http_11: bool,
    /// The least that the body can have.
    pub(super) body_bytes: u64,
}

/// The status with which a head has to be refused.
pub(super) fn refusal_of<'a>(
    claims: &Claims,
    codings: impl Iterator<Item = &'a [u8]>,
    mut hosts: impl Iterator<Item = &'a [u8]>,
    config: &Config,
) -> Option<u16> {
    if claims.target_bytes > config.uri_bytes_max as usize {
        return Some(414);
    }
    if claims.is_connect {
        return Some(405);
    }
    if !claims.has_target {
        return Some(400);
    }
    if !is_only_chunked(codings) {
        return Some(501);
    }
    // RFC 9112, 3.2: exactly one Host in HTTP/1.1; two are a way to have two servers disagree about one request.
    // And no other text than a host's: applications write it into links.
    let is_good = hosts.next().map_or(!claims.is_http_11, is_host);
    if !is_good || hosts.next().is_some() {
        return Some(400);
    }
    (claims.body_bytes > config.body_bytes_max).then_some(413)
}

/// Whether the target has one of the forms of RFC 9112, 3.2: a path, an address of the web, or `*` for OPTIONS. As a URI a host
/// alone (`GET a`) and every scheme would do, too.
pub(super) fn has_target(uri: &Uri, method: &str) -> bool {
    match uri.scheme_str() {
        Some(scheme) => scheme == "http" || scheme == "https",
        None => uri.authority().is_none() && (uri.path() != "*" || method == "OPTIONS"),
    }
}

/// Whether the body is as it is, or `chunked` is its one transfer coding. Where that isn't the last one, the request has been
/// refused before.
fn is_only_chunked<'a>(mut codings: impl Iterator<Item = &'a [u8]>) -> bool {
    let first = codings.next().is_none_or(|value| value.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    first && codings.next().is_none()
}

/// Whether it is a host's name or address, perhaps with a port, or empty (RFC 3986, 3.2.2).
fn is_host(text: &[u8]) -> bool {
    let end = match text {
        [b'[', rest @ ..] => rest.iter().position(|&byte| byte == b']').map_or(0, |at| at + 2),
        _ => text.iter().position(|&byte| byte == b':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let host_is_good = match host {
        [b'[', address @ .., b']'] => address.iter().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte)),
        name => name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte)),
    };
    let port_is_good = match port {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok());
            digits.iter().all(u8::is_ascii_digit) && number.is_some()
        }
        _ => false,
    };
    host_is_good && port_is_good
}
