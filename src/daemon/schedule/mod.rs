//! When to meet whom. Pure: the time is an argument, in milliseconds since the daemon began, and so is chance.

mod attempts;
mod rounds;

pub use attempts::Attempts;
pub use rounds::{Due, Mark, Meeting, Rounds};

/// Milliseconds since the daemon began.
pub type Moment = u64;

/// A draw below a bound that is not 0.
pub type Chance<'a> = &'a mut dyn FnMut(u64) -> u64;

/// The interval, a quarter more or less: peers that began together must not meet in step for ever.
pub fn jittered(interval_ms: u64, chance: Chance<'_>) -> u64 {
    let quarter = interval_ms / 4;
    interval_ms - quarter + chance(2 * quarter + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_varies_by_a_quarter_both_ways() {
        assert_eq!(jittered(10_000, &mut |_| 0), 7500);
        assert_eq!(jittered(10_000, &mut |bound| bound - 1), 12_500);
        assert_eq!(jittered(1, &mut |bound| bound - 1), 1);
    }
}
