//! The works: what is done to a tree before each measured call, and the check after it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::Options;
use crate::table::Row;
use crate::tool::{Measured, Tool, Way, run};

/// With `--quick`, a tool that has taken so long at one work is measured once there and no more: a first copy of
/// syncthing takes 15 s, whatever there is to copy.
const QUICK_SPENT_MAX: Duration = Duration::from_secs(8);

/// One kind of work.
pub struct Work {
    /// Its name in the table.
    pub name: &'static str,
    way: Way,
    change: Change,
}

/// What happens to the source (or the target) before each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The target is new.
    Fresh,
    /// Nothing.
    None,
    /// Ten files get other bytes.
    Ten,
    /// Every file gets another mtime.
    Touch,
    /// The greatest directory gets another name.
    Rename,
}

/// All works; those through ssh only where there is a server.
pub fn works(ssh: bool) -> Vec<Work> {
    use Change::{Fresh, None, Rename, Ten, Touch};
    let work = |name, way, change| Work { name, way, change };
    let mut works = vec![
        work("no change, two local roots", Way::Local, None),
        work("10 files changed, two local roots", Way::Local, Ten),
        work("compare all contents, two local roots", Way::Contents, None),
        work("every mtime touched, two local roots", Way::Local, Touch),
        work("greatest directory renamed, two local roots", Way::Local, Rename),
        work("first copy without fsync, two local roots", Way::Quickly, Fresh),
        work("first copy, durable, two local roots", Way::Durable, Fresh),
    ];
    if ssh {
        works.extend([
            work("no change, through ssh", Way::Ssh, None),
            work("10 files changed, through ssh", Way::Ssh, Ten),
            work("first copy, through ssh", Way::Ssh, Fresh),
        ]);
    }
    works
}

/// Measures every tool at one work, in turn.
pub fn measure(
    work: &Work,
    tools: &[Tool],
    options: &Options,
    place: &Path,
    source: &Path,
) -> Result<Vec<Row>, String> {
    let takes_part = |tool: &&Tool| {
        let slow = options.quick && tool.name == "syncthing" && !matches!(work.change, Change::None | Change::Fresh);
        !slow && tool.command(work.way, source, source).is_some()
    };
    let able: Vec<&Tool> = tools.iter().filter(takes_part).collect();
    let target = |tool: &Tool| place.join(format!("target-{}", tool.name));
    let log = place.join("log");
    let mut taken: Vec<(Vec<Measured>, bool, Duration)> = Vec::new();
    for tool in &able {
        remove(&target(tool))?;
        tool.forget()?;
        let mut spent = Duration::ZERO;
        if work.change != Change::Fresh {
            // Each tool makes its own first copy, and a second call lets it remember what it likes.
            for _ in 0..2 {
                let command = tool.command(work.way, source, &target(tool)).ok_or("a tool lost its command")?;
                spent += run(tool, command, &log)?.wall;
            }
        }
        taken.push((Vec::new(), true, spent));
    }
    for round in 0..=options.runs {
        change(work.change, source, round)?;
        for (tool, (measured, right, spent)) in able.iter().zip(&mut taken) {
            let is_slow = |spent: Duration| options.quick && spent > QUICK_SPENT_MAX;
            if is_slow(*spent) && !measured.is_empty() {
                continue;
            }
            if work.change == Change::Fresh {
                remove(&target(tool))?;
                tool.forget()?;
            }
            let command = tool.command(work.way, source, &target(tool)).ok_or("a tool lost its command")?;
            let call = run(tool, command, &log)?;
            *spent += call.wall;
            // The check of a round in between would take as long as all tools together.
            let checked = !options.quick || round == options.runs || is_slow(*spent);
            *right &= call.success && (!checked || same(source, &target(tool)));
            // The first round warms the page cache and is not counted, unless there will be no other.
            if round > 0 || is_slow(*spent) {
                measured.push(call);
            }
        }
    }
    for tool in &able {
        remove(&target(tool))?;
    }
    let rows =
        able.iter().zip(taken).map(|(tool, (measured, right, _))| Row::new(work.name, tool.name, &measured, right));
    Ok(rows.collect())
}

fn remove(path: &Path) -> Result<(), String> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("cannot remove {}: {e}", path.display())),
        _ => Ok(()),
    }
}

fn change(change: Change, source: &Path, round: usize) -> Result<(), String> {
    let done = match change {
        Change::Fresh | Change::None => Ok(()),
        Change::Ten => files(source).and_then(|files| {
            let step = files.len().div_ceil(10).max(1);
            files
                .iter()
                .step_by(step)
                .try_for_each(|file| fs::write(file, format!("round {round} of {}", file.display())))
        }),
        Change::Touch => files(source).and_then(|files| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + round as u64);
            files.iter().try_for_each(|file| fs::File::options().write(true).open(file)?.set_modified(time))
        }),
        Change::Rename => rename(source, round),
    };
    done.map_err(|e| format!("cannot change the source: {e}"))
}

fn rename(source: &Path, round: usize) -> std::io::Result<()> {
    let mut greatest = (0, PathBuf::new());
    for entry in fs::read_dir(source)?.flatten().filter(|entry| entry.path().is_dir()) {
        let count = files(&entry.path())?.len();
        greatest = greatest.max((count, entry.path()));
    }
    fs::rename(&greatest.1, source.join(format!("renamed-{round}")))
}

fn files(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether two trees hold the same: names, bytes (by `diff`), and the files' times.
fn same(source: &Path, target: &Path) -> bool {
    let contents = Command::new("diff")
        .args(["-r", "-q", "--no-dereference", "--exclude=.alike"])
        .arg(source)
        .arg(target)
        .output()
        .is_ok_and(|output| output.status.success());
    let Ok(files) = files(source) else { return false };
    contents
        && files.iter().all(|file| {
            let Ok(rest) = file.strip_prefix(source) else { return false };
            let times = |path: &Path| fs::metadata(path).map(|stat| (stat.mtime(), stat.mode())).ok();
            times(file) == times(&target.join(rest))
        })
}
