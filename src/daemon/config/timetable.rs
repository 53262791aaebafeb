//! How much may be sent, by the time of day: `08:00,512k 19:00,off`. Pure: what time it is comes from whoever asks.

use std::fmt;
use std::str::FromStr;

/// The most entries.
const ENTRIES_MAX: usize = 48;
const MINUTES_A_DAY: u16 = 24 * 60;

/// Rates, each from its minute of the day until the next one's. The default sets no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timetable(Vec<(u16, Rate)>);

/// Bytes a second; `None` is as many as go.
pub type Rate = Option<u64>;

impl Timetable {
    /// What holds at a minute of the day, counted from midnight. Before the first entry the last one holds: it came yesterday.
    pub fn at(&self, minute: u16) -> Rate {
        let before = self.0.iter().rev().find(|(from, _)| *from <= minute % MINUTES_A_DAY);
        before.or(self.0.last()).and_then(|(_, rate)| *rate)
    }

    /// Whether there is ever a limit.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, rate)| rate.is_none())
    }
}

impl FromStr for Timetable {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Timetable, &'static str> {
        const WRONG: &str = "a limit is a rate such as 512k or off, or times with rates: 08:00,512k 19:00,off";
        let words: Vec<&str> = text.split_whitespace().collect();
        if let [one] = words[..]
            && !one.contains(',')
        {
            return Ok(Timetable(vec![(0, rate(one).ok_or(WRONG)?)]));
        }
        let mut entries = Vec::new();
        for word in words {
            let (time, limit) = word.split_once(',').ok_or(WRONG)?;
            entries.push((minute(time).ok_or(WRONG)?, rate(limit).ok_or(WRONG)?));
        }
        entries.sort_by_key(|(from, _)| *from);
        if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) || entries.len() > ENTRIES_MAX {
            return Err("a timetable has each time once, and at most 48");
        }
        Ok(Timetable(entries))
    }
}

impl fmt::Display for Timetable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (from, rate)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(out, "{gap}{:02}:{:02},", from / 60, from % 60)?;
            match rate {
                Some(bytes) => write!(out, "{bytes}B")?,
                None => out.write_str("off")?,
            }
        }
        Ok(())
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok())?;
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// As in rsync a bare number counts KiB a second.
fn rate(text: &str) -> Option<Rate> {
    if text == "off" {
        return Some(None);
    }
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().ok()?;
    let unit = match &text[split..] {
        "B" => 1,
        "" | "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit).filter(|&bytes| bytes > 0).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rate_holds_until_the_next_and_the_last_until_tomorrow() {
        let table: Timetable = "08:00,512k 19:00,off 12:30,1M".parse().expect("legal");
        for (hour, rate) in [(0, None), (7, None), (8, Some(512 << 10)), (13, Some(1 << 20)), (19, None), (23, None)] {
            assert_eq!(table.at(hour * 60), rate, "{hour}");
        }
        assert_eq!(Timetable::default().at(600), None);
        assert_eq!("100".parse::<Timetable>().map(|table| table.at(1)), Ok(Some(100 << 10)));
        assert!("off".parse::<Timetable>().is_ok_and(|table| table.is_empty()));
    }

    #[test]
    fn it_is_read_back_as_it_is_shown() {
        for text in ["08:00,512k 19:00,off", "7B", ""] {
            let table: Timetable = text.parse().expect("legal");
            assert_eq!(table.to_string().parse(), Ok(table));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in ["x", "0", "8:00,1k", "24:00,1k", "08:60,1k", "08:00", "08:00,1k 08:00,2k", "08:00,-1k", "1T"] {
            assert!(wrong.parse::<Timetable>().is_err(), "{wrong}");
        }
    }
}
