//! The works: what is done to a tree before each measured call, and the check after it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::Options;
use crate::data::Set;
use crate::table::Row;
use crate::tool::{Measured, Tool, Way, run};

/// With `--quick`, a tool that has taken so long at one work is measured once there and no more: a first copy of
/// syncthing takes 15 s, whatever there is to copy.
const QUICK_SPENT_MAX: Duration = Duration::from_secs(8);

/// One kind of work.
pub struct Work {
    /// Its name in the table.
    pub name: &'static str,
    /// What it is done to.
    pub set: Set,
    way: Way,
    change: Change,
}

/// The tools that hold a copy of the source, by name, and remember it: what one work leaves, the next may begin with.
/// Copies through ssh are others, for tools that remember whom they met.
#[derive(Default)]
pub struct Standing {
    set: Option<Set>,
    far: bool,
    tools: Vec<&'static str>,
}

/// What happens to the source (or the target) before each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The target is new.
    Fresh,
    /// There is no target, and nothing is remembered of the source.
    Forgotten,
    /// Nothing.
    None,
    /// Ten files get other bytes.
    Ten,
    /// Every file gets another mtime.
    Touch,
    /// The greatest directory gets another name.
    Rename,
}

/// All works; those through ssh only where there is a server, those that need minutes or gigabytes not with `--quick`.
pub fn works(options: &Options, ssh: bool) -> Vec<Work> {
    use Change::{Forgotten, Fresh, None, Rename, Ten, Touch};
    let work = |name, way, change| Work { name, set: Set::Usual, way, change };
    let mut works = vec![
        work("no change, two local roots", Way::Local, None),
        work("10 files changed, two local roots", Way::Local, Ten),
        work("compare all contents, two local roots", Way::Contents, None),
        work("every mtime touched, two local roots", Way::Local, Touch),
        work("greatest directory renamed, two local roots", Way::Local, Rename),
        work("first copy without fsync, two local roots", Way::Quickly, Fresh),
        work("first copy, durable, two local roots", Way::Durable, Fresh),
        work("first index", Way::Index, Forgotten),
    ];
    if ssh {
        works.extend([
            work("no change, through ssh", Way::Ssh, None),
            work("10 files changed, through ssh", Way::Ssh, Ten),
            work("first copy, through ssh", Way::Ssh, Fresh),
        ]);
    }
    if !options.quick {
        works.extend([
            Work { set: Set::Million, ..work("no change, 1,000,000 empty files", Way::Local, None) },
            Work { set: Set::Large, ..work("first index, one file of 4 GiB", Way::Index, Forgotten) },
        ]);
    }
    works
}

/// Where a work is done.
pub struct Field<'a> {
    /// What the command line asked for.
    pub options: &'a Options,
    /// Where targets are made.
    pub place: &'a Path,
    /// What is copied.
    pub source: &'a Path,
}

impl Field<'_> {
    fn target(&self, tool: &Tool) -> PathBuf {
        self.place.join(format!("target-{}", tool.name))
    }

    fn command(&self, work: &Work, tool: &Tool) -> Result<Command, String> {
        tool.command(work.way, self.source, &self.target(tool)).ok_or_else(|| "a tool lost its command".to_owned())
    }

    fn takes_part(&self, work: &Work, tool: &Tool) -> bool {
        let slow = match tool.name {
            "syncthing" if self.options.quick => !matches!(work.change, Change::None | Change::Fresh),
            "alike" | "rsync" => false,
            _ => work.set == Set::Million,
        };
        !slow && tool.command(work.way, self.source, self.source).is_some()
    }

    /// Each tool makes its own first copy, and a second call lets it remember what it likes. What a work before this one
    /// left stands, and is only brought up to date.
    fn prepare(&self, work: &Work, tool: &Tool, standing: &mut Standing) -> Result<Duration, String> {
        let stands = standing.tools.contains(&tool.name);
        if !stands {
            remove(&self.target(tool))?;
            tool.forget()?;
        }
        let mut spent = Duration::ZERO;
        if !matches!(work.change, Change::Fresh | Change::Forgotten) {
            for _ in 0..if stands { 1 } else { 2 } {
                spent += run(tool, self.command(work, tool)?, &self.place.join("log"))?.wall;
            }
            standing.tools.push(tool.name);
        }
        Ok(spent)
    }
}

/// Measures every tool at one work, in turn.
pub fn measure(work: &Work, tools: &[Tool], field: &Field<'_>, standing: &mut Standing) -> Result<Vec<Row>, String> {
    let (options, source) = (field.options, field.source);
    let able: Vec<&Tool> = tools.iter().filter(|tool| field.takes_part(work, tool)).collect();
    let anew = matches!(work.change, Change::Fresh | Change::Forgotten);
    let far = work.way == Way::Ssh;
    if anew || (standing.set, standing.far) != (Some(work.set), far) {
        *standing = Standing { set: Some(work.set), far, tools: Vec::new() };
    }
    let mut taken: Vec<(Vec<Measured>, bool, Duration)> = Vec::new();
    for tool in &able {
        taken.push((Vec::new(), true, field.prepare(work, tool, standing)?));
    }
    for round in 0..=options.runs {
        change(work.change, source, round)?;
        for (tool, (measured, right, spent)) in able.iter().zip(&mut taken) {
            let is_slow = |spent: Duration| options.quick && spent > QUICK_SPENT_MAX;
            if is_slow(*spent) && !measured.is_empty() {
                continue;
            }
            if anew {
                remove(&field.target(tool))?;
                tool.forget()?;
            }
            let call = run(tool, field.command(work, tool)?, &field.place.join("log"))?;
            *spent += call.wall;
            // The check of a round in between would take as long as all tools together.
            let checked = !options.quick || round == options.runs || is_slow(*spent);
            let is_right = || work.change == Change::Forgotten || same(source, &field.target(tool));
            *right &= call.success && (!checked || is_right());
            // The first round warms the page cache and is not counted, unless there will be no other.
            if round > 0 || is_slow(*spent) {
                measured.push(call);
            }
        }
    }
    if anew {
        able.iter().try_for_each(|tool| remove(&field.target(tool)))?;
    }
    let rows =
        able.iter().zip(taken).map(|(tool, (measured, right, _))| Row::new(work.name, tool.name, &measured, right));
    Ok(rows.collect())
}

/// Removes the source, and what was made of it.
pub fn clear(place: &Path) -> Result<(), String> {
    let entries = fs::read_dir(place).map_err(|e| format!("cannot list {}: {e}", place.display()))?;
    let is_tree = |name: &str| name == "source" || name.starts_with("target-");
    let mut trees = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_tree));
    trees.try_for_each(|tree| remove(&tree.path()))
}

fn remove(path: &Path) -> Result<(), String> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("cannot remove {}: {e}", path.display())),
        _ => Ok(()),
    }
}

fn change(change: Change, source: &Path, round: usize) -> Result<(), String> {
    let done = match change {
        Change::Fresh | Change::Forgotten | Change::None => Ok(()),
        Change::Ten => files(source).and_then(|files| {
            let step = files.len().div_ceil(10).max(1);
            // Another length each time: some tools look at sizes and whole seconds.
            let text = |file: &Path| format!("round {round} of {}{}", file.display(), "!".repeat(round));
            files.iter().step_by(step).try_for_each(|file| fs::write(file, text(file)))
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
