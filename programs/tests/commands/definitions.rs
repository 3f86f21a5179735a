//! What may be added, and what is refused with a sentence.

use bgtask_wire::ErrorKind;

use crate::harness::kind;
use crate::{SOME_DAY, Stage};

#[tokio::test]
async fn a_mistake_in_a_definition_is_told_with_its_line() {
    let stage = Stage::set().await;
    for (definition, words) in [
        ("", &["command", "trigger"][..]),
        ("command = \"x\"\nevry = \"6h\"", &[":2:", "evry", "every"]),
        ("command = \"x\"\nevery = \"6 parsecs\"", &[":2:", "6 parsecs"]),
        ("command = \"x\"\nevery = \"0.5s\"", &["0.5s"]),
        ("command = \"x\"\nat = \"Someday\"", &["Someday"]),
        ("command = \"x\"\nat = \"2001-01-01\"", &["never"]),
        ("command = \"x\"\nat = \"09:00\"\nzone = \"Europe/Atlantis\"", &["Europe/Atlantis"]),
        ("command = \"x\"\nevery = \"1h\"\non = \"internet\"", &["one of"]),
        ("command = \"x\"\nevery = \"1h\"\nwhen = [\"raining\"]", &["raining"]),
        ("command = []\nevery = \"1h\"", &["command"]),
        ("command = \"x\"\nevery = \"1h\"\ndir = \"here\"", &["here"]),
        ("command = \"x\"\non = \"path:relative\"", &["relative"]),
        ("command = \"a\\u0000b\"\nevery = \"1h\"", &["NUL"]),
    ] {
        let error = stage.try_add("wrong", definition).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{definition}: {error}");
        for word in words {
            assert!(error.message.contains(word), "{word:?} is not in what {definition:?} is told: {}", error.message);
        }
    }
    assert!(stage.user.broker.list_tasks("").await.unwrap().is_empty());
}

/// Names are unique among commands; another takes the place only where that is wanted, and keeps what it has come to.
#[tokio::test]
async fn a_name_is_taken_once() {
    let stage = Stage::set().await;
    let first = stage.add("same", "true", SOME_DAY).await;
    let again = stage.definition("false", SOME_DAY);
    assert_eq!(kind(stage.try_add("same", &again).await), ErrorKind::NameTaken);
    stage.user.broker.set_paused(&first, true).await.unwrap();
    let (second, update) = stage.user.broker.add_task("same", &again, true).await.unwrap();
    assert_eq!((update.as_str(), second == first), ("replaced", false));
    assert!(stage.user.broker.get_task(&second).await.unwrap().paused, "what was paused stays so");
    let (third, update) = stage.user.broker.add_task("same", &again, true).await.unwrap();
    assert_eq!((third == second, update.as_str()), (true, "unchanged"));
}

#[tokio::test]
async fn names_are_of_any_script_and_shape() {
    let stage = Stage::set().await;
    for name in ["a b", "\"quoted\"", "it's", "\u{5099}\u{4efd}", "a/b", "..", "-", "\u{1f4be}", &"n".repeat(255)] {
        let task = stage.add(name, "true", SOME_DAY).await;
        let info = stage.user.broker.get_task(&task).await.unwrap();
        assert_eq!(info.name, name);
        let definition = info.definition.unwrap();
        let (same, update) = stage.user.broker.add_task(name, &definition, true).await.unwrap();
        assert_eq!((same, update.as_str()), (task, "unchanged"), "what is told is what was asked for:\n{definition}");
    }
    for name in ["two\nlines", "\u{7}", &"n".repeat(256)] {
        assert!(stage.try_add(name, &stage.definition("true", SOME_DAY)).await.is_err(), "{name:?}");
    }
}

/// A thousand commands are added, listed, and there again after a crash.
#[tokio::test]
async fn a_thousand_commands() {
    let stage = Stage::set().await;
    for number in 0..1_000 {
        stage.add(&format!("task {number}"), "true", "every = \"6h\"\nwhen = [\"no-internet\", \"user-away\"]").await;
    }
    assert_eq!(stage.user.broker.list_tasks("").await.unwrap().len(), 1_000);
    let stage = stage.after_a_crash().await;
    assert_eq!(stage.user.broker.list_tasks("").await.unwrap().len(), 1_000);
    for number in 1_000..1_024 {
        stage.add(&format!("task {number}"), "true", SOME_DAY).await;
    }
    let more = stage.try_add("one more", &stage.definition("true", SOME_DAY)).await;
    assert_eq!(kind(more), ErrorKind::LimitReached);
}
