//! What SET, GETEX and EXPIRE have in common: when a key expires, in four units.

use super::{Call, Failure, NOT_INTEGER, SYNTAX};
use crate::resp::number;

/// In what a time is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) seconds: bool,
    /// Since 1970, and not from now on.
    pub(crate) absolute: bool,
}

impl Unit {
    pub(crate) fn of_option(word: &[u8]) -> Option<Self> {
        let unit = |seconds, absolute| Some(Self { seconds, absolute });
        match word.to_ascii_uppercase().as_slice() {
            b"EX" => unit(true, false),
            b"PX" => unit(false, false),
            b"EXAT" => unit(true, true),
            b"PXAT" => unit(false, true),
            _ => None,
        }
    }

    /// The time in milliseconds since 1970; `None` when it is no time that 64 bits hold.
    pub(crate) fn at(self, number: i64, now: u64) -> Option<i64> {
        let number = if self.seconds { number.checked_mul(1000)? } else { number };
        if self.absolute { Some(number) } else { number.checked_add(now as i64) }
    }
}

pub(crate) fn invalid_time(name: &str) -> Failure {
    Failure::of(format!("ERR invalid expire time in '{name}' command"))
}

/// A time that must lie after 1970 and, relative ones, be above nothing: SET's, GETEX's and SETEX's.
pub(crate) fn expiry(call: &Call<'_>, text: &[u8], unit: Unit) -> Result<i64, Failure> {
    let number = number::integer(text).ok_or(NOT_INTEGER)?;
    let time = if number > 0 { unit.at(number, call.now) } else { None };
    time.filter(|time| *time > 0).ok_or_else(|| invalid_time(call.command.name))
}

/// What is to become of a key's expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Expiry {
    #[default]
    Unsaid,
    Keep,
    At(i64),
    /// PERSIST, which only GETEX has.
    Never,
}

/// The options of SET and GETEX.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    pub(crate) only_new: bool,
    pub(crate) only_old: bool,
    pub(crate) get: bool,
    expiry: Expiry,
    time: Option<(&'a [u8], Unit)>,
}

impl<'a> Options<'a> {
    /// Those of a call from a place on. Their time is read later, by [`Options::expiry`].
    pub(crate) fn parse(call: &Call<'a>, from: usize) -> Result<Self, Failure> {
        let is_set = call.command.name == "set";
        let mut options = Self::default();
        let mut place = from;
        while let Some(word) = call.args.get(place) {
            let is = |other: &str| word.eq_ignore_ascii_case(other.as_bytes());
            let timeless = options.time.is_none();
            // The same unit may come again, and the last one counts.
            let unit = Unit::of_option(word).filter(|unit| {
                options.expiry == Expiry::Unsaid && options.time.is_none_or(|(_, other)| other == *unit)
            });
            if is_set && is("NX") && !options.only_old {
                options.only_new = true;
            } else if is_set && is("XX") && !options.only_new {
                options.only_old = true;
            } else if is_set && is("GET") {
                options.get = true;
            } else if is_set && is("KEEPTTL") && timeless && options.expiry != Expiry::Never {
                options.expiry = Expiry::Keep;
            } else if !is_set && is("PERSIST") && timeless {
                options.expiry = Expiry::Never;
            } else if let (Some(unit), Some(number)) = (unit, call.args.get(place + 1)) {
                options.time = Some((number, unit));
                place += 1;
            } else {
                return Err(SYNTAX);
            }
            place += 1;
        }
        Ok(options)
    }

    pub(crate) fn expiry(&self, call: &Call<'_>) -> Result<Expiry, Failure> {
        match self.time {
            Some((number, unit)) => expiry(call, number, unit).map(Expiry::At),
            None => Ok(self.expiry),
        }
    }
}
