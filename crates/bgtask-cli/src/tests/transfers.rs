//! `bgtask transfers`, against a broker that answers from a script.

use super::bgtask;
use super::script::ask;

#[test]
fn transfers_are_listed_with_how_far_they_are_and_why() {
    let out = ask(&["transfers"]).out;
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[1].contains("\u{2193} /srv/film.mkv") && lines[1].contains("Running"), "{out}");
    assert!(lines[1].contains("5.0 MiB of 10 MiB") && !lines[1].contains("org.bgtask.Commands"), "{out}");
    assert!(lines[2].contains("Error") && lines[2].contains("403 Forbidden"), "{out}");
    assert!(lines[2].contains("org.example.Photos") && !out.contains('\u{1b}'), "{out}");
}

#[test]
fn one_is_told_by_its_id_its_file_or_the_beginning_of_its_id() {
    for wanted in ["9c3f6d0e-53a1-4f0c-8a55-0a4b7b1f7d11", "/srv/film.mkv", "9C3F"] {
        assert_eq!(ask(&["transfers", "pause", wanted]).out, "/srv/film.mkv: it rests.\n", "{wanted}");
    }
    let ran = ask(&["transfers", "cancel", "9e00"]);
    assert!(ran.exit == 3 && ran.err.contains("bgtask transfers"), "{ran:?}");
}

#[test]
fn a_file_that_is_there_is_not_replaced_unless_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("film.mkv");
    std::fs::write(&file, "").unwrap();
    let order = ["transfers", "add", "https://example.org/film.mkv", file.to_str().unwrap()];
    let ran = bgtask(&[&["--root", "/nowhere"], &order[..]].concat());
    assert!(ran.exit == 1 && ran.err.contains("--force"), "{ran:?}");
    let ran = ask(&[&order[..], &["--force"]].concat());
    assert!(ran.exit == 0 && ran.out.contains("9c3f6d0e"), "{ran:?}");
}

#[test]
fn what_cannot_be_ordered_is_said_before_anybody_is_asked() {
    for (words, says) in [
        (&["transfers", "add", "https://example.org/"][..], "does not name a file"),
        (&["transfers", "add", "example.org/film.mkv"], "is no URI"),
        (&["transfers", "add", "https://example.org/none", "--header", "x"], "Name: value"),
        (&["transfers", "add", "https://example.org/", "/no/such/file", "--upload"], "/no/such/file\" cannot be sent"),
        (&["transfers", "add", "https://example.org/none", "--upload"], "FILE"),
    ] {
        let ran = bgtask(&[&["--root", "/nowhere"], words].concat());
        assert!(ran.exit == 2 && ran.err.contains(says), "{words:?}: {ran:?}");
    }
}
