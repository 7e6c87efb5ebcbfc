//! Bound values in the binary form of an execution.

use super::packet::{command, length};
use super::types::number;
use crate::db::{Error, Param};
use bytes::{BufMut, BytesMut};

/// Whether a server that takes fewer than so many bytes at once takes these; it would drop the connection over more.
pub(super) fn fits(bytes: usize, bytes_max: u64) -> Result<(), Error> {
    if (bytes as u64) < bytes_max {
        return Ok(());
    }
    let message =
        format!("the statement, or its values, take {bytes} bytes, and the server's max_allowed_packet is {bytes_max}");
    Err(Error::Query { message, sqlstate: Some("54000".to_owned()) })
}

/// Whether all of them can be sent.
pub(super) fn check(params: &[Param], bytes_max: u64) -> Result<(), Error> {
    fits(execution_len(params), bytes_max)?;
    for (position, param) in (1..).zip(params) {
        if let Param::Float(value) = param
            && !value.is_finite()
        {
            // MySQL would store NULL or 0 for them, which nobody asked for.
            return Err(Error::param(position, format!("MySQL has no {value}")));
        }
    }
    Ok(())
}

/// How long at most [`execute`] is of these.
fn execution_len(params: &[Param]) -> usize {
    let value = |param: &Param| match param {
        Param::Null => 0,
        Param::Bool(_) => 1,
        Param::Int(_) | Param::Float(_) => 8,
        Param::Text(value) => value_len(value.len()),
        Param::Bytes(value) => value_len(value.len()),
    };
    // The command, the statement, how, how often; which are NULL, that types follow, and the types.
    10 + params.len().div_ceil(8) + 1 + 2 * params.len() + params.iter().map(value).sum::<usize>()
}

/// A value with its length.
fn value_len(len: usize) -> usize {
    len + match len {
        0..=0xfa => 1,
        0xfb..=0xffff => 3,
        0x1_0000..=0xff_ffff => 4,
        _ => 9,
    }
}

/// Writes COM_STMT_EXECUTE.
pub(super) fn execute(out: &mut BytesMut, statement: u32, params: &[Param]) {
    out.put_u8(command::STMT_EXECUTE);
    out.put_u32_le(statement);
    out.put_u8(0); // no cursor
    out.put_u32_le(1); // once
    if params.is_empty() {
        return;
    }
    for eight in params.chunks(8) {
        let bits = eight.iter().enumerate().map(|(bit, param)| u8::from(*param == Param::Null) << bit);
        out.put_u8(bits.sum());
    }
    out.put_u8(1); // types follow
    for param in params {
        let of_type = match param {
            // With the type of some other value it would be refused where that can't be (MariaDB has no cast from an integer to
            // `UUID`), or decide what `COALESCE(?, price)` is.
            Param::Null => number::NULL,
            Param::Bool(_) => number::TINY,
            Param::Int(_) => number::LONGLONG,
            Param::Float(_) => number::DOUBLE,
            Param::Text(_) => number::VAR_STRING,
            Param::Bytes(_) => number::BLOB,
        };
        out.put_slice(&[of_type, 0]);
    }
    for param in params {
        match param {
            Param::Null => {}
            Param::Bool(value) => out.put_u8((*value).into()),
            Param::Int(value) => out.put_i64_le(*value),
            Param::Float(value) => out.put_f64_le(*value),
            Param::Text(value) => put_value(out, value.as_bytes()),
            Param::Bytes(value) => put_value(out, value),
        }
    }
}

/// A value behind its length.
pub(super) fn put_value(out: &mut BytesMut, value: &[u8]) {
    let len = value.len() as u64;
    match len {
        0..=0xfa => out.put_u8(len as u8),
        0xfb..=0xffff => {
            out.put_u8(length::OF_TWO);
            out.put_u16_le(len as u16);
        }
        0x1_0000..=0xff_ffff => {
            out.put_u8(length::OF_THREE);
            out.put_uint_le(len, 3);
        }
        _ => {
            out.put_u8(length::OF_EIGHT);
            out.put_u64_le(len);
        }
    }
    out.put_slice(value);
}

#[cfg(test)]
mod tests {
    use super::super::packet::Body;
    use super::*;

    #[test]
    fn every_kind_of_value_has_its_type() {
        let mut out = BytesMut::new();
        let params = [
            Param::Null,
            Param::Bool(true),
            Param::Int(-2),
            Param::Float(0.5),
            Param::Text("t".into()),
            Param::Bytes(vec![0xff]),
            Param::Null,
            Param::Int(0),
            Param::Null,
        ];
        execute(&mut out, 7, &params);
        let head = [0x17, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0b100_0001, 0b1, 1];
        let types = [6, 0, 1, 0, 8, 0, 5, 0, 0xfd, 0, 0xfc, 0, 6, 0, 8, 0, 6, 0];
        let values = [&[1][..], &(-2_i64).to_le_bytes(), &0.5_f64.to_le_bytes(), &[1, b't', 1, 0xff], &[0; 8]].concat();
        assert_eq!(out, [&head[..], &types, &values].concat());

        out.clear();
        execute(&mut out, 7, &[]);
        assert_eq!(out.len(), 10);
    }

    #[test]
    fn a_value_is_read_back_whatever_its_length() {
        for len in [0, 1, 0xfa, 0xfb, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000] {
            let (value, mut out) = (vec![b'x'; len], BytesMut::new());
            put_value(&mut out, &value);
            let mut body = Body(&out);
            assert_eq!(body.value().unwrap().len(), len);
            assert!(body.0.is_empty());
        }
    }

    #[test]
    fn what_mysql_has_no_number_for_is_refused_by_its_position() {
        let error = check(&[Param::Int(1), Param::Float(f64::NAN)], 100).unwrap_err();
        assert_eq!(error, Error::param(2, "MySQL has no NaN"));
        assert!(check(&[Param::Float(f64::MAX), Param::Null], 100).is_ok());
    }
}
