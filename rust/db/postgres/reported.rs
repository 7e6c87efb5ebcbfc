//! The settings whose value the server reports whenever it changes (`TimeZone`, `DateStyle`, `client_encoding`,
//! `application_name`, since 18 `search_path`), whoever changes it: a function does so unseen otherwise.

use super::message::Body;
use crate::db::connection::Failure;

/// Servers report some 15 settings. More, or longer values, are only known to have come.
const SETTINGS_MAX: usize = 64;
const BYTES_MAX: usize = 4096;

/// What the server has reported, beside what a connection has before anybody uses it.
#[derive(Default)]
pub(super) struct Reported {
    settings: Vec<Setting>,
    /// Something was reported that is too much to remember.
    is_unknown: bool,
}

struct Setting {
    name: Box<[u8]>,
    home: Option<Box<[u8]>>,
    /// The value, where it is another one.
    away: Option<Box<[u8]>>,
}

impl Reported {
    /// Notes one report.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn note(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut body = Body(body);
        let (name, value) = (body.text()?, body.text()?);
        if name.len() + value.len() > BYTES_MAX {
            self.is_unknown = true;
        } else if let Some(setting) = self.settings.iter_mut().find(|setting| *setting.name == *name) {
            setting.away = (setting.home.as_deref() != Some(value)).then(|| value.into());
        } else if self.settings.len() < SETTINGS_MAX {
            self.settings.push(Setting { name: name.into(), home: None, away: Some(value.into()) });
        } else {
            self.is_unknown = true;
        }
        Ok(())
    }

    /// What was reported last is what the connection has from now on before anybody uses it.
    pub(super) fn settle(&mut self) {
        self.is_unknown = false;
        for setting in &mut self.settings {
            if let Some(value) = setting.away.take() {
                setting.home = Some(value);
            }
        }
    }

    /// Whether a setting isn't what it was.
    pub(super) fn is_changed(&self) -> bool {
        self.is_unknown || self.settings.iter().any(|setting| setting.away.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_back_is_none_that_has_changed() {
        let mut reported = Reported::default();
        let mut note = |text: &[u8]| {
            reported.note(text).unwrap();
            let is_changed = reported.is_changed();
            if text.starts_with(b"home") {
                reported.settle();
            }
            is_changed
        };
        assert!(note(b"home\0a\0"));
        assert!(!note(b"home\0a\0"));
        assert!(note(b"TimeZone\0UTC\0") && note(b"home\0b\0"));
        assert!(!note(b"TimeZone\0UTC\0"));
        assert!(note(b"TimeZone\0Asia/Tokyo\0") && !note(b"TimeZone\0UTC\0"));
        assert!(reported.note(b"TimeZone").is_err());
    }

    #[test]
    fn what_is_too_much_to_remember_is_a_change_until_the_next_reset() {
        let mut reported = Reported::default();
        reported.note(&[&b"long\0"[..], &[b'x'; BYTES_MAX], b"\0"].concat()).unwrap();
        assert!(reported.is_changed() && reported.settings.is_empty());
        for number in 0..SETTINGS_MAX * 2 {
            reported.note(format!("s{number}\0x\0").as_bytes()).unwrap();
        }
        assert_eq!(reported.settings.len(), SETTINGS_MAX);
        reported.settle();
        assert!(!reported.is_changed());
    }
}
