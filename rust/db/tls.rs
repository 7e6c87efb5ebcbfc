//! Encrypts connections to databases.

use super::connection::{Failure, Lost};
use crate::tls;
pub(super) use crate::tls::{Pem, Roots, Terms};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// Encrypts a connection on which the server has agreed to it.
pub(super) async fn handshake<S>(socket: S, host: &str, terms: Terms<'_>) -> Result<TlsStream<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = tls::configuration(terms).map_err(failed)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| failed(format!("{host:?} is no name of a host")))?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, socket).await.map_err(|error| failed(tls::words(&error)))
}

fn failed(what: impl AsRef<str>) -> Failure {
    Failure::Lost(Lost { message: format!("TLS: {}", what.as_ref()), sent: false })
}
