//! What the server says, read in place: nothing here copies a row.
//!
//! Formats as in PostgreSQL's manual, "Message Formats". What always holds: a message that is shorter than its kind
//! should be, or longer than any may be, is [`Failure::Strange`] and never a panic.

use crate::db::connection::{Failure, ServerError};
use crate::db::wording;
use crate::json::table::Name;

/// PostgreSQL's own bound for a message (`PQ_LARGE_MESSAGE_LIMIT`, 1 GiB less one): more is no message.
const MESSAGE_BYTES_MAX: i32 = 0x3fff_ffff;

/// A message whose bytes are known to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The byte that names its kind.
    pub(super) kind: u8,
    /// Its bytes in all, with this header.
    pub(super) len: usize,
}

impl Header {
    /// Bytes of a header: the kind and the length of the rest.
    pub(super) const BYTES: usize = 5;

    /// Reads the header at the start of the input; `None` while it is not all there.
    #[inline]
    pub(super) fn read(input: &[u8]) -> Result<Option<Self>, Failure> {
        let Some((head, _)) = input.split_first_chunk::<{ Self::BYTES }>() else { return Ok(None) };
        let [kind, len @ ..] = *head;
        match i32::from_be_bytes(len) {
            len @ 4..=MESSAGE_BYTES_MAX => Ok(Some(Self { kind, len: len as usize + 1 })),
            _ => Err(strange("a message has an impossible length")),
        }
    }
}

/// The error for an answer that can't be followed.
pub(super) fn strange(what: &str) -> Failure {
    Failure::Strange(wording::strange(what))
}

/// A value of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<'a> {
    pub(super) bytes: &'a [u8],
    /// All that is left of the row; the bytes are its beginning.
    pub(super) rest: &'a [u8],
}

/// What is left of a message's body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body<'a>(pub(super) &'a [u8]);

impl<'a> Body<'a> {
    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or_else(too_short)?;
        self.0 = rest;
        Ok(*head)
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, Failure> {
        self.take().map(u16::from_be_bytes)
    }

    #[inline]
    pub(super) fn i32(&mut self) -> Result<i32, Failure> {
        self.take().map(i32::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Failure> {
        self.take().map(u32::from_be_bytes)
    }

    /// Text up to a NUL byte.
    pub(super) fn text(&mut self) -> Result<&'a [u8], Failure> {
        let end = memchr::memchr(0, self.0).ok_or_else(too_short)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    /// A value of a row: its length, then its bytes; -1 is NULL.
    #[inline]
    pub(super) fn cell(&mut self) -> Result<Option<&'a [u8]>, Failure> {
        self.cell_and_rest().map(|cell| cell.map(|cell| cell.bytes))
    }

    /// The same, with what follows it.
    #[inline]
    pub(super) fn cell_and_rest(&mut self) -> Result<Option<Cell<'a>>, Failure> {
        // Small enough to be inlined, which took a fourth off a row; what needs an error of its own isn't.
        if let Some((len, rest)) = self.0.split_first_chunk()
            && let Ok(len) = usize::try_from(i32::from_be_bytes(*len))
            && let Some((bytes, behind)) = rest.split_at_checked(len)
        {
            self.0 = behind;
            return Ok(Some(Cell { bytes, rest }));
        }
        *self = self.behind_null()?;
        Ok(None)
    }

    // By value: a body that is lent to a function stays in memory, and each length would wait for the one before to be
    // stored and loaded.
    #[inline(never)]
    fn behind_null(mut self) -> Result<Self, Failure> {
        match self.i32()? {
            -1 => Ok(self),
            ..-1 => Err(strange("a value has an impossible length")),
            0.. => Err(too_short()),
        }
    }
}

fn too_short() -> Failure {
    strange("a packet is too short")
}

/// A column as RowDescription tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Name,
    /// The type's number; of a domain, its base type's.
    pub(super) oid: u32,
}

/// RowDescription.
pub(super) fn fields(body: &[u8]) -> Result<Vec<Field>, Failure> {
    let mut body = Body(body);
    let count = body.u16()?;
    (0..count)
        .map(|_| {
            let name = Name::from(&*String::from_utf8_lossy(body.text()?));
            // The table's number and the column's place in it.
            body.take::<6>()?;
            let oid = body.u32()?;
            // The type's length, its modifier, and the format.
            body.take::<8>()?;
            Ok(Field { name, oid })
        })
        .collect()
}

/// ParameterDescription: the types of the placeholders.
pub(super) fn parameter_types(body: &[u8]) -> Result<Vec<u32>, Failure> {
    let mut body = Body(body);
    let count = body.u16()?;
    (0..count).map(|_| body.u32()).collect()
}

/// The row count at the end of a command tag: `INSERT 0 3`, `SELECT 5`; 0 for a tag without one.
pub(super) fn affected(body: &[u8]) -> Result<u64, Failure> {
    let tag = Body(body).text()?;
    let digits = tag.rsplit(|&b| b == b' ').next().unwrap_or_default();
    Ok(std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0))
}

/// Whether a command tag says that no prepared statement is left.
pub(super) fn drops_statements(body: &[u8]) -> bool {
    matches!(body, b"DISCARD ALL\0" | b"DEALLOCATE ALL\0")
}

/// What a command tag says about the types of statements that were prepared before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// They are as they were.
    None,
    /// What the transaction has changed may be as it was before; a cursor may have changed something.
    Perhaps,
    /// A path of schemas may lead elsewhere.
    OfPath,
    /// A table, perhaps a temporary one, may hide another.
    New,
    /// A schema has changed.
    OfSchema,
}

/// CommandComplete, of a statement with or without columns.
pub(super) fn change(body: &[u8], has_columns: bool) -> Change {
    let verb = body.split(|byte| !byte.is_ascii_uppercase()).next().unwrap_or_default();
    match verb {
        b"ALTER" | b"DROP" | b"DO" => Change::OfSchema,
        b"CREATE" => Change::New,
        // CREATE TABLE ... AS, SELECT ... INTO
        b"SELECT" if !has_columns => Change::New,
        b"SET" | b"RESET" => Change::OfPath,
        // Where something has changed in the transaction.
        b"COMMIT" | b"ROLLBACK" | b"FETCH" | b"MOVE" => Change::Perhaps,
        _ => Change::None,
    }
}

/// What ReadyForQuery says about transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Idle,
    InTransaction,
    Failed,
}

/// ReadyForQuery.
pub(super) fn status(body: &[u8]) -> Result<Status, Failure> {
    match body {
        b"I" => Ok(Status::Idle),
        b"T" => Ok(Status::InTransaction),
        b"E" => Ok(Status::Failed),
        _ => Err(strange("an unknown status of the transaction")),
    }
}

/// ErrorResponse.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    sqlstate: Option<String>,
    // FATAL and PANIC close the connection behind the message.
    ends_connection: bool,
    routine: Option<String>,
    // What the server was at.
    context: String,
    /// It refused to bind values to a statement that the engine keeps prepared.
    pub(super) refuses_bind: bool,
}

/// What a server says of a text that its type can't read: invalid_text_representation, numeric_value_out_of_range,
/// invalid_datetime_format, datetime_field_overflow, protocol_violation, invalid_binary_representation.
const UNREADABLE: [&str; 6] = ["22P02", "22003", "22007", "22008", "08P01", "22P03"];

/// query_canceled: by its timeout or by hand.
const QUERY_CANCELED: &str = "57014";

impl Refusal {
    pub(super) fn read(body: &[u8]) -> Result<Self, Failure> {
        let mut body = Body(body);
        let mut refusal = Self::default();
        let mut severity = Vec::new();
        loop {
            let [field] = body.take()?;
            if field == 0 {
                break;
            }
            let bytes = body.text()?;
            let text = || String::from_utf8_lossy(bytes).into_owned();
            match field {
                // 'S' is in the server's language; 'V', since 9.6, isn't.
                b'V' => severity = bytes.to_vec(),
                b'S' if severity.is_empty() => severity = bytes.to_vec(),
                b'C' => refusal.sqlstate = Some(text()),
                b'M' => refusal.message = text(),
                b'D' => refusal.detail = Some(text()),
                b'H' => refusal.hint = Some(text()),
                b'R' => refusal.routine = Some(text()),
                b'W' => refusal.context = text(),
                _ => {}
            }
        }
        refusal.ends_connection = matches!(severity.as_slice(), b"FATAL" | b"PANIC");
        Ok(refusal)
    }

    pub(super) fn sqlstate(&self) -> &str {
        self.sqlstate.as_deref().unwrap_or_default()
    }

    pub(super) fn ends_connection(&self) -> bool {
        self.ends_connection
    }

    /// A prepared statement whose result changed its type (`SELECT *` after ALTER TABLE), or that somebody deallocated.
    /// Nothing was executed then. Behind the bind it is the user's own statement that is stale: `EXECUTE`.
    pub(super) fn is_stale_statement(&self) -> bool {
        match self.sqlstate() {
            _ if !self.refuses_bind => false,
            // feature_not_supported has many causes; this function of the server has one.
            "0A000" => self.routine.as_deref() == Some("RevalidateCachedQuery"),
            "26000" => true,
            _ => false,
        }
    }

    /// The position of a bound value that the server could not read as its placeholder's type, which it tells at the end of
    /// the context, and its words. Enums and JSON are its own to judge.
    pub(super) fn refused_parameter(&self) -> Option<(usize, &str)> {
        let is_form = UNREADABLE.contains(&self.sqlstate()) && !self.message.contains("for enum ");
        if !is_form || self.context.contains('\n') {
            return None;
        }
        // `unnamed portal parameter $1 = '...'`, in the server's language.
        let (_, tail) = self.context.split_once('$')?;
        let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
        let (number, value) = tail.split_at(digits);
        let position = number.parse().ok()?;
        (value.is_empty() || value.starts_with(" = ")).then_some((position, self.message.as_str()))
    }

    pub(super) fn into_error(self) -> ServerError {
        let stopped = self.sqlstate() == QUERY_CANCELED;
        let mut message = self.message;
        for (label, text) in [("DETAIL", self.detail), ("HINT", self.hint)] {
            if let Some(text) = text {
                message.push_str(&format!("\n{label}: {text}"));
            }
        }
        ServerError { message, sqlstate: self.sqlstate, survives: !self.ends_connection, stopped }
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
    fn a_header_is_read_when_it_is_there_and_refused_when_it_lies() {
        assert_eq!(Header::read(b"Z\0\0\0\x05I").unwrap(), Some(Header { kind: b'Z', len: 6 }));
        assert_eq!(Header::read(b"Z\0\0\0").unwrap(), None);
        for lie in [b"Z\0\0\0\x03", b"Z\xff\xff\xff\xff", b"Z\x40\0\0\0", b"HTTP/"] {
            assert!(Header::read(lie).is_err(), "{lie:?}");
        }
    }

    #[test]
    fn a_refusal_keeps_the_servers_words_and_knows_what_it_means() {
        let body = b"SERREUR\0VERROR\0C0A000\0Mno\0Dbecause\0Htry\0RRevalidateCachedQuery\0\0";
        let mut refusal = Refusal::read(body).unwrap();
        assert!(!refusal.is_stale_statement() && !refusal.ends_connection());
        refusal.refuses_bind = true;
        assert!(refusal.is_stale_statement());
        let error = refusal.into_error();
        assert_eq!((error.message.as_str(), error.survives), ("no\nDETAIL: because\nHINT: try", true));
        let fatal = Refusal::read(b"SFATAL\0C57P01\0Mgone\0\0").unwrap();
        assert!(fatal.ends_connection() && !fatal.is_stale_statement() && !fatal.into_error().survives);
    }

    #[test]
    fn a_command_tag_tells_what_it_has_changed() {
        for (tag, has_columns, expected) in [
            ("ALTER TABLE", false, Change::OfSchema),
            ("DROP TABLE", false, Change::OfSchema),
            ("DO", false, Change::OfSchema),
            ("CREATE TABLE", false, Change::New),
            ("SELECT 3", false, Change::New),
            ("SET", false, Change::OfPath),
            ("ROLLBACK", false, Change::Perhaps),
            ("FETCH 1", true, Change::Perhaps),
            ("SELECT 3", true, Change::None),
            ("INSERT 0 1", false, Change::None),
            ("", false, Change::None),
        ] {
            assert_eq!(change(format!("{tag}\0").as_bytes(), has_columns), expected, "{tag}");
        }
    }

    #[test]
    fn a_value_that_the_server_cannot_read_is_known_by_its_position() {
        let refusal = |sqlstate: &str, message: &str, context: &str| {
            Refusal::read(format!("SERROR\0C{sqlstate}\0M{message}\0W{context}\0\0").as_bytes()).unwrap()
        };
        let context = "unnamed portal parameter $12 = 'x $ y'";
        assert_eq!(refusal("22007", "no date", context).refused_parameter(), Some((12, "no date")));
        assert_eq!(refusal("22007", "no date", "Parameter $3").refused_parameter(), Some((3, "no date")));
        for (sqlstate, message, context) in [
            ("22012", "division by zero", context),
            ("22P02", "invalid input value for enum mood", context),
            ("22P02", "invalid json", "JSON data, line 1: x\nunnamed portal parameter $1"),
            ("22007", "no date", "PL/pgSQL function f() line 1"),
            ("22007", "no date", ""),
        ] {
            assert_eq!(refusal(sqlstate, message, context).refused_parameter(), None, "{message}, {context}");
        }
    }

    #[test]
    fn the_count_of_a_command_tag_is_its_last_number() {
        for (tag, count) in [(&b"INSERT 0 3\0"[..], 3), (b"SELECT 12\0", 12), (b"CREATE TABLE\0", 0), (b"\0", 0)] {
            assert_eq!(affected(tag).unwrap(), count);
        }
    }

    #[test]
    fn a_body_cut_anywhere_is_an_error_and_never_a_panic() {
        let row_description = b"\0\x02a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0b\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";
        let whole = fields(row_description).unwrap();
        assert_eq!(
            whole.iter().map(|field| (field.name.text(), field.oid)).collect::<Vec<_>>(),
            [("a", 23), ("b", 25)]
        );
        for end in 0..row_description.len() {
            assert!(fields(&row_description[..end]).is_err(), "cut at {end}");
        }
        let refusal = b"SERROR\0C42601\0Mno\0\0";
        for end in 0..refusal.len() {
            assert!(Refusal::read(&refusal[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Header::read(&bytes), fields(&bytes), parameter_types(&bytes), affected(&bytes), status(&bytes));
            let _ = Refusal::read(&bytes);
            let mut body = Body(&bytes);
            while body.cell().is_ok() {}
        }
    }
}
