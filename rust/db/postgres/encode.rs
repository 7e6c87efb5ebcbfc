//! Bound values to the binary form of the types that PostgreSQL inferred.
//!
//! Under PDO every value travels as text and the server reads it by the inferred type; here the conversion is
//! ours, so it takes what that reading would take for the types below, and refuses by position what it can't.

use super::super::{Error, Param, decimal, temporal};
use super::unsupported_hint;
use sqlx::Arguments as _;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, PgTypeKind, Postgres};
use sqlx::{Type, TypeInfo};

/// The arguments of a statement, whose parameters the server inferred to be of these types.
pub(super) fn arguments(types: &[PgTypeInfo], params: &[Param]) -> Result<PgArguments, Error> {
    if types.len() != params.len() {
        return Err(Error::param_count(types.len(), params.len()));
    }
    let mut arguments = PgArguments::default();
    for (position, (type_info, param)) in (1..).zip(types.iter().zip(params)) {
        let value = value(type_info, param).map_err(|refusal| refusal.at(position, type_info, param))?;
        arguments
            .add(Value { type_info, bytes: value })
            .map_err(|error| Error::param(position, format!("it can't be sent: {error}")))?;
    }
    Ok(arguments)
}

/// A finished binary value; `None` is NULL.
struct Value<'a> {
    type_info: &'a PgTypeInfo,
    bytes: Option<Vec<u8>>,
}

impl Encode<'_, Postgres> for Value<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(match &self.bytes {
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                IsNull::No
            }
            None => IsNull::Yes,
        })
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.type_info.clone())
    }

    fn size_hint(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::len)
    }
}

impl Type<Postgres> for Value<'_> {
    // Never asked for, because `produces` always answers.
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("unknown")
    }
}

/// Why a value has no form in a type.
enum Refusal {
    /// The type is one that this engine doesn't write.
    Type,
    /// The type is known, but not from this kind of value.
    Kind,
    /// The text or number doesn't have the type's form or range.
    Form,
}

impl Refusal {
    fn at(&self, position: usize, type_info: &PgTypeInfo, param: &Param) -> Error {
        let name = type_info.name().to_lowercase();
        let kind = param.kind_name();
        let message = match self {
            Self::Type => format!("{kind} can't be bound as {name}; {}", unsupported_hint(&name)),
            Self::Kind => format!("{kind} can't be bound as {name}; bind a value of that type, or {}", {
                unsupported_hint(&name)
            }),
            Self::Form => match param {
                Param::Text(text) => {
                    format!("{:?} is no {name} that can be bound; {}", shortened(text), { unsupported_hint(&name) })
                }
                Param::Int(value) => format!("{value} is out of the range of {name}"),
                Param::Float(value) => format!("{value} is no {name}"),
                _ => format!("{kind} is no {name}"),
            },
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

fn value(type_info: &PgTypeInfo, param: &Param) -> Result<Option<Vec<u8>>, Refusal> {
    if let Param::Null = param {
        return Ok(None);
    }
    Ok(Some(match type_info.oid().map(|oid| oid.0) {
        Some(16) => vec![boolean(param)?.into()],
        Some(21) => i16::try_from(integer(param)?).map_err(|_| Refusal::Form)?.to_be_bytes().to_vec(),
        Some(23) => i32::try_from(integer(param)?).map_err(|_| Refusal::Form)?.to_be_bytes().to_vec(),
        Some(20) => integer(param)?.to_be_bytes().to_vec(),
        Some(26) => u32::try_from(integer(param)?).map_err(|_| Refusal::Form)?.to_be_bytes().to_vec(),
        Some(700) => single(param)?.to_be_bytes().to_vec(),
        Some(701) => double(param)?.to_be_bytes().to_vec(),
        Some(1700) => decimal::parse(&digits(param)?).ok_or(Refusal::Form)?,
        Some(18) => match text(param) {
            bytes if bytes.len() <= 1 => {
                if bytes.is_empty() {
                    vec![0]
                } else {
                    bytes
                }
            }
            _ => return Err(Refusal::Form),
        },
        Some(19 | 25 | 705 | 1042 | 1043 | 114) => text(param),
        // The version of jsonb's binary format, then the text.
        Some(3802) => [vec![1], text(param)].concat(),
        Some(17) => match param {
            Param::Text(text) => text.clone().into_bytes(),
            Param::Bytes(bytes) => bytes.clone(),
            _ => return Err(Refusal::Kind),
        },
        Some(2950) => match param {
            Param::Bytes(bytes) if bytes.len() == 16 => bytes.clone(),
            param => uuid(str_of(param)?).ok_or(Refusal::Form)?,
        },
        Some(1082) => temporal::parse_date(str_of(param)?).ok_or(Refusal::Form)?.to_be_bytes().to_vec(),
        Some(1083) => temporal::parse_time(str_of(param)?).ok_or(Refusal::Form)?.to_be_bytes().to_vec(),
        Some(1114) => temporal::parse_timestamp(str_of(param)?, true).ok_or(Refusal::Form)?.to_be_bytes().to_vec(),
        Some(1184) => temporal::parse_timestamp(str_of(param)?, false).ok_or(Refusal::Form)?.to_be_bytes().to_vec(),
        _ => match type_info.kind() {
            PgTypeKind::Enum(_) => text(param),
            PgTypeKind::Domain(base) => return value(base, param),
            PgTypeKind::Simple if type_info.name() == "citext" => text(param),
            _ => return Err(Refusal::Type),
        },
    }))
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

/// As text, for the types that are text.
fn text(param: &Param) -> Vec<u8> {
    match param {
        Param::Null => Vec::new(),
        Param::Bool(value) => value.to_string().into_bytes(),
        Param::Int(value) => value.to_string().into_bytes(),
        Param::Float(value) => float_text(*value).into_bytes(),
        Param::Text(text) => text.clone().into_bytes(),
        // The server checks that they are valid in its encoding.
        Param::Bytes(bytes) => bytes.clone(),
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
