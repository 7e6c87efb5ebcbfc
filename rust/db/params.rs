//! Bound parameters, and the packed form in which PHP sends them.
//!
//! Values never enter the SQL text: each database binds them in its own way.

use super::Error;

/// One bound value.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// SQL NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Float(f64),
    /// Text.
    Text(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
}

impl Param {
    pub(super) fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "a string",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// Reads packed parameters: a little-endian u32 count, then for each value a tag byte and its content: 0 null, 1 false,
/// 2 true, 3 integer (8 bytes), 4 float (8 bytes), 5 text and 6 bytes (u32 length, then the bytes).
///
/// Nothing at all is no parameters.
///
/// # Errors
/// [`Error::InvalidParams`] when the form is broken or a text is not UTF-8.
///
/// ```
/// use lyger::db::{Param, params};
/// assert_eq!(params::decode(&[2, 0, 0, 0, 2, 5, 2, 0, 0, 0, b'h', b'i']).unwrap(), [Param::Bool(true), Param::Text("hi".into())]);
/// ```
pub fn decode(packed: &[u8]) -> Result<Vec<Param>, Error> {
    if packed.is_empty() {
        return Ok(Vec::new());
    }
    let mut input = Input { rest: packed };
    let count = u32::from_le_bytes(input.take()?) as usize;
    // Each value takes at least its tag, so a count beyond that is a lie and must not choose the allocation.
    if count > input.rest.len() {
        return Err(broken());
    }
    let mut params = Vec::with_capacity(count);
    for position in 1..=count {
        let [tag] = input.take()?;
        params.push(match tag {
            0 => Param::Null,
            1 => Param::Bool(false),
            2 => Param::Bool(true),
            3 => Param::Int(i64::from_le_bytes(input.take()?)),
            4 => Param::Float(f64::from_le_bytes(input.take()?)),
            5 => Param::Text(
                std::str::from_utf8(input.bytes()?)
                    .map_err(|_| Error::param(position, "the string is not valid UTF-8; bind it as bytes"))?
                    .to_owned(),
            ),
            6 => Param::Bytes(input.bytes()?.to_vec()),
            _ => return Err(broken()),
        });
    }
    if input.rest.is_empty() { Ok(params) } else { Err(broken()) }
}

fn broken() -> Error {
    Error::params("the packed parameters are broken")
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(broken)?;
        self.rest = rest;
        Ok(*head)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let len = u32::from_le_bytes(self.take()?) as usize;
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(broken)?;
        self.rest = rest;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> Vec<u8> {
        let mut packed = vec![7, 0, 0, 0, 0, 1, 2, 3];
        packed.extend(i64::MIN.to_le_bytes());
        packed.push(4);
        packed.extend((-0.5_f64).to_le_bytes());
        packed.extend([5, 3, 0, 0, 0, b'a', 0, b'b', 6, 2, 0, 0, 0, 0xff, 0]);
        packed
    }

    #[test]
    fn every_kind_of_value_is_read_back() {
        assert_eq!(
            decode(&packed()).unwrap(),
            [
                Param::Null,
                Param::Bool(false),
                Param::Bool(true),
                Param::Int(i64::MIN),
                Param::Float(-0.5),
                Param::Text("a\0b".into()),
                Param::Bytes(vec![0xff, 0]),
            ]
        );
        assert_eq!(decode(&[]).unwrap(), []);
        assert_eq!(decode(&[0, 0, 0, 0]).unwrap(), []);
    }

    #[test]
    fn a_form_cut_or_lengthened_anywhere_is_an_error_and_never_a_panic() {
        let whole = packed();
        for end in 1..whole.len() {
            assert!(decode(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(decode(&[whole.as_slice(), b"x"].concat()).is_err());
        assert!(decode(&[0xff, 0xff, 0xff, 0xff, 0]).is_err(), "a count that lies");
        assert!(decode(&[1, 0, 0, 0, 9]).is_err(), "an unknown tag");
        assert!(decode(&[1, 0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff]).is_err(), "a length that lies");
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_by_position() {
        let error = decode(&[2, 0, 0, 0, 0, 5, 1, 0, 0, 0, 0xff]).unwrap_err();
        assert!(matches!(error, Error::InvalidParams { position: Some(2), .. }), "{error}");
    }
}
