//! What the machine and its user are like: states whose changes fire, and devices that tasks use.

#[path = "../harness/mod.rs"]
mod harness;

mod accounts;
mod device_use;
mod sleep;
mod states;

use harness::{Broker, Home, User};

/// A broker with the sample app.
struct Stage {
    user: User,
    broker: Broker,
    home: Home,
}

impl Stage {
    async fn in_home(home: Home) -> Self {
        let broker = home.start().await;
        Self { user: broker.user().await, broker, home }
    }

    /// Kills the broker, lets the world change, and starts another.
    async fn after_a_crash(self, meanwhile: impl AsyncFnOnce(&Home)) -> Self {
        let Self { user, broker, home } = self;
        drop(user);
        broker.kill();
        meanwhile(&home).await;
        Self::in_home(home).await
    }

    /// Adds a command that does nothing, for what its task file says fires it, and waits until the world is known.
    async fn command(&self, name: &str, on: &str) -> String {
        let definition = format!("command = [\"/bin/true\"]\n{on}\n");
        let (task, _) = self.user.broker.add_task(name, &definition, false).await.unwrap();
        self.user.sources_know().await;
        task
    }

    /// Waits until a task has completed so often, and is sure that it did not fire oftener.
    async fn ran(&self, task: &str, times: usize) {
        self.user.line(task, "completed", times).await;
        self.user.phase(task, "idle").await;
        let words = ["registered"].into_iter().chain(["fired", "started", "completed"].repeat(times));
        assert_eq!(self.user.words(task).await, words.collect::<Vec<_>>().join(" "));
    }
}
