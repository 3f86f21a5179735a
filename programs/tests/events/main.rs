//! Events as triggers of apps: what happens, and what a task in a host of its own is told of it.

#[path = "../harness/mod.rs"]
mod harness;

mod desktop;
mod listening;
mod notifications;
mod refused;

use bgtask::{ApplicationDataContainer, PropertyValue, ValueSet};
use harness::{Broker, Home, New, SAMPLE, User, UserBus, eventually};

/// A broker with the sample app, whose tasks leave word of what they are told.
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

    /// With the session bus of the world; `None` where there can be none.
    async fn with_bus() -> Option<(UserBus, Self)> {
        let (home, _app) = Home::with_sample();
        let bus = UserBus::start(&home.world).await?;
        Some((bus, Self::in_home(home).await))
    }

    /// Kills the broker and starts another in its place.
    async fn after_a_crash(self) -> Self {
        let Self { user, broker, home } = self;
        drop(user);
        broker.kill();
        Self::in_home(home).await
    }

    /// Registers a task of an app, and waits until its events are heard.
    async fn listens_for(&self, app: &str, name: &str, class: &str, properties: &[(&str, &str)]) -> String {
        self.user.broker.request_access(app, "").await.unwrap();
        let new = New { app, name, entry: "Tasks.Tells", ..New::default() };
        let task = self.user.register_for(new, class, properties).await.unwrap();
        self.hears(&task, class).await;
        task
    }

    /// The same for the sample app.
    async fn listens(&self, name: &str, class: &str, properties: &[(&str, &str)]) -> String {
        self.listens_for(SAMPLE, name, class, properties).await
    }

    async fn hears(&self, task: &str, class: &str) {
        eventually("its events are heard", async || {
            let why = self.user.broker.why(task).await.unwrap();
            why.gates.iter().any(|gate| gate.name == class && gate.open).then_some(())
        })
        .await;
    }

    /// What the runs of a task were told so far: every event, and how many were lost.
    fn told_to(&self, app: &str, name: &str) -> (Vec<ValueSet>, u32) {
        let settings = ApplicationDataContainer::open(self.home.data(app)).unwrap();
        let runs: Vec<PropertyValue> = settings.get(name).unwrap().unwrap_or_default();
        let runs: Vec<ValueSet> = runs.into_iter().map(|run| run.try_into().unwrap()).collect();
        let lost = runs.iter().map(|run| run.get::<u32>("lost").unwrap().unwrap()).sum();
        let events = runs.iter().flat_map(|run| run.get::<Vec<PropertyValue>>("events").unwrap().unwrap());
        (events.map(|event| event.try_into().unwrap()).collect(), lost)
    }

    /// Waits until a task has been told so many events, which are all of them, and none was lost.
    async fn told(&self, name: &str, count: usize) -> Vec<ValueSet> {
        let (events, lost) = eventually(&format!("{count} events are told"), async || {
            Some(self.told_to(SAMPLE, name)).filter(|(events, _)| events.len() >= count)
        })
        .await;
        assert_eq!((events.len(), lost), (count, 0), "{events:?}");
        events
    }
}

/// A text that an event carries.
fn text(event: &ValueSet, field: &str) -> String {
    event.get(field).unwrap().unwrap_or_else(|| panic!("no {field} in {event:?}"))
}
