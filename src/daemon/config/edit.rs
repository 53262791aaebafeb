//! Edits of the configuration's text by commands: what the user wrote, comments and order included, stays as it is. Pure; an
//! edit that would change anything else is found by reading the result again, and refused.

use std::path::Path;

use super::name::ShareName;
use super::{Config, ConfigError, Shared, file};

/// The text with one share more.
pub fn add(path: &Path, text: &str, name: &ShareName, share: &Shared) -> Result<String, ConfigError> {
    let mut meant = file::parse(path, text)?;
    allowed(&meant, name, share)?;
    meant.shares.insert(name.clone(), share.clone());
    let root = toml::Value::String(share.root.to_string_lossy().into_owned());
    let gap = if text.is_empty() || text.ends_with("\n\n") { "" } else { "\n" };
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let paused = if share.paused { "paused = true\n" } else { "" };
    let edited = format!("{text}{end}{gap}{}\nroot = {root}\nrole = \"{}\"\n{paused}", head(name), share.role);
    checked(path, edited, &meant)
}

/// The text with one share less.
pub fn remove(path: &Path, text: &str, name: &ShareName) -> Result<String, ConfigError> {
    let mut meant = file::parse(path, text)?;
    if meant.shares.remove(name).is_none() {
        return Err(ConfigError::Unknown(name.clone()));
    }
    let (lines, section) = section(path, text, name)?;
    let mut kept: Vec<&str> = lines[..section.start].to_vec();
    // A blank line that set the section apart goes with it.
    if kept.last().is_some_and(|line| line.trim().is_empty()) {
        kept.pop();
    }
    kept.extend(&lines[section.end..]);
    checked(path, kept.concat(), &meant)
}

/// Whether a share rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rests {
    /// It does.
    Yes,
    /// It goes on.
    No,
}

/// The text with one share that rests, or no longer does.
pub fn pause(path: &Path, text: &str, name: &ShareName, rests: Rests) -> Result<String, ConfigError> {
    let paused = rests == Rests::Yes;
    let mut meant = file::parse(path, text)?;
    let Some(share) = meant.shares.get_mut(name) else { return Err(ConfigError::Unknown(name.clone())) };
    if share.paused == paused {
        return Ok(text.into());
    }
    share.paused = paused;
    let (lines, section) = section(path, text, name)?;
    let is_key = |line: &&str| line.split('=').next().is_some_and(|key| key.trim() == "paused");
    let mut edited: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let said = format!("paused = {paused}\n");
    match lines[section.clone()].iter().position(is_key) {
        Some(at) => edited[section.start + at] = said,
        None => {
            let head = &mut edited[section.start];
            if !head.ends_with('\n') {
                head.push('\n');
            }
            head.push_str(&said);
        }
    }
    checked(path, edited.concat(), &meant)
}

/// Refuses a name that is taken, and a root that is, lies in or holds the root of another share: what happens in it would happen in both.
pub fn allowed(config: &Config, name: &ShareName, share: &Shared) -> Result<(), ConfigError> {
    if config.shares.contains_key(name) {
        return Err(ConfigError::Taken(name.clone()));
    }
    let near = |theirs: &Shared| theirs.root.starts_with(&share.root) || share.root.starts_with(&theirs.root);
    match config.shares.iter().find(|(_, theirs)| near(theirs)) {
        None => Ok(()),
        Some((name, theirs)) => {
            Err(ConfigError::Nested { root: share.root.clone(), theirs: theirs.root.clone(), share: name.clone() })
        }
    }
}

fn head(name: &ShareName) -> String {
    if name.as_str().contains('.') { format!("[share.\"{name}\"]") } else { format!("[share.{name}]") }
}

/// All lines, and which of them are the section of a share: from its head to before the next head and what stands right above it.
fn section<'a>(
    path: &Path,
    text: &'a str,
    name: &ShareName,
) -> Result<(Vec<&'a str>, std::ops::Range<usize>), ConfigError> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let heads = [format!("[share.{name}]"), format!("[share.\"{name}\"]"), format!("[share.'{name}']")];
    let is_ours = |line: &&str| {
        let line = line.split('#').next().unwrap_or_default();
        heads.contains(&line.split_whitespace().collect::<String>())
    };
    let Some(start) = lines.iter().position(is_ours) else {
        return Err(ConfigError::Tangled(path.into()));
    };
    let after = lines[start + 1..].iter().position(|line| line.trim_start().starts_with('['));
    let mut end = after.map_or(lines.len(), |after| start + 1 + after);
    // Comments and blank lines above the next head are that section's.
    let is_loose = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    while end > start + 1 && after.is_some() && is_loose(lines[end - 1]) {
        end -= 1;
    }
    Ok((lines, start..end))
}

fn checked(path: &Path, edited: String, meant: &Config) -> Result<String, ConfigError> {
    match file::parse(path, &edited) {
        Ok(says) if says == *meant => Ok(edited),
        _ => Err(ConfigError::Tangled(path.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::config::Role;

    const TEXT: &str = "# mine\ninterval = \"5s\"\n\n[share.docs] # letters\nroot = \"/d\"\n\n# songs\n[share.music]\n\
        root = \"/m\"\npaused = false # for now\n";

    fn name(text: &str) -> ShareName {
        text.parse().expect("legal")
    }

    fn share(root: &str) -> Shared {
        Shared { root: root.into(), role: Role::Receive, paused: false }
    }

    fn path() -> &'static Path {
        Path::new("c")
    }

    #[test]
    fn a_share_is_added_at_the_end_and_removing_it_gives_the_text_back() {
        for text in ["", TEXT, "mdns = true"] {
            let added = add(path(), text, &name("a.b"), &share("/x \"y\"")).expect("an edit");
            assert!(added.starts_with(text));
            let removed = remove(path(), &added, &name("a.b")).expect("an edit");
            assert_eq!(removed.trim_end(), text.trim_end());
        }
    }

    #[test]
    fn removing_keeps_every_other_line() {
        let removed = remove(path(), TEXT, &name("docs")).expect("an edit");
        assert_eq!(
            removed,
            "# mine\ninterval = \"5s\"\n\n# songs\n[share.music]\nroot = \"/m\"\npaused = false # for now\n"
        );
    }

    #[test]
    fn pausing_changes_one_line() {
        let paused = pause(path(), TEXT, &name("docs"), Rests::Yes).expect("an edit");
        assert_eq!(paused, TEXT.replace("# letters\n", "# letters\npaused = true\n"));
        let paused = pause(path(), TEXT, &name("music"), Rests::Yes).expect("an edit");
        assert_eq!(paused, TEXT.replace("paused = false # for now\n", "paused = true\n"));
        assert_eq!(pause(path(), TEXT, &name("music"), Rests::No).expect("nothing to do"), TEXT);
    }

    #[test]
    fn roots_inside_one_another_are_refused() {
        for root in ["/d", "/d/e", "/"] {
            let refused = add(path(), TEXT, &name("new"), &share(root));
            assert!(matches!(refused, Err(ConfigError::Nested { .. })), "{root}");
        }
        assert!(add(path(), TEXT, &name("new"), &share("/dd")).is_ok());
    }

    #[test]
    fn what_cannot_be_edited_safely_is_refused() {
        let inline = "share = { docs = { root = \"/d\" } }\n";
        assert!(matches!(remove(path(), inline, &name("docs")), Err(ConfigError::Tangled(_))));
        assert!(matches!(add(path(), TEXT, &name("docs"), &share("/x")), Err(ConfigError::Taken(_))));
        assert!(matches!(remove(path(), TEXT, &name("x")), Err(ConfigError::Unknown(_))));
    }
}
