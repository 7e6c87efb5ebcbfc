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

/// What stands for one placeholder.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One value.
    One(Param),
    /// As many placeholders as there are values, for `IN (?)`.
    List(Vec<Param>),
}

/// The parameters of a statement as they are given: by position or by name.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// For `?`, in order.
    Positional(Vec<Value>),
    /// For `:name`; the names are without the colon.
    Named(Vec<(String, Value)>),
}

impl Default for Given {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

impl From<Vec<Param>> for Given {
    fn from(params: Vec<Param>) -> Self {
        Self::Positional(params.into_iter().map(Value::One).collect())
    }
}

impl From<&[Param]> for Given {
    fn from(params: &[Param]) -> Self {
        params.to_vec().into()
    }
}

/// Stands where the count does, and says that names and values follow.
const NAMED: u32 = u32::MAX;

/// Reads packed parameters: a little-endian u32 count, then for each value a tag byte and its content: 0 null, 1 false,
/// 2 true, 3 integer (8 bytes), 4 float (8 bytes), 5 text and 6 bytes (u32 length, then the bytes), 7 a list (u32 count,
/// then its values, none of which is a list). Named parameters begin with `0xFFFFFFFF`; then the u32 count follows, and
/// before each value its name (u32 length, UTF-8).
///
/// Nothing at all is no parameters.
///
/// # Errors
/// [`Error::InvalidParams`] when the form is broken, a text is not UTF-8 or a list holds a list.
///
/// ```
/// use lyger::db::{Given, Param, params};
/// let given = params::decode(&[2, 0, 0, 0, 2, 5, 2, 0, 0, 0, b'h', b'i']).unwrap();
/// assert_eq!(given, Given::from(vec![Param::Bool(true), Param::Text("hi".into())]));
/// ```
pub fn decode(packed: &[u8]) -> Result<Given, Error> {
    if packed.is_empty() {
        return Ok(Given::default());
    }
    let mut input = Input { rest: packed };
    let count = u32::from_le_bytes(input.take()?);
    let given = if count == NAMED {
        let count = input.count()?;
        let mut named = Vec::with_capacity(count);
        for _ in 0..count {
            let name = std::str::from_utf8(input.bytes()?).map_err(|_| broken())?;
            named.push((name.to_owned(), input.value().map_err(|fault| fault.of(&format!(":{name}")))?));
        }
        Given::Named(named)
    } else {
        let count = input.bounded(count)?;
        let mut values = Vec::with_capacity(count);
        for position in 1..=count {
            values.push(input.value().map_err(|fault| fault.at(position))?);
        }
        Given::Positional(values)
    };
    if input.rest.is_empty() { Ok(given) } else { Err(broken()) }
}

/// What is wrong with one value.
enum Fault {
    Broken,
    Text,
    Nested,
}

impl Fault {
    fn words(&self) -> Option<&'static str> {
        match self {
            Self::Broken => None,
            Self::Text => Some("the string is not valid UTF-8; bind it as bytes"),
            Self::Nested => Some("a list holds values, and no list"),
        }
    }

    fn at(&self, position: usize) -> Error {
        self.words().map_or_else(broken, |words| Error::param(position, words))
    }

    fn of(&self, name: &str) -> Error {
        self.words().map_or_else(broken, |words| Error::named_param(name, words))
    }
}

impl From<Error> for Fault {
    fn from(_: Error) -> Self {
        Self::Broken
    }
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

    fn count(&mut self) -> Result<usize, Error> {
        let count = u32::from_le_bytes(self.take()?);
        self.bounded(count)
    }

    // Each value takes at least its tag, so a count beyond that is a lie and must not choose the allocation.
    fn bounded(&self, count: u32) -> Result<usize, Error> {
        let count = count as usize;
        if count <= self.rest.len() { Ok(count) } else { Err(broken()) }
    }

    fn value(&mut self) -> Result<Value, Fault> {
        let [tag] = self.take()?;
        if tag != 7 {
            return Ok(Value::One(self.param(tag)?));
        }
        let count = self.count()?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            let [tag] = self.take()?;
            list.push(self.param(tag)?);
        }
        Ok(Value::List(list))
    }

    fn param(&mut self, tag: u8) -> Result<Param, Fault> {
        Ok(match tag {
            0 => Param::Null,
            1 => Param::Bool(false),
            2 => Param::Bool(true),
            3 => Param::Int(i64::from_le_bytes(self.take()?)),
            4 => Param::Float(f64::from_le_bytes(self.take()?)),
            5 => Param::Text(std::str::from_utf8(self.bytes()?).map_err(|_| Fault::Text)?.to_owned()),
            6 => Param::Bytes(self.bytes()?.to_vec()),
            7 => return Err(Fault::Nested),
            _ => return Err(Fault::Broken),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> Vec<u8> {
        let mut packed = vec![8, 0, 0, 0, 0, 1, 2, 3];
        packed.extend(i64::MIN.to_le_bytes());
        packed.push(4);
        packed.extend((-0.5_f64).to_le_bytes());
        packed.extend([5, 3, 0, 0, 0, b'a', 0, b'b', 6, 2, 0, 0, 0, 0xff, 0]);
        packed.extend([7, 2, 0, 0, 0, 0, 2]);
        packed
    }

    #[test]
    fn every_kind_of_value_is_read_back() {
        let values = [
            Param::Null,
            Param::Bool(false),
            Param::Bool(true),
            Param::Int(i64::MIN),
            Param::Float(-0.5),
            Param::Text("a\0b".into()),
            Param::Bytes(vec![0xff, 0]),
        ];
        let mut values: Vec<Value> = values.into_iter().map(Value::One).collect();
        values.push(Value::List(vec![Param::Null, Param::Bool(true)]));
        assert_eq!(decode(&packed()).unwrap(), Given::Positional(values));
        assert_eq!(decode(&[]).unwrap(), Given::default());
        assert_eq!(decode(&[0, 0, 0, 0]).unwrap(), Given::default());
    }

    fn named() -> Vec<u8> {
        let mut packed = vec![0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 2, 0, 0, 0];
        packed.extend("ü".bytes());
        packed.extend([2, 0, 0, 0, 0, 7, 0, 0, 0, 0]);
        packed
    }

    #[test]
    fn names_stand_before_their_values() {
        let values = vec![("ü".to_owned(), Value::One(Param::Bool(true))), (String::new(), Value::List(vec![]))];
        assert_eq!(decode(&named()).unwrap(), Given::Named(values));
    }

    #[test]
    fn a_form_cut_or_lengthened_anywhere_is_an_error_and_never_a_panic() {
        for whole in [packed(), named()] {
            for end in 1..whole.len() {
                assert!(decode(&whole[..end]).is_err(), "cut at {end}");
            }
            assert!(decode(&[whole.as_slice(), b"x"].concat()).is_err());
        }
        assert!(decode(&[0xfe, 0xff, 0xff, 0xff, 0]).is_err(), "a count that lies");
        assert!(decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err(), "a count of names that lies");
        assert!(decode(&[1, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff]).is_err(), "a count of a list that lies");
        assert!(decode(&[1, 0, 0, 0, 9]).is_err(), "an unknown tag");
        assert!(decode(&[1, 0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff]).is_err(), "a length that lies");
    }

    #[test]
    fn what_is_wrong_with_a_value_is_told_by_its_position_or_its_name() {
        let of_name = |value: &[u8]| [&[0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1, 0, 0, 0, b'a'], value].concat();
        for (packed, message) in [
            (vec![2, 0, 0, 0, 0, 5, 1, 0, 0, 0, 0xff], "parameter 2: the string is not valid UTF-8; bind it as bytes"),
            (of_name(&[5, 1, 0, 0, 0, 0xff]), "parameter :a: the string is not valid UTF-8; bind it as bytes"),
            (vec![1, 0, 0, 0, 7, 1, 0, 0, 0, 7, 0, 0, 0, 0], "parameter 1: a list holds values, and no list"),
            (of_name(&[7, 1, 0, 0, 0, 7]), "parameter :a: a list holds values, and no list"),
        ] {
            let error = decode(&packed).unwrap_err();
            assert!(matches!(error, Error::InvalidParams { .. }), "{error}");
            assert_eq!(error.to_string(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(packed in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64), named: bool) {
            let head: &[u8] = if named { &[0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0] } else { &[3, 0, 0, 0] };
            let _ = (decode(&packed), decode(&[head, &packed].concat()));
        }
    }
}
