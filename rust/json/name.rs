//! A column's name, and what stands before its values.

use super::serialize;
use crate::kernels::json::append_text;
use std::sync::{Arc, OnceLock};

/// The name of a column. A statement that runs often shares it among its results, and with it the keys that are made of it:
/// for one row, to escape the names took longer than to write the values.
#[derive(Debug, Clone)]
pub struct Name(Arc<Forms>);

#[derive(Debug)]
struct Forms {
    text: Box<str>,
    json: OnceLock<Box<[u8]>>,
    php: OnceLock<Box<[u8]>>,
}

impl Name {
    /// As the database has it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Quoted, escaped and with a colon.
    pub(super) fn json_key(&self) -> &[u8] {
        self.0.json.get_or_init(|| {
            let mut key = Vec::new();
            append_text(&mut key, self.text().as_bytes());
            key.push(b':');
            key.into()
        })
    }

    /// As PHP's `serialize()` writes the key of an array.
    pub(super) fn php_key(&self) -> &[u8] {
        self.0.php.get_or_init(|| {
            let mut key = Vec::new();
            serialize::write_key(&mut key, self.text());
            key.into()
        })
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(Arc::new(Forms { text: text.into(), json: OnceLock::new(), php: OnceLock::new() }))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl Eq for Name {}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}
