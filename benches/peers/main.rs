//! alike beside its peers, on the same work, alternating, in one run: `cargo bench --bench peers -- [--quick] [--data DIR]
//! [--work DIR] [--runs N] [--only TEXT] [--no-ssh]`. Prints a Markdown table with medians, spread, bytes on the wire, peak memory, and the
//! ratio to rsync, or to b3sum where files are only read. Every result is checked: a tool that leaves the target different is
//! reported as wrong, not as fast.
//!
//! Expected from a sketch, on two cores: no change = two stat walks, 0.15 s for 79,000 files and 1.6 s for a million; first
//! copy = read, hash and write everything once, about 1.3 GB / (0.6 GB/s) = 2.1 s on tmpfs; first index = open, read and hash
//! each file, 1.3 GB in 79,000 files 0.32 s; one file of 4 GiB at 10.4 GiB/s 0.4 s.

// A measuring program prints its table, and says on the way what it is at.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod data;
#[path = "../../tests/harness/sshd.rs"]
mod sshd;
mod syncthing;
mod table;
mod tool;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

/// What the command line asked for.
pub struct Options {
    /// A small set and fewer runs: three minutes on two idle cores at most.
    pub quick: bool,
    /// A tree to copy instead of a made one.
    pub data: Option<PathBuf>,
    /// Where trees are made; its file system is what is measured.
    pub work: PathBuf,
    /// Runs of each tool at each work.
    pub runs: usize,
    /// Only works whose name holds this text.
    pub only: Option<String>,
    /// Whether works through ssh are run.
    pub ssh: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [verb, from, to, home] if verb == tool::PAIR => syncthing::pair(from.as_ref(), to.as_ref(), home.as_ref()),
        _ => parse(arguments.into_iter()).and_then(|options| run(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { quick: false, data: None, work: std::env::temp_dir(), runs: 0, only: None, ssh: true };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--quick" => options.quick = true,
            "--data" => options.data = Some(value()?.into()),
            "--work" => options.work = value()?.into(),
            "--runs" => options.runs = value()?.parse().map_err(|_| "--runs needs a number".to_owned())?,
            "--only" => options.only = Some(value()?),
            "--no-ssh" => options.ssh = false,
            // What cargo adds.
            "--bench" => {}
            other => return Err(format!("unknown argument {other}")),
        }
    }
    if options.runs == 0 {
        options.runs = if options.quick { 3 } else { 5 };
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), String> {
    let work = options.work.join(format!("alike-peers-{}", std::process::id()));
    std::fs::create_dir_all(&work).map_err(|e| format!("cannot make {}: {e}", work.display()))?;
    let outcome = measure(options, &work);
    let _ = std::fs::remove_dir_all(&work);
    outcome
}

fn measure(options: &Options, work: &std::path::Path) -> Result<(), String> {
    let sshd = if options.ssh { sshd::Sshd::start() } else { None };
    let tools = tool::installed(work, sshd.as_ref());
    println!("{}", table::machine(options, &tools));
    let (source, mut set, mut standing) = (work.join("source"), None, work::Standing::default());
    let mut rows = Vec::new();
    for job in work::works(options, sshd.is_some()) {
        if options.only.as_ref().is_some_and(|only| !job.name.contains(only.as_str())) {
            continue;
        }
        eprint!("{} ... ", job.name);
        if set != Some(job.set) {
            // What stood here is no source of anything any more.
            work::clear(work)?;
            tools.iter().try_for_each(tool::Tool::forget)?;
            data::prepare(job.set, options, &source)?;
            set = Some(job.set);
        }
        let started = std::time::Instant::now();
        rows.extend(work::measure(
            &job,
            &tools,
            &work::Field { options, place: work, source: &source },
            &mut standing,
        )?);
        eprintln!("{:.0} s", started.elapsed().as_secs_f64());
    }
    println!("{}", table::markdown(&rows));
    if rows.iter().any(|row| row.tool == "alike" && !row.right) {
        return Err("alike left a target that differs from its source".into());
    }
    Ok(())
}
