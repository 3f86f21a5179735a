//! Control channels (CCT): whose connections are watched, which tasks are told, and what becomes of a channel when its process, its
//! connection or the machine's wakefulness goes.

use std::sync::Arc;
use std::time::Duration;

use super::fire::Occurrence;
use super::schedule::Gate;
use super::tables::Occasion;
use super::{Core, Task};
use crate::host::{Host, HostEvent, HostKind, HostState};
use crate::ids::{AppId, ClientId, HostId, SocketKey, TaskId};
use crate::input::NewControlChannel;
use crate::limits::{
    FIRST_UNREAD_PAUSE, LAST_UNREAD_PAUSE, MAX_CONTROL_CHANNELS, MAX_CONTROL_CHANNELS_PER_APP, MAX_KEEP_ALIVE_MINUTES,
    MAX_PER_TURN, MIN_KEEP_ALIVE_MINUTES,
};
use crate::model::app::Sharing;
use crate::model::control_channel::{
    ChannelEvent, ChannelSide, ChannelState, ControlChannel, ControlChannelTriggerResetReason as Reason,
    ControlChannelTriggerResourceType, ControlChannelTriggerStatus as Status, check_channel_id,
};
use crate::model::fact::Fact;
use crate::model::registration::{Entry, Registration, Standing};
use crate::model::trigger::{Details, SystemTriggerType};
use crate::output::{Output, Reply, Wake, WakeReason};
use crate::refusal::Refusal;

impl Core {
    /// Every control channel there is.
    pub fn control_channels(&self) -> impl Iterator<Item = &ControlChannel> {
        self.control_channels.iter()
    }

    /// `WaitForPushEnabled` (CCT-6): from now on the connection is watched. Enabled again by the same client it is a new beginning.
    pub(super) fn enable_control_channel(&mut self, app: &AppId, new: NewControlChannel) -> Result<Reply, Refusal> {
        let key = new.key;
        let answer = self.check_control_channel(app, &new).map(|held_back| match held_back {
            Some((status, why)) => Reply::ControlChannel { status, why },
            None => self.open_control_channel(app, new),
        });
        if !matches!(answer, Ok(Reply::ControlChannel { status: Status::SoftwareSlotAllocated, .. })) {
            self.outputs.push_back(Output::DropSocket(key));
        }
        answer
    }

    /// What is wrong with the request, or else why there is no channel now.
    fn check_control_channel(&self, app: &AppId, new: &NewControlChannel) -> Result<Option<(Status, String)>, Refusal> {
        if self.apps.get(app).is_none() {
            return Err(Refusal::UnknownApp(app.clone()));
        }
        check_channel_id(&new.id)?;
        if !(MIN_KEEP_ALIVE_MINUTES..=MAX_KEEP_ALIVE_MINUTES).contains(&new.keep_alive) {
            return Err(Refusal::InvalidArgument(format!(
                "the server's keep-alive interval is {} min: it is {MIN_KEEP_ALIVE_MINUTES} to {MAX_KEEP_ALIVE_MINUTES} (CCT-2)",
                new.keep_alive
            )));
        }
        if new.resource == ControlChannelTriggerResourceType::RequestHardwareSlot {
            return Err(Refusal::NotSupported {
                what: "a hardware slot".into(),
                why: "Linux wakes no sleeping machine for a single connection (CCT-8)".into(),
                help:
                    "ask for RequestSoftwareSlot: what arrives while the machine sleeps is told when it is awake again"
                        .into(),
            });
        }
        let known = self.control_channels.named(app, &new.id);
        if known.is_some_and(|known| known.client != new.client) {
            let text = format!("another process of the app holds the channel {:?}: choose another id", new.id);
            return Err(Refusal::InvalidArgument(text));
        }
        Ok(self.holds_control_channel_back(app, new, known.is_some()))
    }

    fn holds_control_channel_back(
        &self,
        app: &AppId,
        new: &NewControlChannel,
        again: bool,
    ) -> Option<(Status, String)> {
        let access = self.apps.status(app, "", false);
        if !access.allows() {
            let why = format!("background access of the app is {access}: see BackgroundExecutionManager (ACC-25)");
            return Some((Status::PolicyError, why));
        }
        if !again && self.control_channels.of_app(app).count() >= MAX_CONTROL_CHANNELS_PER_APP {
            let why =
                format!("the app has {MAX_CONTROL_CHANNELS_PER_APP} channels, the most it may: close one (CCT-11)");
            return Some((Status::PolicyError, why));
        }
        if !again && self.control_channels.len() >= MAX_CONTROL_CHANNELS {
            let why = format!("there are {MAX_CONTROL_CHANNELS} channels, the most there may be (CCT-11)");
            return Some((Status::PolicyError, why));
        }
        if self.facts.levels().get(Fact::Standby).is_some_and(|(sleeps, _)| sleeps) {
            return Some((Status::ServiceUnavailable, "the machine goes to sleep: try again when it is awake".into()));
        }
        let ended = || (Status::TransportDisconnected, "the connection has ended already: connect anew".into());
        new.ended.then(ended)
    }

    fn open_control_channel(&mut self, app: &AppId, new: NewControlChannel) -> Reply {
        let known = self.control_channels.named(app, &new.id).map(|known| known.key);
        known.into_iter().for_each(|key| drop(self.give_up_channel(key)));
        let keep_alive = Duration::from_secs(u64::from(new.keep_alive) * 60);
        self.control_channels.insert(ControlChannel {
            key: new.key,
            app: app.clone(),
            id: new.id.into(),
            client: new.client,
            host: new.host,
            keep_alive,
            due: self.now.wall + keep_alive,
            seen: None,
            pause: Duration::ZERO,
            slept: false,
            state: ChannelState::Watched,
        });
        self.outputs.push_back(Output::WatchSocket(new.key));
        Reply::ControlChannel { status: Status::SoftwareSlotAllocated, why: "the channel is open".into() }
    }

    /// `Close` (CCT-13). That there is none any more is no error.
    pub(super) fn close_control_channel(&mut self, app: &AppId, id: &str) -> Reply {
        let key = self.control_channels.named(app, id).map(|channel| channel.key);
        key.into_iter().for_each(|key| drop(self.give_up_channel(key)));
        Reply::ChannelClosed
    }

    /// Something was seen at a channel that is watched, or its end. A late word is nothing.
    pub(super) fn channel_seen(&mut self, key: SocketKey, seen: Option<u64>) {
        let Some(channel) = self.control_channels.get(key) else { return };
        if channel.state != ChannelState::Watched {
            return;
        }
        match seen {
            None if channel.slept => self.reset_channels(vec![key], Reason::LowPowerExit),
            None => {
                let tasks = self.tasks_of_channel(channel, ChannelSide::Push);
                self.control_channels.apply(key, ChannelEvent::Closed);
                self.tell_all(&tasks);
            }
            Some(seen) if channel.seen == Some(seen) => self.leave_unread(key),
            Some(seen) => self.channel_arrived(key, seen),
        }
    }

    fn channel_arrived(&mut self, key: SocketKey, seen: u64) {
        let Some(channel) = self.control_channels.get(key) else { return };
        let tasks = self.tasks_of_channel(channel, ChannelSide::Push);
        if tasks.is_empty() {
            self.control_channels.apply(key, ChannelEvent::Ignored);
            return;
        }
        self.control_channels.apply(key, ChannelEvent::Arrived);
        self.control_channels.change(key, |channel| {
            // After a pause it is not known whether this is what was left then.
            if channel.seen.is_some() {
                channel.pause = Duration::ZERO;
            }
            (channel.seen, channel.slept) = (Some(seen), false);
        });
        self.tell_all(&tasks);
    }

    /// The tasks have ended and read nothing. They are told again, but ever later: nobody runs in circles.
    fn leave_unread(&mut self, key: SocketKey) {
        let now = self.now.wall;
        self.control_channels.change(key, |channel| {
            channel.pause = (channel.pause * 2).clamp(FIRST_UNREAD_PAUSE, LAST_UNREAD_PAUSE);
        });
        let Some(pause) = self.control_channels.get(key).map(|channel| channel.pause) else { return };
        self.control_channels.apply(key, ChannelEvent::LeftUnread { until: now + pause });
    }

    fn tell_all(&mut self, tasks: &[TaskId]) {
        tasks.iter().for_each(|task| {
            self.accept(*task, Occurrence::default());
        });
    }

    /// An activation of a task of a channel has come to its end. After the last, the channel is watched again, whatever is left to
    /// read.
    pub(super) fn channel_served(&mut self, id: TaskId) {
        let Some(channel) = self.pushed_by(id) else { return };
        let key = channel.key;
        let busy = |task: &Task| !task.is_quiet();
        if channel.state == ChannelState::Told && !self.behind_side(channel, ChannelSide::Push).into_iter().any(busy) {
            self.control_channels.apply(key, ChannelEvent::Ended);
            self.outputs.push_back(Output::WatchSocket(key));
        }
    }

    /// There is a task now for what arrives at a channel.
    pub(super) fn channel_has_task(&mut self, id: TaskId) {
        let unheard = self.pushed_by(id).filter(|channel| channel.state == ChannelState::Unheard);
        if let Some(key) = unheard.map(|channel| channel.key) {
            self.resume_channel(key);
        }
    }

    /// The channel whose arrivals fire a task.
    fn pushed_by(&self, id: TaskId) -> Option<&ControlChannel> {
        let registration = &self.tasks.get(id)?.registration;
        match registration.trigger.control_channel()? {
            (channel, ChannelSide::Push) => self.control_channels.named(&registration.app, channel),
            (_, ChannelSide::KeepAlive) => None,
        }
    }

    fn resume_channel(&mut self, key: SocketKey) {
        if self.control_channels.apply(key, ChannelEvent::Resumed) {
            self.control_channels.change(key, |channel| channel.seen = None);
            self.outputs.push_back(Output::WatchSocket(key));
        }
    }

    /// Keep-alives and pauses that are over (CCT-4). Whoever has some time left shares this wake-up.
    pub(super) fn expire_channels(&mut self) {
        let now = self.now.wall;
        for key in self.control_channels.due_by(now, MAX_PER_TURN) {
            let Some(channel) = self.control_channels.get(key) else { continue };
            let (due, keep_alive) = (channel.due, channel.keep_alive);
            if due <= now {
                let tasks = self.tasks_of_channel(channel, ChannelSide::KeepAlive);
                self.control_channels.change(key, |channel| channel.due = now + keep_alive);
                self.tell_all(&tasks);
            }
            let state = self.control_channels.get(key).map(|channel| channel.state);
            if matches!(state, Some(ChannelState::Paused { until }) if until <= now) {
                self.resume_channel(key);
            }
        }
    }

    pub(super) fn channel_wake(&self) -> Option<Wake> {
        let (at, channel) = self.control_channels.first_alarm()?;
        let why = self.all_of_channel(channel).next().map_or(WakeReason::More, WakeReason::KeepAlive);
        Some(Wake { at: self.now.boot + (at - self.now.wall), why })
    }

    /// The clock was set back: who would wait for longer than was said begins anew.
    pub(super) fn channels_anew(&mut self) {
        let now = self.now.wall;
        let late = |channel: &&ControlChannel| channel.due > now + channel.keep_alive;
        let late: Vec<_> = self.control_channels.iter().filter(late).map(|channel| channel.key).collect();
        late.into_iter().for_each(|key| {
            self.control_channels.change(key, |channel| channel.due = now + channel.keep_alive);
        });
    }

    /// The machine has slept: every channel that is watched is looked at again, and whose connection is gone is reset.
    pub(super) fn look_at_channels(&mut self) {
        let keys: Vec<_> = self.control_channels.iter().map(|channel| channel.key).collect();
        for key in keys {
            self.control_channels.change(key, |channel| channel.slept = true);
            if self.control_channels.get(key).is_some_and(|channel| channel.state == ChannelState::Watched) {
                self.outputs.push_back(Output::WatchSocket(key));
            }
        }
    }

    /// The client that held them is gone, and with it the connections.
    pub(super) fn channels_gone(&mut self, client: ClientId) {
        let keys = self.control_channels.of_client(client);
        // Whoever runs on without this broker opens them anew at the next.
        if self.stopping {
            return keys.into_iter().for_each(|key| drop(self.give_up_channel(key)));
        }
        self.reset_channels(keys, Reason::ApplicationRestart);
    }

    /// The app is gone, and has nobody to be told.
    pub(super) fn close_control_channels(&mut self, app: &AppId) {
        let keys: Vec<_> = self.control_channels.of_app(app).map(|channel| channel.key).collect();
        keys.into_iter().for_each(|key| drop(self.give_up_channel(key)));
    }

    /// CCT-15: the channels of an app are no more, which its tasks with `ControlChannelReset` are told once.
    fn reset_channels(&mut self, keys: Vec<SocketKey>, reason: Reason) {
        let Some(app) = keys.into_iter().filter_map(|key| self.give_up_channel(key)).map(|channel| channel.app).last()
        else {
            return;
        };
        let concerned = self.tasks.concerned(&Occasion::System(SystemTriggerType::ControlChannelReset));
        let its = |task: &&Task| task.registration.app == app && task.registration.standing == Standing::Active;
        let told: Vec<_> = concerned.filter(its).map(|task| (task.registration.id, task.waiting.is_empty())).collect();
        for (id, first) in told {
            // Of several that wait, the first has the word: all have to be opened anew.
            let details = first.then(|| Details(reason.name().as_bytes().into()));
            self.accept(id, Occurrence { details, ..Occurrence::default() });
        }
    }

    /// Forgets a channel. What waited for its process is given up.
    fn give_up_channel(&mut self, key: SocketKey) -> Option<ControlChannel> {
        let channel = self.control_channels.remove(key)?;
        self.outputs.push_back(Output::DropSocket(key));
        let tasks: Vec<_> = self.all_of_channel(&channel).collect();
        for id in tasks {
            self.drop_waiting(id);
            self.fresh_gate(id);
            self.tidy(id);
        }
        self.let_holder_go(channel.host);
        Some(channel)
    }

    /// A host that held nothing but its last channel lingers as any other from now on.
    fn let_holder_go(&mut self, host: Option<HostId>) {
        let Some(id) = host.filter(|id| !self.control_channels.are_in(*id)) else { return };
        let until = self.now.boot + self.config.warm_linger;
        let Some(host) = self.hosts.get_mut(id) else { return };
        if matches!((&host.kind, host.state), (HostKind::Launched(_), HostState::Idle { until: None })) {
            host.apply(HostEvent::Released { until });
        }
    }

    /// A host has time again, or is one now: what waits for it may go.
    pub(super) fn holder_is_free(&mut self, host: HostId) {
        let held = |channel: &&ControlChannel| self.holder_of(channel).is_some_and(|its| its.id == host);
        let channels: Vec<_> = self.control_channels.iter().filter(held).collect();
        let tasks: Vec<_> = channels.into_iter().flat_map(|channel| self.all_of_channel(channel)).collect();
        tasks.into_iter().for_each(|id| self.fresh_gate(id));
    }

    /// The process that a task of a control channel has to run in, and may now.
    pub(super) fn holder_for(&self, registration: &Registration) -> Option<HostId> {
        let (id, _) = registration.trigger.control_channel()?;
        let host = self.holder_of(self.control_channels.named(&registration.app, id)?)?;
        (self.runs_entry(host, registration) && has_time(host)).then_some(host.id)
    }

    pub(super) fn held_by_holder(&self, registration: &Registration) -> Option<Gate> {
        let of_a_channel = registration.trigger.control_channel().is_some();
        (of_a_channel && self.holder_for(registration).is_none()).then_some(Gate::Holder)
    }

    /// Why its process cannot run a task of a channel now.
    pub(super) fn why_held_by_holder(&self, registration: &Registration) -> &'static str {
        let channel = registration.trigger.control_channel();
        let channel = channel.and_then(|(id, _)| self.control_channels.named(&registration.app, id));
        match channel.map(|channel| self.holder_of(channel)) {
            None => "there is no such channel any more",
            Some(None) => {
                "the process that holds the connection runs no tasks of the app (CoreApplication::background_activated)"
            }
            Some(Some(host)) if !self.runs_entry(host, registration) => {
                "the process that holds the connection is another than the one this task runs in: register it for that one"
            }
            Some(Some(_)) => "the process that holds the connection runs another task, or ends",
        }
    }

    /// What the broker has of the channel of a task, for a person.
    pub(super) fn say_channel(&self, registration: &Registration) -> Option<String> {
        let (id, _) = registration.trigger.control_channel()?;
        Some(match self.control_channels.named(&registration.app, id).map(|channel| channel.state) {
            None => {
                format!(" No process of the app has the control channel {id:?} open: wait_for_push_enabled() opens it.")
            }
            Some(ChannelState::Over) => {
                " The connection has ended: the app has to connect anew, and to open the channel with that.".into()
            }
            Some(ChannelState::Paused { .. }) => " Its last run has read nothing of what arrived.".into(),
            Some(_) => " The broker watches its connection.".into(),
        })
    }

    fn holder_of(&self, channel: &ControlChannel) -> Option<&Host> {
        self.hosts.get(channel.host.or_else(|| self.hosts.of_client(channel.client))?)
    }

    /// An app runs its own tasks, and a program of it those that the manifest gives to that program.
    fn runs_entry(&self, host: &Host, registration: &Registration) -> bool {
        let Some(server) = self.apps.get(&registration.app).and_then(|app| app.server(&registration.entry)) else {
            return false;
        };
        match &host.kind {
            HostKind::App(_) => matches!(registration.entry, Entry::InProcess),
            HostKind::Launched(its) => its.program == server.program && its.sharing == server.sharing,
        }
    }

    fn tasks_of_channel(&self, channel: &ControlChannel, side: ChannelSide) -> Vec<TaskId> {
        let active = |task: &&Task| task.registration.standing == Standing::Active;
        self.behind_side(channel, side).into_iter().filter(active).map(|task| task.registration.id).collect()
    }

    fn behind_side(&self, channel: &ControlChannel, side: ChannelSide) -> Vec<&Task> {
        let its = |task: &&Task| {
            let registration = &task.registration;
            registration.app == channel.app
                && registration.trigger.control_channel().is_some_and(|(_, its)| its == side)
        };
        self.tasks.concerned(&Occasion::ControlChannel(Arc::clone(&channel.id))).filter(its).collect()
    }

    /// The tasks of both sides.
    fn all_of_channel(&self, channel: &ControlChannel) -> impl Iterator<Item = TaskId> {
        let sides = [ChannelSide::KeepAlive, ChannelSide::Push];
        sides.into_iter().flat_map(|side| self.behind_side(channel, side)).map(|task| task.registration.id)
    }
}

/// Whether a host may be given another instance at once.
const fn has_time(host: &Host) -> bool {
    let together = match &host.kind {
        HostKind::App(_) => true,
        HostKind::Launched(server) => matches!(server.sharing, Sharing::Together(_)),
    };
    host.is_open() && (together || matches!(host.state, HostState::Idle { .. }))
}
