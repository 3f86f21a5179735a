//! What commands do without a broker, and with what is none.

use std::io::{self, Write};

use clap::{CommandFactory as _, Parser as _};

use super::{bgtask, json, listen};
use crate::Cli;
use crate::output::time::Clock;

#[test]
fn without_a_broker_it_says_where_it_looked_and_what_to_start() {
    let dir = tempfile::tempdir().unwrap();
    let ran = bgtask(&["--root", dir.path().to_str().unwrap(), "list"]);
    assert_eq!((ran.exit, ran.out.as_str()), (4, ""));
    let expected = format!("no broker answers at {}/run/broker: No such file", dir.path().display());
    assert!(ran.err.contains(&expected), "{}", ran.err);
    assert!(ran.err.contains(&format!("bgtaskd --root {}", dir.path().display())), "{}", ran.err);
    let ran = bgtask(&["list", "--json", "--address", "unix:path=/nowhere/broker"]);
    assert_eq!(json(&ran.err)["exit_code"], 4);
    assert!(json(&ran.err)["message"].as_str().unwrap().contains("systemctl --user start bgtask"));
    assert!(json(&ran.err)["name"].is_null());
}

#[test]
fn what_decides_or_fires_needs_a_broker() {
    for arguments in [
        &["access"][..],
        &["access", "org.example.Photos"],
        &["access", "set", "org.example.Photos", "never"],
        &["access", "off"],
        &["raise", "org.example.jack"],
        &["trigger", "org.example.Photos"],
        &["stop", "org.example.Photos"],
    ] {
        let ran = bgtask(&[&["--root", "/nowhere"], arguments, &["--json"]].concat());
        assert_eq!((ran.exit, ran.out.as_str(), &json(&ran.err)["exit_code"]), (4, "", &4.into()), "{arguments:?}");
    }
}

#[test]
fn what_is_no_broker_or_leaves_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker");
    let stranger = listen(&path, |mut stream| async move { stream.write_all(b"SSH-2.0\r\n").unwrap() });
    let ran = bgtask(&["--address", path.to_str().unwrap(), "list"]);
    stranger.join().unwrap();
    assert_eq!(ran.exit, 4);
    assert!(ran.err.starts_with("bgtask: no broker answers at"), "{}", ran.err);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["list", "--address", "tcp:host=x"],
        &["list", "--root", "/a", "--address", "/b"],
        &["history", "--limit", "0"],
        &["history", "--since", "yesterday"],
        &["manifest", "check"],
        &["access", "set", "org.example.Photos"],
        &["access", "off", "org.example.Photos"],
        &["access", "org.example.Photos", "off"],
        &["raise"],
        &["raise", ""],
        &["stop"],
        &["trigger"],
    ] {
        assert_eq!(bgtask(arguments).exit, 2, "{arguments:?}");
    }
}

#[test]
fn help_tells_the_exit_codes() {
    let help = Cli::try_parse_from(["bgtask", "--help"]).unwrap_err().to_string();
    for code in
        ["1  refused or failed", "3  there is no such", "4  the broker cannot be reached", "5  trigger:", "6  trigger:"]
    {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn every_shell_is_told_to_ask_the_program_itself() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = bgtask(&["completions", shell]);
        assert_eq!(ran.exit, 0, "{shell}");
        assert!(ran.out.contains("COMPLETE") && ran.out.contains("bgtask"), "{shell}: {}", ran.out);
    }
}

#[test]
fn the_documentation_names_every_command_and_option() {
    let docs = include_str!("../../../../docs/cli.md");
    let named = |command: &clap::Command, words: &str| {
        let is_its =
            |line: &&str| line.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        let line = docs.lines().find(is_its).unwrap_or_else(|| panic!("{words}"));
        // The synopsis of a command may go on in the next lines, which are indented.
        let rest = docs.lines().skip_while(|it| *it != line).skip(1).take_while(|it| it.starts_with(' '));
        let synopsis = [line].into_iter().chain(rest).collect::<String>();
        for option in command.get_arguments().filter_map(|it| it.get_long()).filter(|it| *it != "json") {
            assert!(synopsis.contains(&format!("--{option}")), "{words} --{option}");
        }
    };
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let words = format!("bgtask {}", command.get_name());
        if !command.has_subcommands() || command.get_positionals().next().is_some() {
            named(command, &words);
        }
        command.get_subcommands().for_each(|inner| named(inner, &format!("{words} {}", inner.get_name())));
    }
    for code in 0..=6 {
        assert!(docs.contains(&format!("| {code} | ")), "exit code {code}");
    }
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut err = Vec::new();
    let cli = Cli::try_parse_from(["bgtask", "completions", "zsh"]).unwrap();
    assert_eq!(cli.run(Clock::system(), None, &mut Closed, &mut err) as u8, 0);
    assert_eq!(err, b"");
}

#[test]
fn what_no_person_reads_is_written_in_large_pieces() {
    #[derive(Default)]
    struct Counting(usize);
    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let cli = Cli::try_parse_from(["bgtask", "completions", "zsh"]).unwrap();
    let list = Cli::try_parse_from(["bgtask", "conditions", "--json"]).unwrap();
    for cli in [cli, list] {
        let mut out = Counting::default();
        assert_eq!(cli.run(Clock::system(), None, &mut out, &mut Vec::new()) as u8, 0);
        assert!((1..=2).contains(&out.0), "{} pieces", out.0);
    }
}

#[test]
fn replay_of_what_is_no_recording() {
    let dir = tempfile::tempdir().unwrap();
    let (absent, empty) = (dir.path().join("absent"), dir.path().join("empty"));
    std::fs::write(&empty, "").unwrap();
    let ran = bgtask(&["replay", absent.to_str().unwrap()]);
    assert_eq!(ran.exit, 3);
    assert!(ran.err.contains("cannot be read"), "{}", ran.err);
    let ran = bgtask(&["replay", empty.to_str().unwrap()]);
    assert_eq!(ran.exit, 1);
    assert!(ran.err.contains("line 1 is not part of a bgtask recording"), "{}", ran.err);
}
