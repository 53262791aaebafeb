//! Points in time for people and programs: the proleptic Gregorian calendar in UTC, whatever the year.

use crate::model::Time;

const DAY_SECS: i64 = 86_400;

/// `2026-11-23 07:02:47Z`.
pub fn shown(time: Time) -> String {
    let (date, clock) = parts(time.secs);
    format!("{date} {clock}Z")
}

/// `2026-11-23T07:02:47.000000123Z`: every digit that there is.
pub fn exact(time: Time) -> String {
    let (date, clock) = parts(time.secs);
    format!("{date}T{clock}.{:09}Z", time.nanos)
}

fn parts(secs: i64) -> (String, String) {
    let (day, second) = (secs.div_euclid(DAY_SECS), secs.rem_euclid(DAY_SECS));
    let (year, month, day) = date(day);
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    (format!("{year:04}-{month:02}-{day:02}"), clock)
}

/// The date of a day counted from 1970-01-01. Years begin in March here, so that the leap day is the last of its year.
fn date(day: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    // 1970-01-01 is this many days after 0000-03-01.
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(ERA_DAYS), day.rem_euclid(ERA_DAYS));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let table = [
            (0, "1970-01-01 00:00:00Z"),
            (-1, "1969-12-31 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_000_000_000, "2001-09-09 01:46:40Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
            (16_283_462_400, "2486-01-01 00:00:00Z"),
            (-62_167_219_200, "0000-01-01 00:00:00Z"),
        ];
        for (secs, text) in table {
            assert_eq!(shown(Time { secs, nanos: 5 }), text);
        }
        assert_eq!(exact(Time { secs: -1, nanos: 999_999_999 }), "1969-12-31T23:59:59.999999999Z");
        // No time that a file can have is a panic.
        for secs in [i64::MIN, i64::MAX] {
            assert!(!shown(Time { secs, nanos: 0 }).is_empty());
        }
    }
}
