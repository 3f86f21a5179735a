//! The page in a real browser. Without one it says that it was skipped, and where `CI` is `true` that is a failure.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bgtask_report::{account, page};
use common::*;
use jiff::tz::TimeZone;

/// What keeps a browser from asking the network for anything of its own.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--enable-logging=stderr",
];

fn browser() -> Option<PathBuf> {
    let found = std::env::var_os("PATH").and_then(|path| {
        let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        places.iter().flat_map(|place| names.map(|name| place.join(name))).find(|program| program.is_file())
    });
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "there is no chromium: install the package chromium"
        );
        println!("SKIPPED: there is no chromium on the path; the package chromium has it");
    }
    found
}

fn open(browser: &Path, dir: &Path, page: &Path, flags: &[&str]) -> Output {
    let profile = format!("--user-data-dir={}", dir.join("profile").display());
    let address = format!("file://{}", page.display());
    let mut command = Command::new(browser);
    command.args(FLAGS).arg(profile).args(flags).arg(address);
    command.output().expect("the browser starts")
}

#[test]
fn the_page_opens_from_a_file_with_its_tables_and_plots_and_asks_for_nothing() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.html");
    let report = account(&six_weeks(), &TimeZone::UTC, NOON - 42 * DAY, NOON);
    std::fs::write(&file, page(&report)).unwrap();
    let log = dir.path().join("net.json");
    let opened = open(&browser, dir.path(), &file, &["--dump-dom", &format!("--log-net-log={}", log.display())]);
    let (dom, said) = (String::from_utf8_lossy(&opened.stdout), String::from_utf8_lossy(&opened.stderr));
    assert!(opened.status.success(), "{said}");
    for part in ["id=\"totals\"", "id=\"runs\"", "id=\"cpu\"", "id=\"waits\"", "id=\"wakeups\"", "id=\"tasks\""] {
        assert!(dom.contains(part), "{part} is missing: {dom}");
    }
    assert_eq!(dom.matches("<svg").count(), 4);
    assert!(dom.matches("class=\"column\"").count() >= 2 * 42 + 9, "a column for each day and each bin");
    assert_eq!(dom.matches("<tr class=\"task\">").count(), report.tasks.len());
    assert_eq!(dom.matches("<tr class=\"app\">").count(), report.apps.len());
    assert!(!dom.contains("<script"), "no name is read as HTML");
    assert!(!said.contains("CONSOLE"), "the page has nothing to complain about: {said}");
    assert_eq!(asked_by_pages(&log), "");
}

/// What shows that the test above would see a request.
#[test]
fn a_page_that_asks_for_something_is_seen_to() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (file, log) = (dir.path().join("page.html"), dir.path().join("net.json"));
    std::fs::write(&file, "<img src=\"http://elsewhere.invalid/picture.png\"><script>console.log('aha')</script>")
        .unwrap();
    let opened = open(&browser, dir.path(), &file, &["--dump-dom", &format!("--log-net-log={}", log.display())]);
    assert!(asked_by_pages(&log).contains("http://elsewhere.invalid/picture.png"));
    assert!(String::from_utf8_lossy(&opened.stderr).contains("CONSOLE"));
}

/// The lines of a browser's log of the network on what pages asked for: the browser itself asks for things too.
fn asked_by_pages(log: &Path) -> String {
    let log = std::fs::read_to_string(log).expect("the network was logged");
    let of_page = |line: &&str| line.contains("\"initiator\":\"") && !line.contains("\"initiator\":\"not an origin\"");
    let remote = |line: &&str| line.contains("\"url\":\"http") || line.contains("\"url\":\"ws");
    log.lines().filter(of_page).filter(remote).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_page_is_drawn_in_light_and_in_dark() {
    let Some(browser) = browser() else { return };
    let kept = std::env::var_os("BGTASK_KEEP_PICTURES").map(PathBuf::from);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.html");
    let report = account(&six_weeks(), &TimeZone::UTC, NOON - 42 * DAY, NOON);
    std::fs::write(&file, page(&report)).unwrap();
    let mut pictures = Vec::new();
    for (name, flags) in [("light", &[][..]), ("dark", &["--blink-settings=preferredColorScheme=0"][..])] {
        let picture = dir.path().join(format!("{name}.png"));
        let shot = format!("--screenshot={}", picture.display());
        let opened = open(&browser, dir.path(), &file, &[flags, &["--window-size=1200,1320", &shot]].concat());
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        pictures.push(std::fs::read(&picture).unwrap());
        if let Some(kept) = &kept {
            std::fs::copy(&picture, kept.join(format!("{name}.png"))).unwrap();
        }
    }
    assert!(pictures.iter().all(|picture| picture.len() > 5_000), "something is drawn");
    assert_ne!(pictures[0], pictures[1], "dark is not light");
}
