//! Figures in the text form of Prometheus. Pure.

use std::fmt::Write;

use crate::daemon::control::status::{Liveness, ShareNow, Status};

/// One figure of a share: its name, its kind, what it means, and its value.
type Figure = (&'static str, &'static str, &'static str, fn(&ShareNow) -> f64);

const OF_SHARES: [Figure; 17] = [
    ("alike_share_alike", "gauge", "Whether all members hold and show the same.", |share| {
        f64::from(u8::from(share.alike))
    }),
    ("alike_share_entries", "gauge", "Paths agreed on.", |share| share.entries as f64),
    ("alike_share_bytes", "gauge", "Bytes of the files on disk.", |share| share.bytes as f64),
    ("alike_share_wanted", "gauge", "Paths that the disk does not show yet.", |share| share.wanted.unwrap_or(0) as f64),
    ("alike_share_conflicts", "gauge", "Conflict copies.", |share| share.conflicts as f64),
    ("alike_share_held_deletes", "gauge", "Deletes that the guard holds.", |share| share.held.len() as f64),
    ("alike_share_problems", "gauge", "Paths that failed.", |share| share.problems.len() as f64),
    ("alike_share_files_total", "counter", "Files put in place.", |share| share.files as f64),
    ("alike_share_content_bytes_total", "counter", "Bytes of content that came.", |share| share.content_bytes as f64),
    ("alike_share_rounds_total", "counter", "Meetings that ended well.", |share| share.rounds as f64),
    ("alike_share_failed_rounds_total", "counter", "Meetings that did not.", |share| share.failed_rounds as f64),
    ("alike_share_round_trips_total", "counter", "Round trips of all meetings.", |share| share.round_trips as f64),
    ("alike_share_meeting_bytes_total", "counter", "Bytes that were said and heard in all meetings.", |share| {
        share.meeting_bytes as f64
    }),
    ("alike_share_scrubbed_bytes_total", "counter", "Bytes read again.", |share| share.scrubbed_bytes as f64),
    ("alike_share_rotted_total", "counter", "Files found rotten.", |share| share.rotted as f64),
    ("alike_share_rotten", "gauge", "Files that are rotten still.", |share| share.rotten.len() as f64),
    ("alike_share_scan_seconds", "gauge", "How long the last look took.", |share| share.look_ms as f64 / 1000.0),
];

/// All figures.
pub fn text(status: &Status) -> String {
    let mut text = String::new();
    let daemon = &status.daemon;
    head(&mut text, "alike_up_seconds", "gauge", "Since when the daemon runs.");
    line(&mut text, "alike_up_seconds", "", daemon.uptime_s as f64);
    head(&mut text, "alike_udp_bytes_total", "counter", "Bytes of UDP payload.");
    line(&mut text, "alike_udp_bytes_total", "direction=\"sent\"", daemon.sent as f64);
    line(&mut text, "alike_udp_bytes_total", "direction=\"received\"", daemon.received as f64);
    for (name, kind, help, value) in OF_SHARES {
        head(&mut text, name, kind, help);
        for share in &status.shares {
            line(&mut text, name, &format!("share=\"{}\"", share.name), value(share));
        }
    }
    head(&mut text, "alike_members", "gauge", "Other members by state.");
    for share in &status.shares {
        for (state, word) in [(Liveness::Alive, "alive"), (Liveness::Suspect, "suspect"), (Liveness::Down, "down")] {
            let count = share.members.iter().filter(|member| member.state == state).count();
            line(&mut text, "alike_members", &format!("share=\"{}\",state=\"{word}\"", share.name), count as f64);
        }
    }
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, value: f64) {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _ = writeln!(text, "{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::web::page::tests::sample;

    #[test]
    fn every_line_is_a_comment_or_a_name_with_a_number() {
        let text = text(&sample());
        assert!(text.contains("alike_share_alike{share=\"docs\"} 0\n"), "{text}");
        assert!(text.contains("alike_members{share=\"docs\",state=\"down\"} 1\n"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            assert!(name.starts_with("alike_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
