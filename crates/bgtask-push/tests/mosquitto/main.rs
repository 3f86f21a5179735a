//! Channels by MQTT 5 on a real Mosquitto: what arrives, what is sent again, and what is not.

mod answers;
mod faults;
#[allow(dead_code, reason = "the tests of the programs use the other part")]
mod server;

use std::time::Duration;

use bgtask_push::mqtt::{Client, Mqtt, Outgoing, Server};
use bgtask_push::{MAX_PAYLOAD_BYTES, MAX_UNACKNOWLEDGED, Message, Report, Status, Ticket, Transport};
use server::{Mosquitto, Wanted};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long anything may take.
const BOUND: Duration = Duration::from_secs(60);

const CHANNEL: &str = "org.example.Mail";

/// One life of a machine: what it has opened, and what it hears.
struct Machine {
    mqtt: Mqtt,
    reports: mpsc::Receiver<Report>,
    /// What came while something else was waited for: a server sends what it has at once.
    early: Vec<Message>,
}

impl Machine {
    fn at(server: Server) -> Self {
        let (sender, reports) = mpsc::channel(64);
        let mut mqtt = Mqtt::new(server, "machine-1", sender);
        mqtt.open(CHANNEL);
        Self { mqtt, reports, early: Vec::new() }
    }

    /// One that is connected.
    async fn on(server: &Mosquitto) -> Self {
        let mut machine = Self::at(machine_on(server));
        machine.until_connected().await;
        machine
    }

    async fn next(&mut self) -> Report {
        timeout(BOUND, self.reports.recv()).await.expect("something is said in time").expect("it lives")
    }

    async fn until_connected(&mut self) {
        loop {
            match self.next().await {
                Report::Status { status: Status::Connected { .. }, .. } => return,
                Report::Messages { messages, .. } => self.early.extend(messages),
                _ => {}
            }
        }
    }

    async fn trouble(&mut self) -> String {
        loop {
            if let Report::Status { status: status @ Status::Away { .. }, .. } = self.next().await {
                return status.to_string();
            }
        }
    }

    async fn messages(&mut self, count: usize) -> Vec<Message> {
        let mut all = std::mem::take(&mut self.early);
        while all.len() < count {
            if let Report::Messages { messages, .. } = self.next().await {
                all.extend(messages);
            }
        }
        assert_eq!(all.len(), count, "no more than expected");
        all
    }

    /// Nothing comes that was sent before this.
    async fn hears_nothing_but(&mut self, sender: &mut Client, server: &Server) {
        sender.publish(to(server, "a mark")).await.unwrap();
        sender.settle().await.unwrap();
        assert_eq!(texts(&self.messages(1).await), ["a mark"]);
    }
}

fn machine_on(server: &Mosquitto) -> Server {
    Server::at(&server.address(), "kitchen").unwrap()
}

async fn sender(server: &Mosquitto) -> Client {
    Client::connect(&machine_on(server), "sender").await.expect("the server takes a sender")
}

fn to(server: &Server, text: &str) -> Outgoing {
    Outgoing { topic: server.topic_of(CHANNEL), payload: text.into(), ..Outgoing::default() }
}

async fn send(server: &Mosquitto, texts: impl IntoIterator<Item = String>) {
    let mut sender = sender(server).await;
    for text in texts {
        sender.publish(to(&machine_on(server), &text)).await.unwrap();
    }
    sender.settle().await.unwrap();
    sender.close().await.unwrap();
}

fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8(message.payload.clone().unwrap()).unwrap()).collect()
}

fn tickets(messages: &[Message]) -> Vec<Ticket> {
    messages.iter().map(|message| message.ticket.expect("its sender waits")).collect()
}

fn numbered(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_message_arrives_with_its_headers_on_the_address_that_was_told() {
    let folder = TempDir::new().unwrap();
    let server = Mosquitto::start(folder.path());
    let mut machine = Machine::at(machine_on(&server));
    let uri = format!("{}/bgtask/kitchen/{CHANNEL}", server.address());
    assert_eq!(machine.next().await, Report::Opened { channel: CHANNEL.into(), uri });
    machine.until_connected().await;
    let mut sender = sender(&server).await;
    let headers = vec![("subject".to_owned(), "ä".to_owned())];
    let outgoing = Outgoing { headers: headers.clone(), ..to(&machine_on(&server), "new mail") };
    sender.publish(outgoing).await.unwrap();
    sender.settle().await.unwrap();
    let messages = machine.messages(1).await;
    assert_eq!(texts(&messages), ["new mail"]);
    assert_eq!(messages[0].headers, headers);
}

/// What was sent while the machine was off arrives later, in order; what was acknowledged does not arrive again, and what was
/// not does.
#[tokio::test]
async fn a_message_is_sent_again_until_it_is_acknowledged_over_lives_of_the_machine() {
    let folder = TempDir::new().unwrap();
    let server = Mosquitto::start(folder.path());
    drop(Machine::on(&server).await);
    send(&server, numbered(0..10)).await;
    let mut second = Machine::on(&server).await;
    let messages = second.messages(10).await;
    assert_eq!(texts(&messages), numbered(0..10));
    second.mqtt.acknowledge(CHANNEL, &tickets(&messages[..4]));
    // The server has the acknowledgements, once it has answered what was sent after them.
    second.mqtt.nudge();
    second.hears_nothing_but(&mut sender(&server).await, &machine_on(&server)).await;
    drop(second);
    let mut third = Machine::on(&server).await;
    let again = texts(&third.messages(7).await);
    assert_eq!(again[..6], numbered(4..10));
}

/// The server restarts: what waits there and what had been told is not lost, and nothing that was told is told twice.
#[tokio::test]
async fn a_restart_of_the_server_loses_nothing_and_repeats_nothing_that_is_held() {
    let folder = TempDir::new().unwrap();
    let mut server = Mosquitto::start(folder.path());
    let mut machine = Machine::on(&server).await;
    send(&server, numbered(0..20)).await;
    let before = machine.messages(20).await;
    server.stop();
    assert!(machine.trouble().await.contains("tried again"));
    machine.mqtt.acknowledge(CHANNEL, &tickets(&before[..10]));
    server.run();
    machine.until_connected().await;
    send(&server, numbered(20..30)).await;
    assert_eq!(texts(&machine.messages(10).await), numbered(20..30));
}

/// a payload longer than 5 KB is told without it, and can be acknowledged.
#[tokio::test]
async fn q_22_a_payload_that_is_too_large_is_told_without_it() {
    let folder = TempDir::new().unwrap();
    let server = Mosquitto::start(folder.path());
    let mut machine = Machine::on(&server).await;
    send(&server, ["x".repeat(MAX_PAYLOAD_BYTES), "y".repeat(MAX_PAYLOAD_BYTES + 1)]).await;
    let messages = machine.messages(2).await;
    assert_eq!(messages[0].payload.as_ref().map(Vec::len), Some(MAX_PAYLOAD_BYTES));
    assert_eq!(messages[1].payload, None);
    machine.mqtt.acknowledge(CHANNEL, &tickets(&messages));
    machine.hears_nothing_but(&mut sender(&server).await, &machine_on(&server)).await;
}

/// A flood stays at the server: here are never more than so many.
#[tokio::test]
async fn the_server_keeps_what_is_more_than_may_be_unacknowledged() {
    let folder = TempDir::new().unwrap();
    let server = Mosquitto::start(folder.path());
    let mut machine = Machine::on(&server).await;
    let most = u32::from(MAX_UNACKNOWLEDGED);
    send(&server, numbered(0..most * 3)).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let messages = machine.messages(most as usize).await;
        machine.mqtt.acknowledge(CHANNEL, &tickets(&messages));
        told.extend(texts(&messages));
    }
    assert_eq!(told, numbered(0..most * 3));
}

/// A channel that is closed is forgotten by the server, with what waits there.
#[tokio::test]
async fn a_channel_that_is_closed_gets_nothing_that_was_sent_to_it() {
    let folder = TempDir::new().unwrap();
    let server = Mosquitto::start(folder.path());
    let mut machine = Machine::on(&server).await;
    machine.mqtt.close(CHANNEL);
    while !matches!(machine.next().await, Report::Closed { .. }) {}
    drop(machine);
    send(&server, numbered(0..3)).await;
    let mut next = Machine::on(&server).await;
    next.hears_nothing_but(&mut sender(&server).await, &machine_on(&server)).await;
}

/// `Wanted` says who may.
#[tokio::test]
async fn a_wrong_password_is_said_and_the_right_one_is_read_when_it_is_there() {
    let folder = TempDir::new().unwrap();
    let server = Mosquitto::start_as(folder.path(), Wanted { users: &[("kitchen", "secret")], ..Wanted::default() });
    let password = folder.path().join("password");
    let mut settings = machine_on(&server);
    settings.credentials.username = Some("kitchen".into());
    settings.credentials.password_file = Some(password.clone());
    let mut machine = Machine::at(settings);
    assert!(machine.trouble().await.contains("password file"), "it is not there yet");
    std::fs::write(&password, "wrong\n").unwrap();
    machine.mqtt.nudge();
    assert!(machine.trouble().await.contains("correct username and password_file"));
    std::fs::write(&password, "secret\n").unwrap();
    machine.mqtt.nudge();
    machine.until_connected().await;
}
