//! What can be set in the plain shape: the limits of the database and of the cache.
//!
//! A value comes from `lyger_engine_configure` or, for what that doesn't name, from the environment (`db.connections_max`
//! is `LYGER_DB_CONNECTIONS_MAX`), or is the default. So whoever calls `lyger_engine_configure` has resolved flags,
//! environment and file by Lyger's order before. The environment is read when a room starts, not when the library is
//! loaded.
//!
//! Once a room has started with a value, only `lyger_engine_release` lets another one take its place: silently
//! going on with the old one would be a lie. The server takes its own configuration.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use super::error::Failure;
use super::status::Status;
use crate::db::Limits;
use crate::{cache, vector};

/// What can be set. The order is that of [`KEYS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    ConnectionsMax,
    AcquireTimeoutMs,
    StatementTimeoutMs,
    IdleTimeoutMs,
    LifetimeMs,
    ResultBytesMax,
    CacheBytesMax,
    VectorDimensionMax,
    VectorBytesMax,
    VectorThreads,
}

struct Rule {
    name: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
}

const KEYS: [Rule; 10] = [
    Rule { name: "db.connections_max", default: 16, range: Limits::CONNECTIONS_MAX },
    Rule { name: "db.acquire_timeout_ms", default: 3_000, range: Limits::ACQUIRE_TIMEOUT_MS },
    Rule { name: "db.statement_timeout_ms", default: 30_000, range: Limits::STATEMENT_TIMEOUT_MS },
    Rule { name: "db.idle_timeout_ms", default: 600_000, range: Limits::AGE_MS },
    Rule { name: "db.lifetime_ms", default: 1_800_000, range: Limits::AGE_MS },
    Rule { name: "db.result_bytes_max", default: 64 << 20, range: Limits::RESULT_BYTES_MAX },
    Rule { name: "cache.bytes_max", default: cache::BYTES_MAX_DEFAULT, range: 1..=cache::BYTES_MAX_MAX },
    Rule { name: "vector.dimension_max", default: 65_536, range: vector::Limits::DIMENSION_MAX },
    Rule { name: "vector.bytes_max", default: 4 << 30, range: vector::Limits::BYTES_MAX },
    Rule { name: "vector.threads", default: 0, range: vector::Limits::THREADS },
];

/// Configured values and those that a room has started with.
#[derive(Debug, Default)]
struct Settings {
    configured: [Option<u64>; KEYS.len()],
    in_use: [Option<u64>; KEYS.len()],
}

// A poisoned lock is taken all the same: values are replaced one by one, and any mixture is valid.
static SETTINGS: Mutex<Settings> = Mutex::new(Settings { configured: [None; KEYS.len()], in_use: [None; KEYS.len()] });

fn lock() -> MutexGuard<'static, Settings> {
    SETTINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The values of some keys for a room that starts now; from here on they are in use.
pub(super) fn start_with<const N: usize>(keys: [Key; N]) -> Result<[u64; N], Failure> {
    let mut settings = lock();
    let mut values = [0; N];
    for (value, key) in values.iter_mut().zip(keys) {
        *value = match settings.configured[key as usize] {
            Some(configured) => configured,
            None => from_environment(&KEYS[key as usize])?.unwrap_or(KEYS[key as usize].default),
        };
    }
    for (value, key) in values.iter().zip(keys) {
        settings.in_use[key as usize] = Some(*value);
    }
    Ok(values)
}

/// A value of a key that came by another way, if it may have it.
pub(super) fn checked(key: Key, name: &str, value: u64) -> Result<u64, Failure> {
    in_range(&KEYS[key as usize], name, Some(value), &value.to_string())
}

/// After a release: no room uses any value.
pub(super) fn let_go() {
    lock().in_use = [None; KEYS.len()];
}

/// Takes over a JSON object `{"db":{…},"cache":{…},"vector":{…}}`: all of it or, on an error, nothing.
pub(super) fn configure(json: &[u8]) -> Result<(), Failure> {
    let document: Value = serde_json::from_slice(json)
        .map_err(|error| Failure::new(Status::InvalidConfig, format!("the configuration isn't JSON: {error}")))?;
    let given = flatten(&document)?;
    let mut settings = lock();
    for (index, value) in &given {
        if let Some(used) = settings.in_use[*index]
            && used != *value
        {
            let name = KEYS[*index].name;
            let message = format!(
                "{name} is {used} and in use: configure before the first use, or call lyger_engine_release before"
            );
            return Err(Failure::new(Status::InvalidConfig, message).with_value(name));
        }
    }
    for (index, value) in given {
        settings.configured[index] = Some(value);
    }
    Ok(())
}

/// Whether every variable of the environment that belongs to a key has a value that the key may have.
pub(super) fn check_environment() -> Result<(), Failure> {
    KEYS.iter().try_for_each(|rule| from_environment(rule).map(drop))
}

fn flatten(document: &Value) -> Result<Vec<(usize, u64)>, Failure> {
    let object = |value: &Value, what: &str| -> Result<Map<String, Value>, Failure> {
        let message = || format!("{what} must be a JSON object");
        value.as_object().cloned().ok_or_else(|| Failure::new(Status::InvalidConfig, message()).with_value(what))
    };
    let mut given = Vec::new();
    for (section, entries) in object(document, "the configuration")? {
        if !KEYS.iter().any(|rule| rule.name.split_once('.').is_some_and(|(known, _)| known == section)) {
            return Err(unknown(section));
        }
        for (entry, value) in object(&entries, &section)? {
            let name = format!("{section}.{entry}");
            let Some(index) = KEYS.iter().position(|rule| rule.name == name) else { return Err(unknown(name)) };
            given.push((index, in_range(&KEYS[index], KEYS[index].name, value.as_u64(), &value.to_string())?));
        }
    }
    Ok(given)
}

fn from_environment(rule: &Rule) -> Result<Option<u64>, Failure> {
    let variable = format!("LYGER_{}", rule.name.replace('.', "_").to_uppercase());
    let Some(text) = std::env::var_os(&variable) else { return Ok(None) };
    let text = text.to_string_lossy();
    // Set but empty is how shells and env files say "not set".
    if text.is_empty() {
        return Ok(None);
    }
    in_range(rule, &variable, text.parse().ok(), &text).map(Some)
}

fn in_range(rule: &Rule, name: &str, value: Option<u64>, written: &str) -> Result<u64, Failure> {
    value.filter(|value| rule.range.contains(value)).ok_or_else(|| {
        let message =
            format!("{name} must be an integer from {} to {}, not {written}", rule.range.start(), rule.range.end());
        Failure::new(Status::InvalidConfig, message).with_value(name)
    })
}

fn unknown(name: String) -> Failure {
    let known = KEYS.map(|rule| rule.name).join(", ");
    Failure::new(Status::InvalidConfig, format!("{name} is not a key; the keys are {known}")).with_value(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        let failure = configure(json.as_bytes()).unwrap_err();
        assert_eq!(failure.status(), Status::InvalidConfig);
        failure.message().to_owned()
    }

    // One test, because the settings are the process's.
    #[test]
    fn settings_are_taken_whole_and_a_wrong_one_is_named() {
        assert!(refusal("nonsense").contains("isn't JSON"));
        assert!(refusal("[]").contains("the configuration must be a JSON object"));
        assert!(refusal(r#"{"db":7}"#).contains("db must be a JSON object"));
        assert!(refusal(r#"{"bd":{}}"#).starts_with("bd is not a key"));
        assert!(refusal(r#"{"db":{"conections_max":3}}"#).starts_with("db.conections_max is not a key"));
        for wrong in ["0", "-1", "1.5", "\"16\"", "null", "10001", "1e30"] {
            let message = refusal(&format!(r#"{{"db":{{"connections_max":{wrong}}}}}"#));
            assert!(message.starts_with("db.connections_max must be an integer from 1 to 10000, not "), "{message}");
        }
        // The first key is fine, the second isn't: nothing is taken over.
        refusal(r#"{"db":{"connections_max":3,"result_bytes_max":0}}"#);
        assert_eq!(lock().configured, [None; KEYS.len()]);

        configure(br#"{"db":{"connections_max":3}}"#).unwrap();
        assert_eq!(start_with([Key::ConnectionsMax, Key::AcquireTimeoutMs]).unwrap(), [3, 3_000]);
        assert!(refusal(r#"{"db":{"connections_max":4}}"#).starts_with("db.connections_max is 3 and in use"));
        configure(br#"{"db":{"connections_max":3,"statement_timeout_ms":5}}"#).unwrap();
        let_go();
        configure(br#"{"db":{"connections_max":4}}"#).unwrap();
        *lock() = Settings::default();
    }

    #[test]
    fn every_key_has_its_rule_in_its_place() {
        let keys = [
            (Key::ConnectionsMax, "db.connections_max"),
            (Key::AcquireTimeoutMs, "db.acquire_timeout_ms"),
            (Key::StatementTimeoutMs, "db.statement_timeout_ms"),
            (Key::IdleTimeoutMs, "db.idle_timeout_ms"),
            (Key::LifetimeMs, "db.lifetime_ms"),
            (Key::ResultBytesMax, "db.result_bytes_max"),
            (Key::CacheBytesMax, "cache.bytes_max"),
            (Key::VectorDimensionMax, "vector.dimension_max"),
            (Key::VectorBytesMax, "vector.bytes_max"),
            (Key::VectorThreads, "vector.threads"),
        ];
        for (key, name) in keys {
            assert_eq!(KEYS[key as usize].name, name);
        }
    }
}
