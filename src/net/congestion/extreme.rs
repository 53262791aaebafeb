//! The least and the greatest of what was seen lately: enough memory for two spans, so that what is older than both is forgotten.

use std::time::Duration;

/// The least duration of the present span and the one before it.
#[derive(Debug, Clone)]
pub(super) struct Least {
    span: Duration,
    since: Duration,
    present: Option<Duration>,
    before: Option<Duration>,
}

impl Least {
    pub(super) const fn new(span: Duration) -> Self {
        Self { span, since: Duration::ZERO, present: None, before: None }
    }

    pub(super) fn see(&mut self, now: Duration, value: Duration) {
        if now.saturating_sub(self.since) >= self.span {
            self.before = self.present.take();
            self.since = now;
        }
        self.present = Some(self.present.map_or(value, |present| present.min(value)));
    }

    pub(super) fn value(&self) -> Option<Duration> {
        match (self.present, self.before) {
            (Some(present), Some(before)) => Some(present.min(before)),
            (present, before) => present.or(before),
        }
    }
}

/// Samples of a part.
const PART_COUNT: u32 = 8;
/// A part lasts so long at least: whatever comes late together after a pause of ours is one sample.
const PART: Duration = Duration::from_millis(4);

/// The least of the last two parts of what was seen, each of several samples and milliseconds: a late one that stands alone is not believed.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    count: u32,
    since: Duration,
    present: Duration,
    before: Option<Duration>,
}

impl Recent {
    pub(super) const fn new() -> Self {
        Self { count: 0, since: Duration::ZERO, present: Duration::MAX, before: None }
    }

    /// Takes a sample; `None` where there were too few.
    pub(super) fn see(&mut self, now: Duration, value: Duration) -> Option<Duration> {
        if self.count >= PART_COUNT && now.saturating_sub(self.since) >= PART {
            *self = Self { count: 0, since: now, present: Duration::MAX, before: Some(self.present) };
        }
        self.count += 1;
        self.present = self.present.min(value);
        self.before.filter(|_| self.count >= PART_COUNT).map(|before| before.min(self.present))
    }
}

/// The greatest of the last few values.
#[derive(Debug, Clone)]
pub(super) struct Greatest<const COUNT: usize> {
    values: [f64; COUNT],
    next: usize,
}

impl<const COUNT: usize> Greatest<COUNT> {
    pub(super) const fn new() -> Self {
        Self { values: [0.0; COUNT], next: 0 }
    }

    pub(super) fn see(&mut self, value: f64) {
        self.values[self.next] = value;
        self.next = (self.next + 1) % COUNT;
    }

    pub(super) fn value(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_forgotten_after_two_spans_and_not_before_one() {
        let at = Duration::from_secs;
        let mut least = Least::new(at(5));
        least.see(at(0), Duration::from_millis(10));
        least.see(at(4), Duration::from_millis(30));
        least.see(at(6), Duration::from_millis(30));
        assert_eq!(least.value(), Some(Duration::from_millis(10)));
        least.see(at(12), Duration::from_millis(40));
        assert_eq!(least.value(), Some(Duration::from_millis(30)));
    }

    #[test]
    fn what_comes_late_together_is_one_sample() {
        let ms = Duration::from_millis;
        let mut recent = Recent::new();
        let usual = (0..32).filter_map(|at| recent.see(ms(at), ms(10))).last();
        assert_eq!(usual, Some(ms(10)));
        // A pause of ours: all at once, and all late.
        let late = (0..32).filter_map(|_| recent.see(ms(40), ms(18))).last();
        assert_eq!(late, Some(ms(10)));
        let queued = (41..60).filter_map(|at| recent.see(ms(at), ms(18))).last();
        assert_eq!(queued, Some(ms(18)));
    }

    #[test]
    fn the_greatest_is_of_the_last_few() {
        let mut greatest = Greatest::<3>::new();
        for value in [9.0, 1.0, 2.0] {
            greatest.see(value);
        }
        assert!((greatest.value() - 9.0).abs() < f64::EPSILON);
        greatest.see(3.0);
        assert!((greatest.value() - 3.0).abs() < f64::EPSILON);
    }
}
