//! `bgtask manifest`, on good and on hostile files.

use std::fs;
use std::path::{Path, PathBuf};

use super::{bgtask, json};

const GOOD: &str = "\
[app]
id = \"org.example.Photos\"
version = \"1.4.0\"
executable = \"photos\"
capabilities = [\"internetClient\"]

[[task]]
entry_point = \"Tasks.Thumbnails\"
types = [\"systemEvent\", \"timer\"]
";

fn file(dir: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn show_is_what_the_manifest_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "bgtask.toml", GOOD);
    let ran = bgtask(&["manifest", "show", path.to_str().unwrap()]);
    let expected = "\
org.example.Photos 1.4.0 (bgtask.toml)
  name          –
  publisher     –
  programs      photos
  capabilities  internetClient

  ENTRY POINT       TYPES               PROGRAM
  Tasks.Thumbnails  systemEvent, timer  photos
";
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.exit), (expected, "", 0));
    let ran = bgtask(&["manifest", "show", path.to_str().unwrap(), "--json"]);
    let documented = bgtask_manifest::parse("bgtask.toml", GOOD.as_bytes()).manifest.unwrap().to_json();
    assert_eq!(json(&ran.out), documented);
}

#[test]
fn check_shows_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "bgtask.toml", GOOD.replace("\"timer\"", "\"timr\""));
    let ran = bgtask(&["manifest", "check", path.to_str().unwrap()]);
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""), "{ran:?}");
    assert!(ran.out.contains(&format!("--> {}:9:25", path.display())), "{}", ran.out);
    assert!(ran.out.contains("9 | types = [\"systemEvent\", \"timr\"]"), "{}", ran.out);
    assert!(ran.out.contains("did you mean \"timer\"?"), "{}", ran.out);
    assert!(ran.out.ends_with("good, 1 warning\n"), "{}", ran.out);
}

#[test]
fn check_of_several_goes_on_after_a_bad_one() {
    let dir = tempfile::tempdir().unwrap();
    let good = file(dir.path(), "good.toml", GOOD);
    let bad = file(dir.path(), "bad.toml", GOOD.replace("version = \"1.4.0\"\n", ""));
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let absent = format!("{good}.absent");
    let ran = bgtask(&["manifest", "check", bad, &absent, good]);
    assert_eq!(ran.exit, 1);
    assert!(ran.out.contains("not usable") && ran.out.ends_with("good.toml: good\n"), "{}", ran.out);
    assert!(ran.err.contains("bad.toml has 1 error") && ran.err.contains("good.toml.absent"), "{}", ran.err);
    assert_eq!(bgtask(&["manifest", "check", &absent, good]).exit, 3);

    let ran = bgtask(&["manifest", "check", "--json", bad, good]);
    let answers = json(&ran.out);
    assert_eq!((answers[0]["ok"].as_bool(), answers[1]["ok"].as_bool()), (Some(false), Some(true)));
    assert_eq!(answers[0]["findings"][0]["severity"], "error");
    assert_eq!(json(&ran.err)["exit_code"], 1);
}

#[test]
fn show_of_what_cannot_be_read_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "bgtask.toml", "[app\n");
    let ran = bgtask(&["manifest", "show", path.to_str().unwrap(), "--json"]);
    assert_eq!((ran.exit, ran.out.as_str()), (1, ""));
    assert_eq!(json(&ran.err)["exit_code"], 1);
    let ran = bgtask(&["manifest", "show", dir.path().to_str().unwrap()]);
    assert!(ran.exit == 1 && ran.err.contains("a folder"), "{ran:?}");
}

#[test]
fn a_hostile_manifest_cannot_write_to_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let escapes = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\r";
    let mut odd: Vec<u8> = Vec::new();
    for line in GOOD.lines() {
        odd.extend(format!("{escapes}{line}{escapes}\n").bytes());
    }
    let texts = [
        odd,
        GOOD.replace("Tasks.Thumbnails", "Tasks\\u001b[2K\\u009b").into_bytes(),
        GOOD.replace("photos", "ph\\u202eotos").replace("timer", "ti\\u001b]0;x\\u0007mr").into_bytes(),
        format!("<Package xmlns='\u{9b}{escapes}'><{escapes}/>").into_bytes(),
        format!("<!DOCTYPE a [<!ENTITY x '{escapes}'>]><a>&x;</a>").into_bytes(),
        b"\xff\xfe\x1b\x00[\x002\x00J\x00".to_vec(),
        format!("[app]\nid = \"{}\"\n", "\u{1b}[2K".repeat(100_000)).into_bytes(),
        "[".repeat(100_000).into_bytes(),
    ];
    for (number, text) in texts.iter().enumerate() {
        for ending in ["toml", "appxmanifest"] {
            let path = file(dir.path(), &format!("\u{1b}[2K\u{202e}{number}.{ending}"), text);
            for command in [&["check"][..], &["check", "--json"], &["show"]] {
                let ran = bgtask_raw(&[&["manifest"], command, &[path.to_str().unwrap()]].concat());
                let harmless = |text: &str| !text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}');
                assert!(
                    harmless(&ran.1) && (command.contains(&"--json") || harmless(&ran.0)),
                    "{number} {ending}: {ran:?}"
                );
            }
        }
    }
}

/// As [`bgtask`], but with what is not styling of our own left in: the renderer's own colours are switched off by
/// stripping only sequences it writes.
fn bgtask_raw(arguments: &[&str]) -> (String, String) {
    use clap::Parser as _;
    let cli = crate::Cli::try_parse_from([&["bgtask"], arguments].concat()).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    cli.run(crate::output::time::Clock::fixed(super::NOON), None, &mut out, &mut err);
    (unstyled(&out), unstyled(&err))
}

/// Removes `ESC [ digits m` only.
fn unstyled(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut parts = text.split("\u{1b}[");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match rest.strip_prefix('m') {
            Some(rest) => kept.push_str(rest),
            None => kept.push_str(&format!("\u{1b}[{part}")),
        }
    }
    kept
}
