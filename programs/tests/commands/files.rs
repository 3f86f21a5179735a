//! The folder of task files: an equal way to add commands.

use std::fs;
use std::path::PathBuf;

use bgtask_wire::{ErrorKind, TaskInfo};

use crate::harness::{eventually, kind};
use crate::{SOME_DAY, Stage};

impl Stage {
    fn file(&self, name: &str) -> PathBuf {
        self.home.root("tasks").join(name)
    }

    /// As editors do it: written whole, then put in its place.
    fn write(&self, name: &str, text: &str) {
        let new = self.file(&format!(".{name}.swp"));
        fs::write(&new, text).unwrap();
        fs::rename(new, self.file(name)).unwrap();
    }

    async fn task(&self, name: &str, is: impl Fn(&TaskInfo) -> bool) -> TaskInfo {
        eventually(&format!("the task {name:?}"), async || {
            let tasks = self.user.broker.list_tasks("").await.unwrap();
            tasks.into_iter().find(|task| task.name == name && is(task))
        })
        .await
    }

    async fn problem(&self, name: &str) -> String {
        eventually(&format!("what is wrong with {name}"), async || {
            let files = self.user.broker.list_task_files().await.unwrap();
            files.into_iter().find(|info| info.file.ends_with(name))?.problem
        })
        .await
    }

    async fn gone(&self, name: &str) {
        eventually(&format!("{name} is gone"), async || {
            let tasks = self.user.broker.list_tasks("").await.unwrap();
            tasks.iter().all(|task| task.name != name).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_file_is_picked_up_changed_and_given_up_live() {
    let stage = Stage::set().await;
    stage.write("backup.toml", &stage.definition("true", SOME_DAY));
    let first = stage.task("backup", |_| true).await;
    assert_eq!(first.file.as_deref(), Some(&*stage.file("backup.toml").to_string_lossy()));

    stage.write("backup.toml", &stage.definition("true", "every = \"7h\""));
    let second = stage.task("backup", |task| task.word == "every:7h").await;
    assert_ne!(first.id, second.id);

    stage.write("backup.toml", &stage.definition("true", "name = \"another\"\nevery = \"7h\""));
    stage.task("another", |_| true).await;
    stage.gone("backup").await;

    fs::remove_file(stage.file("backup.toml")).unwrap();
    stage.gone("another").await;
}

/// A file half saved, or wrong, takes nothing away.
#[tokio::test]
async fn a_wrong_file_keeps_what_was_and_says_what_is_wrong() {
    let stage = Stage::set().await;
    stage.write("sync.toml", &stage.definition("true", SOME_DAY));
    let task = stage.task("sync", |_| true).await;
    stage.write("sync.toml", "command = \"true\"\nevery = \"");
    let problem = stage.problem("sync.toml").await;
    assert!(problem.starts_with("sync.toml:2: "), "{problem}");
    assert_eq!(stage.task("sync", |_| true).await.id, task.id);
    stage.write("sync.toml", &stage.definition("true", SOME_DAY));
    eventually("it is sound again", async || {
        let files = stage.user.broker.list_task_files().await.unwrap();
        files.iter().all(|info| info.problem.is_none()).then_some(())
    })
    .await;
    assert_eq!(stage.task("sync", |_| true).await.id, task.id, "the same again is the same task");
}

/// What changed while no broker ran is noticed when one starts.
#[tokio::test]
async fn files_are_compared_with_the_past_at_the_start() {
    let stage = Stage::set().await;
    for name in ["stays.toml", "goes.toml"] {
        stage.write(name, &stage.definition("true", SOME_DAY));
    }
    let stays = stage.task("stays", |_| true).await;
    stage.task("goes", |_| true).await;
    let by_hand = stage.add("by hand", "true", SOME_DAY).await;
    fs::remove_file(stage.file("goes.toml")).unwrap();
    stage.gone("goes").await;
    stage.write("comes.toml", &stage.definition("true", SOME_DAY));
    let stage = stage.after_a_crash().await;
    stage.task("comes", |_| true).await;
    stage.gone("goes").await;
    assert_eq!(stage.task("stays", |_| true).await.id, stays.id);
    assert_eq!(stage.task("by hand", |_| true).await.id, by_hand);
}

/// One name, one command, however it was added.
#[tokio::test]
async fn a_name_is_a_files_or_a_calls() {
    let stage = Stage::set().await;
    stage.add("mine", "true", SOME_DAY).await;
    stage.write("mine.toml", &stage.definition("false", SOME_DAY));
    assert!(stage.problem("mine.toml").await.contains("added by hand"));
    stage.write("file.toml", &stage.definition("true", SOME_DAY));
    stage.task("file", |_| true).await;
    let taken = stage.user.broker.add_task("file", &stage.definition("true", SOME_DAY), true).await;
    assert_eq!(kind(taken), ErrorKind::NameTaken);
    stage.write("second.toml", &stage.definition("true", "name = \"file\"\nevery = \"1h\""));
    assert!(stage.problem("second.toml").await.contains("file.toml"));
}
