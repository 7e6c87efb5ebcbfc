//! What ties a login to its TLS connection.

use crate::db::der;
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The binding `tls-server-end-point` (RFC 5929): the certificate's hash, by the function of its own signature. `None` for a
/// signature that has no such function (Ed25519): the server has none then either.
pub(super) fn of(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    end_point_of(certificate)
}

fn end_point_of(certificate: &[u8]) -> Option<Vec<u8>> {
    // Certificate: SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, ... }, ... }
    const SEQUENCE: u8 = 0x30;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    let (contents, _) = der::value(certificate, SEQUENCE)?;
    let (_, rest) = der::value(contents, SEQUENCE)?;
    let (algorithm, _) = der::value(rest, SEQUENCE)?;
    let (identifier, _) = der::value(algorithm, OBJECT_IDENTIFIER)?;
    match identifier {
        // 1.2.840.113549.1.1: RSA with MD5 and SHA-1, for which the RFC takes SHA-256, and with SHA-256, SHA-384, SHA-512.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4 | 5 | 11] => Some(Sha256::digest(certificate).to_vec()),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12] => Some(Sha384::digest(certificate).to_vec()),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13] => Some(Sha512::digest(certificate).to_vec()),
        // 1.2.840.10045.4: ECDSA with SHA-1, and (.3) with SHA-256, SHA-384, SHA-512.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2] => {
            Some(Sha256::digest(certificate).to_vec())
        }
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3] => Some(Sha384::digest(certificate).to_vec()),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4] => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_point_is_hashed_as_the_certificate_was_signed() {
        let certificate = |identifier: &[u8]| {
            let mut algorithm = vec![6, identifier.len() as u8];
            algorithm.extend_from_slice(identifier);
            let mut contents = vec![0x30, 0x81, 1, 0, 0x30, algorithm.len() as u8];
            contents.extend_from_slice(&algorithm);
            let mut whole = vec![0x30, 0x82, 0, contents.len() as u8];
            whole.extend_from_slice(&contents);
            whole
        };
        let rsa = |last: u8| certificate(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last]);
        assert_eq!(end_point_of(&rsa(5)), Some(Sha256::digest(rsa(5)).to_vec()));
        assert_eq!(end_point_of(&rsa(12)), Some(Sha384::digest(rsa(12)).to_vec()));
        let ecdsa = certificate(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4]);
        assert_eq!(end_point_of(&ecdsa), Some(Sha512::digest(&ecdsa).to_vec()));
        assert_eq!(end_point_of(&certificate(&[0x2b, 0x65, 0x70])), None, "Ed25519");
        let whole = rsa(11);
        for end in 0..whole.len() {
            assert_eq!(end_point_of(&whole[..end]), None, "cut at {end}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let _ = end_point_of(&bytes);
        }
    }
}
