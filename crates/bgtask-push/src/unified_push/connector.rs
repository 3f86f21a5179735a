//! The connector: connected to the session bus as long as that can be, and every channel registered.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use zbus::message::Type;
use zbus::{Message as Call, MessageStream};

use super::channel::{Arrival, Channel, Step};
use super::link::{self, End, Link};
use super::tokens::Tokens;
use super::words::{self, Refused, Word};
use super::{DISTRIBUTOR_PREFIX, Settings};
use crate::pause::{FIRST_PAUSE, LASTING_PAUSE, MAX_PAUSE, spread};
use crate::{MAX_PAYLOAD_BYTES, MAX_REPORTED, Message, Report, Reports, Status, Ticket};

/// How long a distributor may take to tell the address of a channel that it has registered.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(60);

/// Answers of distributors that may wait.
const MAX_ANSWERS: usize = 64;

/// What the connector is told.
#[derive(Debug)]
pub(super) enum Order {
    Open(String),
    Close(String),
    Acknowledge(String, Vec<Ticket>),
    Nudge,
}

/// What was answered. Whoever waited for it in place would not read what comes, and an answer comes behind that.
#[derive(Debug)]
enum Answer {
    /// The distributors on the bus.
    Found(zbus::Result<Vec<String>>),
    Registered(String, Result<(), Refused>),
    /// Of that token.
    Unregistered(String, Result<(), Refused>),
}

/// What a connector has.
pub(super) struct Connector {
    settings: Settings,
    tokens: Tokens,
    reports: Reports,
    orders: mpsc::Receiver<Order>,
    channels: BTreeMap<String, Channel>,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
}

impl Connector {
    pub(super) fn new(settings: Settings, tokens: Tokens, reports: Reports, orders: mpsc::Receiver<Order>) -> Self {
        Self { settings, tokens, reports, orders, channels: BTreeMap::new(), answers: mpsc::channel(MAX_ANSWERS) }
    }

    /// Runs until nobody listens any more.
    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while self.has_something_to_do().await {
            let begun = Instant::now();
            let Err(end) = self.connected().await;
            let End::Lost { why, help } = end else { return };
            tracing::info!("push: {why}");
            if !self.disconnected(&why, &help).await {
                return;
            }
            pause = if begun.elapsed() >= MAX_PAUSE { FIRST_PAUSE } else { pause };
            if !self.rest(spread(pause)).await {
                return;
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Waits until there is; answers whether it ever will be.
    async fn has_something_to_do(&mut self) -> bool {
        while self.channels.is_empty() && self.tokens.closing().next().is_none() {
            let Some(order) = self.orders.recv().await else { return false };
            if !self.obey_unconnected(order).await {
                return false;
            }
        }
        // Orders that come together are obeyed together: no message of a channel is refused that is only opened next.
        while let Ok(order) = self.orders.try_recv() {
            if !self.obey_unconnected(order).await {
                return false;
            }
        }
        true
    }

    /// Waits for another try; answers whether there is to be one.
    async fn rest(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until) => return true,
                order = self.orders.recv() => match order {
                    Some(Order::Nudge) => return true,
                    // Somebody waits for the answer.
                    Some(Order::Open(channel)) => return self.begin(&channel).await,
                    Some(order) => if !self.obey_unconnected(order).await {
                        return false;
                    },
                    None => return false,
                },
            }
        }
    }

    async fn obey_unconnected(&mut self, order: Order) -> bool {
        match order {
            Order::Open(channel) => self.begin(&channel).await,
            Order::Close(channel) => self.end(&channel).await,
            Order::Acknowledge(channel, tickets) => {
                if let Some(channel) = self.channels.get_mut(&channel) {
                    channel.unanswered.acknowledged(&tickets);
                }
                true
            }
            Order::Nudge => true,
        }
    }

    /// A channel is opened: the address that it had is its address until the distributor says otherwise.
    async fn begin(&mut self, channel: &str) -> bool {
        if self.channels.contains_key(channel) {
            return true;
        }
        self.channels.insert(channel.to_owned(), Channel::new(FIRST_PAUSE));
        match self.tokens.of_channel(channel).and_then(|entry| entry.endpoint.clone()) {
            Some(uri) => self.report(Report::Opened { channel: channel.to_owned(), uri }).await,
            None => true,
        }
    }

    async fn end(&mut self, channel: &str) -> bool {
        if self.channels.remove(channel).is_none() {
            return true;
        }
        let kept = self.tokens.close(channel);
        self.note(kept);
        self.report(Report::Closed { channel: channel.to_owned(), why: "it was closed here".into() }).await
    }

    /// A connection, from its beginning to its end.
    async fn connected(&mut self) -> Result<std::convert::Infallible, End> {
        let (mut link, mut calls) = Link::open(&self.settings.address).await?;
        self.look_again(&mut link).await?;
        loop {
            let deadline = self.channels.values().filter_map(Channel::deadline).min();
            tokio::select! {
                call = calls.next() => self.take_calls(&mut link, call, &mut calls).await?,
                Some(answer) = self.answers.1.recv() => self.answered(&mut link, answer).await?,
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(&mut link, order).await?,
                    None => return Err(End::Closed),
                },
                () = until(deadline) => self.is_late(&link).await?,
            }
        }
    }

    /// Chooses the distributor, and registers every channel with it: its address may have changed while one of the two was away.
    async fn look_again(&mut self, link: &mut Link) -> Result<(), End> {
        if let Some(name) = self.settings.distributor.clone() {
            return self.chose(link, Ok(name)).await;
        }
        let (connection, answers) = (link.connection.clone(), self.answers.0.clone());
        tokio::spawn(async move {
            let found = words::distributors(&connection).await;
            // The connector has ended.
            let _gone = answers.send(Answer::Found(found)).await;
        });
        Ok(())
    }

    async fn chose(&mut self, link: &mut Link, chosen: link::Chosen) -> Result<(), End> {
        link.distributor = Some(chosen);
        let names: Vec<_> = self.channels.keys().cloned().collect();
        for name in names {
            self.register(link, &name).await?;
        }
        self.close_what_is_left(link);
        Ok(())
    }

    /// Asks the distributor for a channel. The answer comes later.
    async fn register(&mut self, link: &Link, name: &str) -> Result<(), End> {
        let distributor = match &link.distributor {
            Some(Ok(distributor)) => distributor.clone(),
            // It is registered when that is known.
            None => return Ok(()),
            Some(Err((why, help))) => {
                self.step(name, Step::Waits);
                return self.away(name, why, help).await;
            }
        };
        let token = match self.tokens.of(name, &distributor) {
            Ok(token) => token,
            Err(error) => {
                let pause = self.pause(name, true);
                self.step(name, Step::Rests(Instant::now() + pause));
                return self
                    .away(name, &format!("the token of the channel cannot be kept: {error}"), "make room")
                    .await;
            }
        };
        if self.channels.get(name).is_none_or(|channel| channel.step == Step::Asks) {
            return Ok(());
        }
        self.step(name, Step::Asks);
        let (connection, channel, answers) = (link.connection.clone(), name.to_owned(), self.answers.0.clone());
        tokio::spawn(async move {
            let answer = words::register(&connection, &distributor, &token, &channel).await;
            // The connector has ended.
            let _gone = answers.send(Answer::Registered(channel, answer)).await;
        });
        Ok(())
    }

    /// Tells distributors which channels are closed.
    fn close_what_is_left(&self, link: &Link) {
        for entry in self.tokens.closing() {
            let (connection, answers) = (link.connection.clone(), self.answers.0.clone());
            let (distributor, token) = (entry.distributor.clone(), entry.token.clone());
            tokio::spawn(async move {
                let answer = words::unregister(&connection, &distributor, &token).await;
                // The connector has ended.
                let _gone = answers.send(Answer::Unregistered(token, answer)).await;
            });
        }
    }

    async fn answered(&mut self, link: &mut Link, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Found(Ok(found)) => self.chose(link, link::only(&found)).await,
            Answer::Found(Err(error)) => Err(End::lost(format!("the session bus does not answer: {error}"))),
            Answer::Unregistered(token, Ok(())) => {
                let kept = self.tokens.forget(&token);
                self.note(kept);
                Ok(())
            }
            // It is told when it appears.
            Answer::Unregistered(_, Err(_)) => Ok(()),
            Answer::Registered(name, answer) => match answer {
                _ if self.channels.get(&name).is_none_or(|channel| channel.step != Step::Asks) => Ok(()),
                Ok(()) => {
                    self.step(&name, Step::Hopes(Instant::now() + ADDRESS_PATIENCE));
                    Ok(())
                }
                Err(Refused::Absent) => {
                    self.step(&name, Step::Waits);
                    let who = self.settings.distributor.as_deref().unwrap_or("the distributor");
                    let why = format!("{who} does not run on the session bus, and cannot be started");
                    self.away(&name, &why, "start it: the channel is registered when it is there").await
                }
                Err(Refused::Trouble { why, help, lasting }) => {
                    let pause = self.pause(&name, lasting);
                    self.step(&name, Step::Rests(Instant::now() + pause));
                    self.away(&name, &why, &help).await
                }
            },
        }
    }

    /// The time of some channel has come.
    async fn is_late(&mut self, link: &Link) -> Result<(), End> {
        let now = Instant::now();
        let late = |channel: &Channel| channel.deadline().is_some_and(|at| at <= now);
        let late: Vec<_> = self
            .channels
            .iter()
            .filter(|(_, channel)| late(channel))
            .map(|(name, channel)| (name.clone(), channel.step))
            .collect();
        for (name, step) in late {
            if matches!(step, Step::Hopes(_)) {
                let pause = self.pause(&name, true);
                self.step(&name, Step::Rests(now + pause));
                let why = "the distributor has registered the channel, and does not tell its address";
                self.away(&name, why, "look at the distributor's own log").await?;
            } else {
                self.register(link, &name).await?;
            }
        }
        Ok(())
    }

    async fn obey(&mut self, link: &mut Link, order: Order) -> Result<(), End> {
        match order {
            Order::Open(name) => {
                let is_new = !self.channels.contains_key(&name);
                if !self.begin(&name).await {
                    return Err(End::Closed);
                }
                let works = self.channels.get(&name).is_some_and(|channel| channel.step == Step::Works);
                if is_new || !works { self.register(link, &name).await } else { Ok(()) }
            }
            Order::Close(name) => {
                let calls =
                    self.channels.get_mut(&name).map(|channel| channel.unanswered.take_all()).unwrap_or_default();
                link.send(calls.iter().filter_map(words::answer).collect()).await?;
                if !self.end(&name).await {
                    return Err(End::Closed);
                }
                self.close_what_is_left(link);
                Ok(())
            }
            Order::Acknowledge(name, tickets) => {
                let Some(channel) = self.channels.get_mut(&name) else { return Ok(()) };
                let calls = channel.unanswered.acknowledged(&tickets);
                link.send(calls.iter().filter_map(words::answer).collect()).await
            }
            Order::Nudge => {
                if !matches!(link.distributor, Some(Ok(_))) {
                    return self.look_again(link).await;
                }
                let resting = |channel: &Channel| matches!(channel.step, Step::Rests(_));
                let names: Vec<_> =
                    self.channels.iter().filter(|(_, its)| resting(its)).map(|(name, _)| name.clone()).collect();
                for name in names {
                    self.register(link, &name).await?;
                }
                Ok(())
            }
        }
    }

    /// Takes a call and those that have come with it, so that one commit serves all.
    async fn take_calls(
        &mut self,
        link: &mut Link,
        first: Option<zbus::Result<Call>>,
        calls: &mut MessageStream,
    ) -> Result<(), End> {
        let mut arrived: BTreeMap<String, Vec<Message>> = BTreeMap::new();
        let mut answers = Vec::new();
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(call) = next {
            let Some(Ok(call)) = call else {
                return Err(End::lost("the session bus is gone"));
            };
            match call.message_type() {
                Type::MethodCall => self.called(&call, &mut arrived, &mut answers).await?,
                Type::Signal => self.owner_changed(link, &call).await?,
                Type::MethodReturn | Type::Error => {}
            }
            taken += 1;
            next = if taken < MAX_REPORTED { calls.next().now_or_never() } else { None };
        }
        for (channel, messages) in arrived {
            if !self.report(Report::Messages { channel, messages }).await {
                return Err(End::Closed);
            }
        }
        link.send(answers).await
    }

    async fn called(
        &mut self,
        call: &Call,
        arrived: &mut BTreeMap<String, Vec<Message>>,
        answers: &mut Vec<Call>,
    ) -> Result<(), End> {
        match Word::read(call) {
            Ok(Word::Message { token, payload, id }) => {
                let Some(name) = self.channel_of(&token) else {
                    answers.extend(words::refusal(call, ERROR_UNKNOWN_TOKEN, "no channel has this token"));
                    return Ok(());
                };
                let Some(channel) = self.channels.get_mut(&name) else { return Ok(()) };
                let ticket = match channel.unanswered.arrives(id.as_deref(), call) {
                    Arrival::New(ticket) => Some(ticket),
                    Arrival::Again => return Ok(()),
                    Arrival::Done => {
                        answers.extend(words::answer(call));
                        return Ok(());
                    }
                    Arrival::TooMany => {
                        let why = "too many messages of this channel wait for their task";
                        answers.extend(words::refusal(call, ERROR_LIMIT, why));
                        None
                    }
                };
                let kept = ticket.is_some() && payload.len() <= MAX_PAYLOAD_BYTES;
                let message = Message { payload: kept.then_some(payload), headers: Vec::new(), ticket, reply: None };
                arrived.entry(name).or_default().push(message);
                Ok(())
            }
            Ok(Word::NewEndpoint { token, endpoint }) => {
                answers.extend(words::answer(call));
                self.has_address(&token, endpoint).await
            }
            Ok(Word::Unregistered { token }) => {
                answers.extend(words::answer(call));
                self.lost_channel(&token).await
            }
            Err(unread) => {
                answers.extend(words::refusal_of(call, &unread));
                Ok(())
            }
        }
    }

    async fn has_address(&mut self, token: &str, uri: String) -> Result<(), End> {
        let Some(name) = self.channel_of(token) else { return Ok(()) };
        let kept = self.tokens.set_endpoint(token, &uri);
        self.note(kept);
        let how =
            format!("registered with {}", self.tokens.get(token).map_or("a distributor", |entry| &entry.distributor));
        let Some(channel) = self.channels.get_mut(&name) else { return Ok(()) };
        channel.step = Step::Works;
        channel.pause = FIRST_PAUSE;
        let opened = self.report(Report::Opened { channel: name.clone(), uri }).await;
        if opened { self.say(&name, Status::Connected { how }).await } else { Err(End::Closed) }
    }

    /// The distributor has given up a channel. Whoever opened it wants it nevertheless, so it is registered again, if not at once.
    async fn lost_channel(&mut self, token: &str) -> Result<(), End> {
        let Some(name) = self.channel_of(token) else { return Ok(()) };
        self.step(&name, Step::Rests(Instant::now() + spread(LASTING_PAUSE)));
        let help = "it is registered again by itself; `bgtask push close` gives it up";
        self.away(&name, "the distributor has given up this channel", help).await
    }

    /// A distributor has come or gone.
    async fn owner_changed(&mut self, link: &mut Link, signal: &Call) -> Result<(), End> {
        let Ok((name, _, owner)) = signal.body().deserialize::<(String, String, String)>() else { return Ok(()) };
        if !name.starts_with(DISTRIBUTOR_PREFIX) {
            return Ok(());
        }
        if !owner.is_empty() {
            return self.look_again(link).await;
        }
        let ours = matches!(&link.distributor, Some(Ok(distributor)) if *distributor == name);
        let names: Vec<_> = self.channels.keys().filter(|_| ours).cloned().collect();
        for channel in names {
            // It may be about to stop for good: it is not started again at once.
            let pause = self.pause(&channel, false);
            self.step(&channel, Step::Rests(Instant::now() + pause));
            self.away(&channel, &format!("{name} has ended"), "messages arrive when it runs again").await?;
        }
        Ok(())
    }

    /// Nothing arrives, and nobody can be answered.
    async fn disconnected(&mut self, why: &str, help: &str) -> bool {
        // What was asked on the old connection is asked again on the next.
        self.answers = mpsc::channel(MAX_ANSWERS);
        let names: Vec<_> = self.channels.keys().cloned().collect();
        for name in names {
            if let Some(channel) = self.channels.get_mut(&name) {
                channel.step = Step::Waits;
                channel.unanswered.disconnected();
            }
            if self.away(&name, why, help).await.is_err() {
                return false;
            }
        }
        true
    }

    /// The name of the open channel with that token.
    fn channel_of(&self, token: &str) -> Option<String> {
        let entry = self.tokens.get(token).filter(|entry| !entry.closing)?;
        self.channels.contains_key(&entry.channel).then(|| entry.channel.clone())
    }

    fn step(&mut self, name: &str, step: Step) {
        if let Some(channel) = self.channels.get_mut(name) {
            channel.step = step;
        }
    }

    /// How long a channel rests now; the next time twice as long.
    fn pause(&mut self, name: &str, lasting: bool) -> Duration {
        let Some(channel) = self.channels.get_mut(name) else { return MAX_PAUSE };
        let pause = channel.pause.max(if lasting { LASTING_PAUSE } else { Duration::ZERO });
        channel.pause = (channel.pause * 2).min(MAX_PAUSE);
        spread(pause)
    }

    async fn away(&mut self, name: &str, why: &str, help: &str) -> Result<(), End> {
        self.say(name, Status::Away { why: why.to_owned(), help: help.to_owned() }).await
    }

    async fn say(&mut self, name: &str, status: Status) -> Result<(), End> {
        let told = self.report(Report::Status { channel: name.to_owned(), status }).await;
        if told { Ok(()) } else { Err(End::Closed) }
    }

    async fn report(&self, report: Report) -> bool {
        self.reports.send(report).await.is_ok()
    }

    /// What could not be written is known until the broker ends, and asked for anew after that.
    fn note(&self, kept: std::io::Result<()>) {
        if let Err(error) = kept {
            tracing::error!("push: the tokens of channels cannot be kept: {error}");
        }
    }
}

const ERROR_UNKNOWN_TOKEN: &str = "org.bgtask.Push.Error.UnknownToken";
const ERROR_LIMIT: &str = "org.freedesktop.DBus.Error.LimitsExceeded";

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
