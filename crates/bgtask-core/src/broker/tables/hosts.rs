use std::collections::BTreeMap;
use std::sync::Arc;

use crate::BootTime;
use crate::host::{Activity, Host, HostKind, HostState, Meter};
use crate::ids::{ClientId, HostId};
use crate::model::app::{App, Server, Sharing};
use crate::model::command::Usage;

/// The hosts there are.
#[derive(Default)]
pub(in crate::broker) struct Hosts {
    by_id: BTreeMap<HostId, Host>,
    last: u64,
}

impl Hosts {
    pub(in crate::broker) fn get(&self, id: HostId) -> Option<&Host> {
        self.by_id.get(&id)
    }

    pub(in crate::broker) fn get_mut(&mut self, id: HostId) -> Option<&mut Host> {
        self.by_id.get_mut(&id)
    }

    pub(in crate::broker) fn iter(&self) -> impl Iterator<Item = &Host> {
        self.by_id.values()
    }

    /// A process to be started, with its first instance.
    pub(in crate::broker) fn start(&mut self, app: &App, server: Server, now: BootTime) -> HostId {
        self.insert(app, HostKind::Launched(server), HostState::Busy { instances: 1 }, now)
    }

    /// An app that runs by itself.
    pub(in crate::broker) fn adopt(&mut self, app: &App, client: ClientId, now: BootTime) -> HostId {
        self.insert(app, HostKind::App(client), HostState::Idle { until: None }, now)
    }

    fn insert(&mut self, app: &App, kind: HostKind, state: HostState, now: BootTime) -> HostId {
        self.last += 1;
        let id = HostId(self.last);
        let (app, version) = (app.id.clone(), Arc::clone(&app.version));
        let activity = Activity::at(now);
        let host = Host {
            id,
            app,
            version,
            kind,
            state,
            worn: false,
            condemned_by: None,
            activity,
            charged: Usage::default(),
            serves: None,
            meter: Meter::default(),
            frozen: None,
        };
        self.by_id.insert(id, host);
        id
    }

    pub(in crate::broker) fn remove(&mut self, id: HostId) -> Option<Host> {
        self.by_id.remove(&id)
    }

    pub(in crate::broker) fn of_client(&self, client: ClientId) -> Option<HostId> {
        self.iter().find(|host| host.kind == HostKind::App(client)).map(|host| host.id)
    }

    /// The app itself, where it runs by itself: the one that came first.
    pub(in crate::broker) fn running_app(&self, app: &App) -> Option<HostId> {
        let fits = |host: &&Host| host.app == app.id && matches!(host.kind, HostKind::App(_)) && host.is_open();
        self.iter().find(fits).map(|host| host.id)
    }

    /// A host that another instance of this program may join or follow: of those that linger the one that would linger
    /// longest, as its memory is the warmest.
    pub(in crate::broker) fn fitting(&self, app: &App, server: &Server) -> Option<HostId> {
        let fits = |host: &&Host| match &host.kind {
            HostKind::Launched(its) => host.app == app.id && may_share(its, server) && host.is_open(),
            HostKind::App(_) => false,
        };
        let shared = matches!(server.sharing, Sharing::Together(_));
        let free = |host: &Host| match host.state {
            HostState::Idle { until } => Some(until),
            HostState::Busy { .. } if shared => Some(None),
            _ => None,
        };
        let candidates = self.iter().filter(fits).filter_map(|host| Some((free(host)?, host.id)));
        candidates.max_by_key(|(until, id)| (*until, std::cmp::Reverse(*id))).map(|(_, id)| id)
    }

    /// The hosts that the broker started and that have nothing to run, however long they linger.
    pub(in crate::broker) fn resting(&self) -> impl Iterator<Item = &Host> {
        let rests = |host: &&Host| matches!((&host.kind, host.state), (HostKind::Launched(_), HostState::Idle { .. }));
        self.iter().filter(rests)
    }

    /// Lingering hosts with the end of their time.
    pub(in crate::broker) fn idle(&self) -> impl Iterator<Item = (BootTime, &Host)> {
        self.by_id.values().filter_map(|host| match host.state {
            HostState::Idle { until: Some(until) } => Some((until, host)),
            _ => None,
        })
    }
}

fn may_share(host: &Server, wanted: &Server) -> bool {
    host.program == wanted.program && host.sharing == wanted.sharing && wanted.sharing != Sharing::Apart
}
