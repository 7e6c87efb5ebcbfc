//! TLS to a server, as far as a DSN asks for it: what databases and a remote cache need to know for a handshake.
//!
//! The signature of the handshake is checked whatever is asked: whoever answers has the certificate's key. Files are read
//! for each connection, so that renewed ones are taken.

use crate::wording;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};

/// Whom to trust, and who we are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// Somebody who is trusted has signed the server's certificate; otherwise anybody may answer.
    pub(crate) signed: bool,
    /// It is for the host's name, too.
    pub(crate) named: bool,
    /// Who may sign it; the system's, where it is none.
    pub(crate) roots: Option<&'a Roots>,
    /// Our certificate and its key.
    pub(crate) client: Option<&'a (Pem, Pem)>,
    /// What the DSN calls the roots, our certificate and its key.
    pub(crate) names: [&'static str; 3],
}

/// Who may sign a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Whom the system trusts.
    System,
    Pem(Pem),
}

/// Certificates or a key: a file's path, or the text itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Pem {
    File(PathBuf),
    Text(String),
}

// A key may be in it.
impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Text(_) => f.write_str("***"),
        }
    }
}

impl Pem {
    pub(crate) fn read(text: String) -> Self {
        if text.trim_start().starts_with("-----BEGIN") { Self::Text(text) } else { Self::File(text.into()) }
    }

    fn bytes(&self, parameter: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::File(path) => std::fs::read(path)
                .map_err(|error| format!("{parameter} {}: {}", path.display(), wording::of_system(&error))),
        }
    }

    fn certificates(&self, parameter: &str) -> Result<Vec<CertificateDer<'static>>, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes(parameter)?).collect();
        match found {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(format!("{parameter} holds no certificate in PEM form")),
        }
    }
}

/// What went wrong in a handshake.
pub(crate) fn words(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::UnknownIssuer => "the server's certificate is signed by nobody who is trusted".to_owned(),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another name".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate isn't valid yet (or this machine's clock is wrong)".to_owned()
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "the server's certificate isn't one for servers".to_owned()
            }
            CertificateError::Other(other) => of_certificate(other),
            other => format!("the server's certificate is refused: {}", spoken(other)),
        },
        Some(rustls::Error::InvalidMessage(_)) => "what the server says is no TLS".to_owned(),
        Some(rustls::Error::AlertReceived(alert)) => format!("the server refuses the handshake: {}", spoken(alert)),
        Some(rustls::Error::PeerIncompatible(why)) => {
            format!("the server's TLS has nothing in common with ours: {}", spoken(why))
        }
        Some(rustls::Error::PeerMisbehaved(why)) => format!("the server breaks the rules of TLS: {}", spoken(why)),
        Some(error) => error.to_string(),
        None => wording::of_system(error),
    }
}

/// What the checking of certificates alone has a name for.
fn of_certificate(error: &OtherError) -> String {
    match error.0.downcast_ref::<webpki::Error>() {
        Some(webpki::Error::CaUsedAsEndEntity) => {
            "the server's certificate is an authority's own: it is trusted where it is itself among the certificates that the DSN names"
                .to_owned()
        }
        Some(webpki::Error::UnsupportedCertVersion) => {
            "the server's certificate is of X.509's version 1: one of version 3, with a subjectAltName, is needed".to_owned()
        }
        Some(why) => format!("the server's certificate is refused: {}", spoken(why)),
        None => "the server's certificate is refused".to_owned(),
    }
}

/// A library's name for something, as words: `HandshakeFailure` is "handshake failure". What it has beside the name is left out.
fn spoken(name: &impl std::fmt::Debug) -> String {
    let name = format!("{name:?}");
    let end = name.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(name.len());
    let mut words = String::new();
    let mut before = ' ';
    for letter in name[..end].chars() {
        if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
        before = letter;
    }
    words
}

/// What a client needs for its handshakes. Reads the files.
///
/// # Errors
/// In words for who wrote the DSN.
pub(crate) fn configuration(terms: Terms<'_>) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(terms, &provider)?));
    let [_, certificate_name, key_name] = terms.names;
    match terms.client {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain = certificate.certificates(certificate_name)?;
            let key = PrivateKeyDer::from_pem_slice(&key.bytes(key_name)?)
                .map_err(|_| format!("{key_name} holds no private key in PEM form that isn't encrypted"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("{certificate_name} and {key_name}: {error}"))
        }
    }
}

/// Whom the system trusts. Read once: there are hundreds of files.
fn system_roots(parameter: &str) -> Result<Arc<RootCertStore>, String> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // One that can't be read is one that isn't trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if roots.is_empty() {
        return Err(format!("this system trusts nobody (its package of CA certificates is missing): name {parameter}"));
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
    /// The certificates that the DSN names. A server may have one of these itself: what `openssl req -x509` makes is its own authority.
    given: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(terms: Terms<'_>, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let [parameter, ..] = terms.names;
        let given = match terms.roots {
            Some(Roots::Pem(pem)) if terms.signed => pem.certificates(parameter)?,
            _ => Vec::new(),
        };
        let signed = terms.signed.then(|| Self::signed(terms, &given, provider)).transpose()?;
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { algorithms, signed, named: terms.named, given })
    }

    fn signed(
        terms: Terms<'_>,
        given: &[CertificateDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<WebPkiServerVerifier>, String> {
        let [parameter, ..] = terms.names;
        let roots = match terms.roots {
            None | Some(Roots::System) => system_roots(parameter)?,
            Some(Roots::Pem(_)) => {
                let mut roots = RootCertStore::empty();
                for certificate in given {
                    roots.add(certificate.clone()).map_err(|error| format!("{parameter}: {error}"))?;
                }
                Arc::new(roots)
            }
        };
        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
            .build()
            .map_err(|error| format!("{parameter}: {error}"))
    }
}

fn is_authoritys(error: &OtherError) -> bool {
    matches!(error.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
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
            // Its time has been looked at by then, and its purpose is to be an authority. Whoever named it trusts it with all.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(why)))
                if is_authoritys(&why) && self.given.iter().any(|given| given == certificate) =>
            {
                if self.named {
                    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_librarys_names_are_spoken_as_words() {
        assert_eq!(spoken(&rustls::AlertDescription::HandshakeFailure), "handshake failure");
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        assert_eq!(words(&io::Error::other(alert)), "the server refuses the handshake: unknown ca");
        let why = |why| rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why))));
        for (error, expected) in [
            (webpki::Error::CaUsedAsEndEntity, "among the certificates that the DSN names"),
            (webpki::Error::UnsupportedCertVersion, "version 3"),
            (webpki::Error::UnsupportedCriticalExtension, "is refused: unsupported critical extension"),
        ] {
            let said = words(&io::Error::other(why(error)));
            assert!(said.contains(expected) && !said.contains("Error"), "{said}");
        }
    }
}
