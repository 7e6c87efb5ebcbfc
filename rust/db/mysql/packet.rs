//! What the packets of MySQL's protocol say ("Client/Server Protocol" in the manuals of MySQL and MariaDB).

use crate::db::connection::{Failure, ServerError};
use crate::db::wording;
use crate::json::table::Name;

/// What a command begins with.
pub(super) mod command {
    pub(in crate::db::mysql) const QUIT: u8 = 0x01;
    pub(in crate::db::mysql) const INIT_DB: u8 = 0x02;
    pub(in crate::db::mysql) const QUERY: u8 = 0x03;
    pub(in crate::db::mysql) const PING: u8 = 0x0e;
    pub(in crate::db::mysql) const STMT_PREPARE: u8 = 0x16;
    pub(in crate::db::mysql) const STMT_EXECUTE: u8 = 0x17;
    pub(in crate::db::mysql) const STMT_CLOSE: u8 = 0x19;
    pub(in crate::db::mysql) const RESET_CONNECTION: u8 = 0x1f;
}

/// What an answer begins with.
pub(super) mod answer {
    pub(in crate::db::mysql) const OK: u8 = 0;
    /// Of a login: the method has more to say.
    pub(in crate::db::mysql) const MORE: u8 = 1;
    pub(in crate::db::mysql) const LOCAL_INFILE: u8 = 0xfb;
    /// Behind rows; of a login: another method.
    pub(in crate::db::mysql) const END: u8 = 0xfe;
    pub(in crate::db::mysql) const ERR: u8 = 0xff;
}

/// What a length begins with that has more bytes, two of them, three or eight; up to 250 it is one byte.
pub(super) mod length {
    pub(in crate::db::mysql) const OF_TWO: u8 = 0xfc;
    pub(in crate::db::mysql) const OF_THREE: u8 = 0xfd;
    pub(in crate::db::mysql) const OF_EIGHT: u8 = 0xfe;
    /// In the place of a length: the value is NULL.
    pub(in crate::db::mysql) const NULL: u8 = 0xfb;
}

/// The capabilities that are spoken of here.
pub(super) mod capability {
    /// Of MySQL alone: a server that has it not is a MariaDB, and has more of them.
    pub(in crate::db::mysql) const MYSQL: u64 = 1;
    /// An UPDATE counts the rows that it found.
    pub(in crate::db::mysql) const FOUND_ROWS: u64 = 1 << 1;
    pub(in crate::db::mysql) const LONG_FLAG: u64 = 1 << 2;
    pub(in crate::db::mysql) const CONNECT_WITH_DB: u64 = 1 << 3;
    pub(in crate::db::mysql) const PROTOCOL_41: u64 = 1 << 9;
    pub(in crate::db::mysql) const SSL: u64 = 1 << 11;
    pub(in crate::db::mysql) const TRANSACTIONS: u64 = 1 << 13;
    pub(in crate::db::mysql) const SECURE_CONNECTION: u64 = 1 << 15;
    pub(in crate::db::mysql) const MULTI_RESULTS: u64 = 1 << 17;
    pub(in crate::db::mysql) const PS_MULTI_RESULTS: u64 = 1 << 18;
    pub(in crate::db::mysql) const PLUGIN_AUTH: u64 = 1 << 19;
    pub(in crate::db::mysql) const PLUGIN_AUTH_LENENC: u64 = 1 << 21;
    /// OK packets say what has changed in the session.
    pub(in crate::db::mysql) const SESSION_TRACK: u64 = 1 << 23;
    /// Rows end with an OK packet, and nothing stands between columns and rows.
    pub(in crate::db::mysql) const DEPRECATE_EOF: u64 = 1 << 24;
    /// MariaDB, since 10.6: an execution sends its columns only when they aren't those of the time before.
    pub(in crate::db::mysql) const CACHE_METADATA: u64 = 1 << 36;
}

/// What the server says about the session behind each statement.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status(pub(super) u16);

impl Status {
    const IN_TRANSACTION: u16 = 1;
    const AUTOCOMMIT: u16 = 2;
    const MORE_RESULTS: u16 = 8;
    const SESSION_CHANGED: u16 = 0x4000;

    pub(super) fn is_in_transaction(self) -> bool {
        self.0 & Self::IN_TRANSACTION != 0
    }

    pub(super) fn is_autocommit(self) -> bool {
        self.0 & Self::AUTOCOMMIT != 0
    }

    /// Another result follows.
    pub(super) fn has_more(self) -> bool {
        self.0 & Self::MORE_RESULTS != 0
    }

    /// Something about the session follows.
    fn tells_of_session(self) -> bool {
        self.0 & Self::SESSION_CHANGED != 0
    }
}

/// The error for an answer that can't be followed.
pub(super) fn strange(what: &str) -> Failure {
    Failure::Strange(wording::strange(what))
}

/// What is left of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body<'a>(pub(super) &'a [u8]);

impl<'a> Body<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(too_short)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Failure> {
        self.take().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Failure> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Failure> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Failure> {
        let (head, rest) = self.0.split_at_checked(len).ok_or_else(too_short)?;
        self.0 = rest;
        Ok(head)
    }

    /// Text up to a NUL byte.
    pub(super) fn text(&mut self) -> Result<&'a [u8], Failure> {
        let end = memchr::memchr(0, self.0).ok_or_else(too_short)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    /// A number whose first byte says how long it is.
    pub(super) fn number(&mut self) -> Result<u64, Failure> {
        Ok(match self.u8()? {
            small @ 0..=0xfa => small.into(),
            length::OF_TWO => self.u16()?.into(),
            length::OF_THREE => {
                let [a, b, c] = self.take()?;
                u32::from_le_bytes([a, b, c, 0]).into()
            }
            length::OF_EIGHT => u64::from_le_bytes(self.take()?),
            _ => return Err(strange("a length is none")),
        })
    }

    /// A value behind its length.
    pub(super) fn value(&mut self) -> Result<&'a [u8], Failure> {
        // Nearly all of them are short.
        if let Some((&len @ 0..=0xfa, rest)) = self.0.split_first()
            && let Some((value, rest)) = rest.split_at_checked(len.into())
        {
            self.0 = rest;
            return Ok(value);
        }
        let len = self.number()?;
        self.bytes(usize::try_from(len).map_err(|_| too_short())?)
    }
}

pub(super) fn too_short() -> Failure {
    strange("a packet is too short")
}

/// OK.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) affected: u64,
    pub(super) last_insert_id: u64,
    pub(super) status: Status,
    /// The session isn't what it was before: a setting, a variable, a temporary table.
    pub(super) changes_session: bool,
}

impl Ended {
    /// Reads an OK packet. What else is in it (warnings, words) nobody asks for.
    pub(super) fn read(packet: &[u8]) -> Result<Self, Failure> {
        let mut body = Body(packet);
        body.u8()?;
        let (affected, last_insert_id) = (body.number()?, body.number()?);
        let status = Status(body.u16()?);
        // In doubt something has changed.
        let changes_session = status.tells_of_session() && changes_session(body).unwrap_or(true);
        Ok(Self { affected, last_insert_id, status, changes_session })
    }

    /// Reads the packet behind the last row, which is of the old kind where the server knows no other.
    pub(super) fn read_end(packet: &[u8], capabilities: u64) -> Result<Self, Failure> {
        if capabilities & capability::DEPRECATE_EOF != 0 {
            return Self::read(packet);
        }
        let mut body = Body(packet);
        body.take::<3>()?;
        Ok(Self { status: Status(body.u16()?), ..Self::default() })
    }
}

/// What a list about the session begins with: that something has changed in it, whatever it is. The other kinds name some
/// settings, the database, or a transaction's number, which every statement has where the server was told to say it.
const STATE_CHANGED: u8 = 2;

/// What an OK packet says of the session, behind its status.
#[cold]
fn changes_session(mut body: Body<'_>) -> Result<bool, Failure> {
    body.u16()?; // warnings
    body.value()?; // words
    let mut said = Body(body.value()?);
    while !said.0.is_empty() {
        let kind = said.u8()?;
        said.value()?;
        if kind == STATE_CHANGED {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Name,
    /// The number of its collation; 63 is that of bytes.
    pub(super) collation: u16,
    pub(super) of_type: u8,
    pub(super) flags: u16,
}

impl Field {
    pub(super) fn read(packet: &[u8]) -> Result<Self, Failure> {
        let mut body = Body(packet);
        // The catalog, the schema, the table by its two names.
        for _ in 0..4 {
            body.value()?;
        }
        let name = Name::from(&*String::from_utf8_lossy(body.value()?));
        body.value()?; // its name in the table
        body.u8()?; // the length of the rest
        let collation = body.u16()?;
        body.u32()?; // how wide it is shown
        Ok(Self { name, collation, of_type: body.u8()?, flags: body.u16()? })
    }
}

/// ERR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) number: u16,
    sqlstate: Option<String>,
    message: String,
}

/// Errors behind which the server hangs up, although their SQLSTATE doesn't say so: killed, and idle for too long.
const HANGS_UP: [u16; 2] = [1927, 4031];

/// MariaDB's ER_STATEMENT_TIMEOUT, MySQL's ER_QUERY_TIMEOUT and ER_QUERY_INTERRUPTED.
const STOPPED: [u16; 3] = [1969, 3024, 1317];

impl Refusal {
    pub(super) fn read(packet: &[u8]) -> Result<Self, Failure> {
        let mut body = Body(packet);
        body.u8()?;
        let number = body.u16()?;
        // Missing in what a server says before it knows what we understand.
        let sqlstate = match body.0.strip_prefix(b"#") {
            Some(rest) => {
                body.0 = rest;
                Some(String::from_utf8_lossy(&body.take::<5>()?).into_owned())
            }
            None => None,
        };
        Ok(Self { number, sqlstate, message: String::from_utf8_lossy(body.0).into_owned() })
    }

    /// A refusal of the engine's own, behind an answer that was read to its end.
    pub(super) fn unsupported(message: &str) -> Self {
        Self { number: 0, sqlstate: Some("0A000".to_owned()), message: message.to_owned() }
    }

    pub(super) fn survives(&self) -> bool {
        // Class 08 is about the connection itself.
        !self.sqlstate.as_deref().is_some_and(|state| state.starts_with("08")) && !HANGS_UP.contains(&self.number)
    }

    pub(super) fn into_error(self) -> ServerError {
        let (survives, stopped) = (self.survives(), STOPPED.contains(&self.number));
        ServerError { message: self.message, sqlstate: self.sqlstate, survives, stopped }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Server(refusal.into_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_as_long_as_their_first_byte_says() {
        for (bytes, number) in [
            (&[0xfa][..], 250),
            (&[0xfc, 1, 2], 513),
            (&[0xfd, 1, 0, 1], 65537),
            (&[0xfe, 0, 0, 0, 0, 0, 0, 0, 0x80], 1 << 63),
        ] {
            assert_eq!(Body(bytes).number().unwrap(), number);
            assert!(Body(&bytes[..bytes.len() - 1]).number().is_err());
        }
        assert!(Body(&[0xfb]).number().is_err() && Body(&[0xff; 9]).number().is_err());
        assert!(Body(&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255]).value().is_err(), "a length that lies");
    }

    #[test]
    fn a_refusal_keeps_the_servers_words_and_knows_what_it_means() {
        let refusal = Refusal::read(b"\xff\x19\x04#28000no entry").unwrap();
        assert_eq!(refusal.number, 1049);
        let error = refusal.into_error();
        assert_eq!((error.message.as_str(), error.sqlstate.as_deref()), ("no entry", Some("28000")));
        assert!(error.survives && !error.stopped);
        for (number, sqlstate, survives, stopped) in [
            (1927_u16, "70100", false, false),
            (1053, "08S01", false, false),
            (1969, "70100", true, true),
            (3024, "HY000", true, true),
            (1317, "70100", true, true),
        ] {
            let packet = [b"\xff", &number.to_le_bytes()[..], b"#", sqlstate.as_bytes(), b"words"].concat();
            let error = Refusal::read(&packet).unwrap().into_error();
            assert_eq!((error.survives, error.stopped), (survives, stopped), "{number}");
        }
        // Too many connections, before anything else was said.
        let error = Refusal::read(b"\xff\x10\x04Too many connections").unwrap().into_error();
        assert_eq!((error.message.as_str(), error.sqlstate), ("Too many connections", None));
    }

    #[test]
    fn the_end_of_rows_is_read_in_both_its_forms() {
        let new = Ended::read_end(b"\xfe\0\0\x22\0\0\0", capability::DEPRECATE_EOF).unwrap();
        let old = Ended::read_end(b"\xfe\0\0\x22\0", 0).unwrap();
        assert_eq!(new, old);
        assert!(new.status.is_autocommit() && !new.status.is_in_transaction() && !new.status.has_more());
    }

    #[test]
    fn what_has_changed_in_the_session_is_told_from_what_has_happened_in_it() {
        let of = |status: u8, said: &[u8]| {
            let packet = [&[0, 0, 0, 2, status, 0, 0, 0, said.len() as u8], said].concat();
            Ended::read(&packet).unwrap().changes_session
        };
        assert!(of(0x40, &[2, 2, 1, b'1']) && of(0x40, &[1, 2, 1, b'd', 2, 2, 1, b'1']));
        assert!(!of(0x40, &[3, 2, 1, b'7']) && !of(0, &[2, 2, 1, b'1']));
        // What can't be read may be anything.
        assert!(of(0x40, &[3, 200]) && Ended::read(&[0, 0, 0, 2, 0x40]).unwrap().changes_session);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (Ended::read(&bytes), Ended::read_end(&bytes, 0), Field::read(&bytes), Refusal::read(&bytes));
            let mut body = Body(&bytes);
            while body.value().is_ok_and(|value| !value.is_empty()) {}
        }
    }
}
