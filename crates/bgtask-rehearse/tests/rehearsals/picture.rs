//! How a timeline looks.

use std::time::Duration;

use bgtask_core::{PathEvents, PathWatch, Retry, Trigger};
use bgtask_rehearse::{MAX_DRAWN_LANES, Timeline};

use crate::day::{Day, at, command, every, monday, with};

/// A small day with something of everything.
fn small() -> Timeline {
    let retry = Retry { times: 1, backoff: Duration::from_secs(1_800) };
    let watch = PathWatch { path: "/n".into(), recursive: false, on: PathEvents::default(), settle: Duration::ZERO };
    let mut backup = command("backup", every("6h"), &["user-away"]);
    backup.cancel_on_condition_loss = true;
    let scenario = "at start: user present\n08:00-20:00 user away\n14:00-15:00 user present\n02:00 machine sleeps until 05:00\n\
                    task backup takes 4h\n09:00 path /n/a changes 3 times\ntask sync fails once\n16:00 task sync paused";
    monday(scenario)
        .task(with(backup, |command| command.fresh_within = Some(Duration::from_secs(10 * 3_600))))
        .task(with(command("sync", Trigger::Path { watch, one_shot: false }, &[]), |command| command.retry = retry))
        .task(command("</text><script>alert(1)</script> & \"co\"", at("04:00", false), &[]))
        .task(command("refused", every("1ms"), &[]))
        .played()
}

/// Compares with a file beside this one; `BGTASK_BLESS=1` writes it.
fn is_as_in(name: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rehearsals").join(name);
    if std::env::var_os("BGTASK_BLESS").is_some() {
        std::fs::write(&path, actual).expect("the source folder can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("the file is there");
    let differs = expected.lines().zip(actual.lines()).position(|(expected, actual)| expected != actual);
    assert_eq!(expected, actual, "{name} differs first in line {differs:?}; BGTASK_BLESS=1 writes it anew");
}

#[test]
fn the_picture_of_a_small_day_is_as_it_was() {
    is_as_in("small.svg", &small().svg());
}

#[test]
fn the_text_of_a_small_day_is_as_it_was() {
    is_as_in("small.txt", &small().text(80, 200));
}

/// The name of a task is never markup, and nothing in the picture is fetched or run.
#[test]
fn a_picture_stands_alone() {
    let svg = small().svg();
    assert!(svg.contains("&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;co&quot;"), "{svg}");
    for foreign in ["<script", "href", "url(http", "@import", "<foreignObject", "onload"] {
        assert!(!svg.contains(foreign), "{foreign}");
    }
    let links = svg.matches("http").count();
    assert_eq!(links, 1, "the name space only");
}

/// Every element that is opened is closed, in its order.
#[test]
fn a_picture_is_well_formed() {
    let svg = small().svg();
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1).map(|rest| rest.split('>').next().expect("a tag ends")) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "</{name}>"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().expect("a tag has a name")),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// A month of frequent tasks stays a picture that a browser opens at once.
#[test]
fn what_cannot_be_told_apart_is_drawn_as_one() {
    let mut day = Day::new("2026-03-01T00:00:00Z", "30d", "UTC", bgtask_rehearse::WORKING_DAY);
    for n in 0..10 {
        day = day.task(command(&format!("task {n}"), every("20min"), if n % 2 == 0 { &["user-away"] } else { &[] }));
    }
    let timeline = day.played();
    assert!(timeline.totals.runs > 10 * 1_000, "{:?}", timeline.totals);
    let svg = timeline.svg();
    assert!(svg.len() < 1_000_000, "{} bytes", svg.len());
    assert!(svg.contains("runs)"), "one mark stands for several runs");
}

#[test]
fn the_picture_has_a_bound_and_says_so() {
    let mut day = monday("");
    for n in 0..=MAX_DRAWN_LANES {
        day = day.task(command(&format!("task {n}"), at("05:00", true), &[]));
    }
    let svg = day.played().svg();
    assert!(
        svg.contains(&format!(">task {}<", MAX_DRAWN_LANES - 1)) && !svg.contains(&format!(">task {MAX_DRAWN_LANES}<"))
    );
    assert!(svg.contains("1 more tasks are not drawn"));
}

#[test]
fn a_line_of_text_is_never_too_wide() {
    let timeline = small();
    for width in [0, 40, 60, 80, 132] {
        let text = timeline.text(width, 10);
        assert!(text.lines().all(|line| line.chars().count() <= width.max(40)), "{text}");
        assert!(text.contains("more"), "what is left out is said");
        assert!(!text.contains(" \n"));
    }
}
