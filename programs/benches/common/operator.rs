//! An operator who gives an order and hears the answers, over restarts of the server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bgtask_core::App;
use bgtask_push::fleet::{Answer, Order, To, answers_topic};
use bgtask_push::mqtt::{Client, Outgoing, Server, Trouble};
use tokio::time::sleep;

use crate::device::TASK;

pub(crate) struct Operator {
    server: Server,
    session: String,
    client: Option<Client>,
    begun: Instant,
    /// When each machine's answer came, after the order, and how often.
    answers: HashMap<String, (Duration, usize)>,
}

impl Operator {
    /// Gives an order to all, spread over so many seconds.
    pub(crate) async fn order(server: &Server, name: &str, spread: u64) -> Self {
        let order = Order { order: name.into(), app: App::COMMANDS.into(), task: TASK.into(), spread };
        let session = format!("operator-{name}");
        let mut client =
            Client::resume(server, &session, Duration::from_secs(3_600)).await.expect("the server is there");
        let answers = answers_topic(&server.prefix, name);
        client.subscribe(&[format!("{answers}/+")]).await.expect("it may listen");
        let (topic, payload) = (To::All.topic(&server.prefix), order.to_json());
        let reply = Some((answers, name.as_bytes().to_vec()));
        client.publish(Outgoing { topic, payload, reply, ..Outgoing::default() }).await.expect("it may order");
        client.settle().await.expect("the server has it");
        Self { server: server.clone(), session, client: Some(client), begun: Instant::now(), answers: HashMap::new() }
    }

    /// Waits for the answers of so many machines.
    pub(crate) async fn until(&mut self, count: usize, bound: Duration) -> Duration {
        let begun = Instant::now();
        while self.answers.len() < count {
            assert!(begun.elapsed() < bound, "{} of {count} have answered", self.answers.len());
            self.hear(Duration::from_secs(1)).await;
        }
        self.begun.elapsed()
    }

    pub(crate) async fn hears_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.hear(end.saturating_duration_since(Instant::now())).await;
        }
    }

    /// How many answers came in the second in which most came.
    pub(crate) fn busiest(&self) -> usize {
        let mut by_second = HashMap::new();
        self.answers.values().for_each(|(at, _)| *by_second.entry(at.as_secs()).or_default() += 1);
        by_second.into_values().max().unwrap_or(0)
    }

    /// How many answers came more than once.
    pub(crate) fn twice(&self) -> usize {
        self.answers.values().filter(|(_, times)| *times > 1).count()
    }

    async fn hear(&mut self, within: Duration) {
        if self.try_hear(within).await.is_err() {
            self.client = None;
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn try_hear(&mut self, within: Duration) -> Result<(), Trouble> {
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(Client::resume(&self.server, &self.session, Duration::from_secs(3_600)).await?),
        };
        for message in client.next_batch(within).await? {
            let answer = Answer::read(&self.server.prefix, &message.topic, &message.payload).expect("an answer");
            assert_eq!(answer.result, "succeeded", "{answer:?}");
            let entry = self.answers.entry(answer.machine).or_insert((self.begun.elapsed(), 0));
            entry.1 += 1;
        }
        client.acknowledge().await
    }
}
