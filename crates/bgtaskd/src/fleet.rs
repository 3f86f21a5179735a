//! Orders of the fleet: the session at the server that they come by, who of the fleet may order what, and the way of the answers.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bgtask_core::{AppId, FleetOrder, Input, NewOrder, OrderId, OrderState, PushTicket, SourceStatus};
use bgtask_push::fleet::{Answer, MAX_TEXT_BYTES, Order, To, answers_topic};
use bgtask_push::mqtt::{Mqtt, Outgoing, Server, Settings};
use bgtask_push::{Message, Report, Status, Ticket, Transport as _};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::push::{self, MAX_REPORTS};

/// Most groups of a machine.
const MAX_GROUPS: usize = 64;

/// The channel of orders. No app is called so.
const CHANNEL: &str = ".fleet";

/// Stands for every task of an app.
const EVERY_TASK: &str = "*";

/// `[fleet]` of `config.toml`: without it nobody orders anything here.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    groups: Vec<String>,
    answers: bool,
    tasks: BTreeMap<String, Vec<String>>,
    mqtt: Option<Settings>,
}

/// What the owner of the machine lets the fleet do.
#[derive(Debug)]
pub(crate) struct Rules {
    groups: Vec<String>,
    /// Whether the operator hears what came of an order.
    answers: bool,
    tasks: BTreeMap<AppId, Vec<String>>,
    /// A server of its own.
    pub(crate) server: Option<Server>,
}

impl File {
    pub(crate) fn checked(self) -> Result<Rules, String> {
        if self.groups.len() > MAX_GROUPS {
            return Err(format!("{} groups: a machine is in {MAX_GROUPS} at most", self.groups.len()));
        }
        for group in &self.groups {
            To::from_word(&format!("group:{group}"))?;
        }
        let tasks = self.tasks.into_iter().map(|(app, tasks)| Ok((AppId::new(&app)?, tasks)));
        let tasks = tasks.collect::<Result<_, bgtask_core::InvalidId>>().map_err(|error| error.to_string())?;
        let server = self.mqtt.map(Settings::server).transpose()?;
        Ok(Rules { groups: self.groups, answers: self.answers, tasks, server })
    }
}

impl Rules {
    fn open(&self, app: &AppId, task: &str) -> bool {
        self.tasks.get(app).is_some_and(|tasks| tasks.iter().any(|its| its == task || its == EVERY_TASK))
    }

    fn topics(&self, server: &Server) -> Vec<String> {
        self.meant(server).map(|to| to.topic(&server.prefix)).collect()
    }

    /// By which words an operator means this machine.
    fn meant(&self, server: &Server) -> impl Iterator<Item = To> {
        let groups = self.groups.iter().cloned().map(To::Group);
        [To::All, To::Machine(server.machine.clone())].into_iter().chain(groups)
    }

    /// What the owner of the machine has written, as he would be told it.
    fn sentence(&self, server: &Server) -> String {
        let meant = self.meant(server).map(|to| to.to_string()).collect::<Vec<_>>().join(", ");
        let tasks = |tasks: &[String]| match tasks.iter().any(|task| task == EVERY_TASK) {
            true => "every task".to_owned(),
            false => tasks.join(", "),
        };
        let open: Vec<_> = self.tasks.iter().map(|(app, its)| format!("{} of {app}", tasks(its))).collect();
        let open = if open.is_empty() { "nothing".to_owned() } else { open.join(", ") };
        let answers = if self.answers { "answers" } else { "no answers" };
        format!("orders from {server} to {meant}; open to them: {open}; {answers}")
    }
}

/// The way between this machine and its operator.
pub(crate) struct Fleet {
    mqtt: Mqtt,
    server: Server,
    rules: Rules,
    /// `None` until the server was tried.
    status: Option<SourceStatus>,
    /// The answers on their way, by their number there.
    answers: HashMap<u64, OrderId>,
    last: u64,
}

impl Fleet {
    /// `rules` and a server, where the machine belongs to a fleet.
    pub(crate) fn new(
        rules: Option<(Rules, Server)>,
        state: &Path,
    ) -> Result<(Option<Self>, mpsc::Receiver<Report>), Failure> {
        let (reports, heard) = mpsc::channel(MAX_REPORTS);
        let Some((rules, server)) = rules else { return Ok((None, heard)) };
        let (server, identity) = push::named(server, state)?;
        let mut mqtt = Mqtt::new(server.clone(), &identity, reports);
        let uri = server.uri_of(&To::Machine(server.machine.clone()).topic(&server.prefix));
        mqtt.open_on(CHANNEL, rules.topics(&server), uri);
        Ok((Some(Self { mqtt, server, rules, status: None, answers: HashMap::new(), last: 0 }), heard))
    }

    /// How well orders come, and what may be ordered.
    pub(crate) fn status(&self) -> Option<&SourceStatus> {
        self.status.as_ref()
    }

    /// The network is back, or the machine has woken.
    pub(crate) fn nudge(&mut self) {
        self.mqtt.nudge();
    }

    pub(crate) fn acknowledge(&mut self, tickets: &[PushTicket]) {
        let tickets: Vec<_> = tickets.iter().map(|ticket| Ticket(ticket.0)).collect();
        self.mqtt.acknowledge(CHANNEL, &tickets);
    }

    /// What its session said, as the core's.
    pub(crate) fn came(&mut self, report: Report) -> Vec<Input> {
        match report {
            Report::Messages { messages, .. } => {
                let orders: Vec<_> = messages.iter().filter_map(|message| self.order(message)).collect();
                if orders.is_empty() { Vec::new() } else { vec![Input::Ordered(orders)] }
            }
            Report::Sent { token, refused, .. } => {
                let Some(order) = self.answers.remove(&token) else { return Vec::new() };
                if let Some(why) = refused {
                    tracing::warn!("fleet: {} does not take the answer to order {order}: {why}", self.server);
                }
                vec![Input::OrderAnswered(order)]
            }
            Report::Status { status, .. } => {
                let how = self.rules.sentence(&self.server);
                self.status = Some(match status {
                    Status::Connected { .. } => {
                        tracing::info!("fleet: {how}");
                        SourceStatus::Available { how }
                    }
                    Status::Away { why, help } => SourceStatus::Degraded { how, why, help },
                });
                Vec::new()
            }
            Report::Opened { .. } | Report::Closed { .. } => Vec::new(),
        }
    }

    /// What is no order is dropped and said, and need not come again.
    fn order(&mut self, message: &Message) -> Option<NewOrder> {
        let Some(ticket) = message.ticket else {
            tracing::warn!("fleet: an order that was sent with QoS 0 is not taken: it would be lost with this broker");
            return None;
        };
        match self.read(message, PushTicket(ticket.0)) {
            Ok(order) => Some(order),
            Err(why) => {
                tracing::warn!("fleet: what came from {} is no order: {why}", self.server);
                self.mqtt.acknowledge(CHANNEL, &[ticket]);
                None
            }
        }
    }

    fn read(&self, message: &Message, ticket: PushTicket) -> Result<NewOrder, String> {
        let payload = message.payload.as_deref().ok_or("it is longer than a message may be")?;
        let order = Order::read(payload)?;
        let spread = order.spread();
        let id = OrderId::new(&order.order).map_err(|error| error.to_string())?;
        let app = AppId::new(&order.app).map_err(|error| error.to_string())?;
        // Nobody is made to send something elsewhere.
        let wanted = message.reply.as_ref().filter(|_| self.rules.answers);
        let wanted = wanted.filter(|(topic, _)| *topic == answers_topic(&self.server.prefix, id.as_str()));
        let reply = wanted.map(|(_, correlation)| push::hex(correlation).into());
        let opened = self.rules.open(&app, &order.task);
        Ok(NewOrder { id, app, task: order.task.into(), spread, opened, reply, ticket })
    }

    /// Tells the operator what came of an order. What finds no room is told by the next broker.
    pub(crate) fn answer(&mut self, order: &FleetOrder) {
        let OrderState::Answering { at, result } = &order.state else { return };
        let mut text = result.to_string();
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        let answer = Answer {
            order: order.id.to_string(),
            machine: self.server.machine.clone(),
            result: result.word().to_owned(),
            text,
            at: at.as_micros(),
        };
        let topic = format!("{}/{}", answers_topic(&self.server.prefix, order.id.as_str()), self.server.machine);
        let correlation = order.reply.as_deref().and_then(push::from_hex).filter(|data| !data.is_empty());
        let outgoing = Outgoing { topic, payload: answer.to_json(), correlation, ..Outgoing::default() };
        self.last += 1;
        if self.mqtt.send(CHANNEL, self.last, outgoing) {
            self.answers.insert(self.last, order.id.clone());
        } else {
            tracing::error!(
                "fleet: too many answers wait: the one to order {} is given when the broker starts again",
                order.id
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<Rules, String> {
        toml::from_str::<File>(text).map_err(|error| error.to_string()).and_then(File::checked)
    }

    #[test]
    fn only_what_is_named_is_open_to_the_fleet() {
        let rules = rules("[tasks]\n\"org.bgtask.Commands\" = [\"backup\"]\n\"org.example.Mail\" = [\"*\"]\n").unwrap();
        let open = |app, task| rules.open(&AppId::new(app).unwrap(), task);
        assert!(open("org.bgtask.Commands", "backup") && open("org.example.Mail", "anything"));
        assert!(!open("org.bgtask.Commands", "restore") && !open("org.bgtask.Commands", "*"));
        assert!(!open("org.example.Photos", "backup"));
        assert!(!rules.answers, "answers are told only where that is said");
    }

    #[test]
    fn the_owner_is_told_what_may_be_ordered() {
        let server = Server::at("mqtts://h", "kitchen-7").unwrap();
        let said = |text| rules(text).unwrap().sentence(&server);
        assert_eq!(
            said(
                "groups = [\"berlin\"]\nanswers = true\n[tasks]\n\"org.a.A\" = [\"x\", \"y\"]\n\"org.b.B\" = [\"*\"]\n"
            ),
            "orders from mqtts://h to all, machine:kitchen-7, group:berlin; open to them: x, y of org.a.A, every task of \
             org.b.B; answers"
        );
        assert!(said("").ends_with("open to them: nothing; no answers"));
    }

    #[test]
    fn what_cannot_be_is_said() {
        let many = (0..=MAX_GROUPS).map(|number| format!("\"g{number}\",")).collect::<String>();
        for (text, part) in [
            ("groups = [\"#\"]", "name of a group"),
            (&*format!("groups = [{many}]"), "64"),
            ("[tasks]\n\"../etc\" = [\"*\"]", "no app id"),
            ("task = []", "task"),
            ("[mqtt]\nserver = \"http://h\"", "mqtts://HOST"),
        ] {
            let error = rules(text).expect_err(text);
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
