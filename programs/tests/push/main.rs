//! Push messages end to end: a real Mosquitto, a real broker, and tasks in hosts of their own.

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../../../crates/bgtask-push/tests/mosquitto/server.rs"]
mod server;
mod unified_push;

mod crowd;
#[allow(dead_code, reason = "the benchmark uses the other part")]
#[path = "../../benches/common/device.rs"]
mod device;
mod fleet;
#[allow(dead_code, reason = "the benchmark uses the other part")]
#[path = "../../benches/common/operator.rs"]
mod operator;

use std::collections::BTreeSet;

use bgtask::{ApplicationDataContainer, PropertyValue, ValueSet};
use bgtask_push::mqtt::{Client, Outgoing, Server};
use bgtask_wire::{ErrorKind, PushChannelInfo};
use harness::{Broker, Home, New, SAMPLE, User, eventually, kind};
use server::Mosquitto;
use tempfile::TempDir;

const CLASS: &str = "PushNotificationTrigger";

/// A broker whose messages come from a server beside it, and the sample app, whose tasks leave word of what they are told.
struct Stage {
    user: User,
    broker: Broker,
    home: Home,
    server: Mosquitto,
    _folder: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let server = Mosquitto::start(folder.path());
        let (home, _app) = Home::with_sample();
        home.configure(&format!("[push.mqtt]\nserver = \"{}\"\nmachine = \"kitchen\"\n", server.address()));
        let broker = home.start().await;
        let user = broker.user().await;
        user.broker.request_access(SAMPLE, "").await.unwrap();
        Self { user, broker, home, server, _folder: folder }
    }

    /// Kills the broker; the server goes on.
    fn crash(self) -> (Home, Mosquitto, TempDir) {
        let Self { user, broker, home, server, _folder } = self;
        drop(user);
        broker.kill();
        (home, server, _folder)
    }

    async fn again((home, server, folder): (Home, Mosquitto, TempDir)) -> Self {
        let broker = home.start().await;
        Self { user: broker.user().await, broker, home, server, _folder: folder }
    }

    async fn registers(&self, name: &str, entry: &str) -> String {
        self.user.register_for(New { name, entry, ..New::default() }, CLASS, &[]).await.unwrap()
    }

    async fn opens(&self) -> String {
        self.user.broker.create_push_channel(SAMPLE).await.unwrap().0
    }

    async fn channel(&self) -> Option<PushChannelInfo> {
        self.user.broker.list_push_channels(SAMPLE).await.unwrap().into_iter().next()
    }

    async fn pushes(&self, payloads: impl IntoIterator<Item = Vec<u8>>) {
        push(&self.server, payloads).await;
    }

    /// What the runs of a task were told so far: every message, and how many were lost.
    fn told_to(&self, name: &str) -> (Vec<ValueSet>, u32) {
        let settings = ApplicationDataContainer::open(self.home.data(SAMPLE)).unwrap();
        let runs: Vec<PropertyValue> = settings.get(name).unwrap().unwrap_or_default();
        let runs: Vec<ValueSet> = runs.into_iter().map(|run| run.try_into().unwrap()).collect();
        let lost = runs.iter().map(|run| run.get::<u32>("lost").unwrap().unwrap()).sum();
        let events = runs.iter().flat_map(|run| run.get::<Vec<PropertyValue>>("events").unwrap().unwrap());
        (events.map(|event| event.try_into().unwrap()).collect(), lost)
    }

    /// What `Tasks.Lists` was told so far: the first word of each message, and `lost` for what is lost.
    fn listed(&self) -> Vec<String> {
        listed(&self.home)
    }

    /// Waits until it has been told at least so many.
    async fn lists(&self, count: usize) -> Vec<String> {
        eventually("all messages are told", async || Some(self.listed()).filter(|listed| listed.len() >= count)).await
    }

    /// Waits until it has been told each of these at least once.
    async fn lists_each(&self, messages: &[String]) {
        eventually("each is told", async || {
            let told: BTreeSet<String> = self.listed().into_iter().collect();
            messages.iter().all(|message| told.contains(message)).then_some(())
        })
        .await;
    }
}

fn listed(home: &Home) -> Vec<String> {
    let text = std::fs::read_to_string(home.data(SAMPLE).join("messages")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

async fn push(server: &Mosquitto, payloads: impl IntoIterator<Item = Vec<u8>>) {
    let settings = Server::at(&server.address(), "kitchen").unwrap();
    let mut sender = Client::connect(&settings, "sender").await.unwrap();
    for payload in payloads {
        let headers = vec![("subject".to_owned(), "ä".to_owned())];
        let topic = settings.topic_of(SAMPLE);
        sender.publish(Outgoing { topic, payload, headers, ..Outgoing::default() }).await.unwrap();
    }
    sender.settle().await.unwrap();
}

fn numbered(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

fn payloads(numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    numbered(numbers).into_iter().map(String::into_bytes).collect()
}

#[tokio::test]
async fn a_message_starts_its_task_with_all_that_was_said() {
    let stage = Stage::new().await;
    let uri = stage.opens().await;
    assert_eq!(uri, format!("{}/bgtask/kitchen/{SAMPLE}", stage.server.address()));
    assert_eq!(stage.opens().await, uri, "the same again is a longer life");
    let task = stage.registers("Mail", "Tasks.Tells").await;
    let why = stage.user.broker.why(&task).await.unwrap();
    assert!(why.gates.iter().any(|gate| gate.name == CLASS && gate.open), "{why:?}");
    stage.pushes([b"new mail".to_vec(), vec![0, 255]]).await;
    let (events, lost) =
        eventually("both are told", async || Some(stage.told_to("Mail")).filter(|(events, _)| events.len() >= 2)).await;
    assert_eq!(lost, 0);
    assert_eq!(events[0].get::<String>("content").unwrap().unwrap(), "new mail");
    assert_eq!(events[0].get::<String>("channel").unwrap().unwrap(), uri);
    let headers: ValueSet = events[0].get("headers").unwrap().unwrap();
    assert_eq!(headers.get::<String>("subject").unwrap().unwrap(), "ä");
    assert_eq!(events[1].get::<String>("bytes").unwrap().unwrap(), "00ff");
}

/// What was sent while the machine was off arrives when it is on again; the channel outlives the broker.
#[tokio::test]
async fn what_is_sent_while_no_broker_runs_arrives_later() {
    let stage = Stage::new().await;
    stage.opens().await;
    stage.registers("Mail", "Tasks.Lists").await;
    let left = stage.crash();
    push(&left.1, payloads(0..40)).await;
    let stage = Stage::again(left).await;
    assert_eq!(stage.lists(40).await, numbered(0..40));
}

/// At least once: the broker is killed again and again while messages arrive, and each of them reaches the task.
#[tokio::test]
async fn no_message_is_lost_when_the_broker_is_killed_between_it_and_its_acknowledgement() {
    let mut stage = Stage::new().await;
    stage.opens().await;
    stage.registers("Mail", "Tasks.Lists").await;
    // D7: an activation that the broker dies under is tried three times.
    for round in 0..2 {
        stage.pushes(payloads(round * 100..(round + 1) * 100)).await;
        stage = Stage::again(stage.crash()).await;
    }
    stage.lists_each(&numbered(0..200)).await;
}

/// The server goes away and comes back: it is said meanwhile, and nothing that it held is lost.
#[tokio::test]
async fn a_server_that_restarts_is_found_again() {
    let mut stage = Stage::new().await;
    stage.opens().await;
    stage.registers("Mail", "Tasks.Lists").await;
    stage.pushes(payloads(0..5)).await;
    stage.lists(5).await;
    stage.server.stop();
    eventually("it is said", async || {
        stage.channel().await.filter(|channel| channel.why.as_ref().is_some_and(|why| why.contains("mqtt://")))
    })
    .await;
    stage.server.run();
    stage.pushes(payloads(5..10)).await;
    // What the server had not heard the acknowledgement of comes again.
    stage.lists_each(&numbered(0..10)).await;
}

/// A flood while the task cannot run: what is here has a bound, the server keeps the others, and nothing is lost.
#[tokio::test]
async fn a_flood_waits_at_the_server_until_there_is_room() {
    let stage = Stage::new().await;
    stage.opens().await;
    stage.user.broker.set_background(false).await.unwrap();
    stage.registers("Mail", "Tasks.Lists").await;
    let long = |number: u32| format!("{number} {}", "x".repeat(1_000)).into_bytes();
    stage.pushes((0..600).map(long)).await;
    let held = eventually("there is no more room", async || {
        stage.channel().await.map(|channel| channel.held).filter(|held| *held == 256)
    });
    assert_eq!(held.await, 256);
    stage.user.broker.set_background(true).await.unwrap();
    let told = stage.lists(600).await;
    assert_eq!(told, numbered(0..600), "each of them once, in order, and none is lost");
}

/// what is longer than 5 KB is counted, and the task told.
#[tokio::test]
async fn q_22_a_message_that_is_too_large_is_told_as_lost() {
    let stage = Stage::new().await;
    stage.opens().await;
    stage.registers("Mail", "Tasks.Lists").await;
    stage.pushes([vec![b'x'; 5_121], b"small".to_vec()]).await;
    let mut told = stage.lists(2).await;
    told.sort();
    assert_eq!(told, ["lost", "small"]);
}

/// A channel that is closed, by its app or with it, is heard of no more.
#[tokio::test]
async fn a_closed_channel_is_gone() {
    let stage = Stage::new().await;
    stage.opens().await;
    let task = stage.registers("Mail", "Tasks.Lists").await;
    stage.user.broker.close_push_channel(SAMPLE).await.unwrap();
    stage.user.broker.close_push_channel(SAMPLE).await.unwrap();
    assert_eq!(stage.channel().await, None);
    let why = stage.user.broker.why(&task).await.unwrap();
    let gate = why.gates.iter().find(|gate| gate.name == CLASS).expect("it listens");
    assert!(!gate.open && gate.source.contains("no channel"), "{gate:?}");
    stage.opens().await;
    stage.home.uninstall(SAMPLE);
    eventually("it went with its app", async || {
        stage.user.broker.list_push_channels("").await.unwrap().is_empty().then_some(())
    })
    .await;
}

/// D16: where no server is set, and where it cannot be reached, that is said when it is asked for.
#[tokio::test]
async fn without_a_server_everything_is_refused_with_what_to_do() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    let refused = user.register_for(New { entry: "Tasks.Lists", ..New::default() }, CLASS, &[]).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotSupported);
    assert!(refused.message.contains("[push.mqtt]"), "{refused}");
    assert_eq!(kind(user.broker.create_push_channel(SAMPLE).await), ErrorKind::NotSupported);
    drop((user, broker));
    home.configure("[push.mqtt]\nserver = \"mqtt://127.0.0.1:1\"\n");
    let broker = home.start().await;
    let refused = broker.user().await.broker.create_push_channel(SAMPLE).await.unwrap_err();
    assert!(refused.to_string().contains("cannot be reached"), "{refused}");
}

#[tokio::test]
async fn a_server_that_cannot_be_is_refused_at_the_start() {
    let home = Home::new();
    home.configure("[push.mqtt]\nserver = \"http://push.example.org\"\n");
    let (code, said) = home.start_in_vain();
    assert_ne!(code, Some(0));
    assert!(said.contains("mqtts://HOST"), "{said}");
}
