//! From nothing to a connection that waits for a statement: the socket, TLS, who we are, and what the session means.
//!
//! What always holds: a password leaves only as the server's method asks for it, and in clear only when the server asks
//! for it so; a server that uses SCRAM proves that it knows the password too, before anything is asked of it.

use super::end_point;
use super::message::{self, Body, Refusal, Status, strange};
use super::options::{ChannelBinding, Options, SslMode};
use super::reported::Reported;
use super::stream::Stream;
use crate::db::connection::{Failure, Lost, ServerError};
use crate::db::socket::{Address, Place, Socket};
use crate::db::{tls, wording};
use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, ScramSha256};
use postgres_protocol::message::frontend;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// PostgreSQL's own default is 4,096. A million takes most of a second of CPU, which no server may ask for.
const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;

/// invalid_authorization_specification: no line of pg_hba.conf lets us in, or only with (or without) TLS.
const NOT_LET_IN: &str = "28000";

/// A connection that is logged in.
pub(super) struct Login {
    pub(super) stream: Stream,
    pub(super) address: Address,
    /// The server's process and its secret, for requests to cancel.
    pub(super) key: (i32, i32),
    pub(super) status: Status,
    /// The first number of the server's version; 0 where it says none.
    pub(super) version: u32,
    pub(super) reported: Reported,
    pub(super) is_encrypted: bool,
}

/// Connects and logs in.
pub(super) async fn connect(options: &Options) -> Result<Login, Failure> {
    let connecting = attempts(options);
    match options.connect_timeout {
        None => connecting.await,
        Some(limit) => tokio::time::timeout(limit, connecting).await.unwrap_or_else(|_| {
            let message = format!("no connection within {} s (connect_timeout)", limit.as_secs());
            Err(Failure::Lost(Lost { message, sent: false }))
        }),
    }
}

async fn attempts(options: &Options) -> Result<Login, Failure> {
    let first = match options.ssl_mode {
        SslMode::Disable | SslMode::Allow => Encryption::Never,
        SslMode::Prefer => Encryption::Offered,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Encryption::Always,
    };
    let failure = match attempt(options, first).await {
        Ok(login) => return Ok(login),
        Err(failure) => failure,
    };
    let is_tcp = matches!(options.place, Place::Tcp { .. });
    let second = match (options.ssl_mode, &failure) {
        (SslMode::Allow, Failure::Server(error)) if is_tcp && error.sqlstate.as_deref() == Some(NOT_LET_IN) => {
            Encryption::Always
        }
        (SslMode::Prefer, Failure::Server(error)) if is_tcp && error.sqlstate.as_deref() == Some(NOT_LET_IN) => {
            Encryption::Never
        }
        (SslMode::Prefer, Failure::Lost(lost)) if lost.message.starts_with("TLS: ") => Encryption::Never,
        _ => return Err(failure),
    };
    // The first refusal says more: it is about what was asked for.
    attempt(options, second).await.map_err(|_| failure)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    Never,
    Offered,
    Always,
}

async fn attempt(options: &Options, encryption: Encryption) -> Result<Login, Failure> {
    let (socket, address) = options.place.open().await.map_err(|error| Failure::unsent(&error))?;
    if let Socket::Tcp(socket) = &socket {
        keep_alive(socket, options).map_err(|error| Failure::unsent(&error))?;
    }
    let (socket, end_point) = match (socket, &address) {
        (Socket::Tcp(socket), Address::Tcp { host, .. }) if encryption != Encryption::Never => {
            encrypt(socket, host, options, encryption).await?
        }
        (socket, _) => (socket, None),
    };
    log_in(socket, address, options, end_point).await
}

/// Says who we are, on a socket that is as sslmode wants it.
pub(super) async fn log_in(
    socket: Socket,
    address: Address,
    options: &Options,
    end_point: Option<Vec<u8>>,
) -> Result<Login, Failure> {
    let is_encrypted = socket.is_encrypted();
    let mut stream = Stream::new(socket);
    greet(&mut stream, options)?;
    stream.flush().await?;
    authenticate(&mut stream, options, is_encrypted, end_point).await?;
    stream.trust();
    let Greeted { key, status, version, reported } = settle(&mut stream).await?;
    Ok(Login { stream, address, key, status, version, reported, is_encrypted })
}

/// Opens the socket of a connection that is already there, once more.
pub(super) async fn reach_again(address: &Address, options: &Options, is_encrypted: bool) -> Result<Socket, Failure> {
    match (address.open().await.map_err(|error| Failure::unsent(&error))?, address) {
        (Socket::Tcp(socket), Address::Tcp { host, .. }) if is_encrypted => {
            Ok(encrypt(socket, host, options, Encryption::Always).await?.0)
        }
        (socket, _) => Ok(socket),
    }
}

fn keep_alive(socket: &TcpStream, options: &Options) -> io::Result<()> {
    let Some(keepalive) = options.keepalive else { return Ok(()) };
    let mut probes = TcpKeepalive::new();
    if let Some(idle) = keepalive.idle {
        probes = probes.with_time(idle);
    }
    if let Some(interval) = keepalive.interval {
        probes = probes.with_interval(interval);
    }
    if let Some(retries) = keepalive.retries {
        probes = probes.with_retries(retries);
    }
    SockRef::from(socket).set_tcp_keepalive(&probes)
}

async fn encrypt(
    mut socket: TcpStream,
    host: &str,
    options: &Options,
    encryption: Encryption,
) -> Result<(Socket, Option<Vec<u8>>), Failure> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await.map_err(|error| Failure::unsent(&error))?;
    // One byte and no more: what somebody slipped in behind it must not be taken for what was encrypted.
    match socket.read_u8().await.map_err(|error| Failure::unsent(&error))? {
        b'S' => {
            let stream = tls::handshake(socket, host, options.terms()).await?;
            let end_point = end_point::of(&stream);
            Ok((Socket::Tls(Box::new(stream)), end_point))
        }
        b'N' if encryption == Encryption::Offered => Ok((Socket::Tcp(socket), None)),
        b'N' => {
            let message = "the server doesn't speak TLS, which sslmode asks for".to_owned();
            Err(Failure::Lost(Lost { message, sent: false }))
        }
        _ => Err(strange("what it says about TLS is neither yes nor no")),
    }
}

/// What a session means comes with the greeting, where poolers know it (PgBouncer tracks these), so that `DISCARD ALL` comes
/// back to it.
fn greet(stream: &mut Stream, options: &Options) -> Result<(), Failure> {
    let mut parameters = vec![
        ("user", options.user.as_str()),
        ("client_encoding", "UTF8"),
        // The text of dates in composites and ranges; how they are read (DMY) stays the server's.
        ("DateStyle", "ISO"),
        ("TimeZone", "UTC"),
    ];
    for (name, value) in [
        ("database", &options.database),
        ("application_name", &options.application_name),
        ("options", &options.options),
    ] {
        parameters.extend(value.as_deref().map(|value| (name, value)));
    }
    frontend::startup_message(parameters, &mut stream.output).map_err(unsendable)
}

async fn authenticate(
    stream: &mut Stream,
    options: &Options,
    is_encrypted: bool,
    end_point: Option<Vec<u8>>,
) -> Result<(), Failure> {
    let password = || options.password.as_deref().ok_or_else(no_password);
    let must_bind = options.channel_binding == ChannelBinding::Require;
    let mut proven = false;
    loop {
        let request = expect(stream, b'R').await?;
        let mut body = Body(&request);
        let method = body.u32()?;
        if must_bind && matches!(method, 3 | 5) || must_bind && method == 0 && !proven {
            return Err(refused("channel_binding=require, and the server doesn't bind the login to TLS"));
        }
        match method {
            0 => return Ok(()),
            // As in libpq: in clear over whatever connection sslmode allows.
            3 => frontend::password_message(password()?.as_bytes(), &mut stream.output).map_err(unsendable)?,
            5 => {
                let hash = md5_hash(options.user.as_bytes(), password()?.as_bytes(), body.take()?);
                frontend::password_message(hash.as_bytes(), &mut stream.output).map_err(unsendable)?;
            }
            10 => {
                let binding = Binding { policy: options.channel_binding, is_encrypted, end_point: end_point.clone() };
                scram(stream, body, password()?, binding).await?;
                proven = true;
                continue;
            }
            7..=9 => return Err(refused("the server asks for GSSAPI or SSPI, which the engine doesn't speak")),
            _ => return Err(strange("an unknown method of authentication")),
        }
        stream.flush().await?;
    }
}

struct Binding {
    policy: ChannelBinding,
    is_encrypted: bool,
    end_point: Option<Vec<u8>>,
}

/// RFC 5802 and 7677, both ways: the server's last word proves that it knows the password too.
async fn scram(stream: &mut Stream, mut offered: Body<'_>, password: &str, binding: Binding) -> Result<(), Failure> {
    let (mut plain, mut plus) = (false, false);
    loop {
        match offered.text()? {
            b"" => break,
            b"SCRAM-SHA-256" => plain = true,
            b"SCRAM-SHA-256-PLUS" => plus = true,
            _ => {}
        }
    }
    let end_point = binding.end_point.filter(|_| binding.policy != ChannelBinding::Disable);
    let (mechanism, channel) = match end_point {
        Some(hash) if plus => ("SCRAM-SHA-256-PLUS", sasl::ChannelBinding::tls_server_end_point(hash)),
        _ if binding.policy == ChannelBinding::Require => {
            return Err(refused("channel_binding=require, and the server doesn't bind the login to TLS"));
        }
        // "I could, and you say you can't": a server that was made to hide it sees the difference.
        Some(_) if plain => ("SCRAM-SHA-256", sasl::ChannelBinding::unrequested()),
        None if plain => ("SCRAM-SHA-256", sasl::ChannelBinding::unsupported()),
        _ if plus && !binding.is_encrypted => return Err(strange("it binds a login to TLS where there is none")),
        _ => return Err(refused("the server asks for a login by a method that the engine doesn't speak")),
    };
    let mut scram = ScramSha256::new(password.as_bytes(), channel);
    frontend::sasl_initial_response(mechanism, scram.message(), &mut stream.output).map_err(unsendable)?;
    stream.flush().await?;

    let challenge = sasl_message(stream, 11).await?;
    if iterations(&challenge).is_none_or(|iterations| iterations > SCRAM_ITERATIONS_MAX) {
        return Err(strange("its login takes more iterations than anybody's"));
    }
    scram.update(&challenge).map_err(|_| strange("its challenge isn't one of SCRAM"))?;
    frontend::sasl_response(scram.message(), &mut stream.output).map_err(unsendable)?;
    stream.flush().await?;

    let proof = sasl_message(stream, 12).await?;
    scram.finish(&proof).map_err(|_| refused("the server doesn't prove that it knows the password"))
}

async fn sasl_message(stream: &mut Stream, method: u32) -> Result<Vec<u8>, Failure> {
    let message = expect(stream, b'R').await?;
    let mut body = Body(&message);
    if body.u32()? != method {
        return Err(strange("a step of the login is missing"));
    }
    Ok(body.0.to_vec())
}

fn iterations(challenge: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(challenge).ok()?;
    text.split(',').find_map(|field| field.strip_prefix("i="))?.parse().ok()
}

/// What the server tells about itself until it is ready.
struct Greeted {
    key: (i32, i32),
    status: Status,
    version: u32,
    reported: Reported,
}

async fn settle(stream: &mut Stream) -> Result<Greeted, Failure> {
    let (mut key, mut version, mut reported) = ((0, 0), 0, Reported::default());
    loop {
        let header = stream.next().await?;
        let mut body = Body(stream.body(header));
        match header.kind {
            b'K' => key = (body.i32()?, body.i32()?),
            b'S' => {
                reported.note(body.0)?;
                if body.text()? == b"server_version" {
                    version = first_number(body.text()?);
                }
            }
            b'N' | b'A' => {}
            b'Z' => {
                let status = message::status(body.0)?;
                stream.consume(header);
                return Ok(Greeted { key, status, version, reported });
            }
            b'E' => return Err(Refusal::read(body.0)?.into()),
            _ => return Err(strange("unknown message type")),
        }
        stream.consume(header);
    }
}

fn first_number(version: &[u8]) -> u32 {
    let digits = version.iter().take_while(|byte| byte.is_ascii_digit()).take(4);
    digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

/// The body of the next message, which must be of a kind; notices are passed over.
async fn expect(stream: &mut Stream, kind: u8) -> Result<Vec<u8>, Failure> {
    loop {
        let header = stream.next().await?;
        let body = stream.body(header).to_vec();
        stream.consume(header);
        match header.kind {
            b'N' => {}
            b'E' => return Err(Refusal::read(&body)?.into()),
            found if found == kind => return Ok(body),
            _ => return Err(strange("unknown message type")),
        }
    }
}

fn refused(message: &str) -> Failure {
    Failure::Lost(Lost { message: message.to_owned(), sent: false })
}

/// As the server would say it, were it told.
fn no_password() -> Failure {
    let message = "the server asks for a password, and none is given".to_owned();
    Failure::Server(ServerError { message, sqlstate: Some("28P01".to_owned()), survives: false, stopped: false })
}

fn unsendable(error: io::Error) -> Failure {
    refused(&wording::of_system(&error))
}
