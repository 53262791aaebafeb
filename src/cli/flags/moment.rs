//! A time as people type it: a date, or how long ago.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::date::Date;

/// A time, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(u64);

impl Moment {
    /// Seconds since 1970.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    fn parse(text: &str, now: u64) -> Option<Moment> {
        if let Some(date) = Date::parse(text) {
            return date.seconds().map(Moment);
        }
        let unit = text.chars().next_back()?;
        let number: u64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return None,
        };
        Some(Moment(now.saturating_sub(number.checked_mul(seconds)?)))
    }
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Moment, &'static str> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Moment::parse(text, now)
            .ok_or("it takes how long ago, such as 12h, 7d or 4w, or a date such as 2026-11-23T14:30")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_an_age() {
        let now = 1_795_405_500;
        let table = [
            ("0s", Some(now)),
            ("90s", Some(now - 90)),
            ("2h", Some(now - 7200)),
            ("7d", Some(now - 7 * 86_400)),
            ("9999999w", Some(0)),
            ("2026-11-23T03:45", Some(now)),
            ("d", None),
            ("7", None),
            ("-7d", None),
            ("7é", None),
            ("99999999999999999999d", None),
            ("", None),
        ];
        for (text, seconds) in table {
            assert_eq!(Moment::parse(text, now).map(Moment::seconds), seconds, "{text}");
        }
    }
}
