//! Dates and times, between the numbers of the wire protocols and RFC 3339 (or the databases' own text, where that is
//! asked for).
//!
//! The calendar is the proleptic Gregorian one, as in PostgreSQL and MySQL. A fraction of a second is printed only
//! when it isn't zero, without trailing zeros. Years outside 0001 to 9999, which RFC 3339 can't express, are printed
//! as PostgreSQL prints them (`12024-01-01`, `0044-03-15 BC`).

mod parse;

pub(super) use parse::{parse_date, parse_time, parse_timestamp};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_UNIX_EPOCH: i64 = 719_468;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's clocks start.
const POSTGRES_EPOCH_DAYS: i64 = 10_957;

/// What stands between a date and its time, and what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `2024-01-02T03:04:05`
    Local,
    /// `2024-01-02T03:04:05Z`
    Moment,
    /// `2024-01-02 03:04:05`
    Sql,
    /// `2024-01-02 03:04:05+00`, as PostgreSQL has a moment.
    SqlMoment,
}

impl Form {
    fn separator(self) -> u8 {
        if matches!(self, Self::Local | Self::Moment) { b'T' } else { b' ' }
    }

    fn zone(self) -> &'static [u8] {
        match self {
            Self::Local | Self::Sql => b"",
            Self::Moment => b"Z",
            Self::SqlMoment => b"+00",
        }
    }

    /// The zone's bytes, the first one in the lowest, and how many they are.
    fn zone_padded(self) -> (u32, usize) {
        match self {
            Self::Local | Self::Sql => (0, 0),
            Self::Moment => (u32::from_le_bytes(*b"Z\0\0\0"), 1),
            Self::SqlMoment => (u32::from_le_bytes(*b"+00\0"), 3),
        }
    }
}

/// A date in days since 2000-01-01.
pub(super) fn write_postgres_date(out: &mut Vec<u8>, days: i32) {
    match days {
        i32::MAX => out.extend_from_slice(b"infinity"),
        i32::MIN => out.extend_from_slice(b"-infinity"),
        days => {
            let (year, month, day) = date_of_days(i64::from(days) + POSTGRES_EPOCH_DAYS);
            let before_christ = write_date(out, year, month, day);
            out.extend_from_slice(before_christ);
        }
    }
}

/// The day that was written last. Rows often follow each other in time, and then there is nothing to divide by.
#[derive(Debug, Default)]
pub(super) struct Day {
    /// Its first microsecond since 2000-01-01, and the ten bytes of its text, the first one in the lowest; of the years 0001
    /// to 9999.
    written: Option<(i64, u128)>,
}

impl Day {
    /// The microseconds since midnight, and the date of a day of the years 0001 to 9999.
    #[inline]
    fn of(&mut self, micros: i64) -> Option<(u64, u128)> {
        if self.written.is_none_or(|(first, _)| !is_within(micros, first)) {
            self.note(micros);
        }
        self.written.filter(|&(first, _)| is_within(micros, first)).map(|(first, text)| ((micros - first) as u64, text))
    }

    #[inline(never)]
    fn note(&mut self, micros: i64) {
        let days = micros.div_euclid(MICROS_PER_DAY);
        let (year, month, day) = date_of_days(days + POSTGRES_EPOCH_DAYS);
        if (1..10_000).contains(&year) {
            let mut text = [0; 16];
            text[..10].copy_from_slice(&date_text(year as u32, month, day));
            self.written = Some((days * MICROS_PER_DAY, u128::from_le_bytes(text)));
        }
    }
}

/// Whether a moment is of the day that begins with `first`.
#[inline]
fn is_within(micros: i64, first: i64) -> bool {
    (micros.wrapping_sub(first) as u64) < MICROS_PER_DAY as u64
}

/// A date and time in microseconds since 2000-01-01 00:00.
#[inline]
pub(super) fn write_postgres_timestamp(out: &mut Vec<u8>, micros: i64, form: Form, day: &mut Day) {
    let Some((of_day, date)) = day.of(micros) else { return write_strange_timestamp(out, micros, form) };
    let seconds = (of_day / 1_000_000) as u32;
    let fraction = (of_day % 1_000_000) as u32;
    // Put together in registers: what is stored part by part and then loaded as a whole waits for the cache.
    let clock = u64::from_le_bytes(clock_text(seconds / 3600, seconds / 60 % 60, seconds % 60));
    let head = date | u128::from(form.separator()) << 80 | u128::from(clock) << 88;
    let (zone, zone_bytes) = form.zone_padded();
    let tail = clock >> 40 | u64::from(zone) << 24;
    let start = out.len();
    out.extend_from_slice(&head.to_le_bytes());
    out.extend_from_slice(&tail.to_le_bytes());
    if fraction == 0 {
        out.truncate(start + 19 + zone_bytes);
    } else {
        out.truncate(start + 19);
        write_fraction(out, fraction);
        out.extend_from_slice(form.zone());
    }
}

/// Without an end, or outside of the years with four digits.
#[inline(never)]
fn write_strange_timestamp(out: &mut Vec<u8>, micros: i64, form: Form) {
    match micros {
        i64::MAX => out.extend_from_slice(b"infinity"),
        i64::MIN => out.extend_from_slice(b"-infinity"),
        micros => {
            let days = micros.div_euclid(MICROS_PER_DAY);
            let (year, month, day) = date_of_days(days + POSTGRES_EPOCH_DAYS);
            let before_christ = write_date(out, year, month, day);
            out.push(form.separator());
            write_time_of_day(out, micros - days * MICROS_PER_DAY);
            out.extend_from_slice(form.zone());
            out.extend_from_slice(before_christ);
        }
    }
}

/// A time of day in microseconds; PostgreSQL knows 24:00:00.
pub(super) fn write_time_of_day(out: &mut Vec<u8>, micros: i64) {
    let seconds = (micros / 1_000_000) as u32;
    write_clock(out, seconds / 3600, seconds / 60 % 60, seconds % 60, (micros % 1_000_000) as u32);
}

/// A date and time by its parts, as MySQL sends them.
pub(super) fn write_parts(out: &mut Vec<u8>, date: (u16, u8, u8), time: (u8, u8, u8, u32), form: Form) {
    write_date(out, i64::from(date.0).max(0), date.1.into(), date.2.into());
    out.push(form.separator());
    write_clock(out, time.0.into(), time.1.into(), time.2.into(), time.3);
    out.extend_from_slice(form.zone());
}

/// `HH:MM:SS[.ffffff]`; hours may have more digits, and micros are below a second.
pub(super) fn write_clock(out: &mut Vec<u8>, hours: u32, minutes: u32, seconds: u32, micros: u32) {
    if hours < 100 {
        out.extend_from_slice(&clock_text(hours, minutes, seconds));
    } else {
        let [[m, n], [s, t]] = [pair(minutes), pair(seconds)];
        write_padded(out, hours, 2); // an interval of MySQL
        out.extend_from_slice(&[b':', m, n, b':', s, t]);
    }
    if micros > 0 {
        write_fraction(out, micros);
    }
}

/// A point and six digits without their last zeros, of less than a second.
fn write_fraction(out: &mut Vec<u8>, micros: u32) {
    let [[a, b], [c, d], [e, f]] = [pair(micros / 10_000), pair(micros / 100 % 100), pair(micros % 100)];
    out.extend_from_slice(&[b'.', a, b, c, d, e, f]);
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

/// `YYYY-MM-DD`, for MySQL also with zeros for what is unknown. Gives the suffix of a year before Christ.
pub(super) fn write_date(out: &mut Vec<u8>, year: i64, month: u32, day: u32) -> &'static [u8] {
    // There is no year 0 in PostgreSQL's calendar, but MySQL's zero dates have one: they never come with a real month.
    let before_christ = year < 0 || (year == 0 && month > 0 && day > 0);
    let shown = if before_christ { 1 - year } else { year };
    if shown < 10_000 {
        out.extend_from_slice(&date_text(shown as u32, month, day));
    } else {
        let [[m, n], [d, e]] = [pair(month), pair(day)];
        write_padded(out, shown as u32, 4);
        out.extend_from_slice(&[b'-', m, n, b'-', d, e]);
    }
    if before_christ { b" BC" } else { b"" }
}

/// `YYYY-MM-DD`, of a year below 10,000.
fn date_text(year: u32, month: u32, day: u32) -> [u8; 10] {
    let [[c, b], [y, z], [m, n], [d, e]] = [pair(year / 100), pair(year % 100), pair(month), pair(day)];
    [c, b, y, z, b'-', m, n, b'-', d, e]
}

/// `HH:MM:SS`, of less than 100 hours.
///
/// Put together in a register, like a timestamp.
#[inline]
fn clock_text(hours: u32, minutes: u32, seconds: u32) -> [u8; 8] {
    let digits = |value: u32| u64::from(value / 10 + ((value % 10) << 8));
    let zeros_and_colons = u64::from_le_bytes(*b"00:00:00");
    (zeros_and_colons + digits(hours) + (digits(minutes) << 24) + (digits(seconds) << 48)).to_le_bytes()
}

/// Two digits of a part below 100. Dates are put together of these, a chunk for the date and one for the time: there is one
/// in most rows.
fn pair(value: u32) -> [u8; 2] {
    [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]
}

fn write_padded(out: &mut Vec<u8>, value: u32, width: usize) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(value).as_bytes();
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(digits.len())));
    out.extend_from_slice(digits);
}

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
fn date_of_days(days: i64) -> (i64, u32, u32) {
    let days = days + DAYS_TO_UNIX_EPOCH;
    let era = days.div_euclid(146_097);
    // Of 32 bits, whose divisions by constants take a third of the time.
    let day_of_era = days.rem_euclid(146_097) as u32;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (i64::from(year_of_era) + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(micros: i64) -> String {
        let mut out = Vec::new();
        write_postgres_timestamp(&mut out, micros, Form::Moment, &mut Day::default());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn as_sql_a_blank_stands_between_and_only_postgresql_s_moments_have_a_zone() {
        for (form, text) in [(Form::Sql, "2000-01-01 00:00:00.5"), (Form::SqlMoment, "2000-01-01 00:00:00.5+00")] {
            let mut out = Vec::new();
            write_postgres_timestamp(&mut out, 500_000, form, &mut Day::default());
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        let mut out = Vec::new();
        write_parts(&mut out, (2000, 1, 1), (0, 0, 0, 0), Form::Sql);
        assert_eq!(out, b"2000-01-01 00:00:00");
    }

    #[test]
    fn a_day_that_is_remembered_is_written_as_a_new_one() {
        // Around the years with a text of their own, before Christ and behind 9999, and twice the same.
        let mut day = Day::default();
        for days in [-730_485, -730_121, -730_120, -730_119, 0, 1, 2_921_939, 2_921_940, 0, -800_000, 0, 3_000_000, 0] {
            for micros in [0, 1, MICROS_PER_DAY - 1] {
                let micros = days * MICROS_PER_DAY + micros;
                let mut out = Vec::new();
                write_postgres_timestamp(&mut out, micros, Form::Moment, &mut day);
                assert_eq!(String::from_utf8(out).unwrap(), timestamp(micros));
            }
        }
        assert_eq!(timestamp(-730_119 * MICROS_PER_DAY), "0001-01-01T00:00:00Z");
        assert_eq!(timestamp(-730_120 * MICROS_PER_DAY), "0001-12-31T00:00:00Z BC");
        assert_eq!(timestamp(2_921_940 * MICROS_PER_DAY), "10000-01-01T00:00:00Z");
    }

    fn date(days: i32) -> String {
        let mut out = Vec::new();
        write_postgres_date(&mut out, days);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_fraction_is_printed_only_when_there_is_one() {
        assert_eq!(timestamp(0), "2000-01-01T00:00:00Z");
        assert_eq!(timestamp(757_479_845_678_901), "2024-01-02T03:04:05.678901Z");
        assert_eq!(timestamp(757_479_845_500_000), "2024-01-02T03:04:05.5Z");
        assert_eq!(timestamp(1), "2000-01-01T00:00:00.000001Z");
        assert_eq!(timestamp(-1), "1999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn the_ends_of_the_calendar_are_printed_as_postgresql_prints_them() {
        assert_eq!(date(0), "2000-01-01");
        assert_eq!(date(-730_119), "0001-01-01");
        assert_eq!(date(-730_120), "0001-12-31 BC");
        assert_eq!(date(2_921_940), "10000-01-01");
        assert_eq!((date(i32::MAX), date(i32::MIN)), ("infinity".into(), "-infinity".into()));
        assert_eq!((timestamp(i64::MAX), timestamp(i64::MIN)), ("infinity".into(), "-infinity".into()));
        assert_eq!(timestamp(-730_120 * MICROS_PER_DAY), "0001-12-31T00:00:00Z BC");
    }

    #[test]
    fn mysql_parts_keep_their_zeros() {
        let mut out = Vec::new();
        write_parts(&mut out, (0, 0, 0), (0, 0, 0, 0), Form::Local);
        assert_eq!(out, b"0000-00-00T00:00:00");
        out.clear();
        write_clock(&mut out, 838, 59, 59, 120_000);
        assert_eq!(out, b"838:59:59.12");
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_read_back(micros in -63_082_281_600_000_000_i64..252_455_615_999_999_999) {
            proptest::prop_assert_eq!(parse_timestamp(&timestamp(micros), false), Some(micros));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = (parse_timestamp(&text, false), parse_date(&text), parse_time(&text));
        }
    }
}
