//! Bound values to the form of the types that PostgreSQL inferred.
//!
//! Under PDO every value travels as text and the server reads it by the inferred type. Here numbers, dates, bytes and UUIDs
//! travel in binary, and their conversion takes what that reading would take and refuses by position what it can't; for
//! every other type the value travels as text, and the server reads it.

use super::super::{Error, Param, decimal, temporal};
use super::types::{self, Type};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};
use std::borrow::Cow;

/// A value as it travels.
pub(super) enum Value<'a> {
    Null,
    /// The text that the type's input function reads.
    Text(Cow<'a, [u8]>),
    /// Up to eight bytes of the type's binary form.
    Short([u8; 8], u8),
    /// The type's binary form.
    Binary(Cow<'a, [u8]>),
}

impl Value<'_> {
    fn format(&self) -> i16 {
        i16::from(matches!(self, Self::Short(..) | Self::Binary(_)))
    }

    fn short<const N: usize>(bytes: [u8; N]) -> Self {
        let mut short = [0; 8];
        short[..N].copy_from_slice(&bytes);
        Self::Short(short, N as u8)
    }
}

/// The values of a statement, whose parameters the server inferred to be of these types.
pub(super) fn values<'a>(types: &[Type], params: &'a [Param]) -> Result<Vec<Value<'a>>, Error> {
    if types.len() != params.len() {
        return Err(Error::param_count(types.len(), params.len()));
    }
    let value = |(position, (of_type, param)): (usize, (&Type, &'a Param))| {
        value(of_type.oid, param).map_err(|refusal| refusal.at(position, of_type.oid, param))
    };
    (1..).zip(types.iter().zip(params)).map(value).collect()
}

/// Binds values to a statement, for a result in these formats, as a portal of this name.
pub(super) fn bind(
    portal: &str,
    statement: &str,
    values: &[Value<'_>],
    formats: impl Iterator<Item = i16>,
    out: &mut bytes::BytesMut,
) -> Result<(), Error> {
    let write = |value: &Value<'_>, out: &mut bytes::BytesMut| {
        match value {
            Value::Null => return Ok(IsNull::Yes),
            Value::Short(bytes, len) => out.extend_from_slice(&bytes[..usize::from(*len)]),
            Value::Text(bytes) | Value::Binary(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    };
    frontend::bind(portal, statement, values.iter().map(Value::format), values, write, formats, out).map_err(|error| {
        let (BindError::Conversion(_) | BindError::Serialization(_)) = error;
        Error::params("the values are too long to be sent: a gigabyte is the most")
    })
}

/// Why a value has no form in a type.
enum Refusal {
    /// The type takes no value of this kind.
    Kind,
    /// The text or number doesn't have the type's form or range.
    Form,
}

impl Refusal {
    fn at(&self, position: usize, oid: u32, param: &Param) -> Error {
        let name = types::name(oid);
        let kind = param.kind_name();
        let hint = format!("write ?::text::{name}");
        let message = match (self, param) {
            (Self::Kind, _) => format!("{kind} can't be bound as {name}; bind a value of that type, or {hint}"),
            (Self::Form, Param::Text(text)) => {
                format!("{:?} is no {name} that can be bound; {hint}", shortened(text))
            }
            (Self::Form, Param::Int(value)) => format!("{value} is out of the range of {name}"),
            (Self::Form, Param::Float(value)) => format!("{value} is no {name}"),
            (Self::Form, _) => format!("{kind} is no {name}"),
        };
        Error::param(position, message)
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn value(oid: u32, param: &Param) -> Result<Value<'_>, Refusal> {
    if let Param::Null = param {
        return Ok(Value::Null);
    }
    Ok(match oid {
        16 => Value::short([boolean(param)?.into()]),
        21 => Value::short(i16::try_from(integer(param)?).map_err(|_| Refusal::Form)?.to_be_bytes()),
        23 => Value::short(i32::try_from(integer(param)?).map_err(|_| Refusal::Form)?.to_be_bytes()),
        20 => Value::short(integer(param)?.to_be_bytes()),
        26 | 28 | 29 => Value::short(u32::try_from(integer(param)?).map_err(|_| Refusal::Form)?.to_be_bytes()),
        700 => Value::short(single(param)?.to_be_bytes()),
        701 => Value::short(double(param)?.to_be_bytes()),
        1700 => Value::Binary(decimal::parse(&digits(param)?).ok_or(Refusal::Form)?.into()),
        17 => match param {
            Param::Text(text) => Value::Binary(text.as_bytes().into()),
            Param::Bytes(bytes) => Value::Binary(bytes.into()),
            _ => return Err(Refusal::Kind),
        },
        2950 => match param {
            Param::Bytes(bytes) if bytes.len() == 16 => Value::Binary(bytes.into()),
            param => Value::Binary(uuid(str_of(param)?).ok_or(Refusal::Form)?.into()),
        },
        1082 => moment(str_of(param)?, |text| Some(Value::short(temporal::parse_date(text)?.to_be_bytes()))),
        1083 => moment(str_of(param)?, |text| Some(Value::short(temporal::parse_time(text)?.to_be_bytes()))),
        1114 => moment(str_of(param)?, |text| Some(Value::short(temporal::parse_timestamp(text, true)?.to_be_bytes()))),
        1184 => {
            moment(str_of(param)?, |text| Some(Value::short(temporal::parse_timestamp(text, false)?.to_be_bytes())))
        }
        _ => Value::Text(text(param)),
    })
}

/// A date or a time in the form that everybody writes; the others ("today", "Feb 29 2024") the server knows.
fn moment<'a>(text: &'a str, parse: impl FnOnce(&str) -> Option<Value<'a>>) -> Value<'a> {
    parse(text).unwrap_or(Value::Text(text.as_bytes().into()))
}

fn str_of(param: &Param) -> Result<&str, Refusal> {
    match param {
        Param::Text(text) => Ok(text),
        _ => Err(Refusal::Kind),
    }
}

fn boolean(param: &Param) -> Result<bool, Refusal> {
    match param {
        Param::Bool(value) => Ok(*value),
        Param::Int(value @ (0 | 1)) => Ok(*value == 1),
        Param::Int(_) => Err(Refusal::Form),
        // The spellings of boolin().
        Param::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Ok(true),
            "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Ok(false),
            _ => Err(Refusal::Form),
        },
        _ => Err(Refusal::Kind),
    }
}

fn integer(param: &Param) -> Result<i64, Refusal> {
    match param {
        Param::Bool(value) => Ok((*value).into()),
        Param::Int(value) => Ok(*value),
        // 5.0 is what PHP's arithmetic makes of a 5; 5.5 would lose something. The bounds are exact doubles.
        Param::Float(value) if value.fract() == 0.0 && (-(2_f64.powi(63))..2_f64.powi(63)).contains(value) => {
            Ok(*value as i64)
        }
        Param::Float(_) => Err(Refusal::Form),
        Param::Text(text) => text.trim().parse().map_err(|_| Refusal::Form),
        _ => Err(Refusal::Kind),
    }
}

fn double(param: &Param) -> Result<f64, Refusal> {
    match param {
        Param::Float(value) => Ok(*value),
        Param::Int(value) => Ok(*value as f64),
        Param::Text(text) => text.trim().parse().map_err(|_| Refusal::Form),
        _ => Err(Refusal::Kind),
    }
}

fn single(param: &Param) -> Result<f32, Refusal> {
    let wide = double(param)?;
    let narrow = wide as f32;
    // Where the server would say "out of range": a number must not become an infinity.
    if narrow.is_infinite() && wide.is_finite() { Err(Refusal::Form) } else { Ok(narrow) }
}

fn digits(param: &Param) -> Result<String, Refusal> {
    match param {
        Param::Bool(value) => Ok(i32::from(*value).to_string()),
        Param::Int(value) => Ok(value.to_string()),
        Param::Float(value) => Ok(float_text(*value)),
        Param::Text(text) => Ok(text.clone()),
        _ => Err(Refusal::Kind),
    }
}

/// As text, for the types that are text and for those that the server reads.
fn text(param: &Param) -> Cow<'_, [u8]> {
    match param {
        Param::Null => Cow::Borrowed(b""),
        Param::Bool(value) => Cow::Borrowed(if *value { b"true" } else { b"false" }),
        Param::Int(value) => value.to_string().into_bytes().into(),
        Param::Float(value) => float_text(*value).into_bytes().into(),
        Param::Text(text) => text.as_bytes().into(),
        // The server checks that they are valid in its encoding.
        Param::Bytes(bytes) => bytes.into(),
    }
}

fn float_text(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        value => zmij::Buffer::new().format_finite(value).to_owned(),
    }
}

/// 32 hexadecimal digits, with or without hyphens between groups and braces around, as uuid_in() reads them.
fn uuid(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let text = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let mut bytes = Vec::with_capacity(16);
    let mut high = None;
    for (index, c) in text.chars().enumerate() {
        match (c, c.to_digit(16)) {
            ('-', _) if index > 0 && high.is_none() && bytes.len() % 2 == 0 => {}
            (_, Some(digit)) => match high.take() {
                Some(high) => bytes.push((high << 4 | digit) as u8),
                None => high = Some(digit),
            },
            _ => return None,
        }
    }
    (bytes.len() == 16 && high.is_none() && !text.ends_with('-')).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_read_in_the_forms_that_the_server_reads() {
        let bytes = uuid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11").unwrap();
        for text in [
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        ] {
            assert_eq!(uuid(text).as_ref(), Some(&bytes), "{text}");
        }
        for text in ["", "a0ee", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "{a0eebc999c0b4ef8bb6d6bb9bd380a11", "äöü"] {
            assert_eq!(uuid(text), None, "{text}");
        }
    }

    #[test]
    fn only_a_whole_float_within_range_becomes_an_integer() {
        assert!(matches!(integer(&Param::Float(5.0)), Ok(5)));
        assert!(matches!(integer(&Param::Float(-(2_f64.powi(63)))), Ok(i64::MIN)));
        for value in [5.5, 2_f64.powi(63), f64::NAN, f64::INFINITY] {
            assert!(integer(&Param::Float(value)).is_err(), "{value}");
        }
    }

    #[test]
    fn a_number_that_a_single_cannot_hold_is_refused() {
        assert!(single(&Param::Float(1e300)).is_err());
        assert!(single(&Param::Float(f64::INFINITY)).is_ok());
    }
}
