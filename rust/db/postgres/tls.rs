//! TLS to PostgreSQL, as libpq's `sslmode` means it.
//!
//! | sslmode | encrypted | certificate | name |
//! |---|---|---|---|
//! | `disable` | never | | |
//! | `allow` | if the server insists | any | any |
//! | `prefer` | if the server can | any | any |
//! | `require` | always | any; with `sslrootcert` a known signer's | any |
//! | `verify-ca` | always | a known signer's | any |
//! | `verify-full` | always | a known signer's | the host's |
//!
//! The signature of the handshake is checked in every mode: whoever answers has the certificate's key. Files are read
//! for each connection, so that renewed ones are taken.

use super::options::{Options, Pem, Roots, SslMode};
use crate::db::connection::{Failure, Lost};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// Encrypts a connection on which the server has agreed to it.
pub(super) async fn handshake(
    socket: TcpStream,
    host: &str,
    options: &Options,
) -> Result<TlsStream<TcpStream>, Failure> {
    let config = configuration(options).map_err(failed)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| failed(format!("{host:?} is no name of a host")))?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, socket).await.map_err(|error| failed(words(&error)))
}

fn failed(what: impl AsRef<str>) -> Failure {
    Failure::Lost(Lost { message: format!("TLS: {}", what.as_ref()), sent: false })
}

fn words(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::UnknownIssuer => "the server's certificate is signed by nobody who is trusted".to_owned(),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another name".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired".to_owned()
            }
            other => format!("the server's certificate is refused: {other}"),
        },
        Some(rustls::Error::InvalidMessage(_)) => "what the server says is no TLS".to_owned(),
        Some(error) => error.to_string(),
        None => crate::db::wording::of_system(error),
    }
}

fn configuration(options: &Options) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(options, &provider)?));
    match &options.client_certificate {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain = certificates(certificate, "sslcert")?;
            let key = PrivateKeyDer::from_pem_slice(&bytes(key, "sslkey")?)
                .map_err(|_| "sslkey holds no private key in PEM form that isn't encrypted".to_owned())?;
            builder.with_client_auth_cert(chain, key).map_err(|error| format!("sslcert and sslkey: {error}"))
        }
    }
}

fn bytes(pem: &Pem, parameter: &str) -> Result<Vec<u8>, String> {
    match pem {
        Pem::Text(text) => Ok(text.clone().into_bytes()),
        Pem::File(path) => std::fs::read(path)
            .map_err(|error| format!("{parameter} {}: {}", path.display(), crate::db::wording::of_system(&error))),
    }
}

fn certificates(pem: &Pem, parameter: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(pem, parameter)?).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{parameter} holds no certificate in PEM form")),
    }
}

/// Whom the system trusts. Read once: there are hundreds of files.
fn system_roots() -> Result<Arc<RootCertStore>, String> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // One that can't be read is one that isn't trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if roots.is_empty() {
        return Err(
            "this system trusts nobody (its package of CA certificates is missing): name sslrootcert".to_owned()
        );
    }
    Ok(Arc::clone(roots))
}

/// Who answers, as far as the mode asks.
#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    // `None`: anybody.
    signed: Option<Arc<WebPkiServerVerifier>>,
    named: bool,
}

impl Verifier {
    fn new(options: &Options, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        // libpq: "require" with a root certificate is "verify-ca".
        let is_signed = match options.ssl_mode {
            SslMode::VerifyCa | SslMode::VerifyFull => true,
            SslMode::Require => options.root_certificates.is_some(),
            SslMode::Disable | SslMode::Allow | SslMode::Prefer => false,
        };
        let signed = is_signed.then(|| Self::signed(options, provider)).transpose()?;
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { algorithms, signed, named: options.ssl_mode == SslMode::VerifyFull })
    }

    fn signed(options: &Options, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
        let roots = match &options.root_certificates {
            None | Some(Roots::System) => system_roots()?,
            Some(Roots::Pem(pem)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(pem, "sslrootcert")? {
                    roots.add(certificate).map_err(|error| format!("sslrootcert: {error}"))?;
                }
                Arc::new(roots)
            }
        };
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
            .build()
            .map_err(|error| format!("sslrootcert: {error}"))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(signed) = &self.signed else { return Ok(ServerCertVerified::assertion()) };
        match signed.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is looked at last, when everything else is in order.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.named => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The binding `tls-server-end-point` (RFC 5929): the certificate's hash, by the function of its own signature. `None` for a
/// signature that has no such function (Ed25519): the server has none then either.
pub(super) fn end_point(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    end_point_of(certificate)
}

fn end_point_of(certificate: &[u8]) -> Option<Vec<u8>> {
    // Certificate: SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, ... }, ... }
    const SEQUENCE: u8 = 0x30;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    let (contents, _) = der(certificate, SEQUENCE)?;
    let (_, rest) = der(contents, SEQUENCE)?;
    let (algorithm, _) = der(rest, SEQUENCE)?;
    let (identifier, _) = der(algorithm, OBJECT_IDENTIFIER)?;
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

/// The contents of one DER value of a kind, and what follows it.
fn der(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // The length's own length: certificates are far below 16 MiB.
        0x81..=0x83 => {
            let (len, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (len.iter().fold(0, |len, &byte| len << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(len)).flatten()
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
