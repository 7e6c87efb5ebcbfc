//! What a statement came to, as bytes for another process of the same version of this file.
//!
//! ```text
//!   rows:   0, rows affected (u64), whether there is an id (u8), the id (i64), the packed table
//!   error:  1, the error as JSON
//!   end:    2, behind the last chunk of a stream
//! ```

use super::{Error, Rows};
use crate::json::table::Table;

const ROWS: u8 = 0;
const ERROR: u8 = 1;
const END: u8 = 2;

/// The outcome as bytes.
#[must_use]
pub fn pack(outcome: &Result<Rows, Error>) -> Vec<u8> {
    let mut packed = Vec::new();
    match outcome {
        Ok(Rows { table, affected, last_insert_id }) => {
            packed.push(ROWS);
            packed.extend_from_slice(&affected.to_ne_bytes());
            packed.push(last_insert_id.is_some().into());
            packed.extend_from_slice(&last_insert_id.unwrap_or_default().to_ne_bytes());
            table.pack(&mut packed);
        }
        Err(error) => {
            packed.push(ERROR);
            packed.extend_from_slice(&serde_json::to_vec(error).unwrap_or_default()); // texts and numbers: never fails
        }
    }
    packed
}

/// A chunk of a stream as bytes; `None` is its end.
#[must_use]
pub fn pack_chunk(chunk: Result<Option<Table>, Error>) -> Vec<u8> {
    match chunk {
        Ok(None) => vec![END],
        Ok(Some(table)) => pack(&Ok(Rows { table, ..Rows::default() })),
        Err(error) => pack(&Err(error)),
    }
}

/// What [`pack_chunk`] was given; `None` for bytes that are no chunk.
#[must_use]
pub fn unpack_chunk(packed: &[u8]) -> Option<Result<Option<Table>, Error>> {
    if packed == [END] {
        return Some(Ok(None));
    }
    Some(unpack(packed)?.map(|rows| Some(rows.table)))
}

/// What [`pack`] was given; `None` for bytes that are no outcome.
///
/// ```
/// use lyger::db::{Error, outcome};
/// let outcome = Err(Error::Timeout { statement_timeout_ms: 7 });
/// assert_eq!(outcome::unpack(&outcome::pack(&outcome)), Some(outcome));
/// ```
#[must_use]
pub fn unpack(packed: &[u8]) -> Option<Result<Rows, Error>> {
    let (&kind, rest) = packed.split_first()?;
    match kind {
        ROWS => {
            let (affected, rest) = rest.split_first_chunk::<8>()?;
            let (&has_id, rest) = rest.split_first()?;
            let (id, table) = rest.split_first_chunk::<16>()?;
            let last_insert_id = (has_id != 0).then(|| i128::from_ne_bytes(*id));
            let table = Table::unpack(table).ok()?;
            Some(Ok(Rows { table, affected: u64::from_ne_bytes(*affected), last_insert_id }))
        }
        ERROR => serde_json::from_slice(rest).ok().map(Err),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::table::Column;

    #[test]
    fn every_kind_of_outcome_comes_back_as_it_was() {
        let text = || "\u{fc} \"x\"\n".to_owned();
        let mut column = Column::text("t");
        column.push_bytes(b"\xff");
        let table = Table::new(vec![column]);
        let mut outcomes = vec![
            Ok(Rows::default()),
            Ok(Rows { table, affected: u64::MAX, last_insert_id: Some(i64::MIN.into()) }),
            Ok(Rows { last_insert_id: Some(u64::MAX.into()), ..Rows::default() }),
            Err(Error::InvalidDsn { reason: text() }),
            Err(Error::PoolExhausted { dsn: text(), connections_max: 3, waited_ms: u64::MAX, holders: vec![text()] }),
            Err(Error::Timeout { statement_timeout_ms: 1 }),
            Err(Error::ResultTooLarge { result_bytes_max: 2 }),
            Err(Error::UnsupportedType { column: text(), database_type: text(), hint: text() }),
            Err(Error::InvalidParams { position: None, message: text() }),
            Err(Error::InvalidParams { position: Some(3), message: text() }),
        ];
        for sqlstate in [None, Some("42P01".to_owned())] {
            outcomes.push(Err(Error::Connect { dsn: text(), message: text(), sqlstate: sqlstate.clone() }));
            outcomes.push(Err(Error::Query { message: text(), sqlstate }));
        }
        for outcome in outcomes {
            let packed = pack(&outcome);
            assert_eq!(unpack(&packed), Some(outcome));
            for len in 0..packed.len() {
                assert_eq!(unpack(&packed[..len]), None, "cut at {len}");
            }
        }
        assert_eq!(unpack(&[3]), None);
        for chunk in [Ok(None), Ok(Some(Table::new(vec![Column::text("t")]))), Err(Error::dsn("x"))] {
            assert_eq!(unpack_chunk(&pack_chunk(chunk.clone())), Some(chunk));
        }
    }
}
