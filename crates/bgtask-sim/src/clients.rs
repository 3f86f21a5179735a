//! Fake clients: they ask, attach, lose what they are told, and acknowledge late, twice or never.

use std::collections::BTreeMap;

use bgtask_core::{AppId, BootTime, ClientId, Input, Notice, Refusal, Reply, Request, RequestId, TaskId};

use crate::agenda::Agenda;
use crate::apps::{self, Ask};
use crate::chance::Chance;

#[derive(Debug, Default)]
pub(crate) struct Clients {
    attached: BTreeMap<ClientId, AppId>,
    asked: BTreeMap<RequestId, bool>,
    agenda: Agenda<Request>,
    /// Registrations some client was told of.
    known: Vec<(TaskId, AppId)>,
    registering: BTreeMap<RequestId, AppId>,
    /// Everything ever delivered: an acknowledgement may be repeated much later.
    heard: Vec<(AppId, u64)>,
    last_client: u64,
    last_request: u64,
    /// In the quiet phase every client does its work well.
    pub(crate) tame: bool,
}

impl Clients {
    pub(crate) fn next(&self) -> Option<BootTime> {
        self.agenda.next()
    }

    pub(crate) fn ask_something(&mut self, chance: &mut Chance) -> Input {
        let ask = match chance.below(20) {
            0..=9 => apps::register(self.last_request, chance),
            10..=13 => apps::unregister(&self.known, chance),
            14..=16 => Ask { request: Request::RequestAccess(apps::any_name(chance)), must_fail: false },
            17 => Ask { request: Request::RemoveAccess(apps::any_name(chance)), must_fail: false },
            18 => Ask {
                request: Request::Acknowledge(apps::any_name(chance), chance.below(5_000) << 32),
                must_fail: false,
            },
            _ => match chance.pick(&self.heard).cloned() {
                Some((app, sequence)) => Ask { request: Request::Acknowledge(app, sequence), must_fail: false },
                None => Ask { request: Request::RequestAccess(apps::any_name(chance)), must_fail: false },
            },
        };
        self.ask(ask.request, ask.must_fail)
    }

    pub(crate) fn ask(&mut self, request: Request, must_fail: bool) -> Input {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.asked.insert(id, must_fail);
        if let Request::Register(app, _) = &request {
            self.registering.insert(id, app.clone());
        }
        Input::Request(id, request)
    }

    pub(crate) fn attach(&mut self, app: AppId) -> Input {
        self.last_client += 1;
        let client = ClientId(self.last_client);
        self.attached.insert(client, app.clone());
        Input::Attach(client, app)
    }

    pub(crate) fn detach_one(&mut self, chance: &mut Chance) -> Option<Input> {
        let attached: Vec<_> = self.attached.keys().copied().collect();
        chance.pick(&attached).map(|client| {
            self.attached.remove(client);
            Input::Detach(*client)
        })
    }

    pub(crate) fn attached(&self) -> impl Iterator<Item = (ClientId, &AppId)> {
        self.attached.iter().map(|(client, app)| (*client, app))
    }

    /// Takes in an answer; `Err` says why it is not the right one.
    pub(crate) fn answered(&mut self, id: RequestId, reply: &Result<Reply, Refusal>) -> Result<(), String> {
        let must_fail = self.asked.remove(&id).ok_or_else(|| format!("{id:?} was answered twice or never asked"))?;
        if must_fail && reply.is_ok() {
            return Err(format!("{id:?} is nonsense and was granted"));
        }
        if let (Ok(Reply::Registered(task)), Some(app)) = (reply, self.registering.remove(&id)) {
            self.known.push((*task, app));
        }
        Ok(())
    }

    /// Requests that got no answer although every input was handled.
    pub(crate) fn unanswered(&self) -> usize {
        self.asked.len()
    }

    /// Answers whether the client was still there to hear it.
    pub(crate) fn hear(&mut self, client: ClientId, notice: &Notice, now: BootTime, chance: &mut Chance) -> bool {
        let Some(app) = self.attached.get(&client) else {
            return false;
        };
        let Notice::Completed(completion) = notice else {
            return true;
        };
        self.heard.push((app.clone(), completion.sequence));
        let acknowledge = Request::Acknowledge(app.clone(), completion.sequence);
        let times = match chance.below(10) {
            _ if self.tame => 1,
            0..=4 => 1,
            5..=6 => 2,
            _ => 0,
        };
        for _ in 0..times {
            self.agenda.plan(now + chance.millis(3_000), acknowledge.clone());
        }
        true
    }

    /// The broker died: connections and open requests with it. What a client means to acknowledge it still means to.
    pub(crate) fn broker_died(&mut self) {
        self.attached.clear();
        self.asked.clear();
        self.registering.clear();
    }

    /// The next request a client planned that is due.
    pub(crate) fn speak(&mut self, now: BootTime) -> Option<Input> {
        let request = self.agenda.take_due(now)?;
        Some(self.ask(request, false))
    }
}
