//! What is known of a statement's text, so that it is read once and not with each query: three scans of it cost as much as
//! the rest of a small query's way through here.

use super::leaves::{self, Leaves};
use super::params::Value;
use super::{Dialect, Error, Given, Param, not_blank, tokens};
use foldhash::HashMap;
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// How many texts are remembered for a kind of database. An application has a few hundred; when there are more, all are
/// forgotten, and the busy ones are soon back.
const TEXTS_MAX: usize = 512;

/// A longer text is one of a kind, and 512 of this length and their like with other placeholders are 4 MiB.
const TEXT_BYTES_MAX: usize = 4096;

/// The texts that have been read.
#[derive(Default)]
pub(super) struct Texts {
    // By dialect. A std Mutex, because nothing awaits while holding it.
    known: [Mutex<HashMap<Box<str>, Known>>; 3],
}

#[derive(Clone)]
struct Known {
    leaves: Leaves,
    /// The text with the placeholders of its database, where they differ.
    text: Option<Arc<str>>,
    /// How many values it takes by position.
    count: usize,
}

/// A statement's text for its database.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    Given(&'a str),
    Known(Arc<str>),
}

impl Text<'_> {
    /// The same for somebody who outlives what was given.
    pub(super) fn kept(self) -> Text<'static> {
        match self {
            Self::Given(text) => Text::Known(text.into()),
            Self::Known(text) => Text::Known(text),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Given(text) => text,
            Self::Known(text) => text,
        }
    }
}

/// What [`Texts::read`] gives: what the statement leaves, its text for the database, its values in their order.
type Read<'a> = (Leaves, Text<'a>, Vec<Param>);

impl Texts {
    /// Reads a statement, or remembers it.
    ///
    /// # Errors
    /// A statement of nothing, and as [`tokens::bind`].
    pub(super) fn read<'a>(&self, dialect: Dialect, sql: &'a str, given: Given) -> Result<Read<'a>, Error> {
        let count = match &given {
            Given::Positional(values) if !values.iter().any(|value| matches!(value, Value::List(_))) => values.len(),
            // What the text becomes depends on more than their number.
            _ => return anew(dialect, sql, given),
        };
        if sql.len() > TEXT_BYTES_MAX {
            return anew(dialect, sql, given);
        }
        let known = self.lock(dialect).get(sql).filter(|known| known.count == count).cloned();
        if let Some(Known { leaves, text, .. }) = known {
            let params = tokens::unlisted(dialect, given)?;
            return Ok((leaves, text.map_or(Text::Given(sql), Text::Known), params));
        }
        let (leaves, text, params) = anew(dialect, sql, given)?;
        let other = if let Text::Known(text) = &text { Some(Arc::clone(text)) } else { None };
        let mut known = self.lock(dialect);
        if known.len() >= TEXTS_MAX {
            known.clear();
        }
        known.insert(sql.into(), Known { leaves, text: other, count });
        Ok((leaves, text, params))
    }

    // A panic elsewhere can't leave a map half-changed.
    fn lock(&self, dialect: Dialect) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.known[dialect as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn anew(dialect: Dialect, sql: &str, given: Given) -> Result<Read<'_>, Error> {
    not_blank(dialect, sql)?;
    let leaves = leaves::of(dialect, sql);
    let (text, params) = tokens::bind(dialect, sql, given)?;
    let text = match text {
        Cow::Borrowed(text) => Text::Given(text),
        Cow::Owned(text) => Text::Known(text.into()),
    };
    Ok((leaves, text, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(count: i64) -> Given {
        (0..count).map(Param::Int).collect::<Vec<_>>().into()
    }

    fn shown(read: Result<Read<'_>, Error>) -> Result<(Leaves, String, Vec<Param>), String> {
        let read = read.map_err(|error| error.to_string());
        read.map(|(leaves, text, params)| (leaves, text.to_string(), params))
    }

    #[test]
    fn a_remembered_text_is_read_as_a_new_one_is() {
        let texts = Texts::default();
        let nul = || Given::from(vec![Param::Text("a\0b".to_owned())]);
        for _ in 0..2 {
            for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
                for sql in
                    ["SELECT ?", "SELECT ?, '?'", "BEGIN", "SET x = ?", "SELECT 1", " ", "SELECT :a", "SELECT $1"]
                {
                    for count in [1, 0, 2, 1] {
                        let (known, new) = (texts.read(dialect, sql, ints(count)), anew(dialect, sql, ints(count)));
                        assert_eq!(shown(known), shown(new));
                    }
                    let list = || Given::Positional(vec![Value::List(vec![Param::Int(1), Param::Int(2)])]);
                    for given in [nul, list as fn() -> Given] {
                        let (known, new) = (texts.read(dialect, sql, given()), anew(dialect, sql, given()));
                        assert_eq!(shown(known), shown(new));
                    }
                }
            }
        }
    }

    #[test]
    fn as_many_texts_are_remembered_as_there_may_be_and_no_long_one() {
        let texts = Texts::default();
        for n in 0..TEXTS_MAX * 2 + 3 {
            texts.read(Dialect::MySql, &format!("SELECT {n}"), ints(0)).unwrap();
        }
        assert_eq!(texts.lock(Dialect::MySql).len(), 3);
        let long = format!("SELECT '{}'", "x".repeat(TEXT_BYTES_MAX));
        texts.read(Dialect::MySql, &long, ints(0)).unwrap();
        assert!(!texts.lock(Dialect::MySql).contains_key(&*long));
    }
}
