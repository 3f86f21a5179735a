//! The tests that the guide shows, on the project that it builds.

#[path = "src/lib.rs"]
#[allow(unreachable_pub, reason = "in the guide it is a library of its own")]
mod hello;

include!("tests/hello.rs");

/// What the guide shows is what runs here.
#[test]
fn the_guide_shows_these_files() {
    let guide = include_str!("../../../../docs/writing-a-task.md");
    let functions = include_str!("src/lib.rs").split_once("/// What the task program runs.").unwrap().1;
    for shown in [include_str!("bgtask.toml"), functions, include_str!("tests/hello.rs")] {
        assert!(guide.contains(shown), "docs/writing-a-task.md does not show\n{shown}");
    }
}
