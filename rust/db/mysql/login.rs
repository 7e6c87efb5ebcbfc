//! From nothing to a connection that waits for a statement: the socket, the greeting, TLS, who we are.

use super::auth::{Method, Secrets, refused};
use super::encode::put_value;
use super::options::{Options, SslMode};
use super::packet::{Body, Ended, Refusal, Status, answer, capability as can, strange};
use super::stream::{Kind, Stream};
use crate::db::connection::Failure;
use crate::db::socket::{Address, Socket};
use crate::db::tls;
use bytes::{BufMut, BytesMut};

/// utf8mb4_general_ci, which every server knows; the session's own is set behind the login.
const COLLATION: u8 = 45;

/// What we take in one packet, as the protocol bounds it; nobody heeds it.
const PACKET_BYTES_MAX: u32 = 1 << 30;

/// Packets of a login. The longest has a switch of the method, a key and two proofs; more is no login.
const STEPS_MAX: usize = 16;

/// What is wanted of a server that has it.
const WANTED: u64 = can::FOUND_ROWS
    | can::LONG_FLAG
    | can::PROTOCOL_41
    | can::TRANSACTIONS
    | can::SECURE_CONNECTION
    | can::MULTI_RESULTS
    | can::PS_MULTI_RESULTS
    | can::PLUGIN_AUTH
    | can::PLUGIN_AUTH_LENENC
    | can::SESSION_TRACK
    | can::DEPRECATE_EOF
    | can::MYSQL
    | can::CACHE_METADATA;

/// A connection that is logged in.
pub(super) struct Login {
    pub(super) stream: Stream,
    pub(super) address: Address,
    /// What both sides can.
    pub(super) capabilities: u64,
    pub(super) status: Status,
}

/// Connects and logs in.
pub(super) async fn connect(options: &Options) -> Result<Login, Failure> {
    let (socket, address) = options.place.open().await.map_err(|error| Failure::unsent(&error))?;
    log_in(socket, address, options).await
}

/// The same, to the server that a connection leads to.
pub(super) async fn connect_again(options: &Options, address: &Address) -> Result<Login, Failure> {
    let socket = address.open().await.map_err(|error| Failure::unsent(&error))?;
    log_in(socket, address.clone(), options).await
}

/// What the server says first.
struct Greeting {
    capabilities: u64,
    method: Vec<u8>,
    scramble: Vec<u8>,
}

/// Says who we are, on a socket that was opened just now.
pub(super) async fn log_in(socket: Socket, address: Address, options: &Options) -> Result<Login, Failure> {
    let is_local = !matches!(&address, Address::Tcp { .. });
    let mut stream = Stream::new(socket);
    let greeting = greeting(&mut stream).await?;
    let mut wanted = WANTED;
    if options.database.is_some() {
        wanted |= can::CONNECT_WITH_DB;
    }
    let mut capabilities = greeting.capabilities & wanted;
    let is_offered = greeting.capabilities & can::SSL != 0;
    let wants_tls = match options.ssl_mode {
        SslMode::Disabled => false,
        SslMode::Preferred => is_offered && !is_local,
        SslMode::Required | SslMode::VerifyCa | SslMode::VerifyIdentity if is_offered => true,
        _ => return Err(refused("TLS: the server doesn't speak TLS, which ssl-mode asks for")),
    };
    if wants_tls {
        capabilities |= can::SSL;
        stream.reply(|out| write_head(out, capabilities));
        stream.flush().await?;
        stream = encrypt(stream, &address, options).await?;
    }
    let secrets = Secrets { password: &options.password, is_encrypted: stream.is_encrypted(), is_local };
    let status = prove(&mut stream, options, &greeting, capabilities, secrets).await?;
    stream.trust();
    Ok(Login { stream, address, capabilities, status })
}

async fn greeting(stream: &mut Stream) -> Result<Greeting, Failure> {
    let packet = stream.next(Kind::Other).await?;
    let body = stream.body(packet);
    let greeting = match body.first() {
        Some(&answer::ERR) => return Err(Refusal::read(body)?.into()),
        Some(10) => read_greeting(body)?,
        _ => return Err(strange("its greeting is none")),
    };
    stream.consume(packet);
    Ok(greeting)
}

fn read_greeting(packet: &[u8]) -> Result<Greeting, Failure> {
    let mut body = Body(packet);
    body.u8()?;
    body.text()?; // the version, in whatever form
    body.u32()?; // the connection's number, cut to 32 bits
    let mut scramble = body.bytes(8)?.to_vec();
    body.u8()?;
    let low = body.u16()?;
    body.u8()?; // the server's collation
    body.u16()?; // its status
    let high = body.u16()?;
    let mut capabilities = u64::from(low) | u64::from(high) << 16;
    let scramble_len = usize::from(body.u8()?);
    body.take::<6>()?;
    let more = body.u32()?;
    if capabilities & can::MYSQL == 0 {
        capabilities |= u64::from(more) << 32;
    }
    if capabilities & can::PROTOCOL_41 == 0 || capabilities & can::SECURE_CONNECTION == 0 {
        return Err(strange("it is older than MySQL 4.1"));
    }
    scramble.extend_from_slice(body.bytes(scramble_len.saturating_sub(8).max(13))?);
    // Some servers leave out the NUL behind the name.
    let method = body.text().unwrap_or(body.0).to_vec();
    Ok(Greeting { capabilities, method, scramble })
}

/// What the answer to a greeting and the wish for TLS begin with.
fn write_head(out: &mut BytesMut, capabilities: u64) {
    out.put_u32_le(capabilities as u32);
    out.put_u32_le(PACKET_BYTES_MAX);
    out.put_u8(COLLATION);
    out.put_bytes(0, 19);
    out.put_u32_le((capabilities >> 32) as u32);
}

async fn encrypt(stream: Stream, address: &Address, options: &Options) -> Result<Stream, Failure> {
    let (socket, sequence) = stream.into_socket()?;
    let host = match address {
        Address::Tcp { host, .. } => host,
        #[cfg(unix)]
        Address::Unix(_) => "localhost",
    };
    let terms = options.terms();
    let socket = match socket {
        Socket::Tcp(socket) => Socket::Tls(Box::new(tls::handshake(socket, host, terms).await?)),
        #[cfg(unix)]
        Socket::Unix(socket) => Socket::TlsUnix(Box::new(tls::handshake(socket, host, terms).await?)),
        encrypted => encrypted,
    };
    Ok(Stream::go_on(socket, sequence))
}

async fn prove(
    stream: &mut Stream,
    options: &Options,
    greeting: &Greeting,
    capabilities: u64,
    secrets: Secrets<'_>,
) -> Result<Status, Failure> {
    // A server may propose what we don't speak, and ask for another method when it knows who we are.
    let mut method = match Method::new(&greeting.method, &greeting.scramble, secrets) {
        Ok(method) => method,
        Err(_) => Method::new(b"mysql_native_password", &greeting.scramble, secrets)?,
    };
    let proof = method.first(secrets)?;
    stream.reply(|out| {
        write_head(out, capabilities);
        out.put_slice(options.user.as_bytes());
        out.put_u8(0);
        // A server that doesn't know the longer form is too old for proofs that need it.
        put_value(out, &proof);
        if let Some(database) = &options.database {
            out.put_slice(database.as_bytes());
            out.put_u8(0);
        }
        if capabilities & can::PLUGIN_AUTH != 0 {
            out.put_slice(&method.name);
            out.put_u8(0);
        }
    });
    stream.flush().await?;
    for _ in 0..STEPS_MAX {
        let packet = stream.next(Kind::Other).await?;
        let body = stream.body(packet);
        let reply = match body.split_first() {
            Some((&answer::OK, _)) => {
                let status = Ended::read(body)?.status;
                stream.consume(packet);
                return Ok(status);
            }
            Some((&answer::ERR, _)) => return Err(Refusal::read(body)?.into()),
            Some((&answer::END, [])) => {
                return Err(refused("the server asks for a login of the time before MySQL 4.1"));
            }
            Some((&answer::END, rest)) => {
                let mut rest = Body(rest);
                let name = rest.text()?;
                method = Method::new(name, rest.0, secrets)?;
                Some(method.first(secrets)?)
            }
            Some((&answer::MORE, words)) => method.next(secrets, words)?,
            _ => return Err(strange("a step of the login is none")),
        };
        stream.consume(packet);
        if let Some(reply) = reply {
            stream.reply(|out| out.put_slice(&reply));
            stream.flush().await?;
        }
    }
    Err(strange("its login has no end"))
}
