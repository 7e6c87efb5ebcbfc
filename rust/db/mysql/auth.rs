//! How a server has us prove who we are. The methods themselves are mysql_common's.
//!
//! What always holds: a password leaves in clear only under TLS, or (as MySQL's own client does it) over a Unix socket; a key
//! that a server sends to encrypt it with is looked at before it is used.

use super::packet::strange;
use crate::db::connection::{Failure, Lost};
use crate::db::der;
use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin, Context};
use mysql_common::packets::AuthPlugin;
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// The text of a key of 8,192 bits has 1,430 bytes. A larger one takes seconds of CPU, which no server may ask for.
const KEY_BYTES_MAX: usize = 2048;

/// OAEP with SHA-1 takes two hashes and two bytes of the key's length.
const PADDING_BYTES: usize = 2 * 20 + 2;

/// One method, on its way.
pub(super) struct Method {
    /// As the server calls it.
    pub(super) name: Vec<u8>,
    procedure: AuthProc,
    scramble: Vec<u8>,
}

/// What a method may know.
#[derive(Clone, Copy)]
pub(super) struct Secrets<'a> {
    pub(super) password: &'a str,
    pub(super) is_encrypted: bool,
    pub(super) is_local: bool,
}

struct Asked<'a> {
    secrets: Secrets<'a>,
    scramble: &'a [u8],
}

impl Context for Asked<'_> {
    fn pass(&self) -> &[u8] {
        self.secrets.password.as_bytes()
    }

    fn is_ipc_transport(&self) -> bool {
        self.secrets.is_local
    }

    fn is_tls_transport(&self) -> bool {
        self.secrets.is_encrypted
    }

    fn scramble(&self) -> &[u8] {
        self.scramble
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}

impl Method {
    /// The method of this name, with the server's first words about it.
    ///
    /// # Errors
    /// It isn't known, or would show the password to everybody.
    pub(super) fn new(name: &[u8], scramble: &[u8], secrets: Secrets<'_>) -> Result<Self, Failure> {
        let plugin = AuthPlugin::from_bytes(name);
        let is_spoken = match &plugin {
            AuthPlugin::MysqlNativePassword
            | AuthPlugin::CachingSha2Password
            | AuthPlugin::Sha256Password
            | AuthPlugin::Ed25519 => true,
            AuthPlugin::MysqlClearPassword if secrets.is_encrypted => true,
            AuthPlugin::MysqlClearPassword => {
                return Err(refused("the server asks for the password in clear, and the connection isn't encrypted"));
            }
            _ => false,
        };
        match AuthProc::init(&plugin) {
            Ok(procedure) if is_spoken => {
                // With a NUL behind it where it has the length of the oldest method's.
                let scramble = scramble.strip_suffix(&[0]).filter(|rest| rest.len() == 20).unwrap_or(scramble).to_vec();
                Ok(Self { name: plugin.as_bytes().to_vec(), procedure, scramble })
            }
            _ => {
                let name = String::from_utf8_lossy(plugin.as_bytes());
                Err(refused(&format!("the server asks for a login by {name:?}, which the engine doesn't speak")))
            }
        }
    }

    /// The answer to the server's first words.
    pub(super) fn first(&mut self, secrets: Secrets<'_>) -> Result<Vec<u8>, Failure> {
        let words = self.scramble.clone();
        Ok(self.run(secrets, &words)?.unwrap_or_default())
    }

    /// The answer to its next words, if there is to be one.
    pub(super) fn next(&mut self, secrets: Secrets<'_>, words: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        // What is longer than a byte is a key.
        if words.len() > 1 {
            let bits_needed = 8 * (secrets.password.len() + 1 + PADDING_BYTES);
            if key_bits(words).is_none_or(|bits| bits < bits_needed) {
                return Err(strange("its key for passwords is none"));
            }
        }
        self.run(secrets, words)
    }

    fn run(&mut self, secrets: Secrets<'_>, words: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let asked = Asked { secrets, scramble: &self.scramble };
        let response = self.procedure.run(asked, words).map_err(|_| strange("a step of the login is missing"))?;
        Ok(response.data().map(<[u8]>::to_vec))
    }
}

/// How many bits the modulus of a public key in PEM form has. mysql_common takes a key for what it says it is, and panics
/// where it isn't; so there is nothing in the text but this one.
fn key_bits(pem: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(pem).ok()?.trim_end_matches(['\0', '\n', '\r', ' ']);
    let body = text.strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
    if text.len() > KEY_BYTES_MAX || body.contains('-') {
        return None;
    }
    let key = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok()?;
    // SEQUENCE { SEQUENCE algorithm, BIT STRING { 0 unused bits, SEQUENCE { INTEGER modulus, INTEGER exponent } } }
    const INTEGER: u8 = 2;
    const BIT_STRING: u8 = 3;
    const SEQUENCE: u8 = 0x30;
    let (contents, _) = der::value(&key, SEQUENCE)?;
    let (_, rest) = der::value(contents, SEQUENCE)?;
    let (bits, _) = der::value(rest, BIT_STRING)?;
    let (numbers, _) = der::value(bits.strip_prefix(&[0])?, SEQUENCE)?;
    let (modulus, rest) = der::value(numbers, INTEGER)?;
    let (exponent, _) = der::value(rest, INTEGER)?;
    let significant = &modulus[modulus.iter().position(|&byte| byte != 0)?..];
    let bits = 8 * significant.len() - significant[0].leading_zeros() as usize;
    (!exponent.is_empty()).then_some(bits)
}

pub(super) fn refused(message: &str) -> Failure {
    Failure::Lost(Lost { message: message.to_owned(), sent: false })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";
    const PASSWORD: &str = "p@ss \u{fc}";
    /// One of 1,024 bits, which nobody has the other half of.
    pub(in crate::db::mysql) const KEY: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDT3eOc5F0pY3XqhfowAqQbB/OZ
8c/Ouvysl+ud4SHCI1fH4yMKKLL9du4j86tpIp112wA2N9KAmeplNgMmABAqGmI4
+RPa2zskk9pbgE7n6WL/vDGZcY1qY9Pk5R+opY9b0R63qrOto/i5mATwLl1cT7z3
VMpaZ/BajU4NMQnw6QIDAQAB
-----END PUBLIC KEY-----
";

    fn secrets(password: &'static str, is_encrypted: bool, is_local: bool) -> Secrets<'static> {
        Secrets { password, is_encrypted, is_local }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn each_method_proves_what_the_server_can_check() {
        for (name, proof) in [
            ("mysql_native_password", "9d8c8b54cadd5a26a7c07ba8dfb31493486f7408"),
            ("caching_sha2_password", "8bec1ece6fc14840a53ea1f7f64ed6fba9a683bf47b00aad24c6f24aa32e4f48"),
        ] {
            for scramble in [&NONCE[..], b"abcdefghijklmnopqrst\0"] {
                let secrets = secrets(PASSWORD, false, false);
                let proven = Method::new(name.as_bytes(), scramble, secrets).unwrap().first(secrets).unwrap();
                assert_eq!(hex(&proven), proof, "{name}");
            }
            let nothing = secrets("", false, false);
            assert_eq!(Method::new(name.as_bytes(), NONCE, nothing).unwrap().first(nothing).unwrap(), b"");
        }
    }

    #[test]
    fn a_password_leaves_in_clear_under_tls_or_over_a_unix_socket_alone() {
        let clear = [PASSWORD.as_bytes(), b"\0"].concat();
        let first = |name: &str, secrets| Method::new(name.as_bytes(), NONCE, secrets).ok()?.first(secrets).ok();
        let full = |secrets| {
            let mut method = Method::new(b"caching_sha2_password", NONCE, secrets).unwrap();
            method.first(secrets).unwrap();
            method.next(secrets, &[4]).unwrap().unwrap()
        };
        let (open, tls, local) =
            (secrets(PASSWORD, false, false), secrets(PASSWORD, true, false), secrets(PASSWORD, false, true));
        assert_eq!((first("mysql_clear_password", open), first("mysql_clear_password", local)), (None, None));
        assert_eq!(first("mysql_clear_password", tls), Some(clear.clone()));
        // Elsewhere they ask for the server's key.
        assert_eq!((full(open), full(tls), full(local)), (vec![2], clear.clone(), clear.clone()));
        assert_eq!(first("sha256_password", open), Some(vec![1]));
        assert_eq!(first("sha256_password", local), Some(vec![1]), "as MySQL's own client");
        assert_eq!(first("sha256_password", tls), Some(clear));
    }

    #[test]
    fn a_password_is_encrypted_with_the_servers_key() {
        let secrets = secrets(PASSWORD, false, false);
        for (name, full) in [("caching_sha2_password", &[4][..]), ("sha256_password", &[])] {
            let mut method = Method::new(name.as_bytes(), NONCE, secrets).unwrap();
            method.first(secrets).unwrap();
            if !full.is_empty() {
                method.next(secrets, full).unwrap();
            }
            let secret = method.next(secrets, KEY.as_bytes()).unwrap().unwrap();
            assert_eq!(secret.len(), 128, "{name}");
            assert!(method.next(secrets, &[4]).is_err(), "{name}: nothing is left to say");
        }
    }

    #[test]
    fn a_key_that_is_none_is_an_error_and_never_a_panic() {
        let with = |password, key: &[u8]| {
            let secrets = secrets(password, false, false);
            let mut method = Method::new(b"sha256_password", NONCE, secrets).unwrap();
            method.first(secrets).unwrap();
            method.next(secrets, key)
        };
        assert_eq!(key_bits(KEY.as_bytes()), Some(1024));
        for end in 0..KEY.len() - 1 {
            assert!(with(PASSWORD, &KEY.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        for at in 0..KEY.len() {
            for change in [0x01, 0x02, 0x20, 0x80] {
                let mut key = KEY.as_bytes().to_vec();
                key[at] ^= change;
                let _ = with(PASSWORD, &key);
            }
        }
        let other = "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n";
        assert!(with(PASSWORD, [other, KEY].concat().as_bytes()).is_err(), "one behind another");
        assert!(with(PASSWORD, [KEY, other].concat().as_bytes()).is_err());
        // 128 bytes less two hashes, two bytes and a NUL.
        let password: &'static str = "x".repeat(86).leak();
        assert!(with(&password[..85], KEY.as_bytes()).is_ok() && with(password, KEY.as_bytes()).is_err());
        assert!(with(PASSWORD, &[b'x'; 60_000]).is_err());
    }

    #[test]
    fn a_method_that_is_not_spoken_is_named() {
        for name in ["mysql_old_password", "dialog", "parsec", "auth_gssapi_client", ""] {
            let Err(Failure::Lost(lost)) = Method::new(name.as_bytes(), NONCE, secrets(PASSWORD, true, true)) else {
                panic!("{name} is spoken")
            };
            assert!(lost.message.contains(&format!("{name:?}")), "{}", lost.message);
        }
    }
}
