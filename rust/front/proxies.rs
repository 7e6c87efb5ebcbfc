//! Which client a request comes from when proxies stand between.
//!
//! X-Forwarded-For is a list that every proxy extends at its end, and that a client may start with lies. So it is
//! believed only as far as the chain of trusted proxies reaches: from its end to the first address that isn't one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::exchange::Scheme;

/// An address or a network in prefix notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Whether the address lies in the network. An IPv4 address in IPv6 clothes (`::ffff:a.b.c.d`) counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_bits)).unwrap_or(0);
                (u32::from(network) ^ u32::from(address)) & mask == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_bits)).unwrap_or(0);
                (u128::from(network) ^ u128::from(address)) & mask == 0
            }
            _ => false,
        }
    }
}

/// The text is neither an address nor a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an IP address or network")]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let bits_max: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits: u8 = prefix.map_or(Ok(bits_max), |bits| bits.parse().map_err(|_| NotANetwork))?;
        if prefix_bits > bits_max {
            return Err(NotANetwork);
        }
        match address.to_canonical() {
            // ::ffff:10.0.0.0/104 is 10.0.0.0/8 in IPv6 clothes.
            v4 @ IpAddr::V4(_) if address.is_ipv6() => {
                Ok(Self { address: v4, prefix_bits: prefix_bits.checked_sub(96).ok_or(NotANetwork)? })
            }
            _ => Ok(Self { address, prefix_bits }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix_bits)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Who asks and how, as far as trusted proxies say. `protocols` are the values of X-Forwarded-Proto in their order.
pub(crate) fn client<'a>(
    trusted: &[Network],
    peer: SocketAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    protocols: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> (IpAddr, u16, Scheme) {
    if trusted.is_empty() || !trusts(trusted, peer.ip()) {
        return (peer.ip(), peer.port(), Scheme::Http);
    }
    let address = client_behind(trusted, peer.ip(), forwarded_for);
    let port = if address == peer.ip() { peer.port() } else { 0 };
    // Of several, the last: the one that the trusted proxy wrote.
    let mut protocols = protocols;
    let protocol = protocols.next_back().and_then(|value| value.rsplit(|&byte| byte == b',').next());
    let scheme = match protocol.map(<[u8]>::trim_ascii) {
        Some(protocol) if protocol.eq_ignore_ascii_case(b"https") => Scheme::Https,
        _ => Scheme::Http,
    };
    (address, port, scheme)
}

/// Whether `address` is one of the trusted proxies.
#[must_use]
fn trusts(trusted: &[Network], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The client behind a trusted `peer`, from the values of X-Forwarded-For in their order.
#[must_use]
fn client_behind<'a>(
    trusted: &[Network],
    peer: IpAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> IpAddr {
    let mut client = peer;
    for value in forwarded_for.rev() {
        for part in value.rsplit(|&byte| byte == b',') {
            let Some(address) = std::str::from_utf8(part).ok().and_then(|part| parse_address(part.trim())) else {
                return client; // "unknown" or a lie: believe nothing before it
            };
            client = address;
            if !trusts(trusted, address) {
                return client;
            }
        }
    }
    client
}

/// `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`.
fn parse_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some(address.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address_of(trusted: &[&str], peer: &str, forwarded_for: &[&str]) -> String {
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_behind(&trusted, peer.parse().unwrap(), forwarded_for.iter().map(|value| value.as_bytes())).to_string()
    }

    #[test]
    fn networks_contain_what_their_prefix_says() {
        let holds =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "8.8.8.8"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("127.0.0.1", "::ffff:127.0.0.1"));
        assert!(holds("fd00::/8", "fd12::1"));
        assert!(holds("::ffff:10.0.0.0/104", "10.1.1.1"));
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("x".parse::<Network>().is_err());
    }

    #[test]
    fn the_last_untrusted_address_is_the_client() {
        assert_eq!(address_of(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1, 2.2.2.2, 10.0.0.9"]), "2.2.2.2");
        assert_eq!(address_of(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1", "2.2.2.2"]), "2.2.2.2");
        assert_eq!(address_of(&["10.0.0.0/8"], "10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(address_of(&["10.0.0.0/8"], "10.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
    }

    #[test]
    fn what_comes_before_nonsense_is_not_believed() {
        assert_eq!(address_of(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(address_of(&["10.0.0.0/8"], "10.0.0.1", &[""]), "10.0.0.1");
    }
}
