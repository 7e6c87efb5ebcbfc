//! What a body of rows looks like, and what else an answer of rows is asked to be.
//!
//! ```text
//!   list      [{"id":1},{"id":2}]                                      application/json
//!   arrays    [[1],[2]]
//!   keyed     {"1":{"id":1},"2":{"id":2}}
//!   single    {"id":1}
//!   envelope  {"data":[{"id":1}],"meta":{"count":1}}
//!   paged     {"data":[{"id":1}],"meta":{"count":1,"total":9,"page":2,"per_page":1,"pages":9}}
//!   ndjson    {"id":1}\n{"id":2}\n                                     application/x-ndjson
//!   csv       id\r\n1\r\n2\r\n                                         text/csv; charset=utf-8; header=present
//! ```

use super::escapes::Escapes;
use super::forms::Forms;
use serde::Deserialize;

/// The shape of a body of rows.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Shape {
    /// An array of objects.
    #[default]
    List,
    /// An array of arrays of values, without names.
    Arrays,
    /// An object of objects, by the values of this column.
    Keyed(String),
    /// The first row's object.
    Single,
    /// A list with its count.
    Envelope,
    /// A list with what there is to page through.
    Paged(Page),
    /// An object a line.
    Ndjson,
    /// Comma-separated values behind a line of names.
    Csv,
}

/// A part of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Which, counted from 1.
    pub number: u64,
    /// How many rows a page has, at least 1.
    pub rows: u64,
}

impl Page {
    /// How many rows precede the page; `None` when no database could count them.
    #[must_use]
    pub fn offset(self) -> Option<u64> {
        (self.number - 1).checked_mul(self.rows).filter(|&offset| i64::try_from(offset).is_ok())
    }
}

/// What an answer of rows is asked to be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Options {
    /// The body's shape.
    pub shape: Shape,
    /// What is escaped of it beyond what JSON demands.
    pub escapes: Escapes,
    /// Whether it gets an ETag, and an `If-None-Match` its 304.
    pub etag: bool,
    /// How long the statement may run, in milliseconds, where that is less than everybody's limit.
    pub timeout_ms: Option<u32>,
    /// How often it may be run again when its connection broke under it.
    pub retries: u32,
    /// The forms of its values.
    pub forms: Forms,
}

/// The text is no options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unknown(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    #[serde(default)]
    shape: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    page: Option<u64>,
    #[serde(default)]
    per_page: Option<u64>,
    #[serde(default)]
    flags: Option<u32>,
    #[serde(default)]
    etag: bool,
    #[serde(default)]
    timeout_ms: Option<u32>,
    #[serde(default)]
    retries: u32,
    #[serde(default)]
    decimals: Decimals,
    #[serde(default)]
    times: Times,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum Decimals {
    #[default]
    String,
    Number,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum Times {
    #[default]
    Rfc3339,
    Sql,
}

impl Options {
    /// Reads options as JSON: `shape` (see [`Shape`]; `list` when it is missing), `key` for `keyed`, `page` and `per_page`
    /// for `paged`, `flags` (see [`Escapes`]; not for `csv`), `etag`; how the statement runs: `timeout_ms`, `retries`, `decimals` (`string` or `number`), `times` (`rfc3339` or `sql`). No text at all is
    /// a list.
    ///
    /// ```
    /// use lyger::json::shape::{Options, Page, Shape};
    /// let options = Options::parse(br#"{"shape":"paged","page":2,"per_page":50}"#).unwrap();
    /// assert_eq!(options.shape, Shape::Paged(Page { number: 2, rows: 50 }));
    /// assert!(Options::parse(br#"{"shape":"star"}"#).is_err());
    /// ```
    ///
    /// # Errors
    /// What is wrong, for a developer to read.
    pub fn parse(text: &[u8]) -> Result<Self, Unknown> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let packed: Packed = serde_json::from_slice(text).map_err(|error| Unknown(error.to_string()))?;
        let name = packed.shape.as_deref().unwrap_or("list");
        let shape = match (name, packed.key.clone(), packed.page, packed.per_page) {
            ("list", None, None, None) => Shape::List,
            ("arrays", None, None, None) => Shape::Arrays,
            ("keyed", Some(key), None, None) => Shape::Keyed(key),
            ("single", None, None, None) => Shape::Single,
            ("envelope", None, None, None) => Shape::Envelope,
            ("paged", None, Some(number), Some(rows)) if number > 0 && rows > 0 => {
                let page = Page { number, rows };
                if page.offset().is_none() || i64::try_from(rows).is_err() {
                    return Err(Unknown(format!("page {number} of {rows} rows each lies behind every row")));
                }
                Shape::Paged(page)
            }
            ("ndjson", None, None, None) => Shape::Ndjson,
            ("csv", None, None, None) => Shape::Csv,
            _ => return Err(Unknown(format!("no shape of rows: {}", String::from_utf8_lossy(text)))),
        };
        let escapes = match packed.flags {
            None => Escapes::default(),
            Some(_) if shape == Shape::Csv => return Err(Unknown("CSV has no flags of JSON".to_owned())),
            Some(flags) => Escapes::of_flags(flags)
                .map_err(|unknown| Unknown(format!("rows have no flags {unknown} of PHP's json_encode()")))?,
        };
        let Packed { etag, timeout_ms, retries, decimals, times, .. } = packed;
        let forms = Forms {
            decimals_as_numbers: matches!(decimals, Decimals::Number),
            times_as_sql: matches!(times, Times::Sql),
            vectors_packed: false,
        };
        Ok(Self { shape, escapes, etag, timeout_ms, retries, forms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_read_and_nothing_else() {
        let shape = |text: &str| Options::parse(text.as_bytes()).map(|options| options.shape);
        assert_eq!(Options::parse(b""), Ok(Options::default()));
        assert_eq!(Options::parse(br#"{"etag":true}"#), Ok(Options { etag: true, ..Options::default() }));
        assert_eq!(
            Options::parse(br#"{"timeout_ms":7,"retries":2,"decimals":"number","times":"sql"}"#),
            Ok(Options {
                timeout_ms: Some(7),
                retries: 2,
                forms: Forms { decimals_as_numbers: true, times_as_sql: true, vectors_packed: false },
                ..Options::default()
            })
        );
        assert_eq!(shape(r#"{"shape":"keyed","key":"id"}"#), Ok(Shape::Keyed("id".into())));
        let escapes = Options::parse(br#"{"shape":"ndjson","flags":3}"#).unwrap().escapes;
        assert_eq!(Ok(escapes), Escapes::of_flags(3));
        assert_eq!(shape(r#"{"shape":"arrays"}"#), Ok(Shape::Arrays));
        assert_eq!(shape(r#"{"shape":"single"}"#), Ok(Shape::Single));
        assert_eq!(shape(r#"{"shape":"envelope"}"#), Ok(Shape::Envelope));
        assert_eq!(shape(r#"{"shape":"ndjson"}"#), Ok(Shape::Ndjson));
        assert_eq!(shape(r#"{"shape":"csv"}"#), Ok(Shape::Csv));
        for wrong in [
            "[",
            "{}x",
            r#"{"shape":"keyed"}"#,
            r#"{"shape":"list","key":"id"}"#,
            r#"{"shape":"paged","page":0,"per_page":1}"#,
            r#"{"shape":"paged","page":1,"per_page":0}"#,
            r#"{"shape":"paged","page":1}"#,
            r#"{"shape":"paged","page":1,"per_page":9223372036854775808}"#,
            r#"{"shape":"paged","page":9223372036854775807,"per_page":9223372036854775807}"#,
            r#"{"shape":"csv","sep":";"}"#,
            r#"{"flags":128}"#,
            r#"{"flags":-1}"#,
            r#"{"shape":"csv","flags":1}"#,
            r#"{"etag":1}"#,
            r#"{"decimals":"float"}"#,
            r#"{"times":"iso"}"#,
            r#"{"timeout_ms":-1}"#,
        ] {
            assert!(Options::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
