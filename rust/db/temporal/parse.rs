//! What applications bind as a date or a time, read for PostgreSQL's binary forms. What would need a guess is refused.

use super::{DAYS_TO_UNIX_EPOCH, MICROS_PER_DAY, POSTGRES_EPOCH_DAYS, date_of_days};

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
fn days_of_date(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - DAYS_TO_UNIX_EPOCH
}

/// A bound text read as a date, a time or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parsed {
    // Days since 2000-01-01.
    days: i32,
    // Microseconds since midnight.
    micros: i64,
    // Microseconds east of Greenwich; none was given.
    offset: Option<i64>,
}

/// The two moments outside the calendar that PostgreSQL stores.
fn infinity(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "infinity" => Some(true),
        "-infinity" => Some(false),
        _ => None,
    }
}

/// PostgreSQL's binary date: days since 2000-01-01. A time behind the date is dropped, as PostgreSQL does.
pub(in crate::db) fn parse_date(text: &str) -> Option<i32> {
    match infinity(text) {
        Some(positive) => Some(if positive { i32::MAX } else { i32::MIN }),
        None => parse_datetime(text).map(|parsed| parsed.days),
    }
}

/// PostgreSQL's binary timestamp. Without a zone the time is taken as UTC, the session's zone; `keep_local` ignores
/// the zone, as PostgreSQL does for a timestamp without one.
pub(in crate::db) fn parse_timestamp(text: &str, keep_local: bool) -> Option<i64> {
    if let Some(positive) = infinity(text) {
        return Some(if positive { i64::MAX } else { i64::MIN });
    }
    let parsed = parse_datetime(text)?;
    let offset = if keep_local { 0 } else { parsed.offset.unwrap_or(0) };
    i64::from(parsed.days).checked_mul(MICROS_PER_DAY)?.checked_add(parsed.micros)?.checked_sub(offset)
}

/// PostgreSQL's binary time of day: microseconds since midnight.
pub(in crate::db) fn parse_time(text: &str) -> Option<i64> {
    let (micros, rest) = parse_clock(text.trim())?;
    rest.is_empty().then_some(micros)
}

fn parse_datetime(text: &str) -> Option<Parsed> {
    let text = text.trim();
    let date_end = text.find([' ', 'T', 't']).unwrap_or(text.len());
    let mut parts = text[..date_end].splitn(3, '-');
    let year = number(parts.next()?, 4, 6)?;
    let (month, day) = (number(parts.next()?, 1, 2)?, number(parts.next()?, 1, 2)?);
    let days = days_of_date(year.into(), month, day);
    // Back and forth: the 31st of February must not become the 3rd of March. There is no year 0.
    if year == 0 || date_of_days(days) != (year.into(), month, day) {
        return None;
    }
    let days = i32::try_from(days - POSTGRES_EPOCH_DAYS).ok()?;
    if date_end == text.len() {
        return Some(Parsed { days, micros: 0, offset: None });
    }
    let (micros, rest) = parse_clock(text[date_end + 1..].trim_start())?;
    Some(Parsed { days, micros, offset: parse_offset(rest.trim())? })
}

/// `HH:MM[:SS[.fraction]]`, and what follows it.
fn parse_clock(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(text.len());
    let (clock, fraction) = match text[..end].split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (&text[..end], None),
    };
    let mut parts = clock.split(':');
    let hours = number(parts.next()?, 1, 2)?;
    let minutes = number(parts.next()?, 2, 2)?;
    let seconds = match parts.next() {
        Some(seconds) => number(seconds, 2, 2)?,
        None if fraction.is_none() => 0,
        None => return None,
    };
    let fraction_micros = match fraction {
        // More digits than PostgreSQL stores would need its rounding: refuse instead of guessing.
        Some(digits) if (1..=6).contains(&digits.len()) => number(digits, 1, 6)? * 10_u32.pow(6 - digits.len() as u32),
        Some(_) => return None,
        None => 0,
    };
    let micros = (i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds)) * 1_000_000
        + i64::from(fraction_micros);
    let fits = parts.next().is_none() && minutes < 60 && seconds < 60 && micros <= MICROS_PER_DAY;
    fits.then_some((micros, &text[end..]))
}

/// Nothing, `Z`, `+02`, `+0200` or `+02:00`, in microseconds.
fn parse_offset(text: &str) -> Option<Option<i64>> {
    if text.is_empty() {
        return Some(None);
    }
    if text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
        return Some(Some(0));
    }
    let sign = match text.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = &text[1..];
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "00"),
    };
    let (hours, minutes) = (number(hours, 2, 2)?, number(minutes, 2, 2)?);
    // PostgreSQL's own bound is below 16 hours.
    (hours < 16 && minutes < 60).then_some(Some(sign * (i64::from(hours) * 60 + i64::from(minutes)) * 60_000_000))
}

fn number(digits: &str, len_min: usize, len_max: usize) -> Option<u32> {
    let fits = (len_min..=len_max).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_people_write_are_read() {
        let micros = |text| parse_timestamp(text, false);
        let expected = Some(757_479_845_500_000);
        for text in [
            "2024-01-02 03:04:05.5",
            "2024-01-02T03:04:05.5Z",
            " 2024-01-02T03:04:05.500000+00:00 ",
            "2024-01-02 05:04:05.5+02",
            "2024-01-02 05:34:05.5+0230",
            "2024-01-01 22:04:05.5 -05:00",
            "2024-1-2 3:04:05.5 UTC",
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
        assert_eq!(micros("2024-01-02"), Some(757_468_800_000_000));
        assert_eq!(parse_timestamp("2024-01-02 03:04:05.5+09", true), expected, "the zone is ignored");
        assert_eq!(parse_date("2024-02-29 10:00"), Some(8825));
        assert_eq!((parse_time("03:04"), parse_time("24:00:00")), (Some(11_040_000_000), Some(MICROS_PER_DAY)));
        assert_eq!((parse_date("Infinity"), micros("-infinity")), (Some(i32::MAX), Some(i64::MIN)));
    }

    #[test]
    fn texts_that_need_a_guess_are_refused() {
        for text in [
            "",
            "now",
            "tomorrow",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "0000-01-01",
            "24-01-02",
            "01/02/2024",
            "2024-01-02 25:00:00",
            "2024-01-02 03:60:00",
            "2024-01-02 03:04:05.1234567",
            "2024-01-02 03:04:05 PM",
            "2024-01-02 03:04:05 Europe/Berlin",
            "2024-01-02 03:04:05+99",
            "2024-01-02T",
            "2024-01-02 03",
            "-2024-01-02",
            "2024-01-02 03:04:05+ä0",
        ] {
            assert_eq!(parse_timestamp(text, false), None, "{text}");
        }
        for text in ["03:04:05Z", "3", "24:00:01", "03:04.5", "ä"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
