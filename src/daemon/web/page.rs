//! The page: how everything stands, as HTML that needs no script to be read and no mouse to be used. Pure.

use std::fmt::Write;

use crate::daemon::control::status::{At, Liveness, MemberNow, ShareNow, Status};
use crate::daemon::journal::Line;
use crate::daemon::look::count;

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
table{border-collapse:collapse;width:100%}caption{text-align:left;font-weight:600}\
th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884;vertical-align:top}\
.good{color:light-dark(#156d2c,#7ee29a)}.bad{color:light-dark(#a11,#ff9a9a)}code{overflow-wrap:anywhere}";

/// Takes over what the daemon tells; without it the page shows what was so when it was opened.
const SCRIPT: &str = "\
const main=document.querySelector('main');const live=new EventSource('events');\
live.onmessage=event=>{main.innerHTML=JSON.parse(event.data)};\
live.onerror=()=>{document.querySelector('#live').textContent='The daemon does not answer.'};\
live.onopen=()=>{document.querySelector('#live').textContent='Shown as it changes.'};";

/// Whether the page goes on telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The daemon serves it.
    Live,
    /// It is a file.
    Still,
}

/// The whole page.
pub fn render(status: &Status, events: &[Line], life: Life) -> String {
    let title = format!("alike on {}", escaped(&status.daemon.name));
    let (note, script) = match life {
        Life::Live => ("Shown as it was when the page was opened.", format!("<script>{SCRIPT}</script>")),
        Life::Still => ("Shown as it was when the page was made.", String::new()),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head>\n<body><h1>{title}</h1>\
         <p id=\"live\" role=\"status\">{note}</p>\n<main>{}</main>{script}</body></html>\n",
        main(status, events)
    )
}

/// What changes of it.
pub fn main(status: &Status, events: &[Line]) -> String {
    let mut html = String::new();
    if let Some(problem) = &status.daemon.config_problem {
        put(&mut html, format_args!("<p class=\"bad\">The configuration is not in use: {}</p>\n", escaped(problem)));
    }
    if status.shares.is_empty() {
        html.push_str("<p>There are no shares.</p>\n");
    }
    status.shares.iter().for_each(|share| self::share(&mut html, share));
    if !events.is_empty() {
        html.push_str("<h2>What happened</h2>\n<table><thead><tr><th scope=\"col\">When</th><th scope=\"col\">What</th></tr></thead><tbody>\n");
        for line in events {
            let seconds = line.at.duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let facts: Vec<String> =
                line.facts.iter().map(|(name, value)| format!("{name}: {}", escaped(value))).collect();
            let at = crate::model::date::Date::of_seconds(seconds);
            put(
                &mut html,
                format_args!(
                    "<tr><td>{at}</td><td>{} <code>{}</code></td></tr>\n",
                    escaped(line.what),
                    facts.join(", ")
                ),
            );
        }
        html.push_str("</tbody></table>\n");
    }
    html
}

fn share(html: &mut String, share: &ShareNow) {
    let (class, word) = match (share.alike, share.at) {
        (true, _) => ("good", "alike"),
        (false, At::Paused) => ("", "paused"),
        (false, At::Lent) => ("", "a command works on it"),
        (false, At::Opening) => ("", "opening"),
        (false, _) if share.alike_live => ("good", "alike with all that are alive"),
        (false, _) => ("bad", "not alike"),
    };
    put(
        html,
        format_args!("<section><h2>{}: <span class=\"{class}\">{word}</span></h2>\n", escaped(share.name.as_str())),
    );
    put(
        html,
        format_args!(
            "<p><code>{}</code>, {}, {}, {} bytes",
            escaped(&share.root.to_string_lossy()),
            share.role,
            count(share.entries, "entry", "entries"),
            share.bytes
        ),
    );
    if let Some(looked) = share.looked_s {
        put(html, format_args!(", looked at {looked} s ago"));
    }
    html.push_str("</p>\n");
    if !share.why.is_empty() {
        html.push_str("<ul>\n");
        share.why.iter().for_each(|why| put(html, format_args!("<li>{}</li>\n", escaped(why))));
        html.push_str("</ul>\n");
    }
    if share.conflicts > 0 {
        put(html, format_args!("<p class=\"bad\">{} conflict copies stand beside plain names.</p>\n", share.conflicts));
    }
    for problem in share.problems.iter().chain(&share.held) {
        put(
            html,
            format_args!("<p class=\"bad\"><code>{}</code>: {}</p>\n", escaped(&problem.path), escaped(&problem.cause)),
        );
    }
    for (paths, what) in [(&share.rotten, "has rotted"), (&share.local, "was changed here alone")] {
        for path in paths {
            put(html, format_args!("<p class=\"bad\"><code>{}</code> {what}.</p>\n", escaped(path)));
        }
    }
    html.push_str(
        "<table><caption>Members</caption><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">State</th>\
         <th scope=\"col\">Role</th><th scope=\"col\">Address</th><th scope=\"col\">Round trip</th></tr></thead><tbody>\n",
    );
    share.members.iter().for_each(|member| self::member(html, member));
    html.push_str("</tbody></table></section>\n");
}

fn member(html: &mut String, member: &MemberNow) {
    let (class, state) = match member.state {
        Liveness::Own => ("", "this device"),
        Liveness::Alive => ("good", "alive"),
        Liveness::Suspect => ("bad", "does not answer"),
        Liveness::Down => ("bad", "down"),
    };
    let address = member.address.map_or_else(String::new, |address| address.to_string());
    let rtt = member.rtt_ms.map_or_else(String::new, |rtt| format!("{rtt:.1} ms"));
    let name = escaped(&member.name);
    put(
        html,
        format_args!(
            "<tr><th scope=\"row\">{name}</th><td class=\"{class}\">{state}</td><td>{}</td><td>{address}</td><td>{rtt}</td></tr>\n",
            member.role
        ),
    );
}

fn put(html: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = html.write_fmt(what);
}

/// Text that is no markup, whoever wrote it.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

/// What other tests of pages and figures use, too.
#[cfg(test)]
pub mod tests {
    use super::*;

    /// A share of two members, of which one is down and has an odd name.
    pub fn sample() -> Status {
        let member = |name: &str, state: &str| {
            serde_json::json!({"name": name, "key": "k", "role": "rw", "state": state, "address": null, "rtt_ms": null,
                "seen_s": null, "alike": null, "wanted": null, "why": null, "sent": 0, "received": 0})
        };
        let share = serde_json::json!({"name": "docs", "id": "0", "root": "/d", "role": "rw", "at": "resting", "alike": false,
            "alike_live": true, "why": ["<i> is down"], "top": "", "knowledge": "", "entries": 1, "bytes": 2, "wanted": 0,
            "conflicts": 0, "held": [], "problems": [], "members": [member("desk", "own"), member("<script>", "down")],
            "watch": {"watching": true, "directories": 1, "problem": null}, "looked_s": 1, "look_ms": 2, "rounds": 3,
            "failed_rounds": 0, "round_trips": 4, "meeting_bytes": 9, "files": 5, "content_bytes": 6, "rate": 0});
        let shares = vec![serde_json::from_value(share).expect("a share")];
        Status { daemon: Default::default(), shares }
    }

    #[test]
    fn what_others_are_called_is_never_markup() {
        let html = render(&sample(), &[], Life::Still);
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
        assert!(html.contains("alike with all that are alive"));
        assert!(html.contains(", 1 entry, 2 bytes"), "{html}");
        assert!(render(&sample(), &[], Life::Live).contains("EventSource"));
    }
}
