//! The command line before any job runs: help, completions, and what is answered to arguments that make no sense.
//! Whole outputs are compared. After a wanted change of help or completions: `UPDATE=1 cargo test --test cli`.

mod harness;

use std::path::Path;
use std::{env, fs};

use harness::{Outcome, Sandbox};

/// Compares an output with the file that holds what it shall be.
#[track_caller]
fn assert_kept(outcome: &Outcome, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &outcome.raw).expect("a writable file");
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let out = String::from_utf8_lossy(&outcome.raw);
    assert!(out == kept, "{file} is out of date; `UPDATE=1 cargo test --test cli` writes it anew\n{out}");
}

#[test]
fn completions_in_the_repository_are_up_to_date() {
    let sandbox = Sandbox::new();
    for (shell, file) in [("bash", "alike.bash"), ("zsh", "_alike"), ("fish", "alike.fish")] {
        let outcome = sandbox.alike(["completions", shell]).expect(0);
        assert_eq!(outcome.stderr, "");
        assert_kept(&outcome, &format!("completions/{file}"));
    }
}

#[test]
fn help_says_what_it_said() {
    let sandbox = Sandbox::new();
    let pages: [(&[&str], &str); 27] = [
        (&["--help"], "alike"),
        (&["sync", "--help"], "sync"),
        (&["conflicts", "--help"], "conflicts"),
        (&["resolve", "--help"], "resolve"),
        (&["log", "--help"], "log"),
        (&["mirror", "--help"], "mirror"),
        (&["diff", "--help"], "diff"),
        (&["help", "index"], "index"),
        (&["trash", "--help"], "trash"),
        (&["trash", "list", "--help"], "trash-list"),
        (&["trash", "restore", "--help"], "trash-restore"),
        (&["trash", "empty", "--help"], "trash-empty"),
        (&["verify", "--help"], "verify"),
        (&["daemon", "--help"], "daemon"),
        (&["add", "--help"], "add"),
        (&["remove", "--help"], "remove"),
        (&["invite", "--help"], "invite"),
        (&["join", "--help"], "join"),
        (&["peers", "--help"], "peers"),
        (&["forget", "--help"], "forget"),
        (&["approve", "--help"], "approve"),
        (&["revert", "--help"], "revert"),
        (&["pause", "--help"], "pause"),
        (&["resume", "--help"], "resume"),
        (&["status", "--help"], "status"),
        (&["wait", "--help"], "wait"),
        (&["completions", "--help"], "completions"),
    ];
    for (arguments, page) in pages {
        let outcome = sandbox.alike(arguments).expect(0);
        assert_eq!(outcome.stderr, "");
        assert_kept(&outcome, &format!("tests/help/{page}.txt"));
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let outcome = Sandbox::new().alike(["--version"]).expect(0);
    assert_eq!(outcome.stdout, concat!("alike ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn no_arguments_print_help_and_fail() {
    let outcome = Sandbox::new().alike::<&str>([]).expect(2);
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.starts_with("Makes directories alike"), "{}", outcome.stderr);
}

#[test]
fn arguments_that_make_no_sense_are_answered_with_a_way_out() {
    let table: &[(&[&str], &str)] = &[
        (&["mirror"], "error: missing: <SOURCE> <TARGET>\nhint: usage: alike mirror <SOURCE> <TARGET>\n"),
        (&["mirror", "a"], "error: missing: <TARGET>\nhint: usage: alike mirror <SOURCE> <TARGET>\n"),
        (
            &["mirror", "a", "b", "c"],
            "error: one argument too many: `c`\nhint: usage: alike mirror [OPTIONS] <SOURCE> <TARGET>\n",
        ),
        (
            &["mirro"],
            "error: no command `mirro`\nhint: did you mean `mirror`?\nhint: `alike help` lists the commands\n",
        ),
        (
            &["mirror", "a", "b", "--exclued=x"],
            "error: no flag `--exclued`\nhint: did you mean `--exclude`?\nhint: `--help` lists the flags\n",
        ),
        (
            &["mirror", "a", "b", "--color=red"],
            "error: `red` is no value for `--color`\nhint: it takes auto, always, never\n",
        ),
        (
            &["mirror", "a", "b", "--max-delete=some"],
            "error: `some` is no value for `--max-delete`\n\
             cause: it takes a number such as 500, or a part such as 30%\n",
        ),
        (&["mirror", "-c", "--quick", "a", "b"], "error: `--checksum` cannot be used together with `--quick`\n"),
        (&["diff", "--mirror", "-0", "--json", "a", "b"], "error: `--null` cannot be used together with `--json`\n"),
        (
            &["diff", "--mirror", "--prefer=left", "a", "b"],
            "error: `--prefer` cannot be used together with `--mirror`\n\
             hint: a mirror has no conflicts: its source wins\n",
        ),
        (
            &["mirror", "a:x", "b:y"],
            "error: both locations are on other machines\nhint: run it on one of them: `ssh a alike ...`\n",
        ),
        (
            &["mirror", "alike://laptop", "b"],
            "error: cannot understand `alike://laptop`\n\
             hint: a share of a member is `alike://MEMBER/SHARE` or `alike://HOST:PORT/SHARE`; `alike peers` lists the members\n",
        ),
        (
            &["mirror", "--", "-oProxyCommand=x:y", "b"],
            "error: cannot understand `-oProxyCommand=x:y`\n\
             hint: a remote location is `[user@]host:path`; a local path with `:` is written `./a:b`\n",
        ),
        (
            &["mirror", "--exclude-from", "absent", "a", "b"],
            "error: cannot read the patterns in `absent`\n\
             cause: no such file or directory\n\
             hint: `--exclude-from` names a text file with one gitignore pattern a line\n",
        ),
        (
            &["resolve", "a", "b", "--keep", "mine"],
            "error: `mine` is no value for `--keep`\n\
             cause: it takes plain, newest, oldest, both, or hexadecimal digits of a digest or a replica\n",
        ),
        (
            &["sync", "a", "b", "--prefer=oldest"],
            "error: `oldest` is no value for `--prefer`\nhint: it takes newest, left, right\n",
        ),
        (
            &["conflicts", "host:dir"],
            "error: `host:dir` is on another machine\nhint: run it there: `ssh host alike conflicts ...`\n",
        ),
        (&["index", "--rebuild", "--quick", "a"], "error: `--rebuild` cannot be used together with `--quick`\n"),
        (
            &["index", "host:dir"],
            "error: `host:dir` is on another machine\nhint: run it there: `ssh host alike index ...`\n",
        ),
    ];
    let sandbox = Sandbox::new();
    for (arguments, answer) in table {
        let outcome = sandbox.alike(*arguments).expect(2);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", *answer), "{arguments:?}");
    }
}

#[test]
fn flags_that_rsync_has_and_we_have_not_name_what_to_do_instead() {
    let table = [
        ("--delete", "a mirror deletes extras already, into the trash; `--keep-extra` keeps them"),
        ("-u", "a mirror makes the whole target equal to the source"),
        ("--inplace", "a file is always staged whole and then put in place; a stopped run goes on where it was"),
        ("--max-size=100", "it is not built yet"),
        ("--rsync-path=x", "`--remote-bin PROGRAM` names the program on the far side"),
    ];
    let sandbox = Sandbox::new();
    for (flag, instead) in table {
        let outcome = sandbox.alike(["mirror", "-avz", flag, "a", "b"]).expect(2);
        let name = flag.split('=').next().expect("a name");
        assert_eq!(outcome.stderr, format!("error: no flag `{name}`\nhint: {instead}\n"));
    }
}

#[test]
fn the_environment_sets_flags_and_the_command_line_wins() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["mirror", "a", "b"]);
    let outcome = sandbox.run(command.env("ALIKE_MAX_DELETE", "lots")).expect(2);
    assert!(outcome.stderr.starts_with("error: `lots` is no value for `--max-delete`"), "{}", outcome.stderr);
    let mut command = sandbox.command(["mirror", "--max-delete=few", "a", "b"]);
    let outcome = sandbox.run(command.env("ALIKE_MAX_DELETE", "lots")).expect(2);
    assert!(outcome.stderr.starts_with("error: `few` is no value for `--max-delete`"), "{}", outcome.stderr);
    let mut command = sandbox.command(["mirror", "--quick", "a", "b"]);
    let outcome = sandbox.run(command.env("ALIKE_CHECKSUM", "1")).expect(2);
    assert!(outcome.stderr.contains("cannot be used together"), "{}", outcome.stderr);
    let mut command = sandbox.command(["mirror", "--quick", "a:a", "b:b"]);
    let outcome = sandbox.run(command.env("ALIKE_CHECKSUM", "0")).expect(2);
    assert!(outcome.stderr.contains("both locations"), "{}", outcome.stderr);
}

#[test]
fn colour_comes_when_it_is_asked_for() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.alike(["mirror", "--color=always", "a:a", "b:b"]).expect(2);
    assert!(outcome.stderr.starts_with("\x1b[1;31merror\x1b[0m: both"), "{}", outcome.stderr);
}
