//! Changes at a path as a trigger.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::Stage;
use crate::harness::eventually;

/// Keeps every event: what comes while the command runs is what its next run gets, in order, none twice.
#[tokio::test]
async fn fifty_changes_half_a_millisecond_apart_are_all_told() {
    let stage = Stage::set().await;
    let notes = stage.home.root("notes");
    fs::create_dir(&notes).unwrap();
    let watch = format!("on = \"path:{}\"\nchanges = [\"created\"]", notes.display());
    let task = stage.add("notes", "cat <&$BGTASK_DETAILS_FD >> $W/told; echo >> $W/told", &watch).await;
    eventually("the path is watched", async || {
        let why = stage.user.broker.why(&task).await.unwrap();
        why.gates.iter().any(|gate| gate.name == "Path" && gate.open).then_some(())
    })
    .await;
    for number in 0..50 {
        fs::File::create(notes.join(format!("{number:02}"))).unwrap();
        std::thread::sleep(Duration::from_micros(500));
    }
    let told = eventually("all are told", async || {
        let text = fs::read_to_string(stage.word("told")).ok()?;
        let runs = text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>().ok()?;
        let changes: Vec<_> = runs.iter().flat_map(|run| run["changes"].as_array().unwrap().clone()).collect();
        (changes.len() >= 50).then_some(changes)
    })
    .await;
    let paths: Vec<_> = told.iter().map(|change| change["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(paths.len(), 50);
    assert!(paths.is_sorted(), "in order: {paths:?}");
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), 50, "none twice");
}
