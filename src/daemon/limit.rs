//! Holds what is sent to the limit of the hour: the timetable says it, the clock on the wall picks the line, and the node obeys.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::hub::Hub;
use super::journal::Level;

/// A timetable changes with the minute at most.
const MINUTE_S: u64 = 60;
/// Without a limit there is nothing to look at a clock for.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// Obeys the timetable, for ever.
pub async fn keep(hub: Arc<Hub>) {
    let mut configured = hub.reconfigured();
    let mut before = None;
    loop {
        let timetable = hub.timetable();
        let now = jiff::Zoned::now();
        let minute = now.hour() as u16 * 60 + now.minute() as u16;
        let rate = timetable.at(minute);
        if rate != before {
            hub.node.limit(rate.and_then(NonZeroU64::new));
            let told = rate.map_or_else(|| "off".to_owned(), |rate| rate.to_string());
            hub.journal.say(Level::Info, "limit", vec![("bytes a second", told)]);
            before = rate;
        }
        let next = if timetable.is_empty() { NEVER } else { Duration::from_secs(MINUTE_S - now.second() as u64) };
        tokio::select! {
            () = tokio::time::sleep(next) => {}
            changed = configured.changed() => if changed.is_err() { return },
        }
    }
}
