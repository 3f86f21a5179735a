//! A machine of a fleet without its disk and its programs: the real core, the real session by MQTT, rows in memory that outlive it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bgtask_core::{
    App, AppId, BootTime, Cause, Change, Command, Config, Core, Entry, EventKind, Fact, HostExit, Input, NewOrder,
    NewRegistration, Now, OrderId, OrderState, Output, PushTicket, Report as Reading, Request, RequestId, Trigger,
    WallTime,
};
use bgtask_push::fleet::{Answer, Order, To, answers_topic};
use bgtask_push::mqtt::{Mqtt, Outgoing, Server};
use bgtask_push::{Report, Status, Ticket, Transport as _};
use bgtask_record::{Loading, Row, row};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

const CHANNEL: &str = ".fleet";
pub(crate) const TASK: &str = "job";

/// What outlives a device: its store, and what its task and its operator would have seen.
#[derive(Default)]
pub(crate) struct Disk {
    rows: BTreeMap<(&'static str, String), String>,
    /// How often the task fired for an order.
    pub(crate) fired: usize,
    /// How often it had subscribed.
    pub(crate) connected: usize,
}

/// What a device keeps, shared with whoever counts.
pub(crate) type Shared = Arc<Mutex<Disk>>;

struct Device {
    core: Core,
    mqtt: Mqtt,
    server: Server,
    disk: Shared,
    begun: Instant,
    wake: Option<Instant>,
    answers: BTreeMap<u64, OrderId>,
    last: u64,
}

/// Lives until it is aborted, as if its power were cut: what is in `disk` is all that is left.
pub(crate) async fn live(server: Server, number: u64, disk: Shared, begun: Instant) {
    let (reports, mut heard) = mpsc::channel(16);
    let mut mqtt = Mqtt::new(server.clone(), &format!("device-{number}"), reports);
    let topics = [To::All, To::Machine(server.machine.clone())].map(|to| to.topic(&server.prefix));
    mqtt.open_on(CHANNEL, topics.into(), String::new());
    let core = Core::new(Config { machine: number.wrapping_mul(0x9e37_79b9_7f4a_7c15), ..Config::default() }, number);
    let mut device = Device { core, mqtt, server, disk, begun, wake: None, answers: BTreeMap::new(), last: 0 };
    device.restore();
    loop {
        let wake = async {
            match device.wake {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let report = tokio::select! {
            report = heard.recv() => report,
            () = wake => None,
        };
        match report {
            Some(report) => device.came(report),
            None => device.tell(Input::Tick),
        }
    }
}

impl Device {
    fn restore(&mut self) {
        let mut loading = Loading::default();
        let rows = self.disk.lock().expect("nobody panics").rows.clone();
        rows.iter().for_each(|((kind, key), value)| loading.take(kind, key, value).expect("it was written here"));
        self.tell(Input::AppInstalled(App::of_commands()));
        self.tell(Input::Restore(Box::new(loading.done())));
        if self.core.registrations(None).is_empty() {
            let new = NewRegistration {
                name: TASK.into(),
                entry: Entry::Command(Command::new([TASK]).into()),
                trigger: Trigger::SessionStart { one_shot: false },
                conditions: Vec::new(),
                cancel_on_condition_loss: false,
                is_network_requested: false,
                group: None,
            };
            let commands = AppId::new(App::COMMANDS).expect("an id");
            self.tell(Input::Request(RequestId(1), Request::Register(commands, new)));
        }
    }

    fn now(&self) -> Now {
        let micros = i64::try_from(self.begun.elapsed().as_micros()).expect("a short test");
        Now { boot: BootTime::from_micros(micros.unsigned_abs()), wall: WallTime::from_micros(micros) }
    }

    /// One turn: everything durable first, then the rest.
    fn tell(&mut self, input: Input) {
        let now = self.now();
        let mut effects = Vec::new();
        self.core.handle(now, input);
        loop {
            match self.core.poll() {
                Output::Persist(change) => self.persist(&change),
                Output::Wake(wake) => {
                    let after = wake.map(|wake| wake.at.since(now.boot));
                    self.wake = after.map(|after| Instant::now() + after);
                    break;
                }
                effect => effects.push(effect),
            }
        }
        effects.into_iter().for_each(|effect| self.perform(effect));
    }

    fn persist(&mut self, change: &Change) {
        let mut disk = self.disk.lock().expect("nobody panics");
        if let Change::Record(event) = change {
            let by_order = matches!(event.kind, EventKind::Fired { cause: Cause::Fleet, .. });
            disk.fired += usize::from(by_order);
        }
        match row(change) {
            Row::Put { kind, key, value } => drop(disk.rows.insert((kind, key), value)),
            Row::Delete { kind, key } => drop(disk.rows.remove(&(kind, key))),
            Row::History(_) => {}
        }
    }

    fn perform(&mut self, effect: Output) {
        match effect {
            Output::Watch(fact @ (Fact::EnergySaver | Fact::MemoryPressure)) => {
                self.tell(Input::Report(Reading::Level(fact, false)));
            }
            Output::Run(host, order) => {
                self.tell(Input::HostStarted(host, order.instance));
                let exit = HostExit::Code(0);
                self.tell(Input::HostExited { host, exit, output_tail: String::new(), usage: None });
            }
            Output::AcknowledgeOrders(tickets) => {
                let tickets: Vec<_> = tickets.into_iter().map(|ticket| Ticket(ticket.0)).collect();
                self.mqtt.acknowledge(CHANNEL, &tickets);
            }
            Output::AnswerOrder(order) => {
                let OrderState::Answering { result, at } = order.state else { return };
                let machine = self.server.machine.clone();
                let topic = format!("{}/{machine}", answers_topic(&self.server.prefix, order.id.as_str()));
                let (text, result) = (result.to_string(), result.word().to_owned());
                let answer = Answer { order: order.id.to_string(), machine, result, text, at: at.as_micros() };
                self.last += 1;
                let outgoing = Outgoing { topic, payload: answer.to_json(), ..Outgoing::default() };
                assert!(self.mqtt.send(CHANNEL, self.last, outgoing), "there is room");
                self.answers.insert(self.last, order.id);
            }
            _ => {}
        }
    }

    fn came(&mut self, report: Report) {
        match report {
            Report::Messages { messages, .. } => {
                let orders = messages.into_iter().map(|message| {
                    let order = Order::read(&message.payload.expect("it is short")).expect("an order");
                    let spread = order.spread();
                    NewOrder {
                        id: OrderId::new(&order.order).expect("an id"),
                        app: AppId::new(&order.app).expect("an app"),
                        task: order.task.into(),
                        spread,
                        opened: true,
                        reply: message.reply.map(|(topic, _)| topic.into()),
                        ticket: PushTicket(message.ticket.expect("QoS 1").0),
                    }
                });
                let orders = orders.collect();
                self.tell(Input::Ordered(orders));
            }
            Report::Sent { token, .. } => {
                if let Some(order) = self.answers.remove(&token) {
                    self.tell(Input::OrderAnswered(order));
                }
            }
            Report::Status { status: Status::Connected { .. }, .. } => {
                self.disk.lock().expect("nobody panics").connected += 1;
            }
            _ => {}
        }
    }
}

/// The devices of a fleet, each of which can be cut off from its power.
pub(crate) struct Crowd {
    server: Server,
    begun: Instant,
    pub(crate) disks: Vec<Shared>,
    lives: Vec<tokio::task::JoinHandle<()>>,
}

impl Crowd {
    pub(crate) fn of(count: usize, server: &Server) -> Self {
        let disks: Vec<Shared> = (0..count).map(|_| Shared::default()).collect();
        let mut crowd = Self { server: server.clone(), begun: Instant::now(), disks, lives: Vec::new() };
        crowd.lives = (0..count).map(|number| crowd.begin(number)).collect();
        crowd
    }

    fn begin(&self, number: usize) -> tokio::task::JoinHandle<()> {
        let server = Server { machine: format!("m{number}"), ..self.server.clone() };
        tokio::spawn(live(server, number as u64, Arc::clone(&self.disks[number]), self.begun))
    }

    /// Cuts the power of one, and switches it on again.
    pub(crate) async fn restart(&mut self, number: usize) {
        self.lives[number].abort();
        let _cut = (&mut self.lives[number]).await;
        self.lives[number] = self.begin(number);
    }

    pub(crate) fn sum(&self, what: impl Fn(&Disk) -> usize) -> usize {
        self.disks.iter().map(|disk| what(&disk.lock().expect("nobody panics"))).sum()
    }

    /// Waits until every device has subscribed at least once.
    pub(crate) async fn are_there(&self) {
        let begun = Instant::now();
        while self.sum(|disk| disk.connected.min(1)) < self.disks.len() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{} are there", self.sum(|disk| disk.connected.min(1)));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
