//! The broker from a shell: the example of `examples/busctl` does what it says.

mod harness;

use std::process::Command;

use harness::{Broker, Home, SAMPLE, has_program, skipped};

const TOUR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/busctl/tour.sh");

/// Runs the script and gives its exit code, what it said, and what it complained about.
fn tour(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(TOUR).args(arguments).env("BGTASK_ADDRESS", home.address()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

async fn begin() -> Option<(Home, Broker)> {
    if !has_program("busctl") {
        skipped("busctl is not installed");
        return None;
    }
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    Some((home, broker))
}

#[tokio::test]
async fn the_tour_registers_fires_and_reads() {
    let Some((home, broker)) = begin().await else { return };
    let (code, said, complaints) = tour(&home, &[SAMPLE, "Tasks.Quick"]);
    assert_eq!(code, Some(0), "{said}\n{complaints}");
    assert!(said.contains("\nu 5\n") && said.contains("\nu 1\n"), "access, and who heard the event: {said}");
    assert!(said.contains("\nregistered\nfired\nstarted\ncompleted\n"), "{said}");
    assert!(broker.user().await.broker.list_tasks("").await.unwrap().is_empty(), "it takes away what it made");
}

/// What the broker refuses, the script passes on, and it leaves nothing behind.
#[tokio::test]
async fn what_is_refused_is_told_in_the_brokers_words() {
    let Some((home, broker)) = begin().await else { return };
    let (code, _, complaints) = tour(&home, &[SAMPLE, "Tasks.Undeclared"]);
    assert_ne!(code, Some(0));
    assert!(complaints.contains("[[task]]"), "the lines to add: {complaints}");
    let (code, _, complaints) = tour(&home, &["org.example.Nobody", "Tasks.Quick"]);
    assert_ne!(code, Some(0));
    assert!(complaints.contains("org.example.Nobody"), "{complaints}");
    let (code, _, complaints) = tour(&home, &[]);
    assert_ne!(code, Some(0));
    assert!(complaints.contains("usage: tour.sh APP ENTRY_POINT"), "{complaints}");
    assert!(broker.user().await.broker.list_tasks("").await.unwrap().is_empty());
}
