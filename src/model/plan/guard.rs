//! The guard: how many deletes a run may make without being told so. Judges numbers; drops nothing itself.

/// How many deletes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Limit {
    /// Nothing was said: small trees may change as they like, large ones may not vanish.
    #[default]
    Default,
    /// At most this many.
    Count(u64),
    /// At most this part of the target's entries.
    Percent(u32),
}

/// What the guard judges by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guard {
    /// How many deletes are meant.
    pub limit: Limit,
    /// The source root has no entries: more likely not mounted than emptied.
    pub source_empty: bool,
}

impl Guard {
    /// Whether `deletes` of `entries` may go ahead.
    pub fn allows(&self, deletes: usize, entries: usize) -> bool {
        let (deletes, entries) = (deletes as u128, entries as u128);
        if deletes == 0 {
            return true;
        }
        match self.limit {
            Limit::Count(most) => deletes <= u128::from(most),
            // All is all, whatever counts as an entry.
            Limit::Percent(most) => most >= 100 || deletes * 100 <= u128::from(most) * entries,
            Limit::Default => {
                let half = entries >= 20 && deletes * 2 > entries;
                let many = entries >= 10_000 && deletes * 10 > entries;
                !(self.source_empty || half || many)
            }
        }
    }

    /// Why `deletes` of `entries` were held back, for a person.
    pub fn cause(&self, deletes: usize, entries: usize) -> String {
        let why = match self.limit {
            Limit::Default if self.source_empty => "the source is empty, so ",
            Limit::Default | Limit::Count(_) | Limit::Percent(_) => "",
        };
        format!("{why}{deletes} of {entries} entries would be deleted; --max-delete={deletes} says that this is meant")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_judges_by_the_table() {
        let table = [
            (Limit::Default, false, 0, 20, true),
            (Limit::Default, false, 19, 19, true),
            (Limit::Default, false, 10, 20, true),
            (Limit::Default, false, 11, 20, false),
            (Limit::Default, false, 4_999, 9_999, true),
            (Limit::Default, false, 1_000, 10_000, true),
            (Limit::Default, false, 1_001, 10_000, false),
            (Limit::Default, true, 0, 0, true),
            (Limit::Default, true, 1, 1, false),
            (Limit::Count(0), false, 1, 100_000, false),
            (Limit::Count(5), false, 5, 6, true),
            (Limit::Count(5), true, 5, 5, true),
            (Limit::Count(5), false, 6, 100_000, false),
            (Limit::Percent(50), false, 5, 10, true),
            (Limit::Percent(50), false, 6, 10, false),
            (Limit::Percent(100), true, 7, 7, true),
            (Limit::Percent(100), true, 8, 7, true),
        ];
        for (limit, source_empty, deletes, entries, allowed) in table {
            let guard = Guard { limit, source_empty };
            assert_eq!(guard.allows(deletes, entries), allowed, "{guard:?} {deletes} of {entries}");
        }
    }
}
