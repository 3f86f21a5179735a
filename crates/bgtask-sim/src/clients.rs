//! Fake clients: they ask, attach, lose what they are told, and acknowledge late, twice or never.
//!
//! Some are apps that run by themselves: they take their tasks, survive the broker, and attach again after its restart.

use std::collections::{BTreeMap, BTreeSet};

use bgtask_core::{AppId, BootTime, ClientId, Consent, Input, Notice, Refusal, Reply, Request, RequestId, TaskId};

use crate::agenda::Agenda;
use crate::apps;
use crate::asks::{self, Ask};
use crate::chance::Chance;

#[derive(Clone, Debug)]
enum Planned {
    Ask(Box<Request>),
    /// The user answers a question; without a broker nobody waits for that any more.
    Answer(RequestId, Consent),
    /// An app that runs by itself attaches again.
    Attach(AppId),
}

/// Somebody who is connected.
#[derive(Debug)]
struct Client {
    app: AppId,
    /// It is an app that runs by itself and takes tasks.
    activates: bool,
}

/// A question or a request on its way.
#[derive(Debug)]
struct Asked {
    must_fail: bool,
    /// Its answer is the user's.
    of_user: bool,
    /// Its answer waits for an address.
    of_server: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Clients {
    attached: BTreeMap<ClientId, Client>,
    asked: BTreeMap<RequestId, Asked>,
    agenda: Agenda<Planned>,
    /// Registrations some client was told of.
    known: Vec<(TaskId, AppId)>,
    registering: BTreeMap<RequestId, AppId>,
    /// The questions the user was ever asked.
    questions: BTreeSet<RequestId>,
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
        let acknowledge = |app, sequence| Ask::from(Request::Acknowledge(app, sequence));
        let ask = match chance.below(20) {
            0 => acknowledge(apps::any_name(chance), chance.below(5_000) << 32),
            1 if !self.heard.is_empty() => {
                let (app, sequence) = chance.pick(&self.heard).cloned().expect("not empty");
                acknowledge(app, sequence)
            }
            _ => asks::any(self.last_request, &self.known, chance),
        };
        self.ask(ask.request, ask.must_fail)
    }

    pub(crate) fn ask(&mut self, request: Request, must_fail: bool) -> Input {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.asked.insert(
            id,
            Asked { must_fail, of_user: false, of_server: matches!(request, Request::CreatePushChannel(_)) },
        );
        if let Request::Register(app, _) | Request::RegisterOrUpdate(app, _) = &request {
            self.registering.insert(id, app.clone());
        }
        Input::Request(id, request)
    }

    pub(crate) fn attach(&mut self, app: AppId, activates: bool) -> Input {
        self.last_client += 1;
        let client = ClientId(self.last_client);
        self.attached.insert(client, Client { app: app.clone(), activates });
        Input::Attach { client, app, activates }
    }

    /// Whose the client is, if it is still there.
    pub(crate) fn app_of(&self, client: ClientId) -> Option<&AppId> {
        self.attached.get(&client).map(|client| &client.app)
    }

    pub(crate) fn any(&self, chance: &mut Chance) -> Option<ClientId> {
        let attached: Vec<_> = self.attached.keys().copied().collect();
        chance.pick(&attached).copied()
    }

    pub(crate) fn left(&mut self, client: ClientId) {
        self.attached.remove(&client);
    }

    pub(crate) fn attached(&self) -> impl Iterator<Item = (ClientId, &AppId)> {
        self.attached.iter().map(|(id, client)| (*id, &client.app))
    }

    /// Takes in an answer; `Err` says why it is not the right one.
    pub(crate) fn answered(&mut self, id: RequestId, reply: &Result<Reply, Refusal>) -> Result<(), String> {
        let asked = self.asked.remove(&id).ok_or_else(|| format!("{id:?} was answered twice or never asked"))?;
        if asked.must_fail && reply.is_ok() {
            return Err(format!("{id:?} is nonsense and was granted"));
        }
        let app = self.registering.remove(&id);
        if let (Ok(Reply::Registered(task) | Reply::Updated(task, _)), Some(app)) = (reply, app) {
            self.known.push((*task, app));
        }
        Ok(())
    }

    /// The user is asked, and answers soon, after hours, or twice.
    pub(crate) fn question(&mut self, id: RequestId, now: BootTime, chance: &mut Chance) -> Result<(), String> {
        let asked =
            self.asked.get_mut(&id).ok_or_else(|| format!("the user is asked about {id:?}, which is answered"))?;
        if !self.questions.insert(id) {
            return Err(format!("the user is asked twice about {id:?}"));
        }
        asked.of_user = true;
        let consents = [Consent::Granted, Consent::Refused, Consent::Unavailable("no portal".into())];
        let most = if chance.percent(20) { 7_200_000 } else { 4_000 };
        for _ in 0..=u64::from(chance.percent(15)) {
            let consent = chance.pick(&consents).cloned().expect("three");
            self.agenda.plan(now + chance.millis(most), Planned::Answer(id, consent));
        }
        Ok(())
    }

    /// Requests that got no answer although every input was handled, and the user is not thinking about it.
    pub(crate) fn unanswered(&self) -> usize {
        self.asked.values().filter(|asked| !asked.of_user && !asked.of_server).count()
    }

    /// Answers whether the client was still there to hear it.
    pub(crate) fn hear(&mut self, client: ClientId, notice: &Notice, now: BootTime, chance: &mut Chance) -> bool {
        let Some(app) = self.app_of(client).cloned() else {
            return false;
        };
        let Notice::Completed(completion) = notice else {
            return true;
        };
        self.heard.push((app.clone(), completion.sequence));
        let acknowledge = Planned::Ask(Box::new(Request::Acknowledge(app, completion.sequence)));
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

    /// The broker died: connections, open requests and questions with it. What a client means to acknowledge it still
    /// means to, and most apps that run by themselves come back.
    pub(crate) fn broker_died(&mut self, now: BootTime, chance: &mut Chance) {
        for client in std::mem::take(&mut self.attached).into_values() {
            if client.activates && chance.percent(90) {
                self.agenda.plan(now + chance.millis(6_000), Planned::Attach(client.app));
            }
        }
        self.agenda.cancel(|planned| matches!(planned, Planned::Answer(..)));
        self.asked.clear();
        self.registering.clear();
    }

    /// The next thing a client or the user planned that is due.
    pub(crate) fn speak(&mut self, now: BootTime) -> Option<Input> {
        Some(match self.agenda.take_due(now)? {
            Planned::Ask(request) => self.ask(*request, false),
            Planned::Answer(request, consent) => Input::Consent(request, consent),
            Planned::Attach(app) => self.attach(app, true),
        })
    }
}
