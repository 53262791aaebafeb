//! The house rules that a compiler does not know: which layer names which, how long a file and a function may be, where
//! `unsafe` may stand. Standard library only; reads the sources as text with comments and strings taken out.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// The files that may hold `unsafe`: the memory map and its guard, a call that no crate offers yet, the program, which sets
/// a number of its allocator, and a test whose allocator counts.
const UNSAFE: [&str; 4] = ["src/disk/map.rs", "src/disk/xattrat.rs", "src/main.rs", "tests/allocation.rs"];

/// A layer, the layers that it may name, and the crates that it may use. Arrows point downwards only.
struct Layer {
    name: &'static str,
    layers: &'static [&'static str],
    crates: &'static [&'static str],
    /// No file, socket, clock, thread or async.
    pure: bool,
}

const LAYERS: &[Layer] = &[
    Layer { name: "model", layers: &[], crates: &["blake3", "siphasher"], pure: true },
    Layer { name: "proto", layers: &["model"], crates: &["postcard", "zstd", "bytes"], pure: true },
    Layer { name: "disk", layers: &["model"], crates: &["rayon", "memmap2", "rustix", "ignore", "libc"], pure: false },
    Layer { name: "store", layers: &["model"], crates: &["redb"], pure: false },
    Layer {
        name: "net",
        layers: &["model"],
        crates: &[
            "quinn",
            "quinn_proto",
            "rustls",
            "ring",
            "yamux",
            "socket2",
            "tokio",
            "tokio_util",
            "shell_words",
            "bytes",
            "rustix",
            "blake3",
            "if_addrs",
        ],
        pure: false,
    },
    Layer {
        name: "sync",
        layers: &["model", "proto", "disk", "store", "net"],
        crates: &["tokio", "tokio_util", "bytes", "rayon", "rustix", "zstd"],
        pure: false,
    },
    Layer {
        name: "daemon",
        layers: &["model", "proto", "disk", "store", "net", "sync"],
        crates: &[
            "foca",
            "jiff",
            "rand",
            "toml",
            "mdns_sd",
            "serde_json",
            "tokio",
            "tokio_util",
            "bytes",
            "postcard",
            "rustix",
            "ignore",
        ],
        pure: false,
    },
    Layer {
        name: "cli",
        layers: &["daemon", "sync", "model"],
        crates: &["clap", "clap_complete", "indicatif", "serde_json", "tokio", "qrcode"],
        pure: false,
    },
];

/// Crates that any layer may use.
const ANYWHERE: &[&str] = &["serde", "thiserror"];

/// Crates that the program alone uses.
const PROGRAM: &[&str] = &["mimalloc"];

/// What a pure layer must never name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "std::os",
    "Instant::",
    "SystemTime",
    "async fn",
    "async move",
    "Mutex",
    "println!",
];

/// A source file: its path in the repository and its production code, without comments, strings and tests.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &Path, text: String) -> Source {
        let bare = without_words(&text);
        // A file of tests is no production code at all.
        let only_tests = path.file_name().is_some_and(|name| name == "tests.rs" || name == "samples.rs");
        let end =
            ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub mod tests {"].iter().filter_map(|head| bare.find(head));
        let code = if only_tests { String::new() } else { bare[..end.min().unwrap_or(bare.len())].to_owned() };
        Source { path: path.to_string_lossy().into_owned(), text, code }
    }
}

#[test]
fn layers_name_only_what_is_below_them() {
    let mut found = Vec::new();
    for (source, layer) in layered() {
        for name in named_layers(&source) {
            let known = LAYERS.iter().any(|layer| layer.name == name);
            if known && name != layer.name && !layer.layers.contains(&name.as_str()) {
                found.push(format!("{}: {} must not name {name}", source.path, layer.name));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_crate_is_used_by_its_layers_alone() {
    let mut found = Vec::new();
    for (source, layer) in layered() {
        for name in dependencies() {
            let allowed = layer.crates.contains(&name.as_str()) || ANYWHERE.contains(&name.as_str());
            if !allowed && uses(&source.code, &name) {
                found.push(format!("{}: {} must not use {name}", source.path, layer.name));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_dependency_has_its_place() {
    let placed = |name: &String| {
        let name = name.as_str();
        LAYERS.iter().any(|layer| layer.crates.contains(&name)) || ANYWHERE.contains(&name) || PROGRAM.contains(&name)
    };
    let homeless: Vec<String> = dependencies().into_iter().filter(|name| !placed(name)).collect();
    assert!(homeless.is_empty(), "no layer uses {homeless:?}");
}

#[test]
fn the_pure_layers_touch_nothing() {
    let mut found = Vec::new();
    for (source, _) in layered().into_iter().filter(|(_, layer)| layer.pure) {
        let named = IMPURE.iter().filter(|word| source.code.contains(**word));
        found.extend(named.map(|word| format!("{}: names {word}", source.path)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn unsafe_stands_in_few_files() {
    let sources = sources("src").into_iter().chain(sources("tests")).chain(sources("benches"));
    let holds = |source: &Source| !UNSAFE.contains(&source.path.as_str()) && words(&source.code, "unsafe") > 0;
    let found: Vec<String> = sources.filter(holds).map(|source| source.path).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn no_file_is_long() {
    // Tests are taken out: a table of laws may be long.
    let lines =
        |source: &Source| source.text.split("#[cfg(test)]\nmod tests {").next().map_or(0, |code| code.lines().count());
    let long = sources("src").into_iter().filter(|source| lines(source) > FILE_LINES_MAX);
    let found: Vec<String> = long.map(|source| format!("{}: {} lines", source.path, lines(&source))).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_function_is_long() {
    let mut found = Vec::new();
    for source in sources("src") {
        for (name, lines) in functions(&source.code) {
            if lines > FUNCTION_LINES_MAX {
                found.push(format!("{}: {name} has {lines} lines", source.path));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_file_says_what_it_owns() {
    let bare = sources("src").into_iter().filter(|source| !source.code.is_empty() && !source.text.starts_with("//! "));
    let found: Vec<String> = bare.map(|source| source.path).collect();
    assert!(found.is_empty(), "no header: {found:?}");
}

#[test]
fn no_module_is_called_after_nothing() {
    let vague = ["utils", "util", "common", "misc", "types", "shared", "helpers", "helper"];
    let stem = |path: &str| Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let named = |path: &str| vague.contains(&stem(path).unwrap_or_default().as_str()) || path.contains("/utils/");
    let found: Vec<String> = sources("src").into_iter().map(|source| source.path).filter(|path| named(path)).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// The sources of the layers, each with its layer.
fn layered() -> Vec<(Source, &'static Layer)> {
    let layer = |source: &Source| LAYERS.iter().find(|layer| source.path.starts_with(&format!("src/{}/", layer.name)));
    let sources: Vec<_> = sources("src").into_iter().filter_map(|source| layer(&source).map(|l| (source, l))).collect();
    assert!(sources.len() > LAYERS.len(), "the layers have sources");
    sources
}

/// The layers that a file names: `crate::x`, `crate::{x, y}`, and `super::...` where it climbs to the crate's root.
fn named_layers(source: &Source) -> Vec<String> {
    let mut names = Vec::new();
    let climb = "super::".repeat(depth(&source.path));
    for root in ["crate::", climb.as_str()] {
        for (at, _) in source.code.match_indices(root) {
            let before = source.code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || (c == ':' && root != "crate::")) {
                continue;
            }
            names.extend(heads(&source.code[at + root.len()..]));
        }
    }
    names
}

/// How many `super` lead from a file's module to the crate's root.
fn depth(path: &str) -> usize {
    let below = path.strip_prefix("src/").unwrap_or(path);
    below.split('/').count() - usize::from(below.ends_with("/mod.rs"))
}

/// The first names of a path or of a group of paths.
fn heads(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut level, mut start, mut heads) = (0, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => start = true,
            c if start && !c.is_whitespace() => {
                heads.push(word(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether code names a crate: `name::` or `use name;`, at the head of a path.
fn uses(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let head = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':'));
        head && code[at + name.len()..].starts_with("::")
    })
}

fn words(code: &str, word: &str) -> usize {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word)
        .filter(|(at, _)| !part(code[..*at].chars().next_back()) && !part(code[at + word.len()..].chars().next()))
        .count()
}

/// The names of the dependencies as code writes them.
fn dependencies() -> Vec<String> {
    let manifest = read(Path::new("Cargo.toml"));
    let section =
        manifest.split("[dependencies]").nth(1).expect("dependencies").split("\n[").next().expect("a section");
    let names = section.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim());
    names.filter(|name| !name.starts_with('#')).map(|name| name.replace('-', "_")).collect()
}

/// The functions of a file, each with its number of lines from `fn` to the closing brace.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut functions = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let rest = &code[at + 3..];
        let name = word(rest);
        let standing = code[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || c == '(');
        // A declaration without a body ends before any brace opens.
        let Some(open) = rest.find(['{', ';']).filter(|&open| rest[open..].starts_with('{')) else { continue };
        if name.is_empty() || !standing {
            continue;
        }
        let mut level = 0;
        let end = rest[open..].char_indices().find(|&(_, c)| {
            level += i32::from(c == '{') - i32::from(c == '}');
            level == 0
        });
        let end = end.map_or(rest.len(), |(end, _)| open + end + 1);
        functions.push((name, rest[..end].lines().count()));
    }
    functions
}

/// Every Rust file below a directory.
fn sources(directory: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut directories = vec![PathBuf::from(directory)];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(root().join(&directory)) else { continue };
        for entry in entries {
            let entry = entry.expect("an entry");
            let path = directory.join(entry.file_name());
            if entry.file_type().expect("a type").is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = read(&path);
                sources.push(Source::new(&path, text));
            }
        }
    }
    sources
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The code with comments, strings and characters emptied; lines stay where they are.
fn without_words(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (kept, skipped) = match c {
            '/' if rest.starts_with("//") => ("", rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => ("", rest.find("*/").map_or(rest.len(), |end| end + 2)),
            'r' | 'b' if raw_string(rest).is_some() && !code.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                ("\"\"", raw_string(rest).expect("just found"))
            }
            '"' => ("\"\"", string(rest)),
            '\'' => match character(rest) {
                Some(length) => ("' '", length),
                None => ("'", 1),
            },
            _ => ("", 0),
        };
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        code.push_str(kept);
        code.extend(rest[..skipped].chars().filter(|&c| c == '\n'));
        rest = &rest[skipped..];
    }
    code
}

/// The length of the string literal that `text` starts with.
fn string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(end, _)| end + 1)
}

/// The length of the raw string literal that `text` starts with.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close)? + close.len();
    Some(text.len() - body.len() + end)
}

/// The length of the character literal that `text` starts with; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut letters = text.char_indices().skip(1);
    let (_, first) = letters.next()?;
    if first == '\\' {
        return text[3..].find('\'').map(|end| end + 4);
    }
    letters.next().filter(|&(_, c)| c == '\'').map(|(end, _)| end + 1)
}

#[test]
fn this_file_reads_code_as_meant() {
    let code =
        without_words("let a = \"crate::net\"; // crate::net\nlet b = '\"'; let c: &'a str = r#\"x\"y\"#; b'\\'';\n");
    assert_eq!(code, "let a = \"\"; \nlet b = ' '; let c: &'a str = \"\"; b' ';\n");
    assert_eq!(heads("{net::{Error, b}, disk, proto::x}; y"), ["net", "disk", "proto"]);
    assert_eq!(heads("sync::job"), ["sync"]);
    assert_eq!((depth("src/cli/mod.rs"), depth("src/cli/told/json.rs")), (1, 3));
    assert!(uses("use quinn::Endpoint;", "quinn") && !uses("use crate::quinn::X; my_quinn::y", "quinn"));
    assert_eq!(functions("fn a() {\n\n}\nfn b(x: fn (u8) -> u8);\n"), [("a".to_owned(), 3)]);
}
