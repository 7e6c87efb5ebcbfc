//! Answers, as what they are answers to expects them.

use redis::{ServerError, Value};

use super::connection::Failure;
use super::error::Error;

/// The error that an answer is.
pub(super) fn error(value: &Value) -> Option<&ServerError> {
    match value {
        Value::ServerError(error) => Some(error),
        _ => None,
    }
}

/// What is none; only its kind is told, for values are nobody's to see.
pub(super) fn strange(value: Option<&Value>) -> Error {
    let kind = match value {
        None => "nothing",
        Some(Value::Nil) => "nil",
        Some(Value::Int(_)) => "an integer",
        Some(Value::BulkString(_)) => "a string",
        Some(Value::Array(_)) => "an array",
        Some(Value::SimpleString(_) | Value::Okay) => "a status",
        Some(_) => "of another kind",
    };
    Error::Strange(format!("it is {kind}"))
}

fn broken<T>(value: &Value) -> Result<T, Failure> {
    Err(Failure::Broken(strange(Some(value))))
}

/// The answers to so many commands.
pub(super) fn each<const N: usize>(answers: Vec<Value>) -> Result<[Value; N], Failure> {
    answers.try_into().map_err(|answers: Vec<Value>| Failure::Broken(strange(answers.first())))
}

/// The answer to the only command.
pub(super) fn only(answers: Vec<Value>) -> Result<Value, Failure> {
    each(answers).map(|[answer]| answer)
}

pub(super) fn integer(value: &Value) -> Result<i64, Failure> {
    match value {
        Value::Int(number) => Ok(*number),
        other => broken(other),
    }
}

/// A number of things.
pub(super) fn count(value: &Value) -> Result<u64, Failure> {
    u64::try_from(integer(value)?).or_else(|_| broken(value))
}

/// Whether one thing was done.
pub(super) fn done(value: &Value) -> Result<bool, Failure> {
    Ok(integer(value)? == 1)
}

pub(super) fn bytes(value: Value) -> Result<Option<Vec<u8>>, Failure> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        other => broken(&other),
    }
}

pub(super) fn list(value: Value) -> Result<Vec<Value>, Failure> {
    match value {
        Value::Array(values) => Ok(values),
        other => broken(&other),
    }
}

/// A number that is written as text.
pub(super) fn digits(value: &Value) -> Result<Option<u64>, Failure> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => match std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()) {
            Some(number) => Ok(Some(number)),
            None => broken(value),
        },
        other => broken(other),
    }
}

/// What PEXPIRETIME says.
pub(super) enum Expires {
    Missing,
    Never,
    At(u64),
}

pub(super) fn expires(value: &Value) -> Result<Expires, Failure> {
    match integer(value)? {
        -2 => Ok(Expires::Missing),
        -1 => Ok(Expires::Never),
        at => u64::try_from(at).map(Expires::At).or_else(|_| broken(value)),
    }
}
