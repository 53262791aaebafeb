//! What users do to their trees: one call of the system each, so that whoever takes something away knows just what it was,
//! also while a run works there. Knows nothing of runs.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

use crate::harness::Tree;

/// A word that stands for one write.
pub type Token = String;

/// Where files come to be; below each other, so that files, directories and links meet at one name.
const PLACES: [&str; 12] = ["a", "b", "c.txt", "d", "d/a", "d/b", "d/e", "d/e/a", "d/e/f", "g", "g/a", "g/d/a"];

/// Chance that is the same for the same seed.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }

    fn of<'t, T>(&mut self, things: &'t [T]) -> Option<&'t T> {
        if things.is_empty() { None } else { Some(&things[self.below(things.len())]) }
    }
}

/// What the users of all trees have written and taken away.
pub struct Hands {
    /// Where what is new is made, and where what they take away goes.
    outside: PathBuf,
    things: usize,
    tokens: usize,
    /// What was written so that it has a name of its own from the first instant on.
    pub written: BTreeSet<Token>,
    /// What was written into a file that was there.
    pub written_into: BTreeSet<Token>,
    /// What was cut away within files.
    cut: BTreeSet<Token>,
}

impl Hands {
    pub fn new(outside: PathBuf) -> Hands {
        fs::create_dir(&outside).expect("a new directory");
        let (written, written_into, cut) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Hands { outside, things: 0, tokens: 0, written, written_into, cut }
    }

    /// What users have taken away since this was asked last. To be asked when no run works: it may have come to something
    /// that was already outside.
    pub fn taken(&mut self) -> BTreeSet<Token> {
        let mut taken = std::mem::take(&mut self.cut);
        taken.extend(tokens_below(&self.outside));
        fs::remove_dir_all(&self.outside).expect("ours");
        fs::create_dir(&self.outside).expect("a new directory");
        taken
    }

    /// One act; what it was. What cannot be done is left.
    pub fn act(&mut self, tree: &Tree, chance: &mut Chance) -> io::Result<String> {
        let there = paths(tree.path());
        let is = |path: &&PathBuf, wanted: fn(&fs::Metadata) -> bool| {
            tree.join(path).symlink_metadata().is_ok_and(|status| wanted(&status))
        };
        let files: Vec<&PathBuf> = there.iter().filter(|path| is(path, fs::Metadata::is_file)).collect();
        let leaves: Vec<&PathBuf> = there.iter().filter(|path| is(path, |status| !status.is_dir())).collect();
        let directories: Vec<&PathBuf> = there.iter().filter(|path| is(path, fs::Metadata::is_dir)).collect();
        let place = PathBuf::from(PLACES[chance.below(PLACES.len())]);
        let Some(any) = chance.of(&there) else { return self.put(tree, &place, chance) };
        match (chance.below(16), chance.of(&files), chance.of(&leaves), chance.of(&directories)) {
            (3, Some(file), ..) => self.append(tree, file),
            (4, Some(file), ..) => self.edit_within(tree, file),
            (5, Some(file), ..) => touch(tree, file, chance.below(2_000_000_000) as i64),
            (6, Some(file), ..) => change_mode(tree, file, [0o644, 0o600, 0o755][chance.below(3)]),
            (7, Some(file), ..) => self.copy(tree, file, &place),
            (8, _, Some(leaf), _) => self.take(tree, leaf),
            (9, .., Some(directory)) => self.take(tree, directory),
            (10, _, Some(leaf), _) => rename(tree, leaf, &place),
            (11, _, Some(leaf), _) if leaves.len() > 1 => {
                self.rename_over(tree, leaf, leaves[chance.below(leaves.len())])
            }
            (12, .., Some(directory)) => rename(tree, directory, &place),
            (13, _, Some(leaf), _) => swap(tree, leaf, any),
            (14, ..) => make_directory(tree, &place),
            (15, _, Some(leaf), _) => self.put(tree, leaf, chance),
            _ => self.put(tree, &place, chance),
        }
    }

    /// A new file or link, in exchange for what is there.
    fn put(&mut self, tree: &Tree, path: &Path, chance: &mut Chance) -> io::Result<String> {
        let (from, to) = (self.fresh(), tree.join(path));
        let kind = chance.below(8);
        let token = if kind == 0 { format!("same {}", chance.below(3)) } else { self.token() };
        if kind == 1 {
            symlink(&token, &from)?;
        } else {
            fs::write(&from, format!("{token}\n"))?;
        }
        fs::create_dir_all(to.parent().expect("below the root"))?;
        let done =
            rename_by(&from, &to, RenameFlags::NOREPLACE).or_else(|_| rename_by(&from, &to, RenameFlags::EXCHANGE));
        if done.is_err() {
            fs::remove_file(from)?;
        } else if kind > 0 {
            self.written.insert(token.clone());
        }
        done?;
        Ok(format!("{} {token} to {}", if kind == 1 { "links" } else { "writes" }, path.display()))
    }

    fn append(&mut self, tree: &Tree, path: &Path) -> io::Result<String> {
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let mut file = OpenOptions::new().append(true).custom_flags(flags).open(tree.join(path))?;
        let token = self.token();
        file.write_all(format!("{token}\n").as_bytes())?;
        self.written_into.insert(token.clone());
        Ok(format!("appends {token} to {}", path.display()))
    }

    fn edit_within(&mut self, tree: &Tree, path: &Path) -> io::Result<String> {
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let mut file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(tree.join(path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let token = self.token();
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(format!("{token}\n").as_bytes())?;
        self.cut.extend(tokens(&bytes));
        self.written_into.insert(token.clone());
        Ok(format!("writes {token} within {}", path.display()))
    }

    fn copy(&mut self, tree: &Tree, path: &Path, to: &Path) -> io::Result<String> {
        let bytes = fs::read(tree.join(path))?;
        let from = self.fresh();
        fs::write(&from, bytes)?;
        let done = rename_by(&from, &tree.join(to), RenameFlags::NOREPLACE);
        // What is left outside counts as taken away.
        if done.is_err() {
            fs::remove_file(from)?;
        }
        done?;
        Ok(format!("copies {} to {}", path.display(), to.display()))
    }

    /// Takes away a file, a link, or a directory with all that is in it.
    fn take(&mut self, tree: &Tree, path: &Path) -> io::Result<String> {
        rename_by(&tree.join(path), &self.fresh(), RenameFlags::NOREPLACE)?;
        Ok(format!("removes {}", path.display()))
    }

    fn rename_over(&mut self, tree: &Tree, from: &Path, to: &Path) -> io::Result<String> {
        if from == to {
            return Ok("nothing".into());
        }
        rename_by(&tree.join(from), &tree.join(to), RenameFlags::EXCHANGE)?;
        rename_by(&tree.join(from), &self.fresh(), RenameFlags::NOREPLACE)?;
        Ok(format!("moves {} over {}", from.display(), to.display()))
    }

    fn fresh(&mut self) -> PathBuf {
        self.things += 1;
        self.outside.join(self.things.to_string())
    }

    fn token(&mut self) -> Token {
        self.tokens += 1;
        format!("t{}", self.tokens)
    }
}

fn rename_by(from: &Path, to: &Path, how: RenameFlags) -> io::Result<()> {
    Ok(renameat_with(CWD, from, CWD, to, how)?)
}

fn rename(tree: &Tree, from: &Path, to: &Path) -> io::Result<String> {
    fs::create_dir_all(tree.join(to).parent().expect("below the root"))?;
    rename_by(&tree.join(from), &tree.join(to), RenameFlags::NOREPLACE)?;
    Ok(format!("moves {} to {}", from.display(), to.display()))
}

fn swap(tree: &Tree, one: &Path, other: &Path) -> io::Result<String> {
    rename_by(&tree.join(one), &tree.join(other), RenameFlags::EXCHANGE)?;
    Ok(format!("swaps {} and {}", one.display(), other.display()))
}

fn make_directory(tree: &Tree, path: &Path) -> io::Result<String> {
    fs::create_dir_all(tree.join(path))?;
    Ok(format!("makes {}", path.display()))
}

fn touch(tree: &Tree, path: &Path, secs: i64) -> io::Result<String> {
    let file = opened(tree, path)?;
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs.unsigned_abs()))?;
    Ok(format!("touches {}", path.display()))
}

fn change_mode(tree: &Tree, path: &Path, mode: u32) -> io::Result<String> {
    let file = opened(tree, path)?;
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    Ok(format!("gives {} mode {mode:o}", path.display()))
}

/// A file itself: a link may have come in its place.
fn opened(tree: &Tree, path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(tree.join(path))
}

/// All paths below a root but those of `.alike`, sorted.
fn paths(root: &Path) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name().into_iter();
    let kept = walk.filter_entry(|entry| entry.file_name() != OsStr::new(".alike")).flatten();
    kept.map(|entry| entry.path().strip_prefix(root).expect("below it").to_owned()).collect()
}

/// The tokens in some bytes.
pub fn tokens(bytes: &[u8]) -> BTreeSet<Token> {
    let text = String::from_utf8_lossy(bytes);
    let is_token = |word: &&str| word.strip_prefix('t').is_some_and(|number| number.parse::<usize>().is_ok());
    text.split_whitespace().filter(is_token).map(str::to_owned).collect()
}

/// The tokens of all files and links at and below a path that may not be there.
pub fn tokens_below(path: &Path) -> BTreeSet<Token> {
    let mut found = BTreeSet::new();
    for entry in walkdir::WalkDir::new(path).into_iter().flatten() {
        if entry.file_type().is_file() {
            found.extend(tokens(&fs::read(entry.path()).unwrap_or_default()));
        } else if entry.file_type().is_symlink() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            found.extend(tokens(target.as_os_str().as_encoded_bytes()));
        }
    }
    found
}
