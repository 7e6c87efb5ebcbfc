//! The Date field (RFC 9110 5.6.7), written once a second.

const std = @import("std");

pub const Text = [29]u8;

/// `Sun, 06 Nov 1994 08:49:37 GMT`. Until the year 9999, where the format ends.
pub fn format(unix_seconds: u64) Text {
    const seconds = @min(unix_seconds, last_second);
    const epoch: std.time.epoch.EpochSeconds = .{ .secs = seconds };
    const day = epoch.getEpochDay();
    const year_day = day.calculateYearDay();
    const month_day = year_day.calculateMonthDay();
    const time = epoch.getDaySeconds();
    var text: Text = "Thu, 00 Jan 0000 00:00:00 GMT".*;
    // The epoch was a Thursday.
    text[0..3].* = ("ThuFriSatSunMonTueWed"[(day.day % 7) * 3 ..][0..3]).*;
    text[8..11].* = ("JanFebMarAprMayJunJulAugSepOctNovDec"[(@as(usize, month_day.month.numeric()) - 1) * 3 ..][0..3]).*;
    text[5..7].* = twoDigits(month_day.day_index + 1);
    text[12..14].* = twoDigits(year_day.year / 100);
    text[14..16].* = twoDigits(year_day.year % 100);
    text[17..19].* = twoDigits(time.getHoursIntoDay());
    text[20..22].* = twoDigits(time.getMinutesIntoHour());
    text[23..25].* = twoDigits(time.getSecondsIntoMinute());
    return text;
}

const last_second = 253_402_300_799;

fn twoDigits(number: anytype) [2]u8 {
    return .{ '0' + @as(u8, @intCast(number / 10)), '0' + @as(u8, @intCast(number % 10)) };
}

pub const Cache = struct {
    second: u64 = 0,
    text: Text = format(0),

    /// The text of this second, which holds until the next call.
    pub inline fn at(cache: *Cache, unix_seconds: u64) *const Text {
        if (unix_seconds != cache.second) {
            cache.second = unix_seconds;
            cache.text = format(unix_seconds);
        }
        return &cache.text;
    }
};

test "dates_are_those_of_the_rfc" {
    try std.testing.expectEqualStrings("Sun, 06 Nov 1994 08:49:37 GMT", &format(784_111_777));
    try std.testing.expectEqualStrings("Thu, 01 Jan 1970 00:00:00 GMT", &format(0));
    try std.testing.expectEqualStrings("Tue, 29 Feb 2000 23:59:59 GMT", &format(951_868_799));
    try std.testing.expectEqualStrings("Fri, 31 Dec 9999 23:59:59 GMT", &format(last_second));
    try std.testing.expectEqualStrings("Fri, 31 Dec 9999 23:59:59 GMT", &format(std.math.maxInt(u64)));
}

test "the_cache_is_never_of_another_second" {
    var cache: Cache = .{};
    var second: u64 = 1_700_000_000;
    while (second < 1_700_000_000 + 200_000) : (second += 777) {
        try std.testing.expectEqualStrings(&format(second), cache.at(second));
        try std.testing.expectEqualStrings(&format(second), cache.at(second));
    }
    try std.testing.expectEqualStrings(&format(0), cache.at(0));
}
