//! Dates in UTC, as numbers and as text. Pure: what time it is comes from whoever asks.

/// A second of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// With four digits.
    pub year: u64,
    /// From 1.
    pub month: u64,
    /// From 1.
    pub day: u64,
    /// Of the day.
    pub hour: u64,
    /// Of the hour.
    pub minute: u64,
    /// Of the minute.
    pub second: u64,
}

/// The last year that has four digits.
const YEAR_MAX: u64 = 9999;

impl Date {
    /// The date of so many seconds after 1970 began. Days are turned into a date by counting in eras of 400 years that
    /// start in March.
    pub fn of_seconds(seconds: u64) -> Date {
        let (days, seconds) = (seconds / 86_400 + 719_468, seconds % 86_400);
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = (era * 400 + year + u64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
        Date { year, month, day, hour: seconds / 3600, minute: seconds / 60 % 60, second: seconds % 60 }
    }

    /// Seconds since 1970 began; `None` where the calendar has no such date.
    pub fn seconds(self) -> Option<u64> {
        let Date { year, month, day, hour, minute, second } = self;
        let legal = (1970..=YEAR_MAX).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !legal || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (from_march, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, of_era) = (from_march / 400, from_march % 400);
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1;
        let seconds = (days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second;
        // The 31st of a month of 30 days is a day of the next one: it does not come back as it was.
        (Date::of_seconds(seconds) == self).then_some(seconds)
    }

    /// Reads `20261123T034500Z`, or with `-` and `:` between the numbers and a blank for the `T`; a time that stops
    /// after the day or the minute means its first second.
    pub fn parse(text: &str) -> Option<Date> {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let known = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | ' ' | 'Z'));
        if !known || !matches!(digits.len(), 8 | 12 | 14) {
            return None;
        }
        let number = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |part| part.parse().ok());
        let date = Date {
            year: number(0, 4)?,
            month: number(4, 6)?,
            day: number(6, 8)?,
            hour: number(8, 10)?,
            minute: number(10, 12)?,
            second: number(12, 14)?,
        };
        date.seconds().map(|_| date)
    }

    /// `20261123T034500Z`: sorts as the time does, and is a legal name anywhere.
    pub fn compact(self) -> String {
        let Date { year, month, day, hour, minute, second } = self;
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

/// `2026-11-23T03:45:00Z`.
impl std::fmt::Display for Date {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Date { year, month, day, hour, minute, second } = self;
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [(u64, &str, &str); 5] = [
        (0, "19700101T000000Z", "1970-01-01T00:00:00Z"),
        (951_782_400, "20000229T000000Z", "2000-02-29T00:00:00Z"),
        (1_795_405_500, "20261123T034500Z", "2026-11-23T03:45:00Z"),
        (4_107_542_399, "21000228T235959Z", "2100-02-28T23:59:59Z"),
        (4_107_542_400, "21000301T000000Z", "2100-03-01T00:00:00Z"),
    ];

    #[test]
    fn seconds_and_dates_are_each_others_inverse() {
        for (seconds, compact, long) in TABLE {
            let date = Date::of_seconds(seconds);
            assert_eq!((date.compact().as_str(), date.to_string().as_str()), (compact, long));
            assert_eq!((Date::parse(compact), Date::parse(long)), (Some(date), Some(date)));
            assert_eq!(date.seconds(), Some(seconds));
        }
        for day in 0..60_000 {
            let seconds = day * 86_400 + day;
            assert_eq!(Date::of_seconds(seconds).seconds(), Some(seconds));
        }
    }

    #[test]
    fn a_date_may_stop_early_and_must_be_one() {
        let parsed = |text| Date::parse(text).and_then(Date::seconds);
        assert_eq!(parsed("2026-11-23"), parsed("2026-11-23T00:00:00Z"));
        assert_eq!(parsed("2026-11-23 03:45"), Some(1_795_405_500));
        for wrong in ["", "2026", "2026-13-01", "2026-02-30", "2026-11-23T24:00", "yesterday", "1969-12-31"] {
            assert_eq!(Date::parse(wrong), None, "{wrong}");
        }
    }
}
