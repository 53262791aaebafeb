//! Numbers for people: sizes, counts, times. Decimal units, as disks and networks are sold.

/// Bytes in the largest unit that keeps a number of at least one: `0 B`, `38.2 kB`, `3.1 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut unit = 1000_u128;
    let mut name = 0;
    // Tenths are rounded before the unit is chosen, so that 999,950 is `1.0 MB` and never `1000.0 kB`.
    let tenths = loop {
        let tenths = (u128::from(count) * 10 + unit / 2) / unit;
        if tenths < 10_000 || name + 1 == UNITS.len() {
            break tenths;
        }
        unit *= 1000;
        name += 1;
    };
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[name])
}

/// A count with its noun: `1 delete`, `2 renames`. The plural is formed with `s`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A count of entries: `1 entry`, `2 entries`.
pub fn entries(number: u64) -> String {
    if number == 1 { "1 entry".into() } else { format!("{number} entries") }
}

/// Seconds to the hundredth: `0.41 s`.
pub fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

/// The time that is left, in the largest two units: `4 s`, `2 min 05 s`, `1 h 12 min`.
pub fn left(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_never_shows_four_digits_before_the_point() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (38_249, "38.2 kB"),
            (38_250, "38.3 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (3_100_000, "3.1 MB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (count, text) in table {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn one_is_singular_and_none_is_plural() {
        assert_eq!([count(0, "file"), count(1, "file"), count(2, "file")], ["0 files", "1 file", "2 files"]);
    }

    #[test]
    fn time_left_has_at_most_two_units() {
        assert_eq!([left(4), left(125), left(4330)], ["4 s", "2 min 05 s", "1 h 12 min"]);
    }
}
