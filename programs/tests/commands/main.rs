//! Commands: any program as a background task, from its definition to what it finds, how it ends and what is kept of it.

#[path = "../harness/mod.rs"]
mod harness;

mod definitions;
mod events;
mod files;
mod paths;
mod running;
mod stopping;

use std::fs;
use std::path::PathBuf;

use bgtask_wire::{Error, HistoryInfo};
use harness::{Broker, Home, User, eventually};

/// What never fires while a test lasts: such a command runs when it is told to.
const SOME_DAY: &str = "every = \"300d\"";

/// A broker with commands, and a folder in which they leave word.
struct Stage {
    home: Home,
    broker: Broker,
    user: User,
}

impl Stage {
    async fn set() -> Self {
        Self::configured("").await
    }

    async fn configured(config: &str) -> Self {
        let home = Home::new();
        home.configure(config);
        fs::create_dir_all(home.root("words")).unwrap();
        Self::on(home).await
    }

    async fn on(home: Home) -> Self {
        let broker = home.start().await;
        let user = broker.user().await;
        Self { home, broker, user }
    }

    /// Kills the broker and starts another in its place.
    async fn after_a_crash(self) -> Self {
        let Self { home, broker, .. } = self;
        broker.kill();
        Self::on(home).await
    }

    /// A file for commands to leave word in.
    fn word(&self, name: &str) -> PathBuf {
        self.home.root("words").join(name)
    }

    /// Waits for the word.
    async fn left(&self, name: &str) -> String {
        eventually(&format!("the word {name:?}"), async || {
            fs::read_to_string(self.word(name)).ok().filter(|text| text.ends_with('\n'))
        })
        .await
    }

    /// Adds a command that a shell runs, with further lines of its task file; `$W` is the folder for words.
    async fn add(&self, name: &str, line: &str, more: &str) -> String {
        self.try_add(name, &self.definition(line, more)).await.unwrap().0
    }

    async fn try_add(&self, name: &str, definition: &str) -> Result<(String, String), Error> {
        self.user.broker.add_task(name, definition, false).await.map_err(Error::from)
    }

    fn definition(&self, line: &str, more: &str) -> String {
        let words = self.home.root("words");
        format!("command = [\"/bin/sh\", \"-c\", {line:?}]\nenv = {{ W = {words:?} }}\n{more}\n")
    }

    /// Runs it now and waits for its end: the line of history that tells it.
    async fn run(&self, task: &str) -> HistoryInfo {
        let instance = self.user.broker.run_now(task, false).await.unwrap();
        self.ended(task, &instance).await
    }

    async fn ended(&self, task: &str, instance: &str) -> HistoryInfo {
        eventually("it ends", async || {
            let lines = self.user.history(task).await;
            lines.into_iter().find(|line| line.event == "completed" && line.instance.as_deref() == Some(instance))
        })
        .await
    }
}

fn detail(line: &HistoryInfo) -> serde_json::Value {
    serde_json::from_str(&line.detail).unwrap()
}
