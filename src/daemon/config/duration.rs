//! Lengths of time as people write them: `500ms`, `10s`, `5m`, `1h`, `2d`.

use std::time::Duration;

/// Longer is not meant.
const MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads a length of time; it is longer than none.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    const WRONG: &str = "a time is a number with ms, s, m, h or d, such as 10s";
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(WRONG)?;
    let number: u64 = text[..split].parse().map_err(|_| WRONG)?;
    let unit_ms = match &text[split..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(WRONG),
    };
    let length = Duration::from_millis(number.checked_mul(unit_ms).ok_or(WRONG)?);
    if length.is_zero() || length > MAX {
        return Err("a time is longer than nothing and at most a year");
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        let table = [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000), ("2d", 172_800_000)];
        for (text, ms) in table {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "10", "s", "10 s", "1.5s", "-1s", "0s", "400d", "99999999999999999999s", "9999999999999999d"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
