//! The loop that owns everything: take what waits, let the core decide, make it durable, then do it.

mod calls;
mod clock;
mod doubts;
mod durable;
mod effects;
mod launches;
mod notify;
mod open;
mod start;
mod task_files;
mod transfer_groups;
mod transfers;

pub(crate) use self::doubts::Tried;
pub(crate) use self::notify::Notify;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::BufWriter;
use std::time::Duration;

use bgtask_core::{
    ClientId, Core, HostId, Input, InstanceId, Now, Output, Readiness, Refusal, Reply, Request, RequestId, SocketKey,
    Wake,
};
use bgtask_log::Logs;
use bgtask_record::Recorder;
use bgtask_sources::{EventReport, PathReport, Report, SourceKind};
use bgtask_wire::HostSignal;
use tokio::sync::mpsc;
use tokio::time::sleep;
use zbus::Message;
use zbus::message::Type as MessageType;

use self::doubts::Doubts;
use self::notify::Notifier;
use crate::app_services::AppServices;
use crate::apps::Apps;
use crate::calendars::Calendars;
use crate::clients::Clients;
use crate::consent::Consents;
use crate::devices::Devices;
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::hosts::Hosts;
use crate::inbox::{Incoming, MAX_BATCH};
use crate::inhibitor::Inhibitor;
use crate::listeners::Listeners;
use crate::options::Options;
use crate::places::{Occupied, Places};
use crate::policy::Policies;
use crate::push::{MAX_REPORTS, Push};
use crate::service_manager::Watchdog;
use crate::sockets::Sockets;
use crate::sources::Sources;
use crate::task_files::TaskFiles;
use crate::transfers::Transfers;
use clock::Clock;
use durable::Durable;
use launches::Launches;

/// The store is tidied when nothing has happened for so long after a commit: one wake-up for many changes.
const STORE_REST: Duration = Duration::from_millis(200);

/// A used launcher is replaced when nothing has happened for so long after a launch: the host goes first.
const LAUNCH_REST: Duration = Duration::from_millis(3);

/// Runs a broker until it is told to stop.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let mut driver = Driver::start(options).await?;
    driver.announce_ready();
    driver.turn_until_told().await
}

/// Everything a running broker has.
struct Driver {
    core: Core,
    durable: Durable,
    clock: Clock,
    apps: Apps,
    clients: Clients,
    hosts: Hosts,
    /// Those that are to be started, and for whose start this turn has no time.
    launches: Launches,
    /// The commands whose program is being started.
    commands: HashMap<HostId, InstanceId>,
    /// What commands wrote.
    logs: Logs,
    sources: Sources,
    calendars: Calendars,
    listeners: Listeners,
    devices: Devices,
    inhibitor: Inhibitor,
    sockets: Sockets,
    app_services: AppServices,
    doubts: Doubts,
    notifier: Notifier,
    push: Push,
    fleet: Option<Fleet>,
    task_files: TaskFiles,
    transfers: Transfers,
    /// Whose transfers may be carried may be another since it was last looked at.
    access_changes: bool,
    policies: Policies,
    consents: Consents,
    places: Places,
    environment: start::Environment,
    inbox: mpsc::Receiver<Incoming>,
    reports: mpsc::Receiver<Report>,
    changes: mpsc::Receiver<(u128, PathReport)>,
    events: mpsc::Receiver<(u128, EventReport)>,
    device_events: mpsc::Receiver<(u128, EventReport)>,
    push_reports: mpsc::Receiver<bgtask_push::Report>,
    fleet_reports: mpsc::Receiver<bgtask_push::Report>,
    recorder: Option<Recorder<BufWriter<File>>>,
    /// Calls whose answer is the core's.
    asked: HashMap<RequestId, (ClientId, Message)>,
    last_request: u64,
    /// What the driver itself asks the core, and the answer.
    own_request: Option<(RequestId, Option<Result<Reply, Refusal>>)>,
    wake: Option<Wake>,
    /// What performing an order has brought about and the core has not heard yet.
    follow_ups: VecDeque<Input>,
    /// Something is left to do once nothing has happened for so long: replacing a used launcher, tidying the store.
    untidy: Option<Duration>,
    watchdog: Watchdog,
    /// The last turn was not one that time brought about.
    heard_others: bool,
    /// It was told to stop, and waits for its hosts.
    stopping: bool,
    _occupied: Occupied,
}

impl Driver {
    /// Turns until it is told to stop and every host has ended; told a second time, it ends them itself.
    async fn turn_until_told(&mut self) -> Result<(), Failure> {
        let mut waiting = Vec::with_capacity(MAX_BATCH);
        while !(self.stopping && self.core.hosts().next().is_none()) {
            let came = self.next(&mut waiting).await?;
            if !matches!(came, Came::Idle) && self.watchdog.work() {
                self.untidy.get_or_insert(STORE_REST);
            }
            let now = Clock::now();
            self.heard_others = !matches!(came, Came::Wake);
            for order in self.launches.begin_turn() {
                self.perform_now(order);
            }
            self.follow_up(now);
            match came {
                Came::Inbox => {
                    for incoming in waiting.drain(..) {
                        self.take(now, incoming);
                    }
                }
                Came::Wake => {
                    self.clock.rang();
                    self.handle(now, Input::Tick);
                }
                Came::Idle => self.tidy(),
                Came::Report(report) => {
                    if lets_connect(&report) {
                        self.push.nudge();
                        self.fleet.iter_mut().for_each(Fleet::nudge);
                    }
                    let input = self.sources.input(report);
                    self.handle(now, input);
                }
                Came::Changes(key, report) => {
                    self.listeners.changed(key, report).into_iter().for_each(|input| self.handle(now, input));
                }
                Came::Events(key, report) => {
                    self.listeners.came(key, report).into_iter().for_each(|input| self.handle(now, input));
                }
                Came::Push(first) => {
                    for report in all_waiting(first, &mut self.push_reports) {
                        self.push.came(report).into_iter().for_each(|input| self.handle(now, input));
                    }
                }
                Came::Fleet(first) => {
                    for report in all_waiting(first, &mut self.fleet_reports) {
                        let inputs = self.fleet.as_mut().map(|fleet| fleet.came(report));
                        inputs.into_iter().flatten().for_each(|input| self.handle(now, input));
                    }
                }
                Came::Device(key, report) => {
                    if let Some(input) = self.devices.came(key, &report) {
                        self.handle(now, input);
                    }
                }
                Came::Retry | Came::Launches => {}
                Came::Sockets(seen) => {
                    for (key, readiness) in seen {
                        let input = self.sockets.input(key, readiness);
                        self.handle(now, input);
                    }
                }
            }
            self.settle_withheld_transfers(now);
            self.finish_turn()?;
        }
        tracing::info!("stopped");
        Ok(())
    }

    /// Waits for the next thing to do. What is ready at the same time is taken together, so that one commit serves all.
    async fn next(&mut self, waiting: &mut Vec<Incoming>) -> Result<Came, Failure> {
        let clock = |error| Failure::new("the timer of the broker failed", error);
        // A decision that could not be made durable is not taken: while the store fails, time brings nothing about.
        let works = self.durable.retry().is_none();
        let wake = self.wake.filter(|_| works);
        self.clock.arm(wake.map(|wake| wake.at)).map_err(clock)?;
        let pause = self.durable.retry().map(|retry| (retry, Came::Retry));
        let pause = pause.or(self.untidy.map(|rest| (rest, Came::Idle)));
        if !matches!(pause, Some((_, Came::Idle))) {
            self.watchdog.rest();
        }
        tokio::select! {
            biased;
            // Who calls without a pause does not hold up time: every other turn may be one of its.
            rang = self.clock.rings(), if works && self.heard_others => {
                rang.map_err(clock)?;
                tokio::task::yield_now().await;
                return Ok(Came::Wake);
            }
            Some(report) = self.reports.recv() => return Ok(Came::Report(report)),
            Some((key, report)) = self.changes.recv() => return Ok(Came::Changes(key, report)),
            Some((key, report)) = self.events.recv() => return Ok(Came::Events(key, report)),
            Some((key, report)) = self.device_events.recv() => return Ok(Came::Device(key, report)),
            seen = self.sockets.seen() => {
                let seen = seen.map_err(|error| Failure::new("sockets cannot be watched", error))?;
                return Ok(Came::Sockets(seen));
            }
            // Whoever is flooded hears its hosts and clients nevertheless.
            Some(report) = self.push_reports.recv(), if self.inbox.is_empty() && works => return Ok(Came::Push(report)),
            Some(report) = self.fleet_reports.recv(), if self.inbox.is_empty() && works => return Ok(Came::Fleet(report)),
            _ = self.inbox.recv_many(waiting, MAX_BATCH) => {}
            rang = self.clock.rings(), if works => {
                rang.map_err(clock)?;
                // It may ring again and again without a wait, when there is much to do: others come to their word in between.
                tokio::task::yield_now().await;
                return Ok(Came::Wake);
            }
            () = tokio::task::yield_now(), if !self.launches.is_empty() => return Ok(Came::Launches),
            came = after(pause) => return Ok(came),
        }
        // Others were about to knock: let them in, while there is room.
        tokio::task::yield_now().await;
        while waiting.len() < MAX_BATCH
            && let Ok(more) = self.inbox.try_recv()
        {
            waiting.push(more);
        }
        Ok(Came::Inbox)
    }

    fn take(&mut self, now: Now, incoming: Incoming) {
        match incoming {
            Incoming::Client(id, visitor) => {
                let host = self.hosts.holding(&visitor.process.cgroup, visitor.process.session);
                let (host, app) = host.map_or((None, None), |(host, app)| (Some(host), Some(app)));
                let identity = visitor.process.identify(&self.apps, app);
                tracing::debug!(client = id.0, pid = visitor.process.pid, ?identity, "client connected");
                self.clients.enter(id, identity, host, visitor);
            }
            Incoming::Said(id, message) => match (message.message_type(), self.hosts.of_client(id)) {
                (MessageType::MethodCall, _) => self.call(now, id, &message),
                (_, Some(host)) => self.host_said(now, host, &message),
                (_, None) => {}
            },
            Incoming::ClientGone(id) => {
                self.clients.leave(id);
                self.hosts.disown(id);
                self.handle(now, Input::Detach(id));
            }
            Incoming::Host(id, message) => self.host_said(now, id, &message),
            Incoming::HostEnded(id) => {
                if let Some(output_tail) = self.hosts.ended(id) {
                    self.bury(now, id, output_tail);
                }
            }
            Incoming::HostSilent(id, output_tail) => self.bury(now, id, output_tail),
            Incoming::Count(host) => {
                if let Some(usage) = self.hosts.crowd(host) {
                    self.handle(now, Input::HostUsage { host, usage });
                }
            }
            Incoming::Started(host, started) => self.command_started(now, host, *started),
            Incoming::TaskFiles => self.read_task_files(now),
            Incoming::Apps => {
                for input in self.apps.read() {
                    let gone = if let Input::AppRemoved(app) = &input { Some(app.clone()) } else { None };
                    self.handle(now, input);
                    gone.into_iter().for_each(|app| self.cancel_transfers_of(now, &app));
                }
            }
            Incoming::Policies => {
                if let Some(policy) = self.policies.read() {
                    self.handle(now, Input::Policy(policy));
                }
            }
            Incoming::Consent(request, consent) => self.handle(now, Input::Consent(request, consent)),
            Incoming::Notified(client, message, shown) => self.notified(client, &message, shown),
            Incoming::Tried(tried) => self.tried(now, *tried),
            Incoming::CallerGone(instance) => self.handle(now, Input::CallerGone(instance)),
            Incoming::Stop(why) => self.stop(now, why),
        }
    }

    fn bury(&mut self, now: Now, host: HostId, output_tail: String) {
        if let Some((exit, usage)) = self.hosts.bury(host) {
            self.handle(now, Input::HostExited { host, exit, output_tail, usage });
        }
    }

    fn stop(&mut self, now: Now, why: &str) {
        tracing::info!("stopping: {why}");
        if std::mem::replace(&mut self.stopping, true) {
            // Who has not been started could not be ended.
            self.launches.take_all().into_iter().for_each(|order| self.perform_now(order));
            let hosts: Vec<_> = self.core.hosts().map(|host| host.id).collect();
            hosts.into_iter().for_each(|host| self.part_with(host));
        } else {
            self.handle(now, Input::Stop);
        }
    }

    /// Ends a host without the core; an app that is one goes on without its broker.
    fn part_with(&mut self, host: HostId) {
        match self.hosts.client_of(host) {
            Some(client) => self.clients.leave(client),
            None => self.hosts.kill(host),
        }
    }

    fn host_said(&mut self, now: Now, host: HostId, message: &Message) {
        let input = match message.message_type() {
            MessageType::Signal => match HostSignal::read(message) {
                Some(HostSignal::Started(instance)) => {
                    instance.parse().ok().map(|instance| Input::HostStarted(host, instance))
                }
                Some(HostSignal::Took(instance)) => {
                    instance.parse().ok().map(|instance| Input::SocketTaken(host, instance))
                }
                Some(HostSignal::Progress(instance, value)) => {
                    instance.parse().ok().map(|instance| Input::HostProgress(host, instance, value))
                }
                None => None,
            },
            MessageType::MethodReturn | MessageType::Error => self.hosts.completes(host, message).map(|instance| {
                let result = bgtask_convert::task_failure(message).map_or(Ok(()), Err);
                let usage = self.hosts.usage(host);
                Input::HostFinished { host, instance, result, usage }
            }),
            MessageType::MethodCall => None,
        };
        if let Some(input) = input {
            self.handle(now, input);
        }
    }

    /// Lets the core decide one thing, and then what comes of performing that.
    fn handle(&mut self, now: Now, input: Input) {
        self.follow_ups.push_back(input);
        self.follow_up(now);
    }

    fn follow_up(&mut self, now: Now) {
        while let Some(input) = self.follow_ups.pop_front() {
            self.decide(now, input);
        }
    }

    /// What need not wait for the commit is done at once: a host may start while the commit runs, but hears of its task
    /// only after it.
    fn decide(&mut self, now: Now, input: Input) {
        let recorded = self.recorder.is_some().then(|| input.clone());
        let mut outputs = Vec::new();
        self.access_changes |= may_change_access(&input);
        self.core.handle(now, input);
        loop {
            let output = self.core.poll();
            if recorded.is_some() {
                outputs.push(output.clone());
            }
            match output {
                Output::Wake(wake) => {
                    self.wake = wake;
                    break;
                }
                Output::Persist(change) => self.durable.change(change),
                Output::Reply(id, reply) if self.is_own(id) => self.own_request = Some((id, Some(reply))),
                effect if effect.needs_commit() => self.durable.effect(effect),
                effect => self.perform(effect),
            }
        }
        if let Some(input) = recorded {
            self.record(now, &input, &outputs);
        }
    }

    fn is_own(&self, id: RequestId) -> bool {
        self.own_request.as_ref().is_some_and(|(own, _)| *own == id)
    }

    fn record(&mut self, now: Now, input: &Input, outputs: &[Output]) {
        let Some(recorder) = &mut self.recorder else { return };
        match recorder.turn(now, input, outputs) {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("the recording has reached its bound and ends here");
                self.recorder = None;
            }
            Err(error) => {
                tracing::error!("the recording ends here, it cannot be written: {error}");
                self.recorder = None;
            }
        }
    }

    /// Makes the turn durable and performs the rest, until nothing comes of that any more.
    fn finish_turn(&mut self) -> Result<(), Failure> {
        loop {
            let committed = self.durable.commit().map_err(|error| Failure::new("the store cannot go on", error))?;
            let Some(committed) = committed else { return Ok(()) };
            if committed.unflushed {
                self.untidy.get_or_insert(STORE_REST);
            }
            let now = Clock::now();
            for effect in committed.effects {
                self.perform(effect);
            }
            for event in committed.events {
                self.untidy.get_or_insert(STORE_REST);
                effects::log(&event);
                self.put_away_after(&event);
                self.transfer_went_on(&event);
                self.transfer_group_was_told(&event);
                self.clients.announce(&event);
            }
            self.follow_ups.extend(committed.late.then_some(Input::CaughtUp));
            self.follow_up(now);
            if self.durable.is_settled() {
                return Ok(());
            }
        }
    }

    fn tidy(&mut self) {
        if self.untidy == Some(LAUNCH_REST) {
            self.hosts.refill();
            self.untidy = Some(STORE_REST);
        } else {
            self.untidy = self.durable.maintain().then_some(STORE_REST);
        }
    }
}

/// What ended a wait.
enum Came {
    Report(Report),
    Changes(u128, PathReport),
    Events(u128, EventReport),
    Device(u128, EventReport),
    Push(bgtask_push::Report),
    Fleet(bgtask_push::Report),
    Inbox,
    Wake,
    Retry,
    Launches,
    Idle,
    Sockets(Vec<(SocketKey, Readiness)>),
}

/// Whether a server may be reached that could not be before.
fn lets_connect(report: &Report) -> bool {
    matches!(report, Report::Level(SourceKind::Internet, true) | Report::Level(SourceKind::Standby, false))
}

/// Whether somebody may have said who may have transfers carried, or an app has come or gone (U-26).
const fn may_change_access(input: &Input) -> bool {
    matches!(
        input,
        Input::Policy(_)
            | Input::Attach { .. }
            | Input::Detach(_)
            | Input::Request(_, Request::SetAccess(..) | Request::SetBackground { .. })
    )
}

/// What came, with what waits behind it: that costs no commit of its own.
fn all_waiting<T>(first: T, waiting: &mut mpsc::Receiver<T>) -> Vec<T> {
    let more = std::iter::from_fn(|| waiting.try_recv().ok()).take(MAX_REPORTS - 1);
    std::iter::once(first).chain(more).collect()
}

async fn after(pause: Option<(Duration, Came)>) -> Came {
    match pause {
        Some((pause, came)) => {
            sleep(pause).await;
            came
        }
        None => std::future::pending().await,
    }
}
