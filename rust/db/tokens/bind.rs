//! A statement with `?` or `:name`, and what is given for them, to the database's own placeholders and values.
//!
//! `php/src/Database/Fallback/Bind.php` does the same; `tests/support/bindings.tsv` holds both to it.

use super::super::{Dialect, Error, Given, Param, params::Value};
use super::places::{Mark, Opening, Place, Places};
use crate::db::words::is_name;
use std::borrow::Cow;
use std::ops::Range;

/// Rewrites a statement to the placeholders of its database, and puts the values into their order.
///
/// PostgreSQL has `$1`, and `$1` again where a name is used again; MySQL has `?`, and binds the value again; SQLite has
/// `?`, and `?1` where a name is used again. A list becomes as many placeholders. What stands in quotes and comments is left alone, and so
/// is a statement in which nothing has to change.
///
/// # Errors
/// [`Error::InvalidParams`] where the parameters don't fit the statement.
pub(in crate::db) fn bind(dialect: Dialect, sql: &str, given: Given) -> Result<(Cow<'_, str>, Vec<Param>), Error> {
    if dialect == Dialect::Postgres {
        check_text(&given)?;
    }
    match given {
        Given::Positional(values) => positional(dialect, sql, values),
        Given::Named(named) if named.is_empty() => positional(dialect, sql, Vec::new()),
        Given::Named(named) => by_name(dialect, sql, named),
    }
}

/// The values for a statement that is known to take as many by position, none of them a list.
///
/// # Errors
/// [`Error::InvalidParams`] where the database can't have one.
pub(in crate::db) fn unlisted(dialect: Dialect, given: Given) -> Result<Vec<Param>, Error> {
    if dialect == Dialect::Postgres {
        check_text(&given)?;
    }
    Ok(match given {
        Given::Positional(values) => values.into_iter().filter_map(one).collect(),
        Given::Named(_) => Vec::new(),
    })
}

/// The most parameters of one statement: PostgreSQL and MySQL count them in 16 bits, SQLite has this for its default.
fn params_max(dialect: Dialect) -> usize {
    if dialect == Dialect::Sqlite { 32_766 } else { 65_535 }
}

fn name_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "PostgreSQL",
        Dialect::MySql => "MySQL",
        Dialect::Sqlite => "SQLite",
    }
}

fn check_count(dialect: Dialect, count: usize) -> Result<(), Error> {
    let max = params_max(dialect);
    if count <= max {
        return Ok(());
    }
    let name = name_of(dialect);
    Err(Error::params(format!(
        "the statement has {count} parameters, and {name} takes {max} at most: split it, or send a list as JSON"
    )))
}

/// PostgreSQL keeps no NUL in text, in no encoding: it would be one error of the server's, about an encoding.
fn check_text(given: &Given) -> Result<(), Error> {
    let is_nul = |param: &Param| matches!(param, Param::Text(text) if memchr::memchr(0, text.as_bytes()).is_some());
    let has_nul = |value: &Value| match value {
        Value::One(param) => is_nul(param),
        Value::List(list) => list.iter().any(is_nul),
    };
    match given {
        Given::Positional(values) => {
            let found = values.iter().position(has_nul);
            found.map_or(Ok(()), |index| Err(Error::param(index + 1, NUL)))
        }
        Given::Named(named) => {
            let found = named.iter().find(|(_, value)| has_nul(value));
            found.map_or(Ok(()), |(name, _)| Err(Error::named_param(&format!(":{name}"), NUL)))
        }
    }
}

const NUL: &str = "the string has a NUL byte, which PostgreSQL keeps in no text; bind it as bytes";

fn positional(dialect: Dialect, sql: &str, values: Vec<Value>) -> Result<(Cow<'_, str>, Vec<Param>), Error> {
    let given = values.len();
    let lists = values.iter().position(|value| matches!(value, Value::List(_)));
    let total = values.iter().map(|value| if let Value::List(list) = value { list.len() } else { 1 }).sum();
    check_count(dialect, total)?;
    // SQLite counts its own placeholders, of which it has five kinds, and all of them go by position.
    let is_native = lists.is_none() && dialect == Dialect::Sqlite;
    if is_native || (given == 0 && memchr::memchr3(b'?', b':', b'$', sql.as_bytes()).is_none()) {
        return Ok((Cow::Borrowed(sql), values.into_iter().filter_map(one).collect()));
    }
    let mut output = Output::new(dialect, sql, total);
    let mut values = values.into_iter();
    let (mut count, mut highest) = (0, 0);
    let mut places = Places::new(dialect, sql);
    while let Some(place) = places.next() {
        match place.mark {
            Mark::Operator => output.replace(place.range, "?"),
            Mark::Question => {
                count += 1;
                match values.next() {
                    None => {} // How many there are is told at the end.
                    Some(value) if is_empty(&value) => {
                        output.put_empty(&place, places.closing()).ok_or_else(|| Error::param(count, EMPTY_LIST))?
                    }
                    Some(value) => {
                        let numbers = output.bind(value)?;
                        output.put(place.range, &numbers, false);
                    }
                }
            }
            Mark::Name(_) if place.in_brackets => {}
            Mark::Name(name) => return Err(Error::params(unnamed(name))),
            Mark::Number(_) | Mark::Native if lists.is_some() => {
                let text = &sql[place.range];
                let message = format!("a list stands for ? or :name, and the statement has {text}");
                return Err(Error::param(lists.unwrap_or(0) + 1, message));
            }
            Mark::Number(number) => highest = highest.max(number),
            Mark::Native => {}
        }
    }
    if count > 0 && highest > 0 {
        return Err(Error::params(format!("the statement mixes ? with $1; use one kind{}", operator_hint(dialect))));
    }
    if highest > 0 {
        // Without parameters `$1` may be another's: PREPARE, or the body of a function.
        if given > 0 && given != highest {
            return Err(Error::param_count(highest, given));
        }
        for value in values {
            output.bind(value)?;
        }
    } else if count != given {
        return Err(Error::param_count(count, given));
    }
    output.finish()
}

fn by_name(dialect: Dialect, sql: &str, named: Vec<(String, Value)>) -> Result<(Cow<'_, str>, Vec<Param>), Error> {
    let (names, mut values): (Vec<String>, Vec<Value>) = named.into_iter().unzip();
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_unstable_by_key(|index| &names[*index]);
    if let Some(twice) = order.windows(2).find(|pair| names[pair[0]] == names[pair[1]]) {
        return Err(Error::named_param(&format!(":{}", names[twice[0]]), "it is given twice"));
    }
    let mut numbers: Vec<Option<Numbers>> = vec![None; names.len()];
    let mut output = Output::new(dialect, sql, names.len());
    let mut places = Places::new(dialect, sql);
    while let Some(place) = places.next() {
        let name = match place.mark {
            Mark::Operator => {
                output.replace(place.range, "?");
                continue;
            }
            Mark::Name(name) => name,
            Mark::Question | Mark::Number(_) | Mark::Native => {
                let (text, hint) = (&sql[place.range], operator_hint(dialect));
                let hint = if place.mark == Mark::Question { hint } else { "" };
                return Err(Error::params(format!(
                    "the statement has {text}, and the parameters have names: write :name in its place{hint}"
                )));
            }
        };
        let Ok(found) = order.binary_search_by_key(&name, |index| &names[*index]) else {
            if place.in_brackets {
                continue;
            }
            return Err(Error::params(format!("the statement has :{name}, and no parameter of that name is given")));
        };
        let index = order[found];
        if is_empty(&values[index]) {
            numbers[index] = Some(Numbers::default());
            output
                .put_empty(&place, places.closing())
                .ok_or_else(|| Error::named_param(&format!(":{name}"), EMPTY_LIST))?;
            continue;
        }
        let is_again = numbers[index].is_some();
        let found = match (&numbers[index], dialect) {
            (Some(found), Dialect::Postgres | Dialect::Sqlite) => found.clone(),
            (_, Dialect::MySql) => output.bind(values[index].clone())?,
            // Moved, because it is bound once.
            (None, _) => output.bind(std::mem::replace(&mut values[index], Value::One(Param::Null)))?,
        };
        output.put(place.range, &found, is_again);
        numbers[index] = Some(found);
    }
    if let Some(index) = numbers.iter().position(Option::is_none) {
        let name = &names[index];
        return Err(Error::named_param(&format!(":{name}"), format_args!("the statement has no :{name}")));
    }
    output.finish()
}

const EMPTY_LIST: &str = "an empty list stands alone in IN (?)";

fn unnamed(name: &str) -> String {
    format!(
        "the statement has :{name}, and the parameters have no names: name all of them, or write ? in its place \
         (and a blank behind a colon that is SQL's own)"
    )
}

fn operator_hint(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Postgres { " (and write ?? for an operator that has a question mark)" } else { "" }
}

fn one(value: Value) -> Option<Param> {
    if let Value::One(param) = value { Some(param) } else { None }
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::List(list) if list.is_empty())
}

/// The numbers of bound values, from 1.
type Numbers = Range<usize>;

/// The statement that comes out.
struct Output<'a> {
    dialect: Dialect,
    sql: &'a str,
    text: String,
    // How much of `sql` is in `text`; nothing as long as nothing changed.
    copied: usize,
    params: Vec<Param>,
}

impl<'a> Output<'a> {
    fn new(dialect: Dialect, sql: &'a str, params: usize) -> Self {
        Self { dialect, sql, text: String::new(), copied: 0, params: Vec::with_capacity(params) }
    }

    fn bind(&mut self, value: Value) -> Result<Numbers, Error> {
        let first = self.params.len() + 1;
        match value {
            Value::One(param) => self.params.push(param),
            Value::List(list) => self.params.extend(list),
        }
        check_count(self.dialect, self.params.len())?;
        Ok(first..self.params.len() + 1)
    }

    fn replace(&mut self, range: Range<usize>, with: &str) {
        self.copy(range);
        self.text.push_str(with);
    }

    fn copy(&mut self, range: Range<usize>) {
        if self.copied == 0 {
            self.text.reserve(self.sql.len() + 4 * self.params.capacity());
        }
        self.text.push_str(&self.sql[self.copied..range.start]);
        self.copied = range.end;
    }

    fn put(&mut self, range: Range<usize>, numbers: &Numbers, is_again: bool) {
        let bytes = self.sql.as_bytes();
        let is_same = &self.sql[range.clone()] == "?" && numbers.len() == 1 && self.dialect != Dialect::Postgres;
        if is_same {
            return;
        }
        // `LIMIT?` must not become the name `LIMIT$1`, nor `?1` another number.
        let before = range.start.checked_sub(1).is_some_and(|at| is_name(bytes[at]) || bytes[at] == b'$');
        let after = bytes.get(range.end).is_some_and(|b| is_name(*b));
        let is_numbered = match self.dialect {
            Dialect::Postgres => true,
            Dialect::MySql => false,
            // It numbers `?` in their order, as here, and numbers that are written take it a search each.
            Dialect::Sqlite => is_again,
        };
        let mark = if self.dialect == Dialect::Postgres { '$' } else { '?' };
        self.copy(range);
        if before {
            self.text.push(' ');
        }
        for number in numbers.clone() {
            if number > numbers.start {
                self.text.push_str(", ");
            }
            self.text.push(mark);
            if is_numbered {
                self.text.push_str(itoa::Buffer::new().format(number));
            }
        }
        if after {
            self.text.push(' ');
        }
    }

    /// Nothing is in an empty list, and everything is outside of it, NULL as well. `None` where it stands elsewhere.
    fn put_empty(&mut self, place: &Place<'_>, closing: Option<usize>) -> Option<()> {
        let (Opening { start, negated }, end) = (place.opening?, closing?);
        match self.dialect {
            // With OPERATOR() it binds as IN does: `a = b IN (?)` stays what it is.
            Dialect::Postgres if negated => self.replace(start..end, "OPERATOR(<>) ALL ('{}')"),
            Dialect::Postgres => self.replace(start..end, "OPERATOR(=) ANY ('{}')"),
            Dialect::MySql => self.replace(place.range.clone(), "SELECT NULL FROM DUAL WHERE FALSE"),
            Dialect::Sqlite => self.replace(place.range.clone(), ""),
        }
        Some(())
    }

    fn finish(mut self) -> Result<(Cow<'a, str>, Vec<Param>), Error> {
        if self.copied == 0 {
            return Ok((Cow::Borrowed(self.sql), self.params));
        }
        self.text.push_str(&self.sql[self.copied..]);
        Ok((Cow::Owned(self.text), self.params))
    }
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
