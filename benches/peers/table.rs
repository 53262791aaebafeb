//! The table: medians, spread, bytes, memory, ratio.

use std::process::Command;
use std::time::Duration;

use crate::tool::{Measured, Tool};
use crate::{Options, data};

/// What the others are compared with: the first of them that did the work.
const MEASURES: [&str; 2] = ["rsync", "b3sum"];

/// One tool at one work.
pub struct Row {
    /// The work.
    pub work: &'static str,
    /// The tool.
    pub tool: &'static str,
    walls: Vec<Duration>,
    memory: u64,
    bytes: Option<u64>,
    /// Whether every result was right.
    pub right: bool,
}

impl Row {
    /// Gathers the calls of one tool at one work.
    pub fn new(work: &'static str, tool: &'static str, measured: &[Measured], right: bool) -> Row {
        let mut walls: Vec<Duration> = measured.iter().map(|call| call.wall).collect();
        walls.sort();
        let memory = measured.iter().map(|call| call.memory).max().unwrap_or(0);
        let mut bytes: Vec<Option<u64>> = measured.iter().map(|call| call.bytes).collect();
        bytes.sort();
        let bytes = bytes.get(bytes.len() / 2).copied().flatten();
        Row { work, tool, walls, memory, bytes, right }
    }

    fn median(&self) -> f64 {
        self.walls.get(self.walls.len() / 2).map_or(0.0, Duration::as_secs_f64)
    }
}

/// What was measured on what.
pub fn machine(options: &Options, tools: &[Tool]) -> String {
    let system = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kind = system("stat", &["-f", "-c", "%T", &options.work.display().to_string()]);
    let versions: Vec<String> = tools.iter().map(|tool| format!("{} ({})", tool.name, tool.version)).collect();
    let data = data::named(options);
    format!("Data: {data}, on {kind}; {cores} cores, Linux {}; {}.\n", system("uname", &["-r"]), versions.join(", "))
}

/// The whole table.
pub fn markdown(rows: &[Row]) -> String {
    let mut out =
        String::from("| work | tool | median s | min-max s | ratio | wire | memory |\n|---|---|--:|--:|--:|--:|--:|\n");
    for row in rows {
        let of = |tool: &str| rows.iter().find(|other| other.work == row.work && other.tool == tool).map(Row::median);
        let measure = MEASURES.into_iter().find_map(of).filter(|&measure| measure > 0.0);
        let ratio = measure.map_or("".into(), |measure| format!("{:.2}", row.median() / measure));
        let ends = |wall: Option<&Duration>| wall.map_or(0.0, Duration::as_secs_f64);
        let wrong = if row.right { "" } else { " (**wrong result**)" };
        out.push_str(&format!(
            "| {} | {}{wrong} | {:.3} | {:.3}-{:.3} | {ratio} | {} | {:.0} MiB |\n",
            row.work,
            row.tool,
            row.median(),
            ends(row.walls.first()),
            ends(row.walls.last()),
            row.bytes.map_or(String::new(), |bytes| format!("{:.1} kB", bytes as f64 / 1000.0)),
            row.memory as f64 / 1024.0,
        ));
    }
    out
}
